"""How the next token is chosen."""

from collections import Counter

import pytest
import torch

from tidegate.server.engine.sampling import choose, choose_all
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


@pytest.mark.parametrize("top_p", [1.0, 0.99])
def test_a_flat_distribution_is_drawn_from_whole(top_p: float) -> None:
    """A nucleus wider than the first looks must not be cut to them."""
    drawn = {choose(torch.zeros(5000), write(seed=seed, top_p=top_p), ()) for seed in range(300)}

    assert any(token >= 1024 for token in drawn)
    assert len(drawn) > 250


@pytest.mark.parametrize("spread", [0.1, 1.0, 4.0])
@pytest.mark.parametrize("top_p", [0.001, 0.1, 0.5, 0.9])
def test_no_token_outside_the_nucleus_is_drawn(spread: float, top_p: float) -> None:
    logits = torch.randn(2_000, generator=torch.Generator().manual_seed(3)) * spread
    probabilities, order = logits.softmax(0).sort(descending=True)
    before = probabilities.cumsum(0) - probabilities
    nucleus = set(order[before < top_p + 1e-5].tolist())

    drawn = {choose(logits, write(seed=seed, top_p=top_p), ()) for seed in range(300)}

    assert drawn <= nucleus
    assert len(drawn) >= min(len(nucleus), 100) * 0.5


def test_replies_are_chosen_side_by_side_as_alone() -> None:
    logits = torch.randn(3, 500, generator=torch.Generator().manual_seed(5))
    replies = [
        (write(temperature=0), (3,)),
        (write(seed=9, top_p=0.9), ()),
        (write(penalty=2), (1,)),
    ]

    together = choose_all(logits, replies)

    assert together == [choose(row, *reply) for row, reply in zip(logits, replies, strict=True)]


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_logits_that_are_not_finite_choose_nothing(poison: float) -> None:
    logits = torch.zeros(2, 50)
    logits[1, 7] = poison

    assert choose_all(logits, [(write(), ()), (write(), ())])[1] is None
