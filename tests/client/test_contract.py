"""The protocol, method by method, against a stub: what is sent and signed, and what is returned."""

from __future__ import annotations

import io
import json
from hashlib import sha1
from typing import Any

import pytest

from django_cloudkey import client as sdk
from django_cloudkey.client import CloudKey, RPCException
from django_cloudkey.client.remote import RemoteObject

from ..echo import auth_of
from .conftest import API_KEY, USER_ID, HostileServer, Request

MEDIA = "4d0c0ffee0000000000000a1"
OTHER = "4d0c0ffee000000000000002"
SOURCE = "http://upload-01.example.org/files/0f1e2d3c.mp4"
PAGE = {
    "list": [{"id": MEDIA, "meta": {"title": "Nœuds 日本 🎬"}}],
    "page": 2,
    "pages": 2,
    "per_page": 3,
    "on_this_page": 1,
    "total": 4,
    "has_more": False,
}
READY = {
    "status": "ready",
    "container": "MPEG-4",
    "created": 1_400_000_000,
    "duration": 839,
    "file_size": 119_133_958,
    "video_fps": 25.0,
    "video_aspect": 1.7777777777777777,
    "video_interlaced": False,
    "stream_url": f"http://cdn.example.org/route/http/{USER_ID}/{MEDIA}/mp4_h264_aac-1.mp4",
}
USER = {
    "id": USER_ID,
    "username": "tests",
    "created": 1_290_000_000,
    "last_login": None,
    "is_active": True,
    "api_key": "0123456789abcdef0123456789abcdef01234567",
    "permissions": [],
}

METHODS: list[tuple[str, dict[str, Any], Any]] = [
    ("media.create", {}, {"id": MEDIA}),
    (
        "media.create",
        {
            "url": SOURCE,
            "assets_names": ["mp4_h264_aac", "jpeg_thumbnail_medium"],
            "meta": {"title": "Café", "author": 'a"b\\c\u2028', "empty": ""},
        },
        {"id": MEDIA},
    ),
    (
        "media.info",
        {"id": MEDIA, "fields": ["id", "created", "frame_ratio", "stats.global.total"]},
        {"id": MEDIA, "created": 1_400_000_000, "frame_ratio": 1.774, "stats": {"global": 12}},
    ),
    ("media.list", {}, PAGE),
    ("media.list", {"fields": ["id", "meta.title"], "page": 2, "per_page": 3}, PAGE),
    ("media.list", {"sort": [["created", -1]], "filter": {"meta.title": "x"}}, []),
    ("media.search", {"query": "meta.title:knots SORT:-created", "page": 2, "per_page": 3}, PAGE),
    ("media.count", {}, 42),
    ("media.delete", {"id": MEDIA}, None),
    ("media.set_meta", {"id": MEDIA, "meta": {"mykey-2": "ü", "title": "x"}}, None),
    ("media.get_meta", {"id": MEDIA, "keys": ["title"]}, {"title": "Café"}),
    ("media.get_meta", {"id": MEDIA}, {}),
    ("media.remove_meta", {"id": MEDIA, "keys": ["title", "author"]}, None),
    (
        "media.set_assets",
        {
            "id": MEDIA,
            "assets": [
                {"name": "source", "url": SOURCE},
                {"name": "mp4_h264_aac", "action": "transcode", "source_asset": "source"},
            ],
            "callback_url": "http://www.example.org/done",
        },
        None,
    ),
    (
        "media.get_assets",
        {"id": MEDIA, "assets_names": ["source", "mp4_h264_aac"]},
        {"source": {"status": "pending"}, "mp4_h264_aac": READY},
    ),
    ("media.get_assets", {"id": MEDIA}, {}),
    ("media.remove_assets", {"id": MEDIA, "assets_names": ["mp4_h264_aac"]}, None),
    ("media.set_thumbnail", {"id": MEDIA, "timecode": "00:00:12.50", "force": True}, None),
    ("media.set_thumbnail", {"id": MEDIA, "url": "http://www.example.org/a.jpg"}, None),
    (
        "media.get_subs_urls",
        {"id": MEDIA, "type": "srt"},
        {"fr": "http://static.example.org/fr.srt"},
    ),
    ("media.reset", {}, None),
    ("media.set_asset", {"id": MEDIA, "url": SOURCE, "preset": "flv_h263_mp3"}, None),
    (
        "media.set_asset",
        {"id": MEDIA, "url": SOURCE, "asset_name": "source", "callback_url": "http://x.example/"},
        None,
    ),
    ("media.process_asset", {"id": MEDIA, "preset": "a_b", "source_preset": "source"}, None),
    ("media.process_asset", {"id": MEDIA, "asset_name": "a_b", "source_asset": "source"}, None),
    ("media.remove_asset", {"id": MEDIA, "asset_name": "a_b"}, None),
    ("media.remove_asset", {"id": MEDIA, "preset": "a_b"}, None),
    ("media.get_asset", {"id": MEDIA, "asset_name": "source"}, {"name": "source", **READY}),
    ("media.get_asset", {"id": MEDIA, "preset": "source", "assets_names": ["source"]}, READY),
    (
        "media.get_asset_url",
        {"id": MEDIA, "asset_name": "jpeg_thumbnail_small"},
        f"http://static.example.org/{USER_ID}/{MEDIA}/jpeg_thumbnail_small-7.jpeg",
    ),
    ("media.get_asset_url", {"id": MEDIA, "preset": "source"}, SOURCE),
    ("file.upload", {}, {"url": "http://upload-02.example.org/upload?uuid=0d&seal=9a"}),
    (
        "file.upload",
        {"target": "http://www.example.org/done?a=b", "status": True, "jsonp_cb": "?"},
        {
            "url": "http://upload-02.example.org/upload?uuid=0d&seal=9a&target=http%3A%2F%2Fwww",
            "status": "http://upload-02.example.org/progress?uuid=0d&jsonp_cb=?",
        },
    ),
    ("user.info", {}, USER),
    ("user.info", {"id": OTHER, "fields": ["id", "last_login"]}, {"id": OTHER, "last_login": None}),
    ("user.whoami", {}, USER),
    (
        "user.search",
        {"org_id": OTHER, "fields": ["id"], "page": 1, "per_page": 100},
        {**PAGE, "list": [{"id": OTHER}]},
    ),
    ("user.create", {"username": "pupil", "password": "pa ss"}, OTHER),
    ("user.set", {"id": OTHER, "fields": {"email": "pupil@example.org"}}, None),
    ("user.delete", {"id": OTHER}, None),
    ("user.list", {}, [USER]),
    ("organisation.get", {}, {"id": OTHER, "name": "School"}),
    ("system.reset", {"object": "media"}, None),
    # Known to servers only: any name is sent.
    ("player_preset.list", {}, [{"id": OTHER, "name": "blue"}]),
    ("encoding_settings.reset", {}, None),
    ("encoding_settings.enable_asset", {"asset": "mp4_h264_aac"}, None),
    ("encoding_settings.disable_asset", {"asset": "mp4_h264_aac"}, None),
    ("encoding_settings.get_active_assets", {}, ["mp4_h264_aac", "source"]),
    (
        "encoding_settings.set_asset_setting",
        {"asset": "mp4_h264_aac", "setting": "vbitrate", "value": "800"},
        None,
    ),
    (
        "encoding_settings.get_asset_setting",
        {"asset": "mp4_h264_aac", "setting": "vbitrate"},
        "800",
    ),
    (
        "farm.add_node",
        {"name": "f", "node": "n1", "weight": 1, "enabled": False, "comment": ""},
        None,
    ),
    ("farm.get_node", {"name": "f", "node": "n1"}, {"name": "n1", "weight": 1, "enabled": False}),
    ("farm.list_node", {"name": "f"}, []),
    ("farm.select_node", {"name": "f", "content": "x"}, "n1"),
    ("farm.remove", {"name": "f"}, None),
]


def expected_auth(request: Request, user: str = USER_ID) -> str:
    return auth_of(request.json, user, API_KEY)


@pytest.mark.parametrize(("name", "args", "result"), METHODS, ids=[name for name, *_ in METHODS])
def test_method_is_sent_signed_and_its_result_returned(
    server: HostileServer, client: CloudKey, name: str, args: dict[str, Any], result: Any
) -> None:
    server.answers(json.dumps({"result": result}).encode())
    object_, _, method = name.partition(".")

    returned = getattr(getattr(client, object_), method)(**args)
    getattr(getattr(client.act_as_user(OTHER), object_), method)(**args)

    assert repr(returned) == repr(result)
    for request, user in zip(server.requests, [USER_ID, f"{USER_ID}/{OTHER}"], strict=True):
        assert request.head.startswith("POST /api HTTP/1.1\r\n")
        assert request.header("Content-Type") == "application/json"
        assert request.body.isascii()
        assert request.json == {"call": name, "args": args, "auth": expected_auth(request, user)}


def test_signature_is_the_specification_s(server: HostileServer) -> None:
    """A digest that was computed by hand, so that the one above cannot be wrong with the client."""
    client = CloudKey(USER_ID, "0123456789abcdef0123456789abcdef01234567", server.url)
    server.answers(b'{"result": null}')

    client.media.list(fields=["id", "meta.title"], page=2, per_page=20)

    assert server.requests[0].json["auth"] == f"{USER_ID}:b807ee33e8fe7eb0550b85cc920993b5"


def test_every_remote_method_has_an_example(client: CloudKey) -> None:
    local = {"file.upload_file", "media.iterate"}
    known = {
        f"{name}.{method}"
        for name, thing in vars(client).items()
        if isinstance(thing, RemoteObject)
        for method, function in vars(type(thing)).items()
        if getattr(function, "alters_data", False)
    }

    assert known - local == {name for name, *_ in METHODS if name.partition(".")[0] in vars(client)}


def test_example_of_a_file_is_sent_and_its_answer_returned(
    server: HostileServer, client: CloudKey
) -> None:
    content = b"\0\xff\r\n--x--\r\n" * 1000
    uploaded = {
        "url": "http://upload-02.example.org/files/5f4e3d2c1b0a99887766554433221100.3gp",
        "seal": "00112233445566778899aabbccddeeff",
        "hash": sha1(content).hexdigest(),
        "name": "video",
        "size": len(content),
    }
    address = f"{server.url}/upload?uuid=0d1c2b3a4f5e6d7c8b9a0f1e2d3c4b5a&seal=9a8b"
    server.answers(json.dumps({"result": {"url": address}}).encode(), json.dumps(uploaded).encode())

    assert client.file.upload_file(io.BytesIO(content), name="video.3gp") == uploaded

    call, upload = server.requests
    assert call.json == {"call": "file.upload", "args": {}, "auth": expected_auth(call)}
    assert upload.head.startswith("POST /upload?uuid=0d1c2b3a4f5e6d7c8b9a0f1e2d3c4b5a&seal=9a8b ")
    assert upload.body.count(content) == 1


# Envelope


@pytest.mark.parametrize(
    ("body", "result"),
    [
        (b'{"result": {"id": "Caf\\u00e9 \\ud83c\\udfac"}}', {"id": "Café 🎬"}),
        ('{"result": "Café"}'.encode(), "Café"),
        (b'{"result": [1, -1.5, true, false, null, ""]}', [1, -1.5, True, False, None, ""]),
        (b'{"result": 0}', 0),
        (b'{"result": null}', None),
        (b"{}", None),
        (b'{"result": 1, "error": null}', 1),
        (b' {\n"result":\t1 }\r\n', 1),
        (b'{"jsonrpc": "2.0", "result": 1}', 1),
    ],
)
def test_result_is_the_value_in_the_envelope(
    server: HostileServer, client: CloudKey, body: bytes, result: Any
) -> None:
    server.answers(body)

    returned = client.other.thing()

    assert repr(returned) == repr(result)


CODES = {
    100: "RPCException",
    200: "ProcessorException",
    300: "TransportException",
    400: "AuthenticationError",
    410: "RateLimitExceeded",
    500: "SerializerError",
    600: "InvalidRequest",
    610: "InvalidObject",
    620: "InvalidMethod",
    630: "InvalidParameter",
    640: "InvalidCall",
    650: "MissingParameter",
    1000: "ApplicationException",
    1010: "NotFound",
    1020: "Exists",
    1030: "LimitExceeded",
}


@pytest.mark.parametrize(("code", "name"), CODES.items())
def test_code_of_an_error_is_its_class(
    server: HostileServer, client: CloudKey, code: int, name: str
) -> None:
    failure = {"message": "Invalid paramètres for media.info", "code": code, "data": {"a": [1]}}
    server.answers(json.dumps({"error": failure}).encode())

    with pytest.raises(RPCException) as caught:
        client.media.info(id=MEDIA, fields=["id"])

    error = caught.value
    assert type(error) is getattr(sdk, name)
    assert (error.code, error.message, error.data) == (code, failure["message"], {"a": [1]})
    assert str(error) == f"{code}: {failure['message']} [{{'a': [1]}}]"


def test_data_of_an_error_may_be_left_out(server: HostileServer, client: CloudKey) -> None:
    server.answers(b'{"error": {"message": "Media not found", "code": 1010}}')

    with pytest.raises(sdk.NotFound, match=r"^1010: Media not found$") as caught:
        client.media.info(id=MEDIA)

    assert caught.value.data is None
