"""
Every level, for every viewer, over sockets of the running cloud, under both schemes.

The table says what is expected and reads as documentation: rows are levels, columns viewers. A cell
is asked as a player's page and as a stream, some as a still, each with an address of its own.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

from django_cloudkey.client import sign_url
from django_cloudkey.protocol.scheme2 import signing as scheme2
from django_cloudkey.protocol.scheme2.keys import Keys
from django_cloudkey.protocol.seclevel import parse_seclevel
from django_cloudkey.protocol.urls import Page, Thumbnail, stream_address
from django_cloudkey.server import account_secrets
from django_cloudkey.server.models import Media

from ..conftest import Cloud
from .conftest import Front
from .places import ABROAD, HERE, NEIGHBOUR
from .test_delivery import add_media

pytestmark = pytest.mark.usefixtures("no_failure")

PAGE = "https://courses.example/lessons/1"

# The viewer
#   right      the one for whom the site signed
#   neighbour  another, in the same network and country, on the same page
#   wrong      another, in another network and country, on another page
#   unknown    whose address is not known, and who sends no header
#   forger     as wrong, but writes into every header what would let him in
#
# behind
#   1 proxy    that is trusted
#   1 other    that is not
#   2 proxies  that are trusted
#   2 others   the nearer one trusted, the other not

TABLE = """
                           right right   right right   right     right    right     wrong             forger forger
                                 as IPv6 again behind  behind    behind   behind    or not            direct behind
level              first                       1 proxy 1 other   2        2 others  neigh- wrong  un-        1 proxy
                                                                 proxies            bour          known

none               -       yes   yes     yes   yes     yes       yes      yes       yes    yes    yes   yes    yes
ip                 -       yes   yes     yes   yes     no        yes      no        no     no     no    no     no
ip/24              -       yes   yes     yes   yes     no        yes      no        yes    no     no    no     no
useragent          -       yes   yes     yes   yes     yes       yes      yes       no     no     no    yes    yes
ip|useragent       -       yes   yes     yes   yes     no        yes      no        no     no     no    no     no
asnum              -       yes   yes     yes   yes     no        yes      no        yes    no     no    no     no
asnum, no file     -       no    no      no    no      no        no       no        no     no     no    no     no
country            -       yes   yes     yes   yes     no        yes      no        yes    no     no    no     no
country, denied    -       no    no      no    no      no        no       no        no     yes    no    yes    yes
country, no file   -       no    no      no    no      no        no       no        no     no     no    no     no
referer            -       yes   yes     yes   yes     yes       yes      yes       yes    no     yes   yes    yes
referer, must say  -       yes   yes     yes   yes     yes       yes      yes       yes    no     no    yes    yes
referer_strict     -       yes   yes     yes   yes     yes       yes      yes       yes    no     no    yes    yes
useonce            -       yes   yes     no    yes     yes       yes      yes       yes    yes    no    yes    yes
useonce            right   no    no      no    no      no        no       no        no     no     no    no     no
useonce|ip         -       yes   yes     no    yes     no        yes      no        no     no     no    no     no
delegate           right   yes   yes     yes   yes     yes       yes      yes       yes    yes    yes   yes    yes
delegate|ip        right   yes   yes     yes   yes     no        yes      no        no     no     no    no     no
delegate|ip        wrong   no    no      no    no      no        no       no        no     yes    no    yes    yes
delegate|asnum     right   yes   yes     yes   yes     no        yes      no        yes    no     no    no     no
delegate|country   right   yes   yes     yes   yes     no        yes      no        yes    no     no    no     no
delegate|useragent right   yes   yes     yes   yes     yes       yes      yes       no     no     no    yes    yes
"""  # noqa: E501


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who sends a request, and through which proxies."""

    source: str
    """Address of his end of the socket."""
    headers: dict[str, str] = field(default_factory=dict)
    trusted: tuple[str, ...] = ()
    times: int = 1


RIGHT = {"User-Agent": "Firefox/1", "Referer": PAGE}
WRONG = {"User-Agent": "Chrome/2", "Referer": "https://evil.example/"}
FORGED = {
    **RIGHT,
    "X-Forwarded-For": HERE,
    "X-Real-IP": HERE,
    "Forwarded": f"for={HERE}",
    "X-Country": "fr",
    "CF-IPCountry": "FR",
    "X-ASNum": "AS64496",
}
NEAR, FAR = "127.0.0.1", "127.0.0.2"  # proxies
BY = "X-Forwarded-For"

COLUMNS = {
    "right": Asker(source=HERE, headers=RIGHT),
    "as IPv6": Asker(source=NEAR, headers={**RIGHT, BY: f"::ffff:{HERE}"}, trusted=(NEAR,)),
    "again": Asker(source=HERE, headers=RIGHT, times=2),
    "1 proxy": Asker(source=NEAR, headers={**RIGHT, BY: HERE}, trusted=(NEAR,)),
    "1 other": Asker(source=NEAR, headers={**RIGHT, BY: HERE}),
    "2 proxies": Asker(source=NEAR, headers={**RIGHT, BY: f"{HERE}, {FAR}"}, trusted=(NEAR, FAR)),
    "2 others": Asker(source=NEAR, headers={**RIGHT, BY: f"{HERE}, {FAR}"}, trusted=(NEAR,)),
    "neighbour": Asker(source=NEIGHBOUR, headers={"User-Agent": "Chrome/2", "Referer": PAGE}),
    "wrong": Asker(source=ABROAD, headers=WRONG),
    "unknown": Asker(source=NEAR, headers={BY: "unknown"}, trusted=(NEAR,)),
    "forger": Asker(source=ABROAD, headers=FORGED),
    "forger behind": Asker(
        source=NEAR, headers={**FORGED, BY: f"{HERE}, {ABROAD}"}, trusted=(NEAR,)
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    level: str
    first: str
    expected: tuple[str, ...]


def rows() -> list[Any]:
    found = []
    for line in TABLE.split("known\n\n")[1].splitlines():
        cells = line.split()
        count = len(COLUMNS)
        row = Row(
            level=" ".join(cells[: -count - 1]),
            first=cells[-count - 1],
            expected=tuple(cells[-count:]),
        )
        name = row.level if row.first == "-" else f"{row.level} after {row.first}"
        found.append(pytest.param(row, id=name))
    return found


OF_STILLS = ("none", "ip", "useonce")
"""Where a still is asked for, too: under USEONCE it leads to no session, else it goes with them."""

# What the site signs

VALUES = {"asnum": "AS64496", "ip": HERE, "useragent": "Firefox/1", "referers": [PAGE[:-1]]}
NAME = {"stream": "mp4_h264_aac", "thumb": "jpeg_thumbnail_medium"}


@dataclass(frozen=True, slots=True)
class Signer:
    """The site, which signs under one of the schemes."""

    cloud: Cloud
    media: Media
    keys: Keys | None
    """Of scheme 2; ``None`` for the historical one."""

    def url(self, row: Row, kind: str) -> str:
        words, _, _ = row.level.partition(",")
        level = parse_seclevel(words.removesuffix("/24"))
        values = dict(VALUES, countries=["-", "fr"] if "denied" in row.level else ["fr"])
        url = f"{self.cloud.base_url}/{self._path(kind)}"
        if self.keys is None:
            return sign_url(url, self.cloud.account.api_key, level, **values)  # type: ignore[arg-type]
        if words.endswith("/24"):
            values["ip"] = f"{HERE}/24"
        return scheme2.sign_url(
            url, self.keys, media=self.media.pk, audience=kind, asset_name=NAME.get(kind),
            seclevel=level, **values,  # type: ignore[arg-type]
        )  # fmt: skip

    def _path(self, kind: str) -> str:
        user, media = self.cloud.account.pk, self.media.pk
        if kind == "embed":
            return Page(user=user, media=media).path
        if kind == "thumb":
            return Thumbnail(user=user, media=media, asset_name=NAME[kind]).path
        return stream_address(user, media, NAME[kind]).path


# What the viewer does


def ask(url: str, asker: Asker, **headers: str) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port, timeout=20, source_address=(asker.source, 0)
    )
    try:
        connection.request(
            "GET", f"{parts.path}?{parts.query}", headers={**asker.headers, **headers}
        )
        response = connection.getresponse()
        return response.status, dict(response.headers), response.read()
    finally:
        connection.close()


def is_admitted(settings: Any, url: str, asker: Asker) -> bool:
    """Say whether *asker* gets to the bytes: a part of them, as a player that seeks."""
    keys = {"TRUSTED_PROXIES": asker.trusted}
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, **keys}
    for _ in range(asker.times):
        status, headers, body = ask(url, asker, Range="bytes=1-5")
    if status == 403:
        return False
    session = headers.get("Location", "")
    if status == 200 and b"<video" in body:
        session = body.decode().split('<video src="')[1].split('"')[0].replace("&amp;", "&")
    if session:  # players ask with a header of their own, and do not say where they are
        player = {"User-Agent": "AppleCoreMedia/1", "Referer": ""}
        status, headers, body = ask(session, asker, Range="bytes=1-5", **player)
    assert (status, len(body)) == (206, 5)
    return True


@pytest.mark.parametrize("scheme", ["historical", "scheme 2"])
@pytest.mark.parametrize("row", rows())
def test_a_row_of_the_table(
    cloud: Cloud, settings: Any, geography_files: None, row: Row, scheme: str
) -> None:
    if row.level == "ip/24" and scheme == "historical":
        return  # which knows whole addresses only
    if "no file" in row.level:
        files = {"COUNTRY_FILE": None, "ASNUM_FILE": None}
        settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, **files}
    if "must say" in row.level:
        settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "MISSING_REFERER": False}
    media = add_media(cloud.account)
    keys = account_secrets.keys_of(account_secrets.add(cloud.account))
    signer = Signer(cloud, media, None if scheme == "historical" else keys)

    differing = []
    for kind in ("embed", "stream", "thumb") if row.level in OF_STILLS else ("embed", "stream"):
        for (name, asker), expected in zip(COLUMNS.items(), row.expected, strict=True):
            url = signer.url(row, kind)
            if row.first != "-":
                assert is_admitted(settings, url, COLUMNS[row.first])
            found = "yes" if is_admitted(settings, url, asker) else "no"
            if found != expected:
                differing.append(f"{name}, {kind}: {found}")

    assert differing == []


PASSED_ON = """
                     neighbour wrong

none                 yes       yes
ip                   no        no
ip/24                no        no
useragent            yes       yes
asnum                yes       no
country              yes       no
referer              yes       yes
referer_strict       yes       yes
useonce              no        no
delegate             yes       yes
delegate|ip          no        no
delegate|asnum       yes       no
delegate|country     yes       no
delegate|useragent   yes       yes
ip|country           no        no
asnum|country        yes       no
useonce|asnum        no        no
"""


@pytest.mark.parametrize("scheme", ["historical", "scheme 2"])
@pytest.mark.parametrize(
    "line", PASSED_ON.split("\n\n")[1].splitlines(), ids=lambda line: line.split()[0]
)
def test_the_address_inside_a_player_when_it_is_passed_on(
    cloud: Cloud, settings: Any, geography_files: None, line: str, scheme: str
) -> None:
    """It keeps what the level says of networks; of headers nothing, as players send their own."""
    level, *expected = line.split()
    if level == "ip/24" and scheme == "historical":
        return
    media = add_media(cloud.account)
    keys = account_secrets.keys_of(account_secrets.add(cloud.account))
    signer = Signer(cloud, media, None if scheme == "historical" else keys)
    row = Row(level=level, first="-", expected=())

    status, _, body = ask(signer.url(row, "embed"), COLUMNS["right"])
    assert status == 200
    video = body.decode().split('<video src="')[1].split('"')[0].replace("&amp;", "&")

    assert is_admitted(settings, video, COLUMNS["right"])
    found = [
        "yes" if is_admitted(settings, video, COLUMNS[name]) else "no"
        for name in ("neighbour", "wrong")
    ]
    assert found == expected


@pytest.mark.nginx
@pytest.mark.parametrize("scheme", ["historical", "scheme 2"])
def test_ip_behind_nginx_as_the_guide_configures_it(
    cloud: Cloud, start_nginx: Callable[..., Front], geography_files: None, scheme: str
) -> None:
    media = add_media(cloud.account)
    keys = account_secrets.keys_of(account_secrets.add(cloud.account))
    signer = Signer(cloud, media, None if scheme == "historical" else keys)
    url = signer.url(Row(level="ip|country", first="-", expected=()), "stream")
    forged = {**FORGED, BY: f"{HERE}, {NEAR}"}

    found = {}
    for trusted in ([], [NEAR]):
        front = start_nginx(TRUSTED_PROXIES=trusted)
        here = url.replace(urlsplit(cloud.base_url).netloc, f"127.0.0.1:{front.port}")
        found[len(trusted)] = [
            ask(here, asker)[0]
            for asker in (COLUMNS["right"], COLUMNS["wrong"], COLUMNS["forger"],
                          Asker(source=ABROAD, headers=forged))
        ]  # fmt: skip

    assert found == {0: [403] * 4, 1: [200, 403, 403, 403]}
