"""Stories of the pace: the budget follows what steps were seen to take."""

import pytest

from tidegate.server.engine.pace import Pace


def seconds(tokens: int) -> float:
    """A machine that reads its weights in 60 ms and computes a token in 4 ms."""
    return 0.060 + 0.004 * tokens


@pytest.mark.parametrize("step_s", [0.35, 0.5, 1.0])
def test_the_budget_settles_where_a_step_is_as_long_as_it_may_be(step_s: float) -> None:
    pace = Pace(step_s)
    for _ in range(100):
        budget = pace.prompt_tokens(0)
        pace.learn(budget, seconds(budget))

    assert seconds(pace.prompt_tokens(0)) == pytest.approx(step_s, rel=0.1)


def test_what_is_written_beside_a_prompt_counts() -> None:
    pace = Pace(1.0)
    pace.learn(100, 1.0)

    assert (pace.prompt_tokens(0), pace.prompt_tokens(8)) == (100, 92)


def test_a_prompt_goes_on_however_slow_the_machine_is() -> None:
    pace = Pace(0.15)
    pace.learn(64, 60.0)

    assert (pace.prompt_tokens(8), pace.prompt_tokens(0)) == (32, 64)


def test_steps_of_a_few_tokens_say_nothing_of_prompts() -> None:
    pace = Pace(0.15)
    before = pace.prompt_tokens(0)
    for _ in range(50):
        pace.learn(8, 0.1)

    assert pace.prompt_tokens(0) == before


def test_a_fast_machine_is_not_asked_for_endless_steps() -> None:
    pace = Pace(0.15)
    pace.learn(64, 0.0001)

    assert pace.prompt_tokens(0) == 512
