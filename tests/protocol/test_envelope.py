"""What is read as a call and as an answer; numbers are those of the threat table."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cloudkey.protocol.envelope import (
    MAX_DEPTH,
    MAX_MESSAGE,
    MAX_NODES,
    decode_answer,
    decode_call,
    encode_call,
    encode_error,
    encode_result,
)
from django_cloudkey.protocol.exceptions import (
    InvalidCall,
    InvalidRequest,
    NotFound,
    RPCException,
    SerializerError,
)

USER = "4d0c0ffee000000000000001"
AUTH = f"{USER}:" + "0" * 32


def request(**members: Any) -> bytes:
    return json.dumps({"call": "media.info", "auth": AUTH, **members}).encode()


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


# Calls

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    object_=st.from_regex(r"[a-z_]{1,20}", fullmatch=True),
    method=st.from_regex(r"[a-z_.]{1,20}", fullmatch=True),
    args=st.dictionaries(st.text(st.characters(codec="utf-8")), json_values, max_size=5),
    auth=st.text(st.characters(codec="utf-8")),
)
def test_what_is_encoded_is_decoded(
    object_: str, method: str, args: dict[str, Any], auth: str
) -> None:
    body = encode_call(f"{object_}.{method}", args, auth)

    call = decode_call(body)

    assert body.isascii()
    assert (call.object, call.method, call.args, call.auth) == (object_, method, args, auth)
    assert call.name == f"{object_}.{method}"
    assert call.signed == {"call": call.name, "args": args}


@given(st.binary(max_size=80))
def test_no_bytes_make_reading_a_call_fail_otherwise(body: bytes) -> None:
    with pytest.raises((SerializerError, InvalidRequest)):
        decode_call(body)


NO_JSON: list[Any] = [
    pytest.param(b"", id="T001"),
    pytest.param(b" \n", id="T001-space"),
    pytest.param(request()[:-1], id="T003-cut"),
    pytest.param(request() + b"x", id="T003-trailing"),
    pytest.param(request() * 2, id="T003-two"),
    pytest.param(b"[" * 100_000, id="T004-open"),
    pytest.param(b"[" * 100_000 + b"]" * 100_000, id="T004-lists"),
    pytest.param(b'{"a":' * 5000 + b"1" + b"}" * 5000, id="T004-objects"),
    pytest.param(b"[" * 500 + b"]" * 500, id="T005"),
    pytest.param(request(args={"x": nested(MAX_DEPTH)}), id="T005-just-too-deep"),
    pytest.param(b'{"x": NaN}', id="T007-nan"),
    pytest.param(b'{"x": Infinity}', id="T007-inf"),
    pytest.param(b'{"x": -Infinity}', id="T007-minus-inf"),
    pytest.param(b'{"x": 1e400}', id="T007-1e400"),
    pytest.param(b'{"x": -1e400}', id="T007-minus-1e400"),
    pytest.param(b'{"x": ' + b"9" * 20 + b"}", id="T008-20"),
    pytest.param(b'{"x": ' + b"9" * 4300 + b"}", id="T008-4300"),
    pytest.param(b'{"x": ' + b"9" * 4301 + b"}", id="T008-4301"),
    pytest.param(b'{"x": 9223372036854775808}', id="T008-2**63"),
    pytest.param(b'{"x": -9223372036854775809}', id="T008-minus"),
    pytest.param(b'{"call":"a.b","call":"a.c","auth":"x"}', id="T009-call"),
    pytest.param(b'{"call":"a.b","auth":"x","auth":"x"}', id="T009-auth"),
    pytest.param(b'{"call":"a.b","auth":"x","args":{"id":1,"id":1}}', id="T009-id"),
    pytest.param(b'{"call":"a.b","auth":"x","args":{"id":1,"i\\u0064":1}}', id="T009-escape"),
    pytest.param(request(args={"x": "\ud800"}), id="T010-value"),
    pytest.param(request(args={"\udfff": 1}), id="T010-key"),
    pytest.param(request(call="media.\ud800"), id="T010-call"),
    pytest.param(request().decode().encode("utf-16"), id="T012-utf-16"),
    pytest.param(request().decode().encode("utf-32"), id="T012-utf-32"),
    pytest.param(b"\xef\xbb\xbf" + request(), id="T012-bom"),
    pytest.param(b'{"x": "\xff"}', id="T012-invalid"),
    pytest.param(b'{"x": "\xed\xa0\x80"}', id="T012-utf-8-surrogate"),
    pytest.param(request(args={"x": [0] * MAX_NODES}), id="T027"),
    pytest.param(b"{" + b"{},".join([b""] * 9) + b"}", id="no-keys"),
    pytest.param(b"{'call': 'a.b'}", id="quotes"),
    pytest.param(b'{"x": "a\nb"}', id="control-character"),
    pytest.param(b'{"x": 01}', id="leading-zero"),
    pytest.param(b'{"x": \xd9\xa3}', id="unicode-digit"),
]


@pytest.mark.parametrize("body", NO_JSON)
def test_what_is_no_json_of_the_protocol_is_refused(body: bytes) -> None:
    started = time.monotonic()

    with pytest.raises(SerializerError, match=r"^500: The request (is not valid|is nested|holds)"):
        decode_call(body)

    assert time.monotonic() - started < 2


def test_limits_are_reached_and_not_passed() -> None:
    deepest = {"x": nested(MAX_DEPTH - 2)}
    # The request, its three members and their names, and the members of args.
    widest = {"x": [0] * (MAX_NODES - 9)}

    assert decode_call(request(args=deepest)).args == deepest
    assert decode_call(request(args=widest)).args == widest
    with pytest.raises(SerializerError, match="nested too deeply"):
        decode_call(request(args={"x": nested(MAX_DEPTH - 1)}))
    with pytest.raises(SerializerError, match="too many values"):
        decode_call(request(args={"x": [0] * (MAX_NODES - 8)}))


NO_OBJECT: list[Any] = [b"null", b"1", b'"x"', b"[]", b"true", b"[" + request() + b"]"]


@pytest.mark.parametrize("body", NO_OBJECT)
def test_t002_request_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"^600: A request is one JSON object\.$") as caught:
        decode_call(body)

    assert type(caught.value) is InvalidRequest


NO_MEMBER: list[Any] = [
    "callmedia.set_meta",
    "jsonrpc",
    "id",
    "Auth",
    "auth ",
    "",
    "arg",
    "x" * 1000,
]


@pytest.mark.parametrize("member", NO_MEMBER)
def test_t015_unknown_member_is_refused(member: str) -> None:
    with pytest.raises(InvalidRequest, match="600: A request has no member") as caught:
        decode_call(request(**{member: ""}))

    assert len(str(caught.value)) < 200


NO_ARGUMENTS: list[Any] = [[1], ["id"], [{}], "", "x", 0, 1, 1.5, True, False]


@pytest.mark.parametrize("args", NO_ARGUMENTS)
def test_t016_arguments_that_are_not_named_are_refused(args: Any) -> None:
    with pytest.raises(InvalidRequest, match="600: 'args' is an object of named arguments"):
        decode_call(request(args=args))


@pytest.mark.parametrize(
    ("members", "signed"),
    [
        ({}, {"call": "media.info"}),
        ({"args": None}, {"call": "media.info", "args": None}),
        ({"args": []}, {"call": "media.info", "args": []}),
        ({"args": {}}, {"call": "media.info", "args": {}}),
    ],
)
def test_t017_no_arguments_may_be_written_in_four_ways(
    members: dict[str, Any], signed: dict[str, Any]
) -> None:
    call = decode_call(request(**members))

    assert call.args == {}
    assert call.signed == signed


NO_CALL: list[Any] = [
    "",
    "media",
    ".info",
    "media.",
    ".",
    "x" * 10_000,
    1,
    True,
    [],
    ["media.info"],
    {},
]


@pytest.mark.parametrize("call", NO_CALL)
def test_t018_call_that_is_no_name_is_refused(call: Any) -> None:
    with pytest.raises(InvalidCall, match=r"^640: 'call' is of the form object\.method\.$"):
        decode_call(request(call=call))


@pytest.mark.parametrize("body", [b'{"auth": "x"}', b'{"auth": "x", "call": null}'])
def test_t018_missing_call_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="600: A request needs a text 'call'"):
        decode_call(body)


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        ("a.b.c", ("a", "b.c")),
        ("a..b", ("a", ".b")),
        ("media.__init__", ("media", "__init__")),
        ("media.info\n", ("media", "info\n")),
        ("media.info\0", ("media", "info\0")),
        ("Media.info", ("Media", "info")),
        ("mеdia.info", ("mеdia", "info")),  # a Cyrillic letter
    ],
)
def test_t018_to_t020_names_are_split_at_the_first_point_and_not_changed(
    call: str, parts: tuple[str, str]
) -> None:
    decoded = decode_call(request(call=call))

    assert (decoded.object, decoded.method) == parts


@pytest.mark.parametrize("auth", [None, 1, True, [], {}, ["x"]])
def test_t031_authentication_that_is_no_text_is_refused(auth: Any) -> None:
    with pytest.raises(InvalidRequest, match="600: A request needs a text 'auth'"):
        decode_call(request(auth=auth))


@pytest.mark.parametrize(
    "body",
    [
        rb'{"call":"media.info","args":{"url":"http:\/\/a\/b","t":"Caf\u00e9"},"auth":"x"}',
        '{ "auth" : "x" , "args":{"t":"Café","url":"http://a/b"}, "call":"media.info" }'.encode(),
        rb'{"call":"media.info","args":{"t":"Caf\u00e9","url":"http://a/b"},"auth":"\u0078"}',
    ],
)
def test_every_clients_way_of_escaping_reads_the_same(body: bytes) -> None:
    call = decode_call(body)

    assert call.args == {"url": "http://a/b", "t": "Café"}
    assert (call.name, call.auth) == ("media.info", "x")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"x", {1}, object(), {("a",): 1}])
def test_t257_value_that_json_cannot_carry_is_not_sent(value: Any) -> None:
    with pytest.raises(SerializerError, match=r"^500: A value cannot be written as JSON\.$"):
        encode_call("media.info", {"x": value}, AUTH)


# Answers


@given(json_values)
def test_a_result_comes_back(value: Any) -> None:
    body = encode_result(value)

    assert body.isascii()
    assert "error" not in json.loads(body)
    assert decode_answer(body) == value


@given(st.text(st.characters(codec="utf-8"), max_size=50), json_values)
def test_an_error_comes_back_as_its_class(message: str, data: Any) -> None:
    body = encode_error(NotFound(message, data))

    with pytest.raises(NotFound) as caught:
        decode_answer(body)

    assert body.isascii()
    assert "result" not in json.loads(body)
    assert ("data" in json.loads(body)["error"]) == (data is not None)
    assert (caught.value.code, caught.value.message, caught.value.data) == (1010, message, data)


@pytest.mark.parametrize(
    "body", [b'{"result": 1, "error": null}', b'{"error": null, "result": 1}', b'{"result": 1}']
)
def test_null_error_beside_a_result_is_a_result(body: bytes) -> None:
    assert decode_answer(body) == 1


def test_absent_result_is_none() -> None:
    assert decode_answer(b"{}") is None


@pytest.mark.parametrize(
    "body",
    [
        b"<html>It works!</html>",
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"1",
        b'{"result": "\xff"}',
        b'{"result": NaN}',
        b'{"result": Infinity}',
        b'{"result": ' + b"[" * 100_000,
        b'{"result": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"result": 1} x',
        b'\xef\xbb\xbf{"result": 1}',
        '{"result": 1}'.encode("utf-16"),
        b'{"result": ' + b"9" * 5000 + b"}",
        b'{"error": "broken"}',
        b'{"error": 1}',
        b'{"error": 0}',
        b'{"error": ""}',
        b'{"error": []}',
        b'{"error": {}}',
        b'{"error": false}',
        b'{"error": true}',
        b'{"error": [{"code": 1010}]}',
        b'{"error": {"message": "x"}}',
        b'{"error": {"code": null}}',
        b'{"error": {"code": "1010"}}',
        b'{"error": {"code": 10.5}}',
        b'{"error": {"code": true}}',
        b'{"error": {"code": [1010]}}',
        b'{"error": {"code": ' + b"9" * 5000 + b"}}",
        b'{"error": {}, "result": 1}',
    ],
)
def test_t249_answer_that_is_none_is_a_serializer_error(body: bytes) -> None:
    with pytest.raises(SerializerError, match=r"^500: The server's (answer is not|error has no)"):
        decode_answer(body)


@pytest.mark.parametrize("code", [0, -1, 7, 9999, 10**100])
def test_t250_unknown_code_is_on_the_instance_alone(code: int) -> None:
    body = json.dumps({"error": {"code": code, "message": "strange"}}).encode()

    with pytest.raises(RPCException) as caught:
        decode_answer(body)

    assert type(caught.value) is RPCException
    assert caught.value.code == code
    assert RPCException.code == 100
    assert NotFound.code == 1010


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("x" * 1_000_000, "x" * MAX_MESSAGE),
        (["x"], "['x']"),
        (None, "None"),
        ({"a": 1}, "{'a': 1}"),
        ("\ud800", "\ud800"),
        ("\x1b[2J", "\x1b[2J"),
    ],
)
def test_t250_strange_message_becomes_bounded_text(message: Any, expected: str) -> None:
    body = json.dumps({"error": {"code": 1010, "message": message}, "result": 1}).encode()

    with pytest.raises(NotFound) as caught:
        decode_answer(body)

    assert caught.value.message == expected


def test_t250_missing_message_is_empty() -> None:
    with pytest.raises(NotFound) as caught:
        decode_answer(b'{"error": {"code": 1010}}')

    assert caught.value.message == ""


@pytest.mark.parametrize("data", ["x" * 1_000_000, ["x" * 10] * 100_000])
def test_t250_text_of_an_error_is_bounded_however_much_came_with_it(data: Any) -> None:
    body = json.dumps({"error": {"code": 1010, "message": "gone", "data": data}}).encode()

    with pytest.raises(NotFound) as caught:
        decode_answer(body)

    assert caught.value.data == data
    assert str(caught.value).startswith("1010: gone [")
    assert len(str(caught.value)) < 2 * MAX_MESSAGE


@given(st.binary(max_size=60))
def test_no_bytes_make_reading_an_answer_fail_otherwise(body: bytes) -> None:
    with pytest.raises(RPCException):
        decode_answer(body)


def test_t006_many_values_are_refused_before_they_take_memory() -> None:
    body = b'{"call": "media.list", "auth": "x", "args": {"fields": [' + b"{}," * 300_000 + b"{}]}}"
    tracemalloc.start()

    with pytest.raises(SerializerError, match="500: The request holds too many values"):
        decode_call(body)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1024 * 1024
