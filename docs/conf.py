"""Configuration of Sphinx. The settings of the tests let autodoc import what needs Django."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
# Nothing is written there; without it the settings would make a folder.
os.environ.setdefault("TEST_SCRATCH", str(Path(tempfile.gettempdir()) / "cloudkey-docs"))

import django
from sphinx.application import Sphinx

import django_cloudkey

django.setup()

project = "django-cloudkey"
copyright = "the authors of django-cloudkey"
version = release = django_cloudkey.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"django-cloudkey {release}"
html_copy_source = False

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False


def _replace_colon(
    app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]
) -> None:
    """Put a dash where napoleon would take the beginning of an attribute's docstring for a type."""
    if what in ("attribute", "property") and lines:
        lines[0] = lines[0].replace(": ", " \u2013 ", 1)


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", _replace_colon, priority=400)
