"""What limits the figures of a comparison: leaks, failures, unequal training, few test images."""

from collections.abc import Sequence

from bench.records import CellRecord
from bench.reports.comparison import Comparison
from bench.reports.wording import count, leak_of, listed, share

NEAR_ZERO_AP = 0.05
"""Below this hardly anything is found where it is, and the order of models says little."""

FEW_IMAGES = 100
"""Test images from which 95 % intervals hold in 95 to 97 % of simulated cases (docs/statistics.md)."""

BUSY_CORES = 0.5
"""Load by other processes during the timing from which on it is worth a sentence."""

SAME_AMOUNT = 1.1
"""Images seen may differ by this factor and still count as the same training."""


def cautions(comparison: Comparison) -> list[str]:
    """What limits the figures, most serious first."""
    found = []
    if leak := leak_of(comparison.manifest):
        found.append(f"{leak}.")
    records = comparison.records
    found += _of_finals(records)
    best = max((c.ranked.ap.mean for c in comparison.contestants if c.ranked.ap), default=None)
    if best is not None and best < NEAR_ZERO_AP:
        found.append(
            f"With a best test AP of {share(best)} the order says little: train longer, "
            "or start from pretrained weights."
        )
    failed = [record for c in comparison.contestants for record in c.ranked.failed]
    if failed:
        found.append(
            f"{count(len(failed), 'cell')} failed and {'is' if len(failed) == 1 else 'are'} not ranked: "
            "see below."
        )
    found += _of_gates(comparison)
    left = [name for run in comparison.runs for name in run.unfinished]
    if left:
        found.append(f"{count(len(left), 'cell')} not finished yet: {listed(left)}.")
    foreign = [c.label for c in comparison.finished if c.run.info.evaluated]
    if foreign:
        found.append(
            f"{listed(foreign)}: predictions of other tools. How the models were trained, and whether on "
            "test images, is not known."
        )
    starts = {record.description.pretrained_on for record in records if record.description}
    if len(starts) > 1:
        found.append("The models started from weights that were pretrained on different data.")
    seen = [record.training.images_seen for record in records if record.training]
    if seen and max(seen) > SAME_AMOUNT * min(seen):
        found.append(
            f"They did not see the same number of images in training: {min(seen):,} to {max(seen):,}."
        )
    seeds = {contestant.ranked.seeds for contestant in comparison.finished}
    if len(seeds) > 1:
        found.append("They were not trained with the same seeds.")
    if (
        len({record.rare_classes for record in records if record.test and record.test.AP_rare is not None})
        > 1
    ):
        found.append("The runs name different rare classes: their AP_rare can't be compared.")
    devices = {record.efficiency.device for record in records if record.efficiency}
    if len(devices) > 1:
        found.append("They were timed on different devices: their latencies can't be compared.")
    load = max((record.efficiency.other_load or 0.0 for record in records if record.efficiency), default=0.0)
    if load > BUSY_CORES:
        found.append(
            f"While they were timed, other processes kept up to {load:.1f} CPU cores busy: on an idle "
            "machine latencies are lower, and may order otherwise."
        )
    tested = {record.test.images for record in records if record.test}
    if tested and max(tested) < FEW_IMAGES:
        found.append(
            f"The test split has only {count(max(tested), 'image')}. AP is too high on so few, not equally "
            "for all models, and 95 % intervals hold less often than that: see docs/statistics.md."
        )
    if comparison.manifest.get("limit"):
        found.append("Only a share of the data was used (data.limit): with all of it the order may differ.")
    return found


def _of_finals(records: Sequence[CellRecord]) -> list[str]:
    """Which training the test figures are from, where there were two."""
    finals = [record for record in records if record.final]
    if not finals:
        return []
    if len(finals) < len(records):
        text = (
            "Some test figures are from a training on train and val together "
            f"({listed(sorted({record.model for record in finals}))}), others from one on train alone: "
            "they can't be compared."
        )
    else:
        text = (
            "Ranked by the final trainings: after the choice on val each model was trained once more on "
            "train and val together, and its last weights were judged on test. The figures of the models "
            "chosen on val are shown beside them."
        )
    return [text]


def _of_gates(comparison: Comparison) -> list[str]:
    """Cells that failed a gate or were flagged by one, and runs without gates."""
    found = []
    invalid = [record for c in comparison.contestants for record in c.ranked.invalid]
    if invalid:
        one = len(invalid) == 1
        found.append(
            f"{count(len(invalid), 'cell')} {'is' if one else 'are'} invalid and not ranked, see below: "
            "by the gates, the figures say nothing about the model."
        )
    if not all(run.gated for run in comparison.runs):
        found.append("The gates were off (gates: false): a broken adapter would be ranked as a bad model.")
    found += [
        f"{record.model}, seed {record.seed}, gate {gate.name}: {gate.detail}."
        for record in comparison.records
        for gate in record.gates
        if gate.flagged
    ]
    return found
