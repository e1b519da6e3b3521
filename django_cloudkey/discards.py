"""
Media that rows let go of, of fields with ``on_delete="delete"``.

They are deleted on the cloud once the transaction is committed, so that none is missed after a
rollback, and only when no row holds them any more and no form that is open may bring them into one.
What the cloud does not do is logged and left to ``cloudkey_reconcile``: the rows are written by
then, and the request was answered for them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.db import models, transaction

from .connection import cloudkeys
from .protocol.exceptions import MAX_SHOWN, NotFound, RPCException, TransportException
from .protocol.urls import is_media_id
from .rows import is_held
from .uploads import is_awaited

if TYPE_CHECKING:
    from .fields import MediaField

logger = logging.getLogger(__name__)


def discard(field: MediaField, media: str, *, using: str) -> None:
    """
    Delete *media* when the transaction of the database *using* is committed; now if there is none.

    Args:
        field: The field whose row held it.
        media: What the column held; nothing happens if that is no id.
    """
    if not is_media_id(media):
        return
    connection = transaction.get_connection(using)
    # All rows of a transaction in one. A savepoint has its own, which is rolled back with it.
    savepoints, last = (connection.run_on_commit or [(None, None)])[-1][:2]
    if isinstance(last, Discards) and savepoints == set(connection.savepoint_ids):
        last.add(field, media)
        return
    discards = Discards(using)
    discards.add(field, media)
    transaction.on_commit(discards, using=using, robust=True)


class Discards:
    """What one transaction let go of; called when it was committed."""

    def __init__(self, using: str) -> None:
        self._using = using
        self._media: dict[tuple[MediaField, str], None] = {}

    def add(self, field: MediaField, media: str) -> None:
        self._media[field, media] = None

    def __call__(self) -> None:
        outages: dict[str, TransportException] = {}
        for field, media in self._media:
            error = self._delete(field, media, outages.get(field.account))
            if error is None:
                continue
            if isinstance(error, TransportException):
                outages[field.account] = error
            logger.error(
                "Media %s of the account %r was not deleted: %r",
                media,
                field.account,
                str(error)[:MAX_SHOWN],  # a cloud's words: one line, and no long one
            )

    def _delete(
        self, field: MediaField, media: str, outage: TransportException | None
    ) -> Exception | None:
        """Delete what nobody holds and return why that failed; after an *outage* do not try."""
        try:
            if self._is_held(field, media) or is_awaited(field.account, media):
                return None
            if outage is not None:
                return outage  # one more try would wait as long
            cloudkeys[field.account].media.delete(id=media)
        except NotFound:
            return None
        except (RPCException, ImproperlyConfigured) as error:
            return error
        return None

    def _is_held(self, field: MediaField, media: str) -> bool:
        # The database that was written need not be one that the router names.
        rows: models.QuerySet[Any] = models.QuerySet(field.model, using=self._using)
        if rows.filter(**{field.attname: media}).exists():
            return True
        return is_held(field.account, media)
