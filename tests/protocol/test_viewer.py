from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cloudkey.protocol.viewer import client_address, parse_address, parse_networks

PROXIES = parse_networks(["10.0.0.0/8", "2001:db8:ffff::/48"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1\t", "192.0.2.1"),
        ("192.0.2.1:8080", "192.0.2.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:443", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
    ],
)
def test_an_address_has_one_text(text: str, expected: str) -> None:
    assert str(parse_address(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "unknown", "_hidden", "localhost", "192.0.2", "192.0.2.256", "192.0.2.01",
        "192.0.2.1/24", "0xC0000201", "3221225985", "１92.0.2.1", "192.0.2.1\0", "[]", "[192.0.2.1",
        "[2001:db8::1", "[2001:db8::1]x", "[2001:db8::1]:http", "192.0.2.1:http", "192.0.2.1:",
        ":::", "<script>", "1" * 100_000,
    ],
)  # fmt: skip
def test_junk_is_no_address(text: str) -> None:
    assert parse_address(text) is None


@given(st.ip_addresses())
def test_every_address_survives_brackets_and_port(address: IPv4Address | IPv6Address) -> None:
    written = f"{address}:1" if address.version == 4 else f"[{address}]:1"

    canonical = parse_address(str(address))
    assert parse_address(written) == canonical
    assert canonical is not None
    assert canonical in (address, getattr(address, "ipv4_mapped", None))


@given(st.text(max_size=60))
def test_no_text_makes_it_fail(text: str) -> None:
    address = parse_address(text)

    assert address is None or ip_address(str(address)) == address
    assert client_address("10.0.0.1", text, PROXIES) in ("", *map(str, _addresses(text)))


def _addresses(text: str) -> list[IPv4Address | IPv6Address | str]:
    return ["10.0.0.1", *(found for hop in text.split(",") if (found := parse_address(hop)))]


@pytest.mark.parametrize(
    ("remote", "forwarded", "expected"),
    [
        pytest.param("192.0.2.1", "", "192.0.2.1", id="no-proxy"),
        pytest.param("192.0.2.1", "198.51.100.9", "192.0.2.1", id="header-of-a-stranger"),
        pytest.param("10.0.0.1", "", "10.0.0.1", id="proxy-without-header"),
        pytest.param("10.0.0.1", "192.0.2.1", "192.0.2.1", id="one-hop"),
        pytest.param("10.0.0.1", "198.51.100.9, 192.0.2.1", "192.0.2.1", id="spoofed-first-hop"),
        pytest.param("10.0.0.1", "10.0.0.9, 192.0.2.1", "192.0.2.1", id="spoofed-proxy"),
        pytest.param(
            "10.0.0.1",
            "198.51.100.9,192.0.2.1, 10.0.0.2 ,10.0.0.3",
            "192.0.2.1",
            id="right-to-left",
        ),
        pytest.param("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3", id="all-trusted"),
        pytest.param("10.0.0.1", "192.0.2.1, unknown", "", id="junk-last-hop"),
        pytest.param("10.0.0.1", "192.0.2.1,", "", id="empty-last-hop"),
        pytest.param("10.0.0.1", "unknown, 192.0.2.1", "192.0.2.1", id="junk-first-hop"),
        pytest.param("10.0.0.1", "[2001:db8::7]:5", "2001:db8::7", id="brackets"),
        pytest.param("10.0.0.1", "192.0.2.1:5", "192.0.2.1", id="port"),
        pytest.param("10.0.0.1", "::ffff:192.0.2.1", "192.0.2.1", id="mapped-hop"),
        pytest.param("::ffff:10.0.0.1", "192.0.2.1", "192.0.2.1", id="mapped-proxy"),
        pytest.param("2001:db8:ffff::1", "2001:db8::7", "2001:db8::7", id="v6-proxy"),
        pytest.param("2001:db8::7", "192.0.2.1", "2001:db8::7", id="v6-stranger"),
        pytest.param("", "192.0.2.1", "", id="unix-socket"),
        pytest.param("10.0.0.1", "1.1.1.1," * 20_000 + "192.0.2.1", "192.0.2.1", id="long"),
    ],
)
def test_viewer_behind_trusted_proxies(remote: str, forwarded: str, expected: str) -> None:
    assert client_address(remote, forwarded, PROXIES) == expected


def test_the_header_is_ignored_when_no_proxy_is_trusted() -> None:
    assert client_address("10.0.0.1", "192.0.2.1") == "10.0.0.1"


@pytest.mark.parametrize("text", ["10.0.0.0/33", "proxy.example", "", "10.0.0.1/x"])
def test_a_bad_network_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' does not appear to be an IPv4 or IPv6"):
        parse_networks(["10.0.0.0/8", text])


def test_a_network_may_be_written_with_host_bits() -> None:
    assert client_address("10.1.2.3", "192.0.2.1", parse_networks(["10.9.9.9/8"])) == "192.0.2.1"
