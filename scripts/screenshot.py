"""Writes docs/page.png: the web page in the middle of a spoken conversation.

    apt-get install chromium chromium-driver
    python scripts/screenshot.py [FILE]      (default: docs/page.png)

Nothing is staged: the embedded engine gets the recordings of examples/ from the browser's
microphone, and answers.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
EXAMPLES = REPOSITORY / "examples"
sys.path.insert(0, str(REPOSITORY))

from assistant import Assistant  # noqa: E402
from assistant.config import Settings  # noqa: E402
from assistant.server import create_app  # noqa: E402
from tests.support.chromium import WebPage, chromium, missing, write_microphone  # noqa: E402
from tests.support.serving import running  # noqa: E402

MAX_BYTES = 300_000


def main() -> None:
    if missing():
        sys.exit(missing())
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "docs" / "page.png"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        values = {
            "library": {"folder": folder / "voices"},
            "server": {"sessions": {"file": folder / "sessions.sqlite3"}},
        }
        app = create_app(assistant=Assistant(Settings.model_validate(values)))
        microphone = folder / "heard.wav"
        write_microphone(microphone, 1.0)
        with running(app) as server, chromium(microphone) as page:
            converse(page.open(server.port).wait_connected())
            picture = page.driver.get_screenshot_as_png()
    if len(picture) > MAX_BYTES:
        sys.exit(f"the picture has {len(picture)} bytes, and {MAX_BYTES} at most are wanted")
    target.write_bytes(picture)


def converse(page: WebPage) -> None:
    """Ends while the second answer is being spoken."""
    page.wait_for(".voice")
    page.type("Please speak in a deep male voice.")
    page.wait_for(".answer .text", "narrator.")
    page.will_speak(0.1, EXAMPLES / "what_time_is_it_in_tokyo.wav")
    page.click("#talk")
    page.find("#voice-search").send_keys("a calm American")
    page.run("document.activeElement.blur()")
    page.wait_for(".answer:last-child .text", " on ")


if __name__ == "__main__":
    main()
