"""Page objects: one page of a longer list, and where it stands in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

_Row = TypeVar("_Row", bound=Model)


def page_of(
    rows: QuerySet[_Row],
    describe: Callable[[list[_Row]], list[dict[str, Any]]],
    *,
    page: int,
    per_page: int,
) -> dict[str, Any]:
    """Return a page of *rows*, its items made by *describe*; an empty list has one page."""
    total = rows.count()
    start = (page - 1) * per_page
    items = describe(list(rows[start : start + per_page]))
    return {
        "list": items,
        "page": page,
        "pages": max(1, -(-total // per_page)),
        "per_page": per_page,
        "on_this_page": len(items),
        "total": total,
        "has_more": start + len(items) < total and bool(items),
    }
