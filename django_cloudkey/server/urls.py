"""
The cloud's addresses; include them under any prefix, the root too.

What follows the first word belongs to the grammar of ``protocol.urls``: views parse it there.
"""

from __future__ import annotations

from itertools import product

from django.contrib.auth.decorators import login_not_required
from django.db import connections, transaction
from django.urls import path, re_path

from .delivery.views import serve
from .player.views import embed
from .rpc.views import api
from .uploads.views import progress, upload

app_name = "cloudkey_server"

urlpatterns = [
    path("api", api, name="api"),
    # A base URL that ends in /api gets /api once more from historical clients.
    path("api/api", api),
    path("upload", upload, name="upload"),
    path("progress", progress, name="progress"),
    re_path(r"^(?P<path>(?:player/)?embed/.*)$", embed, name="embed"),
    re_path(r"^(?P<path>route/.*)$", serve, name="stream"),
    re_path(r"^(?P<path>[0-9a-f]{24}/[0-9a-f]{24}/jpeg_thumbnail_.*)$", serve, name="thumbnail"),
]

# ATOMIC_REQUESTS is for the site's views: an upload would keep its database locked to the end, and
# what counts refused calls would be taken back with them.
for _pattern, _alias in product(urlpatterns, connections):
    transaction.non_atomic_requests(using=_alias)(_pattern.callback)

# Signatures let in, no session does, also where LoginRequiredMiddleware asks everybody for one.
for _pattern in urlpatterns:
    login_not_required(_pattern.callback)
