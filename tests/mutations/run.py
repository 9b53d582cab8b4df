"""Plant one-line faults in a copy of the repository, one at a time, and report which of them no test notices.

    python tests/mutations/run.py                   # all of faults.yaml, by hand: it takes minutes
    python tests/mutations/run.py --only reports/   # faults in files whose path begins so
    python tests/mutations/run.py --tree ../older   # the same faults in another checkout, with its own tests

A fault counts as caught if one of the tests that faults.yaml names for it fails; without the fault they must
pass. The exit code is 1 if a fault survives or no longer fits the code.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

ROOT = Path(__file__).resolve().parents[2]
FAULTS = Path(__file__).with_name("faults.yaml")
FAST = "not slow and not data and not browser and not gpu"
LIMIT_S = 300
"""Tests that hang have noticed a fault, too."""

PASSED, FAILED = 0, 1
"""Exit codes of pytest; any other one means that it did not run the tests."""

Outcome = Literal["caught", "SURVIVED", "STALE", "BROKEN"]


@dataclass(frozen=True)
class Fault:
    """`file` with `old`, which it has exactly once, replaced by `new`; `tests` are arguments of pytest."""

    file: str
    old: str
    new: str
    tests: str

    def __str__(self) -> str:
        return f"{self.file}: {self.old.strip()!r} -> {self.new.strip()!r}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", metavar="PATH", help="faults in files whose path begins so")
    parser.add_argument("--tree", type=Path, default=ROOT, help="the checkout to test; default: this one")
    parser.add_argument("--faults", type=Path, default=FAULTS, help="another list of faults")
    settings = parser.parse_args()
    faults = [fault for fault in read(settings.faults) if fault.file.startswith(settings.only)]
    with copied(settings.tree.resolve()) as tree:
        found = Counter(report(fault, outcome(fault, tree)) for fault in faults)
    print(", ".join(f"{count} {what}" for what, count in found.items()))
    return int(set(found) != {"caught"})


def read(path: Path) -> list[Fault]:
    """faults.yaml: the tests of a group, then its faults as [file, old, new]."""
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [Fault(*fault, tests=group["tests"]) for group in groups for fault in group["faults"]]


@contextmanager
def copied(tree: Path) -> Iterator[Path]:
    """A copy of the tracked and new files of a checkout, from which `import bench` takes the package."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=tree,
        capture_output=True,
        check=True,
    ).stdout.decode()
    with tempfile.TemporaryDirectory(prefix="bench-mutations-") as folder:
        copy = Path(folder) / "tree"
        for name in filter(None, listed.split("\0")):
            if os.path.lexists(tree / name):
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(tree / name, copy / name, follow_symlinks=False)
        # A folder of its own, because the tests take the repository's root from sys.path.
        (Path(folder) / "path").mkdir()
        (Path(folder) / "path" / "bench").symlink_to(copy / "bench")
        where = run(copy, "-P", "-c", "import bench; print(bench.__file__)").stdout.strip()
        assert Path(where).resolve().is_relative_to(copy.resolve()), f"the tests would import {where}"
        yield copy


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in the copy; no bytecode, which is told from its source by whole seconds of time alone."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(copy.parent / "path"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )


def outcome(fault: Fault, copy: Path) -> Outcome:
    """Plant it, run its tests, take it out."""
    path = copy / fault.file
    original = path.read_text(encoding="utf-8") if path.is_file() else ""
    if original.count(fault.old) != 1:
        return "STALE"
    path.write_text(original.replace(fault.old, fault.new), encoding="utf-8")
    try:
        code = pytest(copy, fault.tests)
    finally:
        path.write_text(original, encoding="utf-8")
    if code == PASSED:
        return "SURVIVED"
    return "caught" if code == FAILED and sound(copy, fault.tests) else "BROKEN"


_sound: dict[tuple[Path, str], bool] = {}


def sound(copy: Path, tests: str) -> bool:
    """Whether the tests pass without a fault; asked once."""
    if (copy, tests) not in _sound:
        _sound[copy, tests] = pytest(copy, tests) == PASSED
    return _sound[copy, tests]


def pytest(copy: Path, tests: str) -> int:
    try:
        return run(
            copy, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", FAST, *tests.split()
        ).returncode
    except subprocess.TimeoutExpired:
        return FAILED


def report(fault: Fault, result: Outcome) -> Outcome:
    print(f"{result:9}{fault}", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
