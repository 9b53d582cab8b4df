"""What one model's search may change: words to Optuna's distributions, and a drawn setting back to words."""

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
from bench.search_config import IMPLIED, Choice, Parameter

Setting = dict[str, Any]
"""Dotted word -> value, for the words that have a meaning together."""

MOST_CORNERS = 500
"""Combinations of choices that are tried before a search begins; of more, so many are drawn."""


class Space:
    """The parameters of one model, what others depend on first."""

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        """Raises ConfigError for a condition on a word that the space does not hold, or on itself."""
        self._when = {
            word: _conditions(word, parameter, parameters) for word, parameter in parameters.items()
        }
        self.parameters = {word: parameters[word] for word in _in_order(self._when)}

    def suggest(self, trial: optuna.Trial) -> Setting:
        """A setting as the sampler draws it."""
        setting: Setting = {}
        for word, parameter in self.parameters.items():
            if self._active(word, setting):
                setting[word] = _draw(trial, word, parameter)
        return setting

    def labels(self, setting: Mapping[str, Any]) -> dict[str, Any]:
        """The part of `setting` that lies in the space, as enqueue_trial takes it."""
        found: Setting = {}
        for word, parameter in self.parameters.items():
            if not self._active(word, found) or word not in setting:
                continue
            if isinstance(parameter, Choice):
                inside = setting[word] in parameter.values
            else:
                inside = _is_number(setting[word]) and parameter.holds(setting[word])
            if inside:
                found[word] = setting[word]
        return {word: _label(value) for word, value in found.items()}

    def corners(self) -> Iterator[Setting]:
        """Every choice with every other; numbers all at their low ends, and then all at their high ones."""
        choices = [
            [(word, value) for value in parameter.values]
            for word, parameter in self.parameters.items()
            if isinstance(parameter, Choice)
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
        for word, parameter in self.parameters.items():
            if self._active(word, setting):
                setting[word] = picked[word] if isinstance(parameter, Choice) else getattr(parameter, end)
        return setting

    def _active(self, word: str, setting: Mapping[str, Any]) -> bool:
        return all(
            parent in setting and setting[parent] in values for parent, values in self._when[word].items()
        )


def space_of(name: str, parameters: Mapping[str, Parameter], models: Sequence[str]) -> Space:
    """The space of the model `name`: the words for all, and those behind `models.NAME.`, which come first.

    `models` are the names of all that are searched; words of a family that is not among them are left aside.
    Raises ConfigError for words of a model that nobody knows.
    """
    common: dict[str, Parameter] = {}
    own: dict[str, Parameter] = {}
    for word, parameter in parameters.items():
        first, _, rest = word.partition(".")
        if first != "models":
            common[word] = parameter
            continue
        whose = next((known for known in models if rest.startswith(f"{known}.")), None)
        if whose == name:
            own[rest.removeprefix(f"{name}.")] = parameter
        elif whose is None and rest.partition(".")[0] not in registry.detector_names():
            raise ConfigError(
                f"no model has that name; there are: {', '.join(models)}"
                + guess(rest.partition(".")[0], list(models)),
                record=f"search.space.{word}",
            )
    return Space({**common, **own})


def _draw(trial: optuna.Trial, word: str, parameter: Parameter) -> Any:
    if isinstance(parameter, Choice):
        label = trial.suggest_categorical(word, [_label(value) for value in parameter.values])
        return next(value for value in parameter.values if _label(value) == label)
    low, high, step, log = parameter.low, parameter.high, parameter.step, parameter.log
    if parameter.whole:
        return trial.suggest_int(word, int(low), int(high), log=log, step=int(step or 1))
    return trial.suggest_float(word, low, high, log=log, step=step)


def _conditions(word: str, parameter: Parameter, all_: Mapping[str, Parameter]) -> dict[str, tuple[Any, ...]]:
    """What is said, or else what is implied by a word of the space."""
    if not parameter.when:
        return {parent: values for parent, values in IMPLIED.get(word, {}).items() if parent in all_}
    for parent, values in parameter.when.items():
        given = all_.get(parent)
        if given is None:
            raise ConfigError(
                f"`when` names {parent}, which the space does not hold" + guess(parent, list(all_)),
                record=f"search.space.{word}",
            )
        strange = [value for value in values if isinstance(given, Choice) and value not in given.values]
        if strange:
            raise ConfigError(
                f"`when` waits for a {parent} that is never tried",
                record=f"search.space.{word}",
                value=strange[0],
            )
    return dict(parameter.when)


def _in_order(when: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Words after those that they depend on; else as they stand in the file."""
    placed: list[str] = []
    while len(placed) < len(when):
        ready = [
            word for word, parents in when.items() if word not in placed and all(p in placed for p in parents)
        ]
        if not ready:
            left = [word for word in when if word not in placed]
            raise ConfigError(
                f"words wait for each other: {', '.join(left)}",
                record="search.space",
                hint="mend their `when`",
            )
        placed += ready
    return placed


def _label(value: Any) -> Any:
    """What Optuna can store of a choice: a table becomes its JSON."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return json.dumps(value, sort_keys=True)


def _products(choices: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """One of each: all combinations, or MOST_CORNERS of them, the same each time."""
    if math.prod(map(len, choices)) <= MOST_CORNERS:
        yield from itertools.product(*choices)
        return
    draw = random.Random(0)
    for _ in range(MOST_CORNERS):
        yield tuple(draw.choice(values) for values in choices)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
