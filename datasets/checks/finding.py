"""A finding: a kind of fault, how often it occurs, the first examples, and what to do about it."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""error: the data can't be used, or results would be wrong. warning: boxes, images or trust are lost.
info: nothing is wrong, but it should be known."""

EXAMPLES = 8
"""Examples that a finding keeps; its count is of all."""


@dataclass(frozen=True, slots=True)
class Example:
    """Where one occurrence is."""

    image: str = ""
    record: str = ""
    """The box: 'annotation 17', 'line 3'."""
    detail: str = ""
    file: str = ""
    """The annotation file, or the image's where the image itself is meant."""
    path: str = ""
    """The image file, for a thumbnail; empty where there is none."""
    other_path: str = ""
    """Another image file, to be shown beside it."""
    boxes_xyxy: tuple[tuple[float, float, float, float], ...] = ()
    """The boxes meant, pixels of the upright image."""


@dataclass(frozen=True)
class Finding:
    """All occurrences of one kind."""

    kind: str
    severity: Severity
    message: str
    count: int
    hint: str
    examples: tuple[Example, ...] = ()

    @property
    def title(self) -> str:
        """The message with its count, unless it begins with one."""
        return self.message if self.message[:1].isdigit() else f"{self.count:,} {self.message}"


@dataclass(frozen=True)
class ClassCount:
    """Boxes of a class: in images that exist, and in images that are listed and missing."""

    name: str
    boxes: int
    images: int
    missing: int
    unknown: int = 0
    """Of `missing`: in images that the list of known names lacks."""


@dataclass(frozen=True)
class Report:
    """The result of a check."""

    path: str
    format: str
    images: int = 0
    boxes: int = 0
    missing_images: int = 0
    missing_boxes: int = 0
    known: bool = False
    """Whether a list of known names was given."""
    splits: dict[str, int] = field(default_factory=dict)
    classes: tuple[ClassCount, ...] = ()
    findings: tuple[Finding, ...] = ()
    """Errors first."""

    @property
    def exit_code(self) -> int:
        """0: nothing worse than info; 1: warnings; 2: errors."""
        worst = {finding.severity for finding in self.findings}
        return 2 if "error" in worst else 1 if "warning" in worst else 0

    def of(self, severity: Severity) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity == severity]

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "exit_code": self.exit_code}


def sorted_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors first, then the most frequent."""
    return tuple(sorted(findings, key=lambda one: (SEVERITIES.index(one.severity), -one.count, one.kind)))


def found(
    kind: str,
    severity: Severity,
    message: str,
    hint: str,
    examples: Sequence[Example],
    count: int | None = None,
) -> list[Finding]:
    """A list with one finding, or an empty one where it does not occur."""
    number = len(examples) if count is None else count
    return [Finding(kind, severity, message, number, hint, tuple(examples[:EXAMPLES]))] if number else []
