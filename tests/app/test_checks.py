"""Each wrong alias of ``CLOUDKEYS`` is a message with an id; none asks the network."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_cloudkey import cloudkeys
from django_cloudkey.addresses import sign_for
from django_cloudkey.checks import check_accounts, check_lifetimes, check_name
from django_cloudkey.conf import KEYS, REQUIRED, account_settings


def configure(settings: Any, **keys: object) -> None:
    settings.CLOUDKEYS = {"default": {**settings.CLOUDKEYS["default"], **keys}}


NEW = "A" * 42 + "E"  # 32 bytes


def test_good_settings_are_silent() -> None:
    assert check_accounts(None) == []


def test_misspelt_key_is_guessed(settings: Any) -> None:
    configure(settings, BASE_ULR="http://x")

    (message,) = check_accounts(None)
    assert message.id == "cloudkey.E001"
    assert message.msg == "CLOUDKEYS[\"default\"] has an unknown key 'BASE_ULR'."
    assert message.hint == "Did you mean 'BASE_URL'?"


def test_either_credentials_are_enough(settings: Any) -> None:
    both = {**settings.CLOUDKEYS["default"], "SECRET": NEW, "KID": "k1"}
    without_key = {name: value for name, value in both.items() if name != "API_KEY"}
    settings.CLOUDKEYS = {"both": both, "new": without_key}

    assert check_accounts(None) == []
    for alias, account in settings.CLOUDKEYS.items():
        client = cloudkeys[alias]
        assert client.signing_keys is not None
        assert client.signing_keys.kid == "k1"
        assert client.api_key.reveal() == account.get("API_KEY", "")
        assert NEW not in repr((client, vars(client), cloudkeys.settings(alias)))


@pytest.mark.parametrize(("given", "other"), [("SECRET", "KID"), ("KID", "SECRET")])
def test_secret_and_its_name_are_given_together(settings: Any, given: str, other: str) -> None:
    configure(settings, **{"SECRET": NEW, "KID": "k1", other: ""})

    (message,) = check_accounts(None)
    assert (message.id, message.msg) == (
        "cloudkey.E002",
        f'CLOUDKEYS["default"]["{other}"] is missing.',
    )
    with pytest.raises(ImproperlyConfigured, match=f'"{other}"\\] is missing'):
        cloudkeys["default"]


def test_misspelt_secret_is_guessed_and_nothing_else_is_said(settings: Any) -> None:
    account = {**settings.CLOUDKEYS["default"], "SECERT": NEW, "KID": "k1"}
    del account["API_KEY"]
    settings.CLOUDKEYS = {"default": account}

    (message,) = check_accounts(None)
    assert (message.id, message.hint) == ("cloudkey.E001", "Did you mean 'SECRET'?")
    assert NEW not in str(message)


def test_exchanged_secret_and_name_show_neither(settings: Any) -> None:
    configure(settings, SECRET="k1", KID=NEW)

    messages = check_accounts(None)
    assert [each.id for each in messages] == ["cloudkey.E002"] * 2
    assert NEW not in str(messages)


WEEK = 7 * 24 * 3600


def test_w003_addresses_that_live_for_longer_than_tokens_may(settings: Any) -> None:
    configure(settings, URL_LIFETIME=WEEK + 1)
    assert check_lifetimes(None) == []  # nothing to the historical scheme

    configure(settings, SECRET=NEW, KID="k1", URL_LIFETIME=WEEK - 60, URL_BUCKET=60)
    assert check_lifetimes(None) == []

    configure(settings, URL_BUCKET=3600)
    (message,) = check_lifetimes(None)
    assert message.id == "cloudkey.W003"
    assert message.msg.startswith('CLOUDKEYS["default"] signs addresses for 608340 seconds')
    assert str(message.hint).startswith(f'"URL_LIFETIME": {WEEK - 3600}, or less;')

    configure(settings, MAX_TOKEN_LIFETIME=WEEK + 3600)
    assert check_lifetimes(None) == []


def test_misspelt_key_is_not_missing_as_well(settings: Any) -> None:
    account = {**settings.CLOUDKEYS["default"], "API_KEI": "x", "URL_LIFETIME": 0}
    del account["API_KEY"]
    settings.CLOUDKEYS = {"default": account}

    assert [(each.id, each.hint) for each in check_accounts(None)] == [
        ("cloudkey.E001", "Did you mean 'API_KEY'?"),
        ("cloudkey.E002", None),
    ]


@pytest.mark.parametrize("key", [7, None, ("API", "KEY"), ""])
def test_key_that_is_no_text_is_unknown(settings: Any, key: Any) -> None:
    settings.CLOUDKEYS = {"default": {**settings.CLOUDKEYS["default"], key: 1, "zzz": 2}}

    messages = check_accounts(None)
    assert [message.id for message in messages] == ["cloudkey.E001"] * 2
    assert f'CLOUDKEYS["default"] has an unknown key {key!r}.' in [each.msg for each in messages]


LEVELS = "none, delegate, asnum, ip, useragent, useonce, country, referer, referer_strict"
HTTP = "an address that starts with http:// or https://"
PROXY = "the address of a proxy, such as 'http://proxy.example.org:3128'"
SECRET = "must be 32 to 64 bytes as base64url without padding, as the cloud shows them once"
SECRETS = "must be a list of secrets, each 32 to 64 bytes as base64url without padding"
PROXIES = "a list of addresses and networks"


@pytest.mark.parametrize(
    ("key", "value", "sentence", "hint"),
    [
        ("USER_ID", "", "is missing", None),
        ("API_KEY", None, "is missing", None),
        ("BASE_URL", "", "is missing", None),
        ("USER_ID", "4D0C0FFEE000000000000001", "must be 24 characters of 0-9 and a-f", None),
        ("USER_ID", 24, "must be 24 characters of 0-9 and a-f", None),
        ("API_KEY", "two words", "must be visible ASCII characters, without spaces", None),
        ("API_KEY", b"0123456789", "must be visible ASCII characters, without spaces", None),
        ("SECRET", "0123456789abcdef", SECRET, None),
        ("SECRET", b"0123456789abcdef" * 4, SECRET, None),
        ("SECRET", "0123456789abcdef" * 6, SECRET, None),
        ("KID", "my key", "must be 1 to 32 of A-Z a-z 0-9 _ -, such as 'k1'", None),
        ("KID", "0123456789abcdef" * 3, "must be 1 to 32 of A-Z a-z 0-9 _ -, such as 'k1'", None),
        ("WEBHOOK_SECRETS", NEW, "must be a list of secrets", None),
        ("WEBHOOK_SECRETS", {NEW: NEW}, "must be a list of secrets", None),
        ("WEBHOOK_SECRETS", [NEW, "0123456789abcdef"], SECRETS, None),
        ("WEBHOOK_SECRETS", [None], SECRETS, None),
        ("BASE_URL", "cloud.example", f"must be {HTTP}, got 'cloud.example'", None),
        ("BASE_URL", "https://", f"must be {HTTP}, got 'https://'", None),
        ("BASE_URL", "https://[::1/cloud", f"must be {HTTP}, got 'https://[::1/cloud'", None),
        ("BASE_URL", "https://x:port", f"must be {HTTP}, got 'https://x:port'", None),
        ("BASE_URL", {"API_KEY": "0123456789abcdef"}, f"must be {HTTP}, got a dict", None),
        (
            "BASE_URL",
            "https://x/?a=1",
            "must be an address without query, fragment and spaces, got 'https://x/?a=1'",
            None,
        ),
        (
            "BASE_URL",
            "https://x\ny",
            r"must be an address without query, fragment and spaces, got 'https://x\ny'",
            None,
        ),
        ("CDN_URL", "//cdn.example", f"must be {HTTP}, got '//cdn.example'", None),
        ("CDN_URL", "ftp://me:0123456789abcdef@x", f"must be {HTTP}, got 'ftp://…@x'", None),
        ("STATIC_URL", "/static/", f"must be {HTTP}, got '/static/'", None),
        ("TRANSPORT", "pigeon", "must be one of http, in-process, got 'pigeon'", None),
        (
            "TRANSPORT",
            "in_process",
            "must be one of http, in-process, got 'in_process'",
            "Did you mean 'in-process'?",
        ),
        ("TIMEOUT", "soon", "must be a number of seconds above 0, at most 86400, got 'soon'", None),
        ("TIMEOUT", 0, "must be a number of seconds above 0, at most 86400, got 0", None),
        (
            "TIMEOUT",
            float("nan"),
            "must be a number of seconds above 0, at most 86400, got nan",
            None,
        ),
        (
            "TIMEOUT",
            10**400,
            "must be a number of seconds above 0, at most 86400, got an int",
            None,
        ),
        ("TIMEOUT", True, "must be a number of seconds above 0, at most 86400, got True", None),
        ("RETRIES", -1, "must be a whole number from 0 to 100, got -1", None),
        ("RETRIES", "2", "must be a whole number from 0 to 100, got '2'", None),
        ("RETRIES", 1.5, "must be a whole number from 0 to 100, got 1.5", None),
        ("PROXY", "http://me:0123456789abcdef@", f"must be {PROXY}", None),
        ("PROXY", 3128, f"must be {PROXY}", None),
        (
            "SECLEVEL",
            "ipp",
            f"must be names of {LEVELS}, joined by '|', or their sum, got 'ipp'",
            "Did you mean 'ip'?",
        ),
        (
            "SECLEVEL",
            "delegate, user_agent",
            f"must be names of {LEVELS}, joined by '|', or their sum, got 'delegate, user_agent'",
            "Did you mean 'delegate|useragent'?",
        ),
        (
            "SECLEVEL",
            1 << 20,
            f"must be names of {LEVELS}, joined by '|', or their sum, got 1048576",
            None,
        ),
        (
            "SECLEVEL",
            ["ip"],
            f"must be names of {LEVELS}, joined by '|', or their sum, got a list",
            None,
        ),
        (
            "TRUSTED_PROXIES",
            "127.0.0.1",
            f"must be {PROXIES}, got '127.0.0.1'",
            "Write ['127.0.0.1'].",
        ),
        (
            "TRUSTED_PROXIES",
            ["::1", "proxy"],
            f"must be {PROXIES}, got 'proxy'",
            "'proxy' does not appear to be an IPv4 or IPv6 network.",
        ),
        ("TRUSTED_PROXIES", [None], f"must be {PROXIES}, got None", "None is no text."),
        ("TRUSTED_PROXIES", [5], f"must be {PROXIES}, got 5", "5 is no text."),
        (
            "VIEWER",
            "django_cloudkey.viewers.viewer_for",
            "must be the dotted path of a function, got 'django_cloudkey.viewers.viewer_for'",
            'Module "django_cloudkey.viewers" does not define a "viewer_for" attribute/class.',
        ),
        (
            "VIEWER",
            "mysite.viewers.find",
            "must be the dotted path of a function, got 'mysite.viewers.find'",
            "No module named 'mysite'.",
        ),
        (
            "VIEWER",
            "django_cloudkey.viewers.OF_PAGE",
            "must be the dotted path of a function, got 'django_cloudkey.viewers.OF_PAGE'",
            None,
        ),
        (
            "VIEWER",
            len,
            "must be the dotted path of a function, got a builtin_function_or_method",
            None,
        ),
        ("URL_LIFETIME", 0, "must be a whole number from 1 to 1000000000, got 0", None),
        ("URL_BUCKET", "5m", "must be a whole number from 0 to 1000000000, got '5m'", None),
    ],
)
def test_wrong_value_is_named_with_what_would_be_right(
    settings: Any, key: str, value: object, sentence: str, hint: str | None
) -> None:
    configure(settings, **{key: value})

    (message,) = check_accounts(None)
    assert (message.id, message.level) == ("cloudkey.E002", 40)
    assert message.msg == f'CLOUDKEYS["default"]["{key}"] {sentence}.'
    assert message.hint == hint
    assert "0123456789abcdef" not in f"{message}"
    with pytest.raises(ImproperlyConfigured) as raised:
        account_settings("default")
    assert str(raised.value) == (f"{message.msg} {hint}" if hint else message.msg)


ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    | st.sampled_from([10**400, "https://x", "http://[::1]:8000/a", "ip|useragent", "::1/128"])
    | st.from_regex(r"(https?|socks5)://[a-z:@\[\]/.%0-9]{1,12}", fullmatch=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


@hypothesis_settings(max_examples=200, deadline=None)
@given(key=st.sampled_from(sorted(KEYS)), value=ANY_VALUE)
def test_whatever_a_value_is_it_is_named_once_or_it_works(key: str, value: object) -> None:
    account = {**django_settings.CLOUDKEYS["default"], key: value}
    with override_settings(CLOUDKEYS={"default": account}):
        messages = check_accounts(None)
        assert len(messages) <= 1
        if not messages:
            url = sign_for(None, "get_embed_url", "4d0c0ffee0000000000000a1", seclevel=0)
            assert url.startswith(str(account["BASE_URL"]).rstrip("/") + "/embed/")


def test_every_wrong_value_is_named_at_once(settings: Any) -> None:
    configure(settings, RETRIES="2", TIMEOUT="soon", SECLEVEL="ipp")

    assert [message.id for message in check_accounts(None)] == ["cloudkey.E002"] * 3


@pytest.mark.parametrize("value", [None, ""])
def test_optional_key_without_a_value_has_its_default(settings: Any, value: object) -> None:
    before = account_settings("default")
    configure(settings, **dict.fromkeys(KEYS - {*REQUIRED, "API_KEY"}, value))

    assert check_accounts(None) == []
    assert account_settings("default") == before


@pytest.mark.parametrize(
    ("setting", "got"),
    [
        ([{"USER_ID": "x"}], "a list"),
        (None, "None"),
        ("https://…", "'https://…'"),
        (
            {"USER_ID": "x", "API_KEY": "0123456789abcdef", "BASE_URL": "https://x"},
            "the keys of an account",
        ),
    ],
)
def test_setting_of_a_wrong_type_is_one_message(settings: Any, setting: Any, got: str) -> None:
    settings.CLOUDKEYS = setting

    (message,) = check_accounts(None)
    assert message.id == "cloudkey.E002"
    assert message.msg == f"CLOUDKEYS must be a dict of aliases, got {got}."
    assert str(message.hint).startswith('CLOUDKEYS = {"default": {"USER_ID": …')
    with pytest.raises(ImproperlyConfigured, match="must be a dict of aliases"):
        cloudkeys["default"]
    # Every other check goes on, and says nothing of what follows from this.
    errors = [
        each.id
        for each in run_checks(include_deployment_checks=True, databases=[])
        if each.level >= 40
    ]
    assert errors == ["cloudkey.E002"]


@pytest.mark.parametrize("account", [None, "https://x", [("API_KEY", "0123456789abcdef")]])
def test_alias_that_is_no_dict_is_named(settings: Any, account: object) -> None:
    settings.CLOUDKEYS = {**settings.CLOUDKEYS, "archive": account}

    (message,) = check_accounts(None)
    assert message.id == "cloudkey.E002"
    assert message.msg.startswith('CLOUDKEYS["archive"] must be a dict, got ')
    assert "0123456789abcdef" not in message.msg


def test_site_without_a_default_alias_is_right(settings: Any) -> None:
    settings.CLOUDKEYS = {"archive": settings.CLOUDKEYS["default"]}

    assert check_accounts(None) == []
    assert list(cloudkeys) == ["archive"]
    assert cloudkeys["archive"].media.get_embed_url("4d0c0ffee0000000000000a1")
    # Only the fields that name no other are wrong.
    assert {each.id for each in run_checks(databases=[]) if each.level >= 40} == {"cloudkey.E011"}


@pytest.mark.parametrize("name", ["CLOUDKEY", "CLOUD_KEYS", "CLOUD_KEY"])
def test_misspelt_setting_is_guessed(settings: Any, name: str) -> None:
    setattr(settings, name, {})
    assert check_name(None) == []

    del settings.CLOUDKEYS
    (message,) = check_name(None)
    assert (message.id, message.level) == ("cloudkey.W002", 30)
    assert message.hint == f"Rename {name} to CLOUDKEYS."


def test_project_without_the_setting_is_right(settings: Any) -> None:
    del settings.CLOUDKEYS

    assert [*check_accounts(None), *check_name(None)] == []


@pytest.mark.parametrize(
    ("key", "is_weak"),
    [("k" * 31, True), ("k" * 32, False), ("4d0c0ffee000000000000001-and-more", True)],
)
def test_key_that_can_be_guessed_is_an_error(settings: Any, key: str, is_weak: bool) -> None:
    configure(settings, API_KEY=key)

    messages = check_accounts(None)
    assert [message.id for message in messages] == ["cloudkey.E003"] * is_weak
    assert key not in str(messages)


def test_settings_of_an_account_show_no_secret(settings: Any) -> None:
    configure(settings, PROXY="http://me:0123456789abcdef@proxy.example:3128")

    assert "0123456789abcdef" not in repr(account_settings("default"))
    assert account_settings("default").proxy == "http://me:0123456789abcdef@proxy.example:3128"
