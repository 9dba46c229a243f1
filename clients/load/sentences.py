"""What the calls of a load say: everyday reviews and questions, Chinese and English, each made a little different.

Knows nothing about calls.
"""

from __future__ import annotations

from random import Random

REVIEWS = (
    "味道很好，分量也足，下次还会带家人来。",
    "等了快一个小时才上菜，催了三次也没人理。",
    "快递第二天就到了，包装很结实，没有磕碰。",
    "颜色和图片差得太远，退货还要自己出运费。",
    "客服很耐心，一步一步教我把打印机连上了。",
    "用了不到一个月就充不进电，质量真不行。",
    "酒店离地铁口很近，房间干净，隔音也不错。",
    "前台态度冷淡，说好的早餐最后也没有。",
    "这件毛衣摸起来很软，我妈妈特别喜欢。",
    "洗了一次就起球，完全对不起这个价格。",
    "师傅准时上门，半小时就把空调修好了，还顺手擦了外机。",
    "页面总是转圈，付款付了两次，钱到现在也没退回来。",
    "孩子拿到手就不肯放下，画面漂亮，故事也有意思。",
    "水果有一半是烂的，联系店家一直没有回复。",
    "电池能用两天，拍照也清楚，这个价位很值。",
    "声音忽大忽小，戴久了耳朵疼，后悔买了。",
    "第一次在这里买茶叶，泡出来很香，朋友喝了也问在哪里买的。老板还送了一小包新茶让我尝，回头客当定了。",
    "本来是想给爸爸过生日，提前两周订的位子，到了店里却说没有记录，站在门口等了四十分钟，菜上来的时候已经凉了。",
    "The soup was hot, the staff were kind, and the bill was lower than I feared.",
    "Two weeks late, and the box looked as if someone had sat on it.",
    "Setting it up took five minutes, and it has not let me down since.",
    "The zip broke on the first day and nobody answers my mails.",
    "Quiet room, good bed, and the best coffee I have had in a hotel.",
    "I was charged twice and told to wait ten days for my own money.",
    "My daughter wears these shoes every day; they still look new.",
    "The app forgets my address each time I open it, which is tiring.",
)

QUESTIONS = (
    "我的快递三天没动了，能帮我查一下吗？",
    "发票抬头写错了，怎么改？",
    "买大了一号，可以换吗？吊牌还在。",
    "你们周末几点开门？",
    "这款耳机能连两台手机吗？",
    "退款一般几天到账？",
    "我想取消昨天的订单，还来得及吗？",
    "会员积分什么时候过期？",
    "空调漏水，能不能今天派人来看看？",
    "送给长辈的话，哪一种茶比较合适？",
    "Can I change the delivery address after paying?",
    "My parcel says delivered, but there is nothing here. What now?",
    "Do you ship to Kunming, and how long does it take?",
    "How do I return one item out of an order of three?",
    "The lamp flickers. Is that covered by the warranty?",
    "Which size fits someone who is 178 cm tall?",
)


def varied(sentence: str, rng: Random) -> str:
    """The sentence with a number of its own: equal calls that meet would be answered as one."""
    number = rng.randrange(1_000_000)
    return f"{sentence} Order {number}." if sentence.isascii() else f"{sentence}订单{number}。"
