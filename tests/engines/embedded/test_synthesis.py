"""Text becomes speech, sentence by sentence, in the right language and timbre."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.audio.samples import OUTPUT_RATE, Pcm16
from assistant.audio.voice import Voice, VoiceTraits
from assistant.engines.base import Speech
from assistant.engines.embedded import espeak
from assistant.engines.embedded.languages import detect, runs, speech_language
from assistant.engines.embedded.sentences import sentences
from assistant.engines.embedded.synthesis import speak
from assistant.engines.embedded.text_normalizer import speakable
from assistant.events import TextDelta

SENTENCE = "It is ten past nine in the evening, and the weather will be sunny tomorrow."


def spoken(text: str, voice: Voice | None = None, **options: str) -> Pcm16:
    items = speak(text, voice or Voice(), threading.Event(), **options)
    pieces = [item.samples for item in items if isinstance(item, Speech)]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)


def voice(pitch_hz: float, syllables_per_s: float = 4.5) -> Voice:
    return Voice("clip", traits=VoiceTraits(pitch_hz, 4.0, syllables_per_s, -20.0, 1000.0))


def median_pitch(samples: Pcm16) -> float:
    """Returns the pitch by autocorrelation, of loud and clearly periodic 40 ms frames."""
    size, found = OUTPUT_RATE // 25, []
    frames = samples[: len(samples) // size * size].astype(float).reshape(-1, size)
    loud = frames[frames.std(axis=1) > 0.5 * samples.std()]
    window = np.hanning(size)
    bias = np.fft.irfft(np.abs(np.fft.rfft(window, 4 * size)) ** 2)
    for frame in loud:
        spectrum = np.fft.rfft((frame - frame.mean()) * window, 4 * size)
        correlation = np.fft.irfft(np.abs(spectrum) ** 2)
        shares = (correlation / correlation[0] / (bias / bias[0]).clip(1e-3))[: OUTPUT_RATE // 55]
        lags = np.arange(OUTPUT_RATE // 450, len(shares) - 1)
        peaks = lags[(shares[lags] >= shares[lags - 1]) & (shares[lags] > shares[lags + 1])]
        strong = peaks[shares[peaks] > max(0.5, 0.9 * shares[lags].max())]
        if len(strong):
            found.append(OUTPUT_RATE / strong[0])
    return float(np.median(found))


@pytest.mark.parametrize("pitch_hz", [80, 100, 120, 145, 180, 220, 260, 310])
def test_speech_has_about_the_pitch_of_the_clip(pitch_hz: float) -> None:
    measured = median_pitch(spoken(SENTENCE, voice(pitch_hz)))
    assert abs(12 * np.log2(measured / pitch_hz)) < 1.0  # semitones


def test_a_deep_voice_is_clearly_lower_than_the_default_voice() -> None:
    deep, normal = median_pitch(spoken(SENTENCE, voice(95))), median_pitch(spoken(SENTENCE))
    assert 12 * np.log2(normal / deep) > 6


def test_a_slow_voice_takes_longer() -> None:
    slow, fast = spoken(SENTENCE, voice(120, 3.0)), spoken(SENTENCE, voice(120, 6.0))
    assert len(slow) > 1.4 * len(fast)


@pytest.mark.parametrize("pitch_hz", [0.0, 1e9, float("inf")])
def test_unusual_traits_still_give_a_voice(pitch_hz: float) -> None:
    assert len(spoken("Hello.", voice(pitch_hz, 100.0))) > 0


def test_each_sentence_is_yielded_before_the_next_is_synthesized() -> None:
    items = speak("First one. Second one.", Voice(), threading.Event())
    assert next(items) == TextDelta("First one. ")
    assert isinstance(next(items), Speech)
    assert next(items) == TextDelta("Second one.")


def test_speech_stops_within_a_sentence() -> None:
    library, asked = espeak.load(), 0

    def stopped() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    samples = library.synthesize(SENTENCE * 20, library.voices["en-us"], espeak.Timbre(), stopped)
    assert 0 < len(samples) < 2 * library.sample_rate


def test_nothing_more_is_synthesized_after_a_stop() -> None:
    stop = threading.Event()
    items = speak("First one. Second one.", Voice(), stop)
    next(items)
    stop.set()
    assert list(items) == []


def test_two_threads_speak_at_the_same_time_without_mixing_their_voices() -> None:
    low, high = voice(90), voice(280)
    results: dict[int, list[Pcm16]] = {0: [], 1: []}

    def run(index: int) -> None:
        for _ in range(10):
            results[index].append(spoken(SENTENCE, (low, high)[index]))

    threads = [threading.Thread(target=run, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(median_pitch(pcm) < 110 for pcm in results[0])
    assert all(median_pitch(pcm) > 240 for pcm in results[1])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Hello there. How are you? Fine!", ["Hello there. ", "How are you? ", "Fine!"]),
        ("It is 3.5 degrees. Yes.", ["It is 3.5 degrees. ", "Yes."]),
        ("Dr. Smith met J. R. Jones. They spoke.", ["Dr. Smith met J. R. Jones. ", "They spoke."]),
        ("See example.com for more. Bye.", ["See example.com for more. ", "Bye."]),
        ("现在九点。明天晴天！好吗？", ["现在九点。", "明天晴天！", "好吗？"]),
        ('She said "go." Then left.', ['She said "go." ', "Then left."]),
        ("One\nTwo\n\nThree", ["One\n", "Two\n\n", "Three"]),
        ("Well... maybe. OK.", ["Well... maybe. ", "OK."]),
        ("1. First. 2. Second.", ["1. First. ", "2. Second."]),
        ("", []),
    ],
)
def test_a_text_is_split_into_sentences(text: str, wanted: list[str]) -> None:
    assert list(sentences(text)) == wanted


@given(text=st.text(st.sampled_from("ab .!?。\n,1\"'"), max_size=80), limit=st.integers(5, 40))
@settings(max_examples=200, deadline=None)
def test_the_joined_sentences_are_the_text(text: str, limit: int) -> None:
    pieces = list(sentences(text, max_chars=limit))
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= limit for piece in pieces)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("**Bold** and `code`", "Bold and code"),
        ("# Title\n- one\n- two", "Title one two"),
        ("See [the page](https://example.com/a?b=1).", "See the page."),
        ("Go to https://www.example.com/a/b?c=d.", "Go to example.com."),
        ("Nice 😀👍🏽!", "Nice !"),
        ("<b>Hi</b> <audio_5> <|EOT|> there", "Hi there"),
        ("\x01 100R\x02 fast", "100R fast"),
        ("[[h@l'oU]] now", "h@l'oU now"),
        ("25 ℃", "25 °C"),
        ("😀", ""),
        ("---", ""),
        ("\ud800 ok", "ok"),
    ],
)
def test_markup_becomes_speakable_text(text: str, wanted: str) -> None:
    assert speakable(text) == wanted


@given(text=st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_text_can_command_espeak(text: str) -> None:
    words = speakable("<speak>\x01" + text)
    assert not any(ord(char) < 32 or char in "<>[]" for char in words)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("It will be sunny in Paris tomorrow.", "en"),
        ("Morgen scheint in Berlin die Sonne.", "de"),
        ("Il fera beau demain à Paris.", "fr"),
        ("¿Qué hora es en Madrid?", "es"),
        ("明天北京是晴天。", "zh"),
        ("明日は晴れです。", "ja"),
        ("Завтра будет солнечно.", "ru"),
        ("내일은 맑습니다.", "ko"),
        ("غدا الجو مشمس.", "ar"),
        ("42", "en"),
    ],
)
def test_the_language_of_a_text_is_found(text: str, language: str) -> None:
    assert detect(text) == language
    assert len(spoken(text)) > OUTPUT_RATE // 4


def test_the_requested_language_is_used_unless_the_script_is_another() -> None:
    assert speech_language("OK", "de") == "de"
    assert speech_language("Hello there, my friend.", "zh") == "en"
    assert speech_language("你好", "de") == "zh"


def test_words_in_another_script_are_spoken_in_their_own_language() -> None:
    assert list(runs("The word 长城 means wall.", "en")) == [
        ("en", "The word "), ("zh", "长城 "), ("en", "means wall."),
    ]  # fmt: skip


def test_the_same_word_is_pronounced_differently_in_two_languages() -> None:
    german, english = (spoken("Information", language=tag) for tag in ("de-DE", "en-GB"))
    assert len(german) != len(english)


def test_an_unknown_language_is_spoken_in_the_english_voice() -> None:
    klingon, english = (len(spoken("Hello there", language=tag)) for tag in ("tlh", "en"))
    assert abs(klingon - english) < 0.01 * english  # espeak-ng varies by a sample or two
