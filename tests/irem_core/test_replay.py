import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from irem_core.replay import Replay
from irem_core.streams import stream
from irem_core.types import Batch, Problem


def numbered(first: int, count: int) -> Batch:
    rows = torch.arange(first, first + count, dtype=torch.float32)[:, None]
    return Batch(Problem(x=rows, start=rows + 0.25), target=rows + 0.5)


@given(capacity=st.integers(1, 12), counts=st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_it_holds_the_last_rows_first_in_first_out(capacity, counts):
    replay = Replay(capacity, like=numbered(0, 1))
    added = 0
    for count in counts:
        replay.add(numbered(added, count))
        added += count
    held = sorted(replay.rows.problem.x[: min(added, capacity), 0].tolist())
    assert held == list(range(max(0, added - capacity), added))


def test_fields_of_a_row_stay_together():
    replay = Replay(5, like=numbered(0, 1))
    replay.add(numbered(0, 4))
    replay.add(numbered(4, 4))
    rows = replay.sample(100, stream("test"))
    assert torch.equal(rows.problem.start, rows.problem.x + 0.25)
    assert torch.equal(rows.target, rows.problem.x + 0.5)
    assert set(rows.problem.x.flatten().tolist()) == {3.0, 4.0, 5.0, 6.0, 7.0}


def test_sampling_reaches_only_what_was_added():
    replay = Replay(100, like=numbered(0, 1))
    replay.add(numbered(1, 3))
    assert set(replay.sample(200, stream("test")).problem.x.flatten().tolist()) == {1.0, 2.0, 3.0}


def test_sampling_from_nothing_is_an_error():
    with pytest.raises(ValueError, match="empty"):
        Replay(3, like=numbered(0, 1)).sample(1, stream("test"))
