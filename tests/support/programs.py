"""The real commands as child processes: started, watched through what they print, always ended."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_SCRIPTS = Path(sys.executable).parent


def free_port() -> int:
    """Return a port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], what: str, within_s: float = 20.0) -> None:
    """Return when `condition` holds; raise TimeoutError naming `what` when it doesn't in time."""
    give_up_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > give_up_s:
            raise TimeoutError(f"{what} did not happen within {within_s:g} s")
        time.sleep(0.02)


class Program:
    """One running command. Its output goes to a file, so that it can never block on a pipe."""

    def __init__(self, arguments: list[str], log: Path, environment: Mapping[str, str]) -> None:
        self.log = log
        with log.open("wb") as opened:
            self.process = subprocess.Popen(
                [str(_SCRIPTS / arguments[0]), *arguments[1:]],
                stdout=opened,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
            )

    @property
    def output(self) -> str:
        """Everything printed so far."""
        return self.log.read_text("utf-8", errors="replace")

    def wait_for(self, text: str, within_s: float = 30.0) -> None:
        """Return when `text` has been printed; fail with the output if it ends or takes too long."""

        def is_there() -> bool:
            if self.process.poll() is not None and text not in self.output:
                raise AssertionError(f"ended with {self.process.returncode}:\n{self.output}")
            return text in self.output

        try:
            wait_until(is_there, f"{text!r} in the output", within_s)
        except TimeoutError as error:
            raise AssertionError(f"{error}:\n{self.output}") from error

    def stop(self, with_signal: signal.Signals = signal.SIGTERM, within_s: float = 40.0) -> int:
        """Send a signal, wait for the end and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        return self.process.wait(within_s)


def port_of(program: Program) -> str:
    """The port that a server has logged, which picked a free one."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", program.output)
    found: str = re.findall(r"port=(\d+)", plain)[0]
    return found


@contextmanager
def running(
    arguments: list[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Run a command for the length of a block; kill it if it does not end by itself then."""
    program = Program(arguments, log, environment or {})
    try:
        yield program
    finally:
        try:
            program.stop(within_s=15)
        except subprocess.TimeoutExpired:
            program.process.kill()
            program.process.wait()


def run(
    *arguments: str, stdin: str | None = None, within_s: float = 90.0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return what came of it."""
    return subprocess.run(
        [str(_SCRIPTS / arguments[0]), *arguments[1:]],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=within_s,
        check=False,
        env={**os.environ, **environment},
    )
