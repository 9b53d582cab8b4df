"""torch's random numbers: a state of their own for each (seed, epoch, rank), and none of it left behind."""

from contextlib import AbstractContextManager

import torch


def kept(device: str) -> AbstractContextManager[None]:
    """The generators, on the CPU and on `device`, are afterwards as they were before."""
    return torch.random.fork_rng(devices=[] if device == "cpu" else [torch.device(device)])


def mixed(seed: int, epoch: int, rank: int) -> int:
    """A seed for torch: 32 bits that depend on all three."""
    return (seed * 1_000_003 + epoch + rank * 15_485_863) % 2**32
