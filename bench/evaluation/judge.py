"""One judge for a dataset: it holds the classes, the rare ones, and the ground truth of val and test.

judge = Judge.of_layout(layout, rare_classes=("lynx",))
judge.score(detections)["AP"]                        # while a model trains, on val
tables = {split: judge.match(split, read_results(path)) for ...}
threshold = best_threshold(tables["val"])
figures = judge.figures(tables["test"], threshold)   # the verdict
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.detector import Detections
from bench.errors import RunError
from bench.evaluation.figures import quick_figures, split_figures
from bench.evaluation.ground_truth import GroundTruth, load_ground_truth
from bench.evaluation.matches import MatchTable
from bench.evaluation.matching import match
from bench.evaluation.results import Results, by_image
from bench.layout import Layout, SplitName
from bench.records import SplitFigures
from bench.store import RunFolder

JUDGED: tuple[SplitName, ...] = ("val", "test")


class Judge:
    """Make one for a layout or a run and ask it about every model.

    Args:
        classes: names by class index, as detectors know them.
        ground_truths: the COCO json of each split; read when it is first needed, and once.
        rare_classes: the classes that AP_rare is the mean of.
    """

    def __init__(
        self,
        classes: Sequence[str],
        ground_truths: Mapping[SplitName, Path],
        rare_classes: Sequence[str] = (),
    ) -> None:
        self.classes = tuple(classes)
        self.rare_classes = tuple(rare_classes)
        self._paths = dict(ground_truths)
        self._truths: dict[SplitName, GroundTruth] = {}

    @classmethod
    def of_layout(cls, layout: Layout, rare_classes: Sequence[str] = ()) -> "Judge":
        return cls(layout.classes, {split: layout.coco_path(split) for split in JUDGED}, rare_classes)

    @classmethod
    def of_run(cls, run: RunFolder, rare_classes: Sequence[str] = ()) -> "Judge":
        """By the copies of the ground truth that the run keeps."""
        paths = {split: run.ground_truth_path(split) for split in JUDGED}
        return cls(run.info().classes, paths, rare_classes)

    def ground_truth(self, split: SplitName) -> GroundTruth:
        """Raises DataError as `load_ground_truth` does, RunError where its classes are not the judge's."""
        if split not in self._truths:
            truth = load_ground_truth(self._paths[split])
            if truth.classes != self.classes:
                raise RunError(
                    "the classes of the model are not those of the ground truth",
                    file=truth.path,
                    record="categories",
                    value=f"{list(truth.classes)} for {list(self.classes)}",
                    hint="judge a model on the layout that it was trained for",
                )
            self._truths[split] = truth
        return self._truths[split]

    def match(self, split: SplitName, results: Results) -> MatchTable:
        """Match detections with objects.

        Raises RunError for a detection in an image, or of a category, that the split does not have.
        """
        return match(self.ground_truth(split), results)

    def score(self, detections: Sequence[Detections], split: SplitName = "val") -> dict[str, float]:
        """AP, AP50, AP75, AR_100 and AP_rare, the names of `Recipe.monitor`, equal to those of `figures`.

        `detections` are in the order of the layout's examples. 0.0 where a figure is undefined, because there
        is no object to find; AP_rare is then left out. Raises RunError as `results_json` does.
        """
        truth = self.ground_truth(split)
        results = by_image(truth.file_image_ids, detections)
        return quick_figures(match(truth, results, quick=True), self.rare_classes)

    def figures(self, table: MatchTable, score_threshold: float | None) -> SplitFigures:
        """The verdict on one split; `score_threshold` is val's best, None where none was chosen."""
        return split_figures(table, score_threshold, self.rare_classes)
