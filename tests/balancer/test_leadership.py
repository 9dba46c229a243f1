"""Candidates for the lead of one fleet, with a real Consul."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from support.consul import ConsulAgent
from support.waiting import eventually

from tidegate.balancer.consul_http import ConsulAccess
from tidegate.balancer.leadership import SESSION_S, ConsulLeadership

pytestmark = pytest.mark.consul

# A lock whose session ran out stays shut for a while more, and Consul may end a session late by its length.
PATIENCE_S = 60.0


@asynccontextmanager
async def standing(consul: ConsulAgent, service: str, name: str) -> AsyncIterator[ConsulLeadership]:
    candidate = ConsulLeadership(ConsulAccess(consul.url), service, name)
    candidate.start()
    try:
        yield candidate
    finally:
        await candidate.stop()


def leaders(*candidates: ConsulLeadership) -> Callable[[], int]:
    return lambda: sum(each.is_leader for each in candidates)


async def test_one_of_two_leads_and_the_other_follows_when_it_stops(consul: ConsulAgent):
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(standing(consul, "lead", "one"))
        await eventually(lambda: one.is_leader, 30)
        other = await stack.enter_async_context(standing(consul, "lead", "other"))
        await eventually(lambda: other._session is not None, 30)
        assert (repr(one), repr(other)) == (
            "<ConsulLeadership one | leads>",
            "<ConsulLeadership other | follows>",
        )
        await one.stop()
        assert not one.is_leader
        await eventually(lambda: other.is_leader, PATIENCE_S)


async def test_services_have_leaders_of_their_own(consul: ConsulAgent):
    async with standing(consul, "a", "one") as one, standing(consul, "b", "other") as other:
        await eventually(lambda: leaders(one, other)() == 2, 30)


async def test_a_leader_that_loses_consul_stops_leading_within_its_sessions_life(
    own_consul: ConsulAgent,
):
    own_consul.start()
    async with standing(own_consul, "lost", "one") as one:
        await eventually(lambda: one.is_leader, 30)
        own_consul.stop()
        await eventually(lambda: not one.is_leader, SESSION_S + 1)
        own_consul.start()
        # It has forgotten every session; a new one is made.
        await eventually(lambda: one.is_leader, PATIENCE_S)


async def test_a_candidate_that_finds_no_consul_does_not_lead(own_consul: ConsulAgent):
    async with standing(own_consul, "none", "one") as one:
        await eventually(lambda: one._problem, 30)
        assert not one.is_leader
