"""A network of its own on this machine, with cables to it that can be cut: nothing is refused then, and nothing answered."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from support.programs import wait_until


class Island:
    """Two cables lead to it. `address` is its own and reached by the first alone, `other` by the second alone.

    `here` is this machine's address on the second.
    """

    def __init__(self) -> None:
        number, pid = os.getpid() % 250, os.getpid()
        self.address = f"10.214.{number}.129"
        self.other, self.here = f"10.214.{number}.6", f"10.214.{number}.5"
        self._cables = (f"ti{pid}a", f"ti{pid}b")
        self._space = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        wait_until(self._is_apart, "a network of its own")
        inside = " ".join(self.inside)
        for command in (
            f"{inside} ip link set lo up",
            f"{inside} ip addr add {self.address}/32 dev lo",
            *self._lay(0, f"10.214.{number}.1", f"10.214.{number}.2"),
            *self._lay(1, self.here, self.other),
            f"ip route add {self.address}/32 via 10.214.{number}.2",
        ):
            _run(command)

    @property
    def inside(self) -> list[str]:
        """The beginning of a command that runs there."""
        return ["nsenter", f"--net=/proc/{self._space.pid}/ns/net"]

    def cut(self) -> None:
        """Cut the first cable."""
        _run(f"{' '.join(self.inside)} ip link set in0 down")

    def mend(self) -> None:
        """Mend it."""
        _run(f"{' '.join(self.inside)} ip link set in0 up")

    def end(self) -> None:
        self._space.kill()
        self._space.wait()
        for cable in self._cables:
            with suppress(RuntimeError):
                _run(f"ip link delete {cable}")

    def _lay(self, number: int, here: str, there: str) -> tuple[str, ...]:
        cable, inside = self._cables[number], " ".join(self.inside)
        return (
            f"ip link add {cable} type veth peer name in{number} netns {self._space.pid}",
            f"ip addr add {here}/30 dev {cable}",
            f"ip link set {cable} up",
            f"{inside} ip addr add {there}/30 dev in{number}",
            f"{inside} ip link set in{number} up",
        )

    def _is_apart(self) -> bool:
        if self._space.poll() is not None:
            raise RuntimeError("no network of its own: unshare ended")
        return os.readlink(f"/proc/{self._space.pid}/ns/net") != os.readlink("/proc/self/ns/net")


def _run(command: str) -> None:
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr}")


@contextmanager
def an_island() -> Iterator[Island]:
    """An island for the length of a block; skips, saying why, where none can be."""
    if os.geteuid() != 0:
        pytest.skip("a network of one's own needs root")
    for name in ("unshare", "nsenter", "ip"):
        if shutil.which(name) is None:
            pytest.skip(f"a network of one's own needs the command {name}")
    try:
        island = Island()
    except RuntimeError as error:
        pytest.skip(f"no network of its own here: {error}")
    try:
        yield island
    finally:
        island.end()
