"""`tidegate doctor`: looks at this machine and says what to do.

Knows nothing about how anything is looked at or judged.
"""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from tidegate.clients.commands.failure import ExitCode
from tidegate.clients.commands.options import DEFAULT_ADDRESS
from tidegate.clients.commands.output import write, write_json
from tidegate.clients.doctor import machine, model, network
from tidegate.clients.doctor.finding import Finding, Verdict, good
from tidegate.clients.words import told

_MARKS = {
    Verdict.OK: "ok  ",
    Verdict.NOTE: "note",
    Verdict.WARNING: "WARN",
    Verdict.PROBLEM: "FAIL",
}


def doctor(
    model_name: Annotated[
        str,
        typer.Option(
            "--model",
            envvar="TIDEGATE_SERVER_MODEL",
            metavar="MODEL",
            help="What a server here loads, as its own --model says it.",
        ),
    ] = "Qwen/Qwen1.5-0.5B-Chat",
    cache_dir: Annotated[
        Path | None,
        typer.Option(
            "--cache-dir", envvar="TIDEGATE_SERVER_CACHE_DIR", help="Where its weights lie."
        ),
    ] = None,
    address: Annotated[
        str, typer.Option("--address", metavar="HOST:PORT", help="The balancer.")
    ] = DEFAULT_ADDRESS,
    server: Annotated[
        str, typer.Option("--server", metavar="HOST:PORT", help="The server of this machine.")
    ] = "localhost:50061",
    consul: Annotated[
        str,
        typer.Option(
            "--consul", envvar="TIDEGATE_BALANCER_CONSUL", metavar="URL", help='Consul, or "off".'
        ),
    ] = "http://127.0.0.1:8500",
    consul_token: Annotated[
        str,
        typer.Option(
            "--consul-token", envvar="TIDEGATE_BALANCER_CONSUL_TOKEN", help="Where it asks for one."
        ),
    ] = "",
    service_name: Annotated[
        str, typer.Option("--service-name", help="The name in Consul.")
    ] = "tidegate",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Look at model, memory, limits, processor, ports, Consul and clock, and say what to do.

    Changes nothing. Exits with 1 when something doesn't work; a warning is none.
    """
    findings = [
        *_of_this_machine(model_name, cache_dir),
        *_of_its_surroundings(address, server, consul.rstrip("/"), consul_token, service_name),
    ]
    if as_json:
        listed = [{**asdict(each), "verdict": each.verdict.value} for each in findings]
        write_json({"findings": listed})
    else:
        width = max(len(each.name) for each in findings)
        for each in findings:
            write(f"{_MARKS[each.verdict]}  {each.name:{width}}  {each.seen}\n")
            if each.advice:
                write(f"      {'':{width}}  {told('do')}: {each.advice}\n")
    if any(each.verdict is Verdict.PROBLEM for each in findings):
        raise typer.Exit(ExitCode.FAILURE)


def _of_this_machine(name: str, cache_dir: Path | None) -> list[Finding]:
    here = machine.read()
    found = [good("tidegate", f"{version('tidegate')} on {machine.describe_system()}")]
    found += machine.judge(here)
    if name.startswith("simulated"):
        return found
    packages = model.judge_packages(model.installed())
    found.append(packages)
    if packages.verdict is Verdict.OK:
        weights = model.find_weights(name, cache_dir)
        free = 0 if weights is None else model.free_at(weights.folder)
        found += model.judge_weights(name, weights, free, here.available_bytes)
    return found


def _of_its_surroundings(
    address: str, server: str, consul: str, token: str, service: str
) -> list[Finding]:
    found = [
        network.judge_port(what, where, *network.ask_port(where))
        for what, where in (("balancer", address), ("server", server))
    ]
    if consul == "off":
        return found
    agent = network.ask_agent(consul, service, token)
    date = None if isinstance(agent, str) else agent.date
    return [
        *found,
        *network.judge_agent(consul, service, agent),
        network.judge_clock(date, network.now()),
    ]
