"""Graph problems: from and to other libraries, and one size at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from irem_core.streams import stream
from irem_core.tasks.matrix import uniform
from irem_core.types import Problem, pair_mask

if TYPE_CHECKING:
    import networkx as nx
    from scipy.sparse import sparray, spmatrix
    from torch_geometric.data import Batch as GraphBatch
    from torch_geometric.data import Data

    from irem_core.tasks.graph import GraphTask

EDGES_AT_ONCE = 2**16  # bounds the memory: some numbers of every edge are kept, as many as hidden


class BySize:
    """The graphs of a problem in groups of one size, so that none is padded.

    Groups are split where they would be too large for the memory.
    """

    def __init__(self, problem: Problem) -> None:
        assert problem.nodes is not None
        self.problem = problem
        self.groups: list[tuple[int, Tensor]] = []  # a number of nodes, and which problems have it
        for n in problem.nodes.unique().tolist():
            of_size = (problem.nodes == n).nonzero().squeeze(1)
            self.groups += [(n, some) for some in of_size.split(max(1, EDGES_AT_ONCE // n**2))]

    def split(self, *answers: Float[Tensor, "B NN"]) -> Iterator[Float[Tensor, "b n n k"]]:
        """The edge values of each group: the inputs, then those of each of ``answers``."""
        side = self.problem.side
        stacked = torch.stack([self.problem.x, *answers], dim=-1).unflatten(1, (side, side))
        for n, some in self.groups:
            yield stacked[some, :n, :n]

    def join(self, results: Iterable[Tensor]) -> Tensor:
        """What each group gave, [b] or [b, n, n], in the order of the problems: [B] or [B, NN].

        Beyond each graph's nodes there are zeros.
        """
        back = torch.cat([some for _, some in self.groups]).argsort()
        return torch.cat([self._padded(result) for result in results])[back]

    def _padded(self, result: Tensor) -> Tensor:
        if result.ndim == 1:
            return result
        missing = self.problem.side - result.shape[1]
        return torch.nn.functional.pad(result, (0, missing, 0, missing)).flatten(1)


def per_size(
    function: Callable[[Float[Tensor, "b n n k"]], Tensor],
    problem: Problem,
    *answers: Float[Tensor, "B NN"],
) -> Tensor:
    """Apply ``function`` to the edge values of graphs of one size at a time; see BySize."""
    by_size = BySize(problem)
    return by_size.join(map(function, by_size.split(*answers)))


def from_torch_geometric(graphs: Data, seed: int = 0) -> Problem:
    """A problem of one's own, from a ``Data`` or a ``Batch`` of complete graphs with self-loops.

    A graph in which edges are missing is to be completed first: ``from_networkx`` and
    ``from_scipy_sparse`` write a missing edge as its task needs it.

    Every ordered pair of nodes of a graph needs one edge, in whatever order, with one number in
    ``edge_attr``. Starts are drawn from U(-1, 1) by ``seed``, for each graph apart, so that a graph
    alone is answered as in a batch. Raises ValueError naming the field that is wrong.
    """
    values = _edge_values(graphs)
    nodes, graph, row, column = _positions(graphs)
    side = int(nodes.max())
    place = (graph * side + row) * side + column
    if len(place.unique()) != len(place):
        raise ValueError("edge_index: an edge is there twice; every ordered pair needs one edge")
    if len(place) != int((nodes**2).sum()):
        raise ValueError(
            f"edge_index: {len(place)} edges are there, but graphs of {nodes.tolist()} nodes need "
            f"{int((nodes**2).sum())}: one for every ordered pair of nodes, self-loops too"
        )
    x = values.new_zeros(len(nodes) * side**2)
    x[place] = values
    starts = [uniform((int(n) ** 2,), stream("start", seed), values.dtype) for n in nodes]
    start = torch.zeros(len(nodes), side**2, dtype=values.dtype)
    start[pair_mask(nodes.cpu(), side)] = torch.cat(starts)
    return Problem(x.view(len(nodes), -1), start.to(x.device), nodes)


def from_networkx(graph: nx.Graph, task: GraphTask, weight: str = "weight") -> Problem:
    """A problem of one's own, from a graph or digraph of NetworkX, in the order of its nodes.

    weight: the edge attribute that holds its number, 1 where an edge has none. How an edge that is
    not there is written depends on the task (``GraphTask.written``). Raises ValueError for several
    edges between two nodes, and as ``GraphTask.written`` does.
    """
    import networkx as nx  # here, because not everyone has it

    if any(value != value for _, _, value in graph.edges(data=weight)):
        raise ValueError(f"an edge has NaN as {weight!r}")
    if graph.is_multigraph():
        raise ValueError("a multigraph has several edges between two nodes: merge them first")
    try:
        values = nx.to_numpy_array(graph, weight=weight, nonedge=math.nan)
    except TypeError as error:
        raise ValueError(f"edges must have real numbers as {weight!r}: {error}") from error
    return _of_one_graph(torch.from_numpy(values), task)


def from_scipy_sparse(matrix: sparray | spmatrix, task: GraphTask) -> Problem:
    """A problem of one's own, from a sparse matrix of SciPy, [n, n].

    What is stored is an edge, a stored 0 too; entries that are stored twice are added, as SciPy
    does. How an edge that is not there is written depends on the task (``GraphTask.written``).
    Raises ValueError for a matrix that is not square, and as ``GraphTask.written`` does.
    """
    rows, columns = matrix.shape
    if rows != columns:
        raise ValueError(f"the matrix of a graph is square, not {rows} x {columns}")
    stored = matrix.tocoo(copy=True)
    stored.sum_duplicates()
    edges = torch.from_numpy(stored.data)
    if edges.is_complex():
        raise ValueError(f"edges must have real numbers, not {edges.dtype}")
    if edges.isnan().any():
        raise ValueError("a stored entry is NaN: leave out what is no edge")
    values = torch.full(matrix.shape, torch.nan, dtype=torch.float64)
    row, column = (torch.from_numpy(place).long() for place in stored.coords)
    values[row, column] = edges.double()
    return _of_one_graph(values, task)


def _of_one_graph(values: Float[Tensor, "n n"], task: GraphTask) -> Problem:
    """values: of every ordered pair of nodes, NaN where there is no edge."""
    edges = task.written(values.double())
    start = uniform((1, edges.numel()), stream("start", 0), edges.dtype)
    return Problem(edges.view(1, -1), start, torch.tensor([len(edges)]))


def to_torch_geometric(problem: Problem, answer: Float[Tensor, "B NN"] | None = None) -> GraphBatch:
    """Graphs of a problem as a ``Batch`` of complete graphs, row by row.

    ``edge_attr`` [E, 1] is the input, ``x`` [V, 1] is zero, ``y`` [E, 1] the answers, if given.
    Raises ValueError for answers of another shape than the problem's.
    """
    from torch_geometric.data import Batch, Data  # here, because they take a second to import

    assert problem.nodes is not None
    if answer is not None and answer.shape != problem.x.shape:
        raise ValueError(
            f"answer must be of shape {list(problem.x.shape)}, not {list(answer.shape)}"
        )
    mask = pair_mask(problem.nodes, problem.side)
    graphs = []
    for b, n in enumerate(problem.nodes.tolist()):
        everyone = torch.arange(n, device=problem.x.device)
        data = Data(
            x=problem.x.new_zeros(n, 1),
            edge_index=torch.cartesian_prod(everyone, everyone).view(-1, 2).T,
            edge_attr=problem.x[b, mask[b], None],
        )
        if answer is not None:
            data.y = answer[b, mask[b], None]
        graphs.append(data)
    return Batch.from_data_list(graphs)


def _edge_values(graphs: Data) -> Float[Tensor, " E"]:
    if not isinstance(graphs.edge_attr, Tensor):
        raise ValueError("edge_attr is missing: a tensor with one number per edge is needed")
    if not isinstance(graphs.edge_index, Tensor):
        raise ValueError("edge_index is missing: every ordered pair of nodes needs an edge")
    _check_index(graphs.edge_index)
    count = graphs.edge_index.shape[1]
    if graphs.edge_attr.numel() != count:
        raise ValueError(
            f"edge_attr: one number per edge is needed, of shape [{count}] or [{count}, 1], "
            f"not {list(graphs.edge_attr.shape)}"
        )
    values = graphs.edge_attr.flatten()
    if values.is_complex():
        raise ValueError(f"edge_attr must be real numbers, not {values.dtype}")
    values = values if values.is_floating_point() else values.to(torch.get_default_dtype())
    if not values.isfinite().all():
        raise ValueError("edge_attr has entries that are not finite")
    return values


def _check_index(index: Tensor) -> None:
    if index.ndim != 2 or len(index) != 2:
        raise ValueError(f"edge_index must be [2, E], not {list(index.shape)}")
    if index.dtype != torch.long:
        raise ValueError(f"edge_index must be of torch.int64, not {index.dtype}")


def _positions(graphs: Data) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Nodes of each graph [G]; graph, row and column of each edge [E]."""
    batch = getattr(graphs, "batch", None)
    if batch is None:
        batch = graphs.edge_index.new_zeros(_count_nodes(graphs))
    total = len(batch)
    nodes = torch.bincount(batch, minlength=getattr(graphs, "num_graphs", 1))
    if total == 0 or not nodes.all():
        raise ValueError("num_nodes: a graph needs at least one node")
    if graphs.edge_index.numel() == 0:
        raise ValueError(
            "edge_index: there are no edges, but every ordered pair of nodes needs one, self-loops "
            "too"
        )
    if graphs.edge_index.min() < 0 or graphs.edge_index.max() >= total:
        raise ValueError(f"edge_index names nodes that are not among the {total} there are")
    source, target = graphs.edge_index
    if not torch.equal(batch[source], batch[target]):
        raise ValueError("edge_index: an edge goes from one graph to another")
    first = nodes.cumsum(0) - nodes  # [G]
    graph = batch[source]
    return nodes, graph, source - first[graph], target - first[graph]


def _count_nodes(graph: Data) -> int:
    """As many as the graph says, else as many as its edges need."""
    if "num_nodes" in graph or graph.x is not None:
        return int(graph.num_nodes or 0)
    return int(graph.edge_index.max()) + 1 if graph.edge_index.numel() else 0
