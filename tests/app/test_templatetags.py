"""The tags: an address for the viewer of this page, no query, no socket, no way out of its tag."""

from __future__ import annotations

import logging
import re
import socket
import time
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.template import Context, Template, TemplateSyntaxError
from django.test import RequestFactory
from django.utils.timezone import make_naive
from hypothesis import given, strategies

from django_cloudkey.addresses import end_of, sign_for
from django_cloudkey.fields import FieldMedia, MediaField
from django_cloudkey.protocol.exceptions import InvalidParameter
from django_cloudkey.protocol.seclevel import Viewer
from django_cloudkey.protocol.secret import Secret
from django_cloudkey.protocol.signing import parse_auth, verify_url
from tests.testapp.models import Lesson

from ..conftest import DATABASES

MEDIA = "4d0c0ffee0000000000000aa"
KEY = "0123456789abcdef0123456789abcdef01234567"


def render(tag: str, **context: Any) -> str:
    return Template("{% load cloudkey %}{% " + tag + " %}").render(Context(context))


def source(html: str) -> str:
    found = re.search(r'src="([^"]*)"', html)
    assert found is not None, html
    return unescape(found[1])


def level(url: str) -> int:
    return int(parse_auth(urlsplit(url).query.removeprefix("auth=")).seclevel)


def configure(settings: Any, **keys: object) -> None:
    settings.CLOUDKEYS = {"default": {**settings.CLOUDKEYS["default"], **keys}}


def test_embed_is_a_frame_with_a_signed_address() -> None:
    html = render("cloudkey_embed media title='A talk'", media=Lesson(video=MEDIA).video)

    url = source(html)
    verify_url(url.partition("?")[0], urlsplit(url).query.removeprefix("auth="), Secret(KEY))
    assert url.startswith(f"http://testserver/cloud/embed/4d0c0ffee000000000000001/{MEDIA}?auth=")
    assert 'title="A talk"' in html
    assert 'loading="lazy"' in html


@pytest.mark.parametrize(
    "title", ['" onload="alert(1)', "</iframe><script>alert(1)</script>", "' x='", "<b>"]
)
def test_title_stays_inside_its_attribute(title: str) -> None:
    html = render("cloudkey_embed media title=title", media=MEDIA, title=title)

    assert re.findall(r"<(\w+)", html) == ["div", "iframe"]
    assert unescape(re.findall(r'title="([^"]*)"', html)[0]) == title


@pytest.mark.parametrize("media", ["", None, Lesson().video])
@pytest.mark.parametrize(
    "tag",
    [
        "cloudkey_embed media",
        "cloudkey_embed_url media",
        "cloudkey_stream_url media",
        "cloudkey_thumbnail_url media",
        "cloudkey_video media",
    ],
)
def test_nothing_renders_nothing(media: object, tag: str) -> None:
    assert render(tag, media=media) == ""


def test_file_that_is_not_uploaded_yet_renders_nothing(settings: Any) -> None:
    from django.core.files.base import ContentFile

    settings.DEBUG = True
    file: Any = ContentFile(b"x", name="x.mp4")
    lesson = Lesson(video=file)

    assert render("cloudkey_embed lesson.video", lesson=lesson) == ""


def test_thumbnail_is_an_address() -> None:
    url = unescape(render("cloudkey_thumbnail_url media", media=MEDIA))

    assert f"/{MEDIA}/jpeg_thumbnail_medium.jpeg?auth=" in url
    large = render("cloudkey_thumbnail_url media asset_name='jpeg_thumbnail_large'", media=MEDIA)
    assert "jpeg_thumbnail_large" in large


@pytest.mark.parametrize(
    ("text", "number"),
    [("none", 0), ("ip", 4), ("useragent", 8), ("ip|useragent", 12), ("delegate|ip", 5)],
)
def test_level_is_named(text: str, number: int) -> None:
    request = RequestFactory().get("/", HTTP_USER_AGENT="Firefox")
    html = render("cloudkey_embed media seclevel=level", media=MEDIA, level=text, request=request)

    assert level(source(html)) == number


def test_level_of_the_account_is_the_default(settings: Any) -> None:
    configure(settings, SECLEVEL="ip")
    request = RequestFactory().get("/")

    assert level(source(render("cloudkey_embed media", media=MEDIA, request=request))) == 4
    assert level(source(render("cloudkey_embed media seclevel=0", media=MEDIA))) == 0


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "address"),
    [
        ("192.0.2.7", "", [], "192.0.2.7"),
        ("192.0.2.7", "198.51.100.1", [], "192.0.2.7"),
        ("10.0.0.1", "198.51.100.1", ["10.0.0.0/8"], "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 192.0.2.9", ["10.0.0.0/8"], "192.0.2.9"),
    ],
)
def test_address_is_signed_for_the_viewer_of_the_page(
    settings: Any, peer: str, forwarded: str, proxies: list[str], address: str
) -> None:
    configure(settings, TRUSTED_PROXIES=proxies)
    request = RequestFactory().get(
        "/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded, HTTP_USER_AGENT="Firefox"
    )

    url = source(
        render("cloudkey_embed media seclevel='ip|useragent'", media=MEDIA, request=request)
    )

    verify_url(
        url.partition("?")[0],
        urlsplit(url).query.removeprefix("auth="),
        Secret(KEY),
        viewer=Viewer(ip=address, useragent="Firefox"),
    )


def test_end_is_what_the_template_says() -> None:
    expires = int(time.time()) + 60
    url = source(render("cloudkey_embed media expires=expires", media=MEDIA, expires=expires))

    assert parse_auth(urlsplit(url).query.removeprefix("auth=")).expires == expires


def test_end_may_be_a_datetime(settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Paris"
    end = datetime(2030, 6, 1, 12, 0, tzinfo=UTC)
    shown = (
        end,
        make_naive(end),
        int(end.timestamp()),
        str(int(end.timestamp())),
        end.timestamp() + 0.5,
    )

    for expires in shown:
        tag = render("cloudkey_embed_url media expires=expires", media=MEDIA, expires=expires)
        signed = sign_for(None, "get_embed_url", MEDIA, expires=expires)
        for url in (tag, signed):
            assert parse_auth(urlsplit(url).query.removeprefix("auth=")).expires == end.timestamp()


def test_end_that_is_none_does_not_open_what_it_was_to_close() -> None:
    for expires in (0, 3600, "soon", float("nan"), 10**10):
        with pytest.raises(ValueError, match="expires: it is a moment"):
            Lesson(video=MEDIA).video.embed_url(expires=expires)


MISSPELT = [
    ("cloudkey_embed", "cloudkey_embed needs a media"),
    ("cloudkey_embed as x", "cloudkey_embed needs a media"),
    ("cloudkey_embed media 'A title'", "Arguments after the media have names, got \"'A title'\""),
    ("cloudkey_embed media ip='1'", "'ip' is no argument of this tag; its arguments are title, ra"),
    ("cloudkey_video media ratio='1:1'", "'ratio' is no argument of this tag; its arguments are t"),
    ("cloudkey_embed media start=1 start=2", "'start' is there twice"),
    ("cloudkey_embed media seclevel='ipp'", "seclevel: 'ipp' is no security level"),
    (
        "cloudkey_embed media seclevel=''",
        "seclevel: it is the name or the number of a level, got ''",
    ),
    ("cloudkey_embed media seclevel=128", "seclevel: 128 is not a sum of security levels"),
    (
        "cloudkey_embed media ratio='2:1'",
        "ratio: it is one of 16:9, 4:3, 1:1, 9:16, 21:9; got '2:1'",
    ),
    ("cloudkey_embed media loading='soon'", "loading: it is one of lazy, eager; got 'soon'"),
    ("cloudkey_embed media start='x'", "start: it is a number of seconds, got 'x'"),
    ("cloudkey_embed media start=-1", "start: it is a second of the video, got -1"),
    (
        "cloudkey_embed media expires='soon'",
        "expires: it is a moment, as Unix time or a datetime, ",
    ),
    (
        "cloudkey_embed media expires=3600",
        "expires: it is a moment, as Unix time or a datetime, got",
    ),
    ("cloudkey_embed media countries=33", "countries: it is a list or a text, got 33"),
]


@pytest.mark.parametrize(("tag", "sentence"), MISSPELT)
def test_what_is_written_wrong_is_told_when_the_template_is_loaded(tag: str, sentence: str) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        Template("{% load cloudkey %}{% " + tag + " %}")

    assert sentence in str(caught.value)


WRONG = [
    ("cloudkey_embed media seclevel=v", "ipp", ValueError, "'ipp' is no security level"),
    ("cloudkey_embed media seclevel=v", [], ValueError, "seclevel: it is the name or the number"),
    ("cloudkey_embed media seclevel=nobody.set.this", 0, ValueError, "seclevel: it is the name"),
    ("cloudkey_embed media seclevel='ip'", 0, ValueError, "This security level needs the request"),
    ("cloudkey_embed media account=v", "nobody", ImproperlyConfigured, "nobody.* is not config"),
    ("cloudkey_embed media account=v", "", ImproperlyConfigured, "is not configured"),
    ("cloudkey_embed media account=v", [], ImproperlyConfigured, "is not configured"),
    ("cloudkey_embed v", "not an id", InvalidParameter, "24 lower-case hexadecimal"),
    ("cloudkey_embed v", 5, InvalidParameter, "24 lower-case hexadecimal"),
    ("cloudkey_embed media seclevel=v", 128, ValueError, "128 is not a sum of security levels"),
    ("cloudkey_embed media seclevel='country'", 0, ValueError, "needs a list of country codes"),
    ("cloudkey_embed media seclevel='country' countries=v", 33, ValueError, "countries: it is a"),
    ("cloudkey_embed media seclevel='referer'", 0, ValueError, "needs the request"),
    ("cloudkey_embed media ratio=v", "2:1", ValueError, "ratio: it is one of 16:9, 4:3"),
    ("cloudkey_embed media ratio=v", [], ValueError, "ratio: it is one of 16:9, 4:3"),
    ("cloudkey_embed media loading=v", "soon", ValueError, "loading: it is one of lazy, eager"),
    ("cloudkey_embed media start=v", "x", ValueError, "start: it is a number of seconds"),
    ("cloudkey_embed media start=v", float("inf"), ValueError, "start: it is a number of seconds"),
    ("cloudkey_embed media start=v", -1, ValueError, "start: it is a second of the video"),
    ("cloudkey_embed media expires=v", "soon", ValueError, "expires: it is a moment"),
    ("cloudkey_embed media expires=v", "", ValueError, "expires: it is a moment"),
    ("cloudkey_embed media expires=v", 0, ValueError, "expires: it is a moment"),
    ("cloudkey_embed media expires=v", 3600, ValueError, "expires: it is a moment"),
    ("cloudkey_embed media expires=v", 10**10, ValueError, "expires: it is a moment"),
    (
        "cloudkey_embed media expires=v",
        datetime(9999, 1, 1, tzinfo=UTC),
        ValueError,
        "expires: it is a moment",
    ),
    ("cloudkey_video media asset_name=v", "../x", InvalidParameter, "not the name of an asset"),
    ("cloudkey_video media asset_name=v", 7, InvalidParameter, "not the name of an asset"),
    ("cloudkey_video media poster=v", "mp4_h264", ValueError, "poster: it is the name of a still"),
    ("cloudkey_stream_url media asset_name='abs'", 0, InvalidParameter, "protocol is required"),
]


@pytest.mark.parametrize(("tag", "value", "error", "sentence"), WRONG)
def test_mistake_is_loud_while_developing(
    settings: Any, tag: str, value: object, error: type[Exception], sentence: str
) -> None:
    settings.DEBUG = True

    with pytest.raises(error, match=sentence):
        render(tag, media=MEDIA, v=value)


@pytest.mark.parametrize(("tag", "value", "error", "sentence"), WRONG)
def test_mistake_is_logged_in_production(
    caplog: pytest.LogCaptureFixture, tag: str, value: object, error: object, sentence: str
) -> None:
    with caplog.at_level(logging.ERROR, logger="django_cloudkey"):
        assert render(tag, media=MEDIA, v=value) == ""

    assert re.search(sentence, caplog.text)
    assert KEY not in caplog.text


@pytest.mark.django_db(databases=DATABASES)
def test_long_page_asks_nobody(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    lessons = [Lesson(title=str(number), video=MEDIA) for number in range(1000)]
    template = Template(
        "{% load cloudkey %}"
        "{% for lesson in lessons %}{% cloudkey_embed lesson.video %}{% endfor %}"
    )

    with django_assert_num_queries(0):
        html = template.render(Context({"lessons": lessons}))

    assert html.count("<iframe") == 1000


def test_client_in_a_template_calls_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from django_cloudkey import cloudkey

    def refuse(*args: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    text = Template(
        "{{ c }}{{ c.media }}{{ c.media.list }}{{ c.media.delete }}{{ c.other.thing }}{{ v.info }}"
        "{{ v.delete }}{{ c.api_key }}"
    ).render(Context({"c": cloudkey, "v": Lesson(video=MEDIA).video}))

    assert KEY not in text


def auth_of(url: str) -> str:
    return dict(parse_qsl(urlsplit(url).query))["auth"]


def test_player_is_told_how_to_start() -> None:
    url = source(render("cloudkey_embed media autoplay=True start=90.5 chromeless=1", media=MEDIA))

    assert url.endswith("&autoplay=1&start=90&chromeless=1")
    assert urlsplit(render("cloudkey_embed_url media", media=MEDIA)).query.count("&") == 0


def test_address_of_the_player_is_given_to_the_template() -> None:
    template = "{% load cloudkey %}{% cloudkey_embed_url media start=7 as url %}<{{ url|safe }}>"

    url = Template(template).render(Context({"media": MEDIA}))

    assert re.fullmatch(rf"<http://testserver/cloud/embed/\w+/{MEDIA}\?auth=[\w-]+&start=7>", url)


def test_stream_is_an_address() -> None:
    tag = "cloudkey_stream_url media asset_name='mp4_h264_aac_hd' filename='a b.mp4'"
    url = unescape(render(tag, media=MEDIA))

    assert f"/http/4d0c0ffee000000000000001/{MEDIA}/mp4_h264_aac_hd.mp4?filename=a+b.mp4&" in url


def test_video_has_its_address_and_poster() -> None:
    html = render("cloudkey_video media title='<A>' start=12", media=MEDIA)

    assert re.findall(r"<(\w+)", html) == ["video"]
    assert f"/{MEDIA}/mp4_h264_aac.mp4?auth=" in source(html)
    assert source(html).endswith("#t=12")
    assert f"/{MEDIA}/jpeg_thumbnail_large.jpeg?auth=" in html
    assert 'aria-label="&lt;A&gt;"' in html
    assert "poster" not in render("cloudkey_video media poster=''", media=MEDIA)


@pytest.mark.parametrize("ratio", ["4:3", "1:1", "9:16", "21:9"])
def test_ratio_is_a_class_since_a_style_may_be_forbidden(ratio: str) -> None:
    html = render("cloudkey_embed media ratio=ratio", media=MEDIA, ratio=ratio)
    css = Path("django_cloudkey/static/django_cloudkey/embed.css").read_text()

    assert "style=" not in html
    name = re.findall(r'class="cloudkey-embed (.*?)"', html)[0]
    width, height = ratio.split(":")
    expected = width if width == height else f"{width} / {height}"
    assert re.search(rf"\.{name} {{\s*aspect-ratio: {expected};", css)


def test_frame_tells_the_cloud_of_its_page_where_the_level_asks() -> None:
    request = RequestFactory().get("/lesson/", headers={"Host": "testserver"})

    html = render("cloudkey_embed media seclevel='referer'", media=MEDIA, request=request)
    assert 'referrerpolicy="strict-origin"' in html
    assert parse_auth(auth_of(source(html))).public_text == "rf=http%3A%2F%2Ftestserver%2F"

    tag = (
        "cloudkey_embed media seclevel='referer' referers='https://a.example/x/ https://b.example/'"
    )
    html = render(tag, media=MEDIA)
    assert 'referrerpolicy="no-referrer-when-downgrade"' in html
    assert "referrerpolicy" not in render("cloudkey_embed media", media=MEDIA)


def test_countries_are_a_list_or_a_text() -> None:
    for countries in ("fr, be", ["fr", "be"]):
        html = render(
            "cloudkey_embed media seclevel='country' countries=countries",
            media=MEDIA,
            countries=countries,
        )
        assert parse_auth(auth_of(source(html))).public_text == "cc=fr,be"


def test_level_of_the_field_comes_before_that_of_the_account(settings: Any) -> None:
    configure(settings, SECLEVEL="useragent")
    request = RequestFactory().get("/", HTTP_USER_AGENT="Firefox")
    field = MediaField(seclevel="ip")
    field.set_attributes_from_name("video")

    media = FieldMedia(field, MEDIA)

    assert level(source(render("cloudkey_embed media", media=media, request=request))) == 4
    assert level(media.embed_url(request)) == 4
    assert level(media.embed_url(ip="192.0.2.1")) == 4
    with pytest.raises(ValueError, match="needs the request"):
        media.embed_url()


def viewer_behind_a_header(request: Any, trusted_proxies: object) -> Viewer:
    return Viewer(ip=request.headers["X-Viewer"], asnum="AS64496")


def test_site_may_say_who_the_viewer_is(settings: Any) -> None:
    configure(settings, VIEWER=f"{__name__}.viewer_behind_a_header")
    request = RequestFactory().get("/", headers={"X-Viewer": "192.0.2.77"})

    url = unescape(
        render("cloudkey_embed_url media seclevel='ip|asnum'", media=MEDIA, request=request)
    )

    viewer = Viewer(ip="192.0.2.77", asnum="AS64496")
    verify_url(url.partition("?")[0], auth_of(url), Secret(KEY), viewer=viewer)


def test_addresses_live_as_long_as_the_account_says(settings: Any) -> None:
    configure(settings, URL_LIFETIME=600)

    expires = parse_auth(auth_of(source(render("cloudkey_embed media", media=MEDIA)))).expires

    assert expires == pytest.approx(time.time() + 600, abs=5)


@given(
    now=strategies.floats(0, 4e9),
    lifetime=strategies.integers(1, 10**6),
    bucket=strategies.integers(1, 10**5),
)
def test_end_is_at_the_end_of_a_bucket(now: float, lifetime: int, bucket: int) -> None:
    account: Any = SimpleNamespace(url_lifetime=lifetime, url_bucket=bucket)

    end = end_of(account, now)

    assert end % bucket == 0
    assert lifetime <= end - int(now) < lifetime + bucket


TAGS = ["cloudkey_embed_url", "cloudkey_stream_url", "cloudkey_thumbnail_url"]


@pytest.mark.parametrize("tag", TAGS)
def test_viewer_gets_the_same_address_for_a_while(settings: Any, tag: str) -> None:
    configure(settings, URL_BUCKET=10**6)
    one, other = (RequestFactory().get("/", REMOTE_ADDR=f"192.0.2.{n}") for n in (1, 2))
    text = f"{tag} media seclevel='ip'"

    url = render(text, media=MEDIA, request=one)

    assert url == render(text, media=MEDIA, request=one)
    assert url != render(text, media=MEDIA, request=other)
    verify_url(
        url.partition("?")[0], auth_of(unescape(url)), Secret(KEY), viewer=Viewer(ip="192.0.2.1")
    )


@pytest.mark.parametrize("seclevel", ["delegate|ip", "useonce"])
def test_addresses_for_whoever_comes_first_differ(settings: Any, seclevel: str) -> None:
    configure(settings, URL_BUCKET=10**6)

    urls = {
        render("cloudkey_embed_url media seclevel=s", media=MEDIA, s=seclevel) for _ in range(9)
    }

    assert len(urls) == 9
