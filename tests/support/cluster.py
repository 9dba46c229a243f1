"""The scale subresource of Deployments, as a Kubernetes API server serves it: plain HTTP on loopback.

No cluster: what is here was written from the published API of apps/v1 and autoscaling/v1 (paths, verbs, media types,
Status objects, a 0 that is left out). Who asks is checked by a token, and what it may do by resource names.
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SCALE = re.compile(r"/apis/apps/v1/namespaces/([a-z0-9-]+)/deployments/([a-z0-9-]+)/scale")
MERGE_PATCH = "application/merge-patch+json"
TOKEN = "a-token"


class Cluster:
    """Deployments of the namespace `fleet`, by name, and what was asked of them."""

    def __init__(self) -> None:
        self.replicas: dict[str, int] = {}
        self.forbidden: set[tuple[str, str]] = set()
        self.conflicts = 0
        self.token = TOKEN
        self.asked: list[tuple[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def write_kubeconfig(self, file: Path) -> Path:
        """Write a kubeconfig with which this cluster lets one in."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "tests", "cluster": {"server": self.url}}],
            "users": [{"name": "balancer", "user": {"token": TOKEN}}],
            "contexts": [
                {
                    "name": "here",
                    "context": {"cluster": "tests", "user": "balancer", "namespace": "fleet"},
                }
            ],
        }
        # JSON is YAML, too.
        file.write_text(json.dumps(config))
        return file

    def answer(
        self, verb: str, path: str, authorization: str | None, media: str | None, body: bytes
    ) -> tuple[int, dict[str, Any]]:
        if authorization != f"Bearer {self.token}":
            return _status(401, "Unauthorized", "Unauthorized")
        found = SCALE.fullmatch(path)
        if found is None:
            return _status(404, "NotFound", "the server could not find the requested resource")
        namespace, name = found.groups()
        self.asked.append((verb, name))
        if namespace != "fleet" or (verb, name) in self.forbidden:
            return _status(
                403,
                "Forbidden",
                f'deployments.apps "{name}" is forbidden: User "balancer" cannot {verb} resource '
                f'"deployments/scale" in API group "apps" in the namespace "{namespace}"',
            )
        if name not in self.replicas:
            return _status(404, "NotFound", f'deployments.apps "{name}" not found')
        if verb == "patch":
            if media != MERGE_PATCH:
                return _status(415, "UnsupportedMediaType", f"{media} is not supported here")
            if self.conflicts:
                self.conflicts -= 1
                return _status(
                    409,
                    "Conflict",
                    f'Operation cannot be fulfilled on deployments.apps "{name}": the object has been '
                    "modified; please apply your changes to the latest version and try again",
                )
            self.replicas[name] = int(json.loads(body)["spec"]["replicas"])
        return 200, self._scale(namespace, name)

    def _scale(self, namespace: str, name: str) -> dict[str, Any]:
        replicas = self.replicas[name]
        return {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {"name": name, "namespace": namespace, "resourceVersion": "7"},
            "spec": {"replicas": replicas} if replicas else {},
            "status": {"replicas": replicas, "selector": f"tidegate/role={name}"},
        }

    def __enter__(self) -> "Cluster":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _status(code: int, reason: str, message: str) -> tuple[int, dict[str, Any]]:
    return code, {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


def _handler_of(cluster: Cluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("get")

        def do_PATCH(self) -> None:
            self._answer("patch")

        def _answer(self, verb: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = self.headers
            code, said = cluster.answer(
                verb,
                self.path.partition("?")[0],
                headers.get("Authorization"),
                headers.get("Content-Type"),
                body,
            )
            text = json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
