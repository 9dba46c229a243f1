"""Stories of labels of several tokens: what is asked, and what the answers make of each label."""

import math

import pytest

from tidegate.server.engine.label_tree import AmbiguousLabelsError, LabelTree, Walk


def walk(labels: list[list[int]], answers: list[list[float]]) -> tuple[float, ...]:
    walk = Walk(LabelTree(labels))
    for logits in answers:
        assert walk.path is not None
        walk.take(logits)
    assert walk.path is None
    return walk.scores()


def test_labels_with_different_first_tokens_need_one_question() -> None:
    assert LabelTree([[5, 1], [3], [4, 4, 4]]).questions == {(): (3, 4, 5)}


def test_labels_that_begin_alike_are_asked_about_where_they_part() -> None:
    tree = LabelTree([[9, 4, 1], [9, 4, 2], [9, 5]])

    assert tree.questions == {(9,): (4, 5), (9, 4): (1, 2)}
    assert tree.depth == 2


def test_a_label_is_as_likely_as_its_way() -> None:
    scores = walk([[9, 4, 1], [9, 4, 2], [9, 5]], [[0.0, 0.0], [math.log(3), 0.0]])

    assert [math.exp(score) for score in scores] == pytest.approx([3 / 8, 1 / 8, 1 / 2])


def test_the_likelihoods_of_all_labels_add_up_to_one() -> None:
    scores = walk([[1, 2], [1, 3, 5], [1, 3, 6], [2]], [[4.0, 900.0], [-3.0, 8.5], [0.1, 0.2]])

    assert math.fsum(map(math.exp, scores)) == pytest.approx(1)


def test_a_label_that_another_one_begins_with_is_refused() -> None:
    with pytest.raises(AmbiguousLabelsError) as refused:
        LabelTree([[1, 2, 3], [7], [1, 2]])

    assert (refused.value.shorter, refused.value.longer) == (2, 0)


@pytest.mark.parametrize("labels", [[], [[1]]])
def test_fewer_than_two_labels_are_refused(labels: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="two or more"):
        LabelTree(labels)
