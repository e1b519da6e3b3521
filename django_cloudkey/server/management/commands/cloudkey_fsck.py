from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ...consistency.findings import Finding, Kind
from ...consistency.inspection import Inspection

FINDINGS_REMAIN, FAILED, INTERRUPTED = 1, 2, 130  # exit statuses


class Command(BaseCommand):
    help = str(
        gettext_lazy(
            "Look whether rows, files and jobs of this cloud fit together, while it runs. Nothing "
            "is changed without --repair. Exit status: 0 all is well, 1 something is not, 2 it "
            "could not be looked at."
        )
    )
    requires_system_checks: list[str] = []  # their failure would end with the status of findings

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--older-than", type=_hours, default=timedelta(hours=24), metavar="HOURS",
            help=_("leave alone what is younger; 24 by default"),
        )  # fmt: skip
        parser.add_argument(
            "--repair", action="store_true", help=_("mend what can be mended without a loss")
        )
        parser.add_argument(
            "--no-input", action="store_false", dest="interactive",
            help=_("do not ask before repairing"),
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help=_("write an object for each line"))

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except KeyboardInterrupt:
            raise CommandError(_("Interrupted."), returncode=INTERRUPTED) from None
        except CommandError:
            raise
        except Exception as error:
            # Databases and storages have errors of their own kinds, and a traceback would end with
            # the status of findings. --traceback shows it.
            text = f"{type(error).__name__}: {error}"
            raise CommandError(text, returncode=FAILED) from error

    def handle(self, *args: Any, **options: Any) -> None:
        inspection = Inspection(older_than=options["older_than"])
        mendable = 0
        for finding in inspection.findings():
            mendable += finding.mend is not None
            self._write_finding(finding, options)
        left = inspection.found.total()
        mended: Counter[Kind] = Counter()
        if options["repair"] and mendable:
            self._confirm(mendable, inspection, options)
            mended, left = _repair(options["older_than"])
        self._write_summary(inspection, mended, options)
        if left:
            text = ngettext("%d finding remains.", "%d findings remain.", left) % left
            raise CommandError(text, returncode=FINDINGS_REMAIN)

    def _confirm(self, count: int, inspection: Inspection, options: dict[str, Any]) -> None:
        orphans, files = inspection.found[Kind.ORPHAN_FILE], inspection.read["files"]
        if not options["interactive"]:
            if orphans * 2 > files:
                text = _(
                    "No row names %(orphans)d of %(files)d files: is this the right database? "
                    "Nothing was mended; without --no-input it is asked for."
                )
                values = {"orphans": orphans, "files": files}
                raise CommandError(text % values, returncode=FINDINGS_REMAIN)
            return
        if not sys.stdin.isatty():
            text = _("Nobody can be asked here: say --no-input to go on.")
            raise CommandError(text, returncode=FINDINGS_REMAIN)
        question = _("Mend %(count)d of these? %(orphans)d of %(files)d files go for good. [y/N] ")
        values = {"count": count, "orphans": orphans, "files": files}
        if input(question % values).strip().lower() not in ("y", "yes", _("yes")):
            raise CommandError(_("Nothing was done."), returncode=FINDINGS_REMAIN)

    def _write_finding(self, finding: Finding, options: dict[str, Any]) -> None:
        if options["json"]:
            shown = {
                "kind": finding.kind.label,
                "about": finding.about,
                "detail": finding.detail,
                "meaning": str(finding.kind.meaning),
                "remedy": str(finding.kind.remedy),
                "is_mendable": finding.mend is not None,
            }
            self.stdout.write(json.dumps(shown))
            return
        detail = f" ({finding.detail})" if finding.detail else ""
        self.stdout.write(
            f"{finding.kind.label:<14} {finding.about}{detail}: {finding.kind.meaning}. "
            f"{_('Remedy')}: {finding.kind.remedy}."
        )

    def _write_summary(
        self, inspection: Inspection, mended: Counter[Kind], options: dict[str, Any]
    ) -> None:
        findings = {kind.label: number for kind, number in inspection.found.items()}
        summary = {
            **inspection.read,
            "findings": findings,
            "mended": {kind.label: number for kind, number in mended.items()},
        }
        if options["json"]:
            self.stdout.write(json.dumps({"summary": summary}))
            return
        read = ", ".join(f"{number} {name}" for name, number in inspection.read.items())
        self.stdout.write(f"{_('Looked at')}: {read}.")
        if inspection.found:
            found = ", ".join(f"{number} {label}" for label, number in findings.items())
            self.stdout.write(f"{_('Found')}: {found}.")
        if options["repair"]:
            self.stdout.write(_("Mended: %d.") % mended.total())


def _repair(older_than: timedelta) -> tuple[Counter[Kind], int]:
    """
    Look again, since much may have changed, and mend each finding as it is met.

    Return what was mended, and how many findings were not.
    """
    mended: Counter[Kind] = Counter()
    left = 0
    for finding in Inspection(older_than=older_than).findings():
        if finding.mend is not None and finding.mend():
            mended[finding.kind] += 1
        else:
            left += 1
    return mended, left


def _hours(text: str) -> timedelta:
    try:
        hours = float(text)
        if hours >= 0:
            return timedelta(hours=hours)
    except (ValueError, OverflowError):
        pass
    raise ArgumentTypeError(_("a number of hours from 0 is needed"))
