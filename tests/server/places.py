"""Where viewers of the tests are, as the files of the fixtures know it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

# Of documentation, for requests that never travelled.
FRENCH, GERMAN, NOWHERE = "203.0.113.7", "198.51.100.7", "192.0.2.7"
FRENCH6 = "2001:db8:1::7"
# Of this machine, for sockets: Linux answers on all of 127/8, and from all of it.
HERE, NEIGHBOUR, ABROAD = "127.0.7.7", "127.0.7.8", "127.0.8.7"

FRANCE = IPSet([f"{FRENCH}/24", "2001:db8:1::/48", f"{HERE}/24"])
GERMANY = IPSet([f"{GERMAN}/24", f"{ABROAD}/24"])


def write_country_file(path: Path) -> None:
    """Write a file in MaxMind's format that knows the countries of the addresses above."""
    _write(path, "Country", {"country": {"iso_code": "FR"}}, {"country": {"iso_code": "DE"}})


def write_asnum_file(path: Path) -> None:
    """Write one that knows their networks, AS64496 and AS64497."""
    _write(path, "ASN", {"autonomous_system_number": 64496}, {"autonomous_system_number": 64497})


def _write(path: Path, kind: str, french: dict[str, Any], german: dict[str, Any]) -> None:
    writer = MMDBWriter(ip_version=6, database_type=kind, ipv4_compatible=True, int_type="u32")
    writer.insert_network(FRANCE, french)
    writer.insert_network(GERMANY, german)
    writer.to_db_file(str(path))
