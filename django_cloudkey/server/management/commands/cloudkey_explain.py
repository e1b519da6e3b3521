from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from ....protocol.assets import SOURCE
from ....protocol.scheme2.url_token import is_token, read_token
from ....protocol.seclevel import SecLevel, Viewer
from ....protocol.signing import URLRefused, parse_auth, read_auth
from ....protocol.urls import Address, Page, Thumbnail, UploadedFile, parse
from ...conf import cloud
from ...delivery.admission import decide
from ...delivery.reasons import REASONS
from ...delivery.viewer import viewer_at
from ...delivery.views import is_public
from ...models import Asset, Media
from ...player.views import KINDS

HISTORICAL, SCHEME2 = gettext_noop("historical"), gettext_noop("scheme 2")
DELEGATE = SecLevel.DELEGATE
OF_VIEWER = SecLevel.IP | SecLevel.ASNUM | SecLevel.USERAGENT
OF_PAGE = SecLevel.REFERER | SecLevel.REFERER_STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that an address must pass, in the order in which the cloud looks."""

    question: str
    reasons: frozenset[str]
    """Codes with which it fails."""
    level: SecLevel = SecLevel.NONE
    """Asked only of addresses with one of these bits."""
    schemes: tuple[str, ...] = (HISTORICAL, SCHEME2)


def _check(question: str, reasons: str, **more: Any) -> Check:
    return Check(question=question, reasons=frozenset(reasons.split()), **more)


CHECKS = (
    _check(gettext_noop("It carries one signature, written as one"), "missing malformed"),
    _check(gettext_noop("The account is active"), "account"),
    _check(gettext_noop("The secret that signed is active"), "kid", schemes=(SCHEME2,)),
    _check(gettext_noop("The signature is right"), "signature"),
    _check(gettext_noop("The token is for this address"), "claims", schemes=(SCHEME2,)),
    _check(gettext_noop("It is valid at this time"), "lifetime early expired"),
    _check(
        gettext_noop("The account takes the historical scheme"), "legacy", schemes=(HISTORICAL,)
    ),
    _check(
        gettext_noop("Its level cannot be forged"), "seams",
        level=SecLevel.USERAGENT, schemes=(HISTORICAL,),
    ),
    _check(
        gettext_noop("It was signed for this viewer"), "bindings",
        level=OF_VIEWER, schemes=(SCHEME2,),
    ),
    _check(gettext_noop("The viewer's country may see it"), "country", level=SecLevel.COUNTRY),
    _check(gettext_noop("The page may show it"), "referer", level=OF_PAGE),
    _check(
        gettext_noop("Nobody else came first"), "used delegated viewer",
        level=SecLevel.USEONCE | DELEGATE,
    ),
    _check(gettext_noop("There is something to serve"), "not_found"),
)  # fmt: skip

GIVEN_BY = (
    (SecLevel.IP | SecLevel.ASNUM | SecLevel.COUNTRY | SecLevel.USEONCE, "ip", "--ip"),
    (SecLevel.USERAGENT, "useragent", "--user-agent"),
    (OF_PAGE, "referer", "--referer"),
)
"""Levels that look at a value of the viewer, its name, and the option that gives it."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What is found about one address."""

    address: Address
    viewer: Viewer
    now: float
    scheme: str = ""
    """Empty where the address carries nothing that can be read."""
    level: SecLevel | None = None
    """As the address says; nothing of it need be true."""
    expires: int = 0
    is_for_everybody: bool = False
    """It is a still of an account that shows its stills, and needs no signature."""
    reason: str = ""
    sentence: str = field(default_factory=lambda: _("It would be served."))

    def checks(self) -> Iterator[tuple[Check, str]]:
        """Yield each check that applies, and ``ok``, ``no`` or ``-`` where it was not reached."""
        state = "ok"
        for check in CHECKS:
            if self.reason in check.reasons:
                yield check, "no"
                state = "-"
            elif self._applies(check):
                yield check, state

    def _applies(self, check: Check) -> bool:
        if self.is_for_everybody or (self.scheme and self.scheme not in check.schemes):
            return False
        return not check.level or bool(self.level and self.level & check.level)

    def missing_options(self) -> list[str]:
        """Return options that would tell of the viewer what the level looks at."""
        level = self.level or SecLevel.NONE
        return [
            option
            for bits, name, option in GIVEN_BY
            if level & bits and not getattr(self.viewer, name)
        ]


class Command(BaseCommand):
    help = str(gettext_lazy("Say whether an address would be served to a viewer, and if not, why."))

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("url", metavar="URL", help=_("the whole address, with its “auth”"))
        parser.add_argument("--ip", default="", help=_("address of the viewer"))
        parser.add_argument("--user-agent", default="", help=_("his User-Agent header"))
        parser.add_argument("--referer", default="", help=_("address of the page that he is on"))
        parser.add_argument(
            "--at", type=_time, metavar="TIME", help=_("Unix time, or ISO 8601; now by default")
        )
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        address, query = _parse(options["url"])
        viewer = viewer_at(options["ip"], options["user_agent"], options["referer"])
        now = time.time() if options["at"] is None else options["at"]
        report = _report(address, query, viewer, now)
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(report)))
        else:
            self._show(report)
        if report.reason:
            sys.exit(1)

    def _show(self, report: Report) -> None:
        facts = {
            _("Address"): report.address.path,
            _("Scheme"): _(report.scheme) if report.scheme else "-",
            _("Level"): "-" if report.level is None else _level(report.level),
            _("Expires"): _moment(report.expires, report.now) if report.expires else "-",
            _("Viewer"): _viewer(report.viewer) or "-",
        }
        width = max(map(len, facts))
        for name, value in facts.items():
            self.stdout.write(f"{name:<{width}}  {value}")
        self.stdout.write("")
        marks = {"ok": self.style.SUCCESS("ok"), "no": self.style.ERROR("no"), "-": " -"}
        for check, state in report.checks():
            code = f" ({report.reason})" if state == "no" else ""
            self.stdout.write(f"  {marks[state]}  {_(check.question)}{code}")
        self.stdout.write("")
        style = self.style.ERROR if report.reason else self.style.SUCCESS
        self.stdout.write(style(report.sentence))
        if report.reason and (missing := report.missing_options()):
            self.stdout.write(
                _("The level looks at what was not given of the viewer: %(options)s.")
                % {"options": ", ".join(missing)}
            )


def _report(address: Address, query: str, viewer: Viewer, now: float) -> Report:
    report = Report(address=address, viewer=viewer, now=now)
    _read(report, query)
    try:
        grant = decide(address, query, viewer, now=now, is_use=False)  # type: ignore[arg-type]
    except URLRefused as refused:
        if isinstance(address, Thumbnail) and is_public(address):
            report.is_for_everybody = True
            report.sentence = _("It would be served: stills of the account are public.")
            account = address.user
        else:
            report.reason, report.sentence = refused.reason, _(REASONS[refused.reason])
            return report
    else:
        account = grant.account.pk
    missing = _missing(account, address)
    if missing:
        report.reason, report.sentence = "not_found", missing
    return report


def _read(report: Report, query: str) -> None:
    """Read what the address says of itself, true or not."""
    try:
        auth = read_auth(query)
        report.scheme = SCHEME2 if is_token(auth) else HISTORICAL
        if is_token(auth):
            _kid, claims = read_token(auth)
            report.level, report.expires = SecLevel(claims.seclevel), claims.expires
        else:
            token = parse_auth(auth)
            report.level, report.expires = token.seclevel, token.expires
    except URLRefused:
        return


def _as_json(report: Report) -> dict[str, Any]:
    known = {}
    if report.level is not None:
        end = datetime.fromtimestamp(report.expires, UTC).isoformat()
        known = {"level": _level(report.level), "expires": end}
    return {
        "address": report.address.path,
        "scheme": report.scheme or "-",
        "viewer": _viewer(report.viewer) or "-",
        **known,
        "reason": report.reason,
        "sentence": report.sentence,
    }


def _missing(account: str, address: Any) -> str:
    media = Media.objects.filter(account=account, pk=address.media).first()
    if media is None:
        return _("The account has no such media.")
    name = getattr(address, "asset_name", None)
    asset = media.assets.filter(name=name).first() if name else None
    # A source is served whatever becomes of it.
    is_there = asset is not None and (asset.status == Asset.Status.READY or name == SOURCE)
    if name and not is_there:
        return _("The media has no such asset, or it is not ready.")
    return ""


def _parse(url: str) -> tuple[Address, str]:
    parts = urlsplit(url)
    bare = f"{parts.scheme}://{parts.netloc}{parts.path}"
    for base in cloud.accepted_urls:
        address = parse(bare.removeprefix(f"{base}/")) if bare.startswith(f"{base}/") else None
        if address is not None and _is_answered(address):
            return address, parts.query
    known = ", ".join(cloud.accepted_urls)
    raise CommandError(
        _("This is no address of a player, an asset or a still below %(known)s.") % {"known": known}
    )


def _is_answered(address: Address) -> bool:
    """Say whether the cloud serves addresses of this kind; the grammar has more."""
    if isinstance(address, Page):
        return address.kind in KINDS
    return not isinstance(address, UploadedFile)


def _level(level: SecLevel) -> str:
    return "|".join(bit.name.lower() for bit in level if bit.name) or "none"


def _moment(seconds: int, now: float) -> str:
    end = datetime.fromtimestamp(seconds, UTC)
    left = timedelta(seconds=abs(round(seconds - now)))
    text = _("in %(time)s") if seconds > now else _("%(time)s ago")
    return f"{end:%Y-%m-%d %H:%M:%S} UTC, {text % {'time': left}}"


def _viewer(viewer: Viewer) -> str:
    values = (viewer.ip, viewer.asnum, viewer.country, viewer.useragent, viewer.referer)
    return ", ".join(filter(None, values))


def _time(text: str) -> float:
    if text.isascii() and text.isdigit() and len(text) <= 11:
        return float(text)
    moment = parse_datetime(text)
    if moment is None:
        raise ValueError("no time")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
