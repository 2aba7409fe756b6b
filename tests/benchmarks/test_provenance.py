"""Where, when and with what a result was made."""

import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from benchmarks import provenance as module
from benchmarks.provenance import now, provenance


def test_the_time_is_that_of_utc(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    moment = datetime.fromisoformat(now())
    assert moment.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)


@pytest.mark.parametrize("change", [None, "benchmarks/provenance.py", "README.md"])
def test_a_changed_source_is_dirty_and_another_file_is_not(tmp_path, monkeypatch, change):
    source = tmp_path / "benchmarks" / "provenance.py"
    source.parent.mkdir()
    for path in (source, tmp_path / "README.md"):
        path.write_text("one")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@y"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    if change:
        (tmp_path / change).write_text("two")
    monkeypatch.setattr(module, "__file__", str(source))
    module._commit.cache_clear()
    try:
        assert provenance(None, "float32")["dirty"] is (change == "benchmarks/provenance.py")
    finally:
        module._commit.cache_clear()
