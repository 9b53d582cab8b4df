"""`bench.models`: what can be trained."""

from typing import TYPE_CHECKING

from bench import registry
from bench.api import frames

if TYPE_CHECKING:
    from pandas import DataFrame


def models() -> "DataFrame":
    """One row for each variant of each family, plug-ins included."""
    rows = [
        (name, variant, text)
        for name in registry.detector_names()
        for variant, text in registry.family(name).variants.items()
    ]
    return frames.frame(rows, ("family", "variant", "description"))
