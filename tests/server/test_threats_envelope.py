"""Threats T001 to T030: requests that are no calls, sent to the running server."""

from __future__ import annotations

import gzip
import json
import logging
import re
import select
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from django_cloudkey.client import CloudKey
from django_cloudkey.protocol import signing
from django_cloudkey.protocol.signing import sign_call
from django_cloudkey.server.models import Account, Media
from django_cloudkey.server.rpc.views import MAX_BODY, answer

from ..conftest import Cloud
from ..protocol.test_envelope import NO_ARGUMENTS, NO_CALL, NO_JSON, NO_MEMBER, NO_OBJECT
from .conftest import Front
from .wire import LIST, ask, call, code_of, post, read_all, signed, statuses

pytestmark = pytest.mark.usefixtures("no_failure")

UNKNOWN = "1b87186c84e1b015a0000000"
CREATE = {"call": "media.create"}


def number_of(parameter: Any) -> str:
    return str(parameter.id).partition("-")[0]


def no_json(number: str) -> list[bytes]:
    return [parameter.values[0] for parameter in NO_JSON if number_of(parameter) == number]


NUMBERS = sorted({number_of(parameter) for parameter in NO_JSON if parameter.id[0] == "T"})


@pytest.mark.parametrize("number", NUMBERS)
def test_what_is_no_json_of_the_protocol_is_refused(cloud: Cloud, number: str) -> None:
    """
    T001, T003 to T005, T007 to T010, T012: 500, also with a byte order mark.

    T027: 200,000 strings are refused while they are counted, before there are fields to name.
    """
    for body in no_json(number):
        started = time.monotonic()
        assert code_of(call(cloud, body)) == 500, body[:80]
        assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("code", "bodies"),
    [
        pytest.param(600, NO_OBJECT, id="T002"),
        pytest.param(600, [{**LIST, "auth": "x", name: ""} for name in NO_MEMBER], id="T015"),
        pytest.param(600, [{**LIST, "auth": "x", "args": it} for it in NO_ARGUMENTS], id="T016"),
        pytest.param(640, [{"call": name, "auth": "x"} for name in NO_CALL], id="T018"),
        pytest.param(600, [{"auth": "x"}, {"call": None, "auth": "x"}], id="T018-missing"),
        pytest.param(
            600,
            [{"k" * 1_000_000: 1}, {**LIST, "auth": "x", "call" + "l" * 1_000_000: ""}],
            id="T028",
        ),
    ],
)  # fmt: skip
def test_what_is_no_call_is_refused(cloud: Cloud, code: int, bodies: list[Any]) -> None:
    for body in bodies:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        assert code_of(call(cloud, sent)) == code, sent[:80]


@pytest.mark.parametrize(
    ("name", "args"),
    [
        pytest.param("media.create", {"meta": {"title": "a\0b"}}, id="T011"),
        pytest.param("media.search", {"query": "a\0b"}, id="T011-query"),
        pytest.param("media.list", {"fields": ["id"] * 101}, id="T027-fields"),
        pytest.param("media.create", {"meta": {"k" * 1_000_000: ""}}, id="T028-meta"),
        pytest.param("media.list", {"k" * 1_000_000: ""}, id="T028-argument"),
    ],
)
def test_signed_call_that_cannot_be_meant_is_refused(
    cloud: Cloud, name: str, args: dict[str, Any]
) -> None:
    answer = ask(cloud, name, args)

    assert code_of(answer) == 630
    assert len(answer["error"]["message"]) < 200
    assert not Media.objects.exists()


def test_t017_no_arguments_may_be_written_in_four_ways(cloud: Cloud) -> None:
    forms: list[dict[str, Any]] = [{}, {"args": None}, {"args": []}, {"args": {}}]

    for members in forms:
        assert call(cloud, signed(cloud.account, {**LIST, **members}))["result"]["total"] == 0


@pytest.mark.parametrize(
    ("code", "names"),
    [
        pytest.param(
            620,
            ["media.__init__", "media._get_url", "media.__class__.mro", "media.list_",
             "media.publish", "media.info.x"],
            id="T019",
        ),
        pytest.param(610, ["os.system", "constructor.prototype", "__class__.x"], id="T019-object"),
        pytest.param(
            620, ["media.INFO", "media.info\n", "media.info\0", "media.ınfo", "media.inf\u043e"],
            id="T020",
        ),
        pytest.param(
            610, ["Media.info", "mеdia.info", "media\0.info", "\nmedia.info", "ｍedia.info"],
            id="T020-object",
        ),
    ],
)  # fmt: skip
def test_names_are_looked_up_in_a_table_letter_for_letter(
    cloud: Cloud, code: int, names: list[str]
) -> None:
    for name in names:
        assert code_of(ask(cloud, name)) == code, name


# Sizes


def peak_of(pid: int) -> int:
    """Return the largest memory that the process has had, in bytes."""
    found = re.search(r"VmHWM:\s+([0-9]+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"[" + b"{}," * 349_000 + b"{}]", 200, id="T006"),
        pytest.param(b"[" * (MAX_BODY + 1), 413, id="T006-too-long"),
    ],
)
def test_twenty_huge_requests_at_once_take_little_memory(
    cloud: Cloud, start_gunicorn: Callable[..., Front], body: bytes, status: int
) -> None:
    front = start_gunicorn()
    head = f"POST /cloud/api HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    def send(_: int) -> bytes:
        with front.connect() as connection:
            connection.sendall(head + body)
            return read_all(connection)

    assert statuses(send(0)) == [status]
    before = peak_of(front.worker)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(send, range(20)))

    assert [statuses(each) for each in answers] == [[status]] * 20
    assert all(status == 413 or b'"code": 500' in each for each in answers)
    assert peak_of(front.worker) - before < 64 * 1024 * 1024


def test_t006_body_of_exactly_the_limit_is_read(cloud: Cloud) -> None:
    assert post(cloud, b"[" * (MAX_BODY + 1))[0].status == 413
    assert code_of(call(cloud, b"[" * MAX_BODY)) == 500


# HTTP


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Content-Type": "text/plain"}, id="T013"),
        pytest.param({"Content-Type": "multipart/form-data; boundary=x"}, id="T013-form"),
        pytest.param({"Content-Type": "application/x-www-form-urlencoded"}, id="T013-urlencoded"),
        pytest.param({"Content-Type": "application/json; charset=utf-7"}, id="T013-utf-7"),
        pytest.param({"Cookie": "csrftoken=x; sessionid=y"}, id="T013-cookie"),
        pytest.param({"X-HTTP-Method-Override": "DELETE"}, id="T023"),
        pytest.param({"Accept-Encoding": "gzip, br"}, id="T029-encoding"),
        pytest.param({"Origin": "https://evil.example"}, id="T029-origin"),
        pytest.param({"X-Forwarded-Host": "evil.example"}, id="T029-forwarded"),
    ],
)
def test_headers_do_not_change_how_a_call_is_read(cloud: Cloud, headers: dict[str, str]) -> None:
    response, body = post(cloud, signed(cloud.account, LIST), headers=headers)

    assert json.loads(body)["result"]["total"] == 0
    assert response.getheader("Content-Encoding") is None
    assert not [name for name, _ in response.getheaders() if name.startswith("Access-Control")]


def test_t014_compressed_body_is_refused_and_not_inflated(cloud: Cloud) -> None:
    for encoding in ("gzip", "GZIP", "br", "deflate, gzip"):
        response, body = post(
            cloud, gzip.compress(b"[" * 10_000_000), headers={"Content-Encoding": encoding}
        )
        assert (response.status, body) == (415, b"")


@pytest.mark.parametrize(
    ("status", "method", "path"),
    [
        *(
            pytest.param(405, method, "/api", id=f"T022-{method}")
            for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS")
        ),
        *(
            pytest.param(404, "POST", path, id=f"T022-{path}")
            for path in ("/api/", "//api", "/API", "/api/x", "/api;x")
        ),
    ],
)
def test_other_methods_and_paths_are_refused_and_not_redirected(
    cloud: Cloud, status: int, method: str, path: str
) -> None:
    response, body = post(cloud, signed(cloud.account, LIST), path=path, method=method)

    assert response.status == status
    assert response.getheader("Location") is None
    if status == 405:
        assert response.getheader("Allow") == "POST"
    if status == 405 and method != "HEAD":
        assert json.loads(body) == {"error": {"code": 600, "message": "A call is a POST request."}}


def test_t023_overriding_the_method_means_nothing(cloud: Cloud) -> None:
    body = signed(cloud.account, LIST)

    assert post(cloud, body, path="/api?_method=DELETE")[0].status == 200
    assert post(cloud, body, method="GET", headers={"X-HTTP-Method": "POST"})[0].status == 405
    assert code_of(call(cloud, json.dumps({**LIST, "auth": "x", "_method": ""}).encode())) == 600


def test_t029_strange_host_is_refused(cloud: Cloud, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["video.example.org"]

    for host in ("evil.example", "video.example.org.evil.example", "video.example.org@evil", "["):
        headers = {"Host": host}
        assert post(cloud, signed(cloud.account, LIST), headers=headers)[0].status == 400


def test_t030_hostile_names_come_back_short_and_as_json(cloud: Cloud) -> None:
    for name in ("<script>alert(1)</script>" * 40, "</script>", "\x1b[2J\n"):
        response, content = post(cloud, signed(cloud.account, {"call": f"media.{name}"}))

        assert response.getheader("Content-Type") == "application/json"
        assert response.getheader("X-Content-Type-Options") == "nosniff"
        assert len(content) < 200


def test_t030_hostile_names_are_one_short_line_of_the_log(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "django_cloudkey.server.rpc.views")

    ask(cloud, "media.x\nERROR all is lost\x1b[2J\u202e" + "x" * 500)

    (line,) = caplog.messages
    assert line.isprintable()
    assert len(line) < 120


# What strangers learn


def work_of(body: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, int, int]:
    """Return the answer to *body*, how many digests it took, and how many queries."""
    digests = []

    def sign(*args: Any) -> str:
        digests.append(args)
        return signing_sign(*args)

    signing_sign = signing.sign
    with monkeypatch.context() as patch, CaptureQueriesContext(connections["cloud"]) as queries:
        patch.setattr(signing, "sign", sign)
        return answer(body)[0], len(digests), len(queries)


def test_t021_stranger_learns_nothing_of_what_exists(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = cloud.client.media.create()["id"]
    found = set()

    for name, args in (
        ("media.info", {"id": media}),
        ("media.info", {"id": UNKNOWN}),
        ("media.info", {"id": "x"}),
        ("media.nothing", {"id": media}),
        ("nothing.info", {"id": media}),
    ):
        request = {"call": name, "args": args}
        auth = sign_call(cloud.account.pk, request, "wrong")
        body = json.dumps({**request, "auth": auth}).encode()
        done = work_of(body, monkeypatch)
        assert call(cloud, body) == json.loads(done[0])
        found.add(done)

    ((text, digests, queries),) = found
    assert json.loads(text) == {"error": {"code": 400, "message": "Authentication failed."}}
    assert digests > 0
    assert queries == 1


# Real front servers

HEAD = "POST /cloud/api HTTP/1.1\r\nHost: localhost\r\n"


def request_of(body: bytes, *head: str) -> bytes:
    """Return the bytes of a request, its length said right unless *head* has lines for that."""
    lines = head or (f"Content-Length: {len(body)}",)
    return (HEAD + "".join(f"{line}\r\n" for line in lines) + "\r\n").encode() + body


def check_endless_body(front: Front) -> None:
    """T024: refused while it goes on, kept by nobody."""
    sent = 0
    with front.connect() as connection:
        connection.sendall(request_of(b"", "Transfer-Encoding: chunked"))
        try:
            while sent < 64 * 1024 * 1024 and not select.select([connection], [], [], 0)[0]:
                connection.sendall(b"10000\r\n" + b"[" * 0x10000 + b"\r\n")
                sent += 0x10000
            received = connection.recv(65536)
        except (BrokenPipeError, ConnectionResetError):
            received = b""

    assert sent < 16 * 1024 * 1024
    assert statuses(received) in ([], [200], [413])
    assert b'"result"' not in received
    assert not Media.objects.exists()
    account = front.cloud.account
    base_url = f"http://127.0.0.1:{front.port}/cloud"
    assert CloudKey(account.pk, account.api_key, base_url).media.list()["total"] == 0


AMBIGUOUS: list[Any] = [
    pytest.param(["Content-Length: {length}", "Content-Length: 5"], id="T025-two"),
    pytest.param(["Content-Length: 5", "Content-Length: {length}"], id="T025-two-swapped"),
    pytest.param(["Content-Length: 5, {length}"], id="T025-list"),
    pytest.param(["Content-Length: {length}", "Transfer-Encoding: chunked"], id="T025-both"),
    pytest.param(["Transfer-Encoding: chunked", "Content-Length: {length}"], id="T025-swapped"),
    pytest.param(["Content-Length: {length}", "Transfer-Encoding : chunked"], id="T025-space"),
    pytest.param(["Content-Length: {length}", "Transfer-Encoding: xchunked"], id="T025-unknown"),
    pytest.param(
        ["Content-Length: {length}", "Transfer-Encoding: chunked, identity"], id="T025-codings"
    ),
    pytest.param(["Content-Length: {length}", "Transfer-Encoding:\r\n chunked"], id="T025-folded"),
    pytest.param(["Content-Length: {length}", "Transfer_Encoding: chunked"], id="T025-underscore"),
    pytest.param(["Content-Length: +{length}"], id="T025-plus"),
    pytest.param(["Content-Length: -1"], id="T025-negative"),
    pytest.param(["Content-Length: 0x5"], id="T025-hexadecimal"),
    pytest.param(["Content-Length: 1_0"], id="T025-underscores"),
]


def check_nothing_is_smuggled(front: Front, head: list[str]) -> None:
    """T025: what the body hides is not carried out, and who comes after is answered as himself."""
    hidden = request_of(signed(front.cloud.account, CREATE))
    body = b"0\r\n\r\n" + hidden
    lines = [line.format(length=len(body)) for line in head]
    after = request_of(signed(front.cloud.account, LIST))
    with front.connect() as connection:
        connection.sendall(request_of(body, *lines))
        connection.sendall(after.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        received = read_all(connection)

    first, *others = statuses(received)
    assert first in (200, 400, 501), received
    assert others in ([], [200]), received
    assert received.count(b'"total": 0') == len(others)
    assert not Media.objects.exists()


def check_wrong_lengths(front: Front) -> None:
    """T025: a body that is cut short is no call; what is left over is none either."""
    body = signed(front.cloud.account, CREATE)
    with front.connect() as connection:
        connection.sendall(request_of(body[:-1], f"Content-Length: {len(body) + 9}"))
        connection.shutdown(1)
        assert b'"result"' not in read_all(connection)
    with front.connect() as connection:
        connection.sendall(request_of(body + body, f"Content-Length: {len(body) - 1}"))
        connection.shutdown(1)
        received = read_all(connection)
    assert b'"result"' not in received
    assert set(statuses(received)) <= {200, 400, 405}
    assert not Media.objects.exists()


def check_flood(front: Front) -> None:
    """
    T026: answered or 410, the rest closed, and another account is served meanwhile.

    300 requests on one connection and 100 at once, where the threat names 10,000 and 1,000: each is
    counted in a row, 60 a second on a slow machine.
    """
    other = Account.objects.create(name="other")
    body = signed(front.cloud.account, LIST)
    started = time.monotonic()
    counts: dict[str, int] = {"answered": 0, "refused": 0}
    lock = threading.Lock()

    def count(received: bytes) -> None:
        assert set(statuses(received)) <= {200}
        with lock:
            counts["answered"] += received.count(b'"result"')
            counts["refused"] += received.count(b'"code": 410')

    def pipeline(number: int) -> None:
        with front.connect() as connection:
            reader = ThreadPoolExecutor(1)
            received = reader.submit(read_all, connection)
            try:
                connection.sendall(request_of(body) * (number - 1))
                last = request_of(body).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
                connection.sendall(last)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the server may close whenever it likes
            count(received.result())
            reader.shutdown()

    with ThreadPoolExecutor(51) as pool:
        work = [pool.submit(pipeline, 300), *(pool.submit(pipeline, 1) for _ in range(100))]
        honest = CloudKey(other.pk, other.api_key, f"http://127.0.0.1:{front.port}/cloud")
        waits = []
        for _ in range(5):
            asked = time.monotonic()
            assert honest.media.list()["total"] == 0
            waits.append(time.monotonic() - asked)
        for each in work:
            each.result()

    assert counts["answered"] == 50
    assert counts["refused"] >= 100
    assert max(waits) < 10
    assert time.monotonic() - started < 60


def test_t024_endless_body_is_cut_by_gunicorn(start_gunicorn: Callable[..., Front]) -> None:
    check_endless_body(start_gunicorn())


def test_t024_body_without_a_length_is_no_call(start_gunicorn: Callable[..., Front]) -> None:
    front = start_gunicorn()
    body = signed(front.cloud.account, CREATE)
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)

    with front.connect() as connection:
        connection.sendall(request_of(chunks, "Transfer-Encoding: chunked", "Connection: close"))
        received = read_all(connection)

    assert b'"code": 500' in received
    assert not Media.objects.exists()


def test_t025_nothing_is_smuggled_through_gunicorn(start_gunicorn: Callable[..., Front]) -> None:
    front = start_gunicorn()

    check_wrong_lengths(front)
    for parameter in AMBIGUOUS:
        check_nothing_is_smuggled(front, parameter.values[0])


def test_t026_flood_leaves_gunicorn_free(start_gunicorn: Callable[..., Front]) -> None:
    check_flood(start_gunicorn(RATE_LIMIT=50))


@pytest.mark.nginx
def test_t024_endless_body_is_cut_by_nginx(start_nginx: Callable[..., Front]) -> None:
    check_endless_body(start_nginx())


@pytest.mark.nginx
def test_t025_nothing_is_smuggled_through_nginx(start_nginx: Callable[..., Front]) -> None:
    front = start_nginx()

    check_wrong_lengths(front)
    for parameter in AMBIGUOUS:
        check_nothing_is_smuggled(front, parameter.values[0])


@pytest.mark.nginx
def test_t026_flood_leaves_nginx_free(start_nginx: Callable[..., Front]) -> None:
    check_flood(start_nginx(RATE_LIMIT=50))
