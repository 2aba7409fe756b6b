import numpy as np
import pytest
import torch

from benchmarks.landscape import GRID, landscape
from irem_core import IREM, ShortestPath
from irem_core.energy.analytic import QuadraticEnergy
from irem_core.streams import seeded_parameters, stream
from irem_core.types import Problem

# the minimum is at 0; a descent on it goes straight there from (4, 0, 0), with a detour along y
ANSWERS = torch.tensor([[4.0, 0.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)


def around(target=(0.0, 0.0, 3.0)):
    problem = Problem(torch.zeros(1, 3).double(), ANSWERS[:1])
    return landscape(QuadraticEnergy(), problem, ANSWERS, torch.tensor(target).double())


def of(frame, plane, kind):
    return frame[(frame["plane"] == plane) & (frame["kind"] == kind)]


def test_the_principal_plane_holds_the_path():
    path = of(around(), "principal", "path")
    assert path["step"].tolist() == [0, 1, 2]
    distances = np.hypot(path["u"], path["v"])
    np.testing.assert_allclose(distances, [4, 5**0.5, 0], atol=1e-12)
    np.testing.assert_allclose(path["energy"], [8, 2.5, 0], atol=1e-12)


def test_on_the_grid_the_energy_is_that_of_the_place():
    for plane in ("principal", "random"):
        grid = of(around(), plane, "energy")
        assert len(grid) == GRID**2
        # both planes go through the minimum, so the distance in the plane is the distance to it
        np.testing.assert_allclose(grid["energy"], (grid["u"] ** 2 + grid["v"] ** 2) / 2)


def test_the_grid_reaches_beyond_the_path():
    frame = around()
    for axis in "uv":
        path, grid = (of(frame, "principal", kind)[axis] for kind in ("path", "energy"))
        assert grid.min() < path.min() <= path.max() < grid.max()


def test_what_is_not_in_the_plane_is_projected():
    target = of(around(), "principal", "target")
    assert target["energy"].item() == pytest.approx(4.5)
    assert np.hypot(target["u"], target["v"]).item() == pytest.approx(0, abs=1e-12)


def test_random_directions_stay_within_the_nodes_of_a_graph():
    task = ShortestPath(size=4)
    with seeded_parameters(0):
        method = IREM(task, hidden=8).double()
    batch = task.draw(1, stream("test"), torch.float64)
    answers = method.solve(batch.problem, 3).answers[:, 0]
    frame = landscape(method.energy, batch.problem, answers, batch.target[0])
    assert np.isfinite(frame["energy"]).all()
