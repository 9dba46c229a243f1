import subprocess
import sys

import pytest

from tidegate.server.truncation import cut, find_keywords

LIMITS = {"above": 20, "head": 6, "tail": 6, "keywords": 3}


@pytest.mark.parametrize("text", ["", "短", "长" * 20])
def test_a_text_up_to_the_limit_is_kept_whole(text):
    assert (cut(text, **LIMITS).text, cut(text, **LIMITS).was_cut) == (text, False)


def test_a_long_text_keeps_its_head_keywords_and_tail():
    middle = "酒店的早餐很好，酒店的房间干净，酒店的服务员热情，早餐丰富。"
    kept = cut(f"前前前前前前{middle}后后后后后后", **LIMITS)
    assert kept.was_cut
    head, words, tail = kept.text.split("……")
    assert (head, tail) == ("前" * 6, "后" * 6)
    assert words.split("，")[:2] == ["酒店", "早餐"]
    assert len(words.split("，")) == 3


def test_a_middle_without_words_leaves_no_gap():
    assert cut("前" * 6 + "，。" * 10 + "后" * 6, **LIMITS).text == "前" * 6 + "……" + "后" * 6


def test_keywords_are_the_frequent_ones_in_the_order_of_the_text():
    text = "物流太慢。包装破损。包装很差。客服不理人。客服态度恶劣。"
    assert find_keywords(text, 2) == ["包装", "客服"]
    assert find_keywords(text, 0) == []


def test_stop_words_and_single_letters_are_no_keywords():
    assert find_keywords("没有可以的时候，the of a I 好", 9) == []


@pytest.mark.parametrize(
    ("letter", "name"),
    [("e\u0301", "accent"), ("👍🏽", "skin tone"), ("👨‍👩‍👧", "family"), ("❤️", "variation")],
)
def test_a_letter_of_several_code_points_is_never_split(letter, name):
    for shift in range(len(letter) + 1):
        text = "." * (6 - shift) + letter + "." * 60 + letter + "." * (6 - shift)
        kept = cut(text, **LIMITS).text
        head, tail = kept.split("……")
        assert head.strip(".") in ("", letter)
        assert tail.strip(".") in ("", letter)


def test_a_text_of_marks_alone_is_still_cut():
    assert len(cut("\u0301" * 5000, **LIMITS).text) < 60


def test_the_largest_text_is_cut_to_what_was_promised():
    kept = cut("客服态度很差，电话打不通" * 3000, above=512, head=128, tail=128, keywords=16)
    assert len(kept.text) <= 128 + 128 + 16 * 17 + 4


def test_after_the_dictionary_is_read_new_words_take_no_more_memory():
    program = """
from pathlib import Path
from tidegate.server.truncation import find_keywords, read_dictionary

def resident_kb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

read_dictionary()
before_kb = resident_kb()
find_keywords("他来到了网易杭研大厦，望失我棒很。", 5)
print(resident_kb() - before_kb)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert int(ended.stdout) < 2000, ended.stderr
