"""How many tokens a step may compute, so that nobody waits for it longer than a bound.

The bound is for those whose replies are being written. A step's time is taken as its tokens
times a moving mean of what a token took, so the budget follows the machine and what else runs on
it. A token costs more in a small step, where the weights are read for few of them: then the mean
rises, the budget falls, and both settle where a step is as long as it may be. Pure: is told the
seconds.
"""

# A prompt always goes on, however slow the machine is. A token of a smaller chunk costs twice as
# much or more, because the weights are read for it all the same.
_FEWEST = 32
# The same while no reply is written.
_FEWEST_ALONE = 64
# Steps of fewer tokens say little of a token's time: reading the weights is all that they do.
_TELLING = 16
# Beyond it a step gains nothing: products of this many rows already run at the CPU's limit.
_MOST = 512
# What is allowed before anything was measured; short enough on the slowest machines.
_FIRST = 64
# The share of a new measurement in the mean: a change is followed within ten steps or so.
_WEIGHT = 0.2


class Pace:
    """The budget of the next step, learned from those before."""

    def __init__(self, step_s: float) -> None:
        self.step_s = step_s
        self._token_s: float | None = None

    def __repr__(self) -> str:
        return f"<Pace {self.prompt_tokens(0)} tokens in {self.step_s} s>"

    def prompt_tokens(self, written: int) -> int:
        """Return how many tokens of prompts fit into a step that writes `written` as well."""
        if self._token_s is None:
            return _FIRST
        fewest = _FEWEST if written else _FEWEST_ALONE
        return max(fewest, min(_MOST, int(self.step_s / self._token_s)) - written)

    def learn(self, tokens: int, seconds: float) -> None:
        """Take in what a step of so many tokens took."""
        if tokens >= _TELLING:
            token_s = seconds / tokens
            mean = token_s if self._token_s is None else self._token_s
            self._token_s = mean + _WEIGHT * (token_s - mean)
