from functools import partial

import pytest
import torch
from torch.func import functional_call
from torch.nn.functional import mse_loss

from irem_core import IREM, Addition, ShortestPath
from irem_core.descent import GradientStep, autograd_gradient, descend
from irem_core.streams import seeded_parameters, stream


def small_method(**settings):
    with seeded_parameters(0):
        method = IREM(Addition(size=2), hidden=8, inner_steps=3, step_size=5.0, **settings)
    return method.double()


def small_batch():
    return Addition(size=2).draw(6, stream("test"), torch.float64)


def loss_at(method, parameters, batch, truncated):
    """The objective written down a second time, as a function of the parameters alone.

    Truncated: the answers before the last step are those of the method's own parameters.
    """

    class Landscape:
        def gradient(self, answer, keep_graph=False):
            energy = partial(functional_call, method.energy, parameters)
            return autograd_gradient(lambda y: energy((batch.problem, y)), answer).detach()

    landscape, rule, start = Landscape(), GradientStep(5.0), batch.problem.start
    if truncated:
        *_, before = descend(method.energy.at(batch.problem), start, 2, rule)
        last = rule(before, landscape.gradient(before))
    else:
        *_, last = descend(landscape, start, 3, rule)
    return mse_loss(last, batch.target).item()


@pytest.mark.parametrize("truncated", [True, False])
def test_gradient_of_the_loss_against_finite_differences(truncated):
    method, batch = small_method(truncated=truncated), small_batch()
    loss, answer = method.loss(batch)
    loss.backward()
    parameters = {k: p.detach() for k, p in method.energy.named_parameters()}
    assert loss.item() == pytest.approx(loss_at(method, parameters, batch, truncated))
    assert answer.shape == batch.target.shape
    for name, parameter in method.energy.named_parameters():
        if not parameter.requires_grad:
            continue
        nudge = torch.randn(parameter.shape, dtype=torch.float64) * 1e-5
        up = loss_at(method, parameters | {name: parameter.detach() + nudge}, batch, truncated)
        down = loss_at(method, parameters | {name: parameter.detach() - nudge}, batch, truncated)
        assert (parameter.grad * nudge).sum().item() == pytest.approx((up - down) / 2, rel=1e-5)


def test_the_energy_is_the_published_network():
    energy, problem = small_method().energy, small_batch().problem
    hidden = torch.cat([problem.start, problem.x], dim=1)
    for layer in energy.layers:
        pre = hidden @ layer.weight.T + layer.bias
        hidden = pre / (1 + torch.exp(-pre))  # swish
    expected = hidden @ energy.out.weight[0] + energy.out.bias
    torch.testing.assert_close(energy(problem, problem.start), expected)
    assert [layer.weight.shape for layer in energy.layers] == [(8, 12), (8, 8), (8, 8)]


def test_a_problem_of_another_type_is_refused():
    with pytest.raises(ValueError, match=r"torch.float64.*the problem torch.float32"):
        small_method().solve(Addition(size=2).draw(1, stream("test")).problem, 1)


def test_truncated_and_full_gradients_differ():
    gradients = []
    for truncated in (True, False):
        method = small_method(truncated=truncated)
        loss, _ = method.loss(small_batch())
        loss.backward()
        gradients.append(method.energy.layers[0].weight.grad)
    assert not torch.allclose(*gradients)


def test_a_loss_per_problem_weighs_small_graphs_as_much_as_large_ones():
    with seeded_parameters(0):
        method = IREM(ShortestPath(), hidden=8, inner_steps=2, loss_per_problem=True).double()
    batch = ShortestPath().draw(6, stream("test"), torch.float64)
    loss, answer = method.loss(batch)
    assert len(batch.problem.nodes.unique()) > 1
    each = [
        mse_loss(y.view(10, 10)[:n, :n], target.view(10, 10)[:n, :n])
        for y, target, n in zip(answer, batch.target, batch.problem.nodes, strict=True)
    ]
    torch.testing.assert_close(loss, torch.stack(each).mean())


def test_every_parameter_but_the_last_bias_is_trained():
    method = small_method()
    loss, _ = method.loss(small_batch())
    loss.backward()
    trained = [p for p in method.parameters() if p.requires_grad]
    assert all(p.grad.abs().sum() > 0 for p in trained)
    assert method.used_parameters() == sum(p.numel() for p in method.parameters()) - 1


def test_energies_belong_to_their_answers():
    method, batch = small_method(), small_batch()
    trajectory = method.solve(batch.problem, steps=4)
    assert trajectory.answers.shape == (5, 6, 4)
    for answer, energy in zip(trajectory.answers, trajectory.energies, strict=True):
        torch.testing.assert_close(energy, method.energy(batch.problem, answer).detach())


def test_another_start_can_be_given():
    method, batch = small_method(), small_batch()
    start = torch.zeros_like(batch.problem.start)
    assert torch.equal(method.solve(batch.problem, 2, start=start).answers[0], start)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hidden": 0}, "hidden"),
        ({"inner_steps": 0}, "inner_steps"),
        ({"step_size": -1.0}, "step_size"),
        ({"replayed": -1}, "replayed"),
    ],
)
def test_impossible_settings_are_named(settings, said):
    with pytest.raises(ValueError, match=said):
        IREM(Addition(size=2), **settings)


def test_a_problem_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"x must be of shape \[1, 8\], not \[1, 18\]"):
        small_method().solve(Addition(size=3).draw(1, stream("test")).problem, 1)
    with pytest.raises(ValueError, match="steps must be 0 or more, not -1"):
        small_method().solve(small_batch().problem, -1)
