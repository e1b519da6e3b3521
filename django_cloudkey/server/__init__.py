"""
The cloud: an app that answers CloudKey clients.

It receives calls and uploads, turns sources into assets, and hands them to the viewers whose
signed addresses it verifies. Install ``"django_cloudkey.server"`` only where that happens.
"""
