import itertools
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from baselines.best_known import BestKnown
from baselines.feedforward import Feedforward
from baselines.ponder import Ponder
from baselines.programmatic import Programmatic
from benchmarks.evaluation import Trace, rows, trace
from benchmarks.flops import FlopCounter
from benchmarks.problems import draw_test_problems, variance_of_answers
from benchmarks.runs import Evaluation
from irem_core import IREM, Addition
from irem_core.engine import train
from irem_core.streams import seeded_parameters, stream
from irem_core.tasks import EdgeCopy, Inverse, ShortestPath
from irem_core.tasks.matrix import Completion, MatrixTask, uniform
from irem_core.trainer import Trainer, Training
from irem_core.types import Batch, Problem, Step

EXACT = BestKnown(0.0, 0.0)

# two problems, three steps; the energy of the second is lowest at its worst answer
ERRORS = np.array([[4.0, 4.0], [2.0, 1.0], [1.0, 9.0], [3.0, 0.5]])
ENERGIES = np.array([[3.0, 3.0], [2.0, 2.0], [1.0, -1.0], [4.0, 0.0]])


def by_hand(energies=ENERGIES, steps=(2, 3)):
    flops, seconds = np.arange(4) * 10.0, np.arange(4) * 0.5
    made = Trace(ERRORS, ERRORS <= 1, energies, flops, seconds, None, energy_flops=3.0)
    return {
        (row["steps"], row["selection"]): row for row in rows(made, Evaluation(2, "same", 2, steps))
    }


def test_rows_by_hand():
    found = by_hand()
    assert found[2, "last"]["mse"] == 5  # (1 + 9) / 2
    assert found[3, "last"]["mse"] == 1.75
    assert found[3, "last"]["solve_rate"] == 0.5
    assert found[3, "last"]["flops"] == 30
    assert found[3, "lowest_energy"]["mse"] == 5  # step 2 for both, after looking at all
    assert found[3, "lowest_energy"]["energy"] == 0
    assert found[3, "lowest_energy"]["steps_used"] == 3


def test_stopping_uses_one_step_more_than_it_answers_with():
    row = by_hand(np.array([[3.0, 3.0], [4.0, 2.0], [1.0, 1.0], [0.0, 0.0]]))[3, "stopped"]
    assert row["mse"] == (4 + 0.5) / 2  # the first stops at once, the second never
    assert row["steps_used"] == (1 + 3) / 2
    assert row["flops"] == 20 + 3  # and the energy of the last answer it looked at


def test_a_method_that_is_done_keeps_its_answer_and_has_no_energy():
    found = by_hand(energies=None, steps=(3, 50))
    assert set(found) == {(3, "last"), (50, "last")}
    assert found[50, "last"]["mse"] == found[3, "last"]["mse"]
    assert found[50, "last"]["steps_used"] == 3
    assert found[3, "last"]["energy"] is None


def test_an_error_that_is_not_finite_is_said():
    errors = ERRORS.copy()
    errors[3, 0] = np.inf
    made = Trace(errors, errors < 1, None, np.arange(4.0), np.arange(4.0), examples=None)
    evaluation = Evaluation(2, "same", 2, (2, 3))
    fine, diverged = rows(made, evaluation)
    assert (fine["status"], fine["error"]) == ("ok", "")
    assert (diverged["status"], "3 steps" in diverged["error"]) == ("diverged", True)


@pytest.mark.parametrize(("last", "status"), [(2.9e6, "ok"), (3.1e6, "diverged")])
def test_an_error_a_million_times_that_of_the_start_is_no_result(last, status):
    """In every number type: float64 is finite up to 1e308."""
    errors = np.array([[2.0, 4.0], [1.0, 3.0], [last, last]])  # 3 at the start
    energies = np.array([[3.0, 3.0], [1.0, 2.0], [2.0, 4.0]])
    made = Trace(errors, errors < 1, energies, np.arange(3.0), np.arange(3.0), examples=None)
    found = {row["selection"]: row for row in rows(made, Evaluation(2, "same", 2, (2,)))}
    assert found["last"]["status"] == status
    assert (
        "more than 1e+06 times that of the start and of a constant within 2 steps"
        in found["last"]["error"]
    ) == (status == "diverged")
    assert found["lowest_energy"]["status"] == found["stopped"]["status"] == "ok"


def test_an_error_is_held_against_the_answers_where_the_start_is_right():
    errors = np.array([[0.0, 0.0], [3e5, 3e5]])
    made = Trace(errors, errors < 1, None, np.arange(2.0), np.arange(2.0), None, variance=1.0)
    assert rows(made, Evaluation(2, "same", 2, (1,)))[0]["status"] == "ok"
    (row,) = rows(replace(made, variance=0.1), Evaluation(2, "same", 2, (1,)))
    assert row["status"] == "diverged"


def test_the_mean_of_errors_that_grow_without_bound_is_infinite():
    errors = np.array([[1.0, 3.0], [1e308, 1e308], [np.nan, 1.0]])
    made = Trace(errors, errors < 1, None, np.arange(3.0), np.arange(3.0), examples=None)
    np.testing.assert_array_equal(made.mean_errors, [2, np.inf, np.nan])


# three steps, halting with 1/2 after each; the second problem surely after the second
HALTING = np.array([[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.5, 0.5]])


def halted_by_hand(steps=(1, 2, 3)):
    flops, seconds = np.arange(4) * 10.0, np.arange(4) * 0.5
    made = Trace(ERRORS, ERRORS <= 1, None, flops, seconds, None, halting=HALTING)
    return {
        (row["steps"], row["selection"]): row for row in rows(made, Evaluation(2, "same", 2, steps))
    }


def test_the_expectation_over_halting_by_hand():
    found = halted_by_hand()
    # problem 1: 1/2 * 2 + 1/4 * 1 + 1/4 * 3 = 2; problem 2: 9
    assert found[3, "halted_expected"]["mse"] == pytest.approx((2 + 9) / 2)
    assert found[3, "halted_expected"]["steps_used"] == pytest.approx((1.75 + 2) / 2)
    assert found[3, "halted_expected"]["flops"] == pytest.approx(10 * (1.75 + 2) / 2)
    assert found[3, "halted_expected"]["solve_rate"] == pytest.approx(0.25 / 2)


def test_the_last_step_of_a_horizon_halts():
    found = halted_by_hand()
    assert found[1, "halted_expected"]["mse"] == pytest.approx((2 + 1) / 2)
    assert found[2, "halted_expected"]["mse"] == pytest.approx((1.5 + 9) / 2)
    for selection in ("halted_expected", "halted_sampled", "halted_mode"):
        assert found[1, selection]["steps_used"] == pytest.approx(1)


def test_the_halting_mode_by_hand():
    row = halted_by_hand()[3, "halted_mode"]
    assert row["mse"] == pytest.approx((2 + 9) / 2)
    assert row["steps_used"] == pytest.approx((1 + 2) / 2)


@pytest.mark.parametrize(("halts", "mse"), [(1.0, 4.0), (0.5, None)], ids=["before", "not before"])
def test_what_grows_without_bound_counts_for_who_has_not_halted_before(halts, mse):
    errors = np.outer([9.0, 4.0, np.inf, np.nan, np.nan], np.ones(2))
    halting = np.outer([0.0, halts, 0.0, np.nan, np.nan], np.ones(2))
    made = Trace(errors, errors < 1, None, np.arange(5.0), np.arange(5.0), None, halting=halting)
    found = rows(made, Evaluation(2, "same", 2, (4,)))
    row = next(each for each in found if each["selection"] == "halted_expected")
    assert row["status"] == ("diverged" if mse is None else "ok")
    assert mse is None or row["mse"] == mse


def test_sampled_halting_is_distributed_as_it_should_be():
    count = 4000
    halting = np.repeat(HALTING[:, :1], count, axis=1)
    errors = np.repeat(np.arange(4.0)[:, None], count, axis=1)  # the step itself
    made = Trace(errors, errors < 1, None, np.arange(4.0), np.arange(4.0), None, halting=halting)
    evaluation = Evaluation(2, "same", count, (2, 3))
    found = {(row["steps"], row["selection"]): row for row in rows(made, evaluation)}
    for steps, mean, deviation in ((2, 1.5, 0.5), (3, 1.75, 0.83)):
        sampled = found[steps, "halted_sampled"]
        assert sampled["mse"] == pytest.approx(mean, abs=4 * deviation / count**0.5)
        assert sampled["steps_used"] == sampled["mse"]
    assert rows(made, evaluation)[2] == found[2, "halted_sampled"]


def test_halting_is_in_the_trace():
    task = Addition(size=2)
    method = Ponder(task, hidden=8).double()
    batch = draw_test_problems(task, 6)
    made = trace(method, batch, 3, variance=2 / 3)
    np.testing.assert_allclose(made.halting, method.solve(batch.problem, 3).halting.numpy())
    frame = made.frame()
    line = frame[(frame["problem"] == 4) & (frame["step"] == 2)].iloc[0]
    assert line["halting"] == pytest.approx(made.halting[2, 4])
    assert frame["energy"].isna().all()


def test_the_trace_of_a_method_that_ends_has_all_its_steps():
    task = Inverse(size=4)
    batch = draw_test_problems(task.at("harder"), 30)
    made = trace(Programmatic(task).double(), batch, 2, variance=1.0)
    assert len(made.errors) > 8
    assert made.errors[-1].max() < 1e-8
    evaluation = Evaluation(4, "harder", 30, (2,))
    unfinished, finished = rows(made, evaluation)
    assert unfinished["steps_used"] == 2
    assert unfinished["mse"] == pytest.approx(made.errors[2].mean())
    assert finished["steps"] == len(made.errors) - 1  # a row for what it needs
    assert finished["mse"] < 1e-8


def test_an_algorithm_is_charged_its_own_rounds():
    # nine nodes are squared three times: a line of them needs it; where every edge is a shortest
    # path the first round says it all, and the second finds that nothing changes
    line, direct = torch.full((9, 9), 99.0), torch.ones(9, 9)
    for i in range(8):
        line[i, i + 1] = line[i + 1, i] = 1
    x = torch.stack([line.fill_diagonal_(0), direct.fill_diagonal_(0)]).flatten(1).double()
    batch = Batch(Problem(x, torch.zeros_like(x), torch.tensor([9, 9])), torch.zeros_like(x))
    made = trace(Programmatic(ShortestPath()), batch, 5, variance=1.0)
    assert made.needed.tolist() == [3, 2]
    (row,) = rows(made, Evaluation(9, "same", 2, (5,)))
    assert row["steps_used"] == 2.5
    assert row["flops"] == pytest.approx((made.flops[3] + made.flops[2]) / 2)


class Starts(Feedforward):
    """Is done at the start."""

    def unroll(self, problem, steps):
        yield Step(problem.start)


def test_a_method_that_is_done_at_the_start_has_that_as_its_answer():
    task = Addition(size=2)
    result = trace(Starts(task, hidden=2), task.draw(5, stream("test")), 3, variance=1.0)
    assert result.needed.tolist() == [0] * 5
    (row,) = rows(result, Evaluation(2, "same", 5, (3,)))
    assert (row["steps_used"], row["status"]) == (0, "ok")
    assert row["mse"] == pytest.approx(result.errors[0].mean())


def test_a_method_that_never_ends_is_named():
    class Endless(Ponder):
        name = "endless"
        ends = True

    with pytest.raises(RuntimeError, match="endless is not done"):
        trace(
            Endless(Addition(size=1), hidden=1).double(), draw_test_problems(Addition(1), 2), 1, 1.0
        )


def test_operations_of_an_algorithm_by_hand():
    n = 5
    task = ShortestPath(size=n, smallest=n)
    made = trace(Programmatic(task), draw_test_problems(task, 3), 1, variance=1.0)
    # a round: n times n² sums and n² minima; and once n² to leave out what is beyond the nodes
    assert np.diff(made.flops)[1:].tolist() == [2 * n**3 + n**2]
    with FlopCounter() as counter:
        torch.linalg.svd(torch.ones(7, 4, 4))
    assert counter.total == 7 * 21 * 4**3


def test_the_trace_is_the_error_after_every_step():
    task = Addition(size=2)
    method = IREM(task, hidden=8).double()
    batch = draw_test_problems(task, 6)
    made = trace(method, batch, 3, variance=2 / 3)
    trajectory = method.solve(batch.problem, 3)
    expected = (trajectory.answers - batch.target).square().mean(dim=2)
    np.testing.assert_allclose(made.errors, expected.numpy())
    np.testing.assert_allclose(made.energies, trajectory.energies.numpy())
    frame = made.frame()
    line = frame[(frame["problem"] == 4) & (frame["step"] == 2)].iloc[0]
    assert line["error"] == pytest.approx(made.errors[2, 4])
    assert line["energy"] == pytest.approx(made.energies[2, 4])
    assert set(made.examples["kind"]) == {"input", "target", "answer"}


def test_operations_are_counted_as_by_hand():
    n_in, n_out, h = 8, 4, 16
    task = Addition(size=2)
    problems = draw_test_problems(task, 2)
    once = trace(Feedforward(task, hidden=h).double(), problems, 5, variance=1)
    relus = 3 * h
    assert once.flops.tolist() == [0, 2 * (n_in * h + h * h + h * h + h * n_out) + relus]
    share = 2 * n_in * h  # of x in the first layer, once
    forward = 2 * (n_out * h + h * h + h * h) + 2 * h  # three products, two swishes
    back = 3 * h + 2 * (h * h + h * h + h * n_out)  # the same backwards, and the third swish
    step = forward + back + n_out  # y - step_size * gradient
    steps = trace(IREM(task, hidden=h).double(), problems, 3, variance=1)
    assert steps.flops.tolist() == [0, *(share + step * t for t in (1, 2, 3))]


def test_sums_and_minima_count_what_they_read():
    matrix = torch.ones(3, 4)
    with FlopCounter() as counter:
        (matrix[:, :, None] + matrix[:, None]).amin(dim=1)  # min-plus
    assert counter.total == 2 * 3 * 4 * 4


def test_seconds_grow_from_zero():
    seconds = trace(
        IREM(Addition(size=2), hidden=8).double(), draw_test_problems(Addition(2), 2), 3, variance=1
    )
    assert seconds.seconds[0] == 0
    assert (np.diff(seconds.seconds) > 0).all()


def test_test_problems_are_always_the_same():
    first, again = draw_test_problems(Addition(3), 4), draw_test_problems(Addition(3), 4)
    assert torch.equal(first.problem.x, again.problem.x)
    other = draw_test_problems(Addition(3).at("harder"), 4)
    assert not torch.allclose(2.5 * first.problem.x, other.problem.x)


@pytest.mark.parametrize("task", [Addition(3), EdgeCopy()])
def test_training_validation_and_test_share_no_problem(task):
    training = Training(batch=16, validation_problems=16, dtype="float64")
    trainer = Trainer(Feedforward(task, hidden=2), training, seed=0)
    drawn = [trainer.draw(), trainer.validation, draw_test_problems(task, 16)]
    for one, other in itertools.combinations(drawn, 2):
        same = (one.problem.x[:, None] == other.problem.x[None]).all(dim=2)
        assert not same.any()


def test_an_energy_that_is_not_finite_is_said():
    energies = ENERGIES.copy()
    energies[3, 1] = np.nan
    found = by_hand(energies)
    assert {row["status"] for row in found.values() if row["steps"] == 3} == {"diverged"}
    assert {row["status"] for row in found.values() if row["steps"] == 2} == {"ok"}


def test_the_variance_is_of_the_answers_at_same_difficulty():
    for task, variance in ((Addition(4), 2 / 3), (Completion(4), 0.035), (EdgeCopy(), 1 / 3)):
        assert variance_of_answers(task) == pytest.approx(variance, rel=0.05)


@dataclass(frozen=True)
class Noise(MatrixTask):
    """An answer that has nothing to do with the input: nobody can be better than 0 everywhere."""

    scale: float = 1.0
    name: ClassVar[str] = "noise"
    difficulty: ClassVar[str] = "scale"
    harder: ClassVar[float] = 2.0

    def _draw(self, count, generator, dtype):
        both = uniform((count, 2, self.size, self.size), generator, dtype, self.scale)
        return both[:, 0], both[:, 1]


@pytest.mark.parametrize("cls", [IREM, Feedforward])
def test_no_method_and_no_selection_beats_the_variance_of_pure_noise(cls):
    task = Noise(size=2)
    training = Training(
        train_iterations=400, batch=64, learning_rate=1e-3, validate_every=20,
        validation_problems=64,
    )  # fmt: skip
    settings = {"replayed": 32, "stored": 32, "capacity": 256} if cls is IREM else {}
    with seeded_parameters(0):
        method = cls(task, hidden=32, **settings)
    train([Trainer(method.double(), training, seed=0)])
    problems = draw_test_problems(task, 4000).to("cpu", torch.float32)
    evaluation = Evaluation(2, "same", 4000, (1, 5, 10, 40))
    best = min(
        rows(trace(method, problems, 40, variance=1 / 3), evaluation),
        key=lambda row: row["mse"],
    )
    # 16,000 entries with a standard deviation of 0.298 of the square: four standard errors
    assert best["mse"] > 1 / 3 - 4 * 0.298 / np.sqrt(16_000)
    assert best["mse"] < 3


def test_hardness_that_nothing_says_stays_unknown_on_disk():
    made = Trace(ERRORS, ERRORS <= 1, None, np.arange(4.0), np.arange(4.0), None)
    assert Trace.from_frame(made.frame()).hardness is None
    known = Trace(ERRORS, ERRORS <= 1, None, *[np.arange(4.0)] * 2, None, hardness=[3.0, 7.0])
    assert Trace.from_frame(known.frame()).hardness.tolist() == [3, 7]


def test_the_first_problems_keep_the_mean_over_all():
    made = Trace(ERRORS, ERRORS <= 1, None, np.arange(4.0), np.arange(4.0), examples=None)
    first = made.first(1)
    assert first.errors.shape == (4, 1)
    np.testing.assert_array_equal(first.mean_errors, [4, 1.5, 5, 1.75])
    np.testing.assert_array_equal(first.first(1).mean_errors, first.mean_errors)
