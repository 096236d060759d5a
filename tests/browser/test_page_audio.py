"""The worklets, the resampler and the captions of the page, sample by sample."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.support.chromium import WebPage
from tests.support.serving import Running


@pytest.fixture(scope="module")
def page(browser: WebPage, embedded: Running) -> WebPage:
    """A document of the server, from which its modules can be loaded."""
    return browser.open(embedded.port, "/health")


# Runs a worklet's processor quantum by quantum, as the audio thread does, but with each message at
# its time: real threads have no timing that a test could rely on.
WORKLET = """
    const worklet = async (name, rate) => {
        const reports = [];
        let made = null;
        globalThis.sampleRate = rate;
        globalThis.AudioWorkletProcessor = class {
            port = {postMessage: (data) => reports.push(data)};
        };
        globalThis.registerProcessor = (_name, type) => { made = new type(); };
        await import(`/static/${name}.js?${Math.random()}`);
        return {processor: made, reports};
    };
"""

# Plays a ramp of int16 values from 1 on, so that each sample shows its position.
PLAY = f"""
    {WORKLET}
    const [rate, seconds, acts] = args;
    const {{processor, reports}} = await worklet('playback-worklet', rate);
    const act = ({{samples, from, ...message}}) => processor.port.onmessage({{data:
        samples ? {{...message, samples: Int16Array.from({{length: samples}}, (_, n) => from + n)}}
                : message}});
    const values = [];
    while (values.length < seconds * rate) {{
        while (acts.length && acts[0][0] * rate <= values.length) act(acts.shift()[1]);
        const quantum = new Float32Array(128);
        processor.process([], [[quantum]]);
        values.push(...quantum.map((value) => Math.round(value * 32768)));
    }}
    return {{values, reports}};
"""


def play(
    page: WebPage, *acts: tuple[float, dict[str, Any]], rate: int = 24_000, seconds: float = 1.0
) -> tuple[list[int], list[dict[str, Any]]]:
    """Returns what is played and reported if these commands come at these times."""
    made = page.run(PLAY, rate, seconds, acts)
    assert isinstance(made, dict), made
    return made["values"], made["reports"]


def audio(answer: str = "a", samples: int = 12_000, start: int = 1) -> dict[str, Any]:
    return {"command": "sound", "answer": answer, "samples": samples, "from": start}


def end(answer: str = "a") -> dict[str, Any]:
    return {"command": "end", "answer": answer}


def test_every_sample_is_played_once_and_the_position_is_reported(page: WebPage) -> None:
    values, reports = play(
        page, (0, audio(samples=7_000)), (0.1, audio(samples=5_000, start=7_001)), (0.2, end())
    )
    assert [value for value in values if value] == list(range(1, 12_001))
    assert reports[0] == {"type": "started", "answer": "a", "seconds": 0}
    assert reports[-1] == {"type": "ended", "answer": "a", "seconds": 0.5}
    positions = [report["seconds"] for report in reports[1:-1]]
    assert positions == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.03)


def test_a_pause_is_silent_from_the_next_quantum_and_resumes_where_it_was(page: WebPage) -> None:
    at, until = 0.128, 0.256  # on borders of quanta, of which a second has 187.5
    pause, resume = (at, {"command": "pause"}), (until, {"command": "resume"})
    values, reports = play(page, (0, audio()), (0, end()), pause, resume)
    first, last = int(at * 24_000), int(until * 24_000)
    fade = values[first : first + 128]
    assert fade[0] == first + 1
    assert fade[:97] == [*sorted(fade[:96], reverse=True), 0]
    assert not any(values[first + 96 : last])
    assert values[last] == first + 97
    assert max(values) == 12_000
    assert reports[-1]["seconds"] == 0.5


def test_cleared_audio_fades_at_once_and_the_next_response_plays(page: WebPage) -> None:
    clear = (0.128, {"command": "clear", "answer": "a"})
    other = audio("b", samples=2_400, start=20_000)
    values, reports = play(page, (0, audio()), (0, other), (0, end("b")), clear)
    cut = int(0.128 * 24_000)
    assert values[:cut] == list(range(1, cut + 1))
    assert max(values[cut : cut + 96]) <= cut + 96
    assert values[cut + 96 : cut + 96 + 2_400] == list(range(20_000, 22_400))
    assert not any(values[cut + 96 + 2_400 :])
    assert [report["answer"] for report in reports if report["type"] == "ended"] == ["b"]


def test_audio_cleared_during_a_pause_is_never_played(page: WebPage) -> None:
    values, _ = play(
        page,
        (0, audio()),
        (0.128, {"command": "pause"}),
        (0.256, {"command": "clear", "answer": "a"}),
        (0.256, {"command": "resume"}),
    )
    assert not any(values[int(0.128 * 24_000) + 128 :])


def test_playback_waits_for_a_little_audio_and_for_more_after_it_ran_dry(page: WebPage) -> None:
    values, _ = play(
        page,
        (0, audio(samples=1_000)),
        (0.128, audio(samples=1_000, start=1_001)),  # 2,000 now: more than 60 ms
        (0.512, audio(samples=2_000, start=2_001)),  # less than 120 ms: it has run dry
        (0.64, audio(samples=1_000, start=4_001)),
    )
    assert [value for value in values if value] == list(range(1, 5_001))
    assert values.index(1) == 0.128 * 24_000
    assert values.index(2_001) == 0.64 * 24_000


def test_the_end_of_a_response_is_played_however_short_it_is(page: WebPage) -> None:
    values, reports = play(page, (0, audio(samples=10)), (0.128, end()))
    assert [value for value in values if value] == list(range(1, 11))
    assert [report["type"] for report in reports] == ["started", "ended"]


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_a_tone_keeps_pitch_and_level_at_another_rate(page: WebPage, rate: int) -> None:
    error_db = page.run(
        """
        const {Resampler} = await load('resampler');
        const made = (from, to, hz) => {
            const resampler = new Resampler(from, to);
            const sine = (n, rate) => Math.sin(2 * Math.PI * hz * n / rate);
            const tone = Float32Array.from({length: from}, (_, n) => sine(n, from));
            const pieces = [];
            for (let at = 0; at < from; at += 128) {
                pieces.push(...resampler.process(tone.subarray(at, at + 128)));
            }
            const inner = pieces.slice(200, -200);
            const off = inner.map((value, n) => (value - sine(n + 200, to)) ** 2);
            const wrong = off.reduce((sum, value) => sum + value, 0);
            return {db: 10 * Math.log10(2 * wrong / inner.length), length: pieces.length};
        };
        return [made(args[0], 24000, 1000), made(24000, args[0], 3000)];
        """,
        rate,
    )
    for made, length in zip(error_db, (24_000, rate), strict=True):
        assert made["db"] < -60
        assert length - 100 < made["length"] <= length


@pytest.mark.parametrize("rate", [24_000, 48_000])
def test_the_microphone_is_sent_at_24_khz_from_any_rate(page: WebPage, rate: int) -> None:
    pieces = page.run(
        f"""
        {WORKLET}
        const [rate] = args;
        const {{processor, reports}} = await worklet('capture-worklet', rate);
        for (let at = 0; at < rate; at += 128) {{
            const tone = (_, n) => 0.9 * Math.sin(2 * Math.PI * 440 * (at + n) / rate);
            processor.process([[Float32Array.from({{length: 128}}, tone)]]);
        }}
        processor.process([[]]);  // nothing is connected
        return reports.map((piece) => [...piece]);
        """,
        rate,
    )
    assert [len(piece) for piece in pieces] == [960] * len(pieces)
    assert len(pieces) >= 24
    samples = [value for piece in pieces for value in piece][960:]
    rising = sum(a < 0 <= b for a, b in itertools.pairwise(samples))
    assert rising == pytest.approx(440 * len(samples) / 24_000, abs=1)
    assert max(samples) == pytest.approx(0.9 * 32_768, rel=0.01)


def test_captions_follow_the_audio_and_never_run_ahead_of_speech(page: WebPage) -> None:
    ahead, sentences, wide = page.run("""
        const {Captions} = await load('captions');
        const spoken = (captions, time) => captions.text.slice(0, captions.spokenAt(time));
        const shown = (captions, ...times) => times.map((time) => spoken(captions, time));
        const ahead = new Captions();  // all of the text before the sound
        ahead.addText('one two three four five six seven eight nine ten eleven twelve');
        ahead.addSound(6); ahead.finish();
        const sentences = new Captions();  // each with its own sound
        sentences.addText('It is noon. '); sentences.addSound(2);
        sentences.addText('Good day.'); sentences.addSound(1); sentences.finish();
        const wide = new Captions();
        wide.addText('今天的天气非常好我们去公园吧'); wide.addSound(0.2);
        return [shown(ahead, -1, 0.1, 3, 6), shown(sentences, 1, 2.01, 3), shown(wide, 0.5, 9)];
    """)
    assert ahead[:3] == ["", "one", "one two three four five six seven"]
    assert ahead[3].endswith("twelve")
    assert sentences == ["It is ", "It is noon. Good", "It is noon. Good day."]
    assert wide == ["今天的", "今天的天气非常好我们去公园吧"]
