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
    total: int | None = None,
    token: Callable[[_Row], str | None] | None = None,
) -> dict[str, Any]:
    """
    Return a page of *rows*, its items made by *describe*; an empty list has one page.

    Args:
        page: Its number, from 1.
        total: How many rows there are, when *rows* are only the end of a list.
        token: Returns the place of a row; the page tells the one behind which the next begins.
    """
    if total is None:
        total = rows.count()
    start = (page - 1) * per_page
    # One row more tells whether there is a next page as of the moment that this one was read.
    found = list(rows[start : start + per_page + 1])
    here = found[:per_page]
    has_more = len(found) > per_page
    items = describe(here)
    answer: dict[str, Any] = {
        "list": items,
        "page": page,
        "pages": max(1, -(-total // per_page)),
        "per_page": per_page,
        "on_this_page": len(items),
        "total": total,
        "has_more": has_more,
    }
    if token is not None:
        answer["next"] = token(here[-1]) if has_more else None
    return answer
