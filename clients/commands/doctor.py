"""`tidegate doctor`: looks at this machine and says what to do.

Knows nothing about how anything is looked at or judged.
"""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from tidegate.clients.commands.connection import asked_tls
from tidegate.clients.commands.connection import token as asked_token
from tidegate.clients.commands.failure import ExitCode, say
from tidegate.clients.commands.options import DEFAULT_ADDRESS
from tidegate.clients.commands.output import write, write_json
from tidegate.clients.doctor import credentials, machine, model, network, reach
from tidegate.clients.doctor.finding import Finding, Verdict, good
from tidegate.clients.tls import Tls
from tidegate.clients.words import told
from tidegate.identity.entrance import consul_problems, lacking
from tidegate.identity.pems import PemFiles
from tidegate.identity.problem import IdentityError

_NEEDS = (
    ("--port-key", "--port-cert"),
    ("--port-client-ca", "--port-cert"),
    ("--port-name", "--port-cert"),
)
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
    consul_token_file: Annotated[
        Path | None,
        typer.Option(
            "--consul-token-file",
            envvar=["TIDEGATE_BALANCER_CONSUL_TOKEN_FILE", "TIDEGATE_SERVER_CONSUL_TOKEN_FILE"],
            metavar="FILE",
            help="File of that token.",
        ),
    ] = None,
    consul_ca: Annotated[
        Path | None,
        typer.Option(
            "--consul-ca",
            envvar=["TIDEGATE_BALANCER_CONSUL_CA", "TIDEGATE_SERVER_CONSUL_CA"],
            metavar="FILE",
            help="PEM file of those who may sign its certificate.",
        ),
    ] = None,
    port_cert: Annotated[
        Path | None,
        typer.Option(
            "--port-cert",
            envvar=["TIDEGATE_BALANCER_TLS_CERT", "TIDEGATE_SERVER_TLS_CERT"],
            metavar="FILE",
            help="PEM file of the certificate with which a balancer or a server here is met.",
        ),
    ] = None,
    port_key: Annotated[
        Path | None,
        typer.Option(
            "--port-key",
            envvar=["TIDEGATE_BALANCER_TLS_KEY", "TIDEGATE_SERVER_TLS_KEY"],
            metavar="FILE",
            help="PEM file of its key.",
        ),
    ] = None,
    port_client_ca: Annotated[
        Path | None,
        typer.Option(
            "--port-client-ca",
            envvar=["TIDEGATE_BALANCER_TLS_CLIENT_CA", "TIDEGATE_SERVER_TLS_CLIENT_CA"],
            metavar="FILE",
            help="PEM file of those who may sign callers' certificates.",
        ),
    ] = None,
    port_name: Annotated[
        str | None,
        typer.Option(
            "--port-name",
            metavar="NAME",
            help="The DNS name or address by which others call it, which must be in its certificate.",
        ),
    ] = None,
    tokens: Annotated[
        Path | None,
        typer.Option(
            "--tokens",
            envvar=["TIDEGATE_BALANCER_TOKENS", "TIDEGATE_SERVER_TOKENS"],
            metavar="FILE",
            help="File of callers' hashed tokens.",
        ),
    ] = None,
    service_name: Annotated[
        str, typer.Option("--service-name", help="The name in Consul.")
    ] = "tidegate",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Look at model, memory, limits, processor, certificates, ports, Consul and clock, and say what to do.

    Balancer and server are called by the options that stand before the command's name. Changes nothing. Exits with 1 when something doesn't work; a warning is none.
    """
    given = {
        "--port-cert": port_cert,
        "--port-key": port_key,
        "--port-client-ca": port_client_ca,
        "--port-name": port_name,
    }
    for wrong in (*lacking(given, _NEEDS), *consul_problems(consul, consul_ca)):
        say(f"tidegate doctor: {wrong}")
        raise typer.Exit(ExitCode.INPUT)
    findings = _of_this_machine(model_name, cache_dir)
    if port_cert is not None:
        files = _pems("port", port_cert, port_key, port_client_ca, "client_ca")
        findings += credentials.judge_listening(files, port_name, network.now())
    if tokens is not None:
        findings += credentials.judge_tokens(tokens, network.now())
    findings += _of_our_own(asked_tls())
    if consul_token_file is not None:
        consul_token, wrong_file = credentials.judge_secret("consul_token_file", consul_token_file)
        findings += wrong_file
    findings += _of_its_surroundings(address, server)
    if consul != "off":
        findings += _of_consul(consul.rstrip("/"), service_name, consul_token, consul_ca)
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


def _of_our_own(tls: Tls | None) -> list[Finding]:
    """The files that every call shows, and trusts."""
    if tls is None or (tls.ca is None and tls.cert is None):
        return []
    ca, cert, key = (
        Path(each) if isinstance(each, str | Path) else None for each in (tls.ca, tls.cert, tls.key)
    )
    return credentials.judge_calling(_pems("tls", cert, key, ca, "ca"), network.now())


def _pems(
    prefix: str, cert: Path | None, key: Path | None, ca: Path | None, ca_field: str
) -> PemFiles:
    try:
        return PemFiles(prefix, cert, key, ca, ca_field)
    except IdentityError as error:
        say(f"tidegate doctor: {error}")
        raise typer.Exit(ExitCode.INPUT) from None


def _of_its_surroundings(address: str, server: str) -> list[Finding]:
    tls = asked_tls()
    found = [
        finding
        for what, where in (("balancer", address), ("server", server))
        for finding in reach.look(what, where, tls, network.now())
    ]
    token = asked_token()
    if token is not None:
        found.append(reach.try_token(token, "balancer", address, tls))
    return found


def _of_consul(url: str, service: str, token: str, ca: Path | None) -> list[Finding]:
    agent = network.ask_agent(url, service, token, ca)
    date = agent.date if isinstance(agent, network.Agent) else None
    return [
        *network.judge_agent(url, service, agent),
        network.judge_clock(date, network.now()),
    ]
