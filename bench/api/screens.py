"""Where progress is shown: a terminal, a notebook, a log, or nowhere."""

import contextlib
import html
from collections.abc import Iterator
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from bench.api.console import console


class Screen(Protocol):
    """Lines that stay, and bars that move."""

    @property
    def live(self) -> bool:
        """Whether `bar` shows anything. If not, progress is worth a line from time to time."""
        ...

    def write(self, text: str, style: str = "") -> None:
        """Show one line that stays. `style` is rich's: 'red', 'green', 'dim' ..."""
        ...

    def bar(self, text: str, done: float, total: float, *, of: str = "") -> None:
        """Show how far a piece of work is; `of` names it where several run at once."""
        ...

    def end_bar(self, of: str = "") -> None:
        """Take the bar away, if there is one."""
        ...


@contextlib.contextmanager
def open_screen(progress: bool | None = None) -> Iterator[Screen]:
    """The screen that fits this process.

    `progress`: None shows it in a notebook and in a terminal, True also elsewhere, in lines, False never.
    """
    shown = console()
    if progress is None:
        progress = shown.is_jupyter or shown.is_terminal
    if not progress:
        yield Silent()
    elif shown.is_jupyter:
        with contextlib.closing(Notebook()) as notebook:
            yield notebook
    elif shown.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=shown, transient=True) as bars:
            yield Terminal(shown, bars)
    else:
        yield Terminal(shown)


class Silent:
    """Shows nothing."""

    live = True

    def write(self, text: str, style: str = "") -> None:
        pass

    def bar(self, text: str, done: float, total: float, *, of: str = "") -> None:
        pass

    def end_bar(self, of: str = "") -> None:
        pass


class Terminal:
    """Lines on a console; bars below them where the console is a terminal."""

    def __init__(self, console: Console, progress: Progress | None = None) -> None:
        self._console = console
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    @property
    def live(self) -> bool:
        return self._progress is not None

    def write(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style))

    def bar(self, text: str, done: float, total: float, *, of: str = "") -> None:
        if self._progress is None:
            return
        if of not in self._tasks:
            self._tasks[of] = self._progress.add_task(text, total=total)
        self._progress.update(self._tasks[of], description=text, completed=done, total=total)

    def end_bar(self, of: str = "") -> None:
        if self._progress is not None and of in self._tasks:
            self._progress.remove_task(self._tasks.pop(of))


class Notebook:
    """One output of a notebook's cell, rewritten in place. The bars go when the work ends."""

    live = True

    def __init__(self) -> None:
        from IPython.display import display

        self._lines: list[str] = []
        self._bars: dict[str, str] = {}
        self._handle: Any = display(self._html(), display_id=True)

    def write(self, text: str, style: str = "") -> None:
        colour = f' style="color: {style}"' if style in ("red", "green") else ""
        self._lines.append(f"<div{colour}>{html.escape(text)}</div>")
        self._handle.update(self._html())

    def bar(self, text: str, done: float, total: float, *, of: str = "") -> None:
        share = done / total if total else 0.0
        self._bars[of] = f'<div><progress value="{share:.4f}"></progress> {html.escape(text)}</div>'
        self._handle.update(self._html())

    def end_bar(self, of: str = "") -> None:
        self._bars.pop(of, None)
        self._handle.update(self._html())

    def close(self) -> None:
        self._bars.clear()
        self._handle.update(self._html())

    def _html(self) -> Any:
        from IPython.display import HTML

        return HTML(f"<pre>{''.join(self._lines)}{''.join(self._bars.values())}</pre>")
