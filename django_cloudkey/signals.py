"""
Signals of what a cloud told the site by its webhook. The sender is ``Event``; receivers get

``account``
    Alias in ``CLOUDKEYS`` under which it was told.
``media``
    Id of the media; no row may hold it, or not yet.
``event``
    All of it: an :class:`~django_cloudkey.protocol.events.Event`.

They come at least once, after the columns were written and outside any transaction of ours. If a
receiver raises, the cloud is told so, and every receiver is called again when it sends the
notification once more. What a newer notification has overtaken is not signalled.
"""

from __future__ import annotations

from django.dispatch import Signal

media_ready = Signal()
"""All assets of a media are made."""

media_failed = Signal()
"""All work on a media is done, and some of it failed: see ``event.assets``."""

media_deleted = Signal()
"""A media is not on the cloud any more."""

asset_ready = Signal()
"""One asset of a media is made; ``asset`` is its name."""
