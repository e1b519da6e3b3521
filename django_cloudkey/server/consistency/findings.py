"""What an inspection tells: one thing that is not as it has to be, and what can be done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.utils.translation import gettext_lazy as _


class Kind(Enum):
    """What can be wrong: its name in scripts, what it means, what mends it."""

    ILLEGAL_STATE = (
        "illegal_state",
        _("its state does not exist, so nobody takes care of it"),
        _("for an asset: cloudkey_reprocess; for another row: delete it in the database"),
    )
    INCOMPLETE = (
        "incomplete",
        _("it is said to be ready and names no file, or no time"),
        _("cloudkey_reprocess"),
    )
    NO_JOB = (
        "no_job",
        _("assets of it are waiting, and no job will make them"),
        _("--repair queues a job"),
    )
    NO_LEASE = (
        "no_lease",
        _("it is said to be running without a lease, so no worker ever takes it"),
        _("--repair ends the lease, and a worker begins anew"),
    )
    NO_WORKER = (
        "no_worker",
        _("jobs have been due for long, and no worker takes them"),
        _("start cloudkey_worker, or look at its log"),
    )
    MISSING_FILE = (
        "missing_file",
        _("the storage does not have the file, so viewers get an error"),
        _("--repair has what was made here made again; restore a source from a backup"),
    )
    WRONG_SIZE = (
        "wrong_size",
        _("the file is longer or shorter than it was"),
        _("cloudkey_reprocess; restore a source from a backup"),
    )
    FOREIGN_FILE = (
        "foreign_file",
        _("it names a file of another media, or one that another asset names"),
        _("cloudkey_reprocess, at once: viewers may get what is not for them"),
    )
    ORPHAN_FILE = (
        "orphan_file",
        _("no row names the file"),
        _("--repair has the worker remove it"),
    )
    NOT_REMOVED = (
        "not_removed",
        _("files that nothing needs have been waiting for long to be removed"),
        _("start cloudkey_worker, or look in its log for what the storage says"),
    )
    LEFTOVER = (
        "leftover",
        _("it has expired, and nobody swept it up"),
        _("--repair sweeps; a worker does so every minute"),
    )
    NOT_SENT = (
        "not_sent",
        _("notifications have been due for long, and nobody sends them"),
        _("start cloudkey_worker, or look at its log"),
    )
    UNREADABLE_KEY = (
        "unreadable_key",
        _("its key was encrypted with another SECRET_KEY, so its calls are refused"),
        _("put the old one into SECRET_KEY_FALLBACKS and run cloudkey_account reencrypt"),
    )

    def __init__(self, label: str, meaning: Any, remedy: Any) -> None:
        self.label = label
        self.meaning = meaning
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it has to be."""

    kind: Kind
    about: str
    """Which row, ``<table> <key>``, or ``file <name>``."""
    detail: str = ""
    """Such as the state, or the file."""
    mend: Callable[[], bool] | None = None
    """Looks again and mends it, where that is safe; says whether it did."""
