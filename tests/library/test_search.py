from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from assistant.audio.samples import Audio
from assistant.audio.voice import Voice
from assistant.config import LibrarySettings
from assistant.errors import LibraryError
from assistant.library import ClipInfo, VoiceLibrary

Clip = Callable[[str], Audio]
Write = Callable[[str, npt.NDArray[np.floating]], Path]


def best(library: VoiceLibrary, text: str, **options: str) -> str:
    return library.search(text, **options)[0].voice.id  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_text", "fitting"),
    [
        ("please speak in a deep male voice", {"giant", "kal", "rms", "ming", "robot"}),
        ("deep slow male voice", {"giant", "rms"}),
        ("use a female voice", {"belinda", "grandma", "mei", "slt"}),
        ("speak like a robot", {"robot"}),
        ("talk like an old woman", {"grandma"}),
        ("a child's voice", {"child"}),
        ("whisper", {"whisper"}),
        ("someone from Scotland", {"awb"}),
        ("a gentle scottish man", {"awb"}),
        ("an announcer", {"slt"}),
        ("a high British woman", {"belinda"}),
        ("not a male voice", {"belinda", "grandma", "mei"}),
        ("用低沉的男声说话", {"giant", "kal", "rms", "ming", "robot"}),
        ("换成女声", {"belinda", "grandma", "mei", "slt"}),
        ("机器人的声音", {"robot"}),
        ("普通话女声", {"mei"}),
        ("小孩的声音", {"child"}),
        ("悄悄话", {"whisper"}),
        ("ＦＥＭＡＬＥ", {"belinda", "grandma", "mei", "slt"}),
        ("speak as ming", {"ming"}),
    ],
)
def test_a_request_finds_a_voice_that_fits(
    library: VoiceLibrary, request_text: str, fitting: set[str]
) -> None:
    assert best(library, request_text) in fitting


def test_a_voice_without_any_description_is_found_by_its_measures(
    empty_library: VoiceLibrary, clip: Clip, write: Write
) -> None:
    names = {"one": "giant", "two": "belinda", "three": "awb", "four": "whisper"}
    for name, voice in names.items():
        empty_library.add([write(f"{name}.wav", clip(voice).samples)])
    assert all(not voice.description for voice in empty_library)
    assert best(empty_library, "deep slow male voice") == "one"
    assert best(empty_library, "高音的女声") == "two"
    assert best(empty_library, "whisper") == "four"


def test_a_voice_measured_differently_from_its_description_ranks_lower(
    empty_library: VoiceLibrary, clip: Clip, write: Write
) -> None:
    wrong = ClipInfo("wrong", "a deep male voice")
    empty_library.add([write("w.wav", clip("belinda").samples)], wrong)
    empty_library.add([write("r.wav", clip("awb").samples)], ClipInfo("right", "somebody"))
    assert [m.voice.id for m in empty_library.search("male voice")] == ["right", "wrong"]


def test_a_preferred_language_ranks_first_and_others_are_still_found(library: VoiceLibrary) -> None:
    matches = library.search("male voice", language="zh", limit=20)
    assert matches[0].voice.id == "ming"
    assert {match.voice.language for match in matches} > {"en-US", "zh-CN"}
    assert best(library, "female voice", language="cmn-Hans-CN") == "mei"


def test_a_bad_language_tag_is_an_error(library: VoiceLibrary) -> None:
    with pytest.raises(LibraryError, match="language 'klingonese'"):
        library.search("male", language="klingonese")


@pytest.mark.parametrize("text", ["", "   ", "please speak in a voice", "...!?", "的"])
def test_a_request_without_meaningful_words_finds_nothing(library: VoiceLibrary, text: str) -> None:
    assert library.search(text) == []


def test_a_request_that_no_voice_fits_has_a_low_score(library: VoiceLibrary) -> None:
    assert all(match.score < 0.3 for match in library.search("Donald Duck underwater"))


def test_scores_decrease_and_stay_between_zero_and_one(library: VoiceLibrary) -> None:
    scores = [match.score for match in library.search("deep male robot", limit=50)]
    assert scores == sorted(scores, reverse=True)
    assert all(0.0 < score <= 1.0 for score in scores)
    assert len(library.search("deep male robot", limit=2)) == 2


def test_a_voice_is_looked_up_by_its_id(library: VoiceLibrary) -> None:
    voice = library.get("awb")
    assert voice.path
    assert voice.path.is_file()
    assert voice.traits
    assert library.get("default") == Voice()
    with pytest.raises(LibraryError, match="did you mean 'belinda'"):
        library.get("belynda")


def test_the_settings_choose_the_folders(tmp_path: Path) -> None:
    both = VoiceLibrary(LibrarySettings(folder=tmp_path / "v"))
    own = VoiceLibrary(LibrarySettings(folder=tmp_path / "v", bundled=False))
    assert len(both) >= 8
    assert len(own) == 0
    assert own.search("male") == []
    assert not (tmp_path / "v").exists()
