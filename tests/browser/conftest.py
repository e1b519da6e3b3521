"""The example site as its one command starts it, and a real Chromium to look at it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client

from ..storages.conftest import free_port, s3, s3_endpoint  # noqa: F401 - fixtures

ROOT = Path(__file__).parent.parent.parent
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


@dataclass
class Demo:
    """The running example site."""

    url: str
    process: subprocess.Popen[str]
    output: list[str] = field(default_factory=list)

    @property
    def password(self) -> str:
        found = re.search(r"Password\s+(\S+)", "".join(self.output))
        assert found, "".join(self.output)
        return found[1]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Run the README's main command, without its installation, and stop it as Ctrl-C does."""
    port = free_port()
    environment = {**os.environ, "EXAMPLE_DATA": str(tmp_path_factory.mktemp("demo") / "data")}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    process = subprocess.Popen(
        [sys.executable, "example_project/manage.py", "demo", f"--port={port}"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    running = Demo(url=f"http://127.0.0.1:{port}", process=process)

    def listen() -> None:
        assert process.stdout is not None
        running.output.extend(process.stdout)

    reader = threading.Thread(target=listen)
    reader.start()
    try:
        end = time.monotonic() + 120
        while "Ctrl-C" not in "".join(running.output):
            assert process.poll() is None, "".join(running.output)
            assert time.monotonic() < end, "".join(running.output)
            time.sleep(0.2)
        yield running
    finally:
        process.send_signal(signal.SIGINT)
        try:
            code = process.wait(30)
        finally:
            process.kill()
            reader.join(10)
            if process.stdout is not None:
                process.stdout.close()
    assert code == 0, "".join(running.output)


@pytest.fixture(scope="session")
def clip_with_sound() -> Path:
    """Return a real clip; .ci/run takes it from a package and names it here."""
    return Path(os.environ["TEST_CLIP"])


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Its loop runs in the test's thread, beside which Django would refuse the database.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=FLAGS
        )
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """Return a page whose errors and broken content policies fail the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.extend(_violations(message.text)))
    yield page
    context.close()
    assert complaints == []


def _violations(text: str) -> list[str]:
    return [text] if "Content Security Policy" in text else []


def sign_in_as(user: Any, page: Any, url: str) -> None:
    """Give the browser of *page* a session of *user* at the site *url*."""
    client = Client()
    client.force_login(user)
    name = django_settings.SESSION_COOKIE_NAME
    page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": url}])


@pytest.fixture
def axe(page: Any) -> Callable[..., list[str]]:
    """
    Return a function that lists what axe-core finds serious on the page as it stands.

    .ci/run takes its script from a package and names it here. Ask for this before the page is
    opened.
    """
    script = os.environ["TEST_AXE"]
    page.context.add_init_script(path=script)  # which no content policy holds back

    def serious(within: str = "body") -> list[str]:
        found = page.evaluate("within => axe.run(within, { resultTypes: ['violations'] })", within)
        return [
            f"{rule['id']}: {rule['help']}: {[node['html'] for node in rule['nodes']]}"
            for rule in found["violations"]
            if rule["impact"] in ("serious", "critical")
        ]

    return serious
