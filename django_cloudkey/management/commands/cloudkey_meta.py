from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...plain_text import printable
from ..client_command import ClientCommand, media_ids


class Command(ClientCommand):
    help = str(gettext_lazy("Show, set and remove the meta of a media."))

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("id", metavar="ID", help=_("media id"))
        parser.add_argument("meta", nargs="*", metavar="key=value", help=_("text to set"))
        parser.add_argument(
            "--remove", action="append", default=[], metavar="KEY", help=_("key to remove")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        media = self.client(options).media
        (id_,) = media_ids([options["id"]])
        meta = dict(_parse(text) for text in options["meta"])
        if meta:
            media.set_meta(id=id_, meta=meta)
        if options["remove"]:
            media.remove_meta(id=id_, keys=options["remove"])
        found = media.get_meta(id=id_)
        if options["json"]:
            self.write_json(found)
            return
        for key, value in sorted(found.items()):
            self.stdout.write(f"{printable(key)}={printable(value)}")


def _parse(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise CommandError(_("Meta are written key=value, got “%(text)s”.") % {"text": text})
    return key, value
