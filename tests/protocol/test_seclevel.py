from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cloudkey.protocol.seclevel import KNOWN_BITS, PUBLIC_BITS, SecLevel, parse_seclevel

BITS = {
    "NONE": 0,
    "DELEGATE": 1,
    "ASNUM": 2,
    "IP": 4,
    "USERAGENT": 8,
    "USEONCE": 16,
    "COUNTRY": 32,
    "REFERER": 64,
    "REFERER_STRICT": 32768,
}


def test_the_levels_are_those_of_the_wire() -> None:
    assert {name: level.value for name, level in SecLevel.__members__.items()} == BITS
    assert sum(BITS.values()) == KNOWN_BITS
    assert PUBLIC_BITS.value == 32 + 64 + 32768


@given(st.sets(st.sampled_from(sorted(BITS)), min_size=1))
def test_names_mean_the_sum_of_their_bits(names: set[str]) -> None:
    expected = sum(BITS[name] for name in names)

    assert parse_seclevel("|".join(names)) == expected
    assert parse_seclevel(" | ".join(names).lower()) == expected
    assert parse_seclevel(expected) == expected


@pytest.mark.parametrize("nothing", [None, "", 0, "none"])
def test_nothing_means_none(nothing: int | str | None) -> None:
    assert parse_seclevel(nothing) is SecLevel.NONE


@pytest.mark.parametrize("value", [-1, 128, 256, 16384, 65536, 32768 + 256, 2**40])
def test_unknown_bits_are_refused(value: int) -> None:
    with pytest.raises(ValueError, match=f"^{value} is not a sum of security levels.$"):
        parse_seclevel(value)


@pytest.mark.parametrize(
    ("value", "named"),
    [("ip|nose", "'nose'"), ("ip|", "''"), ("4", "'4'"), ("ip,useragent", "'ip,useragent'")],
)
def test_unknown_names_are_refused_with_the_known_ones(value: str, named: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_seclevel(value)

    assert str(caught.value) == (
        f"{named} is no security level; none, delegate, asnum, ip, useragent, useonce, country, "
        "referer, referer_strict are."
    )


def test_a_level_is_written_as_its_number() -> None:
    assert f"{SecLevel.IP | SecLevel.DELEGATE}" == "5"
