"""
Upload slots: opened with a sealed address, found by the address that the upload answered.

Each address has a seal of its own, over the slot and what the address is good for::

    /upload?uuid=<slot>&seal=<seal>[&target=<page>]      takes one file
    /progress?uuid=<slot>&seal=<seal>[&jsonp_cb=?]       says how far it is
"""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote, urlencode

from django.utils import timezone
from django.utils.crypto import salted_hmac

from ...protocol.urls import UploadedFile, parse
from ..conf import cloud
from ..models import Account, UploadSlot

_SALT = "django_cloudkey.server.uploads"


def open_slot(account: Account) -> UploadSlot:
    """Make a place for one file, to be used within the upload's lifetime."""
    expires = timezone.now() + timedelta(seconds=cloud.upload_lifetime)
    return UploadSlot.objects.create(account=account, expires=expires)


def upload_url(slot: UploadSlot, target: str = "") -> str:
    """
    Return the address that takes the file. Whoever has it may send one, nobody else may.

    Args:
        target: Page that the sender is led to afterwards, see :mod:`.targets`.
    """
    query = {"uuid": slot.pk, "seal": upload_seal(slot.pk, target)}
    if target:
        query["target"] = target
    return f"{cloud.base_url}/upload?{urlencode(query)}"


def progress_url(slot: UploadSlot, callback: str = "") -> str:
    """
    Return the address that says how far the upload is.

    Args:
        callback: Function that the answer calls, or ``?``, which is kept as it is: jQuery puts the
            name of a function of its own in its place.
    """
    query = {"uuid": slot.pk, "seal": progress_seal(slot.pk)}
    url = f"{cloud.base_url}/progress?{urlencode(query)}"
    return f"{url}&jsonp_cb={quote(callback, safe='?')}" if callback else url


def seal(text: str) -> str:
    """Return 32 hexadecimal characters that only this server can make for *text*."""
    return salted_hmac(_SALT, text, algorithm="sha256").hexdigest()[:32]


def upload_seal(slot_id: str, target: str = "") -> str:
    return seal(f"{slot_id}:target:{target}" if target else slot_id)


def progress_seal(slot_id: str) -> str:
    return seal(f"{slot_id}:progress")


def live_slot(slot_id: str) -> UploadSlot | None:
    """Return the slot of a seal that was right, unless it expired or its account is inactive."""
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
