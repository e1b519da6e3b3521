"""The main job as a person does it: upload in the admin, watch on a page."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from .conftest import Demo

pytestmark = pytest.mark.browser


def sign_in(page: Any, demo: Demo) -> None:
    page.goto(f"{demo.url}/admin/login/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", demo.password)
    page.click("[type=submit]")
    page.wait_for_url(f"{demo.url}/admin/")


def add_lesson(page: Any, demo: Demo, title: str, clip: Path) -> None:
    """Fill the form of a new lesson and choose a file, which the browser uploads at once."""
    page.goto(f"{demo.url}/admin/courses/lesson/add/")
    page.select_option("#id_course", index=1)
    page.locator("#id_title").press_sequentially(title)  # the form writes the address from it
    page.select_option("#id_audience", "public")
    with page.expect_file_chooser() as chooser:
        page.click("label[for=id_video_file], #id_video_file")
    chooser.value.set_files(clip)


def test_upload_in_the_admin_then_watch_on_a_page(
    page: Any, demo: Demo, clip_with_sound: Path, chromium: Any
) -> None:
    sign_in(page, demo)
    add_lesson(page, demo, "A rabbit wakes up", clip_with_sound)
    page.wait_for_selector(".cloudkey-input [role=progressbar], .cloudkey-input progress")
    page.wait_for_function("() => document.querySelector('[name=video]').value.length > 30")
    page.click("[name=_continue]")
    page.wait_for_url("**/change/")
    marker = page.evaluate("() => (window.notReloaded = Math.random())")
    page.wait_for_selector(".cloudkey-input__state.is-ready", timeout=120_000)
    assert page.evaluate("() => window.notReloaded") == marker
    page.click("a.viewsitelink")
    page.wait_for_url("**/a-rabbit-wakes-up/")
    lesson_url = page.url

    visitor = chromium.new_context(locale="en-US").new_page()
    statuses: list[int] = []
    visitor.on("response", lambda got: statuses.extend([got.status] * ("/route/" in got.url)))
    visitor.goto(lesson_url)
    player = visitor.frame_locator(".cloudkey-embed iframe")
    player.locator("video").wait_for(state="attached")
    player.get_by_role("button", name="Play").first.click()
    video = player.locator("video")
    playing = watch(video, until=2.0)
    assert playing["width"] > 0
    assert playing["frames"] > 10
    assert playing["sound"] > 1000
    duration = playing["duration"]
    video.evaluate("(video, to) => { video.currentTime = to }", duration * 0.6)
    assert watch(video, until=duration * 0.6 + 0.5)["time"] > duration * 0.6
    assert 206 in statuses
    assert set(statuses) <= {200, 206}

    stream = video.evaluate("video => video.currentSrc")
    embed = visitor.locator(".cloudkey-embed iframe").get_attribute("src")
    for url in (stream, embed):
        assert requests.get(url, timeout=10).status_code == 200
        assert requests.get(url.partition("?")[0], timeout=10).status_code == 403
        refuses_every_change(url)


def watch(video: Any, *, until: float) -> dict[str, float]:
    """Wait until the video has played past *until* seconds, and return what was decoded."""
    end = time.monotonic() + 30
    while True:
        found: dict[str, float] = video.evaluate(
            """video => ({
                time: video.currentTime,
                duration: video.duration,
                width: video.videoWidth,
                frames: video.getVideoPlaybackQuality().totalVideoFrames,
                sound: video.webkitAudioDecodedByteCount,
                muted: video.muted,
            })"""
        )
        if found["time"] > until:
            return found
        assert time.monotonic() < end, f"the video stands at {found}"
        time.sleep(0.1)


def refuses_every_change(url: str) -> None:
    """Change each character of path and query, one at a time: none may be let in."""
    origin = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}/"
    rest = url.removeprefix(origin)
    # Scheme 2 signs what is granted: the version and the extension choose nothing.
    spelling = re.search(r"-[0-9]+\.\w+(?=\?)", rest)
    free = range(*spelling.span()) if spelling else range(0)
    with requests.Session() as session:
        for place, char in enumerate(rest):
            if place in free:
                continue
            changed = rest[:place] + ("b" if char == "a" else "a") + rest[place + 1 :]
            answer = session.get(origin + changed, timeout=10, allow_redirects=False)
            assert answer.status_code not in (200, 206), changed


def test_members_only_lesson_shows_a_visitor_no_address(demo: Demo) -> None:
    courses = set(re.findall(r'href="(/[a-z0-9-]+/)"', requests.get(demo.url, timeout=10).text))
    pages = {path: requests.get(demo.url + path, timeout=10).text for path in courses}
    for html in list(pages.values()):
        for path in re.findall(r'href="(/[a-z0-9-]+/[a-z0-9-]+/)"', html):
            pages[path] = requests.get(demo.url + path, timeout=10).text
    locked = [html for html in pages.values() if "This lesson is for members" in html]

    assert locked
    for html in locked:
        assert "auth=" not in html.partition("In this course")[0]
        assert "<iframe" not in html


def test_file_that_is_no_video_ends_as_an_error_with_a_reason(
    page: Any, demo: Demo, tmp_path: Path
) -> None:
    text = tmp_path / "playlist.mp4"
    text.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n")
    sign_in(page, demo)

    add_lesson(page, demo, "Not a film", text)

    page.wait_for_function("() => document.querySelector('[name=video]').value.length > 30")
    page.click("[name=_continue]")
    page.wait_for_url("**/change/")
    page.wait_for_selector(".cloudkey-input__state.is-error", timeout=60_000)
    assert "not a video" in page.inner_text(".cloudkey-input")
