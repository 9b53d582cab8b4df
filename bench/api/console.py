"""Where a command prints to."""

import sys

from rich.console import Console

PLAIN_WIDTH = 120
"""Columns where there is no terminal to ask: a log, a pipe."""


def console() -> Console:
    """Names and paths are printed as they are: no markup, no highlighting, no line broken inside a path."""
    width = None if sys.stdout.isatty() else PLAIN_WIDTH
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=width)
