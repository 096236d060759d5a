"""token2wav: speech tokens to audio, streamed, in the timbre of any voice clip.

    VoicePromptEncoder      clip -> VoicePrompt        once per clip, stored on disk
    Token2Wav        VoicePrompt -> FlowPrompt  once per voice, in memory (voice_cache)
    Token2WavStream  tokens -> PCM              one response after another
        flow/    tokens -> mel frames           conformer, estimator, Euler steps
        vocoder, hift/   mel frames -> samples

Needs torch, and onnxruntime and kaldi-native-fbank for new clips: import it only if they are
installed.
"""

from assistant.engines.token2wav.flow.model import FlowPrompt
from assistant.engines.token2wav.settings import Token2WavSettings
from assistant.engines.token2wav.token2wav import Token2Wav, Token2WavStream
from assistant.engines.token2wav.voice_cache import VoiceCache
from assistant.engines.token2wav.voice_prompt import VoicePrompt
from assistant.engines.token2wav.voice_prompt_encoder import VoicePromptEncoder

__all__ = [
    "FlowPrompt",
    "Token2Wav",
    "Token2WavSettings",
    "Token2WavStream",
    "VoiceCache",
    "VoicePrompt",
    "VoicePromptEncoder",
]
