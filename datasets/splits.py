"""Which picture goes to train, val or test: as published, stratified at random, or whole groups at a time.

Same pictures, same config: same split on every machine. Chance is a hash of the seed and a picture's name, so
neither the order in which a folder is listed nor a generator's version has a say in it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data_config import SplitConfig
from bench.datasets import names
from bench.datasets.dataset import NO_SPLIT, Dataset
from bench.datasets.stratify import stratify, whole
from bench.errors import DataError
from bench.layout import SPLITS, SplitName

TRAIN, VAL, TEST = range(3)

LEFT_OUT = -2
"""A picture that `limit` leaves out."""

NOTHING_NAMED: Mapping[SplitName, str] = {}

_FIRST_SERVED = (TRAIN, TEST, VAL)
"""A class of one picture is for training, one of two for training and judging."""


def assign(
    dataset: Dataset, config: SplitConfig, limit: int | None, named: Mapping[SplitName, str] = NOTHING_NAMED
) -> tuple[NDArray[np.int8], dict[str, Any]]:
    """The split of each picture (index into SPLITS, or LEFT_OUT), and the manifest's account of it.

    `named`: the splits that the source speaks of, and where it says their pictures are.

    Raises DataError where a split would be empty or without a box, where nothing is published and that is
    asked for, or where a split that the source names has no picture.
    """
    published = dataset.images.splits
    kind = config.kind or ("published" if (published != NO_SPLIT).any() else "random")
    chance = _Chance(dataset, config)
    account: dict[str, Any] = {"kind": kind, "seed": config.seed}
    if kind == "published":
        check_named(published, named)
        split, notes = _published(published, chance, config)
        account["notes"] = notes
    else:
        split = chance.share(np.arange(len(published)), config.val, config.test, grouped=kind == "grouped")
        account |= {"val_share": config.val, "test_share": config.test}
    if kind == "grouped":
        account["group"] = config.group
    _check_filled(split, kind, chance.peopled)
    account["shared_groups"] = _shared_groups(chance.groups, split)
    if limit is not None and limit < len(split):
        split = chance.limited(split, limit)
        _check_filled(split, "limit", chance.peopled)
    return split, account


class _Chance:
    """A dataset's pictures, ready to be shared out in the order of their hashes."""

    def __init__(self, dataset: Dataset, config: SplitConfig) -> None:
        self.seed = config.seed
        self.names: list[str] = dataset.images.names.tolist()
        self.present = dataset.class_counts() > 0
        self.peopled: NDArray[np.bool_] = np.asarray(self.present.any(axis=1))  # (N,) holds a box
        try:
            self.groups = names.groups(self.names, config.group)
        except ValueError as error:
            raise DataError(str(error), record="data.split.group", value=config.group) from None

    def share(self, rows: NDArray[np.intp], val: float, test: float, *, grouped: bool) -> NDArray[np.int8]:
        """The split of each of `rows`; a share of 0 leaves that split out."""
        wanted = {TRAIN: 1 - val - test, TEST: test, VAL: val}
        if wanted[TRAIN] <= 0:
            raise DataError(
                "val and test together leave nothing to train on", record="data.split", value=val + test
            )
        parts = [part for part in _FIRST_SERVED if wanted[part] > 0]
        targets = whole(len(rows), [wanted[part] for part in parts])
        named = self.groups if grouped else self.names
        keys, item_of = np.unique(np.array([named[row] for row in rows], dtype=object), return_inverse=True)
        present = np.zeros((len(keys), self.present.shape[1]), dtype=np.bool_)
        np.logical_or.at(present, item_of, self.present[rows])
        weights = np.bincount(item_of, minlength=len(keys))
        chosen = stratify(present, weights, targets, self._order(keys.tolist()))
        return np.array(parts, dtype=np.int8)[chosen][item_of]

    def limited(self, split: NDArray[np.int8], limit: int) -> NDArray[np.int8]:
        """`split` with all but `limit` pictures LEFT_OUT, each split and each class by its share."""
        sizes = [int((split == part).sum()) for part in range(len(SPLITS))]
        result = np.full_like(split, LEFT_OUT)
        for part, target in enumerate(whole(limit, sizes)):
            rows = np.flatnonzero(split == part)
            result[rows[self._share_of(rows, target)]] = part
        return result

    def _share_of(self, rows: NDArray[np.intp], target: int) -> NDArray[np.bool_]:
        """Which `target` of a split's `rows` stay: those with boxes by their share, at least one."""
        taken = self._taken(rows, target)
        peopled = self.peopled[rows]
        held = int(peopled.sum())
        least = min(held, target, max(1, target * held // max(1, len(rows))))
        if int(taken[peopled].sum()) < least:
            taken[peopled] = self._taken(rows[peopled], least)
            taken[~peopled] = self._taken(rows[~peopled], target - least)
        return taken

    def _taken(self, rows: NDArray[np.intp], target: int) -> NDArray[np.bool_]:
        order = self._order([self.names[row] for row in rows])
        ones = np.ones(len(rows), dtype=np.int64)
        parts = stratify(self.present[rows], ones, (target, len(rows) - target), order, floor=False)
        return np.asarray(parts == 0)

    def _order(self, keys: Sequence[str]) -> NDArray[np.intp]:
        digests = [
            hashlib.sha256(f"{self.seed}\0{key}".encode("utf-8", "surrogatepass")).digest() for key in keys
        ]
        return np.array(sorted(range(len(keys)), key=digests.__getitem__), dtype=np.intp)


def check_named(published: NDArray[np.int8], named: Mapping[SplitName, str]) -> None:
    """Raises DataError for a split that the source names and that has no picture (any more)."""
    for part, split in enumerate(SPLITS):
        if split in named and not (published == part).any():
            raise DataError(
                f"the source names a {split} split, and not one picture of it is there and can be read",
                record=split,
                value=named[split],
                hint="correct the path, or delete the line: a val or test that the source does not name is "
                "taken from train",
            )


def _published(
    published: NDArray[np.int8], chance: _Chance, config: SplitConfig
) -> tuple[NDArray[np.int8], list[str]]:
    """As published; a val or test that is missing is taken from train, whole groups at a time."""
    if not (published == TRAIN).any():
        raise DataError(
            "the source publishes no train split",
            record="data.split.kind",
            value="published",
            hint="say `random` or `grouped`",
        )
    split, notes = published.copy(), []
    missing = [part for part in (VAL, TEST) if not (published == part).any()]
    if missing:
        val = config.val if VAL in missing else 0.0
        test = config.test if TEST in missing else 0.0
        rows = np.flatnonzero(published == TRAIN)
        split[rows] = chance.share(rows, val, test, grouped=True)
        for part in missing:
            share = val if part == VAL else test
            notes.append(
                f"the source publishes no {SPLITS[part]}: {share:.0%} of its train split, stratified, "
                f"seed {config.seed}, became {SPLITS[part]}"
            )
    return split, notes


def _check_filled(split: NDArray[np.int8], how: str, peopled: NDArray[np.bool_]) -> None:
    record = "data.limit" if how == "limit" else "data.split"
    empty = [SPLITS[part] for part in (TRAIN, VAL, TEST) if not (split == part).any()]
    if empty:
        raise DataError(
            f"{' and '.join(empty)} would be empty",
            record=record,
            value=f"{len(split)} pictures, {how}",
            hint="give more pictures or groups, or other shares; bench needs train, val and test",
        )
    for part, name in enumerate(SPLITS):
        if not peopled[split == part].any():
            raise DataError(
                f"{name} has no box: its pictures are all background, nothing to learn from or judge by",
                record=record,
                value=f"{int((split == part).sum())} pictures, 0 boxes",
                hint=f"annotate pictures of {name}, keep more classes or a higher `limit`, or share the "
                "pictures out anew: `data.split.kind: random`",
            )


def _shared_groups(groups: Sequence[str], split: NDArray[np.int8]) -> int:
    """Groups with pictures in more than one split: above 0, a split leaks."""
    seen: dict[str, int] = {}
    shared = set()
    for group, part in zip(groups, split.tolist(), strict=True):
        if seen.setdefault(group, part) != part:
            shared.add(group)
    return len(shared)
