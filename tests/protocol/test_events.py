"""Bodies of notifications: what is written is read, and what is no event is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from django_cloudkey.protocol.events import MAX_BODY, Event, read_event

MEDIA = "4d0c0ffee0000000000000aa"
WHOLE = {"type": "asset.ready", "media": MEDIA, "asset": "source", "sequence": 3,
         "created": 1700000000, "data": {"assets": {}}}  # fmt: skip


def read(**changes: Any) -> Event:
    body = {name: value for name, value in (WHOLE | changes).items() if value is not ...}
    return read_event(json.dumps(body).encode())


def test_event_that_was_written_is_read() -> None:
    event = Event(type="media.ready", media=MEDIA, sequence=9, created=1, data={"assets": {}})

    assert read_event(event.encode()) == event
    assert b"asset" not in event.encode().replace(b"assets", b"")
    assert read().asset == "source"


def test_members_that_are_unknown_are_ignored() -> None:
    assert read(version=2, type="media.renamed").type == "media.renamed"


WRONG: list[dict[str, Any]] = [
    *({"type": value} for value in (..., None, 1, "", "x" * 21, "Ä", ["media.ready"])),
    *({"media": value} for value in (..., None, "", MEDIA.upper(), MEDIA + "0", 12)),
    *({"sequence": value} for value in (..., None, -1, 1.5, True, 2**63, "3")),
    *({"created": value} for value in (..., None, -1, 1.5, "now", 2**63)),
    *({"asset": value} for value in (None, 1, "../x", "x" * 41)),
    *({"data": None}, {"data": []}, {"data": "x"}),
]


@pytest.mark.parametrize("changes", WRONG)
def test_what_is_no_event_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not an event"):
        read(**changes)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b"{", b"\xff", b'{"a": NaN}', b'{"a": Infinity}', b"1e999"),
        *(b"[" * 50_000, b'{"a":' * 10_000, b" " * (MAX_BODY + 1), b"9" * 5_000),
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"^(not JSON|not an object|nested too deeply|too large)$"):
        read_event(body)


def test_of_the_assets_only_what_is_understood_is_kept() -> None:
    assets = {
        "source": {"status": "ready", "duration": 61, "secret": "x", "stream_url": "x"},
        "mp4_h264_aac": {
            "status": "error",
            "error": {"code": "a\0b", "message": "m" * 999, "x": 1},
        },
        "abs": {"status": "ready", "duration": -1, "error": "x"},
        "live": {"status": "flying"},
        "../x": {"status": "ready"},
        "abs_fa": "ready",
    }
    assert read(data={"assets": assets}).assets == {
        "source": {"status": "ready", "duration": 61},
        "mp4_h264_aac": {"status": "error", "error": {"code": "ab", "message": "m" * 255}},
        "abs": {"status": "ready"},
    }
    assert read(data={"assets": []}).assets == {}
    body = json.dumps(WHOLE).replace(
        '"assets": {}', '"assets": {"abs": {"status": "ready", "duration": 1e999}}'
    )
    assert read_event(body.encode()).assets == {"abs": {"status": "ready"}}


@pytest.mark.parametrize(
    ("type_", "statuses", "is_true"),
    [
        ("media.ready", "ready ready", True),
        ("media.ready", "ready processing", False),
        ("media.ready", "", False),
        ("media.failed", "ready error", True),
        ("media.failed", "ready ready", False),
        ("asset.ready", "ready error", True),
        ("asset.ready", "processing ready", False),
        ("asset.failed", "error", True),
        ("asset.failed", "ready error", False),
        ("media.deleted", "", True),
    ],
)
def test_old_event_is_true_if_newer_assets_say_the_same(
    type_: str, statuses: str, is_true: bool
) -> None:
    names = ("source", "mp4_h264_aac")
    assets = {
        name: {"status": status} for name, status in zip(names, statuses.split(), strict=False)
    }
    assert read(type=type_).is_true_of(assets) is is_true


def test_text_of_a_failure_is_one_that_any_database_takes() -> None:
    failure = {"code": "x\0", "message": "a\ud800b\0" + "c" * 300}

    event = read(data={"assets": {"source": {"status": "error", "error": failure}}})

    error = event.assets["source"]["error"]
    assert error == {"code": "x", "message": "a?b" + "c" * 252}
