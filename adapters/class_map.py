"""Which classes of a dataset a checkpoint already knows, where it is judged as it comes (`epochs: 0`).

Names decide: equal but for upper and lower case, nothing cleverer. The head that is judged names our
classes first, in our order; a class that the weights do not know gets a row that never fires; the
checkpoint's other classes follow, where the head's classes share one softmax: without them a zebra, of
which nobody asked, would be taken for the likeliest of the classes that are left.
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
    """`rows[i]` is the place of our class i among `theirs`; None where they have none of that name."""

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
        """Their classes that are none of ours, in their order."""
        return tuple(self.theirs[row] for row in self._left())

    def known(self, rows: "Tensor", missing: float) -> "Tensor":
        """(theirs, ...) -> (ours, ...), filled with `missing` where they have no such class."""
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
    """By name. `theirs` is empty where nobody says what the head of `weights` knows.

    Raises RecipeError where no class is shared: without a training there is nothing to judge.
    """
    places: dict[str, int] = {}
    for place, name in enumerate(theirs):
        places.setdefault(name.strip().casefold(), place)
    found = ClassMap(tuple(ours), tuple(theirs), tuple(places.get(name.strip().casefold()) for name in ours))
    if any(row is not None for row in found.rows):
        return found
    raise RecipeError(
        f"epochs: 0 judges weights as they come, and {weights} "
        + (f"knows none of {', '.join(ours)}" if theirs else "does not say which classes it knows"),
        record="train.epochs",
        value=0,
        hint="train for at least one epoch, or rename classes in a class table to those of the weights"
        + (f": {_few(theirs)}" if theirs else ""),
    )


def _few(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
