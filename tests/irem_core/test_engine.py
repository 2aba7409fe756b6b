import logging
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from inspect import signature

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from baselines.structured import RecurrentStructured
from benchmarks.contract import tasks
from benchmarks.registry import METHODS
from irem_core import IREM, Addition, ShortestPath
from irem_core.engine import check_engine, train
from irem_core.streams import seeded_parameters
from irem_core.trainer import DivergedError, Trainer, Training

TRAINING = Training(
    train_iterations=6,
    batch=8,
    learning_rate=1e-3,
    validate_every=3,
    validation_problems=8,
    dtype="float64",
)
MATRIX = [task for task in tasks() if task.domain == "matrix"]
LEARNED = [name for name, cls in METHODS.items() if cls.learns and cls.answers_task(MATRIX[0])]


def trainer(cls=IREM, task=MATRIX[0], seed=0, device="cpu", training=TRAINING, **settings):
    if cls is IREM:
        settings = {"hidden": 8, "inner_steps": 3, "replayed": 4, "stored": 3} | settings
        settings = {"capacity": 20, "step_size": 1.0} | settings
    elif "hidden" in signature(cls).parameters:
        settings = {"hidden": 16} | settings
    with seeded_parameters(seed):
        return Trainer(cls(task, **settings), training, seed, device)


def assert_close(one, other, tolerance=1e-10):
    """Of trained parameters and of the curve, in float64."""
    assert [p.update for p in one.curve] == [p.update for p in other.curve]
    losses = [[(p.loss, p.validation_mse) for p in each.curve] for each in (one, other)]
    torch.testing.assert_close(*map(torch.tensor, losses), rtol=tolerance, atol=tolerance)
    theirs = other.method.state_dict()
    for name, tensor in one.method.state_dict().items():
        torch.testing.assert_close(
            tensor.cpu(), theirs[name].cpu(), rtol=tolerance, atol=tolerance, msg=name
        )


@pytest.mark.parametrize("name", LEARNED)
def test_seeds_at_once_are_seeds_in_turn(name):
    together, apart = ([trainer(METHODS[name], seed=s) for s in range(3)] for _ in range(2))
    assert not train(together)
    for own, alone in zip(together, apart, strict=True):
        train([alone])
        assert_close(own, alone)


@pytest.mark.parametrize("name", LEARNED)
def test_seeds_at_once_in_mixed_precision_but_for_rounding(name):
    training = replace(TRAINING, train_iterations=1, dtype="mixed")
    together, apart = (
        [trainer(METHODS[name], seed=s, training=training) for s in range(2)] for _ in range(2)
    )
    train(together)
    for own, alone in zip(together, apart, strict=True):
        train([alone])
        assert own.curve[0].loss == pytest.approx(alone.curve[0].loss, rel=0.01)
        assert own.together == 2


def test_full_backpropagation_of_seeds_at_once():
    together, apart = ([trainer(seed=s, truncated=False) for s in range(2)] for _ in range(2))
    train(together)
    for own, alone in zip(together, apart, strict=True):
        train([alone])
        assert_close(own, alone)


def test_a_seed_that_diverges_costs_the_others_nothing():
    fine, wrong, alone = trainer(seed=0), trainer(seed=1), trainer(seed=0)
    with torch.no_grad():
        wrong.parameters[0].fill_(torch.nan)
    diverged = train([fine, wrong])
    assert list(diverged) == [wrong]
    assert isinstance(diverged[wrong], DivergedError)
    train([alone])
    assert_close(fine, alone)


def test_seeds_that_were_cut_off_apart_meet_again(tmp_path):
    states = [tmp_path / str(seed) for seed in range(2)]

    def cut_off(done):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train([trainer(seed=1)], states=states[1:], progress=cut_off)
    seen = []
    resumed = [trainer(seed=seed) for seed in range(2)]
    resumed[1].load(states[1])
    train(resumed, states=states, progress=seen.append)
    assert seen == [1, 2, 3, 4, 5, 6]  # the first alone up to 3, then both
    for seed, own in enumerate(resumed):
        alone = trainer(seed=seed)
        train([alone])
        assert_close(own, alone)


@pytest.mark.skipif(not any(map(shutil.which, ["c++", "g++", "clang++"])), reason="no compiler")
@pytest.mark.filterwarnings("ignore")  # torch's compiler warns of what it does itself
@pytest.mark.parametrize(
    ("name", "settings"), [("irem", {"inner_steps": 2, "replayed": 0}), ("feedforward", {})]
)
def test_compiled_is_eager_but_for_rounding(name, settings, caplog):
    from torch._dynamo.utils import counters  # a second of imports
    from torch._inductor import config

    counters.clear()
    compiled, eager = (trainer(METHODS[name], **settings) for _ in range(2))
    # loops without vector instructions are compiled in half the time
    slower = config.patch({"cpp.vec_isa_ok": False})
    with caplog.at_level(logging.WARNING, "irem_core"), slower:
        train([compiled], "compiled")
    train([eager])
    assert_close(compiled, eager)
    assert (compiled.engines, eager.engines) == ({"compiled"}, {"eager"})
    assert caplog.messages == []
    assert not counters["graph_break"], "the loss is compiled in pieces"


WITHOUT_COMPILER = """
import torch
from irem_core import IREM, Addition
from irem_core.engine import train
from irem_core.streams import seeded_parameters
from irem_core.trainer import Trainer, Training

def trained(engine):
    with seeded_parameters(0):
        method = IREM(Addition(2), hidden=8, replayed=4, stored=3)
    trainer = Trainer(method, Training(3, 8, dtype="float64"), 0)
    train([trainer], engine)
    assert trainer.engines == {"eager"}
    return method.state_dict()

trained("compiled")
one, other = trained("compiled"), trained("eager")
assert all(torch.equal(one[name], other[name]) for name in one)
"""


def test_without_a_compiler_there_is_one_line_and_the_same_numbers(tmp_path):
    environment = {**os.environ, "CXX": "no-compiler", "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
    environment["TORCHINDUCTOR_CACHE_DIR"] = str(tmp_path)
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_COMPILER]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if "torch.compile is not possible" in line]
    assert len(said) == 1
    assert "No working C++ compiler" in said[0]


class HostReads(TorchDispatchMode):
    """Counts what makes the host wait for the device, which a CUDA graph cannot hold."""

    waiting = ("_local_scalar_dense", "nonzero", "unique", "masked_select", "_linalg_check_errors")

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        if function.overloadpacket.__name__.startswith(self.waiting):
            self.found.append(str(function))
        return function(*arguments, **(named or {}))


@pytest.mark.parametrize("task", MATRIX, ids=lambda task: task.name)
@pytest.mark.parametrize("name", LEARNED)
def test_an_update_never_waits_for_the_device(name, task):
    own = trainer(METHODS[name], task)
    own.update(), own.update()
    with HostReads() as reads:
        own.update()
    # Adam counts its steps on the host where parameters are not on a CUDA device
    assert [read for read in reads.found if "_local_scalar_dense" not in read] == []
    assert len(reads.found) == len(own.parameters)


@pytest.mark.parametrize("task", MATRIX, ids=lambda task: task.name)
@pytest.mark.parametrize("name", LEARNED)
def test_what_an_update_makes_it_makes_on_its_device(name, task):
    own = trainer(METHODS[name], task)
    own.update(), own.update()
    with torch.device("meta"):  # where a tensor lands that is made on no device in particular
        own.update()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("task", MATRIX, ids=lambda task: task.name)
@pytest.mark.parametrize("name", LEARNED)
def test_captured_is_eager(name, task):
    captured, eager = (trainer(METHODS[name], task, device="cuda") for _ in range(2))
    train([captured], "captured")
    train([eager])
    assert_close(captured, eager)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_seeds_at_once_captured():
    together, apart = ([trainer(seed=s, device="cuda") for s in range(3)] for _ in range(2))
    train(together, "captured")
    for own, alone in zip(together, apart, strict=True):
        train([alone])
        assert_close(own, alone)


@pytest.mark.parametrize(
    ("engine", "task", "together", "said"),
    [
        ("fast", Addition(), 1, "engine must be one of eager, compiled, captured, not 'fast'"),
        ("captured", Addition(), 1, "engine captured needs a CUDA device, not cpu"),
        ("compiled", Addition(), 2, "engine compiled trains one run at a time"),
        ("eager", ShortestPath(), 2, "shortest_path: graphs are computed by size"),
        ("compiled", ShortestPath(), 1, "shortest_path: graphs are computed by size"),
    ],
)
def test_what_an_engine_cannot_do_is_said(engine, task, together, said):
    training = Training()
    with pytest.raises(ValueError, match=said):
        check_engine(engine, task, training, "cpu", together)


def test_what_an_engine_cannot_train_is_said():
    with pytest.raises(ValueError, match="engine captured cannot lower the learning rate"):
        check_engine("captured", Addition(), Training(decay=True), "cuda")
    with pytest.raises(ValueError, match="with from_size every update"):
        check_engine("eager", Addition(), Training(from_size=3), together=2)


def test_updates_of_several_sizes_are_trained_one_by_one():
    several = replace(TRAINING, from_size=1)
    task = MATRIX[0]
    runs = [trainer(RecurrentStructured, task, seed=seed, training=several) for seed in (0, 1)]
    for engine, group in (("eager", runs), ("compiled", runs[:1])):
        with pytest.raises(ValueError, match="with from_size every update is of a size of its own"):
            train(group, engine)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"step_size": 2.0}, "rule differs"),
        ({"inner_steps": 5}, "inner_steps differs"),
        ({"replayed": 2}, "replay differs"),
        ({"task": MATRIX[1]}, "task differs"),
        ({"training": replace(TRAINING, learning_rate=1.0)}, "learning_rate differs"),
    ],
)
def test_runs_of_other_settings_are_not_trained_together(other, said):
    with pytest.raises(ValueError, match=said):
        train([trainer(), trainer(**other)])
