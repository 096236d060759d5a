"""The tools by name."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator

from assistant.errors import PluginError
from assistant.messages import ToolSchema
from assistant.plugins.tool import Tool

logger = logging.getLogger(__name__)


class Registry:
    """The tools that are there. Each session narrows them with `allow` and `deny`."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            self.add(tool)

    def add(self, tool: Tool) -> None:
        """Raises PluginError where another tool has the name."""
        first = self._tools.setdefault(tool.name, tool)
        if first is not tool:
            raise PluginError(
                f"the name {tool.name!r} is taken by the tool at {first.place}",
                path=tool.path,
                line=tool.line,
            )

    def get(self, name: str) -> Tool | None:
        return self._tools.get(name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._tools)

    def schemas(
        self, allow: Collection[str] | None = None, deny: Collection[str] = ()
    ) -> tuple[ToolSchema, ...]:
        """Returns the schemas for the model, in the order in which the tools were added."""
        return tuple(tool.schema for tool in self if permitted(tool.name, allow, deny))

    def warm_up(self) -> None:
        """Calls each distinct `warm_up` of the tools once. Blocks.

        A failure is logged, and no more: the tool may do without.
        """
        for function in dict.fromkeys(tool.warm_up for tool in self if tool.warm_up):
            try:
                function()
            except Exception:
                logger.exception("A tool can't warm up")

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)


def permitted(name: str, allow: Collection[str] | None, deny: Collection[str]) -> bool:
    """`deny` wins over `allow`; no `allow` is everything, an empty one nothing."""
    return name not in deny and (allow is None or name in allow)
