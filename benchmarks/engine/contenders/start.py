"""Ours from nothing: how long after its start a server gives the first correct answer."""

import time

from benchmarks.engine.server_process import ServerProcess

# How far a probability may lie from the oracle's: FP32 in another order of additions.
_TOLERANCE = 1e-3


class Contestant:
    """Starts a server for each ask."""

    def __init__(self, folder: str, threads: int, context_tokens: int) -> None:
        self._options = (folder, threads, context_tokens)

    def start(self, text: str, scores: dict[str, float]) -> float:
        """Return the seconds from the start of a process to the label of `text`.

        The answer must say what the oracle says.
        """
        with ServerProcess(*self._options) as server:
            answer = server.first_answer(text)
            seconds = time.perf_counter() - server.began_s
        for one in answer.scores:
            if abs(one.score - scores[one.label]) > _TOLERANCE:
                raise ValueError(
                    f"{one.label} has {one.score:.4f}, must be {scores[one.label]:.4f}"
                )
        return seconds
