"""Which addresses may be connected to on behalf of a tenant, who names hosts that we do not know.

Source: IANA's special-purpose address registries, through Python's `ipaddress`; the addresses of clouds' metadata.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

#: Refused though `is_global` holds in some Python we run on: Azure's metadata and DHCP host, whose address is a public
#: one, and 192.0.0.0/24, where Oracle's metadata answers.
SPECIAL_NETWORKS: Sequence[IpNetwork] = (ip_network("168.63.129.16/32"), ip_network("192.0.0.0/24"))
_NAT64 = ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Public unicast addresses, and those of the allowed networks."""

    allowed: Sequence[IpNetwork] = ()

    def permits(self, address: IpAddress) -> bool:
        """Whether a connection to this very address is allowed; judged is where its packets end."""
        target = _end_of(address)
        if any(target in network for network in self.allowed if network.version == target.version):
            return True
        return _is_public(target)


def _end_of(address: IpAddress) -> IpAddress:
    """The IPv4 address that an IPv6 address wraps, where one does; else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else address


def _is_public(address: IpAddress) -> bool:
    is_kept_back = (
        address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or address.is_loopback
        or address.is_link_local
        or (isinstance(address, IPv6Address) and address.is_site_local)
        or any(address in network for network in SPECIAL_NETWORKS if network.version == address.version)
    )
    return address.is_global and not is_kept_back
