from __future__ import annotations

from pathlib import Path

import pytest

from assistant.config import Settings, load_settings
from assistant.errors import SettingsError


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def test_each_source_overrides_the_one_before(tmp_path: Path) -> None:
    file = write(tmp_path / "a.toml", 'voice = "file"\nlanguage = "de"\nengine = "file"\n')
    environment = {"ASSISTANT_VOICE": "variable", "ASSISTANT_ENGINE": "variable", "PATH": "/bin"}
    settings = load_settings(file, environment=environment, options={"engine": "option"})
    assert (settings.language, settings.voice, settings.engine) == ("de", "variable", "option")
    assert settings.max_tool_rounds == Settings().max_tool_rounds


def test_an_option_that_is_not_given_changes_nothing() -> None:
    environment = {"ASSISTANT_VOICE": "awb"}
    assert load_settings(environment=environment, options={"voice": None}).voice == "awb"


def test_variables_set_values_inside_tables_and_lists() -> None:
    environment = {
        "ASSISTANT_PLUGINS__TIMEOUT_S": "2.5",
        "ASSISTANT_PLUGINS__DENY": "weather, web_search",
        "ASSISTANT_TOOLS__WEATHER__BASE_URL": "http://localhost:1",
    }
    settings = load_settings(environment=environment)
    assert settings.plugins.timeout_s == 2.5
    assert settings.plugins.deny == ("weather", "web_search")
    assert settings.tools == {"weather": {"base_url": "http://localhost:1"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("voise = 'a'", "unknown setting 'voise'; did you mean 'voice'?"),
        ("[plugins]\ntimeout = 1", "'plugins.timeout'; did you mean 'timeout_s'?"),
        ("[plugins]\ntimeout_s = 'long'", "plugins.timeout_s: input should be a valid number"),
        ("max_tool_rounds = -1", "max_tool_rounds: input should be greater than or equal to 0"),
        ("zzz = 1", "unknown setting 'zzz'"),
        ("plugins = 3", "plugins: input should be a valid dictionary"),
        ("= 3", "not TOML"),
        (f"[server]\nport = 0x{'f' * 4_000}", "an integer has more than 64 bits"),
        ("a = " + "[" * 2_000, "nested more than 64 levels deep"),
        ("a" + ".a" * 2_000 + " = 1", "nested more than 64 levels deep"),
        ("a = " + "[" * 65 + "]" * 65, "nested more than 64 levels deep"),
    ],
)
def test_an_error_in_the_file_is_reported_in_one_line(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path / "assistant.toml", text), environment={})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_variable_is_an_error_that_suggests_the_nearest() -> None:
    with pytest.raises(SettingsError, match="did you mean 'max_audio_s'"):
        load_settings(environment={"ASSISTANT_MAX_AUDIO": "3"})


def test_a_variable_that_is_both_value_and_table_is_an_error() -> None:
    environment = {"ASSISTANT_PLUGINS": "x", "ASSISTANT_PLUGINS__RETRIES": "1"}
    with pytest.raises(SettingsError, match="as a value and as a table"):
        load_settings(environment=environment)


def test_the_file_in_the_working_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "assistant.toml", "voice = 'slt'")
    monkeypatch.chdir(tmp_path)
    assert load_settings(environment={}).voice == "slt"


def test_a_named_file_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can't be read"):
        load_settings(tmp_path / "none.toml", environment={})
    (tmp_path / "latin.toml").write_bytes(b"voice = '\xff'")
    with pytest.raises(SettingsError, match="not TOML"):
        load_settings(tmp_path / "latin.toml", environment={})
