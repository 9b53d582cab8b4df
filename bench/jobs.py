"""`jobs` of bench.yaml: how many trainings run at the same time, and the devices and threads of each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bench.devices import Devices, count_gpus_apart, may_have_gpu
from bench.errors import ConfigError
from bench.provenance import cpu_count

Jobs = int | Literal["auto"]


@dataclass(frozen=True)
class Slot:
    """What one training gets."""

    device: str = "auto"
    """As in bench.yaml."""
    threads: int | None = None
    """CPU threads of its process; None leaves the number to the framework, which takes all cores."""

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of its process."""
        return {} if self.threads is None else {"OMP_NUM_THREADS": str(self.threads)}


def slots(
    devices: Devices,
    jobs: Jobs,
    cells: int,
    *,
    count_gpus: Callable[[], int] = count_gpus_apart,
    cores: int | None = None,
) -> tuple[Slot, ...]:
    """The devices and this machine's cores, in equal parts for the trainings that run at the same time.

    'auto' jobs are one for each named GPU (for `device: auto`: each that torch sees); on a CPU, one for each
    core. There are never more than `cells`.
    Raises ConfigError where the devices can't be shared equally.
    """
    cores = cores or cpu_count()
    gpus = _gpus(devices, jobs, count_gpus)
    parts = len(gpus) or (devices.count if devices.count > 1 else cores)
    number = min(parts, cells) if jobs == "auto" else jobs
    if number == 1:
        return (Slot(devices.text),)
    if gpus or devices.count > 1:
        if parts % number:
            raise ConfigError(
                f"{parts} devices can't be shared equally by {number} trainings at the same time",
                record="jobs",
                value=jobs,
                hint="use " + _either([n for n in range(1, parts + 1) if parts % n == 0]),
            )
        each = parts // number
        names = [_named(gpus[i * each : (i + 1) * each], each) for i in range(number)]
    else:
        names = ["cpu"] * number
    return tuple(Slot(name, max(1, cores // number // Devices.parse(name).count)) for name in names)


def _gpus(devices: Devices, jobs: Jobs, count_gpus: Callable[[], int]) -> tuple[int, ...]:
    """Those that are shared out; none for a CPU."""
    if devices.kind == "auto" and jobs != 1 and may_have_gpu():
        return tuple(range(count_gpus()))
    return devices.gpus


def _named(gpus: tuple[int, ...], count: int) -> str:
    """'cuda:0,1', or without GPUs 'cpu:2'."""
    if gpus:
        return f"cuda:{','.join(map(str, gpus))}"
    return "cpu" if count == 1 else f"cpu:{count}"


def _either(numbers: list[int]) -> str:
    return " or ".join(map(str, numbers))
