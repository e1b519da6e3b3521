"""``manage.py demo``: from an empty folder to a site with videos in it, in one command."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Never
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.core.management.utils import get_random_secret_key
from django.db import connections
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from example.vault import add_secrets, read_secrets

from courses.children import Children
from courses.curriculum import lessons_without_film, write_courses
from courses.models import Lesson
from django_cloudkey.server.models import Account

ADMIN = "admin"
ACCOUNT = "demo"
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - listening there is the user's wish
STARTING = 60  # seconds that the web process may take
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STEP = 0.2  # seconds


class Command(BaseCommand):
    help = str(
        gettext_lazy(
            "Set up the example site, fill it with samples, and run its web and worker processes."
        )
    )
    # The first start makes what the checks look for; the processes started below run them.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help=_("address to listen at"))
        parser.add_argument("--port", type=int, default=8000, help=_("port to listen at"))
        parser.add_argument(
            "--no-sample", action="store_false", dest="sample", help=_("draw no sample films")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        for number in STOPPING:
            signal.signal(number, _interrupt)
        try:
            _require_free(host, port)
            base_url, environment = _environment(host, port)
            self._set_up(environment)
            with Children(environment=environment) as children:
                try:
                    self._run(children, host, port, base_url, sample=options["sample"])
                finally:
                    _ignore_signals()
        except KeyboardInterrupt:
            self._say("\n" + _("Stopped."))

    def _say(self, text: str = "") -> None:
        self.stdout.write(text)
        self.stdout.flush()

    # Before anything runs

    def _set_up(self, environment: dict[str, str]) -> None:
        """Make folder, secrets, tables, account and courses; leave what there is alone."""
        data: Path = settings.DATA
        os.umask(0o077)  # Everything below belongs to its owner alone.
        data.mkdir(parents=True, exist_ok=True)
        if "SECRET_KEY" not in read_secrets(data):
            add_secrets(data, SECRET_KEY=get_random_secret_key())
        self._say(_("Preparing the databases in %(data)s") % {"data": data})
        for alias in connections:
            call_command("migrate", database=alias, verbosity=0, interactive=False)
        self._ensure_account(data, environment)
        # The port may be another one today.
        Account.objects.filter(pk=read_secrets(data)["USER_ID"]).update(
            webhook_url=environment["EXAMPLE_WEBHOOK_URL"]
        )
        write_courses()
        connections.close_all()

    def _ensure_account(self, data: Path, environment: dict[str, str]) -> None:
        known = read_secrets(data).get("USER_ID", "")
        if known and Account.objects.filter(pk=known).exists():
            return
        if Account.objects.filter(name=ACCOUNT).exists():
            raise CommandError(
                _("%(data)s has a cloud, but its secrets.json lacks the key. Put the file back, or "
                  "remove the folder and start again.") % {"data": data}
            )  # fmt: skip
        # In a process of its own: this one was started without the secret key.
        made = subprocess.run(
            _manage("cloudkey_account", "--skip-checks", "create", ACCOUNT, "--json"),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise CommandError(
                _("The cloud made no account: %(reason)s") % {"reason": made.stderr.strip()}
            )
        made_keys = json.loads(made.stdout)
        names = ("user_id", "secret", "kid")
        add_secrets(data, **{name.upper(): made_keys[name] for name in names})

    def _ensure_admin(self) -> str:
        """Return the password of a superuser made now; an empty text if there is one already."""
        users = get_user_model()._default_manager
        if users.filter(username=ADMIN).exists():
            return ""
        password = secrets.token_urlsafe(12)
        users.create_superuser(username=ADMIN, email="", password=password)
        return password

    # While it runs

    def _run(
        self, children: Children, host: str, port: int, base_url: str, *, sample: bool
    ) -> Never:
        data: Path = settings.DATA
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._say(_("Starting the web process and the worker"))
        children.start("web", _manage("runserver", "--noreload", address), log=data / "web.log")
        children.start("worker", _manage("cloudkey_worker"), log=data / "worker.log")
        _wait_for_answer(children, ANYWHERE.get(host, host), port)
        # The worker tells the site what becomes of videos; this mends what it has missed so far.
        children.start("sync", _manage("cloudkey_sync"), log=data / "sync.log")
        is_drawing = sample and bool(lessons_without_film())
        if is_drawing:
            self._say(_("Drawing and uploading sample films for lessons that have none"))
            children.start("films", _manage("demo_films"))
            _wait_for_first_film(children)
        self._show_addresses(base_url, self._ensure_admin())
        connections.close_all()
        while True:
            _require_alive(children)
            if is_drawing and (code := children.exit_code("films")) is not None:
                is_drawing = False
                self._report_films(code)
            time.sleep(STEP)

    def _report_films(self, code: int) -> None:
        if code:
            self._say(self.style.WARNING(_("Some lessons have no film; the reason is above.")))
        else:
            self._say(_("Every sample film is uploaded; the worker prepares the last of them."))

    def _show_addresses(self, base_url: str, password: str) -> None:
        exists = _("exists; a new password: manage.py changepassword admin")
        note = _("shown this once") if password else exists
        lines = [
            (_("Site"), f"{base_url}/"),
            (_("Sign in"), f"{base_url}/accounts/login/"),
            (_("Admin"), f"{base_url}/admin/"),
            ("", ""),
            (_("User"), ADMIN if password else f"{ADMIN}  ({note})"),
            *([(_("Password"), f"{password}  ({note})")] if password else []),
            ("", ""),
            (_("Data"), str(settings.DATA)),
        ]
        width = max(len(label) for label, value in lines)
        self._say("\n" + self.style.SUCCESS(_("The Small Hours is open.")))
        self._say()
        for label, value in lines:
            self._say(f"  {label:<{width}}  {value}".rstrip())
        self._say("\n" + _("Ctrl-C stops it."))
        self._say()


def _interrupt(number: int, frame: object) -> Never:
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    """Leave the stopping of the children, which takes a bounded time, undisturbed."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


def _manage(command: str, *arguments: str) -> list[str]:
    return [sys.executable, str(settings.PROJECT / "manage.py"), command, *arguments]


def _environment(host: str, port: int) -> tuple[str, dict[str, str]]:
    """Return the address of the site, and what its processes are told about it."""
    shown = ANYWHERE.get(host, host)
    address = f"[{shown}]:{port}" if ":" in shown else f"{shown}:{port}"
    base_url = os.environ.get("EXAMPLE_BASE_URL", f"http://{address}").rstrip("/")
    named = urlsplit(base_url).hostname or ""
    bracketed = f"[{named}]" if ":" in named else named
    hosts = dict.fromkeys([*settings.ALLOWED_HOSTS, bracketed])
    return base_url, {
        **os.environ,
        "EXAMPLE_DATA": str(settings.DATA),
        "EXAMPLE_BASE_URL": base_url,
        "EXAMPLE_ALLOWED_HOSTS": ",".join(hosts),
        "EXAMPLE_WEBHOOK_URL": f"http://{address}/cloudkey/webhook/default/",
        "EXAMPLE_WEBHOOK_NETWORKS": str(socket.getaddrinfo(shown, port)[0][4][0]),
        "PYTHONUNBUFFERED": "1",
    }


def _require_free(host: str, port: int) -> None:
    try:
        family, kind, _protocol, _name, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(1)
    except (OSError, OverflowError) as error:
        raise CommandError(
            _("Cannot listen at %(host)s, port %(port)d: %(reason)s. Choose another --port.")
            % {"host": host, "port": port, "reason": getattr(error, "strerror", None) or error}
        ) from error


def _wait_for_answer(children: Children, host: str, port: int) -> None:
    deadline = time.monotonic() + STARTING
    while time.monotonic() < deadline:
        _require_alive(children)
        connection = http.client.HTTPConnection(host, port, timeout=5)
        try:
            connection.request("GET", "/accounts/login/")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            time.sleep(STEP)
        else:
            return
        finally:
            connection.close()
    raise CommandError(_("The web process did not answer within %d seconds.") % STARTING)


def _wait_for_first_film(children: Children) -> None:
    """Return when there is something to see; the other films follow while the site is open."""
    while children.exit_code("films") is None and not Lesson.objects.exclude(video="").exists():
        _require_alive(children)
        time.sleep(STEP)


def _require_alive(children: Children) -> None:
    for name in ("web", "worker"):
        code = children.exit_code(name)
        if code is not None:
            log: Path = settings.DATA / f"{name}.log"
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-8:]
            sentence = _("The %(name)s process ended with exit code %(code)d. The end of %(log)s:")
            sentence %= {"name": name, "code": code, "log": log}
            raise CommandError("\n".join([sentence, *last]))
