"""The tasks of the model: their instructions, as it was trained with them, and their sampling.

The instructions and settings are those of StepFun's published examples.
"""

from __future__ import annotations

from typing import Any

from assistant.config import Sampling
from assistant.engines.base import EngineRequest, Task
from assistant.errors import EngineError
from assistant.messages import UserMessage

_SPEAKS: frozenset[Task] = frozenset({"answer", "interpret", "read", "continue"})

_DEFAULTS: dict[Task, dict[str, Any]] = {
    "transcribe": {"temperature": 0.0, "repetition_penalty": 1.0},
    "translate": {"temperature": 0.1},
    "describe": {"temperature": 0.1},
    "read": {"repetition_penalty": 1.1},
}

_LANGUAGES = {
    "ar": "阿拉伯语", "de": "德语", "en": "英文", "es": "西班牙语", "fr": "法语", "it": "意大利语",
    "ja": "日文", "ko": "韩语", "pt": "葡萄牙语", "ru": "俄语", "yue": "粤语", "zh": "中文",
}  # fmt: skip

TRANSCRIBE = "请记录下你所听到的语音内容。"
_READ = "以自然的语速读出下面的文字。"
_DESCRIBE = "Please briefly explain the important events involved in this audio clip."
_QUESTION = (
    "You are an expert in audio analysis, please analyze the audio content and answer the "
    "questions accurately."
)


def speaks(request: EngineRequest) -> bool:
    """Returns whether the result is spoken; some tasks only write."""
    return request.speak and request.task in _SPEAKS


def sampling_for(task: Task, sampling: Sampling) -> Sampling:
    """The task's own defaults for whatever the caller has not set."""
    own = _DEFAULTS.get(task, {})
    given = {name: getattr(sampling, name) for name in sampling.model_fields_set}
    return Sampling(**{**own, **given})


def instruction(request: EngineRequest, message: UserMessage) -> str:
    """Returns the system message of every task but `answer` and `continue`."""
    if request.task == "transcribe":
        return TRANSCRIBE
    if request.task == "read":
        return _READ
    if request.task == "describe":
        return _QUESTION if _has_text(message) else _DESCRIBE
    return _translation(request, message)


def _translation(request: EngineRequest, message: UserMessage) -> str:
    if not request.language:
        hint = "give the language as a tag such as en or zh"
        raise EngineError(f"{request.task}: into which language?", hint=hint)
    language = _LANGUAGES.get(request.language.split("-")[0].lower(), request.language)
    spoken = "并用语音播报" if request.task == "interpret" else ""
    if all(isinstance(part, str) for part in message.parts):
        return f"将下面的文本翻译成{language}{'，' if spoken else ''}{spoken}。"
    return f"请仔细聆听这段语音，然后将其内容翻译成{language}{spoken}。"


def _has_text(message: UserMessage) -> bool:
    return any(isinstance(part, str) and part.strip() for part in message.parts)
