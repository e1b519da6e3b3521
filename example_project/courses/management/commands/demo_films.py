"""``manage.py demo_films``: a part of ``manage.py demo`` that needs the cloud's address and key."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from courses.curriculum import LessonPlan, lessons_without_film
from courses.films import draw_film
from courses.models import Lesson
from django_cloudkey import RPCException
from django_cloudkey.server.transcoding.errors import ToolMissing
from django_cloudkey.server.transcoding.tools import find_tools
from django_cloudkey.uploads import upload_media


class Command(BaseCommand):
    help = str(gettext_lazy("Draw a film for each sample lesson that has none, and upload it."))

    def handle(self, *args: Any, **options: Any) -> None:
        # SIGTERM as an exception, so that a running ffmpeg is stopped too.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        folder = settings.DATA / "films"
        folder.mkdir(parents=True, exist_ok=True)
        for plan, lesson in lessons_without_film():
            self._furnish(plan, lesson, folder / f"{plan.slug}.mp4")

    def _furnish(self, plan: LessonPlan, lesson: Lesson, path: Path) -> None:
        try:
            if not path.exists():
                draw_film(find_tools().ffmpeg, plan.sky, path)
            if plan.is_uploaded:
                assets = Lesson._meta.get_field("video").assets
                lesson.video = upload_media(path, title=plan.title, assets=assets)
                lesson.save(update_fields=["video"])
                done = _("Uploaded: %(title)s")
            else:
                with path.open("rb") as file:
                    lesson.recording.save(path.name, File(file), save=False)
                lesson.save(update_fields=["recording"])
                done = _("Drawn, for the admin’s action to upload: %(title)s")
        except subprocess.CalledProcessError as error:
            raise CommandError(
                _("ffmpeg could not draw the film: %(reason)s") % {"reason": error.stderr.strip()}
            ) from error
        except (ToolMissing, subprocess.TimeoutExpired) as error:
            raise CommandError(str(error)) from error
        except (RPCException, OSError) as error:
            raise CommandError(
                _("The film of “%(title)s” was not uploaded: %(reason)s")
                % {"title": plan.title, "reason": error}
            ) from error
        path.unlink()
        self.stdout.write(done % {"title": plan.title})
        self.stdout.flush()
