"""What an account has: its media and its uploads; somebody else's do not exist for it."""

from __future__ import annotations

from ...protocol.exceptions import NotFound
from ..models import Account, Media, UploadSlot
from ..uploads.slots import find_upload
from .arguments import invalid


def find_media(account: Account, id: str, *, lock: bool = False) -> Media:
    """
    Return the account's media.

    Args:
        lock: Keep others from changing it until the caller's transaction ends.

    Raises:
        NotFound: there is none, or it is not the account's.
    """
    among = Media.objects.select_for_update() if lock else Media.objects.all()
    media = among.filter(account=account, pk=id).first()
    if media is None:
        raise NotFound("Media not found")
    media.account = account
    return media


def own_upload(call: str, account: Account, url: str) -> UploadSlot:
    """
    Return the finished upload at *url*, kept from expiring in the caller's transaction.

    Raises:
        InvalidParameter: the address is none that an upload of *account* to this server answered.
    """
    upload = find_upload(account, url)
    if upload is None:
        raise invalid(call, "url must be an address that an upload to this server answered")
    return upload
