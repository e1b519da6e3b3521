"""
A site in a process that cannot open a socket: what never waits for the network, done once each.

Run by :mod:`.test_offline` with the name of a transport. An audit hook sees every connection and
every look-up of a name, of whatever library, and cannot be taken off again.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import Any

ATTEMPTS: list[str] = []
FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
MEDIA = "4d0c0ffee0000000000000aa"
TAGS = (
    "{% load cloudkey %}{% for lesson in lessons %}"
    "{% cloudkey_embed lesson.video title=lesson.title %}"
    "{% cloudkey_embed_url lesson.video as player %}{% cloudkey_stream_url lesson.video %}"
    "{% cloudkey_thumbnail_url lesson.video %}{% cloudkey_video lesson.video %}{% endfor %}"
)


def refuse(event: str, args: tuple[Any, ...]) -> None:
    if event in FORBIDDEN:
        ATTEMPTS.append(event)
        raise OSError(f"{event} is refused")


sys.addaudithook(refuse)


def main() -> None:
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    settings.CLOUDKEYS["default"]["TRANSPORT"] = sys.argv[1]
    watch_calls_in_the_process()
    for database in ("default", "cloud"):
        call_command("migrate", database=database, verbosity=0)
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    call_command("check", deploy=True, verbosity=0)
    rows()
    pages = admin_pages()
    queries, length = tags()
    never = list(ATTEMPTS)

    from django_cloudkey import cloudkey
    from django_cloudkey.client import RPCException

    with suppress(RPCException):
        cloudkey.media.list()
    report = {"never": never, "pages": pages, "queries": queries, "length": length}
    json.dump({**report, "remote": ATTEMPTS[len(never) :]}, sys.stdout)


def watch_calls_in_the_process() -> None:
    """Note the calls of a cloud that needs no socket."""
    from django_cloudkey.in_process import InProcessTransport

    exchange: Any = InProcessTransport._exchange

    def note(self: Any, *args: Any) -> Any:
        ATTEMPTS.append("call in the process")
        return exchange(self, *args)

    setattr(InProcessTransport, "_exchange", note)  # noqa: B010


def rows() -> None:
    """Validate, save, load, print, compare and delete rows, by themselves and through a form."""
    from django.forms import modelform_factory

    from django_cloudkey.references import Reference
    from tests.testapp.models import Episode, Lesson

    for model in (Lesson, Episode):  # the second deletes media with its rows, and has companions
        row = model(title="a", video=MEDIA)
        row.full_clean()
        row.save()
        loaded = model.objects.only("title").get(video=MEDIA)
        assert loaded.video == MEDIA
        assert MEDIA in f"{loaded.video} {loaded.video!r} {loaded.video.embed_url()}"
        label = f"testapp.{model._meta.model_name}.video"
        data = {"title": "b", "video": Reference(media=MEDIA, field=label).sign()}
        form = modelform_factory(model, fields=["title", "video"])(data, instance=loaded)
        assert form.as_p()
        assert form.is_valid(), form.errors
        form.save()
    Lesson.objects.get().delete()


def admin_pages() -> list[int]:
    """Ask for lists and forms of the admin; return their statuses."""
    from django.contrib.auth.models import User
    from django.test import Client

    from tests.testapp.models import Lesson

    Lesson.objects.create(title="a", video=MEDIA)
    browser = Client()
    browser.force_login(User.objects.create_superuser("editor"))
    paths = ["", "add/", f"{Lesson.objects.get().pk}/change/"]
    return [browser.get(f"/admin/testapp/lesson/{path}").status_code for path in paths]


def tags() -> tuple[int, int]:
    """Render a thousand rows with each tag; return the number of queries, and of characters."""
    from django.db import connection
    from django.template import Context, Template
    from django.test.utils import CaptureQueriesContext

    from tests.testapp.models import Lesson

    lessons = [Lesson(title=f"Lesson {number}", video=MEDIA) for number in range(1_000)]
    template = Template(TAGS)
    with CaptureQueriesContext(connection) as queries:
        html = template.render(Context({"lessons": lessons}))
    return len(queries), len(html)


main()
