"""The features of a prompt's clip: mel frames at 24 kHz that the flow continues, and a Kaldi filter
bank at 16 kHz for the speaker encoder.
"""

from __future__ import annotations

import kaldi_native_fbank
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from assistant.audio.samples import Float32
from assistant.engines.nn.mel import mel_filters

FLOW_RATE = 24_000
SPEECH_RATE = 16_000
_FLOW_FFT, _FLOW_HOP, _FLOW_BINS = 1920, 480, 80


def flow_mel(samples: Float32) -> Tensor:
    """24 kHz samples (n,), at least 721 -> natural log of mel magnitudes (frames, 80)."""
    pad = (_FLOW_FFT - _FLOW_HOP) // 2
    x = functional.pad(torch.from_numpy(samples)[None, None], (pad, pad), mode="reflect")[0, 0]
    window = torch.hann_window(_FLOW_FFT)
    z = torch.stft(x, _FLOW_FFT, _FLOW_HOP, window=window, center=False, return_complex=True)
    magnitude = torch.sqrt(z.real**2 + z.imag**2 + 1e-9)
    filters = torch.from_numpy(
        mel_filters(_FLOW_BINS, n_fft=_FLOW_FFT, sample_rate=FLOW_RATE, highest_hz=8000.0)
    )
    return (filters @ magnitude).clamp(min=1e-5).log().T.contiguous()


def speaker_fbank(samples: Float32) -> Float32:
    """16 kHz samples (n,), at least 400 -> Kaldi filter bank (frames, 80), its mean over time 0."""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = SPEECH_RATE
    options.frame_opts.dither = 0.0
    options.mel_opts.num_bins = 80
    options.energy_floor = 1.0
    bank = kaldi_native_fbank.OnlineFbank(options)
    bank.accept_waveform(SPEECH_RATE, samples.tolist())
    bank.input_finished()
    frames = np.stack([bank.get_frame(index) for index in range(bank.num_frames_ready)])
    centered: Float32 = frames - frames.mean(axis=0, keepdims=True)
    return centered
