"""
A job, from claim to publication: probe the source, encode, verify, store, commit.

Files reach viewers by one commit: the rows that name them change in the same transaction that
closes the job, and only if the job still carries this worker's claim.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import Error
from django.db.models import QuerySet
from django.utils import timezone

from ..protocol.assets import SOURCE, UNFINISHED, extension_of
from ..protocol.events import EventType
from . import files, jobs, notifications
from .conf import cloud
from .models import Asset, DiscardedFile, Job, Media, atomic, disconnect
from .transcoding.errors import Cancelled, EncodingFailed, NotAVideo, ToolMissing, TranscodingError
from .transcoding.presets import PRESETS
from .transcoding.probe import Budget, Probe, check_budget, probe
from .transcoding.runner import Limits
from .transcoding.tools import Tools, find_tools
from .transcoding.transcode import Rendition, transcode

logger = logging.getLogger(__name__)

MAX_FRAME_RATE = 60  # frames per second, on average over the longest source that is taken
MADE = frozenset(PRESETS)
"""Names of the assets that this server makes."""
RETRY_DELAY = 5  # seconds before the second attempt; doubles from one to the next


def require_tools() -> None:
    """Raise ImproperlyConfigured, with a sentence, unless there is an ffmpeg to work with."""
    try:
        find_tools(cloud.ffmpeg, cloud.ffprobe)
    except ToolMissing as error:
        raise ImproperlyConfigured(str(error)) from error


def process(job: Job, stop: Callable[[], bool]) -> None:
    """
    Carry *job* out and close it: done, queued again, or failed with a reason on each asset.

    Args:
        stop: Asked a few times a second; True ends the work and gives the job back.

    Raises:
        ClaimLost: the job became another worker's; nothing of this attempt is left.
    """
    # What is asked for from here on belongs to the next job.
    asked = set(_unfinished(job.media).values_list("pk", flat=True))
    try:
        if job.attempts > cloud.max_attempts:
            # Whoever tried before was killed each time and could not say why.
            reason = "The work was interrupted too often and was given up."
            _give_up(job, asked, "worker_lost", reason)
            return
        _discard_earlier_attempts(job)
        _make_assets(job, asked, stop)
    except Cancelled:
        jobs.release(job)
    except TranscodingError as error:
        _fail_or_retry(job, asked, error.code, str(error), is_permanent=error.is_permanent)
    except OSError as error:
        logger.warning("Job %s: %s", job.pk, error)
        reason = "The file could not be read or stored."
        _fail_or_retry(job, asked, "storage", reason, is_permanent=False)


def _make_assets(job: Job, asked: set[int], stop: Callable[[], bool]) -> None:
    media = job.media
    tools = find_tools(cloud.ffmpeg, cloud.ffprobe)
    asked -= _take_given(job, asked, tools, stop)
    source = media.assets.filter(name=SOURCE).exclude(file="").first()
    if source is None and not asked:
        _publish(job, {}, {})
        return
    if source is None:
        raise NotAVideo("There is no source to make assets from.")
    with (
        files.job_dir(f"{job.pk}-{job.claim}") as directory,
        files.local_copy(source.file, directory) as path,
    ):
        found = _probe(tools, path, stop)
        wanted = _start(job, source, found, asked)
        if not wanted:
            _publish(job, {}, {})
            return
        output = directory / "output"
        output.mkdir()
        renditions = transcode(
            tools,
            path,
            found,
            wanted,
            output,
            limits=Limits(),
            max_duration=cloud.max_duration,
            still_at=media.still_at,
            on_progress=_progress_writer(media),
            stop=stop,
        )
        _store_and_publish(job, renditions, wanted)


def _probe(tools: Tools, path: Path, stop: Callable[[], bool]) -> Probe:
    found = probe(tools, path, stop=stop)
    seconds = cloud.max_duration
    check_budget(found, Budget(max_duration=seconds, max_frames=seconds * MAX_FRAME_RATE))
    return found


def _take_given(job: Job, asked: set[int], tools: Tools, stop: Callable[[], bool]) -> set[int]:
    """Look at the files that were given as they are, publish or refuse each; return their rows."""
    given = _unfinished(job.media).filter(pk__in=asked).exclude(file="").exclude(name=SOURCE)
    rows = list(given)
    for asset in rows:
        with (
            files.job_dir(f"{job.pk}-{job.claim}") as directory,
            files.local_copy(asset.file, directory) as path,
        ):
            try:
                facts = facts_of(_probe(tools, path, stop)) | asset.facts
            except TranscodingError as error:
                if not error.is_permanent:
                    raise
                asset.status = Asset.Status.ERROR
                asset.error_code, asset.error_message = error.code, str(error)
            else:
                asset.status, asset.progress = Asset.Status.READY, 100
                asset.created, asset.facts = timezone.now(), facts
        with atomic():
            _lock(job.media)
            if not jobs.renew(job):
                raise jobs.ClaimLost(f"Job {job.pk} is no longer ours.")
            if given.filter(pk=asset.pk).exists():  # else removed or given anew meanwhile
                asset.save()
                failed = asset.status == Asset.Status.ERROR
                type = EventType.ASSET_FAILED if failed else EventType.ASSET_READY
                notifications.tell(job.media, (type, asset.name))
    return {asset.pk for asset in rows}


def _unfinished(media: Media) -> QuerySet[Asset]:
    return media.assets.filter(status__in=UNFINISHED)


def _start(job: Job, source: Asset, found: Probe, asked: set[int]) -> dict[str, int]:
    """Mark the source ready and what is asked for as being made; return its names and rows."""
    mine = _unfinished(job.media).filter(pk__in=asked, file="")
    waiting = mine.filter(name__in=PRESETS)
    unknown = mine.exclude(name__in=PRESETS)
    with atomic():
        _lock(job.media)
        if not jobs.renew(job):
            raise jobs.ClaimLost(f"Job {job.pk} is no longer ours.")
        if source.status != Asset.Status.READY:
            extension = source.facts.get("file_extension", "")
            facts = {**facts_of(found), "file_extension": extension}
            Asset.objects.filter(pk=source.pk).update(
                status=Asset.Status.READY,
                created=timezone.now(),
                facts=facts,
                duration=found.duration,
                progress=100,
                error_code="",
                error_message="",
            )
        wanted = dict(waiting.values_list("name", "pk"))
        waiting.update(status=Asset.Status.PROCESSING, progress=0)
        # Of another version of this program: waiting, they would be queued again for ever.
        failed = [(EventType.ASSET_FAILED, name) for name in unknown.values_list("name", flat=True)]
        unknown.update(
            status=Asset.Status.ERROR,
            error_code=EncodingFailed.code,
            error_message="Assets of this name are not made here.",
        )
        notifications.tell(job.media, *failed)
        if source.status != Asset.Status.READY:
            notifications.tell(job.media, (EventType.ASSET_READY, SOURCE))
    return wanted


def _progress_writer(media: Media) -> Callable[[int], None]:
    last = 0.0

    def write(percent: int) -> None:
        nonlocal last
        if time.monotonic() - last >= 1:
            last = time.monotonic()
            try:
                media.assets.filter(status=Asset.Status.PROCESSING).update(progress=percent)
            except Error:
                # Nobody loses hours of encoding for the sake of a progress bar.
                logger.warning("Media %s: its progress could not be noted", media.pk)
                disconnect()

    return write


def _store_and_publish(job: Job, renditions: dict[str, Rendition], wanted: dict[str, int]) -> None:
    prefix = f"{_prefix(job.media)}/{job.claim}"
    stored: dict[str, tuple[str, Rendition]] = {}
    for name, rendition in renditions.items():
        target = f"{prefix}/{name}.{extension_of(name)}"
        stored[name] = (files.store(rendition.path, target), rendition)
    # All this may have taken hours, in which the connection was idle and somebody cut it.
    disconnect()
    try:
        _publish(job, stored, wanted)
    except jobs.ClaimLost:
        # Only here is it certain that no row names these files: any other failure may have come
        # after the commit, and the next attempt sees which files are named and removes the rest.
        for file, _ in stored.values():
            files.remove(file)
        raise


def _publish(job: Job, stored: dict[str, tuple[str, Rendition]], wanted: dict[str, int]) -> None:
    with atomic():
        _lock(job.media)
        jobs.finish(job)
        rows = Asset.objects.in_bulk(list(wanted.values()))
        made = []
        for name, (file, rendition) in stored.items():
            asset = rows.get(wanted[name])
            if asset is None:  # removed or asked for anew while it was made
                DiscardedFile.discard([file])
                continue
            asset.status = Asset.Status.READY
            asset.progress = 100
            asset.file = file
            asset.created = timezone.now()
            asset.facts = facts_of(rendition.probe)
            asset.error_code = asset.error_message = ""
            asset.save()
            made.append((EventType.ASSET_READY, name))
        jobs.requeue_if_pending(job.media)
        notifications.tell(job.media, *made, *notifications.outcome(job.media))
    logger.info("Media %s: %d assets ready", job.media_id, len(stored))


def _fail_or_retry(
    job: Job, asked: set[int], code: str, message: str, *, is_permanent: bool
) -> None:
    if is_permanent or job.attempts >= cloud.max_attempts:
        _give_up(job, asked, code, message)
        return
    delay = RETRY_DELAY * 2 ** (job.attempts - 1)
    logger.warning("Job %s: %s; trying again in %d s", job.pk, code, delay)
    jobs.retry(job, delay)


def _give_up(job: Job, asked: set[int], code: str, message: str) -> None:
    try:
        found = list(files.names_under(_prefix(job.media)))
    except OSError as error:
        logger.warning("Media %s: files of its attempts may be left: %s", job.media_id, error)
        found = []
    with atomic():
        _lock(job.media)
        jobs.fail(job)
        failing = _unfinished(job.media).filter(pk__in=asked)
        failed = [(EventType.ASSET_FAILED, name) for name in failing.values_list("name", flat=True)]
        failing.update(
            status=Asset.Status.ERROR, progress=0, error_code=code, error_message=message
        )
        jobs.requeue_if_pending(job.media)
        notifications.tell(job.media, *failed, *notifications.outcome(job.media))
    logger.warning("Media %s: %s (%s)", job.media_id, message, code)
    try:
        _remove_unnamed(job.media, found)
    except OSError as error:
        logger.warning("Media %s: files of its attempts may be left: %s", job.media_id, error)


def _discard_earlier_attempts(job: Job) -> None:
    """Remove what attempts that were killed left in the storage, where no row names it."""
    found = list(files.names_under(_prefix(job.media)))
    if not found:
        return
    if not jobs.renew(job):
        raise jobs.ClaimLost(f"Job {job.pk} is no longer ours.")
    _remove_unnamed(job.media, found)


def _remove_unnamed(media: Media, found: list[str]) -> None:
    """
    Remove what was *found* and no row names.

    In this order: find it, write something that only the holder of the claim may write, call this.
    So what a newer attempt stores is not in the list, and what an older one published is named.
    """
    named = set(media.assets.exclude(file="").values_list("file", flat=True))
    for name in found:
        if name not in named:
            files.remove(name)


def _lock(media: Media) -> None:
    """Wait for whoever changes what is asked of *media*, and keep others from it."""
    Media.objects.select_for_update().filter(pk=media.pk).first()


def _prefix(media: Media) -> str:
    return f"{files.MADE_UNDER}{media.account_id}/{media.pk}"


def facts_of(found: Probe) -> dict[str, Any]:
    """Return what the wire says of a file, see protocol reference §4.2."""
    facts: dict[str, Any] = {
        "container": found.container,
        "file_size": found.size,
        "video_codec": found.video_codec,
        "video_width": found.width,
        "video_height": found.height,
    }
    if found.container == "JPEG":
        return facts
    facts |= {
        "duration": round(found.duration),
        "global_bitrate": found.bit_rate,
        "video_bitrate": found.video_bit_rate,
        "audio_bitrate": found.audio_bit_rate,
        "audio_codec": found.audio_codec,
        "audio_nbr_channel": found.audio_channels,
        "audio_samplerate": found.audio_sample_rate,
        "video_fps": float(found.frame_rate) if found.frame_rate else None,
        "video_aspect": found.width / found.height if found.height else None,
        "video_rotation": float(found.rotation),
        "video_interlaced": found.interlaced,
    }
    return facts
