import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from irem_core.halting import halting_distribution


def test_halting_with_a_half_at_each_of_three_steps():
    halting = halting_distribution(torch.zeros(3, 1)).exp()
    torch.testing.assert_close(halting[:, 0], torch.tensor([0.5, 0.25, 0.25]))


def test_one_step_halts():
    assert halting_distribution(torch.tensor([[-3.0]])).exp() == 1


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=12))
def test_it_is_the_product_of_what_it_says(logits):
    chance = torch.tensor(logits, dtype=torch.float64).sigmoid()
    left, expected = 1.0, []
    for each in chance[:-1].tolist():
        expected.append(left * each)
        left *= 1 - each
    expected.append(left)
    found = halting_distribution(torch.tensor(logits, dtype=torch.float64)[:, None]).exp()[:, 0]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))
    assert found.sum().item() == pytest.approx(1)


@pytest.mark.parametrize("size", [1e4, -1e4, 1e30, -1e30])
def test_saturated_logits_stay_finite_with_their_gradients(size):
    logits = torch.tensor([[size], [-size], [size]], requires_grad=True)
    log_halting = halting_distribution(logits)
    halting = log_halting.exp()
    (halting * log_halting).sum().backward()
    assert halting.sum() == 1
    assert log_halting.isfinite().all()
    assert logits.grad.isfinite().all()


def test_certain_and_impossible_halting_have_their_limits():
    certain = torch.tensor([[0.0], [1.0], [0.5]]).logit()  # as a trace keeps them
    assert halting_distribution(certain).exp()[:, 0].tolist() == [0, 1, 0]
