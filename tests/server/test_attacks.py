"""Attacks on the running server, numbered as in the threat model."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_cloudkey.protocol.envelope import decode_call
from django_cloudkey.protocol.exceptions import RPCException
from django_cloudkey.protocol.normalization import normalize
from django_cloudkey.protocol.seclevel import SecLevel
from django_cloudkey.protocol.signing import sign_url
from django_cloudkey.server.models import Account, Asset, Media
from django_cloudkey.server.rpc.registry import lookup

from ..conftest import Cloud
from .test_rpc import UNKNOWN
from .wire import call, raw, signed

pytestmark = pytest.mark.usefixtures("no_failure")

ID = "4f33ddbc94a6f6517c001577"


@pytest.fixture
def media(cloud: Cloud) -> Media:
    return Media.objects.create(account=cloud.account, meta={"title": "First"})


CAPTURED: list[dict[str, Any]] = [
    {"call": "media.set_meta", "args": {"id": ID, "meta": {"title": "xcallmedia.delete"}}},
    {"call": "media.set_meta", "args": {"id": ID, "meta": {"a": f"id{UNKNOWN}metatitlex"}}},
    {"call": "media.get_meta", "args": {"id": ID, "keys": ["callmedia", "delete"]}},
    {"call": "media.create", "args": {"meta": {"note": f"id{ID}callmedia.delete"}}},
    {"call": "media.list", "args": {"fields": ["meta.id" + ID]}},
]


@st.composite
def smuggled(draw: st.DrawFn, captured: dict[str, Any]) -> dict[str, Any]:
    """Draw another request that has the normalized text of *captured*, cut at other places."""
    text = normalize(captured)
    starts = [n for n in range(4, len(text)) if text.startswith("call", n)]
    start = draw(st.sampled_from(starts))
    return {"args": draw(pieces(text[4:start], 2)), "call": text[start + 4 :]}


def pieces(text: str, depth: int) -> st.SearchStrategy[Any]:
    """Cut *text* into keys and values, which may be texts, lists, numbers or objects again."""
    words = re.finditer(f"id|meta|title|keys|note|fields|{ID}|{UNKNOWN}", text)
    marks = sorted({0, len(text), *(mark for word in words for mark in word.span())})
    place = st.one_of(st.sampled_from(marks), st.integers(0, len(text)))
    cut = st.lists(place, min_size=1, max_size=5).map(sorted)

    def build(draw: st.DrawFn) -> Any:
        marks = [0, *draw(cut), len(text)]
        parts = [text[a:b] for a, b in pairwise(marks)]
        parts += [""] * (len(parts) % 2)
        keys, values = parts[::2], parts[1::2]
        return {key: draw(_value(value, depth)) for key, value in zip(keys, values, strict=True)}

    return st.composite(build)()


def _value(text: str, depth: int) -> st.SearchStrategy[Any]:
    options: list[st.SearchStrategy[Any]] = [st.just(text), st.just([text])]
    if depth and text:
        options.append(pieces(text, depth - 1))
        options.append(st.integers(0, len(text)).map(lambda n: [text[:n], text[n:]]))
    return st.one_of(options)


@pytest.mark.parametrize("captured", CAPTURED, ids=lambda captured: captured["call"])
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a07_one_signature_is_one_method_and_one_id(
    captured: dict[str, Any], data: st.DataObject
) -> None:
    forged = data.draw(smuggled(captured))
    if normalize(forged) != normalize(captured):
        return

    try:
        read = decode_call(json.dumps({**forged, "auth": "x:y"}).encode())
        bound: Any = lookup(read.object, read.method).bind(Account(), read.args)
    except RPCException:
        return

    assert read.name == captured["call"]
    assert bound.keywords.get("id") == captured["args"].get("id")


def test_a07_replayed_delete_finds_nothing_the_second_time(cloud: Cloud, media: Media) -> None:
    captured = signed(cloud.account, {"call": "media.delete", "args": {"id": media.pk}})

    assert call(cloud, captured) == {"result": None}
    assert call(cloud, captured)["error"]["code"] == 1010


# a01 to a06: one signed address read as another


BOTH = SecLevel.IP | SecLevel.USERAGENT
WITH_LIST = SecLevel.USERAGENT | SecLevel.REFERER
SITE = "http://site.example.org/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """What a site signs, and what a viewer makes of it."""

    kind: str = "embed"
    options: dict[str, Any] = field(default_factory=dict)
    """Of ``sign_url``."""
    viewer: dict[str, str] = field(default_factory=dict)
    """Headers of the viewer for whom it was signed."""
    forge: Callable[[str, str], tuple[str, str]]
    """Path and token become others."""
    attacker: dict[str, str] = field(default_factory=dict)
    """Headers of whoever forged it."""
    lenient: bool = False


def _to_expiry(path: str, auth: str) -> tuple[str, str]:
    expires, level, nonce, digest = auth.split("-")
    return path, f"{expires}{nonce[0]}-{level}-{nonce[1:]}-{digest}"


def _spelled(change: Callable[[list[str]], object]) -> Callable[[str, str], tuple[str, str]]:
    def forge(path: str, auth: str) -> tuple[str, str]:
        parts = auth.split("-")
        change(parts)
        return path, quote("-".join(parts))

    return forge


LIST = base64.urlsafe_b64encode(zlib.compress(b"cc=fr")).decode()
ATTACKS = {
    "a01": Attack(options={"nonce": "7bcdefghi"}, forge=_to_expiry),
    "a02": Attack(kind="stream", forge=lambda path, auth: (path[:-1], path[-1] + auth)),
    "a03 space": Attack(forge=_spelled(lambda parts: parts.__setitem__(0, f" {parts[0]}"))),
    "a03 plus": Attack(forge=_spelled(lambda parts: parts.__setitem__(1, "+0"))),
    "a03 zero": Attack(forge=_spelled(lambda parts: parts.__setitem__(1, "00"))),
    "a03 wide": Attack(forge=_spelled(lambda parts: parts.__setitem__(1, "\uff10"))),
    "a04": Attack(
        options={"seclevel": BOTH, "ip": "127.0.0.12", "useragent": "Mozilla"},
        forge=lambda path, auth: (path, auth),
        attacker={"User-Agent": "2Mozilla"},
    ),
    "a05": Attack(
        options={"seclevel": WITH_LIST, "useragent": "Mozilla", "referers": [SITE]},
        viewer={"User-Agent": "Mozilla", "Referer": SITE},
        forge=lambda path, auth: (path, "-".join(auth.split("-")[:4])),
        attacker={"User-Agent": "Mozilla{public}", "Referer": "http://other.example.org/"},
        lenient=True,
    ),
    "a06": Attack(forge=lambda path, auth: (path, f"{auth}-{LIST}")),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a01_to_a06_are_refused_by_the_server(cloud: Cloud, media: Media, name: str) -> None:
    attack = ATTACKS[name]
    if attack.lenient:
        Account.objects.update(legacy=Account.Legacy.LENIENT)
    kind = f"route/{cloud.account.pk}/{media.pk}/mp4_h264_aac.mp4"
    path = f"embed/{cloud.account.pk}/{media.pk}" if attack.kind == "embed" else kind
    url = urlsplit(sign_url(f"{cloud.base_url}/{path}", cloud.account.api_key, **attack.options))
    auth = url.query.removeprefix("auth=")
    forged_path, forged = attack.forge(url.path, auth)
    public = "-".join(auth.split("-")[4:])
    headers = {key: each.format(public=public) for key, each in attack.attacker.items()}

    if name != "a04":  # whose address is nobody's here
        expected = 200 if attack.kind == "embed" else 404  # there is no asset
        assert _get(cloud, f"{url.path}?auth={auth}", attack.viewer)[0] == expected
    assert _get(cloud, f"{forged_path}?auth={forged}", headers or attack.viewer)[0] == 403


# a08: what no signature covers


@pytest.mark.parametrize(
    "query",
    [
        "&auth={auth}",
        "&auth=",
        "&filename=x&auth=1",
        "&%61uth={auth}",
    ],
)
def test_a08_second_auth_is_refused(cloud: Cloud, media: Media, query: str) -> None:
    url = urlsplit(cloud.client.media.get_stream_url(media.pk, "mp4_h264_aac"))
    auth = url.query.removeprefix("auth=")
    assert _get(cloud, f"{url.path}?auth={auth}")[0] == 404

    assert _get(cloud, f"{url.path}?auth={auth}{query.format(auth=auth)}")[0] == 403


@pytest.mark.parametrize(
    "query",
    [
        "filename=a%0d%0aSet-Cookie:%20a=b",
        "filename=%00",
        "filename=%ff%fe",
        "skin=%22%3E%3Cscript%3E&autoplay=%3Cscript%3E",
        "skin=x%26auth=1",
        "drm_token=%3Cscript%3E",
        "start=-1&start=%ff",
    ],
)
@pytest.mark.parametrize("kind", ["stream", "embed"])
def test_a08_hostile_query_changes_nothing_but_a_name(
    cloud: Cloud, media: Media, query: str, kind: str
) -> None:
    Asset.objects.create(media=media, name="mp4_h264_aac")
    client = cloud.client.media
    signed_url = (
        client.get_embed_url(media.pk) if kind == "embed" else client.get_stream_url(media.pk)
    )
    url = urlsplit(signed_url)

    status, answer = _get(cloud, f"{url.path}?{query}&{url.query}")

    assert status in (200, 403, 404)
    assert b"\r\nSet-Cookie" not in answer
    assert b"<script>" not in answer


def _get(cloud: Cloud, target: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    lines = [f"{name}: {value}" for name, value in (headers or {}).items()]
    request = "\r\n".join([f"GET {target} HTTP/1.0", "Host: localhost", *lines, "", ""])
    answer = raw(cloud, request.encode())
    return int(answer.split()[1]), answer
