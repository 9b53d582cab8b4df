"""Who goes where."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data_config import DataConfig, SplitConfig
from bench.datasets.dataset import NO_SPLIT, BoxTable, Dataset, Images
from bench.datasets.sources import fracture
from bench.datasets.splits import EXCLUDED, assign
from bench.errors import DataError


def dataset_of(names, labels, splits=None):
    """`labels`: for each picture the classes of its boxes."""
    rows = [(row, label) for row, found in enumerate(labels) for label in found]
    images = Images.of(names, names, [(9, 9)] * len(names), splits or [NO_SPLIT] * len(names))
    boxes = BoxTable.of([r for r, _ in rows], [c for _, c in rows], [[0, 0, 1, 1]] * len(rows))
    return Dataset(tuple("abcdefgh"), images, boxes)


def long_tail(image_files=200, seed=0, copies=1, **more):
    dice = np.random.default_rng(seed)
    names, labels = [], []
    for number in range(image_files // copies):
        found = np.flatnonzero(dice.random(8) < 0.5 ** np.arange(1, 9)).tolist()
        for copy in range(copies):
            names.append(f"pics/{number:04d}_jpg.rf.{copy:08x}.jpg")
            labels.append(found)
    return dataset_of(names, labels, **more)


def by_name(dataset, split):
    return dict(zip(dataset.images.names.tolist(), split.tolist(), strict=True))


def test_random_is_stratified_and_exact():
    dataset = long_tail(400)
    split, account = assign(dataset, SplitConfig(), None)
    assert np.bincount(split).tolist() == [280, 60, 60]
    assert (account["kind"], account["seed"]) == ("random", 0)
    present = dataset.class_counts() > 0
    for label in range(8):
        held = np.bincount(split[present[:, label]], minlength=3)
        if held.sum() >= 3:
            assert (held > 0).all()
        assert abs(held[0] / held.sum() - 0.7) < 0.1 + 1 / held.sum()


def test_the_order_of_pictures_has_no_say_and_the_seed_has():
    dataset = long_tail()
    once = by_name(dataset, assign(dataset, SplitConfig(), None)[0])
    backwards = dataset_of(
        dataset.images.names[::-1].tolist(),
        [np.flatnonzero(row).tolist() for row in dataset.class_counts()[::-1]],
    )
    assert by_name(backwards, assign(backwards, SplitConfig(), None)[0]) == once
    assert by_name(dataset, assign(dataset, SplitConfig(seed=1), None)[0]) != once


def test_the_split_is_the_same_on_every_machine():
    """Pinned: a change here changes every figure that anyone has published."""
    names = [f"pics/{number}.jpg" for number in range(20)]
    dataset = dataset_of(names, [[number % 5, 7] if number % 4 else [] for number in range(20)])
    split, _ = assign(dataset, SplitConfig(val=0.25, test=0.25), None)
    assert "".join("tve"[part] for part in split) == "ttttteeettvvteettvvv"


def test_grouped_keeps_groups_together():
    dataset = long_tail(600, copies=3)
    split, account = assign(dataset, SplitConfig(kind="grouped"), None)
    assert (split.reshape(-1, 3) == split[::3, None]).all()
    assert account["shared_groups"] == 0
    assert account["group"] == "roboflow"
    assert np.abs(np.bincount(split) - [420, 90, 90]).max() <= 6
    apart, account = assign(dataset, SplitConfig(kind="random"), None)
    assert not (apart.reshape(-1, 3) == apart[::3, None]).all()
    assert account["shared_groups"] > 0


def test_groups_by_folder_and_by_expression():
    names = [f"{'abcdefghij'[n % 10]}/{n // 10}_{n % 3}.jpg" for n in range(60)]
    dataset = dataset_of(names, [[0]] * 60)
    split, _ = assign(dataset, SplitConfig(kind="grouped", group="folder"), None)
    folders = np.array([name[0] for name in names])
    assert all(len(set(split[folders == folder])) == 1 for folder in "abcdefghij")
    split, _ = assign(dataset, SplitConfig(kind="grouped", group=r"^(\d+)_"), None)
    numbers = np.array([name[2] for name in names])
    assert all(len(set(split[numbers == number])) == 1 for number in "012345")
    with pytest.raises(DataError, match=r"data\.split\.group: has no group"):
        assign(dataset, SplitConfig(kind="grouped", group="x"), None)


def test_published_is_the_default_where_it_is():
    dataset = long_tail(100, splits=[0] * 60 + [1] * 20 + [2] * 20)
    split, account = assign(dataset, SplitConfig(), None)
    assert split.tolist() == [0] * 60 + [1] * 20 + [2] * 20
    assert account["kind"] == "published"
    assert account["notes"] == []


def test_a_missing_val_is_taken_from_train_by_groups():
    dataset = long_tail(300, copies=3, splits=[0] * 240 + [2] * 60)
    split, account = assign(dataset, SplitConfig(), None)
    assert (split[240:] == 2).all()
    assert np.abs(np.bincount(split[:240]) - [204, 36]).max() <= 3
    assert (split[:240].reshape(-1, 3) == split[:240:3, None]).all()
    assert account["notes"] == [
        "the source publishes no val: 15% of its train split, stratified, seed 0, became val"
    ]
    assert account["shared_groups"] == 0


def test_missing_val_and_test_are_both_taken_from_train():
    split, account = assign(long_tail(100, splits=[0] * 100), SplitConfig(kind="published"), None)
    assert np.bincount(split).tolist() == [70, 15, 15]
    assert len(account["notes"]) == 2


@pytest.mark.parametrize("kind", ["random", "published", "grouped"])
def test_limit_takes_a_stratified_share_of_each_split(kind):
    dataset = long_tail(400, splits=[0] * 200 + [1] * 100 + [2] * 100)
    whole, _ = assign(dataset, SplitConfig(kind=kind), None)
    split, _ = assign(dataset, SplitConfig(kind=kind), 100)
    taken = split != EXCLUDED
    assert taken.sum() == 100
    assert (split[taken] == whole[taken]).all()
    share = np.bincount(split[taken], minlength=3) / np.bincount(whole, minlength=3)
    assert np.abs(share - 0.25).max() < 0.02
    present = dataset.class_counts() > 0
    for label in range(3):
        held, kept = (present[:, label]).sum(), present[taken, label].sum()
        assert abs(kept / held - 0.25) < 0.06


def test_a_limit_above_the_number_of_pictures_changes_nothing():
    dataset = long_tail(40)
    assert (assign(dataset, SplitConfig(), 40)[0] == assign(dataset, SplitConfig(), None)[0]).all()


@pytest.mark.parametrize(
    ("dataset", "config", "limit", "expected"),
    [
        (dataset_of(["a", "b"], [[0], [0]]), SplitConfig(), None, "would be empty"),
        (long_tail(30, copies=30), SplitConfig(kind="grouped"), None, "would be empty"),
        (long_tail(30), SplitConfig(val=0.5, test=0.5), None, "leave nothing to train on"),
        (long_tail(30), SplitConfig(kind="published"), None, "publishes no train split"),
        (long_tail(30, splits=[2] * 30), SplitConfig(), None, "publishes no train split"),
        (long_tail(30, splits=[0, 0] + [2] * 28), SplitConfig(), None, None),
        (long_tail(30, splits=[0] + [2] * 29), SplitConfig(), None, "would be empty"),
    ],
)
def test_no_split_may_be_empty(dataset, config, limit, expected):
    if expected is None:
        assert set(assign(dataset, config, limit)[0]) == {0, 1, 2}
        return
    with pytest.raises(DataError, match=expected):
        assign(dataset, config, limit)


@pytest.mark.data
def test_fracture_shares_stems_as_published_and_not_when_grouped(real_data, tmp_path):
    dataset = fracture.read(DataConfig(source="fracture", path=real_data / "fracture"), tmp_path).dataset
    _, published = assign(dataset, SplitConfig(), None)
    assert published["shared_groups"] == 148
    split, grouped = assign(dataset, SplitConfig(kind="grouped"), None)
    assert grouped["shared_groups"] == 0
    assert np.abs(np.bincount(split) / len(split) - [0.7, 0.15, 0.15]).max() < 0.01


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_split_of_background_alone_is_refused(part):
    splits = [row % 3 for row in range(30)]
    dataset = dataset_of(
        [f"{row}.jpg" for row in range(30)], [[] if split == part else [0] for split in splits], splits
    )
    name = ("train", "val", "test")[part]
    with pytest.raises(DataError, match=rf"(?s)data\.split: {name} has no box.*10 pictures, 0 boxes.*Hint"):
        assign(dataset, SplitConfig(), None)


@pytest.mark.parametrize("limit", [6, 30, 60, 100])
def test_limit_keeps_pictures_with_boxes_by_their_share(limit):
    """Of few pictures a class at a time, none wants to be kept, and background fills the rest."""
    labels = [[row % 8] if row % 4 == 0 else [] for row in range(600)]
    splits = [0] * 480 + [1] * 60 + [2] * 60
    dataset = dataset_of([f"{row}.jpg" for row in range(600)], labels, splits)
    split, _ = assign(dataset, SplitConfig(), limit)
    has_box = dataset.class_counts().any(axis=1)
    assert (split != EXCLUDED).sum() == limit
    for part in range(3):
        held = (split == part).sum()
        assert has_box[split == part].sum() >= max(1, held // 4)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_split_that_is_named_and_not_there_is_not_taken_from_train(split):
    others = [part for part in range(3) if ("train", "val", "test")[part] != split]
    dataset = long_tail(40, splits=[others[row % 2] for row in range(40)])
    with pytest.raises(
        DataError, match=rf"(?s){split}: the source declares a {split} split.*'x/y'.*correct the path"
    ):
        assign(dataset, SplitConfig(), None, {split: "x/y"})
    assign(dataset, SplitConfig(kind="random"), None, {split: "x/y"})


drawn_images = st.lists(
    st.tuples(
        st.sets(st.integers(0, 7)),
        st.integers(0, 12),
        st.integers(0, 30),
        st.sampled_from([NO_SPLIT, 0, 1, 2]),
    ),
    min_size=1,
    max_size=50,
)


@settings(max_examples=150)
@given(
    drawn_images,
    st.sampled_from(["random", "grouped", "published"]),
    st.floats(0.01, 0.6),
    st.floats(0.01, 0.35),
    st.one_of(st.none(), st.integers(3, 50)),
    st.integers(0, 5),
)
def test_any_split_is_disjoint_complete_and_never_cuts_a_group(drawn, kind, val, test, limit, seed):
    """Identical files (`contents`) stay together in any drawn split, groups in `grouped`."""
    names = [f"{group}_jpg.rf.{row:08x}.jpg" for row, (_, group, _, _) in enumerate(drawn)]
    contents = [str(content) for _, _, content, _ in drawn]
    dataset = dataset_of(names, [labels for labels, *_ in drawn], [published for *_, published in drawn])
    try:
        split, account = assign(
            dataset, SplitConfig(kind=kind, val=val, test=test, seed=seed), limit, contents=contents
        )
    except DataError:
        return  # a split would be empty or without a box: nothing is written
    assert len(split) == len(drawn)
    allowed = {0, 1, 2} | ({EXCLUDED} if limit else set()) | ({NO_SPLIT} if kind == "published" else set())
    assert set(split.tolist()) <= allowed
    assert {0, 1, 2} <= set(split.tolist())
    if kind == "published":
        return
    if limit is not None and limit < len(drawn):
        assert (split != EXCLUDED).sum() == limit
    placed = [row for row in range(len(drawn)) if split[row] >= 0]
    for one in placed:
        for other in placed:
            same_group = kind == "grouped" and drawn[one][1] == drawn[other][1]
            if same_group or contents[one] == contents[other]:
                assert split[one] == split[other]
    if kind == "grouped":
        assert account["shared_groups"] == 0
