"""What ``cloudkey_account`` may be told: an action, and what it is to be done with."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.utils.translation import gettext as _

from ...protocol.viewer import parse_networks
from ..models import Account
from ..rpc.methods import METHODS

MAX_DAYS = 36_500


def add(parser: ArgumentParser) -> None:
    """Let *parser* take an action and what it needs; ``action`` names it."""
    actions = parser.add_subparsers(dest="action", required=True)
    _add_create(actions)
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
    webhook = actions.add_parser("webhook", help=_("say where the notifications of an account go"))
    _add_name(webhook)
    webhook.add_argument(
        "url", help=_("address of the site's webhook; empty to switch notifications off")
    )
    actions.add_parser("reencrypt", help=_("encrypt all keys anew, after SECRET_KEY has changed"))


def _add_create(actions: Any) -> None:
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
