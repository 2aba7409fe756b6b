"""What every method must do on every task that it answers: ``python -m benchmarks.contract``.

The tests run these rules on everything that is registered, and a sweep on what a plugin adds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
import typer
from torch import Tensor
from torch.testing import assert_close

from benchmarks.cli import Plugins, run_command
from benchmarks.errors import UsageError
from benchmarks.inference import USUAL
from benchmarks.registry import (
    ADDED,
    METHODS,
    TASKS,
    expand_methods,
    load_plugins,
    method_settings,
)
from benchmarks.runs import Run
from benchmarks.settings import settings_for
from irem_core.method import Method
from irem_core.streams import stream
from irem_core.types import Batch, Problem, Task

SMALL = {"hidden": 16, "replayed": 8, "stored": 8, "capacity": 32, "batch": 16}
SIZE = 3
MOST = 1000  # steps, of a method that is done by itself, on such small problems
FITTED = 16  # problems of one batch, which a method that can express them learns by heart
UPDATES = 2000  # at most, with each of
RATES = (3e-3, 1e-3, 3e-4)
WIDER = {"hidden": 64}


@dataclass(frozen=True)
class Rule:
    """A sentence that is true of a method on a task, and how to find out.

    check: raises if it is not true.
    applies: whether it has something to say of the method and the task.
    slow: takes seconds, since something is trained.
    cuda: needs a CUDA device.
    """

    sentence: str
    check: Callable[[type[Method], Task], None]
    applies: Callable[[type[Method], Task], bool] = lambda method, task: True
    slow: bool = False
    cuda: bool = False

    def __str__(self) -> str:
        return self.sentence


def tasks() -> list[Task]:
    """Every registered task, small. Raises UsageError for one that cannot be of a size."""
    made = []
    for name, cls in TASKS.items():
        try:
            made.append(cls(size=SIZE))
        except (Exception, SystemExit) as error:  # a plugin's, whatever it does
            raise UsageError(f"The task {name!r} cannot be of size {SIZE}: {error}") from error
    return made


def check_added(methods: Iterable[str]) -> None:
    """Of these methods, check those that plugins added, and all on the tasks that plugins added.

    Raises UsageError naming the rule that is broken. The slow rules are left out.
    """
    for task in tasks():
        if task.name in ADDED:
            _check_task(task)
        for name in methods:
            if name in ADDED or task.name in ADDED:
                check(METHODS[name], task)


def check(method: type[Method], task: Task, slow: bool = False) -> int:
    """How many rules a method keeps on a task; 0 if it does not answer it.

    Raises UsageError naming the first that it breaks.
    """
    kept = 0
    for rule in RULES:
        if (slow or not rule.slow) and (torch.cuda.is_available() or not rule.cuda):
            try:
                if method.answers_task(task) and rule.applies(method, task):
                    rule.check(method, task)
                    kept += 1
            except (Exception, SystemExit) as error:  # whatever a method does, the rule is broken
                said = str(error) or type(error).__name__
                raise UsageError(
                    f"{method.name} on {task} breaks a rule: {rule}. {said}"
                ) from error
    return kept


def _check_task(task: Task) -> None:
    """Raise UsageError if a task does not draw problems as it should."""
    try:
        first, again = problems(task), problems(task)
        shapes = [list(rows.shape) for rows in (first.problem.x, first.problem.start, first.target)]
        expected = [[5, task.n_in], [5, task.n_out], [5, task.n_out]]
        require(shapes == expected, f"x, start and target are of shapes {shapes}, not {expected}.")
        require(bool(first.target.isfinite().all()), "A target is not finite.")
        for name, rows in first.named().items():
            require(identical(rows, again.named()[name]), f"{name}: one stream, two draws.")
        task.check(first.problem)
        task.test(SIZE, task.difficulty_of(SIZE))
    except (Exception, SystemExit) as error:  # whatever a task does wrong
        said = str(error) or type(error).__name__
        raise UsageError(f"The task {task} does not draw as it should: {said}") from error


def make(method: type[Method], task: Task, seed: int = 0, **settings: Any) -> Method:
    """The method untrained, narrow, in float64."""
    layers = [SMALL, settings]
    run = Run(method.name, task, settings_for(method.name, task.domain, layers), seed)
    return run.untrained().double()


def problems(task: Task, count: int = 5) -> Batch:
    """Fresh problems, always the same."""
    return task.draw(count, stream("contract"), torch.float64)


def require(holds: bool, otherwise: str) -> None:
    """Raise AssertionError with ``otherwise`` unless it holds."""
    if not holds:
        raise AssertionError(otherwise)


def identical(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same in every number, those that are none included."""
    return one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)


def same_answers(given: Tensor, expected: Tensor) -> None:
    """Raise AssertionError unless two solves agree; the one that ended goes on with its last."""
    steps = max(len(given), len(expected))
    assert_close(_lengthened(given, steps), _lengthened(expected, steps))


def _lengthened(answers: Tensor, steps: int) -> Tensor:
    return torch.cat([answers, answers[-1:].expand(steps - len(answers), *answers.shape[1:])])


def _settings(method: type[Method], task: Task) -> None:
    """All of them are in one column of the results, from which ``verify`` takes the way to ask."""
    taken = {*method_settings(method), *vars(task)} & {*vars(USUAL)}
    require(not taken, f"There is {', '.join(sorted(taken))} already.")


def _shapes(method: type[Method], task: Task) -> None:
    batch = problems(task)
    trajectory = make(method, task).solve(batch.problem, steps=4)
    count, *shape = trajectory.answers.shape
    require(2 <= count <= 5, f"Of 4 steps it gave {count - 1}.")
    require(
        shape == list(batch.target.shape),
        f"Its answers are of shape {shape}, the targets of {list(batch.target.shape)}.",
    )
    require(
        torch.equal(trajectory.answers[0], batch.problem.start), "answers[0] is not problem.start."
    )
    require(trajectory.answers.dtype == torch.float64, f"It answers in {trajectory.answers.dtype}.")


def _halting(method: type[Method], task: Task) -> None:
    halting = make(method, task).solve(problems(task).problem, steps=4).halting
    if halting is not None:
        require(halting.shape == (5, 5), f"5 problems, 4 steps: of shape {list(halting.shape)}.")
        require(bool(((halting >= 0) & (halting <= 1)).all()), "They are not from 0 to 1.")
        require(bool((halting[0] == 0).all()), "At the start it is not 0.")


def _no_step(method: type[Method], task: Task) -> None:
    problem = problems(task).problem
    answers = make(method, task).solve(problem, 0).answers
    require(len(answers) == 1, f"It gave {len(answers)} answers.")
    require(torch.equal(answers[0], problem.start), "answers[0] is not problem.start.")


def _more_steps(method: type[Method], task: Task) -> None:
    problem, made = problems(task).problem, make(method, task)
    few, many = made.solve(problem, 2).answers, made.solve(problem, 6).answers
    require(identical(few, many[: len(few)]), "The first answers of 6 steps are not those of 2.")


def _seed(method: type[Method], task: Task) -> None:
    problem = problems(task).problem
    first, again = (make(method, task, seed=1).solve(problem, 3).answers for _ in range(2))
    require(identical(first, again), "Made and asked again it answers otherwise.")


def _noise(method: type[Method], task: Task) -> None:
    """Such as dropout that is on in whatever mode."""
    problem, made = problems(task).problem, make(method, task)
    answers = made.solve(problem, 3).answers
    for mode in (True, False):
        again = made.train(mode).solve(problem, 3).answers
        require(identical(again, answers), "Asked again it answers otherwise.")
        require(made.training == mode, "Asking it changes its mode.")


def _permuting(method: type[Method], task: Task) -> None:
    problem, made = problems(task).problem, make(method, task)
    order = torch.tensor([3, 0, 4, 1, 2])
    answers = made.solve(problem, 3).answers
    same_answers(made.solve(problem[order], 3).answers, answers[:, order])
    same_answers(made.solve(problem[2:3], 3).answers, answers[:, 2:3])


def _target(method: type[Method], task: Task) -> None:
    """A method that remembers the targets of its loss answers with them."""
    batch = problems(task)
    misleading = replace(batch, target=1 - batch.target * 2)

    def answers(*shown: Batch) -> Tensor:
        made = make(method, task)
        for each in shown if method.learns else ():
            made.loss(each)
        return made.solve(batch.problem, 3).answers

    if identical(answers(), answers()):  # else it is another rule that is broken
        same = identical(answers(batch), answers(misleading))
        require(same, "Shown other targets, without an update, it answers otherwise.")


def _gradients(method: type[Method], task: Task) -> None:
    """With one seed or another: a unit that is never active has no gradient by chance."""
    made = make(method, task)
    if not method.learns:
        require(made.used_parameters() == 0, "It does not learn but has parameters to train.")
        return
    idle = {name for name, p in made.named_parameters() if p.requires_grad}
    for seed in range(5):
        idle -= _reached(make(method, task, seed), task)
    said = ", ".join(sorted(idle))
    require(not idle, f"No gradient reaches {said}: not trained, so requires_grad=False.")


def _reached(made: Method, task: Task) -> set[str]:
    """Names of the parameters that the loss has a gradient by."""
    trained = {name: p for name, p in made.named_parameters() if p.requires_grad}
    optimiser, reached = torch.optim.Adam(trained.values(), lr=1e-3), set()
    for _ in range(3):  # what starts at 0 may keep gradients from the rest, at first
        optimiser.zero_grad()
        loss, answer = made.loss(problems(task, 16))
        loss.backward()
        shape = list(answer.shape)
        require(shape == [16, task.n_out], f"loss gives answers of shape {shape}.")
        reached |= {n for n, p in trained.items() if p.grad is not None and p.grad.abs().sum() > 0}
        optimiser.step()
    return reached


def _degenerate(method: type[Method], task: Task) -> None:
    one = problems(task.test(SIZE, task.difficulty_of(SIZE)), 1).problem
    for name, matrix in (
        ("zeros", torch.zeros(SIZE, SIZE)),
        ("the identity", torch.eye(SIZE)),
        ("ones", torch.ones(SIZE, SIZE)),
    ):
        x = matrix.double().flatten().repeat(one.x.shape[1] // SIZE**2)[None]
        answers = make(method, task).solve(replace(one, x=x), 3).answers
        require(bool(answers.isfinite().all()), f"Of {name} an answer is not finite.")


def _relabelling(method: type[Method], task: Task) -> None:
    problem, made = problems(task.test(4, "harder")).problem, make(method, task)
    order = torch.tensor([2, 0, 3, 1])

    def relabel(pairs: Tensor) -> Tensor:
        return pairs.unflatten(-1, (4, 4))[..., order, :][..., order].flatten(-2)

    moved = replace(problem, x=relabel(problem.x), start=relabel(problem.start))
    same_answers(made.solve(moved, 3).answers, relabel(made.solve(problem, 3).answers))


def _padding(method: type[Method], task: Task) -> None:
    problem, made = problems(task).problem, make(method, task)
    answers, nodes = made.solve(problem, 3).answers, problem.nodes
    assert nodes is not None
    require(bool((answers.masked_select(~problem.mask) == 0).all()), "Beyond them it is not 0.")
    for b, n in enumerate(nodes.tolist()):

        def alone(pairs: Tensor, b: int = b, n: int = n) -> Tensor:
            return pairs.unflatten(-1, (SIZE, SIZE))[..., b : b + 1, :n, :n].flatten(-2)

        one = Problem(alone(problem.x), alone(problem.start), nodes[b : b + 1])
        same_answers(made.solve(one, 3).answers, alone(answers))


def _ends(method: type[Method], task: Task) -> None:
    made = make(method, task)
    taken = sum(1 for _ in made.unroll(problems(task).problem, MOST + 1)) - 1
    require(taken <= MOST, f"It was not done within {MOST} steps.")


def _fits(method: type[Method], task: Task) -> None:
    reached = []
    for rate in RATES:
        reached.append(_least_share(method, task, rate))
        if reached[-1] <= 0.1:
            return
    raise AssertionError(
        f"With {UPDATES} updates of Adam at learning rates {RATES} and settings {SMALL | WIDER} "
        f"the loss fell to {min(reached):.2g} of what it was."
    )


def _least_share(method: type[Method], task: Task, rate: float) -> float:
    """Of its starting loss, the least that a method reached on one batch; up to a tenth."""
    made, batch = make(method, task, **WIDER), problems(task, FITTED)
    trained = [p for p in made.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=rate)
    losses: list[float] = []
    for _ in range(UPDATES):
        loss, _ = made.loss(batch)
        losses.append(loss.item())
        if losses[-1] <= losses[0] / 10:
            break
        optimiser.zero_grad()
        loss.backward(inputs=trained)
        optimiser.step()
    return min(losses) / losses[0]


def _cuda(method: type[Method], task: Task) -> None:
    problem, made = problems(task).problem, make(method, task)
    expected = made.solve(problem, 3).answers
    there = made.cuda().solve(problem.to("cuda", torch.float64), 3).answers
    same_answers(there.cpu(), expected)


def _on_graphs(method: type[Method], task: Task) -> bool:
    return task.domain == "graph"


RULES = (
    Rule("its settings, and the task's values, have names that no way to ask has", _settings),
    Rule("other targets, shown without an update, change no answer", _target),
    Rule("the same seed gives the same answers", _seed),
    Rule("the noise of training, such as dropout, is in no answer", _noise),
    Rule("answers have the shape of the targets and begin at the start", _shapes),
    Rule("halting probabilities are one number from 0 to 1 per problem and step", _halting),
    Rule("after no step the answer is the start", _no_step),
    Rule("more steps never change earlier ones", _more_steps),
    Rule("permuting problems permutes their answers, and one alone is answered alike", _permuting),
    Rule("gradients reach every parameter that is trained", _gradients),
    Rule("degenerate problems have finite answers", _degenerate),
    Rule("relabelling the nodes relabels the answers", _relabelling, _on_graphs),
    Rule("a graph alone is answered as among larger ones, with zeros beyond", _padding, _on_graphs),
    Rule(
        "a method that ends by itself does so",
        _ends,
        lambda method, task: method.ends,
    ),
    Rule(
        "what it can express it learns: one batch, to a tenth of its starting loss",
        _fits,
        lambda method, task: method.learns and method.can_express(task),
        slow=True,
    ),
    Rule("a CUDA device answers as the CPU does", _cuda, cuda=True),
)


def contract(
    methods: Annotated[
        str | None, typer.Option(help="Names, separated by commas. Default: what the plugins add.")
    ] = None,
    plugins: Plugins = None,
) -> None:
    """Check methods against every rule, the slow ones too.

    Without --methods: those of the plugins on all tasks, and all on the tasks of the plugins.
    """
    load_plugins(plugins)
    if methods is None and not ADDED:
        raise UsageError("There is nothing to check: name --methods or a --plugin that adds some.")
    chosen = METHODS if methods is None else expand_methods(methods.split(","))
    check_added([])  # the tasks of plugins themselves
    for name in chosen:
        of_interest = [t for t in tasks() if methods or name in ADDED or t.name in ADDED]
        kept = [check(METHODS[name], task, slow=True) for task in of_interest]
        if sum(kept):
            print(f"{name}: {sum(kept)} checks on {sum(map(bool, kept))} tasks, every rule is kept")
        elif methods or name in ADDED:
            raise UsageError(f"{name} answers none of {', '.join(t.name for t in of_interest)}.")


if __name__ == "__main__":
    run_command(contract)
