"""torch's random numbers: one seed per (seed, epoch, rank), and the global state preserved."""

from contextlib import AbstractContextManager

import torch


def preserved(device: str) -> AbstractContextManager[None]:
    """Afterwards the generators on the CPU and on `device` are as they were before."""
    return torch.random.fork_rng(devices=[] if device == "cpu" else [torch.device(device)])


def epoch_seed(seed: int, epoch: int, rank: int) -> int:
    """A 32-bit seed for torch that depends on all three."""
    return (seed * 1_000_003 + epoch + rank * 15_485_863) % 2**32
