"""Voice clips from elsewhere, such as a checkpoint: used in their place, and never written to.

They may appear and disappear, so they are listed again whenever a snapshot may be due. A clip that
can't be used as a voice is left out, with a line in the log: the library itself is valid.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict

from pydantic import ValidationError

from assistant.errors import AudioError
from assistant.library.checks import Checked
from assistant.library.files import Stamp, stamp_of
from assistant.library.manifest import Entry, reasons
from assistant.library.sources import Source

ClipProvider = Callable[[], Sequence[Source]]
"""The clips that there are now, with their ids and what is known of them. Asked often."""


def no_clips() -> Sequence[Source]:
    return ()


def signature_of_clips(clips: Sequence[Source]) -> tuple[tuple[Source, Stamp | None], ...]:
    """Changes whenever one of the clips comes, goes or becomes another."""
    return tuple((clip, stamp_of(clip.path)) for clip in clips)


def read_clips(
    clips: Sequence[Source], taken: Collection[str], checked: Checked
) -> tuple[list[tuple[Source, Entry]], list[str]]:
    """The clips that can be used, and a line for each of the others.

    `taken`: ids of the user's own and the bundled clips, which stand.
    """
    found: list[tuple[Source, Entry]] = []
    problems: list[str] = []
    for clip in clips:
        if clip.info.id in taken:
            problems.append(f"{clip.name} is not used: another clip has the id {clip.info.id!r}")
            continue
        try:
            found.append((clip, _entry(clip, checked)))
        except ValidationError as error:
            problems.append(f"{clip.name} is not used: {reasons(error)}")
        except AudioError as error:
            reason = error.message.removeprefix(f"{clip.path}: ")
            problems.append(f"{clip.name} is not used: {reason}")
        except OSError as error:
            problems.append(f"{clip.name} is not used: {error.strerror or error}")
    return found, problems


def _entry(clip: Source, checked: Checked) -> Entry:
    """Raises AudioError, OSError and ValidationError."""
    return Entry.model_validate(
        {
            **asdict(clip.info),
            "file": clip.path.name,
            "sha256": checked.sha256(clip.path),
            "traits": checked.traits_of(clip.path),
        }
    )
