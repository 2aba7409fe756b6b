"""The presets that ship with the suite, as TOML files."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def named_presets() -> list[str]:
    """Names of the presets, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))
