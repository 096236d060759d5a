"""What a wheel holds: built as a release would be, and installed into a folder of its own."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_a_wheel_installs_one_package_with_the_tools_and_voices_inside(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"assistant"}
    for path in sorted((REPOSITORY / "tools").glob("*.py")):
        assert f"assistant/_bundled/tools/{path.name}" in names
    for path in sorted((REPOSITORY / "voices").glob("*.wav")):
        assert f"assistant/_bundled/voices/{path.name}" in names
    assert "assistant/py.typed" in names


def test_an_installed_wheel_finds_its_tools_and_voices(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "import assistant.config as c, assistant.plugins as p, assistant.library as l\n"
        "s = c.Settings(library=c.LibrarySettings(folder='own'))\n"
        "print(c.__file__)\n"
        "print(*sorted(tool.name for tool in p.load_tools(s).registry))\n"
        "print(l.VoiceLibrary(s.library).get('slt').path)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    module, tools, voice = run.stdout.splitlines()
    assert Path(module).is_relative_to(tmp_path)
    assert tools == "audio_search date_time weather web_search"
    assert Path(voice).is_relative_to(tmp_path / "assistant" / "_bundled" / "voices")
