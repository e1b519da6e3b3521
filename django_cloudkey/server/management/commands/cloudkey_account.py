from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ... import account_secrets
from ...conf import cloud
from ...models import Account, AccountSecret, LegacyUse, Organisation, atomic, new_key
from .. import account_arguments


class Command(BaseCommand):
    help = str(
        gettext_lazy("Create and list the accounts that may use this cloud, and their keys.")
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        account_arguments.add(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['action']}")(options)

    def _create(self, options: dict[str, Any]) -> None:
        name = _checked(options["name"])
        webhook = _checked_webhook(options["webhook"])
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
                    webhook_url=webhook,
                )
                secret = account_secrets.add(account)
        except IntegrityError as error:
            text = _("There is an account named “%(name)s” already.") % {"name": name}
            raise CommandError(text) from error
        credentials = {
            "name": account.name,
            "user_id": account.pk,
            "api_key": account.api_key,
            "kid": secret.kid,
            "secret": secret.secret,
            "base_url": cloud.base_url,
        }
        self._show_once(credentials, options)

    def _show_once(self, credentials: dict[str, str], options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(credentials))
            return
        for label, value in credentials.items():
            self.stdout.write(f"{label.upper():<9} {value}")
        self.stdout.write(_("The keys are shown this once: put them into CLOUDKEYS now."))

    def _list(self, options: dict[str, Any]) -> None:
        accounts = Account.objects.order_by("name").defer("api_key")
        rows = [
            {
                "user_id": account.pk,
                "name": account.name,
                "active": account.is_active,
                "media": account.media_count,
            }
            for account in accounts.annotate(media_count=Count("media"))
        ]
        if options["json"]:
            self.stdout.write(json.dumps(rows))
            return
        columns = "{:<24}  {:>7}  {} {}"
        heading = columns.format(_("ID"), _("MEDIA"), _("NAME"), "").rstrip()
        self.stdout.write(self.style.MIGRATE_HEADING(heading))
        for row in rows:
            state = "" if row["active"] else _("(inactive)")
            line = columns.format(row["user_id"], row["media"], row["name"], state)
            self.stdout.write(line.rstrip())

    def _show(self, options: dict[str, Any]) -> None:
        account = _find(options["name"])
        secrets = [_row_of_secret(secret) for secret in account.secrets.defer("secret")]
        uses = [_row_of_use(use) for use in account.legacy_uses.order_by("kind")]
        if options["json"]:
            report = {
                "legacy": account.legacy,
                "webhook": account.webhook_url,
                "secrets": secrets,
                "historical uses": uses,
            }
            self.stdout.write(json.dumps(report))
            return
        for row in secrets:
            state = _("active") if row["active"] else _("retired")
            self.stdout.write(
                f"{row['kid']:<6} {state:<8} {_('last used')} {row['last_used'] or _('never')}"
            )
            for only in (row["networks"], row["methods"]):
                if only:
                    self.stdout.write(f"       {_('only')} {', '.join(only)}")
        webhook = account.webhook_url or _("nobody")
        self.stdout.write(_("Notifications go to: %(webhook)s") % {"webhook": webhook})
        self.stdout.write(_("Historical scheme: %(mode)s") % {"mode": account.get_legacy_display()})
        for use in uses:
            self.stdout.write(f"  {use['count']:>9}  {use['kind']}, {_('last')} {use['last']}")

    def _rotate(self, options: dict[str, Any]) -> None:
        account = _find(options["name"])
        if options["historical"]:
            account.api_key = new_key()
            account.save(update_fields=["api_key"])
            self._show_once({"api_key": account.api_key}, options)
            return
        days = options["expires"]
        try:
            with atomic():
                if options["retire"]:
                    _end(account, options["retire"])
                secret = account_secrets.add(
                    account,
                    expires=days and timezone.now() + timedelta(days=days),
                    networks=options["networks"],
                    methods=options["methods"],
                )
        except account_secrets.TooManySecrets as error:
            kids = ", ".join(account_secrets.active(account.pk).values_list("kid", flat=True))
            text = _("Active already: %(kids)s. Name one of them: --retire KID.") % {"kids": kids}
            raise CommandError(text) from error
        self._show_once({"kid": secret.kid, "secret": secret.secret}, options)

    def _restrict(self, options: dict[str, Any]) -> None:
        active = account_secrets.active(_find(options["name"]).pk).filter(kid=options["kid"])
        if not active.update(networks=options["networks"], methods=options["methods"]):
            raise _no_secret(options["kid"])

    def _retire(self, options: dict[str, Any]) -> None:
        _end(_find(options["name"]), options["kid"], options["after"])

    def _disable(self, options: dict[str, Any]) -> None:
        _change(options["name"], is_active=False)

    def _enable(self, options: dict[str, Any]) -> None:
        _change(options["name"], is_active=True)

    def _legacy(self, options: dict[str, Any]) -> None:
        _change(options["name"], legacy=options["mode"])

    def _webhook(self, options: dict[str, Any]) -> None:
        _change(options["name"], webhook_url=_checked_webhook(options["url"]))

    def _reencrypt(self, options: dict[str, Any]) -> None:
        with atomic():
            for account in Account.objects.select_for_update():
                account.save(update_fields=["api_key"])
            for secret in AccountSecret.objects.select_for_update():
                secret.save(update_fields=["secret"])
        self.stdout.write(_("Done: SECRET_KEY_FALLBACKS is not needed for them any more."))


def _find(name: str) -> Account:
    """Return the account without its key: who has lost SECRET_KEY can only make a new one."""
    try:
        return Account.objects.defer("api_key").get(name=name)
    except Account.DoesNotExist as error:
        raise CommandError(_("There is no account named “%(name)s”.") % {"name": name}) from error


def _checked_webhook(url: str) -> str:
    try:
        Account._meta.get_field("webhook_url").run_validators(url)  # its length
        Account(webhook_url=url).clean()
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    return url


def _change(name: str, **values: Any) -> None:
    Account.objects.filter(pk=_find(name).pk).update(**values)


def _end(account: Account, kid: str, after: float | None = None) -> None:
    # Without the secret itself, which would be encrypted anew, and may not be readable any more.
    secret = account_secrets.active(account.pk).filter(kid=kid).defer("secret").first()
    if secret is None:
        raise _no_secret(kid)
    if after is None:
        secret.is_active = False
    else:
        end = timezone.now() + timedelta(hours=after)
        secret.expires = min(secret.expires or end, end)
    secret.save(update_fields=["is_active", "expires"])


def _no_secret(kid: str) -> CommandError:
    return CommandError(_("There is no active secret “%(kid)s”.") % {"kid": kid})


def _row_of_secret(secret: AccountSecret) -> dict[str, Any]:
    return {
        "kid": secret.kid,
        "active": secret.is_active and not (secret.expires and secret.expires <= timezone.now()),
        "expires": secret.expires and secret.expires.isoformat(timespec="minutes"),
        "networks": secret.networks,
        "methods": secret.methods,
        "last_used": secret.last_used and secret.last_used.isoformat(timespec="minutes"),
    }


def _row_of_use(use: LegacyUse) -> dict[str, Any]:
    return {"kind": use.kind, "count": use.count, "last": use.last.isoformat(timespec="minutes")}


def _checked(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= 64:
        raise CommandError(_("A name has 1 to 64 characters."))
    return name
