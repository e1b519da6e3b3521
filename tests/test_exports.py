"""Names that are public, and what importing them costs."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import django_cloudkey
from django_cloudkey import client


def test_public_names_of_the_package() -> None:
    assert django_cloudkey.__all__ == [
        "ApplicationException",
        "AuthenticationError",
        "CloudKey",
        "Exists",
        "InvalidParameter",
        "LimitExceeded",
        "NotFound",
        "RPCException",
        "SecLevel",
        "TransportException",
        "__version__",
        "cloudkey",
        "cloudkeys",
    ]
    assert dir(django_cloudkey) == django_cloudkey.__all__


@pytest.mark.parametrize("name", django_cloudkey.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(django_cloudkey, name) is not None


def test_a_name_that_is_not_public_does_not_exist() -> None:
    with pytest.raises(AttributeError, match="module 'django_cloudkey' has no attribute 'nothing'"):
        django_cloudkey.nothing  # noqa: B018


CLIENT_NAMES = [
    "ApplicationException",
    "AuthenticationError",
    "CloudKey",
    "Exists",
    "InvalidCall",
    "InvalidMethod",
    "InvalidObject",
    "InvalidParameter",
    "InvalidRequest",
    "LimitExceeded",
    "MissingParameter",
    "NotFound",
    "ProcessorException",
    "RPCException",
    "RateLimitExceeded",
    "SecLevel",
    "SerializerError",
    "TransportException",
    "gen_drm_token",
    "normalize",
    "sign",
    "sign_url",
]


def test_public_names_of_the_client() -> None:
    modules = {found.name for found in pkgutil.iter_modules(client.__path__)}

    # pytest rewrites the package of its plugin, and leaves names like "@py_builtins" there.
    names = {name for name in vars(client) if name.isidentifier() and not name.startswith("_")}
    assert sorted(names - modules) == sorted(CLIENT_NAMES)


def test_both_homes_of_a_name_are_the_same() -> None:
    for name in set(CLIENT_NAMES) & set(django_cloudkey.__all__):
        assert getattr(client, name) is getattr(django_cloudkey, name)


def loaded_by(statement: str) -> set[str]:
    """Return the top-level packages that a fresh interpreter has after *statement*."""
    program = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    command = [sys.executable, "-W", "error", "-c", program]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import django_cloudkey",
        "import django_cloudkey.protocol.signing, django_cloudkey.protocol.envelope",
        "import django_cloudkey.client",
        "from django_cloudkey import CloudKey, SecLevel, NotFound",
        "from django_cloudkey.client import CloudKey;"
        "CloudKey('u' * 24, 'k', 'https://x').media.get_embed_url('0' * 24)",
    ],
)
def test_neither_django_nor_requests_is_loaded(statement: str) -> None:
    assert loaded_by(statement) & {"django", "requests", "urllib3", "storages"} == set()


def test_the_first_call_loads_requests_and_not_django() -> None:
    call = (
        "from django_cloudkey.client import CloudKey, TransportException;"
        "from contextlib import suppress\n"
        "with suppress(TransportException):\n"
        "    CloudKey('u', 'k', 'http://127.0.0.1:9').media.list()\n"
        "pass"
    )

    loaded = loaded_by(call)

    assert "requests" in loaded
    assert "django" not in loaded
