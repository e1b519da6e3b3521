"""The pytest plugin: the cloud of :mod:`django_cloudkey.testing` as a fixture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import Cloud


@pytest.fixture
def cloudkey_cloud(db: None) -> Iterator[Cloud]:
    """
    A cloud in the process, for this test: ``cloudkey_cloud.media("ready", title="Knots")``.

    Where the cloud has a database of its own, the test's ``django_db`` mark names it.
    """
    # pytest loads plugins before Django has its settings, and in projects without Django too.
    from .testing import use_cloud

    with use_cloud() as cloud:
        yield cloud
