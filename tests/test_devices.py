"""The option `device`."""

import sys
from pathlib import Path

import pytest

from bench import devices
from bench.devices import Devices
from bench.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("cpu", ("cpu",)),
        ("cpu:3", ("cpu",) * 3),
        ("cuda", ("cuda:0",)),
        ("cuda:1", ("cuda:1",)),
        ("cuda:2,0", ("cuda:2", "cuda:0")),
        ("auto", ("cuda:0",)),
    ],
)
def test_single_devices(monkeypatch: pytest.MonkeyPatch, text: str, resolved: tuple[str, ...]) -> None:
    monkeypatch.setattr(devices, "count_gpus_here", lambda: 3)
    monkeypatch.setattr(devices, "may_have_gpu", lambda: True)
    parsed = Devices.parse(text)
    assert parsed.resolve() == resolved
    assert parsed.count == len(resolved)
    assert str(parsed) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("cuda:1,1", "names the same GPU twice"),
        *((text, "can be: auto, cpu") for text in ("", "gpu", "cpu:0", "cuda:", "cuda:a", "cuda:1,", "mps")),
    ],
)
def test_what_names_no_devices(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Devices.parse(text)


def test_every_gpu_of_a_list_must_be_there() -> None:
    with pytest.raises(ConfigError, match=r"torch sees 2 CUDA devices here \(found: 'cuda:0,2'\)"):
        Devices.parse("cuda:0,2").resolve(lambda: 2)


def test_torch_is_asked_only_where_something_hints_at_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def count() -> int:
        raise AssertionError("nobody asked for a GPU")

    monkeypatch.setattr(devices, "may_have_gpu", lambda: False)
    assert Devices.parse("auto").resolve(count) == Devices.parse("cpu").resolve(count) == ("cpu",)


@pytest.mark.slow
def test_another_process_counts_the_gpus() -> None:
    import torch

    devices.count_gpus_apart.cache_clear()
    assert devices.count_gpus_apart() == torch.cuda.device_count()


@pytest.mark.parametrize("code", ["raise ImportError('no library')", "import os; os.kill(os.getpid(), 9)"])
def test_a_torch_that_can_t_be_imported_is_a_user_s_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    (tmp_path / "torch.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    devices.count_gpus_apart.cache_clear()
    reason = "ImportError: no library" if "Import" in code else "the process was ended by SIGKILL"
    with pytest.raises(ConfigError, match=f"torch can't be asked for GPUs: {reason}"):
        devices.count_gpus_apart()
    assert "torch" not in sys.modules or sys.modules["torch"].__file__ != str(tmp_path / "torch.py")
