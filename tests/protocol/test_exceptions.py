from __future__ import annotations

import copy
import pickle

import pytest

from django_cloudkey.protocol import exceptions
from django_cloudkey.protocol.exceptions import (
    EXCEPTIONS,
    ApplicationException,
    AuthenticationError,
    InvalidRequest,
    NotFound,
    RPCException,
    exception_for,
)

CODES = {
    100: "RPCException",
    200: "ProcessorException",
    300: "TransportException",
    400: "AuthenticationError",
    410: "RateLimitExceeded",
    500: "SerializerError",
    600: "InvalidRequest",
    610: "InvalidObject",
    620: "InvalidMethod",
    630: "InvalidParameter",
    640: "InvalidCall",
    650: "MissingParameter",
    1000: "ApplicationException",
    1010: "NotFound",
    1020: "Exists",
    1030: "LimitExceeded",
}


@pytest.mark.parametrize(("code", "name"), CODES.items())
def test_every_code_has_its_class(code: int, name: str) -> None:
    error = exception_for(code, "what happened", {"key": 1})

    assert type(error) is getattr(exceptions, name)
    assert (error.code, error.message, error.data) == (code, "what happened", {"key": 1})


def test_the_table_holds_the_documented_codes_and_no_other() -> None:
    assert {code: cls.__name__ for code, cls in EXCEPTIONS.items()} == CODES


@pytest.mark.parametrize(
    ("code", "parent"),
    [
        (410, AuthenticationError),
        (610, InvalidRequest),
        (620, InvalidRequest),
        (630, InvalidRequest),
        (640, InvalidRequest),
        (650, InvalidRequest),
        (1010, ApplicationException),
        (1020, ApplicationException),
        (1030, ApplicationException),
    ],
)
def test_a_class_is_caught_by_its_family(code: int, parent: type[RPCException]) -> None:
    assert EXCEPTIONS[code].__bases__ == (parent,)


@pytest.mark.parametrize("code", [0, -1, 9999, 10**30])
def test_unknown_code_stays_on_the_instance(code: int) -> None:
    error = exception_for(code, "strange")

    assert type(error) is RPCException
    assert error.code == code
    assert RPCException.code == 100
    assert exception_for(100, "usual").code == 100


def test_text_shows_code_and_message_and_data() -> None:
    assert str(NotFound("Media not found")) == "1010: Media not found"
    assert str(NotFound("Media not found", ["x"])) == "1010: Media not found [['x']]"
    assert str(exception_for(9999, "strange")) == "9999: strange"
    assert NotFound("Media not found").args == ("Media not found",)


@pytest.mark.parametrize("error", [NotFound("gone", {"id": 1}), exception_for(9999, "strange")])
def test_an_exception_survives_pickle_and_copy(error: RPCException) -> None:
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is type(error)
        assert (twin.code, twin.message, twin.data) == (error.code, error.message, error.data)
