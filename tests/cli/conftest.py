"""Commands as a user types them, without a process for each."""

import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from bench.cli.app import main


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., "CompletedProcess[str]"]:
    """`call("run", "-c", path, cwd=folder)` is `bench run -c PATH` there; as `subprocess.run` returns it."""

    def run_command(*arguments: str, cwd: Path) -> "CompletedProcess[str]":
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        capsys.readouterr()
        try:
            code = main()
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return CompletedProcess(["bench", *arguments], code, printed.out, printed.err)

    return run_command
