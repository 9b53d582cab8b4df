"""`bench data check --with RUN`: what a run's models say of the labels, as findings."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.analysis.label_doubts import Doubt, label_doubts
from bench.datasets.checks import Report
from bench.datasets.checks.finding import EXAMPLES, Example, Finding, found, sorted_findings
from bench.errors import ConfigError
from bench.layout import Layout
from bench.store import RunFolder

HINT = "look at them: the labels may be wrong, or the models; images of train are not judged"


def with_doubts(report: Report, run: RunFolder) -> Report:
    """The report with findings on the run's val and test images.

    Raises ConfigError where the run saw another dataset, RunError where its files can't be read.
    """
    _check_same(report, run)
    doubts = label_doubts(run)
    of = f"by {len(doubts.models)} models of {run.root.name}" if doubts.models else "no model is done"
    unlabelled, unfound = doubts.of("unlabelled"), doubts.of("unfound")
    findings: list[Finding] = [
        *found(
            "doubt_unlabelled",
            "info",
            f"places where most models see an object and none is annotated ({of})",
            HINT,
            _examples(unlabelled, run),
            len(unlabelled),
        ),
        *found(
            "doubt_unfound",
            "info",
            f"objects that no model finds ({of})",
            HINT,
            _examples(unfound, run),
            len(unfound),
        ),
    ]
    return replace(report, findings=sorted_findings([*report.findings, *findings]))


def _check_same(report: Report, run: RunFolder) -> None:
    manifest = run.manifest()
    path = (manifest.get("config") or {}).get("path")
    listed = (manifest.get("source") or {}).get("images_listed")
    same_folder = path is not None and Path(path).resolve() == Path(report.path).resolve()
    if not same_folder and listed != report.images:
        raise ConfigError(
            f"the run saw {listed} images of {path}, and here are {report.images}",
            record="--with",
            value=str(run.root),
            hint="check the data that the run was trained on",
        )


def _examples(doubts: Sequence[Doubt], run: RunFolder) -> list[Example]:
    """Those with the strongest evidence first; thumbnails where the run's dataset is still there."""
    layout = Layout(Path(run.info().layout), run.info().classes)
    examples = []
    for doubt in doubts[:EXAMPLES]:
        path = layout.images_dir(doubt.split) / doubt.file_name
        corners = ", ".join(f"{side:.6g}" for side in doubt.box_xyxy)
        seen = f"{doubt.models} models, mean score {doubt.score:.2f}"
        detail = f"{doubt.label} ({corners})" + (f": {seen}" if doubt.kind == "unlabelled" else "")
        examples.append(
            Example(
                image=doubt.image,
                detail=detail,
                path=str(path) if path.is_file() else "",
                boxes_xyxy=(doubt.box_xyxy,),
            )
        )
    return examples
