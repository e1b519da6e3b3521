"""The documentation says what the code does: nothing is missing, nothing is stale, samples run."""

from __future__ import annotations

import ast
import html
import inspect
import json
import os
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from importlib import import_module
from inspect import signature
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.core.management import load_command_class
from django.core.management.base import BaseCommand
from django.template import Context, engines
from django.template.context import make_context
from django.test import RequestFactory

import django_cloudkey
from django_cloudkey import client, conf, protocol
from django_cloudkey.client import (
    AuthenticationError,
    CloudKey,
    SecLevel,
    SerializerError,
    sign_url,
)
from django_cloudkey.client.file import File
from django_cloudkey.client.media import Media
from django_cloudkey.protocol.exceptions import EXCEPTIONS
from django_cloudkey.server import account_secrets
from django_cloudkey.server.conf import KEYS, CloudSettings
from django_cloudkey.server.consistency.findings import Kind
from django_cloudkey.server.rpc import methods  # noqa: F401 - registers them
from django_cloudkey.server.rpc.registry import METHODS
from django_cloudkey.server.transcoding.presets import PRESETS
from django_cloudkey.templatetags.cloudkey import register

from .conftest import Cloud
from .server.historical import PHP, Failure
from .server.test_level_table import COLUMNS, rows
from .storages.conftest import free_port
from .test_exports import CLIENT_NAMES
from .testapp.models import Lesson

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PACKAGE = ROOT / "django_cloudkey"
PAGES = sorted(DOCS.rglob("*.rst"))


def reference(page: str) -> str:
    return (DOCS / "reference" / f"{page}.rst").read_text()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One ``code-block`` of a page."""

    page: str
    line: int
    language: str
    text: str
    options: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def caption(self) -> str:
        return self.options.get("caption", "")

    @property
    def kind(self) -> str:
        return self.options.get("class", "")

    @property
    def commands(self) -> list[str]:
        return [line.removeprefix("$ ") for line in self.text.splitlines()]


_BLOCK = re.compile(
    r"^(?P<indent> *)\.\. code-block:: (?P<language>\S+)\n"
    r"(?P<options>(?:(?P=indent)   :.*\n)*)"
    r"\n(?P<text>(?:(?P=indent)   .*\n|\n)+)",
    re.MULTILINE,
)


def samples(page: Path) -> list[Sample]:
    source = page.read_text()
    return [
        Sample(
            page=str(page.relative_to(DOCS)),
            line=source.count("\n", 0, match.start()) + 1,
            language=match["language"],
            text=dedent(match["text"]).strip() + "\n",
            options=dict(re.findall(r":([\w-]+): (.*)", match["options"])),
        )
        for match in _BLOCK.finditer(source)
    ]


SAMPLES = [sample for page in PAGES for sample in samples(page)]


def in_language(*languages: str) -> pytest.MarkDecorator:
    chosen = [sample for sample in SAMPLES if sample.language in languages]
    assert chosen
    return pytest.mark.parametrize("sample", chosen, ids=str)


# The reference is complete, and names nothing that is gone


def sample_setting(name: str) -> dict[str, Any]:
    sample = next(each for each in samples(DOCS / "reference/settings.rst") if each.caption == name)
    names: dict[str, Any] = {}
    exec(sample.text, names)
    setting: dict[str, Any] = names[name]
    return setting


def test_every_key_of_cloudkeys_is_in_the_reference_with_its_default(settings: Any) -> None:
    shown = sample_setting("CLOUDKEYS")["default"]
    assert set(shown) == conf.KEYS

    least = {key: shown[key] for key in (*conf.REQUIRED, "API_KEY")}
    settings.CLOUDKEYS = {"full": shown, "least": least}

    assert conf.account_settings("full") == conf.account_settings("least")


def test_every_key_of_cloudkey_server_is_in_the_reference_with_its_default(settings: Any) -> None:
    shown = sample_setting("CLOUDKEY_SERVER")
    assert set(shown) == KEYS
    names = [name for name, value in vars(CloudSettings).items() if isinstance(value, property)]

    settings.CLOUDKEY_SERVER = shown
    full = {name: getattr(CloudSettings(), name) for name in names}
    settings.CLOUDKEY_SERVER = {"BASE_URL": shown["BASE_URL"]}
    least = {name: getattr(CloudSettings(), name) for name in names}

    assert full == least


@pytest.mark.parametrize("keys", [conf.KEYS, KEYS], ids=["CLOUDKEYS", "CLOUDKEY_SERVER"])
def test_every_key_has_a_sentence_where_it_is_read(keys: set[str]) -> None:
    source = (PACKAGE / "conf.py" if keys is conf.KEYS else PACKAGE / "server/conf.py").read_text()

    assert [key for key in sorted(keys) if f"``{key}``:" not in source] == []


def test_every_template_tag_is_in_the_reference() -> None:
    page = reference("templatetags")

    assert set(re.findall(r"^(cloudkey_\w+)\n-+$", page, re.MULTILINE)) == set(register.tags)
    assert {f"{{% {name} " for name in register.tags} == set(re.findall(r"{% cloudkey_\w+ ", page))


def commands() -> dict[str, BaseCommand]:
    found = {}
    for app in ("django_cloudkey", "django_cloudkey.server"):
        folder = ROOT / app.replace(".", "/") / "management" / "commands"
        for path in folder.glob("[a-z]*.py"):
            found[path.stem] = load_command_class(app, path.stem)
    return found


def test_every_command_is_in_the_reference() -> None:
    headings = re.findall(r"^(cloudkey_\w+)\n~+$", reference("commands"), re.MULTILINE)

    assert sorted(headings) == sorted(commands())


def test_every_option_of_a_command_is_in_the_reference() -> None:
    ours = set()
    for name, command in commands().items():
        ours |= set(re.findall(r"--[a-z-]+", _help_of(command, name)))
        if name == "cloudkey_account":
            for action in ("create", "list", "restrict", "retire", "rotate", "show"):
                ours |= set(re.findall(r"--[a-z-]+", _help_of(command, name, action)))
    ours -= set(re.findall(r"--[a-z-]+", _help_of(BaseCommand(), "any")))

    assert set(re.findall(r"^``(--[a-z-]+)``$", reference("commands"), re.MULTILINE)) == ours


def _help_of(command: BaseCommand, name: str, *actions: str) -> str:
    parser: Any = command.create_parser("manage.py", name)
    for action in actions:
        parser = parser._subparsers._group_actions[0].choices[action]
    return str(parser.format_help())


def test_every_kind_of_finding_is_in_the_guide() -> None:
    page = (DOCS / "guide/fsck.rst").read_text()

    named = re.findall(r"^   \* - ``(\w+)``$", page, re.MULTILINE)

    assert named == [kind.label for kind in Kind]


def check_ids() -> list[str]:
    sources = [path.read_text() for path in sorted(PACKAGE.rglob("*.py"))]
    return [id_ for text in sources for id_ in re.findall(r'id="(cloudkey\w*\.[A-Z]\d+)"', text)]


def test_ids_of_checks_are_unique() -> None:
    assert len(check_ids()) == len(set(check_ids()))


def test_every_check_is_in_the_reference() -> None:
    named = re.findall(r"^``(cloudkey\w*\.[A-Z]\d+)``$", reference("checks"), re.MULTILINE)

    assert sorted(named) == sorted(check_ids())


def test_every_exception_is_in_the_reference_with_its_code() -> None:
    page = reference("exceptions")
    classes = {cls.__name__: code for code, cls in EXCEPTIONS.items()}

    assert set(re.findall(r"^\.\. autoexception:: (\w+)$", page, re.MULTILINE)) == set(classes)
    tree = dict(re.findall(r"^   [│├└─ ]*(\w+) (\d+)$", page, re.MULTILINE))
    assert {name: int(code) for name, code in tree.items()} == classes


def documented() -> set[str]:
    """Return the full names that pages have from docstrings, and of modules all their members."""
    found = set()
    for page in PAGES:
        module = ""
        for directive, name in re.findall(
            r"^\.\. (auto\w+|currentmodule):: ([\w.]+)", page.read_text(), re.MULTILINE
        ):
            module = name if directive == "currentmodule" else module
            is_full = name.startswith("django_cloudkey.")
            found.add(name if is_full else f"{module}.{name}")
    return found


def protocol_modules() -> list[str]:
    found = pkgutil.walk_packages(protocol.__path__, f"{protocol.__name__}.")
    return [module.name for module in found if not module.ispkg]


def public_names(module: str) -> dict[str, Any]:
    """Return the functions and classes that *module* defines for others."""
    return {
        name: value
        for name, value in vars(import_module(module)).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module
        if inspect.isfunction(value) or inspect.isclass(value)
    }


def test_every_public_name_is_in_the_reference() -> None:
    by_object = {id(_at(name)) for name in documented()}
    names = [f"django_cloudkey.{name}" for name in django_cloudkey.__all__]
    names += [f"django_cloudkey.client.{name}" for name in CLIENT_NAMES]

    missing = [
        name
        for name in names
        if id(_at(name)) not in by_object and f"``{name}``" not in reference("client")
    ]
    assert missing == []


def _at(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError:
        home, _, attribute = name.rpartition(".")
        return getattr(_at(home), attribute)


@pytest.mark.parametrize("module", protocol_modules())
def test_every_public_name_of_the_protocol_is_in_the_reference(module: str) -> None:
    names = {f"{module}.{name}": value for name, value in public_names(module).items()}

    if module not in documented():
        assert set(names) - documented() - {f"{module}.exception_for"} == set()
    assert [name for name, value in names.items() if not value.__doc__] == []
    members = [
        (f"{name}.{each}", member)
        for name, value in names.items()
        for each, member in vars(value).items()
        if not each.startswith("_")
        if inspect.isroutine(member) or isinstance(member, property)
    ]
    assert [name for name, member in members if not member.__doc__] == []


def test_every_level_is_in_the_guide() -> None:
    guide = (DOCS / "guide/levels.rst").read_text()

    assert [level.name for level in SecLevel if f"``{level.name}``" not in guide] == []


def test_levels_keep_out_whom_the_guide_says() -> None:
    """As far as the running cloud was asked by somebody who forges every header."""
    table = (DOCS / "guide/levels.rst").read_text().partition("What each really protects")[2]
    said = {
        level.lower(): verdict.startswith("is kept out")
        for level, verdict in re.findall(
            r"   \* - ``([A-Z_|]+)``\n     - (?:.+\n)+?     - (gets in|is kept out)", table
        )
    }
    forgers = [place for place, name in enumerate(COLUMNS) if name.startswith("forger")]
    found: dict[str, bool] = {}
    for each in rows():
        (row,) = each.values
        if row.first == ("right" if row.level.startswith(("useonce", "delegate")) else "-"):
            keeps_out = {row.expected[place] for place in forgers} == {"no"}
            found[row.level] = keeps_out

    assert {level: found[level] for level in said} == said
    assert len(said) == 12


def test_every_remote_method_is_in_the_reference_with_its_arguments() -> None:
    named = re.findall(r"^``(\w+\.\w+\(.*\))``$", reference("protocol"), re.MULTILINE)

    assert sorted(named) == sorted(_signature(name) for name in METHODS)


def _signature(name: str) -> str:
    parameters = list(signature(METHODS[name].function).parameters.values())[1:]
    texts = [each.name + ("" if each.default is each.empty else "=") for each in parameters]
    return f"{name}({', '.join(texts)})"


def test_every_asset_that_is_made_is_in_the_reference() -> None:
    rows = re.findall(r"^   \* - ``(\w+)``\n     - (\d+) × (\d+|any)$", reference("protocol"), re.M)

    shown = {name: (int(w), None if h == "any" else int(h)) for name, w, h in rows}
    assert shown == {name: preset.box for name, preset in PRESETS.items()}


def test_every_page_is_in_a_table_of_contents() -> None:
    index = (DOCS / "index.rst").read_text()
    pages = {str(page.relative_to(DOCS).with_suffix("")) for page in PAGES} - {"index"}

    assert set(re.findall(r"^   ([a-z0-9_/]+)$", index, re.MULTILINE)) == pages


# Samples


@in_language("python")
def test_python_sample_compiles(sample: Sample) -> None:
    ast.parse(sample.text)


@in_language("json")
def test_json_sample_is_json(sample: Sample) -> None:
    json.loads(sample.text)


@in_language("html+django")
def test_template_sample_renders(sample: Sample) -> None:
    lesson = Lesson(pk=1, title="Knots & bends", video="6a1f0c3d9be1472f8c5d3e60")
    request = RequestFactory(REMOTE_ADDR="192.0.2.7").get("/", headers={"User-Agent": "Browser"})
    text = sample.text if "load cloudkey" in sample.text else "{% load cloudkey %}" + sample.text
    template = engines["django"].from_string(text).template  # type: ignore[attr-defined]
    context: Context = make_context(
        {"lesson": lesson, "form": "", "school": {"alias": "default"}}, request
    )

    rendered = template.render(context)

    assert ("cloudkey_" not in sample.text) or re.search(r"[?;&]auth=", rendered)


@in_language("console")
def test_command_sample_has_arguments_that_the_command_takes(sample: Sample) -> None:
    for line in sample.commands:
        _, called, rest = line.partition("manage.py cloudkey_")
        if called:
            name, *arguments = shlex.split(f"cloudkey_{rest.rstrip(')')}")
            arguments = arguments[: arguments.index(">")] if ">" in arguments else arguments
            command = commands()[name]
            command.create_parser("manage.py", name).parse_args(arguments)


def test_call_signed_by_hand_is_the_client_s(cloud: Cloud) -> None:
    sample = next(each for each in SAMPLES if each.caption == "A call signed by hand")
    credentials = ("4d0c0ffee000000000000001", "0123456789abcdef0123456789abcdef01234567")
    text = sample.text
    for shown, real in zip(credentials, (cloud.account.pk, cloud.account.api_key), strict=True):
        assert shown in text
        text = text.replace(shown, real)
    names: dict[str, Any] = {}
    exec(text, names)

    body = {**names["call"], "auth": names["auth"]}
    answer = requests.post(f"{cloud.base_url}/api", json=body, timeout=10).json()

    assert answer == {"result": {"id": cloud.account.pk, "username": "demo"}}


def test_what_is_signed_by_scheme_2_by_hand_is_accepted(cloud: Cloud) -> None:
    media = cloud.client.media.create()["id"]
    made = account_secrets.add(cloud.account)
    shown = {
        "4d0c0ffee000000000000001": cloud.account.pk,
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8": made.secret,
        "https://video.example.org": cloud.base_url,
        '"video.example.org", "/api"': f'"{urlsplit(cloud.base_url).netloc}", "/cloud/api"',
        "6a1f0c3d9be1472f8c5d3e60": media,
    }
    text = "\n".join(each.text for each in samples(DOCS / "reference/scheme2.rst"))
    for placeholder, real in shown.items():
        assert placeholder in text
        text = text.replace(placeholder, real)
    names: dict[str, Any] = {}
    exec(text, names)

    player = requests.get(names["player"], timeout=10)
    headers = {"Authorization": names["authorization"]}
    answer = requests.post(f"{cloud.base_url}/api", names["body"], headers=headers, timeout=10)

    assert player.status_code == 200
    assert answer.json() == {"result": {"id": cloud.account.pk}}
    assert "scheme2" in answer.headers["CloudKey-Features"]


@pytest.fixture
def beside_a_clip(tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a folder with the file that samples upload."""
    shutil.copy(clip, tmp_path / "lesson.mp4")
    monkeypatch.chdir(tmp_path)


def run_as_the_account(page: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the Python samples of *page*, which are one program, and return its names."""
    monkeypatch.setenv("CLOUDKEY_USER_ID", cloud.account.pk)
    monkeypatch.setenv("CLOUDKEY_API_KEY", cloud.account.api_key)
    monkeypatch.setenv("CLOUDKEY_BASE_URL", cloud.base_url)
    names: dict[str, Any] = {}
    for sample in samples(page):
        if sample.language == "python":
            exec(compile(sample.text, str(sample), "exec"), names)
    return names


@pytest.mark.usefixtures("beside_a_clip")
def test_samples_of_the_client_guide_run(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = run_as_the_account(DOCS / "guide/client.rst", cloud, monkeypatch)
    cloud.work()

    assert "100 %" in capsys.readouterr().out
    statuses = {name: requests.get(names[name], timeout=10).status_code for name in (
        "player", "stream", "download", "still", "short", "anyone", "here", "this_browser", "bound",
    )}  # fmt: skip
    assert statuses.pop("here") == statuses.pop("this_browser") == statuses.pop("bound") == 403
    assert set(statuses.values()) == {200}


COMING = DOCS / "guide/from_cloudkey_py.rst"
HISTORICAL_NAMES = {
    "CloudKey", "SecLevel", "sign_url", "sign", "normalize", "gen_drm_token", "DRM_TOKEN_TIMEOUT",
    "RPCException", "RPCException_handler", "act_as_user", "upload_file", "get_embed_url",
    "get_swf_url", "get_qtref_url", "get_stream_url", "_get_url", "API_ENDPOINT", "JSONEncoder",
    "dotdict",
}  # fmt: skip


def renamed() -> list[tuple[str, str]]:
    rows = re.findall(r"^   \* - (``.+)\n     - (.+(?:\n       .+)*)$", COMING.read_text(), re.M)
    assert len(rows) > 10
    return rows


def test_every_name_of_the_historical_sdk_has_a_place_in_the_table() -> None:
    named = {name for old, _ in renamed() for name in re.findall(r"\w+", old)}

    assert named >= HISTORICAL_NAMES


def test_every_name_that_replaces_a_historical_one_exists() -> None:
    homes: dict[str, Any] = {"media": Media, "file": File, "CloudKey": CloudKey}
    found = set()
    for _, new in renamed():
        for name in re.findall(r"``([A-Za-z_][\w.]*)``", new):
            home, _, attribute = name.rpartition(".")
            if name.startswith("django_cloudkey.") and home != "django_cloudkey":
                found.add(name)
                assert hasattr(import_module(home), attribute), name
            elif home in homes:
                found.add(name)
                # Not hasattr(): any public name is a remote method of an object.
                assert callable(inspect.getattr_static(homes[home], attribute)), name
            elif name in HISTORICAL_NAMES:
                found.add(name)
                assert hasattr(client, name), name
    assert len(found) > 12


@pytest.mark.usefixtures("beside_a_clip")
def test_samples_for_users_of_the_historical_sdk_run(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = run_as_the_account(COMING, cloud, monkeypatch)
    cloud.work()

    printed = capsys.readouterr().out
    assert f"{names['media_id']} Knots" in printed
    assert "1010 Media not found" in printed
    assert "Name it" in printed
    assert requests.get(names["other_player"], timeout=10).status_code == 200
    assert requests.get(names["player"], timeout=10).status_code == 403  # another viewer's
    with pytest.raises(AuthenticationError):
        names["hers"].user.info()


def test_programs_for_the_historical_sdk_fail_before_they_send_something_else(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = cloud.client

    def send_nothing(*args: Any, **more: Any) -> None:
        raise AssertionError("a call was sent")

    monkeypatch.setattr(api._transport, "call", send_nothing)
    with pytest.raises(TypeError):
        api.media.info("4d0c0ffee0000000000000a1")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        api.media.info(media_id="4d0c0ffee0000000000000a1")  # type: ignore[call-arg]
    with pytest.raises(SerializerError):
        api.call("media.set_meta", meta={"at": date(2012, 1, 1)})
    with pytest.raises(AttributeError):
        api.media._get_url("/player/embed", "4d0c0ffee0000000000000a1")
    with pytest.raises(AttributeError):
        api.media.items()


@pytest.mark.usefixtures("beside_a_clip")
def test_samples_of_the_field_run(cloud: Cloud, clip: Path) -> None:
    lesson = Lesson.objects.create(title="Knots", video=cloud.upload(clip))
    first = lesson.video.id

    for sample in samples(DOCS / "guide/field.rst"):
        if sample.kind == "lesson":
            exec(sample.text, {"lesson": lesson})

    lesson.refresh_from_db()
    assert lesson.video
    assert lesson.video != first
    assert cloud.client.media.list(fields=["id"])["list"] == [{"id": lesson.video.id}]


# Old clients, as their page promises


POINTING = DOCS / "guide/pointing_old_clients.rst"


def refusals() -> list[tuple[str, int]]:
    """Return what the tables say is refused, and with which number."""
    page = POINTING.read_text().partition("\nWhat is refused\n")[2]
    rows = re.findall(r"^   \* - (``.+``)\n     - (\d+)$", page, re.MULTILINE)
    return [(each, int(code)) for cell, code in rows for each in re.findall(r"``(.+?)``", cell)]


@pytest.mark.parametrize(("call", "code"), [each for each in refusals() if "(" in each[0]])
def test_call_of_an_old_client_is_refused_as_the_page_says(
    cloud: Cloud, call: str, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    tree = ast.parse(call, mode="eval").body
    assert isinstance(tree, ast.Call)
    name = ast.unparse(tree.func)
    args = {each.arg or "": ast.literal_eval(each.value) for each in tree.keywords}

    with caplog.at_level("INFO", "django_cloudkey.server"), pytest.raises(Failure) as caught:
        PHP(cloud).call(name, args)

    assert caught.value.code == code
    assert f"{name!r}: {code}" in caplog.messages


@pytest.mark.parametrize(("path", "status"), [each for each in refusals() if "(" not in each[0]])
def test_address_of_an_old_client_is_refused_as_the_page_says(
    cloud: Cloud, path: str, status: int
) -> None:
    path = path.replace("<user>", cloud.account.pk).replace("<media>", "4d0c0ffee0000000000000a1")
    url = sign_url(f"{cloud.base_url}/{path}", cloud.account.api_key)

    assert requests.get(url, timeout=10).status_code == status


def test_tables_of_what_is_refused_are_read() -> None:
    assert len(refusals()) > 15


def test_every_host_of_the_sample_is_one_that_old_clients_may_sign(
    cloud: Cloud, clip: Path, settings: Any
) -> None:
    media = cloud.upload(clip, ("jpeg_thumbnail_medium",))
    cloud.work()
    sample = next(each for each in SAMPLES if each.caption == "The cloud's settings")
    names: dict[str, Any] = {}
    exec(sample.text, names)
    shown = names["CLOUDKEY_SERVER"]
    settings.ALLOWED_HOSTS = names["ALLOWED_HOSTS"]
    settings.SECURE_SSL_REDIRECT = names["SECURE_SSL_REDIRECT"]
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, **shown}
    bases = [shown["BASE_URL"], shown["CDN_URL"], shown["STATIC_URL"], *shown["ACCEPTED_URLS"]]
    still = f"{cloud.account.pk}/{media}/jpeg_thumbnail_medium.jpeg"

    def status(base: str) -> int:
        query = sign_url(f"{base}/{still}", cloud.account.api_key).partition("?")[2]
        host = base.partition("://")[2]
        url = f"{cloud.base_url}/{still}?{query}"
        return requests.get(url, headers={"Host": host}, timeout=10).status_code

    assert {base: status(base) for base in bases} == dict.fromkeys(bases, 200)
    assert status("http://API.example.org") == 403


def test_log_sample_shows_each_refusal() -> None:
    loggers = re.findall(r"^``(django_cloudkey\.server\.[\w.]+)``$", POINTING.read_text(), re.M)
    assert len(loggers) == 3
    assert all(import_module(name).logger.name == name for name in loggers)
    sample = next(each for each in SAMPLES if each.caption == "LOGGING")
    program = "import logging.config, sys; logging.config.dictConfig(LOGGING)\n" + (
        "for name in sys.argv[1:]: logging.getLogger(name).info('shown')"
    )

    shown = subprocess.run(
        [sys.executable, "-c", f"{sample.text}\n{program}", *loggers],
        capture_output=True, text=True, timeout=20, check=True,
    ).stderr  # fmt: skip

    assert [line.split()[2:] for line in shown.splitlines()] == [
        [each, "shown"] for each in loggers
    ]


def test_nginx_samples_send_the_same_to_the_cloud() -> None:
    def directives(page: str) -> list[str]:
        (sample,) = (each for each in samples(DOCS / page) if each.language == "nginx")
        location = re.search(r"location / {(.*?)}", sample.text, re.DOTALL)
        assert location
        return [line.partition(";")[0].strip() for line in location[1].strip().splitlines()]

    assert directives("guide/cloud.rst") == directives("guide/pointing_old_clients.rst")


# The quickstart, as a reader would do it


PASSWORD = "a-password-of-the-quickstart"


class Project:
    """The folder in which a reader follows the quickstart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.running: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **{name: value for name, value in os.environ.items() if "DJANGO" not in name},
            "PYTHONPATH": str(ROOT),
            "DJANGO_SUPERUSER_USERNAME": "admin",
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
            "DJANGO_SUPERUSER_EMAIL": "admin@example.org",
        }

    @property
    def site(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def follow(self, sample: Sample) -> None:
        """Do what one sample says: write its file, or run its commands."""
        text = sample.text.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")
        name, _, is_addition = sample.caption.partition(", ")
        if name:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            before = path.read_text() if is_addition else ""
            path.write_text(f"{before}\n{text}" if is_addition else text)
        elif sample.kind != "no-test":
            for line in text.splitlines():
                self.run(line.removeprefix("$ "), in_background=sample.kind == "background")

    def run(self, line: str, *, in_background: bool) -> None:
        python = shlex.quote(sys.executable)
        line = re.sub(r"\bdjango-admin\b", "python -m django", line)
        line = re.sub(r"\bpython (?=-m|manage)", f"{python} ", line)
        line = line.replace("createsuperuser", "createsuperuser --noinput")
        line = re.sub(r"runserver\b", "runserver --noreload", line)
        options: dict[str, Any] = {"cwd": self.folder, "env": self.environment}
        if in_background:
            with (self.folder / "log").open("ab") as log:
                argv = shlex.split(line)
                self.running.append(subprocess.Popen(argv, stdout=log, stderr=log, **options))
            return
        done = subprocess.run(
            line, shell=True, capture_output=True, text=True, timeout=60, check=False, **options
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"

    def wait_for(self, what: Callable[[], Any]) -> Any:
        """Return what *what* does as soon as that is true."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert all(each.poll() is None for each in self.running), self.log
            try:
                if found := what():
                    return found
            except requests.ConnectionError:
                pass
            time.sleep(0.2)
        raise AssertionError(self.log)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()[-4000:]


@contextmanager
def followed_quickstart(folder: Path) -> Iterator[Project]:
    project = Project(folder)
    try:
        for sample in samples(DOCS / "quickstart.rst"):
            project.follow(sample)
        yield project
    finally:
        for process in project.running:
            process.terminate()
        for process in project.running:
            process.wait(30)


def test_quickstart_installs_what_a_site_with_its_own_cloud_needs() -> None:
    """The commands of this file run where everything is installed, so nothing else would tell."""
    (line,) = re.findall(
        r"pip install .*django-cloudkey\[([\w,]+)\]", (DOCS / "quickstart.rst").read_text()
    )
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    needed = re.findall(r"\[([\w,]+)\]", setup["options.extras_require"]["demo"])

    assert [set(line.split(","))] == [set(extras.split(",")) for extras in needed]


def test_quickstart_leads_to_a_playing_video(tmp_path: Path, clip: Path) -> None:
    with followed_quickstart(tmp_path) as project:
        add = f"{project.site}/admin/lessons/lesson/add/"
        browser = requests.Session()
        project.wait_for(lambda: browser.get(f"{project.site}/admin/login/", timeout=10).ok)
        token = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        login = {**token, "username": "admin", "password": PASSWORD}
        browser.post(f"{project.site}/admin/login/", data=login, timeout=10)
        token = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        with clip.open("rb") as file:
            saved = browser.post(
                add, data={**token, "title": "Knots"}, files={"video-file": file}, timeout=30
            )
        assert saved.url == f"{project.site}/admin/lessons/lesson/", saved.text

        page = requests.get(f"{project.site}/lessons/1/", timeout=10).text
        player = html.unescape(re.findall(r'<iframe src="([^"]+)"', page)[0])
        stylesheet = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page)[0]
        assert requests.get(f"{project.site}{stylesheet}", timeout=10).ok
        video = project.wait_for(
            lambda: re.findall(r'<video src="([^"]+)"', requests.get(player, timeout=10).text)
        )
        part = requests.get(html.unescape(video[0]), headers={"Range": "bytes=0-99"}, timeout=10)

        assert part.status_code == 206
        assert part.headers["Content-Type"] == "video/mp4"
        assert (project.folder / "account.json").stat().st_mode & 0o777 == 0o600
        run_tests_of_the_page_about_tests(project)
    assert [each.returncode for each in project.running][1] == 0


def run_tests_of_the_page_about_tests(project: Project) -> None:
    """As the page says it for a project that runs its own cloud."""
    page = samples(DOCS / "guide/testing.rst")
    (own,) = (each for each in page if each.kind == "own-cloud")
    tests = next(each.text for each in page if each.caption == "lessons/tests.py")
    with_database = re.sub(
        r"^class .+:$", r'\g<0>\n    databases = {"default", "cloud"}', tests, flags=re.MULTILINE
    )

    (project.folder / "mysite/test_settings.py").write_text(own.text)
    (project.folder / "lessons/tests.py").write_text(with_database)
    project.run("python manage.py test --settings mysite.test_settings", in_background=False)


# The page about tests, in a project that has lessons


PROJECT = {
    "lessons/models.py": """
from django.db import models
from django_cloudkey.fields import MediaField

class Lesson(models.Model):
    title = models.CharField(max_length=100)
    video = MediaField(blank=True)
""",
    "lessons/templates/lesson.html": (
        "{% load cloudkey %}{% cloudkey_embed lesson.video title=lesson.title %}"
    ),
    "mysite/urls.py": """
from django.shortcuts import get_object_or_404, render
from django.urls import path
from lessons.models import Lesson

def show(request, pk):
    return render(request, "lesson.html", {"lesson": get_object_or_404(Lesson, pk=pk)})

urlpatterns = [path("lessons/<int:pk>/", show)]
""",
}


def test_page_about_tests_leads_to_tests_that_pass(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run("django-admin startproject mysite .", in_background=False)
    project.run("python manage.py startapp lessons", in_background=False)
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with (tmp_path / "mysite/settings.py").open("a") as file:
        file.write('INSTALLED_APPS += ["django_cloudkey", "lessons"]\n')
    project.run("python manage.py makemigrations lessons", in_background=False)

    for sample in samples(DOCS / "guide/testing.rst"):
        if sample.kind != "own-cloud":
            project.follow(sample)  # the last two commands are the tests
