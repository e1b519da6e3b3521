"""The media library as people use it: with keys alone, with a screen reader, without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from ..conftest import Cloud
from ..testapp.models import Lesson
from .conftest import sign_in_as
from .test_csp import strict_site  # noqa: F401 - a fixture
from .test_widget import FOCUS, tab_to

pytestmark = pytest.mark.browser

UPLOADS = "/admin/django_cloudkey/upload/"
LIBRARY = f"{UPLOADS}library/"
CARDS = ".cloudkey-card:not(.is-skeleton)"


@pytest.fixture
def site(page: Any, cloud: Cloud, live_server: Any) -> str:
    """Sign an editor in, who may do everything, and return the site's address."""
    sign_in_as(User.objects.create_superuser("editor"), page, live_server.url)
    return str(live_server.url)


@pytest.fixture
def knots(cloud: Cloud, clip: Path) -> str:
    """Return the id of a media that is ready, the oldest of the account."""
    assets = ("mp4_h264_aac", "jpeg_thumbnail_medium", "jpeg_thumbnail_source")
    media = cloud.upload(clip, assets)
    cloud.client.media.set_meta(id=media, meta={"title": "Knots for beginners"})
    cloud.work()
    return media


def fill(cloud: Cloud, count: int) -> None:
    for n in range(count):
        cloud.client.media.create(meta={"title": f"Talk {n}"})


def told(page: Any, text: str) -> None:
    page.locator("[role=status]", has_text=text).wait_for()


def test_media_is_searched_played_and_deleted_with_keys_alone(
    page: Any, site: str, cloud: Cloud, knots: str
) -> None:
    fill(cloud, 3)
    page.goto(site + LIBRARY)
    told(page, "4 videos")
    page.keyboard.type("KNOTS beginners")  # the focus is in the search
    page.keyboard.press("Enter")
    told(page, "1 video for “KNOTS beginners”")
    assert page.url.endswith("?account=default&query=KNOTS+beginners")

    tab_to(page, "Play “Knots for beginners”")
    page.keyboard.press("Enter")
    player = page.get_by_role("dialog", name="Knots for beginners")
    player.wait_for()
    video = page.frame_locator("dialog iframe").locator("video[data-autoplay]")
    video.wait_for(state="attached")
    assert page.evaluate(FOCUS) == "Close"
    page.keyboard.press("Enter")
    player.wait_for(state="detached")
    assert page.evaluate(FOCUS) == "Play “Knots for beginners”"

    tab_to(page, "Delete… “Knots for beginners”")
    page.keyboard.press("Enter")
    page.get_by_text("This cannot be undone.").wait_for()
    page.wait_for_function("() => document.querySelector('.cloudkey-play img')?.naturalWidth")
    tab_to(page, "Yes, I’m sure")
    page.keyboard.press("Enter")
    page.get_by_text("The video “Knots for beginners” was deleted.").wait_for()
    told(page, "3 videos")
    assert cloud.client.media.count() == 3


def test_escape_closes_the_player(page: Any, site: str, knots: str) -> None:
    page.goto(site + LIBRARY)
    page.get_by_role("link", name="Play “Knots for beginners”").click()
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    assert page.locator("iframe").count() == 0


def test_more_are_shown_below_and_the_focus_goes_there(page: Any, site: str, cloud: Cloud) -> None:
    fill(cloud, 30)
    page.goto(site + LIBRARY)
    told(page, "30 videos")
    assert page.locator(CARDS).count() == 24

    tab_to(page, "Show more")
    page.keyboard.press("Enter")
    page.wait_for_function(f"() => document.querySelectorAll('{CARDS}').length == 30")

    assert page.evaluate(FOCUS) == "Delete… “Talk 5”"
    assert page.get_by_text("Show more").count() == 0


def test_state_of_what_is_being_prepared_follows(
    page: Any, site: str, cloud: Cloud, clip: Path
) -> None:
    cloud.upload(clip)
    page.goto(site + LIBRARY)
    page.get_by_text("being prepared").wait_for()
    cloud.work()
    page.wait_for_selector("[data-state=ready]", timeout=30_000)


def test_failure_is_told_and_tried_again(page: Any, site: str, cloud: Cloud) -> None:
    fill(cloud, 1)
    page.route("**/library/media/**", lambda route: route.abort())
    page.goto(site + LIBRARY)
    page.get_by_text("The connection was lost.").wait_for()
    page.unroute("**/library/media/**")

    tab_to(page, "Try again")
    page.keyboard.press("Enter")

    told(page, "1 video")
    assert page.get_by_text("The connection was lost.").is_hidden()


def test_titles_run_no_script(page: Any, site: str, cloud: Cloud) -> None:
    title = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
    media = cloud.client.media.create(meta={"title": title})["id"]
    Lesson.objects.create(title=title, video=media)

    page.goto(site + LIBRARY)
    page.get_by_role("heading", name="<img src=x").wait_for()
    assert page.locator(f"{CARDS} img").count() == 0
    page.goto(f"{site}/admin/testapp/lesson/")
    page.wait_for_selector(".cloudkey-status.is-error")
    assert page.title() != "run"


def test_without_javascript_there_are_pages(chromium: Any, live_server: Any, cloud: Cloud) -> None:
    fill(cloud, 25)
    page = chromium.new_context(java_script_enabled=False, locale="en-US").new_page()
    sign_in_as(User.objects.create_superuser("editor"), page, live_server.url)

    page.goto(live_server.url + LIBRARY)
    page.get_by_role("link", name="Show the media without JavaScript").click()
    assert page.locator(CARDS).count() == 24
    page.get_by_role("link", name="Show more").click()
    assert page.locator(CARDS).count() == 1
    page.fill("#cloudkey-query", "Talk 17")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Yes, I’m sure").click()
    assert "The video “Talk 17” was deleted." in page.inner_text(".messagelist")
    assert cloud.client.media.count() == 24
    page.context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing_serious(
    page: Any, axe: Callable[..., list[str]], site: str, cloud: Cloud, knots: str,
    scheme: str, width: int,
) -> None:  # fmt: skip
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    fill(cloud, 1)
    Lesson.objects.create(title="A lesson", video=knots)

    page.goto(site + LIBRARY)
    told(page, "2 videos")
    page.wait_for_timeout(300)  # what fades has faded
    assert axe() == []
    page.locator(".cloudkey-play").first.click()
    page.get_by_role("dialog").wait_for()
    assert axe("dialog") == []
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Delete…").click()
    page.wait_for_selector(".cloudkey-doomed .cloudkey-card__picture")
    assert axe() == []
    page.goto(f"{site}/admin/testapp/lesson/")
    page.wait_for_selector(".cloudkey-play")
    assert axe("#result_list") == []


def test_nothing_is_reported_by_a_strict_policy(
    page: Any,
    strict_site: str,  # noqa: F811
    cloud: Cloud,
    knots: str,
) -> None:
    sign_in_as(User.objects.create_superuser("editor"), page, strict_site)
    page.goto(strict_site + LIBRARY)
    page.get_by_role("link", name="Play “Knots for beginners”").click()
    page.frame_locator("dialog iframe").locator("video").wait_for(state="attached")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Search").click()
    told(page, "1 video")
    page.goto(strict_site + UPLOADS)
    page.get_by_role("link", name="Media library").wait_for()
    Lesson.objects.create(title="A lesson", video=knots)
    for action in ("reprocess_media", "delete_media"):
        page.goto(f"{strict_site}/admin/testapp/lesson/")
        page.check("#action-toggle")
        page.select_option("[name=action]", action)
        page.click("button[name=index]")
        page.wait_for_function("() => document.querySelector('.cloudkey-play img')?.naturalWidth")
        page.locator("[data-action=start]").click()
        page.locator("[role=status]", has_text="Done.").wait_for()
        cloud.work()
