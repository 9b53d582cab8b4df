"""`device` of bench.yaml: what a model is trained on. The first one also validates, predicts and is timed.

auto        the first GPU where torch sees one, else the CPU
cpu         the CPU
cpu:2       two processes on the CPU that train one model together: for trying it out
cuda        the first GPU
cuda:1      the second
cuda:0,1    two GPUs that train one model together, half of each batch on either

A single device is called 'cpu' or 'cuda:N', as torch does.
"""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from bench import process
from bench.errors import ConfigError


def on_gpu(device: str) -> bool:
    """Whether a single device is a GPU."""
    return device != "cpu"


@dataclass(frozen=True)
class Devices:
    """A parsed `device`."""

    text: str
    kind: str
    """'auto', 'cpu' or 'cuda'."""
    count: int
    """Processes that train one model together."""
    gpus: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError for what names no devices."""
        if not re.fullmatch(r"auto|cpu(:[1-9]\d?)?|cuda(:\d+(,\d+)*)?", text):
            raise ValueError(
                "can be: auto, cpu, cuda, cuda:N, cuda:N,M for several, or cpu:N for N processes"
            )
        kind, _, which = text.partition(":")
        if kind != "cuda":
            return cls(text, kind, int(which or 1))
        gpus = tuple(int(index) for index in which.split(",")) if which else (0,)
        if len(set(gpus)) < len(gpus):
            raise ValueError("names the same GPU twice")
        return cls(text, kind, len(gpus), gpus)

    def resolve(self, count_gpus: Callable[[], int] | None = None) -> tuple[str, ...]:
        """The single devices: 'auto' -> ('cuda:0',) or ('cpu',), 'cpu:2' -> ('cpu', 'cpu').

        `count_gpus` is asked only where something hints at a GPU, by default in this process, which imports
        torch then. Raises ConfigError for a GPU that is not there.
        """
        if self.kind == "cpu" or (self.kind == "auto" and not may_have_gpu()):
            return ("cpu",) * self.count
        found = (count_gpus or count_gpus_here)()
        if self.kind == "auto":
            return ("cuda:0",) if found else ("cpu",)
        if max(self.gpus) >= found:
            raise ConfigError(
                f"torch sees {found or 'no'} CUDA device{'s' * (found != 1)} here",
                record="device",
                value=self.text,
                hint="use device: cpu, or auto",
            )
        return tuple(f"cuda:{index}" for index in self.gpus)

    def __str__(self) -> str:
        return self.text


def may_have_gpu() -> bool:
    """Whether it is worth asking torch: cheap, and never False where there is an NVIDIA GPU."""
    return Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists() or bool(shutil.which("nvidia-smi"))


def count_gpus_here() -> int:
    """How many CUDA devices torch sees. Imports torch."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


@cache
def count_gpus_apart() -> int:
    """The same, asked of another process: importing torch takes seconds and hundreds of MiB.

    Raises ConfigError where torch can't be imported.
    """
    with process.Child(__name__) as child:
        for message in child.messages():
            if "count" in message:
                return int(message["count"])
            reason = message["error"]
            break
        else:
            reason = f"the process {child.end()}"
    raise ConfigError(f"torch can't be asked for GPUs: {reason}", record="device", hint="see bench doctor")


def main() -> None:
    """The other process."""
    process.connect()
    try:
        process.send({"count": count_gpus_here()})
    except Exception as error:
        process.send({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
