"""What balancers tell each other, over a real Consul."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.consul import ConsulAgent
from support.waiting import eventually

from tidegate.balancer.board import Board, BoardError
from tidegate.balancer.consul_http import ConsulAccess
from tidegate.balancer.core.call import Lane
from tidegate.balancer.core.instance import Role
from tidegate.balancer.core.look import Press
from tidegate.balancer.wishes import Wishes

pytestmark = pytest.mark.consul

CHATS = Press(1, 2, 3, 0.5)
WORK = {Role.BOTH: {Lane.SENTIMENT: Press(), Lane.CHAT: CHATS}}


@asynccontextmanager
async def board(consul: ConsulAgent, service: str, name: str) -> AsyncIterator[Board]:
    it = Board(ConsulAccess(consul.url), service, name)
    it.start()
    try:
        yield it
    finally:
        await it.stop()


async def test_each_knows_what_the_others_have_to_do_until_they_leave(consul):
    async with board(consul, "board", "a") as one:
        async with board(consul, "board", "b") as other, board(consul, "board", "c") as third:
            other.tell(WORK)
            third.tell(WORK)
            sums = {Lane.SENTIMENT: Press(), Lane.CHAT: Press(2, 4, 6, 0.5)}
            await eventually(lambda: one.work == {Role.BOTH: sums})
            await eventually(lambda: other.work.get(Role.BOTH, {}).get(Lane.CHAT) == CHATS)
        await eventually(lambda: one.work == {})
        assert repr(one) == "<Board tidegate/board/ | 0 others>"


async def test_a_wish_is_known_to_all_and_outlives_who_took_it(consul):
    wishes = Wishes().pin(2)
    async with board(consul, "wishes", "a") as one:
        await one.wish(Role.CHAT, wishes)
        assert one.wishes(Role.CHAT) == wishes
    async with board(consul, "wishes", "b") as other, board(consul, "elsewhere", "b") as third:
        await eventually(lambda: other.wishes(Role.CHAT) == wishes)
        assert other.wishes(Role.BOTH) == Wishes()
        await eventually(lambda: third._told)
        assert third.wishes(Role.CHAT) == Wishes()


async def test_while_consul_is_away_wishes_hold_and_none_is_taken(own_consul):
    own_consul.start()
    wishes = Wishes().pin(1)
    async with board(own_consul, "away", "a") as it:
        await it.wish(Role.BOTH, wishes)
        own_consul.stop()
        await eventually(lambda: it._problem)
        assert it.wishes(Role.BOTH) == wishes
        with pytest.raises(BoardError, match=r"Consul at .* does not take it"):
            await it.wish(Role.BOTH, Wishes())
