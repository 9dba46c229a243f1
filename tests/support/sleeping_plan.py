"""A service whose servers and balancer only sleep; the status comes from a scripted service.

Run as a script it serves until it is told to stop: sleeping_plan.py BALANCER_PORT SERVER_PORT.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass

from tidegate.clients.local.child import Command
from tidegate.clients.local.plan import Plan
from tidegate.clients.local.registry import Registry
from tidegate.clients.local.service import serve

SLEEP = "import time; time.sleep(300)"
# Ends by SIGTERM only after a while, as one does that finishes its calls.
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    " print('ready', flush=True); time.sleep(300)"
)
STATIC = Registry(None, None, "a static list")


def python(name: str, code: str) -> Command:
    return Command(name, (sys.executable, "-c", code))


@dataclass(frozen=True, slots=True)
class SleepingPlan(Plan):
    server_code: str = SLEEP
    page_code: str = SLEEP

    def servers(self, consul_url: str | None) -> list[Command]:
        return [python(f"the server at {each}", self.server_code) for each in self.server_addresses]

    def balancer(self, consul_url: str | None) -> Command:
        return python("the balancer", SLEEP)

    def page(self) -> list[Command]:
        return [] if self.web_port is None else [python("the web page", self.page_code)]


def _heard(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    balancer_port, server_port = (int(port) for port in sys.argv[1:])
    plan = SleepingPlan("none", balancer_port, (server_port,))
    sys.exit(asyncio.run(serve(plan, STATIC, _heard, lambda _: _heard("ready"))))


if __name__ == "__main__":
    main()
