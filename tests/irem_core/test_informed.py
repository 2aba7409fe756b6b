from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from baselines.iterative import Iterative
from baselines.recurrent import Recurrent
from benchmarks.flops import FlopCounter
from irem_core.energy.analytic import QuadraticEnergy
from irem_core.energy.sums import KnownEntries, SumOfEnergies
from irem_core.informed import informed
from irem_core.irem_structured import IREMStructured
from irem_core.streams import seeded_parameters, stream
from irem_core.tasks import Addition
from irem_core.types import Problem

TASK = Addition(size=2)
NAN = torch.nan


def told(count=3):
    problem = TASK.draw(count, stream("test"), torch.float64).problem
    known = torch.tensor([NAN, 0.5, NAN, -0.25]).double().expand(count, -1)
    return replace(problem, known=known)


def test_energies_are_added_by_hand():
    """1/2 (y - 3)² + 2 (y - 1)², least at (3 + 4) / 5."""
    problem = Problem(torch.tensor([[3.0]]), torch.zeros(1, 1), known=torch.tensor([[1.0]]))
    both = SumOfEnergies((QuadraticEnergy(), KnownEntries(weight=2.0)))
    answer = torch.tensor([[2.0]])
    assert both(problem, answer).tolist() == [0.5 + 2.0]
    assert both.at(problem).gradient(answer).tolist() == [[-1 + 4.0]]
    least = torch.tensor([[7 / 5]])
    torch.testing.assert_close(both.at(problem).gradient(least), torch.zeros(1, 1))


def test_what_is_not_known_has_no_energy():
    problem = told()
    landscape = KnownEntries(weight=3.0).at(problem)
    gradient = landscape.gradient(problem.start)
    assert not gradient[:, [0, 2]].any()
    torch.testing.assert_close(gradient[:, [1, 3]], 6 * (problem.start - problem.known)[:, [1, 3]])


@pytest.mark.parametrize("learned", [True, False])
def test_a_step_by_the_added_energy_alone_leads_to_what_is_known(learned):
    """A small one, that no bound holds; larger ones lead there too, in more steps."""
    with seeded_parameters(0):
        method = IREMStructured(TASK, hidden=4, learned=learned, step_size=0.3).double()
    with torch.no_grad():
        for name, parameter in method.named_parameters():
            parameter.mul_(name.startswith("rule"))  # an energy that is 0 everywhere
    problem = told()
    near = torch.where(problem.known.isnan(), problem.start, problem.known + 1e-4)
    told_method = informed(method)
    step = told_method.rule(near, told_method.energy.at(problem).gradient(near))
    expected = problem.start.where(problem.known.isnan(), problem.known)
    torch.testing.assert_close(step, expected, atol=1e-10, rtol=0)


def test_answers_have_what_is_known_whatever_the_energies_agree_on():
    with seeded_parameters(0):
        method = IREMStructured(TASK, hidden=4).double()
    problem = told()
    answers = informed(method).solve(problem, 3).answers
    known = ~problem.known.isnan()
    assert torch.equal(answers[0], problem.start)
    for answer in answers[1:]:
        assert torch.equal(answer[known], problem.known[known])


def test_steps_go_on_from_what_is_known():
    with seeded_parameters(0):
        method = Iterative(TASK, hidden=4).double()
        torch.nn.init.normal_(method.correction.out.weight)
    problem = told()

    def put(answer):
        return answer.where(problem.known.isnan(), problem.known)

    first = put(method.solve(problem, 1, start=put(problem.start)).answers[1])
    second = put(method.solve(problem, 1, start=first).answers[1])
    answers = informed(method).solve(problem, 2).answers
    torch.testing.assert_close(answers, torch.stack([problem.start, first, second]))


@pytest.mark.parametrize("cls", [IREMStructured, Iterative, Recurrent])
def test_steps_are_taken_as_they_are_asked_for(cls):
    """What a step costs is counted between one and the next."""
    method, problem = informed(cls(TASK, hidden=4).double()), told()
    with FlopCounter() as counter:
        totals = [counter.total for _ in method.unroll(problem, 3)]
    assert totals[0] == 0
    assert all(after > before for before, after in pairwise(totals))


def test_who_does_not_go_on_from_an_answer_takes_note():
    method = Recurrent(TASK, hidden=4).double()
    problem = told()
    before, after = method.solve(problem, 3).answers, informed(method).solve(problem, 3).answers
    known = problem.known.isnan().expand_as(before[1:])
    assert torch.equal(after[1:], before[1:].where(known, problem.known))


def test_what_is_known_must_fit_the_answer():
    method, problem = Iterative(TASK, hidden=4).double(), told()
    with pytest.raises(ValueError, match="known must be of the shape of start"):
        method.solve(replace(problem, known=problem.known[:, :1]), 1)
    with pytest.raises(ValueError, match="known must be finite or nan"):
        method.solve(replace(problem, known=problem.known / 0), 1)


def test_without_known_entries_there_is_nothing_to_tell():
    problem = replace(told(), known=None)
    for method in (IREMStructured(TASK, hidden=4), Iterative(TASK, hidden=4)):
        with pytest.raises(ValueError, match="no entry of the answers is known"):
            informed(method.double()).solve(problem, 1)
