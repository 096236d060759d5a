"""The tables of `assistant serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field, SecretStr, ValidationInfo, field_validator

from assistant.config.base import Names, Table


class LimitSettings(Table):
    """What the server takes at most. Beyond it, callers read 413, 429 or 503."""

    max_body_bytes: int = Field(default=32 * 2**20, ge=1_024)
    """Ten minutes of 16 kHz WAV in base64 are 26 MB."""
    body_timeout_s: float = Field(default=60.0, gt=0.0)
    max_json_depth: int = Field(default=64, ge=4, le=200)
    fetch_timeout_s: float = Field(default=10.0, gt=0.0)
    """For an `audio_url`, redirects included."""
    max_turns: int = Field(default=32, ge=1)
    """Turns that run at the same time."""
    max_waiting: int = Field(default=64, ge=0)
    """Turns that wait for a place; the next one is refused."""
    max_wait_s: float = Field(default=30.0, gt=0.0)
    stall_s: float = Field(default=30.0, gt=0.0)
    """A client that takes nothing for so long has lost its turn."""


class SessionSettings(Table):
    """Conversations that the server keeps."""

    file: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("assistant")) / "sessions.sqlite3"
    )
    ttl_s: float = Field(default=86_400.0, gt=0.0)
    """A conversation is deleted so long after its last turn."""
    max_per_key: int = Field(default=10_000, ge=1)
    max_bytes: int = Field(default=4 * 2**30, ge=2**16)
    """The size of the file at which no more is stored."""
    sounds: Literal["all", "untranscribed", "none"] = "untranscribed"
    """Which recordings of users are stored: where the transcript stands for one, it is enough."""


class SocketSettings(Table):
    """WebSockets: live conversations by /v1/realtime and by telephone."""

    max_open: int = Field(default=256, ge=1)
    """Of all callers together; the next one is refused."""
    max_per_key: int = Field(default=64, ge=1)
    """Of one API key; where there are no keys, of everybody."""
    max_message_bytes: int = Field(default=4 * 2**20, ge=2**16)
    """A minute of 24 kHz sound in base64 is 3.8 MB."""
    idle_s: float = Field(default=600.0, gt=0.0)
    """A client that sends nothing for so long is sent away."""
    session_s: float = Field(default=3_600.0, gt=0.0)
    """The longest that a connection lasts."""
    resume_s: float = Field(default=300.0, ge=0.0)
    """A conversation whose connection was lost is kept in memory so long, to be gone on with."""
    max_resumable: int = Field(default=64, ge=0)
    """Conversations that are kept so; the oldest one of who has the most is forgotten."""


class TwilioSettings(Table):
    """Calls by telephone, through Twilio Media Streams. Without an auth token there are none."""

    auth_token: SecretStr = SecretStr("")
    """Of the Twilio account; Twilio signs its requests with it."""
    account_sid: str = Field(default="", pattern="^(AC[0-9a-f]{32})?$")
    """Of the account; not given, calls of any are taken, and are ended by closing the socket."""
    public_url: str = Field(
        default="", pattern=r"^(https?://[^\s/?#]+[^\s?#]*)?$", validate_default=True
    )
    """Where Twilio reaches this server, before any proxy: https://HOST. That is what it signs."""
    api_url: str = Field(default="https://api.twilio.com", pattern=r"^https?://[^\s/?#]+$")
    """Where calls are ended; other regions have other hosts."""
    voice: str = ""
    """Id of the clip that callers hear; empty: the voice of the settings."""
    language: str = ""
    """BCP 47; empty: the language of the settings."""
    greeting: str = Field(default="Hello, how can I help you?", max_length=500)
    """Said when the call begins; empty: the caller speaks first."""
    farewell: str = Field(default="I have to end the call now. Goodbye.", max_length=500)
    """Said before a call is ended that the server can't go on with: too long, or it stops."""
    apology: str = Field(default="Sorry, that did not work. Please try again.", max_length=500)
    """Said instead of an answer that failed."""
    max_calls: int = Field(default=32, ge=1)
    """At the same time; the next caller hears that the line is busy."""
    max_call_s: float = Field(default=1_800.0, gt=0.0)
    digits_pause_s: float = Field(default=2.0, gt=0.0)
    """Keys pressed with shorter pauses are one message; # ends it at once."""

    @field_validator("public_url")
    @classmethod
    def _needed_with_a_token(cls, value: str, info: ValidationInfo) -> str:
        token = info.data.get("auth_token")
        if token and token.get_secret_value() and not value:
            raise ValueError("must be set with auth_token, to check what Twilio signs")
        return value.rstrip("/")


class ServerSettings(Table):
    """`assistant serve`: where it listens, and what it allows."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    """0 takes any free port."""
    audio_folder: Path | None = None
    """The folder that `audio_path` of POST /generate may read from; not given, none."""
    keys: Path | None = None
    """The file of API keys; not given, whoever reaches the port may ask."""
    insecure: bool = False
    """Listen on other addresses than this machine's own without keys."""
    allowed_hosts: Names = ()
    """Further names by which this machine is asked, where there are no keys."""
    cors_origins: Names = ()
    """Origins whose web pages may ask; `*` is all of them."""
    log_content: bool = False
    """Also write transcripts, answers and tool arguments to the log."""
    drain_s: float = Field(default=0.0, ge=0.0)
    """How long /ready answers 503 before the port is closed, for load balancers to notice."""
    shutdown_s: float = Field(default=30.0, gt=0.0)
    """How long running turns may go on when the server is told to stop."""
    limits: LimitSettings = LimitSettings()
    sessions: SessionSettings = Field(default_factory=SessionSettings)
    sockets: SocketSettings = SocketSettings()
    twilio: TwilioSettings = TwilioSettings()
