"""``file``: a place for one file on its way in."""

from __future__ import annotations

from typing import Any

from ....protocol.exceptions import InvalidParameter
from ...models import Account
from ...uploads.slots import open_slot, upload_url
from ..arguments import Flag, Text
from ..registry import method


@method("file.upload")
def upload(
    account: Account,
    *,
    target: Text | None = None,
    status: Flag | None = None,
    jsonp_cb: Text | None = None,
) -> Any:
    """Return ``{"url"}``, an address that takes one file within the upload's lifetime."""
    if target is not None or status or jsonp_cb is not None:
        raise InvalidParameter(
            "Invalid parameters for file.upload: this server offers no target and no status."
        )
    return {"url": upload_url(open_slot(account))}
