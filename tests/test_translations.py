"""The French catalogues: complete, true to their placeholders, compiled; and seen by an editor."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polib
import pytest
from django.utils.translation import gettext, override

from django_cloudkey.forms import MediaFormField

ROOT = Path(__file__).parent.parent / "django_cloudkey"
WINGS = {"client": ROOT, "server": ROOT / "server"}
FRENCH = Path("locale/fr/LC_MESSAGES")
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w+\}")


@pytest.fixture(params=WINGS)
def catalogue(request: pytest.FixtureRequest) -> Any:
    return polib.pofile(str(WINGS[request.param] / FRENCH / "django.po"))


def test_every_text_is_translated(catalogue: Any) -> None:
    assert [entry.msgid for entry in catalogue if not entry.translated() or entry.fuzzy] == []
    assert catalogue.obsolete_entries() == []


def test_translations_keep_what_is_filled_in(catalogue: Any) -> None:
    for entry in catalogue:
        originals = {*PLACEHOLDER.findall(entry.msgid), *PLACEHOLDER.findall(entry.msgid_plural)}
        for text in (entry.msgstr, *entry.msgstr_plural.values()):
            # A singular may spell its number out.
            assert {*PLACEHOLDER.findall(text)} <= originals, entry.msgid
        if not entry.msgid_plural:
            assert {*PLACEHOLDER.findall(entry.msgstr)} == originals, entry.msgid


@pytest.mark.parametrize("wing", WINGS)
def test_what_is_compiled_is_what_is_written(wing: str) -> None:
    folder = WINGS[wing] / FRENCH
    written = polib.pofile(str(folder / "django.po"))
    compiled = polib.mofile(str(folder / "django.mo"))

    def texts(entries: Any) -> dict[str, Any]:
        return {each.msgid: each.msgstr or each.msgstr_plural for each in entries}

    assert texts(compiled) == texts(written)


@pytest.mark.gettext
@pytest.mark.parametrize("wing", WINGS)
def test_the_catalogue_has_the_texts_of_the_code(wing: str, tmp_path: Path) -> None:
    copy = tmp_path / "package"
    # The client's catalogue leaves out the server, which has its own.
    ignored = shutil.ignore_patterns("__pycache__", *(["server"] if wing == "client" else []))
    shutil.copytree(WINGS[wing], copy, ignore=ignored)
    shutil.copytree(WINGS[wing] / "locale", copy / "locale", dirs_exist_ok=True)

    environment = {name: value for name, value in os.environ.items() if "DJANGO" not in name}
    command = [sys.executable, "-m", "django", "makemessages", "-l", "fr", "--no-location"]
    subprocess.run(command, cwd=copy, env=environment, check=True, capture_output=True)

    found, kept = (
        {(each.msgid, each.msgid_plural) for each in polib.pofile(str(path)) if not each.obsolete}
        for path in (copy / FRENCH / "django.po", WINGS[wing] / FRENCH / "django.po")
    )
    assert found == kept


def test_an_editor_is_told_in_french() -> None:
    with override("fr"):
        assert gettext("Drop a video here") == "Déposez une vidéo ici"
        field = MediaFormField(label_name="testapp.lesson.video")
        widget: Any = field.widget
        assert "Déposez une vidéo ici" in widget.render("video", "")
