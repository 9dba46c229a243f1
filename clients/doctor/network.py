"""Judges what is around a service: its ports, the Consul it is found in, and whether their clocks agree.

Asks and changes nothing. Knows nothing about models or memory.
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

import grpc

from tidegate.clients.doctor.finding import Finding, good, note, problem, warning
from tidegate.clients.health import SERVING, ask_health

TIMEOUT_S = 2.0
CLOCK_S = 2.0
"""Timetables and traces are off by this; Consul's own header has whole seconds."""
# Straight to the agent, whatever proxies the environment names.
_OPENER = build_opener(ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Agent:
    """What a Consul agent said."""

    leader: str
    date: datetime | None
    entries: list[dict[str, Any]]


def judge_port(what: str, address: str, status: str | None, is_bound: bool) -> Finding:
    """What a port is like: `status` is the health that somebody gives there, None when nobody does."""
    name = f"{what} at {address}"
    if status == SERVING:
        return good(name, "serves")
    if status is not None:
        return warning(
            name,
            f"answers {status}",
            "nothing is hot: `tidegate status` shows which instances are known, and their phases",
        )
    if is_bound:
        return problem(
            name, "something else listens there", "`ss -ltnp` names it; choose another --port"
        )
    return note(name, "nobody listens", "start it, or name its address by --address or --server")


def judge_agent(url: str, service: str, agent: Agent | str) -> list[Finding]:
    """What Consul is like; a string is why it could not be asked."""
    if isinstance(agent, str):
        advice = "start an agent, name it by --consul, or go without: --instances on the balancer"
        return [warning("consul", f"{url}: {agent}", advice)]
    if not agent.leader:
        advice = "`consul members`: fewer than half of its servers see one another"
        return [problem("consul", f"{url} has no leader", advice)]
    found = [good("consul", f"{url}, led by {agent.leader}")]
    passing = [
        entry
        for entry in agent.entries
        if all(check["Status"] == "passing" for check in entry["Checks"])
    ]
    seen = f"{len(agent.entries)} as {service!r}, {len(passing)} passing"
    if not agent.entries:
        found.append(
            note("instances", seen, "servers and balancer need the same --service-name and Consul")
        )
    elif not passing:
        failing = next(
            (
                check["Output"]
                for each in agent.entries
                for check in each["Checks"]
                if check["Output"]
            ),
            "",
        )
        why = " ".join(failing.split())[:160]
        advice = "Consul must reach each instance under the address that it registered (--advertise-host)"
        found.append(problem("instances", f"{seen}: {why}", advice))
    else:
        found.append(good("instances", seen))
    nodes = {entry["Node"]["Node"] for entry in agent.entries}
    loopback = [e for e in agent.entries if e["Service"]["Address"].startswith("127.")]
    if loopback and len(nodes) > 1:
        advice = "--advertise-host with the address under which others reach that machine"
        found.append(
            problem("addresses", f"{len(loopback)} on 127.0.0.1, of {len(nodes)} nodes", advice)
        )
    return found


def judge_clock(date: datetime | None, now: datetime) -> Finding:
    """How far this machine's clock is from Consul's."""
    if date is None:
        return note("clock", "nobody to compare it with")
    off_s = (now - date).total_seconds()
    # The header has no parts of seconds.
    if -CLOCK_S < off_s < CLOCK_S + 1:
        return good("clock", f"agrees with Consul's to {abs(off_s):.0f} s")
    return warning(
        "clock",
        f"{off_s:+.0f} s from Consul's",
        "let ntpd or chrony set it: timetables start instances by it, and traces are out of order",
    )


def ask_port(address: str) -> tuple[str | None, bool]:
    """The health that is told at host:port, None when nobody does; and whether somebody listens."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_S).close()
    except OSError:
        return None, False
    try:
        return ask_health(address, timeout_s=TIMEOUT_S), True
    except grpc.RpcError:
        return None, True


def ask_agent(url: str, service: str, token: str = "") -> Agent | str:
    """What a Consul agent says of itself and of a service; or why it says nothing."""
    headers = {"X-Consul-Token": token} if token else {}
    try:
        leader, date = _get(f"{url}/v1/status/leader", headers)
        entries, _ = _get(f"{url}/v1/health/service/{service}", headers)
    except (OSError, ValueError) as error:
        return str(error.reason if isinstance(error, URLError) else error)
    return Agent(leader, parsedate_to_datetime(date) if date else None, entries)


def now() -> datetime:
    """This machine's time."""
    return datetime.now(timezone.utc)


def _get(url: str, headers: dict[str, str]) -> tuple[Any, str | None]:
    # The scheme is what the user gave; other ones fail in the opener.
    with _OPENER.open(Request(url, headers=headers), timeout=TIMEOUT_S) as answer:  # noqa: S310
        return json.load(answer), answer.headers.get("Date")
