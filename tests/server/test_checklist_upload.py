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
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import requests

from django_cloudkey.client import CloudKey, InvalidParameter
from django_cloudkey.server.models import Account, Media, UploadSlot
from django_cloudkey.server.uploads.targets import is_callback, is_target, with_query

from ..conftest import Cloud
from . import historical
from .historical import PHP, Java, Python2, exchange, form
from .test_uploads import Sender, configure, expire, wait_for
from .test_uploads import form as plain_form
from .test_uploads import part as plain_part
from .test_uploads import post as send

SITE = "https://www.example.org"
VIDEO = bytes(range(256)) * 361 + b"x" * 127  # 92 543 bytes, as many as the fixture of the suites
SHA1 = hashlib.sha1(VIDEO).hexdigest()


@pytest.fixture(autouse=True)
def _known_site(settings: Any) -> None:
    configure(settings, UPLOAD_ORIGINS=[SITE])


def opened(client: CloudKey, **options: Any) -> dict[str, str]:
    answer: dict[str, str] = client.file.upload(**options)
    return answer


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


def test_browser_is_led_to_the_target_with_what_arrived(cloud: Cloud) -> None:
    url = opened(cloud.client, target=f"{SITE}/done?lesson=7#top")["url"]

    answer = requests.post(
        url, files={"file": ("a & b=ü.3gp", VIDEO)}, allow_redirects=False, timeout=20
    )

    slot = UploadSlot.objects.get()
    assert (answer.status_code, answer.content) == (303, b"")
    base, _, query = answer.headers["Location"].partition("?")
    assert base == f"{SITE}/done"
    values = dict(parse_qsl(query, strict_parsing=True))
    assert values.pop("seal")
    assert values == {
        "lesson": "7",
        "url": f"{cloud.base_url}/files/{slot.pk}.3gp",
        "name": "a & b=ü",
        "hash": SHA1,
        "size": str(len(VIDEO)),
    }


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


HOSTILE_TARGETS = [
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc",
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/done", "done",
    "https://evil.example", "https:evil.example", "https:/evil.example", "https:///evil.example",
    "https://www.example.org@evil.example", "https://www.example.org:x@evil.example/",
    "https://www.example.org:443@evil.example/", "https://evil.example#https://www.example.org/",
    "https://evil.example/https://www.example.org/", "https://www.example.org.evil.example/",
    "https://www.example.orgevil.example/", "https://www.example.org\\@evil.example/",
    "https://www.example.org\\.evil.example/", "https://evil.example\\www.example.org/",
    "https://www.example.org:8443/", "http://www.example.org/", "https://example.org/",
    "https://WWW.EXAMPLE.ORG%2eevil.example/", "https://www.example.org%00.evil.example/",
    "https://www。example.org/", "https://www.example.org/é", "https://www.example.org/ x",
    "https://www.example.org/\r\nSet-Cookie: a=b", "https://www.example.org/\n",
    "https://www.example.org/\x00", "https://www.example.org\t/", "\thttps://www.example.org/",
    " https://www.example.org/", "https://www.example.org/x\\y", "https://[::1]/", "https://",
    "https://www.example.org/" + "x" * 8192, "https://www.example.org/" + "x" * 2048, "null", "?",
]  # fmt: skip


@pytest.mark.parametrize("target", HOSTILE_TARGETS)
def test_t095_other_targets_are_refused_at_file_upload(cloud: Cloud, target: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        cloud.client.file.upload(target=target)

    assert str(caught.value) == (
        "630: Invalid parameters for file.upload: target must be the address of a page of one of "
        "this server's UPLOAD_ORIGINS."
    )
    assert not UploadSlot.objects.exists()


@pytest.mark.parametrize("value", [1, True, ["https://www.example.org/"], {"a": 1}])
def test_t095_target_is_a_text(cloud: Cloud, value: Any) -> None:
    with pytest.raises(InvalidParameter, match="target must be"):
        cloud.client.call("file.upload", target=value)


def test_t095_no_target_is_allowed_unless_it_is_configured(cloud: Cloud, settings: Any) -> None:
    configure(settings, UPLOAD_ORIGINS=[])

    for target in (f"{SITE}/", cloud.base_url, f"{cloud.base_url}/"):
        with pytest.raises(InvalidParameter):
            cloud.client.file.upload(target=target)


def test_target_s_host_is_compared_without_its_case() -> None:
    assert is_target("HTTPS://WWW.Example.ORG/Path?Query#x")
    assert is_target(SITE)


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("www.example.org", "evil.example"),
        lambda url: url.partition("&target=")[0],
        lambda url: url.replace("%2Fdone", "%2Fother"),
        lambda url: f"{url}&target=https%3A%2F%2Fevil.example",
        lambda url: re.sub(r"uuid=(\w+)&", r"uuid=\1:target:https://evil.example/&", url),
    ],
    ids=["other host", "removed", "other page", "second target", "target in the id"],
)
def test_t071_target_is_sealed(cloud: Cloud, change: Any) -> None:
    url = opened(cloud.client, target=f"{SITE}/done")["url"]

    answer = requests.post(
        change(url), files={"file": ("x.mp4", VIDEO)}, allow_redirects=False, timeout=20
    )

    assert answer.status_code == 403
    assert UploadSlot.objects.get().state == "waiting"


def test_t071_target_cannot_be_added_to_an_address_without_one(cloud: Cloud) -> None:
    url = opened(cloud.client)["url"]

    answer = requests.post(
        f"{url}&target={SITE}/", files={"file": VIDEO}, allow_redirects=False, timeout=20
    )

    assert answer.status_code == 403


# The status


def status_of(url: str, **options: Any) -> Any:
    return requests.get(url, timeout=10, **options)


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


HOSTILE_CALLBACKS = [
    "alert(1)//", "</script>", "a</script>", "a\u2028b", "a\u2029", "x" * 65, "a.b.c.d.e.f", "a.",
    ".a", "a..b", "1a", "a-b", "a b", "a\n", "\na", "a\x00", "a;b", "a,b", "a[0]", "a['b']", "é",
    "ａ", "a=b", "%61", "'", '"', "/**/", "a/*", "a" * 64 + ".b" * 5, "CWS\x07\x0e0000",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_CALLBACKS)
def test_t097_unsafe_callback_is_refused_at_both_ends(cloud: Cloud, name: str) -> None:
    with pytest.raises(InvalidParameter, match="jsonp_cb must be '\\?' or the name of a Java"):
        cloud.client.file.upload(status=True, jsonp_cb=name)
    url = opened(cloud.client, status=True)["status"]

    answer = status_of(url, params={"jsonp_cb": name})

    assert (answer.status_code, answer.content) == (400, b"")


def test_t097_question_mark_that_nobody_replaced_is_refused(cloud: Cloud) -> None:
    assert status_of(opened(cloud.client, status=True, jsonp_cb="?")["status"]).status_code == 400


def test_t097_callback_has_up_to_five_words() -> None:
    assert is_callback(".".join(["a" * 64] * 5))
    assert not is_callback("")


@pytest.mark.parametrize(
    "change",
    [
        lambda url, other: re.sub(r"seal=\w+", "seal=" + "0" * 32, url),
        lambda url, other: re.sub(r"&seal=\w+", "", url),
        lambda url, other: re.sub(r"uuid=\w+", f"uuid={other}", url),
        lambda url, other: re.sub(r"uuid=\w+", "uuid=%00", url),
        lambda url, other: url.partition("?")[0],
    ],
    ids=["wrong seal", "no seal", "other slot", "no id", "no query"],
)
def test_t096_others_learn_nothing(cloud: Cloud, change: Any) -> None:
    other = Account.objects.create(name="other")
    stranger = CloudKey(other.pk, other.api_key, cloud.base_url)
    foreign = parse_qs(urlsplit(opened(stranger)["url"]).query)["uuid"][0]
    url = change(opened(cloud.client, status=True)["status"], foreign)

    answer = status_of(url)

    assert answer.status_code == 404
    assert answer.json() == {"state": "notfound", "received": 0, "size": 0}
    assert status_of(url, params={"jsonp_cb": "f"}).status_code == 404


def test_t096_seals_are_good_for_one_thing(cloud: Cloud) -> None:
    addresses = opened(cloud.client, status=True)
    swapped = addresses["status"].replace("/progress?", "/upload?")

    assert send(swapped).status_code == 403
    assert status_of(addresses["url"].replace("/upload?", "/progress?")).status_code == 404


def test_t096_expired_upload_is_not_found(cloud: Cloud) -> None:
    addresses = opened(cloud.client, status=True)
    send(addresses["url"])
    assert status_of(addresses["status"]).json()["state"] == "done"
    expire()

    assert status_of(addresses["status"]).status_code == 404


def test_t096_status_tells_three_things_and_changes_nothing(cloud: Cloud) -> None:
    addresses = opened(cloud.client, status=True)
    send(addresses["url"])
    before = UploadSlot.objects.values().get()

    for _ in range(50):
        assert set(status_of(addresses["status"]).json()) == {"state", "received", "size"}

    assert UploadSlot.objects.values().get() == before


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_status_is_only_asked_for(cloud: Cloud, method: str) -> None:
    url = opened(cloud.client, status=True)["status"]

    answer = exchange(url, [], method=method)

    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize(("origin", "may"), [(SITE, True), ("https://evil.example", False)])
def test_t099_status_can_be_read_by_configured_sites(cloud: Cloud, origin: str, may: bool) -> None:
    url = opened(cloud.client, status=True)["status"]

    preflight = requests.options(url, headers={"Origin": origin}, timeout=10)
    answer = status_of(url, headers={"Origin": origin})

    for response in (preflight, answer):
        allowed = response.headers.get("Access-Control-Allow-Origin")
        assert allowed == (origin if may else None)
        assert response.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in response.headers
    if may:
        assert preflight.headers["Access-Control-Allow-Methods"] == "GET, OPTIONS"


def test_answer_is_json_that_php_can_read(cloud: Cloud) -> None:
    answer = exchange(opened(cloud.client, status=True)["status"], [], method="GET", http="1.0")

    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body)["state"] == "notfound"
