"""A speech detector (VAD): loud is speech. Good enough for a headset in a quiet room.

A server: `create_app(settings, speech_detector=EnergyDetector)`, which makes one for each
conversation. A program: `LiveConversation(session, detector=EnergyDetector())`.
"""

import numpy as np

from assistant.extending import Pcm16


class EnergyDetector:
    """Compares the level of each frame with the quietest level so far."""

    def __init__(self) -> None:
        self._quietest_db = 0.0

    def __call__(self, samples: Pcm16) -> float:
        """Returns the probability of speech in 512 samples at 16 kHz."""
        power = float(np.mean(samples.astype(np.float64) ** 2))
        level_db = 10 * np.log10(max(power, 1.0) / 32_768**2)
        self._quietest_db = min(self._quietest_db + 0.01, level_db)  # rises by 0.3 dB a second
        return 1.0 if level_db > max(self._quietest_db + 15.0, -50.0) else 0.0

    def reset(self) -> None:
        """Begins another stream."""
        self._quietest_db = 0.0
