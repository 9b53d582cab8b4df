"""What a search has found, in sentences that its figures support: best against standard, on test."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.config import ReportConfig
from bench.records import CellRecord
from bench.reports.certainty import Certainty, certainty
from bench.reports.paired import Figure, Outcome, Paired
from bench.reports.ranking import rare_ap, test_ap
from bench.reports.search.folder import BEST, STANDARD, Search, read_search
from bench.reports.training import plain
from bench.reports.verdict import unseen
from bench.reports.wording import count, isolated, listed, share, signed
from bench.search_records import StudyRecord, TrialRecord
from bench.store import RunFolder


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
        """Classes in which the best setting is better, all classes of all models taken together."""
        return [pair for pair in self.classes if pair.ap and pair.ap.outcome == "better"]

    @property
    def losses(self) -> list[ClassPair]:
        return [pair for pair in self.classes if pair.ap and pair.ap.outcome == "worse"]


def search_verdicts(root: Path) -> list[str]:
    """One verdict a model, as the search in `root` stands.

    Raises RunError where `root` is no search folder, or its files are broken.
    """
    return [final.sentence for final in finals(read_search(root))]


def finals(search: Search) -> list[Final]:
    """Best against standard, one study after the other."""
    models = len(search.record.studies)
    return [_final(search, study, _Intervals.of(search, study, models)) for study in search.record.studies]


def headline(found: list[Final]) -> str:
    """All studies in one sentence; the only one's own where there is one."""
    if len(found) == 1:
        return found[0].claim
    said = {
        "better": "better than standard for {}",
        "worse": "worse for {}",
        "same": "as good as standard for {}",
        "unknown": "neither surely better nor surely as good for {}",
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


@dataclass(frozen=True)
class _Intervals:
    """How sure best against standard of one study is, for the seeds that both have."""

    study: StudyRecord
    base: Mapping[int, CellRecord]
    ours: Mapping[int, CellRecord]
    known: Certainty | str
    models: int
    """Studies of the search: their claims are to hold together."""

    @classmethod
    def of(cls, search: Search, study: StudyRecord, models: int) -> "_Intervals":
        base, ours = search.done(study, STANDARD), search.done(study, BEST)
        seeds = sorted(
            seed
            for seed in base.keys() & ours.keys()
            if None not in (test_ap(base[seed]), test_ap(ours[seed]))
        )
        known: Certainty | str = "no seed has both"
        if seeds and search.final:
            final = search.final
            trainings = {
                which: [(final, records[seed]) for seed in seeds]
                for which, records in ((BEST, ours), (STANDARD, base))
            }
            known = certainty(trainings, _margin(final), sizes=False)
        return cls(study, base, ours, known, models)

    def paired(self, name: str, figure: Figure, claims: int = 1) -> Paired | None:
        """`claims` figures of each study are to hold together."""
        comparison = (
            None if isinstance(self.known, str) else self.known.comparison(name, claims * self.models)
        )
        difference = comparison.difference(BEST, STANDARD) if comparison else None
        return Paired.of(figure, self.base, self.ours, difference)


def _margin(run: RunFolder) -> float:
    """`report.margin` of the search's bench.yaml."""
    settings = run.info().config or {}
    return float((settings.get("report") or {}).get("margin", ReportConfig().margin))


def _final(search: Search, study: StudyRecord, intervals: _Intervals) -> Final:
    best, ap, rare = best_trial(study), intervals.paired("AP", test_ap), intervals.paired("AP_rare", rare_ap)
    return Final(
        study=study,
        best=best,
        ap=ap,
        rare_ap=rare,
        classes=tuple(_class_pairs(search, intervals)),
        claim=_claim(study, best, ap),
        detail=_detail(ap, rare, search, intervals.known) if ap else _missing(study, best, search),
    )


def _class_pairs(search: Search, intervals: _Intervals) -> list[ClassPair]:
    records = (*intervals.base.values(), *intervals.ours.values())
    tests = [record.ranked for record in records if record.ranked]
    if not tests:
        return []

    def of(index: int, record: CellRecord) -> float | None:
        return record.ranked.classes[index].AP if record.ranked else None

    pairs = [
        ClassPair(
            name=figures.name,
            support=figures.ground_truths,
            rare=figures.name in search.record.rare_classes,
            ap=intervals.paired(
                f"AP/{figures.name}",
                lambda record, index=index: of(index, record),  # type: ignore[misc]
                len(tests[0].classes),
            ),
        )
        for index, figures in enumerate(tests[0].classes)
    ]
    return sorted(pairs, key=lambda pair: -pair.support)


def _claim(study: StudyRecord, best: TrialRecord | None, ap: Paired | None) -> str:
    if best is None:
        return f"{study.model}: no trial has finished, so there is no best setting."
    margin = share(ap.difference.margin) if ap and ap.difference else ""
    return {
        "better": f"{study.model}: the best setting is better than standard on test.",
        "worse": f"{study.model}: the best setting is worse than standard on test.",
        "same": f"{study.model}: the best setting is as good as standard on test, within {margin} AP.",
        "unknown": f"{study.model}: whether the best setting is better than standard can't be told.",
    }[ap.outcome if ap else "unknown"]


def _detail(ap: Paired, rare: Paired | None, search: Search, known: Certainty | str) -> str:
    sentences = [f"Test AP: {_figures(ap)}."]
    if rare is not None:
        names = listed([isolated(name) for name in search.record.rare_classes])
        sentences.append(f"AP of the rare classes ({names}): {_figures(rare)}.")
    if isinstance(known, str):
        sentences.append(f"How much of it is chance can't be told: {known}.")
    elif ap.difference and ap.outcome == "unknown" and ap.difference.covers_training:
        sentences.append(unseen(ap.difference))
    return " ".join(sentences)


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
    """'+0.032 (0.412 against 0.380), 95 % interval +0.011 to +0.053 over test images and 3 seeds each'."""
    means = f"{signed(paired.mean)} ({share(paired.ours_mean)} against {share(paired.base_mean)})"
    if paired.interval is None:
        return f"{means} in {count(len(paired.seeds), 'seed')}"
    low, high = paired.interval
    over = f"95 % interval {signed(low)} to {signed(high)} over test images"
    if len(paired.seeds) == 1:
        return f"{means}, {over}; one seed can't tell how far another training would be from it"
    return f"{means}, {over} and {len(paired.seeds)} seeds each"
