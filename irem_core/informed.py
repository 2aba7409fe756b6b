"""Trained methods that are told entries of the answer, which no training prepared them for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from irem_core.descending import Descending
from irem_core.energy.sums import KnownEntries, SumOfEnergies
from irem_core.method import Method
from irem_core.types import Problem, Step, last


def informed(method: Method) -> Method:
    """The method, told ``problem.known``, as far as it can make use of it."""
    if isinstance(method, Descending):
        return InformedDescent(method)
    return InformedSteps(method) if method.markov else Noting(method)


class InformedDescent(Descending):
    """By adding an energy, whose own minimum is at the entries that are known.

    It weighs so much that by itself a small step of the descent would lead there; what the two
    energies agree on can be elsewhere. Answers are given with the entries that are known.
    """

    name = "informed_descent"

    def __init__(self, method: Descending) -> None:
        super().__init__(method.task)
        self.rule = method.rule
        known = KnownEntries(weight=1 / (2 * method.rule.step_size))
        self.energy = SumOfEnergies((method.energy, known))

    def unroll(self, problem: Problem, steps: int) -> Iterator[Step]:
        yield from _with_known(problem, super().unroll(problem, steps))


class InformedSteps(Method):
    """By setting the entries that are known, before every step and at last."""

    name = "informed_steps"

    def __init__(self, method: Method) -> None:
        super().__init__(method.task)
        self.method = method

    def unroll(self, problem: Problem, steps: int) -> Iterator[Step]:
        yield Step(problem.start)
        answer = with_known(problem, problem.start)
        for _ in range(steps):
            taken = last(self.method.unroll(replace(problem, start=answer), 1)).answer
            answer = with_known(problem, taken)
            yield Step(answer)


class Noting(Method):
    """By setting the entries that are known in its answers, from which nothing follows."""

    name = "noting"

    def __init__(self, method: Method) -> None:
        super().__init__(method.task)
        self.method = method
        self.ends = method.ends  # type: ignore[misc]

    def unroll(self, problem: Problem, steps: int) -> Iterator[Step]:
        yield from _with_known(problem, self.method.unroll(problem, steps))


def _with_known(problem: Problem, taken: Iterator[Step]) -> Iterator[Step]:
    """The steps as they come, the start as it is, answers with the entries that are known."""
    yield next(taken)
    for step in taken:
        yield step._replace(answer=with_known(problem, step.answer))


def with_known(problem: Problem, answer: Float[Tensor, "B n_out"]) -> Float[Tensor, "B n_out"]:
    """The answer with the entries that are known in their places."""
    if problem.known is None:
        raise ValueError("no entry of the answers is known: the problems' known is None")
    return answer.where(problem.known.isnan(), problem.known)
