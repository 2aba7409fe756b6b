import torch
from hypothesis import given
from hypothesis import strategies as st

from irem_core.stopping import energy_stops_falling, lowest, lowest_energy

# columns are problems: falls to the end, rises at once, falls twice then rises and falls lower
ENERGIES = torch.tensor([[5.0, 1.0, 5.0], [4.0, 2.0, 3.0], [3.0, 3.0, 3.0], [2.0, 0.5, 1.0]])


def test_lowest_energy_is_found_anywhere_on_the_way():
    assert lowest_energy(ENERGIES).tolist() == [3, 3, 3]
    assert lowest_energy(ENERGIES[:3]).tolist() == [2, 0, 1]


def test_stopping_at_the_first_step_that_does_not_lower_the_energy():
    assert energy_stops_falling(ENERGIES).tolist() == [3, 0, 1]
    assert energy_stops_falling(ENERGIES[:1]).tolist() == [0, 0, 0]


def test_an_energy_that_is_not_a_number_is_never_the_lowest():
    energies = torch.tensor([[torch.nan, 3.0], [2.0, torch.nan], [torch.nan, 4.0], [5.0, 2.0]])
    assert lowest_energy(energies).tolist() == [1, 3]
    assert lowest(energies, dim=1).tolist() == [1, 0, 1, 1]
    assert energy_stops_falling(energies).tolist() == [0, 0]
    assert lowest(torch.tensor([torch.nan, torch.inf, -torch.inf]), dim=0) == 2


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=10))
def test_energy_falls_up_to_where_it_stops(energies):
    stop = int(energy_stops_falling(torch.tensor(energies)[:, None]))
    way = torch.tensor(energies)[: stop + 2]
    assert (way[1 : stop + 1] < way[:stop]).all()
    assert len(way) == stop + 1 or way[-1] >= way[-2]
