from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ...fields import MediaField
from ...rows import media_fields
from ...sync import sync_rows
from ..client_command import ClientCommand


class Command(ClientCommand):
    help = str(
        gettext_lazy("Ask the cloud for the states of media, and write them beside their ids.")
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(account=None)
        parser.add_argument(
            "labels", nargs="*", metavar="app_label.Model[.field]",
            help=_("models or fields; by default all with a status_field or a duration_field"),
        )  # fmt: skip
        parser.add_argument(
            "--all", action="store_true", help=_("ask about settled media again, too")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        fields = [field for field in media_fields() if field.has_companions]
        fields = _chosen(fields, options["labels"])
        if options["account"] is not None:
            self.client(options)  # a misspelt alias is not one without fields
        report = []
        for field in fields:
            if options["account"] not in (None, field.account):
                continue
            synced = sync_rows(field, everything=options["all"])
            report.append({"field": field.label, **asdict(synced)})
            if not options["json"]:
                text = ngettext(
                    "%(field)s: %(asked)d media asked about, %(changed)d row changed.",
                    "%(field)s: %(asked)d media asked about, %(changed)d rows changed.",
                    synced.changed,
                )
                self.stdout.write(text % report[-1])
        if options["json"]:
            self.write_json(report)
        elif not report:
            self.stdout.write(_("No MediaField has a status_field or a duration_field."))


def _chosen(fields: list[MediaField], labels: list[str]) -> list[MediaField]:
    """Return those of *fields* that *labels* name, all of them by default."""
    chosen = fields if not labels else []
    for label in labels:
        of_label = [
            field
            for field in fields
            if label.lower() in (field.model._meta.label_lower, field.label.lower())
        ]
        if not of_label:
            raise CommandError(
                _("“%(label)s” has no MediaField with a status_field or a duration_field.")
                % {"label": label}
            )
        chosen += [field for field in of_label if field not in chosen]
    return chosen
