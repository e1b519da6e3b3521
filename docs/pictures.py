"""
Take the pictures of the guide again.

Run ``python example_project/manage.py demo``, wait until its films are ready, and then
``python docs/pictures.py URL PASSWORD`` with what it printed. It needs playwright and Chromium.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parent / "guide" / "images"
WIDTH = 1080

LESSONS, LIBRARY = "/admin/courses/lesson/", "/admin/django_cloudkey/upload/library/"
STILLS = "() => [...document.images].every(image => image.complete && image.naturalWidth)"


def admin_list(page: Any, url: str) -> None:
    page.goto(url + LESSONS)
    page.wait_for_selector(".cloudkey-play img")


def admin_delete_rows(page: Any, url: str) -> None:
    page.goto(url + LESSONS)
    for box in page.locator(".action-select").all()[:3]:
        box.check()
    page.select_option("[name=action]", "delete_media")
    page.click("button[name=index]")
    page.wait_for_selector(".cloudkey-play img")


def admin_library(page: Any, url: str) -> None:
    page.goto(url + LIBRARY)
    page.wait_for_selector(".cloudkey-play img")


PICTURES: list[tuple[Callable[[Any, str], None], int]] = [
    (admin_list, 640),
    (admin_delete_rows, 440),
    (admin_library, 640),
]
"""What leads to a page, and how much of it is shown: pixels from its top."""


def main(url: str, password: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, locale="en-US")
        page.add_init_script("localStorage['django.admin.navSidebarIsOpen'] = 'false'")
        page.goto(f"{url}/admin/login/")
        page.fill("#id_username", "admin")
        page.fill("#id_password", password)
        page.click("[type=submit]")
        page.wait_for_url(f"{url}/admin/")
        for take, height in PICTURES:
            take(page, url.rstrip("/"))
            page.evaluate("document.activeElement.blur()")
            page.wait_for_function(STILLS)
            page.wait_for_timeout(500)  # states and lengths come with the stills
            name = take.__name__.replace("_", "-")
            clip = {"x": 0, "y": 0, "width": WIDTH, "height": height}
            page.screenshot(path=IMAGES / f"{name}.png", clip=clip)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
