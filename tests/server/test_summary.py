import pytest

from tidegate.server.summary import LONGEST_CHARACTERS, READ_CHARACTERS, sum_up


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("你好。", "你好。"),
        ("  just one  ", "just one"),
        (
            "你好。我买的手机屏幕碎了，手机屏幕怎么修？谢谢！",
            "我买的手机屏幕碎了，手机屏幕怎么修？",
        ),
        (
            "Hello there. The delivery was late and the delivery box was broken! Thanks.",
            "The delivery was late and the delivery box was broken!",
        ),
        ("Version 3.5 failed. ok", "Version 3.5 failed."),
        ("他说：“物流太慢了！”我同意。", "他说：“物流太慢了！”"),
        ("。。。", "。。。"),
    ],
)
def test_the_sentence_with_the_most_weight_stands_for_the_text(text, sentence):
    assert sum_up(text) == sentence


def test_of_equal_sentences_the_first_is_taken():
    assert sum_up("啊。哦。嗯。") == "啊。"


def test_a_sentence_without_end_is_cut_at_a_border_of_characters():
    text = "手机屏幕" * 1000
    assert sum_up(text) == text[:LONGEST_CHARACTERS]
    family = "👨‍👩‍👧‍👦" * 100
    assert sum_up(family).endswith("👦")


def test_only_the_beginning_of_a_long_text_is_read():
    assert "手机" not in sum_up("好。" * READ_CHARACTERS + "手机屏幕碎了。")
