"""F30, F31, T179: clocks that differ, that are put back, and that pass 2038."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from django_cloudkey.client import SecLevel, sign_url
from django_cloudkey.protocol.scheme2.signing import sign_url as sign2
from django_cloudkey.protocol.urls import stream_address
from django_cloudkey.server import account_secrets, counters, jobs, one_time
from django_cloudkey.server.delivery import admission
from django_cloudkey.server.models import Job, Media, OneTimeClaim, RateCounter

from ..conftest import DATABASES, Cloud
from .conftest import Front
from .test_delivery import BASE, Viewer, add_media
from .test_levels import Sign, sign, viewer  # noqa: F401 - fixtures

# ruff: noqa: F811 - fixtures of another file

pytestmark = pytest.mark.django_db(databases=DATABASES)

TEN_MINUTES = 600
HOUR = 3600


def times_of(sign: Sign, clock: float, seconds: int, level: int = 0) -> str:
    """Return an address that a site whose clock says *clock* signs for *seconds*."""
    times = {"expires": clock + seconds}
    if "?auth=ey" in sign(0):
        times["issued"] = clock
    return sign(level, **times)


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that moves the clock by which addresses are judged, in seconds."""

    def set_clock(moved: float) -> None:
        clock = SimpleNamespace(time=lambda: time.time() + moved)
        monkeypatch.setattr(admission, "time", clock)

    return set_clock


@pytest.mark.parametrize("skew", [-TEN_MINUTES, -25, 25, TEN_MINUTES])
def test_f30_t179_a_site_whose_clock_differs(viewer: Viewer, sign: Sign, skew: int) -> None:
    """
    Its addresses live longer or shorter by as much. Under scheme 2 one that is more than half a
    minute ahead is refused, as nobody can say when it was signed.
    """
    is_scheme2 = "?auth=ey" in sign(0)
    meant = 300
    url = times_of(sign, time.time() + skew, meant)

    is_early = is_scheme2 and skew > 30
    is_over = skew + meant <= 0
    assert viewer.status(url) == (403 if is_early or is_over else 200)


@pytest.mark.parametrize("back", [TEN_MINUTES, HOUR - 60])
def test_f30_used_addresses_stay_used_when_the_clock_is_put_back(
    viewer: Viewer, sign: Sign, set_clock: Callable[[float], None],
    caplog: pytest.LogCaptureFixture, back: int,
) -> None:  # fmt: skip
    """Also when they had expired by then, and the sweeper came by."""
    url = times_of(sign, time.time(), 30, SecLevel.USEONCE)
    assert viewer.status(url) == 302
    ended = time.time() + 30

    claim = OneTimeClaim.objects.get()
    # The sweeper's clock is the furthest ahead from which it can be put back to before the end.
    assert claim.expires > datetime.fromtimestamp(ended + back, UTC)
    one_time.forget_expired()
    set_clock(-back)

    with caplog.at_level("INFO", logger="django_cloudkey"):
        assert viewer.status(url) == 403

    # Under scheme 2 it was signed in the future then.
    assert f"Refused ({'early' if '?auth=ey' in url else 'used'})" in caplog.text


def test_f30_a_limit_ends_though_the_clock_was_put_back(viewer: Viewer) -> None:
    assert counters.take("calls:x", 1)
    assert not counters.take("calls:x", 1)

    # As the row looks to a database whose clock was put back by an hour.
    RateCounter.objects.update(expires=timezone.now() + timedelta(hours=1))

    assert counters.take("calls:x", 1)
    assert not counters.take("calls:x", 1)
    assert RateCounter.objects.get().expires < timezone.now() + timedelta(minutes=2)


@pytest.mark.parametrize("moved", [-HOUR, -TEN_MINUTES, TEN_MINUTES, HOUR])
def test_f30_a_lease_is_of_the_database_s_clock(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    """A worker whose own clock differs neither loses its job at once nor keeps one for ever."""
    jobs.enqueue(viewer.media)
    there = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: there + timedelta(seconds=moved))
    monkeypatch.setattr(time, "time", lambda: there.timestamp() + moved)

    job = jobs.claim()

    assert job is not None
    assert jobs.claim() is None
    assert jobs.renew(job)
    left = Job.objects.get().lease_expires - there  # type: ignore[operator]
    assert timedelta(seconds=50) < left < timedelta(seconds=120)


# 2038, and further

MOMENTS = {
    "last second of 31 bits": 2**31 - 1,
    "first one after": 2**31,
    "last of 32 bits": 2**32 - 1,
    "first one after that": 2**32,
    "nearly 2286": 9_999_990_000,
}


@pytest.mark.parametrize("level", [SecLevel.NONE, SecLevel.USEONCE])
@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_f31_addresses_of_other_centuries(
    viewer: Viewer, sign: Sign, set_clock: Callable[[float], None], moment: int, level: SecLevel
) -> None:
    url = times_of(sign, moment - 100, 7200, level)
    secret = account_secrets.active(viewer.media.account_id).get()
    assert secret.expires is None
    set_clock(moment - time.time())

    assert viewer.status(url) == (302 if level else 200)
    assert viewer.status(url) == (403 if level else 200)
    set_clock(moment + 7200 - time.time())
    assert viewer.status(url) == 403


@pytest.mark.parametrize("expires", [-(2**31), 2**31 - 2**32, -1])
def test_f31_end_that_overflowed_is_refused(viewer: Viewer, expires: int) -> None:
    """As a client wrote it that counted in 32 bits."""
    user, media = viewer.signer.user_id, viewer.media.pk
    base = f"{BASE}/{stream_address(user, media, 'mp4_h264_aac').path}"

    assert viewer.status(sign_url(base, viewer.signer.api_key, expires=expires)) == 403


# A server in a process of its own, whose clock is wrong; the database's is right


@pytest.fixture
def clock_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that says by how much the clock of processes is wrong that are started now."""
    path = tmp_path / "clock"
    path.write_text("0")
    monkeypatch.setenv("TEST_CLOCK", str(path))
    monkeypatch.setenv("TZ", "America/New_York")
    return path


def signers(cloud: Cloud, media: Media) -> dict[str, Callable[..., str]]:
    """Return, for each scheme, a function that signs as a site does whose clock is right."""
    keys = account_secrets.keys_of(account_secrets.add(cloud.account))
    url = f"{cloud.base_url}/{stream_address(cloud.account.pk, media.pk, 'mp4_h264_aac').path}"

    def historical(clock: float, level: int = 0) -> str:
        return sign_url(url, cloud.account.api_key, level, expires=clock + 7200)

    def scheme2(clock: float, level: int = 0) -> str:
        return sign2(url, keys, media=media.pk, audience="stream", seclevel=level,
                     asset_name="mp4_h264_aac", issued=clock, expires=clock + 7200)  # fmt: skip

    return {"historical": historical, "scheme 2": scheme2}


def status(front: Front, url: str) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=30)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(datetime(2038, 1, 19, 3, 14, 6, tzinfo=UTC), id="31 bits"),
        pytest.param(datetime(2027, 11, 7, 5, 59, 58, tzinfo=UTC), id="end of summer time"),
        pytest.param(datetime(2027, 3, 14, 6, 59, 58, tzinfo=UTC), id="start of summer time"),
    ],
)
def test_f30_f31_a_server_passes_a_moment(
    cloud: Cloud, clock_file: Path, start_gunicorn: Callable[..., Front], moment: datetime
) -> None:
    media = add_media(cloud.account)
    front = start_gunicorn()
    ahead = moment.timestamp() - time.time()
    clock_file.write_text(str(ahead))

    sign = signers(cloud, media)
    for _ in range(10):
        now = time.time() + ahead
        for name, signed in sign.items():
            assert status(front, signed(now)) == 200, name
            assert status(front, signed(now - 7202)) == 403, name
            once = signed(now, SecLevel.USEONCE)
            assert [status(front, once), status(front, once)] == [302, 403], name
        time.sleep(0.4)
    assert time.time() + ahead > moment.timestamp() + 1


def test_f30_the_clock_of_a_running_server_is_put_back_by_an_hour(
    cloud: Cloud, clock_file: Path, start_gunicorn: Callable[..., Front]
) -> None:
    media = add_media(cloud.account)
    front = start_gunicorn()
    sign = signers(cloud, media)
    now = time.time()
    used = {name: signed(now, SecLevel.USEONCE) for name, signed in sign.items()}
    ended = {name: signed(now - 7200 - 1800) for name, signed in sign.items()}
    assert [status(front, url) for url in used.values()] == [302, 302]
    assert [status(front, url) for url in ended.values()] == [403, 403]

    clock_file.write_text("-3600")

    assert [status(front, url) for url in used.values()] == [403, 403]
    # What had expired is valid again for as long as the server believes that it is earlier.
    assert [status(front, url) for url in ended.values()] == [200, 200]
    assert status(front, sign["historical"](now)) == 200
    assert status(front, sign["scheme 2"](now)) == 403  # from the future
    clock_file.write_text("0")
    assert [status(front, url) for url in used.values()] == [403, 403]
    assert [status(front, url) for url in ended.values()] == [403, 403]
