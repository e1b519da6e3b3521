"""The historical wire, byte for byte: vectors made with the published SDKs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from django_cloudkey.protocol import normalization
from django_cloudkey.protocol.normalization import normalize
from django_cloudkey.protocol.seclevel import Viewer
from django_cloudkey.protocol.signing import (
    URLRefused,
    read_auth,
    sign_call,
    sign_url,
    verify_call,
    verify_url,
)

VECTORS = json.loads((Path(__file__).parent.parent / "vectors.json").read_text())
DIALECTS = {"php": normalization.PHP}


def vectors(kind: str) -> list[Any]:
    return [
        pytest.param(vector["input"], vector["expected"], id=f"{kind}-{number}")
        for number, vector in enumerate(VECTORS)
        if vector["kind"] == kind
    ]


@pytest.mark.parametrize(("given", "expected"), vectors("normalize"))
def test_normalize(given: dict[str, Any], expected: str) -> None:
    dialect = DIALECTS.get(given["sdk"], normalization.PYTHON)

    assert normalize(given["value"], dialect) == expected


@pytest.mark.parametrize(("given", "expected"), vectors("rpc_sign"))
def test_call_signature(given: dict[str, Any], expected: str) -> None:
    user = given["user_id"]
    if given.get("act_as_user"):
        user = f"{user}/{given['act_as_user']}"
    request: dict[str, Any] = {n: given[n] for n in ("call", "args") if n in given}

    if given["sdk"] != "php" or "args" not in given:
        assert sign_call(user, request, given["api_key"]) == expected
    assert verify_call(expected, request, given["api_key"])


SIGN_URL_ARGUMENTS = {
    "seclevel",
    "asnum",
    "ip",
    "useragent",
    "countries",
    "referers",
    "expires",
    "nonce",
}


@pytest.mark.parametrize(("given", "expected"), vectors("sign_url"))
def test_url_signature(given: dict[str, Any], expected: Any) -> None:
    options = {name: given[name] for name in SIGN_URL_ARGUMENTS & set(given)}

    if isinstance(expected, dict):
        with pytest.raises(ValueError):
            sign_url(given["url"], given["secret"], **options)
    else:
        assert sign_url(given["url"], given["secret"], **options) == expected


@pytest.mark.parametrize(("given", "expected"), vectors("verify_url"))
def test_url_verification(given: dict[str, Any], expected: dict[str, Any]) -> None:
    base, _, query = given["url"].partition("?")
    viewer = Viewer(**{name: given[name] for name in ("asnum", "ip", "useragent") if name in given})

    def verify() -> Any:
        return verify_url(base, read_auth(query), given["secret"], viewer=viewer, now=0)

    if not expected["digest_ok"]:
        with pytest.raises(URLRefused, match="signature"):
            verify()
        return
    token = verify()
    assert token.expires == expected["expires"]
    assert token.seclevel == expected["seclevel"]
    assert token.nonce == expected["nonce"]
    assert token.public_text == expected["pubsec_plain"]
