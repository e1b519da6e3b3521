from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...addresses import sign_for
from ...viewers import NoRequest
from ..client_command import ClientCommand, media_ids


class Command(ClientCommand):
    help = str(gettext_lazy("Sign the address of a player, without asking the cloud."))

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("id", metavar="ID", help=_("media id"))
        parser.add_argument(
            "--seclevel", metavar="LEVEL", help=_("such as “delegate|ip”; the account's by default")
        )
        parser.add_argument("--ip", help=_("address of the viewer"))
        parser.add_argument("--user-agent", dest="useragent", help=_("his User-Agent header"))
        parser.add_argument("--asnum", help=_("his network, such as AS64496"))
        parser.add_argument(
            "--countries", metavar="CODES", help=_("such as “fr,be”, or “-,fr” for all others")
        )
        parser.add_argument(
            "--referer", action="append", dest="referers", metavar="PREFIX",
            help=_("beginning of the pages that may show it; may be repeated"),
        )  # fmt: skip
        parser.add_argument(
            "--lifetime", type=int, metavar="SECONDS", help=_("as the account says by default")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        (id_,) = media_ids([options["id"]])
        names = ("ip", "useragent", "asnum", "countries", "referers")
        values = {name: options[name] for name in names if options[name] is not None}
        if options["lifetime"] is not None:
            values["expires"] = time.time() + options["lifetime"]
        try:
            url = sign_for(
                None, "get_embed_url", id_,
                account=options["account"], seclevel=options["seclevel"], **values,
            )  # fmt: skip
        except NoRequest as error:
            raise CommandError(
                _("This level is for one viewer or page: name it by %(options)s.")
                % {"options": "--ip, --user-agent, --asnum, --referer"}
            ) from error
        if options["json"]:
            self.write_json({"id": id_, "url": url})
        else:
            self.stdout.write(url)
