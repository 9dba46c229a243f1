"""What an option of the server does, measured: two servers that differ in it, in turns.

`python -m benchmarks.options --a "--dtype float32" --b "--dtype bfloat16"` starts each of them anew in
every round, so that a busy moment of the machine meets both, and prints medians and ranges. Labels
are asked for every line of a file (label, tab, text), first alone, then eight at once.
"""

import argparse
import shlex
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.engine.server_process import ServerProcess
from benchmarks.machine import cores, describe
from tidegate.v1.chat_pb2 import ReplyRequest, Sampling
from tidegate.v1.sentiment_pb2 import ClassifyRequest

REVIEWS = Path(__file__).resolve().parent.parent / "tests" / "system" / "reviews.tsv"
AT_ONCE = 8
CHAT = ReplyRequest(
    text="我的快递还没到，怎么办？", sampling=Sampling(max_tokens=64, temperature=1, seed=7)
)


class Server(ServerProcess):
    """A server with options of its own."""

    def __init__(self, model: str, context_tokens: int, options: str) -> None:
        super().__init__(model, 0, context_tokens)
        self._options += shlex.split(options)


@dataclass
class Measured:
    """What was measured of one side, a list entry a round (labels: a call)."""

    options: str
    start_s: list[float] = field(default_factory=list)
    alone_ms: list[float] = field(default_factory=list)
    busy_ms: list[float] = field(default_factory=list)
    chat_tokens_per_s: list[float] = field(default_factory=list)
    peak_gb: list[float] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)


def measure(side: Measured, model: str, reviews: list[tuple[str, str]]) -> None:
    """Run one server through one round."""
    texts = [text for _, text in reviews]
    with Server(model, 1024, side.options) as server:
        server.first_answer(texts[0])
        side.start_s.append(time.perf_counter() - server.began_s)

        def label(text: str) -> tuple[str, float]:
            began_s = time.perf_counter()
            answer = server.sentiment.Classify(ClassifyRequest(text=text))
            return answer.label, (time.perf_counter() - began_s) * 1e3

        alone = [label(text) for text in texts]
        side.labels = [name for name, _ in alone]
        side.alone_ms += [ms for _, ms in alone]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            side.busy_ms += [ms for _, ms in pool.map(label, texts)]
        began_s = time.perf_counter()
        reply = server.chat.Reply(CHAT)
        spent_s = time.perf_counter() - began_s
        side.chat_tokens_per_s.append(reply.usage.completion_tokens / spent_s)
        side.peak_gb.append(server.peak_bytes() / 1e9)


def spread(values: list[float]) -> str:
    """Return median and range."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def centiles(values: list[float]) -> str:
    """Return the median and the 95th of a hundred."""
    return f"{statistics.median(values):.0f}, p95 {statistics.quantiles(values, n=20)[-1]:.0f}"


ROWS: dict[str, Callable[[Measured], str]] = {
    "start to first answer, s": lambda side: spread(side.start_s),
    "one label alone, ms": lambda side: centiles(side.alone_ms),
    f"labels, {AT_ONCE} at once, ms": lambda side: centiles(side.busy_ms),
    "one chat, tokens/s": lambda side: spread(side.chat_tokens_per_s),
    "peak memory, GB": lambda side: spread(side.peak_gb),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--a", default="", help="options of the first server")
    parser.add_argument("--b", required=True, help="options of the second server")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reviews", type=Path, default=REVIEWS)
    parser.add_argument("--at-most", type=int, default=10_000, help="lines of the file to ask")
    wanted = parser.parse_args()
    lines = wanted.reviews.read_text("utf-8").splitlines()[:: max(1, 120 // wanted.at_most)]
    reviews = [(label, text) for label, _, text in (line.partition("\t") for line in lines)]
    sides = Measured(wanted.a), Measured(wanted.b)
    for number in range(wanted.rounds):
        for side in sides if number % 2 == 0 else sides[::-1]:
            measure(side, wanted.model, reviews)
    for name, fact in describe(cores()).items():
        print(f"{name}: {fact}")
    a, b = sides
    print(f"\n| {wanted.model} | `{a.options or 'default'}` | `{b.options}` |\n|---|---|---|")
    for name, row in ROWS.items():
        print(f"| {name} | {row(a)} | {row(b)} |")
    right = [
        sum(label == said for (label, _), said in zip(reviews, side.labels, strict=True))
        for side in sides
    ]
    print(f"| labels that are right, of {len(reviews)} | {right[0]} | {right[1]} |")
    same = sum(x == y for x, y in zip(a.labels, b.labels, strict=True))
    print(f"\nThe same label on both sides: {same} of {len(reviews)}.")


if __name__ == "__main__":
    main()
