"""The page without a mouse, without eyes, on a small screen, without a key, without a network."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from chromium import WebPage
from conftest import QUESTION
from selenium.webdriver.common.keys import Keys
from serving import Hold, Running, call, running

from assistant import Assistant, ToolContext, tool
from assistant.config import LibrarySettings, Settings
from assistant.plugins import Tool
from assistant.server import create_app
from assistant.server.security.key_file import add_key
from assistant.testing import ScriptedEngine

Start = Callable[..., Running]
CONTROLS = "button, input, textarea, select, a, summary, canvas, [tabindex='0']"


@pytest.fixture
def start(browser: WebPage, tmp_path: Path) -> Iterator[Start]:
    """Servers with an engine that says what the test tells it."""
    with ExitStack() as stack:

        def started(engine: ScriptedEngine, *tools: Tool, **server: Any) -> Running:
            sessions = {"file": tmp_path / "sessions.sqlite3"}
            settings = Settings.model_validate(
                {
                    "library": LibrarySettings(folder=tmp_path / "voices"),
                    "server": {"sessions": sessions, **server},
                }
            )
            made = Assistant(settings, engine=engine, tools=tools)
            return stack.enter_context(running(create_app(assistant=made)))

        yield started


def opened(browser: WebPage, server: Running) -> WebPage:
    browser.open(f"http://localhost:{server.port}/")
    browser.wait_for("#connection[data-state=open]")
    return browser


def test_every_control_has_a_name_that_says_what_it_is_for(page: WebPage) -> None:
    page.wait_for("#voice-count", "14 voices")
    page.type("What time is it in Oslo?")
    page.wait_for(".tool.ok")
    named = [e for e in page.all(CONTROLS) if e.is_displayed()]
    assert len(named) > 40
    for element in named:
        assert element.accessible_name.strip(), element.get_attribute("outerHTML")
    assert page.find("html").get_attribute("lang") == "en"
    assert [e.tag_name for e in page.all("h1")] == ["h1"]
    ids = [e.get_attribute("id") for e in page.all("[id]")]
    assert len(ids) == len(set(ids))


def test_a_conversation_needs_nothing_but_the_keyboard(page: WebPage) -> None:
    page.press(Keys.TAB)
    assert page.driver.switch_to.active_element.text == "Go to the text box"
    page.press("/", "What time is it in Oslo?", Keys.ENTER)
    page.wait_phase("speaking")
    page.press(Keys.ESCAPE)
    page.wait_for(".answer.cut")
    page.press("v")
    assert page.find("#say").get_property("value") == "v"  # in a field it is a letter
    page.will_hear(0.2, QUESTION)
    page.find("#talk").send_keys(Keys.SPACE)
    page.wait_for(".user .text", "tokyo")
    page.press(Keys.SPACE)
    page.wait(lambda: page.find("#talk").get_attribute("aria-pressed") == "false")
    page.press("v")
    assert page.driver.switch_to.active_element.get_attribute("id") == "voice-search"


def test_shortcuts_of_one_letter_can_be_turned_off(page: WebPage) -> None:
    page.click("#shortcuts-on")
    page.press("v")
    assert page.driver.switch_to.active_element.get_attribute("id") == "shortcuts-on"
    page.press(Keys.SPACE, "v")
    assert page.driver.switch_to.active_element.get_attribute("id") == "voice-search"


def test_where_the_focus_is_can_be_seen_everywhere(page: WebPage) -> None:
    page.wait_for("#voice-count", "14 voices")
    for _ in range(12):
        page.press(Keys.TAB)
        style = page.run("""
            const at = document.activeElement;
            const shown = at.id === 'say' ? at.form : at.type === 'radio' ? at.nextSibling : at;
            return getComputedStyle(shown).outlineStyle;
        """)
        assert style == "solid", page.driver.switch_to.active_element.get_attribute("outerHTML")


def test_screen_readers_hear_sentences_and_not_every_word(page: WebPage) -> None:
    page.run("""
        globalThis.told = [];
        new MutationObserver((all) => all.forEach((one) => one.addedNodes.forEach(
            (node) => told.push(node.textContent)))).observe(
            document.querySelector('#announcer'), {childList: true});
    """)
    page.type("What time is it in Oslo?")
    page.wait_for(".answer .text", "Norway")
    assert page.run("return told") == ["Tool date_time runs.", "Tool date_time done."]
    assert not page.all("#conversation [aria-live], #conversation[aria-live]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(page: WebPage, scheme: str) -> None:
    page.prefer(prefers_color_scheme=scheme)
    page.type("What time is it in Oslo?")
    page.wait_for(".answer .waits", "Heard")
    page.wait_for("#voice-count", "14 voices")
    for text, colour, ground in page.run(COLOURS):
        assert contrast(colour, ground) >= 4.5, (text, colour, ground)
    page.prefer()


def test_the_switch_goes_from_the_systems_colours_to_light_and_dark(page: WebPage) -> None:
    page.prefer(prefers_color_scheme="dark")
    ground = "return getComputedStyle(document.body).backgroundColor"
    by_system = page.run(ground)
    page.click("#theme")
    assert page.run(ground) != by_system
    page.click("#theme")
    assert page.run(ground) == by_system
    page.prefer()
    assert page.run(ground) == by_system
    page.driver.refresh()
    assert page.run(ground) == by_system  # the next visit too
    page.run("localStorage.clear()")
    page.driver.refresh()


def test_nothing_moves_for_those_who_asked_for_it(page: WebPage) -> None:
    page.prefer(prefers_reduced_motion="reduce")
    page.type("What time is it in Oslo?")
    page.wait_for(".answer")
    assert page.run("return document.getAnimations().length") == 0
    page.wait_for(".answer .text", "Norway")
    page.prefer()


def test_a_narrow_screen_shows_all_of_it_and_the_panel_on_demand(page: WebPage) -> None:
    page.resize(360, 640)
    page.wait(lambda: not page.find("#panel").is_displayed())
    page.type("What time is it in Oslo?")
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
    assert page.driver.switch_to.active_element.get_attribute("id") == "panel-button"
    page.resize(1280, 800)


def test_a_server_with_keys_is_asked_with_one(
    browser: WebPage, start: Start, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.toml"
    token = add_key(keys)
    server = start(ScriptedEngine(["Good morning."]), keys=keys)
    browser.open(f"http://localhost:{server.port}/")
    browser.wait_for("#key-dialog[open]")
    browser.find("#key").send_keys("va_wrong", Keys.ENTER)
    browser.wait_for("#key-problem", "not valid")
    browser.find("#key").send_keys(token, Keys.ENTER)
    browser.wait_for("#connection[data-state=open]")
    browser.type("Hello.")
    browser.wait_for(".answer .text", "Good morning.")
    assert browser.run("return Object.values(sessionStorage)") == [token]
    assert browser.run("return localStorage.length") == 0
    assert all("401" in complaint for complaint in browser.complaints())


def test_a_lost_connection_comes_back_and_the_conversation_goes_on(
    browser: WebPage, start: Start
) -> None:
    engine = ScriptedEngine(["First."], ["Second."])
    server = start(engine)
    page = opened(browser, server)
    page.type("One.")
    page.wait_for(".answer .text", "First.")
    lose_sockets(server)
    page.wait_for("#connection[data-state=open]")
    page.wait(lambda: page.find("#connection").text == "Connected")
    page.type("Two.")
    page.wait_for(".answer .text", "Second.")
    assert not page.all(".note:not([hidden])")
    assert "One." in str(engine.requests[-1].messages)


def lose_sockets(server: Running) -> None:
    for connection in list(server.server.server_state.connections):
        transport = connection.transport
        transport.get_extra_info("socket")  # the same for HTTP and WebSockets
        server.server.servers[0].get_loop().call_soon_threadsafe(transport.abort)


def test_what_tools_say_is_text_and_their_progress_is_shown(
    browser: WebPage, start: Start, hold: Hold
) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"

    @tool(side_effect="none")
    async def count_sheep(field: str, context: ToolContext) -> str:
        "Counts sheep."
        context.progress(f"half of them {evil}")
        await hold()
        return f"{evil} ten sheep"

    engine = ScriptedEngine([call("count_sheep", field=evil)], [evil])
    page = opened(browser, start(engine, count_sheep))
    page.type(evil)
    page.wait_for(".tool.running .tool-progress", f"half of them {evil}")
    assert page.text(".tool-arguments dd") == evil
    hold.let_go.set()
    page.wait_for(".tool.ok .tool-result", f"{evil} ten sheep")
    page.wait_for(".answer .text", evil)
    assert page.text(".user .text") == evil
    assert not page.all("#turns img, #turns script")
    assert page.complaints() == []


def test_a_failure_is_one_line_and_the_next_turn_works(browser: WebPage, start: Start) -> None:
    page = opened(browser, start(ScriptedEngine([RuntimeError("secret")], ["Fine again."])))
    page.type("One.")
    page.wait_for(".answer .problem")
    assert "secret" not in page.text("body")
    page.type("Two.")
    page.wait_for(".answer .text", "Fine again.")
    page.complaints()


def test_a_long_conversation_does_not_grow_the_page_without_bound(page: WebPage) -> None:
    page.run("""
        const {Turns} = await load('turns');
        const {make} = await load('dom');
        const turns = new Turns();
        for (let n = 0; n < 1000; n++) turns.add(make('li', {}, `turn ${n}`));
    """)
    turns = page.all("#turns > li")
    assert len(turns) <= 200
    assert turns[-1].text == "turn 999"
    assert page.find("#forgotten").is_displayed()
    assert turns[-1].rect["y"] < 800  # followed to its end


def test_nothing_is_loaded_from_elsewhere(page: WebPage) -> None:
    page.wait_for("#voice-count", "14 voices")
    names = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    root = page.run("return location.origin")
    assert len(names) > 20
    assert all(name.startswith(f"{root}/") for name in names)


COLOURS = """
    const shown = [];
    const ground = (node) => {
        const colour = getComputedStyle(node).backgroundColor;
        const clear = colour === 'rgba(0, 0, 0, 0)' && node.parentElement;
        return clear ? ground(node.parentElement) : colour;
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
    """As WCAG 2 defines it."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
