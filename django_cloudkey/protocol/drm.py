"""The token with which a viewer of a DRM asset asks a licence server."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Mapping
from typing import Any

from .normalization import normalize
from .secret import Secret
from .signing import sign

DRM_TOKEN_TIMEOUT = 600  # seconds


def gen_drm_token(
    user_id: str,
    media_id: str,
    api_key: str | Secret,
    rights: Mapping[str, Any] | None = None,
    meta: Mapping[str, Any] | None = None,
    callback_url: str | None = None,
    expires: float = 0,
    max_replay: int = 0,
    encode: bool = True,
    *,
    nonce: str | None = None,
) -> str:
    """
    Return the token that a licence server of DRM assets asks for.

    Args:
        user_id, media_id: Whose DRM asset it is for.
        api_key: Of that user; it signs.
        rights: Such as ``{"playback_window": 600}``, seconds.
        meta: Free keys and values about the viewer.
        callback_url: Address that the licence server notifies.
        expires: Unix time; ten minutes from now by default.
        max_replay: How often the token may be used; 0 for no limit.
        encode: False gives the JSON text instead of its base64url form.
        nonce: Any text; 8 random bytes as base64url by default.

    Raises:
        SerializerError: *rights* or *meta* hold what JSON cannot carry.
    """
    api_key = Secret.of(api_key)
    claims: dict[str, Any] = {
        "user_id": user_id,
        "media_id": media_id,
        # Whole: clients and servers write a float in different ways, and it is signed.
        "expires": int(expires or time.time() + DRM_TOKEN_TIMEOUT),
        "nonce": nonce or base64.urlsafe_b64encode(os.urandom(8)).decode(),
    }
    optional = {
        "max_replay": max_replay,
        "rights": dict(rights or {}),
        "meta": dict(meta or {}),
        "callback_url": callback_url,
    }
    claims |= {name: value for name, value in optional.items() if value}
    claims["auth"] = sign(api_key, normalize(claims))
    text = json.dumps(claims)
    return base64.urlsafe_b64encode(text.encode()).decode() if encode else text
