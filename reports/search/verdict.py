"""What a search has found, in sentences that its figures support: best against standard, on test."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.records import CellRecord
from bench.reports.paired import LEAST_DIFFERENCE, Outcome, Paired
from bench.reports.ranking import rare_ap, test_ap
from bench.reports.search.folder import BEST, STANDARD, Search, read_search
from bench.reports.training import plain
from bench.reports.wording import count, listed, share, signed
from bench.search_records import StudyRecord, TrialRecord


@dataclass(frozen=True)
class ClassPair:
    """One class on test; `ap` is None where it has no ground truth there."""

    name: str
    support: int
    rare: bool
    ap: Paired | None


@dataclass(frozen=True)
class Final:
    """Best against standard of one study."""

    study: StudyRecord
    best: TrialRecord | None
    ap: Paired | None
    rare_ap: Paired | None
    classes: tuple[ClassPair, ...]  # most frequent first
    claim: str
    detail: str  # the figures behind it, or what is missing for them

    @property
    def sentence(self) -> str:
        return f"{self.claim} {self.detail}".strip()

    @property
    def outcome(self) -> Outcome:
        return self.ap.outcome if self.ap else "unknown"

    @property
    def wins(self) -> list[ClassPair]:
        """Classes whose mean AP is higher with the best setting, by more than three digits hide."""
        return [pair for pair in self.classes if _sign(pair) > 0]

    @property
    def losses(self) -> list[ClassPair]:
        return [pair for pair in self.classes if _sign(pair) < 0]


def search_verdicts(root: Path) -> list[str]:
    """One verdict a model, as the search in `root` stands.

    Raises RunError where `root` is no search folder, or its files are broken.
    """
    return [final.sentence for final in finals(read_search(root))]


def finals(search: Search) -> list[Final]:
    """Best against standard, one study after the other."""
    return [_final(search, study) for study in search.record.studies]


def headline(found: list[Final]) -> str:
    """All studies in one sentence; the only one's own where there is one."""
    if len(found) == 1:
        return found[0].claim
    said = {
        "better": "better than standard for {}",
        "worse": "worse for {}",
        "same": "no different beyond the spread of the seeds for {}",
        "unknown": "not to be told from standard's for {}",
    }
    parts = [
        words.format(listed([final.study.model for final in found if final.outcome == outcome]))
        for outcome, words in said.items()
        if any(final.outcome == outcome for final in found)
    ]
    return f"On test, the best setting that was found is {'; '.join(parts)}."


def setting_text(setting: Mapping[str, Any]) -> str:
    """'loss.classification: focal, loss.focal_gamma: 1.5'."""
    found = (f"{word}: {_rounded(value)}" for word, value in setting.items())
    return ", ".join(found) or "nothing was searched"


def _rounded(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else plain(value)


def best_trial(study: StudyRecord) -> TrialRecord | None:
    return next((trial for trial in study.trials if trial.number == study.best), None)


def _final(search: Search, study: StudyRecord) -> Final:
    base, ours = search.done(study, STANDARD), search.done(study, BEST)
    best, ap, rare = best_trial(study), Paired.of(test_ap, base, ours), Paired.of(rare_ap, base, ours)
    return Final(
        study=study,
        best=best,
        ap=ap,
        rare_ap=rare,
        classes=tuple(_class_pairs(search, base, ours)),
        claim=_claim(study, best, ap),
        detail=_detail(ap, rare, search) if ap else _missing(study, best, search),
    )


def _class_pairs(
    search: Search, base: Mapping[int, CellRecord], ours: Mapping[int, CellRecord]
) -> list[ClassPair]:
    tests = [record.ranked for record in (*base.values(), *ours.values()) if record.ranked]
    if not tests:
        return []

    def of(index: int, record: CellRecord) -> float | None:
        return record.ranked.classes[index].AP if record.ranked else None

    pairs = [
        ClassPair(
            name=figures.name,
            support=figures.ground_truths,
            rare=figures.name in search.record.rare_classes,
            ap=Paired.of(lambda record, index=index: of(index, record), base, ours),  # type: ignore[misc]
        )
        for index, figures in enumerate(tests[0].classes)
    ]
    return sorted(pairs, key=lambda pair: -pair.support)


def _claim(study: StudyRecord, best: TrialRecord | None, ap: Paired | None) -> str:
    if best is None:
        return f"{study.model}: no trial has finished, so there is no best setting."
    return {
        "better": f"{study.model}: the best setting is better than standard on test.",
        "worse": f"{study.model}: the best setting is worse than standard on test.",
        "same": f"{study.model}: no difference between best setting and standard beyond the spread of the "
        "seeds.",
        "unknown": f"{study.model}: whether the best setting is better than standard can't be told.",
    }[ap.outcome if ap else "unknown"]


def _detail(ap: Paired, rare: Paired | None, search: Search) -> str:
    if rare is None:
        return f"Test AP: {_figures(ap)}."
    names = listed(list(search.record.rare_classes))
    same = ", no difference beyond the spread of the seeds" if rare.outcome == "same" else ""
    return f"Test AP: {_figures(ap)}. AP of the rare classes ({names}): {_figures(rare)}{same}."


def _missing(study: StudyRecord, best: TrialRecord | None, search: Search) -> str:
    """Why nothing stands against nothing."""
    if best is None:
        reasons = [trial.reason for trial in study.trials if trial.state == "failed" and trial.reason]
        return f"The last failure: {reasons[-1]}" if reasons else ""
    if not search.record.seeds:
        return (
            "No final trainings were asked for, and the val figures that chose the setting are no test of it."
        )
    if search.final is None:
        return "The final trainings have not begun."
    return "No seed has a final training of both with a test AP."


def _figures(paired: Paired) -> str:
    """'+0.032 (0.412 against 0.380), 95 % t-interval +0.011 to +0.053, paired over 3 seeds'."""
    means = f"{signed(paired.mean)} ({share(paired.ours_mean)} against {share(paired.base_mean)})"
    interval = paired.interval
    if interval is None:
        return f"{means} in one seed, which can't tell how much of that is chance"
    if interval[1] - interval[0] < LEAST_DIFFERENCE:
        return f"{means}, the same in all {len(paired.seeds)} seeds"
    spread = f"95 % t-interval {signed(interval[0])} to {signed(interval[1])}"
    return f"{means}, {spread}, paired over {count(len(paired.seeds), 'seed')}"


def _sign(pair: ClassPair) -> int:
    if pair.ap is None or abs(pair.ap.mean) < LEAST_DIFFERENCE:
        return 0
    return 1 if pair.ap.mean > 0 else -1
