"""Assign images to train, val and test: as published, stratified at random, or whole groups at a time.

The same images and config give the same split on every machine: the random order is a hash of the seed and
the image's name, so it depends neither on the order of a folder's listing nor on a generator's version.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import image_groups
from bench.data_config import SplitConfig
from bench.datasets.dataset import NO_SPLIT, Dataset
from bench.datasets.stratify import apportion, stratify
from bench.errors import DataError
from bench.layout import SPLITS, SplitName

TRAIN, VAL, TEST = range(3)

EXCLUDED = -2
"""An image that `limit` leaves out."""

NONE_DECLARED: Mapping[SplitName, str] = {}

_PRIORITY = (TRAIN, TEST, VAL)
"""Priority: a class that occurs in one image goes to train, the second image to test."""


def assign(
    dataset: Dataset,
    config: SplitConfig,
    limit: int | None,
    declared: Mapping[SplitName, str] = NONE_DECLARED,
    contents: Sequence[str] | None = None,
    alike: Sequence[str] | None = None,
) -> tuple[NDArray[np.int8], dict[str, Any]]:
    """The split of each image (index into SPLITS, or EXCLUDED), and its description for the manifest.

    `declared`: the splits that the source declares -> where it says their images are.
    `contents`: a hash of each image's file, (N,). Identical files stay in one split unless it is published.
    `alike`: in place of it, a label for each image, (N,), equal for those that look alike.

    Raises DataError if a split would be empty or without a box, if `published` is asked for and the source
    has no train split, or if a declared split has no image.
    """
    published = dataset.images.splits
    kind = config.kind or ("published" if (published != NO_SPLIT).any() else "random")
    sampler = _Sampler(dataset, config, alike or contents)
    account: dict[str, Any] = {"kind": kind, "seed": config.seed}
    if kind == "published":
        check_declared(published, declared)
        split, notes = _published(published, sampler, config)
        account["notes"] = notes
    else:
        split = sampler.share(np.arange(len(published)), config.val, config.test, grouped=kind == "grouped")
        account |= {"val_share": config.val, "test_share": config.test}
    if kind == "grouped":
        account["group"] = config.group
    _check_filled(split, kind, sampler.has_box)
    account["shared_groups"] = _shared_groups(sampler.named_groups, split)
    if contents is not None and (identical := _shared_groups(contents, split)):
        account["identical_across_splits"] = identical
    if alike is not None:
        sizes = np.unique(np.array(alike), return_counts=True)[1]
        account["near_duplicates"] = {
            "groups": int((sizes > 1).sum()),
            "largest": int(sizes.max()),
            "across_splits": _shared_groups(alike, split),
        }
    if limit is not None and limit < len(split):
        split = sampler.limited(split, limit)
        _check_filled(split, "limit", sampler.has_box)
    return split, account


class _Sampler:
    """Draws splits from a dataset's images in the order of their hashes."""

    def __init__(self, dataset: Dataset, config: SplitConfig, contents: Sequence[str] | None = None) -> None:
        self.seed = config.seed
        self.names: list[str] = dataset.images.names.tolist()
        self.present = dataset.class_counts() > 0
        self.has_box: NDArray[np.bool_] = np.asarray(self.present.any(axis=1))  # (N,) holds a box
        self.named_groups = groups_of(self.names, config.group)
        self.copies = image_groups.merged(self.names, contents)
        self.groups = image_groups.merged(self.named_groups, contents)

    def share(self, rows: NDArray[np.intp], val: float, test: float, *, grouped: bool) -> NDArray[np.int8]:
        """The split of each of `rows`; a share of 0 omits that split."""
        wanted = {TRAIN: 1 - val - test, TEST: test, VAL: val}
        if wanted[TRAIN] <= 0:
            raise DataError(
                "val and test together leave nothing to train on", record="data.split", value=val + test
            )
        parts = [part for part in _PRIORITY if wanted[part] > 0]
        targets = apportion(len(rows), [wanted[part] for part in parts])
        named = self.groups if grouped else self.copies
        keys, item_of = np.unique(np.array([named[row] for row in rows], dtype=object), return_inverse=True)
        present = np.zeros((len(keys), self.present.shape[1]), dtype=np.bool_)
        np.logical_or.at(present, item_of, self.present[rows])
        weights = np.bincount(item_of, minlength=len(keys))
        chosen = stratify(present, weights, targets, self._order(keys.tolist()))
        return np.array(parts, dtype=np.int8)[chosen][item_of]

    def limited(self, split: NDArray[np.int8], limit: int) -> NDArray[np.int8]:
        """`split` with all but `limit` images EXCLUDED, in proportion to splits and classes."""
        sizes = [int((split == part).sum()) for part in range(len(SPLITS))]
        result = np.full_like(split, EXCLUDED)
        for part, target in enumerate(apportion(limit, sizes)):
            rows = np.flatnonzero(split == part)
            result[rows[self._share_of(rows, target)]] = part
        return result

    def _share_of(self, rows: NDArray[np.intp], target: int) -> NDArray[np.bool_]:
        """Mask over `rows` of the `target` images that stay; the share with boxes is kept, at least one."""
        taken = self._taken(rows, target)
        has_box = self.has_box[rows]
        held = int(has_box.sum())
        least = min(held, target, max(1, target * held // max(1, len(rows))))
        if int(taken[has_box].sum()) < least:
            taken[has_box] = self._taken(rows[has_box], least)
            taken[~has_box] = self._taken(rows[~has_box], target - least)
        return taken

    def _taken(self, rows: NDArray[np.intp], target: int) -> NDArray[np.bool_]:
        order = self._order([self.names[row] for row in rows])
        ones = np.ones(len(rows), dtype=np.int64)
        parts = stratify(self.present[rows], ones, (target, len(rows) - target), order, floor=False)
        return np.asarray(parts == 0)

    def _order(self, keys: Sequence[str]) -> NDArray[np.intp]:
        return ordered_by_hash(self.seed, keys)


def groups_of(names: Sequence[str], rule: str, contents: Sequence[str] | None = None) -> list[str]:
    """The group of each image by its name; images of one content are in one group. Raises DataError."""
    try:
        return image_groups.merged(image_groups.groups(names, rule), contents)
    except ValueError as error:
        raise DataError(str(error), record="data.split.group", value=rule) from None


def ordered_by_hash(seed: int, keys: Sequence[str]) -> NDArray[np.intp]:
    """Positions of `keys` in a random order that depends on the seed and the keys alone."""
    digests = [hashlib.sha256(f"{seed}\0{key}".encode("utf-8", "surrogatepass")).digest() for key in keys]
    return np.array(sorted(range(len(keys)), key=digests.__getitem__), dtype=np.intp)


def check_declared(published: NDArray[np.int8], declared: Mapping[SplitName, str]) -> None:
    """Raises DataError for a split that the source declares and that has no image."""
    for part, split in enumerate(SPLITS):
        if split in declared and not (published == part).any():
            raise DataError(
                f"the source declares a {split} split, but none of its pictures exists and can be read",
                record=split,
                value=declared[split],
                hint="correct the path, or delete the line: a val or test that the source does not name is "
                "taken from train",
            )


def _published(
    published: NDArray[np.int8], sampler: _Sampler, config: SplitConfig
) -> tuple[NDArray[np.int8], list[str]]:
    """As published; a missing val or test is taken from train, whole groups at a time."""
    if not (published == TRAIN).any():
        raise DataError(
            "the source publishes no train split",
            record="data.split.kind",
            value="published",
            hint="use `random` or `grouped`",
        )
    split, notes = published.copy(), []
    missing = [part for part in (VAL, TEST) if not (published == part).any()]
    if missing:
        val = config.val if VAL in missing else 0.0
        test = config.test if TEST in missing else 0.0
        rows = np.flatnonzero(published == TRAIN)
        split[rows] = sampler.share(rows, val, test, grouped=True)
        for part in missing:
            share = val if part == VAL else test
            notes.append(
                f"the source publishes no {SPLITS[part]}: {share:.0%} of its train split, stratified, "
                f"seed {config.seed}, became {SPLITS[part]}"
            )
    return split, notes


def _check_filled(split: NDArray[np.int8], how: str, has_box: NDArray[np.bool_]) -> None:
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
        if not has_box[split == part].any():
            raise DataError(
                f"{name} has no box: all its pictures are background",
                record=record,
                value=f"{int((split == part).sum())} pictures, 0 boxes",
                hint=f"annotate pictures of {name}, keep more classes, raise `limit`, or split "
                "at random: `data.split.kind: random`",
            )


def _shared_groups(groups: Sequence[str], split: NDArray[np.int8]) -> int:
    """Number of groups with images in more than one split; above 0 means leakage."""
    seen: dict[str, int] = {}
    shared = set()
    for group, part in zip(groups, split.tolist(), strict=True):
        if seen.setdefault(group, part) != part:
            shared.add(group)
    return len(shared)
