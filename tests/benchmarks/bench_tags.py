"""
What a template tag costs, against the least that could render the same, and against the tag of
another cloud.

The floor of each tag is an f-string with a signed address, made as in :mod:`.bench_sign` under the
same scheme, and the standard library's ``html.escape`` for what comes from outside. A template has
many tags of one media, so that a tag is measured with the lookup of its arguments, and little else.
A page as sites have them, a loop over rows with a ``MediaField``, is measured against one that
prints the same two columns: most of it is Django's.
"""

from __future__ import annotations

import gc
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import md5
from hmac import digest
from html import escape
from secrets import token_hex
from time import time

from django.template import Context, Engine

from django_cloudkey.protocol.scheme2.keys import Keys

from . import site
from .rounds import Row, ratio, seconds_per_call
from .site import BASE_URL, KEY, KID, MEDIA, SECRET, USER

TITLE = "Bowline & sheet bend"
TAGS = {
    "cloudkey_embed": "media title=title",
    "cloudkey_embed_url": "media",
    "cloudkey_stream_url": "media",
    "cloudkey_thumbnail_url": "media",
    "cloudkey_video": "media title=title",
}
SCHEMES = {"": "default", "scheme 2, ": "scheme2"}
"""What a row says → the account that its tags are of."""
PLAYERS = "{% cloudkey_embed lesson.video title=lesson.title %}"
COLUMNS = "{{ lesson.video }}{{ lesson.title }}"


def rows(*, tiny: bool = False) -> list[Row]:
    rounds, many = (1, 10) if tiny else (41, 200)
    site.set_up()
    names = {
        f"{scheme}{name}": (name, account) for scheme, account in SCHEMES.items() for name in TAGS
    }
    pairs = {row: _functions(name, account, many) for row, (name, account) in names.items()}
    pairs["page"] = _page(PLAYERS, many), _page(COLUMNS, many)
    pairs["cloudinary"] = _cloudinary(many), pairs["cloudkey_embed"][0]
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in pairs}
    gc.disable()
    for _ in range(rounds):
        for name, (one, other) in pairs.items():
            taken[name].append((seconds_per_call(one, 3), seconds_per_call(other, 3)))
    gc.enable()
    return [
        *(Row(f"tags: {name} / floor", ratio(taken[name]), 2.2) for name in names),
        Row("tags: rows with cloudkey_embed / rows with {{ }}", ratio(taken["page"])),
        Row("tags: cloudinary / cloudkey_embed", ratio(taken["cloudinary"]), at_least=10),
    ]


def _functions(name: str, account: str, many: int) -> tuple[Callable[[], object], ...]:
    """Return what renders so many tags, and what writes the same text with f-strings."""
    floor = _floors(_signed if account == "default" else _token(Keys(USER, KID, SECRET)))[name]
    tag = f"{{% {name} {TAGS[name]} account='{account}' %}}"
    tags = _renderer("{% load cloudkey %}" + tag * many, media=MEDIA, title=TITLE)
    assert len(tags()) == many * len(floor(MEDIA, TITLE)), "the floor writes something else"
    return tags, lambda: "".join([floor(MEDIA, TITLE) for _ in range(many)])


Sign = Callable[[str, str, str, str], str]


def _signed(path: str, media: str, audience: str, asset: str) -> str:
    url = f"{BASE_URL}/{path}"
    expires = int(time() + 7200)
    nonce = token_hex(4)
    hashed = md5(f"0{url}{expires}{nonce}{KEY}".encode()).hexdigest()
    return escape(f"{url}?auth={expires}-0-{nonce}-{hashed}")


def _token(keys: Keys) -> Sign:
    raw, head = b"\x07" * 32, keys.url_header

    def sign(path: str, media: str, audience: str, asset: str) -> str:
        now = int(time())
        claims = (
            f'{{{asset}"aud":"{audience}","exp":{now + 7200},"iat":{now},"iss":"{USER}",'
            f'"lvl":0,"sub":"{media}"}}'
        )
        signed = f"{head}.{urlsafe_b64encode(claims.encode()).rstrip(b'=').decode()}"
        signature = urlsafe_b64encode(digest(raw, signed.encode(), "sha256")).rstrip(b"=").decode()
        return escape(f"{BASE_URL}/{path}?auth={signed}.{signature}")

    return sign


def _floors(sign: Sign) -> dict[str, Callable[[str, str], str]]:
    def embed_url(media: str, title: str) -> str:
        return sign(f"embed/{USER}/{media}", media, "embed", "")

    def embed(media: str, title: str) -> str:
        return (
            f'<div class="cloudkey-embed"><iframe src="{embed_url(media, title)}" '
            f'title="{escape(title)}" loading="lazy" '
            'allow="autoplay; fullscreen; picture-in-picture"></iframe></div>'
        )

    def stream_url(media: str, title: str) -> str:
        path = f"route/{USER}/{media}/mp4_h264_aac.mp4"
        return sign(path, media, "stream", '"ast":"mp4_h264_aac",')

    def still_url(media: str, name: str) -> str:
        return sign(f"{USER}/{media}/{name}.jpeg", media, "thumb", f'"ast":"{name}",')

    def thumbnail_url(media: str, title: str) -> str:
        return still_url(media, "jpeg_thumbnail_medium")

    def video(media: str, title: str) -> str:
        url = stream_url(media, title)
        poster = still_url(media, "jpeg_thumbnail_large")
        return (
            f'<video class="cloudkey-video" src="{url}" poster="{poster}" '
            f'controls playsinline preload="metadata" aria-label="{escape(title)}"></video>'
        )

    return dict(zip(TAGS, (embed, embed_url, stream_url, thumbnail_url, video), strict=True))


def _page(row: str, many: int) -> Callable[[], object]:
    from tests.testapp.models import Lesson

    lessons = [Lesson(title=TITLE, video=MEDIA) for _ in range(many)]
    text = "{% load cloudkey %}{% for lesson in lessons %}" + row + "{% endfor %}"
    return _renderer(text, lessons=lessons)


def _cloudinary(many: int) -> Callable[[], object]:
    import cloudinary

    cloudinary.config(cloud_name="demo", api_key="1", api_secret="0123456789abcdef", secure=True)
    tag = "{% cloudinary media alt=title sign_url=True %}"
    return _renderer("{% load cloudinary %}" + tag * many, media=MEDIA, title=TITLE)


def _renderer(text: str, **values: object) -> Callable[[], str]:
    libraries = {
        "cloudkey": "django_cloudkey.templatetags.cloudkey",
        "cloudinary": "cloudinary.templatetags.cloudinary",
    }
    template = Engine(libraries=libraries).from_string(text)
    return lambda: template.render(Context(values))
