"""What gates use they give back."""

import os
import random

import numpy as np
import pytest

from bench.gates.preserve import preserved_state


def test_generators_and_environment_are_as_before(monkeypatch):
    monkeypatch.setenv("BENCH_TEST_KEPT", "1")
    random.seed(1)
    np.random.seed(1)
    with preserved_state():
        random.random(), np.random.random()
        os.environ["BENCH_TEST_NEW"] = "1"
        os.environ["BENCH_TEST_KEPT"] = "2"
    first = random.random(), np.random.random()
    random.seed(1)
    np.random.seed(1)
    assert first == (random.random(), np.random.random())
    assert "BENCH_TEST_NEW" not in os.environ and os.environ["BENCH_TEST_KEPT"] == "1"


@pytest.mark.slow
def test_torch_is_as_before_also_when_the_block_breaks():
    import torch

    threads = torch.get_num_threads()
    exact = torch.are_deterministic_algorithms_enabled()
    torch.manual_seed(3)
    with pytest.raises(RuntimeError), preserved_state():
        torch.manual_seed(4)
        torch.set_num_threads(1 + threads)
        torch.use_deterministic_algorithms(not exact, warn_only=True)
        torch.backends.cudnn.benchmark = True
        raise RuntimeError
    drawn = torch.rand(3)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(3))
    assert torch.get_num_threads() == threads
    assert torch.are_deterministic_algorithms_enabled() == exact
    assert not torch.backends.cudnn.benchmark
