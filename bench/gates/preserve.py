"""Save and restore global state: a training after the gates is bit-identical to one without them."""

import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def preserved_state() -> Iterator[None]:
    """Restore random generators, thread counts, the environment and torch's global switches afterwards.

    torch's state is saved only if it is imported already: import before what the block will import.
    """
    environment = dict(os.environ)
    python, numpy = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")
    restore = _torch_state(torch) if torch is not None else _nothing
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        restore()
        for name in set(os.environ) - set(environment):
            del os.environ[name]
        os.environ.update(environment)


def _torch_state(torch: Any) -> Callable[[], None]:
    """A function that restores torch's present state."""
    cuda = torch.cuda.is_available() and torch.cuda.is_initialized()
    generators = torch.get_rng_state(), torch.cuda.get_rng_state_all() if cuda else None
    threads = torch.get_num_threads()
    exact = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = {name: getattr(torch.backends.cudnn, name) for name in ("deterministic", "benchmark")}
    gradients = torch.is_grad_enabled()

    def restore() -> None:
        torch.set_rng_state(generators[0])
        if generators[1] is not None:
            torch.cuda.set_rng_state_all(generators[1])
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(exact, warn_only=warn_only)
        for name, value in cudnn.items():
            setattr(torch.backends.cudnn, name, value)
        torch.set_grad_enabled(gradients)
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    return restore


def _nothing() -> None:
    pass
