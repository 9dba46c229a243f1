"""Who means harm changes nothing for others: real processes are attacked while others have their labels made."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import pytest
from support.identities import Authority
from support.others import Others, Waits
from support.town import Town, Vitals, at_peace, attacked, town

pytestmark = pytest.mark.timeout(300)

PATIENT = "TIDEGATE_TEST_PATIENT" in os.environ
BEFORE_S = DURING_S = 10.0 if PATIENT else 5.0
WARMING_S = 2.0
SLOWER, LARGER = 1.5, 1.1
"""What others may wait and processes may hold during an attack, against before it."""
AT_FIRST, REHEARSAL_S = 2.25, 8.0
"""A process that nobody ever attacked has neither buffers nor arenas for it. It may take so much for them, once: all attacks have been there
for a moment before any is measured, and what one adds then would be added by the next one, too."""
AGAIN_S = 30.0
"""In which everything is as it was: a stalled call may live for 15 s."""
MOST_LINES = 40
LOOK_S = 0.2

FAMILIES = {
    "half open": ("half-open-few",),
    "half open on many connections": ("half-open-many",),
    "silent": ("silent", "handshakes", "half-messages"),
    "slow": ("no-window", "no-reading", "drips"),
    "floods": ("large-headers", "endless-headers", "resets", "pings"),
    "other tongues": ("noise", "crowd"),
    "slow tongues": ("loris",),
    "greedy": ("greedy-labels", "greedy-bulks", "greedy-chats"),
}
"""Those of a kind come together; with TIDEGATE_TEST_PATIENT each comes alone."""
STORIES = (
    [(each,) for family in FAMILIES.values() for each in family]
    if PATIENT
    else [*FAMILIES.values()]
)


@dataclass
class Besieged:
    """A town, and how it was before anybody attacked it."""

    town: Town
    credentials: grpc.ChannelCredentials
    before: Waits | None = None
    at_first: dict[str, Vitals] = field(default_factory=dict)
    vitals: dict[str, Vitals] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    async def look_before(self, others: Others) -> Waits:
        if self.before is None:
            await others.for_s(WARMING_S)
            self.before = await others.for_s(BEFORE_S)
            self.at_first, self.calls = self.town.vitals(), await self.town.calls_open()
            async with attacked([each for names in STORIES for each in names], self.town.aim):
                await others.for_s(REHEARSAL_S)
            await at_peace(self.town, self.at_first, self.calls, AGAIN_S)
            self.vitals = self.town.vitals()
        return self.before

    async def harmed_by(self, names: Sequence[str]) -> list[str]:
        """Attack, and say what is wrong: nothing, if all is well."""
        open_door = (self.town.aim.front, None)
        async with Others(open_door) as others:
            before = await self.look_before(others)
        doors = [open_door]
        if "handshakes" in names:
            doors.append((self.town.aim.tls, self.credentials))
        async with Others(*doors) as others:
            lines = {name: len(text.splitlines()) for name, text in self.town.logged().items()}
            async with largest(self.town) as seen:
                during = await others.meanwhile(self._attack(names))
            print(f"\n{', '.join(names)}\n  before: {before}\n  during: {during}")  # noqa: T201
            wrong = [f"{len(during.failures)} of others failed: {sorted(set(during.failures))[:3]}"]
            if not during.failures:
                wrong.clear()
            if during.p99_s > before.p99_s * SLOWER:
                wrong.append(f"others' p99 went from {before.p99_s:.3f} to {during.p99_s:.3f} s")
            for name, was in self.vitals.items():
                print(f"  {name}: {self.at_first[name]} -> {was} -> {seen[name]}")  # noqa: T201
                now_kb, first_kb = seen[name].resident_kb, self.at_first[name].resident_kb
                if now_kb > min(was.resident_kb * LARGER, first_kb * AT_FIRST):
                    wrong.append(
                        f"{name}: {first_kb} KB at first, {was.resident_kb} to {now_kb} KB"
                    )
            for name, text in self.town.logged().items():
                new = text.splitlines()[lines[name] :]
                if "Traceback" in text or len(new) > MOST_LINES or not is_readable(text):
                    wrong.append(f"{name} logged {len(new)} lines: {new[:20]}")
            wrong += [f"{name} fell" for name in self.town.fallen()]
        try:
            await at_peace(self.town, self.at_first, self.calls, AGAIN_S)
        except AssertionError as error:
            wrong.append(str(error))
        return wrong

    async def _attack(self, names: Sequence[str]) -> None:
        async with attacked(names, self.town.aim) as deeds:
            await asyncio.sleep(DURING_S)
        print(f"\n  {deeds}")  # noqa: T201
        assert all(deeds[name] for name in names)


def is_readable(text: str) -> bool:
    """Whether nothing in it moves a cursor or stands for bytes that were no text."""
    return all(letter.isprintable() or letter == "\n" for letter in text) and "\ufffd" not in text


@asynccontextmanager
async def largest(it: Town):
    """The most memory that each process has in the course of a block."""
    seen = it.vitals()

    async def look() -> None:
        while True:
            for name, now in it.vitals().items():
                if now.resident_kb > seen[name].resident_kb:
                    seen[name] = now
            await asyncio.sleep(LOOK_S)

    looking = asyncio.ensure_future(look())
    try:
        yield seen
    finally:
        looking.cancel()


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    folder = tmp_path_factory.mktemp("town")
    pair = Authority(folder / "ca").issue("127.0.0.1")
    with town(folder, tls=pair) as it:
        yield Besieged(it, grpc.ssl_channel_credentials(pair.ca.read_bytes()))


@pytest.mark.parametrize("names", STORIES, ids=", ".join)
async def test_who_means_harm_changes_nothing_for_others(besieged: Besieged, names: Sequence[str]):
    assert await besieged.harmed_by(names) == []
