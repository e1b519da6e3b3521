"""
What ``check --deploy`` says of accounts: each message where it is true, none where it nearly is.

Sockets and databases are closed throughout.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.db.backends.base.base import BaseDatabaseWrapper

from django_cloudkey import SecLevel
from django_cloudkey.deploy_checks import check_deployment
from django_cloudkey.protocol.scheme2.keys import new_secret

from ..testapp.models import Lesson

ROOT = Path(__file__).resolve().parents[2]
# The checks read what DATABASES says; nothing here connects.
pytestmark = pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")

KEY = secrets.token_hex(20)
NOT_SERVED_HERE = ["django.contrib.sessions", "django_cloudkey", "tests.testapp"]
MIDDLEWARE = [
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
]
SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.sqlite3"}
SAME_FILE = Path.cwd() / "site.sqlite3"


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(BaseDatabaseWrapper, "ensure_connection", refuse)


def configure(settings: Any, **changes: Any) -> None:
    """A public site with a cloud elsewhere, as it should be; keys of the account among others."""
    values = {
        "ALLOWED_HOSTS": ["www.example.org"],
        "BASE_URL": "https://video.example.org",
        **changes,
    }
    keys = {"BASE_URL", "CDN_URL", "STATIC_URL", "SECLEVEL", "TRUSTED_PROXIES", "URL_LIFETIME"}
    keys |= {"VIEWER", "TRANSPORT", "SECRET", "KID", "WEBHOOK_SECRETS"}
    account = {key: values.pop(key) for key in keys & values.keys()}
    settings.CLOUDKEYS = {
        "default": {"USER_ID": "4d0c0ffee000000000000001", "API_KEY": KEY, **account}
    }
    for name, value in values.items():
        setattr(settings, name, value)


def deployed(settings: Any, **changes: Any) -> list[CheckMessage]:
    configure(settings, **changes)
    return check_deployment(None)


def ids(messages: list[CheckMessage]) -> list[str | None]:
    return [message.id for message in messages]


def test_site_as_it_should_be_is_silent(settings: Any) -> None:
    assert deployed(settings) == []
    assert deployed(settings, SECLEVEL="delegate|ip") == []


FIRES: list[tuple[str, dict[str, Any]]] = [
    ("W020", {"BASE_URL": "http://video.example.org"}),
    ("W020", {"CDN_URL": "http://10.0.0.1:8080"}),
    ("W020", {"STATIC_URL": "http://localhost.example.org"}),
    ("W020", {"BASE_URL": "http://video.example.org", "TRANSPORT": "in-process"}),
    ("W021", {"SESSION_COOKIE_DOMAIN": ".example.org"}),
    ("W021", {"SESSION_COOKIE_DOMAIN": "Example.org"}),
    ("W021", {"BASE_URL": "https://www.example.org/cloud"}),
    ("W021", {"BASE_URL": "https://a.org", "ALLOWED_HOSTS": ["www.a.org", "a.org"]}),
    ("W021", {"BASE_URL": "http://127.0.0.1:8000/c", "ALLOWED_HOSTS": ["127.0.0.1", "localhost"]}),
    ("W021", {"BASE_URL": "http://[::1]:8000/cloud", "ALLOWED_HOSTS": ["[::1]", "testserver"]}),
    (
        "W021",
        {
            "INSTALLED_APPS": NOT_SERVED_HERE,
            "ALLOWED_HOSTS": ["www.example.org", "video.example.org"],
        },
    ),
    (
        "W022",
        {
            "CLOUDKEY_SERVER": {"BASE_URL": "https://video.example.org/"},
            "DATABASES": {"default": SQLITE},
        },
    ),
    (
        "W022",
        {
            "CLOUDKEY_SERVER": {"BASE_URL": "https://video.example.org", "DATABASE": "cloud"},
            "DATABASES": {"default": SQLITE, "cloud": {**SQLITE, "NAME": SAME_FILE}},
        },
    ),
    ("W023", {"SECLEVEL": "referer"}),
    ("W023", {"SECLEVEL": "referer_strict|ip|delegate"}),
    ("W023", {"SECLEVEL": "referer", "SECURE_REFERRER_POLICY": "origin, same-origin"}),
    ("W023", {"SECLEVEL": "referer", "SECURE_REFERRER_POLICY": "no-referrer", "ALLOWED_HOSTS": []}),
    ("W023", {"SECLEVEL": "referer", "SECURE_REFERRER_POLICY": ["a", "no-referrer"]}),
    ("W024", {"SECLEVEL": "referer", "ALLOWED_HOSTS": ["*"]}),
    ("W025", {"SECLEVEL": "ip", "USE_X_FORWARDED_HOST": True, "ALLOWED_HOSTS": ["*"]}),
    (
        "W025",
        {
            "SECLEVEL": "ip|useragent",
            "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
            "ALLOWED_HOSTS": ["*"],
        },
    ),
    ("W026", {"MIDDLEWARE": MIDDLEWARE, "CACHE_MIDDLEWARE_SECONDS": 7201}),
    ("W026", {"MIDDLEWARE": MIDDLEWARE, "URL_LIFETIME": 599}),
    ("W027", {"SECLEVEL": "ip"}),
    ("W027", {"SECLEVEL": "ip", "ALLOWED_HOSTS": ["example.org", ".example.com"]}),
]  # fmt: skip


@pytest.mark.parametrize(("number", "changes"), FIRES)
def test_what_harms_a_public_site_is_warned_of(
    settings: Any, number: str, changes: dict[str, Any]
) -> None:
    (message,) = deployed(settings, **changes)

    assert (message.id, message.level) == (f"cloudkey.{number}", 30)
    assert 'CLOUDKEYS["default"]' in message.msg
    assert message.hint
    assert KEY not in f"{message}"


def test_w028_secret_in_the_settings_module(
    settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = ModuleType("mysite.settings")
    module.__file__ = str(tmp_path / "settings.py")
    monkeypatch.setitem(sys.modules, "mysite.settings", module)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "mysite.settings")
    secret = new_secret().reveal()
    Path(module.__file__).write_text(f'SECRET = "{secret}"')

    (message,) = deployed(settings, SECRET=secret, KID="k1")
    assert message.id == "cloudkey.W028"
    assert message.msg.startswith('CLOUDKEYS["default"]["SECRET"] is written in mysite.settings:')
    assert message.hint == '"SECRET": os.environ["CLOUDKEY_SECRET"]'
    assert secret not in f"{message}"

    (message,) = deployed(settings, WEBHOOK_SECRETS=[secret])
    assert message.msg.startswith('CLOUDKEYS["default"]["WEBHOOK_SECRETS"] is written in')


@pytest.mark.parametrize(
    "changes",
    [
        # W020: what stays on this machine
        {"BASE_URL": "http://127.0.0.1:8000"},
        {"BASE_URL": "http://localhost:8000/cloud"},
        {"BASE_URL": "http://video.localhost", "CDN_URL": "http://[::1]"},
        # W021: cookies that go elsewhere, or nowhere
        {"SESSION_COOKIE_DOMAIN": "www.example.org"},
        {"SESSION_COOKIE_DOMAIN": ".ideo.example.org"},
        {"BASE_URL": "https://www.example.org/cloud", "SESSION_COOKIE_PATH": "/site"},
        {"BASE_URL": "https://www.example.org/site2", "SESSION_COOKIE_PATH": "/site/"},
        {"BASE_URL": "https://www.example.org/cloud", "INSTALLED_APPS": ["tests.testapp"]},
        # One project under two names; anything may be the site
        {"ALLOWED_HOSTS": ["www.example.org", "video.example.org"]},
        {"ALLOWED_HOSTS": ["*"]},
        {"ALLOWED_HOSTS": [".example.org"]},
        {"ALLOWED_HOSTS": []},
        # W022: another file, another engine, another cloud, in memory
        {
            "CLOUDKEY_SERVER": {"BASE_URL": "https://video.example.org", "DATABASE": "cloud"},
            "DATABASES": {"default": SQLITE, "cloud": {**SQLITE, "NAME": "cloud.sqlite3"}},
        },
        {
            "CLOUDKEY_SERVER": {"BASE_URL": "https://video.example.org", "DATABASE": "cloud"},
            "DATABASES": {
                "default": {**SQLITE, "NAME": ":memory:"},
                "cloud": {**SQLITE, "NAME": ":memory:"},
            },
        },
        {
            "CLOUDKEY_SERVER": {"BASE_URL": "https://video.example.org"},
            "DATABASES": {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "site"}},
        },
        {
            "CLOUDKEY_SERVER": {"BASE_URL": "https://other.example.org"},
            "DATABASES": {"default": SQLITE},
        },
        {"CLOUDKEY_SERVER": ["https://video.example.org"], "DATABASES": {"default": SQLITE}},
        {
            "CLOUDKEY_SERVER": {"BASE_URL": "https://video.example.org"},
            "DATABASES": {"default": SQLITE},
            "INSTALLED_APPS": NOT_SERVED_HERE,
        },
        # W023: a policy that tells, another level, the same host, nobody who sends it
        {"SECLEVEL": "referer", "SECURE_REFERRER_POLICY": "strict-origin-when-cross-origin"},
        {"SECLEVEL": "referer", "SECURE_REFERRER_POLICY": "no-referrer, strict-origin"},
        {"SECLEVEL": "referer", "SECURE_REFERRER_POLICY": None},
        {"SECLEVEL": "referer", "ALLOWED_HOSTS": [".example.org"]},
        {"SECLEVEL": "referer", "MIDDLEWARE": []},
        {"SECLEVEL": "useragent"},
        # W024: no level of the page, or one that the cloud finds out
        {"SECLEVEL": "useragent", "ALLOWED_HOSTS": ["*"]},
        {"SECLEVEL": "delegate|referer", "ALLOWED_HOSTS": ["*"]},
        # W025: proxies by name, a function of the site's own, the cloud's own look
        {
            "SECLEVEL": "ip",
            "USE_X_FORWARDED_HOST": True,
            "ALLOWED_HOSTS": ["*"],
            "TRUSTED_PROXIES": ["127.0.0.1"],
        },
        {
            "SECLEVEL": "ip",
            "USE_X_FORWARDED_HOST": True,
            "ALLOWED_HOSTS": ["*"],
            "VIEWER": "tests.app.test_deploy_checks.deployed",
        },
        {"SECLEVEL": "delegate|ip", "USE_X_FORWARDED_HOST": True},
        {"SECLEVEL": "ip", "ALLOWED_HOSTS": ["*"]},
        # W026: as long as an address lives, half of a cache, none
        {"MIDDLEWARE": MIDDLEWARE, "CACHE_MIDDLEWARE_SECONDS": 7200},
        {"MIDDLEWARE": MIDDLEWARE[:2], "CACHE_MIDDLEWARE_SECONDS": 86400},
        {"CACHE_MIDDLEWARE_SECONDS": 86400},
    ],
)
def test_what_only_looks_like_it_is_not(settings: Any, changes: dict[str, Any]) -> None:
    assert deployed(settings, **changes) == []


def test_level_of_a_field_counts_as_well(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lesson._meta.get_field("video"), "seclevel", SecLevel.IP)
    configure(settings)
    settings.CLOUDKEYS = {**settings.CLOUDKEYS, "archive": settings.CLOUDKEYS["default"]}

    (message,) = check_deployment(None)
    assert message.id == "cloudkey.W027"
    assert message.msg.startswith("seclevel of testapp.lesson.video binds addresses to the IP")


def test_hint_is_the_setting_to_write(settings: Any) -> None:
    (message,) = deployed(settings, CDN_URL="http://me:pw@cdn.example.org/films")

    assert message.hint == (
        'Have the cloud answer under TLS, and write "CDN_URL": "https://cdn.example.org/films".'
    )


def test_each_account_is_judged_by_itself(settings: Any) -> None:
    configure(settings)
    good = settings.CLOUDKEYS["default"]
    plain = {**good, "BASE_URL": "http://archive.example.org"}
    settings.CLOUDKEYS = {"good": good, "wrong": {**plain, "RETRIES": "2"}, "plain": plain}

    assert [message.msg.partition(" is ")[0] for message in check_deployment(None)] == [
        'CLOUDKEYS["plain"]["BASE_URL"]'
    ]


def test_w028_key_in_the_settings_module(
    settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = ModuleType("mysite.settings")
    module.__file__ = str(tmp_path / "settings.py")
    monkeypatch.setitem(sys.modules, "mysite.settings", module)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "mysite.settings")
    assert deployed(settings) == []  # the file is gone, as in a frozen program

    Path(module.__file__).write_text(f'API_KEY = os.environ["{KEY[:-1]}"]')
    assert check_deployment(None) == []

    Path(module.__file__).write_text(f'API_KEY = "{KEY}"')
    (message,) = check_deployment(None)
    assert message.id == "cloudkey.W028"
    assert message.msg.startswith('CLOUDKEYS["default"]["API_KEY"] is written in mysite.settings:')
    assert KEY not in f"{message}"


@pytest.mark.parametrize(("number", "changes"), dict(FIRES).items())
def test_message_is_silenced_by_its_id(settings: Any, number: str, changes: dict[str, Any]) -> None:
    (message,) = deployed(settings, **changes)
    assert not message.is_silenced()

    settings.SILENCED_SYSTEM_CHECKS = [f"cloudkey.{number}"]
    assert message.is_silenced()


def test_checks_of_a_public_site_are_not_for_a_desk(settings: Any) -> None:
    configure(settings, BASE_URL="http://video.example.org", SECLEVEL="ip|referer")

    ours = {message.id for message in run_checks(databases=[]) if "cloudkey" in str(message.id)}
    everything = ids(run_checks(include_deployment_checks=True, databases=[]))
    assert ours == set()
    assert {"cloudkey.W020", "cloudkey.W023", "cloudkey.W027"} <= set(everything)


def test_hundred_accounts_take_no_time(settings: Any) -> None:
    configure(settings, SECLEVEL="ip|referer")
    settings.CLOUDKEYS = {f"a{n}": settings.CLOUDKEYS["default"] for n in range(100)}

    started = time.process_time()
    assert len(check_deployment(None)) == 200
    assert time.process_time() - started < 0.5


def test_example_project_hears_only_what_is_true(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text(
        f'{{"SECRET_KEY": "{"s3cr3t" * 10}", "USER_ID": "4d0c0ffee000000000000001", '
        f'"API_KEY": "{KEY}"}}'
    )

    def ours(**environment: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "example_project/manage.py", "check", "--deploy"],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
            env={
                **{name: each for name, each in os.environ.items() if "DJANGO" not in name},
                "PYTHONPATH": str(ROOT),
                "EXAMPLE_DATA": str(tmp_path),
                **environment,
            },
        )  # fmt: skip
        return {word.strip("()") for word in done.stderr.split() if word.startswith("(cloudkey")}

    # Site and cloud have one host there; nobody overhears what stays on the machine.
    assert ours() == {"cloudkey.W021", "cloudkey_server.I020"}
    public = {"EXAMPLE_DEBUG": "0", "EXAMPLE_BASE_URL": "http://video.example.org"}
    assert ours(**public, EXAMPLE_ALLOWED_HOSTS="www.example.org,video.example.org") == {
        "cloudkey.W020",
        "cloudkey_server.I020",
        "cloudkey_server.W020",
    }
