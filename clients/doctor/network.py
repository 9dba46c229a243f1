"""Judges the Consul that a service is found in, and whether their clocks agree.

Asks and changes nothing. Knows nothing about models or memory.
"""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from tidegate.clients.doctor.finding import Finding, good, note, problem, warning

TIMEOUT_S = 2.0
CLOCK_S = 2.0
"""Timetables and traces are off by this; Consul's own header has whole seconds."""
_START = "start an agent, name it by --consul, or go without: --instances on the balancer"
_ACL = "--consul-token-file with a token that may read the service, its nodes and agent (docs/identity.md)"
_CA = "https:// with --consul-ca, who signs its certificate, which must be in the name that --consul says"


@dataclass(frozen=True, slots=True)
class Agent:
    """What a Consul agent said."""

    leader: str
    date: datetime | None
    entries: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class NoAgent:
    """Why nothing was said, and what to do."""

    why: str
    advice: str = _START


def judge_agent(url: str, service: str, agent: Agent | NoAgent) -> list[Finding]:
    """What Consul is like."""
    if isinstance(agent, NoAgent):
        return [warning("consul", f"{url}: {agent.why}", agent.advice)]
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


def ask_agent(url: str, service: str, token: str = "", ca: Path | None = None) -> Agent | NoAgent:
    """What a Consul agent says of itself and of a service; or why it says nothing."""
    headers = {"X-Consul-Token": token} if token else {}
    try:
        # Straight to the agent, whatever proxies the environment names.
        secure = HTTPSHandler(context=ssl.create_default_context(cafile=ca))
        opener = build_opener(ProxyHandler({}), secure)
        leader, date = _get(opener, f"{url}/v1/status/leader", headers)
        entries, _ = _get(opener, f"{url}/v1/health/service/{service}", headers)
    except HTTPError as error:
        words = error.read(200).decode("utf-8", "replace").strip() or error.reason
        return NoAgent(words, _ACL if error.code in (401, 403) else _START)
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        return NoAgent(str(reason), _CA if isinstance(reason, ssl.SSLError) else _START)
    return Agent(leader, parsedate_to_datetime(date) if date else None, entries)


def now() -> datetime:
    """This machine's time."""
    return datetime.now(timezone.utc)


def _get(opener: OpenerDirector, url: str, headers: dict[str, str]) -> tuple[Any, str | None]:
    # The scheme is what the user gave; other ones fail in the opener.
    with opener.open(Request(url, headers=headers), timeout=TIMEOUT_S) as answer:  # noqa: S310
        return json.load(answer), answer.headers.get("Date")
