"""What an instance is told when it is started on an engine: its settings, as arguments and as variables.

Pure. Knows nothing about engines.
"""

import shlex
from collections.abc import Collection
from dataclasses import dataclass

from tidegate.balancer.core.instance import Role

WEIGHTS = "/weights"
"""Where our image looks for weights."""
DECIDED = ("--role", "--service-name", "--launched-by")
"""Flags of the server that nobody but an engine's launcher says."""

_PREFIX = "TIDEGATE_SERVER_"


@dataclass(frozen=True, slots=True)
class Birth:
    """What all instances of a fleet are told alike.

    `fleet` is the name under which they register, `consul` where they do, as they see it; `server`
    are flags for them, `launched_by` says who can stop them.
    """

    fleet: str
    consul: str
    launched_by: str
    server: str

    @property
    def arguments(self) -> list[str]:
        """The arguments of the server; they win over variables."""
        return shlex.split(self.server)

    def variables(self, role: Role) -> dict[str, str]:
        """The environment of an instance of `role`."""
        return {
            f"{_PREFIX}ROLE": role.value,
            f"{_PREFIX}SERVICE_NAME": self.fleet,
            f"{_PREFIX}CONSUL": self.consul,
            f"{_PREFIX}LAUNCHED_BY": self.launched_by,
        }


def check_flags(server: str, decided: Collection[str] = DECIDED) -> str:
    """Return `server` when it can be read as flags, with none of `decided`, which the launcher says itself.

    Raises ValueError saying what is wrong.
    """
    try:
        flags = shlex.split(server)
    except ValueError as error:
        raise ValueError(f"can't be read: {error}") from None
    for flag in flags:
        if flag.partition("=")[0] in decided:
            raise ValueError(f"has {flag}, which the launcher itself decides")
    return server
