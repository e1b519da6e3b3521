"""Which rows hold a media: every field of its account, whatever managers hide."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import models

from django_cloudkey.rows import held, holders, is_held, media_fields
from tests.testapp.models import Lesson, Talk

from ..conftest import DATABASES

pytestmark = pytest.mark.django_db(databases=DATABASES)

MEDIA = "4d0c0ffee0000000000000aa"
OTHER = "4d0c0ffee0000000000000bb"


def test_every_media_field_is_found_once() -> None:
    labels = [field.label for field in media_fields()]

    assert {"testapp.lesson.video", "testapp.talk.video"} <= set(labels)
    assert len(labels) == len(set(labels))


def test_row_of_any_model_holds_its_media() -> None:
    Lesson.objects.create(title="a", video=MEDIA)
    Lesson.objects.create(title="the same", video=MEDIA)
    Talk.objects.create(title="b", video=OTHER)
    Lesson.objects.create(title="none")

    assert is_held("default", MEDIA)
    assert held("default", [MEDIA, OTHER, "4d0c0ffee0000000000000cc"]) == {MEDIA, OTHER}


def test_media_of_another_account_is_not_held() -> None:
    Lesson.objects.create(title="a", video=MEDIA)

    assert not is_held("archive", MEDIA)


def test_row_that_managers_hide_holds_its_media(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hidden(models.Manager[Any]):
        def get_queryset(self) -> Any:
            return super().get_queryset().none()

    Lesson.objects.create(title="marked as deleted", video=MEDIA)
    hidden = Hidden()
    hidden.model = Lesson
    monkeypatch.setitem(vars(Lesson._meta), "base_manager", hidden)
    monkeypatch.setitem(vars(Lesson._meta), "default_manager", hidden)
    assert not Lesson._default_manager.exists()

    assert is_held("default", MEDIA)


def test_holders_of_each_media_are_given_though_one_has_many() -> None:
    Lesson.objects.bulk_create(Lesson(title="a", video=MEDIA) for _ in range(5))
    Lesson.objects.create(title="last", video=OTHER)

    found = [str(row) for _field, row in holders("default", [MEDIA, OTHER], limit=2)]

    assert found == ["a", "a", "last"]
    assert list(holders("default", [])) == []
