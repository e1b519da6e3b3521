from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..client_command import ClientCommand, add_no_input, media_ids
from ..table import State, duration, size


class Command(ClientCommand):
    help = str(gettext_lazy("Show, make and remove the assets of a media."))

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("id", metavar="ID", help=_("media id"))
        parser.add_argument(
            "--make", action="append", default=[], metavar="NAME",
            help=_("asset to make of the source, again if there is one; may be repeated"),
        )  # fmt: skip
        parser.add_argument(
            "--remove", action="append", default=[], metavar="NAME",
            help=_("asset to remove; may be repeated"),
        )  # fmt: skip
        add_no_input(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        media = self.client(options).media
        (id_,) = media_ids([options["id"]])
        if options["remove"]:
            names = ", ".join(options["remove"])
            self.confirm(_("Remove %(names)s for good?") % {"names": names}, options)
            media.remove_assets(id=id_, assets_names=options["remove"])
        if options["make"]:
            wanted = [{"name": name, "action": "transcode"} for name in options["make"]]
            media.set_assets(id=id_, assets=wanted)
        assets = media.get_assets(id=id_)
        if options["json"]:
            self.write_json(assets)
            return
        self.write_table(
            [_("ASSET"), _("STATUS"), _("DURATION"), _("SIZE")],
            [
                [
                    name,
                    State(asset["status"]),
                    duration(asset.get("duration")),
                    size(asset.get("file_size")),
                ]
                for name, asset in sorted(assets.items())
            ],
        )
