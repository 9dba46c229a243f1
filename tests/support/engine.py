"""A real Docker Engine in namespaces of its own: network, mounts and processes of the machine stay as they are.

When the namespaces end, containers, bridges, rules and mounts end with them. What stays is a folder, which goes too.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import docker
import pytest
from support.consul import ConsulAgent, find_consul
from support.programs import wait_until

# Tried in this order: overlayfs, in memory, where a disk has no say; or else copies on the disk.
STORAGE_DRIVERS = ("overlay2", "vfs")
CGROUPS = Path("/sys/fs/cgroup")


def find_engine() -> Path:
    """The folder under which dockerd lies: TIDEGATE_DOCKER, or the machine's own."""
    folder = Path(os.environ.get("TIDEGATE_DOCKER") or "/")
    if any((folder / name / "dockerd").exists() for name in ("usr/sbin", "usr/bin")):
        return folder
    pytest.skip("no Docker Engine: set TIDEGATE_DOCKER, or run scripts/fetch_docker.sh")


class Engine:
    """One Engine, reached from this process by its socket and by the address of its namespace."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self.folder = programs, folder
        self._daemon: subprocess.Popen[bytes] | None = None
        self._driver = STORAGE_DRIVERS[0]
        self.url = f"unix://{folder}/engine.sock"
        self._mark = f"tidegate-test-{os.getpid()}"
        self._space = self._namespaces()
        self.pid = self._child()
        # A pair of ends like a cable: one here, the other in there.
        number = os.getpid() % 250
        self.address, here = f"10.213.{number}.2", f"10.213.{number}.1"
        self._cable = cable = f"tg{os.getpid()}"
        in_memory = folder / STORAGE_DRIVERS[0]
        in_memory.mkdir()
        for command in (
            f"nsenter --target {self.pid} --mount mount -t tmpfs -o size=4g none {in_memory}",
            f"ip link add {cable} type veth peer name outside netns {self.pid}",
            f"ip addr add {here}/24 dev {cable}",
            f"ip link set {cable} up",
            f"{' '.join(self.inside)} ip addr add {self.address}/24 dev outside",
            f"{' '.join(self.inside)} ip link set outside up",
            f"{' '.join(self.inside)} ip link set lo up",
        ):
            _run(command.split())

    @property
    def inside(self) -> list[str]:
        """The beginning of a command that runs in the Engine's network."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net"]

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        for driver in STORAGE_DRIVERS[STORAGE_DRIVERS.index(self._driver) :]:
            self._driver = driver
            if self._serves():
                return
        raise RuntimeError(f"dockerd did not start: {self.log[-2000:]}")

    def stop(self) -> None:
        """Stop the daemon as its supervisor does; with live-restore its containers run on."""
        assert self._daemon is not None
        # What we started is nsenter; the daemon is its child, and has another id in there.
        kill = f"kill -TERM $(cat {self.folder}/pid)"
        _run(["nsenter", "-t", str(self.pid), "-m", "-p", "sh", "-c", kill])
        self._daemon.wait(30)
        self._daemon = None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    @cached_property
    def client(self) -> docker.DockerClient:
        return docker.DockerClient(base_url=self.url, timeout=60)

    def command(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run the `docker` command against it; returns what it prints."""
        return _run(["docker", "--host", self.url, *arguments], cwd, self._environment)

    def end(self) -> None:
        """End everything that runs in there, and remove its folder."""
        if "client" in self.__dict__:
            self.client.close()
        self._space.kill()
        self._space.wait()
        if self._daemon is not None:
            self._daemon.wait()
        # The kernel keeps a network for a minute when connections of it were open.
        with contextlib.suppress(RuntimeError):
            _run(["ip", "link", "delete", self._cable])
        for folder in sorted(CGROUPS.glob(f"**/{self._mark}/**/"), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _namespaces(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                *("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"),
                *("--mount-proc", "sleep", "infinity"),
            ]
        )

    def _child(self) -> int:
        children = Path(f"/proc/{self._space.pid}/task/{self._space.pid}/children")

        def sleeps() -> bool:
            if self._space.poll() is not None:
                raise RuntimeError("no namespaces of its own: unshare ended")
            found = children.read_text().split()
            return bool(found) and "sleep" in Path(f"/proc/{found[0]}/cmdline").read_text()

        wait_until(sleeps, "a process in namespaces of its own")
        return int(children.read_text().split()[0])

    @property
    def _environment(self) -> dict[str, str]:
        programs, libraries = self._programs, self._programs / "usr/lib/x86_64-linux-gnu"
        added = {"DOCKER_BUILDKIT": "0", "DOCKER_CONFIG": str(self.folder)}
        added["PATH"] = f"{programs}/usr/sbin:{programs}/usr/bin:{os.environ['PATH']}"
        if programs != Path("/"):
            added |= {"LD_LIBRARY_PATH": str(libraries), "XTABLES_LIBDIR": f"{libraries}/xtables"}
        return {**os.environ, **added}

    def _serves(self) -> bool:
        with (self.folder / "log").open("ab") as log:
            self._daemon = subprocess.Popen(
                [
                    *("nsenter", "-t", str(self.pid), "-n", "-m", "-p"),
                    *(
                        "dockerd",
                        "--host",
                        self.url,
                        "--data-root",
                        f"{self.folder}/{self._driver}",
                    ),
                    *("--exec-root", f"{self.folder}/exec", "--pidfile", f"{self.folder}/pid"),
                    *("--storage-driver", self._driver, "--cgroup-parent", f"/{self._mark}"),
                    *("--exec-opt", "native.cgroupdriver=cgroupfs", *self.options),
                ],
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        end_s = time.monotonic() + 30
        while self._daemon.poll() is None and time.monotonic() < end_s:
            with contextlib.suppress(RuntimeError):
                self.command("version")
                return True
            time.sleep(0.05)
        return False

    options: Sequence[str] = ()


def _run(
    command: Sequence[str], cwd: Path | None = None, environment: dict[str, str] | None = None
) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


@contextmanager
def running_engine() -> Iterator[Engine]:
    """A started Engine for the length of a block; skips, saying why, where none can be."""
    programs = find_engine()
    if os.geteuid() != 0:
        pytest.skip("a Docker Engine of one's own needs root")
    for name in ("unshare", "nsenter", "ip"):
        if shutil.which(name) is None:
            pytest.skip(f"a Docker Engine in namespaces of its own needs the command {name}")
    engine = None
    folder = Path(tempfile.mkdtemp(prefix="tg"))
    try:
        try:
            engine = Engine(programs, folder)
            engine.start()
        except RuntimeError as error:
            pytest.skip(f"no Docker Engine can run here: {error}")
        yield engine
    finally:
        if engine is not None:
            engine.end()


def consul_beside(engine: Engine) -> ConsulAgent:
    """A Consul agent, not yet started, that containers of the Engine reach and that reaches them."""
    return ConsulAgent(find_consul(), engine.address, engine.inside)
