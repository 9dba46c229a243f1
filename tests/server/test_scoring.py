import pytest

from tidegate.server.scoring import confidence, label_prior, rank


@pytest.mark.parametrize(
    ("samples", "prior"),
    [
        ([], (0.0, 0.0)),
        ([(3.0, 1.0)], (1.0, -1.0)),
        ([(3.0, 1.0), (1.0, 3.0)], (0.0, 0.0)),
        ([(103.0, 101.0)], (1.0, -1.0)),
    ],
)
def test_the_prior_is_the_mean_without_its_level(samples, prior):
    assert label_prior(samples, 2) == pytest.approx(prior)


def test_the_best_label_comes_first_and_the_scores_add_up_to_one():
    ranked = rank((1.0, 3.0, 2.0), (0.0, 0.0, 0.0), 1.0)
    assert [one.index for one in ranked] == [1, 2, 0]
    assert sum(one.score for one in ranked) == pytest.approx(1)


def test_the_prior_is_taken_off_before_ranking():
    assert [one.index for one in rank((5.0, 4.0), (1.0, -1.0), 1.0)] == [1, 0]


@pytest.mark.parametrize("temperature", [0.01, 0.3, 1.0, 2.0])
def test_the_label_never_depends_on_the_temperature(temperature):
    ranked = rank((900.0, -900.0), (0.0, 0.0), temperature)
    assert [one.index for one in ranked] == [0, 1]
    assert ranked[0].score == pytest.approx(1)


def test_equal_scores_keep_the_order_of_the_profile():
    assert [one.index for one in rank((1.0, 1.0, 1.0), (0.0,) * 3, 1.0)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("score", "labels", "value"), [(0.5, 2, 0.0), (1.0, 2, 1.0), (0.75, 2, 0.5), (0.2, 5, 0.0)]
)
def test_confidence_is_the_way_from_chance_to_certainty(score, labels, value):
    assert confidence(score, labels) == pytest.approx(value)
