"""Text of others, such as names and messages: checked where it enters, escaped where it leaves."""

from __future__ import annotations

import re
from typing import Any

from benchmarks.errors import UsageError

LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def check_name(what: str, name: Any) -> None:
    """Raise UsageError unless a name can stand in a file, a list and a command.

    ``what`` says whose name it is.
    """
    if wrong := _wrong(name):
        raise UsageError(f"The name {name!r} of {what} {wrong}: use printable letters, no comma.")


def _wrong(name: Any) -> str:
    """What is wrong with a name, in words; empty if nothing is."""
    if not isinstance(name, str):
        return "is not text"
    if not name.strip():
        return "is empty"
    if name.strip() != name:
        return "begins or ends with a space"
    refused = [character for character in name if not character.isprintable() or character == ","]
    return f"has the character {refused[0]!r}" if refused else ""


def printable(text: str) -> str:
    """Text without what a terminal or a file might take for more than text, such as ``\\r``.

    Line breaks stay; all other control characters, and halves of characters, are written out.
    """
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def markdown(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return text.replace("|", "\\|")


def latex(text: str) -> str:
    """Text for LaTeX."""
    return re.sub(r"[\\~^&%$#_{}]", lambda found: LATEX[found.group()], text)
