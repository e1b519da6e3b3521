from __future__ import annotations

import logging
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext_lazy as _

from ...pipeline import require_tools
from ...worker import Worker


class Command(BaseCommand):
    help = str(_("Turn uploaded sources into assets, until told to stop."))

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--drain", action="store_true", help=str(_("work off everything that is due, then end"))
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verbosity"] > 0:
            self._log_to_stderr(options["verbosity"])
        try:
            require_tools()
        except ImproperlyConfigured as error:
            # Jobs wait for a worker that can do them, rather than fail one after the other.
            raise CommandError(str(error)) from error
        worker = Worker()
        if options["drain"]:
            worker.run(drain=True)
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        worker.run()

    def _log_to_stderr(self, verbosity: int) -> None:
        """Show what the worker does, unless the project's own logging does already."""
        logger = logging.getLogger("django_cloudkey.server")
        if not logger.hasHandlers():
            logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
        logger.setLevel(logging.DEBUG if verbosity > 1 else logging.INFO)
