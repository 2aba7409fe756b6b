import networkx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components, shortest_path

from irem_core.streams import stream
from irem_core.tasks import ConnectedComponents, EdgeCopy, ShortestPath
from irem_core.tasks.graph import connected, shortest_distances

MANY = 2000
EVERY = [EdgeCopy, ConnectedComponents, ShortestPath]


def graphs(task, count=MANY):
    """(edges [n, n], answer [n, n]) of each graph, without padding."""
    batch = task.draw(count, stream("graphs", task), torch.float64)
    side = task.size
    for x, y, n in zip(batch.problem.x, batch.target, batch.problem.nodes, strict=True):
        yield x.view(side, side)[:n, :n].numpy(), y.view(side, side)[:n, :n].numpy()


@pytest.mark.parametrize("task", [ShortestPath(), ShortestPath(size=15, smallest=15)])
def test_shortest_paths_equal_scipys(task):
    for edges, answer in graphs(task):
        dense = np.where(np.eye(len(edges), dtype=bool), 0, edges)
        np.testing.assert_allclose(answer, shortest_path(dense, method="FW"), atol=1e-12)


@pytest.mark.parametrize(
    "task",
    [
        ConnectedComponents(),
        ConnectedComponents(size=15, smallest=15),
        ConnectedComponents(size=12, mean_degree=1.0),
    ],
)
def test_components_equal_scipys(task):
    for edges, answer in graphs(task):
        _, label = connected_components(edges, directed=True, connection="weak")
        np.testing.assert_array_equal(answer, label[:, None] == label[None, :])


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_any_edges_are_connected_as_scipy_has_it(n, seed):
    edges = np.random.default_rng(seed).random((n, n)) < 1.5 / n
    _, label = connected_components(edges, directed=True, connection="weak")
    ours = connected(torch.from_numpy(edges)[None])[0].numpy()
    np.testing.assert_array_equal(ours, label[:, None] == label[None, :])


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_asymmetric_lengths_and_missing_edges(n, seed):
    generator = np.random.default_rng(seed)
    lengths = generator.random((n, n))
    lengths[generator.random((n, n)) < 0.3] = np.inf
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(n))
    graph.add_weighted_edges_from(
        (i, j, lengths[i, j]) for i in range(n) for j in range(n) if np.isfinite(lengths[i, j])
    )
    expected = np.asarray(networkx.floyd_warshall_numpy(graph))
    np.fill_diagonal(expected, 0)
    ours = shortest_distances(torch.from_numpy(lengths)[None])[0].numpy()
    np.testing.assert_allclose(ours, expected)


@pytest.mark.parametrize("cls", EVERY)
def test_sizes_are_uniform_and_padding_is_zero(cls):
    batch = cls().draw(18_000, stream("sizes"))
    counts = torch.bincount(batch.problem.nodes, minlength=11)
    assert counts[:2].tolist() == [0, 0]
    assert (counts[2:] - 2000).abs().max() < 5 * 2000**0.5
    beyond = ~batch.problem.mask
    for tensor in (batch.problem.x, batch.problem.start, batch.target):
        assert tensor[beyond].abs().max() == 0
        assert tensor[~beyond].abs().max() > 0
    assert torch.equal(batch.problem.entries, batch.problem.mask.sum(1))


@pytest.mark.parametrize("cls", EVERY)
def test_a_test_has_exactly_its_size_and_the_difficulty_that_follows(cls):
    task = cls()
    assert task.difficulty_of(10) == "same"
    assert task.difficulty_of(11) == "harder"
    assert (task.test(15, "harder").draw(20, stream("sizes")).problem.nodes == 15).all()
    with pytest.raises(ValueError, match="15 nodes are 'harder', not 'same'"):
        task.test(15, "same")
    with pytest.raises(ValueError, match="size must be a whole number from 2 on, not 1"):
        cls(size=1)


def test_moments():
    edges = torch.cat([torch.from_numpy(x).flatten() for x, _ in graphs(EdgeCopy())])
    assert edges.mean().item() == pytest.approx(0, abs=0.01)
    assert edges.square().mean().item() == pytest.approx(1 / 3, abs=0.01)
    lengths = torch.stack([torch.from_numpy(x) for x, _ in graphs(ShortestPath(5, 5))])
    off = lengths[:, ~torch.eye(5, dtype=torch.bool)]
    assert (lengths == lengths.mT).all()
    assert lengths.diagonal(dim1=1, dim2=2).abs().max() == 0
    assert off.mean().item() == pytest.approx(1, abs=0.02)
    assert off.var().item() == pytest.approx(1 / 6, abs=0.01)  # of a sum of two uniforms


@pytest.mark.parametrize(
    ("task", "chance"),
    [
        (ConnectedComponents(10, 10), 0.05),
        (ConnectedComponents(10, 10, probability=0.2), 0.2),
        (ConnectedComponents(8, 8, mean_degree=2.0), 0.25),
    ],
)
def test_chance_of_an_edge(task, chance):
    edges = np.stack([x for x, _ in graphs(task)])
    error = np.sqrt(chance * (1 - chance) / edges.size)
    assert edges.mean() == pytest.approx(chance, abs=5 * error)


def test_values_that_cannot_be_are_named():
    with pytest.raises(ValueError, match="probability must be at most 1, not 2"):
        ConnectedComponents(probability=2)
    with pytest.raises(ValueError, match="mean_degree must be a positive number, not 0"):
        ConnectedComponents(mean_degree=0)
    assert str(ConnectedComponents(mean_degree=1)) == str(ConnectedComponents(mean_degree=1.0))


@pytest.mark.parametrize(("size", "density"), [(10, 0.30), (15, 0.41), (20, 0.63), (30, 0.88)])
def test_density_of_components_moves_with_the_size(size, density):
    answers = np.stack([y for _, y in graphs(ConnectedComponents(size, size))])
    assert answers.mean() == pytest.approx(density, abs=0.025)


@pytest.mark.parametrize("cls", EVERY)
def test_same_seed_same_bits(cls):
    first, again = (cls().draw(9, stream("seed")).named() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
