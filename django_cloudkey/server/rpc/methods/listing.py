"""``media``: which there are."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from django.db.models import QuerySet

from ...models import Account, Media
from ..arguments import MAX_LIST, Check, Fields, PageNumber, PageSize, is_meta_value
from ..media_fields import check_stats, describe
from ..pages import page_of
from ..registry import method
from ..search import is_field, matching, ordered, search

MAX_QUERY = 512  # characters


def _is_order(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and is_field(value[0]) and value[1] in (1, -1)
    )


Query = Annotated[
    str,
    Check(
        accepts=lambda value: (
            isinstance(value, str) and len(value) <= MAX_QUERY and "\0" not in value
        ),
        says=f"a text of at most {MAX_QUERY} characters",
    ),
]
Sort = Annotated[
    list[list[Any]],
    Check(
        accepts=lambda value: (
            isinstance(value, list) and len(value) <= MAX_LIST and all(map(_is_order, value))
        ),
        says="a list of pairs such as ['created', 1], the second 1 or -1",
    ),
]
Filter = Annotated[
    dict[str, Any],
    Check(
        accepts=lambda value: (
            isinstance(value, dict)
            and len(value) <= MAX_LIST
            and all(is_field(field) and is_meta_value(item) for field, item in value.items())
        ),
        says="an object of values under fields such as 'meta.title'",
    ),
]


@method("media.list")
def list_(
    account: Account,
    *,
    fields: Fields | None = None,
    page: PageNumber = 1,
    per_page: PageSize = 10,
    sort: Sort | None = None,
    count: PageSize | None = None,
    filter: Filter | None = None,
) -> Any:
    """
    Return a page of the account's media, newest first or as *sort* says.

    *count* is an older name of *per_page*.
    """
    check_stats("media.list", fields)
    rows = matching(_all(account), filter or {})
    rows = ordered(rows, [(field, direction) for field, direction in sort or []])
    return page_of(rows, partial(describe, fields=fields), page=page, per_page=count or per_page)


@method("media.search")
def search_(
    account: Account,
    *,
    query: Query = "",
    fields: Fields | None = None,
    page: PageNumber = 1,
    per_page: PageSize = 10,
) -> Any:
    """Return a page of those of the account's media that *query* finds."""
    check_stats("media.search", fields)
    rows = search(_all(account), query)
    return page_of(rows, partial(describe, fields=fields), page=page, per_page=per_page)


@method("media.count")
def count(account: Account) -> int:
    """Return the number of the account's media."""
    return _all(account).count()


def _all(account: Account) -> QuerySet[Media]:
    return Media.objects.filter(account=account).select_related("account")
