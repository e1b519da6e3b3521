"""Threats to the template tags; their numbers are those of the reliability study."""

from __future__ import annotations

import logging
import re
import socket
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from django.template import Context, RequestContext, Template
from django.test import RequestFactory
from django.utils import translation
from django.utils.safestring import SafeString

from django_cloudkey import cloudkey
from django_cloudkey.fields import FieldMedia, MediaField
from django_cloudkey.protocol.seclevel import Viewer
from django_cloudkey.protocol.secret import Secret
from django_cloudkey.protocol.signing import URLRefused, parse_auth, read_auth, verify_url
from tests.testapp.models import Lesson

MEDIA = "4d0c0ffee0000000000000aa"
KEY = "0123456789abcdef0123456789abcdef01234567"
TAGS = [
    "cloudkey_embed",
    "cloudkey_embed_url",
    "cloudkey_stream_url",
    "cloudkey_thumbnail_url",
    "cloudkey_video",
]
HOSTILE = [
    '" onload="alert(1)',
    "' onload='alert(1)",
    "</iframe></video><script>alert(1)</script>",
    "x onload=alert(1)",
    "&quot; onload=&quot;alert(1)",
    "javascript:alert(1)",
    "{% debug %}{{ settings }}",
    "\x00\x0b\u2028\u202e<\ud800",
    SafeString('" onload="alert(1)'),
]


def render(tag: str, **context: Any) -> str:
    return Template("{% load cloudkey %}{% " + tag + " %}").render(Context(context))


def configure(settings: Any, **keys: object) -> None:
    settings.CLOUDKEYS = {"default": {**settings.CLOUDKEYS["default"], **keys}}


class Elements(HTMLParser):
    """What a browser makes of it: names of elements, and their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes.update(attrs)

    def handle_data(self, data: str) -> None:
        self.names.append(data)


EMBED = {"class", "src", "title", "loading", "allow"}
VIDEO = {"class", "src", "poster", "controls", "playsinline", "preload", "aria-label"}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_t225_text_of_strangers_stays_in_its_attribute(text: str) -> None:
    embed = Elements(render("cloudkey_embed media title=text", media=MEDIA, text=text))
    video = Elements(render("cloudkey_video media title=text", media=MEDIA, text=text))

    assert (embed.names, set(embed.attributes)) == (["div", "iframe"], EMBED)
    assert (video.names, set(video.attributes)) == (["video"], VIDEO)
    assert embed.attributes["title"] == video.attributes["aria-label"] == text


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_t225_text_of_strangers_stays_in_its_address(text: str) -> None:
    tag = '{% load cloudkey %}<a href="{% cloudkey_stream_url media filename=text %}"></a>'

    link = Elements(Template(tag).render(Context({"media": MEDIA, "text": text})))

    assert (link.names, set(link.attributes)) == (["a"], {"href"})
    if "\ud800" not in text:  # which is no text, so there is no address
        assert len(read_auth(urlsplit(link.attributes["href"] or "").query)) > 40


ARGUMENTS = ["account", "seclevel", "ratio", "loading", "start", "expires", "asset_name", "poster"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("name", ARGUMENTS)
def test_t225_values_that_are_none_render_nothing(name: str, text: str) -> None:
    of_video = name in ("asset_name", "poster")
    tag = f"cloudkey_{'video' if of_video else 'embed'} media {name}=text"

    assert render(tag, media=MEDIA, text=text) == ""


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("tag", TAGS)
def test_t225_media_that_is_none_renders_nothing(tag: str, text: str) -> None:
    assert render(f"{tag} media", media=text) == ""
    assert render(f"{tag} lesson.video", lesson=Lesson(video=text)) == ""


@pytest.mark.parametrize("name", ["skin", "class", "style", "width", "onload", "attrs", "src"])
def test_t225_no_tag_takes_attributes(name: str) -> None:
    for tag in TAGS:
        with pytest.raises(Exception, match=f"'{name}' is no argument of this tag"):
            render(f"{tag} media {name}='1'", media=MEDIA)


@pytest.mark.parametrize("key", ["BASE_URL", "CDN_URL", "STATIC_URL"])
def test_t225_address_of_a_cloud_is_escaped_too(settings: Any, key: str) -> None:
    configure(settings, **{key: "https://video.example.org/'\"><script>&amp;"})

    for tag, names, attributes in (
        ("cloudkey_embed media", ["div", "iframe"], EMBED),
        ("cloudkey_video media", ["video"], VIDEO),
    ):
        elements = Elements(render(tag, media=MEDIA))
        assert (elements.names, set(elements.attributes)) == (names, attributes)


@pytest.mark.parametrize("tag", ["embed", "stream", "thumbnail"])
def test_t225_address_is_escaped_once(tag: str) -> None:
    load = "{% load cloudkey %}"
    argument = {"embed": "start=7 ", "stream": "filename='a.mp4' ", "thumbnail": ""}[tag]
    name = f"cloudkey_{tag}_url media {argument}"
    context = Context({"media": MEDIA})

    here = Template(load + "{% " + name + "%}").render(context)
    kept = Template(load + "{% " + name + "as url %}{{ url }}").render(context)
    raw = Template(load + "{% autoescape off %}{% " + name + "%}{% endautoescape %}").render(
        context
    )

    assert here.count("&amp;") == kept.count("&amp;") == raw.count("&") == bool(argument)
    assert here.count("&amp;amp;") == kept.count("&amp;amp;") == raw.count("&amp;") == 0


@pytest.mark.parametrize(
    "tag",
    [
        "{% blocktranslate asvar t %}{{ name }}{% endblocktranslate %}{% cloudkey_TAG v title=t %}",
        "{% cloudkey_TAG v title=name|escape %}",
        "{% cloudkey_TAG v title='&lt;i&gt; Tom &amp; &#x27;Jerry&quot;' %}",
        "{% cloudkey_TAG v title='<i> Tom &amp; &#x27;Jerry\"' %}",
    ],
)
def test_t225_title_that_is_html_already_is_escaped_once(tag: str) -> None:
    name = "<i> Tom & 'Jerry\""
    for kind, attribute in (("embed", "title"), ("video", "aria-label")):
        template = Template("{% load cloudkey i18n %}" + tag.replace("TAG", kind))
        elements = Elements(template.render(Context({"v": MEDIA, "name": name})))
        assert elements.attributes[attribute] == name
        assert set(elements.attributes) == (EMBED if kind == "embed" else VIDEO)


def test_t225_html_in_a_variable_is_html_and_nothing_else() -> None:
    template = "{% load cloudkey %}{% cloudkey_embed media title=text as player %}{{ player }}"

    html = Template(template).render(Context({"media": MEDIA, "text": HOSTILE[0]}))

    assert Elements(html).names == ["div", "iframe"]


def test_t225_title_that_is_translated_is_so_for_each_viewer() -> None:
    template = Template("{% load cloudkey %}{% cloudkey_embed media title=_('Yes') %}")

    with translation.override("en"):
        assert 'title="Yes"' in template.render(Context({"media": MEDIA}))
    with translation.override("fr"):
        assert 'title="Oui"' in template.render(Context({"media": MEDIA}))


BROKEN: list[Any] = [
    {},
    None,
    [],
    "default",
    {"default": None},
    {"default": {}},
    {"default": {"USER_ID": "4d0c0ffee000000000000001", "BASE_URL": "https://v.example.org"}},
]
BROKEN_KEYS: list[dict[str, Any]] = [
    {"USER_ID": 5},
    {"API_KEY": None},
    {"API_KEY": f"{KEY}\n"},
    {"BASE_URL": "video.example.org"},
    {"BASE_URL": "http://["},
    {"SECLEVEL": "ipp"},
    {"SECLEVEL": []},
    {"TRUSTED_PROXIES": ["proxy"]},
    {"TRUSTED_PROXIES": 5},
    {"VIEWER": "nowhere.to_be_found"},
    {"VIEWER": 5},
    {"URL_LIFETIME": "2h"},
    {"TIMEOUT": "soon"},
    {"COLOUR": "red"},
]


@pytest.mark.parametrize("broken", [*BROKEN, *BROKEN_KEYS], ids=repr)
def test_t226_broken_settings_render_nothing_and_log_once(
    settings: Any, caplog: pytest.LogCaptureFixture, broken: Any
) -> None:
    if broken in BROKEN_KEYS:
        configure(settings, **broken)
    else:
        settings.CLOUDKEYS = broken
    row = "{% load cloudkey %}" + "".join(f"{{% {tag} media %}}" for tag in TAGS)
    page = "{% for media in all %}" + row + "{% include row %}{% endfor %}."
    template = Template("{% load cloudkey %}" + page)
    ids = [f"{number:024x}" for number in range(9)]

    with caplog.at_level(logging.ERROR, logger="django_cloudkey"):
        html = template.render(Context({"all": ids, "row": Template(row)}))

    assert html == "."
    assert len(caplog.records) == 1
    assert KEY not in caplog.text


def test_t226_each_rendering_and_each_mistake_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    template = Template("{% load cloudkey %}{% cloudkey_embed a %}{% cloudkey_embed b ratio=a %}")

    with caplog.at_level(logging.ERROR, logger="django_cloudkey"):
        for _ in range(2):
            template.render(Context({"a": "x\ny" * 99, "b": MEDIA}))

    assert len(caplog.records) == 4
    assert all(len(record.getMessage()) < 600 for record in caplog.records)
    assert not any("\n" in record.getMessage() for record in caplog.records)


def test_t226_unreachable_cloud_is_not_missed(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    configure(settings, BASE_URL="https://down.invalid")

    for tag in TAGS:
        assert "https://down.invalid/" in render(f"{tag} media", media=MEDIA)


@pytest.mark.parametrize(
    "text",
    [
        "{{ c }}{{ c.media }}{{ c.media.list }}{{ c.media.delete }}{{ c.call }}{{ c.send }}",
        "{% for each in c.media %}{{ each }}{% endfor %}",
        "{% for each in c.media.iterate %}{{ each }}{% endfor %}",
        "{% if c.media.info %}{% endif %}{% with c.act_as_user as x %}{{ x }}{% endwith %}",
        "{{ c.other.thing }}{{ c.file.upload_file }}{{ c.user.info }}{{ c.api_key }}{{ c.items }}",
        "{{ v.info }}{{ v.delete }}{{ v.assets }}{{ v.client.media.reset }}{{ v.client.api_key }}",
        "{% for each in v %}{{ each }}{% endfor %}",
        "{% load cloudkey %}{% cloudkey_embed c %}{% cloudkey_embed c.media %}",
        "{% load cloudkey %}{% cloudkey_embed v title=c.media.list account=c %}",
    ],
)
def test_t227_client_in_a_template_calls_nothing(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    context = Context({"c": cloudkey, "v": Lesson(video=MEDIA).video})
    try:
        html: str = Template(text).render(context)
    except TypeError as error:  # a client, like a number, is nothing to loop over
        html = str(error)

    assert KEY not in html


CACHED = (
    "{% load cache cloudkey %}{% cache 60 player %}{% cloudkey_embed_url media %}{% endcache %}"
)
CACHED_EACH = CACHED.replace("60 player", "60 player request.META.REMOTE_ADDR")


def page(template: str, address: str) -> str:
    request = RequestFactory().get("/", REMOTE_ADDR=address)
    context = RequestContext(request, {"media": MEDIA, "request": request})
    return unescape(Template(template).render(context))


def opens(url: str, address: str) -> bool:
    base, _, query = url.partition("?")
    try:
        verify_url(base, read_auth(query), Secret(KEY), viewer=Viewer(ip=address))
    except URLRefused:
        return False
    return True


@pytest.fixture
def _empty_cache() -> Any:
    cache.clear()
    yield
    cache.clear()


@pytest.mark.usefixtures("_empty_cache")
def test_t228_cached_address_opens_for_nobody_but_its_viewer(settings: Any) -> None:
    configure(settings, SECLEVEL="ip")

    first, second = page(CACHED, "192.0.2.1"), page(CACHED, "192.0.2.2")

    assert first == second
    assert opens(first, "192.0.2.1")
    assert not opens(second, "192.0.2.2")


@pytest.mark.usefixtures("_empty_cache")
def test_t228_fragment_for_each_viewer_opens_for_each(settings: Any) -> None:
    configure(settings, SECLEVEL="ip")

    first, second = page(CACHED_EACH, "192.0.2.1"), page(CACHED_EACH, "192.0.2.2")

    assert opens(first, "192.0.2.1")
    assert opens(second, "192.0.2.2")
    assert first == page(CACHED_EACH, "192.0.2.1")


def test_t228_bucket_gives_one_viewer_one_address_that_outlives_it(settings: Any) -> None:
    configure(settings, SECLEVEL="ip", URL_LIFETIME=600, URL_BUCKET=10**6)
    tag = CACHED_EACH.replace("cache 60 player request.META.REMOTE_ADDR", "with x=1")
    tag = tag.replace("endcache", "endwith")

    url = page(tag, "192.0.2.1")

    assert url == page(tag, "192.0.2.1") != page(tag, "192.0.2.2")
    expires = parse_auth(read_auth(urlsplit(url).query)).expires
    assert expires % 10**6 == 0
    configure(settings, SECLEVEL="none")
    assert page(tag, "192.0.2.1") == page(tag, "192.0.2.2")


def test_t228_what_one_rendering_found_is_not_for_the_next(settings: Any) -> None:
    configure(settings, SECLEVEL="ip")
    template = Template("{% load cloudkey %}{% cloudkey_embed_url media %}")
    context = Context({"media": MEDIA})

    for address in ("192.0.2.1", "192.0.2.2"):
        context["request"] = RequestFactory().get("/", REMOTE_ADDR=address)
        assert opens(unescape(template.render(context)), address)


def test_t228_two_requests_in_one_rendering_are_two_viewers(settings: Any) -> None:
    configure(settings, SECLEVEL="ip")
    requests = [RequestFactory().get("/", REMOTE_ADDR=f"192.0.2.{number}") for number in (1, 2, 1)]
    template = Template(
        "{% load cloudkey %}{% for request in all %}{% cloudkey_embed_url media %} {% endfor %}"
    )

    urls = unescape(template.render(Context({"media": MEDIA, "all": requests}))).split()

    assert [opens(url, "192.0.2.1") for url in urls] == [True, False, True]


@pytest.mark.parametrize("key", ["SECLEVEL", "field", "tag"])
@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "viewer"),
    [
        ("2001:db8::7", "", [], "2001:db8::7"),
        ("2001:0DB8:0:0::0007", "", [], "2001:db8::7"),
        ("::ffff:192.0.2.7", "", [], "192.0.2.7"),
        ("::ffff:192.0.2.7", "2001:db8::9", [], "192.0.2.7"),
        ("::ffff:10.0.0.1", "2001:db8::9", ["10.0.0.0/8"], "2001:db8::9"),
        ("fd00::1", "[2001:db8::9]:4711", ["fd00::/8"], "2001:db8::9"),
        ("fd00::1", "::ffff:192.0.2.9", ["fd00::/8"], "192.0.2.9"),
        ("fd00::1", "192.0.2.66, 192.0.2.9, 10.0.0.2", ["fd00::/8", "10.0.0.2"], "192.0.2.9"),
        ("fd00::2", "192.0.2.9", ["fd00::1"], "fd00::2"),
    ],
)
def test_viewer_is_signed_for_by_every_tag(
    settings: Any, key: str, peer: str, forwarded: str, proxies: list[str], viewer: str
) -> None:
    configure(settings, TRUSTED_PROXIES=proxies, SECLEVEL="ip" if key == "SECLEVEL" else "none")
    field = MediaField(seclevel="ip" if key == "field" else None)
    option = "seclevel='ip'" if key == "tag" else ""
    request = RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)

    for tag in TAGS:
        html = render(f"{tag} media {option}", media=FieldMedia(field, MEDIA), request=request)
        urls = re.findall(r'https?://[^"\s]+', unescape(html))
        assert urls
        assert all(opens(url, viewer) for url in urls)


@pytest.mark.parametrize(
    "forwarded", ["nobody", "192.0.2.9, nobody", "192.0.2.9, ", "999.0.0.1", "192.0.2.9:x"]
)
def test_viewer_that_cannot_be_known_gets_no_address(settings: Any, forwarded: str) -> None:
    configure(settings, TRUSTED_PROXIES=["10.0.0.1"], SECLEVEL="ip")
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=forwarded)

    for tag in TAGS:
        assert render(f"{tag} media", media=MEDIA, request=request) == ""


def test_viewer_is_looked_for_once_in_a_rendering(settings: Any) -> None:
    configure(settings, SECLEVEL="ip", VIEWER=f"{__name__}.count_viewers")
    request = RequestFactory().get("/")
    COUNTED.clear()
    rows = "{% load cloudkey %}{% for n in '123' %}{% cloudkey_embed m %}{% cloudkey_video m %}"
    template = Template(rows + "{% endfor %}")

    html = template.render(Context({"m": MEDIA, "request": request}))

    assert html.count("?auth=") == 9
    assert len(COUNTED) == 1


COUNTED: list[object] = []


def count_viewers(request: Any, trusted_proxies: object) -> Viewer:
    COUNTED.append(request)
    return Viewer(ip="192.0.2.1")


@pytest.mark.parametrize("method", ["embed_url", "stream_url", "thumbnail_url"])
def test_tag_and_field_give_one_address(settings: Any, method: str) -> None:
    configure(settings, SECLEVEL="ip|country", URL_BUCKET=10**6)
    request = RequestFactory().get("/")
    media = Lesson(video=MEDIA).video

    url = getattr(media, method)(request=request, countries=["fr"])

    tag = f"cloudkey_{method} media countries='fr'"
    assert unescape(render(tag, media=media, request=request)) == url
