"""The search space of one model, as Optuna's distributions, and settings sampled from it."""

import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import optuna

from bench import registry
from bench.config_problems import guess
from bench.errors import ConfigError
from bench.search_config import IMPLIED, Categorical, Parameter

Setting = dict[str, Any]
"""Dotted option -> value, for the options that are active together."""

MOST_CORNERS = 500
"""Combinations of choices that are planned before a search starts; of more, a random sample of this size."""


class Space:
    """The parameters of one model, ordered so that each follows those that it depends on."""

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        """Raises ConfigError for a condition on a parameter that is not in the space, or on itself."""
        self._when = {key: _conditions(key, parameter, parameters) for key, parameter in parameters.items()}
        self.parameters = {key: parameters[key] for key in _in_order(self._when)}

    def suggest(self, trial: optuna.Trial) -> Setting:
        """Sample a setting."""
        setting: Setting = {}
        for key, parameter in self.parameters.items():
            if self._active(key, setting):
                setting[key] = _draw(trial, key, parameter)
        return setting

    def labels(self, setting: Mapping[str, Any]) -> dict[str, Any]:
        """The part of `setting` that is in the space, in the form for `enqueue_trial`."""
        found: Setting = {}
        for key, parameter in self.parameters.items():
            if not self._active(key, found) or key not in setting:
                continue
            if isinstance(parameter, Categorical):
                inside = setting[key] in parameter.values
            else:
                inside = _is_number(setting[key]) and parameter.holds(setting[key])
            if inside:
                found[key] = setting[key]
        return {key: _label(value) for key, value in found.items()}

    def corners(self) -> Iterator[Setting]:
        """Every combination of choices, all numbers at their low ends, then all at their high ends."""
        choices = [
            [(key, value) for value in parameter.values]
            for key, parameter in self.parameters.items()
            if isinstance(parameter, Categorical)
        ]
        seen: set[str] = set()
        for picked in _products(choices):
            for end in ("low", "high"):
                setting = self._corner(dict(picked), end)
                key = json.dumps(setting, sort_keys=True, default=str)
                if key not in seen:
                    seen.add(key)
                    yield setting

    def _corner(self, picked: Mapping[str, Any], end: str) -> Setting:
        setting: Setting = {}
        for key, parameter in self.parameters.items():
            if self._active(key, setting):
                setting[key] = picked[key] if isinstance(parameter, Categorical) else getattr(parameter, end)
        return setting

    def _active(self, key: str, setting: Mapping[str, Any]) -> bool:
        return all(
            parent in setting and setting[parent] in values for parent, values in self._when[key].items()
        )


def space_of(name: str, parameters: Mapping[str, Parameter], models: Sequence[str]) -> Space:
    """The space of the model `name`: the common parameters, overridden by those under `models.NAME.`.

    `models` are all models of the search; parameters of other known families are ignored.
    Raises ConfigError for parameters of an unknown model.
    """
    common: dict[str, Parameter] = {}
    own: dict[str, Parameter] = {}
    for key, parameter in parameters.items():
        first, _, rest = key.partition(".")
        if first != "models":
            common[key] = parameter
            continue
        whose = next((known for known in models if rest.startswith(f"{known}.")), None)
        if whose == name:
            own[rest.removeprefix(f"{name}.")] = parameter
        elif whose is None and rest.partition(".")[0] not in registry.detector_names():
            raise ConfigError(
                f"no model has that name; there are: {', '.join(models)}"
                + guess(rest.partition(".")[0], list(models)),
                record=f"search.space.{key}",
            )
    return Space({**common, **own})


def _draw(trial: optuna.Trial, key: str, parameter: Parameter) -> Any:
    if isinstance(parameter, Categorical):
        label = trial.suggest_categorical(key, [_label(value) for value in parameter.values])
        return next(value for value in parameter.values if _label(value) == label)
    low, high, step, log = parameter.low, parameter.high, parameter.step, parameter.log
    if parameter.whole:
        return trial.suggest_int(key, int(low), int(high), log=log, step=int(step or 1))
    return trial.suggest_float(key, low, high, log=log, step=step)


def _conditions(key: str, parameter: Parameter, all_: Mapping[str, Parameter]) -> dict[str, tuple[Any, ...]]:
    """The conditions that are given, or else those that the option implies."""
    if not parameter.when:
        return {parent: values for parent, values in IMPLIED.get(key, {}).items() if parent in all_}
    for parent, values in parameter.when.items():
        given = all_.get(parent)
        if given is None:
            raise ConfigError(
                f"`when` names {parent}, which is not in the space" + guess(parent, list(all_)),
                record=f"search.space.{key}",
            )
        strange = [value for value in values if isinstance(given, Categorical) and value not in given.values]
        if strange:
            raise ConfigError(
                f"`when` names a value of {parent} that is not in the space",
                record=f"search.space.{key}",
                value=strange[0],
            )
    return dict(parameter.when)


def _in_order(when: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Names after those that they depend on; otherwise in the order of the file."""
    placed: list[str] = []
    while len(placed) < len(when):
        ready = [
            key for key, parents in when.items() if key not in placed and all(p in placed for p in parents)
        ]
        if not ready:
            left = [key for key in when if key not in placed]
            raise ConfigError(
                f"these depend on each other: {', '.join(left)}",
                record="search.space",
                hint="correct their `when`",
            )
        placed += ready
    return placed


def _label(value: Any) -> Any:
    """A choice as Optuna can store it: a table becomes its JSON."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return json.dumps(value, sort_keys=True)


def _products(choices: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """All combinations, or the same MOST_CORNERS of them each time."""
    if math.prod(map(len, choices)) <= MOST_CORNERS:
        yield from itertools.product(*choices)
        return
    draw = random.Random(0)
    for _ in range(MOST_CORNERS):
        yield tuple(draw.choice(values) for values in choices)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
