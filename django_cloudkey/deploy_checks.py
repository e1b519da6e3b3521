"""
What ``check --deploy`` says of accounts: settings that work on a desk and harm a public site.

Each judges by settings alone, and only where they prove it: no network, no database. A site whose
settings leave a question open, such as ``ALLOWED_HOSTS = ["*"]``, hears nothing of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.http.request import validate_host
from django.utils.http import is_same_domain

from .checks import shares_sqlite
from .conf import NAME, AccountSettings, aliases, read_account
from .in_process import cloud_database, own_cloud
from .protocol.seclevel import SecLevel
from .rows import media_fields
from .setting_values import IN_PROCESS
from .viewers import OF_PAGE, viewer_of

LOCAL_HOSTS = (".localhost", "127.0.0.1", "[::1]")
CACHE_MIDDLEWARE = {
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One alias, and the levels of the addresses that pages sign for it."""

    alias: str
    settings: AccountSettings
    levels: dict[str, int]
    """Where a level is set → the level."""

    @property
    def place(self) -> str:
        return f'{NAME}["{self.alias}"]'

    @property
    def host(self) -> str:
        """Where the player is, as ``ALLOWED_HOSTS`` writes hosts."""
        return _host(self.settings.base_url)

    def places(self, of: int, without: int = 0) -> str:
        """Return where a level is set that has a bit of *of* and none of *without*."""
        found = [p for p, level in self.levels.items() if level & of and not level & without]
        return " and ".join(found)


@register(Tags.security, deploy=True)
def check_deployment(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Every account that a client can be made from; the others are errors already."""
    return [message for account in _accounts() for check in CHECKS for message in check(account)]


def _accounts() -> Iterator[Account]:
    fields = list(media_fields())
    for alias in aliases():
        chosen = read_account(alias, [])
        if chosen is None:
            continue
        levels = {f'{NAME}["{alias}"]["SECLEVEL"]': chosen.seclevel.value}
        for field in fields:
            if field.account == alias and field.seclevel is not None:
                levels[f"seclevel of {field.label}"] = field.seclevel.value
        yield Account(alias=alias, settings=chosen, levels=levels)


# The checks; each yields what it has to say of one account


def _plain_http(account: Account) -> Iterator[CheckMessage]:
    chosen = account.settings
    urls = {"BASE_URL": chosen.base_url, "CDN_URL": chosen.cdn_url, "STATIC_URL": chosen.static_url}
    for key, url in urls.items():
        # What stays on this machine is overheard by nobody.
        if url and url.startswith("http://") and not validate_host(_host(url), LOCAL_HOSTS):
            parts = urlsplit(url)
            safe = parts._replace(scheme="https", netloc=_host(url)).geturl()
            yield Warning(
                f'{account.place}["{key}"] is http: whoever is on the way can repeat calls, use '
                "the addresses of viewers, and watch.",
                hint=f'Have the cloud answer under TLS, and write "{key}": "{safe}".',
                id="cloudkey.W020",
            )


def _session_cookie(account: Account) -> Iterator[CheckMessage]:
    reason = _why_cookie_is_sent(account)
    if reason and apps.is_installed("django.contrib.sessions"):
        yield Warning(
            f'{account.place}["BASE_URL"] is on {account.host}, which gets the session cookie of '
            f"the site (see {reason}): players send it to the cloud, and whoever breaks into the "
            "cloud or its player can act as the viewer.",
            hint="Give the cloud a host name of its own, which SESSION_COOKIE_DOMAIN does not "
            'cover: "BASE_URL": "https://video.example.org".',
            id="cloudkey.W021",
        )


def _why_cookie_is_sent(account: Account) -> str:
    """Return the setting by which browsers send the session cookie to the cloud, if they do."""
    path = f"{settings.SESSION_COOKIE_PATH.rstrip('/')}/"
    if not f"{urlsplit(account.settings.base_url).path}/".startswith(path):
        return ""
    if domain := settings.SESSION_COOKIE_DOMAIN:
        is_covered = is_same_domain(account.host, f".{domain.lstrip('.')}".lower())
        return "SESSION_COOKIE_DOMAIN" if is_covered else ""
    return "ALLOWED_HOSTS" if _is_site(account.host) else ""


def _shared_sqlite(account: Account) -> Iterator[CheckMessage]:
    # In the process the same is a warning of every day: W001.
    own = str(own_cloud().get("BASE_URL")).rstrip("/")
    is_own = (
        account.settings.transport != IN_PROCESS and account.settings.base_url.rstrip("/") == own
    )
    if is_own and apps.is_installed("django_cloudkey.server") and shares_sqlite(cloud_database()):
        yield Warning(
            f"{account.place} is the cloud of this project, and its tables are in the site's "
            "SQLite database: a view that calls it inside atomic() waits for itself until the "
            "call times out.",
            hint='Give the cloud a database of its own: CLOUDKEY_SERVER["DATABASE"].',
            id="cloudkey.W022",
        )


def _referrer_policy(account: Account) -> Iterator[CheckMessage]:
    places = account.places(OF_PAGE)
    policy = settings.SECURE_REFERRER_POLICY or ""
    policies = policy.split(",") if isinstance(policy, str) else list(policy)
    last = policies[-1].strip() if policies else ""  # browsers go by the last one they know
    is_hidden = last == "no-referrer" or (last == "same-origin" and _is_site(account.host) is False)
    if (
        places
        and is_hidden
        and "django.middleware.security.SecurityMiddleware" in settings.MIDDLEWARE
    ):
        yield Warning(
            f"{places} asks which page an address is used on, and SECURE_REFERRER_POLICY = "
            f"{last!r} has browsers not tell the cloud. The level REFERER then holds nobody back, "
            "and REFERER_STRICT refuses everybody, but in {% cloudkey_embed %}, whose frame has a "
            "policy of its own.",
            hint='SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"',
            id="cloudkey.W023",
        )


def _any_host(account: Account) -> Iterator[CheckMessage]:
    places = account.places(OF_PAGE, without=SecLevel.DELEGATE)
    if places and "*" in settings.ALLOWED_HOSTS:
        yield Warning(
            f"{places} binds addresses to the host that the page was asked for, and "
            'ALLOWED_HOSTS has "*": a visitor may name any host, and take the address there.',
            hint='Name the hosts of the site: ALLOWED_HOSTS = ["www.example.org"].',
            id="cloudkey.W024",
        )


def _unknown_proxy(account: Account) -> Iterator[CheckMessage]:
    places = account.places(SecLevel.IP, without=SecLevel.DELEGATE)
    chosen = account.settings
    is_behind = (
        settings.SECURE_PROXY_SSL_HEADER
        or settings.USE_X_FORWARDED_HOST
        or settings.USE_X_FORWARDED_PORT
    )
    if places and is_behind and not chosen.trusted_proxies and chosen.viewer is viewer_of:
        yield Warning(
            f"{places} binds addresses to the viewer's IP address. The site is behind a proxy "
            "(SECURE_PROXY_SSL_HEADER, USE_X_FORWARDED_HOST or USE_X_FORWARDED_PORT is set) that "
            f'{account.place}["TRUSTED_PROXIES"] does not name: the proxy\'s address is signed.',
            hint='"TRUSTED_PROXIES": ["127.0.0.1", "::1"], the addresses of your proxies. Silence '
            "this if the web server puts the viewer's address into REMOTE_ADDR by itself.",
            id="cloudkey.W025",
        )


def _page_cache(account: Account) -> Iterator[CheckMessage]:
    lifetime, kept = account.settings.url_lifetime, settings.CACHE_MIDDLEWARE_SECONDS
    if CACHE_MIDDLEWARE.issubset(settings.MIDDLEWARE) and kept > lifetime:
        yield Warning(
            f"Pages stay in the cache for CACHE_MIDDLEWARE_SECONDS = {kept}, and the addresses on "
            f'them die after {account.place}["URL_LIFETIME"] = {lifetime} seconds.',
            hint=f'CACHE_MIDDLEWARE_SECONDS = {lifetime // 2} or "URL_LIFETIME": {kept + lifetime}',
            id="cloudkey.W026",
        )


def _two_hosts(account: Account) -> Iterator[CheckMessage]:
    places = account.places(SecLevel.IP, without=SecLevel.DELEGATE)
    if places and _is_site(account.host) is False:
        yield Warning(
            f"{places} binds addresses to the IP address under which the viewer asked for the "
            f"page. He asks for the video at another host, {account.host}: who reaches one of the "
            "two by IPv6 and the other by IPv4 is refused.",
            hint='"SECLEVEL": "delegate|ip"; or the same kind of '
            "addresses for both hosts in the DNS.",
            id="cloudkey.W027",
        )


def _written_key(account: Account) -> Iterator[CheckMessage]:
    module = os.environ.get("DJANGO_SETTINGS_MODULE", "")
    path = getattr(sys.modules.get(module), "__file__", None)
    try:
        source = Path(path).read_text(encoding="utf-8", errors="replace") if path else ""
    except OSError:
        return
    given = account.settings
    keys = [("API_KEY", given.api_key), ("SECRET", given.secret)]
    keys += [("WEBHOOK_SECRETS", secret) for secret in given.webhook_secrets]
    for name, secret in keys:
        if secret is not None and secret.reveal() in source:
            yield Warning(
                f'{account.place}["{name}"] is written in {module}: whoever can read the code, '
                "or an old version of it, has the account.",
                hint=f'"{name}": os.environ["CLOUDKEY_{name}"]',
                id="cloudkey.W028",
            )


CHECKS = (
    _plain_http,
    _session_cookie,
    _shared_sqlite,
    _referrer_policy,
    _any_host,
    _unknown_proxy,
    _page_cache,
    _two_hosts,
    _written_key,
)


# Hosts


def _host(url: str) -> str:
    host = urlsplit(url).hostname or ""
    return f"[{host}]" if ":" in host else host


def _is_site(host: str) -> bool | None:
    """Say whether pages of the site are at *host*; ``None`` where the settings leave it open."""
    hosts = [each.lower() for each in settings.ALLOWED_HOSTS]
    if settings.DEBUG and not hosts:
        hosts = [*LOCAL_HOSTS]
    if not hosts:
        return None
    if not validate_host(host, hosts):
        return False
    if host not in hosts:
        return None  # a pattern, which says only what may be
    # A project that serves site and cloud may do so under two names: which is which?
    others = {each.removeprefix("www.") for each in hosts} - {
        host.removeprefix("www."),
        "testserver",
    }
    is_alone = all(validate_host(each.lstrip("."), LOCAL_HOSTS) for each in others)
    return True if is_alone or not apps.is_installed("django_cloudkey.server") else None
