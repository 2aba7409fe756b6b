import torch

from benchmarks.memory import PeakMemory

KILO = 250  # float32 numbers in a thousand bytes


def test_the_peak_is_of_what_lives_at_once():
    with PeakMemory() as memory:
        first = torch.zeros(1 * KILO)
        second = first + 1  # 2 kB
        del first
        third = second.repeat(3)  # 1 + 3 kB
        del second, third
        torch.zeros(2 * KILO)
    assert memory.peak == 4000
    assert memory.now == 0


def test_views_and_changes_in_place_take_nothing():
    with PeakMemory() as memory:
        numbers = torch.zeros(KILO)
        numbers.view(2, -1)[0].add_(1)
    assert memory.peak == 1000


def test_what_was_there_before_does_not_count():
    before = torch.zeros(KILO)
    with PeakMemory() as memory:
        before.mul_(2)
        before[:10]
    assert memory.peak == 0


def test_what_autograd_keeps_counts():
    numbers = torch.ones(KILO, requires_grad=True)
    with PeakMemory() as memory:
        kept = numbers.exp().exp()
        assert memory.now == 2000
        kept.sum().backward()
    assert memory.peak > 2000
