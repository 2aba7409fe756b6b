"""Nothing fails for what it prints."""

import io
import os
import subprocess
import sys

import pytest

from benchmarks.errors import UsageError
from benchmarks.output import Unfailing, reader_is_gone, unfailing_output


class Full(io.StringIO):
    """A log on a disk that is full."""

    def write(self, text):
        raise OSError(28, "No space left on device")


def test_what_an_encoding_does_not_have_is_escaped():
    raw = io.BytesIO()
    stream = Unfailing(io.TextIOWrapper(raw, encoding="ascii"))
    print("0.1 ± 0.2", file=stream)
    stream.flush()
    assert raw.getvalue() == b"0.1 \\xb1 0.2\n"


def test_what_cannot_be_written_is_lost_and_nothing_else():
    stream = Unfailing(Full())
    print("lost", file=stream)
    assert not stream.reader_is_gone


def test_a_reader_that_goes_away_is_noticed_once(monkeypatch):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", pipe)
        with unfailing_output():
            assert not reader_is_gone()
            print("nobody reads this", file=sys.stderr, flush=True)
            assert reader_is_gone()
            print("nor this", file=sys.stderr, flush=True)


def test_streams_are_given_back():
    before = sys.stdout, sys.stderr
    with pytest.raises(UsageError), unfailing_output():
        raise UsageError("wrong")
    assert (sys.stdout, sys.stderr) == before


def test_a_command_whose_output_nobody_reads_ends_as_usual():
    command = [sys.executable, "-m", "benchmarks.results", "--help"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
