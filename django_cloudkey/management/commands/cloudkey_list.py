from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..client_command import ClientCommand
from ..table import State, duration

FIELDS = ["id", "created", "meta.title", "assets.source.status", "assets.source.duration"]


class Command(ClientCommand):
    help = str(gettext_lazy("List the media on the cloud, newest first."))

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--page", type=int, default=1)
        parser.add_argument("--per-page", type=int, default=20)
        parser.add_argument("--search", metavar="WORDS", help=_("in the title, or field:value"))

    def handle(self, *args: Any, **options: Any) -> None:
        media, query = self.client(options).media, options["search"]
        where = {"fields": FIELDS, "page": options["page"], "per_page": options["per_page"]}
        page = media.search(query=query, **where) if query else media.list(**where)
        if options["json"]:
            self.write_json(page)
            return
        self.write_table(
            [_("ID"), _("CREATED"), _("SOURCE"), _("DURATION"), _("TITLE")],
            [_row(media) for media in page["list"]],
        )
        self.stdout.write(
            _("Page %(page)d of %(pages)d, %(total)d media in all.")
            % {"page": page["page"], "pages": page["pages"], "total": page["total"]}
        )


def _row(media: dict[str, Any]) -> list[object]:
    source = media.get("assets", {}).get("source", {})
    title = media.get("meta", {}).get("title")
    state, length = State(source.get("status", "-")), duration(source.get("duration"))
    return [media["id"], created_of(media), state, length, title]


def created_of(media: dict[str, Any]) -> str:
    """Return when a media was made, to the minute."""
    return datetime.fromtimestamp(media["created"], UTC).strftime("%Y-%m-%d %H:%M")
