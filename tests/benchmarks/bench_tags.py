"""
What a template tag costs, against the least that could render the same, and against the tag of
another cloud.

The floor of each tag is an f-string with a signed address, made as in :mod:`.bench_sign`, and the
standard library's ``html.escape`` for what comes from outside. A template holds many tags of one
media, so that a tag is measured with the lookup of its arguments, and little else. A page as sites
have them, a loop over rows with a ``MediaField``, is measured against one that prints the same two
columns: most of it is Django's.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from hashlib import md5
from html import escape
from secrets import token_hex
from time import time

import django
from django.conf import settings
from django.template import Context, Engine

from .rounds import Row, ratio, seconds_per_call

ACCOUNT = {
    "USER_ID": "4c1a4d3edede832bfd000002",
    "API_KEY": "a6e3c0d3ac1b9d1d2e2f3b4c5d6e7f8091a2b3c4",
    "BASE_URL": "https://video.example.org",
}
MEDIA = "4c1a4d3edede832bfd000003"
TITLE = "Bowline & sheet bend"
TAGS = {
    "cloudkey_embed": "media title=title",
    "cloudkey_embed_url": "media",
    "cloudkey_stream_url": "media",
    "cloudkey_thumbnail_url": "media",
    "cloudkey_video": "media title=title",
}
PLAYERS = "{% cloudkey_embed lesson.video title=lesson.title %}"
COLUMNS = "{{ lesson.video }}{{ lesson.title }}"


def rows(*, tiny: bool = False) -> list[Row]:
    rounds, many = (1, 10) if tiny else (41, 200)
    settings.configure(
        INSTALLED_APPS=["django_cloudkey", "tests.testapp"], CLOUDKEYS={"default": ACCOUNT}
    )
    django.setup()
    pairs = {name: _functions(name, many) for name in TAGS}
    pairs["page"] = _page(PLAYERS, many), _page(COLUMNS, many)
    pairs["cloudinary"] = _cloudinary(many), pairs["cloudkey_embed"][0]
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in pairs}
    gc.disable()
    for _ in range(rounds):
        for name, (one, other) in pairs.items():
            taken[name].append((seconds_per_call(one, 3), seconds_per_call(other, 3)))
    gc.enable()
    return [
        *(Row(f"tags: {name} / floor", ratio(taken[name]), 2.2) for name in TAGS),
        Row("tags: rows with cloudkey_embed / rows with {{ }}", ratio(taken["page"])),
        Row("tags: cloudinary / cloudkey_embed", ratio(taken["cloudinary"]), at_least=10),
    ]


def _functions(name: str, many: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return what renders so many tags, and what writes the same text with f-strings."""
    floor = _floors(ACCOUNT["USER_ID"], ACCOUNT["API_KEY"], ACCOUNT["BASE_URL"])[name]
    tag = f"{{% {name} {TAGS[name]} %}}"
    tags = _renderer("{% load cloudkey %}" + tag * many, media=MEDIA, title=TITLE)
    assert len(tags()) == many * len(floor(MEDIA, TITLE)), "the floor writes something else"
    return tags, lambda: "".join([floor(MEDIA, TITLE) for _ in range(many)])


def _floors(user: str, key: str, base_url: str) -> dict[str, Callable[[str, str], str]]:
    def signed(path: str) -> str:
        url = f"{base_url}/{path}"
        expires = int(time() + 7200)
        nonce = token_hex(4)
        digest = md5(f"0{url}{expires}{nonce}{key}".encode()).hexdigest()
        return escape(f"{url}?auth={expires}-0-{nonce}-{digest}")

    def embed_url(media: str, title: str) -> str:
        return signed(f"embed/{user}/{media}")

    def embed(media: str, title: str) -> str:
        return (
            f'<div class="cloudkey-embed"><iframe src="{signed(f"embed/{user}/{media}")}" '
            f'title="{escape(title)}" loading="lazy" '
            'allow="autoplay; fullscreen; picture-in-picture"></iframe></div>'
        )

    def stream_url(media: str, title: str) -> str:
        return signed(f"route/{user}/{media}/mp4_h264_aac.mp4")

    def thumbnail_url(media: str, title: str) -> str:
        return signed(f"{user}/{media}/jpeg_thumbnail_medium.jpeg")

    def video(media: str, title: str) -> str:
        url = signed(f"route/{user}/{media}/mp4_h264_aac.mp4")
        poster = signed(f"{user}/{media}/jpeg_thumbnail_large.jpeg")
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
