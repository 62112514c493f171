"""Which addresses are this machine's alone."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether nobody else reaches what listens there; of a name other than `localhost`, no."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
