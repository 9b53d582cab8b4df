"""What a model must pass before it is ranked: a broken adapter must not look like a bad model.

results = before_training(Subject(family, plan, classes, seed=0, device="cpu"), room)
...                                        # the training, with a detector that is built anew
results += after_training(Fitted(history, training, from_random, results_on_val, val))
if why := reason(results): ...             # invalid
"""

from bench.gates.after import Fitted, after_training
from bench.gates.before import NAMES, Subject, before_training
from bench.gates.gate import reason

__all__ = ["NAMES", "Fitted", "Subject", "after_training", "before_training", "reason"]
