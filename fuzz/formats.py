"""Targets without a server: the tool-call parser, the audio decoder and the files that are read."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import anyio
import numpy as np
import soundfile

from assistant.config import load_settings
from assistant.engines.parser import CLOSE, OPEN, Parsed, ToolCallParser, format_call
from assistant.errors import SettingsError
from assistant.events import TextDelta
from assistant.library.manifest import LINES_NAME, TOML_NAME, read_manifest
from assistant.library.writing import remove_entries
from assistant.messages import ToolCall
from assistant.server.audio.decode import DECODED_RATE, decode_audio
from assistant.server.auth.key_file import add_key, read_keys, remove_key
from fuzz.target import FindingError, Run

MAX_AUDIO_S = 5.0


# Tool calls. The first byte tells how the text is cut into pieces.


def parser_seeds() -> Sequence[bytes]:
    good = f'{OPEN}function\nweather\n{{"location": "Paris"}}{CLOSE}'
    qwen = f'{OPEN}{{"name": "weather", "arguments": {{"day": 1}}}}{CLOSE}'
    texts = (
        good,
        f"Let me see. {good}\n{good}Done.",
        qwen,
        f"{OPEN}function\nroll{CLOSE}",
        f'{OPEN}function\nweather\n{{"location": ',
        f"{OPEN}weather {{}}{OPEN}roll {{}}{CLOSE}",
        f"a < b {OPEN[:6]} {CLOSE}",
        f'{OPEN}{{"name": "weather", "arguments": {{"a": "\\ud83d"}}}}{CLOSE}',
        f'{OPEN}function\nx\n{{"n": NaN, "s": "\\ud83d", "e": [1e9999]}}{CLOSE}',
    )
    return [bytes([at]) + text.encode() for at, text in enumerate(texts)]


def open_parser() -> AbstractContextManager[Run]:
    return nullcontext(_parse)


def _parse(data: bytes) -> None:
    text = data[1:].decode("utf-8", "replace")
    step = data[0] % 16 + 1 if data else 1
    whole = _parsed([text])
    pieces = _parsed([text[at : at + step] for at in range(0, len(text), step)])
    if whole != pieces:
        raise FindingError(f"cut into pieces of {step}: {pieces}, whole: {whole}")
    for name, arguments, problem in whole:
        f"{name}{arguments}{problem}".encode()  # goes to logs, files and clients
        if name and not problem:
            call = format_call(ToolCall("id", name, arguments))
            if _parsed([call]) != [(name, arguments.replace(CLOSE, f"\\u003c{CLOSE[1:]}"), "")]:
                raise FindingError(f"a call that was written is not read back: {call!r}")


def _parsed(pieces: list[str]) -> list[tuple[str, str, str]]:
    """Returns (name, arguments, problem) of each call, and ("", text, "") of text, joined."""
    parser = ToolCallParser(lambda: "id", max_call_chars=500)
    found: list[Parsed] = [item for piece in pieces for item in parser.feed(piece)]
    parts: list[tuple[str, str, str]] = []
    for item in [*found, *parser.finish()]:
        if isinstance(item, ToolCall):
            parts.append((item.name, item.arguments, item.problem))
        elif isinstance(item, TextDelta) and parts and parts[-1][0] == parts[-1][2] == "":
            parts[-1] = ("", parts[-1][1] + item.text, "")
        else:
            parts.append(("", item.text, ""))
    return parts


# Audio. An even first byte is a file; an odd one is raw samples at one of some rates.


def audio_seeds() -> Sequence[bytes]:
    return [b"\0" + data for data in audio_files()] + [b"\1" + bytes(range(64)), b"\7\0"]


def audio_files() -> Sequence[bytes]:
    """Returns a tenth of a second in each container, mono and stereo, at several rates."""
    kinds = (
        ("WAV", "PCM_16", 16_000, 1),
        ("WAV", "FLOAT", 48_000, 2),
        ("WAV", "ULAW", 8_000, 1),
        ("WAV", "IMA_ADPCM", 8_000, 1),
        ("AIFF", "PCM_24", 44_100, 2),
        ("FLAC", "PCM_16", 96_000, 1),
        ("OGG", "VORBIS", 24_000, 1),
        ("OGG", "OPUS", 48_000, 1),
        ("MP3", "MPEG_LAYER_III", 24_000, 1),
    )
    return [_audio_file(*kind) for kind in kinds]


def _audio_file(container: str, codec: str, rate: int, channels: int) -> bytes:
    wave = 0.3 * np.sin(np.arange(rate // 20) * 0.1)
    file = io.BytesIO()
    samples = np.stack([wave] * channels, axis=1)
    soundfile.write(file, samples, rate, format=container, subtype=codec)
    return file.getvalue()


def open_audio() -> AbstractContextManager[Run]:
    return nullcontext(_decode)


def _decode(data: bytes) -> None:
    kind = data[0] if data else 0
    rate = (None, 8_000, None, 16_000, None, 24_000, None, 48_000)[kind % 8]

    async def work() -> None:
        audio = await decode_audio(data[1:], max_seconds=MAX_AUDIO_S, raw_rate=rate)
        samples = audio.samples
        fits = samples.ndim == 1 and 0 < audio.seconds <= MAX_AUDIO_S + 0.1
        if not (fits and audio.sample_rate <= DECODED_RATE and np.isfinite(samples).all()):
            raise FindingError(f"{samples.shape} samples at {audio.sample_rate}")

    anyio.run(work)


# Files.


def _with_file(name: str, read: Callable[[Path], object]) -> AbstractContextManager[Run]:
    @contextmanager
    def opened() -> Iterator[Run]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name

            def run(data: bytes) -> None:
                path.write_bytes(data)
                read(path)

            yield run

    return opened()


def settings_seeds() -> Sequence[bytes]:
    return [
        b'engine = "embedded"\nvoice = "awb"\nmax_audio_s = 60\n[sampling]\ntemperature = 0.7\n',
        b'[server]\nport = 8000\ncors_origins = ["*"]\n[server.limits]\nmax_turns = 4\n',
        b'[server.twilio]\nauth_token = "x"\npublic_url = "https://a.example"\n',
        b'[plugins]\nfolders = ["a", "b"]\nallow = []\n[tools.weather]\nbase_url = "http://x"\n',
        b"[live]\nthreshold = 0.5\nsilence_ms = 1e3\n[library]\nbundled = false\nprot = 0xff\n",
        b"a = 1979-05-27T07:32:00Z\nb = [1, 2.5, inf, nan]\nc = { d.e = '''x''' }\n",
    ]


def open_settings() -> AbstractContextManager[Run]:
    return _with_file("assistant.toml", lambda path: load_settings(path, environment={}))


def key_seeds() -> Sequence[bytes]:
    table = b'[keys.3f2a9c01]\nname = "help desk"\nsha256 = "' + b"ab" * 32 + b'"\n'
    more = b'scopes = ["chat", "sessions"]\ntools = ["weather"]\nvoices = ["default"]\n'
    rates = b"requests_per_minute = 60\nconcurrent_turns = 4\n"
    inline = b'keys.3f2a9c01 = {name = "x", sha256 = "' + b"cd" * 32 + b'"}\n'
    other = table.replace(b"3f2a9c01", b"00000001")
    return [table, table + more + rates, table + b"# note\n\n" + other, inline, b"[keys]\n", b""]


def open_keys() -> AbstractContextManager[Run]:
    return _with_file("keys.toml", _use_keys)


def _use_keys(path: Path) -> None:
    before = {key.id for key in read_keys(path)}
    add_key(path, name="new")
    after = {key.id for key in read_keys(path)}
    if len(after) != len(before) + 1 or not before < after:
        raise FindingError("a key that was added is not read back")
    for key_id in sorted(after):
        try:
            remove_key(path, key_id)
        except SettingsError:  # written in an unusual way
            continue
        after.discard(key_id)
        if {key.id for key in read_keys(path)} != after:
            raise FindingError(f"removing {key_id} changed other keys")


def manifest_seeds() -> Sequence[bytes]:
    table = b'[[voices]]\nid = "awb"\nfile = "awb.wav"\ntags = ["calm"]\nlanguage = "en-GB"\n'
    traits = b"[voices.traits]\npitch_hz = 127.0\n"
    line = b'{"id": "awb", "file": "a/awb.wav", "description": "a man", "sha256": ""}\n'
    other = line.replace(b'"awb"', b'"slt"')
    inline = b'voices = [{id = "a", file = "a.wav"}, {id = "b", file = "b.wav"}]\n'
    toml = (table, table + traits, table + table.replace(b"awb", b"slt"), inline)
    return [b"t" + text for text in toml] + [b"l" + line, b"l" + line + other]


@contextmanager
def open_manifest() -> Iterator[Run]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def run(data: bytes) -> None:
            for file in folder.iterdir():
                file.unlink()
            (folder / (LINES_NAME if data[:1] == b"l" else TOML_NAME)).write_bytes(data[1:])
            _use_manifest(folder)

        yield run


def _use_manifest(folder: Path) -> None:
    manifest, problems = read_manifest(folder)
    if problems or not manifest.entries:
        return
    gone = manifest.entries[0].id
    left = remove_entries(manifest, [gone]).entries
    again, problems = read_manifest(folder)
    if problems or again.entries != left:
        raise FindingError(f"without {gone!r}, the manifest reads {again.entries}, {problems}")
