"""The instances that everything stands before: real servers whose model only sleeps, a process each.

Knows nothing of balancers.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from benchmarks.overload.child import Child, free_port
from tidegate.v1 import fleet_pb2, instance_pb2
from tidegate.v1.instance_pb2_grpc import InstanceStub

PEERS = Path(__file__).parent / "peers"
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Size:
    """How many instances, and what each takes at once."""

    instances: int = 6
    chat_slots: int = 4
    sentiment_slots: int = 16
    degraded_slots: int = 2
    latency: Path = PEERS / "instance.toml"

    @property
    def slots(self) -> int:
        """Chats that the whole fleet takes at once."""
        return self.instances * self.chat_slots


class Fleet:
    """Running instances."""

    def __init__(self, size: Size, ports: list[int], children: list[Child]) -> None:
        self.size = size
        self.ports = ports
        self._children = children

    @property
    def addresses(self) -> list[str]:
        """host:port of each."""
        return [f"127.0.0.1:{port}" for port in self.ports]

    def wait_hot(self) -> None:
        """Return when all of them take calls. Raises ChildError."""
        for child, address in zip(self._children, self.addresses, strict=True):
            child.wait_until(lambda address=address: _is_hot(address))  # type: ignore[misc]

    def wait_idle(self) -> None:
        """Return when none of them answers a call any more. Raises TimeoutError."""
        give_up_s = time.monotonic() + _PATIENCE_S
        while any(_in_flight(address) for address in self.addresses):
            if time.monotonic() > give_up_s:
                raise TimeoutError(f"instances are busy after {_PATIENCE_S:.0f} s without calls")
            time.sleep(0.2)

    def cpu_s(self) -> float:
        """Return the seconds of a core that all of them together have used."""
        return sum(child.cpu_s() for child in self._children)


@contextmanager
def running(size: Size, log: Path) -> Iterator[Fleet]:
    """Run a fleet for the length of a block; it is hot when the block begins."""
    ports = [free_port() for _ in range(size.instances)]
    options = [
        *("--model", f"simulated:{size.latency}", "--consul", "off", "--log-format", "json"),
        *("--chat-slots", str(size.chat_slots), "--sentiment-slots", str(size.sentiment_slots)),
        *("--degraded-slots", str(size.degraded_slots), "--watchdog-s", "0"),
    ]
    with ExitStack() as stack:
        children = [
            stack.enter_context(
                Child(
                    f"the instance at {port}",
                    [sys.executable, "-m", "tidegate.server", "--port", str(port), *options],
                    log,
                )
            )
            for port in ports
        ]
        fleet = Fleet(size, ports, children)
        fleet.wait_hot()
        yield fleet


def _load(address: str) -> instance_pb2.GetLoadResponse:
    with grpc.insecure_channel(address) as channel:
        return InstanceStub(channel).GetLoad(instance_pb2.GetLoadRequest(), timeout=5)


def _is_hot(address: str) -> bool:
    try:
        return _load(address).phase == fleet_pb2.PHASE_HOT
    except grpc.RpcError:
        return False


def _in_flight(address: str) -> int:
    return sum(lane.in_flight for lane in _load(address).lanes)
