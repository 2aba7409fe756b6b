import math
from dataclasses import replace
from itertools import islice

import pytest
import torch

from baselines.ired import IRED, as_normal, cosine_schedule
from irem_core import Addition
from irem_core.streams import seeded_parameters, stream


def made(**settings):
    task = Addition(size=2)
    with seeded_parameters(0):
        method = IRED(task, hidden=6, **settings).double()
    with torch.no_grad():  # levels differ, as after training
        for layer in method.energy.inner:
            layer.of_level.weight.normal_(0, 0.5, generator=stream("levels"))
    return method, task.draw(6, stream("test"), torch.float64)


def test_the_schedule_by_hand():
    """cos² of (t/T + 0.008) / 1.008 of a right angle, over that at 0; the last step loses 0.999."""
    share = [math.cos((t / 4 + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(4)]
    expected = [share[1] / share[0], share[2] / share[0], share[3] / share[0]]
    expected.append(expected[-1] * 0.001)
    assert cosine_schedule(4).tolist() == pytest.approx(expected, rel=1e-6)


def test_what_is_kept_and_what_is_noise_make_up_the_variance():
    energy = made()[0].energy
    torch.testing.assert_close(energy.kept**2 + energy.spread**2, torch.ones(10).double())
    assert (energy.kept.diff() < 0).all()


def test_a_start_is_made_normal():
    start = torch.rand(200_000, generator=stream("start"), dtype=torch.float64) * 2 - 1
    noise = as_normal(start)
    assert noise.mean().item() == pytest.approx(0, abs=0.01)
    assert noise.std().item() == pytest.approx(1, abs=0.01)
    assert (noise**4).mean().item() == pytest.approx(3, abs=0.1)
    assert as_normal(torch.tensor([-1.0, 1.0])).isfinite().all()  # which U(-1, 1) can give


def test_the_gradient_against_finite_differences():
    method, batch = made()
    landscape = method.energy.at_level(batch.problem, torch.tensor([0, 1, 3, 5, 7, 9]))
    way = torch.randn(batch.target.shape, generator=stream("way"), dtype=torch.float64)
    rise = landscape(batch.target + 1e-6 * way) - landscape(batch.target - 1e-6 * way)
    slope = (landscape.gradient(batch.target) * way).sum(dim=1)
    torch.testing.assert_close(slope, rise / 2e-6, rtol=1e-5, atol=1e-8)


def test_the_level_changes_the_energy():
    method, batch = made()
    by_level = [
        method.energy.at_level(batch.problem, torch.full((6,), t))(batch.target) for t in (0, 5)
    ]
    assert not torch.isclose(*by_level).any()


def test_no_step_raises_the_energy_of_a_problem():
    method, batch = made()
    with torch.no_grad():
        method.energy.out.weight.mul_(10)  # more curvature
    landscape = method.energy.at_level(batch.problem, torch.arange(6))
    landscape.step_size = torch.full_like(landscape.step_size, 10.0)  # too large for some
    moved = landscape.lower(batch.target)
    assert (landscape(moved) <= landscape(batch.target)).all()
    stayed = (moved == batch.target).all(dim=1)
    tried = batch.target - 10.0 * landscape.gradient(batch.target)
    assert torch.equal(stayed, landscape(tried) > landscape(batch.target))
    assert stayed.any()
    assert not stayed.all()


def test_a_level_is_a_step_without_noise_then_descents_then_the_next():
    method, batch = made(levels=3, descents=1)
    problem, energy = batch.problem, method.energy
    answers = [step.answer for step in islice(method.unroll(problem, 9), 5)]
    state = as_normal(problem.start)
    expected = [problem.start]
    for level in (1, 0):  # the level of the most noise is left out
        landscape = energy.at_level(problem, torch.full((6,), level))
        state = state - energy.spread[level] * landscape.gradient(state)
        expected.append(state / energy.kept[level])
        state = landscape.lower(state)
        expected.append(state / energy.kept[level])
        state = state / energy.kept[level] * energy.kept[0]
    torch.testing.assert_close(answers, expected)
    assert method.inner_steps == 4
    assert len(list(method.unroll(problem, 9))) == 10  # it goes on at the last level


def test_the_loss_by_hand():
    method, batch = made(levels=2)
    level = torch.tensor([0, 1, 0, 1, 0, 1])
    landscape = method.energy.at_level(batch.problem, level)
    noise = as_normal(batch.problem.start)
    other = noise[[5, 0, 1, 2, 3, 4]]
    said = landscape.gradient(landscape.kept * batch.target + landscape.spread * noise)
    wrong = landscape.kept * batch.target + 3 * landscape.spread * other
    wrong = landscape.lower(landscape.lower(wrong))
    energies = torch.stack(
        [
            landscape(landscape.kept * batch.target + landscape.spread * other),
            landscape(wrong + landscape.spread * other),
        ],
        dim=1,
    )
    contrast = torch.nn.functional.cross_entropy(-energies, torch.zeros(6, dtype=torch.long))
    torch.testing.assert_close(method.loss(batch)[0], ((said - noise) ** 2).mean() + contrast / 2)


def test_the_energy_of_an_answer_is_that_of_the_last_level():
    method, batch = made()
    solved = method.solve(batch.problem, 2)
    last = method.energy.at_level(batch.problem, torch.zeros(6, dtype=torch.long))
    torch.testing.assert_close(solved.energies[2], last(last.kept * solved.answers[2]))


def test_a_start_that_is_no_noise_is_refused():
    method, batch = made()
    with pytest.raises(ValueError, match="a start must be from -1 to 1"):
        method.solve(replace(batch.problem, start=2 + batch.problem.start), 2)


def test_answers_are_not_clamped():
    method, batch = made()
    with torch.no_grad():
        method.energy.out.bias.fill_(30.0)
    assert method.solve(batch.problem, 4).answers.abs().max() > 2
