"""Lack of memory: known when it shows, and told with what to change."""

from pathlib import Path

import pytest

from bench import memory
from bench.errors import RunError
from bench.recipe import Recipe


class OutOfMemoryError(RuntimeError):
    """Named like torch's."""


@pytest.mark.parametrize(
    ("error", "lacking"),
    [
        (MemoryError(), True),
        (OutOfMemoryError("CUDA: tried to allocate 2.00 GiB"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to ..."), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (memory.OutOfMemoryError("not even one"), True),
        (RuntimeError("shapes do not match"), False),
        (RunError("a file's name says out of memory"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_is_a_lack_of_memory(error: Exception, lacking: bool) -> None:
    assert memory.is_out_of_memory(error) is lacking


@pytest.mark.slow
def test_torch_says_it_in_these_words() -> None:
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert memory.is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    ("batch", "accumulate", "told"),
    [
        (16, 1, "train.batch_size: 8 with train.accumulate: 2, which keeps 16 images"),
        (9, 2, "train.batch_size: 3 with train.accumulate: 6, which keeps 18 images"),
        (7, 1, "train.batch_size: 1 with train.accumulate: 7, which keeps 7 images"),
    ],
)
def test_a_smaller_batch_leaves_the_step_as_it_is(batch: int, accumulate: int, told: str) -> None:
    assert told in memory.hint(Recipe(batch_size=batch, accumulate=accumulate), "cpu")


def test_what_can_t_help_is_not_said() -> None:
    assert memory.hint(Recipe(batch_size=1), "cpu") == "try a smaller train.image_size"
    assert "train.amp" in memory.hint(Recipe(batch_size=1), "cuda:0")
    assert "train.amp" not in memory.hint(Recipe(batch_size=1, amp=True), "cuda:0")


def test_the_reason_says_what_was_asked_and_what_was_left() -> None:
    told = memory.reason(MemoryError("no room\nat all"), Recipe(batch_size=4, image_size=640), "cpu")
    first, hint = told.splitlines()
    assert first.startswith("out of memory on cpu with batch_size 4, image_size 640, amp false; ")
    assert first.endswith(" MiB were left (MemoryError: no room)")
    assert hint.startswith("  Hint: try train.batch_size: 2")


def test_a_container_s_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    whole = memory.free_mib("cpu")
    assert whole > 64
    (tmp_path / "memory.current").write_text(f"{100 << 20}\n")
    (tmp_path / "memory.stat").write_text(f"anon 5\ninactive_file {30 << 20}\n")
    (tmp_path / "memory.max").write_text(f"{110 << 20}\n")
    assert memory.free_mib("cpu") == 40
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_mib("cpu") > 64
