"""A running `tidegate up`, and the commands of a user against it."""

from dataclasses import dataclass

from support.programs import Program, run


@dataclass(frozen=True)
class Service:
    """A running `tidegate up`."""

    port: int
    program: Program

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    def tidegate(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a `tidegate` command against it and return its answer; it must succeed."""
        ended = run(
            "tidegate", *arguments, stdin=stdin, within_s=400, TIDEGATE_ADDRESS=self.address
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout
