"""Where progress is shown."""

import io
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from bench.api import screens
from bench.api.progress import watch
from bench.api.screens import Notebook, Silent, Terminal, open_screen
from bench.store import RunFolder


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Any:
    def pretend(**kind: bool) -> io.StringIO:
        text = io.StringIO()
        monkeypatch.setattr(screens, "console", lambda: Console(file=text, width=80, **kind))
        return text

    return pretend


@pytest.mark.parametrize(
    ("kind", "progress", "screen"),
    [
        ({}, None, Silent),
        ({}, True, Terminal),
        ({"force_terminal": True}, None, Terminal),
        ({"force_terminal": True}, False, Silent),
    ],
)
def test_progress_is_shown_where_somebody_watches(
    console: Any, kind: dict[str, bool], progress: bool | None, screen: type
) -> None:
    console(**kind)
    with open_screen(progress) as opened:
        assert type(opened) is screen
        assert opened.live == (screen is Silent or "force_terminal" in kind)


def test_a_notebook_gets_one_output_that_is_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    handle = SimpleNamespace(update=shown.append)
    display = SimpleNamespace(display=lambda html, display_id: handle, HTML=str)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    notebook = Notebook()
    notebook.write("<b>", style="red")
    notebook.bar("images", 1, 4)
    assert (
        shown[-1] == '<pre><div style="color: red">&lt;b&gt;</div>'
        '<div><progress value="0.2500"></progress> images</div></pre>'
    )
    notebook.close()
    assert shown[-1] == '<pre><div style="color: red">&lt;b&gt;</div></pre>'


def test_an_interruption_says_how_to_continue(tmp_path: Any) -> None:
    with pytest.raises(KeyboardInterrupt) as caught, watch(False) as view:
        view.run = RunFolder(tmp_path)
        raise KeyboardInterrupt
    assert caught.value.__notes__ == [f"Continue with: bench run --resume {tmp_path}"]
