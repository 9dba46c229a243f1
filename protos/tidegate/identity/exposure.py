"""Says whether a host to listen on is reached from this machine alone.

Pure. Knows nothing about sockets.
"""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host to listen on is surely reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
