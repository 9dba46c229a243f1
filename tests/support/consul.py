"""A real Consul dev agent on free ports."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    # The simulated fleet's tests run without the library that makes certificates.
    from support.identities import Pair

# Straight to the agent, whatever proxies the environment names.
_OPENER = build_opener(ProxyHandler({}))


def find_consul() -> str:
    """The binary: TIDEGATE_CONSUL, or `consul` on the PATH. Without one, skip; in CI, fail."""
    binary = os.environ.get("TIDEGATE_CONSUL") or shutil.which("consul")
    if binary is None:
        problem = "no Consul binary: set TIDEGATE_CONSUL, or run scripts/fetch_consul.sh"
        if os.environ.get("CI") == "true":
            pytest.fail(problem)
        pytest.skip(problem)
    return binary


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class ConsulAgent:
    """One agent; it forgets everything when it is stopped, and keeps its ports.

    `inside` is a command that runs another one elsewhere, where `address` is that of the agent; it
    answers at `also`, too.
    """

    def __init__(
        self,
        binary: str,
        address: str = "127.0.0.1",
        inside: Sequence[str] = (),
        also: str = "",
    ) -> None:
        client = f"-client={address} {also}".strip()
        self._command = [*inside, binary, "agent", "-dev", f"-bind={address}", client]
        self._ports = free_ports(4)
        self._process: subprocess.Popen[bytes] | None = None
        self._opener = _OPENER
        self._names = ("http", "server", "serf-lan", "serf-wan")
        self._headers: dict[str, str] = {}
        self.url = self.url_at(address)

    def url_at(self, address: str) -> str:
        """Where it answers, by one of its addresses."""
        return f"http://{address}:{self._ports[0]}"

    def start(self) -> None:
        ports = [
            f"-{name}-port={port}" for name, port in zip(self._names, self._ports, strict=True)
        ]
        self._process = subprocess.Popen(
            [
                *self._command,
                *("-dns-port=-1", "-grpc-port=-1", "-log-level=err"),
                *ports,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end_s = time.monotonic() + 20.0
        while not self._leads():
            assert self._process.poll() is None, "Consul ended"
            assert time.monotonic() < end_s, "Consul has no leader after 20 s"
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def register(self, address: str, tags: Sequence[str], name: str = "tidegate") -> None:
        check = {"GRPC": address, "Interval": "1s", "DeregisterCriticalServiceAfter": "60s"}
        self._register(address, tags, name, {"Check": check})

    def register_unchecked(self, address: str, tags: Sequence[str], name: str = "tidegate") -> None:
        """Register one that is told to be there whether or not it is."""
        self._register(address, tags, name, {})

    def _register(
        self, address: str, tags: Sequence[str], name: str, check: dict[str, Any]
    ) -> None:
        host, _, port = address.rpartition(":")
        facts = {"ID": f"tidegate-{host}-{port}", "Name": name, "Address": host, "Port": int(port)}
        self._put("/v1/agent/service/register", {**facts, "Tags": list(tags), **check})

    def deregister(self, instance_id: str) -> None:
        self._put(f"/v1/agent/service/deregister/{instance_id}", {})

    def services(self, name: str) -> list[dict[str, Any]]:
        """What is registered under a name: id, address, port, tags, and whether its check passes."""
        asked = Request(f"{self.url}/v1/health/service/{name}", headers=self._headers)
        with self._opener.open(asked, timeout=5) as answer:
            return [
                {
                    "id": entry["Service"]["ID"],
                    "address": entry["Service"]["Address"],
                    "port": entry["Service"]["Port"],
                    "tags": dict(tag.split("=", 1) for tag in entry["Service"]["Tags"]),
                    "passes": all(check["Status"] == "passing" for check in entry["Checks"]),
                }
                for entry in json.load(answer)
            ]

    def _put(self, path: str, body: object) -> None:
        self._ask(path, body)

    def _ask(self, path: str, body: object) -> Any:
        said = json.dumps(body).encode()
        request = Request(self.url + path, said, headers=self._headers, method="PUT")
        with self._opener.open(request, timeout=5) as answer:
            return json.loads(answer.read() or b"null")

    def _leads(self) -> bool:
        try:
            with self._opener.open(self.url + "/v1/status/leader", timeout=2) as answer:
                return bool(json.load(answer))
        except (OSError, ValueError):
            return False


class GuardedConsulAgent(ConsulAgent):
    """An agent that is met by HTTPS alone, and does nothing for who has no token (ACL, default deny).

    `shows` is its certificate; its settings go to `folder`.
    """

    def __init__(self, binary: str, shows: "Pair", folder: Path) -> None:
        super().__init__(binary)
        self.management = str(uuid4())
        self._names = ("https", "server", "serf-lan", "serf-wan")
        self._headers = {"X-Consul-Token": self.management}
        self.url = self.url.replace("http://", "https://")
        context = ssl.create_default_context(cafile=str(shows.ca))
        self._opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
        settings = folder / "consul.json"
        files = {"ca_file": str(shows.ca), "cert_file": str(shows.cert), "key_file": str(shows.key)}
        # As releases from 1.4 on understand it.
        tokens = {"master": self.management, "agent": self.management}
        acl = {"enabled": True, "default_policy": "deny", "tokens": tokens}
        settings.write_text(json.dumps({**files, "acl": acl}))
        self._command += [f"-config-file={settings}", "-http-port=-1"]

    def token_for(self, rules: str) -> str:
        """A new access token that is allowed what `rules` say."""
        name = f"policy-{uuid4()}"
        self._ask("/v1/acl/policy", {"Name": name, "Rules": rules})
        made: str = self._ask("/v1/acl/token", {"Policies": [{"Name": name}]})["SecretID"]
        return made
