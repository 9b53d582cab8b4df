"""Ctrl-C during a command that can be continued."""

import contextlib
from collections.abc import Iterator

import typer

EXIT_CODE = 130
"""What a shell gives for a command that Ctrl-C ended."""


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """End the command with a message and no traceback; the interruption's notes say how to continue."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        typer.echo("bench: interrupted", err=True)
        for note in getattr(interruption, "__notes__", ()):
            typer.echo(f"  {note}", err=True)
        raise typer.Exit(EXIT_CODE) from None
