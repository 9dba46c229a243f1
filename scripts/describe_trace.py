"""Traces one judge-then-reply call of the command line, and puts its spans into docs/tracing.md."""

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "tracing.md"
sys.path.insert(0, str(ROOT / "tests"))

from support.otlp import running_collector, tree  # noqa: E402
from support.programs import free_port, running  # noqa: E402


def main() -> None:
    """Run the three programs against a collector; show what it got."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="bundled", help="what the server loads")
    parser.add_argument("--cache-dir", default=os.environ.get("TIDEGATE_TEST_CACHE"))
    asked = parser.parse_args()
    server_port, balancer_port = free_port(), free_port()
    server = f"127.0.0.1:{server_port}"
    serving = ["tidegate-server", "--model", asked.model, "--consul", "off"]
    serving += ["--cache-dir", asked.cache_dir] if asked.cache_dir else []
    with tempfile.TemporaryDirectory() as name, running_collector() as collector:
        folder, traces = Path(name), ["--traces-to", collector.endpoint]
        serving += ["--port", str(server_port), *traces]
        balancing = ["tidegate-balancer", "--instances", server, "--port", str(balancer_port)]
        asking = ["tidegate", *traces, "judge", "今天的实验终于成功了，太棒了！"]
        asking += ["--address", f"127.0.0.1:{balancer_port}"]
        with running(serving, folder / "server") as one:
            one.wait_for(" hot ", 300)
            with running([*balancing, *traces], folder / "balancer") as other:
                other.wait_for("1 hot")
                # The first one also pays for what is prepared once.
                for number in range(3):
                    with running(asking, folder / f"judge-{number}") as judge:
                        judge.process.wait(60)
                        print(judge.output)
        spans = collector.spans
    lines = tree([each for each in spans if each.trace_id == spans[-1].trace_id])
    block = "```trace\n" + "\n".join(lines) + "\n```"
    page = re.sub(r"```trace\n.*?```", lambda _: block, PAGE.read_text("utf-8"), flags=re.DOTALL)
    PAGE.write_text(page, "utf-8")
    print(block)


if __name__ == "__main__":
    main()
