from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..client_command import ClientCommand


class Command(ClientCommand):
    help = str(gettext_lazy("Call any remote method and write its result as JSON."))

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog = _(
            "A value that is JSON is sent as such (page=2, fields='[\"id\"]'), else as text."
        )
        super().add_arguments(parser)
        parser.add_argument("method", metavar="object.method")
        parser.add_argument("arguments", nargs="*", metavar="key=value")

    def handle(self, *args: Any, **options: Any) -> None:
        arguments = dict(_parse(argument) for argument in options["arguments"])
        self.write_json(self.client(options).call(options["method"], **arguments))


def _parse(argument: str) -> tuple[str, Any]:
    key, equals, text = argument.partition("=")
    if not (key and equals):
        raise CommandError(
            _("Arguments are written key=value, got “%(text)s”.") % {"text": argument}
        )
    try:
        return key, json.loads(text)
    except ValueError:
        return key, text
