"""Where the labels of boxes stand, so that they cover neither each other nor, where possible, an object."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

PANEL_WIDTH_PX = 250
"""The narrowest panel; labels take a smaller share of a wider one."""

LETTER_PX = 6.1
TAG_HEIGHT_PX = 15
PADDING_PX = 8


@dataclass(frozen=True)
class Rect:
    """In percent of the picture."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def meets(self, other: "Rect") -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def place(boxes: Sequence[Rect], texts: Sequence[str], size_wh: tuple[int, int]) -> list[Rect | None]:
    """The place of each label, in the order given: the first gets the best. None where no place is free."""
    panel_height_px = PANEL_WIDTH_PX * size_wh[1] / size_wh[0]
    height = 100 * TAG_HEIGHT_PX / panel_height_px
    taken: list[Rect] = []
    found: list[Rect | None] = []
    for box, text in zip(boxes, texts, strict=True):
        width = min(90.0, 100 * (PADDING_PX + LETTER_PX * len(text)) / PANEL_WIDTH_PX)
        free = next(
            (
                tag
                for tag in _candidates(box, width, height)
                if tag.left >= 0
                and tag.top >= 0
                and tag.right <= 100
                and tag.bottom <= 100
                and not any(tag.meets(other) for other in taken)
            ),
            None,
        )
        found.append(free)
        if free:
            taken.append(free)
    return found


def _candidates(box: Rect, width: float, height: float) -> list[Rect]:
    """Outside the box first: above, below, then inside at its top and bottom; left-aligned before right."""
    tops = (box.top - height, box.bottom, box.top, box.bottom - height)
    lefts = (box.left, box.right - width, max(0.0, min(box.left, 100.0 - width)))
    return [
        Rect(round(left, 2), round(top, 2), round(width, 2), round(height, 2))
        for top, left in product(tops, lefts)
    ]
