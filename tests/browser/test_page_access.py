"""The page by keyboard, by screen reader, on a small screen, without a key or a network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from assistant import ToolContext, tool
from assistant.events import Transcript
from assistant.server.auth.key_file import add_key
from assistant.testing import ScriptedEngine
from tests.support.chromium import QUESTION, Opened, Start, WebPage
from tests.support.serving import Hold, Running
from tests.support.tool_calls import call

CONTROLS = "button, input, textarea, select, a, summary, canvas, [tabindex='0']"


@tool(side_effect="none")
def add(numbers: list[int]) -> str:
    "Adds numbers."
    return str(sum(numbers))


def with_a_tool() -> ScriptedEngine:
    """Has a turn with everything that the page shows."""
    return ScriptedEngine(["One moment. ", call("add", numbers=[2, 3])], ["It is five."])


def focused(page: WebPage) -> str:
    return str(page.driver.switch_to.active_element.get_attribute("id"))


def test_every_control_has_an_accessible_name(opened: Opened) -> None:
    page = opened(with_a_tool(), add)
    page.wait_for(".voice")
    page.wait_for("#tool-list code")
    page.type("Add.")
    page.wait_for(".tool.ok")
    named = [element for element in page.all(CONTROLS) if element.is_displayed()]
    assert len(named) > 30
    for element in named:
        assert element.accessible_name.strip(), element.get_attribute("outerHTML")
    ids = page.run("return [...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert len(ids) == len(set(ids))
    labeled = "return [...document.querySelectorAll('[aria-labelledby], [aria-controls]')].map("
    owners = "(node) => node.getAttribute('aria-labelledby') ?? node.getAttribute('aria-controls'))"
    assert set(page.run(labeled + owners)) <= set(ids)


def test_a_conversation_can_be_held_with_the_keyboard_alone(opened: Opened) -> None:
    said = " ".join(f"Sentence number {number}." for number in range(9))
    page = opened(ScriptedEngine([said], ["Noon."]))
    page.press(Keys.TAB)
    assert page.driver.switch_to.active_element.text == "Go to the text box"
    page.press("/", "Speak.", Keys.ENTER)
    page.wait_phase("speaking")
    page.press(Keys.ESCAPE)
    page.wait_for(".answer.cut")
    page.press("v")
    assert page.find("#say").get_property("value") == "v"  # in a field it is a letter
    page.will_speak(0.2, QUESTION)
    page.find("#talk").send_keys(Keys.SPACE)
    page.wait_phase("user-speaking")
    page.press(Keys.SPACE)
    page.wait(lambda: page.find("#talk").get_attribute("aria-pressed") == "false")
    page.press("v")
    assert focused(page) == "voice-search"


def test_the_keyboard_and_a_screen_reader_can_hold_the_talk_button(opened: Opened) -> None:
    page = opened(ScriptedEngine([Transcript("what time is it"), "Noon."]))
    page.find("input[value=open]").send_keys(Keys.ARROW_RIGHT)
    page.will_speak(QUESTION)
    page.find("#talk").send_keys(Keys.ENTER)  # begins; no pointer can hold it
    page.wait_phase("listening")
    page.wait(lambda: page.microphone_s() > 1, "a second of sound")
    page.find("#talk").send_keys(Keys.ENTER)
    page.wait_for(".answer .text", "Noon.")


def test_single_letter_shortcuts_can_be_turned_off(page: WebPage) -> None:
    page.click("#shortcuts-on")
    page.press("v")
    assert focused(page) == "shortcuts-on"
    page.press(Keys.SPACE, "v")
    assert focused(page) == "voice-search"


def test_the_focus_is_visible_everywhere(page: WebPage) -> None:
    page.wait_for(".voice")
    for _ in range(12):
        page.press(Keys.TAB)
        style = page.run("""
            const at = document.activeElement;
            const shown = at.id === 'say' ? at.form : at.type === 'radio' ? at.nextSibling : at;
            return getComputedStyle(shown).outlineStyle;
        """)
        assert style == "solid", page.driver.switch_to.active_element.get_attribute("outerHTML")


def test_screen_readers_get_sentences_and_not_every_word(opened: Opened) -> None:
    page = opened(with_a_tool(), add)
    page.run("""
        globalThis.told = [];
        new MutationObserver((all) => all.forEach((one) => one.addedNodes.forEach(
            (node) => told.push(node.textContent)))).observe(
            document.querySelector('#announcer'), {childList: true});
    """)
    page.type("Add.")
    page.wait_for(".answer .text", "It is five.")
    assert page.run("return told") == ["Tool add runs.", "Tool add done."]
    assert not page.all("#conversation [aria-live], #conversation[aria-live]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(opened: Opened, scheme: str) -> None:
    page = opened(with_a_tool(), add)
    page.prefer(prefers_color_scheme=scheme)
    page.type("Add.")
    page.wait_for(".answer .waits", "Heard")
    page.wait_for(".voice")
    colors = page.run(COLORS)
    assert len(colors) > 40
    for text, color, ground in colors:
        assert contrast(color, ground) >= 4.5, (text, color, ground)


def test_the_color_switch_goes_from_the_systems_colors_to_light_and_dark(page: WebPage) -> None:
    page.prefer(prefers_color_scheme="dark")
    ground = "return getComputedStyle(document.body).backgroundColor"
    dark = page.run(ground)
    page.click("#theme")
    assert page.run(ground) != dark
    page.click("#theme")
    page.prefer(prefers_color_scheme="light")
    assert page.run(ground) == dark
    page.driver.refresh()
    page.wait_for("html[data-theme=dark]")  # the next visit too
    assert page.run(ground) == dark
    page.wait_connected()


def test_nothing_moves_if_reduced_motion_is_preferred(opened: Opened, hold: Hold) -> None:
    page = opened(ScriptedEngine([hold, "Noon."]))
    page.type("What time is it?")
    page.wait_for(".answer.thinking")
    moving = "return document.getAnimations().length"
    assert page.run(moving) > 0
    page.prefer(prefers_reduced_motion="reduce")
    assert page.run(moving) == 0


def test_a_narrow_screen_shows_everything_and_the_panel_on_demand(opened: Opened) -> None:
    page = opened(with_a_tool(), add).resize(360, 640)
    page.wait(lambda: not page.find("#panel").is_displayed())
    page.type("Add.")
    page.wait_for(".tool.ok")
    assert page.run("return document.documentElement.scrollWidth") <= 360
    for name in ("talk", "say", "stop", "panel-button"):
        box = page.find(f"#{name}").rect
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        assert box["y"] + box["height"] <= 640
    page.click("#panel-button")
    assert page.find("#voice-search").is_displayed()
    page.press(Keys.ESCAPE)
    page.wait(lambda: not page.find("#panel").is_displayed())
    assert focused(page) == "panel-button"


def test_the_page_asks_for_a_key_if_the_server_needs_one(
    browser: WebPage, start: Start, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.toml"
    token = add_key(keys)
    page = browser.open(start(ScriptedEngine(["Good morning."]), keys=keys).port)
    page.wait_for("#key-dialog[open]")
    page.find("#key").send_keys("va_wrong", Keys.ENTER)
    page.wait_for("#key-problem", "not valid")
    page.find("#key").send_keys(token, Keys.ENTER)
    page.wait_connected().type("Hello.")
    page.wait_for(".answer .text", "Good morning.")
    assert page.run("return Object.values(sessionStorage)") == [token]
    assert page.run("return localStorage.length") == 0
    assert all("401" in complaint for complaint in page.complaints())
    page.leave()


def test_after_a_lost_connection_the_conversation_is_resumed(
    browser: WebPage, start: Start
) -> None:
    engine = ScriptedEngine(["First."], ["Second."])
    server = start(engine)
    page = browser.open(server.port).wait_connected()
    page.type("One.")
    page.wait_for(".answer .text", "First.")
    page.run("""
        const pill = document.querySelector('#connection');
        globalThis.states = [];
        const watch = new MutationObserver(() => states.push(pill.dataset.state));
        watch.observe(pill, {attributes: true});
    """)
    lose_sockets(server)
    page.wait(lambda: page.run("return states.includes('waiting') && states.at(-1) === 'open'"))
    page.type("Two.")
    page.wait_for(".answer:last-child .text", "Second.")
    assert not page.all(".note:not([hidden])")
    assert "One." in str(engine.requests[-1].messages)
    page.leave()


def test_the_page_reconnects_to_a_lost_server_and_says_so(browser: WebPage, start: Start) -> None:
    server = start(ScriptedEngine(["Hello."]))
    page = browser.open(server.port).wait_connected()
    server.stop()
    page.wait_for("#connection[data-state=waiting]", "Connection lost")
    page.wait_for("#retry-in", "Next try in")
    page.type("Are you there?")
    page.wait_for("#problem-text", "can't be reached")
    assert page.find("#say").get_property("value") == "Are you there?"  # not lost either
    page.leave()


def test_an_idle_client_is_disconnected_and_reconnects_when_the_user_speaks(
    fresh: WebPage, start: Start
) -> None:
    server = start(ScriptedEngine(["First."], ["Second."]), sockets={"idle_s": 1.0})
    page = fresh.open(server.port).wait_connected()
    page.type("One.")
    page.wait_for(".answer .text", "First.")
    page.wait_for("#connection[data-state=asleep]", "Asleep")
    page.type("Two.")
    page.wait_for(".answer:last-child .text", "Second.")
    assert not page.all(".note:not([hidden])")


def test_a_denied_microphone_is_reported_in_one_line(page: WebPage) -> None:
    page.run("""
        const refused = new DOMException('Permission denied', 'NotAllowedError');
        navigator.mediaDevices.getUserMedia = () => Promise.reject(refused);
    """)
    page.click("#talk")
    page.wait_for("#problem-text", "not allowed")
    assert page.find("#talk").get_attribute("aria-pressed") == "false"


def lose_sockets(server: Running) -> None:
    """Cuts every connection, as a network does."""
    for connection in list(server.server.server_state.connections):
        loop = server.server.servers[0].get_loop()
        loop.call_soon_threadsafe(connection.transport.abort)


def test_tool_results_are_shown_as_text_and_with_their_progress(opened: Opened, hold: Hold) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"

    @tool(side_effect="none")
    async def count_sheep(field: str, context: ToolContext) -> str:
        "Counts sheep."
        context.progress(f"half of them {evil}")
        await hold()
        return f"{evil} ten sheep"

    engine = ScriptedEngine([call("count_sheep", field=evil)], [evil])
    page = opened(engine, count_sheep)
    page.type(evil)
    page.wait_for(".tool.running .tool-progress", f"half of them {evil}")
    assert page.text(".tool-arguments dd") == evil
    hold.let_go.set()
    page.wait_for(".tool.ok .tool-result", f"{evil} ten sheep")
    page.wait_for(".answer .text", evil)
    assert page.text(".user .text") == evil
    assert not page.all("#turns img, #turns script")


def test_a_failure_is_reported_in_one_line_and_the_next_turn_works(opened: Opened) -> None:
    page = opened(ScriptedEngine([RuntimeError("detail 4711")], ["Fine again."]))
    page.type("One.")
    page.wait_for(".answer .problem")
    assert "4711" not in page.text("body")
    page.type("Two.")
    page.wait_for(".answer:last-child .text", "Fine again.")


def test_the_page_stays_bounded_in_a_long_conversation(page: WebPage) -> None:
    page.run("""
        const {Turns} = await load('turns');
        const {make} = await load('dom');
        const turns = new Turns();
        for (let n = 0; n < 1000; n++) turns.add(make('li', {}, `turn ${n}`));
    """)
    turns = page.run(
        "return [...document.querySelectorAll('#turns > li')].map((li) => li.innerText)"
    )
    assert len(turns) <= 200
    assert turns[-1] == "turn 999"
    assert page.find("#forgotten").is_displayed()
    assert page.find("#turns > li:last-child").rect["y"] < 800  # followed to its end


def test_the_page_loads_nothing_from_elsewhere(page: WebPage) -> None:
    page.wait_for(".voice")
    names = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    root = page.run("return location.origin")
    assert len(names) > 20
    assert all(name.startswith(f"{root}/") for name in names)


COLORS = """
    const shown = [];
    const ground = (node) => {
        const color = getComputedStyle(node).backgroundColor;
        const clear = color === 'rgba(0, 0, 0, 0)' && node.parentElement;
        return clear ? ground(node.parentElement) : color;
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode.data.trim();
        const node = walker.currentNode.parentElement;
        if (!text || !node.checkVisibility() || node.closest(':disabled')) continue;
        shown.push([text.slice(0, 30), getComputedStyle(node).color, ground(node)]);
    }
    return shown;
"""


def contrast(first: str, second: str) -> float:
    """Returns the contrast as WCAG 2 defines it."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def luminance(color: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
