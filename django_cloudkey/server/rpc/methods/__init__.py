"""One function per remote method, one module per remote object."""

from . import file, media, user  # noqa: F401 - registers them
