"""The messages of Twilio Media Streams: JSON texts with an `event`; numbers in them are strings.

From Twilio: connected, start, then media (20 ms each), dtmf and mark, and stop at the end. To
Twilio: media, mark (comes back once the audio before it has played, or was cleared), clear.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from assistant.errors import RefusedError

MOST_CHARS = 64 * 1024
"""A message of Twilio's has some 400."""
SAMPLE_RATE = 8_000
FRAME_SAMPLES = 160

CALL_SID = "CA[0-9a-f]{32}"
"""The form of the ids that Twilio gives to calls, as a regular expression."""
Sid = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Short = Annotated[str, Field(max_length=256)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, extra="ignore")


class MediaFormat(_Part):
    encoding: Short = "audio/x-mulaw"
    sample_rate: int = SAMPLE_RATE
    channels: int = 1

    @property
    def known(self) -> bool:
        return (self.encoding, self.sample_rate, self.channels) == ("audio/x-mulaw", 8_000, 1)


class StartDetails(_Part):
    account_sid: Short = ""
    call_sid: Sid
    media_format: MediaFormat = MediaFormat()
    custom_parameters: dict[str, str] = {}


class MediaDetails(_Part):
    payload: str
    track: Short = "inbound"
    chunk: Annotated[int, Field(ge=0, lt=2**53)] | None = None
    timestamp: Annotated[int, Field(ge=0, lt=2**53)] | None = None

    def audio(self) -> bytes:
        """mu-law, 8 kHz. Raises FrameError."""
        try:
            return base64.b64decode(self.payload, validate=True)
        except (binascii.Error, ValueError):
            raise FrameError("a payload is not base64") from None


class DtmfDetails(_Part):
    digit: Annotated[str, Field(pattern="^[0-9A-D*#]$")]


class MarkDetails(_Part):
    name: Short


class Start(_Part):
    """The call begins. `custom_parameters` are those of the TwiML."""

    event: Literal["start"]
    stream_sid: Sid
    start: StartDetails


class Media(_Part):
    event: Literal["media"]
    stream_sid: Short
    media: MediaDetails


class Dtmf(_Part):
    """A key was pressed."""

    event: Literal["dtmf"]
    stream_sid: Short
    dtmf: DtmfDetails


class Mark(_Part):
    event: Literal["mark"]
    stream_sid: Short
    mark: MarkDetails


class Stop(_Part):
    """The call has ended."""

    event: Literal["stop"]
    stream_sid: Short


Frame = Start | Media | Dtmf | Mark | Stop
_FRAME: TypeAdapter[Frame] = TypeAdapter(Annotated[Frame, Field(discriminator="event")])


class FrameError(RefusedError):
    """A message that Twilio would not send; the text says what is wrong with it."""


def parse(text: str) -> Frame | None:
    """Returns the message; None for one that can be ignored (connected, and future ones).

    Raises FrameError if it is malformed.
    """
    try:
        return _FRAME.validate_json(text)
    except ValidationError as error:
        if error.errors(include_input=False)[0]["type"] == "union_tag_invalid":
            return None
        raise FrameError("a message is not one of Twilio's") from None


class Wire:
    """Formats the messages to one stream, whose id is in each of them."""

    def __init__(self, stream_sid: str) -> None:
        sid = json.dumps(stream_sid)
        self._media = f'{{"event":"media","streamSid":{sid},"media":{{"payload":"'
        self._mark = f'{{"event":"mark","streamSid":{sid},"mark":{{"name":'
        self.clear = f'{{"event":"clear","streamSid":{sid}}}'

    def media(self, audio: bytes) -> str:
        return f'{self._media}{base64.b64encode(audio).decode("ascii")}"}}}}'

    def mark(self, name: str) -> str:
        return f"{self._mark}{json.dumps(name)}}}}}"
