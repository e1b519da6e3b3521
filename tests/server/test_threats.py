"""Every case of the tables of threats below has a test that bears its number."""

from __future__ import annotations

import re
from pathlib import Path

NOT_HERE = {
    40: "the second scheme is not spoken yet; T041 and T042 say that it is refused",
    65: "there are no quotas yet",
}
"""Number → why there is nothing to test."""


def test_every_case_has_a_test() -> None:
    folder = Path(__file__).parent
    own = [folder / f"test_threats_{name}.py" for name in ("envelope", "authentication", "media")]
    # The bytes that are no JSON are the protocol's, and numbered there.
    texts = [path.read_text() for path in (*own, folder.parent / "protocol" / "test_envelope.py")]
    found = re.findall(r'def test_t([0-9]{3})|id=f?"T([0-9]{3})|ids=\["T([0-9]{3})', "".join(texts))

    numbers = {int("".join(match)) for match in found}

    assert set(range(1, 71)) - numbers == set(NOT_HERE)


def test_every_case_of_signed_addresses_has_a_test() -> None:
    folder = Path(__file__).parent
    # What needs a clock, or several processes, is tested apart.
    texts = "".join(path.read_text() for path in folder.glob("test_*.py"))
    names = " ".join(re.findall(r"def (test_\w+)", texts))

    assert (
        set(range(149, 183)) - {int(found) for found in re.findall(r"_t([0-9]{3})", names)} == set()
    )
