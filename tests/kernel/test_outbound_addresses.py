"""Which addresses may be connected to for a tenant. The expected values are IANA's registries and clouds' manuals."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifty_pipelines.kernel.outbound_addresses import AddressPolicy

REFUSED = {
    "loopback": "127.0.0.1", "loopback, other": "127.255.255.254", "this host": str(ip_address(0)),
    "this net": "0.1.2.3",
    "private A": "10.0.0.1", "private B": "172.16.0.1", "private B, last": "172.31.255.255", "private C": "192.168.1.1",
    "link-local": "169.254.1.1", "metadata of AWS, GCP, Azure": "169.254.169.254", "CGNAT": "100.64.0.1",
    "metadata of Alibaba": "100.100.100.200", "metadata of Oracle": "192.0.0.192", "Azure's host": "168.63.129.16",
    "multicast": "224.0.0.1", "multicast, last": "239.255.255.255", "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255", "benchmarking": "198.18.0.1", "documentation": "203.0.113.1",
    "v6 loopback": "::1", "v6 unspecified": "::", "unique local": "fc00::1", "AWS metadata, v6": "fd00:ec2::254",
    "v6 link-local": "fe80::1", "site-local": "fec0::1", "v6 multicast": "ff02::1", "v6 documentation": "2001:db8::1",
    "mapped loopback": "::ffff:127.0.0.1", "mapped private": "::ffff:10.0.0.1",
    "mapped metadata": "::ffff:169.254.169.254", "mapped CGNAT": "::ffff:100.64.0.1",
    "compatible loopback": "::127.0.0.1", "6to4 of a private": "2002:a00:1::1", "NAT64 of a private": "64:ff9b::a00:1",
    "NAT64 of metadata": "64:ff9b::a9fe:a9fe", "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
}  # fmt: skip
PERMITTED = {
    "a public address": "93.184.216.34", "next to private B": "172.32.0.1", "next to CGNAT": "100.128.0.1",
    "v6 public": "2606:2800:220:1:248:1893:25c8:1946", "mapped public": "::ffff:93.184.216.34",
    "NAT64 of a public": "64:ff9b::5db8:d822",
}  # fmt: skip


@pytest.mark.parametrize("address", REFUSED.values(), ids=REFUSED)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not AddressPolicy().permits(ip_address(address))


@pytest.mark.parametrize("address", PERMITTED.values(), ids=PERMITTED)
def test_a_public_address_is_permitted(address: str) -> None:
    assert AddressPolicy().permits(ip_address(address))


def test_the_setting_allows_a_network_and_nothing_beside_it() -> None:
    policy = AddressPolicy((ip_network("10.1.0.0/16"),))
    assert policy.permits(ip_address("10.1.2.3"))
    assert policy.permits(ip_address("::ffff:10.1.2.3"))
    assert not policy.permits(ip_address("10.2.0.1"))
    assert not policy.permits(ip_address("127.0.0.1"))


@given(st.ip_addresses(v=4))
def test_wrapping_an_ipv4_address_never_changes_the_judgement(address: object) -> None:
    policy, plain = AddressPolicy(), ip_address(str(address))
    wrapped = [
        ip_address(f"::ffff:{address}"),
        ip_address(int(ip_address("64:ff9b::")) + int(plain)),
        ip_address((0x2002 << 112) + (int(plain) << 80) + 1),
    ]
    assert [policy.permits(one) for one in wrapped] == [policy.permits(plain)] * 3
