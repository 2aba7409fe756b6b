"""Which steps of an example are shown."""

import pytest

from benchmarks.shown import STEPS, example_steps, explorer_steps, picture_steps


@pytest.mark.parametrize("last", [0, 1, 5, 19, 40, 80, 200, 1000])
def test_trim_keeps_the_steps_of_figures_and_explorer(last):
    kept = {*example_steps(last)}
    assert kept >= {*picture_steps(last)}
    for at_most in range(1, STEPS + 1):  # as many as there is room for
        assert kept >= {*explorer_steps(last, at_most)}
        assert len(explorer_steps(last, at_most)) == min(at_most, last + 1)
    assert {0, last} <= kept
    assert len(kept) <= STEPS + 4  # the start and the last step are in both
