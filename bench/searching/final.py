"""The end of a search: every model's best setting against `standard`, in an ordinary run scored on test."""

from collections.abc import Mapping
from itertools import count

import optuna

from bench import config_tree, files
from bench.config import read_config
from bench.runner import run as running
from bench.runner.create import resolved_yaml
from bench.searching.folder import SearchFolder
from bench.searching.plan import SearchPlan
from bench.searching.setting import Batching, final_config
from bench.searching.space import Setting
from bench.searching.study import RAN
from bench.searching.summary import best_trial
from bench.store import RunFolder

HEAD = (
    "# The best setting that a search found for each model, compared with the standard one.\n"
    "# `bench run -c` on this file repeats the comparison.\n"
)


def write_best(folder: SearchFolder, planned: SearchPlan, studies: Mapping[str, optuna.Study]) -> bool:
    """Write best.yaml. False, and no file, where no trial of any model has a value."""
    best: dict[str, tuple[Setting, Batching]] = {}
    for name, study in studies.items():
        trial = best_trial(study)
        if trial is not None:
            ran = trial.user_attrs[RAN]
            best[name] = (ran["setting"], Batching(ran["batch_size"], ran["accumulate"]))
    if best:
        config = final_config(planned.config, best, planned.final_seeds)
        files.write_text(folder.best_path, resolved_yaml(config, HEAD))
    return bool(best)


def run_final(folder: SearchFolder, callbacks: running.RunCallbacks, command: str) -> running.RunResult:
    """Run best.yaml into SEARCH/final, or resume the run that is there.

    A final run of an earlier best.yaml is kept as final-old-N. Raises BenchError as bench run does.
    """
    wanted = read_config(folder.best_path)
    final = folder.final_dir
    if final.is_dir():
        there = read_config(RunFolder.open(final).config_path)
        if not config_tree.changes(there.model_dump(mode="json"), wanted.model_dump(mode="json")):
            return running.resume(RunFolder(final), callbacks)
        number = next(number for number in count(1) if not final.with_name(f"final-old-{number}").exists())
        final.replace(final.with_name(f"final-old-{number}"))
    return running.start(wanted, callbacks, command=command, into=final)
