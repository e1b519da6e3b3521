"""The configured clients."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_cloudkey import CloudKey, cloudkey, cloudkeys


def test_alias_has_one_client_for_all_threads() -> None:
    cloudkeys.forget()
    with ThreadPoolExecutor(8) as pool:
        clients = {id(client) for client in pool.map(lambda _: cloudkeys["default"], range(50))}

    assert len(clients) == 1
    assert isinstance(cloudkeys["default"], CloudKey)


def test_default_client_is_reached_by_its_attributes() -> None:
    assert cloudkey.media is cloudkeys["default"].media
    assert cloudkey.base_url == "http://testserver/cloud"


def test_changed_setting_makes_a_new_client(settings: Any) -> None:
    before = cloudkeys["default"]
    other = {**settings.CLOUDKEYS["default"], "BASE_URL": "https://other.example"}
    settings.CLOUDKEYS = {"default": other, "archive": other}

    assert cloudkeys["default"] is not before
    assert cloudkeys["archive"].base_url == "https://other.example"
    assert list(cloudkeys) == ["default", "archive"]


def test_unknown_alias_is_named() -> None:
    with pytest.raises(ImproperlyConfigured, match=r'CLOUDKEYS\["nobody"\] is not configured\.'):
        cloudkeys["nobody"]


def test_client_shows_no_key() -> None:
    assert "0123456789abcdef" not in repr(cloudkeys["default"]) + repr(
        cloudkeys.settings("default")
    )
