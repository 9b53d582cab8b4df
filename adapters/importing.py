"""Importing published weights from local files: they are identified, checked by building their model, and
copied into the weights folder.

Nothing in them is executed. The copy is checked, not the original, and that copy is what is installed.
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
from bench.adapters.weights.checkpoints import load_state, looks_like
from bench.adapters.weights.published import KNOWN, Published, entry_of, fingerprint, own_path
from bench.errors import BenchError, WeightsError
from bench.files import sha256, writing
from bench.recipe import Recipe

_YOLO_WIDTHS = {16: "n", 32: "s", 48: "m", 64: "l", 80: "x"}
"""Channels of the first convolution, by size (ultralytics/cfg/models/v8/yolov8.yaml)."""

_COCO_CLASSES = 80
_OTHER_WEIGHTS = "other weights need no import: set weights: PATH"


@dataclass(frozen=True)
class Imported:
    """What was imported, and where it is now."""

    entry: Published
    path: Path
    sha256: str
    replaced: bool
    """Whether `path` existed before."""


def import_weights(source: Path, name: str | None = None) -> Imported:
    """Copy a published file, or the folder of a model of the hub, to its path in our weights folder.

    Args:
        source: the file; for a model of the hub the folder with config.json and model.safetensors.
        name: which of the published weights these are; by default found by file name, hash or content.

    Raises:
        WeightsError: it is none of the published weights, or not those that it claims to be.
        RunError: the disk is full.
    """
    if not source.exists():
        raise WeightsError("no such file or folder", file=source)
    entry = entry_of(name) if name else _identified(source)
    if source.is_dir() != (entry.folder is not None):
        raise WeightsError(
            f"{entry.name} is {'a folder' if entry.folder else 'one file'}, and this is not",
            file=source,
            hint=f"give the {'folder with ' if entry.folder else ''}{' and '.join(_files(entry))}",
        )
    target = own_path(entry)
    with writing(target), _staging() as staging:
        copy = _copied(source, entry, staging)
        _check(entry, copy, source)
        replaced = target.exists()
        _place(copy, target, staging)
    return Imported(entry, target, fingerprint(target), replaced)


def _identified(source: Path) -> Published:
    """The entry by name, hash or content. Raises WeightsError."""
    found = _folder_entry(source) if source.is_dir() else _file_entry(source)
    if found is None:
        raise WeightsError(
            "is none of the published weights, by name, hash or content",
            file=source,
            hint=f"name them: --name NAME (see bench weights list); {_OTHER_WEIGHTS}",
        )
    return found


def _file_entry(source: Path) -> Published | None:
    single = [entry for entry in KNOWN.values() if entry.folder is None]
    for entry in single:
        if source.name == entry.files[0].path:
            return entry
    digest = sha256(source)
    for entry in single:
        if entry.files[0].sha256_prefix and digest.startswith(entry.files[0].sha256_prefix):
            return entry
    return KNOWN.get(f"yolov8{_yolo_size(source)}.pt") if source.suffix == ".pt" else None


def _folder_entry(source: Path) -> Published | None:
    """By the end of its path, a folder of the hub's cache above it, or the name in config.json."""
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
    return [file.name for file in entry.files]


@contextlib.contextmanager
def _staging() -> Iterator[Path]:
    """A temporary folder on the same file system as the target."""
    weights_dir().mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".importing-", dir=weights_dir()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copied(source: Path, entry: Published, staging: Path) -> Path:
    """A copy under the published names, of the published files alone."""
    copy = staging / own_path(entry).name
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
        one = copy / file.name if entry.folder else copy
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
    """Read the weights as a training does. Raises BenchError."""
    model = _model_of(entry)
    if model is None:
        load_state(copy)
        return
    name, variant = model
    if name == "yolo" and _yolo_size(copy) is None:
        raise WeightsError("its first layer has the width of no YOLOv8", file=copy)
    family = registry.family(name)
    plan = family.plan(variant=variant, weights=str(copy), options={}, recipe=Recipe(epochs=1))
    family.build(plan, classes=("thing",), seed=0, device="cpu")


def _model_of(entry: Published) -> tuple[str, str | None] | None:
    """Family and variant that the weights are for; a model of the hub names its variant itself."""
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
    """n, s, m, l or x for a YOLO with COCO's classes. Raises WeightsError for any other file."""
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
            f"has {len(names)} classes ({shown}), not COCO's {_COCO_CLASSES}", file=path, hint=_OTHER_WEIGHTS
        )
    first = getattr(model.model[0], "conv", None)
    return _YOLO_WIDTHS.get(getattr(first, "out_channels", 0))


def _refused(entry: Published, source: Path, reason: str) -> WeightsError:
    return WeightsError(
        f"is not {entry.name}: {reason}", file=source, hint=f"download it from {entry.files[-1].url}"
    )
