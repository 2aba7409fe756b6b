import networkx as nx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.hardness import hardness
from benchmarks.registry import TASKS
from irem_core.streams import stream
from irem_core.tasks import Addition, Completion, ConnectedComponents, Inverse, ShortestPath
from irem_core.types import Problem


def of(task, *rows, nodes=None):
    x = torch.tensor(rows, dtype=torch.float64).flatten(1)
    start = torch.zeros(len(x), task.n_out, dtype=torch.float64)
    number = hardness(task).of(Problem(x, start, None if nodes is None else torch.tensor(nodes)))
    return number.tolist()


def test_matrices_by_hand():
    assert of(Addition(size=1), [[1.0, -2.0]]) == [2]
    assert of(Completion(size=2), [[1.0, 0.0], [0.3, 0.5]]) == [0.25]
    assert of(Inverse(size=2), [[8.0, 0.0], [0.0, 2.0]]) == pytest.approx([4])


def test_graphs_by_hand():
    # 0 - 1 - 2 in short steps, although there is an edge from 0 to 2
    assert of(ShortestPath(size=3), [[0, 1, 3], [1, 0, 1], [3, 1, 0]], nodes=[3]) == [2]
    assert of(ShortestPath(size=3), [[0, 1, 0], [1, 0, 0], [0, 0, 0]], nodes=[2]) == [1]
    # 0 -> 1 -> 2 apart from 3
    chain = [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert of(ConnectedComponents(size=4), chain, nodes=[4]) == [2]


@given(st.integers(0, 1000))
def test_against_networkx(seed):
    generator = stream("graphs", seed)
    path = ShortestPath(size=7).draw(1, generator, torch.float64).problem
    n = int(path.nodes)
    graph = nx.from_numpy_array(path.x.view(7, 7)[:n, :n].numpy())
    ways = dict(nx.all_pairs_dijkstra_path(graph))
    longest = max(len(way) - 1 for to in ways.values() for way in to.values())
    assert hardness(ShortestPath(size=7)).of(path).item() == longest
    parts = ConnectedComponents(size=7, probability=0.15).draw(1, generator, torch.float64).problem
    n = int(parts.nodes)
    graph = nx.from_numpy_array(parts.x.view(7, 7)[:n, :n].numpy(), create_using=nx.DiGraph)
    graph = graph.to_undirected()
    widest = max(nx.diameter(graph.subgraph(nodes)) for nodes in nx.connected_components(graph))
    assert hardness(ConnectedComponents(size=7)).of(parts).item() == widest


@pytest.mark.parametrize("task", [cls() for cls in TASKS.values()], ids=str)
def test_every_problem_of_every_task_has_a_number(task):
    batch = task.draw(20, stream("hardness"), torch.float64)
    numbers = hardness(task).of(batch.problem)
    assert numbers.shape == (20,)
    assert numbers.isfinite().all()
