"""Where published weights are: our own folder, the frameworks' caches, then their publishers.

    $BENCH_HOME/weights (default ~/.cache/bench/weights)
      yolov8n.pt
      fasterrcnn_resnet50_fpn_coco-258fb6c6.pth
      facebook/detr-resnet-50/{config.json,model.safetensors}

A file that lies there is never looked for elsewhere, so a machine without a network is served by copying.
$BENCH_WEIGHTS_URL names a mirror that offers the same tree over http, in place of all publishers.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.adapters.weights.caches import hub_snapshots, torch_checkpoints, ultralytics_dirs, weights_dir
from bench.adapters.weights.download import fetch
from bench.errors import WeightsError
from bench.files import sha256

_YOLO_RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.4.0"
"""The release that ultralytics 8.4 itself takes its files from (utils/downloads.py)."""

_TORCHVISION = "https://download.pytorch.org/models"
_HUB = "https://huggingface.co"
_HUB_FILES = ("config.json", "model.safetensors")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[A-Za-z0-9][\w.-]*)?")

_COCO_80 = "COCO 2017 (80 classes)"
_IMAGENET = "ImageNet-1k"
_COCO_91 = "COCO 2017 (80 classes in 91 places)"
"""DETR and torchvision keep COCO's own category ids, eleven of which no class has."""


@dataclass(frozen=True)
class PublishedFile:
    """One file: its place below the weights folder, its origin, the beginning of its sha256 where known."""

    place: str
    url: str
    sha256_prefix: str = ""


@dataclass(frozen=True)
class Published:
    """Weights under one name. `folder` is set where they are several files that belong together."""

    name: str
    files: tuple[PublishedFile, ...]
    trained_on: str
    folder: str | None = None
    size_mib: float | None = None
    """Of all files, where the publisher says it."""


@dataclass(frozen=True)
class Start:
    """What a training starts from, as `Plan` wants it."""

    weights: str  # 'none', or the path of a file or folder
    pretrained_on: str


def _torchvision(
    name: str, file: str, size_mib: float | None = None, trained_on: str = _COCO_91
) -> Published:
    """torchvision writes the first 8 digits of the sha256 into its file names, and says their size."""
    prefix = file.rpartition("-")[2].partition(".")[0]
    address = PublishedFile(file, f"{_TORCHVISION}/{file}", prefix)
    return Published(name, (address,), trained_on, size_mib=size_mib)


def _yolo(file: str) -> Published:
    return Published(file, (PublishedFile(file, f"{_YOLO_RELEASE}/{file}"),), _COCO_80)


def _hub(name: str, trained_on: str) -> Published:
    """`name` is ORG/MODEL or ORG/MODEL@REVISION."""
    model, _, revision = name.partition("@")
    base = f"{_HUB}/{model}/resolve/{revision or 'main'}"
    files = tuple(PublishedFile(f"{name}/{file}", f"{base}/{file}") for file in _HUB_FILES)
    return Published(name, files, trained_on, folder=name)


KNOWN: dict[str, Published] = {
    published.name: published
    for published in (
        _hub("facebook/detr-resnet-50", _COCO_91),
        *(_yolo(f"yolov8{size}.pt") for size in "nsmlx"),
        _torchvision("fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", 159.743),
        _torchvision("fasterrcnn_resnet50_fpn_v2", "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth", 167.104),
        _torchvision(
            "fasterrcnn_mobilenet_v3_large_fpn", "fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth", 74.239
        ),
        _torchvision(
            "fasterrcnn_mobilenet_v3_large_320_fpn",
            "fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth",
            74.239,
        ),
        # Of torchvision's two sets, the one that DETR's authors used (IMAGENET1K_V1).
        _torchvision("resnet18", "resnet18-f37072fd.pth", 44.661, _IMAGENET),
        _torchvision("resnet34", "resnet34-b627a593.pth", 83.275, _IMAGENET),
        _torchvision("resnet50", "resnet50-0676ba61.pth", 97.781, _IMAGENET),
        _torchvision("resnet101", "resnet101-63fe2227.pth", 170.511, _IMAGENET),
        _torchvision("resnet152", "resnet152-394f9c45.pth", 230.434, _IMAGENET),
    )
}


def entry_of(name: str) -> Published:
    """The entry of `name`; any ORG/MODEL of the hub has one. Raises WeightsError for other names."""
    if name in KNOWN:
        return KNOWN[name]
    if _HUB_NAME.fullmatch(name):
        return _hub(name, f"what the hub says of {name}")
    raise WeightsError("no published weights have that name", value=name, hint=f"known: {', '.join(KNOWN)}")


def locate(name: str) -> Path:
    """A local copy of published weights: a file, or a folder for models of the hub; downloaded where needed.

    Raises WeightsError where none can be had: it names the file, the address tried, and the place to put it.
    """
    entry = entry_of(name)
    found = local_copy(entry)
    if found is not None:
        return found
    own = weights_dir()
    for file in entry.files:
        target = own / file.place
        if target.is_file() and not _usable(target, file):
            raise WeightsError(
                f"is not the published file: empty, or its sha256 does not begin with {file.sha256_prefix!r}",
                file=target,
                hint="delete it or replace it",
            )
        if not target.is_file():
            fetch(_address(file), target, sha256_prefix=file.sha256_prefix, hint=_mend(entry, file))
    return _whole(entry, own)


def local_copy(entry: Published) -> Path | None:
    """A whole copy on this machine, in our folder or a framework's; nobody is asked for one."""
    for folder in (weights_dir(), *_caches(entry)):
        if all(_usable(folder / _below(entry, folder, file), file) for file in entry.files):
            return _whole(entry, folder)
    return None


def own_place(entry: Published) -> Path:
    """Where it lies in our folder, or would."""
    return _whole(entry, weights_dir())


def start(asked: str, *, published: str | None, variant: str) -> Start:
    """What 'pretrained', 'none' or a path means for a variant whose published weights bear that name.

    Where the published weights are a model of the hub, `asked` may name another one, as ORG/MODEL.
    Raises WeightsError where the weights are not there.
    """
    if asked == "none":
        return Start("none", "nothing")
    path = Path(asked).expanduser()
    if asked == "pretrained":
        if published is None:
            raise WeightsError(
                f"nobody has published weights for {variant}",
                value=asked,
                hint="say weights: none, or the path of a file of your own",
            )
        name = published
    elif path.exists():
        return Start(str(path.resolve()), _origin(path))
    elif published in KNOWN and KNOWN[published].folder and _HUB_NAME.fullmatch(asked) and not path.suffix:
        name = asked
    else:
        raise WeightsError(
            "no such file", file=path, hint="say weights: pretrained, none, or the path of a file or folder"
        )
    return Start(str(locate(name)), entry_of(name).trained_on)


def fingerprint(path: Path) -> str:
    """sha256 of a weights file; of the model.safetensors where `path` is a folder."""
    return sha256(path / "model.safetensors" if path.is_dir() else path)


def published_as(path: Path) -> Published | None:
    """The published file that `path` is by its name and its hash; None where it is not, or has no hash."""
    entry = _named_like(path)
    if entry is None or not entry.files[0].sha256_prefix:
        return None
    return entry if _usable(path, entry.files[0]) else None


def _named_like(path: Path) -> Published | None:
    for entry in KNOWN.values():
        if entry.folder is None and path.name == entry.files[0].place:
            return entry
    return None


def _origin(path: Path) -> str:
    """What a local file has seen, where that can be known: published ones show by name and hash."""
    entry = _named_like(path)
    if entry is None:
        return f"unknown (the local {'folder' if path.is_dir() else 'file'} {path.name})"
    if not entry.files[0].sha256_prefix:
        return f"{entry.trained_on}, by the file's name"
    return entry.trained_on if published_as(path) else f"unknown ({path.name}, altered)"


def _usable(path: Path, file: PublishedFile) -> bool:
    """There, not empty, and with the hash that it is known by."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    return not file.sha256_prefix or sha256(path).startswith(file.sha256_prefix)


def _below(entry: Published, folder: Path, file: PublishedFile) -> str:
    """Caches know a hub model's files by their bare names, our folder by ORG/MODEL/FILE."""
    return file.place if folder == weights_dir() else file.place.rpartition("/")[2]


def _whole(entry: Published, folder: Path) -> Path:
    if entry.folder is None:
        return folder / entry.files[0].place
    return folder / entry.folder if folder == weights_dir() else folder


def _address(file: PublishedFile) -> str:
    mirror = os.environ.get("BENCH_WEIGHTS_URL")
    return f"{mirror.rstrip('/')}/{file.place}" if mirror else file.url


def _mend(entry: Published, file: PublishedFile) -> str:
    others = [f.place.rpartition("/")[2] for f in entry.files if f is not file]
    beside = f" (and {', '.join(others)} beside it)" if others else ""
    return (
        f"fetch {file.url} on a machine that reaches it and put it at {weights_dir() / file.place}{beside}; "
        "or set BENCH_WEIGHTS_URL to a mirror, or say weights: none or a path"
    )


def _caches(entry: Published) -> Iterator[Path]:
    """Folders in which the frameworks themselves keep such files."""
    if entry.folder is not None:
        yield from hub_snapshots(entry.name)
    elif entry.name.endswith(".pt"):
        yield from ultralytics_dirs()
    else:
        yield torch_checkpoints()
