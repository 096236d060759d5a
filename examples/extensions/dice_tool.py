"""A tool: put this file into a folder of `plugins.folders`, or pass the folder by `--tools`.

assistant ask "Roll two dice." --tools examples/extensions/dice_tool.py
"""

import random
from typing import Annotated

from assistant.extending import ToolContext, ToolResult, tool


@tool(examples=["roll two dice", "throw the dice"], side_effect="none")
def roll_dice(
    context: ToolContext, dice: Annotated[int, "how many dice, 1 to 10"] = 1
) -> ToolResult:
    """Rolls dice and tells what they show."""
    rolled = [random.randint(1, 6) for _ in range(min(max(dice, 1), 10))]
    context.progress(f"{len(rolled)} dice are rolling")
    return ToolResult(f"You rolled {', '.join(map(str, rolled))}.", data=rolled)
