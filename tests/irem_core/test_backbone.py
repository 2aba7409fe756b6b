import math
from dataclasses import replace

import pytest
import torch

from irem_core.backbone import Backbone, PairFeatures
from irem_core.streams import seeded_parameters, stream
from irem_core.tasks import Addition, Completion, ConnectedComponents, EdgeCopy, Inverse
from irem_core.tasks.graph import ShortestPath

N = 5
GRAPHS = [ShortestPath(size=N), ConnectedComponents(size=N), EdgeCopy(size=N)]
MATRICES = [Addition(size=N), Completion(size=N), Inverse(size=N)]


def made(task):
    with seeded_parameters(0):
        return Backbone(task, outputs=3, hidden=8, channels=4).double()


def problem(task, count=4):
    return task.draw(count, stream("test"), torch.float64).problem


def permuted(values, rows, columns):
    """[B, n²] with rows and columns in another order."""
    square = values.unflatten(1, (-1, N, N))
    return square[:, :, rows][..., columns].flatten(1)


def asked(network, problem, answer):
    return network(problem, answer).movedim(-1, 1).flatten(1)  # [B, outputs * n²]


@pytest.mark.parametrize("task", [*GRAPHS, *MATRICES], ids=str)
def test_names_do_not_matter(task):
    """Of nodes; of rows and columns alike in an inverse, apart in the other matrices."""
    network, given = made(task), problem(task)
    if task.domain == "graph":  # all of the same size, so that padding is not permuted
        given = task.test(N, "same").draw(4, stream("test"), torch.float64).problem
    alike = task.domain == "graph" or isinstance(task, Inverse)
    rows = torch.tensor([2, 0, 4, 1, 3])
    columns = rows if alike else torch.tensor([1, 3, 0, 2, 4])
    moved = replace(given, x=permuted(given.x, rows, columns))
    out = asked(network, moved, permuted(given.start, rows, columns))
    expected = permuted(asked(network, given, given.start), rows, columns)
    torch.testing.assert_close(out, expected)


@pytest.mark.parametrize("task", MATRICES, ids=str)
def test_the_same_parameters_fit_any_size(task):
    network, larger = made(task), problem(replace(task, size=N + 2))
    assert network(larger, larger.start).shape == (4, (N + 2) ** 2, 3)


@pytest.mark.parametrize("task", GRAPHS, ids=str)
def test_padding_does_not_matter(task):
    network = made(task)
    small = task.test(3, "same").draw(2, stream("test"), torch.float64).problem

    def padded(values):
        return torch.nn.functional.pad(values.view(2, 3, 3), (0, 2, 0, 2)).flatten(1)

    large = replace(small, x=padded(small.x), start=padded(small.start))
    inside = network(large, large.start).view(2, N, N, 3)
    torch.testing.assert_close(inside[:, :3, :3].flatten(1, 2), network(small, small.start))
    assert not inside[:, 3:].any()
    assert not inside[:, :, 3:].any()


def between(aggregation, y):
    """What the features say of the nodes between, where only the candidate is looked at."""
    features = PairFeatures(4, aggregation).double()
    with torch.no_grad():
        if aggregation == "soft":
            features.log_sharpness.fill_(math.log(40))
        features.first.weight[:] = features.second.weight[:] = torch.tensor([1.0, 0.0])
    return features(y[..., None], y, torch.ones_like(y, dtype=torch.bool))[..., 4:]


def test_a_hard_minimum_is_a_step_of_min_plus_and_a_sum_a_product():
    y = problem(ShortestPath(size=N).test(N, "same")).start.view(-1, N, N)
    ways = y[:, :, :, None] + y[:, None]  # [B, i, k, j]
    hard = between("max", y)
    assert torch.equal(hard[..., 0], ways.amin(dim=2))
    assert torch.equal(hard[..., 1], ways.amax(dim=2))
    torch.testing.assert_close(between("sum", y)[..., 0], y @ y / N)


def test_a_soft_minimum_is_a_logarithm_of_a_sum_of_exponentials():
    """1/s logsumexp_k s (p_ik + q_kj), over the nodes that are there."""
    features = PairFeatures(4).double()
    there = ShortestPath(size=N).draw(6, stream("test"), torch.float64).problem
    y, mask = there.start.view(-1, N, N), there.mask.view(-1, N, N)
    x = there.x.view(-1, N, N, 1)
    both = torch.stack([y, x[..., 0]], dim=-1)
    to, fro = features.first(both), features.second(both)  # [B, i, k, C], [B, k, j, C]
    sharpness = features.sign * features.log_sharpness.exp()
    ways = sharpness * (to[:, :, :, None] + fro[:, None])  # [B, i, k, j, C]
    ways = ways.masked_fill(~mask[:, 0, None, :, None, None], -torch.inf)
    expected = torch.logsumexp(ways, dim=2) / sharpness
    out = features(x, y, mask)[..., 4:]
    torch.testing.assert_close(out[mask], expected[mask])


def test_a_sharp_minimum_is_a_step_of_min_plus():
    y = problem(ShortestPath(size=N).test(N, "same")).start.view(-1, N, N)
    ways = y[:, :, :, None] + y[:, None]  # [B, i, k, j]
    soft = between("soft", y)
    torch.testing.assert_close(soft[..., 0], ways.amin(dim=2), atol=0.05, rtol=0)
    torch.testing.assert_close(soft[..., 1], ways.amax(dim=2), atol=0.05, rtol=0)
