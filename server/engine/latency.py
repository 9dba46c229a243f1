"""How long a step of an engine takes: a line through what the real one was measured to take.

A step costs the same whatever is in it (the weights go over the memory bus once), and more for each token of a
prompt and for each row. Knows nothing of models, files or clocks.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tidegate.server.engine.batch import Batch

Seconds = Annotated[float, Field(ge=0, le=60)]


class Latency(BaseModel):
    """The time of a step, in seconds.

    The defaults are of a 0.5B model in FP32 on two cores: 13 tokens a second for one chat and 86 for
    eight at once, and 0.15 s for a label with 30 tokens that no cache holds. The balancer's simulator
    holds the same figures for true.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    step_s: Seconds = 0.0747
    prompt_token_s: Seconds = 0.00243
    row_s: Seconds = 0.0023
    reply_tokens: Annotated[int, Field(ge=1, le=100_000)] = 64
    """Length of a reply that no caller limits to less."""

    def of(self, batch: Batch) -> float:
        """Return how long the step of `batch` takes; 0 for an empty one."""
        if not batch.rows:
            return 0.0
        read = sum(len(row.tokens) for row in batch.rows if not row.written)
        return self.step_s + read * self.prompt_token_s + len(batch.rows) * self.row_s
