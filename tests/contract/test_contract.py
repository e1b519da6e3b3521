"""
The contract: every remote method has the same outcome over HTTP and in the process, and in any
transaction of the site's database. What the cloud answered stays true when the site rolls back.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from django_cloudkey import CloudKey
from django_cloudkey.client import (
    AuthenticationError,
    InvalidCall,
    InvalidMethod,
    InvalidObject,
    InvalidParameter,
    InvalidRequest,
    LimitExceeded,
    NotFound,
    ProcessorException,
    RateLimitExceeded,
    RPCException,
    SerializerError,
)
from django_cloudkey.protocol.envelope import decode_answer
from django_cloudkey.server.models import Account, Asset, Media, Organisation
from django_cloudkey.server.rpc.methods import listing
from django_cloudkey.server.rpc.registry import METHODS

from .conftest import Connect, Site

CONTENT = os.urandom(300_000)
UNKNOWN = "1b87186c84e1b015a0000000"
STILL = "jpeg_thumbnail_small"


def test_every_remote_method_is_in_the_contract() -> None:
    contract = Path(__file__).read_text()

    assert [name for name in METHODS if f".{name}(" not in contract] == []


def upload(client: CloudKey, name: str = "a.mp4") -> str:
    return str(client.file.upload_file(io.BytesIO(CONTENT[:1000]), name=name)["url"])


# user, organisation, system


def test_user(client: CloudKey, site: Site, account: Account) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: client.user.info(id=UNKNOWN),
        lambda: client.user.search(),
        lambda: client.user.create(username="new"),
        lambda: client.user.set(id=account.pk, fields={"username": "new"}),
        lambda: client.user.delete(id=account.pk),
        lambda: client.user.list(),
        lambda: client.organisation.get(),
        lambda: client.system.reset(),
        lambda: client.media.reset(),
    ]
    with site():
        myself = client.user.whoami()
        assert client.user.info() == client.user.info(id=account.pk) == myself
        assert client.user.info(fields=["id", "username"]) == {"id": account.pk, "username": "demo"}
        for call in calls:
            with pytest.raises(AuthenticationError, match=r"^400: "):
                call()

    assert client.user.whoami() == myself


def test_manager_acts_as_a_user_of_its_organisation(
    connect: Connect, site: Site, account: Account
) -> None:
    school = Organisation.objects.create(name="school")
    head = Account.objects.create(name="head", organisation=school, is_manager=True)
    pupil = Account.objects.create(name="pupil", organisation=school)
    client = connect(head)

    with site():
        assert client.organisation.get() == {"id": school.pk, "name": "school"}
        found = client.user.search(org_id=school.pk, fields=["username"], per_page=1)
        acting = client.act_as_user(pupil.pk)
        assert acting.user.whoami()["username"] == "pupil"
        made = acting.media.create()["id"]
        sent = acting.media.create(url=upload(acting))["id"]
        with pytest.raises(NotFound):
            client.media.info(id=made)
        with pytest.raises(AuthenticationError):
            client.act_as_user(account.pk).media.count()

    assert (found["total"], found["list"]) == (2, [{"username": "head"}])
    assert {media["id"] for media in acting.media.iterate()} == {made, sent}
    assert client.media.count() == 0


@pytest.mark.parametrize("old", [False, True], ids=["system", "media"])
def test_reset_of_an_account_for_tests(
    client: CloudKey, site: Site, account: Account, old: bool
) -> None:
    Account.objects.update(is_test=True)
    client.media.create(url=upload(client))

    with site():
        client.media.create()
        assert (client.media.reset() if old else client.system.reset()) is None
        assert client.media.count() == 0
        kept = client.media.create()["id"]

    assert [media["id"] for media in client.media.iterate()] == [kept]


# file


def test_upload_arrives(client: CloudKey, site: Site, settings: Any) -> None:
    origin = "https://www.example.org"
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "UPLOAD_ORIGINS": [origin]}
    sent: list[int] = []

    with site():
        addresses = client.file.upload(target=f"{origin}/done", status=True, jsonp_cb="?")
        arrived = client.file.upload_file(
            io.BytesIO(CONTENT), lambda done, size: sent.append(done), name="é.mp4"
        )
        made = client.media.create(url=arrived["url"])["id"]

    assert set(addresses) == {"url", "status"}
    assert arrived["size"] == sent[-1] == len(CONTENT)
    assert arrived["name"] == "é"
    assert client.media.get_assets(id=made) == {"source": {"status": "pending"}}


def test_failure_of_the_file_is_its_own(client: CloudKey, site: Site) -> None:
    class Short(io.BytesIO):
        size = len(CONTENT) + 1

    with site(), pytest.raises(OSError, match=f"The file ended after {len(CONTENT)} bytes"):
        client.file.upload_file(Short(CONTENT))


def test_failure_of_the_callback_is_its_own(client: CloudKey, site: Site) -> None:
    def stop(sent: int, size: int) -> None:
        raise KeyError("enough")

    with site(), pytest.raises(KeyError, match="enough"):
        client.file.upload_file(io.BytesIO(CONTENT), stop)


# media


def test_media_and_meta(client: CloudKey, site: Site) -> None:
    with site():
        made = client.media.create(meta={"title": "Nœuds", "old": "x"})["id"]
        assert client.media.set_meta(id=made, meta={"author": "y", "n": 7}) is None
        assert client.media.remove_meta(id=made, keys=["old", "never"]) is None
        assert client.media.get_meta(id=made, keys=["author"]) == {"author": "y"}
        gone = client.media.create()["id"]
        assert client.media.delete(id=gone) is None

    meta = {"title": "Nœuds", "author": "y", "n": 7}
    assert client.media.get_meta(id=made) == meta
    assert client.media.info(id=made, fields=["id", "meta"]) == {"id": made, "meta": meta}
    assert client.media.count() == 1
    with pytest.raises(NotFound):
        client.media.info(id=gone)


def test_media_are_listed_searched_and_counted(client: CloudKey, site: Site) -> None:
    with site():
        ids = [client.media.create(meta={"title": f"Knot {n}"})["id"] for n in range(3)]
        other = client.media.create(meta={"title": "Other"})["id"]
        page = client.media.list(
            fields=["id"], page=2, per_page=3, sort=[("meta.title", 1)], filter={}
        )
        found = client.media.search(query="knot SORT:-meta.title", fields=["id"])
        assert client.media.list(filter={"meta.title": "Other"}, fields=["id"])["total"] == 1
        assert {each["id"] for each in client.media.iterate(per_page=2)} == {*ids, other}
        assert len(list(client.media.iterate(query="knot", fields=["meta.title"]))) == 3

    assert (page["list"], page["total"], page["has_more"]) == ([{"id": other}], 4, False)
    assert [each["id"] for each in found["list"]] == ids[::-1]
    assert client.media.count() == 4


def test_assets_are_set_and_removed(client: CloudKey, site: Site) -> None:
    with site():
        url = upload(client)
        made = client.media.create()["id"]
        wanted = {"name": "mp4_h264_aac", "action": "transcode"}
        client.media.set_assets(id=made, assets=[{"name": "source", "url": url}, wanted])
        client.media.set_thumbnail(id=made, timecode="00:00:01.00", force=True)
        stills = {name for name in client.media.get_assets(id=made) if "jpeg" in name}
        client.media.remove_assets(id=made, assets_names=["mp4_h264_aac", *stills])
        assert client.media.get_subs_urls(id=made) == {}

    assert STILL in stills
    assert client.media.get_assets(id=made, assets_names=["source"]) == {
        "source": {"status": "pending"}
    }
    assert set(client.media.get_assets(id=made)) == {"source"}


def test_assets_as_they_were_in_2010(client: CloudKey, site: Site) -> None:
    with site():
        made = client.media.create()["id"]
        client.media.set_asset(id=made, preset="source", url=upload(client))
        client.media.process_asset(id=made, asset_name="mp4_h264_aac", source_preset="source")
        client.media.process_asset(id=made, preset=STILL)
        client.media.remove_asset(id=made, preset=STILL)
        asset = client.media.get_asset(id=made, preset="mp4_h264_aac")
        with pytest.raises(NotFound):
            client.media.get_asset_url(id=made, preset="mp4_h264_aac")

    assert asset == {"name": "mp4_h264_aac", "status": "pending"}
    assert set(client.media.get_assets(id=made)) == {"source", "mp4_h264_aac"}
    now = timezone.now()
    Asset.objects.filter(name="mp4_h264_aac").update(status="ready", file="x", created=now)
    with site():
        url = client.media.get_asset_url(id=made, asset_name="mp4_h264_aac")
        assert url.partition("?")[0] in client.media.get_stream_url(
            made, version=int(now.timestamp())
        )


def test_source_becomes_a_thumbnail(client: CloudKey, site: Site, clip: Path) -> None:
    with site():
        url = client.file.upload_file(clip)["url"]
        made = client.media.create(url=url, assets_names=[STILL])["id"]

    call_command("cloudkey_worker", drain=True, verbosity=0)

    with site():
        assets = client.media.get_assets(id=made)
        assert {name: asset["status"] for name, asset in assets.items()} == {
            "source": "ready",
            STILL: "ready",
        }
        assert assets["source"]["duration"] == 2


# Errors, and threads


def refused(client: CloudKey, code: int) -> None:
    """Do what is answered by *code*."""
    match code:
        case 200:
            client.media.count()
        case 400:
            client.act_as_user(UNKNOWN).media.count()
        case 410:
            for _ in range(3):
                client.media.count()
        case 500:
            decode_answer(client._transport.call(b"no JSON", is_read=True).body)
        case 600:
            decode_answer(client._transport.call(b"{}", is_read=True).body)
        case 610:
            client.nothing.info()
        case 620:
            client.media.nothing()
        case 630:
            client.media.create(url="https://elsewhere.example/a.mp4")
        case 640:
            client.call("media")
        case 1010:
            client.media.delete(id=UNKNOWN)
        case 1030:
            client.media.create(meta=dict.fromkeys(map(str, range(65)), "x"))


ERRORS: list[type[RPCException]] = [
    AuthenticationError, SerializerError, InvalidRequest, InvalidObject, InvalidMethod,
    InvalidParameter, InvalidCall, NotFound, LimitExceeded,
]  # fmt: skip


def test_each_code_is_its_error(
    client: CloudKey, site: Site, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(account: Account) -> None:
        raise OSError("a fault of the server")

    with site():
        for error in ERRORS:
            with pytest.raises(error) as caught:
                refused(client, error.code)
            assert type(caught.value) is error
        monkeypatch.setattr(listing, "_all", fail)
        with pytest.raises(ProcessorException, match=r"could not work on the request\.$"):
            refused(client, 200)
        monkeypatch.undo()
        settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "RATE_LIMIT": 2}
        with pytest.raises(RateLimitExceeded):
            refused(client, 410)

    assert not Media.objects.exists()


def test_argument_that_is_no_json_is_refused_unsent(client: CloudKey, site: Site) -> None:
    with site(), pytest.raises(SerializerError):
        client.media.set_meta(id=UNKNOWN, meta={"a": b"x"})


def test_wrong_key_is_refused(connect: Connect, site: Site, account: Account) -> None:
    client = connect(account, "0" * 40)

    with site(), pytest.raises(AuthenticationError, match=r"^400: Authentication failed\.$"):
        client.media.list()


def test_threads_get_their_own_answers(client: CloudKey) -> None:
    ids = [client.media.create(meta={"title": str(n)})["id"] for n in range(4)]

    def work(number: int) -> bool:
        try:
            media = client.media.info(id=ids[number % 4], fields=["id", "meta.title"])
            return bool(media == {"id": ids[number % 4], "meta": {"title": str(number % 4)}})
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(40)))
