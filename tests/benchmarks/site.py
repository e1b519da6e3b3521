"""The settings of the benchmarks that need Django: a site and its cloud on a file of SQLite."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command

from django_cloudkey.protocol.scheme2.keys import new_secret

USER = "4c1a4d3edede832bfd000002"
MEDIA = "4c1a4d3edede832bfd000003"
KEY = "a6e3c0d3ac1b9d1d2e2f3b4c5d6e7f8091a2b3c4"
KID, SECRET = "k1", new_secret()
BASE_URL = "https://video.example.org"


def set_up(*, with_tables: bool = False) -> None:
    """Configure Django, once in a process."""
    if not settings.configured:
        folder = Path(tempfile.mkdtemp(prefix="cloudkey-bench-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        account = {"USER_ID": USER, "BASE_URL": BASE_URL}
        settings.configure(
            INSTALLED_APPS=[
                "django.contrib.contenttypes",
                "django.contrib.auth",
                "django_cloudkey",
                "django_cloudkey.server",
                "tests.testapp",
            ],
            SECRET_KEY=KEY,
            USE_TZ=True,
            CLOUDKEYS={
                "default": {**account, "API_KEY": KEY},
                "scheme2": {**account, "SECRET": SECRET.reveal(), "KID": KID},
            },
            CLOUDKEY_SERVER={"BASE_URL": BASE_URL},
            DATABASES={
                "default": {
                    "ENGINE": "django.db.backends.sqlite3",
                    "NAME": folder / "cloud.sqlite3",
                    "OPTIONS": {
                        "transaction_mode": "IMMEDIATE",
                        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
                    },
                }
            },
        )
        django.setup()
    if with_tables:
        call_command("migrate", "cloudkey_server", verbosity=0)
