"""
The order of a list of media, and places in it.

A place is what the row there is ordered by: reading goes on behind it, whatever was added or
deleted in front of it, and costs the same however deep it is. It travels as a token, which is no
secret and carries no right: it only says where in one's *own* list to go on, so a token that
somebody made up, or has from another account, shows nothing that its bearer could not list anyway.
It is checked like any other argument.
"""

from __future__ import annotations

import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Expression, F, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.db.models.functions import Left

from ...protocol.urls import is_media_id
from ..models import Media
from .search import MetaText, meta_key

MAX_TOKEN = 8192  # characters
MAX_FIELDS = 4
"""Fields of an order that can be continued; the token of one with more would be too long."""
MAX_VALUE = 128
"""Characters of a text that decide where it stands; they are part of the token."""

_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)
_LATEST = 10**16  # microseconds: the year 2286


@dataclass(frozen=True, slots=True)
class _Key:
    """One thing that rows are ordered by: ``created``, ``id``, or a meta value annotated."""

    name: str
    descending: bool
    expression: Expression | F

    @property
    def is_text(self) -> bool:
        """Whether it is a value of the meta, which may be missing: such rows come last."""
        return self.name not in ("created", "id")

    def read(self, row: Media) -> Any:
        value = getattr(row, self.name)
        return (value - _EPOCH) // _MICROSECOND if self.name == "created" else value

    def accepts(self, value: Any) -> bool:
        if self.name == "id":
            return is_media_id(value)
        if self.name == "created":
            return type(value) is int and 0 <= value < _LATEST
        return value is None or (isinstance(value, str) and _is_storable(value))

    def behind(self, value: Any, rest: Q | None) -> Q:
        """Return the rows behind *value*; of those that share it, the ones that *rest* takes."""
        if value is None:
            missing = Q(**{f"{self.name}__isnull": True})
            return missing if rest is None else missing & rest
        if self.name == "created":
            value = _EPOCH + value * _MICROSECOND
        sign = "lt" if self.descending else "gt"
        beyond, from_here = Q(**{f"{self.name}__{sign}": value}), f"{self.name}__{sign}e"
        if self.is_text:
            beyond |= Q(**{f"{self.name}__isnull": True})
        if rest is None:
            return beyond
        # The first condition follows from the second: databases use an index for that form only.
        bound = Q(**{from_here: value})
        if self.is_text:
            bound |= Q(**{f"{self.name}__isnull": True})
        return bound & (beyond | rest)


class Order:
    """
    An order of media by fields, upwards (1) or downwards (-1); the newest first among equals.

    Args:
        fields: Names that :func:`.search.is_field` knows.
        question: All that decides which media are in the list and how they are ordered; a token
            goes on in the list of the same question only.
    """

    def __init__(self, fields: list[tuple[str, int]], question: list[Any]) -> None:
        keys = [_key(f"sort_{n}", *field) for n, field in enumerate(fields)]
        self._keys = [*keys, _key("", "created", -1), _key("", "id", -1)]
        self._can_continue = len(fields) <= MAX_FIELDS
        # Tells a mistake from the right token; nothing is gained by one that fits by chance.
        self._question = zlib.crc32(json.dumps(question, sort_keys=True).encode())

    def sort(self, rows: QuerySet[Media]) -> QuerySet[Media]:
        """Return *rows* in this order."""
        values = {key.name: key.expression for key in self._keys if key.is_text}
        order = (
            OrderBy(F(key.name), descending=key.descending, nulls_last=key.is_text or None)
            for key in self._keys
        )
        return rows.annotate(**values).order_by(*order)

    def token(self, row: Media) -> str | None:
        """Return the place of *row*, of rows that were sorted; None: it cannot be gone on from."""
        if not self._can_continue:
            return None
        place = [self._question, *(key.read(row) for key in self._keys)]
        text = json.dumps(place, ensure_ascii=False, separators=(",", ":"))
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def behind(self, rows: QuerySet[Media], token: str) -> QuerySet[Media]:
        """
        Return those of *rows*, which were sorted, that come after the place of *token*.

        Raises:
            ValueError: it is no token, or one of another question.
        """
        condition = None
        for key, value in zip(reversed(self._keys), reversed(self._read(token)), strict=True):
            condition = key.behind(value, condition)
        return rows.filter(condition or Q())

    def _read(self, token: str) -> list[Any]:
        try:
            place = json.loads(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        if not isinstance(place, list) or place[:1] != [self._question] or not self._can_continue:
            raise ValueError("a token of another question")
        values = place[1:]
        if len(values) != len(self._keys):
            raise ValueError("a token of another order")
        if not all(key.accepts(value) for key, value in zip(self._keys, values, strict=True)):
            raise ValueError("no values of a media")
        return values


def _key(name: str, field: str, direction: int) -> _Key:
    key = meta_key(field)
    if key is None:
        return _Key(field, direction < 0, F(field))
    return _Key(name, direction < 0, Left(MetaText(key), MAX_VALUE))


def _is_storable(text: str) -> bool:
    """Return whether databases take *text*: PostgreSQL no NUL, neither half of a surrogate pair."""
    surrogates = any("\ud800" <= character <= "\udfff" for character in text)
    return len(text) <= MAX_VALUE and "\0" not in text and not surrogates
