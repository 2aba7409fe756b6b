from dataclasses import replace

import pytest
import torch

from irem_core.irem_structured import IREMStructured
from irem_core.search import Search, Searching
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


def test_the_loss_can_be_that_of_the_last_step():
    task = Addition(size=3)
    with seeded_parameters(0):
        method = IREMStructured(task, inner_steps=2, all_steps=False).double()
    batch = task.draw(4, stream("test"), torch.float64)
    answer = method.solve(batch.problem, 2).answers[2]
    torch.testing.assert_close(method.loss(batch)[0], (answer - batch.target).square().mean())


@pytest.mark.parametrize("learned", [True, False])
def test_a_step_is_as_large_as_it_is_said(learned):
    task = EdgeCopy(3)
    method = IREMStructured(task, step_size=0.3, learned=learned).double()
    problem = task.draw(4, stream("test"), torch.float64).problem
    step = 0.3 * method.energy.at(problem).gradient(problem.start)
    step = step / (1 + step**2).sqrt() if learned else step
    torch.testing.assert_close(method.solve(problem, 1).answers[1], problem.start - step)
    assert method.rule.step_size == pytest.approx(0.3)
    assert ("rule.log_step_size" in dict(method.named_parameters())) == learned


def test_no_entry_moves_by_more_than_one():
    task = EdgeCopy(3)
    method = IREMStructured(task, step_size=1e6).double()
    problem = task.draw(4, stream("test"), torch.float64).problem
    for asked in (method, Searching(method, Search(step_scale=10))):
        answers = asked.solve(problem, 3).answers
        assert answers.diff(dim=0).abs().max() == pytest.approx(1, abs=1e-6)


def test_a_search_as_it_stands_is_the_descent_of_training():
    method, batch = made(ShortestPath(4))
    torch.testing.assert_close(
        Searching(method, Search(step_scale=1.0)).solve(batch.problem, 4).answers,
        method.solve(batch.problem, 4).answers,
    )


@pytest.mark.parametrize("aggregation", ["max", "sum"])
@pytest.mark.parametrize("form", ["squares", "scalar"])
def test_other_forms_have_gradients_too(form, aggregation):
    task = ShortestPath(size=4)
    with seeded_parameters(0):
        method = IREMStructured(task, hidden=6, form=form, aggregation=aggregation).double()
    batch = task.draw(4, stream("test"), torch.float64)
    landscape, way = method.energy.at(batch.problem), 1e-6 * batch.target
    rise = landscape(batch.problem.start + way) - landscape(batch.problem.start - way)
    slope = (landscape.gradient(batch.problem.start) * way).sum(dim=1)
    torch.testing.assert_close(slope, rise / 2, rtol=1e-4, atol=1e-12)


def test_a_scalar_energy_has_no_lower_bound():
    method = IREMStructured(Addition(size=2), form="scalar").double()
    with torch.no_grad():
        method.energy.residuals.net[-1].bias.fill_(-100.0)
    problem = Addition(size=2).draw(2, stream("test"), torch.float64).problem
    assert (method.energy(problem, problem.start) < 0).all()


def test_unknown_forms_are_named():
    with pytest.raises(ValueError, match="form must be one of squares, scalar, not 'square'"):
        IREMStructured(Addition(), form="square")
    with pytest.raises(ValueError, match="aggregation must be one of soft, max, sum, not 'min'"):
        IREMStructured(ShortestPath(), aggregation="min")


@pytest.mark.parametrize("task", [Addition(size=3), Completion(size=3), Inverse(size=3)], ids=str)
def test_larger_matrices_are_answered_too(task):
    method, _ = made(task)
    larger = task.test(5, "harder").draw(2, stream("larger"), torch.float64).problem
    assert method.solve(larger, 2).answers.shape == (3, 2, 25)
    with pytest.raises(ValueError, match="x must be of shape"):
        method.solve(replace(larger, x=larger.x[:, :-1]), 2)


def test_the_energy_is_a_sum_of_squares():
    method, batch = made(ShortestPath(size=4))
    energies = method.solve(batch.problem, 3).energies
    assert (energies >= 0).all()
