"""Renders the clips of voices/ again, with the free synthesizers of Debian, and writes voices.toml.

    apt-get install flite espeak-ng
    python scripts/render_voices.py [FOLDER]      (default: voices)

`--commands` prints the commands instead. `--other FOLDER` renders another sentence in each voice
(OGG Vorbis), for the tests of the search for a voice like a clip.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from assistant.audio.decode import read_audio
from assistant.audio.encode import write_wav
from assistant.audio.samples import Audio
from assistant.library.files import sha256_of
from assistant.library.manifest import TOML_NAME, Entry, Manifest
from assistant.library.measure import measure
from assistant.library.writing import add_entries

RATE = 16_000
LOUDNESS_DB = -20.0
MARGIN_S = 0.08  # of silence left at either end
FLITE_LICENSE = "Rendered with CMU Flite: its BSD-like license, see README.md"
ESPEAK_LICENSE = "Rendered with eSpeak NG (GPLv3 software; see README.md on its output)"


@dataclass(frozen=True)
class Recipe:
    """What makes a clip: a command that takes the text and a file to write."""

    id: str
    command: str
    description: str
    tags: tuple[str, ...]
    language: str
    text: str


RECIPES = (
    Recipe(
        "awb",
        "flite -voice awb",
        "a gentle Scottish man, natural",
        ("natural", "scottish"),
        "en-GB",
        "Good morning. The train to Glasgow leaves in about ten minutes.",
    ),
    Recipe(
        "rms",
        "flite -voice rms",
        "a calm American man, slow and low, like a narrator",
        ("natural", "american", "narrator"),
        "en-US",
        "Long ago, in a quiet valley, there stood an old stone mill.",
    ),
    Recipe(
        "slt",
        "flite -voice slt",
        "a clear American woman, natural, like an announcer",
        ("natural", "american", "announcer"),
        "en-US",
        "Thank you for calling. I will be happy to help you with your order.",
    ),
    Recipe(
        "kal",
        "flite -voice kal16",
        "an American man of an early speech synthesizer, robotic",
        ("synthetic", "american", "retro"),
        "en-US",
        "All systems are working. Please enter the next command.",
    ),
    Recipe(
        "robot",
        "espeak-ng -v en-us+robosoft3 -p 30",
        "a robot, metallic",
        ("machine", "metallic"),
        "en-US",
        "Greetings, human. My batteries are full and I am ready.",
    ),
    Recipe(
        "belinda",
        "espeak-ng -v en-gb-x-rp+belinda",
        "a lively British woman, high and bright",
        ("british", "cheerful"),
        "en-GB",
        "What a lovely surprise! Come in, the kettle is already on.",
    ),
    Recipe(
        "grandma",
        "espeak-ng -v en-us+grandma -s 140",
        "an old woman, shaky, slow",
        ("elderly", "storyteller"),
        "en-US",
        "Sit down, my dear, and I will tell you a story.",
    ),
    Recipe(
        "croak",
        "espeak-ng -v en-gb-x-rp+croak",
        "a hoarse British man, croaking",
        ("british", "raspy"),
        "en-GB",
        "I have been shouting at the football match all day long.",
    ),
    Recipe(
        "whisper",
        "espeak-ng -v en-us+whisper",
        "a whispering voice, secretive",
        ("breathy", "secret"),
        "en-US",
        "Keep your voice down, the children are asleep upstairs.",
    ),
    Recipe(
        "giant",
        "espeak-ng -v en-us+m7 -p 0 -s 115",
        "a giant, very deep and very slow",
        ("monster", "fairy tale"),
        "en-US",
        "Who is walking over my bridge so late?",
    ),
    Recipe(
        "child",
        "espeak-ng -v en-us+f4 -p 99 -s 175",
        "a child, high and excited",
        ("kid", "playful"),
        "en-US",
        "Look, look! I can see the whole town from up here!",
    ),
    Recipe(
        "mei",
        "espeak-ng -v cmn-latn-pinyin+f2 -p 60",
        "a Chinese woman, 普通话女声",
        ("mandarin",),
        "zh-CN",
        "大家好，很高兴见到你们。",
    ),
    Recipe(
        "ming",
        "espeak-ng -v cmn-latn-pinyin+m3",
        "a Chinese man, 普通话男声",
        ("mandarin",),
        "zh-CN",
        "今天的天气非常好，我们去公园吧。",
    ),
)


OTHER = "The library on the corner opens at nine, and closes when it gets dark."
OTHER_CHINESE = "请问去火车站怎么走？谢谢你的帮助。"


def command_of(recipe: Recipe, target: Path) -> list[str]:
    program, *options = recipe.command.split()
    if program == "flite":
        return [program, *options, "-t", recipe.text, "-o", str(target)]
    return [program, *options, "-w", str(target), recipe.text]


def finished(pcm: Audio) -> Audio:
    """Returns the clip at 16 kHz, without silence around it, at the loudness of all others."""
    samples = pcm.resampled(RATE).samples
    loud = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max())
    margin = int(MARGIN_S * RATE)
    samples = samples[max(0, loud[0] - margin) : loud[-1] + margin]
    gain = 10.0 ** ((LOUDNESS_DB - measure(Audio(samples, RATE)).loudness_db) / 20.0)
    # The peak stays within full scale, even if the mean is then too low.
    gain = min(gain, 0.98 / float(np.abs(samples).max()))
    return Audio((samples * gain).astype(np.float32), RATE)


def spoken(recipe: Recipe) -> Audio:
    with tempfile.TemporaryDirectory() as temporary:
        raw = Path(temporary) / "raw.wav"
        subprocess.run(command_of(recipe, raw), check=True, stdout=subprocess.DEVNULL)
        return finished(read_audio(raw, max_seconds=60.0))


def render_other(recipe: Recipe, folder: Path) -> None:
    text = OTHER_CHINESE if recipe.language.startswith("zh") else OTHER
    pcm = spoken(replace(recipe, text=text))
    soundfile.write(folder / f"{recipe.id}.ogg", pcm.samples, RATE, format="OGG")


def render(recipe: Recipe, folder: Path) -> Entry:
    pcm = spoken(recipe)
    path = folder / f"{recipe.id}.wav"
    write_wav(path, [pcm.to_pcm16()], RATE)
    flite = recipe.command.startswith("flite")
    return Entry(
        id=recipe.id,
        file=path.name,
        description=recipe.description,
        tags=recipe.tags,
        transcript=recipe.text,
        language=recipe.language,
        license=FLITE_LICENSE if flite else ESPEAK_LICENSE,
        consent="A synthesizer's voice that its makers publish; no further consent is needed",
        sha256=sha256_of(path),
        traits=measure(read_audio(path, max_seconds=60.0)),
    )


def main() -> None:
    if "--commands" in sys.argv:
        for recipe in RECIPES:
            sys.stdout.write(shlex.join(command_of(recipe, Path(f"{recipe.id}.wav"))) + "\n")
        return
    if "--other" in sys.argv:
        for recipe in RECIPES:
            render_other(recipe, Path(sys.argv[-1]))
        return
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "voices")
    folder.mkdir(exist_ok=True)
    (folder / TOML_NAME).unlink(missing_ok=True)
    add_entries(Manifest(folder / TOML_NAME), [render(recipe, folder) for recipe in RECIPES])


if __name__ == "__main__":
    main()
