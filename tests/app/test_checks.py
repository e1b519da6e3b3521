"""Each wrong alias of ``CLOUDKEYS`` is a message with an id; none asks the network."""

from __future__ import annotations

from typing import Any

import pytest

from django_cloudkey.checks import check_accounts


def configure(settings: Any, **keys: object) -> None:
    settings.CLOUDKEYS = {"default": {**settings.CLOUDKEYS["default"], **keys}}


def test_good_settings_are_silent() -> None:
    assert check_accounts(None) == []


def test_misspelt_key_is_guessed(settings: Any) -> None:
    configure(settings, BASE_ULR="http://x")

    (message,) = check_accounts(None)
    assert message.id == "cloudkey.E001"
    assert message.msg == "CLOUDKEYS[\"default\"] has an unknown key 'BASE_ULR'."
    assert message.hint == "Did you mean 'BASE_URL'?"


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"USER_ID": ""}, 'CLOUDKEYS["default"]["USER_ID"] is missing.'),
        ({"API_KEY": None}, 'CLOUDKEYS["default"]["API_KEY"] is missing.'),
        ({"BASE_URL": ""}, 'CLOUDKEYS["default"]["BASE_URL"] is missing.'),
        (
            {"BASE_URL": "cloud.example"},
            "must start with http:// or https://, got 'cloud.example'.",
        ),
        ({"TRANSPORT": "pigeon"}, "must be one of http, in-process, got 'pigeon'."),
        ({"RETRIES": -1}, "must be a whole number from 0, got -1."),
        ({"RETRIES": "2"}, "must be a whole number from 0, got '2'."),
        ({"TIMEOUT": "soon"}, "could not convert string to float: 'soon'"),
        ({"SECLEVEL": "ipp"}, "'ipp' is no security level"),
        ({"TRUSTED_PROXIES": ["proxy"]}, "'proxy' does not appear to be"),
    ],
)
def test_wrong_value_is_named(settings: Any, keys: dict[str, Any], sentence: str) -> None:
    configure(settings, **keys)

    (message,) = check_accounts(None)
    assert message.id == "cloudkey.E002"
    assert sentence in message.msg
    assert "0123456789abcdef" not in message.msg
