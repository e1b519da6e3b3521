"""Every case of the first three tables of threats has a test that bears its number."""

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
