"""Loads the engine on a thread of its own, so that health is answered meanwhile.

Knows nothing of calls.
"""

import asyncio
import os
import threading
from collections.abc import Callable

import structlog

from tidegate.server.config import ServerSettings
from tidegate.server.engine.engine import Engine
from tidegate.server.engine.idle_threads import let_idle_threads_sleep
from tidegate.server.engine.simulated import (
    CharacterTokenizer,
    LatencyError,
    SimulatedModel,
    is_simulated,
    read_latency,
)
from tidegate.server.lane import Lane, Role
from tidegate.server.memory_lock import lock_memory
from tidegate.server.start_error import StartError

# Labels that go through one step together; more of them wait for the next step. A label needs
# a slot of the cache for one step only, so this many slots serve any number of callers.
_LABELS_AT_ONCE = 4

_THREAD = "loading"

log = structlog.get_logger()


async def load_model(settings: ServerSettings, progress: Callable[[str, int, int], None]) -> Engine:
    """Return the engine of the settings' model, not started. Raises StartError.

    Cancelling stops the waiting only: the thread is a daemon and ends with the process.
    """
    loop = asyncio.get_running_loop()
    loaded: asyncio.Future[Engine] = loop.create_future()

    def settle(outcome: Engine | Exception) -> None:
        if loaded.done():
            return
        if isinstance(outcome, Exception):
            loaded.set_exception(outcome)
        else:
            loaded.set_result(outcome)

    def run() -> None:
        outcome: Engine | Exception
        try:
            outcome = _load(settings, progress)
        except Exception as error:  # every failure belongs to whoever awaits
            outcome = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=run, name=_THREAD, daemon=True).start()
    return await loaded


def is_loading() -> bool:
    """Return whether a model is still being loaded, by whomever."""
    return any(thread.name == _THREAD for thread in threading.enumerate())


def _load(settings: ServerSettings, progress: Callable[[str, int, int], None]) -> Engine:
    if is_simulated(settings.model):
        return _simulate(settings)
    if settings.device == "mps":
        # torch reads it when it is imported: what Apple's GPU lacks is computed by the CPU.
        os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    let_idle_threads_sleep()
    # Here and not above: a simulated server runs where nothing of this is installed.
    from tidegate.server.engine.reading_ahead import read_ahead

    read_ahead(settings.model, settings.cache_dir)
    # Importing torch takes seconds: here it happens beside the open port.
    from tidegate.server.engine.loading import ModelError, load_engine

    slots, reserved = _slots(settings)
    try:
        engine = load_engine(
            settings.model,
            cache_dir=settings.cache_dir,
            slots=slots,
            reserved=reserved,
            context_tokens=settings.context_tokens,
            threads=settings.threads,
            progress=progress,
            dtype=settings.dtype,
            device=settings.device,
            cache_bytes=settings.cache_megabytes * 1_000_000,
            prefix_bytes=settings.prefix_megabytes * 1_000_000,
            step_s=settings.step_ms / 1000,
        )
        if settings.lock_memory:
            # The first time was before there was a model, to learn of a limit early.
            log.info("memory locked", megabytes=lock_memory() // 1_000_000)
    except ModelError as error:
        raise StartError(str(error)) from error
    return engine


def _simulate(settings: ServerSettings) -> Engine:
    try:
        latency = read_latency(settings.model)
    except LatencyError as error:
        raise StartError(str(error)) from None
    log.warning(
        "simulated: no model is loaded, labels and replies mean nothing", **latency.model_dump()
    )
    slots, reserved = _slots(settings)
    return Engine(
        SimulatedModel(latency),
        CharacterTokenizer(),
        model_name=settings.model,
        slots=slots,
        reserved=reserved,
        context_tokens=settings.context_tokens,
        step_s=settings.step_ms / 1000,
    )


def _slots(settings: ServerSettings) -> tuple[int, int]:
    """Return how many sequences run at once, and how many of them are never chats."""
    lanes = Role(settings.role).lanes
    chats = settings.chat_slots if Lane.CHAT in lanes else 0
    labels = min(settings.sentiment_slots, _LABELS_AT_ONCE) if Lane.SENTIMENT in lanes else 0
    return chats + labels, labels
