"""The voice library: voice clips that are found by words or by a similar clip.

manifest          the list of a folder's clips         checks           their files
measure           pitch, pace, loudness, brightness    trait_scores     the same in words
embedding         vectors of texts                     voiceprint       vectors of voices
index             nearest vectors (FAISS if many)      embedding_index  in step with the clips
external_clips    clips from elsewhere                 clip_similarity  search by a clip
ranking           how well a voice fits a request      library          all of it together
"""

from assistant.library.clip_import import AddReport
from assistant.library.embedding import Embedder
from assistant.library.library import VoiceLibrary
from assistant.library.measure import measure
from assistant.library.sources import ClipInfo, Refusal, Source
from assistant.library.trait_scores import describe
from assistant.library.voiceprint import Voiceprint

__all__ = [
    "AddReport",
    "ClipInfo",
    "Embedder",
    "Refusal",
    "Source",
    "VoiceLibrary",
    "Voiceprint",
    "describe",
    "measure",
]
