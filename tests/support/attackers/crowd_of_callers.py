"""Nobody means harm: so many callers come at once that every place to wait in is taken."""

from support.attackers.aim import Aim, Deeds
from support.attackers.connection import Connection
from support.attackers.half_open import CLASSIFY
from support.attackers.siege import besiege

from tidegate.v1 import sentiment_pb2

CONNECTIONS, CALLS = 300, 1400
_ASKED = sentiment_pb2.ClassifyRequest(
    text="今天来了很多人，都想知道一句话是好是坏"
).SerializeToString()


def _ask(it: Connection) -> None:
    it.call(CLASSIFY, _ASKED, ends=True)


async def rush(aim: Aim, deeds: Deeds) -> None:
    """More than the lane of labels has places, over some hundred connections."""
    await besiege(aim.front, deeds, CONNECTIONS, CALLS, _ask)
