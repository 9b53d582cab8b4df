"""Published weights that came on a stick: recognised, checked as a training would, and put where one looks.

Nothing in them is run. A copy is checked, not the original, and that copy is what takes the place.
"""

import contextlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import registry
from bench.adapters.weights.caches import weights_dir
from bench.adapters.weights.checkpoints import load_state
from bench.adapters.weights.download import looks_like
from bench.adapters.weights.published import KNOWN, Published, entry_of, fingerprint, own_place
from bench.errors import BenchError, WeightsError
from bench.files import sha256, writing
from bench.recipe import Recipe

_YOLO_WIDTHS = {16: "n", 32: "s", 48: "m", 64: "l", 80: "x"}
"""Channels of the first convolution, by size (ultralytics/cfg/models/v8/yolov8.yaml)."""

_COCO_CLASSES = 80
_OF_ONES_OWN = "weights of your own need no import: say weights: PATH"


@dataclass(frozen=True)
class Imported:
    """What was placed, and where."""

    entry: Published
    path: Path
    sha256: str
    replaced: bool
    """Another file, or another folder, had that place before."""


def import_weights(source: Path, name: str | None = None) -> Imported:
    """Copy a published file, or a folder of the hub's, to our weights folder, by the name that it has there.

    Args:
        source: the file; for a model of the hub the folder with config.json and model.safetensors.
        name: which of the published weights these are; without it, name, hash or content tell.

    Raises:
        WeightsError: it is none of the published weights, or not those that it claims to be.
        RunError: the disk is full.
    """
    if not source.exists():
        raise WeightsError("no such file or folder", file=source)
    entry = entry_of(name) if name else _recognised(source)
    if source.is_dir() != (entry.folder is not None):
        raise WeightsError(
            f"{entry.name} is {'a folder' if entry.folder else 'one file'}, and this is not",
            file=source,
            hint=f"give the {'folder with ' if entry.folder else ''}{' and '.join(_files(entry))}",
        )
    target = own_place(entry)
    with writing(target), _staging() as staging:
        copy = _copied(source, entry, staging)
        _check(entry, copy, source)
        replaced = target.exists()
        _place(copy, target, staging)
    return Imported(entry, target, fingerprint(target), replaced)


def _recognised(source: Path) -> Published:
    """Which one it is by its name, its hash or its content. Raises WeightsError."""
    found = _folder(source) if source.is_dir() else _file(source)
    if found is None:
        raise WeightsError(
            "is not recognised as any of the published weights",
            file=source,
            hint=f"say which they are: --name NAME (bench weights list names them); {_OF_ONES_OWN}",
        )
    return found


def _file(source: Path) -> Published | None:
    single = [entry for entry in KNOWN.values() if entry.folder is None]
    for entry in single:
        if source.name == entry.files[0].place:
            return entry
    digest = sha256(source)
    for entry in single:
        if entry.files[0].sha256_prefix and digest.startswith(entry.files[0].sha256_prefix):
            return entry
    return KNOWN.get(f"yolov8{_yolo_size(source)}.pt") if source.suffix == ".pt" else None


def _folder(source: Path) -> Published | None:
    """By the end of its path, the name of a cache's folder above it, or what config.json says."""
    path = source.resolve()
    names = ["/".join(path.parts[-2:]), path.name]
    names += [
        part.removeprefix("models--").replace("--", "/") for part in path.parts if part.startswith("models--")
    ]
    with contextlib.suppress(OSError, ValueError, AttributeError):
        names.append(str(json.loads((path / "config.json").read_bytes()).get("_name_or_path")))
    for entry in KNOWN.values():
        if entry.folder and any(name in (entry.name, entry.name.rpartition("/")[2]) for name in names):
            return entry
    return None


def _files(entry: Published) -> list[str]:
    return [file.place.rpartition("/")[2] for file in entry.files]


@contextlib.contextmanager
def _staging() -> Iterator[Path]:
    """A folder beside the place, gone afterwards."""
    weights_dir().mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".importing-", dir=weights_dir()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copied(source: Path, entry: Published, staging: Path) -> Path:
    """Under the published names, without anything else that lies there."""
    copy = staging / own_place(entry).name
    if entry.folder is None:
        shutil.copyfile(source, copy)
        return copy
    copy.mkdir()
    for file in _files(entry):
        if not (source / file).is_file():
            raise WeightsError(
                f"has no {file}", file=source, hint=f"a model of the hub needs {' and '.join(_files(entry))}"
            )
        shutil.copyfile(source / file, copy / file)
    return copy


def _place(copy: Path, target: Path, staging: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        target.rename(staging / "before")
    copy.replace(target)


def _check(entry: Published, copy: Path, source: Path) -> None:
    """Raises WeightsError, which names `source`, unless `copy` is what it should be and a model takes it."""
    for file in entry.files:
        one = copy / file.place.rpartition("/")[2] if entry.folder else copy
        digest = sha256(one)
        if not digest.startswith(file.sha256_prefix):
            raise _refused(entry, source, f"its sha256 begins with {digest[:8]}, not {file.sha256_prefix}")
        if not looks_like(one, one.suffix):
            raise _refused(entry, source, f"{one.name} is no {one.suffix} file")
    try:
        _load(entry, copy)
    except BenchError as error:
        raise _refused(entry, source, str(error).replace(str(copy), str(source))) from None


def _load(entry: Published, copy: Path) -> None:
    """As a training does. Raises BenchError."""
    told = _model_of(entry)
    if told is None:
        load_state(copy)
        return
    name, variant = told
    if name == "yolo" and _yolo_size(copy) is None:
        raise WeightsError("its first layer is none of YOLOv8's", file=copy)
    family = registry.family(name)
    plan = family.plan(variant=variant, weights=str(copy), options={}, recipe=Recipe(epochs=1))
    family.build(plan, classes=("thing",), seed=0, device="cpu")


def _model_of(entry: Published) -> tuple[str, str | None] | None:
    """Family and variant whose weights these are; a hub's folder says itself which variant."""
    from bench.adapters.frcnn.variants import VARIANTS

    if entry.folder:
        return "detr", None
    if size := re.fullmatch(r"yolov8([nsmlx])\.pt", entry.name):
        return "yolo", size[1]
    for name, variant in VARIANTS.items():
        if variant.published == entry.name:
            return "frcnn", name
    return None


def _yolo_size(path: Path) -> str | None:
    """n, s, m, l or x for a YOLO that knows COCO's classes. Raises WeightsError for any other file."""
    from bench.adapters.weights.pickles import check_pickle
    from bench.adapters.yolo import quiet

    check_pickle(path)
    quiet.prepare()
    from bench.adapters.yolo.model import read

    model = read(path)
    names = list(model.names.values())
    if len(names) != _COCO_CLASSES or "person" not in names:
        shown = ", ".join(map(str, names[:6])) + (", ..." if len(names) > 6 else "")
        raise WeightsError(
            f"knows {len(names)} classes ({shown}), not COCO's {_COCO_CLASSES}", file=path, hint=_OF_ONES_OWN
        )
    first = getattr(model.model[0], "conv", None)
    return _YOLO_WIDTHS.get(getattr(first, "out_channels", 0))


def _refused(entry: Published, source: Path, reason: str) -> WeightsError:
    return WeightsError(
        f"is not {entry.name}: {reason}", file=source, hint=f"fetch it from {entry.files[-1].url}"
    )
