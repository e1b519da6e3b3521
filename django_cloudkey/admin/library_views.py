"""
The media library: all media of an account, those without a row included.

Its page is a shell that waits for nobody. It asks :meth:`LibraryViews.media_view` for one page of
media at a time; without JavaScript a link leads there, and the same view is a page of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.core import signing
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.formats import number_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .. import uploads
from ..conf import DEFAULT_ALIAS
from ..connection import cloudkeys
from ..library import BadQuery, LibraryPage, library_page
from ..media_state import clock
from ..models import DELETE_MEDIA, Upload
from ..plain_text import printable
from ..protocol.exceptions import NotFound, RPCException
from ..rows import aliases_of
from ..views import outside_transactions, remote_failure
from .held_rows import HeldBy, shown_rows

SALT = "django_cloudkey.admin.delete"
CHOICE_AGE = 24 * 3600  # seconds in which what was offered for deletion can be deleted


@dataclass(frozen=True, slots=True)
class Choice:
    """A media that a page of the library offered to a user for deletion; signed, it names it."""

    account: str
    media: str
    title: str
    user: str

    def sign(self) -> str:
        return signing.dumps([self.account, self.media, self.title, self.user], salt=SALT)

    @classmethod
    def read(cls, text: str, user: str) -> Choice:
        """Return what was signed for *user*; raises PermissionDenied if nothing was."""
        try:
            choice = cls(*signing.loads(text, salt=SALT, max_age=CHOICE_AGE))
        except (signing.BadSignature, TypeError, ValueError) as error:
            raise PermissionDenied from error
        if choice.user != user:
            raise PermissionDenied
        return choice


class LibraryViews:
    """The library's views, for the ``ModelAdmin`` of ``Upload``."""

    admin_site: admin.AdminSite

    def library_urls(self) -> list[URLPattern]:
        views = {
            "library": ("library/", self.library_view),
            "library_media": ("library/media/", self.media_view),
            "library_delete": ("library/delete/", self.delete_media_view),
        }
        return [
            path(
                route,
                outside_transactions(self.admin_site.admin_view(view)),
                name=f"django_cloudkey_{name}",
            )
            for name, (route, view) in views.items()
        ]

    def library_url(self, name: str, **query: str) -> str:
        url = reverse(f"{self.admin_site.name}:django_cloudkey_{name}")
        given = {key: value for key, value in query.items() if value}
        return f"{url}?{urlencode(given)}" if given else url

    def may_delete_media(self, request: HttpRequest) -> bool:
        """Say whether the user may delete media in the library."""
        return request.user.has_perm(DELETE_MEDIA)

    def library_view(self, request: HttpRequest) -> HttpResponse:
        """Show the library's page, before anything is known of the media."""
        question = self._question(request)
        context = self._context(request, question)
        return render(request, "admin/django_cloudkey/library.html", context)

    def media_view(self, request: HttpRequest) -> HttpResponse:
        """
        Ask the cloud for a page of media and show it; to the library's script as JSON.

        That is ``{"html", "status"}``, or ``{"error"}`` for people to read.
        """
        question = self._question(request)
        shown: dict[str, Any] = {}
        failure, status = "", 200
        try:
            page = library_page(
                question["account"], query=question["query"], after=question["after"]
            )
        except (BadQuery, ImproperlyConfigured) as error:
            failure, status = str(error), 400
        except RPCException as error:
            failure, status = remote_failure(error), 502
        else:
            shown = self._shown(request, question, page)
        if "application/json" not in request.headers.get("Accept", ""):
            context = self._context(request, question, page="library_media")
            context |= {**shown, "is_plain": True, "failure": failure}
            return render(request, "admin/django_cloudkey/library.html", context, status=status)
        if failure:
            return JsonResponse({"error": failure}, status=status)
        html = render_to_string("admin/django_cloudkey/library_media.html", shown, request)
        return JsonResponse({"html": html, "status": shown["status"]})

    def delete_media_view(self, request: HttpRequest) -> HttpResponse:
        """Show what is about to be deleted, and delete it when that is confirmed."""
        self._check_may_view(request)
        if not self.may_delete_media(request):
            raise PermissionDenied
        given = request.POST if request.method == "POST" else request.GET
        choice = Choice.read(given.get("choice", ""), str(request.user.pk))
        if choice.account not in cloudkeys:
            raise Http404
        held = shown_rows(self.admin_site, request, choice.account, [choice.media])[choice.media]
        failure, status = "", 200
        if request.method == "POST" and not held:
            failure, status = self._delete(request, choice)
            if not failure:
                return HttpResponseRedirect(self.library_url("library", account=choice.account))
        records = Upload.objects.filter(_records(choice))
        context = {
            **self._common(request),
            "title": _("Delete a video from the video cloud"),
            "choice": choice,
            "token": given["choice"],
            "held": held,
            "waiting": next((each for each in records if each.is_waiting), None),
            "failure": failure,
            "library_url": self.library_url("library", account=choice.account),
            "media_url": self.library_url(
                "library_media", account=choice.account, query=choice.media
            ),
        }
        return render(request, "admin/django_cloudkey/library_delete.html", context, status=status)

    def _delete(self, request: HttpRequest, choice: Choice) -> tuple[str, int]:
        """Delete a media and say so; return why that failed, "" if it did not, and the status."""
        records = _records(choice)
        if not uploads.let_go(
            choice.media, account=choice.account, records=records, even_waiting=True
        ):
            return _("A row shows it by now. Nothing was deleted."), 409
        try:
            cloudkeys[choice.account].media.delete(id=choice.media)
        except NotFound:
            pass
        except RPCException as error:
            return remote_failure(error), 502
        title = choice.title or choice.media
        LogEntry.objects.create(
            user_id=str(request.user.pk),
            content_type=get_content_type_for_model(Upload),
            object_id=choice.media,
            object_repr=printable(title)[:200],
            action_flag=DELETION,
        )
        messages.success(request, _("The video “%(title)s” was deleted.") % {"title": title})
        return "", 200

    def _question(self, request: HttpRequest) -> dict[str, str]:
        """Return what is asked for: ``account``, ``query``, ``after``."""
        self._check_may_view(request)
        account = request.GET.get("account", "")
        if account and account not in cloudkeys:
            raise Http404
        query, after = request.GET.get("query", ""), request.GET.get("after", "")
        return {"account": account or _first_alias(), "query": query.strip(), "after": after}

    def _check_may_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied

    def _common(self, request: HttpRequest) -> dict[str, Any]:
        request.current_app = self.admin_site.name
        return {**self.admin_site.each_context(request), "opts": Upload._meta}

    def _context(
        self, request: HttpRequest, question: dict[str, str], *, page: str = "library"
    ) -> dict[str, Any]:
        account, query = question["account"], question["query"]
        accounts = [
            {"alias": alias, "url": self.library_url(page, account=alias, query=query)}
            for alias in sorted(cloudkeys)
        ]
        return {
            **self._common(request),
            **question,
            "title": _("Media library"),
            "accounts": accounts,
            "library_url": self.library_url("library"),
            "media_url": self.library_url("library_media"),
            "first_url": self.library_url("library_media", account=account, query=query),
            "skeletons": range(8),
        }

    def _shown(
        self, request: HttpRequest, question: dict[str, str], page: LibraryPage
    ) -> dict[str, Any]:
        account, user = question["account"], str(request.user.pk)
        media = [each["id"] for each in page.media]
        held = shown_rows(self.admin_site, request, account, media) if media else {}
        cards = [self._card(account, user, each, held[each["id"]]) for each in page.media]
        return {
            **question,
            "cards": cards,
            "may_delete": self.may_delete_media(request),
            "status": _status(page, question["query"]),
            "next_url": page.next
            and self.library_url("library_media", **{**question, "after": page.next}),
        }

    def _card(self, account: str, user: str, media: dict[str, Any], held: HeldBy) -> dict[str, Any]:
        choice = Choice(account, media["id"], media["title"], user)
        created, duration = media["created"], media.get("duration")
        return {
            **media,
            "created": datetime.fromtimestamp(created, UTC) if created is not None else None,
            "length": clock(duration) if duration is not None else "",
            "held": held,
            "delete_url": self.library_url("library_delete", choice=choice.sign()),
        }


def _first_alias() -> str:
    """Return the alias that is shown before one is chosen; ``"default"`` if there is none."""
    return min(cloudkeys, key=lambda alias: (alias != DEFAULT_ALIAS, alias), default=DEFAULT_ALIAS)


def _records(choice: Choice) -> Q:
    return Q(media=choice.media, account__in=aliases_of(choice.account))


def _status(page: LibraryPage, query: str) -> str:
    """Return a sentence that says how many there are."""
    if page.total is None:
        return ""
    values = {"count": number_format(page.total, force_grouping=True), "query": query}
    if query:
        text = ngettext(
            "%(count)s video for “%(query)s”", "%(count)s videos for “%(query)s”", page.total
        )
    else:
        text = ngettext("%(count)s video", "%(count)s videos", page.total)
    return text % values
