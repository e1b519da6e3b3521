"""Remote objects: addresses as the published SDKs write them, and names that are never sent."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.template import Context, Engine

from django_cloudkey.client import (
    CloudKey,
    InvalidParameter,
    SecLevel,
    gen_drm_token,
    sign_url,
)
from django_cloudkey.protocol.envelope import decode_call
from django_cloudkey.protocol.scheme2.keys import new_secret
from django_cloudkey.protocol.signing import read_auth, verify_call, verify_url

from .conftest import API_KEY, USER_ID, HostileServer, NoNetwork

VECTORS = json.loads((Path(__file__).parent.parent / "vectors.json").read_text())
MEDIA = "4d0c0ffee0000000000000a1"
HOSTS = {"base_url": "http://api.dmcloud.net", "cdn_url": "http://cdn.dmcloud.net"}


# Addresses


def vectors(*kinds: str) -> list[Any]:
    return [
        pytest.param(
            vector["kind"], vector["input"], vector["expected"], id=f"{vector['kind']}-{number}"
        )
        for number, vector in enumerate(VECTORS)
        if vector["kind"] in kinds and vector["input"]["sdk"] in ("py", "any")
    ]


def fix_nonce(monkeypatch: pytest.MonkeyPatch, nonce: str) -> None:
    """Replace the source of randomness, and nothing else."""
    monkeypatch.setattr("django_cloudkey.protocol.signing.new_nonce", lambda: nonce)


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    vectors("get_embed_url", "get_swf_url", "get_qtref_url", "get_stream_url"),
)
def test_address_is_the_published_sdks(
    monkeypatch: pytest.MonkeyPatch, kind: str, given: dict[str, Any], expected: Any
) -> None:
    arguments = {n: v for n, v in given.items() if n not in ("sdk", "user_id", "api_key", "nonce")}
    hosts = {**HOSTS, **({"base_url": arguments.pop("base_url")} if "base_url" in given else {})}
    client = CloudKey(given["user_id"], given["api_key"], **hosts)
    fix_nonce(monkeypatch, given["nonce"])

    if isinstance(expected, dict):
        with pytest.raises((ValueError, InvalidParameter)):
            getattr(client.media, kind)(**arguments)
    else:
        assert getattr(client.media, kind)(**arguments) == expected


@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS if vector["kind"] == "drm_token"], ids=range(8)
)
def test_drm_token_holds_what_the_published_sdks_sign(vector: dict[str, Any]) -> None:
    text = gen_drm_token(**vector["input"], encode=False)

    assert json.loads(text) == vector["expected"]["payload"]


def test_drm_token_follows_the_signed_address(cloudkey: CloudKey) -> None:
    url = cloudkey.media.get_embed_url(MEDIA, skin="a b", drm_token={"max_replay": 3, "nonce": "n"})

    names = [pair.partition("=")[0] for pair in urlsplit(url).query.split("&")]
    assert names == ["auth", "skin", "drm_token"]
    assert parse_qs(urlsplit(url).query)["skin"] == ["a b"]


@pytest.mark.parametrize("method", ["get_embed_url", "get_swf_url", "get_qtref_url"])
def test_order_of_positional_arguments_of_pages(cloudkey: CloudKey, method: str) -> None:
    parameters = inspect.signature(getattr(cloudkey.media, method)).parameters.values()

    assert [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD] == [
        "id", "seclevel", "asnum", "ip", "useragent",
    ]  # fmt: skip
    assert {"countries", "referers", "expires"} <= {
        p.name for p in parameters if p.kind is p.KEYWORD_ONLY
    }


def test_order_of_positional_arguments_of_streams(cloudkey: CloudKey) -> None:
    parameters = inspect.signature(cloudkey.media.get_stream_url).parameters.values()

    assert [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD] == [
        "id", "asset_name", "seclevel", "asnum", "ip", "useragent",
    ]  # fmt: skip


def test_positional_arguments_are_signed_in_their_places(cloudkey: CloudKey) -> None:
    level = SecLevel.ASNUM | SecLevel.IP | SecLevel.USERAGENT
    url = cloudkey.media.get_embed_url(MEDIA, level, "AS1", "192.0.2.1", "UA", expires=1800000000)

    assert url == sign_url(
        f"https://video.example.org/embed/{USER_ID}/{MEDIA}",
        API_KEY,
        level,
        asnum="AS1",
        ip="192.0.2.1",
        useragent="UA",
        expires=1800000000,
        nonce=url.split("-")[2],
    )


@pytest.mark.parametrize(
    "bad", ["../../route/http/other/secret", "x?auth=1", "", MEDIA.upper(), MEDIA + "\n", None, 7]
)
@pytest.mark.parametrize(
    "method",
    ["get_embed_url", "get_swf_url", "get_qtref_url", "get_stream_url", "get_thumbnail_url"],
)
def test_nothing_is_signed_for_what_is_no_id(cloudkey: CloudKey, method: str, bad: Any) -> None:
    with pytest.raises(InvalidParameter, match="630: id is not valid"):
        getattr(cloudkey.media, method)(bad)


def test_thumbnail_address_is_signed_when_asked(cloudkey: CloudKey) -> None:
    url = cloudkey.media.get_thumbnail_url(MEDIA, version=3)

    base, _, query = url.partition("?")
    path = f"{USER_ID}/{MEDIA}/jpeg_thumbnail_medium-3.jpeg"
    assert base == f"https://video.example.org/{path}"
    assert verify_url(base, read_auth(query), API_KEY)
    with pytest.raises(InvalidParameter, match="'mp4_h264_aac' is not a thumbnail"):
        cloudkey.media.get_thumbnail_url(MEDIA, "mp4_h264_aac")


def test_static_host_follows_the_cdn() -> None:
    client = CloudKey(USER_ID, API_KEY, "https://api.x.org/", "https://cdn.x.org/")

    thumbnail = client.media.get_stream_url(MEDIA, "jpeg_thumbnail_small")
    assert thumbnail == f"https://static.x.org/{USER_ID}/{MEDIA}/jpeg_thumbnail_small.jpeg"
    assert client.media.get_stream_url(MEDIA).startswith("https://cdn.x.org/route/")
    assert client.media.get_embed_url(MEDIA).startswith("https://api.x.org/embed/")


@pytest.mark.parametrize("expires", [0, 3600, 999_999_999, 1_800_000_000_000, -1])
def test_end_that_is_no_unix_time_in_seconds_is_refused(cloudkey: CloudKey, expires: int) -> None:
    media = cloudkey.media
    for method in (
        *(media.get_embed_url, media.get_swf_url, media.get_qtref_url),
        *(media.get_stream_url, media.get_thumbnail_url),
    ):
        with pytest.raises(ValueError, match=f"must be Unix time in seconds, got {expires}"):
            method(MEDIA, expires=expires)


def test_no_address_costs_a_request(cloudkey: CloudKey, network: NoNetwork) -> None:
    media = cloudkey.media
    media.get_embed_url(MEDIA)
    media.get_swf_url(MEDIA)
    media.get_qtref_url(MEDIA)
    media.get_stream_url(MEDIA)
    media.get_thumbnail_url(MEDIA)

    assert network.calls == []


@pytest.mark.parametrize("name", ["base_url", "cdn_url", "static_url"])
@pytest.mark.parametrize(
    "url",
    [
        *("video.example.org", "ftp://x", "file:///etc", "http://", "https://:80"),
        *("http://h:abc", "http://h:99999", "http://["),
    ],
)
def test_address_of_the_cloud_must_be_http_with_a_host(name: str, url: str) -> None:
    urls: dict[str, Any] = {"base_url": "https://video.example.org", name: url}

    with pytest.raises(ValueError, match=f"{name} must start with http:// or https:// and a host"):
        CloudKey(USER_ID, API_KEY, **urls)


@pytest.mark.parametrize("url", ["", None])
def test_base_url_has_no_default(url: Any) -> None:
    with pytest.raises(ValueError, match="base_url must start with http:// or https:// and a host"):
        CloudKey(USER_ID, API_KEY, url)


@pytest.mark.parametrize("url", ["https://x.org/?a=1", "https://x.org/#f", "https://x y.org"])
def test_address_of_the_cloud_is_only_the_beginning_of_others(url: str) -> None:
    with pytest.raises(ValueError, match="base_url must have no query, fragment or space, got"):
        CloudKey(USER_ID, API_KEY, url)


# What is sent


def test_any_object_and_method_reach_the_server(server: HostileServer, client: CloudKey) -> None:
    server.answers(b'{"result": {"ok": true}}')

    assert client.organisation.find_all(name="x", method="y", self="z", call=1) == {"ok": True}

    request = server.requests[0]
    assert request.head.startswith("POST /api HTTP/1.1\r\n")
    assert request.header("Content-Type") == "application/json"
    assert request.header("User-Agent").startswith("django-cloudkey/")
    assert request.json["call"] == "organisation.find_all"
    assert request.json["args"] == {"name": "x", "method": "y", "self": "z", "call": 1}


def test_arguments_that_are_none_are_left_out(server: HostileServer, client: CloudKey) -> None:
    server.answers(b'{"result": 7}')

    client.media.list(page=None)
    client.other.thing(x=None, y=0)

    assert [request.json["args"] for request in server.requests] == [{}, {"y": 0}]


# What is never sent


def test_a13_treating_a_client_as_a_value_sends_nothing(
    cloudkey: CloudKey, network: NoNetwork
) -> None:
    for thing in (cloudkey, cloudkey.media, cloudkey.other):
        repr(thing)
        bool(thing)
        hash(thing)
        assert thing == copy.copy(thing) or copy.copy(thing) is not None
        with pytest.raises(TypeError):
            dict(thing)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            list(thing)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            len(thing)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            pickle.dumps(thing)
        with pytest.raises(TypeError):
            json.dumps(thing)

    assert network.calls == []


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("{{ ck }}", "<CloudKey"),
        ("{{ ck.media }}", "<Media"),
        ("{{ ck.media.delete }}", ""),
        ("{{ ck.media.list }}", ""),
        ("{{ ck.media.reset }}", ""),
        ("{{ ck.media.info.id }}", ""),
        ("{{ ck.file.upload }}", ""),
        ("{{ ck.other.thing }}", ""),
        ("{{ ck.call }}", ""),
        ("{{ ck.send }}", ""),
        ("{{ ck.act_as_user }}", ""),
        ("{{ ck.media.iterate }}", ""),
        ("{{ media }}{{ media.delete }}", "<Media"),
        ("{% for x in ck.items %}{{ x }}{% endfor %}", ""),
        ("{% for x in media.items %}{{ x }}{% endfor %}", ""),
        ("{% if ck.media %}yes{% endif %}", "yes"),
        ("{{ ck.media.delete|default:'none' }}", "none"),
        ("{% with d=ck.media.delete %}{{ d }}{% endwith %}", ""),
        ("{{ ck.api_key }}", "Secret("),
    ],
)
def test_a13_no_template_sends_anything(
    cloudkey: CloudKey, network: NoNetwork, template: str, shown: str
) -> None:
    try:
        context = Context({"ck": cloudkey, "media": cloudkey.media}, autoescape=False)
        text = str(Engine().from_string(template).render(context))
    except TypeError as error:
        assert "not iterable" in str(error)  # noqa: PT017 - loud, and nothing was sent
        text = ""

    assert network.calls == []
    assert text.startswith(shown)
    assert shown or not text
    assert API_KEY not in text


def test_known_objects_are_attributes_of_their_own(cloudkey: CloudKey) -> None:
    assert repr(cloudkey.media) == "<Media 'media'>"
    assert repr(cloudkey.file) == "<File 'file'>"
    assert repr(cloudkey.user) == "<User 'user'>"
    assert repr(cloudkey.other) == "<RemoteObject 'other'>"


# Copies, and acting as another


def test_acting_as_another_signs_as_both(server: HostileServer, client: CloudKey) -> None:
    server.answers(b'{"result": 1}')

    client.act_as_user("4d0c0ffee000000000000002").media.list()
    client.media.list()

    other, own = (decode_call(request.body) for request in server.requests)
    assert other.auth.startswith(f"{USER_ID}/4d0c0ffee000000000000002:")
    assert own.auth.startswith(f"{USER_ID}:")
    for call in (other, own):
        assert verify_call(call.auth, call.signed, API_KEY) == "python"


def test_acting_as_another_is_a_copy(cloudkey: CloudKey) -> None:
    before = dict(vars(cloudkey))
    other = cloudkey.act_as_user("someone")
    third = other.act_as_user("else")

    assert vars(cloudkey) == before
    assert other._transport is third._transport is cloudkey._transport
    assert repr(cloudkey) == f"<CloudKey '{USER_ID}' at 'https://video.example.org'>"
    assert repr(other) == f"<CloudKey '{USER_ID}/someone' at 'https://video.example.org'>"
    assert repr(third) == f"<CloudKey '{USER_ID}/else' at 'https://video.example.org'>"
    assert other.media is not cloudkey.media


def test_addresses_stay_the_caller_s_own(
    cloudkey: CloudKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    fix_nonce(monkeypatch, "abcdefgh")
    other = cloudkey.act_as_user("someone")

    for method in ("get_embed_url", "get_stream_url", "get_thumbnail_url"):
        own, others = (
            getattr(client.media, method)(MEDIA, expires=1800000000) for client in (cloudkey, other)
        )
        assert own == others
    assert other.user_id == USER_ID


@pytest.mark.parametrize("user", ["", None, 7, "a/b", "a:b", "a b", "a\n", b"a"])
def test_user_to_act_as_must_be_one(cloudkey: CloudKey, user: Any) -> None:
    with pytest.raises(InvalidParameter, match="user must be the id of a user, got"):
        cloudkey.act_as_user(user)


@pytest.mark.parametrize("user", ['a"b', "a\\b", "é", "\x7f", "x" * 65])
def test_user_to_act_as_must_fit_into_a_header_of_scheme_2(network: NoNetwork, user: str) -> None:
    secret = new_secret()
    cloudkey = CloudKey(
        USER_ID, None, "https://video.example.org", secret=secret, kid="k1", transport=network
    )

    with pytest.raises(InvalidParameter, match="user must be the id of a user, got"):
        cloudkey.act_as_user(user)


def test_user_of_a_secret_must_have_an_id() -> None:
    with pytest.raises(ValueError, match="user_id must be 24 hexadecimal characters, got 'me'"):
        CloudKey("me", None, "https://video.example.org", secret=new_secret(), kid="k1")


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy])
def test_copy_of_a_client_calls_through_the_same_connections(
    server: HostileServer, client: CloudKey, copier: Any
) -> None:
    server.answers(b'{"result": 1}')
    twin = copier(client.act_as_user("someone"))

    assert [client.media.list(), twin.media.list(), copier(twin.media).list()] == [1, 1, 1]
    assert server.connections == 1
    assert server.requests[1].json["auth"].startswith(f"{USER_ID}/someone:")
