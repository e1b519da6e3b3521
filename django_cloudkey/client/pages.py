"""
All rows of a paged list, each once, though the list changes while it is read.

A page may tell where the next one begins, a token in ``next``; then nothing moves. Pages of servers
that do not are asked for by their numbers: rows that are added at the front push others to the next
page, which then begins with rows that were given already. They are recognised by their ids, as many
as fit a bounded memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..protocol.exceptions import RPCException, SerializerError

REMEMBERED = 10_000  # ids
PATIENCE = 3  # pages in a row without anything new


def each_once(get_page: Callable[[dict[str, Any]], Any]) -> Iterator[dict[str, Any]]:
    """
    Give the rows of every page, page by page.

    Args:
        get_page: Returns the page object at ``{"page": …}``, a number from 1, or ``{"after": …}``,
            the token of the page before.

    Raises:
        RPCException: the server says that there is more, and answers what it answered before.
        SerializerError: what it answers is no page.
    """
    recent: dict[str, None] = {}
    where: dict[str, Any] = {"page": 1}
    number = 1
    stale = 0
    while True:
        page = get_page(where)
        rows = rows_of(page)
        fresh = [row for row in rows if row["id"] not in recent]
        for row in fresh:
            # Before it is given: whoever receives a row may change it.
            if row["id"] not in recent:
                recent[row["id"]] = None
                yield row
        token = page.get("next")
        if not rows or not (token or has_more(page, number)):
            return
        stale = 0 if fresh else stale + 1
        if stale == PATIENCE or (token and where == {"after": token}):
            raise RPCException(f"The server answers the same media again, up to page {number}.")
        while len(recent) > REMEMBERED:
            del recent[next(iter(recent))]
        number += 1
        where = {"after": token} if token else {"page": number}


def rows_of(page: Any) -> list[dict[str, Any]]:
    """
    Return the rows of a page object, each with its ``id``.

    Raises:
        SerializerError: it is no page.
    """
    rows = page.get("list") if isinstance(page, dict) else None
    if not isinstance(rows, list):
        raise SerializerError("The server's answer is not a page of a list.")
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("id"), str):
            raise SerializerError("A media on the server's page has no id.")
    return rows


def has_more(page: dict[str, Any], number: int) -> bool:
    """Say whether there is a page behind *page*, whose number is *number*; if in doubt, yes."""
    told = page.get("has_more")
    if isinstance(told, bool):
        return told
    pages = page.get("pages")
    return not isinstance(pages, int) or number < pages
