"""One realtime session: the core session, its configuration, and its items.

It outlives a connection: a client that comes back in time resumes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pydantic
from starlette.requests import HTTPConnection

from assistant.audio.voice import DEFAULT_VOICE, Voice
from assistant.config import LiveSettings, Settings
from assistant.server.auth.access import access_of
from assistant.server.http.errors import ApiError, describe_invalid
from assistant.server.http.json_size import size_of_json
from assistant.server.realtime import turn_detection
from assistant.server.realtime.items import Items
from assistant.server.realtime.server_events import new_id
from assistant.server.realtime.session_config import SessionConfig, config_to_json, merged
from assistant.server.state import get_state
from assistant.server.turns import known_voice, open_session
from assistant.session import Session

Json = dict[str, Any]

MAX_CONFIG_BYTES = 2**18
"""The size in memory of what a client may set, instructions and tools included."""


class RealtimeSession:
    """`values`: what it begins with, checked by `validated`. Raises ApiError: they are wrong."""

    def __init__(self, connection: HTTPConnection, values: Mapping[str, Any]) -> None:
        access, assistant = access_of(connection), get_state(connection).assistant
        self.id = new_id("sess")
        self.owner = access.owner
        self.session = open_session(connection)
        self.items = Items(assistant.settings.server.sockets.max_conversation_bytes)
        self.config = validated(values)
        self._settings: Settings = assistant.settings
        self._voices = access.voices(assistant.library)
        self._values = _values_of(self.config)
        self._prompt = self.session.system_prompt
        self.voice = self.session.voice
        """The voice of the next response, as far as it is known."""
        self._new_voice: Voice | None = None
        self._take_voice(None)

    @property
    def public_id(self) -> str:
        """The id in responses; it can't be used to resume."""
        return f"conv_{self.session.id}"

    @property
    def transcribes(self) -> bool:
        """True for a session that only transcribes."""
        return self.config.type == "transcription"

    def update(self, changes: Mapping[str, Any]) -> None:
        """A session.update; takes effect by `apply`. Raises ApiError, and changes nothing then."""
        config = validated(merged(self._values, changes))
        if config.type != self.config.type:
            message = f"session.type: this session is one of type {self.config.type!r}"
            raise ApiError(message, param="session.type", code="invalid_value")
        values = _values_of(config)
        before, self.config, self._values = self.config, config, values
        self._take_voice(before)

    def _take_voice(self, before: SessionConfig | None) -> None:
        """Switches the voice if the client asks for another one than before: a tool may have
        changed it since.
        """
        asked = self.config.audio.output.voice
        if asked is not None and (before is None or asked != before.audio.output.voice):
            self.voice = self._new_voice = self.voice_named(asked)

    def voice_named(self, name: str) -> Voice:
        """The default one for a name that is unknown, or not allowed."""
        return self.session.find_voice(known_voice(self._voices, name) or DEFAULT_VOICE)

    def apply(self) -> None:
        """Tells the session, between two turns."""
        self.configure(self.session)
        if self._new_voice is not None:
            self.session.switch_voice(self._new_voice)
            self._new_voice = None

    def follow_voice(self) -> None:
        """Takes over the voice that a tool has chosen."""
        self.voice = self.session.voice

    def configure(self, session: Session) -> None:
        """All that the client has set but the voice."""
        session.configure(
            system_prompt=self.config.instructions or self._prompt,
            speak=self.config.speaks,
            client_tools=[tool.schema_of() for tool in self.config.tools],
        )

    def release(self) -> None:
        """Its connection is over: what was playing is history now."""
        for item in self.items:
            item.live_id = ""

    @property
    def live_settings(self) -> LiveSettings:
        detection = self.config.audio.input.turn_detection
        settings = turn_detection.live_settings(detection, self._settings.live)
        if detection is None:  # the client says when a turn is over
            settings = settings.model_copy(update={"max_user_turn_s": self._settings.max_audio_s})
        return settings

    def to_json(self, expires_at: int) -> Json:
        """Returns the session in the form of the protocol."""
        detection = turn_detection.detection_to_json(
            self.config.audio.input.turn_detection, self._settings.live
        )
        values = config_to_json(self.config, voice=self.voice.id, detection=detection)
        return {"id": self.id, "object": "realtime.session", "expires_at": expires_at, **values}


def _values_of(config: SessionConfig) -> Json:
    """Returns what the client has set, without the keys that are unknown.

    Raises ApiError if it is larger than MAX_CONFIG_BYTES: it is retained for as long as the session
    can be resumed.
    """
    values = config.model_dump(exclude_unset=True)
    if size_of_json(values) > MAX_CONFIG_BYTES:
        message = f"session: the configuration is larger than {MAX_CONFIG_BYTES} bytes"
        raise ApiError(message, param="session", code="invalid_value")
    return values


def validated(values: Mapping[str, Any]) -> SessionConfig:
    """Raises ApiError."""
    try:
        return SessionConfig.model_validate(values)
    except pydantic.ValidationError as error:
        message, param = describe_invalid(error.errors())
        raise ApiError(
            f"session.{message}", param=f"session.{param}", code="invalid_value"
        ) from None
