from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...batches import batches_of
from ...models import Asset, Job

LIMIT = 50
COLUMNS = "{:>7}  {:<24}  {:<7}  {:>5}  {:<19}  {}"


class Command(BaseCommand):
    help = str(gettext_lazy("List jobs, newest first: their states, attempts and failures."))

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--state",
            choices=Job.State.values,
            action="append",
            help=_("only those in this state; may be repeated"),
        )
        parser.add_argument("--media", metavar="ID", help=_("only those of this media"))
        parser.add_argument(
            "--limit", type=int, default=LIMIT, help=_("how many at most; 0 for all, 50 by default")
        )
        parser.add_argument("--json", action="store_true", help=_("write an object for each line"))

    def handle(self, *args: Any, **options: Any) -> None:
        jobs = Job.objects.all()
        if options["state"]:
            jobs = jobs.filter(state__in=options["state"])
        if options["media"]:
            jobs = jobs.filter(media=options["media"])
        for number, row in enumerate(_rows(jobs)):
            if options["limit"] and number >= options["limit"]:
                break
            if not number and not options["json"]:
                self.stdout.write(self.style.MIGRATE_HEADING(_heading()))
            self.stdout.write(json.dumps(row) if options["json"] else _line(row))


def _rows(jobs: Any) -> Iterator[dict[str, Any]]:
    for batch in batches_of(jobs.select_related("media"), newest_first=True):
        failures = _failures({job.media_id for job in batch})
        for job in batch:
            yield {
                "job": job.pk,
                "media": job.media_id,
                "account": job.media.account_id,
                "state": job.state,
                "attempts": job.attempts,
                "created": _minute(job.created),
                "due": _minute(job.due),
                "finished": _minute(job.finished),
                "failures": failures.get(job.media_id, {}) if job.state == job.State.FAILED else {},
            }


def _failures(media: set[str]) -> dict[str, dict[str, str]]:
    """Return media → asset → code, for assets in error."""
    failures: dict[str, dict[str, str]] = {}
    for asset in Asset.objects.filter(media__in=media, status=Asset.Status.ERROR):
        failures.setdefault(asset.media_id, {})[asset.name] = asset.error_code
    return failures


def _heading() -> str:
    names = [_("JOB"), _("MEDIA"), _("STATE"), _("TRIES"), _("ENDED OR DUE"), _("FAILURES")]
    return COLUMNS.format(*names)


def _line(row: dict[str, Any]) -> str:
    when = (row["finished"] or row["due"]).replace("T", " ").removesuffix("+00:00")
    failures = ", ".join(f"{name}: {code}" for name, code in row["failures"].items())
    columns = (row["job"], row["media"], row["state"], row["attempts"], when, failures)
    return COLUMNS.format(*columns).rstrip()


def _minute(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
