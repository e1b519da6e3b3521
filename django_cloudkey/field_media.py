"""
The value of a :class:`~django_cloudkey.fields.MediaField`, and the rules of its assignment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.core.files import File
from django.db import models
from django.db.models.query_utils import DeferredAttribute
from django.http import HttpRequest

from .addresses import sign_for
from .client import CloudKey
from .connection import cloudkeys

if TYPE_CHECKING:
    from .fields import MediaField


class FieldMedia:
    """
    The value of a :class:`~django_cloudkey.fields.MediaField`: a media id with its addresses and
    remote methods.

    It is empty (falsy) without an id, equal to its id, and prints as its id. Addresses are computed
    here, and an empty one has none: InvalidParameter. Only ``info()``, ``assets()`` and
    ``delete()`` ask the cloud, and raise RPCException where it refuses or cannot be reached:
    NotFound where it does not have the media.
    """

    def __init__(self, field: MediaField, value: object, row: models.Model | None = None) -> None:
        self.field = field
        self.row = row
        """The row that shows it, of fields that have to know."""
        self.file = value if isinstance(value, File) else None
        """A file that the next ``save()`` uploads."""
        self.id = "" if self.file is not None else str(value or "")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "row": None}

    @property
    def client(self) -> CloudKey:
        return cloudkeys[self.field.account]

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<FieldMedia {self.id or 'empty'}>"

    def __bool__(self) -> bool:
        return bool(self.id) or self.file is not None

    def __len__(self) -> int:
        return len(self.id)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, FieldMedia):
            return self.id == other.id and self.file is other.file
        if self.file is None and (other is None or isinstance(other, str)):
            return self.id == (other or "")
        return False

    def __hash__(self) -> int:
        return hash(self.id)

    def embed_url(self, request: HttpRequest | None = None, **restrictions: Any) -> str:
        """
        Return the signed address of the player, at the field's level or the account's.

        Args:
            request: The page's, for levels that bind to its viewer.
            restrictions: See :meth:`.Media.get_embed_url`; a *seclevel* may be a name, *expires* a
                ``datetime``.

        Raises:
            ValueError: the level needs what neither the request nor *restrictions* have, or no
                cloud would accept the address.
        """
        return sign_for(request, "get_embed_url", self, **restrictions)

    def stream_url(self, request: HttpRequest | None = None, **options: Any) -> str:
        """
        Return the signed address of an asset's bytes; as :meth:`embed_url`.

        Args:
            options: See :meth:`.Media.get_stream_url`, such as *asset_name* and *filename*.
        """
        return sign_for(request, "get_stream_url", self, **options)

    def thumbnail_url(
        self,
        asset_name: str = "jpeg_thumbnail_medium",
        request: HttpRequest | None = None,
        **restrictions: Any,
    ) -> str:
        """Return the signed address of a still; as :meth:`embed_url`."""
        return sign_for(request, "get_thumbnail_url", self, asset_name=asset_name, **restrictions)

    def info(self, fields: Sequence[str] | None = None) -> dict[str, Any]:
        """
        Ask the cloud for the media's fields.

        Args:
            fields: Names such as ``["meta.title", "assets.source.duration"]``; see
                :meth:`.Media.info`.

        Returns:
            Nested dicts, ``{"meta": {"title": …}, "assets": {"source": {"duration": …}}}``.
        """
        return dict(self.client.media.info(id=self.id, fields=fields))

    info.alters_data = True  # type: ignore[attr-defined]

    def assets(self) -> dict[str, Any]:
        """Ask the cloud for the media's assets: name → ``{"status": …, …}``."""
        return dict(self.client.media.get_assets(id=self.id))

    assets.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> None:
        """Delete the media on the cloud; the column keeps its id until it is saved empty."""
        self.client.media.delete(id=self.id)

    delete.alters_data = True  # type: ignore[attr-defined]


class MediaDescriptor(DeferredAttribute):
    """Shows what was loaded or assigned (an id, a file, nothing) as a :class:`FieldMedia`."""

    field: MediaField

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if instance is None:
            return self
        value = super().__get__(instance, cls)
        return value if hasattr(value, "resolve_expression") else FieldMedia(self.field, value)

    def __set__(self, instance: Any, value: object) -> None:
        if isinstance(value, FieldMedia):
            value = value.file or value.id
        instance.__dict__[self.field.attname] = value


class WatchingDescriptor(MediaDescriptor):
    """The descriptor of a field with companions: what is assigned changes them."""

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        media = super().__get__(instance, cls)
        if isinstance(media, FieldMedia):
            media.row = instance
        return media

    def __set__(self, instance: Any, value: object) -> None:
        name = self.field.attname
        # Before the row is whole it is made or loaded, and its companions have values of their own.
        is_whole = name in instance.__dict__ or not instance._state.adding
        if not is_whole or _is_of_same_row(value, instance):
            super().__set__(instance, value)
            return
        # What a deferred column holds is not worth a query: anything may differ from it.
        before = instance.__dict__.get(name, _UNKNOWN)
        super().__set__(instance, value)
        after = FieldMedia(self.field, instance.__dict__[name])
        if before is _UNKNOWN or FieldMedia(self.field, before) != after:
            self.field.reset_companions(instance, after)


_UNKNOWN = object()


def _is_of_same_row(value: object, instance: models.Model) -> bool:
    """Say whether *value* was loaded for the same row, as ``refresh_from_db()`` does."""
    row = value.row if isinstance(value, FieldMedia) else None
    return row is not None and row is not instance and not row._state.adding and row == instance
