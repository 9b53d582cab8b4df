"""What every test shares."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# The folders `datasets`, `adapters` and `reports` at the top must not be importable under those names:
# transformers takes any package called `datasets` for Hugging Face's.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]

# One thread for torch here and in all children: sums in another order give other last digits, and threads of
# OpenMP spin while they wait. Two cells of tiny Faster R-CNN took 25 s of CPU with two threads, 6 s with one.
os.environ["OMP_NUM_THREADS"] = "1"

# A busy machine is no fault of a test: only what is generated counts, not how long that took.
settings.register_profile("bench", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("bench")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data: BENCH_DATA, or shared/data beside the checkout."""
    folder = Path(os.environ.get("BENCH_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set BENCH_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def fake_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bench.yaml of two fake models on 40 drawn scenes; runs and cache stand beside it."""
    folder = tmp_path_factory.mktemp("fake")
    path = folder / "bench.yaml"
    path.write_text(
        "name: fake\n"
        "data: {source: synthetic, synthetic: {images: 40, size: 64}}\n"
        "models:\n"
        "  - {family: fake, name: one}\n"
        "  - {family: fake, name: two, train: {epochs: 2}}\n"
        "train: {epochs: 3, batch_size: 8}\n",
        encoding="utf-8",
    )
    return path
