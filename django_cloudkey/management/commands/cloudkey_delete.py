from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ...protocol.exceptions import NotFound
from ..client_command import ClientCommand, add_ids, add_no_input, media_ids, not_found


class Command(ClientCommand):
    help = str(gettext_lazy("Delete media and all their assets from the cloud."))

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        add_ids(parser)
        add_no_input(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        client = self.client(options)
        if "-" in options["ids"] and options["interactive"]:
            raise CommandError(_("Ids from stdin need --no-input: stdin cannot be asked as well."))
        if options["interactive"]:
            options["ids"] = list(media_ids(options["ids"]))
            self.confirm(
                ngettext(
                    "Delete this media for good?", "Delete these %(count)d media for good?",
                    len(options["ids"]),
                ) % {"count": len(options["ids"])},
                options,
            )  # fmt: skip
        deleted, missing = [], []
        for id_ in media_ids(options["ids"]):
            try:
                client.media.delete(id=id_)
            except NotFound as error:
                self.complain(f"{id_}: {error}")
                missing.append(id_)
                continue
            if options["json"]:
                deleted.append(id_)
            else:
                self.stdout.write(id_)
        if options["json"]:
            self.write_json({"deleted": deleted, "missing": missing})
        if missing:
            raise CommandError(not_found(len(missing)))
