"""The settings that docs/live.md names are the ones that there are."""

from __future__ import annotations

import re
from pathlib import Path

from assistant.config import LiveSettings

DOCUMENT = Path(__file__).parents[2] / "docs" / "live.md"


def test_the_table_of_settings_has_every_setting_and_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", DOCUMENT.read_text("utf-8"), re.MULTILINE))
    defaults = LiveSettings().model_dump()
    assert rows == {name: f"{value:g}" if isinstance(value, float) else str(value).lower()
                    for name, value in defaults.items()}  # fmt: skip
