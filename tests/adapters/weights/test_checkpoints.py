import os
from pathlib import Path
from typing import Any

import pytest

from bench.adapters.weights.checkpoints import load_state
from bench.errors import WeightsError

pytestmark = pytest.mark.slow


def tensors() -> dict[str, Any]:
    import torch

    return {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor([1, 2])}


class Bait:
    """Pickles to a command that leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize(
    "form", ["bare", "model", "state_dict", "parallel", "old zip-less form", "safetensors"]
)
def test_the_usual_forms_give_the_same_tensors(tmp_path: Path, form: str) -> None:
    import safetensors.torch
    import torch

    path = tmp_path / ("x.safetensors" if form == "safetensors" else "x.pth")
    if form == "safetensors":
        safetensors.torch.save_file(tensors(), path)
    elif form == "parallel":
        torch.save({f"module.{name}": tensor for name, tensor in tensors().items()}, path)
    elif form in ("model", "state_dict"):
        torch.save({form: tensors(), "epoch": 7, "optimizer": {"lr": 0.1}}, path)
    else:
        torch.save(tensors(), path, _use_new_zipfile_serialization=form == "bare")
    found = load_state(path)
    assert found.keys() == tensors().keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors().items())


def test_a_pickle_of_something_else_is_refused_and_not_run(tmp_path: Path) -> None:
    import pickle

    import torch

    mark = tmp_path / "mark"
    path = tmp_path / "evil.pth"
    torch.save({"model": tensors(), "args": Bait(mark)}, path)
    with pytest.raises(WeightsError, match=r"safely.*(posix|nt)\.system"):
        load_state(path)
    path.write_bytes(pickle.dumps(Bait(mark)))
    with pytest.raises(WeightsError):
        load_state(path)
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists()  # the bait was live


def test_the_mend_of_a_training_scripts_checkpoint(tmp_path: Path) -> None:
    """torchvision's reference script keeps its argparse.Namespace beside the weights."""
    import argparse

    import torch

    path = tmp_path / "checkpoint.pth"
    torch.save({"model": tensors(), "args": argparse.Namespace(lr=0.02)}, path)
    with pytest.raises(WeightsError) as caught:
        load_state(path)
    assert "argparse.Namespace" in str(caught.value)
    assert "torch.save(model.state_dict(), PATH)" in str(caught.value)
    assert "weights_only=False" not in str(caught.value)  # torch's own advice


@pytest.mark.parametrize("name", ["x.pth", "x.pt", "x.safetensors"])
@pytest.mark.parametrize("kind", ["empty", "text", "cut", "noise", "missing", "folder"])
def test_what_is_no_checkpoint_is_said_to_be_none(tmp_path: Path, name: str, kind: str) -> None:
    import safetensors.torch
    import torch

    path = tmp_path / name
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        if name.endswith("safetensors"):
            safetensors.torch.save_file(tensors(), path)
        else:
            torch.save(tensors(), path)
        whole = path.read_bytes()
        contents = {
            "empty": b"",
            "text": b"epoch,loss\n1,0.5\n",
            "cut": whole[: len(whole) * 2 // 3],
            "noise": bytes(range(255, -1, -1)) * 8,
        }
        path.write_bytes(contents[kind])
    with pytest.raises(WeightsError) as caught:
        load_state(path)
    assert str(path) in str(caught.value)
    assert "KeyError" not in str(caught.value)
    assert "EOFError" not in str(caught.value)
    if kind in ("empty", "text", "noise"):
        assert "is no torch or safetensors checkpoint" in str(caught.value)


def test_a_pickle_that_breaks_off_is_no_checkpoint(tmp_path: Path) -> None:
    for content in (b"\x80", b"\x80\x02", b"\x80\x02}q"):
        (tmp_path / "x.pth").write_bytes(content)
        with pytest.raises(WeightsError, match="checkpoint") as caught:
            load_state(tmp_path / "x.pth")
        assert "Error" not in str(caught.value)


@pytest.mark.parametrize("content", [{}, [1, 2], {"epoch": 3}, {"model": {"a": "b"}}])
def test_a_checkpoint_without_tensors_is_refused(tmp_path: Path, content: Any) -> None:
    import torch

    path = tmp_path / "x.pth"
    torch.save(content, path)
    with pytest.raises(WeightsError, match="no checkpoint that can be loaded"):
        load_state(path)
