"""
Search and filter media by what a caller wrote.

A query is words, all of which must hold::

    meta.author:ann knots SORT:-created

``field:value`` looks at a field, any other word at ``meta.title``; ``SORT:field`` orders, with a
minus the other way round. Each field is one expression written here: what a caller wrote is only
ever a value, or one key of the meta.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Func, Q, QuerySet, TextField, Value
from django.db.models.lookups import Exact, IContains, IRegex, IsNull
from django.db.models.sql.compiler import SQLCompiler

from ..models import Media

_META_FIELD = re.compile(r"meta\.([A-Za-z0-9_-]{1,64})", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,10}", re.ASCII)


class MetaText(Func):
    """
    The value under one key of the meta, as text; NULL where there is none.

    Django's own transform reads the key ``"0"`` as a place in a list.
    """

    output_field = TextField()

    def __init__(self, key: str) -> None:
        super().__init__(F("meta"), Value(key))

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any
    ) -> tuple[str, Any]:
        return self.as_sql(compiler, connection, template="(%(expressions)s)", arg_joiner=" ->> ")

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any
    ) -> tuple[str, Any]:
        meta, key = self.get_source_expressions()
        path = Value(f'$."{key.value}"')
        kind, kind_params = compiler.compile(Func(meta, path, function="JSON_TYPE"))
        value, value_params = compiler.compile(Func(meta, path, function="JSON_EXTRACT"))
        # SQLite reads true and false as 1 and 0.
        sql = f"CASE WHEN {kind} IN ('true', 'false') THEN {kind} ELSE CAST({value} AS TEXT) END"
        return sql, (*kind_params, *kind_params, *value_params)


def search(rows: QuerySet[Media], query: str) -> tuple[QuerySet[Media], list[tuple[str, int]]]:
    """
    Return those of *rows* that *query* finds, and the fields that it orders by.

    An unknown field finds nothing.
    """
    order: list[tuple[str, int]] = []
    for term in query.split():
        name, colon, value = term.partition(":")
        if not colon:
            name, value = "meta.title", term
        if colon and name == "SORT":
            field = value.removeprefix("-")
            if not is_field(field):
                return rows.none(), []
            order.append((field, -1 if value.startswith("-") else 1))
            continue
        condition = _contains(name, value)
        if condition is None:
            return rows.none(), []
        rows = rows.filter(condition)
    return rows, order


def matching(rows: QuerySet[Media], filter: dict[str, Any]) -> QuerySet[Media]:
    """Return those of *rows* whose fields have the values of *filter*, of fields that exist."""
    for field, value in filter.items():
        rows = rows.filter(_equals(field, value))
    return rows


def is_field(name: object) -> bool:
    """Return whether media can be filtered and ordered by the field *name*."""
    return isinstance(name, str) and (name in ("id", "created") or meta_key(name) is not None)


def meta_key(field: str) -> str | None:
    """Return the key of the meta that *field* is, None for one that is none of the meta."""
    key = _META_FIELD.fullmatch(field)
    return key[1] if key else None


def _contains(field: str, value: str) -> Any:
    if field == "id":
        return Q(id=value)
    if field == "created":
        return _in_second(int(value)) if _SECONDS.fullmatch(value) else None
    key = meta_key(field)
    if key is None:
        return None
    if value.isascii():
        return IContains(MetaText(key), value)
    # SQLite's LIKE takes no other letters for the same in both cases.
    return IRegex(MetaText(key), re.escape(value))


def _equals(field: str, value: Any) -> Any:
    if field == "id":
        return Q(id=str(value))
    if field == "created":
        is_time = type(value) is int and 0 <= value < 10**10
        return _in_second(value) if is_time else Q(pk__in=[])
    key = MetaText(field.partition(".")[2])
    if value is None:
        return IsNull(key, True)
    return Exact(key, value if isinstance(value, str) else json.dumps(value))


def _in_second(seconds: int) -> Q:
    start = datetime.fromtimestamp(seconds, UTC)
    return Q(created__gte=start, created__lt=start + timedelta(seconds=1))
