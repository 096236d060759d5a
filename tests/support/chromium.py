"""A headless Chromium whose microphone plays a file, and a page in it as its user sees it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import soundfile
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.serving import Running

EXAMPLES = Path(__file__).parents[2] / "examples"
QUESTION = EXAMPLES / "what_time_is_it_in_tokyo.wav"
RATE = 16_000
WIDTH, HEIGHT = 1280, 800
WAIT_S = 30.0  # on a busy machine
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",  # root needs it, and the microphone's file could not be read with it
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)
T = TypeVar("T")


def missing() -> str:
    """Returns what is not installed, or an empty text."""
    if not any(map(shutil.which, NAMES)):
        return "there is no chromium here"
    return "" if shutil.which("chromedriver") else "there is no chromedriver here"


@contextmanager
def chromium(microphone: Path) -> Iterator[WebPage]:
    """`microphone`: a WAV file, read each time that a page opens the microphone; then silence."""
    options = Options()
    options.binary_location = next(filter(None, map(shutil.which, NAMES)))
    for flag in (*FLAGS, f"--use-file-for-fake-audio-capture={microphone}%noloop"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # The path is explicit: selenium's manager would look for one online.
    service = Service(shutil.which("chromedriver"), log_output=os.devnull)
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield WebPage(driver, microphone).resize(WIDTH, HEIGHT)
    finally:
        driver.quit()


def write_microphone(file: Path, *recordings: Path | float) -> None:
    """Recordings (16 kHz mono), and seconds of silence between them."""
    parts = [
        np.zeros(int(audio * RATE), np.int16)
        if isinstance(audio, float)
        else soundfile.read(audio, dtype="int16")[0]
        for audio in recordings
    ]
    soundfile.write(file, np.concatenate(parts), RATE, subtype="PCM_16")


class WebPage:
    """The page as its user sees and uses it. Every wait has a limit of half a minute."""

    def __init__(self, driver: webdriver.Chrome, microphone: Path) -> None:
        self.driver = driver
        self._microphone = microphone

    def open(self, port: int, path: str = "/") -> WebPage:
        self.driver.get(f"http://localhost:{port}{path}")
        return self

    def wait_connected(self) -> WebPage:
        self.wait_for("#connection[data-state=open]")
        return self

    def leave(self) -> None:
        """Removes everything of this visit."""
        self.run("localStorage.clear(); sessionStorage.clear()")
        self.driver.get("about:blank")
        self.prefer()
        self.resize(WIDTH, HEIGHT)

    def resize(self, width: int, height: int) -> WebPage:
        """Sets the size of the page itself, without the frame of a window."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        return self

    def prefer(self, **features: str) -> None:
        """Media features, `prefers_color_scheme="dark"`; none is the system's own."""
        wanted = [{"name": n.replace("_", "-"), "value": v} for n, v in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wanted})

    def will_speak(self, *recordings: Path | float) -> None:
        """Sets what the microphone records the next time that it is turned on."""
        write_microphone(self._microphone, *recordings)

    def wait(self, condition: Callable[[], T], what: str = "") -> T:
        waiting = WebDriverWait(self.driver, WAIT_S, poll_frequency=0.05)
        return waiting.until(lambda _: condition(), what)

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """Returns the text of the last such element, as shown; empty if there is none."""
        script = "return [...document.querySelectorAll(arguments[0])].at(-1)?.innerText ?? ''"
        return str(self.driver.execute_script(script, selector))

    def wait_for(self, selector: str, text: str = "") -> None:
        self.wait(lambda: self.all(selector) and text in self.text(selector), f"{selector} {text}")

    def click(self, selector: str) -> None:
        self.find(selector).click()

    def run(self, body: str, *arguments: Any) -> Any:
        """The result of an async function of that body; `load(name)` gives a module of the page."""
        script = (
            "const [values, done] = [[...arguments].slice(0, -1), [...arguments].at(-1)];"
            "const load = (name) => import(`/static/${name}.js`);"
            f"(async (args) => {{ {body} }})(values).then(done, (e) => done('' + e.stack));"
        )
        return self.driver.execute_async_script(script, *arguments)

    def type(self, text: str) -> None:
        self.find("#say").send_keys(text, "\n")

    def hold(self, selector: str) -> None:
        ActionChains(self.driver).click_and_hold(self.find(selector)).perform()

    def let_go(self) -> None:
        ActionChains(self.driver).release().perform()

    def press(self, *keys: str) -> None:
        """Keys of the keyboard, wherever the focus is."""
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def phase(self) -> str:
        return str(self.find("#dock").get_attribute("data-phase"))

    def wait_phase(self, *phases: str) -> None:
        self.wait(lambda: self.phase() in phases, f"one of {phases}")

    def loudness(self) -> float:
        """Returns the greatest sample that the page played in the last 85 ms."""
        script = """
            const {speaker} = await load('main');
            if (!speaker.analyser) return 0;
            const samples = new Float32Array(speaker.analyser.fftSize);
            speaker.analyser.getFloatTimeDomainData(samples);
            return samples.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        """
        return float(self.run(script))

    def microphone_s(self) -> float:
        """Returns the seconds of audio that the microphone has recorded."""
        return float(self.run("return (await load('main')).microphone.seconds"))

    def complaints(self) -> list[str]:
        """What the browser has written to the console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


Start = Callable[..., Running]
"""`start(engine, *tools, live=..., keys=...)`: a server with these settings."""
Opened = Callable[..., WebPage]
"""The same, and its page in the browser, connected."""
