"""Without lead-ins, which the engine would be asked to say: the requests are those of the turns."""

from __future__ import annotations

import pytest

from assistant.config import LiveSettings, Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"live": LiveSettings(lead_ins=False)})
