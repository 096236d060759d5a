"""A conversation in the browser: microphone, captions, tools, audio and interruption."""

from __future__ import annotations

from pathlib import Path

import soundfile

from assistant.events import Transcript
from assistant.testing import ScriptedEngine
from tests.support.chromium import EXAMPLES, QUESTION, Opened, WebPage

LONG = " ".join(f"This is sentence number {number}." for number in range(1, 13))  # 17 s
SHORT = "Noon."

# Each text that the last answer has shown, in order.
WATCH_CAPTIONS = """
    const seen = [];
    const turns = document.querySelector('#turns');
    turns.addEventListener('test-seen', ({detail}) => detail(seen));
    new MutationObserver(() => {
        const text = [...document.querySelectorAll('.answer:last-child .spoken')].at(-1);
        if (text && seen.at(-1) !== text.textContent) seen.push(text.textContent);
    }).observe(turns, {subtree: true, childList: true, characterData: true});
"""
SEEN = """
    return new Promise((done) => document.querySelector('#turns').dispatchEvent(
        new CustomEvent('test-seen', {detail: done})));
"""


def speaks(page: WebPage) -> bool:
    return page.phase() == "speaking" and page.loudness() > 0.02


def wait_silent(page: WebPage) -> None:
    page.wait(lambda: page.loudness() == 0.0, "silence")


def test_a_spoken_question_is_transcribed_looked_up_and_answered_in_speech(page: WebPage) -> None:
    page.run(WATCH_CAPTIONS)
    page.will_speak(0.5, QUESTION)
    page.click("#talk")
    page.wait_phase("user-speaking")
    page.wait_for(".user .text", "what time is it in tokyo")
    page.wait_for(".tool.ok .tool-state", "done")
    assert page.text(".tool .tool-title code") == "date_time"
    assert "tokyo" in page.text(".tool .tool-arguments").lower()
    assert "Tokyo" in page.text(".tool .tool-result")
    page.wait(lambda: speaks(page), "sound")
    page.wait_for(".answer .text:last-of-type .spoken", "on ")  # It is 5 PM on Saturday, ...
    page.click("#stop")
    page.wait_phase("listening")
    wait_silent(page)
    answer = page.text(".answer .text")
    assert "Tokyo" in answer
    captions = [text for text in page.run(SEEN) if text and answer.startswith(text)]
    assert len(captions) >= 3  # the words came one after the other
    assert "Heard after" in page.text(".answer .waits")
    assert "server" in page.text(".answer .waits")


def test_speech_over_a_response_stops_it_and_unplayed_words_are_struck(opened: Opened) -> None:
    engine = ScriptedEngine([LONG], [Transcript("what time is it"), SHORT])
    page = opened(engine)
    page.type("Count.")
    page.wait(lambda: speaks(page), "sound")
    page.will_speak(0.2, QUESTION)
    page.click("#talk")
    page.wait_for(".answer.cut .unheard")
    heard, unheard = page.text(".answer.cut .spoken"), page.text(".answer.cut .unheard")
    assert LONG.startswith(heard)
    assert "number 12" in unheard
    page.wait_for(".user .text", "what time is it")
    page.wait_for(".answer:last-child .text", SHORT)
    # The history of the server has only what was played.
    assert "number 12" not in str(engine.requests[-1].messages)


def test_speech_too_short_to_interrupt_pauses_the_response_and_it_resumes(
    opened: Opened, tmp_path: Path
) -> None:
    page = opened(ScriptedEngine([LONG]), live={"resume_ms": 2_000})
    samples, rate = soundfile.read(QUESTION, dtype="int16")
    soundfile.write(tmp_path / "hm.wav", samples[int(0.2 * rate) : int(0.45 * rate)], rate)
    page.type("Count.")
    page.wait(lambda: speaks(page), "sound")
    page.will_speak(0.2, tmp_path / "hm.wav")
    page.click("#talk")
    page.wait_phase("paused")
    before = page.text(".answer .spoken")
    page.wait(lambda: speaks(page), "sound again")
    page.wait(lambda: len(page.text(".answer .spoken")) > len(before) + 10, "more words")
    assert not page.all(".cut, .user ~ .user")


def test_silence_does_not_stop_a_response(opened: Opened) -> None:
    page = opened(ScriptedEngine(["This is said to its end."]))
    page.will_speak(0.5)
    page.click("#talk")
    page.type("Speak.")
    page.wait_for(".answer .text", "to its end.")
    page.wait_phase("listening")
    assert not page.all(".cut")


def test_a_typed_question_is_answered_in_speech_too(opened: Opened) -> None:
    page = opened(ScriptedEngine([SHORT]))
    page.type("What time is it?")
    page.wait_for(".user .text", "What time is it?")
    assert page.find("#say").get_property("value") == ""
    page.wait(lambda: speaks(page), "sound")
    page.wait_for(".answer .text", SHORT)
    page.wait_phase("idle")


def test_text_typed_over_a_response_replaces_it(opened: Opened) -> None:
    page = opened(ScriptedEngine([LONG], [SHORT]))
    page.type("Count.")
    page.wait(lambda: speaks(page), "sound")
    page.type("Stop that. What time is it?")
    page.wait_for(".answer.cut .unheard")
    page.wait_for(".answer:last-child .text", SHORT)
    assert page.find("#problem").get_property("hidden")


def test_after_the_stop_button_the_conversation_continues(opened: Opened) -> None:
    page = opened(ScriptedEngine([LONG], [SHORT]))
    assert not page.find("#stop").is_enabled()
    page.type("Count.")
    page.wait(lambda: speaks(page), "sound")
    page.click("#stop")
    page.wait_phase("idle")
    wait_silent(page)
    assert "number 12" in page.text(".answer.cut .unheard")
    assert not page.find("#stop").is_enabled()
    page.type("What time is it?")
    page.wait_for(".answer:last-child .text", SHORT)


def test_holding_the_button_records_a_turn_and_releasing_it_sends_the_turn(opened: Opened) -> None:
    page = opened(ScriptedEngine([Transcript("what time"), LONG], [SHORT]))
    page.click("input[value=hold]")
    page.will_speak(QUESTION)
    page.hold("#talk")
    page.wait_phase("listening")
    page.wait(lambda: page.microphone_s() > 1, "a second of sound")
    assert not page.all(".turn")
    page.let_go()
    page.wait_for(".user .text", "what time")
    page.wait(lambda: speaks(page), "sound")
    page.hold("#talk")  # and interrupts
    page.wait_for(".answer.cut .unheard")
    page.let_go()


def test_a_voice_is_found_previewed_picked_and_spoken_in(page: WebPage) -> None:
    page.wait_for(".voice")
    page.find("#voice-search").send_keys("a robot")
    page.wait(lambda: page.text(".voice:first-child .voice-name").startswith("robot"))
    page.click(".voice[data-voice=robot] .round")
    page.wait(lambda: page.loudness() > 0.02, "the preview")
    page.wait(lambda: not page.all(".voice .round.on"), "its end")
    assert not page.all(".turn")
    page.click(".voice[data-voice=robot] .voice-pick")
    page.wait_for("#voice-now", "robot")  # as the server says
    assert page.find(".voice[data-voice=robot] .voice-pick").get_attribute("aria-pressed") == "true"
    page.type("Please speak in a deep male voice.")  # a tool changes the voice, too
    page.wait(lambda: page.text("#voice-now") not in ("", "robot"), "the voice of the tool")


def test_an_example_of_a_tool_can_be_asked_with_a_click(page: WebPage) -> None:
    page.wait_for("#suggestions .example")
    button = next(b for b in page.all("#suggestions .example") if "time" in b.text)
    button.click()
    page.wait_for(".user .text", "time")
    page.wait_for(".tool.ok code", "date_time")


def test_speech_before_the_microphone_was_switched_off_is_a_turn(opened: Opened) -> None:
    page = opened(ScriptedEngine([Transcript("roll a dice"), SHORT]))
    page.will_speak(0.2, EXAMPLES / "roll_a_dice.wav")
    page.click("#talk")
    page.wait(lambda: page.microphone_s() > 1.2, "a part of the sentence")
    page.click("#talk")
    page.wait_for(".user .text", "roll a dice")
    page.will_speak(0.2, QUESTION)
    page.click("#talk")
    page.wait_phase("user-speaking")
