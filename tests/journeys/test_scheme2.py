"""A site whose account speaks scheme 2 alone: from the file to the viewer, and to nobody else."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests
from django.core.files import File
from django.core.files.base import ContentFile
from django.http import HttpRequest, HttpResponse
from django.template import RequestContext, Template
from django.urls import path

from django_cloudkey import cloudkey
from django_cloudkey.media_state import media_state
from django_cloudkey.server import account_secrets
from django_cloudkey.server.models import Account, LegacyUse
from django_cloudkey.storage import CloudKeyStorage
from tests.testapp.models import Lesson
from tests.urls import urlpatterns as cloud_and_admin

from ..conftest import Cloud

PAGE = Template(
    "{% load cloudkey %}{% cloudkey_embed lesson.video title=lesson.title start=1 seclevel=level %}"
    "{% cloudkey_thumbnail_url lesson.video %} {{ lesson.video.stream_url }}"
)
MINE, OTHER = {"User-Agent": "Mine/1"}, {"User-Agent": "Other/1"}


def show(request: HttpRequest, pk: int, level: str) -> HttpResponse:
    context = {"lesson": Lesson.objects.get(pk=pk), "level": level}
    return HttpResponse(PAGE.render(RequestContext(request, context)))


urlpatterns = [*cloud_and_admin, path("lessons/<int:pk>/<str:level>/", show)]


@pytest.fixture(params=["http", "in-process"])
def site(cloud: Cloud, settings: Any, request: pytest.FixtureRequest) -> Cloud:
    """A site and its cloud on one port; nothing historical counts any more."""
    settings.ROOT_URLCONF = __name__
    secret = account_secrets.add(cloud.account)
    Account.objects.filter(pk=cloud.account.pk).update(legacy=Account.Legacy.OFF)
    settings.CLOUDKEYS = {
        "default": {
            "USER_ID": cloud.account.pk,
            "SECRET": secret.secret,
            "KID": secret.kid,
            "BASE_URL": cloud.base_url,
            "TRANSPORT": request.param,
        }
    }
    return cloud


@pytest.fixture
def lesson(site: Cloud, clip: Path) -> Lesson:
    with clip.open("rb") as file:
        lesson = Lesson(title="Knots")
        lesson.video = File(file, name="knots.mp4")
        lesson.save()
    site.work()
    return lesson


def get(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers=headers, timeout=10)


def address(name: str, html: str) -> str:
    found = re.search(rf'{name}="([^"]*)"', html)
    assert found is not None, html
    return unescape(found[1])


def page_of(site: Cloud, lesson: Lesson, level: str) -> str:
    """Return the page as the viewer gets it, over HTTP."""
    answer = get(f"{site.base_url.removesuffix('/cloud')}/lessons/{lesson.pk}/{level}/", **MINE)
    assert answer.status_code == 200
    return answer.text


def test_viewer_of_the_page_sees_the_film_and_nobody_else(site: Cloud, lesson: Lesson) -> None:
    html = page_of(site, lesson, "ip|useragent")
    player_url = address("src", html)
    assert "?auth=ey" in player_url

    player = get(player_url, **MINE)
    assert player.status_code == 200
    video = urljoin(player_url, address("src", re.search(r"<video[^>]*>", player.text)[0]))  # type: ignore[index]
    whole = get(video, **MINE)
    piece = get(video, **MINE, Range="bytes=100-199")
    assert (whole.status_code, piece.status_code) == (200, 206)
    assert whole.headers["Content-Type"] == "video/mp4"
    assert piece.content == whole.content[100:200]

    assert get(player_url, **OTHER).status_code == 403
    for wrong in (player_url[:-1], player_url.replace("/embed/", "/player/swf/"),
                  player_url.replace(str(lesson.video), "4d0c0ffee0000000000000aa")):  # fmt: skip
        assert get(wrong, **MINE).status_code in (403, 404)
    assert LegacyUse.objects.count() == 0


@pytest.mark.parametrize(("level", "again"), [("useonce", 403), ("delegate|useragent", 403)])
def test_whoever_comes_first_is_the_only_one(
    site: Cloud, lesson: Lesson, level: str, again: int
) -> None:
    player_url = address("src", page_of(site, lesson, level))

    assert get(player_url, **MINE).status_code == 200
    assert get(player_url, **OTHER).status_code == again


def test_still_and_stream_on_the_page(site: Cloud, lesson: Lesson) -> None:
    still, stream = re.findall(r"http://\S+\?auth=ey\S+", page_of(site, lesson, "none"))[-2:]

    assert get(unescape(still)).content.startswith(b"\xff\xd8\xff")
    assert get(unescape(stream)).headers["Content-Type"] == "video/mp4"
    assert get(unescape(stream).replace("mp4_h264_aac", "source")).status_code == 403


def test_a_download_has_the_name_that_was_signed(site: Cloud, lesson: Lesson) -> None:
    url = lesson.video.stream_url(filename="Noeud de chaise.mp4")

    answer = get(url)

    assert answer.headers["Content-Disposition"] == 'attachment; filename="Noeud de chaise.mp4"'
    assert get(f"{url}&filename=other.exe").headers["Content-Disposition"] == (
        'attachment; filename="Noeud de chaise.mp4"'
    )


def test_calls_and_changes_go_by_scheme_2(site: Cloud, lesson: Lesson) -> None:
    media = str(lesson.video)
    cloudkey.media.set_meta(id=media, meta={"title": "Bowline"})

    assert cloudkey.media.info(id=media, fields=["meta.title"])["meta"] == {"title": "Bowline"}
    assert lesson.video.info(["id"]) == {"id": media}
    cloudkey.media.delete(id=media)
    assert get(lesson.video.embed_url()).status_code == 404
    assert LegacyUse.objects.count() == 0


def test_files_and_pictures_of_the_admin_are_signed(site: Cloud, lesson: Lesson) -> None:
    storage = CloudKeyStorage()
    name = storage.save("talk.mp4", ContentFile(b"0123456789" * 1000))
    with storage.open(name) as file:
        file.seek(5)
        assert file.read(10) == b"5678901234"
    assert get(storage.url(name)).content == b"0123456789" * 1000

    state = media_state(Lesson._meta.get_field("video"), str(lesson.video))
    assert get(state["thumbnail"]).headers["Content-Type"] == "image/jpeg"
    assert get(state["embed"]).status_code == 200
    assert LegacyUse.objects.count() == 0
