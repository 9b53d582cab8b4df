"""The data of a run against its source and its written layout."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench import files
from bench.data_config import DataConfig
from bench.datasets import layout
from bench.datasets.prepare import build
from bench.datasets.progress import ProgressCallback
from bench.datasets.reading import read_sound
from bench.external.truth import read_truth
from bench.layout import SPLITS, SplitName
from bench.reports.stored import read_json
from bench.store import RunFolder
from bench.verification.check import Check, compared, guarded

JUDGED: tuple[SplitName, ...] = ("val", "test")


def check_data(run: RunFolder, progress: ProgressCallback) -> Iterator[Check]:
    """Hashes of the manifest, ground truth, and test images in train."""
    manifest = run.manifest()
    info = run.info()
    keys = {"run.json": info.dataset, **{record.cell: record.dataset for record in run.records()}}
    wrong = [f"{name} names the dataset {key}" for name, key in keys.items() if key != manifest.get("key")]
    yield compared("data", "key", wrong, f"{manifest.get('key')} in the manifest, the run and all records")
    if info.layout:
        config = manifest.get("config") or {}
        yield from guarded("data", "source", lambda: _source(run, manifest, config, progress))
        yield from guarded("data", "layout", lambda: _layout(run, Path(info.layout)))
    else:
        yield from guarded("data", "ground truth", lambda: _given_truth(run, manifest))
    for cell, splits in (manifest.get("predictions") or {}).items():
        for split, read in splits.items():
            yield _hash(f"{cell}, {split}", "predictions' file", read)


def _source(
    run: RunFolder, manifest: Mapping[str, Any], config: Mapping[str, Any], progress: ProgressCallback
) -> Iterator[Check]:
    """Read and split the source again."""
    if not config:
        yield Check("data", "source", "skipped", "the manifest does not name it")
        return
    settings = DataConfig.model_validate(config)
    if settings.path is not None and not settings.path.exists():
        yield Check("data", "source", "skipped", f"it is no longer at {settings.path}")
        return
    with tempfile.TemporaryDirectory(prefix="bench-verify-") as folder:
        cache = Path(folder)
        source = read_sound(settings, cache / "sources", progress)
        prepared, again = build(source, settings, cache, progress)
        yield compared(
            "data",
            "source",
            [
                f"{name} is {again['source'].get(name)!r} now, {value!r} in the manifest"
                for name, value in (manifest.get("source") or {}).items()
                if name in ("annotations", "labels") and again["source"].get(name) != value
            ],
            "the hashes of its annotation files are those of the manifest",
        )
        key = [f"{again['key']} now, {manifest['key']} in the manifest"]
        yield compared(
            "data",
            "content",
            key if again["key"] != manifest["key"] else [],
            "classes, images, boxes and splits of the source have the manifest's key",
        )
        if prepared.image_files:
            train, test = (
                {
                    prepared.image_files[row].sha256: str(prepared.dataset.images.names[row])
                    for row in layout.rows_of(prepared, split).tolist()
                }
                for split in ("train", "test")
            )
            yield _leaks("source", train, test)
        for split in JUDGED:
            path = cache / f"{split}.json"
            layout.write_ground_truth(path, prepared, split)
            name = f"ground truth, {split}"
            yield _same_truth(name, read_json(path), run.ground_truth_path(split), "source")


def _same_truth(name: str, expected: dict[str, Any], stored: Path, of: str) -> Check:
    """Classes, images and annotations of a ground truth."""
    found = read_json(stored)
    differences = []
    for key in ("categories", "images", "annotations"):
        grouped = any("group" in one for one in found[key])  # older runs do not say
        mine, theirs = _by_id(found[key], grouped=True), _by_id(expected[key], grouped=grouped)
        differences += [
            f"{key[:-1]} {number} is {mine.get(number)}, by the {of} {theirs.get(number)}"
            for number in sorted(mine.keys() | theirs.keys())
            if mine.get(number) != theirs.get(number)
        ]
    agreed = f"{len(found['images']):,} images and {len(found['annotations']):,} objects are the {of}'s"
    return compared("data", name, differences, agreed)


def _by_id(records: Sequence[dict[str, Any]], *, grouped: bool) -> dict[int, dict[str, Any]]:
    """Without the file name of an image that has a name in the source: that of the layout is bench's own."""
    return {
        one["id"]: {
            key: value
            for key, value in one.items()
            if (key != "file_name" or "source" not in one) and (key != "group" or grouped)
        }
        for one in records
    }


def _layout(run: RunFolder, root: Path) -> Iterator[Check]:
    """The written dataset that the models were trained on."""
    if not (root / "manifest.json").is_file():
        yield Check("data", "layout", "skipped", f"it is no longer at {root}")
        return
    for split in JUDGED:
        if run.ground_truth_path(split).is_file():
            path = root / "annotations" / f"{split}.json"
            yield _same_truth(f"layout, {split}", read_json(path), run.ground_truth_path(split), "layout")
    images = {split: _contents(root / "images" / split) for split in SPLITS}
    yield _leaks("layout", images["train"], images["test"])


def _leaks(where: str, train: Mapping[str, str], test: Mapping[str, str]) -> Check:
    """`train` and `test`: hash of an image's file -> its name."""
    shared = [f"{test[one]} in test is {train[one]} in train" for one in sorted(test.keys() & train.keys())]
    return compared(
        "data", f"leaks, {where}", shared, f"none of {len(test):,} different test images is in train"
    )


def _contents(folder: Path) -> dict[str, str]:
    """Hash -> name of every image."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor() as pool:
        hashes = pool.map(files.sha256, paths)
        return dict(zip(hashes, (path.relative_to(folder).as_posix() for path in paths), strict=True))


def _given_truth(run: RunFolder, manifest: Mapping[str, Any]) -> Iterator[Check]:
    """The COCO json that other tools' predictions were judged by."""
    for given in (manifest.get("source") or {}).get("annotations") or ():
        split: SplitName = given["split"]
        yield (found := _hash(f"ground truth, {split}", "file", given))
        if found.outcome == "ok":
            expected = read_truth(Path(given["file"]), split).coco
            yield _same_truth(f"ground truth, {split}", expected, run.ground_truth_path(split), "file")


def _hash(subject: str, name: str, given: Mapping[str, Any]) -> Check:
    """Of a file that is named with its sha256."""
    path = Path(given["file"])
    if not given.get("sha256") or not path.is_file():
        return Check(
            subject, name, "skipped", f"{path} is {'a folder' if path.is_dir() else 'no longer there'}"
        )
    changed = files.sha256(path) != given["sha256"]
    return compared(subject, name, [f"{path} has changed"] if changed else [], f"{path} is unchanged")
