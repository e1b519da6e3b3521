"""The widget as people use it: with keys alone, with a screen reader, on any form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from pytest_django.live_server_helper import LiveServer

from django_cloudkey.models import Upload

from ..conftest import Cloud
from ..testapp.models import Clip, Course, Episode, Lesson, Pilot
from .conftest import sign_in_as

pytestmark = pytest.mark.browser

ADD = "/admin/testapp/lesson/add/"
FOCUS = "() => document.activeElement.textContent.trim() || document.activeElement.name"
SLOTS = "**/cloud/upload**"
ANNOUNCED = ".cloudkey-input > [role=status]"


@pytest.fixture
def site(page: Any, cloud: Cloud, live_server: Any) -> str:
    """Sign an editor in, who may do everything, and return the site's address."""
    sign_in_as(User.objects.create_superuser("editor"), page, live_server.url)
    return str(live_server.url)


@pytest.fixture
def library(cloud: Cloud, clip: Path) -> list[str]:
    """Fill the account with one video that is ready and 30 that have no source."""
    media = cloud.upload(clip, ("mp4_h264_aac", "jpeg_thumbnail_source"))
    cloud.client.media.set_meta(id=media, meta={"title": "Knots for beginners"})
    cloud.work()
    others = [cloud.client.media.create(meta={"title": f"Talk {n}"})["id"] for n in range(30)]
    return [media, *others]


def tab_to(page: Any, name: str) -> None:
    """Press Tab until the focus is on what is called *name*."""
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(FOCUS))
        if seen[-1] == name:
            return
    raise AssertionError(f"{name!r} is not reached by Tab, only {seen}")


@contextmanager
def held(page: Any) -> Iterator[None]:
    """Let no file reach the cloud meanwhile, nor be refused."""
    routes: list[Any] = []
    page.route(SLOTS, lambda route: routes.append(route))
    yield
    for route in routes:
        route.abort()
    page.unroute(SLOTS)


def announced(page: Any) -> str:
    return str(page.inner_text(ANNOUNCED))


def wait_for_reference(page: Any, name: str = "video") -> None:
    page.wait_for_function(
        "name => document.querySelector(`[name='${name}']`).value.length > 30", arg=name
    )


# With keys alone


def test_file_is_uploaded_and_saved_with_keys_alone(page: Any, site: str, clip: Path) -> None:
    page.goto(site + ADD)
    page.keyboard.type("Knots")  # the admin puts the focus into the first field
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(clip)
    page.get_by_text("uploaded, being prepared").first.wait_for()
    assert announced(page) == "clip.mp4: uploaded, being prepared"

    tab_to(page, "_continue")
    page.keyboard.press("Enter")
    page.wait_for_url("**/change/")

    lesson = Lesson.objects.get()
    assert (lesson.title, Upload.objects.get().media) == ("Knots", lesson.video.id)


def test_upload_is_cancelled_and_tried_again_with_keys_alone(
    page: Any, site: str, clip: Path
) -> None:
    page.goto(site + ADD)
    with held(page):
        page.set_input_files("#id_video_file", clip)
        page.get_by_role("progressbar", name="Upload of clip.mp4").wait_for()
        page.focus("#id_title")
        tab_to(page, "Cancel")
        page.keyboard.press("Enter")
        page.wait_for_selector(".cloudkey-input[data-empty]")
    assert announced(page) == "The upload was cancelled."
    assert page.evaluate("() => document.activeElement.id") == "id_video_file"

    page.route(SLOTS, lambda route: route.abort())
    page.set_input_files("#id_video_file", clip)
    page.get_by_role("alert").filter(has_text="The connection was lost.").wait_for()
    page.unroute(SLOTS)
    page.focus("#id_title")
    tab_to(page, "Try again")
    page.keyboard.press("Enter")
    wait_for_reference(page)


class SlowTickets:
    """Middleware: an answer about a ticket begins, and ends when *released*."""

    released = Event()

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        response = self.get_response(request)
        if not request.path.endswith("/ticket/"):
            return response
        return StreamingHttpResponse(self.pieces_of(response), content_type="application/json")

    def pieces_of(self, response: HttpResponse) -> Iterator[bytes]:
        yield response.content[:9]
        self.released.wait(60)
        yield response.content[9:]


def test_upload_is_cancelled_while_the_site_is_in_the_middle_of_an_answer(
    page: Any, cloud: Cloud, clip: Path, settings: Any
) -> None:
    settings.MIDDLEWARE = [f"{__name__}.{SlowTickets.__name__}", *settings.MIDDLEWARE]
    server = LiveServer("localhost")
    try:
        sign_in_as(User.objects.create_superuser("editor"), page, server.url)
        page.goto(server.url + ADD)
        with page.expect_response("**/ticket/"):
            page.set_input_files("#id_video_file", clip)
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("progressbar").wait_for(state="hidden")
        assert announced(page) == "The upload was cancelled."
    finally:
        SlowTickets.released.set()
        server.stop()


def test_video_is_picked_from_the_library_with_keys_alone(
    page: Any, site: str, library: list[str]
) -> None:
    page.goto(site + ADD)
    page.keyboard.type("Knots")
    tab_to(page, "Library…")
    page.keyboard.press("Enter")
    box = page.get_by_role("combobox", name="Title or id of a video")
    page.get_by_text("24 of 31 videos").wait_for()
    assert box.evaluate("box => box === document.activeElement")
    page.keyboard.type("knots")
    page.get_by_text("1 video", exact=True).wait_for()

    page.keyboard.press("ArrowDown")
    active = box.get_attribute("aria-activedescendant")
    option = page.locator(f"#{active}")
    assert option.get_attribute("aria-selected") == "true"
    assert "Knots for beginners" in option.inner_text()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for(state="hidden")
    assert page.evaluate(FOCUS) == "Library…"
    assert announced(page) == "Knots for beginners: ready"

    tab_to(page, "_save")
    page.keyboard.press("Enter")
    page.wait_for_url("**/lesson/")
    assert Lesson.objects.get().video == library[0]


def test_video_is_played_and_left_with_keys_alone(page: Any, site: str, library: list[str]) -> None:
    lesson = Lesson.objects.create(title="Knots", video=library[0])
    page.goto(f"{site}/admin/testapp/lesson/{lesson.pk}/change/")
    page.wait_for_selector(".cloudkey-input__state.is-ready")
    page.focus("#id_title")
    tab_to(page, "Play")
    page.keyboard.press("Enter")
    player = page.frame_locator(".cloudkey-input iframe[title=Preview]")
    player.locator("video").wait_for(state="attached")
    page.focus("#id_title")
    tab_to(page, "Close the preview")
    page.keyboard.press("Enter")

    assert page.locator(".cloudkey-input iframe").count() == 0
    assert page.evaluate("() => document.activeElement.id") == "id_video_file"


def test_library_goes_on_below_its_last_row(page: Any, site: str, library: list[str]) -> None:
    page.goto(site + ADD)
    page.get_by_role("button", name="Library…").press("Enter")
    page.get_by_text("24 of 31 videos").wait_for()
    for _ in range(25):
        page.keyboard.press("ArrowDown")
    page.get_by_text("31 videos", exact=True).wait_for()

    assert page.get_by_role("option").count() == 31
    selected = page.locator("[role=option][aria-selected=true]")
    assert selected.evaluate("option => [...option.parentElement.children].indexOf(option)") == 24
    assert page.get_by_role("button", name="Show more").count() == 0


def test_pasted_id_is_picked(page: Any, site: str, library: list[str]) -> None:
    page.goto(site + ADD)
    page.get_by_role("button", name="Library…").click()
    page.get_by_role("combobox").fill(library[5])
    page.get_by_text("1 video", exact=True).wait_for()
    page.keyboard.press("Enter")
    wait_for_reference(page)

    assert library[5] not in page.content()


def test_escape_leaves_the_library_as_it_was(page: Any, site: str, library: list[str]) -> None:
    page.goto(site + ADD)
    page.get_by_role("button", name="Library…").press("Enter")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("Escape")

    page.get_by_role("dialog").wait_for(state="hidden")
    assert page.evaluate(FOCUS) == "Library…"
    assert page.locator("[name=video]").input_value() == ""


def test_library_tells_what_goes_wrong(page: Any, site: str, library: list[str]) -> None:
    page.goto(site + ADD)
    page.route("**/cloudkey/library/**", lambda route: route.abort())
    page.get_by_role("button", name="Library…").click()
    page.get_by_role("dialog").get_by_role("alert").filter(
        has_text="connection was lost"
    ).wait_for()
    page.unroute("**/cloudkey/library/**")
    page.get_by_role("combobox").fill("knots")
    page.get_by_role("option", name="Knots for beginners").wait_for()
    page.route(
        "**/cloudkey/pick/", lambda route: route.fulfill(status=404, json={"error": "Gone."})
    )
    page.get_by_role("option").click()

    page.get_by_role("dialog").get_by_role("alert").filter(has_text="Gone.").wait_for()
    assert page.locator("[name=video]").input_value() == ""


# Limits


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("a.avi", 5, "“a.avi” is not of a kind that is accepted here: MP4, MOV."),
        ("a.mp4", 2000, "“a.mp4” is too large (2 kB). Files of up to 100 byte are accepted here."),
        ("a.mp4", 0, "“a.mp4” is empty."),
    ],
)
def test_file_over_the_limits_is_not_sent(
    page: Any, site: str, name: str, size: int, message: str
) -> None:
    page.goto(f"{site}/admin/testapp/clip/add/")
    assert page.inner_text(".cloudkey-input__limits") == "MP4, MOV, up to 100 byte"
    file = {"name": name, "mimeType": "video/mp4", "buffer": b"x" * size}
    page.set_input_files("#id_video_file", file)

    assert page.inner_text(".cloudkey-input__error") == message
    assert not Upload.objects.exists()
    page.set_input_files("#id_video_file", {**file, "name": "b.MOV", "buffer": b"bytes"})
    wait_for_reference(page)
    page.click("[name=_save]")
    page.wait_for_url("**/clip/")
    assert Clip.objects.get().video


# Everywhere that forms are


def test_rows_of_inlines_upload_each_for_itself(page: Any, site: str, clip: Path) -> None:
    course = Course.objects.create(title="Knots")
    page.goto(f"{site}/admin/testapp/course/{course.pk}/change/")
    for group, title in (("episode_set", "One"), ("pilot_set", "Pilot")):
        page.fill(f"#id_{group}-0-title", title)
        page.set_input_files(f"#id_{group}-0-video_file", clip)
        wait_for_reference(page, f"{group}-0-video")
    page.click("#episode_set-group .add-row :is(a, button)")
    page.fill("#id_episode_set-1-title", "Two")
    page.set_input_files("#id_episode_set-1-video_file", clip)
    wait_for_reference(page, "episode_set-1-video")
    page.click("[name=_continue]")
    page.get_by_text("was changed successfully").wait_for()

    titles = set(Episode.objects.exclude(video="").values_list("title", flat=True))
    assert titles == {"One", "Two", "Pilot"}
    assert Pilot.objects.get().video
    assert Episode.objects.aggregate(all=Count("video", distinct=True))["all"] == 3
    assert Upload.objects.filter(claimed=True).count() == 3


def test_popup_closes_with_what_was_uploaded(page: Any, site: str, clip: Path) -> None:
    page.goto(site + ADD)
    with page.expect_popup() as popup:
        # As the admin names the window: after the field that gets the key of the new row.
        page.evaluate("url => { window.open(url, 'id_title') }", f"{site}{ADD}?_popup=1")
    window = popup.value
    window.fill("#id_title", "In a popup")
    window.set_input_files("#id_video_file", clip)
    wait_for_reference(window)
    window.click("[name=_save]")
    page.wait_for_function("() => document.querySelector('#id_title').value")

    lesson = Lesson.objects.get(title="In a popup")
    assert lesson.video
    assert page.input_value("#id_title") == str(lesson.pk)


@pytest.fixture
def lessons(site: str, settings: Any) -> str:
    """A page outside the admin with a formset, and a lesson in its first row."""
    settings.ROOT_URLCONF = "tests.browser.site"
    Lesson.objects.create(title="First", video="4d0c0ffee0000000000000aa")
    return f"{site}/lessons/"


def test_formset_with_a_prefix_keeps_and_adds(page: Any, lessons: str, clip: Path) -> None:
    page.goto(lessons)
    page.fill("#id_own-1-title", "Second")
    page.set_input_files("#id_own-1-video_file", clip)
    wait_for_reference(page, "own-1-video")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("saved").wait_for()

    first, second = Lesson.objects.order_by("pk")
    assert first.video == "4d0c0ffee0000000000000aa"
    assert second.video == Upload.objects.get().media


def test_form_with_errors_shows_what_was_uploaded_again(
    page: Any, lessons: str, clip: Path
) -> None:
    page.goto(lessons)
    page.set_input_files("#id_own-1-video_file", clip)
    wait_for_reference(page, "own-1-video")
    page.evaluate("() => { document.forms[0].noValidate = true }")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("This field is required.").wait_for()
    page.get_by_text("clip", exact=True).wait_for()
    page.fill("#id_own-1-title", "Second")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("saved").wait_for()

    assert Lesson.objects.get(title="Second").video == Upload.objects.get().media


def test_disabled_field_shows_and_changes_nothing(page: Any, lessons: str, clip: Path) -> None:
    page.goto(f"{lessons}?disabled")
    row = page.locator(".cloudkey-input").first
    row.get_by_text("not on the cloud").wait_for()

    assert row.get_by_role("button").count() == 0
    assert row.get_by_role("checkbox").count() == 0
    assert row.locator("input[type=file]").is_hidden()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("saved").wait_for()
    assert Lesson.objects.get().video == "4d0c0ffee0000000000000aa"


def test_without_javascript_the_site_sends_the_file_on(
    chromium: Any, cloud: Cloud, live_server: Any, clip: Path
) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in_as(User.objects.create_superuser("editor"), page, live_server.url)
    page.goto(live_server.url + ADD)
    page.fill("#id_title", "Plain")
    page.set_input_files("[name=video-file]", clip)
    page.click("[name=_save]")
    page.wait_for_url("**/lesson/")
    context.close()

    media = Lesson.objects.get().video.id
    assert cloud.client.media.info(id=media, fields=["meta.title"])["meta"]["title"] == "clip"


# What axe-core says of each state


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_state_has_a_serious_fault(
    axe: Callable[..., list[str]],
    page: Any,
    site: str,
    library: list[str],
    clip: Path,
    scheme: str,
    width: int,
) -> None:
    page.set_viewport_size({"width": width, "height": 850})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    faults: dict[str, list[str]] = {}

    def look(state: str, within: str = ".cloudkey-input") -> None:
        page.wait_for_timeout(250)  # transitions: a colour on its way is no colour
        faults[state] = axe(within)

    page.goto(site + ADD)
    look("empty", ".field-video")
    page.get_by_role("button", name="Library…").click()
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    look("picker", "dialog")
    page.keyboard.type("nothing like it")
    page.get_by_text("No video has this title or id.").wait_for()
    look("picker without results", "dialog")
    page.keyboard.press("Escape")
    with held(page):
        page.set_input_files("#id_video_file", clip)
        page.get_by_role("progressbar").wait_for()
        look("uploading")
        page.click("[name=_save]")
        page.get_by_role("button", name="Do not save yet").wait_for()
        look("form waits", ".cloudkey-waiting")
        page.get_by_role("button", name="Do not save yet").click()
        page.get_by_role("button", name="Cancel").click()
    page.route(SLOTS, lambda route: route.abort())
    page.set_input_files("#id_video_file", clip)
    page.get_by_role("button", name="Try again").wait_for()
    look("failed")
    page.unroute(SLOTS)
    page.get_by_role("button", name="Try again").click()
    wait_for_reference(page)
    look("uploaded")

    lesson = Lesson.objects.create(title="Knots", video=library[0])
    page.goto(f"{site}/admin/testapp/lesson/{lesson.pk}/change/")
    page.wait_for_selector(".cloudkey-input__state.is-ready")
    look("ready", ".field-video")
    page.check("[name=video-clear]")
    look("removed")
    lesson.video = library[1]
    lesson.save()
    page.reload()
    page.wait_for_selector(".cloudkey-input__state.is-error")
    look("error")

    assert {state: found for state, found in faults.items() if found} == {}
    assert len(faults) == 10


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_outside_the_admin_has_no_serious_fault(
    axe: Callable[..., list[str]], page: Any, lessons: str, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.goto(lessons)
    page.get_by_text("not on the cloud").wait_for()

    assert axe() == []
    page.get_by_role("button", name="Library…").first.click()
    page.get_by_text("The library is empty.").wait_for()
    assert axe("dialog") == []
