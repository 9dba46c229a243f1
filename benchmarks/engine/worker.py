"""The process of one contender: loads it, then answers asks, one JSON object a line each way.

An ask is {"ask": NAME, …}: the contender's method NAME with the rest as keywords. The answer is
{"answer": VALUE} or {"error": TEXT}. Started by `process.Contender`, never by hand.
"""

import importlib
import json
import os
import sys
import traceback
from typing import Any


def main() -> None:
    """Serve asks from stdin until it ends."""
    # Libraries print; only answers may go where the conductor reads.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    name, options = sys.argv[1], json.loads(sys.argv[2])
    contender: Any = None

    def answer(what: dict[str, Any]) -> Any:
        nonlocal contender
        if contender is None:
            module = importlib.import_module(f"benchmarks.engine.contenders.{name}")
            contender = module.Contestant(**options)
        return getattr(contender, what.pop("ask"))(**what)

    for line in sys.stdin:
        try:
            reply = {"answer": answer(json.loads(line))}
        except Exception as error:
            traceback.print_exc()
            reply = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(reply) + "\n")


def peak_bytes() -> int:
    """Return the most memory that this process has had resident."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            line = next(one for one in status if one.startswith("VmHWM:"))
            return int(line.split()[1]) * 1024
    except OSError:
        import resource

        # Bytes on macOS, which is where there is no /proc.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
