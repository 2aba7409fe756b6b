from dataclasses import replace

import networkx as nx
import pytest
import torch
from scipy.sparse import coo_array
from torch_geometric.data import Batch, Data
from torch_geometric.utils import from_networkx as data_from_networkx

from baselines.programmatic import Programmatic
from irem_core import IREM
from irem_core.graphs import (
    from_networkx,
    from_scipy_sparse,
    from_torch_geometric,
    to_torch_geometric,
)
from irem_core.streams import seeded_parameters, stream
from irem_core.tasks import ConnectedComponents, EdgeCopy, ShortestPath


def complete(n: int, seed: int = 0) -> Data:
    everyone = torch.arange(n)
    generator = torch.Generator().manual_seed(seed)
    return Data(
        edge_index=torch.cartesian_prod(everyone, everyone).view(-1, 2).T,
        edge_attr=torch.rand(n * n, 1, generator=generator),
        num_nodes=n,
    )


def small_method() -> IREM:
    with seeded_parameters(0):
        return IREM(ShortestPath(), hidden=8)


def test_there_and_back():
    batch = EdgeCopy().draw(7, stream("there"))
    graphs = to_torch_geometric(batch.problem, batch.target)
    again = from_torch_geometric(graphs)
    side = again.side
    assert graphs.num_graphs == 7
    assert torch.equal(again.nodes, batch.problem.nodes)
    for b, n in enumerate(again.nodes):
        theirs = batch.problem.x[b].view(10, 10)[:n, :n]
        assert torch.equal(again.x[b].view(side, side)[:n, :n], theirs)
        assert torch.equal(graphs[b].edge_attr, theirs.reshape(-1, 1))
        assert torch.equal(graphs[b].y, batch.target[b].view(10, 10)[:n, :n].reshape(-1, 1))


def test_a_graph_from_networkx_is_answered():
    graph = nx.complete_graph(5, nx.DiGraph)
    graph.add_edges_from((i, i) for i in range(5))
    for i, j in graph.edges:
        graph.edges[i, j]["length"] = float(10 * i + j)
    data = data_from_networkx(graph, group_edge_attrs=["length"])
    problem = from_torch_geometric(data)
    assert problem.x.view(5, 5)[3, 4] == 34
    answers = small_method().solve(problem, 3).answers
    assert answers.shape == (4, 1, 25)
    assert to_torch_geometric(problem, answers[-1]).y.shape == (25, 1)


def test_the_order_of_edges_does_not_matter():
    data = complete(4)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    shuffled = Data(
        edge_index=data.edge_index[:, order], edge_attr=data.edge_attr[order], num_nodes=4
    )
    assert torch.equal(from_torch_geometric(shuffled).x, from_torch_geometric(data).x)


def test_a_graph_alone_is_answered_as_in_a_batch():
    graphs, method = [complete(n, seed=n) for n in (4, 1, 6)], small_method()
    together = from_torch_geometric(Batch.from_data_list(graphs))
    answers = to_torch_geometric(together, method.solve(together, 4).answers[-1])
    for b, graph in enumerate(graphs):
        alone = from_torch_geometric(graph)
        answer = to_torch_geometric(alone, method.solve(alone, 4).answers[-1])
        torch.testing.assert_close(answer.y, answers[b].y)


def test_one_node_has_one_edge_and_an_answer():
    problem = from_torch_geometric(complete(1))
    assert small_method().solve(problem, 2).answers.isfinite().all()


def test_an_answer_of_another_shape_is_refused():
    problem = from_torch_geometric(complete(3))
    with pytest.raises(ValueError, match=r"answer must be of shape \[1, 9\], not \[1, 4\]"):
        to_torch_geometric(problem, torch.zeros(1, 4))


def test_a_start_beyond_the_nodes_is_no_start():
    problem = EdgeCopy().draw(5, stream("start")).problem
    with seeded_parameters(0):
        method = IREM(EdgeCopy(), hidden=8)
    answers = method.solve(problem, 2, start=torch.ones_like(problem.start)).answers
    assert (answers[:, ~problem.mask] == 0).all()


def changed(**fields) -> Data:
    data = complete(3)
    for name, value in fields.items():
        data[name] = value
    return data


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (changed(edge_attr=None), "edge_attr is missing"),
        (changed(edge_attr=torch.rand(9, 2)), r"edge_attr: one number per edge .* not \[9, 2\]"),
        (changed(edge_attr=torch.full((9, 1), torch.nan)), "edge_attr has entries that are not"),
        (
            Data(edge_index=complete(3).edge_index[:, 1:], edge_attr=torch.rand(8), num_nodes=3),
            r"edge_index: 8 edges are there, but graphs of \[3\] nodes need 9",
        ),
        (changed(edge_index=torch.rand(2, 9)), "edge_index must be of torch.int64"),
        (changed(edge_index=torch.zeros(3, 9)), r"edge_index must be \[2, E\], not \[3, 9\]"),
        (changed(edge_attr=[1.0] * 9), "edge_attr is missing: a tensor"),
        (changed(edge_index=torch.zeros(2, 9, dtype=torch.long)), "edge_index: an edge is there"),
        (changed(edge_index=complete(3).edge_index + 1), "edge_index names nodes that are not"),
        (Data(edge_attr=torch.rand(4), num_nodes=2), "edge_index is missing"),
        (
            Data(edge_index=torch.empty(2, 0, dtype=torch.long), edge_attr=torch.empty(0, 1)),
            "num_nodes: a graph needs at least one node",
        ),
        (
            Data(
                edge_index=torch.empty(2, 0, dtype=torch.long),
                edge_attr=torch.empty(0, 1),
                num_nodes=3,
            ),
            "edge_index: there are no edges",
        ),
        (changed(edge_attr=torch.rand(9, 1).to(torch.complex64)), "edge_attr must be real numbers"),
    ],
)
def test_bad_graphs_are_refused_and_the_field_named(data, said):
    with pytest.raises(ValueError, match=said):
        from_torch_geometric(data)


def a_path(weight=1.0):
    """0 - 1 - 2 and a node alone, the second edge twice as long as the first."""
    graph = nx.Graph()
    graph.add_nodes_from(range(4))
    graph.add_edge(0, 1, weight=weight)
    graph.add_edge(1, 2, weight=2 * weight)
    return graph


def answers(problem, task):
    return task.exact(problem).view(problem.side, problem.side)


def test_a_missing_edge_is_no_way_on_shortest_paths():
    task = ShortestPath()
    for problem in (
        from_networkx(a_path(), task),
        from_scipy_sparse(nx.to_scipy_sparse_array(a_path()), task),
    ):
        found = answers(problem, task)
        assert found[0].tolist() == [0, 1, 3, 7]  # all edges, each both ways, are 6 together
        assert found[2, 3] == 7


def test_a_missing_edge_connects_nothing_and_any_other_does():
    task = ConnectedComponents()
    found = answers(from_networkx(a_path(weight=0.0), task), task)
    assert found[:3, :3].all()
    assert found[3].tolist() == [0, 0, 0, 1]


def test_a_missing_edge_is_copied_as_0():
    found = answers(from_networkx(a_path(weight=-3.0), EdgeCopy()), EdgeCopy())
    assert found[0].tolist() == [0, -3, 0, 0]


def test_shortest_paths_of_sparse_graphs_equal_networkxs():
    graph = nx.gnp_random_graph(12, 0.3, seed=1, directed=True)
    for _, _, edge in graph.edges(data=True):
        edge["weight"] = 0.25
    problem = from_networkx(graph, ShortestPath())
    found = answers(problem, ShortestPath())
    for i, lengths in nx.all_pairs_dijkstra_path_length(graph):
        for j, length in lengths.items():
            assert found[i, j] == length
    unreachable = {(i, j) for i in graph for j in graph} - {
        (i, j) for i, lengths in nx.all_pairs_shortest_path_length(graph) for j in lengths
    }
    longest = 0.25 * graph.number_of_edges() + 1
    assert all(found[i, j] >= longest for i, j in unreachable)


def test_a_stored_zero_is_an_edge_and_entries_stored_twice_are_added():
    matrix = coo_array(([0.0, 1.0, 2.0], ([0, 1, 1], [1, 0, 0])), shape=(2, 2))
    found = from_scipy_sparse(matrix, ShortestPath())
    assert found.x.tolist() == [[0, 0, 3, 0]]


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        (nx.MultiGraph([(0, 1), (0, 1)]), "several edges between two nodes"),
        (nx.Graph([(0, 1, {"weight": -1.0})]), "negative length"),
        (nx.Graph([(0, 1, {"weight": float("inf")})]), "not finite"),
        (nx.Graph([(0, 1, {"weight": float("nan")})]), "NaN as 'weight'"),
        (nx.Graph([(0, 1, {"weight": 1j})]), "edges must have real numbers as 'weight'"),
        (nx.Graph(), "at least one node"),
    ],
)
def test_graphs_that_mean_nothing_are_refused(graph, said):
    with pytest.raises((ValueError, nx.NetworkXError), match=said):
        from_networkx(graph, ShortestPath())


def test_a_stored_nan_is_refused():
    with pytest.raises(ValueError, match="a stored entry is NaN"):
        from_scipy_sparse(coo_array([[0.0, float("nan")], [1.0, 0.0]]), ShortestPath())


def test_a_complex_matrix_is_refused():
    with pytest.raises(ValueError, match=r"real numbers, not torch\.complex128"):
        from_scipy_sparse(coo_array([[1j]]), ShortestPath())


def test_a_matrix_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match="square, not 2 x 3"):
        from_scipy_sparse(coo_array((2, 3)), ShortestPath())


def test_negative_lengths_are_refused_before_they_are_solved():
    problem = ShortestPath(size=3).draw(1, stream("test")).problem
    with pytest.raises(ValueError, match="negative lengths"):
        Programmatic(ShortestPath(size=3)).solve(replace(problem, x=-problem.x), 3)
