"""Lead-ins are off, since the engine would get requests for them: its requests are the turns."""

from __future__ import annotations

import pytest

from assistant.config import LiveSettings, Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"live": LiveSettings(lead_ins=False)})
