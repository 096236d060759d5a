"""The three networks of a checkpoint together. Read-only once loaded; conversations share them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from assistant.engines.step_audio_2.encoder import Adapter, AudioEncoder, Linear
from assistant.engines.step_audio_2.language import LanguageModel
from assistant.engines.step_audio_2.sizes import ModelSizes


class StepAudio2Model:
    """Encoder, adapter and language model; the weights are empty until a checkpoint fills them."""

    def __init__(
        self, sizes: ModelSizes, *, device: torch.device, dtype: torch.dtype, window: int = 0
    ) -> None:
        self.sizes, self.device, self.dtype = sizes, device, dtype
        self.window = window or sizes.text.max_position_embeddings
        with torch.device("meta"):  # not filled with random numbers first
            encoder, adapter = AudioEncoder(sizes.audio), Adapter(sizes.audio)
        self.encoder = encoder.to(dtype).to_empty(device=device).eval().requires_grad_(False)
        self.adapter = adapter.to(dtype).to_empty(device=device).eval().requires_grad_(False)
        self.language = LanguageModel(sizes.text, device=device, dtype=dtype, window=self.window)

    def checkpoint_views(self) -> Iterator[tuple[str, Tensor]]:
        """Every name of the checkpoint, with the place (and so the shape) of its numbers.

        Until `pack` is called.
        """
        yield from self.language.checkpoint_views()
        for part in ("encoder", "adapter"):
            for name, parameter in getattr(self, part).named_parameters():
                yield f"{part}.{name}", parameter

    def pack(self) -> None:
        """The weights are complete: puts them into the form that is fastest on the device."""
        self.language.pack()
        for part in (self.encoder, self.adapter):
            for module in part.modules():
                if isinstance(module, Linear):
                    module.pack()

    def encode_audio(self, log_mel: Tensor) -> Tensor:
        """Encodes one piece of audio, (n_mels, frames), to its embeddings, (patches, hidden).

        Pieces are encoded one by one: in a batch, padding would change their last embedding, and
        the prefix of a conversation would depend on what follows.
        """
        mel = log_mel.to(self.device, self.dtype)[None]
        length = torch.tensor([log_mel.shape[-1] - 2], device=self.device)
        embeddings, lengths = self.adapter(*self.encoder(mel, length))
        return embeddings[0, : max(0, int(lengths[0]))]  # type: ignore[no-any-return]
