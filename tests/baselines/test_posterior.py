import torch

from baselines.posterior import floor, posterior_mean
from irem_core.streams import stream
from irem_core.tasks import Completion
from irem_core.types import Batch, Problem


def test_the_posterior_mean_by_quadrature():
    """2 x 2 of rank 1, three entries observed: the mean of the fourth by a sum over a grid."""
    task = Completion(size=2, rank=1, amplitude=0.5)
    amplitude, noise = 0.5 * 10**0.5, 0.1
    known = torch.tensor([[0.8, 0.3, 0.5, 0.0]], dtype=torch.float64)
    batch = Batch(Problem(known, torch.zeros_like(known)), torch.zeros_like(known))
    grid = torch.linspace(-5, 5, 401, dtype=torch.float64)
    normal = (-(grid**2) / 2).exp()

    def weight(value):  # of u and v by a row and a column, [U, V]
        return (-(((value - amplitude * grid[:, None] * grid) / noise) ** 2) / 2).exp()

    # of all (u1, u2, v1, v2) the weight is a product over the three entries that are observed
    row, column = weight(0.3) * normal, weight(0.5).T * normal  # [u1, v2] and [v1, u2]
    both = weight(0.8) * normal[:, None] * normal  # [u1, v1]
    total = row.sum(1) @ both @ column.sum(1)
    expected = amplitude * ((row @ grid) @ both @ (column @ grid)) / total
    many = batch[torch.zeros(200, dtype=torch.long)]
    means = posterior_mean(task, many, stream("posterior"), burn_in=100, sweeps=300)
    assert torch.equal(means[0, :3], known[0, :3])
    spread = means[:, 3].std() / 200**0.5
    assert (means[:, 3].mean() - expected).abs() < 4 * spread
    assert spread < 0.02 * expected.abs()


def test_the_floor_is_the_noise_where_all_else_is_known():
    """Rank 1: what is missing is nearly known but for its noise."""
    task = Completion(rank=1).at("harder")
    batch = task.draw(60, stream("floor"), torch.float64)
    estimate = floor(task, batch, stream("gibbs"), chains=3, burn_in=200, sweeps=100)
    noise = task.noise**2 / 2  # half of the entries are missing
    assert 0.9 * noise < estimate.mse < 2 * noise
    assert 0 < estimate.uncertainty < 0.1 * estimate.mse


def test_more_chains_change_the_floor_within_its_uncertainty():
    task = Completion(size=6)
    batch = task.draw(100, stream("floor"), torch.float64)
    few = floor(task, batch, stream("few"), chains=4, burn_in=30, sweeps=30)
    many = floor(task, batch, stream("many"), chains=6, burn_in=100, sweeps=200)
    assert abs(few.mse - many.mse) < 5 * few.uncertainty
    assert many.uncertainty < few.uncertainty
    copied = (batch.problem.x - batch.target).square().mean()
    assert many.mse < copied
