"""Calls over real HTTP: each method, each refusal, each on its exact code."""

from __future__ import annotations

import http.client
import io
import json
import logging
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from django_cloudkey.client import (
    AuthenticationError,
    CloudKey,
    InvalidCall,
    InvalidMethod,
    InvalidObject,
    InvalidParameter,
    InvalidRequest,
    LimitExceeded,
    NotFound,
)
from django_cloudkey.protocol.normalization import normalize
from django_cloudkey.protocol.signing import read_auth, sign_call, verify_url
from django_cloudkey.server.models import Account, Asset, Job, Media, UploadSlot
from django_cloudkey.server.rpc.registry import METHODS
from django_cloudkey.server.rpc.views import answer

from ..conftest import Cloud

UNKNOWN = "1b87186c84e1b015a0000000"
VECTORS = json.loads((Path(__file__).parent.parent / "vectors.json").read_text())


@pytest.fixture
def stranger(cloud: Cloud) -> CloudKey:
    """A client of another account of the same cloud."""
    other = Account.objects.create(name="stranger")
    return CloudKey(other.pk, other.api_key, cloud.base_url)


@pytest.fixture
def media(cloud: Cloud) -> str:
    """A media without any asset."""
    return str(cloud.client.media.create(meta={"title": "First", "note": "x"})["id"])


@pytest.fixture
def uploaded(cloud: Cloud) -> str:
    """The address that an upload answered."""
    return str(cloud.client.file.upload_file(io.BytesIO(b"not a video"), name="a.mp4")["url"])


def ready(media: str, name: str = "mp4_h264_aac", **facts: Any) -> None:
    """Write an asset that is ready, as a worker leaves it."""
    Asset.objects.create(
        media_id=media,
        name=name,
        status=Asset.Status.READY,
        file=f"{media}/{name}",
        created=timezone.now(),
        facts=facts,
    )


def failed(media: str, name: str = "mp4_h264_aac_hq") -> None:
    Asset.objects.create(
        media_id=media,
        name=name,
        status=Asset.Status.ERROR,
        error_code="not_a_video",
        error_message="This is no video.",
    )


def post(
    cloud: Cloud,
    body: bytes,
    *,
    path: str = "/api",
    method: str = "POST",
    headers: dict[str, str] | None = None,
) -> tuple[http.client.HTTPResponse, bytes]:
    url = urlsplit(cloud.base_url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=20)
    try:
        connection.request(method, url.path + path, body, headers or {})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def signed(cloud: Cloud, request: dict[str, Any], **more: Any) -> bytes:
    """Return the body of *request*, rightly signed, with *more* members that are not."""
    auth = sign_call(cloud.account.pk, request, cloud.account.api_key)
    return json.dumps({**request, "auth": auth, **more}).encode()


# Happy paths


def test_every_registered_method_is_called_over_the_wire() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))

    assert {
        name for name in METHODS if f".{name}(" not in tests and f'"{name}"' not in tests
    } == set()


def test_user_info_tells_the_account_of_itself(cloud: Cloud) -> None:
    own = cloud.account

    assert cloud.client.user.info() == {
        "id": own.pk,
        "username": "demo",
        "first_name": "",
        "last_name": "",
        "email": "",
        "created": int(own.created.timestamp()),
        "last_login": None,
        "is_active": True,
        "streaming_active": True,
        "permissions": [],
        "org_id": None,
    }
    assert cloud.client.user.info(id=own.pk, fields=["id", "username"]) == {
        "id": own.pk,
        "username": "demo",
    }


def test_user_info_of_another_user_is_refused(cloud: Cloud, stranger: CloudKey) -> None:
    for user in (stranger.user_id, UNKNOWN):
        with pytest.raises(AuthenticationError, match="400: Only one's own user can be asked for"):
            cloud.client.user.info(id=user)


def test_no_field_of_the_user_shows_the_key(cloud: Cloud) -> None:
    fields = ["api_key", "account.api_key", "id", "password"]

    assert cloud.client.user.info(fields=fields) == {"id": cloud.account.pk}


def test_file_upload_opens_a_slot(cloud: Cloud) -> None:
    url = cloud.client.file.upload()["url"]

    slot = UploadSlot.objects.get()
    assert url.startswith(f"{cloud.base_url}/upload?uuid={slot.pk}&seal=")
    assert slot.account == cloud.account
    assert slot.state == UploadSlot.State.WAITING


def test_media_create_without_source_makes_an_empty_media(cloud: Cloud) -> None:
    answer = cloud.client.media.create(meta={"title": "Café 日本"})

    assert set(answer) == {"id"}
    row = Media.objects.get()
    assert (row.pk, row.account, row.meta) == (answer["id"], cloud.account, {"title": "Café 日本"})
    assert Job.objects.count() == 0


def test_media_create_queues_its_assets(cloud: Cloud, uploaded: str) -> None:
    names = ["mp4_h264_aac", "source", "jpeg_thumbnail_small", "mp4_h264_aac"]
    media = cloud.client.media.create(url=uploaded, assets_names=names)["id"]

    assert cloud.client.media.get_assets(id=media) == {
        "source": {"status": "pending"},
        "mp4_h264_aac": {"status": "pending"},
        "jpeg_thumbnail_small": {"status": "pending"},
    }
    assert Job.objects.filter(media_id=media, state=Job.State.QUEUED).count() == 1


def test_media_info_gives_the_default_fields(cloud: Cloud, media: str) -> None:
    answer = cloud.client.media.info(id=media)

    created = int(Media.objects.get().created.timestamp())
    assert answer == {
        "id": media,
        "meta": {"title": "First", "note": "x"},
        "assets": {},
        "created": created,
    }


def test_media_id_may_be_called_media_id(cloud: Cloud, media: str) -> None:
    assert cloud.client.call("media.info", media_id=media, fields=["id"]) == {"id": media}


def test_media_delete_removes_it(cloud: Cloud, media: str) -> None:
    assert cloud.client.media.delete(id=media) is None

    with pytest.raises(NotFound, match="1010: Media not found"):
        cloud.client.media.info(id=media)
    with pytest.raises(NotFound):
        cloud.client.media.delete(id=media)


def test_get_assets_leaves_out_what_does_not_exist(cloud: Cloud, media: str) -> None:
    ready(media, video_width=320)
    failed(media)

    both = cloud.client.media.get_assets(id=media)
    assert both["mp4_h264_aac"]["status"] == "ready"
    assert both["mp4_h264_aac"]["video_width"] == 320
    assert both["mp4_h264_aac_hq"] == {"status": "error"}
    names = ["mp4_h264_aac_hq", "nope", "source"]
    assert cloud.client.media.get_assets(id=media, assets_names=names) == {
        "mp4_h264_aac_hq": {"status": "error"}
    }
    assert cloud.client.media.get_assets(id=media, assets_names=[]) == {}


def test_stream_url_of_an_asset_is_signed_with_the_accounts_key(cloud: Cloud, media: str) -> None:
    ready(media)

    url = cloud.client.media.get_assets(id=media)["mp4_h264_aac"]["stream_url"]

    base, _, query = url.partition("?")
    assert base.startswith(f"{cloud.base_url}/route/{cloud.account.pk}/{media}/mp4_h264_aac-")
    assert verify_url(base, read_auth(query), cloud.account.api_key)


def test_set_meta_merges_and_overwrites(cloud: Cloud, media: str) -> None:
    assert cloud.client.media.set_meta(id=media, meta={"title": "New", "author": "A"}) is None

    expected = {"title": "New", "note": "x", "author": "A"}
    assert cloud.client.media.get_meta(id=media) == expected


def test_get_meta_gives_the_keys_that_exist(cloud: Cloud, media: str) -> None:
    assert cloud.client.media.get_meta(id=media) == {"title": "First", "note": "x"}
    assert cloud.client.media.get_meta(id=media, keys=["note", "nope"]) == {"note": "x"}
    assert cloud.client.media.get_meta(id=media, keys=[]) == {}


@pytest.mark.parametrize(
    "meta",
    [
        {"t": "</script><script>", "u": '"><img onerror=x>', "v": "{{7*7}}", "w": "=cmd|'/c'!A1"},
        {"t": "\u202e\u2028\u2029\u200b🎬e\u0301é"},
        {"__proto__": "a", "constructor": "b", "__class__": "c", "length": "d", "0": "e", "a": "f"},
        {"Title": "a", "title": "b", "TITLE": "c"},
        {"i": 2**62, "n": -(2**63), "f": 0.1, "big": 1.5e10, "b": True, "no": False, "none": None},
        {"t": "x" * 8192, "k" * 64: ""},
    ],
)
def test_meta_is_kept_as_it_was_given(cloud: Cloud, media: str, meta: dict[str, Any]) -> None:
    new = cloud.client.media.create(meta=meta)["id"]
    cloud.client.media.set_meta(id=media, meta=meta)

    assert cloud.client.media.get_meta(id=new) == meta
    kept = cloud.client.media.get_meta(id=media)
    assert kept == {"title": "First", "note": "x", **meta}
    assert all(type(kept[key]) is type(value) for key, value in meta.items())


# Fields


def test_fields_give_exactly_what_they_name(cloud: Cloud, media: str) -> None:
    ready(media, "source", duration=7, video_aspect=1.5, container="mp4")
    ready(media, video_width=320)
    failed(media)
    info = cloud.client.media.info
    user = cloud.account.pk

    def asked(*fields: str) -> Any:
        return info(id=media, fields=list(fields))

    assert asked() == {}
    assert asked("id") == {"id": media}
    assert asked("meta.title") == {"meta": {"title": "First"}}
    assert asked("meta.title", "meta.unset") == {"meta": {"title": "First", "unset": None}}
    assert asked("meta") == {"meta": {"title": "First", "note": "x"}}
    assert asked("meta", "meta.title") == asked("meta.title", "meta") == asked("meta")
    assert asked("assets.source.duration") == {"assets": {"source": {"duration": 7}}}
    assert asked("assets.source.unknown") == {"assets": {"source": {}}}
    assert asked("assets.abs.status") == {"assets": {}}
    assert asked("assets.mp4_h264_aac.status", "assets.source.status") == {
        "assets": {"mp4_h264_aac": {"status": "ready"}, "source": {"status": "ready"}}
    }
    assert set(asked("assets.source")["assets"]) == {"source"}
    assert set(asked("assets.source")["assets"]["source"]) == {
        "status", "created", "duration", "video_aspect", "container",
    }  # fmt: skip
    assert asked("unknown", "owner.api_key") == {}
    assert asked("embed_url") == {"embed_url": f"{cloud.base_url}/player/embed/{user}/{media}"}


def test_frame_ratio_is_given_when_it_is_the_only_field(cloud: Cloud, media: str) -> None:
    ready(media, "source", video_aspect=1.5)

    assert cloud.client.media.info(id=media, fields=["frame_ratio"]) == {"frame_ratio": 1.5}
    assert cloud.client.media.list(fields=["frame_ratio"])["list"] == [{"frame_ratio": 1.5}]


def test_reason_of_a_failure_is_given_to_whom_names_it(cloud: Cloud, media: str) -> None:
    failed(media)
    name = "mp4_h264_aac_hq"
    error = {"code": "not_a_video", "message": "This is no video."}
    info = cloud.client.media.info

    for fields in (None, ["assets"], [f"assets.{name}"], [f"assets.{name}.status"]):
        assert info(id=media, fields=fields)["assets"] == {name: {"status": "error"}}
    assert info(id=media, fields=[f"assets.{name}.error"])["assets"] == {name: {"error": error}}
    both = info(id=media, fields=[f"assets.{name}.status", f"assets.{name}.error"])
    assert both["assets"] == {name: {"status": "error", "error": error}}


@pytest.mark.parametrize(
    "fields",
    [
        "id", 1, {}, True, [1], [None], [["id"]], [""], ["."], ["meta."], [".meta"], ["meta..x"],
        ["assets.*"], ["a.b.c.d"], ["meta.é"], ["meta.__proto__\n"], ["id "], ["ID"],
        ["meta__icontains;"], ["id"] * 101, ["x" * 40], ["meta.x y"],
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["info", "list"])
def test_malformed_fields_are_refused(cloud: Cloud, media: str, method: str, fields: Any) -> None:
    arguments = {"id": media} if method == "info" else {}

    with pytest.raises(InvalidParameter) as caught:
        cloud.client.call(f"media.{method}", fields=fields, **arguments)

    assert caught.value.message == (
        f"Invalid parameters for media.{method}: fields must be a list of at most 100 field names "
        "such as 'meta.title'."
    )


def test_fields_that_look_like_python_name_nothing(cloud: Cloud, media: str) -> None:
    fields = [
        "__class__",
        "account__api_key",
        "account.api_key",
        "meta.__class__",
        "assets.__dict__",
    ]

    answer = cloud.client.media.info(id=media, fields=fields)

    assert answer == {"meta": {"__class__": None}, "assets": {}}


# Pages


def test_page_has_seven_members_and_lists_newest_first(cloud: Cloud, stranger: CloudKey) -> None:
    now = timezone.now()
    ids = []
    for age in range(5):
        media = Media.objects.create(account=cloud.account, created=now - timedelta(hours=age))
        ids.append(media.pk)
    stranger.media.create()

    first = cloud.client.media.list(fields=["id"], per_page=2)
    last = cloud.client.media.list(fields=["id"], page=3, per_page=2)

    assert first == {
        "list": [{"id": ids[0]}, {"id": ids[1]}],
        "page": 1,
        "pages": 3,
        "per_page": 2,
        "on_this_page": 2,
        "total": 5,
        "has_more": True,
    }
    assert last == {
        "list": [{"id": ids[4]}],
        "page": 3,
        "pages": 3,
        "per_page": 2,
        "on_this_page": 1,
        "total": 5,
        "has_more": False,
    }


def test_media_of_one_moment_have_a_stable_order(cloud: Cloud) -> None:
    now = timezone.now()
    Media.objects.bulk_create(Media(account=cloud.account, created=now) for _ in range(7))

    pages = [cloud.client.media.list(fields=["id"], page=p, per_page=3)["list"] for p in (1, 2, 3)]

    seen = [item["id"] for page in pages for item in page]
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 7


def test_an_empty_list_has_one_page(cloud: Cloud) -> None:
    assert cloud.client.media.list() == {
        "list": [],
        "page": 1,
        "pages": 1,
        "per_page": 10,
        "on_this_page": 0,
        "total": 0,
        "has_more": False,
    }


@pytest.mark.parametrize("page", [2, 10**9, 2**31 - 1])
def test_page_beyond_the_end_is_empty(cloud: Cloud, media: str, page: int) -> None:
    answer = cloud.client.media.list(page=page, per_page=100)

    assert (answer["list"], answer["on_this_page"], answer["has_more"]) == ([], 0, False)
    assert (answer["page"], answer["pages"], answer["total"]) == (page, 1, 1)


@pytest.mark.parametrize("name", ["page", "per_page"])
@pytest.mark.parametrize("value", [0, -1, 2**31, 2**62, "1", 1.0, 1.5, True, False, [], {}])
def test_malformed_page_is_refused(cloud: Cloud, name: str, value: Any) -> None:
    with pytest.raises(InvalidParameter, match=f"for media.list: {name} must be a .*number from 1"):
        cloud.client.media.list(**{name: value})


def test_page_size_has_a_limit(cloud: Cloud) -> None:
    assert cloud.client.media.list(per_page=100)["per_page"] == 100
    with pytest.raises(InvalidParameter, match="per_page must be a number from 1 to 100"):
        cloud.client.media.list(per_page=101)


# Refusals of arguments


@pytest.mark.parametrize(
    ("name", "args", "reason"),
    [
        ("media.info", {}, "id is missing"),
        ("media.info", {"id": None}, "id is missing"),
        ("media.delete", {}, "id is missing"),
        ("media.get_assets", {}, "id is missing"),
        ("media.get_meta", {}, "id is missing"),
        ("media.set_meta", {"meta": {}}, "id is missing"),
        ("media.set_meta", {"id": UNKNOWN}, "meta is missing"),
        ("media.info", {"id": UNKNOWN, "field": []}, "'field' is unknown"),
        ("media.info", {"id": UNKNOWN, "account": 1}, "'account' is unknown"),
        ("media.info", {"id": UNKNOWN, "media_id": UNKNOWN}, "'media_id' is unknown"),
        ("media.list", {"id": UNKNOWN}, "'id' is unknown"),
        ("media.list", {"x" * 500: 1}, f"'{'x' * 64}' is unknown"),
        ("media.list", {"": 1}, "'' is unknown"),
        ("media.create", {"url": 1}, "url must be a text of at most 8192 characters"),
        ("media.create", {"url": "x" * 8193}, "url must be a text of at most 8192 characters"),
        ("media.create", {"assets_names": ["mp4_h264_aac"]}, "assets_names needs a url"),
        ("media.create", {"assets_names": "source"}, "assets_names must be a list of asset names"),
        ("media.create", {"assets_names": ["../x"]}, "assets_names must be a list of asset names"),
        ("media.create", {"assets_names": [1]}, "assets_names must be a list of asset names"),
        ("media.create", {"assets_names": [[]]}, "assets_names must be a list of asset names"),
        ("media.create", {"assets_names": [{}]}, "assets_names must be a list of asset names"),
        ("media.get_meta", {"id": UNKNOWN, "keys": "title"}, "keys must be a list of meta keys"),
        (
            "media.get_assets",
            {"id": UNKNOWN, "assets_names": "x"},
            "assets_names must be a list of",
        ),
        ("user.info", {"id": "x"}, "id must be 24 lower-case hexadecimal characters"),
        ("file.upload", {"status": 1}, "status must be true or false"),
        ("file.upload", {"status": "true"}, "status must be true or false"),
    ],
)
def test_unknown_missing_or_wrong_argument_is_said(
    cloud: Cloud, name: str, args: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        cloud.client.call(name, **args)

    assert caught.value.message.startswith(f"Invalid parameters for {name}: {reason}")
    assert caught.value.code == 630


@pytest.mark.parametrize(
    "value",
    [
        "", "b87186c84e1b015a0000000", UNKNOWN + "0", UNKNOWN.upper(), "../x", "x?y", "%2e%2e",
        UNKNOWN + "\n", UNKNOWN[:-1] + "٣", 1, 1.5, True, [UNKNOWN], {"$ne": None},
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["info", "delete", "get_assets", "get_meta", "set_meta"])
def test_malformed_id_is_refused(cloud: Cloud, method: str, value: Any) -> None:
    more: dict[str, Any] = {"meta": {}} if method == "set_meta" else {}

    with pytest.raises(InvalidParameter) as caught:
        cloud.client.call(f"media.{method}", id=value, **more)

    assert caught.value.message == (
        f"Invalid parameters for media.{method}: id must be 24 lower-case hexadecimal characters."
    )


ON_A_MEDIA: list[Any] = [
    pytest.param(lambda key, media: key.media.info(id=media), id="info"),
    pytest.param(lambda key, media: key.media.delete(id=media), id="delete"),
    pytest.param(lambda key, media: key.media.get_assets(id=media), id="get_assets"),
    pytest.param(lambda key, media: key.media.get_meta(id=media), id="get_meta"),
    pytest.param(lambda key, media: key.media.set_meta(id=media, meta={"a": "b"}), id="set_meta"),
]


@pytest.mark.parametrize("call", ON_A_MEDIA)
def test_unknown_media_is_not_found(cloud: Cloud, call: Callable[[CloudKey, str], Any]) -> None:
    with pytest.raises(NotFound, match=r"^1010: Media not found$"):
        call(cloud.client, UNKNOWN)


@pytest.mark.parametrize("call", ON_A_MEDIA)
def test_media_of_another_account_is_not_found(
    cloud: Cloud, stranger: CloudKey, media: str, call: Callable[[CloudKey, str], Any]
) -> None:
    with pytest.raises(NotFound, match=r"^1010: Media not found$"):
        call(stranger, media)

    assert cloud.client.media.get_meta(id=media) == {"title": "First", "note": "x"}


@pytest.mark.parametrize(
    "meta",
    [
        "x", [], ["a"], 1, True,
        {"": "x"}, {"k" * 65: "x"}, {"a.b": "x"}, {"$a": "x"}, {"a b": "x"}, {"a\n": "x"},
        {"é": "x"}, {"a\0": "x"}, {"a": "\0"}, {"a": "x\0y"}, {"a": []}, {"a": {}},
        {"a": "x" * 8193},
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["create", "set_meta"])
def test_malformed_meta_is_refused(cloud: Cloud, media: str, method: str, meta: Any) -> None:
    more: dict[str, Any] = {"id": media} if method == "set_meta" else {}

    with pytest.raises(InvalidParameter, match=f"for media.{method}: meta must be an object of"):
        cloud.client.call(f"media.{method}", meta=meta, **more)

    assert Media.objects.get().meta == {"title": "First", "note": "x"}


def test_meta_has_at_most_64_keys(cloud: Cloud, media: str) -> None:
    full = {f"k{number}": "x" for number in range(62)}
    cloud.client.media.set_meta(id=media, meta=full)

    cloud.client.media.set_meta(id=media, meta={"title": "still the same number"})
    with pytest.raises(LimitExceeded, match="1030: A media has at most 64 meta keys"):
        cloud.client.media.set_meta(id=media, meta={"one": "more"})
    with pytest.raises(LimitExceeded, match="1030: A media has at most 64 meta keys"):
        cloud.client.media.create(meta={f"k{number}": "x" for number in range(65)})

    kept = cloud.client.media.get_meta(id=media)
    assert len(kept) == 64
    assert "one" not in kept
    assert Media.objects.count() == 1


# Sources


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://example.org/a.mp4",
        "https://127.0.0.1/",
        "file:///etc/passwd",
        "ftp://user:password@h/a.mp4",
        "/etc/passwd",
        "{base}/files/00000000000000000000000000000000.mp4",
        "{base}/files/../files/x",
        "{base}/api",
        "{upload}?x=1",
        "{upload}#x",
        "{upload}/",
        "{upload} ",
        "{upload}\n",
        "x{upload}",
        "{slot}",
    ],
)
def test_source_that_is_no_upload_to_this_server_is_refused(
    cloud: Cloud, uploaded: str, url: str
) -> None:
    slot = cloud.client.file.upload()["url"]

    with pytest.raises(InvalidParameter) as caught:
        cloud.client.media.create(
            url=url.format(base=cloud.base_url, upload=uploaded, slot=slot),
            assets_names=["mp4_h264_aac"],
        )

    assert caught.value.message == (
        "Invalid parameters for media.create: url must be an address that an upload to this server "
        "answered."
    )
    assert Media.objects.count() == 0


def test_upload_of_another_account_is_no_source(
    cloud: Cloud, stranger: CloudKey, uploaded: str
) -> None:
    with pytest.raises(InvalidParameter, match="url must be an address that an upload to this"):
        stranger.media.create(url=uploaded)

    assert cloud.client.media.create(url=uploaded)["id"]


def test_slot_without_its_file_is_no_source(cloud: Cloud) -> None:
    cloud.client.file.upload()
    slot = UploadSlot.objects.get()

    with pytest.raises(InvalidParameter, match="url must be an address that an upload to this"):
        cloud.client.media.create(url=f"{cloud.base_url}/files/{slot.pk}.mp4")


def test_asset_that_this_server_does_not_make_is_refused(cloud: Cloud, uploaded: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        cloud.client.media.create(url=uploaded, assets_names=["flv_h263_mp3"])

    assert caught.value.message == (
        "Invalid parameters for media.create: this server does not make flv_h263_mp3."
    )
    assert Media.objects.count() == 0


# Authentication


def test_wrong_key_is_refused(cloud: Cloud) -> None:
    client = CloudKey(cloud.account.pk, cloud.account.api_key[::-1], cloud.base_url)

    with pytest.raises(AuthenticationError, match=r"^400: Authentication failed\.$"):
        client.media.list()


def test_key_of_another_account_is_refused(cloud: Cloud, stranger: CloudKey) -> None:
    client = CloudKey(cloud.account.pk, stranger.api_key, cloud.base_url)

    with pytest.raises(AuthenticationError, match=r"^400: Authentication failed\.$"):
        client.media.list()


@pytest.mark.parametrize(
    "user", [UNKNOWN, "", "demo", "{own}/", "{own}/{own}", "{own} ", "{own}\0", "é", "x" * 100_000]
)
def test_unknown_user_is_refused(cloud: Cloud, user: str) -> None:
    name = user.format(own=cloud.account.pk)
    client = CloudKey(name, cloud.account.api_key, cloud.base_url)

    with pytest.raises(AuthenticationError, match=r"^400: Authentication failed\.$"):
        client.media.list()


@pytest.mark.parametrize("user", ["\0", f"{UNKNOWN}\0", "x" * 100_000, "é" * 24, "\ud800"])
def test_what_cannot_be_a_user_is_not_looked_up(
    cloud: Cloud, django_assert_num_queries: Any, user: str
) -> None:
    """PostgreSQL takes no NUL in a text, and would fail on it."""
    request = {"call": "media.list", "auth": f"{user}:{'0' * 32}"}

    with django_assert_num_queries(0, using="cloud"):
        text = answer(json.dumps(request).replace("\ud800", "x").encode())[0]

    assert json.loads(text)["error"]["code"] in (400, 500)


def test_inactive_account_is_refused(cloud: Cloud) -> None:
    Account.objects.update(is_active=False)

    with pytest.raises(AuthenticationError, match=r"^400: Authentication failed\.$"):
        cloud.client.media.list()


@pytest.mark.parametrize("digest", ["", "0" * 31, "0" * 33, "g" * 32, "０" * 32, "\0" * 32])
def test_malformed_digest_is_refused(cloud: Cloud, digest: str) -> None:
    _, body = post(
        cloud,
        json.dumps({"call": "media.list", "auth": f"{cloud.account.pk}:{digest}"}).encode(),
    )

    assert json.loads(body) == {"error": {"code": 400, "message": "Authentication failed."}}


def test_digest_in_upper_case_is_refused(cloud: Cloud) -> None:
    user, _, digest = sign_call(
        cloud.account.pk, {"call": "media.list"}, cloud.account.api_key
    ).partition(":")
    body = json.dumps({"call": "media.list", "auth": f"{user}:{digest.upper()}"}).encode()

    assert json.loads(post(cloud, body)[1])["error"]["code"] == 400


def test_t021_stranger_learns_nothing_of_what_exists(cloud: Cloud, media: str) -> None:
    client = CloudKey(cloud.account.pk, "wrong", cloud.base_url)
    answers = set()

    for name, args in (
        ("media.info", {"id": media}),
        ("media.info", {"id": UNKNOWN}),
        ("media.info", {"id": "x"}),
        ("media.nothing", {}),
        ("nothing.info", {}),
    ):
        with pytest.raises(AuthenticationError) as caught:
            client.call(name, **args)
        answers.add((str(caught.value), str(caught.value.data)))

    assert len(answers) == 1


# Names of methods


@pytest.mark.parametrize(
    "call", ["nothing.info", "Media.info", "os.system", "constructor.x", "mеdia.info", "media\0.x"]
)
def test_unknown_object_is_refused(cloud: Cloud, call: str) -> None:
    with pytest.raises(InvalidObject, match=r"^610: There is no object '"):
        cloud.client.call(call)


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        ("media.publish", "'publish'"),
        ("media.__init__", "'__init__'"),
        ("media.__class__.mro", "'__class__.mro'"),
        ("media.info.x", "'info.x'"),
        ("media.INFO", "'INFO'"),
        ("media.info\n", r"'info\n'"),
        ("media.info\0", r"'info\x00'"),
        ("media.list_", "'list_'"),
        ("media." + "x" * 500, f"'{'x' * 40}'"),
    ],
)
def test_unknown_method_is_refused(cloud: Cloud, call: str, shown: str) -> None:
    with pytest.raises(InvalidMethod) as caught:
        cloud.client.call(call)

    assert str(caught.value) == f"620: 'Media' object has no attribute {shown}"


@pytest.mark.parametrize("call", ["media", "", ".info", "media."])
def test_call_that_is_no_name_is_refused(cloud: Cloud, call: str) -> None:
    with pytest.raises(InvalidCall, match=r"^640: 'call' is of the form object\.method"):
        cloud.client.call(call)


# The envelope over HTTP


def test_answers_are_ascii_json_with_status_200_for_errors_too(cloud: Cloud, media: str) -> None:
    cloud.client.media.set_meta(id=media, meta={"title": "日本"})

    for request, member in (
        ({"call": "media.get_meta", "args": {"id": media}}, "result"),
        ({"call": "media.get_meta", "args": {"id": UNKNOWN}}, "error"),
        ({"call": "<script>.é"}, "error"),
        ({"call": "media.delete", "args": {"id": media}}, "result"),
    ):
        response, body = post(cloud, signed(cloud, request))
        assert response.status == 200
        assert response.getheader("Content-Type") == "application/json"
        assert response.getheader("X-Content-Type-Options") == "nosniff"
        assert response.getheader("Set-Cookie") is None
        assert body.isascii()
        assert set(json.loads(body)) == {member}
    assert json.loads(body) == {"result": None}


@pytest.mark.parametrize("members", [{}, {"args": None}, {"args": []}, {"args": {}}])
def test_no_arguments_may_be_written_in_four_ways(cloud: Cloud, members: dict[str, Any]) -> None:
    body = post(cloud, signed(cloud, {"call": "media.list", **members}))[1]

    assert json.loads(body)["result"]["total"] == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "multipart/form-data"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=utf-7"},
        {"X-HTTP-Method-Override": "DELETE"},
        {"Cookie": "csrftoken=x; sessionid=y", "Origin": "https://evil.example"},
    ],
)
def test_headers_do_not_change_how_a_call_is_read(cloud: Cloud, headers: dict[str, str]) -> None:
    response, body = post(cloud, signed(cloud, {"call": "media.list"}), headers=headers)

    assert json.loads(body)["result"]["total"] == 0
    assert response.getheader("Access-Control-Allow-Origin") is None


def test_escaped_slashes_of_php_are_read(cloud: Cloud) -> None:
    request = {"call": "media.create", "args": {"meta": {"url": "http://a/b", "t": "Café"}}}
    body = signed(cloud, request).replace(b"/", rb"\/")

    media = json.loads(post(cloud, body)[1])["result"]["id"]

    assert cloud.client.media.get_meta(id=media) == {"url": "http://a/b", "t": "Café"}


def test_http_1_0_and_a_host_in_mixed_case_are_served(cloud: Cloud) -> None:
    url = urlsplit(cloud.base_url)
    body = signed(cloud, {"call": "media.list"})
    head = (
        f"POST {url.path}/api HTTP/1.0\r\nHost: LocalHost:{url.port}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        received = b"".join(iter(lambda: connection.recv(65536), b""))

    status, _, rest = received.partition(b"\r\n")
    assert b" 200 " in status
    assert json.loads(rest.partition(b"\r\n\r\n")[2])["result"]["total"] == 0


def test_base_url_that_ends_in_api_is_served(cloud: Cloud) -> None:
    client = CloudKey(cloud.account.pk, cloud.account.api_key, f"{cloud.base_url}/api")

    assert client.media.list()["total"] == 0


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE"])
def test_other_http_methods_are_refused(cloud: Cloud, method: str) -> None:
    response, body = post(cloud, signed(cloud, {"call": "media.list"}), method=method)

    assert response.status == 405
    assert response.getheader("Allow") == "POST"
    if method != "HEAD":
        assert json.loads(body) == {"error": {"code": 600, "message": "A call is a POST request."}}


@pytest.mark.parametrize("path", ["/api/", "//api", "/API", "/api/x", "/api;x"])
def test_other_paths_are_not_found_and_not_redirected(cloud: Cloud, path: str) -> None:
    assert post(cloud, signed(cloud, {"call": "media.list"}), path=path)[0].status == 404


def test_body_over_one_mebibyte_is_refused_before_it_is_parsed(cloud: Cloud) -> None:
    limit = 1024 * 1024

    assert post(cloud, b"[" * (limit + 1))[0].status == 413
    response, body = post(cloud, b"[" * limit)
    assert response.status == 200
    assert json.loads(body)["error"]["code"] == 500


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 500),
        (b"\xff", 500),
        (b"[" * 100_000, 500),
        (b'{"x": NaN}', 500),
        (b"null", 600),
        (b"{}", 600),
        (b'{"call": "media.list"}', 600),
        (b'{"call": "media.list", "auth": 1}', 600),
        (b'{"call": "media.list", "auth": "x", "args": [1]}', 600),
        (b'{"call": "media", "auth": "x"}', 640),
    ],
)
def test_malformed_request_gets_its_code(
    cloud: Cloud, body: bytes, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    response, text = post(cloud, body)

    assert response.status == 200
    assert json.loads(text)["error"]["code"] == code
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a07_signature_of_set_meta_does_not_delete(cloud: Cloud, media: str) -> None:
    meta = {"title": "xcallmedia.delete"}
    request = {"call": "media.set_meta", "args": {"id": media, "meta": meta}}
    captured = json.loads(signed(cloud, request))["auth"]
    forged = {
        "call": "media.delete",
        "args": {"id": media, "metatitle": "x"},
        "callmedia.set_meta": "",
    }
    assert normalize(forged) == normalize(request)

    body = post(cloud, json.dumps({**forged, "auth": captured}).encode())[1]

    assert json.loads(body)["error"] == {
        "code": 600,
        "message": "A request has no member 'callmedia.set_meta'.",
    }
    assert cloud.client.media.info(id=media, fields=["id"]) == {"id": media}


@pytest.mark.parametrize(
    ("forged", "code"),
    [
        ({"call": "media.set_meta", "args": {"id": "{m}metatitlex"}}, 630),
        ({"call": "media.set_meta", "args": {"id{m}metatitle": "x"}}, 630),
        ({"call": "media.set_meta", "args": {"id": "{m}", "meta": "titlex"}}, 630),
        ({"call": "media.set_meta", "args": {"id": "{m}", "meta": ["title", "x"]}}, 630),
        ({"call": "media.set_meta", "args": {"id": "{m}", "metatitle": "x"}}, 630),
        ({"call": "media.set_meta", "args": "id{m}metatitlex"}, 600),
        ({"call": "media.set_meta", "args": ["id", "{m}", "metatitlex"]}, 600),
        ({"argsid{m}metatitlexcall": "media.set_meta"}, 600),
    ],
)
def test_a07_other_requests_of_the_same_signature_are_refused(
    cloud: Cloud, media: str, forged: dict[str, Any], code: int
) -> None:
    request = {"call": "media.set_meta", "args": {"id": media, "meta": {"title": "x"}}}
    captured = json.loads(signed(cloud, request))["auth"]
    other = json.loads(json.dumps(forged).replace("{m}", media))
    assert normalize(other) == normalize(request)

    body = post(cloud, json.dumps({**other, "auth": captured}).encode())[1]

    assert json.loads(body)["error"]["code"] == code
    assert cloud.client.media.get_meta(id=media) == {"title": "First", "note": "x"}


def test_changed_argument_is_refused(cloud: Cloud, media: str) -> None:
    request = {"call": "media.info", "args": {"id": media}}
    body = signed(cloud, request).replace(b"media.info", b"media.delete")

    assert json.loads(post(cloud, body)[1])["error"]["code"] == 400


def test_no_member_may_come_twice(cloud: Cloud, media: str) -> None:
    body = signed(cloud, {"call": "media.info", "args": {"id": media}})
    twice = body.replace(b'{"call"', b'{"call": "media.delete", "call"', 1)

    assert json.loads(post(cloud, twice)[1])["error"]["code"] == 500


def test_member_that_is_not_signed_is_refused(cloud: Cloud) -> None:
    with_more = signed(cloud, {"call": "media.list"}, jsonrpc="2.0")

    assert json.loads(post(cloud, with_more)[1])["error"]["code"] == 600


# Historical clients


@pytest.mark.parametrize(
    "vector",
    [v for v in VECTORS if v["kind"] == "rpc_sign" and "act_as_user" not in v["input"]],
    ids=lambda vector: vector["input"]["call"],
)
def test_signature_of_every_published_client_is_accepted(
    cloud: Cloud, vector: dict[str, Any]
) -> None:
    given = vector["input"]
    Account.objects.create(pk=given["user_id"], name="historical", api_key=given["api_key"])
    request = {name: given[name] for name in ("call", "args") if name in given}

    body = post(cloud, json.dumps({**request, "auth": vector["expected"]}).encode())[1]

    assert json.loads(body).get("error", {}).get("message") != "Authentication failed."


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1e-05", "1e-05"),  # Python 2
        ("1.0E+15", "1.0E+15"),  # PHP
        ("1.0E7", "1.0E7"),  # Java
        ("1e15", "1.0e+15"),  # Ruby
        ("0.30000000000000004", "0.3"),  # Python 2 signs 12 digits
        ("1.50", "1.50"),  # as it was written
        ("true", "True"),  # Python SDK 1.1
        ("true", "1"),  # PHP of 2010
    ],
)
def test_each_dialect_of_numbers_and_booleans_is_accepted(
    cloud: Cloud, number: str, text: str
) -> None:
    signed_as = {"call": "media.create", "args": {"meta": {"n": text}}}
    auth = sign_call(cloud.account.pk, signed_as, cloud.account.api_key)
    call = f'{{"call": "media.create", "args": {{"meta": {{"n": {number}}}}}, "auth": "{auth}"}}'

    body = json.loads(post(cloud, call.encode())[1])

    assert set(body.get("result", body)) == {"id"}


def test_acting_as_another_user_is_refused(cloud: Cloud, stranger: CloudKey) -> None:
    user = f"{cloud.account.pk}/{stranger.user_id}"
    auth = sign_call(user, {"call": "media.list"}, cloud.account.api_key)

    body = post(cloud, json.dumps({"call": "media.list", "auth": auth}).encode())[1]

    assert json.loads(body)["error"]["code"] == 400


def test_every_refusal_is_one_of_the_families_of_a_request() -> None:
    assert issubclass(InvalidParameter, InvalidRequest)
    assert issubclass(InvalidCall, InvalidRequest)


def test_meta_has_a_limited_size(cloud: Cloud) -> None:
    meta = {f"key{number}": "x" * 8192 for number in range(9)}

    with pytest.raises(LimitExceeded, match="at most 65536 characters"):
        cloud.client.media.create(meta=meta)


def test_compressed_body_is_refused(cloud: Cloud) -> None:
    where = urlsplit(cloud.base_url)
    connection = http.client.HTTPConnection(where.netloc, timeout=10)

    connection.request("POST", f"{where.path}/api", b"{}", {"Content-Encoding": "gzip"})

    assert connection.getresponse().status == 415
    connection.close()
