"""
F50: a key is added, switched to and retired while fifty requests come each second.

Nobody who does it in this order is refused: the cloud takes both secrets from the moment that the
new one is there until the old one is retired, on every process, and the old one no longer.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from html import unescape
from io import StringIO
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from django.core.management import call_command

from django_cloudkey.client import AuthenticationError, CloudKey, LimitExceeded
from django_cloudkey.client.transport import HTTPTransport
from django_cloudkey.server.models import Media

from ..conftest import Cloud
from .conftest import Front
from .test_delivery import add_media

RATE = 50  # requests a second
WORKERS = 2
OLD, NEW = "k1", "k2"


def run(*arguments: str) -> str:
    output = StringIO()
    call_command("cloudkey_account", *arguments, stdout=output)
    return output.getvalue()


@dataclass(frozen=True)
class Outcome:
    """What became of one request."""

    kind: str
    kid: str
    sent: float
    done: float
    is_granted: bool


class Site:
    """A site under load: its server processes, and the viewers of its pages."""

    def __init__(self, cloud: Cloud, front: Front, media: Media) -> None:
        self._cloud = cloud
        self._origin = f"http://127.0.0.1:{front.port}"
        self._media = media.pk
        self.signer = self._rotate()
        self.old = self.signer
        # A page that was opened before all this, and the bytes that its player asks for.
        self._open_page = self.old.media.get_stream_url(self._media)
        page_url = self.old.media.get_embed_url(self._media)
        page = requests.get(self._at_front(page_url), timeout=10).text
        found = re.search(r'<video[^>]* src="([^"]+)"', page)
        assert found is not None, page
        self._session = urljoin(page_url, unescape(found[1]))

    def _rotate(self) -> CloudKey:
        made = json.loads(run("rotate", "demo", "--json"))
        transport = HTTPTransport(f"{self._origin}/cloud", retries=0)
        return CloudKey(self._cloud.account.pk, None, self._cloud.base_url,
                        transport=transport, **made)  # fmt: skip

    def _at_front(self, url: str) -> str:
        parts = urlsplit(url)
        return f"{self._origin}{parts.path}?{parts.query}"

    # What the operator does, in this order

    def add(self) -> None:
        self.next = self._rotate()

    def switch(self) -> None:
        self.signer = self.next

    def retire(self) -> None:
        run("retire", "demo", OLD)

    # What comes in: by turns, from a process that has switched when all did, and from one that has
    # not, or a page that was made before

    def ask(self, number: int) -> Outcome:
        kinds: list[tuple[str, CloudKey, Callable[[CloudKey], bool]]] = [
            ("call", self.signer, self._call),
            ("address", self.signer, self._watch),
            ("old call", self.old, self._call),
            ("old address", self.old, lambda _: self._get(self._open_page)),
            ("old session", self.old, lambda _: self._get(self._session)),
        ]
        kind, client, ask = kinds[number % len(kinds)]
        assert client.signing_keys is not None
        sent = time.monotonic()
        is_granted = ask(client)
        return Outcome(kind, client.signing_keys.kid, sent, time.monotonic(), is_granted)

    def _call(self, client: CloudKey) -> bool:
        try:
            return bool(client.media.count() == 1)
        except (AuthenticationError, LimitExceeded):  # refused, or refused too often
            return False

    def _watch(self, client: CloudKey) -> bool:
        return self._get(client.media.get_stream_url(self._media))

    def _get(self, url: str) -> bool:
        status = requests.get(self._at_front(url), timeout=30).status_code
        assert status in (200, 403), status
        return status == 200


@pytest.mark.parametrize(
    "seconds",
    [pytest.param(5, id="short"), pytest.param(60, id="minute", marks=pytest.mark.full)],
)
def test_f50_a_key_is_replaced_under_load(
    cloud: Cloud, start_gunicorn: Callable[..., Front], seconds: int
) -> None:
    site = Site(cloud, start_gunicorn(workers=WORKERS), add_media(cloud.account))
    steps = {0.2: site.add, 0.4: site.switch, 0.7: site.retire}
    begun: dict[Any, float] = {}
    ended: dict[Any, float] = {}
    start = time.monotonic()
    futures: list[Future[Outcome]] = []

    with ThreadPoolExecutor(24) as pool:
        for number in range(seconds * RATE):
            for share in [each for each in steps if each * seconds * RATE <= number]:
                step = steps.pop(share)
                begun[step] = time.monotonic()
                step()
                ended[step] = time.monotonic()
            futures.append(pool.submit(site.ask, number))
            time.sleep(max(0, start + number / RATE - time.monotonic()))
    outcomes = [each.result() for each in futures]

    assert not steps
    assert len(outcomes) == seconds * RATE
    before = [each for each in outcomes if each.done < begun[site.retire]]
    after = [each for each in outcomes if each.sent > ended[site.retire]]
    assert [each for each in before if not each.is_granted] == []
    assert [each for each in outcomes if each.kid == NEW and not each.is_granted] == []
    assert [each for each in after if each.kid == OLD and each.is_granted] == []
    # It was a rotation: both were used before, and all that was old was refused after.
    assert {each.kid for each in before} == {OLD, NEW}
    assert set(Counter(each.kind for each in after if not each.is_granted)) == {
        "old call", "old address", "old session",
    }  # fmt: skip
    assert {each.kind for each in after if each.kid == NEW} == {"call", "address"}


def test_a_site_moves_to_scheme_2_without_a_refusal(cloud: Cloud) -> None:
    """The steps of the guide: a secret, the site, then the end of the historical scheme."""
    media = add_media(cloud.account).pk

    def is_served(url: str) -> bool:
        return requests.get(url, timeout=10).status_code == 200

    old_page = cloud.client.media.get_stream_url(media)
    made = json.loads(run("rotate", "demo", "--json"))
    site = CloudKey(cloud.account.pk, cloud.account.api_key, cloud.base_url, **made)
    new_page = site.media.get_stream_url(media)

    assert cloud.client.media.count() == site.media.count() == 1
    assert is_served(old_page)
    assert is_served(new_page)
    report = json.loads(run("show", "demo", "--json"))
    assert {use["kind"].partition(",")[0] for use in report["historical uses"]} == {
        "call", "address",
    }  # fmt: skip

    run("legacy", "demo", "off")

    assert is_served(new_page)
    assert site.media.count() == 1
    assert not is_served(old_page)
    with pytest.raises(AuthenticationError):
        cloud.client.media.count()
