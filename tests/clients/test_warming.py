"""What operators say of hot and cold, through both clients and the command line."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timezone

import pytest
from support.scripted_service import Service, scale_of
from support.shell import Shell

from tidegate.clients import AsyncClient, Client, InvalidInput, Role, ScaleDecision, ScaleStatus
from tidegate.v1 import fleet_pb2

CHAT = ScaleStatus(
    Role.CHAT,
    launched=2,
    minimum=1,
    maximum=3,
    pinned=2,
    warm_up_s=8.5,
    decisions=(
        ScaleDecision(
            datetime(2027, 1, 15, 8, 0, tzinfo=timezone.utc),
            1,
            2,
            "8 calls for 8 slots for 2 s; 1 -> 2",
        ),
    ),
)


async def test_both_clients_pin_and_warm(service: Service) -> None:
    def blocking() -> tuple[ScaleStatus, ScaleStatus]:
        with Client(service.address) as client:
            return client.pin(2, role=Role.CHAT), client.warm(3, for_s=60)

    async with AsyncClient(service.address) as client:
        assert await client.pin(2, role=Role.CHAT) == CHAT
        assert (await client.warm(3, for_s=60)).role is Role.BOTH
        with pytest.raises(InvalidInput, match="count: -1 is not a whole number"):
            await client.pin(-1)
    pinned, warmed = await asyncio.to_thread(blocking)
    assert (pinned, warmed.pinned) == (CHAT, 0)
    pins = [each.request for each in service.seen if each.method == "Pin"]
    warms = [each.request for each in service.seen if each.method == "Warm"]
    assert pins == [fleet_pb2.PinRequest(role=fleet_pb2.ROLE_CHAT, count=2)] * 2
    assert warms == [fleet_pb2.WarmRequest(role=fleet_pb2.ROLE_BOTH, count=3, for_s=60)] * 2


async def test_an_operator_pins_and_warms_from_the_command_line(
    shell: Shell, service: Service
) -> None:
    pinned = await shell.run("fleet", "pin", "2", "--role", "chat")
    assert (pinned.exit_code, pinned.stdout) == (0, "chat: 2 of 3 launched, pinned to 2\n")
    warmed = await shell.run("fleet", "warm", "3", "--for", "60")
    assert (warmed.exit_code, warmed.stdout) == (0, "both: 2 of 3 launched\n")
    assert service.seen[-1].request == fleet_pb2.WarmRequest(
        role=fleet_pb2.ROLE_BOTH, count=3, for_s=60
    )
    said = json.loads((await shell.run("fleet", "pin", "0", "--json")).stdout)
    assert said["decisions"][0]["at"] == "2027-01-15T08:00:00+00:00"


async def test_a_status_shows_what_is_started_and_why(shell: Shell, service: Service) -> None:
    service.scales = [scale_of(fleet_pb2.ROLE_BOTH, 2)]
    shown = (await shell.run("status")).stdout
    (row,) = [line for line in shown.splitlines() if "8.5 s" in line]
    assert row.split() == ["both", "2", "1", "3", "2", "8.5", "s"]
    assert "both: 8 calls for 8 slots for 2 s; 1 -> 2" in shown
    watched = (await shell.run("status", "--watch")).stdout
    assert "| both: 2 launched (8 calls for 8 slots for 2 s; 1 -> 2)" in watched


async def test_a_balancer_that_follows_says_that_another_one_decides(
    shell: Shell, service: Service
) -> None:
    service.scales, service.is_leading = [scale_of(fleet_pb2.ROLE_BOTH, 0)], False
    shown = (await shell.run("status")).stdout
    assert "another balancer of this fleet starts and stops" in shown
    assert "8 calls" not in shown
