import pytest

from tidegate.server.builtin_profiles import builtin_profiles
from tidegate.server.linter import Rule, lint
from tidegate.server.profile import ProfileError, make_profile

CLASSIFY = {"kind": "classify", "labels": ["好", "坏"]}
CHAT = {"kind": "chat"}


def test_a_label_is_short_for_its_own_word():
    labels = make_profile(
        "x.toml", "x", {**CLASSIFY, "labels": ["好", {"name": "bad", "word": "坏"}]}
    ).labels
    assert [(label.name, label.word) for label in labels] == [("好", "好"), ("bad", "坏")]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({}, "kind: "),
        ({**CHAT, "kind": "poem"}, "'poem'"),
        ({**CHAT, "temprature": 1}, "temprature: unknown key; known are kind, format,"),
        ({**CHAT, "temperature": 3}, "temperature: 3: Input should be less than or equal to 2"),
        ({**CHAT, "temperature": float("nan")}, "temperature: nan"),
        ({**CHAT, "labels": ["好", "坏"]}, "labels and calibration belong to"),
        ({**CHAT, "name": "y"}, "name: is the file's name"),
        ({**CHAT, "max_tokens": 2000}, "max_tokens 2000 is above limits.max_tokens 1024"),
        ({**CHAT, "stop": [""]}, "stop: "),
        ({**CHAT, "format": "base"}, "needs a [template]"),
        ({**CHAT, "template": {"user": "hi", "assistant": "{text}"}}, "template.user: 'hi'"),
        ({**CHAT, "limits": {"keep_head": 500}}, "keep_head + keep_tail"),
        ({**CHAT, "limits": {"colour": 1}}, "limits.colour: unknown key"),
        ({**CHAT, "system_prompt": "长" * 2001}, "2001 characters"),
        ({**CLASSIFY, "labels": ["好"]}, "two or more different names"),
        ({**CLASSIFY, "labels": ["好", "好"]}, "two or more different names"),
        (
            {**CLASSIFY, "examples": [{"text": "a", "label": "坏的"}]},
            "'坏的' is none of the labels",
        ),
        ({**CLASSIFY, "calibration": [" "]}, "calibration: "),
    ],
)
def test_a_wrong_profile_is_told_in_one_line(said, told):
    with pytest.raises(ProfileError) as caught:
        make_profile("x.toml", "x", said)
    line = str(caught.value)
    assert line.startswith("x.toml: profile 'x': ")
    assert told in line
    assert "\n" not in line


def test_the_version_follows_what_is_said_and_not_the_name():
    one = make_profile("x.toml", "x", CLASSIFY)
    assert one.version == make_profile("y.toml", "y", CLASSIFY).version
    assert one.version != make_profile("x.toml", "x", {**CLASSIFY, "temperature": 0.3}).version
    assert len(one.version) == 12


@pytest.mark.parametrize(
    ("said", "rules"),
    [
        (CLASSIFY, []),
        ({**CLASSIFY, "system_prompt": "请判断情感。"}, [Rule.NO_PLEASE]),
        ({**CHAT, "system_prompt": "你是助手，请回答。"}, [Rule.NO_PLEASE]),
        ({**CLASSIFY, "temperature": 0}, [Rule.NO_ZERO_TEMPERATURE]),
        ({**CHAT, "temperature": 0}, []),
        ({**CHAT, "max_tokens": 64}, []),
        ({**CHAT, "max_tokens": 63}, [Rule.ROOM_TO_ANSWER]),
        ({**CHAT, "max_tokens": 9, "limits": {"max_tokens": 9}}, [Rule.ROOM_TO_ANSWER] * 2),
        ({**CLASSIFY, "max_tokens": 1}, []),
    ],
)
def test_the_linter_finds_each_broken_rule(said, rules):
    assert [finding.rule for finding in lint(make_profile("x.toml", "x", said))] == rules


@pytest.mark.parametrize("form", ["chatml", "base"])
def test_the_builtin_profiles_are_whole_and_clean(form):
    profiles = builtin_profiles(form)
    assert {name: profile.kind for name, profile in profiles.items()} == {
        "sentiment": "classify",
        "chat": "chat",
        "review": "chat",
    }
    for profile in profiles.values():
        assert profile.format == form
        assert lint(profile) == []
