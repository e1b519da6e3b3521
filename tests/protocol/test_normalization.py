"""Floats as clients of other languages write them into what they sign."""

from __future__ import annotations

import re

import pytest

from django_cloudkey.protocol import normalization
from django_cloudkey.protocol.normalization import DIALECTS, normalize

BY_NAME = {dialect.name: dialect for dialect in DIALECTS}


@pytest.mark.parametrize(
    ("value", "java", "ruby"),
    [
        (0.0, "0.0", "0.0"),
        (-0.0, "-0.0", "-0.0"),
        (1.0, "1.0", "1.0"),
        (-25.5, "-25.5", "-25.5"),
        (0.001, "0.001", "0.001"),
        (0.0001, "1.0E-4", "0.0001"),
        (0.00001, "1.0E-5", "1.0e-05"),
        (9999999.0, "9999999.0", "9999999.0"),
        (1e7, "1.0E7", "10000000.0"),
        (123456789.12345679, "1.2345678912345679E8", "123456789.12345679"),
        (1e15, "1.0E15", "1.0e+15"),
        # Written with more digits it is 9.99…e22, which is not how anybody writes it.
        (1e23, "1.0E23", "1.0e+23"),
        (-1.5e300, "-1.5E300", "-1.5e+300"),
    ],
)
def test_float_is_written_as_the_language_does(value: float, java: str, ruby: str) -> None:
    assert normalize(value, BY_NAME["java"]) == java
    assert normalize(value, BY_NAME["ruby"]) == ruby


def test_t027_keys_are_read_as_numbers_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller who signs wrongly has the server sort them under each dialect."""
    read = 0
    pattern = normalization._PHP_NUMBER

    class Counting:
        def fullmatch(self, text: str) -> re.Match[str] | None:
            nonlocal read
            read += 1
            return pattern.fullmatch(text)

    monkeypatch.setattr(normalization, "_PHP_NUMBER", Counting())
    keys = [str(number * 7919 % 1009) for number in range(1, 1000)]

    text = normalize(dict.fromkeys(keys, ""), BY_NAME["php"])

    assert text == "".join(sorted(keys, key=int))
    assert read == len(keys)
