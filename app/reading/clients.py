"""Whom a request comes from, as far as the network tells."""

from ipaddress import IPv6Address, ip_address

_HOST_BITS = 64


def key_of(address: str) -> str:
    """What a client's share is counted under: its IPv4 address, or the network of its IPv6 one.

    Whoever has one IPv6 address has the 2**64 of its network (RFC 4291, 2.5.4).

    Args:
        address: of the peer, or that a trusted proxy names; what is no address counts as one
            client.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return ""
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is None:
        return f"{ip.packed[: _HOST_BITS // 8].hex()}::"
    return str(getattr(ip, "ipv4_mapped", None) or ip)
