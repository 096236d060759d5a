"""The settings of `assistant serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field, SecretStr, ValidationInfo, field_validator

from assistant.config.base import Names, Table


class LimitSettings(Table):
    """What the server accepts at most. Beyond it, callers get 413, 429 or 503."""

    max_body_bytes: int = Field(default=32 * 2**20, ge=1_024)
    """The largest request body, in bytes; ten minutes of 16 kHz WAV in base64 are 26 MB."""
    max_bodies_bytes: int = Field(default=512 * 2**20, ge=2**16)
    """Bytes of request bodies in memory at the same time; one API key may hold half of them."""
    header_timeout_s: float = Field(default=10.0, gt=0.0)
    """How long a client may take to send the header of a request, in seconds."""
    max_connections: int = Field(default=800, ge=1)
    """Connections of all clients together, WebSockets included; each takes a file descriptor."""
    max_connections_per_address: int = Field(default=400, ge=1)
    """Connections of one address, except for those of this machine, such as a reverse proxy's."""
    body_timeout_s: float = Field(default=60.0, gt=0.0)
    """How long a client may take to send a request body, in seconds."""
    max_json_depth: int = Field(default=64, ge=4, le=200)
    """Levels of nesting in a JSON body."""
    max_speech_chars: int = Field(default=4_096, ge=1)
    """Characters of a text that is read aloud."""
    max_text_chars: int = Field(default=1_000_000, ge=1)
    """Characters of all messages of a chat request together."""
    max_audio_files: int = Field(default=64, ge=1)
    """Pieces of audio in one request; all together they may last `max_audio_s`."""
    max_audio_urls: int = Field(default=4, ge=0)
    """Pieces of audio in one request that are fetched from URLs; 0 fetches none."""
    fetch_timeout_s: float = Field(default=10.0, gt=0.0)
    """How long fetching an `audio_url` may take, redirects included, in seconds."""
    max_turns: int = Field(default=32, ge=1)
    """Turns that run at the same time; more wait in the turn queue."""
    max_waiting: int = Field(default=64, ge=0)
    """Turns that wait in the turn queue; the next one is refused. 0 lets none wait."""
    max_wait_s: float = Field(default=30.0, gt=0.0)
    """How long a turn waits in the turn queue before it is refused, in seconds."""
    min_free_bytes: int = Field(default=256 * 2**20, ge=0)
    """Free memory, in bytes, of the machine or the control group, below which request bodies,
    WebSockets and turns are refused with 503; 0 never refuses.
    """
    stall_s: float = Field(default=30.0, gt=0.0)
    """A client that reads nothing of its response for this long is disconnected, in seconds."""


class SessionSettings(Table):
    """Conversations that the server stores."""

    file: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("assistant")) / "sessions.sqlite3"
    )
    """SQLite file that conversations are stored in."""
    ttl_s: float = Field(default=86_400.0, gt=0.0)
    """How long after its last turn a conversation is deleted, in seconds."""
    max_per_key: int = Field(default=10_000, ge=1)
    """Stored conversations of one API key; without keys, of all callers together."""
    max_bytes: int = Field(default=4 * 2**30, ge=2**16)
    """Size of the file at which no more is stored, in bytes."""
    max_bytes_per_key: int = Field(default=2**30, ge=2**16)
    """Bytes that the stored conversations of one API key may take; beyond them new conversations
    and turns are refused.
    """
    max_memory_bytes: int = Field(default=512 * 2**20, ge=2**16)
    """Bytes of audio and text that conversations in memory may take; beyond them the ones that were
    not used for the longest time are read again from the file when they are needed.
    """
    idle_s: float = Field(default=600.0, gt=0.0)
    """How long after its last use a conversation leaves memory, in seconds."""
    audio: Literal["all", "untranscribed", "none"] = "untranscribed"
    """Which recordings of users are stored: `all`, `none`, or those that have no transcript."""


class SocketSettings(Table):
    """WebSockets: live conversations over /v1/realtime. Calls have places of their own."""

    max_open: int = Field(default=256, ge=1)
    """Connections of all callers together; the next one is refused. Telephone calls don't count:
    `max_calls` places are reserved for them.
    """
    max_per_key: int = Field(default=64, ge=1)
    """Connections of one API key; without keys, of all callers together."""
    max_message_bytes: int = Field(default=4 * 2**20, ge=2**16)
    """The largest message, in bytes; a minute of 24 kHz audio in base64 is 3.8 MB."""
    max_bytes_per_s: float = Field(default=8 * 2**20, ge=2**16)
    """Bytes per second that the connections of one API key may send together, after a burst of as
    many; each message counts 1,024 more than its length. What is sent faster waits.
    """
    max_conversation_bytes: int = Field(default=2**28, ge=1_024)
    """Bytes of texts and audio that a client may put into one live conversation; an hour of speech
    is 230 MB.
    """
    max_conversation_bytes_per_key: int = Field(default=2**30, ge=1_024)
    """Bytes that all live conversations of one API key hold together, those that can be resumed
    included; beyond it none of them takes more.
    """
    idle_s: float = Field(default=600.0, gt=0.0)
    """A client that sends nothing for this long is disconnected, in seconds."""
    session_s: float = Field(default=3_600.0, gt=0.0)
    """How long a connection may last, in seconds."""
    resume_s: float = Field(default=300.0, ge=0.0)
    """How long a disconnected conversation can be resumed, in seconds; 0 for not at all."""
    max_resumable: int = Field(default=64, ge=0)
    """How many disconnected conversations are kept. When full, the oldest one of the key with the
    most is dropped. 0 keeps none.
    """


class TwilioSettings(Table):
    """Telephone calls through Twilio Media Streams. Without an auth token there are none."""

    auth_token: SecretStr = SecretStr("")
    """Auth token of the Twilio account, which signs Twilio's requests; empty accepts no calls."""
    account_sid: str = Field(default="", pattern="^(AC[0-9a-f]{32})?$")
    """SID of the Twilio account; requests of another one are refused. Empty accepts calls of any
    account, and ends them by closing the WebSocket.
    """
    public_url: str = Field(
        default="", pattern=r"^(https?://[^\s/?#]+[^\s?#]*)?$", validate_default=True
    )
    """URL at which Twilio reaches this server, before any proxy: https://HOST. Required with
    `auth_token`, because it is part of what Twilio signs.
    """
    api_url: str = Field(default="https://api.twilio.com", pattern=r"^https?://[^\s/?#]+$")
    """URL of Twilio's REST API, which ends calls; other regions have other hosts."""
    voice: str = ""
    """Id of the voice clip for callers; empty for the `voice` of the settings."""
    language: str = ""
    """BCP 47 tag of the language for callers; empty for the `language` of the settings."""
    greeting: str = Field(default="Hello, how can I help you?", max_length=500)
    """Text that is said when the call begins; empty lets the caller speak first."""
    farewell: str = Field(default="I have to end the call now. Goodbye.", max_length=500)
    """Text that is said before the server ends a call; empty ends it without a word."""
    apology: str = Field(default="Sorry, that did not work. Please try again.", max_length=500)
    """Text that is said instead of a response that failed; empty says nothing."""
    max_calls: int = Field(default=32, ge=1)
    """Calls at the same time, those included that were announced and have not come yet; the next
    caller gets the busy tone.
    """
    max_call_s: float = Field(default=1_800.0, gt=0.0)
    """How long a call may last, in seconds."""
    digits_pause_s: float = Field(default=2.0, gt=0.0)
    """Keys that are pressed with pauses shorter than this, in seconds, are one message; # ends it
    at once.
    """

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
    """Address to listen on."""
    port: int = Field(default=8000, ge=0, le=65_535)
    """Port to listen on; 0 takes any free port."""
    audio_folder: Path | None = None
    """Folder that `audio_path` of POST /generate may read from; none forbids it."""
    keys: Path | None = None
    """File of API keys; none lets everybody in who reaches the port."""
    insecure: bool = False
    """Whether the server may listen on other addresses than this machine's own without keys."""
    allowed_hosts: Names = ()
    """Further host names that requests may use if there are no keys; empty for this machine's
    only.
    """
    cors_origins: Names = ()
    """Origins whose web pages may call the server; `*` allows all, empty allows no other."""
    log_content: bool = False
    """Whether transcripts, responses and tool arguments are written to the log."""
    drain_s: float = Field(default=0.0, ge=0.0)
    """How long /ready answers 503 before the port is closed, in seconds, so that load balancers
    notice; 0 closes it at once.
    """
    shutdown_s: float = Field(default=30.0, gt=0.0)
    """How long running turns may go on when the server is told to stop, in seconds."""
    stuck_s: float = Field(default=60.0, gt=0.0)
    """How long running turns may all stand still before /health asks the engine for a short turn,
    in seconds; /health answers 503 if that does not end.
    """
    limits: LimitSettings = LimitSettings()
    """What the server accepts at most."""
    sessions: SessionSettings = Field(default_factory=SessionSettings)
    """Conversations that the server stores."""
    sockets: SocketSettings = SocketSettings()
    """WebSockets: live conversations and telephone calls."""
    twilio: TwilioSettings = TwilioSettings()
    """Telephone calls through Twilio."""
