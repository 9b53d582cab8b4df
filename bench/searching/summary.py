"""Studies as search.json, so that reports do not need Optuna."""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from bench.search_records import SearchRecord, StudyRecord, TrialRecord
from bench.search_records import TrialState as State
from bench.searching.folder import SearchInfo
from bench.searching.plan import SearchPlan
from bench.searching.storage import RETRY_OF, without_password
from bench.searching.study import CURVE, RAN, REASON, SURPLUS, is_lost

STATES: Mapping[TrialState, State] = {
    TrialState.RUNNING: "running",
    TrialState.WAITING: "running",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}

MIN_TRIALS_FOR_IMPORTANCE = 8
"""With fewer complete trials, a parameter's importance is not estimated."""


def search_record(
    planned: SearchPlan,
    info: SearchInfo,
    studies: Mapping[str, optuna.Study],
    url: str,
    *,
    seeds: Sequence[int],
    final: str | None = None,
    whole: bool = False,
) -> SearchRecord:
    """The present state; with `whole`, also the importance of parameters, which takes seconds."""
    search = planned.search
    return SearchRecord(
        name=planned.config.name,
        dataset=info.dataset,
        classes=info.classes,
        train_counts=info.train_counts,
        rare_classes=info.rare_classes,
        objectives=search.objectives,
        sampler="TPE",
        pruner=search.pruning,
        seed=search.seed,
        wanted_trials=search.trials,
        seeds=tuple(seeds),
        space=search.space,
        storage=without_password(url),
        studies=tuple(_study(name, planned, study, whole=whole) for name, study in studies.items()),
        final=final,
        provenance=info.provenance,
    )


def _study(name: str, planned: SearchPlan, study: optuna.Study, *, whole: bool) -> StudyRecord:
    trials = [trial for trial in study.get_trials(deepcopy=False) if SURPLUS not in trial.user_attrs]
    again = {trial.user_attrs[RETRY_OF]: trial.number for trial in trials if RETRY_OF in trial.user_attrs}
    objectives = planned.search.objectives
    best = best_trial(study)
    return StudyRecord(
        model=name,
        family=planned.plans[name].family,
        study=study.study_name,
        trials=tuple(
            trial_record(trial, objectives, again.get(trial.number))
            for trial in trials
            if trial.state is not TrialState.WAITING
        ),
        best=best.number if best else None,
        pareto=tuple(sorted(trial.number for trial in study.best_trials)) if len(objectives) > 1 else (),
        importance=importance(study) if whole else {},
    )


def trial_record(trial: FrozenTrial, objectives: Sequence[str], again: int | None = None) -> TrialRecord:
    """One trial; `again` is the number under which a lost one was requeued."""
    ran = trial.user_attrs.get(RAN, {})
    reason = trial.user_attrs.get(REASON)
    if is_lost(trial):
        reason = "lost with its worker" + (f"; requeued as {again}" if again is not None else "")
    curve = trial.user_attrs.get(CURVE) or sorted(trial.intermediate_values.items())
    return TrialRecord(
        number=trial.number,
        state=STATES[trial.state],
        setting=ran.get("setting", trial.params),
        values=dict(zip(objectives, trial.values, strict=True))
        if trial.state is TrialState.COMPLETE and trial.values
        else None,
        curve=tuple((int(epoch), float(value)) for epoch, value in curve),
        reason=reason,
        batch_size=ran.get("batch_size"),
        accumulate=ran.get("accumulate"),
        duration_s=trial.duration.total_seconds() if trial.duration else None,
        worker=ran.get("worker"),
    )


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The one that the final run repeats: the best in the first objective, the earliest of equals."""
    found = [trial for trial in study.best_trials if trial.values]
    sign = 1 if study.directions[0] is StudyDirection.MAXIMIZE else -1
    return max(found, key=lambda trial: (sign * trial.values[0], -trial.number), default=None)


def importance(study: optuna.Study) -> dict[str, float]:
    """Share of each parameter in the variance of the first objective over complete trials: fANOVA.

    Hutter et al. 2014. A parameter that is inactive in a trial counts as its first choice or lowest value
    there, so that it explains no difference between such trials. Empty where trials are few or all equal.
    """
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances  # scikit-learn: seconds

    done = [trial for trial in study.get_trials(deepcopy=False) if trial.state is TrialState.COMPLETE]
    values = {trial.values[0] for trial in done}
    if len(done) < MIN_TRIALS_FOR_IMPORTANCE or len(values) < 2:
        return {}
    distributions: dict[str, Any] = {}
    for trial in done:
        distributions |= trial.distributions
    neutral = {
        word: given.choices[0] if hasattr(given, "choices") else given.low
        for word, given in distributions.items()
    }
    filled = optuna.create_study()
    filled.add_trials(
        [
            create_trial(params={**neutral, **t.params}, distributions=distributions, value=t.values[0])
            for t in done
        ]
    )
    shares = get_param_importances(filled, evaluator=FanovaImportanceEvaluator(seed=0))
    return {word: float(share) for word, share in shares.items()}
