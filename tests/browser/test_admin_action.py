"""The admin action: rows whose files are in different storages, uploaded one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files import File

from ..conftest import Cloud
from ..testapp.models import Talk

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
