import math

import pytest
import torch
from torch import nn
from torch.distributions import Categorical, kl_divergence

from baselines.ponder import Ponder, Pondered, geometric_prior
from irem_core.metric import squared_errors
from irem_core.streams import seeded_parameters, stream
from irem_core.tasks import Addition, ShortestPath
from irem_core.types import Batch, Problem


class Says(nn.Module):
    """A network that gives the same answers and logits for every problem."""

    def __init__(self, answers, logits):
        super().__init__()
        self.said = list(zip(answers, logits, strict=True))

    def steps(self, problem):
        for answer, logit in self.said:
            yield Pondered(torch.full_like(problem.start, answer), torch.full((1,), logit))


def saying(answers, logits, **settings):
    method = Ponder(Addition(size=1), hidden=2, inner_steps=len(answers), **settings)
    method.network = Says(answers, logits)
    return method


ZERO = Batch(Problem(torch.zeros(1, 2), torch.zeros(1, 1)), torch.zeros(1, 1))


def test_the_loss_is_the_expectation_of_the_error_not_the_error_of_the_expectation():
    method = saying([1.0, -1.0, 1.0], [0.0, 0.0, 0.0], beta=1e-12)
    loss, answer = method.loss(ZERO)
    assert loss.item() == pytest.approx(1)  # the expected answer is 1/2, its error 1/4
    assert method.error(ZERO).item() == pytest.approx(1)
    assert answer.item() == 1


def test_the_divergence_from_the_prior_by_hand():
    # p = 1/2, 1/4, 1/4 against 1/2, 1/4, 1/8 made to sum to 1: 4/7, 2/7, 1/7
    divergence = 0.5 * math.log(7 / 8) + 0.25 * math.log(7 / 8) + 0.25 * math.log(7 / 4)
    method = saying([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], beta=1.0, prior=0.5)
    assert method.loss(ZERO)[0].item() == pytest.approx(divergence)


@pytest.mark.parametrize(("steps", "probability"), [(1, 0.1), (3, 0.5), (10, 0.1), (50, 0.9)])
def test_the_prior_is_geometric_and_sums_to_one(steps, probability):
    prior = geometric_prior(steps, probability, torch.zeros(1).double()).exp()
    assert prior.sum().item() == pytest.approx(1)
    torch.testing.assert_close(prior[1:], prior[:-1] * (1 - probability))


@pytest.mark.parametrize("size", [1e4, -1e4, 1e8])
def test_saturated_halting_has_a_finite_loss(size):
    loss, _ = saying([1.0, 2.0, 3.0], [size, -size, size]).loss(ZERO)
    assert loss.isfinite()


def test_the_divergence_is_that_of_torch():
    task = ShortestPath(size=5)
    with seeded_parameters(0):
        method = Ponder(task, hidden=8, inner_steps=6, beta=1.0).double()
    batch = task.draw(9, stream("ponder"), torch.float64)
    steps = list(method.unroll(batch.problem, 6))[1:]
    chance = torch.stack([step.halting for step in steps])  # [6, 9]
    reached = torch.cat([torch.ones_like(chance[:1]), (1 - chance).cumprod(dim=0)[:-1]])
    halting = torch.cat([(chance * reached)[:-1], reached[-1:]]).T
    prior = Categorical(logits=geometric_prior(6, 0.1, torch.zeros(1)))
    divergence = kl_divergence(Categorical(halting), prior).mean()
    errors = torch.stack([squared_errors(step.answer, batch) for step in steps]).T  # [9, 6]
    entries = batch.problem.entries
    expected = ((halting * errors).sum(dim=1) * entries).sum() / entries.sum()
    torch.testing.assert_close(method.loss(batch)[0], expected + divergence)
    torch.testing.assert_close(method.error(batch), expected)


def test_the_answer_is_fed_back_on_matrices():
    task = Addition(size=2)
    with seeded_parameters(0):
        method = Ponder(task, hidden=8).double()
    problem = task.draw(3, stream("ponder"), torch.float64).problem
    answers = method.solve(problem, 3).answers
    torch.testing.assert_close(method.solve(problem, 2, start=answers[1]).answers, answers[1:])


@pytest.mark.parametrize("prior", [1.0, 2.0])
def test_a_prior_that_is_no_probability_is_refused(prior):
    with pytest.raises(ValueError, match="prior"):
        Ponder(Addition(size=1), prior=prior)
