"""torch's random numbers: one seed per (seed, epoch, rank), and the global state preserved."""

from contextlib import AbstractContextManager

import torch

from bench.devices import on_gpu


def preserved(device: str) -> AbstractContextManager[None]:
    """Afterwards the generators on the CPU and on `device` are as they were before."""
    return torch.random.fork_rng(devices=[torch.device(device)] if on_gpu(device) else [])


def epoch_seed(seed: int, epoch: int, rank: int) -> int:
    """A 32-bit seed for torch that depends on all three."""
    return (seed * 1_000_003 + epoch + rank * 15_485_863) % 2**32
