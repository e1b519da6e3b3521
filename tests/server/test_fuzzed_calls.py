"""
Calls that nobody would write, thrown at the WSGI entry.

``pytest --hypothesis-profile=long`` throws them for minutes; see CONTRIBUTING.rst.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.utils import timezone
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from django_cloudkey.protocol.signing import sign_call
from django_cloudkey.server.models import Account, Asset, Media, Organisation, UploadSlot
from django_cloudkey.server.rpc import methods  # noqa: F401 - registers them
from django_cloudkey.server.rpc.registry import METHODS
from django_cloudkey.server.uploads.slots import file_url, open_slot

from ..conftest import DATABASES

SECRET = "only-for-the-other-account"
fuzzed = settings(deadline=None, suppress_health_check=list(HealthCheck))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A cloud of two accounts; what is called is the first one's to call."""

    own: Account
    other: Account
    own_media: str
    own_url: str
    known: str
    """Id of a media of the other, which the caller has heard of."""
    known_url: str
    hidden: tuple[str, ...]
    """What the caller has never heard of, and never may."""
    send: Callable[[bytes, dict[str, str]], bytes]

    def check(self, body: bytes, headers: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
        """Send *body*, undo what it did, and check the answer."""
        caplog.clear()
        with transaction.atomic(using="cloud"):
            content = self.send(body, headers)
            others = list(Media.objects.filter(account=self.other).order_by("id").values())
            assets = list(Asset.objects.filter(media__account=self.other).order_by("id").values())
            transaction.set_rollback(True, using="cloud")

        assert [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR] == []
        answer = json.loads(content)
        assert set(answer) in ({"result"}, {"error"})
        for secret in self.hidden:
            assert secret.encode() not in content
        if self.known.encode() in content:
            assert "error" in answer  # which may repeat a name that the request made up
            assert self.known in json.dumps(json.loads(body))
        assert [row["meta"] for row in others] == [{"title": SECRET}] * 2
        assert len(assets) == 4
        if "error" in answer:
            assert set(answer["error"]) <= {"code", "message", "data"}
            event(f"error {answer['error']['code']}")
        else:
            event("result")


def media_of(account: Account, title: str) -> tuple[Media, UploadSlot]:
    """Make a media with a source and an asset that is ready, and the upload of another."""
    media = Media.objects.create(account=account, meta={"title": title})
    for name in ("source", "mp4_h264_aac"):
        Asset.objects.create(
            media=media,
            name=name,
            status=Asset.Status.READY,
            file=f"{media.pk}/{name}",
            created=timezone.now(),
            facts={"container": "mp4", "video_codec": title},
        )
    slot = open_slot(account)
    UploadSlot.objects.filter(pk=slot.pk).update(state="done", file=f"uploads/{slot.pk}")
    return media, slot


@pytest.fixture
def _connections_stay_open() -> Iterator[None]:
    """A request ends by closing them, also in the middle of the transaction that undoes it."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def target(account: Account, _connections_stay_open: None) -> Target:
    organisation = Organisation.objects.create(name=f"{SECRET}, all of them")
    other = Account.objects.create(name=SECRET, organisation=organisation, is_manager=True)
    own_media, own_slot = media_of(account, "own")
    known, known_slot = media_of(other, SECRET)
    unheard, slot = media_of(other, SECRET)
    application = WSGIHandler()

    def send(body: bytes, headers: dict[str, str]) -> bytes:
        statuses: list[str] = []

        def start(status: str, head: Any, error: Any = None, /) -> Callable[[bytes], object]:
            statuses.append(status)
            return lambda data: None

        environ = {
            "REQUEST_METHOD": "POST", "PATH_INFO": "/cloud/api", "SCRIPT_NAME": "",
            "QUERY_STRING": "", "SERVER_NAME": "testserver", "SERVER_PORT": "80",
            "REMOTE_ADDR": "", "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "http", "wsgi.errors": io.StringIO(), **headers,
        }  # fmt: skip
        response = application(environ, start)
        content = b"".join(response)
        response.close()
        assert statuses == ["200 OK"]
        return content

    return Target(
        own=account,
        other=other,
        own_media=own_media.pk,
        own_url=file_url(own_slot),
        known=known.pk,
        known_url=file_url(known_slot),
        hidden=(SECRET, other.api_key, account.api_key, unheard.pk, slot.pk, organisation.pk),
        send=send,
    )


# What a call may hold. Words in braces become what only the running test knows.

NAMES = sorted({name for method in METHODS.values() for name in method.arguments._checks})
IDS = ["{own}", "{known}", "{other}", "{self}"]
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.text(max_size=12),
    st.sampled_from([
        *IDS, "{own_url}", "{known_url}", "", "\0", "é\u2028\U0001f3ac", "x" * 9000, "%",
        "' OR 1=1", "SORT:meta.title", "meta.title:x", "created:1", "created:9e999", "meta.title",
        "meta.a.b", "assets.source", "assets", "stats", "account", "id", "source", "mp4_h264_aac",
        "jpeg_thumbnail_small", "hls_h264_aac", "00:00:01.00", "99:59:59.999", "?", "media",
    ]),
)  # fmt: skip
ANYTHING = st.recursive(
    ODD,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=5)), inner, max_size=3),
    ),
    max_leaves=6,
)
META = st.dictionaries(
    st.one_of(st.sampled_from(["title", "author", "_" * 64]), st.text(max_size=4)), ODD, max_size=3
)
FIELD = st.sampled_from([
    "id", "meta", "meta.title", "assets", "assets.source.duration", "created", "embed_url",
    "assets.mp4_h264_aac.stream_url", "frame_ratio", "owner", "account.api_key", "stats",
    "assets.source.error",
])  # fmt: skip
ASSET = st.sampled_from(["source", "mp4_h264_aac", "jpeg_thumbnail_small", "mp4_h264_aac_hq"])
RIGHT: dict[str, st.SearchStrategy[Any]] = {
    "id": st.sampled_from([*IDS, "{own}", "{own}"]),
    "org_id": st.sampled_from(IDS),
    "url": st.sampled_from(["{own_url}", "{known_url}"]),
    "meta": META,
    "fields": st.lists(FIELD, max_size=3),
    "keys": st.lists(st.sampled_from(["title", "no"]), max_size=2),
    "page": st.integers(1, 3) | st.just(2**31 - 1),
    "per_page": st.integers(1, 100),
    "count": st.integers(1, 100),
    "sort": st.lists(st.tuples(FIELD, st.sampled_from([1, -1])).map(list), max_size=3),
    "filter": st.dictionaries(FIELD, ODD, max_size=2),
    "query": st.lists(
        st.sampled_from(["own", SECRET[:4], "meta.title:own", "SORT:-created", "%", "meta.a'b:x"])
    ).map(" ".join),
    "assets_names": st.lists(ASSET, max_size=3),
    "assets": st.lists(
        st.fixed_dictionaries(
            {"name": ASSET},
            optional={
                "url": st.sampled_from(["{own_url}", "{known_url}"]),
                "action": st.just("transcode"),
                "source_asset": ASSET,
            },
        ),
        max_size=3,
    ),
    "timecode": st.sampled_from(["00:00:01.00", "99:00:00"]),
    "status": st.booleans(),
    "jsonp_cb": st.sampled_from(["?", "", "f.g"]),
    "target": st.sampled_from(["", "https://evil.example/"]),
    "object": st.just("media"),
    **dict.fromkeys(("asset_name", "preset", "source_asset", "source_preset"), ASSET),
}


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a call with right arguments, of which perhaps some are not."""
    method = METHODS[draw(st.sampled_from(sorted(METHODS)))]
    checks = method.arguments._checks
    named = set(draw(st.lists(st.sampled_from(sorted(checks)), max_size=4))) if checks else set()
    args: dict[str, Any] = {
        name: draw(RIGHT.get(name, ODD)) for name in sorted(named | method.arguments._required)
    }
    match draw(st.sampled_from(["", "", "", "change", "add", "drop"])):
        case "change" if args:
            args[draw(st.sampled_from(sorted(args)))] = draw(ANYTHING)
        case "add":
            args[draw(st.one_of(st.sampled_from([*NAMES, *IDS]), st.text(max_size=8)))] = draw(ODD)
        case "drop" if args:
            del args[draw(st.sampled_from(sorted(args)))]
    return {"call": method.name, "args": args}


KEYS = st.one_of(
    st.none(),
    st.sampled_from(["", "key", "a b", "x" * 256, "\xff\xe9"]),
    st.text("ab!~\x7f", max_size=4),
)


def filled(target: Target, value: Any) -> Any:
    """Return *value* with the words in braces replaced."""
    text = json.dumps(value)
    for word, known in (
        ("{own}", target.own_media),
        ("{known}", target.known),
        ("{self}", target.own.pk),
        ("{other}", target.other.pk),
        ("{own_url}", target.own_url),
        ("{known_url}", target.known_url),
    ):
        text = text.replace(word, known)
    return json.loads(text)


def headers_of(key: str | None) -> dict[str, str]:
    return {} if key is None else {"HTTP_IDEMPOTENCY_KEY": key}


@pytest.mark.django_db(transaction=True, databases=DATABASES)
@fuzzed
@given(request=requests(), key=KEYS)
def test_signed_call_with_odd_arguments_gets_an_answer_and_nobody_else_s(
    target: Target, caplog: pytest.LogCaptureFixture, request: dict[str, Any], key: str | None
) -> None:
    request = filled(target, request)
    auth = sign_call(target.own.pk, request, target.own.api_key)

    target.check(json.dumps({**request, "auth": auth}).encode(), headers_of(key), caplog)


PIECES = [
    b'"', b"}", b"{", b",", b"[", b"\\", b"0", b"\xff", b"NaN", b"\\ud800", b"\0", b" ", b"1e999",
    b"\xef\xbb\xbf", b'"call":"media.reset",',
]  # fmt: skip


@st.composite
def envelopes(draw: st.DrawFn) -> tuple[dict[str, Any], str, Any, dict[str, Any], list[Any]]:
    """Draw a call, who signs it, an odd ``auth``, other members, and changes of its bytes."""
    caller = draw(
        st.sampled_from(
            ["{self}", "{self}", "{self}/{other}", "{other}", "", "{other}/{self}", "\0"]
        )
    )
    odd_auth = draw(st.one_of(st.just(...), st.just(...), ANYTHING))
    members = draw(
        st.dictionaries(
            st.sampled_from(["call", "args", "auth", "Call", "jsonrpc", "args ", ""]),
            st.one_of(ANYTHING, st.just("media.delete"), st.just("media"), st.just("no.such")),
            max_size=2,
        )
    )
    change = st.tuples(st.floats(0, 1), st.integers(0, 3), st.sampled_from(PIECES))
    changes = draw(st.one_of(st.just([]), st.lists(change, max_size=3)))
    return draw(requests()), caller, odd_auth, members, changes


@pytest.mark.django_db(transaction=True, databases=DATABASES)
@fuzzed
@given(drawn=envelopes(), key=KEYS, after=st.booleans())
def test_near_miss_of_a_call_gets_an_answer_and_nobody_else_s(
    target: Target, caplog: pytest.LogCaptureFixture, drawn: Any, key: str | None, after: bool
) -> None:
    request, caller, odd_auth, members, changes = filled_all(target, drawn)
    signed = {**request, **members} if after else request
    auth = sign_call(caller, signed, target.own.api_key) if odd_auth is ... else odd_auth
    body = json.dumps({**request, "auth": auth, **members}).encode()
    for where, length, put in changes:
        start = int(where * len(body))
        body = body[:start] + put + body[start + length :]

    target.check(body, headers_of(key), caplog)


def filled_all(target: Target, drawn: Any) -> tuple[Any, ...]:
    request, caller, odd_auth, members, changes = drawn
    return (
        filled(target, request),
        filled(target, caller),
        odd_auth if odd_auth is ... else filled(target, odd_auth),
        filled(target, members),
        changes,
    )
