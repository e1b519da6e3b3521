"""Clients follow the settings, and no request changes another's account."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.http import HttpResponse
from django.template import Context, Template
from django.test import override_settings

from django_cloudkey import TransportException, cloudkey, cloudkeys
from django_cloudkey.fields import FieldMedia, MediaField

from ..conftest import Cloud

MEDIA = "4d0c0ffee0000000000000a1"
EMBED = Template("{% load cloudkey %}{% cloudkey_embed_url media account=account %}")


def account(number: int, **keys: Any) -> dict[str, Any]:
    return {
        "USER_ID": f"4d0c0ffee00000000000000{number}",
        "API_KEY": f"{number}" * 40,
        "BASE_URL": f"https://cloud{number}.example.org",
        **keys,
    }


def named(url: str) -> str:
    """Return the number of the account whose address *url* is, if all of it is of one account."""
    number = url.removeprefix("https://cloud")[0]
    path = f"embed/4d0c0ffee00000000000000{number}/{MEDIA}"
    assert url.startswith(f"https://cloud{number}.example.org/{path}?auth=")
    return number


def test_nested_overrides_are_followed_in_and_out() -> None:
    def seen() -> str:
        assert cloudkeys["default"].media is cloudkey.media
        return cloudkey.base_url

    with override_settings(CLOUDKEYS={"default": account(1)}):
        first = cloudkeys["default"]
        assert seen() == "https://cloud1.example.org"
        with override_settings(CLOUDKEYS={"default": account(2), "archive": account(3)}):
            assert seen() == "https://cloud2.example.org"
            assert list(cloudkeys) == ["default", "archive"]
            with override_settings(CLOUDKEYS={"default": account(1, URL_LIFETIME=60)}):
                assert seen() == "https://cloud1.example.org"
                assert cloudkeys.settings("default").url_lifetime == 60
            assert seen() == "https://cloud2.example.org"
        assert seen() == "https://cloud1.example.org"
        assert cloudkeys["default"] is not first
        assert list(cloudkeys) == ["default"]
    assert seen() == "http://testserver/cloud"


def test_checks_follow_the_override() -> None:
    with override_settings(CLOUDKEYS={"default": account(1, RETRIES="2")}):
        assert "cloudkey.E002" in {message.id for message in run_checks(databases=[])}
    assert "cloudkey.E002" not in {message.id for message in run_checks(databases=[])}


def test_threads_see_whole_accounts_while_settings_change() -> None:
    before = {"default": account(1), "archive": account(2)}
    after = {"default": account(3), "archive": account(4)}
    is_over = threading.Event()

    def sign(alias: str) -> set[str]:
        numbers = set()
        while not is_over.is_set():
            numbers.add(named(EMBED.render(Context({"media": MEDIA, "account": alias}))))
        return numbers

    with override_settings(CLOUDKEYS=before), ThreadPoolExecutor(4) as pool:
        running = [pool.submit(sign, alias) for alias in ("default", "archive") * 2]
        try:
            for _ in range(200):
                with override_settings(CLOUDKEYS=after):
                    assert named(cloudkeys["archive"].media.get_embed_url(MEDIA)) == "4"
                assert named(cloudkeys["archive"].media.get_embed_url(MEDIA)) == "2"
        finally:
            is_over.set()
        found = [future.result(timeout=30) for future in running]

    assert all(numbers <= {"1", "3"} for numbers in found[::2])
    assert all(numbers <= {"2", "4"} for numbers in found[1::2])


@override_settings(CLOUDKEYS={str(number): account(number) for number in range(1, 5)})
def test_alias_field_and_tag_choose_an_account_each_for_itself() -> None:
    def sign(number: int) -> set[str]:
        alias = str(1 + number % 4)
        field = MediaField(account=alias)
        tag = Context({"media": MEDIA, "account": alias})
        return {
            named(cloudkeys[alias].media.get_embed_url(MEDIA)),
            named(FieldMedia(field, MEDIA).embed_url()),
            named(EMBED.render(tag)),
            named(EMBED.render(Context({"media": FieldMedia(field, MEDIA), "account": alias}))),
            alias,
        }

    with ThreadPoolExecutor(8) as pool:
        assert [len(found) for found in pool.map(sign, range(400))] == [1] * 400


@override_settings(CLOUDKEYS={"default": account(1)})
def test_acting_as_another_user_is_nobody_elses_business() -> None:
    before = cloudkeys["default"]
    other = cloudkey.act_as_user("4d0c0ffee000000000000009")

    assert cloudkeys["default"] is before
    assert "4d0c0ffee000000000000009" in repr(other)
    assert "4d0c0ffee000000000000009" not in repr(before)


@pytest.fixture
def viewers_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module of the site's own that uses an account while it is imported."""
    (tmp_path / "our_viewers.py").write_text(
        "from django_cloudkey import cloudkeys\n"
        "from django_cloudkey.viewers import viewer_of as find\n"
        "cloudkeys['archive'].media\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "our_viewers.find"
    sys.modules.pop("our_viewers", None)


def test_viewer_function_may_use_an_account_while_it_is_imported(viewers_module: str) -> None:
    accounts = {"default": account(1, VIEWER=viewers_module), "archive": account(2)}
    with override_settings(CLOUDKEYS=accounts):
        made: list[str] = []
        thread = threading.Thread(target=lambda: made.append(cloudkey.base_url), daemon=True)
        thread.start()
        thread.join(10)

    assert made == ["https://cloud1.example.org"]


def test_cloud_in_the_process_follows_the_middleware(cloud: Cloud, settings: Any) -> None:
    settings.CLOUDKEYS = {"default": {**settings.CLOUDKEYS["default"], "TRANSPORT": "in-process"}}
    assert cloudkey.media.list(fields=["id"])["total"] == 0

    with (
        override_settings(MIDDLEWARE=["tests.app.test_settings_changes.refusing"]),
        pytest.raises(TransportException, match="answered HTTP 418"),
    ):
        cloudkey.media.list(fields=["id"])
    assert cloudkey.media.list(fields=["id"])["total"] == 0


def refusing(get_response: Any) -> Any:
    return lambda request: HttpResponse(status=418)
