"""
Settings of the example site: SQLite, local files and two processes, unless the environment says
otherwise. ``manage.py demo`` fills the data folder, secrets included.

=============================  ===================================================================
EXAMPLE_DATA                   folder of databases, files and secrets; ``example_project/data``
EXAMPLE_BASE_URL               address of the site as browsers see it; ``http://127.0.0.1:8000``
EXAMPLE_ALLOWED_HOSTS          host names, separated by commas
EXAMPLE_WEBHOOK_NETWORKS       where the cloud may send notifications, separated by commas
EXAMPLE_DEBUG                  ``1`` or ``0``
EXAMPLE_DATABASE_URL           ``postgresql://user:password@host:5432/name`` for the site
EXAMPLE_CLOUD_DATABASE_URL     the same for the cloud's tables
EXAMPLE_S3_BUCKET              bucket for the originals of recordings, with EXAMPLE_S3_ENDPOINT,
                               AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_DEFAULT_REGION
=============================  ===================================================================
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.management.utils import get_random_secret_key
from django.utils.translation import gettext_lazy as _

from .vault import read_secrets

PROJECT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("EXAMPLE_DATA") or PROJECT / "data").resolve()
BASE_URL = os.environ.get("EXAMPLE_BASE_URL", "http://127.0.0.1:8000").rstrip("/")

# Security

_secrets = read_secrets(DATA)
SECRET_KEY = _secrets.get("SECRET_KEY") or get_random_secret_key()
DEBUG = os.environ.get("EXAMPLE_DEBUG", "1") == "1"
ALLOWED_HOSTS = os.environ.get("EXAMPLE_ALLOWED_HOSTS", "127.0.0.1,localhost,testserver").split(",")
CSRF_TRUSTED_ORIGINS = [BASE_URL]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BASE_URL.startswith("https://")

# Applications

INSTALLED_APPS = [
    "courses",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_cloudkey",
    "django_cloudkey.server",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "example.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
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
            ],
        },
    },
]
ROOT_URLCONF = "example.urls"
WSGI_APPLICATION = "example.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "courses:home"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]

# Databases: the cloud's tables have one of their own


def database(url: str, file: str) -> dict[str, Any]:
    """Return the settings of the PostgreSQL database at *url*, or of the SQLite file *file*."""
    if url:
        parts = urlsplit(url)
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.lstrip("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": unquote(parts.hostname or ""),
            "PORT": str(parts.port or ""),
        }
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA / file,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,  # seconds
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


DATABASES = {
    "default": database(os.environ.get("EXAMPLE_DATABASE_URL", ""), "site.sqlite3"),
    "cloud": database(os.environ.get("EXAMPLE_CLOUD_DATABASE_URL", ""), "cloud.sqlite3"),
}
DATABASE_ROUTERS = ["django_cloudkey.server.router.CloudRouter"]

# Files: originals of the site, and what the cloud makes; the latter are never served by name

MEDIA_ROOT = DATA / "media"
MEDIA_URL = "media/"
STATIC_URL = "static/"
STATIC_ROOT = DATA / "static"

STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "cloudkey": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": DATA / "cloud",
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
if bucket := os.environ.get("EXAMPLE_S3_BUCKET"):
    STORAGES["default"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": bucket,
            "endpoint_url": os.environ.get("EXAMPLE_S3_ENDPOINT"),
            "access_key": os.environ.get("AWS_ACCESS_KEY_ID"),
            "secret_key": os.environ.get("AWS_SECRET_ACCESS_KEY"),
            "region_name": os.environ.get("AWS_DEFAULT_REGION"),
            "signature_version": "s3v4",
            "file_overwrite": False,
            "max_memory_size": 8 * 1024 * 1024,  # bytes; the rest of a film goes through the disk
        },
    }

# The video cloud, both ends of it

CLOUDKEY_SERVER = {
    "BASE_URL": f"{BASE_URL}/cloud",
    "DATABASE": "cloud",
    "WORK_DIR": DATA / "work",
    # Where the demo's own site is, for the notifications that it gets.
    "WEBHOOK_NETWORKS": os.environ.get("EXAMPLE_WEBHOOK_NETWORKS", "127.0.0.1").split(","),
}
CLOUDKEYS = {}
if "USER_ID" in _secrets:  # before the first `manage.py demo` there is no account
    CLOUDKEYS["default"] = {
        "USER_ID": _secrets["USER_ID"],
        "API_KEY": _secrets.get("API_KEY"),  # alone in data folders of before there were secrets
        "SECRET": _secrets.get("SECRET"),
        "KID": _secrets.get("KID"),
        "BASE_URL": CLOUDKEY_SERVER["BASE_URL"],
    }

# Language and time

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("fr", _("French"))]
TIME_ZONE = "UTC"
USE_TZ = True
