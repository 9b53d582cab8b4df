"""How sure a difference of latencies is, from repeated timing."""

from collections.abc import Mapping, Sequence

import numpy as np

from bench.records import CellRecord
from bench.statistics import Comparison, Difference, Sample

LEAST_ROUNDS = 3


def latency_difference(models: Mapping[str, Sequence[CellRecord]], one: str, other: str) -> Difference | None:
    """Milliseconds of `one` minus `other`, with an interval that holds for all pairs of models at once.

    A model's repetitions are its cells, each timed in a process of its own; where a model has a single cell,
    all models' rounds within their first one. The models of a seed take turns (bench.runner.timing). None
    where a model was timed neither twice nor in rounds.
    """
    timed = {name: [r.efficiency for r in records if r.efficiency] for name, records in models.items()}
    if all(len(found) > 1 for found in timed.values()):
        values = {name: [one.latency_ms for one in found] for name, found in timed.items()}
    else:
        values = {name: list(found[0].latency_rounds_ms) if found else [] for name, found in timed.items()}
        if any(len(rounds) < LEAST_ROUNDS for rounds in values.values()):
            return None
    arrays = tuple(np.array(found) for found in values.values())
    trainings = sum(len(found) for found in arrays)
    sample = Sample(tuple(values), arrays, np.zeros((trainings, trainings)), units=2)
    return Comparison(sample).difference(one, other)
