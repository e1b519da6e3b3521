from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...reconciliation import BATCH, Finding, Reconciliation
from ..client_command import ClientCommand

FINDINGS_REMAIN = 3  # exit status


class Command(ClientCommand):
    help = str(
        gettext_lazy(
            "Compare the media on the cloud with the rows of this site: media that were uploaded "
            "for a field and that no row holds, rows whose media is missing, uploads that were "
            "given up. Nothing is changed without --delete."
        )
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--older-than", type=_hours, default=timedelta(hours=24), metavar="HOURS",
            help=_("leave alone what is younger; 24 by default"),
        )  # fmt: skip
        parser.add_argument(
            "--delete",
            action="store_true",
            help=_("delete the media that no row holds, and the records of old uploads"),
        )
        parser.add_argument(
            "--no-input",
            action="store_false",
            dest="interactive",
            help=_("do not ask before deleting"),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with Reconciliation(options["account"], older_than=options["older_than"]) as both:
            both.compare()
            self._write_findings(both.findings(), as_json=options["json"])
            mendable = sum(finding.is_mendable for finding in both.findings())
            left = sum(not finding.is_mendable for finding in both.findings())
            summary: dict[str, Any] = dict(both.counts)
            if options["delete"] and self._may_delete(mendable, options):
                summary["deleted"] = dict(both.mend())
            else:
                left += mendable
            self._write_summary(summary, as_json=options["json"])
        if left:
            raise CommandError(_("%d findings remain.") % left, returncode=FINDINGS_REMAIN)

    def _may_delete(self, count: int, options: dict[str, Any]) -> bool:
        if not count or not options["interactive"]:
            return True
        question = _(
            "Delete these %(count)d on the cloud of “%(account)s” and in the table of uploads, for "
            "good?"
        )
        return self.ask(question % {"count": count, "account": options["account"]})

    def _write_findings(self, findings: Iterable[Finding], *, as_json: bool) -> None:
        rows: list[list[object]] = []
        for finding in findings:
            if as_json:
                shown = finding._asdict()
                self.stdout.write(json.dumps(shown, ensure_ascii=False))
                continue
            rows.append(_row(finding))
            if len(rows) == BATCH:
                self._write_rows(rows)
                rows = []
        self._write_rows(rows)

    def _write_rows(self, rows: list[list[object]]) -> None:
        if rows:
            headings = [_("FINDING"), _("MEDIA"), _("FIELD"), _("SINCE"), _("TITLE, FILE OR ROW")]
            self.write_table(headings, rows)

    def _write_summary(self, summary: dict[str, Any], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"summary": summary}))
            return
        text = _(
            "Media: %(held)d held by rows, %(waiting)d waiting for their rows, %(other)d made by "
            "other means."
        )
        counts = {name: summary.get(name, 0) for name in ("held", "waiting", "other")}
        self.stdout.write(text % counts)
        if "deleted" in summary:
            self.stdout.write(_("Deleted: %d.") % sum(summary["deleted"].values()))


def _hours(text: str) -> timedelta:
    try:
        hours = float(text)
        if hours >= 0:
            return timedelta(hours=hours)
    except (ValueError, OverflowError):
        pass
    raise ArgumentTypeError(_("a number of hours from 0 is needed"))


def _row(finding: Finding) -> list[object]:
    since = datetime.fromtimestamp(finding.since, UTC).strftime("%Y-%m-%d %H:%M")
    return [
        finding.kind,
        finding.media or "-",
        finding.field or "-",
        since if finding.since else "-",
        finding.about,
    ]
