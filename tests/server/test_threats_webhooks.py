"""
What an account may make the cloud call: T211, T215, T216 and T218 of the study, and with them
T104 to T112 as far as they are about addresses that the cloud calls.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connections

from django_cloudkey.protocol.events import EventType
from django_cloudkey.server import account_secrets, notifications, outgoing
from django_cloudkey.server.models import Account, Job, Media, Notification, atomic
from django_cloudkey.server.outgoing import NotAnswered, post
from django_cloudkey.server.outgoing_urls import NotAllowed, is_public, parse_outgoing
from django_cloudkey.server.worker import Worker

from ..client.certificates import Authority
from ..conftest import DATABASES, Cloud
from ..receivers import Receiver, receiving, status

PUBLIC = "93.184.215.14"
PUBLIC_6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"


@pytest.fixture
def canary() -> Iterator[Receiver]:
    """Listens on this machine, where nothing may be called."""
    with receiving() as started:
        yield started


@pytest.fixture
def allowed(settings: Any) -> None:
    """This machine may be called."""
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "WEBHOOK_NETWORKS": ["127.0.0.1"]}


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """Host → what each look-up of it answers, the last one from then on."""
    table: dict[str, list[list[str]]] = {}
    ask = socket.getaddrinfo

    def look_up(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in table:
            return ask(host, port, *args, **kwargs)
        answers = table[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [each for address in found for each in ask(address, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return table


@pytest.fixture
def connections_made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Addresses to which a connection was tried; none is made."""
    tried: list[Any] = []

    def refuse(connection: socket.socket, address: Any) -> None:
        tried.append(address[:2])
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tried


# T211, T104-T112: where


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "gopher://example.org/", "ftp://example.org/", "//example.org/"),
        *("data:text/plain,x", "example.org/hook", "unix:/run/x", "https:///x", "https://", ""),
        *("https://user:pw@example.org/", "https://example.com@127.0.0.1/", "https://@example.org"),
        *("https://127.0.0.1\\@example.org/", "https://example.org/#x", "https://exa mple.org/"),
        *(" https://example.org/", "https://example.org/\r\nX: y", "https://example.org/\tx"),
        *("https://ⓔxample.org/", "https://example。org/", "https://éxample.org/"),
        *("https://example.org/é", "https://example.org:80:80/", "https://example.org:/"),
        *("https://example.org:0/", "https://example.org:99999/", "https://[fe80::1%25eth0]/"),
        *("https://[::1", "https://[nonsense]/", "https://exa%6dple.org/", "https://-a.org/"),
    ],
)
def test_t211_what_is_no_plain_address_is_refused(url: str, allowed: None) -> None:
    with pytest.raises(NotAllowed):
        parse_outgoing(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        *(f"https://example.org:{port}/" for port in (22, 25, 80, 5432, 6379, 8443, 11211, 65535)),
    ],
)
def test_t211_public_host_is_called_by_https_at_its_port_alone(url: str) -> None:
    with pytest.raises(NotAllowed, match="https, at port 443"):
        parse_outgoing(url)


def test_t211_network_that_is_allowed_does_not_open_other_ports_of_public_hosts(
    names: Any, connections_made: list[Any], allowed: None
) -> None:
    names["public.example"] = [[PUBLIC]]
    for url in ("http://public.example/", "https://public.example:6379/"):
        with pytest.raises(NotAllowed, match="port 443"):
            post(url, {}, b"")
    assert connections_made == []


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "LOCALHOST", "localhost.", "127.1", "127.0.1", "2130706433"),
        *("0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "0", "0.0.0.0", "127.127.127.127"),
        *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
        *("[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fc00::1]", "[fec0::1]"),
        *("10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "198.18.0.1"),
        *("192.0.0.1", "192.88.99.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("[fd00:ec2::254]", "[fe80::1]", "[ff02::1]", "[2001:db8::1]", "[2001:0:1::1]"),
        *("[3fff::1]", "[::ffff:10.0.0.1]", "[::ffff:169.254.169.254]"),
    ],
)
def test_t211_private_hosts_are_refused_however_they_are_written(
    host: str, connections_made: list[Any]
) -> None:
    with pytest.raises((NotAllowed, NotAnswered)) as caught:
        post(f"https://{host}/hook", {}, b"")

    assert connections_made == []
    assert caught.type is NotAllowed or str(caught.value) == "The host was not found."


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_6, "1.1.1.1", "2a00:1450:4001:82b::200e"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "found",
    [
        ["10.0.0.1"],
        [PUBLIC, "10.0.0.1"],
        [PUBLIC_6, "::1"],
        [PUBLIC, "fd00::1"],
        ["::ffff:10.0.0.1"],
    ],
)  # fmt: skip
def test_t211_name_with_a_private_address_is_refused(
    found: list[str], names: Any, connections_made: list[Any]
) -> None:
    names["mixed.example"] = [found]
    with pytest.raises(NotAllowed, match="no public address"):
        post("https://mixed.example/", {}, b"")
    assert connections_made == []


def test_t211_connection_goes_where_the_one_look_up_said(
    names: Any, connections_made: list[Any]
) -> None:
    names["rebinding.example"] = [[PUBLIC], ["127.0.0.1"]]
    with pytest.raises(NotAnswered):
        post("https://rebinding.example/", {}, b"")

    assert connections_made == [(PUBLIC, 443)]
    with pytest.raises(NotAllowed):  # each attempt looks up, and checks, again
        post("https://rebinding.example/", {}, b"")
    assert connections_made == [(PUBLIC, 443)]


def test_next_address_is_tried_when_one_is_silent(
    names: Any, allowed: None, canary: Receiver, settings: Any
) -> None:
    settings.CLOUDKEY_SERVER["WEBHOOK_NETWORKS"] = ["127.0.0.0/8"]
    names["two.example"] = [["127.0.0.2", "127.0.0.1"]]

    assert post(f"http://two.example:{canary.port}/hook", {}, b"{}") == 204
    assert canary.received[0].headers["host"] == f"two.example:{canary.port}"


@pytest.mark.parametrize("number", [301, 302, 303, 307, 308])
def test_t211_redirect_is_not_followed(number: int, allowed: None, canary: Receiver) -> None:
    with receiving() as elsewhere:
        canary.answer = status(number, Location=elsewhere.url, Refresh=f"0; url={elsewhere.url}")
        assert post(canary.url, {}, b"{}") == number
        assert elsewhere.received == []


def test_proxy_of_the_environment_is_not_used(
    allowed: None, canary: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert post(canary.url, {}, b"{}") == 204


@pytest.mark.parametrize(
    "below", ["/api", "/api/api", "/upload?x=1", "/progress", "/embed/a/b", "//api", "/route/x"]
)
@pytest.mark.parametrize("base", ["https://video.example.org/cloud", "https://video.example.org"])
def test_t218_the_cloud_is_not_its_own_receiver(base: str, below: str, settings: Any) -> None:
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "BASE_URL": base}

    with pytest.raises(NotAllowed, match="own"):
        parse_outgoing(base + below)
    with pytest.raises(NotAllowed, match="own"):
        parse_outgoing(base.replace("video", "VIDEO").replace(".org", ".org.:443") + below)
    parse_outgoing(base.replace("/cloud", "") + "/cloudkey/webhook/default/")
    parse_outgoing(base.replace("video", "www") + below)


# T116: TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize(
    ("certificate", "is_trusted"),
    [
        ({}, True),
        ({"is_self_signed": True}, False),
        ({"days": -1}, False),
        ({"name": "other.example"}, False),
    ],
)
def test_t116_receiver_has_a_good_certificate_for_its_name(
    certificate: dict[str, Any],
    is_trusted: bool,
    authority: Authority,
    allowed: None,
    names: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))
    names["localhost"] = [["127.0.0.1"]]
    with receiving(context=authority.context(**certificate)) as receiver:
        url = f"https://localhost:{receiver.port}/hook"
        if is_trusted:
            assert post(url, {}, b"{}") == 204
            return
        with pytest.raises(NotAnswered, match="certificate is not trusted"):
            post(url, {}, b"{}")
        assert receiver.received == []


# T215: how a receiver may behave


def behave(connection_behaviour: Any) -> Any:
    """Return the address of a receiver that does *connection_behaviour* with each connection."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(30)

    def serve() -> None:
        with listening:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                with contextlib.suppress(OSError):
                    connection_behaviour(connection)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}/"


def drip(connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n" * 100:
        connection.sendall(bytes([byte]))
        time.sleep(0.2)


@pytest.mark.parametrize("behaviour", [drip, lambda connection: connection.recv(1)])
def test_t215_slow_receiver_is_left_after_the_time_that_it_has(
    behaviour: Any, allowed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "TIMEOUT", 1.0)
    started = time.monotonic()
    with pytest.raises(NotAnswered, match="No answer within"):
        post(behave(behaviour), {}, b"{}")

    assert time.monotonic() - started < 2


def test_t215_slow_look_up_is_left_after_the_time_that_it_has(
    allowed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ended = threading.Event(), threading.Event()

    def look_up(*args: object, **kwargs: object) -> list[Any]:
        asked.set()
        ended.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(outgoing, "TIMEOUT", 1.0)
    started = time.monotonic()
    with pytest.raises(NotAnswered, match="No answer within"):
        post("https://slow.example/", {}, b"{}")

    assert asked.is_set()
    assert time.monotonic() - started < 2
    ended.set()


def test_t215_status_counts_and_a_body_without_end_is_cut(
    allowed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(1_000_000_000 // 65536):
            connection.sendall(bytes(65536))
            sent += 65536

    started = time.monotonic()
    assert post(behave(flood), {}, b"{}") == 200
    assert time.monotonic() - started < 3
    assert sent < 20_000_000, "what the buffers of both ends hold, not a gigabyte"


def test_t215_headers_without_end_do_not_hold_the_sender(allowed: None) -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X: y\r\n")
            time.sleep(0.01)

    started = time.monotonic()
    assert post(behave(endless), {}, b"{}") == 200
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "answer",
    [b"", b"nonsense\r\n\r\n", b"HTTP/0.9 200 OK\r\n", b"HTTP/1.1 99 x\r\n", b"X" * 5000,
     b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200", b"HTTP/2 200\r\n"],
)  # fmt: skip
def test_t215_what_is_not_http_is_a_failure(answer: bytes, allowed: None) -> None:
    with pytest.raises(NotAnswered, match="not HTTP"):
        post(behave(lambda connection: connection.sendall(answer)), {}, b"{}")


def test_t215_reset_is_a_failure(allowed: None) -> None:
    def reset(connection: socket.socket) -> None:
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    with pytest.raises(NotAnswered, match="connection failed"):
        post(behave(reset), {}, b"{}")


@pytest.fixture
def media(account: Account, allowed: None, canary: Receiver) -> Media:
    """Its account's notifications go to the canary."""
    account.webhook_url = canary.url
    account.save()
    account_secrets.add(account)
    return Media.objects.create(account=account)


def tell(media: Media, count: int = 1) -> None:
    with atomic():
        notifications.tell(media, *[(EventType.MEDIA_READY, "")] * count)


@pytest.mark.django_db(databases=DATABASES, transaction=True)
def test_t215_gone_ends_the_notifications_of_the_account(media: Media, canary: Receiver) -> None:
    canary.answer = status(410)
    tell(media, 3)
    notifications.deliver_due(lambda: False)
    tell(media)

    assert Account.objects.get().webhook_url == ""
    states = Notification.objects.values_list("state", flat=True)
    assert list(states) == ["given_up"] * 3
    assert len(canary.received) == 1


@pytest.mark.django_db(databases=DATABASES, transaction=True)
def test_t215_slow_receivers_hold_up_no_other_account(
    media: Media, canary: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "TIMEOUT", 1.0)
    slow = [
        Account.objects.create(
            name=f"slow{number}", webhook_url=behave(lambda connection: connection.recv(1))
        )
        for number in range(6)
    ]
    for each in slow:
        account_secrets.add(each)
        tell(Media.objects.create(account=each), 50)
    tell(media)
    worker = Worker()
    thread = threading.Timer(8, worker.stop)
    thread.start()

    def look() -> None:
        while not canary.received and thread.is_alive():
            time.sleep(0.05)
        worker.stop()

    looking = threading.Thread(target=look)
    looking.start()
    started = time.monotonic()
    worker.run()
    looking.join()
    thread.cancel()
    thread.join()

    assert len(canary.received) == 1
    assert time.monotonic() - started < 6, "300 notifications of others were before it"
    tried = Notification.objects.filter(attempts__gt=0).exclude(account=media.account)
    assert tried.count() <= 12, "a receiver that fails is left alone"


def test_t215_slow_receiver_holds_up_no_video(
    cloud: Cloud, clip: Path, media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "TIMEOUT", 30.0)
    released = threading.Event()
    Account.objects.update(webhook_url=behave(lambda connection: released.wait(30)))
    tell(media)
    video = cloud.upload(clip)
    worker = Worker()
    under_way = []

    def watch() -> None:
        try:
            end = time.monotonic() + 30
            jobs = Job.objects.filter(media=video, state=Job.State.DONE)
            while not jobs.exists() and time.monotonic() < end:
                time.sleep(0.05)
            under_way.append(Notification.objects.exclude(claim="").count())
            released.set()
            worker.stop()
        finally:
            connections.close_all()

    thread = threading.Thread(target=watch)
    thread.start()
    closed = worker.run()
    thread.join()

    assert closed == 1
    assert under_way == [1], "the receiver had answered, or given up, before the video was made"


# T216: what they hold


def test_t216_notifications_hold_no_secret(
    cloud: Cloud, clip: Path, media: Media, canary: Receiver
) -> None:
    made = cloud.client.media.create(
        url=cloud.client.file.upload_file(clip)["url"],
        assets_names=["mp4_h264_aac"],
        meta={"title": "a title that is nobody's business"},
    )
    cloud.work()

    assert len(canary.received) == 3
    for got in canary.received:
        text = json.dumps(got.headers) + got.body.decode()
        for secret in (media.account.api_key, *(s.secret for s in media.account.secrets.all())):
            assert secret not in text
        assert "auth=" not in text
        assert "http" not in got.body.decode()
        assert "business" not in text
        assert made["id"] in text


# The form


@pytest.mark.django_db(databases=DATABASES)
@pytest.mark.parametrize("url", ["http://example.org/", "https://127.0.0.1/", "https://a:b@c.org/"])
def test_account_refuses_an_address_that_is_never_called(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Account(name="demo", webhook_url=url).full_clean()

    assert list(caught.value.message_dict) == ["webhook_url"]
