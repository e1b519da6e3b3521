"""What the client's commands share: ``--account``, ``--json``, one table style, one-line errors."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from ..client import CloudKey
from ..conf import DEFAULT_ALIAS
from ..connection import cloudkeys
from ..plain_text import printable
from ..protocol.exceptions import RPCException


class ClientCommand(BaseCommand):
    """
    A command that calls the cloud.

    A remote failure ends it with exit status 1 and one line on stderr: ``<code>: <message>``.
    """

    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", default=DEFAULT_ALIAS, help=_("alias in CLOUDKEYS"))
        parser.add_argument("--json", action="store_true", help=_("write JSON, for scripts"))

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except (RPCException, ImproperlyConfigured, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            raise CommandError(printable(error)) from error

    def client(self, options: dict[str, Any]) -> CloudKey:
        return cloudkeys[options["account"]]

    def write_json(self, value: Any) -> None:
        self.stdout.write(json.dumps(value, indent=2, ensure_ascii=False))

    def write_table(self, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Write columns that are as wide as their widest cell; control characters are shown."""
        cells = [[printable(cell) for cell in row] for row in (headings, *rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for number, row in enumerate(cells):
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.stdout.write(
                self.style.MIGRATE_HEADING(line.rstrip()) if not number else line.rstrip()
            )
