"""The settings of the engines: sampling, and what `step-audio-2` needs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from assistant.config.base import Names, Table


class Sampling(Table):
    """How the next token is sampled. The defaults are those of StepFun's examples."""

    temperature: float = Field(default=0.7, ge=0.0, le=2.0)
    """Divides the logits before sampling; 0 always takes the most probable token."""
    top_p: float = Field(default=0.9, gt=0.0, le=1.0)
    """Samples from the most probable tokens that together have this probability; 1 is no limit."""
    top_k: int = Field(default=0, ge=0)
    """Samples from this number of most probable tokens; 0 is no limit."""
    repetition_penalty: float = Field(default=1.05, ge=1.0, le=2.0)
    """Divides the logits of tokens that the sequence holds already; 1 is no penalty."""
    seed: int | None = None
    """Makes sampling repeatable; if not set, every response is another one."""
    max_tokens: int = Field(default=2048, ge=1)
    """The longest response, in tokens of text and speech (25 speech tokens per second)."""
    stop: Names = ()
    """Texts that end the response; empty for none."""


class StepAudio2Settings(Table):
    """The engine `step-audio-2`."""

    model: str = "stepfun-ai/Step-Audio-2-mini"
    """Folder of a checkpoint, or its id on the Hugging Face Hub."""
    variant: Literal["auto", "chat", "think", "base"] = "auto"
    """What the checkpoint was trained for; `auto` tells it from the checkpoint's name."""
    device: str = "auto"
    """Device of the models: `cpu`, `cuda`, `cuda:1`, ...; `auto` takes the first GPU if there is
    one.
    """
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the weights; `auto` is bfloat16 on a GPU and float32 on a CPU."""
    window: int = Field(default=0, ge=0)
    """Positions that a conversation may take before old turns are compacted; 0 is the checkpoint's
    limit.
    """
    conversations: int = Field(default=8, ge=1, le=1024)
    """Conversations whose KV cache stays resident; others are prefilled again when they continue.
    """
    max_batch: int = Field(default=4, ge=1, le=256)
    """Sequences decoded in one step; more wait."""
    euler_steps: int = Field(default=10, ge=1, le=100)
    """Euler steps of token2wav's flow from noise to mel frames; fewer are faster and coarser."""
    result_role: Literal["input", "function_output"] = "input"
    """Role in which a tool's result goes back to the model."""
    result_prompt: str = "\n\n\n请用口语化形式总结检索结果，简短地回答用户的问题。"
    """Follows the results in the role `input`, as in StepFun's examples; empty adds nothing."""
