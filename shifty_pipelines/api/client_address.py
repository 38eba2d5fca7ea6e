"""Which client a request comes from: the peer, unless the peer is a proxy that the operator named."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from fastapi import Request

from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.settings import IpNetwork

MAX_HOPS = 20


def client_address(request: Request) -> str:
    """The address to count, audit and bound a client by.

    `X-Forwarded-For` is read from its right end, where our own proxies write, and only as far as every hop is one of
    `SHIFTY_TRUSTED_PROXIES`: whatever a client wrote into the header itself stands left of that.
    """
    peer = request.client.host if request.client else "unknown"
    platform = request.app.state.platform
    assert isinstance(platform, Platform)  # noqa: S101  # set by create_app
    hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    return first_untrusted(peer, hops[-MAX_HOPS:], platform.trusted_proxies)


def first_untrusted(peer: str, hops: Sequence[str], trusted: Sequence[IpNetwork]) -> str:
    """The nearest address that is no trusted proxy's; a hop that is no address ends the search at the proxy before."""
    nearest = peer
    for hop in (*reversed(hops), None):
        if not _is_in(nearest, trusted) or hop is None:
            return nearest
        parsed = _parsed(hop.strip())
        if parsed is None:
            return nearest
        nearest = str(parsed)
    return nearest


def _is_in(address: str, networks: Sequence[IpNetwork]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed
