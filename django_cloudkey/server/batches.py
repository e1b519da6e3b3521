"""Long tables, read by their primary keys: constant memory, and no cursor that stays open."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)
BATCH = 500  # rows


def batches_of(rows: QuerySet[M], *, newest_first: bool = False) -> Iterator[list[M]]:
    """
    Yield *rows* in lists of up to 500, each of a query of its own, in the order of their keys.

    A row that is made or deleted meanwhile may be met or not; no other is left out or met twice.
    """
    rows = rows.order_by("-pk" if newest_first else "pk")
    rest = rows
    while batch := list(rest[:BATCH]):
        yield batch
        last: dict[str, Any] = {"pk__lt" if newest_first else "pk__gt": batch[-1].pk}
        rest = rows.filter(**last)
