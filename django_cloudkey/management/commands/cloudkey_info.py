from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...plain_text import printable
from ...protocol.exceptions import NotFound
from ..client_command import ClientCommand, add_ids, media_ids, not_found
from ..table import Number, State, duration, size
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
                _add_reasons(client.media, media)
            except NotFound as error:
                self.complain(f"{id_}: {error}")
                missing += 1
                continue
            if options["json"]:
                found.append(media)
            else:
                self._show(media)
                self.stdout.write()
        if options["json"]:
            self.write_json(found)
        if missing:
            raise CommandError(not_found(missing))

    def _show(self, media: dict[str, Any]) -> None:
        self.stdout.write(f"{media['id']}  {created_of(media)}")
        for key, value in sorted(media["meta"].items()):
            self.stdout.write(f"  {printable(key)}: {printable(value)}")
        self.write_table(
            [_("ASSET"), _("STATUS"), _("DURATION"), _("SIZE"), _("PICTURE")],
            [_row(name, asset) for name, asset in sorted(media["assets"].items())],
        )
        for reason in _reasons(media):
            self.stdout.write(self.style.ERROR(printable(reason)))


def _row(name: str, asset: dict[str, Any]) -> list[object]:
    state = asset["status"]
    if state == "processing":
        state = f"{state} {asset.get('progress', 0)} %"
    width, height = asset.get("video_width"), asset.get("video_height")
    picture = Number(f"{width}x{height}" if width and height else "-")
    length, bytes_ = duration(asset.get("duration")), size(asset.get("file_size"))
    return [name, State(state), length, bytes_, picture]


def _add_reasons(remote: Any, media: dict[str, Any]) -> None:
    """Ask why assets failed, if any did: a cloud tells it only to who names it."""
    failed = [name for name, asset in media["assets"].items() if asset["status"] == "error"]
    if failed:
        fields = [f"assets.{name}.error" for name in failed]
        reasons = remote.info(id=media["id"], fields=fields).get("assets", {})
        for name in failed:
            media["assets"][name] |= reasons.get(name, {})


def _reasons(media: dict[str, Any]) -> list[str]:
    """Return sentence and code of each failure, once, though several assets have it."""
    errors = [asset["error"] for asset in media["assets"].values() if asset.get("error")]
    return sorted({f"{each.get('message')} ({each.get('code')})" for each in errors})
