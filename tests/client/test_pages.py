"""All media, page by page: each once, with an end, in bounded memory."""

from __future__ import annotations

import itertools
import json
import socket
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from django_cloudkey.client import CloudKey, RPCException, SerializerError, TransportException
from django_cloudkey.client.pages import PATIENCE, REMEMBERED, each_once

from ..conftest import Cloud
from .conftest import HostileServer, Request, answer


class List:
    """A list, newest first, whose pages have what the historical server answers."""

    def __init__(self, *ids: str) -> None:
        self.ids = list(ids)
        self.asked: list[int] = []
        self.before: Callable[[int], object] = lambda number: None

    def page(self, where: dict[str, Any]) -> dict[str, Any]:
        number = where["page"]
        self.before(number)
        self.asked.append(number)
        start = (number - 1) * 2
        rows = [{"id": id_} for id_ in self.ids[start : start + 2]]
        return {"list": rows, "page": number, "pages": max(1, -(-len(self.ids) // 2))}

    def read(self) -> list[str]:
        return [row["id"] for row in each_once(self.page)]


@pytest.mark.parametrize(
    ("ids", "asked"), [("", [1]), ("a", [1]), ("ab", [1]), ("abc", [1, 2]), ("abcde", [1, 2, 3])]
)
def test_every_row_is_given_once(ids: str, asked: list[int]) -> None:
    rows = List(*ids)

    assert rows.read() == list(ids)
    assert rows.asked == asked


def test_pages_are_asked_for_when_they_are_needed() -> None:
    rows = List(*"abcdef")

    assert [row["id"] for row in itertools.islice(each_once(rows.page), 2)] == ["a", "b"]
    assert rows.asked == [1]


@pytest.mark.parametrize("added", [1, 2, 3, 4])
def test_rows_added_meanwhile_cost_no_other(added: int) -> None:
    rows = List(*"abcdef")

    def add(number: int) -> None:
        if number == 2:
            rows.ids = [f"new{n}" for n in range(added)] + rows.ids

    rows.before = add

    read = rows.read()
    assert [id_ for id_ in read if "new" not in id_] == list("abcdef")
    assert len(read) == len(set(read))


def test_t265_a_page_that_shrinks_ends_the_list() -> None:
    rows = List(*"abcdef")

    def remove(number: int) -> None:
        rows.ids = rows.ids[: 2 if number > 1 else None]

    rows.before = remove

    assert rows.read() == ["a", "b"]


def test_t265_the_same_page_for_ever_is_an_error() -> None:
    asked = []

    def page(where: dict[str, Any]) -> dict[str, Any]:
        asked.append(where["page"])
        return {"list": [{"id": "a"}, {"id": "a"}], "has_more": True}

    rows = each_once(page)

    assert next(rows) == {"id": "a"}
    with pytest.raises(RPCException, match=f"the same media again, up to page {1 + PATIENCE}"):
        next(rows)
    assert asked == list(range(1, 2 + PATIENCE))


def test_tokens_are_followed_and_numbers_where_there_are_none() -> None:
    asked: list[dict[str, Any]] = []
    pages: list[dict[str, Any]] = [
        {"list": [{"id": "a"}], "next": "to b"},
        {"list": [{"id": "b"}], "next": None, "has_more": True},
        {"list": [{"id": "c"}], "next": None, "has_more": False},
    ]

    def page(where: dict[str, Any]) -> dict[str, Any]:
        asked.append(where)
        return pages[len(asked) - 1]

    assert [row["id"] for row in each_once(page)] == ["a", "b", "c"]
    assert asked == [{"page": 1}, {"after": "to b"}, {"page": 3}]


def test_the_same_token_again_is_an_error() -> None:
    asked = []

    def page(where: dict[str, Any]) -> dict[str, Any]:
        asked.append(where)
        return {"list": [{"id": str(len(asked))}], "next": "here", "has_more": True}

    with pytest.raises(RPCException, match="the same media again, up to page 2"):
        list(each_once(page))
    assert asked == [{"page": 1}, {"after": "here"}]


def test_tokens_in_a_circle_are_an_error() -> None:
    def page(where: dict[str, Any]) -> dict[str, Any]:
        token = "odd" if where == {"after": "even"} else "even"
        return {"list": [{"id": token}], "next": token, "has_more": True}

    with pytest.raises(RPCException, match="the same media again"):
        list(each_once(page))


def test_an_empty_page_ends_the_list_whatever_the_server_says() -> None:
    assert list(each_once(lambda where: {"list": [], "has_more": True, "pages": 99})) == []


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (None, "not a page"),
        ([], "not a page"),
        ({}, "not a page"),
        ({"list": {}}, "not a page"),
        ({"list": [1]}, "has no id"),
        ({"list": [{"meta": {}}]}, "has no id"),
        ({"list": [{"id": [1]}]}, "has no id"),
    ],
)
def test_what_is_no_page_is_an_error(page: Any, reason: str) -> None:
    with pytest.raises(SerializerError, match=reason):
        list(each_once(lambda where: page))


def test_memory_does_not_grow_with_the_list() -> None:
    def page(where: dict[str, Any]) -> dict[str, Any]:
        number = where["page"]
        rows = [{"id": f"{number * 1000 + n:024x}"} for n in range(1000)]
        return {"list": rows, "has_more": number < 60}

    rows = each_once(page)
    for _ in range(REMEMBERED + 1000):
        next(rows)
    tracemalloc.start()
    for _ in itertools.islice(rows, 40_000):
        pass
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert sum(1 for _ in rows) == 60_000 - REMEMBERED - 1000 - 40_000
    assert grown < 4 * 1024 * 1024


# Of the client


def pages(*pages: list[dict[str, Any]]) -> Callable[[socket.socket, Request], object]:
    """Answer the page that is asked for."""

    def behave(connection: socket.socket, request: Request) -> object:
        number = request.json["args"]["page"]
        result = {"list": pages[number - 1], "page": number, "pages": len(pages)}
        return answer(json.dumps({"result": result}).encode())(connection, request)

    return behave


def test_iterate_asks_for_the_fields_and_the_id(server: HostileServer, client: CloudKey) -> None:
    server.does(pages([{"id": "1", "meta": {"title": "a"}}], [{"id": "2", "meta": {}}]))

    assert list(client.media.iterate(fields=["meta.title"], per_page=1)) == [
        {"meta": {"title": "a"}},
        {"meta": {}},
    ]
    assert [request.json["call"] for request in server.requests] == ["media.list"] * 2
    assert [request.json["args"] for request in server.requests] == [
        {"fields": ["meta.title", "id"], "page": number, "per_page": 1} for number in (1, 2)
    ]


def test_iterate_keeps_the_id_that_was_asked_for(server: HostileServer, client: CloudKey) -> None:
    server.does(pages([{"id": "1"}]))

    assert list(client.media.iterate(fields=("id",))) == [{"id": "1"}]
    assert list(client.media.iterate()) == [{"id": "1"}]
    assert server.requests[1].json["args"] == {"page": 1, "per_page": 100}


def test_iterate_searches(server: HostileServer, client: CloudKey) -> None:
    server.does(pages([{"id": "1"}]))

    assert list(client.media.iterate(query="knots")) == [{"id": "1"}]
    assert server.requests[0].json["call"] == "media.search"
    assert server.requests[0].json["args"] == {"query": "knots", "page": 1, "per_page": 100}


def test_nothing_is_asked_before_the_first_row(server: HostileServer, client: CloudKey) -> None:
    rows = client.media.iterate()

    assert server.connections == 0
    server.answers(b"<html>", status="404 No")
    with pytest.raises(TransportException):
        next(rows)


def test_all_media_of_a_cloud(cloud: Cloud) -> None:
    made = {cloud.client.media.create(meta={"title": str(n)})["id"] for n in range(7)}

    read = [media["id"] for media in cloud.client.media.iterate(fields=["id"], per_page=3)]

    assert len(read) == 7
    assert set(read) == made
