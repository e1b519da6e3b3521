"""The tags: an address for the viewer of this page, no query, no socket, no way out of its tag."""

from __future__ import annotations

import logging
import re
import socket
import time
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.template import Context, Template
from django.test import RequestFactory

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
@pytest.mark.parametrize("tag", ["cloudkey_embed media", "cloudkey_thumbnail_url media"])
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


WRONG = [
    ("cloudkey_embed media seclevel='ipp'", ValueError, "'ipp' is no security level"),
    ("cloudkey_embed media seclevel='ip'", ValueError, "This security level needs the request"),
    (
        "cloudkey_embed media account='nobody'",
        ImproperlyConfigured,
        'CLOUDKEYS\\["nobody"\\] is not',
    ),
    ("cloudkey_embed 'not an id'", Exception, "24 lower-case hexadecimal"),
    ("cloudkey_embed media seclevel=128", ValueError, "128 is not a sum of security levels"),
]


@pytest.mark.parametrize(("tag", "error", "sentence"), WRONG)
def test_mistake_is_loud_while_developing(
    settings: Any, tag: str, error: type[Exception], sentence: str
) -> None:
    settings.DEBUG = True

    with pytest.raises(error, match=sentence):
        render(tag, media=MEDIA)


@pytest.mark.parametrize(("tag", "error", "sentence"), WRONG)
def test_mistake_is_logged_in_production(
    caplog: pytest.LogCaptureFixture, tag: str, error: type[Exception], sentence: str
) -> None:
    with caplog.at_level(logging.ERROR, logger="django_cloudkey"):
        assert render(tag, media=MEDIA) == ""

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
