"""A real Prometheus that reads what it is told to, as often as a test has time for."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import pytest
import yaml
from support.programs import free_port, wait_until

_OPENER = build_opener(ProxyHandler({}))
SCRAPE_INTERVAL = "500ms"


def find_prometheus() -> Path:
    """The binary, beside which promtool lies: TIDEGATE_PROMETHEUS, or the one on the PATH. Without one, skip."""
    binary = os.environ.get("TIDEGATE_PROMETHEUS") or shutil.which("prometheus")
    if binary is None:
        pytest.skip(
            "no Prometheus: set TIDEGATE_PROMETHEUS, or run scripts/fetch_prometheus.sh (Debian)"
        )
    return Path(binary)


def promtool(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run promtool to its end."""
    command = [str(find_prometheus().with_name("promtool")), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


class Prometheus:
    """One that runs, and what it answers."""

    def __init__(self, port: int) -> None:
        self._api = f"http://127.0.0.1:{port}/api/v1"

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API."""
        url = f"{self._api}/{path}?{urlencode(parameters)}"
        with _OPENER.open(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[float]:
        """The numbers that an expression has now; those that are none are left out."""
        found = [float(each["value"][1]) for each in self.ask("query", query=expression)["result"]]
        return [number for number in found if number == number]

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            self.ask("status/buildinfo")
        except OSError:
            return False
        return True


@contextmanager
def running_prometheus(
    config: Path, targets: Mapping[str, list[str]], folder: Path
) -> Iterator[Prometheus]:
    """Run one by a copy of `config` that reads these targets by their jobs, twice a second."""
    said = yaml.safe_load(config.read_text("utf-8"))
    said["global"] = {
        "scrape_interval": SCRAPE_INTERVAL,
        "scrape_timeout": SCRAPE_INTERVAL,
        "evaluation_interval": SCRAPE_INTERVAL,
    }
    said["rule_files"] = [str(config.parent / each) for each in said["rule_files"]]
    for job in said["scrape_configs"]:
        job["static_configs"] = [{"targets": targets[job["job_name"]]}]
    written, port = folder / "prometheus.yaml", free_port()
    written.write_text(yaml.safe_dump(said), "utf-8")
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(find_prometheus()),
                f"--config.file={written}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--enable-feature=exemplar-storage",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        prometheus = Prometheus(port)
        wait_until(prometheus.is_ready, "Prometheus answering")
        yield prometheus
    finally:
        process.kill()
        process.wait()
