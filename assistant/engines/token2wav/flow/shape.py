"""The sizes of a flow model, read off its weights: a checkpoint needs no other description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FlowShape:
    """Defaults are those of Step-Audio 2."""

    vocabulary: int = 6561  # speech tokens
    speaker: int = 192  # size of a speaker embedding
    mel: int = 80  # bins of a frame
    width: int = 512  # of the conformer
    heads: int = 8
    feed_forward: int = 2048
    blocks: int = 6  # before the upsampling
    up_blocks: int = 4  # after it
    look_ahead: int = 3  # look-ahead: tokens needed beyond those that are decoded
    up_rate: int = 2  # mel frames per token
    depth: int = 16  # of the estimator
    hidden: int = 512
    estimator_heads: int = 8
    head_width: int = 64
    mlp: int = 2048
    time_frequencies: int = 256

    @classmethod
    def of(cls, shapes: Mapping[str, Sequence[int]]) -> FlowShape:
        """Derives the sizes from the parameters' names and shapes. Raises KeyError if one is
        missing.
        """
        estimator = "decoder.estimator."
        first = f"{estimator}blocks.0."
        head_width = shapes[f"{first}attn.q_norm.weight"][0]
        return cls(
            vocabulary=shapes["input_embedding.weight"][0],
            speaker=shapes["spk_embed_affine_layer.weight"][1],
            mel=shapes["encoder_proj.weight"][0],
            width=shapes["encoder_proj.weight"][1],
            heads=shapes["encoder.encoders.0.self_attn.pos_bias_u"][0],
            feed_forward=shapes["encoder.encoders.0.feed_forward.w_1.weight"][0],
            blocks=_count(shapes, "encoder.encoders."),
            up_blocks=_count(shapes, "encoder.up_encoders."),
            look_ahead=shapes["encoder.pre_lookahead_layer.conv1.weight"][2] - 1,
            up_rate=(shapes["encoder.up_layer.conv.weight"][2] - 1) // 2,
            depth=_count(shapes, f"{estimator}blocks."),
            hidden=shapes[f"{estimator}in_proj.weight"][0],
            estimator_heads=shapes[f"{first}attn.to_q.weight"][0] // head_width,
            head_width=head_width,
            mlp=shapes[f"{first}mlp.fc1.weight"][0],
            time_frequencies=shapes[f"{estimator}t_embedder.mlp.0.weight"][1],
        )


def _count(shapes: Mapping[str, Sequence[int]], prefix: str) -> int:
    names = (name.removeprefix(prefix) for name in shapes if name.startswith(prefix))
    return len({name.split(".")[0] for name in names})
