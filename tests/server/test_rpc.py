"""Calls over real HTTP: each method, each refusal, each on its exact code."""

from __future__ import annotations

import io
import json
import socket
from datetime import timedelta
from pathlib import Path
from traceback import walk_tb
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import OperationalError, connections
from django.test import Client
from django.utils import timezone

from django_cloudkey.client import (
    AuthenticationError,
    CloudKey,
    InvalidCall,
    InvalidParameter,
    InvalidRequest,
    NotFound,
)
from django_cloudkey.protocol.signing import read_auth, sign_call, verify_url
from django_cloudkey.server.models import Account, Asset, Job, Media, UploadSlot
from django_cloudkey.server.rpc.registry import METHODS

from ..conftest import DATABASES, Cloud
from .wire import post

UNKNOWN = "1b87186c84e1b015a0000000"
VECTORS = json.loads((Path(__file__).parent.parent / "vectors.json").read_text())


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


# Pages


def test_page_has_its_members_and_lists_newest_first(cloud: Cloud, stranger: CloudKey) -> None:
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
        "next": first["next"],
    }
    assert last == {
        "list": [{"id": ids[4]}],
        "page": 3,
        "pages": 3,
        "per_page": 2,
        "on_this_page": 1,
        "total": 5,
        "has_more": False,
        "next": None,
    }


def test_an_empty_list_has_one_page(cloud: Cloud) -> None:
    assert cloud.client.media.list() == {
        "list": [],
        "page": 1,
        "pages": 1,
        "per_page": 10,
        "on_this_page": 0,
        "total": 0,
        "has_more": False,
        "next": None,
    }


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


# Historical clients


def test_every_refusal_is_one_of_the_families_of_a_request() -> None:
    assert issubclass(InvalidParameter, InvalidRequest)
    assert issubclass(InvalidCall, InvalidRequest)


@pytest.mark.django_db(databases=DATABASES)
@pytest.mark.parametrize("table", ["media", "account"])
def test_t261_failure_of_the_server_shows_no_signature_in_frames(
    account: Account, table: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever reads the digest of a historical call, in a report of the failure, can repeat it."""
    request = {"call": "media.count"}
    auth = sign_call(account.pk, request, account.api_key)
    body = json.dumps({**request, "auth": auth}).encode()

    def fail(execute: Any, sql: str, *more: Any) -> Any:
        if f'FROM "cloudkey_server_{table}"' in sql:
            raise OperationalError("the connection is closed")
        return execute(sql, *more)

    with connections["cloud"].execute_wrapper(fail):
        answer = Client().post("/cloud/api", body, "application/json")

    assert answer.json()["error"]["code"] == 200
    (record,) = [each for each in caplog.records if each.name.startswith("django_cloudkey")]
    assert record.exc_info
    frames = [frame.f_locals for frame, _ in walk_tb(record.exc_info[2])]
    shown = [f"{name} = {value!r}" for known in frames for name, value in known.items()]
    assert len(shown) > 5
    assert [text[:60] for text in shown if auth[25:] in text] == []
