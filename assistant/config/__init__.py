"""The settings: what there is to set (tables), and where the values come from (loading)."""

from assistant.config.loading import bundled, describe, load_settings
from assistant.config.server import (
    LimitSettings,
    ServerSettings,
    SessionSettings,
    SocketSettings,
    TwilioSettings,
)
from assistant.config.tables import (
    LibrarySettings,
    LiveSettings,
    PluginSettings,
    Sampling,
    Settings,
    StepAudio2Settings,
)

__all__ = [
    "LibrarySettings",
    "LimitSettings",
    "LiveSettings",
    "PluginSettings",
    "Sampling",
    "ServerSettings",
    "SessionSettings",
    "Settings",
    "SocketSettings",
    "StepAudio2Settings",
    "TwilioSettings",
    "bundled",
    "describe",
    "load_settings",
]
