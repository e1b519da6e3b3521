"""Limits of a field: the same in the form, the ticket, the finish and the model."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from django import forms
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory

from django_cloudkey.admin import MediaAdminMixin
from django_cloudkey.client.file import File as RemoteFile
from django_cloudkey.fields import MediaField
from django_cloudkey.forms import MediaFormField
from django_cloudkey.limits import Limits, extension_of
from django_cloudkey.models import Upload
from django_cloudkey.references import Reference, read
from tests.testapp.models import Clip

from ..conftest import DATABASES, Cloud

FIELD = "testapp.clip.video"
MEDIA = "4d0c0ffee0000000000000aa"
KIND = "Files of this kind are not accepted here, only: MP4, MOV."
SIZE = "The file is too large. Files of up to 100\xa0bytes are accepted here."


class ClipForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Clip
        fields = ["video"]


class NarrowForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Clip
        fields = ["video"]

    video = Clip._meta.get_field("video").formfield(max_size=10, allowed_extensions=["mov"])


def browser() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("editor"))
    return client


def errors(form: Any) -> list[str]:
    return list(form.errors.get("video", []))


def of_file(name: str, size: int) -> Any:
    return {"video-file": SimpleUploadedFile(name, b"x" * size)}


def clip(file: Any) -> Clip:
    return Clip(video=file)


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("a.mp4", 100, []),
        ("A.MOV", 1, []),
        ("a.mp4", 101, [SIZE]),
        ("a.avi", 1, [KIND]),
        ("mp4", 1, [KIND]),
        ("a.mp4.exe", 1, [KIND]),
    ],
)
def test_file_that_comes_through_the_site_is_limited(
    name: str, size: int, expected: list[str]
) -> None:
    assert errors(ClipForm({}, of_file(name, size))) == expected


@pytest.mark.parametrize(
    ("size", "extension", "expected"),
    [(100, "mp4", []), (101, "mp4", [SIZE]), (1, "avi", [KIND]), (None, None, [])],
)
def test_reference_tells_of_a_file_over_the_limits(
    size: int | None, extension: str | None, expected: list[str]
) -> None:
    reference = Reference(media=MEDIA, field=FIELD, size=size, extension=extension)

    assert errors(ClipForm({"video": reference.sign()})) == expected
    assert read(reference.sign()) == reference


def test_form_may_be_narrower_than_its_model() -> None:
    reference = Reference(media=MEDIA, field=FIELD, size=11, extension="mov")

    assert errors(NarrowForm({}, of_file("a.mp4", 1)))
    assert errors(NarrowForm({"video": reference.sign()})) == [
        "The file is too large. Files of up to 10\xa0bytes are accepted here."
    ]
    assert errors(ClipForm({"video": reference.sign()})) == []


@pytest.mark.django_db
def test_admin_may_be_narrower_by_its_overrides(rf: RequestFactory) -> None:
    class ClipAdmin(MediaAdminMixin, ModelAdmin):  # type: ignore[type-arg]
        formfield_overrides = {MediaField: {"max_size": 10}}

    request = rf.get("/")
    request.user = User(pk=7)
    form = ClipAdmin(Clip, AdminSite()).get_form(request)

    assert errors(form({}, of_file("a.mp4", 10))) == []
    assert errors(form({}, of_file("a.mp4", 11)))
    assert errors(form({}, of_file("a.avi", 1))) == [KIND]


def test_form_cannot_be_wider_than_its_model() -> None:
    class WideForm(ClipForm):
        video = MediaFormField(label_name=FIELD)

    assert errors(WideForm({}, of_file("a.avi", 1))) == [KIND]


def test_value_that_was_there_is_not_limited() -> None:
    form = ClipForm(instance=Clip(video=MEDIA))
    kept = form["video"].field.widget.format_value(form["video"].value())

    assert errors(ClipForm({"video": kept}, instance=Clip(video=MEDIA))) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [({"name": "a.avi"}, KIND), ({"size": "101"}, SIZE), ({"name": "mp4"}, KIND)],
)
@pytest.mark.django_db(databases=DATABASES)
def test_no_ticket_is_given_over_the_limits(
    change: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("the cloud was asked")

    monkeypatch.setattr(RemoteFile, "upload", refuse)

    answer = browser().post(
        "/cloudkey/ticket/", {"field": FIELD, "name": "a.mp4", "size": 5, **change}
    )

    assert (answer.status_code, answer.json()) == (400, {"error": message})
    assert not Upload.objects.exists()


def test_limit_that_was_lowered_holds_at_the_finish(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = browser()
    data = {"field": FIELD, "name": "a.mp4", "size": 5}
    ticket = editor.post("/cloudkey/ticket/", data).json()
    sent = requests.post(ticket["url"], files={"file": ("a.mp4", b"bytes")}, timeout=10).json()
    finish = {"ticket": ticket["ticket"], "url": sent["url"]}
    monkeypatch.setattr(Clip._meta.get_field("video"), "limits", Limits(4))

    answer = editor.post("/cloudkey/finish/", finish)

    assert (answer.status_code, cloud.client.media.list()["total"]) == (400, 0)


def test_finished_reference_knows_size_and_kind(cloud: Cloud) -> None:
    editor = browser()
    data = {"field": FIELD, "name": "A.MP4", "size": 5}
    ticket = editor.post("/cloudkey/ticket/", data).json()
    sent = requests.post(ticket["url"], files={"file": ("a.mp4", b"bytes")}, timeout=10).json()
    finish = {"ticket": ticket["ticket"], "url": sent["url"]}

    reference = read(editor.post("/cloudkey/finish/", finish).json()["reference"])

    assert (reference.size, reference.extension) == (5, "mp4")


@pytest.mark.parametrize(("name", "size"), [("a.avi", 1), ("a.mp4", 101)])
def test_file_that_is_assigned_in_code_is_limited_by_validation(name: str, size: int) -> None:
    with pytest.raises(ValidationError):
        clip(ContentFile(b"x" * size, name)).full_clean()
    clip(ContentFile(b"x", "a.mp4")).full_clean()


def test_storage_is_not_asked_for_a_size() -> None:
    class Stored(File):  # type: ignore[type-arg]
        _committed = True

        @property
        def size(self) -> int:
            raise AssertionError("the storage was asked")

    clip(Stored(None, "a.mp4")).full_clean()


def test_widget_says_the_limits() -> None:
    html = str(ClipForm()["video"])

    assert 'accept=".mp4,.mov"' in html
    assert 'data-max-size="100"' in html
    assert 'data-extensions="mp4,mov"' in html
    assert "MP4, MOV, up to 100\xa0bytes</p>" in html
    assert 'aria-describedby="id_video_limits"' in html


def test_widget_without_limits_says_none() -> None:
    class Form(forms.Form):
        video = MediaFormField(help_text="What it is for.")

    html = str(Form()["video"])

    assert 'accept="video/*"' in html
    assert 'aria-describedby="id_video_helptext id_video_file_helptext"' in html
    for part in ("data-max-size", "data-extensions", "cloudkey-input__limits"):
        assert part not in html


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"max_size": 1500}, "Up to 1.5\xa0KB</p>"),
        ({"allowed_extensions": [".WebM"]}, ">WEBM</p>"),
    ],
)
def test_widget_with_one_limit_says_it(limits: dict[str, Any], text: str) -> None:
    class Form(forms.Form):
        video = MediaFormField(**limits)

    assert text in str(Form()["video"])


@pytest.mark.parametrize(
    "options",
    [
        {"max_size": 0},
        {"max_size": -1},
        {"max_size": True},
        {"max_size": "2 GB"},
        {"allowed_extensions": "mp4"},
        {"allowed_extensions": ["."]},
        {"allowed_extensions": [4]},
    ],
)
def test_wrong_limit_is_told_at_once(options: dict[str, Any]) -> None:
    for field in (MediaField, MediaFormField):
        with pytest.raises(ValueError, match=r"max_size|allowed_extensions"):
            field(**options)


def test_limits_stay_out_of_migrations() -> None:
    field = MediaField(max_size=100, allowed_extensions=["mp4"])

    assert field.deconstruct() == MediaField().deconstruct()


@pytest.mark.parametrize(
    ("name", "extension"),
    [("a.MP4", "mp4"), ("folder.mp4/a", ""), (".mp4", ""), (None, ""), ("a.tar.gz", "gz")],
)
def test_extension_is_that_of_the_last_part(name: str | None, extension: str) -> None:
    assert extension_of(name) == extension
