"""Checks that a model must pass before it is ranked: a broken adapter must not look like a bad model.

results = before_training(Candidate(family, plan, classes, seed=0, device="cpu"), workdir)
...                                        # the training, with a newly built detector
results += after_training(TrainingOutput(history, training, from_random, results_on_val, val))
if why := reason(results): ...             # invalid
"""

from bench.gates.after import TrainingOutput, after_training
from bench.gates.before import NAMES, Candidate, before_training
from bench.gates.gate import reason

__all__ = ["NAMES", "Candidate", "TrainingOutput", "after_training", "before_training", "reason"]
