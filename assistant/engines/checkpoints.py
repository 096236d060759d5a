"""The contents of a checkpoint's folder, without loading it: nothing heavy is imported here."""

from __future__ import annotations

from pathlib import Path


def local_checkpoint(source: str) -> Path | None:
    """Returns the folder of a checkpoint; for one on the Hugging Face Hub, its download.

    None if it is not on this machine: nothing is downloaded, and nothing is checked.
    """
    try:
        path = Path(source).expanduser()
        if path.is_dir():
            return path
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(source, "config.json")
    except (ImportError, OSError, RuntimeError, ValueError):
        return None  # unreadable, no home folder, or not a repository's name
    return Path(found).parent if isinstance(found, str) else None


def default_clips(checkpoint: Path) -> dict[str, Path]:
    """The voices that a checkpoint brings, by name (default_female, default_male)."""
    return {clip.stem: clip for clip in sorted((checkpoint / "assets").glob("default_*.wav"))}
