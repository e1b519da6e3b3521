"""``file``: a place for one file on its way in."""

from __future__ import annotations

from typing import Annotated, Any

from ...models import Account
from ...uploads.slots import open_slot, progress_url, upload_url
from ...uploads.targets import is_callback, is_target
from ..arguments import Check, Flag
from ..registry import method

# C# clients always send all three arguments: an empty one counts as left out.
Target = Annotated[
    str,
    Check(
        accepts=lambda value: isinstance(value, str) and (not value or is_target(value)),
        says="the address of a page of one of this server's UPLOAD_ORIGINS",
    ),
]
Callback = Annotated[
    str,
    Check(
        accepts=lambda value: isinstance(value, str) and (value in ("", "?") or is_callback(value)),
        says="'?' or the name of a JavaScript function",
    ),
]


@method("file.upload", writes=True)
def upload(
    account: Account,
    *,
    target: Target = "",
    status: Flag = False,
    jsonp_cb: Callback = "",
) -> Any:
    """
    Return ``{"url"}``, an address that takes one file within the upload's lifetime.

    With *status* also ``{"status"}``, an address that says how far it is.
    """
    slot = open_slot(account)
    answer = {"url": upload_url(slot, target)}
    if status:
        answer["status"] = progress_url(slot, jsonp_cb)
    return answer
