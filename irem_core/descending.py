"""What methods have in common whose reasoning is descent on an energy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from irem_core.descent import GradientStep, LearnedStep, descend
from irem_core.method import Method
from irem_core.types import Energy, Problem, Step


class Descending(Method):
    """A method with an energy, and the rule by which its answers descend on it."""

    markov = True
    energy: Energy
    rule: GradientStep | LearnedStep

    def unroll(self, problem: Problem, steps: int) -> Iterator[Step]:
        yield Step(problem.start)
        if steps:  # what there is at the start has cost nothing
            answers = descend(self.energy.at(problem), problem.start, steps, self.rule)
            yield from map(Step, islice(answers, 1, None))
