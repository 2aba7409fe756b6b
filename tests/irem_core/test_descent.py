import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from irem_core.descent import GradientStep, autograd_gradient, descend
from irem_core.energy.analytic import QuadraticEnergy
from irem_core.energy.mlp import MLPEnergy
from irem_core.types import Problem


def quadratic_problem(rows: int = 3, width: int = 4) -> Problem:
    generator = torch.Generator().manual_seed(0)
    x, start = torch.randn(2, rows, width, generator=generator, dtype=torch.float64)
    return Problem(x, start)


def test_one_step_on_half_the_squared_norm():
    problem = Problem(x=torch.zeros(1, 1), start=torch.ones(1, 1))
    _, after = descend(
        QuadraticEnergy().at(problem), problem.start, steps=1, rule=GradientStep(0.1)
    )
    assert after.item() == pytest.approx(0.9)


@given(curvature=st.floats(0.1, 3), step_size=st.floats(0.01, 0.6), steps=st.integers(0, 12))
def test_errors_on_a_quadratic_energy_are_known(curvature, step_size, steps):
    problem = quadratic_problem()
    answers = list(
        descend(
            QuadraticEnergy(curvature).at(problem), problem.start, steps, GradientStep(step_size)
        )
    )
    factor = 1 - step_size * curvature
    assert len(answers) == steps + 1
    for t, answer in enumerate(answers):
        expected = problem.x + factor**t * (problem.start - problem.x)
        torch.testing.assert_close(answer, expected)


def test_the_start_is_the_first_answer_and_is_left_as_it_was():
    problem = quadratic_problem()
    before = problem.start.clone()
    first, *_ = descend(QuadraticEnergy().at(problem), problem.start, 3, GradientStep(0.1))
    assert first is problem.start
    assert torch.equal(problem.start, before)
    assert not problem.start.requires_grad


def test_more_steps_never_change_earlier_answers():
    energy, problem = MLPEnergy(4, 4, hidden=8).double(), quadratic_problem()
    few = list(descend(energy.at(problem), problem.start, 2, GradientStep(1.0)))
    many = list(descend(energy.at(problem), problem.start, 7, GradientStep(1.0)))
    assert all(torch.equal(a, b) for a, b in zip(few, many, strict=False))


def test_energy_gradient_against_finite_differences():
    energy, problem = MLPEnergy(4, 4, hidden=8).double(), quadratic_problem()
    assert torch.autograd.gradcheck(
        lambda answer: energy(problem, answer), problem.start.clone().requires_grad_()
    )
    gradient = energy.at(problem).gradient(problem.start)
    nudge = 1e-6 * torch.randn_like(problem.start)
    rise = energy(problem, problem.start + nudge) - energy(problem, problem.start - nudge)
    torch.testing.assert_close((gradient * nudge).sum(1), rise / 2, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("energy", [MLPEnergy(4, 4, hidden=8).double(), QuadraticEnergy(0.3)])
def test_the_gradient_without_autograd_is_the_one_with_it(energy):
    problem = quadratic_problem()
    by_hand = energy.at(problem).gradient(problem.start)
    assert not by_hand.requires_grad
    torch.testing.assert_close(
        by_hand,
        autograd_gradient(energy.at(problem), problem.start).detach(),
        rtol=1e-12,
        atol=1e-14,
    )


@pytest.mark.parametrize("keep", [True, False])
def test_steps_keep_their_graph_when_asked(keep):
    energy, problem = MLPEnergy(4, 4, hidden=8).double(), quadratic_problem()
    answers = list(descend(energy.at(problem), problem.start, 3, GradientStep(1.0), keep))
    assert [answer.requires_grad for answer in answers] == [False, keep, keep, keep]


@pytest.mark.parametrize("steps", [0, 1, 7])
@pytest.mark.parametrize("energy", [MLPEnergy(4, 4, hidden=8).double(), QuadraticEnergy(0.3)])
def test_a_leap_ends_where_the_steps_do(energy, steps):
    problem, rule = quadratic_problem(), GradientStep(2.0)
    landscape = energy.at(problem)
    *_, last = descend(landscape, problem.start, steps, rule)
    leapt = landscape.leap(problem.start, steps, rule)
    assert not leapt.requires_grad
    torch.testing.assert_close(leapt, last, rtol=1e-12, atol=1e-14)


def test_the_closed_form_is_differentiated_as_autograd_does():
    """The derivative of a loss on dE/dy, by y and by every parameter, twice through autograd."""
    energy, problem = MLPEnergy(4, 4, hidden=8).double(), quadratic_problem()
    weights = torch.linspace(-1, 2, problem.start.numel()).view_as(problem.start)
    trained = [p for p in energy.parameters() if p.requires_grad]
    found = []
    for by_hand in (True, False):
        answer, landscape = problem.start.clone().requires_grad_(), energy.at(problem)
        gradient = (
            landscape.gradient(answer, keep_graph=True)
            if by_hand
            else autograd_gradient(landscape, answer)
        )
        loss = (gradient * weights).square().sum()
        found.append(torch.autograd.grad(loss, [answer, *trained]))
    for ours, autograds in zip(*found, strict=True):
        torch.testing.assert_close(ours, autograds, rtol=1e-10, atol=1e-12)
