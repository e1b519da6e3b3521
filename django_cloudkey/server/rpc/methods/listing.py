"""``media``: which there are."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from django.db.models import QuerySet

from ...models import Account, Media
from ..arguments import MAX_LIST, Check, Fields, PageNumber, PageSize, invalid, is_meta_value
from ..media_fields import check_stats, describe
from ..order import MAX_TOKEN, Order
from ..pages import page_of
from ..registry import method
from ..search import is_field, matching, search

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
Token = Annotated[
    str,
    Check(
        accepts=lambda value: isinstance(value, str) and 0 < len(value) <= MAX_TOKEN,
        says="the next of an earlier page",
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
    page: PageNumber | None = None,
    per_page: PageSize = 10,
    after: Token | None = None,
    sort: Sort | None = None,
    count: PageSize | None = None,
    filter: Filter | None = None,
) -> Any:
    """
    Return a page of the account's media, newest first or as *sort* says.

    *after* is the ``next`` of a page of the same *sort* and *filter*, and goes on behind it.
    *count* is an older name of *per_page*.
    """
    check_stats("media.list", fields)
    order = Order([(field, way) for field, way in sort or []], ["list", sort or [], filter or {}])
    rows = matching(_all(account), filter or {})
    return _page("media.list", rows, order, fields, page, count or per_page, after)


@method("media.search")
def search_(
    account: Account,
    *,
    query: Query = "",
    fields: Fields | None = None,
    page: PageNumber | None = None,
    per_page: PageSize = 10,
    after: Token | None = None,
) -> Any:
    """Return a page of those of the account's media that *query* finds."""
    check_stats("media.search", fields)
    rows, fields_of_order = search(_all(account), query)
    order = Order(fields_of_order, ["search", query])
    return _page("media.search", rows, order, fields, page, per_page, after)


@method("media.count")
def count(account: Account) -> int:
    """Return the number of the account's media."""
    return _all(account).count()


def _page(
    call: str,
    rows: QuerySet[Media],
    order: Order,
    fields: list[str] | None,
    page: int | None,
    per_page: int,
    after: str | None,
) -> dict[str, Any]:
    described = partial(describe, fields=fields)
    sorted_rows = order.sort(rows)
    if after is None:
        return page_of(sorted_rows, described, page=page or 1, per_page=per_page, token=order.token)
    if page is not None:
        raise invalid(call, "after says where the page begins, and page must not say it too")
    try:
        sorted_rows = order.behind(sorted_rows, after)
    except ValueError:
        raise invalid(call, "after must be the next of an earlier page of this list") from None
    answer = page_of(
        sorted_rows, described, page=1, per_page=per_page, total=rows.count(), token=order.token
    )
    return {**answer, "page": None}  # which it would be by number, nobody counted


def _all(account: Account) -> QuerySet[Media]:
    return account.media.all()  # each knows the account, which is read, and decrypted, once
