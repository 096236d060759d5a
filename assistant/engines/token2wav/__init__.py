"""Speech tokens to sound, streamed, in the timbre of any clip.

    PromptMaker  clip -> VoicePrompt       once a clip, kept on disk      prompt, features, voice
    Token2Wav    VoicePrompt -> FlowPrompt once a voice, kept in memory   token2wav, voices
    Token2WavStream   tokens -> PCM        one utterance after another    stream
        flow/    tokens -> mel frames      conformer, estimator, Euler steps
        vocoder, hift/   mel frames -> samples

Needs torch, and onnxruntime and kaldi-native-fbank for new clips: import it only where those are.
"""

from assistant.engines.token2wav.flow.model import FlowPrompt
from assistant.engines.token2wav.prompt import PromptMaker
from assistant.engines.token2wav.settings import Token2WavSettings
from assistant.engines.token2wav.stream import Token2WavStream
from assistant.engines.token2wav.token2wav import Token2Wav
from assistant.engines.token2wav.voice_cache import PreparedVoices, default_clips
from assistant.engines.token2wav.voice_prompt import VoicePrompt

__all__ = [
    "FlowPrompt",
    "PreparedVoices",
    "PromptMaker",
    "Token2Wav",
    "Token2WavSettings",
    "Token2WavStream",
    "VoicePrompt",
    "default_clips",
]
