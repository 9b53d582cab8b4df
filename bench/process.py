"""Child processes, `python -m bench.X`: started, followed and ended in one way.

    with Child("bench.X", task=task.model_dump_json()) as child:    # in bench/X/__main__.py:
        for message in child.messages():                            task = Task.model_validate_json(connect())
            ...                                                     send({"done": 1})
        child.send({"go": 2})                                       receive()
        outcome = child.end()

* The child's standard input brings its task, one line, and then messages, one JSON object a line. It is the
  child's lifeline: it stays open as long as the parent lives, however that ends, and the child kills itself
  when it closes.
* Its standard output is the channel of messages, one JSON object a line. What the child prints goes to its
  standard error instead.
* The folder that the parent was started in is not importable: a folder named `datasets` there would be taken
  for Hugging Face's package by transformers.
"""

import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, Self

Message = dict[str, Any]

POLL_S = 0.1
GRACE_S = 10.0
"""Seconds between the request to end and the kill."""

_ATTACHED = "BENCH_CHILD"
"""Environment variable that marks a process as started by `Child`; without it one can be run by hand,
too."""

_CHUNK = 1 << 16


@dataclass(frozen=True)
class Exit:
    """How a process ended."""

    code: int
    """As in `subprocess`: negative for a signal."""

    @property
    def ok(self) -> bool:
        return self.code == 0

    @property
    def killed(self) -> bool:
        """By SIGKILL, which the system sends where memory is short."""
        return self.code == -signal.SIGKILL

    @property
    def by_signal(self) -> bool:
        return self.code < 0

    def __str__(self) -> str:
        if self.by_signal:
            return f"was ended by {signal.Signals(-self.code).name}"
        return f"ended with code {self.code}"


class Child:
    """A process of ours. As a context manager it is ended when the block is left."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        task: str = "",
        output: IO[bytes] | int | None = None,
        defaults: Mapping[str, str] | None = None,
        own_session: bool = True,
    ) -> None:
        """Start `python -m MODULE ARGUMENT...`.

        Args:
            arguments: shown to whoever lists processes, so no place for secrets.
            task: what `connect` returns in the child; one line, such as JSON.
            output: where its standard output and error go; None joins them to this process's error.
            defaults: environment variables, where the user has not set them.
            own_session: whether the child leads a session of its own: Ctrl-C then reaches this process
                alone, and `end` ends all that the child has started. False leaves it in this one's.
        """
        assert "\n" not in task
        self._own_session = own_session
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            env={**(defaults or {}), **os.environ, _ATTACHED: "1"},
            start_new_session=own_session,
        )
        assert self._process.stdin and self._process.stdout
        self._lifeline = self._process.stdin
        self._channel = self._process.stdout
        os.set_blocking(self._channel.fileno(), False)
        self._unread = b""
        self._closed = False
        with contextlib.suppress(BrokenPipeError):  # it is dead already, which `poll` tells
            self._lifeline.write(task.encode() + b"\n")
            self._lifeline.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def poll(self) -> Exit | None:
        """How it ended; None while it runs."""
        code = self._process.poll()
        return None if code is None else Exit(code)

    def wait(self, timeout_s: float | None = None) -> Exit | None:
        """As `poll`, after at most so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
        return self.poll()

    def send(self, message: Mapping[str, Any]) -> None:
        """A message to the child, which `receive` returns there. One that is dead does not get it."""
        if self._lifeline.closed:
            return
        with contextlib.suppress(BrokenPipeError):
            self._lifeline.write(json.dumps(message).encode() + b"\n")
            self._lifeline.flush()

    def messages(self) -> Iterator[Message]:
        """Each as it arrives, until the process has ended."""
        return (message for _, message in listen([self]))

    def arrived(self) -> list[Message]:
        """Those that have arrived since the last call, without waiting."""
        while not self._closed:
            try:
                piece = os.read(self._channel.fileno(), _CHUNK)
            except BlockingIOError:
                break
            self._closed = not piece
            self._unread += piece
        *lines, self._unread = self._unread.split(b"\n")
        return [json.loads(line) for line in lines]

    def end(self, grace_s: float = GRACE_S) -> Exit:
        """End what is left of it and of its session: SIGTERM first, SIGKILL after `grace_s`."""
        if self._channel.closed:
            return Exit(self._process.returncode)
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal(number)
            if self.wait(grace_s) is not None:
                break
        self._process.wait()
        if self._own_session:
            self._signal(signal.SIGKILL)  # what did not end with its leader
        with contextlib.suppress(BrokenPipeError):  # a task that it never read
            self._lifeline.close()
        self._channel.close()
        self._closed = True
        return Exit(self._process.returncode)

    def _signal(self, number: signal.Signals) -> None:
        if not self._own_session:
            self._process.send_signal(number)
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def listen(children: Sequence[Child]) -> Iterator[tuple[Child, Message]]:
    """The messages of several, each as it arrives, until all have ended."""
    left = list(children)
    while left:
        ended = [
            child for child in left if child.poll() is not None
        ]  # asked first: what they sent before is still read
        for child in left:
            for message in child.arrived():
                yield child, message
        left = [child for child in left if child not in ended]
        if left and not ended:
            wait_for_any(left)


def wait_for_any(children: Sequence[Child]) -> None:
    """Until one of them sends something or ends, or POLL_S are over."""
    open_ = [child._channel for child in children if not child._closed]
    if open_:
        select.select(open_, [], [], POLL_S)
    else:
        time.sleep(POLL_S)


_channel: BinaryIO | None = None
_sending = threading.Lock()
_received: queue.SimpleQueue[Message] = queue.SimpleQueue()


def connect() -> str:
    """In the child: attach to the parent and return the task, '' for none.

    From here on the process ends when its parent does, and `send` reaches the parent. In a process that was
    started by hand nothing happens.
    """
    global _channel
    if not os.environ.pop(_ATTACHED, None):
        return ""
    lifeline = os.fdopen(os.dup(0), "rb")
    task = lifeline.readline().decode().strip()
    _channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    threading.Thread(target=_follow_parent, args=(lifeline,), daemon=True).start()
    return task


def receive() -> Message:
    """In the child: the parent's next message, as soon as it is there."""
    return _received.get()


def send(message: Mapping[str, Any]) -> None:
    """In the child: a message to the parent, which JSON must be able to hold."""
    if _channel is None:
        return
    line = json.dumps(message).encode() + b"\n"
    with _sending:
        try:
            _channel.write(line)
            _channel.flush()
        except BrokenPipeError:
            _die()


def _follow_parent(lifeline: BinaryIO) -> None:
    for line in lifeline:
        _received.put(json.loads(line))
    _die()


def _die() -> None:
    """With all that this process has started, where it leads a session."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
