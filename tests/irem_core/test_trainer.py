import json
from dataclasses import replace

import pytest
import torch

from baselines.feedforward import Feedforward
from baselines.structured import RecurrentStructured
from benchmarks.contract import make as make_small
from benchmarks.contract import tasks
from benchmarks.registry import METHODS
from irem_core import IREM, Addition, Completion, ShortestPath
from irem_core.checkpoint import read_tensors, save_method
from irem_core.engine import train
from irem_core.precision import precision
from irem_core.streams import seeded_parameters, stream
from irem_core.trainer import DivergedError, Trainer, Training

TRAINING = Training(
    train_iterations=12, batch=8, learning_rate=1e-3, validate_every=4, validation_problems=16
)


def make(seed=0, cls=IREM, training=TRAINING, **settings):
    if cls is IREM:
        settings = {"inner_steps": 2, "replayed": 4, "stored": 3, "capacity": 10} | settings
    with seeded_parameters(seed):
        return Trainer(cls(Addition(size=2), hidden=8, **settings), training, seed)


def assert_same(one, other):
    assert one.curve == other.curve
    for name, tensor in one.method.state_dict().items():
        assert torch.equal(tensor, other.method.state_dict()[name]), name


@pytest.mark.parametrize("cls", [IREM, Feedforward])
def test_same_seed_same_bits_another_seed_another_run(cls):
    runs = [make(seed, cls) for seed in (0, 0, 1)]
    for trainer in runs:
        train([trainer])
    assert_same(runs[0], runs[1])
    assert runs[0].curve != runs[2].curve


GENTLY = {"decay": True, "clip": 0.5, "average": 0.5}


@pytest.mark.parametrize(
    ("cls", "training"),
    [
        (IREM, TRAINING),
        (Feedforward, TRAINING),
        (IREM, replace(TRAINING, **GENTLY)),
        (RecurrentStructured, replace(TRAINING, **GENTLY, from_size=1)),
    ],
)
def test_a_run_cut_off_in_the_middle_ends_the_same(cls, training, tmp_path):
    whole = make(cls=cls, training=training)
    train([whole])

    def cut_off(done):
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train([make(cls=cls, training=training)], states=[tmp_path / "state"], progress=cut_off)
    resumed = make(cls=cls, training=training)
    resumed.load(tmp_path / "state")
    seen = []
    train([resumed], states=[tmp_path / "state"], progress=seen.append)
    assert seen[0] == 5  # after the validation at 4, not from the start
    assert_same(whole, resumed)


class Dropped(Feedforward):
    """Feedforward with dropout, which draws from torch's global generator in training."""

    def __init__(self, task, *, hidden=8):
        super().__init__(task, hidden=hidden)
        self.dropout = torch.nn.Dropout(0.5)

    def unroll(self, problem, steps):
        for step in super().unroll(problem, steps):
            yield step._replace(answer=self.dropout(step.answer))


def test_a_run_with_dropout_is_validated_without_it_and_ends_the_same_when_cut_off(tmp_path):
    whole = make(cls=Dropped)
    assert whole.validate() == whole.validate()
    assert whole.method.training
    train([whole])
    torch.manual_seed(1)  # whatever was drawn before, also by others in the process

    def cut_off(done):
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train([make(cls=Dropped)], states=[tmp_path / "state"], progress=cut_off)
    resumed = make(cls=Dropped)
    resumed.load(tmp_path / "state")
    train([resumed], states=[tmp_path / "state"])
    assert_same(whole, resumed)


def test_the_first_batch_is_fresh_and_stored_whole_later_ones_as_planned():
    trainer = make()
    stored, add = [], trainer.replay.add
    trainer.replay.add = lambda batch: (stored.append(len(batch)), add(batch))
    trainer.update()
    trainer.update()
    assert stored == [4, 7]  # 4 fresh; then 4 replayed and 3 of 4 fresh


def test_replayed_problems_go_on_from_their_last_answers():
    trainer = make()
    batch = trainer.draw()
    *_, last = trainer.method.unroll(batch.problem, trainer.method.inner_steps)
    trainer.keep(batch, last.answer)
    again = trainer.draw()
    assert len(again) == TRAINING.batch
    for row in range(4):
        origin = (batch.problem.x == again.problem.x[row]).all(1).nonzero().item()
        assert torch.equal(again.problem.start[row], last.answer[origin])
        assert torch.equal(again.target[row], batch.target[origin])


def test_without_replay_every_problem_is_fresh():
    trainer = make(replayed=0)
    assert trainer.replay is None
    trainer.update()
    assert len(trainer.draw()) == TRAINING.batch


def test_the_parameters_of_the_least_validation_error_are_kept(monkeypatch):
    trainer = make()
    snapshots = []
    errors = iter([3.0, 1.0, 2.0])

    def validate():
        snapshots.append({k: v.clone() for k, v in trainer.method.state_dict().items()})
        return next(errors)

    monkeypatch.setattr(trainer, "validate", validate)
    train([trainer])
    assert [point.update for point in trainer.curve] == [4, 8, 12]
    for name, tensor in trainer.method.state_dict().items():
        assert torch.equal(tensor, snapshots[1][name])
        assert not name.endswith("layers.0.weight") or not torch.equal(tensor, snapshots[2][name])


def test_validation_problems_are_the_same_for_every_method_and_seed():
    one, other = make(0, IREM), make(1, Feedforward)
    assert torch.equal(one.validation.problem.x, other.validation.problem.x)
    training = one.method.task.draw(16, stream("train", one.method.task, 0))
    assert not torch.equal(one.validation.problem.x, training.problem.x)


def test_validation_answers_after_as_many_steps_as_training():
    trainer = make()
    *_, last = trainer.method.unroll(trainer.validation.problem, trainer.method.inner_steps)
    expected = (last.answer - trainer.validation.target).square().mean().item()
    assert trainer.validate() == pytest.approx(expected)
    assert trainer.method.inner_steps == 2


def test_making_a_method_leaves_the_random_state_of_others_alone():
    before = torch.get_rng_state()
    make()
    assert torch.equal(torch.get_rng_state(), before)


def test_training_lowers_the_error():
    training = Training(train_iterations=300, batch=64, learning_rate=3e-3, validate_every=100)
    trainer = make(cls=Feedforward, training=training)
    before = trainer.validate()
    train([trainer])
    assert trainer.validate() < before / 10


def test_a_loss_that_is_not_finite_says_where():
    trainer = make(step_size=1e38)
    (error,) = train([trainer]).values()
    assert isinstance(error, DivergedError)
    assert str(error).startswith("irem on addition(size=2), seed 0: at update 1 the loss became")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"batch": 0}, "batch"),
        ({"train_iterations": -1}, "train_iterations"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"average": 1.0}, "average must be less than 1, not 1.0"),
        ({"beta2": 1}, "beta2 must be less than 1, not 1"),
        ({"clip": -1.0}, "clip must be a number from 0 on, not -1.0"),
        ({"dtype": "float16"}, "dtype must be one of float32, float64, mixed, not 'float16'"),
    ],
)
def test_impossible_settings_are_named(settings, said):
    with pytest.raises(ValueError, match=said):
        Training(**settings)


def test_a_batch_too_small_for_its_replayed_problems_is_refused():
    with pytest.raises(ValueError, match="a batch of 8 cannot have 8 replayed"):
        make(replayed=8)


def test_decay_lowers_the_learning_rate_to_nothing():
    trainer, rates = make(training=replace(TRAINING, decay=True)), []
    for _ in range(TRAINING.train_iterations):
        trainer.update()
        rates.append(trainer.optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([1e-3 * (12 - done) / 12 for done in range(12)])


def test_a_gradient_is_scaled_to_the_largest_norm_that_it_may_have(monkeypatch):
    trainer, taken = make(training=replace(TRAINING, clip=0.5)), []
    step = trainer.optimiser.step
    monkeypatch.setattr(
        trainer.optimiser,
        "step",
        lambda: (taken.append([p.grad.clone() for p in trainer.parameters]), step()),
    )
    gradients = [torch.full_like(p, 3.0) for p in trainer.parameters]
    trainer.step(gradients)
    flat = torch.cat([gradient.flatten() for gradient in taken[0]])
    assert flat.norm().item() == pytest.approx(0.5, rel=1e-4)
    assert torch.allclose(flat, flat[0])  # its direction is as it was


def test_the_running_mean_is_what_is_validated_and_kept():
    trainer = make(training=replace(TRAINING, train_iterations=2, average=0.75, validate_every=2))
    seen = [[p.detach().clone() for p in trainer.parameters]]
    for _ in range(2):
        trainer.update()
        seen.append([p.detach().clone() for p in trainer.parameters])
    first, second, third = seen
    assert not any(mean.requires_grad for mean in trainer.mean)  # it would remember every update
    trainer.look(torch.zeros(2))
    names = [name for name, p in trainer.method.named_parameters() if p.requires_grad]
    for name, *each, now in zip(names, first, second, third, trainer.parameters, strict=True):
        mean = 0.75 * (0.75 * each[0] + 0.25 * each[1]) + 0.25 * each[2]
        torch.testing.assert_close(trainer.best[name], mean)
        assert torch.equal(now, each[2])  # training goes on from its own
    trainer.method.load_state_dict(trainer.best)
    assert trainer.validate() == trainer.curve[-1].validation_mse


@pytest.mark.parametrize("task", [Addition(size=5), ShortestPath(size=5)], ids=str)
def test_with_from_size_every_update_is_of_a_size_of_its_own(task):
    trainer = Trainer(RecurrentStructured(task), replace(TRAINING, from_size=3), seed=0)
    drawn = [trainer.draw() for _ in range(30)]
    assert {batch.problem.side for batch in drawn} == {3, 4, 5}
    for batch in drawn:
        assert batch.problem.mask.all()  # graphs too are all of the size


@pytest.mark.parametrize(
    ("cls", "settings", "said"),
    [
        (RecurrentStructured, {"from_size": 3}, "from_size must be at most 2, not 3"),
        (Feedforward, {"from_size": 1}, "feedforward fits matrices of one size"),
    ],
)
def test_sizes_that_cannot_be_trained_on_are_refused(cls, settings, said):
    with pytest.raises(ValueError, match=said):
        make(cls=cls, training=replace(TRAINING, **settings))


def test_problems_of_several_sizes_are_not_replayed():
    method = RecurrentStructured(Addition(size=2), replayed=4, stored=3, capacity=10)
    with pytest.raises(ValueError, match="replayed problems are all of one size"):
        Trainer(method, replace(TRAINING, from_size=1), seed=0)


def test_float64_is_float64_throughout():
    trainer = make(training=Training(train_iterations=1, batch=8, dtype="float64"))
    assert trainer.update().dtype == torch.float64
    assert all(p.dtype == torch.float64 for p in trainer.method.parameters())


def test_a_checkpoint_is_parameters_and_their_configuration(tmp_path):
    trainer = make()
    save_method(tmp_path, trainer.method, {"method": "irem"})
    parameters, about = read_tensors(tmp_path / "method.safetensors")
    assert about == json.loads((tmp_path / "config.json").read_text()) == {"method": "irem"}
    for name, tensor in trainer.method.state_dict().items():
        assert torch.equal(tensor, parameters[name])


def test_completion_trains_too():
    with seeded_parameters(0):
        method = IREM(Completion(size=2), hidden=8, replayed=4, stored=4, capacity=8)
    trainer = Trainer(method, TRAINING, seed=0)
    train([trainer])
    assert len(trainer.curve) == 3


@pytest.mark.parametrize("task", tasks(), ids=lambda task: task.name)
@pytest.mark.parametrize("name", [name for name, cls in METHODS.items() if cls.learns])
def test_mixed_precision_has_the_loss_and_the_gradient_of_float32_but_for_rounding(name, task):
    if not METHODS[name].answers_task(task):
        pytest.skip("not asked")
    batch, found = task.draw(64, stream("mixed")), []
    for dtype in ("float32", "mixed"):
        method = make_small(METHODS[name], task).float()
        with precision(dtype, "cpu"):
            loss, answer = method.loss(batch)
        loss.backward()
        assert (loss.dtype, answer.dtype) == (torch.float32, torch.float32)
        found.append((loss.item(), [p.grad for p in method.parameters() if p.requires_grad]))
    (loss, gradient), (mixed_loss, mixed) = found
    assert mixed_loss == pytest.approx(loss, rel=0.05)
    one, other = (torch.cat([g.flatten() for g in each]) for each in (gradient, mixed))
    assert one.dtype == other.dtype == torch.float32
    assert torch.cosine_similarity(one, other, dim=0) > 0.99


def test_every_seed_trains_on_problems_of_its_own():
    first, second = (make(seed).draw() for seed in (0, 1))
    assert not (first.problem.x == second.problem.x).any()


def test_what_is_stored_are_the_replayed_problems_and_then_fresh_ones():
    trainer = make()
    trainer.update()
    stored, add = [], trainer.replay.add
    trainer.replay.add = lambda batch: (stored.append(batch), add(batch))
    drawn, draw = [], trainer.draw
    trainer.draw = lambda: drawn.append(draw()) or drawn[-1]
    trainer.update()
    assert torch.equal(stored[0].problem.x, drawn[0].problem.x[:7])  # 4 replayed, 3 of 4 fresh


def test_stored_answers_hold_no_graph_of_the_update_that_made_them():
    trainer = make()
    kept = []
    trainer.keep = lambda batch, answer: kept.append(answer)
    trainer.update()
    assert not kept[0].requires_grad


def test_adam_has_the_betas_of_the_training():
    trainer = make(training=replace(TRAINING, beta2=0.9))
    assert trainer.optimiser.param_groups[0]["betas"] == (0.9, 0.9)
