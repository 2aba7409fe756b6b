import pytest
import torch

from benchmarks.errors import UsageError
from benchmarks.expressions import Below, Call, Expression, Input, Nested
from benchmarks.problems import draw_test_problems
from benchmarks.references import trivial_errors, trivial_errors_of_nested
from irem_core import Addition, ConnectedComponents, Inverse, ShortestPath

N, B = 3, 5


def exactly(task):
    return lambda problem: task.exact(problem)


def nested(text, *tasks, solvers=None):
    solvers = solvers or {task.name: exactly(task) for task in tasks}
    return Nested(text, tasks, solvers, B)


def test_an_expression_is_a_tree():
    parsed = Expression.parse("connected_components(shortest_path(w) < 0.4)")
    path = Call("shortest_path", (Input("w"),))
    assert parsed.root == Call("connected_components", (Below(path, 0.4),))
    assert parsed.task == "connected_components"
    assert parsed.tasks == ["connected_components", "shortest_path"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("addition(a", "cannot be read"),
        ("a", "must be a task"),
        ("addition(a)", "addition takes 2 inputs in an expression, not 1"),
        ("additoin(a, b)", "Did you mean 'addition'"),
        ("completion(a)", "completion has no exact answer"),
        ("addition(a, b + c)", "'b \\+ c' can be no part of an expression"),
        ("addition(a, key=b)", "can be no part of an expression"),
        ("connected_components(w > 0.4)", "can be no part of an expression"),
        ("connected_components(w < nan)", "after < there must be a number, not nan"),
        ("connected_components(w < True)", "after < there must be a number, not True"),
        ("connected_components(w < shortest_path(w))", "after < there must be a number"),
        ("inverse(shortest_path(w))", "a matrix is no graph"),
    ],
)
def test_what_is_no_expression_is_named(text, said):
    with pytest.raises((ValueError, UsageError), match=said):
        Expression.parse(text)


def test_the_text_is_the_same_however_it_is_spaced():
    assert Expression.parse(" addition( _,a )").text == "addition(_, a)"
    assert Expression.parse("connected_components(w < -0.5)").root.inputs[0].threshold == -0.5
    assert Expression.parse("addition(_, a)").repeats
    assert not Expression.parse("addition(a, b)").repeats


def test_it_can_be_applied_very_often():
    assert nested("addition(_, a)", Addition(size=N)).error(1500) == pytest.approx(0, abs=1e-9)


def test_a_sum_of_a_sum_of_a_sum():
    sums = nested("addition(_, a)", Addition(size=N))
    for times in (1, 2, 3):
        batch = sums.batch(times)
        terms = batch.problem.x.view(B, 2, -1)
        torch.testing.assert_close(batch.target, terms.sum(dim=1))
        assert sums.error(times) == pytest.approx(0)
    torch.testing.assert_close(sums.batch(3).problem.x[:, : N * N], sums.batch(2).target)
    assert not torch.equal(sums.batch(2).problem.x[:, N * N :], sums.batch(3).problem.x[:, N * N :])


def test_a_solver_gets_its_own_answer_and_the_target_stays_exact():
    too_much = {"addition": lambda problem: Addition(size=N).exact(problem) + 1}
    sums = nested("addition(_, a)", Addition(size=N), solvers=too_much)
    assert [sums.error(times) for times in (1, 2, 3)] == pytest.approx([1, 4, 9])


def test_as_one_problem_it_has_its_first_input_and_the_exact_answer():
    wrong = {"addition": lambda problem: Addition(size=N).exact(problem) + 1}
    sums = nested("addition(_, a)", Addition(size=N), solvers=wrong)
    for times in (1, 3):
        whole = sums.whole(times)
        torch.testing.assert_close(whole.problem.x, sums.batch(1).problem.x[:, : N * N])
        torch.testing.assert_close(whole.target, sums.batch(times).target)
    both = nested("addition(inverse(s), inverse(t))", Addition(size=N), Inverse(size=N))
    whole = both.whole(1)
    first = Inverse(size=N).exact(whole.problem)
    torch.testing.assert_close(first, both.batch(1).problem.x[:, : N * N])
    other = Nested("addition(_, a)", (Addition(size=N),), wrong, B, "another").whole(1)
    assert not torch.equal(other.problem.x, sums.whole(1).problem.x)


def test_trivial_predictors_are_fitted_to_the_whole():
    """A sum of two inverses: half of it is known as well as an inverse is, half not at all."""
    tasks = (Addition(size=N), Inverse(size=N))
    errors = trivial_errors_of_nested("addition(inverse(s), inverse(t))", tasks, tasks, 2000, 1)
    one = draw_test_problems(Inverse(size=N), 2000)
    alone = trivial_errors(Inverse(size=N), one)
    middle = one.target - one.target.mean(dim=0)
    assert min(errors) == pytest.approx(min(alone) + middle.square().mean().item(), rel=0.1)
    # predictors in the place of both solvers add nothing, or one inverse to none
    parts = [one.target.square().mean().item() * 2]
    assert min(errors) < 0.9 * min(parts)


def test_what_is_before_is_solved_once():
    asked = []

    def solve(problem):
        asked.append(len(problem))
        return Addition(size=N).exact(problem)

    sums = nested("addition(_, a)", Addition(size=N), solvers={"addition": solve})
    for times in (2, 4, 3):
        sums.batch(times)
    assert len(asked) == 3


def test_the_same_name_is_the_same_input():
    twice = nested("addition(a, a)", Addition(size=N)).batch(1).problem.x.view(B, 2, -1)
    assert torch.equal(twice[:, 0], twice[:, 1])


def test_the_inverse_of_an_inverse_is_the_matrix():
    batch = nested("inverse(inverse(s))", Inverse(size=N)).batch(1)
    given = torch.linalg.inv(batch.problem.x.view(B, N, N))
    torch.testing.assert_close(batch.target.view(B, N, N), given)
    assert (given.diagonal(dim1=1, dim2=2) > 0.5).all()  # the ridge


def test_parts_are_inputs_of_their_task():
    batch = nested("addition(inverse(s), t)", Addition(size=N), Inverse(size=N)).batch(1)
    first, second = batch.problem.x.view(B, 2, N, N).unbind(1)
    torch.testing.assert_close(first, first.mT)  # the inverse of a symmetric matrix
    assert second.abs().max() <= 1
    torch.testing.assert_close(batch.target.view(B, N, N), first + second)


def test_components_of_near_nodes():
    tasks = [
        ConnectedComponents(size=6, smallest=6),
        ShortestPath(size=6, smallest=6),
    ]
    batch = nested("connected_components(shortest_path(w) < 0.4)", *tasks).batch(1)
    assert set(batch.problem.x.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(batch.target, tasks[0].exact(batch.problem))


def test_problems_are_the_same_every_time():
    first, again = (nested("addition(a, b)", Addition(size=N)).batch(2) for _ in range(2))
    assert torch.equal(first.problem.x, again.problem.x)
    assert torch.equal(first.problem.start, again.problem.start)
