"""Voice clips: a library of them, found by words or by sound.

manifest.py   the list of a folder's clips          checks.py    their files
measure.py    pitch, pace, loudness, brightness     describe.py  the same in words
embedding.py  vectors of texts                      voiceprint.py  vectors of voices
index.py      nearest vectors (FAISS when many)     shelf.py     kept in step with the clips
brought.py    clips from elsewhere                  likeness.py  search by a clip
ranking.py    how well a voice fits a request       library.py   all of it together
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
