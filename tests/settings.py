"""
Settings of the test suite: a site and its cloud in one project, each with a database of its own.

``TEST_POSTGRES`` (``host:port``) runs the same suite on PostgreSQL.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

SCRATCH = Path(os.environ.get("TEST_SCRATCH") or tempfile.mkdtemp(prefix="cloudkey-tests-"))

SECRET_KEY = "not-a-secret-key-only-tests-use-it"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("fr", "Français")]
ROOT_URLCONF = "tests.urls"
STATIC_URL = "/static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_cloudkey",
    "django_cloudkey.server",
    "tests.testapp",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


def _database(name: str) -> dict[str, Any]:
    postgres = os.environ.get("TEST_POSTGRES")
    if postgres:
        host, _, port = postgres.partition(":")
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": f"cloudkey_{name}",
            "USER": "cloudkey",
            "HOST": host,
            "PORT": port,
        }
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": SCRATCH / f"{name}.sqlite3",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            # The guide has NORMAL; no test cuts the power, and waiting for the disk is half of it.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;",
        },
        # A file, so that servers and workers in other threads and processes see the same rows.
        "TEST": {"NAME": SCRATCH / f"test_{name}.sqlite3"},
    }


DATABASES = {"default": _database("site"), "cloud": _database("cloud")}
DATABASE_ROUTERS = ["django_cloudkey.server.router.CloudRouter"]

STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": SCRATCH / "media"},
    },
    "cloudkey": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": SCRATCH / "cloud"},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

CLOUDKEY_SERVER = {
    "BASE_URL": "http://testserver/cloud",
    "DATABASE": "cloud",
    "WORK_DIR": SCRATCH / "work",
    "MIN_FREE_SPACE": 0,
    "PENDING_TIME": 0,
}
CLOUDKEYS = {
    "default": {
        "USER_ID": "4d0c0ffee000000000000001",
        "API_KEY": "0123456789abcdef0123456789abcdef01234567",
        "BASE_URL": "http://testserver/cloud",
    }
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
