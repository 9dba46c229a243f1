"""Does what browsers do with the page: asks for judgement and a reply, and keeps tabs open that watch the fleet."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import aclosing
from random import Random

from benchmarks.soak.book import Book
from benchmarks.soak.ending import End
from benchmarks.soak.http import HttpError, events, get

_DEADLINE_S = 30.0
_TAB_S = (15.0, 60.0)
_AGAIN_S = 2.0
_KINDS = {"overloaded": End.REFUSED, "unavailable": End.REFUSED, "late": End.EXPIRED}


class Page:
    """The browsers of one gateway."""

    def __init__(self, port: int, book: Book) -> None:
        self._port = port
        self._book = book

    async def judge(self, text: str) -> End:
        """One call from the page, to its end."""
        body = {"turns": [{"role": "user", "content": text}], "deadline_s": _DEADLINE_S}
        has_begun, is_sent, broken, left = False, False, True, False
        began_s = time.monotonic()
        try:
            stream = events(self._port, "POST", "/api/judge", body)
            async with aclosing(stream):
                self._book.begin_attempt("chat")
                is_sent = True
                async for name, said in stream:
                    if name == "end":
                        broken = False
                        return End.SHORT if said["degraded"] else End.FULL
                    if name == "error":
                        broken = not (has_begun or said["reason"] or said["served_by"])
                        end = _KINDS.get(said["kind"], End.FAILED)
                        return End.CUT if has_begun and end is not End.EXPIRED else end
                    has_begun = has_begun or name != "warming"
                    broken = not has_begun
            raise HttpError("no end")
        except (HttpError, OSError):
            return End.CUT if has_begun else End.FAILED
        except asyncio.CancelledError:
            broken, left = False, True
            raise
        finally:
            if is_sent:
                took_s = time.monotonic() - began_s
                self._book.end_attempt("chat", took_s, broken=broken, left=left)

    async def keep_tab(self, rng: Random, note: Callable[[str], None]) -> None:
        """Open the page, watch the fleet, close the tab, open another, for ever. `note` is told what is not as it should be."""
        while True:
            with contextlib.suppress(HttpError, OSError, asyncio.TimeoutError):
                if "<html" not in await get(self._port, "/"):
                    note("the page has no html")
                await get(self._port, "/api/about")
                await asyncio.wait_for(self._watch(), rng.uniform(*_TAB_S))
            await asyncio.sleep(_AGAIN_S)

    async def _watch(self) -> None:
        stream = events(self._port, "GET", "/api/fleet")
        async with aclosing(stream):
            async for name, _ in stream:
                if name == "error":
                    return
