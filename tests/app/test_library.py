"""One page of an account's media for people: what it tells, what it finds, how it goes on."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import pytest
import requests

from django_cloudkey.client import CloudKey, RPCException, SerializerError
from django_cloudkey.client.transport import HTTPTransport
from django_cloudkey.connection import cloudkeys
from django_cloudkey.library import BadQuery, library_page, title_query
from django_cloudkey.server.models import Media

from ..conftest import Cloud


def titles(**question: Any) -> list[str]:
    return [media["title"] for media in library_page(**question).media]


def add(cloud: Cloud, *names: str, **meta: str) -> list[str]:
    return [cloud.client.media.create(meta={**meta, "title": name})["id"] for name in names]


T = TypeVar("T", bound=HTTPTransport)


def use_transport(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, transport: T) -> T:
    """Let the site reach its cloud by *transport*, and return that."""
    client = CloudKey(cloud.account.pk, cloud.account.api_key, cloud.base_url, transport=transport)
    settings = cloudkeys.settings("default")
    monkeypatch.setitem(cloudkeys._made, "default", (settings, client))
    return transport


def test_media_is_told_with_state_and_addresses(cloud: Cloud, clip: Any) -> None:
    media = cloud.upload(clip, assets=("mp4_h264_aac", "jpeg_thumbnail_medium"))
    waiting = library_page().media[0]
    cloud.work()

    page = library_page()

    assert (waiting["state"], waiting["progress"]) == ("processing", 0)
    assert (page.next, page.total) == ("", 1)
    told = page.media[0]
    assert (told["id"], told["title"], told["state"]) == (media, "clip", "ready")
    assert told["duration"] == pytest.approx(2, abs=0.1)
    assert told["created"] == int(Media.objects.get().created.timestamp())
    for address in (told["thumbnail"], told["embed"]):
        assert requests.get(address, timeout=10).status_code == 200


def test_media_without_title_or_source_is_told_too(cloud: Cloud) -> None:
    cloud.client.media.create()

    told = library_page().media[0]

    assert (told["title"], told["state"]) == ("", "error")
    assert told["reason"] == "The media has no source."


def test_pages_follow_each_other_though_media_are_added(cloud: Cloud) -> None:
    add(cloud, "one", "two", "three", "four", "five")

    first = library_page(per_page=2)
    add(cloud, "six")
    second = library_page(per_page=2, after=first.next)
    third = library_page(per_page=2, after=second.next)

    told = [[media["title"] for media in page.media] for page in (first, second, third)]
    assert told == [["five", "four"], ["three", "two"], ["one"]]
    assert (first.total, third.next) == (5, "")


def test_words_are_found_in_titles_in_any_order(cloud: Cloud) -> None:
    add(cloud, "Knots for sailors", "Sails", "Knots")
    add(cloud, "Other", author="knots")

    assert titles(query=" sailors KNOTS ") == ["Knots for sailors"]
    assert titles(query="knots") == ["Knots", "Knots for sailors"]
    assert titles(query="knots", per_page=1) == ["Knots"]
    found = library_page(query="knots", per_page=1)
    assert titles(query="knots", after=found.next) == ["Knots for sailors"]
    assert titles(query="nothing") == []


@pytest.mark.parametrize(
    "title",
    [
        "SORT:created",
        "meta.author:ann",
        "id:",
        ":x",
        "100% a_b",
        "Ünïcode",
        "a\\b*",
        '"q"',
        "\u202eok",
    ],
)
def test_words_mean_nothing_else_to_the_cloud(cloud: Cloud, title: str) -> None:
    add(cloud, title)
    add(cloud, "Something", author="ann")

    assert titles(query=title) == [title]


def test_id_finds_its_media(cloud: Cloud) -> None:
    [media, _other] = add(cloud, "One", "Other")

    assert titles(query=f" {media}\n") == ["One"]
    assert titles(query="0" * 24) == []


def test_too_many_words_are_a_sentence() -> None:
    with pytest.raises(BadQuery, match="too many words"):
        title_query("a " * 100)


@pytest.mark.parametrize(
    "after", ["x", "page:", "page:0", "page:-1", "page:1e3", "page:٣", "after:"]
)
def test_what_is_no_place_is_refused_here(after: str) -> None:
    with pytest.raises(BadQuery):
        library_page(after=after)


def test_what_is_no_token_is_refused_by_the_cloud(cloud: Cloud) -> None:
    with pytest.raises(RPCException):
        library_page(after="after:bm9uZQ")


def test_other_accounts_are_not_shown(cloud: Cloud, settings: Any) -> None:
    from django_cloudkey.server.models import Account

    other = Account.objects.create(name="other")
    default = settings.CLOUDKEYS["default"]
    add(cloud, "Mine")
    settings.CLOUDKEYS = {
        "default": default,
        "other": {**default, "USER_ID": other.pk, "API_KEY": other.api_key},
    }

    assert titles() == ["Mine"]
    assert titles(account="other") == []
    assert titles(account="other", query=library_page().media[0]["id"]) == []


def test_long_titles_are_cut(cloud: Cloud) -> None:
    add(cloud, "x" * 2_000)

    assert titles() == ["x" * 255]


class Odd(HTTPTransport):
    """A cloud whose answers about media have another form."""

    media: Any = None

    def call(self, body: bytes, **options: Any) -> Any:
        answer = super().call(body, **options)
        page = json.loads(answer.body)
        page["result"]["list"] = [{"id": "4d0c0ffee0000000000000aa", **self.media}]
        return type(answer)(body=json.dumps(page).encode(), features=answer.features)


@pytest.mark.parametrize(
    "media",
    [
        {"meta": ["x"]},
        {"meta": "x"},
        {"assets": "x"},
        {"assets": {"source": "x"}},
        {"assets": {"source": {"status": ["x"]}}},
        {"assets": {"source": {"status": "x", "progress": []}, "live": {"status": "x"}}},
        {"assets": {"source": {"status": "error", "error": "x"}}},
    ],
    ids=str,
)
def test_t249_answers_of_another_form_are_failures(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, media: Any
) -> None:
    use_transport(cloud, monkeypatch, Odd(cloud.base_url)).media = media

    with pytest.raises(SerializerError):
        library_page()


@pytest.mark.parametrize("value", [-1, 10**30, 1e300, "x", None, []])
def test_odd_times_and_lengths_are_none(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, value: Any
) -> None:
    source = {"status": "ready", "duration": value}
    media = {"created": value, "assets": {"source": source}, "meta": {"title": None}}
    use_transport(cloud, monkeypatch, Odd(cloud.base_url)).media = media

    [told] = library_page().media
    assert (told["created"], told["duration"], told["title"]) == (None, None, "")


class Old(HTTPTransport):
    """A cloud of before the tokens: it knows pages by their numbers."""

    def call(self, body: bytes, **options: Any) -> Any:
        assert "after" not in json.loads(body)["args"]
        answer = super().call(body, **options)
        page = json.loads(answer.body)
        for name in ("next", "has_more"):
            page["result"].pop(name)
        return type(answer)(body=json.dumps(page).encode(), features=answer.features)


@pytest.mark.parametrize("query", ["", "title"])
def test_clouds_without_tokens_are_asked_by_numbers(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    add(cloud, "title 1", "title 2", "title 3")
    use_transport(cloud, monkeypatch, Old(cloud.base_url))

    first = library_page(query=query, per_page=2)
    second = library_page(query=query, per_page=2, after=first.next)

    assert [media["title"] for media in first.media + second.media] == [
        "title 3", "title 2", "title 1",
    ]  # fmt: skip
    assert (first.next, second.next, second.total) == ("page:2", "", 3)
