"""Standard output and standard error that cannot fail, whatever becomes of whoever reads them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


class Unfailing:
    """A text stream: what cannot be written is lost, and nothing else.

    Characters that its encoding does not have are written as escapes. ``reader_is_gone`` says that
    whoever read it has gone, as ``head`` does; then the rest goes nowhere.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.reader_is_gone = False

    def write(self, text: str) -> int:
        """Write text, or lose it."""
        encoding = self.stream.encoding or "utf-8"
        known = text.encode(encoding, "backslashreplace").decode(encoding)
        self._try(lambda: self.stream.write(known))
        return len(text)

    def flush(self) -> None:
        """Flush the stream, if that can be."""
        self._try(self.stream.flush)

    def _try(self, act: Any) -> None:
        try:
            act()
        except BrokenPipeError:
            self.reader_is_gone = True
            with suppress(OSError, ValueError):  # a stream may have no file
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.stream.fileno())  # or the interpreter fails when it ends
                os.close(nowhere)
        except (OSError, ValueError):  # a disk that is full, a stream that was closed
            pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def unfailing_output() -> Iterator[None]:
    """Let nothing fail for what it prints."""
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (Unfailing(stream) for stream in streams)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = streams


def reader_is_gone() -> bool:
    """Whether nobody reads standard error any more."""
    return bool(getattr(sys.stderr, "reader_is_gone", False))
