"""One function per remote method, a module or more per remote object."""

from ..registry import METHODS as METHODS
from . import (  # noqa: F401 - registers them
    assets,
    file,
    legacy_assets,
    listing,
    media,
    organisation,
    system,
    user,
)
