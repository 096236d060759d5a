"""The table of targets."""

from __future__ import annotations

from assistant.errors import AudioError, LibraryError, SettingsError
from fuzz import endpoints, formats, sockets
from fuzz.target import Target

TARGETS = {
    target.name: target
    for target in (
        Target("chat", endpoints.chat_seeds, endpoints.open_chat, json_lines=True),
        Target("embedded", endpoints.embedded_seeds, endpoints.open_embedded, json_lines=True),
        Target(
            "realtime",
            sockets.realtime_seeds,
            sockets.open_realtime,
            json_lines=True,
            max_bytes=8_192,
        ),
        Target(
            "twilio",
            sockets.twilio_seeds,
            sockets.open_twilio,
            json_lines=True,
            max_bytes=8_192,
        ),
        Target("body", endpoints.body_seeds, endpoints.open_body, json_lines=True),
        Target("webhook", endpoints.webhook_seeds, endpoints.open_webhook),
        Target("form", endpoints.form_seeds, endpoints.open_form, max_bytes=8_192),
        Target("audio", formats.audio_seeds, formats.open_audio, (AudioError,), max_bytes=16_384),
        Target("parser", formats.parser_seeds, formats.open_parser),
        Target("keys", formats.key_seeds, formats.open_keys, (SettingsError,)),
        Target("manifest", formats.manifest_seeds, formats.open_manifest, (LibraryError,)),
        Target("settings", formats.settings_seeds, formats.open_settings, (SettingsError,)),
    )
}
