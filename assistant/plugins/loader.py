"""Finds the tools: the bundled folder, the user's folders, and installed packages.

A plugin is a plain Python file. It is loaded by its path, whatever its folder is called, and
one that is broken does not keep the others from loading.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from assistant import config
from assistant.errors import PluginError, SettingsError, did_you_mean
from assistant.plugins.files import load_file
from assistant.plugins.registry import Registry
from assistant.plugins.tool import Tool

ENTRY_POINTS = "assistant.tools"


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The loaded tools, and the problems of tool files that could not be loaded."""

    registry: Registry
    problems: tuple[PluginError, ...]


def load_tools(
    settings: config.Settings,
    *,
    extra_folders: Iterable[Path] = (),
    bundled: bool = True,
) -> LoadReport:
    """The tools of all sources, each with its settings table.

    A folder is read without its subfolders, and without files that begin with `_`; a single
    file may be named instead of a folder. Raises SettingsError for what the settings say of the
    tools: an unknown tool, an unknown key, a wrong value. All else that is wrong is reported.
    """
    loading = _Loading(settings.tools)
    folders = [*settings.plugins.folders, *extra_folders]
    for path in [config.bundled("tools"), *folders] if bundled else folders:
        loading.path(Path(path).expanduser())
    if settings.plugins.entry_points:
        for entry in entry_points(group=ENTRY_POINTS):
            loading.entry_point(entry)
    _check_names(settings, loading)
    return LoadReport(loading.registry, tuple(loading.problems))


def check_tools(paths: Iterable[Path]) -> LoadReport:
    """The tools in these files and folders alone, without any settings: for their authors."""
    loading = _Loading(None)
    for path in paths:
        loading.path(path.expanduser())
    return LoadReport(loading.registry, tuple(loading.problems))


def _check_names(settings: config.Settings, loading: _Loading) -> None:
    """A tool named in the settings must be there: a misspelled `deny` would allow it."""
    if loading.problems:  # the tool may be in a file that did not load
        return
    plugins = settings.plugins
    named = {f"tools.{name}": name for name in settings.tools}
    named |= {f"plugins.allow: {name}": name for name in plugins.allow or ()}
    named |= {f"plugins.deny: {name}": name for name in plugins.deny}
    for where, name in named.items():
        if loading.registry.get(name) is None:
            hint = did_you_mean(name, loading.registry.names)
            known = ", ".join(loading.registry.names) or "none"
            raise SettingsError(f"{where}: there is no such tool; {hint or f'there are: {known}'}")


class _Loading:
    def __init__(self, tables: Mapping[str, Mapping[str, Any]] | None) -> None:
        self.registry = Registry()
        self.problems: list[PluginError] = []
        self._tables = tables
        self._seen: set[Path] = set()
        self._functions: set[Any] = set()

    def path(self, path: Path) -> None:
        try:
            for file in _files(path):
                if (real := file.resolve()) not in self._seen:
                    self._seen.add(real)
                    self._file(real)
        except PluginError as error:
            self.problems.append(error)

    def _file(self, path: Path) -> None:
        found = load_file(path)
        self.problems.extend(found.problems)
        self._add(found.tools)

    def entry_point(self, entry: EntryPoint) -> None:
        try:
            self._add(_tools_of(entry))
        except PluginError as error:
            self.problems.append(error)

    def _add(self, tools: Iterable[Tool]) -> None:
        for tool in tools:
            if tool.function in self._functions:  # a package may name a tool and its module
                continue
            self._functions.add(tool.function)
            try:
                self.registry.add(self._configured(tool))
            except PluginError as error:
                self.problems.append(error)

    def _configured(self, tool: Tool) -> Tool:
        return tool if self._tables is None else tool.configured(self._tables.get(tool.name))


def _files(path: Path) -> list[Path]:
    if path.is_file():
        if path.suffix != ".py":
            raise PluginError("not a Python file", path=path)
        return [path]
    try:
        files = [file for file in path.iterdir() if file.suffix == ".py" and file.is_file()]
    except FileNotFoundError:
        raise PluginError("no such file or folder", path=path) from None
    except OSError as error:
        raise PluginError(f"can't be read: {error.strerror}", path=path) from error
    return sorted(file for file in files if not file.name.startswith("_"))


def _tools_of(entry: EntryPoint) -> list[Tool]:
    """The tools of an installed package: a module with tools, one tool, or a list of them."""
    where = f"entry point {entry.name!r} of {entry.dist.name if entry.dist else 'a package'}"
    try:
        value = entry.load()
    except (Exception, SystemExit) as error:  # importing it runs the plugin's code
        reason = f"{type(error).__name__}: {error}"
        raise PluginError(f"{where}: {entry.value} can't be imported: {reason}") from error
    if isinstance(value, ModuleType):
        value = [item for item in vars(value).values() if isinstance(item, Tool)]
    tools = list(value) if isinstance(value, (list, tuple)) else [value]
    if not tools or not all(isinstance(item, Tool) for item in tools):
        raise PluginError(f"{where}: {entry.value} holds no tool: mark a function with @tool")
    return tools
