"""What the tests of the gates share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.layout import Layout


@pytest.fixture(scope="session")
def create(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Layout]:
    """made(n) -> the gates' pictures with n classes."""
    from bench.gates import patterns

    written: dict[int, Layout] = {}

    def layout(classes: int) -> Layout:
        if classes not in written:
            folder: Path = tmp_path_factory.mktemp("made")
            written[classes] = patterns.write(folder / "it", [f"class {n}" for n in range(classes)], 2)
        return written[classes]

    return layout
