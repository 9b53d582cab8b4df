"""Reading a run's json for the page, with one clear message where a file is broken."""

import json
from pathlib import Path
from typing import Any

from bench.errors import RunError


def read_json(path: Path) -> Any:
    """Raises RunError for a file that is no JSON or can't be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(
            f"can't be read: {error}", file=path, hint="complete the run: bench run --resume RUN"
        ) from None
