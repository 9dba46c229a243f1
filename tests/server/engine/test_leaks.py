"""Ten thousand conversations that share prefixes, go on, are judged, cut off and evicted.

The model of these tests says only what lies in its slot, so a slot that is given on with
somebody else's keys and values shows as somebody else's letter.
"""

import asyncio
import random
from contextlib import aclosing

from support.scripted_model import ByteTokenizer

from tidegate.server.engine.batch import Ask, Batch, Logits, Result, Token
from tidegate.server.engine.engine import Engine
from tidegate.server.engine.label_tree import LabelTree
from tidegate.server.engine.sequence import Delta, Finish, Prompt, Sampling, Write

CALLS = 10_000
AT_ONCE = 10
SLOTS = 8
LABELS = LabelTree([list(b"yes"), list(b"year"), list(b"no")])
# What all prompts of a kind begin with; more of them than the engine may keep.
OPENINGS = [bytes([65 + kind]) * 12 for kind in range(4)]
LETTERS = b"abcde"


class EchoModel:
    """Writes a letter that is not the caller's, if its slot holds one after the opening."""

    end_tokens = frozenset({256})

    def __init__(self) -> None:
        self._slots: dict[int, list[int]] = {}
        self._kept: dict[int, list[int]] = {}

    def run(self, batch: Batch) -> list[Result]:
        for recall in batch.recalls:
            kept = self._kept[recall.prefix_id]
            self._slots.setdefault(recall.slot, [])[: len(kept)] = kept
        return [self._answer(row) for row in batch.rows]

    def keep(self, slot: int, tokens: tuple[int, ...], prefix_id: int) -> None:
        self._kept[prefix_id] = self._slots[slot][: len(tokens)]

    def restore(self, tokens: tuple[int, ...], prefix_id: int) -> bool:
        return False

    def forget(self, prefix_id: int) -> None:
        del self._kept[prefix_id]

    def _answer(self, row) -> Result:
        held = self._slots.setdefault(row.slot, [])
        assert len(held) >= row.start, "a row begins where its slot holds nothing"
        # As a real slab: what lies behind is not erased, only no longer looked at.
        held[row.start : row.start + len(row.tokens)] = row.tokens
        seen = held[12 : row.start + len(row.tokens)]
        if isinstance(row.aim, Write):
            own = row.tokens[-1]
            return Token(next((letter for letter in seen if letter != own), own))
        if isinstance(row.aim, Ask):
            return Logits(tuple(float(seen[0] == token) for token in row.aim.tokens))
        return None


async def listen(events, rng: random.Random) -> str:
    """Return what is said until the end, or until a moment at which the caller goes away."""
    said = ""
    pieces = rng.choice([1, 3, 100])
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Delta):
                said += event.text
                pieces -= 1
            if isinstance(event, Finish) or not pieces:
                break
    return said


async def converse(engine: Engine, rng: random.Random) -> int:
    """Have one conversation; return how many of its letters were somebody else's."""
    letter = rng.choice(LETTERS)
    text = [*rng.choice(OPENINGS), *([letter] * rng.randrange(1, 40))]
    sampling = Sampling(max_tokens=rng.randrange(1, 12))
    foreign = 0
    for _ in range(rng.randrange(1, 4)):
        prompt = Prompt(tuple(text))
        match rng.randrange(4):
            case 0:
                await engine.remember(text[: rng.randrange(2, 13)])
                said = ""
            case 1:
                await engine.score(prompt, LABELS)
                said = ""
            case 2:
                async with engine.judge(prompt, LABELS) as judged:
                    going_on = Prompt((*prompt.tokens, letter))
                    said = await listen(judged.reply(going_on, sampling), rng)
            case _:
                said = await listen(engine.reply(prompt, sampling), rng)
        foreign += sum(1 for one in said if one != chr(letter))
        text += [*said.encode(), letter]
    return foreign


async def test_ten_thousand_disconnects_leak_neither_slots_nor_text() -> None:
    rng = random.Random(5)
    engine = Engine(
        EchoModel(),
        ByteTokenizer(),
        model_name="echo",
        slots=SLOTS,
        reserved=2,
        context_tokens=256,
        prefix_tokens=30,
    )
    engine.start()
    foreign = ended = 0

    async def caller(calls: int) -> None:
        nonlocal foreign, ended
        for _ in range(calls):
            call = asyncio.create_task(converse(engine, rng))
            if rng.random() < 0.5:
                for _ in range(rng.randrange(40)):
                    await asyncio.sleep(0)
                call.cancel()
            try:
                foreign += await call
                ended += 1
            except asyncio.CancelledError:
                pass

    await asyncio.gather(*(caller(CALLS // AT_ONCE + 1) for _ in range(AT_ONCE)))
    # The last ones to go are noticed at the next step.
    await engine.score(Prompt((1,) * 20), LABELS)
    load = engine.load()
    await engine.stop()

    assert foreign == 0
    assert (load.running, load.waiting, load.free_slots) == (0, 0, SLOTS)
    assert load.failed == 0
    # The test means something: many were heard to the end, many were cut off, much was reused.
    assert ended > CALLS / 4
    assert load.cancelled > CALLS / 4
    assert load.cached_tokens > 10 * CALLS
