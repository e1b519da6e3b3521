"""T257: the text that is signed is the text that is sent, or nothing is sent."""

from __future__ import annotations

import datetime as dt
import json
from collections import OrderedDict, UserDict, UserString, defaultdict
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from django.db.models import TextChoices
from django.utils.functional import SimpleLazyObject, lazystr
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy, override
from hypothesis import given
from hypothesis import strategies as st

from django_cloudkey.client import CloudKey, SerializerError
from django_cloudkey.client.arguments import plain
from django_cloudkey.protocol.envelope import decode_call
from django_cloudkey.protocol.normalization import normalize
from django_cloudkey.protocol.secret import Secret
from django_cloudkey.protocol.signing import verify_call

from .conftest import API_KEY, USER_ID, HostileServer


class Colour(TextChoices):
    RED = "red"


class Word(str, Enum):  # noqa: UP042 - its str() is another text
    YES = "yes"


class Number(IntEnum):
    SEVEN = 7


class Loud(str):
    """A text that shows itself as another."""

    __slots__ = ()

    def __str__(self) -> str:
        return "LOUD"


class Half(float):
    def __repr__(self) -> str:
        return "half"


class Many(int):
    def __str__(self) -> str:
        return "many"

    __repr__ = __str__


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (Colour.RED, "red"),
        (Word.YES, "yes"),
        (Number.SEVEN, 7),
        (Loud("quiet"), "quiet"),
        (Half(0.5), 0.5),
        (Many(3), 3),
        (mark_safe("<b>"), "<b>"),
        (UserString("user"), "user"),
        (lazystr("lazy"), "lazy"),
        (gettext_lazy("Videos"), "Videos"),
        ([gettext_lazy("Videos"), (Colour.RED, [lazystr("x")])], ["Videos", ["red", ["x"]]]),
        ({Colour.RED: lazystr("x")}, {"red": "x"}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (defaultdict(int, a=1), {"a": 1}),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (True, True),
        (0.1, 0.1),
        (1e300, 1e300),
        ("é\u2028\0😀", "é\u2028\0😀"),
        ({}, {}),
        ([None], [None]),
    ],
)
def test_t257_value_is_signed_as_it_is_sent(
    server: HostileServer, client: CloudKey, value: Any, sent: Any
) -> None:
    server.answers(b'{"result": 1}')

    with override("en"):
        client.test.echo(value=value)

    assert server.requests[0].json["args"] == {"value": sent}
    call = decode_call(server.requests[0].body)
    assert verify_call(call.auth, call.signed, API_KEY) == "python"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"bytes", "A value of type bytes"),
        (bytearray(b"x"), "A value of type bytearray"),
        (dt.datetime(2026, 1, 1), "A value of type datetime"),  # noqa: DTZ001 - naive on purpose
        (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "A value of type datetime"),
        (dt.date(2026, 1, 1), "A value of type date"),
        (dt.timedelta(1), "A value of type timedelta"),
        (Decimal("1.0"), "A value of type Decimal"),
        (Fraction(1, 3), "A value of type Fraction"),
        (UUID(int=1), "A value of type UUID"),
        ({1}, "A value of type set"),
        (frozenset(), "A value of type frozenset"),
        (iter([]), "A value of type list_iterator"),
        (range(3), "A value of type range"),
        (1j, "A value of type complex"),
        (object(), "A value of type object"),
        (Secret(API_KEY), "A value of type Secret"),
        (UserDict(a=1), "A value of type UserDict"),
        (SimpleLazyObject(lambda: "x"), "A value of type SimpleLazyObject"),
        (float("nan"), "nan cannot be sent"),
        (float("inf"), "inf cannot be sent"),
        (float("-inf"), "-inf cannot be sent"),
        (2**63, "A whole number beyond 64 bits"),
        (-(2**63) - 1, "A whole number beyond 64 bits"),
        (10**1000, "A whole number beyond 64 bits"),
        ("\ud800", "A text with a lone surrogate"),
        ({"\udcff": 1}, "A text with a lone surrogate"),
        ({1: 2}, "must be texts, got 1"),
        ({None: 2}, "must be texts, got None"),
        ({(1, 2): 2}, r"must be texts, got \(1, 2\)"),
        ({b"a": 2}, "must be texts, got b'a'"),
    ],
)
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [[x]], lambda x: {"a": {"b": x}}])
def test_t257_what_json_cannot_carry_is_refused_and_not_sent(
    server: HostileServer, client: CloudKey, value: Any, reason: str, wrap: Any
) -> None:
    with pytest.raises(SerializerError, match=reason) as caught:
        client.media.set_meta(id="0" * 24, meta={"x": wrap(value)})

    assert server.connections == 0
    assert API_KEY not in str(caught.value)


def test_t257_objects_of_the_client_are_no_arguments(client: CloudKey) -> None:
    for thing in (client, client.media, client.other, client.media.list):
        with pytest.raises(SerializerError, match="A value of type"):
            client.other.thing(value=thing)


def test_t257_value_inside_itself_is_refused(client: CloudKey) -> None:
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(SerializerError, match="nested too deeply"):
        client.other.thing(value=endless)


def test_deepest_value_is_what_the_server_takes(server: HostileServer, client: CloudKey) -> None:
    def nested(depth: int) -> Any:
        return [nested(depth - 1)] if depth else "x"

    server.answers(b'{"result": 1}')
    client.other.thing(value=nested(14))

    assert decode_call(server.requests[0].body).args == {"value": nested(14)}
    with pytest.raises(SerializerError, match="nested too deeply"):
        client.other.thing(value=nested(15))


def test_arguments_stay_as_they_were(client: CloudKey, server: HostileServer) -> None:
    server.answers(b'{"result": 1}')
    meta = {"title": lazystr("x"), "list": (1, 2)}

    client.media.set_meta(id="0" * 24, meta=meta)

    assert meta["list"] == (1, 2)
    assert not isinstance(meta["title"], str)


def test_name_of_a_call_is_a_text_that_json_carries(client: CloudKey) -> None:
    with pytest.raises(SerializerError, match="lone surrogate"):
        client.call("media.\ud800")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(JSON)
def test_t257_what_is_accepted_comes_back_the_same(value: Any) -> None:
    try:
        accepted = plain({"v": value})
    except SerializerError:
        return

    received = json.loads(json.dumps(accepted))
    assert received == accepted == {"v": value}
    assert normalize(received) == normalize(accepted)


def test_user_id_is_part_of_what_is_signed(server: HostileServer) -> None:
    server.answers(b'{"result": 1}')
    client = CloudKey(USER_ID, API_KEY, server.url)

    client.media.list()

    call = decode_call(server.requests[0].body)
    assert call.auth.startswith(f"{USER_ID}:")
