"""Threats to what a site writes of failures, and in other languages: T241 to T244."""

from __future__ import annotations

import io
import logging
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polib
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import pre_delete, pre_save
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import Client
from django.urls import path
from django.utils.translation import override
from django.views.debug import ExceptionReporter

import django_cloudkey
from django_cloudkey import cloudkeys
from django_cloudkey.fields import FieldMedia, MediaField
from django_cloudkey.storage import CloudKeyStorage
from django_cloudkey.uploads import upload_media
from tests import urls
from tests.testapp.models import Episode, Lesson

from ..conftest import DATABASES, Cloud

MEDIA = "4d0c0ffee0000000000000aa"
PACKAGE = Path(django_cloudkey.__file__).parent

# Far from the views: pages of failures show the lines around those.
LETTERS = b"bytes-of-a-secret-that-are-letters"
CREDENTIALS = {
    "historical": {"API_KEY": "0123456789abcdef0123456789abcdef01234567"},
    "scheme 2": {"SECRET": urlsafe_b64encode(LETTERS).decode().rstrip("="), "KID": "k1"},
}


def secrets_of(scheme: str) -> set[str]:
    """Return the secret of an account in each form in which something may show it."""
    if scheme == "historical":
        return {CREDENTIALS[scheme]["API_KEY"]}
    return {CREDENTIALS[scheme]["SECRET"], LETTERS.decode(), LETTERS.hex(), repr(list(LETTERS))}


# T241: lines of a log

EVIL = [
    "\nERROR root: all is well", "\r\n", "\x1b[2J", "\x9b2J", "%s %(key)s %n", "${jndi:ldap://x}",
    "{0.__class__}", "\u2028", "\x00", "x" * 1_000_000,
]  # fmt: skip


@pytest.mark.parametrize("text", EVIL, ids=range(len(EVIL)))
def test_t241_text_of_strangers_is_one_short_line_of_the_log(text: str, settings: Any) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("django_cloudkey.templatetags.cloudkey")
    logger.addHandler(handler)
    try:
        html = Template("{% load cloudkey %}{% cloudkey_embed media %}").render(
            Context({"media": text})
        )
    finally:
        logger.removeHandler(handler)

    assert html == ""
    written = stream.getvalue()
    assert written.startswith("ERROR django_cloudkey.templatetags.cloudkey: ")
    assert written.splitlines() == [written.rstrip("\n")]
    assert written.rstrip("\n").isprintable()
    assert len(written) < 512


# T242: pages, mails and logs of failures, whose frames held the key


def _sign(request: HttpRequest) -> Any:
    return FieldMedia(MediaField(), MEDIA).embed_url(seclevel="ip")


def _call(request: HttpRequest) -> Any:
    return cloudkeys["default"].media.info(id=MEDIA)


def _upload(request: HttpRequest) -> Any:
    return upload_media(__file__)


def _storage(request: HttpRequest) -> Any:
    return CloudKeyStorage().size(f"{MEDIA}/a.mp4")


def _client(request: HttpRequest) -> Any:
    client = cloudkeys["default"]
    asset = client.media
    raise ZeroDivisionError(f"{client} {asset}")


def _settings(request: HttpRequest) -> Any:
    return cloudkeys["unknown"]


VIEWS: dict[str, Callable[[HttpRequest], Any]] = {
    view.__name__: view for view in (_sign, _call, _upload, _storage, _client, _settings)
}


class FailingUrls:
    urlpatterns = [
        *(path(f"{name}/", lambda request, view=view: HttpResponse(view(request)))
          for name, view in VIEWS.items()),
        *urls.urlpatterns,
    ]  # fmt: skip


@pytest.mark.django_db(databases=DATABASES)
@pytest.mark.parametrize("scheme", CREDENTIALS)
@pytest.mark.parametrize(
    ("accept", "debug"), [("text/html", True), ("text/html", False), ("text/plain", True)]
)
@pytest.mark.parametrize("name", VIEWS)
def test_t242_what_is_written_of_a_failure_holds_no_key(
    settings: Any, caplog: pytest.LogCaptureFixture, name: str, accept: str, debug: bool,
    scheme: str,
) -> None:  # fmt: skip
    place = {"USER_ID": "4d0c0ffee000000000000001", "BASE_URL": "http://127.0.0.1:9", "RETRIES": 0}
    settings.CLOUDKEYS = {"default": {**place, **CREDENTIALS[scheme]}}
    settings.DEBUG, settings.ROOT_URLCONF = debug, FailingUrls
    browser = Client(raise_request_exception=False)

    page = browser.get(f"/{name}/", headers={"accept": accept})

    assert page.status_code == 500
    (record,) = (each for each in caplog.records if each.name == "django.request")
    assert record.exc_info is not None
    # What mails to the admins, and those of other services, are made of.
    kind, error, traceback = record.exc_info
    report = ExceptionReporter(record.__dict__["request"], kind, error, traceback, is_email=True)
    texts = [page.content.decode(), caplog.text, report.get_traceback_text()]
    texts += [report.get_traceback_html(), logging.Formatter().formatException(record.exc_info)]
    assert 'class="vars"' in texts[3]
    for text in texts:
        assert [secret for secret in secrets_of(scheme) if secret in text] == []


@pytest.mark.parametrize("scheme", CREDENTIALS)
@pytest.mark.parametrize(
    "wrong", [{"TIMEOUT": "soon"}, {"BASE_URL": "ftp://x"}, {"UNKNOWN": 1}, {"KID": "no name"}]
)
def test_t242_error_that_is_kept_holds_no_key(
    settings: Any, wrong: dict[str, Any], scheme: str
) -> None:
    """As services for errors do, which read the variables of each frame."""
    place = {"USER_ID": "4d0c0ffee000000000000001", "BASE_URL": "http://127.0.0.1:9"}
    settings.CLOUDKEYS = {"default": {**place, **CREDENTIALS[scheme], **wrong}}

    with pytest.raises(ImproperlyConfigured) as caught:
        cloudkeys["default"].media.get_embed_url(MEDIA)

    error: BaseException | None = caught.value
    while error is not None:
        traceback = error.__traceback__
        while traceback is not None:
            frame = traceback.tb_frame
            if (
                "django_cloudkey" in frame.f_code.co_filename
                and "tests" not in frame.f_code.co_filename
            ):
                shown = repr(frame.f_locals)
                assert [secret for secret in secrets_of(scheme) if secret in shown] == []
            traceback = traceback.tb_next
        error = error.__cause__ or error.__context__


# T243: receivers of signals that raise


@pytest.mark.django_db(transaction=True, databases=DATABASES)
def test_t243_receiver_that_raises_takes_the_row_and_leaves_the_media(cloud: Cloud) -> None:
    """Of Django's signals: whoever saves is told, and nothing is deleted on the cloud."""
    media = str(cloud.client.media.create(meta={"title": "a"})["id"])
    row = Episode.objects.create(title="a", video=media)

    def fail(**kwargs: Any) -> None:
        raise ZeroDivisionError

    for signal, act in ((pre_save, row.save), (pre_delete, row.delete)):
        signal.connect(fail, sender=Episode)
        try:
            row.video = ""
            with pytest.raises(ZeroDivisionError):
                act()
        finally:
            signal.disconnect(fail, sender=Episode)
        assert Episode.objects.get().video == media
        assert cloud.client.media.info(id=media, fields=["id"]) == {"id": media}


# T244: other languages


@pytest.mark.parametrize("language", ["fr", "ar", "he", "xx", "zh-hant", None])
def test_t244_language_without_a_catalogue_shows_english(language: Any) -> None:
    with override(language):
        html = Template("{% load cloudkey %}{% cloudkey_embed media %}").render(
            Context({"media": MEDIA})
        )

    assert re.search(r'<iframe src="[^"]+" title="(Video|Vidéo)" ', html)


def test_t244_translation_is_escaped_by_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    from django_cloudkey.templatetags import cloudkey as tags

    monkeypatch.setattr(tags, "_", lambda text: '"><script>')
    tags._untitled.cache_clear()
    try:
        html = Template("{% load cloudkey %}{% cloudkey_video media %}").render(
            Context({"media": MEDIA})
        )
    finally:
        tags._untitled.cache_clear()

    assert "<script>" not in html
    assert 'aria-label="&quot;&gt;&lt;script&gt;"' in html


@pytest.mark.parametrize("catalogue", sorted(PACKAGE.rglob("*.po")), ids=str)
def test_t244_translation_is_text_and_no_html(catalogue: Path) -> None:
    """Django writes the translation of a text in a template as it is, into attributes too."""
    for entry in polib.pofile(str(catalogue)):
        for text in (entry.msgstr, *entry.msgstr_plural.values()):
            assert set(text) & set('<>&"') <= set(entry.msgid), text


def test_t244_nothing_that_is_translated_is_marked_as_safe() -> None:
    for source in PACKAGE.rglob("*.py"):
        assert not re.search(r"(mark_safe|SafeString|format_html)\(f?_\(", source.read_text()), (
            source
        )
    for template in PACKAGE.rglob("*.html"):
        assert not re.search(r"\|\s*safe\b|autoescape off", template.read_text()), template


@pytest.mark.django_db
def test_t244_sentences_of_counts_have_their_plurals() -> None:
    from django_cloudkey.management.client_command import not_found

    assert (not_found(1), not_found(2)) == (
        "1 media was not found.", "2 media were not found.",
    )  # fmt: skip
    assert Lesson(title="שלום", video=MEDIA).video == MEDIA
