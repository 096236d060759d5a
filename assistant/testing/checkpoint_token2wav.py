"""A tiny token2wav folder for tests: every file of a real one, with small sizes.

It generates audio, not speech: the weights are random. Needs torch and onnx.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from assistant.engines.token2wav.flow.model import Flow
from assistant.engines.token2wav.flow.shape import FlowShape
from assistant.engines.token2wav.hift.generator import Hift, HiftShape
from assistant.engines.token2wav.speaker_embedder import SPEAKER_ENCODER
from assistant.engines.token2wav.voice_prompt_encoder import SPEECH_TOKENIZER

TINY_FLOW = FlowShape(
    width=32,
    heads=2,
    feed_forward=48,
    blocks=1,
    up_blocks=1,
    depth=2,
    hidden=32,
    estimator_heads=2,
    head_width=16,
    mlp=48,
    time_frequencies=16,
)
TINY_HIFT = HiftShape(channels=32, f0_channels=16)

_YAML = """\
flow: !new:cosyvoice2.flow.flow.CausalMaskedDiffWithXvec
    input_size: {width}
    output_size: 80
    encoder: !new:cosyvoice2.transformer.upsample_encoder_v2.UpsampleConformerEncoderV2
        input_size: {width}
    decoder: !new:cosyvoice2.flow.flow_matching.CausalConditionalCFM
        inference_cfg_rate: 0.7
        estimator: !new:cosyvoice2.flow.decoder_dit.DiT
            hidden_size: {hidden}
"""


def tiny_token2wav(folder: Path, *, seed: int = 0) -> Path:
    """Writes flow.yaml, flow.pt, hift.pt and the two ONNX models into `folder`, and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    text = _YAML.format(width=TINY_FLOW.width, hidden=TINY_FLOW.hidden)
    (folder / "flow.yaml").write_text(text, "utf-8")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.save(Flow(TINY_FLOW).state_dict(), folder / "flow.pt")
        hift = Hift(TINY_HIFT).state_dict()
    torch.save({f"generator.{name}": value for name, value in hift.items()}, folder / "hift.pt")
    onnx.save(_speech_tokenizer(), folder / SPEECH_TOKENIZER)
    onnx.save(_speaker_encoder(seed), folder / SPEAKER_ENCODER)
    return folder


def _speech_tokenizer() -> onnx.ModelProto:
    """One token for every 4 frames, that changes with how loud they are."""
    nodes = [
        helper.make_node("ReduceMean", ["feats"], ["loudness"], axes=[1], keepdims=1),
        helper.make_node(
            "AveragePool", ["loudness"], ["pooled"], kernel_shape=[4], strides=[4], ceil_mode=1
        ),
        helper.make_node("Mul", ["pooled", "scale"], ["scaled"]),
        helper.make_node("Abs", ["scaled"], ["positive"]),
        helper.make_node("Cast", ["positive"], ["whole"], to=TensorProto.INT32),
        helper.make_node("Mod", ["whole", "vocabulary"], ["wrapped"]),
        helper.make_node("Squeeze", ["wrapped", "one"], ["indices"]),
    ]
    constants = [
        numpy_helper.from_array(np.float32(5000), "scale"),
        numpy_helper.from_array(np.int32(TINY_FLOW.vocabulary), "vocabulary"),
        numpy_helper.from_array(np.array([1], np.int64), "one"),
    ]
    graph = helper.make_graph(
        nodes,
        "speech_tokenizer",
        [
            helper.make_tensor_value_info("feats", TensorProto.FLOAT, [1, 128, "frames"]),
            helper.make_tensor_value_info("feats_length", TensorProto.INT32, [1]),
        ],
        [helper.make_tensor_value_info("indices", TensorProto.INT32, [1, "tokens"])],
        constants,
    )
    return _model(graph)


def _speaker_encoder(seed: int) -> onnx.ModelProto:
    """The features' mean square over time, projected."""
    projection = np.random.default_rng(seed).standard_normal((80, TINY_FLOW.speaker))
    nodes = [
        helper.make_node("Mul", ["input", "input"], ["power"]),
        helper.make_node("ReduceMean", ["power"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["mean", "projection"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "speaker_encoder",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, "frames", 80])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, TINY_FLOW.speaker])],
        [numpy_helper.from_array(projection.astype(np.float32), "projection")],
    )
    return _model(graph)


def _model(graph: onnx.GraphProto) -> onnx.ModelProto:
    """Builds the model in an opset that every onnxruntime in use reads."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model
