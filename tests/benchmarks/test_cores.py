import pytest

from benchmarks import cores
from benchmarks.errors import UsageError
from benchmarks.sweep import default_jobs


@pytest.mark.parametrize(("text", "threads"), [("3", 3), (" 2 ", 2), ("4,2", 4), (None, 1)])
def test_threads_are_those_of_openmp_or_one(text, threads, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if text is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert cores.default_threads() == threads


@pytest.mark.parametrize("text", ["", "0", "many", "-1"])
def test_a_number_of_threads_that_cannot_be_is_named(text, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    with pytest.raises(UsageError, match="OMP_NUM_THREADS must be a whole number from 1 on"):
        cores.default_threads()


@pytest.mark.parametrize(("usable", "threads", "jobs"), [(8, 1, 8), (8, 3, 2), (2, 4, 1)])
def test_jobs_fill_the_cores(usable, threads, jobs, monkeypatch):
    monkeypatch.setattr("benchmarks.sweep.cores", lambda: usable)
    assert default_jobs("cpu", threads) == jobs


def test_a_cuda_device_has_one_job(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert default_jobs("cuda", 1) == 3
