"""A conversation in the browser: microphone, captions, tools, sound, and being interrupted."""

from __future__ import annotations

from chromium import WebPage
from conftest import EXAMPLES, QUESTION

LONG = "Please speak in a deep male voice. What time is it in Oslo?"  # answered for 15 s

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


def test_a_spoken_question_is_heard_looked_up_and_answered_in_speech(page: WebPage) -> None:
    page.run(WATCH_CAPTIONS)
    page.will_hear(0.5, QUESTION)
    page.click("#talk")
    page.wait_for(".user .text", "time")
    page.wait_for(".tool.ok .tool-state", "done")
    assert page.text(".tool .tool-title code") == "date_time"
    assert "tokyo" in page.text(".tool .tool-arguments").lower()
    assert "Tokyo" in page.text(".tool .tool-result")
    page.wait(lambda: speaks(page), "sound")
    page.wait_phase("listening")
    answer = page.text(".answer .text")
    assert "Tokyo" in answer
    assert page.loudness() == 0.0
    captions = [text for text in page.run(SEEN) if text and answer.startswith(text)]
    assert len(captions) >= 4  # the words came one after the other
    assert "Heard after" in page.text(".answer .waits")
    assert "server" in page.text(".answer .waits")


def test_speech_over_an_answer_stops_it_and_what_was_not_heard_is_struck(page: WebPage) -> None:
    page.type(LONG)
    page.wait(lambda: speaks(page), "sound")
    page.will_hear(0.3, QUESTION)
    page.click("#talk")
    page.wait_for(".answer.cut .unheard")
    cut = page.find(".answer.cut")
    struck = " ".join(element.text for element in page.all(".answer.cut .unheard"))
    assert "Oslo" in struck
    assert cut.find_element("css selector", ".text").text
    page.wait_for(".user:nth-of-type(3) .text", "time")
    page.wait_for(".answer:last-child .text", "Tokyo")


def test_a_click_of_the_tongue_does_not_stop_an_answer(page: WebPage) -> None:
    page.type("What time is it in Oslo?")
    page.wait(lambda: speaks(page), "sound")
    page.will_hear(0.2, 0.1)
    page.click("#talk")
    page.wait_for(".answer .text", "Norway")
    page.wait_phase("listening")
    assert not page.all(".cut")


def test_what_is_typed_is_answered_in_speech_too(page: WebPage) -> None:
    page.type("What time is it in Oslo?")
    page.wait_for(".user .text", "What time is it in Oslo?")
    assert page.find("#say").get_property("value") == ""
    page.wait(lambda: speaks(page), "sound")
    page.wait_for(".answer .text", "Oslo")
    page.wait_phase("idle")


def test_what_is_typed_over_an_answer_takes_its_place(page: WebPage) -> None:
    page.type(LONG)
    page.wait(lambda: speaks(page), "sound")
    page.type("What time is it in Tokyo?")
    page.wait_for(".answer.cut .unheard")
    page.wait_for(".answer:last-child .text", "Tokyo")
    assert page.find("#problem").get_property("hidden")


def test_the_stop_button_stops(page: WebPage) -> None:
    assert not page.find("#stop").is_enabled()
    page.type(LONG)
    page.wait(lambda: speaks(page), "sound")
    page.click("#stop")
    page.wait_phase("idle")
    page.wait(lambda: page.loudness() == 0.0, "silence")
    assert "Oslo" in " ".join(element.text for element in page.all(".answer.cut .unheard"))
    assert not page.find("#stop").is_enabled()
    page.type("What time is it in Tokyo?")  # and the conversation goes on
    page.wait_for(".answer:last-child .text", "Tokyo")


def test_while_the_button_is_held_the_user_talks_and_letting_go_asks(page: WebPage) -> None:
    page.click("input[value=hold]")
    page.will_hear(0.2, QUESTION)
    page.hold("#talk")
    page.wait_phase("listening")
    page.wait(lambda: page.heard_s() > 3, "three seconds of sound")
    assert not page.all(".turn")
    page.let_go()
    page.wait_for(".user .text", "time")
    page.wait_for(".answer .text", "Tokyo")


def test_a_voice_is_found_heard_picked_and_spoken_in(page: WebPage) -> None:
    page.wait_for("#voice-count", "14 voices")
    page.find("#voice-search").send_keys("a robot")
    page.wait(lambda: page.text(".voice:first-child .voice-name").startswith("robot"))
    page.click(".voice[data-voice=robot] .round")
    page.wait(lambda: page.loudness() > 0.02, "the preview")
    page.wait(lambda: not page.all(".voice .round.on"), "its end")
    assert not page.all(".turn")
    page.click(".voice[data-voice=robot] .voice-pick")
    page.wait_for("#voice-now", "robot")  # as the server says
    assert page.find(".voice[data-voice=robot] .voice-pick").get_attribute("aria-pressed") == "true"
    page.type(LONG)  # a tool changes the voice, too
    page.wait(lambda: page.text("#voice-now") not in ("", "robot"), "the voice of the tool")


def test_the_examples_of_the_tools_can_be_asked_with_a_click(page: WebPage) -> None:
    page.wait_for("#suggestions .example")
    button = next(b for b in page.all("#suggestions .example") if "time" in b.text)
    button.click()
    page.wait_for(".user .text", "time")
    page.wait_for(".tool.ok code", "date_time")


def test_speech_is_heard_again_after_the_microphone_was_off(page: WebPage) -> None:
    page.will_hear(0.3, EXAMPLES / "roll_a_dice.wav", 0.01)
    page.click("#talk")
    page.wait_phase("hearing")
    page.click("#talk")  # in the middle of the sentence: what was said is the turn
    page.wait_for(".user:first-child:not(.waiting)")
    page.will_hear(0.3, QUESTION)
    page.click("#talk")
    page.wait_for(".user .text", "time")
