"""Published weights: where each is looked for, and where it is downloaded from.

    $BENCH_HOME/weights (default ~/.cache/bench/weights)
      yolov8n.pt
      fasterrcnn_resnet50_fpn_coco-258fb6c6.pth
      facebook/detr-resnet-50/{config.json,model.safetensors}

This folder comes first, then the caches of the frameworks, then a download: on a machine without a network,
copying the files is enough. $BENCH_WEIGHTS_URL names a mirror that offers the same tree over http, in place
of all publishers; $HF_ENDPOINT names a mirror of the Hugging Face hub alone.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.adapters.weights.caches import hub_snapshots, torch_checkpoints, ultralytics_dirs, weights_dir
from bench.adapters.weights.download import fetch, fetch_from_hub
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
    """One file: its path below the weights folder, its address, the beginning of its sha256 where known."""

    path: str
    url: str
    sha256_prefix: str = ""

    @property
    def name(self) -> str:
        """The last part of `path`."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Published:
    """Weights under one name. `folder` is set for a model of the hub, whose files belong together."""

    name: str
    files: tuple[PublishedFile, ...]
    trained_on: str
    folder: str | None = None
    size_mib: float | None = None
    """Of all files, where the publisher says it."""


@dataclass(frozen=True)
class InitialWeights:
    """What a training starts from, as in `Plan`."""

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
    repo_id, revision = _repository(name)
    base = f"{_HUB}/{repo_id}/resolve/{revision}"
    files = tuple(PublishedFile(f"{name}/{file}", f"{base}/{file}") for file in _HUB_FILES)
    return Published(name, files, trained_on, folder=name)


def _repository(name: str) -> tuple[str, str]:
    """'ORG/MODEL@REVISION' -> ('ORG/MODEL', 'REVISION'); the revision is 'main' where none is named."""
    repo_id, _, revision = name.partition("@")
    return repo_id, revision or "main"


KNOWN: dict[str, Published] = {
    published.name: published
    for published in (
        _hub("facebook/detr-resnet-50", _COCO_91),
        *(_hub(f"PekingU/rtdetr{v2}_r{d}vd", _COCO_80) for v2 in ("", "_v2") for d in (18, 34, 50, 101)),
        *(
            _hub(f"ustc-community/dfine-{size}-coco", _COCO_80)
            for size in ("nano", "small", "medium", "large", "xlarge")
        ),
        *(
            _hub(f"SenseTime/deformable-detr{kind}", _COCO_91)
            for kind in ("", "-with-box-refine", "-with-box-refine-two-stage")
        ),
        _hub("microsoft/conditional-detr-resnet-50", _COCO_91),
        _hub("IDEA-Research/dab-detr-resnet-50", _COCO_91),
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
    if _is_hub_name(name):
        return _hub(name, f"what huggingface.co/{name.partition('@')[0]} says")
    raise WeightsError("no published weights have that name", value=name, hint=f"known: {', '.join(KNOWN)}")


def _is_hub_name(text: str) -> bool:
    """Whether `text` is ORG/MODEL or ORG/MODEL@REVISION, by the hub's own rules."""
    if not _HUB_NAME.fullmatch(text):
        return False
    from huggingface_hub.utils import HFValidationError, validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(_repository(text)[0])
    except HFValidationError:
        return False
    return True


def locate(name: str) -> Path:
    """A local copy of published weights: a file, or a folder for models of the hub; downloaded where needed.

    Raises WeightsError where there is none: it names the file, the address, and the path to put it at.
    """
    entry = entry_of(name)
    if (found := local_copy(entry)) is not None:
        return found
    mirror = os.environ.get("BENCH_WEIGHTS_URL")
    if entry.folder is not None and not mirror:
        repo_id, revision = _repository(name)
        return fetch_from_hub(
            repo_id,
            revision,
            _HUB_FILES,
            endpoint=(os.environ.get("HF_ENDPOINT") or _HUB).rstrip("/"),
            target=own_path(entry),
            hint=_hint(entry, entry.files[-1]),
        )
    for file in entry.files:
        target = weights_dir() / file.path
        if target.is_file() and not _is_intact(target, file):
            raise WeightsError(
                f"is not the published file: empty, or its sha256 does not begin with {file.sha256_prefix!r}",
                file=target,
                hint="delete it or replace it",
            )
        if not target.is_file():
            url = f"{mirror.rstrip('/')}/{file.path}" if mirror else file.url
            fetch(url, target, sha256_prefix=file.sha256_prefix, hint=_hint(entry, file))
    return own_path(entry)


def local_copy(entry: Published) -> Path | None:
    """A whole copy on this machine, in our folder or in the cache of a framework; nothing is downloaded."""
    own = own_path(entry)
    candidates = [own, *(cache if entry.folder else cache / own.name for cache in _caches(entry))]
    for path in candidates:
        files = [(path / file.name if entry.folder else path, file) for file in entry.files]
        if all(_is_intact(local, file) for local, file in files):
            return path
    return None


def own_path(entry: Published) -> Path:
    """Where the weights are in our folder, or would be."""
    return weights_dir() / (entry.folder or entry.files[0].path)


def resolve(asked: str, *, published: str | None, variant: str) -> InitialWeights:
    """What 'pretrained', 'none' or a path means for a variant whose published weights have that name.

    Where the published weights are a model of the hub, `asked` may name another one, as ORG/MODEL.
    Raises WeightsError where the weights can't be had.
    """
    if asked == "none":
        return InitialWeights("none", "nothing")
    path = Path(asked).expanduser()
    if asked == "pretrained":
        if published is None:
            raise WeightsError(
                f"there are no published weights for {variant}",
                value=asked,
                hint="set weights: none, or the path of a file of your own",
            )
        name = published
    elif path.exists():
        return InitialWeights(str(path.resolve()), _trained_on(path))
    elif published in KNOWN and KNOWN[published].folder and not path.suffix and _is_hub_name(asked):
        name = asked
    else:
        raise WeightsError(
            "no such file", file=path, hint="set weights: pretrained, none, or the path of a file or folder"
        )
    return InitialWeights(str(locate(name)), entry_of(name).trained_on)


def fingerprint(path: Path) -> str:
    """sha256 of a weights file; of the model.safetensors where `path` is a folder."""
    return sha256(path / "model.safetensors" if path.is_dir() else path)


def published_as(path: Path) -> Published | None:
    """The published file that `path` is, by its name and its hash; None where that is not certain."""
    entry = _same_name(path)
    if entry is None or not entry.files[0].sha256_prefix:
        return None
    return entry if _is_intact(path, entry.files[0]) else None


def _same_name(path: Path) -> Published | None:
    for entry in KNOWN.values():
        if entry.folder is None and path.name == entry.files[0].path:
            return entry
    return None


def _trained_on(path: Path) -> str:
    """The data that a local file was trained on; known for published files alone, by name and hash."""
    entry = _same_name(path)
    if entry is None:
        return f"unknown (the local {'folder' if path.is_dir() else 'file'} {path.name})"
    if not entry.files[0].sha256_prefix:
        return f"{entry.trained_on}, by the file's name"
    return entry.trained_on if published_as(path) else f"unknown ({path.name}, altered)"


def _is_intact(path: Path, file: PublishedFile) -> bool:
    """Whether `path` exists, is not empty, and has the hash of `file` where that is known."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    return not file.sha256_prefix or sha256(path).startswith(file.sha256_prefix)


def _hint(entry: Published, file: PublishedFile) -> str:
    others = [other.name for other in entry.files if other is not file]
    beside = f" (and {', '.join(others)} beside it)" if others else ""
    return (
        f"download {file.url} on another machine and put it at {weights_dir() / file.path}{beside}; "
        "or set BENCH_WEIGHTS_URL to a mirror, or set weights: none or a path"
    )


def _caches(entry: Published) -> Iterator[Path]:
    """Folders in which the frameworks keep such files; for a model of the hub the folder of its files."""
    if entry.folder is not None:
        yield from hub_snapshots(*_repository(entry.name))
    elif entry.name.endswith(".pt"):
        yield from ultralytics_dirs()
    else:
        yield torch_checkpoints()
