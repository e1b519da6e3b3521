"""Upload slots: opened with a sealed address, found by the address that the upload answered."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from ...protocol.urls import UploadedFile, parse
from ..conf import cloud
from ..models import Account, UploadSlot

_SALT = "django_cloudkey.server.uploads"


def open_slot(account: Account) -> UploadSlot:
    """Make a place for one file, to be used within the upload's lifetime."""
    expires = timezone.now() + timedelta(seconds=cloud.upload_lifetime)
    return UploadSlot.objects.create(account=account, expires=expires)


def upload_url(slot: UploadSlot) -> str:
    """Return the address that takes the file. Whoever has it may send one, nobody else may."""
    return f"{cloud.base_url}/upload?{urlencode({'uuid': slot.pk, 'seal': seal(slot.pk)})}"


def seal(text: str) -> str:
    """Return 32 hexadecimal characters that only this server can make for *text*."""
    return salted_hmac(_SALT, text, algorithm="sha256").hexdigest()[:32]


def sealed_slot(slot_id: str, given: str) -> UploadSlot | None:
    """Return the live slot *slot_id* if *given* is its seal."""
    if not constant_time_compare(seal(slot_id), given):
        return None
    slots = UploadSlot.objects.filter(pk=slot_id, expires__gt=timezone.now())
    return slots.filter(account__is_active=True).first()


def file_url(slot: UploadSlot) -> str:
    """Return the address that the sender hands to ``media.create``; nothing is served there."""
    return f"{cloud.base_url}/{UploadedFile(id=slot.pk, extension=slot.extension).path}"


def find_upload(account: Account, url: str) -> UploadSlot | None:
    """
    Return the upload of *account* that *url* addresses; another account's is not found.

    Its row is locked, in the caller's transaction, so that it does not expire meanwhile.
    """
    for base in cloud.accepted_urls:
        address = parse(url.removeprefix(f"{base}/")) if url.startswith(f"{base}/") else None
        if isinstance(address, UploadedFile):
            slots = UploadSlot.objects.filter(account=account, state=UploadSlot.State.DONE)
            return slots.filter(pk=address.id).select_for_update().first()
    return None
