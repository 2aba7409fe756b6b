from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures.paths import way
from irem_core.streams import stream
from irem_core.tasks import ShortestPath

# 0 - 1 - 2 in short steps, although there is an edge from 0 to 2
LENGTHS = np.array([[0.0, 1, 3], [1, 0, 1], [3, 1, 0]])


def test_by_hand():
    right = np.array([[0.0, 1, 2], [1, 0, 1], [2, 1, 0]])
    assert way(LENGTHS, right, 0, 2) == [0, 1, 2]
    past_one = np.where(LENGTHS[1, 2] == LENGTHS, 9, LENGTHS)
    assert way(LENGTHS, past_one, 0, 2) == [0, 2]


def test_it_ends_where_it_would_go_round_in_a_circle():
    wrong = np.array([[0.0, 0, -9], [0, 0, -9], [0, 0, 0]])
    assert way(LENGTHS, wrong, 0, 2) == [0, 1]


@given(st.integers(0, 10_000))
def test_by_the_right_distances_the_way_is_as_long_as_they_say(seed):
    batch = ShortestPath(size=6, smallest=6).draw(1, stream("way", seed))
    lengths, distances = batch.problem.x.view(6, 6).numpy(), batch.target.view(6, 6).numpy()
    nodes = way(lengths, distances, 0, 5)
    assert nodes[-1] == 5
    taken = sum(lengths[i, j] for i, j in pairwise(nodes))
    np.testing.assert_allclose(taken, distances[0, 5], rtol=1e-5)
