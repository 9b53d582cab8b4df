"""The losses of the judged checkpoint on val, and what stands for DETR's figures beside them.

DETR and DINO log, beside their losses, `class_error` and `cardinality_error`: of the queries that the
Hungarian matcher gives an object, the share whose best class is wrong; and the mean over images of how
far the number of queries that name a class is from that of objects. Both need every query's logits,
which predictions do not have. What predictions tell, of every family alike, is `Confusion.class_error`
(of the objects that are located) and `CountingError.mean_absolute_error` (at the model's score threshold
instead of by the no-object class).

There are no losses on test: `Detector.predict` is given images alone, so that no model can see the answers.
"""

from collections.abc import Mapping, Sequence

_PREFIX = "val/"


def validation_losses(history: Sequence[Mapping[str, float]], epoch: float) -> dict[str, float]:
    """Loss component -> its mean over val after `epoch` (`TrainingRecord.best_epoch`), before coefficients.

    `history`: rows of history.csv (`CellFolder.history`). Empty where that epoch was not validated, or the
    family reports no losses on val. Components have other meanings in other families: compare them between
    trainings of one family alone.
    """
    rows = [row for row in history if row.get("epoch") == epoch]
    return {
        name.removeprefix(_PREFIX): value
        for row in rows[-1:]
        for name, value in row.items()
        if name.startswith(_PREFIX)
    }
