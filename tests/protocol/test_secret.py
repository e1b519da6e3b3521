from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from pprint import pformat

import pytest

from django_cloudkey.protocol.secret import Secret

KEY = "efe706ce78eb1b09cb0e68ed72dfe0cef3361348"


@pytest.mark.parametrize(
    "shown",
    [
        repr(Secret(KEY)),
        str(Secret(KEY)),
        f"{Secret(KEY)}",
        f"{Secret(KEY)!r:>80}",
        "{}".format(Secret(KEY)),  # noqa: UP032
        "%s %r" % (Secret(KEY), Secret(KEY)),  # noqa: UP031
        pformat({"key": [Secret(KEY)]}),
        ascii(Secret(KEY)),
    ],
)
def test_no_text_form_shows_the_key(shown: str) -> None:
    assert KEY not in shown
    assert "Secret('…')" in shown or r"Secret('\u2026')" in shown


def test_the_key_comes_out_when_it_is_asked_for() -> None:
    assert Secret(KEY).reveal() == KEY


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_cannot_be_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="A Secret cannot be pickled") as caught:
        pickle.dumps({"key": Secret(KEY)}, protocol)

    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_it_cannot_be_copied_or_written_as_json() -> None:
    with pytest.raises(TypeError):
        copy.deepcopy(Secret(KEY))
    with pytest.raises(TypeError) as caught:
        json.dumps(Secret(KEY))
    assert KEY not in str(caught.value)


def test_it_has_no_variables_to_list() -> None:
    with pytest.raises(TypeError):
        vars(Secret(KEY))


def test_a_log_record_does_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger(__name__).info("key=%s %r", Secret(KEY), {"k": Secret(KEY)})

    assert caplog.messages == ["key=Secret('…') {'k': Secret('…')}"]


def test_equality_is_between_secrets_only() -> None:
    assert Secret(KEY) == Secret(KEY)
    assert Secret(KEY) != Secret(KEY[:-1])
    assert Secret(KEY) != KEY
    assert len({Secret(KEY), Secret(KEY), Secret("x")}) == 2
    assert hash(Secret(KEY)) != hash(KEY)


def test_an_empty_key_is_false() -> None:
    assert not Secret("")
    assert Secret(KEY)


def test_reading_a_missing_attribute_does_not_show_it() -> None:
    with pytest.raises(AttributeError) as caught:
        Secret(KEY).value  # type: ignore[attr-defined] # noqa: B018

    error = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert KEY not in "".join(error.format())
