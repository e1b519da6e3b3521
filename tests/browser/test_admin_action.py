"""The admin's actions: rows uploaded one after the other, made again, deleted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.files import File
from django.core.files.storage import default_storage

from ..conftest import Cloud
from ..testapp.models import Talk
from .conftest import sign_in_as

pytestmark = pytest.mark.browser


def test_action_uploads_a_row_from_local_files_and_a_row_from_s3(
    page: Any, cloud: Cloud, live_server: Any, clip: Path, s3: dict[str, Any], settings: Any
) -> None:
    settings.STORAGES = {**settings.STORAGES, "s3": s3}
    get_user_model()._default_manager.create_superuser(
        username="editor", email="", password="not-a-secret"
    )
    for title, name in (("From this disk", "local.mp4"), ("From the bucket", "s3/remote.mp4")):
        with clip.open("rb") as file:
            Talk.objects.create(title=title, recording=File(file, name=name))

    page.goto(f"{live_server.url}/admin/testapp/talk/")
    page.fill("#id_username", "editor")
    page.fill("#id_password", "not-a-secret")
    page.click("[type=submit]")
    page.check("#action-toggle")
    page.select_option("[name=action]", "upload_media")
    page.click("button[name=index]")
    page.get_by_role("button", name="Start").click()
    page.get_by_text("All 2 are done.").wait_for(timeout=60_000)

    media = [talk.video.id for talk in Talk.objects.all()]
    assert all(media)
    cloud.work()
    for each in media:
        assert cloud.client.media.get_assets(id=each)["source"]["status"] == "ready"
    page.goto(f"{live_server.url}/admin/testapp/talk/")
    page.wait_for_function(
        "() => document.querySelectorAll('.cloudkey-status.is-ready').length == 2"
    )


def test_three_rows_are_uploaded_and_each_reports(
    page: Any, cloud: Cloud, live_server: Any, clip: Path, axe: Callable[..., list[str]]
) -> None:
    sign_in_as(User.objects.create_superuser("editor"), page, live_server.url)
    for title in ("First", "Second", "Third"):
        with clip.open("rb") as file:
            Talk.objects.create(title=title, recording=File(file, name=f"{title}.mp4"))
    lost = Path(default_storage.path("Second.mp4"))
    aside = lost.rename(lost.with_suffix(".aside"))

    choose(page, live_server.url, "upload_media")
    assert axe() == []
    page.get_by_role("button", name="Start").press("Enter")
    page.get_by_text("2 of 3 are done, 1 failed.").wait_for(timeout=60_000)
    assert page.locator(".cloudkey-rows__state").all_inner_texts() == [
        "uploaded, being prepared",
        "The local file cannot be read: No such file or directory",
        "uploaded, being prepared",
    ]
    assert axe() == []

    aside.rename(lost)
    page.keyboard.press("Enter")  # the focus is on "Try the failed ones again"
    page.get_by_text("All 3 are done.").wait_for(timeout=60_000)
    assert all(talk.video for talk in Talk.objects.all())
    assert cloud.client.media.count() == 3


def test_videos_are_made_again_and_deleted_with_keys_alone(
    page: Any, cloud: Cloud, live_server: Any, clip: Path, axe: Callable[..., list[str]]
) -> None:
    sign_in_as(User.objects.create_superuser("editor"), page, live_server.url)
    for title in ("First", "Second"):
        Talk.objects.create(title=title, video=cloud.upload(clip))
    cloud.work()

    choose(page, live_server.url, "reprocess_media")
    page.wait_for_selector(".cloudkey-status.is-ready")
    page.keyboard.press("Enter")
    page.get_by_text("All 2 are done.").wait_for()
    page.wait_for_function("() => document.querySelectorAll('.is-processing').length >= 2")
    cloud.work()
    page.wait_for_function(
        "() => document.querySelectorAll('.cloudkey-status.is-ready').length == 2"
    )

    choose(page, live_server.url, "delete_media")
    page.wait_for_function("() => document.querySelectorAll('.cloudkey-play img').length == 2")
    assert axe() == []
    page.keyboard.press("Enter")  # which must delete nothing: the focus is nowhere yet
    assert cloud.client.media.count() == 2
    page.get_by_role("button", name="Yes, I’m sure").focus()
    page.keyboard.press("Enter")
    page.get_by_text("All 2 are done.").wait_for()
    assert page.get_by_role("link", name="Back to the list").is_visible()
    assert cloud.client.media.count() == 0
    assert not any(talk.video for talk in Talk.objects.all())


def choose(page: Any, url: str, action: str) -> None:
    page.goto(f"{url}/admin/testapp/talk/")
    page.check("#action-toggle")
    page.select_option("[name=action]", action)
    page.click("button[name=index]")
    page.wait_for_selector(".cloudkey-rows [data-action=start]:not([hidden])")
