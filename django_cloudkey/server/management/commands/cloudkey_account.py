from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...conf import cloud
from ...models import Account, Organisation, atomic


class Command(BaseCommand):
    help = str(gettext_lazy("Create and list the accounts that may use this cloud."))

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help=_("create an account and show its key once"))
        create.add_argument("name")
        create.add_argument("--json", action="store_true")
        create.add_argument(
            "--public-thumbnails", action="store_true", help=_("serve its stills to everyone")
        )
        create.add_argument(
            "--organisation", metavar="NAME", help=_("that it belongs to; made if there is none")
        )
        create.add_argument(
            "--manager",
            action="store_true",
            help=_("may act as every account of its organisation"),
        )
        create.add_argument(
            "--test", action="store_true", help=_("for tests: one call deletes all its media")
        )
        listing = actions.add_parser("list", help=_("show the accounts, without their keys"))
        listing.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['action']}")(options)

    def _create(self, options: dict[str, Any]) -> None:
        name = _checked(options["name"])
        organisation = options["organisation"]
        if organisation is not None:
            organisation = _checked(organisation)
        elif options["manager"]:
            raise CommandError(_("A manager needs an --organisation."))
        try:
            with atomic():
                account = Account.objects.create(
                    name=name,
                    organisation=organisation
                    and Organisation.objects.get_or_create(name=organisation)[0],
                    is_manager=options["manager"],
                    is_test=options["test"],
                    public_thumbnails=options["public_thumbnails"],
                )
        except IntegrityError as error:
            text = _("There is an account named “%(name)s” already.") % {"name": name}
            raise CommandError(text) from error
        credentials = {
            "name": account.name,
            "user_id": account.pk,
            "api_key": account.api_key,
            "base_url": cloud.base_url,
        }
        if options["json"]:
            self.stdout.write(json.dumps(credentials))
            return
        for label, value in credentials.items():
            self.stdout.write(f"{label.upper():<9} {value}")
        self.stdout.write(_("The key is shown this once: put it into CLOUDKEYS now."))

    def _list(self, options: dict[str, Any]) -> None:
        rows = [
            {
                "user_id": account.pk,
                "name": account.name,
                "active": account.is_active,
                "media": account.media.count(),
            }
            for account in Account.objects.all()
        ]
        if options["json"]:
            self.stdout.write(json.dumps(rows))
            return
        for row in rows:
            state = "" if row["active"] else _("(inactive)")
            self.stdout.write(
                f"{row['user_id']}  {row['media']:>6}  {row['name']} {state}".rstrip()
            )


def _checked(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= 64:
        raise CommandError(_("A name has 1 to 64 characters."))
    return name
