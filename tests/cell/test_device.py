"""The word `device`."""

import pytest

from bench.cell import device
from bench.errors import ConfigError, RecipeError
from bench.recipe import Recipe


@pytest.mark.parametrize(
    ("setting", "devices"),
    [
        ("cpu", ("cpu",)),
        ("cpu:3", ("cpu",) * 3),
        ("cuda", ("cuda:0",)),
        ("cuda:1", ("cuda:1",)),
        ("cuda:2,0", ("cuda:2", "cuda:0")),
        ("auto", ("cuda:0",)),
    ],
)
def test_the_word_names_devices(
    monkeypatch: pytest.MonkeyPatch, setting: str, devices: tuple[str, ...]
) -> None:
    monkeypatch.setattr(device, "count_gpus", lambda: 3)
    monkeypatch.setattr(device, "hints_of_gpu", lambda: True)
    assert device.resolve_all(setting) == devices
    assert device.resolve(setting) == devices[0]
    assert device.how_many(setting) == len(devices)


def test_every_gpu_of_a_list_must_be_there() -> None:
    with pytest.raises(ConfigError, match=r"torch sees 2 CUDA devices here \(found: 'cuda:0,2'\)"):
        device.check_gpus("cuda:0,2", 2)


def test_devices_share_a_batch_evenly() -> None:
    device.check_shares(Recipe(batch_size=6), 3)
    device.check_shares(Recipe(batch_size="auto"), 1)
    with pytest.raises(RecipeError, match=r"4 devices can't share a batch evenly.*found: 6.*\n.*say 4"):
        device.check_shares(Recipe(batch_size=6), 4)
    with pytest.raises(RecipeError, match="for one device, not for 2"):
        device.check_shares(Recipe(batch_size="auto"), 2)
