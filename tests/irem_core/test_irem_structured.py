import pytest
import torch

from irem_core.irem_structured import IREMStructured
from irem_core.streams import seeded_parameters, stream
from irem_core.tasks import Addition, Completion, EdgeCopy, Inverse, ShortestPath

TASKS = [Addition(size=3), Completion(size=3), Inverse(size=3), EdgeCopy(4), ShortestPath(4)]


def made(task):
    with seeded_parameters(0):
        method = IREMStructured(task, hidden=6, channels=3, residuals=2, inner_steps=2).double()
    return method, task.draw(4, stream("test"), torch.float64)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_the_gradient_against_finite_differences(task):
    method, batch = made(task)
    landscape, answer = method.energy.at(batch.problem), batch.problem.start
    nudge = 1e-6 * torch.randn(answer.shape, generator=stream("nudge"), dtype=torch.float64)
    nudge = nudge * batch.problem.mask
    rise = landscape(answer + nudge) - landscape(answer - nudge)
    slope = (landscape.gradient(answer) * nudge).sum(dim=1)
    torch.testing.assert_close(slope, rise / 2, rtol=1e-5, atol=1e-12)
    assert not landscape.gradient(answer).requires_grad


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_the_derivative_of_the_loss_against_finite_differences(task):
    method, batch = made(task)
    loss, last = method.loss(batch)
    loss.backward()
    assert last.shape == batch.target.shape
    for parameter in method.parameters():
        with torch.no_grad():
            direction = torch.randn(parameter.shape, generator=stream("way")).double()
            before = parameter.clone()
            losses = [method.loss(batch)[0] for _ in _moved(parameter, before, 1e-6 * direction)]
            parameter.copy_(before)
        slope = (parameter.grad * direction).sum().item()
        assert slope == pytest.approx((losses[0] - losses[1]).item() / 2e-6, rel=1e-3, abs=1e-7)


def _moved(parameter, before, by):
    for sign in (1, -1):
        parameter.copy_(before + sign * by)
        yield sign


def test_the_loss_is_that_of_all_steps():
    method, batch = made(Addition(size=3))
    answers = method.solve(batch.problem, 2).answers[1:]
    errors = (answers - batch.target).square().mean(dim=(1, 2))
    expected = (1 * errors[0] + 2 * errors[1]) / 3
    torch.testing.assert_close(method.loss(batch)[0], expected)


def test_the_energy_is_a_sum_of_squares():
    method, batch = made(ShortestPath(size=4))
    energies = method.solve(batch.problem, 3).energies
    assert (energies >= 0).all()
