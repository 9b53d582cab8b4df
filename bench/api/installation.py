"""What `bench doctor` reports about the installation: versions, GPU, weights, network."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

from bench.adapters.weights.inventory import inventory

DISTRIBUTION = "bench-detectors"

HUB = ("huggingface.co", 443)
LOOK_S = 2.0
"""A name server that does not answer can take much longer by itself."""


@dataclass(frozen=True)
class CheckResult:
    """One line of `bench doctor`; False in `passed` makes it end with exit code 1."""

    subject: str
    passed: bool | None  # None: a fact, neither good nor bad
    detail: str


def findings() -> Iterator[CheckResult]:
    """One after the other, as soon as each is known."""
    yield from versions()
    yield gpu()
    yield from weights()
    yield network()


def versions(
    requirements: list[str] | None = None, installed: Callable[[str], str] = version
) -> Iterator[CheckResult]:
    """The required distributions, and whether the installed versions suffice; extras are left out."""
    lines = requires(DISTRIBUTION) or [] if requirements is None else requirements
    for line in lines:
        specifier, _, condition = line.partition(";")
        name = re.match(r"\s*([\w.-]+)", specifier)
        least = re.search(r">=\s*([\w.]+)", specifier)
        if name and least and "extra" not in condition:
            yield _version(name[1], least[1], installed)


def _version(name: str, least: str, installed: Callable[[str], str]) -> CheckResult:
    try:
        there = installed(name)
    except PackageNotFoundError:
        return CheckResult(
            name, False, f"not installed; at least {least} is needed: pip install '{name}>={least}'"
        )
    if release(there) < release(least):
        return CheckResult(name, False, f"{there} is older than {least}: pip install -U '{name}>={least}'")
    return CheckResult(name, True, f"{there} (at least {least})")


def release(text: str) -> tuple[int, ...]:
    """'2.15.0+cu130' -> (2, 15), so that 2.15 and 2.15.0 are the same."""
    numbers = [int(part) for part in re.match(r"\d*(?:\.\d+)*", text)[0].split(".") if part]  # type: ignore[index]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def gpu() -> CheckResult:
    """What torch sees; none is no fault."""
    try:
        import torch
    except Exception as error:  # a broken installation raises any exception
        return CheckResult("GPU", False, f"torch can't be imported: {error}")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        return CheckResult("GPU", None, "torch sees none: models run on the CPU")
    names = ", ".join(torch.cuda.get_device_name(index) for index in range(count))
    return CheckResult("GPU", True, f"{names} (CUDA {torch.version.cuda})")


def weights() -> Iterator[CheckResult]:
    """Of every published variant: where they lie, or that they are not here, which is no fault."""
    for one in inventory():
        well = True if one.available else False if one.state == "damaged" else None
        yield CheckResult(
            f"weights {one.entry.name}", well, one.state if well is None else f"{one.state}: {one.path}"
        )


def network(host: tuple[str, int] = HUB, look_s: float = LOOK_S) -> CheckResult:
    """Whether the hub answers; having no network is no fault."""
    answered = threading.Event()

    def look() -> None:
        try:
            socket.create_connection(host, timeout=look_s).close()
        except OSError:
            return
        answered.set()

    looker = threading.Thread(target=look, daemon=True)
    looker.start()
    looker.join(look_s)
    if answered.is_set():
        return CheckResult("network", True, f"{host[0]} answers")
    return CheckResult("network", None, f"{host[0]} does not answer: weights come from this machine alone")
