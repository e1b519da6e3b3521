"""Lists that are read on by tokens: nothing skipped or repeated, whatever changes meanwhile."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_cloudkey.client import CloudKey, InvalidParameter
from django_cloudkey.server.models import Account, Media
from django_cloudkey.server.rpc.order import MAX_FIELDS, MAX_TOKEN

from ..conftest import Cloud

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG = "x" * 5000
TITLES = ["b", None, "a", LONG + "1", "é", "B", LONG + "2", "b", None, 'a"\\\n', "", 1.5, True, "ß"]
ORDERS: list[list[tuple[str, int]] | None] = [
    None,
    [("created", 1)],
    [("created", -1)],
    [("id", 1)],
    [("meta.title", 1)],
    [("meta.title", -1)],
    [("meta.group", -1), ("meta.title", 1)],
    [("meta.group", 1), ("created", 1), ("meta.title", -1), ("id", -1)],
]


@pytest.fixture
def titles(cloud: Cloud) -> list[str]:
    """Media with all kinds of titles, several of one moment; return their ids."""
    return [add(cloud.account, title, number) for number, title in enumerate(TITLES)]


def add(account: Account, title: Any, number: int) -> str:
    meta = {"group": number % 2} | ({} if title is None else {"title": title})
    created = NOW.replace(second=number // 3, microsecond=number % 2)
    return str(Media.objects.create(account=account, meta=meta, created=created).pk)


def read(key: CloudKey, **question: Any) -> list[str]:
    found: list[str] = []
    where: dict[str, Any] = {}
    while True:
        page = key.media.list(fields=["id"], per_page=3, **question, **where)
        found += [media["id"] for media in page["list"]]
        assert page["has_more"] is (page["next"] is not None)
        if page["next"] is None:
            return found
        where = {"after": page["next"]}


@pytest.mark.parametrize("sort", ORDERS)
def test_tokens_give_the_order_of_one_large_page(
    cloud: Cloud, titles: list[str], sort: Any
) -> None:
    whole = cloud.client.media.list(fields=["id"], per_page=100, sort=sort)
    assert (whole["next"], whole["has_more"], whole["page"]) == (None, False, 1)

    assert read(cloud.client, sort=sort) == [media["id"] for media in whole["list"]]


@pytest.mark.parametrize("sort", ORDERS)
def test_media_added_and_deleted_before_each_page_cost_no_other(
    cloud: Cloud, titles: list[str], sort: Any
) -> None:
    found: list[str] = []
    gone: set[str] = set()
    after = None
    while True:
        page = cloud.client.media.list(fields=["id"], per_page=2, sort=sort, after=after)
        found += [media["id"] for media in page["list"]]
        after = page["next"]
        if after is None:
            break
        # The very media that the token was made of, an earlier one, and new ones everywhere.
        victims = {found[-1], found[0]}
        Media.objects.filter(pk__in=victims).delete()
        gone |= victims
        for number, title in enumerate(("", "a", "zz", None)):
            add(cloud.account, title, number * 5)
            if len(found) > 40:
                break
        Media.objects.exclude(pk__in=titles).exclude(pk__in=found).filter(
            created__lt=NOW.replace(second=1)
        ).delete()

    assert len(found) == len(set(found))
    assert set(titles) <= set(found)
    assert gone


def test_iterate_follows_tokens_while_media_come_and_go(cloud: Cloud, titles: list[str]) -> None:
    met = []
    for media in cloud.client.media.iterate(fields=["id"], per_page=2):
        met.append(media["id"])
        cloud.client.media.delete(id=media["id"])
        cloud.client.media.create()

    assert sorted(met) == sorted(titles)


def test_search_goes_on_by_tokens(cloud: Cloud, titles: list[str]) -> None:
    question: dict[str, Any] = {"query": "SORT:-meta.title", "fields": ["id"]}
    whole = cloud.client.media.search(**question, per_page=100)

    first = cloud.client.media.search(**question, per_page=5)
    second = cloud.client.media.search(**question, per_page=100, after=first["next"])

    assert first["list"] + second["list"] == whole["list"]
    assert (second["page"], second["pages"], second["total"]) == (None, 1, len(TITLES))
    with pytest.raises(InvalidParameter, match="after must be the next of an earlier page"):
        cloud.client.media.search(query="SORT:meta.title", after=first["next"])
    with pytest.raises(InvalidParameter, match="after must be the next of an earlier page"):
        cloud.client.media.list(sort=[("meta.title", -1)], after=first["next"])


def test_token_of_another_question_is_refused(cloud: Cloud, titles: list[str]) -> None:
    ask = cloud.client.media.list
    token = ask(per_page=1, sort=[("meta.title", 1)])["next"]

    for sort in (None, [("meta.title", -1)], [("meta.author", 1)]):
        with pytest.raises(InvalidParameter, match="after must be the next of an earlier page"):
            ask(after=token, sort=sort)
    with pytest.raises(InvalidParameter, match="after must be the next of an earlier page"):
        ask(after=token, sort=[("meta.title", 1)], filter={"meta.group": 1})
    with pytest.raises(InvalidParameter, match="page must not say it too"):
        ask(after=token, sort=[("meta.title", 1)], page=1)


def test_order_of_many_fields_goes_on_by_numbers(cloud: Cloud, titles: list[str]) -> None:
    sort = [(f"meta.{n}", 1) for n in range(MAX_FIELDS + 1)]

    page = cloud.client.media.list(per_page=3, sort=sort)

    assert (page["next"], page["has_more"]) == (None, True)


def test_longest_token_is_taken(cloud: Cloud) -> None:
    meta = {str(n): "\x01" * 200 for n in range(MAX_FIELDS)}
    for _ in range(2):
        Media.objects.create(account=cloud.account, meta=meta)
    sort = [(f"meta.{n}", 1) for n in range(MAX_FIELDS)]

    token = cloud.client.media.list(per_page=1, sort=sort)["next"]

    assert len(token) <= MAX_TOKEN
    assert len(cloud.client.media.list(after=token, sort=sort)["list"]) == 1


def test_token_of_another_account_only_positions_in_ones_own(
    cloud: Cloud, titles: list[str]
) -> None:
    other = Account.objects.create(name="other")
    client = CloudKey(other.pk, other.api_key, cloud.base_url)
    mine = add(other, "mine", 0)
    token = cloud.client.media.list(per_page=3)["next"]

    assert [media["id"] for media in client.media.list(after=token)["list"]] == [mine]


def test_deep_page_uses_no_offset(cloud: Cloud, titles: list[str]) -> None:
    token = cloud.client.media.list(per_page=5)["next"]
    from django_cloudkey.server.rpc.methods.listing import list_

    with CaptureQueriesContext(connections[Media.objects.db]) as queries:
        list_(cloud.account, after=token, fields=["id"])

    asked = [query["sql"] for query in queries if "ORDER BY" in query["sql"]]
    assert len(asked) == 1
    assert "OFFSET" not in asked[0]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_changed_token_is_refused_or_a_page_of_ones_own(
    cloud: Cloud, titles: list[str], data: st.DataObject
) -> None:
    sort = [("meta.title", 1)]
    token = cloud.client.media.list(per_page=4, sort=sort)["next"]
    place = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    kind = data.draw(st.sampled_from(["value", "letter", "any", "nested"]))
    if kind == "value":
        place[data.draw(st.integers(1, len(place) - 1))] = data.draw(VALUES)
        token = base64.urlsafe_b64encode(json.dumps(place).encode()).decode()
    elif kind == "letter":
        at = data.draw(st.integers(0, len(token) - 1))
        token = token[:at] + data.draw(st.text(max_size=2)) + token[at + 1 :]
    elif kind == "nested":
        token = base64.urlsafe_b64encode(b"[" * data.draw(st.integers(1, 6000))).decode()
    else:
        token = data.draw(st.text(min_size=1, max_size=40))
    try:
        page = cloud.client.media.list(fields=["id"], sort=sort, after=token)
    except InvalidParameter:
        return
    assert {media["id"] for media in page["list"]} <= set(titles)
