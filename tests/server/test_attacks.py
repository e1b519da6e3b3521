"""Attacks on the running server, numbered as in the threat model."""

from __future__ import annotations

import json
import logging
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_cloudkey.protocol.envelope import decode_call
from django_cloudkey.protocol.exceptions import RPCException
from django_cloudkey.protocol.normalization import normalize
from django_cloudkey.protocol.signing import sign_call
from django_cloudkey.server.models import Account, Asset, Media
from django_cloudkey.server.rpc.registry import lookup

from ..conftest import Cloud
from .test_idempotency import signed
from .test_rpc import UNKNOWN, post

LIST = {"call": "media.list"}
ID = "4f33ddbc94a6f6517c001577"


@pytest.fixture(autouse=True)
def _no_attack_is_a_failure_of_the_server(caplog: pytest.LogCaptureFixture) -> Any:
    yield
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


@pytest.fixture
def media(cloud: Cloud) -> Media:
    return Media.objects.create(account=cloud.account, meta={"title": "First"})


def call(cloud: Cloud, body: bytes, **headers: str) -> dict[str, Any]:
    response, content = post(cloud, body, headers=headers)
    assert response.status == 200
    answer: dict[str, Any] = json.loads(content)
    return answer


def raw(cloud: Cloud, request: bytes, *, ends: bool = False) -> bytes:
    """Send bytes as they are; return what comes back until the server closes or is silent."""
    url = urlsplit(cloud.base_url)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=5) as connection:
        connection.sendall(request)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


# A: the envelope


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"args":{"fields":[' + b'"a",' * 200_000 + b'"a"]}}', id="T027-fields"),
        pytest.param(
            json.dumps({"args": {"meta": dict.fromkeys(map(str, range(50_000)), "")}}).encode(),
            id="T027-meta",
        ),
        pytest.param(b'{"' + b"k" * 1_000_000 + b'":1}', id="T028"),
        pytest.param(b"{" * 1_000_000, id="T004"),
        pytest.param(b"[" + b"{}," * 340_000 + b"{}]", id="T006"),
    ],
)
def test_huge_request_is_refused_soon(cloud: Cloud, body: bytes) -> None:
    started = time.monotonic()

    assert call(cloud, body)["error"]["code"] in (500, 600)
    assert time.monotonic() - started < 5


def test_t024_body_without_a_length_is_no_call(cloud: Cloud) -> None:
    path = urlsplit(cloud.base_url).path
    body = signed(cloud.account, {"call": "media.create"})
    head = f"POST {path}/api HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)

    answer = raw(cloud, head.encode() + b"Connection: close\r\n\r\n" + chunks, ends=True)

    assert b"result" not in answer
    assert not Media.objects.exists()


def test_t025_body_shorter_than_its_length_is_no_call(cloud: Cloud) -> None:
    path = urlsplit(cloud.base_url).path
    body = signed(cloud.account, {"call": "media.create"})
    head = f"POST {path}/api HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body) + 9}\r\n\r\n"

    answer = raw(cloud, head.encode() + body[:-1], ends=True)

    assert b"result" not in answer
    assert not Media.objects.exists()


def test_t026_flood_of_one_signature_gets_what_the_limit_says(cloud: Cloud, settings: Any) -> None:
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "RATE_LIMIT": 50}
    body = signed(cloud.account, LIST)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: call(cloud, body), range(120)))

    refused = [each["error"] for each in answers if "error" in each]
    assert len(answers) - len(refused) == 50
    assert {error["code"] for error in refused} == {410}
    assert all(1 <= error["data"]["retry_after"] <= 60 for error in refused)


def test_t029_strange_host_is_refused(cloud: Cloud, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["video.example.org"]

    response, _ = post(cloud, signed(cloud.account, LIST), headers={"Host": "evil.example"})

    assert response.status == 400


def test_t030_hostile_names_come_back_short_and_as_json(cloud: Cloud) -> None:
    name = "<script>alert(1)</script>" * 40
    body = signed(cloud.account, {"call": f"media.{name}"})

    response, content = post(cloud, body)

    assert response.getheader("Content-Type") == "application/json"
    assert response.getheader("X-Content-Type-Options") == "nosniff"
    assert len(content) < 200


# B: authentication


@pytest.mark.parametrize(
    "auth", [None, [], {}, 1, "", ":", "x", ":::", "x:y:z", ":" * 9, "a" * 500_000]
)
def test_t031_what_is_no_auth_is_refused(cloud: Cloud, auth: Any) -> None:
    answer = call(cloud, json.dumps({**LIST, "auth": auth}).encode())

    assert answer["error"]["code"] in (400, 600)


def test_t033_every_reason_has_the_same_answer(cloud: Cloud) -> None:
    other = Account.objects.create(name="other")
    closed = Account.objects.create(name="closed", is_active=False)
    answers = {
        post(cloud, json.dumps({**LIST, "auth": sign_call(user, LIST, key)}).encode())[1]
        for user, key in (
            (UNKNOWN, cloud.account.api_key),
            (closed.pk, closed.api_key),
            (cloud.account.pk, other.api_key),
            (cloud.account.pk, ""),
        )
    }

    assert answers == {b'{"error": {"message": "Authentication failed.", "code": 400}}'}


@pytest.mark.parametrize(
    ("honest", "forged"),
    [
        ({"page": 1}, {"page": "1"}),
        ({"page": 1, "per_page": 2}, {"page": "1per_page2"}),
        ({"fields": ["id", "created"]}, {"fields": "idcreated"}),
        ({"fields": ["id", "created"]}, {"fields": {"id": "created"}}),
        ({"fields": ["id", "created"]}, {"fieldsid": "created"}),
        ({"fields": ["id"], "page": 1}, {"fields": ["idpage1"]}),
        ({"fields": ["id"], "page": 1}, {"fields": ["id"], "page": [1]}),
        ({"fields": ["id"], "page": 1}, {"fields": ["id"], "page": True}),
        ({"page": None}, {"page": ""}),
    ],
)
def test_t037_other_types_and_glued_keys_of_one_signature_are_refused(
    cloud: Cloud, honest: dict[str, Any], forged: dict[str, Any]
) -> None:
    captured = json.loads(signed(cloud.account, {**LIST, "args": honest}))["auth"]

    answer = call(cloud, json.dumps({**LIST, "args": forged, "auth": captured}).encode())

    assert answer["error"]["code"] in (400, 630)


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


def test_t039_captured_call_lives_as_long_as_its_key(cloud: Cloud) -> None:
    captured = signed(cloud.account, LIST)

    assert call(cloud, captured) == call(cloud, captured)
    cloud.account.api_key = "0" * 40
    cloud.account.save()
    assert call(cloud, captured)["error"]["code"] == 400


def test_a07_replayed_delete_finds_nothing_the_second_time(cloud: Cloud, media: Media) -> None:
    captured = signed(cloud.account, {"call": "media.delete", "args": {"id": media.pk}})

    assert call(cloud, captured) == {"result": None}
    assert call(cloud, captured)["error"]["code"] == 1010


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


def _get(cloud: Cloud, target: str) -> tuple[int, bytes]:
    request = f"GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n"
    answer = raw(cloud, request.encode())
    return int(answer.split()[1]), answer
