"""Opens what settings describe, where that takes an engine's files and the library together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

from assistant.audio.samples import Audio
from assistant.config import Settings
from assistant.engines.checkpoints import default_clips, local_checkpoint
from assistant.errors import EngineError
from assistant.library import ClipInfo, Embedder, Source, VoiceLibrary, Voiceprint

_LOG = logging.getLogger(__name__)


def open_library(settings: Settings) -> VoiceLibrary:
    """The user's clips and the bundled ones, and what the engine's checkpoint has to offer.

    That is two voices, and an encoder that tells voices apart better than the library's own; both
    are used only while the engine is the one with that checkpoint. The engine is not loaded, and
    its packages are not imported before somebody searches by a clip. Raises LibraryError.
    """
    if settings.engine != "step-audio-2":
        return VoiceLibrary(settings.library)
    model = settings.step_audio_2.model
    return VoiceLibrary(
        settings.library,
        bring=partial(_default_voices, model),
        audio_embedder=partial(_sound_embedder, model),
    )


def _default_voices(model: str) -> Sequence[Source]:
    checkpoint = local_checkpoint(model)
    clips = {} if checkpoint is None else default_clips(checkpoint)
    return [Source(clip, _about(name), str(clip)) for name, clip in clips.items()]


def _about(name: str) -> ClipInfo:
    kind = name.removeprefix("default_").replace("_", " ")
    return ClipInfo(name, f"the model's own {kind} voice")


def _sound_embedder(model: str) -> Embedder[Audio]:
    """CAM++ where the checkpoint has it and it works, else the voiceprint."""
    checkpoint = local_checkpoint(model)
    if checkpoint is None or not (checkpoint / "token2wav").is_dir():
        return Voiceprint()
    try:
        from assistant.engines.token2wav.speaker_embedder import SpeakerEmbedder

        return SpeakerEmbedder(checkpoint / "token2wav")
    except ModuleNotFoundError as error:
        reason = f"the package {error.name} is not installed"
    except ImportError as error:  # one that doesn't fit this machine
        reason = str(error).partition("\n")[0]
    except EngineError as error:
        reason = error.message
    _LOG.warning("voices are compared by the library's own voiceprint: %s", reason)
    return Voiceprint()
