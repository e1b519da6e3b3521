from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ....protocol.scheme2.url_token import is_token
from ....protocol.seclevel import SecLevel, Viewer
from ....protocol.signing import URLRefused, read_auth
from ....protocol.urls import Address, UploadedFile, parse
from ...conf import cloud
from ...delivery.admission import Grant, decide
from ...delivery.reasons import REASONS
from ...delivery.viewer import viewer_at
from ...models import Asset, Media


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
            self.stdout.write(json.dumps(report))
        else:
            for name, value in report.items():
                self.stdout.write(f"{name:<10} {value}")
        if report["reason"]:
            raise CommandError(report["sentence"])


def _report(address: Any, query: str, viewer: Viewer, now: float) -> dict[str, Any]:
    report: dict[str, Any] = {
        "address": address.path,
        "scheme": _scheme(query),
        "viewer": ", ".join(filter(None, [viewer.ip, viewer.asnum, viewer.country])) or "-",
    }
    try:
        grant = decide(address, query, viewer, now=now, is_use=False)
    except URLRefused as refused:
        sentence = _(REASONS[refused.reason])
        return {**report, "reason": refused.reason, "sentence": sentence}
    expires = datetime.fromtimestamp(grant.terms.expires, UTC).isoformat()
    granted = {"level": _level(grant.terms.level), "expires": expires}
    missing = _missing(grant, address)
    if missing:
        return {**report, **granted, "reason": "not_found", "sentence": missing}
    return {**report, **granted, "reason": "", "sentence": _("It would be served.")}


def _missing(grant: Grant, address: Any) -> str:
    media = Media.objects.filter(account=grant.account, pk=address.media).first()
    if media is None:
        return _("The account has no such media.")
    name = getattr(address, "asset_name", None)
    asset = media.assets.filter(name=name).first() if name else None
    if name and (asset is None or asset.status != Asset.Status.READY):
        return _("The media has no such asset, or it is not ready.")
    return ""


def _parse(url: str) -> tuple[Address, str]:
    parts = urlsplit(url)
    bare = f"{parts.scheme}://{parts.netloc}{parts.path}"
    for base in cloud.accepted_urls:
        address = parse(bare.removeprefix(f"{base}/")) if bare.startswith(f"{base}/") else None
        if address is not None and not isinstance(address, UploadedFile):
            return address, parts.query
    known = ", ".join(cloud.accepted_urls)
    raise CommandError(
        _("This is no address of a player, an asset or a still below %(known)s.") % {"known": known}
    )


def _scheme(query: str) -> str:
    try:
        return _("scheme 2") if is_token(read_auth(query)) else _("historical")
    except URLRefused:
        return "-"


def _level(level: int) -> str:
    return "|".join(bit.name.lower() for bit in SecLevel(level) if bit.name) or "none"


def _time(text: str) -> float:
    if text.isascii() and text.isdigit():
        return float(text)
    moment = parse_datetime(text)
    if moment is None:
        raise ValueError("no time")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
