"""
The contract: what a CloudKey client and a CloudKey server must agree on, to the byte.

Pure functions and frozen values on the standard library alone. The client signs with this package
and the server verifies with it, so the two cannot drift apart.

A call is one JSON object posted to ``<base URL>/api``::

    {"call": "media.info", "args": {"id": "…", "fields": ["id"]}, "auth": "<user>:<md5>"}

and its answer holds exactly one of ``result`` and ``error``. A signed URL carries its right in one
query parameter::

    <base URL>/embed/<user>/<media>?auth=<expires>-<level>-<nonce>-<digest>[-<public part>]
"""
