"""Puts together what answers calls once the model is there: profiles, judge, replier, services.

The wiring only; every part knows its own work.
"""

import asyncio
from pathlib import Path

import structlog

from tidegate.server.abridger import Abridger
from tidegate.server.builtin_profiles import builtin_profiles, model_format
from tidegate.server.catalogue import Catalogue
from tidegate.server.chat import ChatService
from tidegate.server.config import ServerSettings
from tidegate.server.edge import Edge, Handlers
from tidegate.server.engine.engine import Engine
from tidegate.server.engine.sequence import EngineError, EngineStoppedError, Sampling
from tidegate.server.judge import Judge
from tidegate.server.lane import Lane, Role
from tidegate.server.overheard import OverheardValidation
from tidegate.server.preparation import Preparations
from tidegate.server.priors import Priors
from tidegate.server.profile import Kind, Profile, ProfileError
from tidegate.server.profile_folder import ProfileFolder
from tidegate.server.profiles import ProfileStore
from tidegate.server.prompts import PromptWriter, Speaker, Turn
from tidegate.server.refusal import RefusedError
from tidegate.server.replier import Replier
from tidegate.server.scribe import Scribe
from tidegate.server.sentiment import SentimentService
from tidegate.server.start_error import StartError
from tidegate.server.truncation import read_dictionary
from tidegate.server.validation import ChatCall, ClassifyCall, Defaults, Validation

_WARM_UP_TEXT = "好"

# The settings that name profiles, and of which kind those must be.
_DEFAULTS: dict[str, Kind] = {
    "default_sentiment_profile": "classify",
    "default_chat_profile": "chat",
    "default_review_profile": "chat",
}

log = structlog.get_logger()


class Answering:
    """Everything that answers calls by one engine. Raises StartError for unusable profiles."""

    def __init__(self, settings: ServerSettings, engine: Engine, edge: Edge) -> None:
        self._lanes = Role(settings.role).lanes
        form = model_format(engine.tokenizer)
        writer = PromptWriter(engine.tokenizer, form)
        folder = None if settings.profiles is None else ProfileFolder(settings.profiles)
        self.profiles = ProfileStore(builtin_profiles(form), folder, writer.check)
        try:
            self.profiles.load()
        except ProfileError as error:
            raise StartError(str(error)) from None
        self._defaults = self._checked_defaults(settings)
        checks = self.profiles, self._defaults, settings.max_text_characters
        characters = settings.log_text_characters
        self._validation = validation = (
            OverheardValidation(*checks, characters) if characters else Validation(*checks)
        )
        self._preparations = Preparations(engine, writer, _priors(settings, engine))
        self._scribe = Scribe(writer, engine.context_tokens)
        self._judge = Judge(engine, self._scribe, self._preparations)
        self._replier = Replier(engine, self._scribe, self._preparations)
        self._catalogue = catalogue = Catalogue(self.profiles, self._defaults)
        self._sentiment = SentimentService(edge, self.profiles, validation, self._judge, catalogue)
        abridger = Abridger(self._judge, self._scribe)
        self._chat = ChatService(
            edge, self.profiles, validation, self._judge, self._replier, abridger, catalogue
        )

    def adopt(self, settings: ServerSettings) -> None:
        """Check calls by these settings from now on. Raises StartError, and changes nothing, for unusable ones."""
        self.profiles.refresh()
        self._defaults = self._checked_defaults(settings)
        self._validation.adopt(self._defaults, settings.max_text_characters)
        self._catalogue.adopt(self._defaults)

    def handlers(self) -> Handlers:
        """Return the handlers of the role's lanes, by the paths of their methods."""
        handlers = dict(self._sentiment.handlers()) if Lane.SENTIMENT in self._lanes else {}
        if Lane.CHAT in self._lanes:
            handlers.update(self._chat.handlers())
        return handlers

    async def warm_up(self) -> None:
        """Check every profile, then make a first step for the lane that goes first. Raises StartError."""
        try:
            for profile in self.profiles.all():
                await self._preparations.check(profile)
            await self._step_once()
        except (ProfileError, RefusedError) as error:
            raise StartError(str(error)) from None

    async def prepare_all(self) -> None:
        """Prepare every profile, for calls to come; those who come earlier prepare their own."""
        await asyncio.to_thread(read_dictionary)
        for profile in self.profiles.all():
            await self._prepare_later(profile)

    async def _prepare_later(self, profile: Profile) -> None:
        try:
            await self._preparations.prepare(profile)
        except (EngineError, EngineStoppedError, ProfileError) as error:
            log.warning("a profile is not prepared yet", profile=profile.name, why=str(error))

    async def _step_once(self) -> None:
        classify = self.profiles.find(self._defaults.sentiment)
        chat = self.profiles.find(self._defaults.chat)
        if Lane.SENTIMENT in self._lanes and classify is not None:
            await self._judge.warm_up(ClassifyCall(_WARM_UP_TEXT, classify))
        elif chat is not None:
            turns = (Turn(Speaker.USER, _WARM_UP_TEXT),)
            async for _ in self._replier.reply(ChatCall(turns, chat, Sampling(max_tokens=1)), None):
                pass

    async def stop(self) -> None:
        """Give up what goes on in the background."""
        await self._preparations.stop()
        self._scribe.stop()

    def _checked_defaults(self, settings: ServerSettings) -> Defaults:
        for setting, kind in _DEFAULTS.items():
            self._check_default(setting, getattr(settings, setting), kind)
        return Defaults(
            settings.default_sentiment_profile,
            settings.default_chat_profile,
            settings.default_review_profile,
        )

    def _check_default(self, setting: str, name: str, kind: Kind) -> None:
        if name not in self.profiles.names(kind):
            there_are = ", ".join(self.profiles.names(kind))
            raise StartError(f"{setting}: {name!r}; of kind '{kind}' there are: {there_are}")


def _priors(settings: ServerSettings, engine: Engine) -> Priors:
    """Return what is remembered of the engine's model; nothing of one that has no fingerprint."""
    if not engine.fingerprint:
        return Priors(None)
    # What knows where weights are kept isn't installed where all models are simulated.
    from tidegate.server.engine.conversion import cache_folder

    return Priors(cache_folder(settings.cache_dir))


def check_folder(folder: Path | None) -> None:
    """Raise StartError for a broken profile file, seconds before the model is there to use it."""
    if folder is None:
        return
    try:
        ProfileStore({}, ProfileFolder(folder), lambda _file, _profile: None).load()
    except (OSError, ProfileError) as error:
        raise StartError(str(error)) from None
