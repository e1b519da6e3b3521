from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ....protocol.viewer import parse_networks
from ... import account_secrets
from ...conf import cloud
from ...models import Account, AccountSecret, LegacyUse, Organisation, atomic, new_key
from ...rpc.methods import METHODS

MAX_DAYS = 36_500


class Command(BaseCommand):
    help = str(
        gettext_lazy("Create and list the accounts that may use this cloud, and their keys.")
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        self._add_create(actions)
        listing = actions.add_parser("list", help=_("show the accounts, without their keys"))
        _add_json(listing)
        show = actions.add_parser("show", help=_("show the secrets of an account, and their use"))
        _add_name(show)
        _add_json(show)
        rotate = actions.add_parser("rotate", help=_("add a secret and show it once"))
        _add_name(rotate)
        rotate.add_argument(
            "--retire", metavar="KID", help=_("in place of an active one, which ends now")
        )
        rotate.add_argument(
            "--expires",
            metavar="DAYS",
            type=_days,
            help=_("end of the new secret; never by default"),
        )
        rotate.add_argument(
            "--historical", action="store_true", help=_("the API key instead; the old one ends now")
        )
        _add_limits(rotate)
        _add_json(rotate)
        restrict = actions.add_parser(
            "restrict", help=_("say where from, and for which methods, a secret may call")
        )
        _add_name(restrict)
        _add_kid(restrict)
        _add_limits(restrict)
        retire = actions.add_parser("retire", help=_("end a secret, at once by default"))
        _add_name(retire)
        _add_kid(retire)
        retire.add_argument(
            "--after",
            metavar="HOURS",
            type=_hours,
            help=_("by itself after so many hours, such as those that its last addresses live"),
        )
        for action, text in (
            ("disable", _("refuse all calls and addresses of an account")),
            ("enable", _("take them again")),
        ):
            _add_name(actions.add_parser(action, help=text))
        legacy = actions.add_parser(
            "legacy", help=_("say how far the historical scheme counts for an account")
        )
        _add_name(legacy)
        legacy.add_argument("mode", choices=Account.Legacy.values)
        webhook = actions.add_parser(
            "webhook", help=_("say where the notifications of an account go")
        )
        _add_name(webhook)
        webhook.add_argument(
            "url", help=_("address of the site's webhook; empty to switch notifications off")
        )
        actions.add_parser(
            "reencrypt", help=_("encrypt all keys anew, after SECRET_KEY has changed")
        )

    def _add_create(self, actions: Any) -> None:
        create = actions.add_parser("create", help=_("create an account and show its keys once"))
        create.add_argument("name", help=_("name of the new account"))
        _add_json(create)
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
        create.add_argument(
            "--webhook", metavar="URL", default="", help=_("where its notifications go")
        )

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


def _add_name(parser: ArgumentParser) -> None:
    parser.add_argument("name", help=_("name of the account"))


def _add_kid(parser: ArgumentParser) -> None:
    parser.add_argument("kid", help=_("name of the secret, such as k1"))


def _add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help=_("write JSON, for scripts"))


def _add_limits(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--network",
        dest="networks",
        metavar="NETWORK",
        action="append",
        default=[],
        type=_network,
        help=_("address or network that may call with it; several may be named, all by default"),
    )
    parser.add_argument(
        "--method",
        dest="methods",
        metavar="METHOD",
        action="append",
        default=[],
        choices=sorted(METHODS),
        help=_("remote method that may be called with it; several may be named, all by default"),
    )


def _network(text: str) -> str:
    try:
        parse_networks([text])
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error
    return text


def _days(text: str) -> int:
    days = int(text)
    if not 1 <= days <= MAX_DAYS:
        text = _("A number of days from 1 to %(most)d.") % {"most": MAX_DAYS}
        raise ArgumentTypeError(text)
    return days


def _hours(text: str) -> float:
    hours = float(text)
    if not 0 < hours <= 24 * 365:
        raise ArgumentTypeError(_("A number of hours above 0, a year of them at most."))
    return hours


def _checked(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= 64:
        raise CommandError(_("A name has 1 to 64 characters."))
    return name
