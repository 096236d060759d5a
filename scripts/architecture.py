"""Writes the import tables of docs/architecture.md, from the imports themselves.

    python scripts/architecture.py           writes them
    python scripts/architecture.py --check   exit status 1 if they are not up to date

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.test_architecture import MAY_IMPORT, VOCABULARY, arrows

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
ENTRIES = {"__init__", "__main__"}
"""Modules that import to re-export or to start; nobody imports them by name."""


def table(*rows: tuple[str, ...]) -> str:
    lines = [rows[0], tuple("---" for _ in rows[0]), *rows[1:]]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def names(parts: Collection[str]) -> str:
    """Returns the parts in a cell; all parts of the vocabulary together have one name."""
    if set(parts) >= VOCABULARY:
        rest = sorted(set(parts) - VOCABULARY)
        return ", ".join(["the vocabulary", *rest])
    return ", ".join(sorted(parts)) or "nothing"


def layers() -> str:
    """Each part of the package, what the rule allows it to import, and what it imports."""
    imports = arrows("")
    present = {part for part in MAY_IMPORT if part in imports and part not in ENTRIES}
    rows = []
    for part in sorted(present, key=lambda part: (len(MAY_IMPORT[part] & present), part)):
        allowed = MAY_IMPORT[part] & present - {part}
        everything = allowed == present - {part}
        rows.append((part, "everything" if everything else names(allowed), names(imports[part])))
    return table(("part", "may import", "imports"), *rows)


def inside(package: str) -> str:
    """The parts of a package from the lowest to the highest, and what each of them imports."""
    imports = {part: set(found) for part, found in arrows(package).items() if part not in ENTRIES}
    return table(
        (f"part of {package}/", "imports"),
        *((part, names(imports[part] - ENTRIES)) for part in lowest_first(imports)),
    )


def lowest_first(imports: dict[str, set[str]]) -> list[str]:
    """Sorts the parts by the longest way down from each."""

    def height(part: str) -> int:
        return max((1 + height(below) for below in imports[part] if below in imports), default=0)

    return sorted(imports, key=lambda part: (height(part), part))


PARTS: dict[str, Callable[[], str]] = {
    "layers": layers,
    "server": lambda: inside("server"),
    "live": lambda: inside("live"),
    "engines": lambda: inside("engines"),
}


def generated(text: str) -> str:
    """Returns the page with its generated parts as they should be."""
    return PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]()}\n{part[3]}", text)


def main() -> None:
    before = PAGE.read_text("utf-8")
    after = generated(before)
    if "--check" in sys.argv:
        sys.exit(before != after)
    PAGE.write_text(after, "utf-8")


if __name__ == "__main__":
    main()
