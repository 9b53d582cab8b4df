"""Inspecting a torch checkpoint that pickles whole objects, before any of it is executed.

A pickle is a program, and ultralytics' .pt files are pickles of module objects. `check_pickle` interprets
such a program with an inert stand-in for every name in it, and refuses all names and all calls that a
detection checkpoint does not need.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.adapters.weights.checkpoints import damaged, first_line, foreign
from bench.errors import WeightsError

PICKLE_LIMIT = 64 << 20
"""Largest size in bytes of the object tree without its tensors; YOLOv8n's has 0.1 MiB."""


@dataclass(frozen=True)
class Allowed:
    """What a pickle may mention, by exact names but for `packages`.

    rebuilt: classes whose objects may be made without their constructor and given attributes; plain values.
    packages: packages whose modules' own classes count as `rebuilt` (names in CamelCase, directly in a module
        directly in the package).
    called: functions and classes that may be called, with whatever arguments the file has.
    """

    rebuilt: frozenset[str]
    packages: tuple[str, ...]
    called: frozenset[str]

    def rebuilds(self, module: str, name: str) -> bool:
        """Whether 'module.name' is among the `rebuilt`, or a class of a module of the `packages`."""
        if f"{module}.{name}" in self.rebuilt:
            return True
        package, _, last = module.rpartition(".")
        placed = module in self.packages or (package in self.packages and last.isidentifier())
        return placed and name.isidentifier() and name[:1].isupper()


_STORAGES = (
    *(f"torch.{kind}Storage" for kind in ("Float", "Double", "Half", "BFloat16", "Bool", "Byte")),
    *(f"torch.{kind}Storage" for kind in ("Long", "Int", "Short", "Char")),
    "torch.storage.UntypedStorage",
)
_DTYPES = tuple(
    f"torch.{name}"
    for name in (
        "float16",
        "float32",
        "float64",
        "bfloat16",
        "int64",
        "int32",
        "int16",
        "int8",
        "uint8",
        "bool",
    )
)

ULTRALYTICS = Allowed(
    rebuilt=frozenset(
        {
            *_STORAGES,
            *_DTYPES,
            "ultralytics.nn.tasks.DetectionModel",
            # A model that was saved in the middle of a training carries its loss.
            "ultralytics.utils.loss.v8DetectionLoss",
            "ultralytics.utils.loss.BboxLoss",
            "ultralytics.utils.loss.DFLoss",
            "ultralytics.utils.tal.TaskAlignedAssigner",
        }
    ),
    packages=("torch.nn.modules", "ultralytics.nn.modules"),
    called=frozenset(
        {
            "collections.OrderedDict",
            "__builtin__.set",  # how protocol 2 spells builtins
            "builtins.set",
            "torch._utils._rebuild_tensor_v2",
            "torch._utils._rebuild_parameter",
            "torch.Size",
            "torch.device",
            "numpy.dtype",
            "numpy.core.multiarray.scalar",
            "numpy._core.multiarray.scalar",
            "_codecs.encode",  # how protocol 2 spells bytes
            "pathlib.PosixPath",
            "pathlib.WindowsPath",
            "pathlib._local.PosixPath",
            "pathlib._local.WindowsPath",
            "ultralytics.utils.IterableSimpleNamespace",
            "ultralytics.yolo.utils.IterableSimpleNamespace",
        }
    ),
)
"""YOLOv8 detection checkpoints.

No constructor of a model is among the calls: DetectionModel's would `eval` a string of the file. No package
reaches `ultralytics.utils`: its settings object writes to disk when a key is set. `getattr`, with which other
tasks' checkpoints store a bound method, is left out: it opens every module.
"""


def check_pickle(
    path: Path, allowed: Allowed = ULTRALYTICS, *, read_by_torch: bool = False
) -> frozenset[str]:
    """Refuse a torch checkpoint whose pickle mentions or calls anything that is not `allowed`.

    Nothing in the file is executed: Python's own unpickler interprets it with inert stand-ins for every name.

    Args:
        path: a file of torch's zip form (torch.save since 1.6); the older form is refused.
        allowed: the names.
        read_by_torch: take the bytes through torch's own zip reader (imports torch), so that what is
            checked is what `torch.load` will read, even in a zip that two readers understand differently.

    Returns:
        Every name that the file mentions, as 'module.name'.

    Raises:
        WeightsError: a foreign name or call, a TorchScript archive, a damaged file, or no checkpoint.
    """
    content = _pickle_by_torch(path) if read_by_torch else _pickle_by_zipfile(path)
    return _audited(path, content, allowed)[0]


def read_pickle(path: Path, allowed: Allowed = ULTRALYTICS) -> Any:
    """What a torch checkpoint holds: plain values, and a StandIn for every object that is none.

    Neither torch nor anything in the file is executed. Raises WeightsError as `check_pickle` does.
    """
    return _audited(path, _pickle_by_zipfile(path), allowed)[1]


def _audited(path: Path, content: bytes, allowed: Allowed) -> tuple[frozenset[str], Any]:
    """Names and content of a pickle. Raises WeightsError."""
    if len(content) > PICKLE_LIMIT:
        raise foreign(path, f"its pickle is larger than {PICKLE_LIMIT >> 20} MiB")
    auditor = _Auditor(content, allowed)
    try:
        content_read = auditor.load()
    except _ForeignError as error:
        raise WeightsError(
            f"is not loaded, because its pickle {error}: that could run foreign code",
            file=path,
            hint="take the file from its publisher, or export the weights as a state_dict or safetensors",
        ) from None
    except Exception as error:  # a malformed pickle can make the stand-ins raise anything
        raise foreign(path, f"{type(error).__name__}: {first_line(error)}") from None
    return frozenset(auditor.names), content_read


class _ForeignError(Exception):
    """The pickle does something that is not allowed; the message says what."""


class _Kind(type):
    """The metaclass of stand-ins: one may be called only where the real object may be called."""

    may_be_called = False

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if not cls.may_be_called:
            raise _ForeignError(f"calls {cls.__name__}")
        return super().__call__()


class StandIn(metaclass=_Kind):
    """Stands for an object that the pickle names: keeps its state and has no behaviour."""

    state: object = None

    def __new__(cls) -> "StandIn":  # a pickle's `cls.__new__(cls, *args)` comes here: no arguments pass
        return object.__new__(cls)

    def __setstate__(self, state: object) -> None:
        self.state = state

    @property
    def name(self) -> str:
        """Of the object's class, as 'module.name'."""
        return type(self).__name__


class _Tensor(StandIn):
    """Stands for the bytes of a tensor."""

    may_be_called = True


_PLAIN: dict[str, type] = {
    "collections.OrderedDict": OrderedDict,
    "builtins.set": set,
    "__builtin__.set": set,
}
"""Containers without a stand-in, because the pickle fills them afterwards."""


class _Auditor(pickle.Unpickler):
    """Interprets a pickle and collects the names that it mentions."""

    def __init__(self, content: bytes, allowed: Allowed) -> None:
        # fix_imports would translate Python 2's names before they are checked.
        super().__init__(io.BytesIO(content), fix_imports=False)
        self.allowed = allowed
        self.names: set[str] = set()

    def find_class(self, module: str, name: str, /) -> Any:
        full = f"{module}.{name}"
        self.names.add(full)
        called = full in self.allowed.called
        if not called and not self.allowed.rebuilds(module, name):
            raise _ForeignError(f"names {full}")
        if called and full in _PLAIN:
            return _PLAIN[full]
        return _Kind(full, (StandIn,), {"may_be_called": called})

    def persistent_load(self, pid: Any, /) -> Any:
        """torch keeps tensors' bytes outside of the pickle, under ids that begin with 'storage'."""
        if not isinstance(pid, tuple) or not pid or pid[0] != "storage":
            raise _ForeignError("refers to something that is no tensor")
        return _Tensor()


def _pickle_by_zipfile(path: Path) -> bytes:
    """The record data.pkl, up to a byte over the limit, without torch."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            file.seek(0)
            if file.read(4) != b"PK\x03\x04":
                raise zipfile.BadZipFile("there are bytes before the archive")
            with archive.open(_only_record(path, archive.namelist())) as stream:
                return stream.read(PICKLE_LIMIT + 1)
    except FileNotFoundError:
        raise WeightsError("no such file", file=path) from None
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise damaged(path, error) from None


def _pickle_by_torch(path: Path) -> bytes:
    """The record data.pkl as torch.load will read it."""
    import torch

    if not path.is_file():
        raise WeightsError("no such file", file=path)
    try:
        reader = torch._C.PyTorchFileReader(str(path))
        _only_record(path, [f"archive/{name}" for name in reader.get_all_records()])
        return bytes(reader.get_record("data.pkl"))
    except RuntimeError as error:
        raise damaged(path, error) from None


def _only_record(path: Path, names: list[str]) -> str:
    """The name of data.pkl. torch looks names up without regard to case, so neither do we."""
    folded = [name.lower() for name in names]
    if any(name.endswith("/constants.pkl") for name in folded):
        raise foreign(path, "it is a TorchScript archive, which holds code")
    if len(set(folded)) < len(folded):
        raise foreign(path, "two records of the archive have the same name")
    found = [name for name in names if name.lower().endswith("/data.pkl")]
    if len(found) != 1:
        raise foreign(path, f"the archive has {len(found)} records data.pkl")
    return found[0]
