"""Searches in this process, on cells that take no time; and a real PostgreSQL server."""

import os
import pwd
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from bench.cell.spec import CellSpec
from bench.cell.work import failed_record
from bench.config import BenchConfig, read_config
from bench.records import CellRecord, CocoFigures, OperatingPoint, SplitFigures
from bench.searching import search as searching
from bench.searching.search import SearchOptions, SearchResult
from bench.store import CellFolder


@event.listens_for(Engine, "connect")
def _in_haste(connection: object, _: object) -> None:
    """SQLite waits for the disk after each of the many small writes of a study; no test needs that."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA journal_mode=MEMORY")


class Cells:
    """Stands for `launch`: three epochs whose AP grows to 0.9 - 0.1 (gamma - 2)^2. It remembers its specs.

    A batch over `fits` runs out of memory. `before` is called before every cell, and may raise.
    """

    epochs = 3

    def __init__(self) -> None:
        self.specs: list[CellSpec] = []
        self.heard: list[int] = []
        self.fits = 1000
        self.stage = "fit"
        """Where memory is not enough."""
        self.fails: Callable[[CellSpec], str | None] = lambda spec: None
        self.before: Callable[[CellSpec], None] = lambda spec: None
        self.refuses: bool | None = None
        """Whether gates refuse what they see before its training, or after it."""

    def launch(self, folder: CellFolder, hear: Callable[[dict[str, Any]], None]) -> CellRecord:
        spec = CellSpec.read(folder)
        self.specs.append(spec)
        self.before(spec)
        if spec.plan.recipe.batch_size > self.fits:
            return self._failed(folder, spec, "no memory is left", self.stage, kind="out_of_memory")
        if reason := self.fails(spec):
            return self._failed(folder, spec, reason)
        if spec.gates and self.refuses:
            record = self._failed(folder, spec, "colours: it is blue")
            return record.model_copy(update={"status": "invalid"})
        ap = 0.9 - 0.1 * (spec.plan.recipe.loss.gamma - 2) ** 2
        self.heard.append(0)
        for epoch in range(1, self.epochs + 1):
            share = ap * epoch / self.epochs
            figures = {"AP": share, "AP50": share}
            hear({"event": "epoch", "epoch": epoch, "epochs": self.epochs, "val_metrics": figures})
            self.heard[-1] = epoch
        return self._done(folder, spec, ap)

    def _failed(
        self, folder: CellFolder, spec: CellSpec, reason: str, stage: str = "fit", kind: str = "error"
    ) -> CellRecord:
        record = failed_record(folder, spec, stage=stage, reason=reason)
        failure = record.failure.model_copy(update={"kind": kind}) if record.failure else None
        record = record.model_copy(update={"failure": failure})
        folder.record_path.write_text(record.model_dump_json())
        return record

    def _done(self, folder: CellFolder, spec: CellSpec, ap: float) -> CellRecord:
        coco = CocoFigures(**dict.fromkeys(CocoFigures.model_fields, ap) | {"AP50": 1 - ap})
        point = dict.fromkeys(OperatingPoint.model_fields, 0) | {"f1": None}
        val = SplitFigures(
            images=1,
            boxes=1,
            detections=1,
            coco=coco,
            AP_25_50_75=None,
            classes=(),
            operating_point=OperatingPoint(**point),
        )
        record = failed_record(folder, spec, stage="", reason="")
        status = "invalid" if spec.gates and self.refuses is False else "done"
        return record.model_copy(update={"status": status, "failure": None, "val": val})


class Silent:
    """A watcher that does not care."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *words, **named: None


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> Cells:
    """In the place of the trials' processes."""
    stand_in = Cells()
    monkeypatch.setattr("bench.searching.trial.launch", stand_in.launch)
    return stand_in


Configure = Callable[..., BenchConfig]


@pytest.fixture
def configure(fake_config: Path, tmp_path: Path) -> Configure:
    """The config of two fake models, oracles both, with overrides; trials are 4 unless they say."""

    def made(*overrides: str, models: tuple[str, ...] = ("one",)) -> BenchConfig:
        words = [f"runs={tmp_path / 'runs'}", "search.trials=4"]
        words += [f"models.{name}.options.oracle=true" for name in ("one", "two")]
        return read_config(fake_config, overrides=[*words, *overrides], models=models)

    return made


@pytest.fixture
def search(configure: Configure) -> Callable[..., SearchResult]:
    """A search of its trials alone, from overrides."""

    def searched(
        *overrides: str, models: tuple[str, ...] = ("one",), storage: str | None = None
    ) -> SearchResult:
        asked = SearchOptions(command="bench search", final=False, storage=storage)
        callbacks: Any = Silent()
        return searching.start(configure(*overrides, models=models), callbacks, asked)

    return searched


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A URL with a password, of a server that is started for the tests and stopped after them."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    initdb = next((Path(path).resolve() for path in (shutil.which("initdb"), *debian) if path), None)
    if initdb is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    user = _somebody()
    folder = Path(tempfile.mkdtemp(prefix="bench-postgres-"))
    try:
        if user:
            shutil.chown(folder, user)
        (folder / "password").write_text("tell-nobody")
        (folder / "password").chmod(0o644)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        data = folder / "data"
        _as(user, initdb, "-D", data, "-U", "bench", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        control = initdb.with_name("pg_ctl")
        _as(user, control, "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql://bench:tell-nobody@127.0.0.1:{port}/postgres"
        finally:
            _as(user, control, "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _somebody() -> str | None:
    """Whom the server runs as: it refuses root."""
    if os.getuid() != 0:
        return None
    users = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in users else "nobody"


def _as(user: str | None, *words: object) -> None:
    command = [str(word) for word in words]
    done = subprocess.run(
        command,
        user=user,
        cwd="/tmp",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
