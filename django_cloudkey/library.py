"""
The media of an account as people look for them: one page at a time, by words of the title.

One call to the cloud gives a page, however many media there are, and their addresses are signed
here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from .client import CloudKey
from .client.pages import has_more, rows_of
from .conf import DEFAULT_ALIAS
from .connection import cloudkeys
from .media_state import THUMBNAILS, assets_of, describe, state_fields
from .protocol.assets import ASSET_NAMES, SOURCE
from .protocol.exceptions import NotFound, SerializerError
from .protocol.urls import is_media_id

PER_PAGE = 24
MAX_TITLE = 255
"""Characters of a title that are shown."""
MAX_TIME = 10**11
"""Unix time; what a cloud says beyond is no date."""
MAX_QUERY = 512
"""Characters of a query that clouds take."""
FIELDS = (
    "id", "created", "meta.title", *state_fields([SOURCE, *sorted(ASSET_NAMES - {SOURCE})]),
)  # fmt: skip

_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


class BadQuery(ValueError):
    """What was looked for, or the place to go on from, cannot be asked; the text is for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryPage:
    """Some of an account's media, the newest first."""

    media: list[dict[str, Any]]
    """
    ``id``, ``title`` (may be empty), ``created`` (Unix time, or ``None``), and what
    :func:`~django_cloudkey.media_state.media_state` says of each: ``state``, ``label``, and where
    there is one ``progress``, ``reason``, ``duration``, ``thumbnail`` and ``embed``.
    """
    next: str
    """Where the next page goes on, for *after*; empty on the last."""
    total: int | None
    """How many media the question finds, where the cloud tells."""


def library_page(
    account: str = DEFAULT_ALIAS, *, query: str = "", after: str = "", per_page: int = PER_PAGE
) -> LibraryPage:
    """
    Ask the cloud for one page of the media of an account.

    Args:
        account: Alias in ``CLOUDKEYS``.
        query: Words that must all be in the title, in any order, whatever else they would mean to a
            cloud; or the id of a media.
        after: ``next`` of the page before, of the same *query*; the first page by default.
        per_page: Media on a page, 100 at most.

    Raises:
        BadQuery: *query* is too long, or *after* is no ``next``.
        RPCException: the cloud refused, or could not be reached.
    """
    client = cloudkeys[account]
    query = query.strip()
    if is_media_id(query):
        return _page_of_one(client, query)
    where, number = _place(after)
    asked: dict[str, Any] = {"fields": FIELDS, "per_page": per_page, **where}
    words = title_query(query)
    page = client.media.search(query=words, **asked) if words else client.media.list(**asked)
    return LibraryPage(
        media=[_describe(client, media) for media in rows_of(page)],
        next=_next(page, number),
        total=page["total"] if isinstance(page.get("total"), int) else None,
    )


def title_query(words: str) -> str:
    """
    Return the query of ``media.search`` for titles that hold all of *words*; "" for none.

    A cloud reads ``SORT:created`` and ``meta.author:ann`` as orders and fields. Behind
    ``meta.title:`` each is a word, and whatever has no blank is one.

    Raises:
        BadQuery: it is longer than a cloud takes.
    """
    terms = [f"meta.title:{word}" for word in words.replace("\0", " ").split()]
    query = " ".join([*terms, "SORT:-created"]) if terms else ""
    if len(query) > MAX_QUERY:
        raise BadQuery(_("These are too many words to search for."))
    return query


def _page_of_one(client: CloudKey, media: str) -> LibraryPage:
    try:
        found = [_describe(client, client.media.info(id=media, fields=FIELDS))]
    except NotFound:
        found = []
    return LibraryPage(media=found, next="", total=len(found))


def _place(after: str) -> tuple[dict[str, Any], int]:
    """Return the arguments that say where a page begins, and its number; 0 for an unknown one."""
    if not after:
        return {"page": 1}, 1
    kind, _colon, place = after.partition(":")
    if kind == "after" and place:
        return {"after": place}, 0
    if kind == "page" and _NUMBER.fullmatch(place):
        return {"page": int(place)}, int(place)
    raise BadQuery(_("This page is not there, or not any more."))


def _next(page: dict[str, Any], number: int) -> str:
    # Clouds of before the tokens know pages by their numbers only.
    if isinstance(page.get("next"), str):
        return f"after:{page['next']}"
    if "next" in page or not number or not page["list"] or not has_more(page, number):
        return ""
    return f"page:{number + 1}"


def _describe(client: CloudKey, media: dict[str, Any]) -> dict[str, Any]:
    try:
        title, created = (media.get("meta") or {}).get("title"), media.get("created")
        is_time = isinstance(created, int) and 0 <= created < MAX_TIME
        return {
            "id": media["id"],
            "title": "" if title is None else str(title)[:MAX_TITLE],
            "created": created if is_time else None,
            **describe(client, media["id"], assets_of(media), THUMBNAILS),
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise SerializerError("What the server answers about a media has another form.") from error
