"""Resets: what the test suites of clients do before and after each of their tests."""

from __future__ import annotations

from typing import Annotated

from django.utils import timezone

from ....protocol.exceptions import AuthenticationError
from ... import discards
from ...models import Account, Media, atomic
from ..arguments import Check
from ..registry import method

BATCH = 100  # media that one transaction deletes

Resettable = Annotated[str, Check(accepts=lambda value: value == "media", says="'media'")]


@method("system.reset", writes=True)
def reset(account: Account, *, object: Resettable) -> None:
    """Delete all media of a test account."""
    _delete_all_media(account)


@method("media.reset", writes=True)
def reset_media(account: Account) -> None:
    """Delete all media of a test account: the older name of ``system.reset``."""
    _delete_all_media(account)


def _delete_all_media(account: Account) -> None:
    """
    Delete every media that the account has now, some at a time.

    Media that others create meanwhile stay, so that this ends.

    Raises:
        AuthenticationError: the account is not one for tests.
    """
    if not account.is_test:
        raise AuthenticationError("Only an account for tests can be reset.")
    now = timezone.now()
    while True:
        with atomic():
            found = Media.objects.filter(account=account, created__lte=now).order_by("id")[:BATCH]
            batch = list(found.select_for_update())
            for media in batch:
                discards.discard_media(media)
                media.delete()
        if len(batch) < BATCH:
            return
