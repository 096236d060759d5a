"""The engine `step-audio-2`: Step-Audio 2 in process, on PyTorch.

    messages -> prompt_builder, template -> prompt (ids, audio)
    audio -> audio_pieces -> encoder and adapter -+
    ids ------------------------------------------+-> scheduler -> language model -> ids
    ids -> parser -> text, tool calls, speech tokens -> token2wav -> audio

Nothing here is imported before `create` is called with an installed torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assistant.config import Settings
from assistant.errors import EngineError

if TYPE_CHECKING:
    from assistant.engines.step_audio_2.engine import StepAudio2Engine


def create(settings: Settings) -> StepAudio2Engine:
    """Loads the checkpoint that the settings name. Raises EngineError."""
    try:
        from assistant.engines.step_audio_2.loading import load_engine
    except ModuleNotFoundError as error:
        hint = "pip install 'step-voice-assistant[step-audio-2]'"
        raise EngineError(f"step-audio-2 needs {error.name}", hint=hint) from error
    return load_engine(settings.step_audio_2, prompts=settings.library.folder / "prompts")
