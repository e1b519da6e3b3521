"""
The pictures of the guide, taken from the example site.

They go to the folder that TEST_PICTURES names, else nowhere::

    TEST_PICTURES=docs/guide/images python -m pytest -m browser tests/browser/test_pictures.py
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Demo
from .test_main_job import sign_in
from .test_widget import SLOTS

pytestmark = pytest.mark.browser

WIDGET = ".cloudkey-input"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(os.environ.get("TEST_PICTURES") or tmp_path)


@pytest.fixture
def take(folder: Path) -> Callable[[Any, str], None]:
    """Return a function that takes a picture of an element, or of all that a page shows."""

    def take(what: Any, name: str) -> None:
        getattr(what, "page", what).wait_for_timeout(400)  # transitions end, pictures are decoded
        what.screenshot(path=folder / f"{name}.png", animations="disabled", caret="hide")

    return take


def open_lesson(page: Any, demo: Demo, path: str = "") -> Any:
    """Open the form of a lesson, a new one by default, and return its widget."""
    page.goto(f"{demo.url}/admin/courses/lesson/{path or 'add/'}")
    return page.locator(WIDGET)


def first_lesson(page: Any, demo: Demo) -> str:
    """Return the address of a lesson whose video is ready."""
    page.goto(f"{demo.url}/admin/courses/lesson/")
    row = page.locator("tr:has(.cloudkey-status.is-ready) th a").first
    return str(row.get_attribute("href")).removeprefix("/admin/courses/lesson/")


def open_library(page: Any) -> Any:
    page.get_by_role("button", name="Library…").click()
    page.locator("dialog [role=option]").first.wait_for()
    page.wait_for_function(
        "() => [...document.querySelectorAll('[role=option] img')].some(each => each.naturalWidth)"
    )
    page.keyboard.press("ArrowDown")
    return page.get_by_role("dialog")


def test_widget(page: Any, demo: Demo, clip: Path, take: Callable[[Any, str], None]) -> None:
    page.set_viewport_size({"width": 1000, "height": 800})
    sign_in(page, demo)
    lesson = first_lesson(page, demo)

    widget = open_lesson(page, demo)
    take(widget, "widget-empty")
    slowly(page)
    page.set_input_files("#id_video_file", film(clip))
    page.get_by_text("left", exact=False).wait_for()
    take(widget, "widget-uploading")
    page.get_by_role("button", name="Cancel").click()
    page.route(SLOTS, lambda route: route.abort())
    page.set_input_files("#id_video_file", film(clip))
    page.get_by_role("button", name="Try again").wait_for()
    page.mouse.move(0, 0)
    take(widget, "widget-failed")
    page.unroute(SLOTS)

    widget = open_lesson(page, demo, lesson)
    page.wait_for_selector(".cloudkey-input__state.is-ready")
    take(widget, "widget-ready")
    take(open_library(page), "picker")
    page.keyboard.press("Escape")
    page.emulate_media(color_scheme="dark")
    take(page, "admin-dark")


def test_widget_on_a_phone(
    chromium: Any, demo: Demo, folder: Path, take: Callable[[Any, str], None]
) -> None:
    context = chromium.new_context(
        viewport={"width": 390, "height": 700}, is_mobile=True, has_touch=True, locale="en-US"
    )
    page = context.new_page()
    sign_in(page, demo)
    open_lesson(page, demo, first_lesson(page, demo))
    page.wait_for_selector(".cloudkey-input__state.is-ready")
    page.locator(WIDGET).scroll_into_view_if_needed()
    take(page, "phone-widget")
    open_library(page)
    take(page, "phone-picker")
    context.close()


def test_admin(page: Any, demo: Demo, take: Callable[[Any, str], None]) -> None:
    page.set_viewport_size({"width": 1080, "height": 640})
    page.add_init_script("localStorage['django.admin.navSidebarIsOpen'] = 'false'")
    sign_in(page, demo)

    wait_for_films(page, demo, 3)
    take(page, "admin-list")
    for box in page.locator("tr:has(.cloudkey-play img) .action-select").all()[:3]:
        box.check()
    page.select_option("[name=action]", "delete_media")
    page.click("button[name=index]")
    wait_for_stills(page, 3)
    page.set_viewport_size({"width": 1080, "height": 440})
    take(page, "admin-delete-rows")

    page.set_viewport_size({"width": 1080, "height": 640})
    page.goto(f"{demo.url}/admin/django_cloudkey/upload/library/")
    wait_for_stills(page, 2)
    take(page, "admin-library")


STILLS = (
    "() => [...document.querySelectorAll('.cloudkey-play img')].filter(each => each.naturalWidth)"
)


def wait_for_films(page: Any, demo: Demo, count: int) -> None:
    """Open the list of lessons until *count* of the site's films are ready."""
    end = time.monotonic() + 180
    while True:
        page.goto(f"{demo.url}/admin/courses/lesson/")
        page.wait_for_timeout(2000)
        if page.evaluate(f"({STILLS})().length") >= count:
            return
        assert time.monotonic() < end, "".join(demo.output)


def wait_for_stills(page: Any, count: int) -> None:
    page.wait_for_function(f"count => ({STILLS})().length >= count", arg=count)


def film(clip: Path) -> dict[str, Any]:
    content = clip.read_bytes().ljust(12_000_000, b"\0")
    return {"name": "Low tide.mp4", "mimeType": "video/mp4", "buffer": content}


def slowly(page: Any) -> None:
    """Let the page send two megabytes a second."""
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1}
    session = page.context.new_cdp_session(page)
    session.send("Network.emulateNetworkConditions", {**conditions, "uploadThroughput": 2_000_000})
