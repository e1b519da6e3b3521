"""A secret of scheme 2 and what it signed, as T261 asks: shown by nothing."""

from __future__ import annotations

import logging
import pickle
import re
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from django_cloudkey.client import CloudKey, RPCException
from django_cloudkey.protocol.scheme2.keys import Keys, new_secret

from .behaviours import half_a_body, junk, reset
from .conftest import USER_ID, Behaviour, HostileServer, answer
from .test_threats import Failing, shown_by

SECRET = new_secret().reveal()


def signature_of(header: str) -> str:
    """Return what nobody else can make of an ``Authorization``."""
    return max((str(each) for each in re.findall(r"[A-Za-z0-9_-]+", header)), key=len)


@pytest.fixture
def client(server: HostileServer) -> CloudKey:
    return CloudKey(USER_ID, None, server.url, secret=SECRET, kid="k1", retries=0)


class Signing(Failing):
    """A transport that signs, and then fails deep inside the call."""

    signature = ""

    def call(self, body: bytes, **how: Any) -> Any:
        self.signature = signature_of(how.pop("authorize")())
        return super().call(body, **how)


def test_t261_no_traceback_with_locals_and_no_technical_page_shows_a_secret() -> None:
    transport = Signing()
    client = CloudKey(
        USER_ID, None, "https://video.example.org", secret=SECRET, kid="k1", transport=transport
    )

    with pytest.raises(ZeroDivisionError) as caught:
        client.act_as_user("someone").media.list(fields=["id"])

    assert len(transport.signature) == 43
    keys = client.signing_keys
    assert keys
    derived = (keys.url, keys.rpc, keys.webhook, keys.bind)
    things = (client, client.media, keys, *derived, vars(client), vars(client.media))
    for text in (shown_by(caught.value), *map(repr, things), *map(str, things)):
        assert SECRET[:12] not in text


@pytest.mark.parametrize(
    "behaviour", [reset, junk, half_a_body, answer(b"<html>"), answer(b"", "302 x")]
)
def test_t261_no_failure_of_the_network_shows_a_signature(
    server: HostileServer,
    client: CloudKey,
    behaviour: Behaviour,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.does(behaviour)

    # In a thread: the test's own frame, which knows all, is not in its traceback.
    with caplog.at_level(logging.DEBUG), ThreadPoolExecutor(1) as thread:
        error = thread.submit(client.media.list, fields=["id"]).exception()

    assert isinstance(error, RPCException)
    shown = shown_by(error) + "".join(str(vars(record)) for record in caplog.records)
    signature = signature_of(server.requests[0].header("Authorization"))
    assert len(signature) == 43
    assert signature not in shown
    assert SECRET[:12] not in shown


@pytest.mark.parametrize(
    "given",
    [{"kid": "k 1"}, {"kid": None}, {"secret": SECRET[:-1] + "!"}, {"secret": SECRET[:20]}],
    ids=["bad kid", "no kid", "no base64url", "too short"],  # the same in every process
)
def test_t261_wrong_arguments_do_not_show_the_secret(given: dict[str, Any]) -> None:
    try:
        CloudKey(
            USER_ID, None, "https://video.example.org", **{"secret": SECRET, "kid": "k1", **given}
        )
    except ValueError:
        kind, error, trace = sys.exc_info()
    assert kind
    assert error

    captured = traceback.TracebackException(
        kind, error, trace and trace.tb_next, capture_locals=True
    )

    assert SECRET[:12] not in "".join(captured.format())


def test_t261_keys_are_not_pickled(client: CloudKey) -> None:
    for thing in (client, client.signing_keys, Keys(USER_ID, "k1", SECRET).rpc):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(thing)
