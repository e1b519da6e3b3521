from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...uploads import DEFAULT_ASSETS, upload_media
from ..client_command import ClientCommand


class Command(ClientCommand):
    help = str(gettext_lazy("Upload files, make media of them, and write their ids."))

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("files", nargs="+", metavar="FILE")
        parser.add_argument("--title", help=_("title of the media; the file's name by default"))
        parser.add_argument(
            "--asset", action="append", dest="assets", metavar="NAME",
            help=_("asset to make, may be repeated; by default: %(names)s")
            % {"names": ", ".join(DEFAULT_ASSETS)},
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        uploaded = []
        for name in options["files"]:
            media = upload_media(
                name,
                title=options["title"],
                account=options["account"],
                assets=options["assets"] or DEFAULT_ASSETS,
                progress=self._progress(Path(name).name),
            )
            uploaded.append({"file": name, "id": media})
            if not options["json"]:
                self.stdout.write(f"{media}  {name}")
        if options["json"]:
            self.write_json(uploaded)

    def _progress(self, name: str) -> Any:
        """Return a callback that rewrites one line of a terminal; none without a terminal."""
        if not self.stderr.isatty():
            return None
        shown = 0.0

        def show(sent: int, size: int) -> None:
            nonlocal shown
            if sent < size and time.monotonic() - shown < 0.1:
                return
            shown = time.monotonic()
            end = "\r\x1b[K" if sent >= size else ""
            self.stderr.write(f"\r{name}: {sent * 100 // size} %{end}", ending="")
            self.stderr.flush()

        return show
