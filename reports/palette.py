"""One colour and one shape a model, the same in every chart and every file.

Colours are Okabe and Ito's (2008), which stay apart under the common kinds of colour blindness; yellow is
left out, because it can't be seen on white. From the seventh model on colours return with another shape.
"""

from dataclasses import dataclass

INK = "#1c2126"
MUTED = "#5f6872"
RULE = "#d9dde2"
TRUTH = "#7b858f"
"""Ground truth: the colour of no model."""


@dataclass(frozen=True)
class Tone:
    """How one model looks."""

    index: int  # of the model, from 0; -1 for what is no model
    light: str  # on white paper
    dark: str  # on a dark page
    text: str  # what can be read on `light`
    shape: str  # an SVG path in a box from -6 to 6
    marker: str  # the same for matplotlib
    dashes: tuple[float, ...]  # of a line, empty for a solid one
    css: str  # its class in the style sheet


@dataclass(frozen=True)
class Series:
    """What a colour and a shape stand for where it is no model."""

    label: str
    tone: Tone


GROUND_TRUTH = Series("ground truth", Tone(-1, TRUTH, TRUTH, "#ffffff", "", "s", (), css="truth"))


_COLOURS = (
    ("#0072b2", "#4ba3dd", "#ffffff"),  # blue
    ("#d55e00", "#f0843c", "#ffffff"),  # vermilion
    ("#009e73", "#2fc599", "#ffffff"),  # bluish green
    ("#b8548f", "#e08fbd", "#ffffff"),  # reddish purple, darkened so that white text can be read on it
    ("#e69f00", "#f2b632", "#1c2126"),  # orange
    ("#56b4e9", "#7cc7f2", "#1c2126"),  # sky blue
)
_SHAPES = (
    ("M0-5A5 5 0 1 1 0 5A5 5 0 1 1 0-5Z", "o"),
    ("M-4.4-4.4H4.4V4.4H-4.4Z", "s"),
    ("M0-5.4L5.4 4.2H-5.4Z", "^"),
    ("M0-6L6 0L0 6L-6 0Z", "D"),
    ("M0 5.4L5.4-4.2H-5.4Z", "v"),
    ("M-5-2H-2V-5H2V-2H5V2H2V5H-2V2H-5Z", "P"),
)
_DASHES: tuple[tuple[float, ...], ...] = ((), (6, 2), (2, 2), (8, 2, 2, 2))


COLOURS = len(_COLOURS)
"""How many there are before they return with another shape."""


def tone(index: int) -> Tone:
    """The look of the page's model number `index`, from 0."""
    light, dark, text = _COLOURS[index % len(_COLOURS)]
    round_ = index // len(_COLOURS)
    shape, marker = _SHAPES[(index + round_) % len(_SHAPES)]
    return Tone(index, light, dark, text, shape, marker, _DASHES[round_ % len(_DASHES)], css=f"t{index}")
