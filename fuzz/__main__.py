"""`python -m fuzz TARGET --seconds 360 [--corpus FOLDER] [--findings FOLDER]`.

Needs the extra `fuzz`. Ends with status 1 if there are findings; each is a file of input bytes,
with its traceback beside it. `python -m fuzz TARGET --replay FILE ...` needs no extra.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

INSTRUMENTED = ("assistant", "python_multipart", "starlette.formparsers", "tomllib", "tomlkit")
"""Packages whose branches guide the mutations."""


def main() -> int:
    options = _options()
    if options.replay:
        return _replay(options.target, options.replay)
    try:
        import atheris
    except ImportError:
        sys.exit("fuzzing needs atheris: pip install -e '.[fuzz]'")
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        from fuzz.campaign import Campaign
        from fuzz.targets import TARGETS

    target = TARGETS.get(options.target) or _unknown(options.target)
    Campaign(target, options.seconds, options.corpus, options.findings).run()
    raise AssertionError("the campaign ends the process")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz")
    parser.add_argument("target")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--corpus", type=Path, help="keeps inputs that reach new code")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--replay", type=Path, nargs="+", help="runs these inputs once")
    return parser.parse_args()


def _replay(name: str, files: list[Path]) -> int:
    from fuzz.guard import Guard
    from fuzz.targets import TARGETS

    failed = 0
    with Guard(TARGETS.get(name) or _unknown(name)) as guard:
        for file in files:
            problem = guard.check(file.read_bytes())
            failed += problem is not None
            print(f"{file}: {problem.text if problem else 'ok'}")
    return 1 if failed else 0


def _unknown(name: str) -> NoReturn:
    from fuzz.targets import TARGETS

    sys.exit(f"there is no target {name!r}; there are: {', '.join(TARGETS)}")


if __name__ == "__main__":
    sys.exit(main())
