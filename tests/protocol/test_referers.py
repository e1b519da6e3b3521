"""Prefixes of pages against the address that a request says it comes from."""

from __future__ import annotations

import pytest

from django_cloudkey.protocol.referers import admits, parse_prefix


@pytest.mark.parametrize(
    ("prefix", "page", "is_admitted"),
    [
        ("https://example.org", "https://example.org/", True),
        ("https://example.org", "https://example.org.evil.example/", False),
        ("https://example.org/courses/", "https://example.org/courses/1?tab=2", True),
        ("https://example.org/courses/*", "https://example.org/courses/1", True),
        ("https://*.example.org", "https://www.example.org/a", True),
        ("https://*.example.org", "https://example.org/a", False),
        ("https://example.org/watch?course=5", "https://example.org/watch?course=5&t=1", True),
        ("https://example.org/watch?course=5", "https://example.org/watch?course=6", False),
        ("https://example.org/watch?course=5", "https://example.org/watch", False),
        ("https://example.org/watch?course=5#top", "https://example.org/watch?course=5", True),
        ("https://example.org/watch", "https://example.org/watch?course=6", True),
    ],
)
def test_t154_page_begins_as_the_prefix_says(prefix: str, page: str, is_admitted: bool) -> None:
    parsed = parse_prefix(prefix)

    assert parsed is not None
    assert admits([parsed], page) == is_admitted
