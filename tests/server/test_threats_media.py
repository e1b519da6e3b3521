"""
Threats T046 to T070: ids, fields, meta and pages, in signed calls to the running server.

T065 asks for a quota of media; there is none yet.
"""

from __future__ import annotations

import io
import json
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import escape
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.template import Context, Template
from django.test import Client
from django.utils import timezone

from django_cloudkey.client import CloudKey
from django_cloudkey.references import Reference
from django_cloudkey.server import files
from django_cloudkey.server.models import Account, Asset, DiscardedFile, Job, Media
from django_cloudkey.server.rpc.registry import METHODS
from django_cloudkey.server.worker import tidy_up
from tests.testapp.models import Lesson

from ..conftest import Cloud
from .test_threats_envelope import UNKNOWN
from .wire import ask, call, code_of, signed

pytestmark = pytest.mark.usefixtures("no_failure")

REQUIRED: dict[str, dict[str, Any]] = {
    "media.set_meta": {"meta": {"a": "b"}},
    "media.remove_meta": {"keys": ["title"]},
    "media.set_assets": {"assets": []},
    "media.remove_assets": {"assets_names": ["source"]},
    "media.set_thumbnail": {"timecode": "00:00:00.00"},
    "media.set_asset": {"preset": "source", "url": "x"},
    "media.process_asset": {"preset": "mp4_h264_aac"},
    "media.remove_asset": {"preset": "source"},
    "media.get_asset": {"preset": "source"},
    "media.get_asset_url": {"preset": "source"},
}
ON_A_MEDIA = {
    name: REQUIRED.get(name, {})
    for name, method in METHODS.items()
    if name.startswith("media.") and "id" in method.arguments._required
}
"""Every method that takes the id of a media → what else it needs."""
NOT_FOUND = {"error": {"message": "Media not found", "code": 1010}}


@pytest.fixture
def media(cloud: Cloud) -> str:
    """A media with a source that is ready."""
    media = str(cloud.client.media.create(meta={"title": "First"})["id"])
    give_source(media)
    return media


def give_source(media: str, **values: Any) -> None:
    values = {"status": "ready", "file": "x", "duration": 2.0, **values}
    Asset.objects.create(media_id=media, name="source", created=timezone.now(), **values)


def check_refused(cloud: Cloud, name: str, values: list[dict[str, Any]], code: int = 630) -> None:
    for args in values:
        answer = ask(cloud, name, args)
        assert code_of(answer) == code, args
        assert code != 630 or answer["error"]["message"].startswith(
            f"Invalid parameters for {name}: "
        )


# Ids


def test_t046_malformed_id_is_refused_by_every_method(cloud: Cloud, media: str) -> None:
    values: list[Any] = [
        "", UNKNOWN[1:], UNKNOWN + "0", UNKNOWN.upper(), "../x", "x?y", "x#y", "%2e%2e",
        UNKNOWN + "\n", "\0" * 24, UNKNOWN[:-1] + "٣", 1, 1.5, True, [UNKNOWN], {"$ne": None}, None,
    ]  # fmt: skip
    assert len(ON_A_MEDIA) == 15

    for name, more in ON_A_MEDIA.items():
        check_refused(cloud, name, [{"id": value, **more} for value in values[:3]])
    for name in ("media.info", "media.delete", "media.set_meta"):
        check_refused(cloud, name, [{"id": value, **ON_A_MEDIA[name]} for value in values])
    assert Media.objects.count() == 1


def test_t047_media_of_another_account_does_not_exist(
    cloud: Cloud, stranger: CloudKey, media: str
) -> None:
    other = Account.objects.get(pk=stranger.user_id)

    for name, more in ON_A_MEDIA.items():
        for id in (media, UNKNOWN):
            answer = call(cloud, signed(other, {"call": name, "args": {"id": id, **more}}))
            assert answer == NOT_FOUND, name
    pages = [requests.get(stranger.media.get_embed_url(id), timeout=10) for id in (media, UNKNOWN)]

    assert {(page.status_code, page.text) for page in pages} == {(404, pages[0].text)}
    assert Media.objects.get().meta == {"title": "First"}
    assert Asset.objects.count() == 1


def test_t047_embed_address_takes_the_owner_s_key(
    cloud: Cloud, stranger: CloudKey, media: str
) -> None:
    url = stranger.media.get_embed_url(media)

    assert (
        requests.get(url.replace(stranger.user_id, cloud.account.pk), timeout=10).status_code == 403
    )


def test_t048_deleted_media_does_not_exist(cloud: Cloud, media: str) -> None:
    """Deleting is one transaction: what is being deleted exists, or does not any more."""
    url = cloud.client.media.get_embed_url(media)
    assert ask(cloud, "media.delete", {"id": media}) == {"result": None}

    for name, more in ON_A_MEDIA.items():
        assert ask(cloud, name, {"id": media, **more}) == NOT_FOUND
    assert requests.get(url, timeout=10).status_code == 404
    assert ask(cloud, "media.list")["result"]["total"] == 0


def test_t066_media_is_deleted_once(cloud: Cloud, media: str) -> None:
    """While it is transcoded: test_pipeline; while it streams: test_delivery."""
    file = files.storage().save("media/a", ContentFile(b"x"))
    Asset.objects.filter(media=media).update(file=file)
    ask(cloud, "media.set_assets", {"id": media, "assets": [{"name": "mp4_h264_aac"}]})
    body = signed(cloud.account, {"call": "media.delete", "args": {"id": media}})

    with ThreadPoolExecutor(4) as pool:
        codes = sorted(
            code_of(answer) for answer in pool.map(lambda _: call(cloud, body), range(4))
        )
    tidy_up()

    assert codes == [0, 1010, 1010, 1010]
    rows = (Media, Asset, Job, DiscardedFile)
    assert [row._default_manager.count() for row in rows] == [0, 0, 0, 0]
    assert not files.storage().exists(file)


def test_t069_foreign_ids_are_found_like_unknown_ones(
    cloud: Cloud, stranger: CloudKey, media: str
) -> None:
    """No method takes a list of ids; a filter and a search take one."""
    other = Account.objects.get(pk=stranger.user_id)

    for name, args in (
        ("media.list", {"filter": {"id": "{id}"}}),
        ("media.search", {"query": "id:{id}"}),
    ):
        found = set()
        for id in (media, UNKNOWN):
            request = {"call": name, "args": json.loads(json.dumps(args).replace("{id}", id))}
            assert call(cloud, signed(cloud.account, request))["result"]["total"] == (id == media)
            found.add(json.dumps(call(cloud, signed(other, request))))
        assert len(found) == 1


# Fields, pages and orders


def test_t049_malformed_fields_are_refused(cloud: Cloud, media: str) -> None:
    values: list[Any] = [
        "id", 1, {}, True, [1], [None], [["id"]], [""], ["."], ["meta."], [".meta"], ["meta..x"],
        ["assets.*"], ["a.b.c.d"], ["a.b.c.d.e.f"], ["meta.é"], ["meta.__proto__\n"], ["id "],
        ["ID"], ["meta__icontains;"], ["id"] * 101, ["id"] * 1000, ["x" * 40], ["meta.x y"],
    ]  # fmt: skip

    check_refused(cloud, "media.info", [{"id": media, "fields": value} for value in values])
    for name in ("media.list", "media.search"):
        check_refused(cloud, name, [{"fields": value} for value in values[::4]])


def test_t049_fields_that_look_like_python_name_nothing(cloud: Cloud, media: str) -> None:
    """No error: published clients ask for fields that never were (protocol, 4.0)."""
    fields = [
        "__class__", "account__api_key", "account.api_key", "owner.api_key", "meta__icontains",
        "meta.__proto__", "assets.__dict__", "id", "id",
    ]  # fmt: skip

    answer = ask(cloud, "media.info", {"id": media, "fields": fields})["result"]

    assert answer == {"id": media, "meta": {"__proto__": None}, "assets": {}}
    assert cloud.account.api_key not in json.dumps(answer)


def test_t050_fields_of_what_is_not_there_are_null_or_absent(cloud: Cloud, media: str) -> None:
    fields = ["assets.abs.status", "assets.unknown.status", "meta.unknown"]

    answer = ask(cloud, "media.info", {"id": media, "fields": fields})

    assert answer == {"result": {"assets": {}, "meta": {"unknown": None}}}


HOSTILE_FIELDS = [
    "account__api_key", "meta__title", "meta.a'b", 'meta.a"b', "meta.a') OR", "meta.a;drop",
    "-id,(select 1)", "id;", "id--", "unknown", "", "meta", "meta.", "meta.a.b",
    "-id",
]  # fmt: skip


def test_t051_order_and_filter_take_the_fields_of_a_table(cloud: Cloud, media: str) -> None:
    """A search finds nothing by them: its query is what a visitor wrote."""
    check_refused(cloud, "media.list", [{"filter": {field: "x"}} for field in HOSTILE_FIELDS])
    check_refused(cloud, "media.list", [{"sort": [[field, 1]]} for field in HOSTILE_FIELDS])
    for filter in ({"meta.title__contains": "First"}, {"meta.title": "' OR 1=1 --"}):
        assert ask(cloud, "media.list", {"filter": filter})["result"]["total"] == 0
    check_refused(cloud, "media.list", [{"filter": {"meta.a": {"$gt": ""}}}, {"sort": [["id", 2]]}])
    for field in ("account__api_key", "meta.a'b", "meta.a'='a", "unknown", "-id"):
        for query in (f"{field}:x", f"SORT:{field}:x"):
            assert ask(cloud, "media.search", {"query": query})["result"]["total"] == 0


def test_t052_malformed_page_is_refused(cloud: Cloud, media: str) -> None:
    """Null counts as left out, as for every argument."""
    values: list[Any] = [0, -1, 2**31, 2**62, "1", 1.0, 1.5, True, False, [], {}]
    names = ("page", "per_page", "count")

    check_refused(cloud, "media.list", [{name: value} for value in values for name in names])
    check_refused(cloud, "media.list", [{name: 101} for name in names[1:]] + [{"per_page": 10**9}])
    check_refused(cloud, "media.search", [{"page": value} for value in (0, True, 1.5)])
    assert ask(cloud, "media.list", {"page": None})["result"]["on_this_page"] == 1
    assert ask(cloud, "media.list", {"per_page": 100})["result"]["per_page"] == 100


def test_t052_page_beyond_the_end_is_empty(cloud: Cloud, media: str) -> None:
    for page in (2, 10**9, 2**31 - 1):
        answer = ask(cloud, "media.list", {"page": page, "per_page": 100})["result"]
        assert (answer["list"], answer["on_this_page"], answer["has_more"]) == ([], 0, False)
        assert (answer["page"], answer["pages"], answer["total"]) == (page, 1, 1)


@pytest.mark.parametrize("sort", [None, [["created", 1]]], ids=["T053-newest", "T053-oldest"])
def test_pages_lose_nothing_while_media_are_created(
    cloud: Cloud, sort: list[list[Any]] | None
) -> None:
    """
    With the oldest first nothing comes twice either. With the newest first what is new pushes some
    onto the next page, where they are seen again: that is what numbers of pages mean.
    """
    now = timezone.now()
    rows = [Media(account=cloud.account, created=now - timedelta(seconds=n // 3)) for n in range(9)]
    Media.objects.bulk_create(rows)
    before = ask(cloud, "media.list", {"fields": ["id"], "sort": sort})["result"]["list"]
    seen: list[str] = []

    for page in range(1, 9):
        args = {"fields": ["id"], "page": page, "per_page": 2, "sort": sort}
        answer = ask(cloud, "media.list", args)["result"]
        seen += [item["id"] for item in answer["list"]]
        if page < 4:
            cloud.client.media.create()

    assert [id for id in dict.fromkeys(seen) if {"id": id} in before] == [
        item["id"] for item in before
    ]
    assert sort is None or len(seen) == len(set(seen)) == 12


def test_t067_unknown_statistics_are_refused(cloud: Cloud, media: str) -> None:
    fields = [
        "stats.FR.total", "stats.fra.total", "stats.fr.last_decade", "stats.g.total",
        "stats.<script>.x", "stats.__init__", "stats.fr.__init__", "stats..total",
    ]  # fmt: skip

    check_refused(cloud, "media.info", [{"id": media, "fields": [field]} for field in fields])
    for name in ("media.list", "media.search"):
        check_refused(cloud, name, [{"fields": fields[:1]}, {"fields": ["id", fields[2]]}])


def test_t068_times_that_are_none_are_those_of_no_media(cloud: Cloud, media: str) -> None:
    """Nothing sets a time. A filter by one that cannot be finds nothing, which is right."""
    check_refused(cloud, "media.create", [{"created": 1}])
    check_refused(cloud, "media.list", [{"filter": {"created": {}}}, {"filter": {"created": [1]}}])
    for value in (10**10, 2**62, -1, 1.5, True, "1", "now", 0, None):
        assert ask(cloud, "media.list", {"filter": {"created": value}})["result"]["total"] == 0
    for text in ("1e9", "-1", "99999999999", "9999999999", "true", "٣"):
        query = {"query": f"created:{text}"}
        assert ask(cloud, "media.search", query)["result"]["total"] == 0


# Meta


@pytest.mark.parametrize(
    "meta",
    [
        pytest.param(
            {"__proto__": "a", "constructor": "b", "hasOwnProperty": "c", "toString": "d",
             "__class__": "e", "length": "f", "0": "g", "a": "h"},
            id="T054",
        ),
        pytest.param(
            {"i": 2**62, "n": -(2**63), "f": 0.1, "big": 1.5e10, "b": True, "no": False,
             "none": None},
            id="T056",
        ),
        pytest.param({"t": "x" * 8192, "k" * 64: ""}, id="T056-longest"),
        pytest.param(
            {"a": "</script><script>", "b": '"><img onerror=x>', "c": "javascript:x",
             "d": "{{7*7}}", "e": "{% load %}", "f": "&#x3c;", "g": "=cmd|'/c calc'!A1"},
            id="T057",
        ),
        pytest.param(
            {"a": "\u202e\u2028\u2029\u200b", "b": "e" + "\u0301" * 1000, "c": "👩‍👩‍👧", "d": "é",
             "e": "e\u0301"},
            id="T058",
        ),
        pytest.param({"Title": "a", "title": "b", "TITLE": "c"}, id="T060"),
        pytest.param({"a": "x" * 8000 + "a", "b": "x" * 8000 + "b"}, id="T070"),
    ],
)  # fmt: skip
def test_meta_is_kept_as_it_was_given(cloud: Cloud, media: str, meta: dict[str, Any]) -> None:
    new = ask(cloud, "media.create", {"meta": meta})["result"]["id"]
    ask(cloud, "media.set_meta", {"id": media, "meta": meta})

    assert ask(cloud, "media.get_meta", {"id": new}) == {"result": meta}
    kept = ask(cloud, "media.get_meta", {"id": media})["result"]
    assert kept == {"title": "First", **meta}
    assert all(type(kept[key]) is type(value) for key, value in meta.items())


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(
            [{"": "x"}, {"k" * 65: "x"}, {"a.b": "x"}, {"$a": "x"}, {"a b": "x"}, {"a\n": "x"},
             {"é": "x"}, {"a\0": "x"}],
            id="T055",
        ),
        pytest.param(
            ["x", [], ["a"], 1, True, {"a": []}, {"a": {}}, {"a": "x" * 8193},
             {"a": "x" * (64 * 1024 + 1)}],
            id="T056",
        ),
        pytest.param([{"a": "x" * 8192 + "a"}], id="T070"),
    ],
)  # fmt: skip
def test_malformed_meta_is_refused(cloud: Cloud, media: str, values: list[Any]) -> None:
    """T060: a key has no Unicode forms, since it has ASCII letters only."""
    check_refused(cloud, "media.create", [{"meta": value} for value in values])
    check_refused(cloud, "media.set_meta", [{"id": media, "meta": value} for value in values])

    assert Media.objects.get().meta == {"title": "First"}


def test_t056_meta_has_a_limited_size(cloud: Cloud, media: str) -> None:
    many = {f"k{number}": "x" for number in range(65)}
    large = {f"k{number}": "x" * 8192 for number in range(9)}

    check_refused(cloud, "media.create", [{"meta": many}, {"meta": large}], 1030)
    ask(cloud, "media.set_meta", {"id": media, "meta": dict(list(many.items())[:63])})
    check_refused(cloud, "media.set_meta", [{"id": media, "meta": {"one": "more"}}], 1030)
    assert ask(cloud, "media.set_meta", {"id": media, "meta": {"title": "x"}}) == {"result": None}

    assert len(Media.objects.get().meta) == 64


def test_t070_long_texts_are_refused_and_never_cut(cloud: Cloud, media: str) -> None:
    check_refused(cloud, "media.search", [{"query": "x" * 513}])
    check_refused(cloud, "media.create", [{"url": f"{cloud.base_url}/files/{'x' * 8192}"}])
    titles = ["x" * 2048 + letter for letter in "ab"]
    for title in titles:
        ask(cloud, "media.create", {"meta": {"title": title}})

    for title in titles:
        answer = ask(cloud, "media.list", {"filter": {"meta.title": title}})
        assert answer["result"]["total"] == 1


# Titles, wherever they come out


TITLES = [
    pytest.param("</title></script><script>alert(1)</script>", id="T057-script"),
    pytest.param('"><img src=x onerror=alert(1)>', id="T057-attribute"),
    pytest.param("javascript:alert(1)", id="T057-javascript"),
    pytest.param("{{7*7}}{% load cloudkey %}", id="T057-template"),
    pytest.param("&#x3c;script&#x3e;", id="T057-entities"),
    pytest.param("a\u202eb\u2028c\u2029d\u200be", id="T058-controls"),
    pytest.param("e" + "\u0301" * 1000, id="T058-marks"),
    pytest.param("👩‍👩‍👧 é e\u0301", id="T058-emoji"),
]


@pytest.mark.parametrize("title", TITLES)
def test_titles_are_text_at_every_exit(
    cloud: Cloud,
    media: str,
    title: str,
    caplog: pytest.LogCaptureFixture,
    django_user_model: type[User],
) -> None:
    """
    One that turns the direction of writing ends with its cell of the admin's list, or its heading.

    There is no oEmbed, and no script that holds a title.
    """
    caplog.set_level(logging.DEBUG, "django_cloudkey")
    Asset.objects.create(media_id=media, name="mp4_h264_aac", status="ready", file="y")
    assert ask(cloud, "media.set_meta", {"id": media, "meta": {"title": title}}) == {"result": None}
    assert ask(cloud, "media.get_meta", {"id": media})["result"]["title"] == title
    operator = Client()
    operator.force_login(django_user_model.objects.create_superuser("operator"))
    lesson = Lesson.objects.create(title=title[:100], video=media)
    change = f"/admin/cloudkey_server/media/{media}"

    embed = requests.get(cloud.client.media.get_embed_url(media), timeout=10)
    embed.encoding = "utf-8"
    tag = Template("{% load cloudkey %}{% cloudkey_embed media title=title %}")
    pages = [
        embed.text,
        tag.render(Context({"media": media, "title": title})),
        *(
            operator.get(page).content.decode()
            for page in ("/admin/cloudkey_server/media/", f"{change}/change/", f"{change}/delete/")
        ),
    ]
    reference = Reference(media=lesson.video.id, field="testapp.lesson.video").sign()
    states = operator.get("/cloudkey/status/", {"reference": reference})

    for page in pages:
        assert escape(title) in page
        assert escape(title) == title or title not in page
    assert states.headers["Content-Type"] == "application/json"
    assert not set("\u202e\u2028\u2029") & set(states.content.decode())
    assert all(record.getMessage().isprintable() for record in caplog.records)


def test_t059_listing_has_one_line_for_each_title(cloud: Cloud) -> None:
    """There is no export to spreadsheets; a terminal has control characters of its own."""
    titles = [
        "=cmd|'/c calc'!A1",
        "a\nID  b",
        "a\x1b[2J\x1b]0;x\x07",
        "a\u202eb\u2028c",
        "\r\x9b2J",
    ]
    for title in titles:
        ask(cloud, "media.create", {"meta": {"title": title}})
    out = io.StringIO()

    call_command("cloudkey_list", stdout=out)

    lines = out.getvalue().split("\n")
    assert len(lines) == 1 + len(titles) + 2
    assert all(line.isprintable() for line in lines)
    assert any(line.endswith(titles[0]) for line in lines)


def test_t054_player_is_not_confused_by_names_of_javascript(cloud: Cloud, media: str) -> None:
    Asset.objects.create(media_id=media, name="mp4_h264_aac", status="ready", file="y")
    names = ("__proto__", "constructor", "hasOwnProperty", "toString", "length")
    meta = {**dict.fromkeys(names, "<b>"), "title": "Fine"}
    ask(cloud, "media.set_meta", {"id": media, "meta": meta})

    page = requests.get(cloud.client.media.get_embed_url(media), timeout=10)

    assert page.status_code == 200
    assert "Fine" in page.text
    assert not any(name in page.text for name in names)
    assert not re.search(r"<script(?![^>]*\ssrc=)", page.text)


# Assets


def test_t061_names_of_assets_are_those_of_a_table(cloud: Cloud, media: str) -> None:
    """A name that comes twice is one asset, as later suites of clients want it (X9)."""
    url = cloud.client.file.upload_file(io.BytesIO(b"x"), name="a.mp4")["url"]
    values: list[Any] = [
        "source", ["nothing"], ["mp4_h264_aac"] * 101, ["mp4_h264_aac"] * 1000, ["../x"], [""],
        ["mp4_h264_aac; rm"], ["mp4_h264_aac\n"], [1], [None], [[]], [{}], {"a": 1},
        ["flv_h263_mp3"],
    ]  # fmt: skip
    items: list[Any] = [
        "source", [1], [{}], [{"name": "nothing"}], [{"name": ["source"]}], [{"url": "x"}],
        [{"name": "mp4_h264_aac", "max_duration": 3}], [{"name": "mp4_h264_aac", "action": 1}],
        [{"name": "mp4_h264_aac", "action": "rm"}], [{"name": "../x"}],
        [{"name": "mp4_h264_aac", "source_asset": {}}], [{"name": "mp4_h264_aac"}] * 101,
    ]  # fmt: skip

    check_refused(cloud, "media.create", [{"url": url, "assets_names": value} for value in values])
    check_refused(cloud, "media.set_assets", [{"id": media, "assets": value} for value in items])
    assert not Job.objects.exists()
    names = ["source", "mp4_h264_aac", "mp4_h264_aac"]
    new = ask(cloud, "media.create", {"url": url, "assets_names": names})["result"]["id"]
    assert sorted(cloud.client.media.get_assets(id=new)) == ["mp4_h264_aac", "source"]


def test_t062_transcode_of_what_cannot_be_leaves_no_stuck_job(cloud: Cloud) -> None:
    """Without a source: 1010, as the suites of clients want it (C16)."""
    create, upload = cloud.client.media.create, cloud.client.file.upload_file
    wanted = [{"name": "mp4_h264_aac"}]
    empty = create()["id"]
    slot = cloud.client.file.upload()["url"]
    check_refused(cloud, "media.set_assets", [{"id": empty, "assets": wanted}], 1010)
    uploading = {"id": empty, "assets": [{"name": "source", "url": slot}, *wanted]}
    check_refused(cloud, "media.set_assets", [uploading])
    bad = create(url=upload(io.BytesIO(b"RIFF"), name="a.avi")["url"])["id"]
    cloud.work()
    assert cloud.client.media.get_assets(id=bad) == {"source": {"status": "error"}}

    answer = ask(cloud, "media.set_assets", {"id": bad, "assets": wanted})
    cloud.work()

    assert answer == {"result": None}
    statuses = [asset["status"] for asset in cloud.client.media.get_assets(id=bad).values()]
    assert statuses == ["error", "error"]
    assert not Job.objects.exclude(state__in=["done", "failed"]).exists()
    assert cloud.client.media.get_assets(id=empty) == {}


def test_t063_malformed_thumbnail_is_refused(cloud: Cloud, media: str) -> None:
    """A still is taken from the video: no address is fetched, so none has to be judged."""
    values: list[dict[str, Any]] = [
        *(
            {"timecode": value}
            for value in (
                "-00:00:01", "-0:00:01.00", "99:99:99.99", "00:60:00.00", "00:00:01;", "1.5", "", 1,
                "00:00:01 -i /etc/passwd", "00:00:01.0000", "00:00:01.00\n", "00:00:0١.00",
                "00:00:02.00", "99:59:59",  # past the end
            )
        ),
        *(
            {"url": value}
            for value in (
                "http://a.example/a.jpeg", "http://127.0.0.1/", "file:///etc/passwd",
                "data:image/svg+xml,<svg/>",
            )
        ),
        {"url": "http://a.example/a.jpeg", "timecode": "00:00:01.00"},
        {},
    ]  # fmt: skip

    check_refused(cloud, "media.set_thumbnail", [{"id": media, **value} for value in values])
    assert not Job.objects.exists()
    assert Media.objects.get().still_at is None


def test_t064_media_has_no_subtitles(cloud: Cloud, media: str) -> None:
    assert ask(cloud, "media.get_subs_urls", {"id": media, "type": "srt"}) == {"result": {}}
    values: list[Any] = ["vtt", "ass", "../srt", "srt\n", "<script>", 1, ["srt"]]
    check_refused(cloud, "media.get_subs_urls", [{"id": media, "type": value} for value in values])
    for name in ("media.set_subs", "media.add_subtitle"):
        assert code_of(ask(cloud, name, {"id": media})) == 620
