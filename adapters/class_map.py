"""Which classes of a dataset a checkpoint already detects, where it is evaluated untrained (`epochs: 0`).

Classes are matched by name, regardless of case. The evaluated head has our classes first, in our order; a
class that the checkpoint lacks gets a row whose score is always 0. Where the head is a softmax, the
checkpoint's other classes follow: without them a zebra would be reported as the likeliest of the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import RecipeError

if TYPE_CHECKING:
    from torch import Tensor

NEVER = -1e4
"""A logit whose sigmoid, and whose share of a softmax, is 0; half precision holds it."""


@dataclass(frozen=True)
class ClassMap:
    """`rows[i]` is the index of our class i among `theirs`; None where none of them has that name."""

    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    rows: tuple[int | None, ...]

    def named(self) -> dict[str, str | None]:
        """Our names -> theirs."""
        return {
            name: None if row is None else self.theirs[row]
            for name, row in zip(self.ours, self.rows, strict=True)
        }

    @property
    def others(self) -> tuple[str, ...]:
        """Those of their classes that are not ours, in their order."""
        return tuple(self.theirs[row] for row in self._left())

    def known(self, rows: "Tensor", missing: float) -> "Tensor":
        """(theirs, ...) -> (ours, ...), filled with `missing` for classes that they lack."""
        filled = rows.new_full((len(self.ours), *rows.shape[1:]), missing)
        for place, row in enumerate(self.rows):
            if row is not None:
                filled[place] = rows[row]
        return filled

    def rearranged(self, rows: "Tensor", missing: float) -> "Tensor":
        """(theirs, ...) -> (ours + others, ...)."""
        import torch

        return torch.cat([self.known(rows, missing), rows[list(self._left())]])

    def _left(self) -> tuple[int, ...]:
        taken = set(self.rows)
        return tuple(row for row in range(len(self.theirs)) if row not in taken)


def match(ours: Sequence[str], theirs: Sequence[str], *, weights: str) -> ClassMap:
    """Match by name. `theirs` is empty where the classes of `weights` are not known.

    Raises RecipeError where no class is shared: without a training there is nothing to evaluate.
    """
    index: dict[str, int] = {}
    for row, name in enumerate(theirs):
        index.setdefault(name.strip().casefold(), row)
    found = ClassMap(tuple(ours), tuple(theirs), tuple(index.get(name.strip().casefold()) for name in ours))
    if any(row is not None for row in found.rows):
        return found
    raise RecipeError(
        f"epochs: 0 evaluates weights without training, and {weights} "
        + (f"has none of {', '.join(ours)}" if theirs else "does not say which classes it has"),
        record="train.epochs",
        value=0,
        hint="train for at least one epoch, or rename classes in a class table to those of the weights"
        + (f": {_shortened(theirs)}" if theirs else ""),
    )


def _shortened(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
