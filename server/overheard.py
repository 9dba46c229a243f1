"""Validation that has the log tell of each valid call what its text begins with, for whoever looks for a fault.

Made only where that was asked for. Knows nothing about what becomes of the call.
"""

import structlog

from tidegate.server.call_metadata import CallMetadata
from tidegate.server.profiles import ProfileStore
from tidegate.server.validation import (
    ChatCall,
    ChatRequest,
    ClassifyCall,
    Defaults,
    Validation,
)
from tidegate.v1 import sentiment_pb2

log = structlog.get_logger()


class OverheardValidation(Validation):
    """The checks of a server; `characters` of each text are logged, and never a system prompt."""

    def __init__(
        self,
        profiles: ProfileStore,
        defaults: Defaults,
        max_text_characters: int,
        characters: int,
    ) -> None:
        super().__init__(profiles, defaults, max_text_characters)
        self._characters = characters

    def classify(
        self, request: sentiment_pb2.ClassifyRequest, metadata: CallMetadata
    ) -> ClassifyCall:
        """As any validation, overheard."""
        call = super().classify(request, metadata)
        self._tell("classify", call.text)
        return call

    def chat(self, request: ChatRequest, metadata: CallMetadata) -> ChatCall:
        """As any validation; of a conversation the last turn is overheard."""
        call = super().chat(request, metadata)
        self._tell("chat", call.turns[-1].content)
        return call

    def _tell(self, kind: str, text: str) -> None:
        cut = text if len(text) <= self._characters else f"{text[: self._characters]}…"
        log.info("text", kind=kind, text=cut, characters=len(text))
