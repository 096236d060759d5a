"""Control of the live conversation: its settings, and the responses that are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from assistant.config import Settings
from assistant.live.conversation import LiveConversation
from assistant.server.http.errors import ApiError
from assistant.server.realtime import server_events as wire
from assistant.server.realtime.active_responses import ActiveResponses
from assistant.server.realtime.response_options import ResponseOptions
from assistant.server.realtime.session import RealtimeSession
from assistant.server.realtime.session_config import RATES


class LiveControl:
    """Applies the session's configuration to the live conversation and starts its responses.

    `expires_at` is when the connection ends at the latest, in seconds since the epoch.
    """

    def __init__(
        self,
        session: RealtimeSession,
        live: LiveConversation,
        responses: ActiveResponses,
        emit: Callable[[dict[str, Any]], None],
        settings: Settings,
        expires_at: int,
    ) -> None:
        self._session = session
        self._live = live
        self._responses = responses
        self._emit = emit
        self._settings = settings
        self._expires_at = expires_at

    @property
    def answers(self) -> bool:
        """True if each user turn gets a response by itself."""
        detection = self._session.config.audio.input.turn_detection
        return bool(detection and detection.answers and not self._session.transcribes)

    @property
    def _plain(self) -> bool:
        """True if responses need no options of their own, so that they can be speculated."""
        config = self._session.config
        return config.tool_choice == "auto" and config.max_output_tokens == "inf"

    @property
    def answers_here(self) -> bool:
        """True if `respond` has to be called after a user turn, because `live` does not respond
        itself.
        """
        return self.answers and not self._plain

    def announce(self, kind: str) -> None:
        """Sends the session's configuration; `kind` is created or updated."""
        self._emit(wire.session(kind, self._session.to_json(self._expires_at)))

    def configure(self) -> None:
        """Applies the session's configuration after it has changed."""
        audio = self._session.config.audio.input
        self._live.configure(
            self._session.live_settings,
            manual=audio.turn_detection is None,
            auto_respond=self.answers and self._plain,
            input_rate=RATES[audio.format.type],
        )
        self._live.edit(self._session.apply)

    def check_free(self) -> None:
        """Raises ApiError if a response of the conversation is active."""
        if self._responses.busy or self._responses.joining:
            message = "the conversation has an active response already: wait, or cancel it"
            raise ApiError(message, code="conversation_already_has_active_response")

    def respond(self, options: ResponseOptions) -> None:
        """Starts a response to the conversation. Raises ApiError if one is active."""
        self.check_free()
        turn_options = options.turn_options(self._settings.sampling)
        if not self._live.respond(context=options, **turn_options):
            message = "the conversation has an active response already"
            raise ApiError(message, code="conversation_already_has_active_response")
        self._responses.expect(self._live.response_id)
