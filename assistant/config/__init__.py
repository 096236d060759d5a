"""The settings: all tables of them, and `load_settings`, which joins the places they come from."""

from assistant.config.engine import Sampling, StepAudio2Settings
from assistant.config.live import LiveSettings
from assistant.config.loading import bundled, describe, load_settings
from assistant.config.server import (
    LimitSettings,
    ServerSettings,
    SessionSettings,
    SocketSettings,
    TwilioSettings,
)
from assistant.config.tables import LibrarySettings, PluginSettings, Settings

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
