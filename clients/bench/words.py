"""What every contestant is asked: the same texts, in the same prompt.

The prompt is short and holds four examples, because a base model labels nothing without any. Our
server gets it as profiles, the others as one text. Knows nothing about who answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

LABELS = "正面", "负面"

_SYSTEM = "客服小潮友好、耐心，总是用一两句中文回答顾客的话。"
_EXAMPLES = (
    ("味道不错，分量也足。", "正面", "太好了，期待你再来！"),
    ("菜太咸了，服务员还不理人。", "负面", "真对不起，我们马上改进。"),
    ("物超所值，还会再买。", "正面", "谢谢你的信任，我们会继续努力！"),
    ("又卡又慢，经常死机。", "负面", "对不起，我们会尽快修好。"),
)
_REVIEWS = (
    "等了两个星期才到，包装还破了，客服的电话也一直打不通。",
    "今天的实验终于成功了，太棒了！谢谢你们推荐的仪器。",
    "酒店离地铁很近，老板热情，早餐也好吃，下次还来住。",
    "衣服洗了一次就褪色，和图片上的完全不一样，后悔买了。",
)

_CLASSIFY = """kind = "classify"
format = "base"
system_prompt = "{system}"
labels = ["正面", "负面"]
calibration = ["无", "今天是星期三。", "这是一个商品。", "他去了商店。", "我昨天买了一件衣服。"]
temperature = 0.3

[template]
user = "顾客：{{text}}\\n"
label = "情感：{{text}}\\n\\n"
"""
_CHAT = """kind = "chat"
format = "base"
system_prompt = "{system}"
max_tokens = 256

[template]
user = "顾客：{{text}}\\n"
assistant = "小潮：{{text}}\\n\\n"
"""
_EXAMPLE = """
[[examples]]
text = "{text}"
{kind} = "{answer}"
"""


def texts() -> Iterator[str]:
    """Texts without end, no two alike: nothing may be answered out of a cache."""
    for number in count(1):
        yield f"订单{number}：{_REVIEWS[number % len(_REVIEWS)]}"


def label_prompt(text: str) -> str:
    """The prompt after which a model writes the label of `text`."""
    shown = "".join(f"顾客：{said}\n情感：{label}\n\n" for said, label, _ in _EXAMPLES)
    return f"{_SYSTEM}\n\n{shown}顾客：{text}\n情感："


def chat_prompt(text: str) -> str:
    """The prompt after which a model writes a reply to `text`."""
    shown = "".join(f"顾客：{said}\n小潮：{reply}\n\n" for said, _, reply in _EXAMPLES)
    return f"{_SYSTEM}\n\n{shown}顾客：{text}\n小潮："


def write_profiles(folder: Path) -> None:
    """Write the same prompts as profiles, in place of the server's built-in ones."""
    labels = [_EXAMPLE.format(text=said, kind="label", answer=one) for said, one, _ in _EXAMPLES]
    replies = [_EXAMPLE.format(text=said, kind="reply", answer=one) for said, _, one in _EXAMPLES]
    for name, head, examples in (("sentiment", _CLASSIFY, labels), ("chat", _CHAT, replies)):
        said = head.format(system=_SYSTEM) + "".join(examples)
        (folder / f"{name}.toml").write_text(said, "utf-8")
