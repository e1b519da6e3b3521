"""What the client's commands share: options, one table style, questions, one-line errors."""

from __future__ import annotations

import json
import os
import shutil
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..client import CloudKey
from ..conf import DEFAULT_ALIAS
from ..connection import cloudkeys
from ..plain_text import printable
from ..protocol.exceptions import RPCException
from ..protocol.urls import is_media_id
from . import table
from .interrupts import INTERRUPTED

FAILED, BROKEN_PIPE = 1, 141  # exit statuses; 2 is of the parser
COLOURS = {
    "ready": "SUCCESS",
    "pending": "WARNING",
    "processing": "WARNING",
    "error": "ERROR",
}
"""First word of a state → its style."""


class ClientCommand(BaseCommand):
    """
    A command that calls the cloud.

    It ends with status 0 when all was done, 1 when something was not, 2 when it was called wrongly
    and 130 when it was interrupted. A failure is one line on stderr; those of the cloud are
    ``<code>: <message>``.
    """

    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", default=DEFAULT_ALIAS, help=_("alias in CLOUDKEYS"))
        parser.add_argument("--json", action="store_true", help=_("write JSON, for scripts"))

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except KeyboardInterrupt:
            raise CommandError(_("Interrupted."), returncode=INTERRUPTED) from None
        except BrokenPipeError:
            # Whoever read has had enough; Python would complain once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(BROKEN_PIPE) from None
        except (RPCException, ImproperlyConfigured, OSError, ValueError) as error:
            raise CommandError(printable(error)) from error

    def client(self, options: dict[str, Any]) -> CloudKey:
        return cloudkeys[options["account"]]

    def write_json(self, value: Any) -> None:
        self.stdout.write(json.dumps(value, indent=2, ensure_ascii=False))

    def write_table(self, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Write a table of :mod:`.table`; nothing for no rows."""
        if not rows:
            return
        room = shutil.get_terminal_size().columns if self.stdout.isatty() else None
        heading, *others = table.lines(headings, rows, room=room)
        self.stdout.write(
            self.style.MIGRATE_HEADING(table.GAP.join(text for text, _cell in heading).rstrip())
        )
        for line in others:
            self.stdout.write(table.GAP.join(self._coloured(*pair) for pair in line).rstrip())

    def _coloured(self, text: str, cell: object) -> str:
        name = COLOURS.get(cell.split()[0]) if isinstance(cell, table.State) and cell else None
        return getattr(self.style, name)(text) if name else text

    def complain(self, text: object) -> None:
        """Write one line to stderr about something that was not done, and go on."""
        self.stderr.write(printable(text))

    def confirm(self, question: str, options: dict[str, Any]) -> None:
        """
        Go on only with a yes.

        Raises:
            CommandError: the answer is another, or nobody is there to be asked.
        """
        if options["interactive"] and not self.ask(question):
            raise CommandError(_("Nothing was done."))

    def ask(self, question: str) -> bool:
        """
        Ask on the terminal, and say whether the answer is yes.

        Raises:
            CommandError: nobody is there to be asked.
        """
        if not sys.stdin.isatty():
            raise CommandError(_("Nobody can be asked here: say --no-input to go on."))
        try:
            answer = input(f"{question} [y/N] ")
        except EOFError:  # Ctrl-D
            self.stdout.write()
            return False
        return answer.strip().lower() in ("y", "yes", _("yes"))


def not_found(count: int) -> str:
    """Return the sentence that ends a command some of whose media do not exist."""
    text = ngettext("%(count)d media was not found.", "%(count)d media were not found.", count)
    return text % {"count": count}


def add_ids(parser: ArgumentParser) -> None:
    """Take media ids, or ``-`` for those on stdin."""
    parser.add_argument(
        "ids", nargs="+", metavar="ID", help=_("media id; “-” reads ids from stdin, one a line")
    )


def add_no_input(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--no-input", action="store_false", dest="interactive",
        help=_("do not ask"),
    )  # fmt: skip


def media_ids(given: Iterable[str]) -> Iterator[str]:
    """
    Give media ids, one after the other, reading those of stdin as they are needed.

    Raises:
        CommandError: one is none; what came before it was given already.
    """
    for text in given:
        for id_ in sys.stdin if text == "-" else [text]:
            id_ = id_.strip()
            if id_ and not is_media_id(id_):
                raise CommandError(
                    _("“%(text)s” is no media id: 24 characters of 0-9 and a-f are.")
                    % {"text": printable(id_)[:80]}
                )
            if id_:
                yield id_
