"""Child processes: messages, the end of either side, and what is left running."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from bench import process
from bench.process import Child, Exit, listen

PREAMBLE = "import os, subprocess, sys, time\nfrom bench import process\ntask = process.connect()\n"


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Child]:
    """Start a child whose module has this code after it has connected."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def start(code: str, *arguments: str, **named: object) -> Child:
        name = f"child_{len(list(tmp_path.glob('child_*.py')))}"
        (tmp_path / f"{name}.py").write_text(PREAMBLE + code)
        return Child(name, *arguments, **named)  # type: ignore[arg-type]

    return start


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.02)
                continue
        return
    raise AssertionError(f"process {pid} still runs")


def test_task_messages_and_exit(child: Callable[..., Child], tmp_path: Path) -> None:
    """Every message arrives, those right before the end too; what is printed goes to the log, not between
    them."""
    task = "x" * 200_000  # more than a pipe holds
    code = """
for number in range(5000):
    process.send({"number": number})
    if number % 1000 == 0:
        print("printed", flush=True)
        subprocess.run(["echo", "echoed"])
process.send({"task": task, "argument": sys.argv[1]})
os._exit(3)
"""
    with (tmp_path / "log").open("wb") as log, child(code, "it", task=task, output=log) as started:
        found = list(started.messages())
        outcome = started.end()
    assert found[:-1] == [{"number": number} for number in range(5000)]
    assert found[-1] == {"task": task, "argument": "it"}
    assert outcome == Exit(3) and not outcome.ok and str(outcome) == "ended with code 3"
    assert (tmp_path / "log").read_text().split() == ["printed", "echoed"] * 5


def test_messages_of_several_until_the_last_has_ended(child: Callable[..., Child]) -> None:
    code = "process.send({'pid': os.getpid()})\nif task: time.sleep(0.5)\nprocess.send({'task': task})"
    with child(code) as quick, child(code, task="slow") as slow:
        found = [(one is slow, message) for one, message in listen([slow, quick]) if "task" in message]
    assert found == [(False, {"task": ""}), (True, {"task": "slow"})]


def test_exit_by_signal(child: Callable[..., Child]) -> None:
    with child("os.kill(os.getpid(), 9)") as started:
        assert list(started.messages()) == []
        outcome = started.end()
    assert outcome.killed and outcome.by_signal and str(outcome) == "was ended by SIGKILL"


def test_the_end_lets_the_child_finish_by_itself_first(child: Callable[..., Child], tmp_path: Path) -> None:
    """SIGTERM before SIGKILL: a cell writes its state down."""
    code = """
import signal
def finish(*_):
    open(task, "w").write("finished")
    os._exit(0)
signal.signal(signal.SIGTERM, finish)
process.send({"ready": True})
time.sleep(60)
"""
    written = tmp_path / "written"
    with child(code, task=str(written)) as started:
        next(started.messages())
        assert started.end() == Exit(0)
    assert written.read_text() == "finished"


def test_the_end_takes_all_that_the_child_has_started(child: Callable[..., Child]) -> None:
    """Whichever of the two ignores SIGTERM, and where the child has ended before."""
    code = """
import signal
if task != "child":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which the grandchild inherits
grandchild = subprocess.Popen(["sleep", "60"])
if task == "child":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
process.send({"pid": grandchild.pid})
if task == "child":
    time.sleep(60)
os._exit(0)
"""
    for task, expected in (("child", -signal.SIGKILL), ("grandchild", 0)):
        started = child(code, task=task)
        pid = next(started.messages())["pid"]
        if task == "grandchild":
            started.wait()
        assert psutil.pid_exists(pid)
        assert started.end(grace_s=0.3) == Exit(expected)
        wait_until_gone(pid)


def test_the_end_of_an_ended_child_does_nothing(
    child: Callable[..., Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process id may be another process's by then."""
    started = child("os._exit(2)")
    started.wait()
    assert started.end() == Exit(2)
    monkeypatch.setattr(process.os, "killpg", lambda *_: pytest.fail("a signal to somebody else"))
    assert started.end() == Exit(2)


def test_an_exception_in_the_parent_ends_the_child(child: Callable[..., Child]) -> None:
    with pytest.raises(KeyError), child("process.send({'pid': os.getpid()})\ntime.sleep(60)") as started:
        for message in started.messages():
            pid = message["pid"]
            raise KeyError(pid)
    wait_until_gone(pid)


@pytest.mark.parametrize("own_session", [True, False])
def test_a_killed_parent_takes_its_child_along(
    child: Callable[..., Child], tmp_path: Path, own_session: bool
) -> None:
    """However busy the child is, and with what it has started where it leads a session."""
    (tmp_path / "endless.py").write_text(
        PREAMBLE
        + "grandchild = subprocess.Popen(['sleep', '60'])\n"
        + f"open({str(tmp_path / 'pids')!r}, 'w').write(f'{{os.getpid()}} {{grandchild.pid}}\\n')\n"
        + "while True: pass\n"
    )
    program = (
        "import os, time\nfrom bench.process import Child\n"
        f"child = Child('endless', own_session={own_session})\ntime.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program])
    deadline = time.monotonic() + 20
    while not (tmp_path / "pids").is_file() or "\n" not in (tmp_path / "pids").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    pid, grandchild = map(int, (tmp_path / "pids").read_text().split())
    parent.kill()
    parent.wait()
    wait_until_gone(pid)
    if own_session:
        wait_until_gone(grandchild)
    else:
        os.kill(grandchild, signal.SIGKILL)


def test_ctrl_c_reaches_the_parent_alone(child: Callable[..., Child]) -> None:
    code = "process.send({'session': os.getsid(0), 'group': os.getpgrp(), 'pid': os.getpid()})"
    with child(code) as alone, child(code, own_session=False) as shared:
        (own,), (ours,) = list(alone.messages()), list(shared.messages())
    assert own["session"] == own["group"] == own["pid"]
    assert (ours["session"], ours["group"]) == (os.getsid(0), os.getpgrp())


def test_the_current_folder_is_not_importable(
    child: Callable[..., Child], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "datasets").mkdir(parents=True)
    (tmp_path / "here" / "datasets" / "__init__.py").write_text("")
    monkeypatch.chdir(tmp_path / "here")
    code = "import importlib.util\nfound = importlib.util.find_spec('datasets')\n"
    with child(code + "process.send({'origin': found and found.origin})") as started:
        (message,) = started.messages()
    assert not str(message["origin"]).startswith(str(tmp_path))


def test_environment_is_a_default_and_the_mark_is_not_inherited(
    child: Callable[..., Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", "kept")
    code = "process.send({name: os.environ.get(name) for name in ('MINE', 'OTHER', 'BENCH_CHILD')})"
    with child(code, defaults={"MINE": "default", "OTHER": "default"}) as started:
        (message,) = started.messages()
    assert message == {"MINE": "kept", "OTHER": "default", "BENCH_CHILD": None}


def test_a_process_that_was_started_by_hand_has_no_parent() -> None:
    code = PREAMBLE + "process.send({})\nprint(repr(task), sys.stdin.read())"
    done = subprocess.run(
        [sys.executable, "-c", code], input="mine", capture_output=True, text=True, check=True
    )
    assert done.stdout == "'' mine\n"
    process.send({"nobody": "hears this"})


def test_a_child_that_dies_at_once_is_no_error_of_its_own(tmp_path: Path) -> None:
    with (
        (tmp_path / "log").open("wb") as log,
        Child("no_such_module", task="x" * 200_000, output=log) as started,
    ):
        assert list(started.messages()) == []
        assert started.end() == Exit(1)
    assert "no_such_module" in (tmp_path / "log").read_text()


def test_a_child_gets_messages_in_their_order_while_it_runs(child: Callable[..., Child]) -> None:
    code = """
while (number := process.receive()["number"]) < 3:
    process.send({"got": number})
"""
    with child(code, task="begin") as started:
        started.send({"number": 1})
        heard = started.messages()
        assert next(heard) == {"got": 1}
        started.send({"number": 2})
        assert next(heard) == {"got": 2}
        started.send({"number": 3})
        assert list(heard) == [] and started.end().ok
        started.send({"number": 4})  # to nobody
