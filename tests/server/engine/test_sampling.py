"""How the next token is chosen."""

from collections import Counter

import pytest
import torch

from tidegate.server.engine.sampling import choose
from tidegate.server.engine.sequence import Sampling, Write

LOGITS = torch.tensor([0.1, 2.0, 1.0, -1.0, 0.5])


def write(
    seed: int = 0, temperature: float = 1.0, top_p: float = 1.0, penalty: float = 1.0
) -> Write:
    return Write(Sampling(temperature=temperature, top_p=top_p, repetition_penalty=penalty), seed)


def test_temperature_zero_takes_the_likeliest() -> None:
    assert choose(LOGITS, write(temperature=0), ()) == 1


def test_the_penalty_makes_used_tokens_lose() -> None:
    assert choose(LOGITS, write(temperature=0, penalty=2.5), (1,)) == 2


def test_the_penalty_also_lowers_negative_logits() -> None:
    logits = torch.tensor([-1.0, -1.1])

    assert choose(logits, write(temperature=0, penalty=1.5), (0,)) == 1


def test_a_small_nucleus_leaves_only_the_likeliest() -> None:
    drawn = {choose(LOGITS, write(seed=seed, top_p=0.1), ()) for seed in range(50)}

    assert {1} == drawn


def test_the_same_seed_and_place_draw_the_same() -> None:
    first = [choose(LOGITS, write(seed=7), range(place)) for place in range(20)]
    second = [choose(LOGITS, write(seed=7), range(place)) for place in range(20)]

    assert first == second
    assert len(set(first)) > 1


@pytest.mark.parametrize("vocabulary", [5, 3000])
def test_draws_follow_the_probabilities(vocabulary: int) -> None:
    logits = torch.full((vocabulary,), -30.0)
    logits[:5] = LOGITS
    expected = logits.softmax(0)[:5]

    drawn = Counter(choose(logits, write(seed=seed), ()) for seed in range(4000))

    for token in range(5):
        assert expected[token].item() == pytest.approx(drawn[token] / 4000, abs=0.03)


def test_a_flat_distribution_is_drawn_from_whole() -> None:
    """A nucleus wider than the first look must not be cut to it."""
    drawn = {choose(torch.zeros(5000), write(seed=seed), ()) for seed in range(300)}

    assert any(token >= 1024 for token in drawn)
    assert len(drawn) > 250
