"""What the notes on the protocol and the reliability study number has tests of that number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

REQUIREMENTS = {
    "P": range(1, 26),  # the PHP suite
    "C": range(1, 27),  # the Python suite of October 2010
    "B": range(1, 13),  # the one before
}
ATTACKS = range(1, 9)
THREATS = {
    "to the envelope": range(1, 31),
    "to authentication": range(31, 46),
    "in ids, fields, meta and pages": {*range(46, 71)} - {65},  # 65: there are no quotas
    # 82 is for the server in front; 85 to 93 are of uploads that can be taken up again
    "to uploads": {*range(71, 100)} - {82, *range(85, 94)},
    "to a client": {*range(247, 266)} - {262},
}
FAULTS = {25, 26, 28, 39, 40}


def numbers(prefix: str) -> set[int]:
    """Return the numbers after *prefix* in names and in the parameters of tests."""
    found = set()
    for path in TESTS.rglob("test_*.py"):
        text = path.read_text()
        names = " ".join(re.findall(r"def (test_\w+)", text))
        found |= {int(n) for n in re.findall(rf"_{prefix.lower()}0*(\d+)[a-z]?(?=_)", names)}
        found |= {int(n) for n in re.findall(rf'"{prefix}0*(\d+)["-]', text)}
    return found


@pytest.mark.parametrize("prefix", REQUIREMENTS)
def test_every_requirement_of_a_historical_suite_has_a_test(prefix: str) -> None:
    assert set(REQUIREMENTS[prefix]) - numbers(prefix) == set()


@pytest.mark.parametrize("where", THREATS)
def test_every_threat_has_a_test(where: str) -> None:
    assert set(THREATS[where]) - numbers("T") == set()


def test_every_fault_has_a_test() -> None:
    assert numbers("F") >= FAULTS


def test_every_attack_on_the_historical_scheme_has_a_test() -> None:
    assert set(ATTACKS) - numbers("a") == set()
