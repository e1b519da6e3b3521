"""
The historical upload, as the suites and the samples of the historical clients do it.

Numbers are those of the protocol reference: P and C of its §8, T of the list of threats.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from django_cloudkey.server.models import Media, UploadSlot
from django_cloudkey.server.uploads.targets import is_target, with_query

from ..conftest import Cloud
from . import historical
from .historical import PHP, Java, Python2, exchange, form
from .uploading import SITE, Sender, configure, opened, status_of, wait_for
from .uploading import form as plain_form
from .uploading import part as plain_part
from .uploading import post as send

VIDEO = bytes(range(256)) * 361 + b"x" * 127  # 92 543 bytes, as many as the fixture of the suites
SHA1 = hashlib.sha1(VIDEO).hexdigest()


@pytest.fixture(autouse=True)
def _known_site(settings: Any) -> None:
    configure(settings, UPLOAD_ORIGINS=[SITE])


# The historical suites


def test_p5_upload_without_arguments_has_a_url(cloud: Cloud) -> None:
    for answer in (PHP(cloud).call("file.upload"), PHP(cloud).call("file.upload", {})):
        assert list(answer) == ["url"]
        assert set(parse_qs(urlsplit(answer["url"]).query)) == {"uuid", "seal"}


@pytest.mark.parametrize("target", [f"{SITE}/myform", f"{SITE}/a?b=c d&e=%C3%A9".replace(" ", "+")])
def test_p6_c24_target_is_in_the_address(cloud: Cloud, target: str) -> None:
    for answer in (
        PHP(cloud).call("file.upload", {"target": target}),
        Python2(cloud, cloud.account).call("file.upload", target=target),
        opened(cloud.client, target=target),
    ):
        query = parse_qs(urlsplit(answer["url"]).query)
        assert set(query) == {"seal", "uuid", "target"}
        assert query["target"] == [target]


@pytest.mark.parametrize("path", ["video.3gp", ".fixtures/video.3gp", "C:\\clips\\video.3gp"])
@pytest.mark.parametrize("http", ["1.0", "1.1"])
def test_p7_c25_upload_answers_what_arrived(cloud: Cloud, path: str, http: str) -> None:
    client = PHP(cloud)
    answer = client.upload(client.call("file.upload", http=http)["url"], VIDEO, path, http=http)

    assert answer.status == 200
    body = answer.json()
    assert (body["size"], body["name"], body["hash"]) == (92543, "video", SHA1)
    assert body["url"].endswith(".3gp")
    assert re.fullmatch(r"[0-9a-f]{32}", body["seal"])


def test_p7_java_gets_exactly_200_and_goes_on_to_its_media(cloud: Cloud) -> None:
    client = Java(cloud)
    answer = client.upload(client.call("file.upload")["url"], VIDEO, "vidéo.3gp")

    assert answer.status == 200
    body = answer.json()
    assert (body["size"], body["name"], body["hash"]) == (92543, "vidéo", SHA1)
    media = client.call("media.create", {"url": body["url"], "meta": {"title": "Café"}})
    assert Media.objects.get().pk == media["id"]


def test_p7_part_that_says_base64_with_what_is_binary_is_not_taken(cloud: Cloud) -> None:
    url = cloud.client.file.upload()["url"]
    body = form(b"\xff=", filename="x.mp4", head=("Content-Transfer-Encoding: base64",))
    head = [f"Content-Type: multipart/form-data; boundary={historical.BOUNDARY}"]

    assert exchange(url, head, body).status == 400


def test_p21_media_is_created_from_an_upload_with_assets(cloud: Cloud) -> None:
    client = PHP(cloud)
    url = client.upload(client.call("file.upload")["url"], VIDEO, "video.3gp").json()["url"]
    names = ["mp4_h264_aac", "jpeg_thumbnail_medium"]

    media = client.call("media.create", {"url": url, "assets_names": names})

    assert len(media["id"]) == 24
    assert set(cloud.client.media.get_assets(id=media["id"])) == {"source", *names}


def test_c26_missing_file_is_an_oserror_before_any_request(cloud: Cloud) -> None:
    with pytest.raises(OSError, match="No such file or directory"):
        cloud.client.file.upload_file("/nothing/here.mp4")

    assert not UploadSlot.objects.exists()


def test_form_of_the_html_sample_has_other_fields(cloud: Cloud) -> None:
    url = cloud.client.file.upload()["url"]
    body = form(VIDEO, filename="video.3gp", more=("submit",))
    head = [f"Content-Type: multipart/form-data; boundary={historical.BOUNDARY}"]

    assert exchange(url, head, body).json()["size"] == len(VIDEO)


@pytest.mark.parametrize("path", ["/api", "/api/api"])
def test_mixed_case_host_and_doubled_path_are_served(cloud: Cloud, path: str) -> None:
    port = urlsplit(cloud.base_url).port
    body = b'{"call": "file.upload", "auth": ":x"}'
    head = ["Content-Type: application/json"]

    answer = exchange(f"{cloud.base_url}{path}", head, body, host=f"LocalHost:{port}")

    assert (answer.status, answer.json()["error"]["code"]) == (200, 400)


def test_c_sharp_sends_all_three_arguments(cloud: Cloud) -> None:
    every = {"jsonp_cb": "", "status": True, "target": ""}

    answer = PHP(cloud).call("file.upload", every)

    assert "target" not in answer["url"]
    assert "jsonp_cb" not in answer["status"]


# The target


def test_refused_upload_is_answered_and_not_redirected(cloud: Cloud) -> None:
    url = opened(cloud.client, target=f"{SITE}/done")["url"]

    answer = requests.post(url, files={"other": b"x"}, allow_redirects=False, timeout=20)

    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert answer.json()["error"]["code"] == 600


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a/b", "https://a/b?x=1+%26"),
        ("https://a/b?", "https://a/b?x=1+%26"),
        ("https://a/b?c", "https://a/b?c&x=1+%26"),
        ("https://a/b?c=1&", "https://a/b?c=1&x=1+%26"),
        ("https://a/b#d?e", "https://a/b?x=1+%26"),
    ],
)
def test_existing_query_is_kept_and_a_fragment_dropped(url: str, expected: str) -> None:
    assert with_query(url, {"x": "1 &"}) == expected


def test_target_s_host_is_compared_without_its_case() -> None:
    assert is_target("HTTPS://WWW.Example.ORG/Path?Query#x")
    assert is_target(SITE)


# The status


def test_status_address_follows_an_upload(cloud: Cloud) -> None:
    addresses = opened(cloud.client, status=True)
    assert list(addresses) == ["url", "status"]
    seen = [status_of(addresses["status"]).json()]
    body = plain_form(plain_part('name="file"; filename="x.mp4"', b"x" * 3_000_000))
    sender = Sender(addresses["url"], body, sent=1_200_000)
    slot = UploadSlot.objects.get()
    wait_for(slot, "receiving")
    time.sleep(0.6)
    sender.socket.sendall(body[1_200_000:2_400_000])
    sender._sent = 2_400_000
    deadline = time.monotonic() + 10
    while not status_of(addresses["status"]).json()["received"] and time.monotonic() < deadline:
        time.sleep(0.05)
    seen.append(status_of(addresses["status"]).json())
    assert sender.finish() == 200
    seen.append(status_of(addresses["status"]).json())

    received = seen[1]["received"]
    assert 0 < received <= 2_400_000
    assert seen == [
        {"state": "notfound", "received": 0, "size": 0},
        {"state": "uploading", "received": received, "size": len(body)},
        {"state": "done", "received": 3_000_000, "size": 3_000_000},
    ]


def test_failed_upload_is_an_error(cloud: Cloud) -> None:
    addresses = opened(cloud.client, status=True)
    send(addresses["url"], b"nothing of a form")

    assert status_of(addresses["status"]).json()["state"] == "error"


def test_question_mark_for_jquery_is_literal_and_last(cloud: Cloud) -> None:
    for client in (PHP(cloud), Java(cloud)):
        url = client.call("file.upload", {"status": True, "jsonp_cb": "?"})["status"]
        # jQuery 1.4-1.6: /=\?(&|$)/
        assert url.startswith(f"{cloud.base_url}/progress?uuid=")
        assert url.endswith("&jsonp_cb=?")
        assert len(re.findall(r"=\?(&|$)", url)) == 1

        script = status_of(url.replace("=?", "=jQuery17109_1353628") + "&_=1353628123456")

        assert script.text == (
            '/**/jQuery17109_1353628({"state": "notfound", "received": 0, "size": 0});'
        )
        assert script.headers["Content-Type"] == "application/javascript"
        assert script.headers["X-Content-Type-Options"] == "nosniff"
        assert script.headers["Cache-Control"] == "no-store"


def test_callback_may_be_named_at_once(cloud: Cloud) -> None:
    url = opened(cloud.client, status=True, jsonp_cb="app.uploads.$show")["status"]

    assert url.endswith("&jsonp_cb=app.uploads.%24show")
    assert status_of(url).text.startswith("/**/app.uploads.$show({")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_status_is_only_asked_for(cloud: Cloud, method: str) -> None:
    url = opened(cloud.client, status=True)["status"]

    answer = exchange(url, [], method=method)

    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_answer_is_json_that_php_can_read(cloud: Cloud) -> None:
    answer = exchange(opened(cloud.client, status=True)["status"], [], method="GET", http="1.0")

    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body)["state"] == "notfound"
