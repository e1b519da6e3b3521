"""Which rows hold a media, as far as a user of the admin may see them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.utils import quote
from django.db import models
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.text import capfirst

from ..rows import holders


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row that holds a media."""

    row: models.Model
    kind: str
    """Name of its model."""
    url: str
    """Of its form; empty where the admin has none."""

    def __str__(self) -> str:
        return str(self.row)


@dataclass(slots=True)
class HeldBy:
    """The rows that hold one media."""

    rows: list[ShownRow] = field(default_factory=list)
    hidden: int = 0
    """How many more there are, which the user may not see."""

    def __bool__(self) -> bool:
        return bool(self.rows or self.hidden)

    @property
    def unnamed(self) -> int:
        """How many there are beside the first three rows."""
        return max(0, len(self.rows) - 3) + self.hidden

    def without(self, row: models.Model) -> HeldBy:
        """Return all but *row*."""
        return HeldBy([each for each in self.rows if not is_same(each.row, row)], self.hidden)


def is_same(row: models.Model, other: models.Model) -> bool:
    """Say whether two are one row, though the other be one of a model that extends the first's."""
    return isinstance(other, type(row)) and row.pk == other.pk


def shown_rows(
    site: AdminSite, request: HttpRequest, account: str, media: Collection[str]
) -> dict[str, HeldBy]:
    """Return id → the rows that hold it, for each of *media*; one query for each field."""
    found = {each: HeldBy() for each in media}
    for media_field, row in holders(account, media):
        held = found[getattr(row, media_field.attname).id]
        admin: Any = site._registry.get(type(row))
        if _may_view(admin, request, row):
            kind = capfirst(str(row._meta.verbose_name))
            held.rows.append(ShownRow(row, kind, _form_of(site, row) if admin else ""))
        else:
            held.hidden += 1
    return found


def _may_view(admin: Any, request: HttpRequest, row: models.Model) -> bool:
    if admin is not None:
        return bool(admin.has_view_or_change_permission(request, row))
    options = row._meta
    actions = (
        f"{options.app_label}.{action}_{options.model_name}" for action in ("view", "change")
    )
    return any(map(request.user.has_perm, actions))


def _form_of(site: AdminSite, row: models.Model) -> str:
    options = row._meta
    name = f"{site.name}:{options.app_label}_{options.model_name}_change"
    try:
        return reverse(name, args=[quote(row.pk)])
    except NoReverseMatch:
        return ""
