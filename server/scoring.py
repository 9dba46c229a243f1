"""Turns the log-probabilities of the labels into a label with its confidence.

Pure arithmetic. Contextual calibration after Zhao et al., "Calibrate Before Use" (2021), in
logarithms: what the model says of texts that deserve no label is subtracted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ranked:
    """One label, by its place in the profile, and its probability among the labels."""

    index: int
    score: float


def label_prior(samples: Sequence[Sequence[float]], labels: int) -> tuple[float, ...]:
    """Return the mean logs over `samples` minus their own mean; zeros without samples."""
    if not samples:
        return (0.0,) * labels
    means = [math.fsum(column) / len(samples) for column in zip(*samples, strict=True)]
    middle = math.fsum(means) / len(means)
    return tuple(mean - middle for mean in means)


def rank(logs: Sequence[float], prior: Sequence[float], temperature: float) -> list[Ranked]:
    """Return the labels, best first, with softmax((logs - prior) / temperature).

    Equal scores keep the profile's order, so that the answer is the same every time.
    """
    shifted = [(one - its) / temperature for one, its in zip(logs, prior, strict=True)]
    top = max(shifted)
    weights = [math.exp(one - top) for one in shifted]
    total = math.fsum(weights)
    ranked = [Ranked(index, weight / total) for index, weight in enumerate(weights)]
    return sorted(ranked, key=lambda one: -one.score)


def confidence(best_score: float, labels: int) -> float:
    """Return how far the best score stands above chance: 0 is a coin's toss, 1 is certain."""
    chance = 1 / labels
    return max(0.0, (best_score - chance) / (1 - chance))
