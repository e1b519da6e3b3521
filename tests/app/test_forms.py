"""The form field: only what this site signed, for this field and user, becomes a media id."""

from __future__ import annotations

import re
import time
from html import unescape
from typing import Any

import pytest
from django import forms
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from django_cloudkey.forms import MediaFormField
from django_cloudkey.references import MAX_AGE, SALT, BadReference, Reference, is_reference, read
from tests.testapp.models import Lesson

MEDIA = "4d0c0ffee0000000000000aa"
FIELD = "testapp.lesson.video"
SENTENCE = "This upload does not belong to this form. Please upload the file again."


class LessonForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Lesson
        fields = ["title", "video"]


def signed(media: str = MEDIA, field: str = FIELD, user: str = "") -> str:
    return Reference(media=media, field=field, user=user).sign()


def submit(value: Any = "", *, title: str = "a", file: Any = None, **more: Any) -> LessonForm:
    data = QueryDict(mutable=True)
    data.update({"title": title, "video": value, **more.pop("data", {})})
    files = MultiValueDict({"video-file": [file]} if file else {})
    form = LessonForm(data, files, **more)
    form.fields["video"].bind_user("7")  # type: ignore[attr-defined]
    return form


def hidden(form: forms.Form | LessonForm) -> str:
    found = re.search(r'type="hidden" name="video" value="([^"]*)"', str(form["video"]))
    assert found is not None
    return unescape(found[1])


def file(content: bytes = b"bytes", name: str = "a.mp4") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


@pytest.mark.parametrize("user", ["", "7"])
def test_reference_of_this_form_becomes_an_id(user: str) -> None:
    form = submit(signed(user=user))

    assert form.is_valid()
    assert form.cleaned_data["video"] == MEDIA


@pytest.mark.parametrize(
    "value",
    [
        MEDIA,
        signed(field="testapp.lesson.other"),
        signed(field=""),
        signed(user="8"),
        signed()[:-1],
        "x" + signed(),
        signing.dumps([MEDIA, FIELD, ""], salt="another"),
        signing.dumps(MEDIA, salt=SALT),
        signing.dumps([MEDIA], salt=SALT),
        ":",
        "a:b:c",
    ],
    ids=lambda value: value.split(":")[0][:12],
)
def test_anything_else_is_refused_with_a_sentence(value: str) -> None:
    assert submit(value).errors == {"video": [SENTENCE]}


def test_old_reference_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = signed()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + MAX_AGE + 1)

    assert submit(reference).errors == {"video": [SENTENCE]}
    assert not is_reference(reference)


def test_reference_says_what_was_signed() -> None:
    reference = Reference(media=MEDIA, field=FIELD, user="7")

    assert read(reference.sign()) == reference
    with pytest.raises(BadReference, match="not valid, or not any more"):
        read(reference.sign() + "x")


@pytest.mark.parametrize("forgery", [MEDIA, "a:b", f"{MEDIA}:x:y"])
def test_form_never_signs_what_a_browser_sent(forgery: str) -> None:
    form = submit(forgery)

    assert not form.is_valid()
    assert hidden(form) == ""


def test_form_never_signs_the_name_of_a_file() -> None:
    form = submit(file=file(name=MEDIA), title="")

    assert not form.is_valid()
    assert hidden(form) == ""


def test_form_never_signs_the_query_of_its_page() -> None:
    assert hidden(LessonForm(initial={"video": MEDIA})) == ""


def test_invalid_form_shows_the_reference_again() -> None:
    reference = signed()

    assert hidden(submit(reference, title="")) == reference


def test_forgery_in_a_change_form_leaves_what_was_there() -> None:
    form = submit("4d0c0ffee0000000000000bb", instance=Lesson(title="a", video=MEDIA))

    assert not form.is_valid()
    assert read(hidden(form)).media == MEDIA


def test_change_form_carries_a_reference_for_its_user() -> None:
    form = LessonForm(instance=Lesson(title="a", video=MEDIA))
    form.fields["video"].bind_user("7")  # type: ignore[attr-defined]

    assert read(hidden(form)) == Reference(media=MEDIA, field=FIELD, user="7")


def test_unchanged_form_keeps_the_media() -> None:
    form = submit(signed(user="7"), instance=Lesson(title="a", video=MEDIA))

    assert form.is_valid()
    assert form.changed_data == []
    assert form.save(commit=False).video == MEDIA


@pytest.mark.parametrize(
    ("initial", "value", "changed"),
    [
        ("", "", False),
        (MEDIA, "", True),
        ("", signed(), True),
        (MEDIA, signed(), False),
        (MEDIA, signed("4d0c0ffee0000000000000bb"), True),
        (MEDIA, "forged", True),
    ],
)
def test_change_is_noticed(initial: str, value: str, changed: bool) -> None:
    form = submit(value, instance=Lesson(title="a", video=initial))

    assert ("video" in form.changed_data) is changed


def test_ticked_box_clears_the_media() -> None:
    form = submit(signed(), instance=Lesson(title="a", video=MEDIA), data={"video-clear": "on"})

    assert form.is_valid()
    assert form.save(commit=False).video == ""


@pytest.mark.parametrize("value", ["", None])
def test_required_field_needs_a_media(value: object) -> None:
    field = MediaFormField(label_name=FIELD)

    with pytest.raises(forms.ValidationError, match="This field is required"):
        field.clean(value)


def test_required_field_cannot_be_cleared() -> None:
    class Form(forms.Form):
        video = MediaFormField(label_name=FIELD)

    assert Form({"video": signed(), "video-clear": "on"}).is_valid()


@pytest.mark.parametrize("data", ["", signed("4d0c0ffee0000000000000bb"), "forged"])
def test_disabled_field_keeps_what_is_there(data: str) -> None:
    form = submit(data, instance=Lesson(title="a", video=MEDIA), file=file())
    form.fields["video"].disabled = True

    assert form.is_valid()
    assert form.changed_data == []
    assert form.save(commit=False).video == MEDIA
    assert read(hidden(form)).media == MEDIA


def test_file_is_the_fallback_without_javascript() -> None:
    form = submit(file=file())

    assert form.is_valid()
    assert form.cleaned_data["video"].read() == b"bytes"
    assert "video" in form.changed_data
    assert form.is_multipart()


def test_empty_file_is_refused() -> None:
    assert submit(file=file(b"")).errors == {"video": ["The file is empty."]}


def test_widget_has_a_file_input_and_the_addresses() -> None:
    html = str(LessonForm()["video"])

    assert 'name="video-file"' in html
    assert f'data-field="{FIELD}"' in html
    for name in ("ticket", "finish", "status"):
        assert f'data-{name}-url="/cloudkey/{name}/"' in html
