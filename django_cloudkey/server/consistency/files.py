"""Rows beside the storage: a file for each name, a name for each file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from functools import partial

from django.db.models import Count
from django.utils import timezone

from ...protocol.assets import SOURCE
from .. import asset_requests, discards
from ..batches import batches_of
from ..files import MADE_UNDER, RECEIVED_UNDER, StoredFile, storage
from ..models import Asset, DiscardedFile, Job, Media, UploadSlot, atomic
from .findings import Finding, Kind
from .listing import Listing
from .rows import about


def asset_files(listing: Listing) -> Iterator[Finding]:
    """Find assets whose file is not there, has another size, or is another's."""
    rows = Asset.objects.exclude(file="").select_related("media")
    rows = rows.only("media__account_id", "name", "status", "file", "facts")
    for batch in batches_of(rows):
        names = {asset.file for asset in batch}
        sizes, shared = listing.sizes(names), _shared(names)
        for asset in batch:
            if asset.file in shared or _is_of_another(asset):
                yield Finding(Kind.FOREIGN_FILE, about(asset), asset.file)
            size = asset.facts.get("file_size") if asset.status == Asset.Status.READY else None
            kind = _compare(asset.file, size, sizes)
            if kind is not None and Asset.objects.filter(pk=asset.pk, file=asset.file).exists():
                mend = partial(_make_again, asset) if _is_made_again(kind, asset) else None
                yield Finding(kind, about(asset), asset.file, mend)


def upload_files(listing: Listing) -> Iterator[Finding]:
    """Find uploads that ended well and whose file is not there, or has another size."""
    done = UploadSlot.objects.filter(state=UploadSlot.State.DONE)
    for batch in batches_of(done):
        sizes = listing.sizes({slot.file for slot in batch})
        for slot in batch:
            kind = _compare(slot.file, slot.size, sizes)
            if kind is not None and done.filter(pk=slot.pk).exists():
                yield Finding(kind, about(slot), slot.file)


def orphan_files(listing: Listing, older_than: timedelta) -> Iterator[Finding]:
    """Find files that no row names, and that nobody is about to name."""
    limit = (timezone.now() - older_than).timestamp()
    for batch in listing.batches():
        # In this order: what leaves one of these in a transaction is in the next.
        being_stored = _being_stored(file.name for file in batch)
        named = _named({file.name for file in batch})
        for file in batch:
            if file.name in named or _is_among(file.name, being_stored):
                continue
            if _modified(file) < limit and storage().exists(file.name):
                yield Finding(Kind.ORPHAN_FILE, f"file {file.name!a}", mend=partial(_discard, file))


def _compare(name: str, size: object, sizes: dict[str, int | None]) -> Kind | None:
    """Return what is wrong with a file, having asked the storage again."""
    if name not in sizes:
        if not storage().exists(name):
            return Kind.MISSING_FILE
        sizes = {name: None}
    if not isinstance(size, int) or sizes[name] == size:
        return None
    try:
        return Kind.WRONG_SIZE if storage().size(name) != size else None
    except FileNotFoundError:
        return Kind.MISSING_FILE


def _shared(names: Collection[str]) -> set[str]:
    """Return what several rows name, but for sources: those may be of several media of an owner."""
    rows = Asset.objects.filter(file__in=names).order_by().values("file")
    rows = rows.annotate(number=Count("pk"), owners=Count("media__account", distinct=True))
    return {
        row["file"]
        for row in rows.filter(number__gt=1)
        if row["owners"] > 1 or row["file"].startswith(MADE_UNDER)
    }


def _is_of_another(asset: Asset) -> bool:
    own = f"{MADE_UNDER}{asset.media.account_id}/{asset.media_id}/"
    return asset.file.startswith(MADE_UNDER) and not asset.file.startswith(own)


def _is_made_again(kind: Kind, asset: Asset) -> bool:
    is_made = asset.name != SOURCE and asset.file.startswith(MADE_UNDER)
    return kind is Kind.MISSING_FILE and is_made


def _make_again(asset: Asset) -> bool:
    """Ask for an asset anew if its source is there: else the storage may only be out of reach."""
    with atomic():
        media = Media.objects.select_for_update().filter(pk=asset.media_id).first()
        if media is None or not media.assets.filter(pk=asset.pk, file=asset.file).exists():
            return False
        source = media.assets.filter(name=SOURCE).exclude(file="").first()
        if source is None or not storage().exists(source.file) or storage().exists(asset.file):
            return False
        asset_requests.remake(media, [asset.name])
    return True


def _discard(file: StoredFile) -> bool:
    """Note a file for removal; the worker looks once more whether a row names it."""
    DiscardedFile.discard([file.name])
    return True


def _being_stored(names: Iterable[str]) -> set[str]:
    """Return the claims and uploads in *names* that are at work and will name their files."""
    keys = {_key(name) for name in names}
    claims = Job.objects.filter(state=Job.State.RUNNING, claim__in=keys)
    slots = UploadSlot.objects.filter(pk__in=keys, state=UploadSlot.State.RECEIVING)
    return {*claims.values_list("claim", flat=True), *slots.values_list("pk", flat=True)}


def _is_among(name: str, keys: set[str]) -> bool:
    return _key(name) in keys


def _key(name: str) -> str:
    """Return the claim of ``media/<account>/<media>/<claim>/…``, the slot of ``uploads/<slot>``."""
    parts = name.split("/")
    return parts[1] if name.startswith(RECEIVED_UNDER) else (parts + [""] * 4)[3]


def _named(names: Collection[str]) -> set[str]:
    waiting = DiscardedFile.objects.filter(name__in=names).values_list("name", flat=True)
    return discards.named(names) | set(waiting)


def _modified(file: StoredFile) -> float:
    """Return when a file was stored; for a storage that cannot tell, long ago."""
    if file.modified is not None:
        return file.modified
    try:
        return storage().get_modified_time(file.name).timestamp()
    except NotImplementedError:
        return 0
    except FileNotFoundError:
        return float("inf")
