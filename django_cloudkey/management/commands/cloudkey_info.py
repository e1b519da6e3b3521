from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...plain_text import printable
from ...protocol.exceptions import NotFound
from ..client_command import ClientCommand, add_ids, media_ids
from .cloudkey_list import created_of

FIELDS = ["id", "created", "meta", "assets"]


class Command(ClientCommand):
    help = str(gettext_lazy("Show media and their assets."))

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        add_ids(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        client = self.client(options)
        found, missing = [], 0
        for id_ in media_ids(options["ids"]):
            try:
                media = client.media.info(id=id_, fields=FIELDS)
            except NotFound as error:
                self.complain(f"{id_}: {error}")
                missing += 1
                continue
            if options["json"]:
                found.append(media)
            else:
                self._show(media)
        if options["json"]:
            self.write_json(found)
        if missing:
            raise CommandError(_("%(count)d media were not found.") % {"count": missing})

    def _show(self, media: dict[str, Any]) -> None:
        self.stdout.write(f"{media['id']}  {created_of(media)}")
        for key, value in sorted(media["meta"].items()):
            self.stdout.write(f"  {printable(key)}: {printable(value)}")
        self.write_table(
            [_("ASSET"), _("STATUS"), _("SECONDS"), _("BYTES"), _("PICTURE")],
            [_row(name, asset) for name, asset in sorted(media["assets"].items())],
        )


def _row(name: str, asset: dict[str, Any]) -> list[object]:
    status = asset["status"]
    if status == "processing":
        status = f"{status} {asset.get('progress', 0)} %"
    width, height = asset.get("video_width"), asset.get("video_height")
    picture = f"{width}x{height}" if width and height else "-"
    return [name, status, asset.get("duration", "-"), asset.get("file_size", "-"), picture]
