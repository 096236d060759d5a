"""Runs one plugin file and collects the tools in it."""

from __future__ import annotations

import importlib.util
import itertools
import sys
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

from assistant.errors import AssistantError, PluginError
from assistant.plugins.tool import Harvest, harvest

_numbers = itertools.count(1)


def load_file(path: Path) -> Harvest:
    """The tools of the file, and everything that is wrong with it, by line. Never raises.

    Only Ctrl-C gets through: a file that calls sys.exit() is broken, and no reason to end.
    """
    with harvest(path) as found:
        try:
            _execute(path)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (a plugin's code runs here)
            found.problems.append(_problem(error, path))
            found.tools.clear()  # they belong to a module that is only partly loaded
    if not found.tools and not found.problems:
        found.problems.append(
            PluginError("there is no tool in it: mark a function with @tool", path=path)
        )
    return found


class _Loader(SourceFileLoader):
    """Always reads the source, and leaves no compiled files in other people's folders."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def _execute(path: Path) -> None:
    name = f"assistant_plugin_{next(_numbers)}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_Loader(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pydantic look their module up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def _problem(error: BaseException, path: Path) -> PluginError:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return PluginError(f"not valid Python: {error.msg}", path=path, line=error.lineno)
    if isinstance(error, OSError) and error.filename == str(path):
        return PluginError(f"can't be read: {error.strerror}", path=path)
    if isinstance(error, SystemExit):
        return PluginError("it ends the program when loaded", path=path, line=_line(error, path))
    what = str(error) if isinstance(error, AssistantError) else f"{type(error).__name__}: {error}"
    return PluginError(f"it can't be loaded: {what}", path=path, line=_line(error, path))


def _line(error: BaseException, path: Path) -> int | None:
    """The last line of the author's own code that the exception came through."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return lines[-1] if lines else None
