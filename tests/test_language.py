"""One term for one thing: retired words stay out of names, docstrings, comments and settings.

Names are file names, classes, functions, arguments, attributes and module constants; prose is
docstrings and comments, without what stands in `backticks`. Both lists grow with the project's
vocabulary: whoever replaces a term adds the old one here.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from assistant.config import Settings

REPOSITORY = Path(__file__).parent.parent
FOLDERS = ("assistant", "tools", "tests", "benchmarks", "examples", "scripts")
TESTS = REPOSITORY / "tests"
PATHS = sorted(path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*.py"))

# Retired word -> the term to use. In names and in prose:
WORDS = {
    "sound sounds": "audio, samples, clip",
    "hear hears hearing": "transcribe (ASR), encode (model), detect (VAD)",
    "heard unheard": "played (to a listener), transcribed (from a user)",
    "ear ears": "recognizer, encoder, voice activity detector",
    "turnstile": "batcher",
    "shelf": "embedding index",
    "narrator": "event writer",
    "wish wishes": "response options",
    "parking parked": "resumption",
    "door doors": "route, transport, middleware",
    "stranger strangers": "untrusted",
    "anew": "again",
    "misspelt": "misspelled",
}
# In names only, since the word is right in some sentences:
WORDS_IN_NAMES = {
    "gate gates": "queue",
    "apart": "out of band, separate",
    "brought": "external, added",
    "making": "client item; the thing that is created",
    "keeper": "manager, store",
}
# Names that are right as a whole.
ALLOWED_NAMES = {
    "heard_until": "the position up to which the listener heard a response",
    "gate": "the field's term for a factor of adaptive layer norm",
    "gate_up": "the field's term for the first matrices of a gated MLP",
    "DOOR": "an example tool",
    "open_door": "an example tool",
}
# Spellings, by the beginning of a word.
BRITISH = {
    "behaviour": "behavior",
    "catalogue": "catalog",
    "centre": "center",
    "colour": "color",
    "favour": "favor",
    "honour": "honor",
    "initialis": "initializ",
    "licence": "license",
    "neighbour": "neighbor",
    "normalis": "normaliz",
    "optimis": "optimiz",
    "organis": "organiz",
    "quantis": "quantiz",
    "recognis": "recogniz",
    "serialis": "serializ",
    "summaris": "summariz",
    "synthesise": "synthesize",
    "synthesising": "synthesizing",
    "tokenis": "tokeniz",
    "vocalis": "vocaliz",
}
# Phrases in prose, as regular expressions.
PHRASES = {
    r"so (many|much|long)": "the quantity and its unit",
    r"none of it": "not",
    r"(?<!there )(is|are|was|were) none\b": "is not ..., is invalid",
    r"(go|goes|going|gone|went) on with": "continue, resume",
    r"(write|writes|written|writing) down": "transcribe",
    r"where (there|none|nothing|nobody)": "if",
    r"of late\b": "recently",
}
PREPOSITIONS = "as at by for from in like of on over to under until with without"


def words(name: str) -> list[str]:
    """Splits an identifier into its words, in lower case."""
    return [part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def replacement(word: str, table: dict[str, str]) -> str | None:
    """Returns the term to use instead of a retired word, or None if the word is right."""
    for forms, use in table.items():
        if word in forms.split():
            return use
    british = (use for beginning, use in BRITISH.items() if word.startswith(beginning))
    return next(british, None)


def bound_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yields line and name of classes, functions, arguments, attributes and constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        if isinstance(node, ast.Module | ast.ClassDef):
            for statement in node.body:
                targets = getattr(statement, "targets", [getattr(statement, "target", None)])
                yield from ((t.lineno, t.id) for t in targets if isinstance(t, ast.Name))


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yields line and text of all docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                yield node.body[0].lineno, text


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Yields line and text of all comments."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def name_problems(path: Path, source: str) -> list[str]:
    """Returns what is wrong with the names of a module, its own included."""
    found = []
    for line, name in [(1, path.stem), *bound_names(ast.parse(source))]:
        for word in words(name):
            use = replacement(word, WORDS | WORDS_IN_NAMES)
            if use and name not in ALLOWED_NAMES:
                found.append(f"{path}:{line}: '{word}' in {name}; use: {use}")
    return found


def prose_problems(text: str) -> Iterator[str]:
    """Yields the retired words and phrases of a docstring or comment."""
    prose = re.sub(r"``?[^`]*``?", "", text)
    for word in re.findall(r"[A-Za-z]+", prose):
        use = replacement(word.lower(), WORDS)
        if use:
            yield f"'{word}'; use: {use}"
    for phrase, use in PHRASES.items():
        match = re.search(rf"\b{phrase}", " ".join(prose.split()))
        if match:
            yield f"'{match[0]}'; use: {use}"


def docstring_problems(text: str) -> Iterator[str]:
    """Yields what is wrong with a docstring as a sentence."""
    first = text.split()[0].strip(".,:").lower() if text.split() else ""
    if first in PREPOSITIONS.split():
        yield f"begins with '{first}': begin with a subject or a verb"
    if len(text.split()) < 2:
        yield "has one word: write a sentence"


def text_problems(path: Path, source: str) -> list[str]:
    """Returns what is wrong with the docstrings and comments of a module."""
    texts = list(docstrings(ast.parse(source)))
    found = [(line, problem) for line, text in texts for problem in docstring_problems(text)]
    if path.is_relative_to(TESTS):  # docstrings of tools in tests are data
        found = [(line, problem) for line, problem in found if "one word" not in problem]
    for line, text in [*texts, *comments(source)]:
        found += [(line, problem) for problem in prose_problems(text)]
    return [f"{path}:{line}: {problem}" for line, problem in sorted(found)]


def settings_fields(model: type[BaseModel], place: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yields dotted name and field of all settings, those of nested tables included."""
    for name, field in model.model_fields.items():
        yield f"{place}{name}", field
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from settings_fields(field.annotation, f"{place}{name}.")


@pytest.mark.parametrize("folder", FOLDERS)
def test_names_have_no_retired_words(folder: str) -> None:
    paths = [path for path in PATHS if path.is_relative_to(REPOSITORY / folder)]
    assert paths
    found = [problem for path in paths for problem in name_problems(path, path.read_text("utf-8"))]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("folder", FOLDERS)
def test_docstrings_and_comments_have_no_retired_words(folder: str) -> None:
    paths = [path for path in PATHS if path.is_relative_to(REPOSITORY / folder)]
    paths = [path for path in paths if path != Path(__file__)]  # it has to name them
    found = [problem for path in paths for problem in text_problems(path, path.read_text("utf-8"))]
    assert not found, "\n" + "\n".join(found)


def test_every_setting_has_a_description_that_is_a_sentence() -> None:
    fields = list(settings_fields(Settings))
    assert len(fields) > 50
    found = [name for name, field in fields if not (field.description or "").rstrip().endswith(".")]
    assert not found
    texts = [problem for _, field in fields for problem in prose_problems(field.description or "")]
    assert not texts


@pytest.mark.parametrize(
    ("source", "problems"),
    [
        ("class TurnGate: pass", ["'gate' in TurnGate"]),
        ("def f(the_ears): pass", ["'ears' in the_ears"]),
        ("SOUND_SUFFIXES = 1", ["'sound' in SOUND_SUFFIXES"]),
        ("def f(self):\n    self.recogniser = 1", ["'recogniser' in recogniser"]),
        ("def f(heard_until): hearth = 1", []),
    ],
)
def test_a_retired_word_in_a_name_is_found(source: str, problems: list[str]) -> None:
    found = name_problems(Path("module.py"), source)
    assert [problem.split(": ")[1].split(";")[0] for problem in found] == problems


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ('"""Of one connection."""', "begins with 'of'"),
        ("x = 1  # so many are kept", "'so many'"),
        ('def f():\n    """Recognises text where there is none."""', "'Recognises'"),
        ('class C:\n    """It waits where there is room."""', "'where there'"),
        ('"""Returns `door` as audio if there is one."""', None),
    ],
)
def test_a_retired_word_in_a_text_is_found(source: str, problem: str | None) -> None:
    found = text_problems(Path("module.py"), source)
    assert problem is None or problem in found[0]
    assert bool(found) == (problem is not None)
