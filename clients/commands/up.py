"""`tidegate up`: checks that a service can start on this machine, then runs it in the foreground.

Knows nothing about how it is run (local.service).
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

import typer

from tidegate.clients.commands.failure import ExitCode, say
from tidegate.clients.commands.options import DEFAULT_ADDRESS
from tidegate.clients.local.plan import (
    BUNDLED,
    DEFAULT_WEB_PORT,
    Plan,
    is_simulated,
    missing_extra,
    missing_web_extra,
)
from tidegate.clients.local.ports import free_ports, is_free
from tidegate.clients.local.registry import (
    DEFAULT_PORT,
    DEFAULT_URL,
    Registry,
    Surroundings,
    answers,
    chosen,
)
from tidegate.clients.local.service import serve
from tidegate.clients.words import told


def up(
    model: Annotated[
        str,
        typer.Option(
            "--model", metavar="MODEL", help="bundled, a hub id, a folder or a GGUF file."
        ),
    ] = BUNDLED,
    servers: Annotated[int, typer.Option("--servers", min=1, help="Model servers to start.")] = 1,
    cold: Annotated[
        int,
        typer.Option(
            "--cold",
            min=0,
            help="Model servers that the balancer starts when those are full, and stops when they were idle "
            "for long; needs Consul.",
        ),
    ] = 0,
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="The balancer's port.")
    ] = 50051,
    consul: Annotated[
        str,
        typer.Option(
            "--consul",
            metavar="auto|off|URL",
            help="Where instances are found. auto: the Consul at its usual address, else a dev "
            "agent of our own if there is a consul program, else a plain list.",
        ),
    ] = "auto",
    profiles: Annotated[
        Path | None,
        typer.Option(
            "--profiles", exists=True, file_okay=False, help="A folder of your own profiles."
        ),
    ] = None,
    cache_dir: Annotated[
        Path | None,
        typer.Option("--cache-dir", file_okay=False, help="Where the model is kept once loaded."),
    ] = None,
    web_port: Annotated[
        int | None,
        typer.Option(
            "--web-port",
            min=1,
            max=65535,
            help=f"The web page's port. [default: {DEFAULT_WEB_PORT}, or a free one if that is in use]",
        ),
    ] = None,
    no_web: Annotated[bool, typer.Option("--no-web", help="Leave the web page out.")] = False,
) -> None:
    """Start a whole service on this machine.

    A balancer, model servers, a web page and, where it is found, a Consul dev agent. Runs until Ctrl-C or SIGTERM (exit code 0) or until one of its processes dies (1), and
    leaves none of them behind.
    """
    if consul not in {"auto", "off"} and urlsplit(consul).scheme not in {"http", "https"}:
        _refuse(
            told("--consul: {said} is not auto, off or a URL", said=repr(consul)), ExitCode.INPUT
        )
    if not is_free(port):
        _refuse(told("port {port} is in use; {option} takes another", port=port, option="--port"))
    if web_port is not None and not is_free(web_port):
        _refuse(
            told(
                "port {port} is in use; {option} takes another", port=web_port, option="--web-port"
            )
        )
    extra = missing_extra(model)
    if extra is not None:
        hint = f'python -m pip install "{extra}"'
        _refuse(told("the model server is not installed: {hint}", hint=hint))
    if consul not in {"auto", "off"} and not answers(consul):
        _refuse(told("no Consul answers at {url}", url=consul), ExitCode.UNAVAILABLE)
    page_is_missing = None if no_web else missing_web_extra()
    spare_1, spare_2, spare_3, spare_web, *server_ports = free_ports(4 + servers)
    if no_web or page_is_missing:
        web_port = None
    elif web_port is None:
        web_port = DEFAULT_WEB_PORT if is_free(DEFAULT_WEB_PORT) else spare_web
    registry = chosen(
        consul,
        Surroundings(
            consul_answers=answers(DEFAULT_URL),
            consul_binary=shutil.which("consul"),
            default_port_is_free=is_free(DEFAULT_PORT),
            spare_ports=(spare_1, spare_2, spare_3),
        ),
    )
    if cold and registry.url is None:
        _refuse(
            told(
                "--cold: servers that the balancer starts are found through Consul, and this is {registry}; "
                "put a consul program on the PATH, or name one that runs with --consul URL",
                registry=registry.said,
            )
        )
    if page_is_missing:
        hint = f'python -m pip install "{page_is_missing}"'
        _tell(told("without the web page: {hint} adds it", hint=hint))
    _tell(told("instances are found through {registry}", registry=registry.said))
    # Records and logs of what the balancer starts: gone with the service.
    with TemporaryDirectory(prefix="tidegate-", ignore_cleanup_errors=True) as state:
        plan = Plan(
            model,
            port,
            tuple(server_ports),
            profiles,
            cache_dir,
            web_port,
            cold,
            Path(state),
        )
        exit_code = asyncio.run(
            serve(plan, registry, _tell, lambda took_s: _welcome(plan, registry, took_s))
        )
    _tell(told("stopped"))
    raise typer.Exit(exit_code)


def _welcome(plan: Plan, registry: Registry, took_s: float) -> None:
    host, default_port = DEFAULT_ADDRESS.split(":")
    elsewhere = (
        "" if plan.balancer_port == int(default_port) else f" --address {host}:{plan.balancer_port}"
    )
    lines = [
        told("Ready after {seconds} s.", seconds=f"{took_s:.0f}"),
        told("  balancer   {address}", address=plan.balancer_address),
        *(told("  server     {address}", address=address) for address in plan.server_addresses),
        *(
            [told("  cold       {count} more, started when needed", count=plan.cold)]
            if plan.cold
            else []
        ),
        told("  instances  {registry}", registry=registry.said),
        *(
            []
            if plan.web_port is None
            else [told("  web page   {url}", url=f"http://localhost:{plan.web_port}/")]
        ),
        *(
            [told("  SIMULATED  no model is loaded: labels and replies mean nothing")]
            if is_simulated(plan.model)
            else []
        ),
        told("Try, in another shell:"),
        f'  tidegate classify{elsewhere} "今天的实验终于成功了，太棒了！"',
        f'  tidegate judge{elsewhere} "等了两个星期才到，包装还破了。"',
        f"  tidegate chat{elsewhere}",
        f"  tidegate status{elsewhere}",
        told("Ctrl-C stops everything."),
    ]
    # A reader of stdout that has gone must not take the service down.
    try:
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
    except (OSError, ValueError):
        return


def _tell(line: str) -> None:
    say(f"tidegate: {line}")


def _refuse(why: str, exit_code: ExitCode = ExitCode.FAILURE) -> NoReturn:
    _tell(why)
    raise typer.Exit(exit_code)
