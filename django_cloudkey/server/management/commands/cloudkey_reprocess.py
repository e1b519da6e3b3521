from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ....protocol.exceptions import NotFound
from ... import asset_requests
from ...models import Media, atomic


class Command(BaseCommand):
    help = str(gettext_lazy("Have assets of a media made of its source again."))

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("media", metavar="MEDIA", help=_("its id"))
        parser.add_argument(
            "assets",
            metavar="ASSET",
            nargs="*",
            help=_("all that are made of the source by default"),
        )
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with atomic():
                media = Media.objects.select_for_update().get(pk=options["media"])
                names = asset_requests.remake(media, options["assets"])
        except Media.DoesNotExist as error:
            text = _("There is no media “%(id)s”.") % {"id": options["media"]}
            raise CommandError(text) from error
        except NotFound as error:
            raise CommandError(error.message) from error
        if options["json"]:
            self.stdout.write(json.dumps({"media": media.pk, "queued": names}))
        elif names:
            self.stdout.write(_("Queued: %(names)s") % {"names": ", ".join(names)})
        else:
            self.stdout.write(_("Nothing is made of its source."))
