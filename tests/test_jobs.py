"""Devices and cores in equal parts."""

import pytest

from bench import jobs
from bench.devices import Devices
from bench.errors import ConfigError
from bench.jobs import Slot, slots


@pytest.mark.parametrize(
    ("device", "number", "cells", "expected"),
    [
        ("cpu", 1, 9, [Slot("cpu", None)]),
        ("cpu", 2, 9, [Slot("cpu", 4)] * 2),
        ("cpu", 3, 9, [Slot("cpu", 2)] * 3),
        ("cpu", "auto", 3, [Slot("cpu", 2)] * 3),
        ("cpu", "auto", 1, [Slot("cpu", None)]),
        ("cpu", "auto", 20, [Slot("cpu", 1)] * 8),
        ("cpu:4", 2, 9, [Slot("cpu:2", 2)] * 2),
        ("cpu:4", 4, 9, [Slot("cpu", 2)] * 4),
        ("cuda:1", 1, 9, [Slot("cuda:1", None)]),
        ("cuda:0,1,2,3", 1, 9, [Slot("cuda:0,1,2,3", None)]),
        ("cuda:0,1,2,3", 2, 9, [Slot("cuda:0,1", 2), Slot("cuda:2,3", 2)]),
        ("cuda:0,3", "auto", 9, [Slot("cuda:0", 4), Slot("cuda:3", 4)]),
        ("auto", 1, 9, [Slot("auto", None)]),
        ("auto", "auto", 9, [Slot("cuda:0", 2), Slot("cuda:1", 2), Slot("cuda:2", 2), Slot("cuda:3", 2)]),
    ],
)
def test_shares(
    device: str, number: jobs.Jobs, cells: int, expected: list[Slot], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight cores and, where the device leaves it open, four GPUs."""
    monkeypatch.setattr(jobs, "may_have_gpu", lambda: True)
    found = slots(Devices.parse(device), number, cells, count_gpus=lambda: 4, cores=8)
    assert list(found) == expected


def test_without_a_gpu_auto_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "may_have_gpu", lambda: False)
    assert slots(Devices.parse("auto"), 2, 9, cores=2) == (Slot("cpu", 1),) * 2


def test_more_jobs_than_cores_have_a_thread_each() -> None:
    assert slots(Devices.parse("cpu"), 3, 9, cores=2) == (Slot("cpu", 1),) * 3


def test_devices_that_can_not_be_shared_equally_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        slots(Devices.parse("cuda:0,1,2,3"), 3, 9, cores=8)
    text = str(caught.value)
    assert "jobs: 4 devices can't be shared equally by 3 trainings at the same time (found: 3)" in text
    assert "use 1 or 2 or 4" in text


def test_the_environment_of_a_slot() -> None:
    assert Slot("cpu", 3).environment == {"OMP_NUM_THREADS": "3"}
    assert Slot("cpu", None).environment == {}
