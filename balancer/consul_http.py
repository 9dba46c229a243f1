"""python-consul's transport with a time-out and a token, and deaf to the environment's proxies.

Knows nothing about what is asked.
"""

import functools
from urllib.parse import urlsplit

from consul.std import HTTPClient


class ConsulHttp(HTTPClient):  # type: ignore[misc]  # the library has no types
    """The way to the Consul at `url`; an answer that takes longer than `timeout_s` is none."""

    def __init__(self, url: str, token: str | None, timeout_s: float) -> None:
        parts = urlsplit(url)
        super().__init__(parts.hostname or "127.0.0.1", parts.port or 8500, parts.scheme)
        self.session.trust_env = False
        self.session.request = functools.partial(self.session.request, timeout=timeout_s)
        if token is not None:
            # The library sends none with what it asks of sessions.
            self.session.headers["X-Consul-Token"] = token
