"""Reading weights that others wrote, without running anything that they wrote.

A torch checkpoint is a pickle, and a pickle is a program. So tensors are read from safetensors or through
`torch.load(weights_only=True)`. ultralytics' .pt files hold whole module objects, which neither can give:
`check_pickle` reads such a file's program first, with inert stand-ins for every name in it, and refuses
all names and all calls that a detection checkpoint does not need.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

PICKLE_LIMIT = 64 << 20
"""Bytes of the object tree alone, without tensors; YOLOv8x needs less than 1 MiB."""

_WRAPPERS = ("model", "state_dict", "model_state_dict")
"""Keys under which training scripts keep the state_dict beside other things."""


@dataclass(frozen=True)
class Allowed:
    """What a pickle may mention.

    `rebuilt`: classes whose objects may be made without their constructor and given attributes, or that stand
    there as mere values; exact names, or packages as prefixes that end in a dot.
    `called`: exact names of functions and classes that may be called with whatever arguments the file has.
    """

    rebuilt: tuple[str, ...]
    called: frozenset[str]

    def rebuilds(self, name: str) -> bool:
        return any(
            name == entry or (entry.endswith(".") and name.startswith(entry)) for entry in self.rebuilt
        )


_TORCH_VALUES = tuple(
    f"torch.{name}"
    for name in (
        *(
            f"{kind}Storage"
            for kind in ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char")
        ),
        *("ByteStorage", "BoolStorage", "storage.UntypedStorage", "storage.TypedStorage"),
        *("float16", "float32", "float64", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"),
    )
)

_CALLED = frozenset(
    {
        "collections.OrderedDict",
        "builtins.set",
        "__builtin__.set",  # how protocol 2 spells it
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
        "torch.Size",
        "torch.device",
        "numpy.dtype",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray.scalar",
        "_codecs.encode",  # bytes in protocol 2
        "pathlib.PosixPath",
        "pathlib.WindowsPath",
        "pathlib._local.PosixPath",
        "pathlib._local.WindowsPath",
        "ultralytics.utils.IterableSimpleNamespace",
        "ultralytics.yolo.utils.IterableSimpleNamespace",
    }
)

ULTRALYTICS = Allowed(
    rebuilt=(
        "torch.nn.modules.",
        "ultralytics.nn.modules.",
        "ultralytics.nn.tasks.DetectionModel",
        # A model that was saved in the middle of a training carries its loss.
        "ultralytics.utils.loss.v8DetectionLoss",
        "ultralytics.utils.loss.BboxLoss",
        "ultralytics.utils.loss.DFLoss",
        "ultralytics.utils.tal.TaskAlignedAssigner",
        *_TORCH_VALUES,
    ),
    called=_CALLED,
)
"""YOLOv8 detection checkpoints. No constructor of a model is among the calls: DetectionModel's would `eval` a
string of the file. No prefix reaches `ultralytics.utils`: its settings object writes to disk when a key is set."""


def load_state(path: Path) -> "dict[str, Tensor]":
    """The tensors of a .safetensors file or of a torch checkpoint, on the CPU.

    A checkpoint may be the state_dict itself or hold it as `model`, `state_dict` or `model_state_dict`; the
    prefix `module.` of a parallel training is taken off. Raises WeightsError for everything else.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise WeightsError(
            "no such file", file=path, mend="give the path of a .pth, .pt or .safetensors file"
        )
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _foreign(path, _first_line(error)) from None
    except (
        SafetensorError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        OSError,
        zipfile.BadZipFile,
    ) as error:
        raise WeightsError(
            f"is damaged, or no checkpoint at all: {_first_line(error)}", file=path, mend="copy it anew"
        ) from None
    except Exception as error:  # bytes that are no pickle fail in as many ways as there are opcodes
        raise _foreign(path, f"{type(error).__name__}: {_first_line(error)}") from None
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not content:
        raise _foreign(path, f"it holds a {type(content).__name__}, not named tensors")
    odd = [str(key) for key, value in content.items() if not isinstance(value, torch.Tensor)]
    if odd:
        raise _foreign(path, f"{odd[0]!r} is no tensor")
    prefix = "module." if all(str(key).startswith("module.") for key in content) else ""
    return {str(key).removeprefix(prefix): value for key, value in content.items()}


def check_pickle(
    path: Path, allowed: Allowed = ULTRALYTICS, *, read_by_torch: bool = False
) -> frozenset[str]:
    """Refuse a torch checkpoint whose pickle mentions or calls anything that is not `allowed`.

    Nothing of the file is run: Python's own unpickler goes through it with inert stand-ins for every name.

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
    auditor = _Auditor(content, allowed)
    try:
        auditor.load()
    except _ForeignError as error:
        raise WeightsError(
            f"is not loaded, because its pickle {error}: loading it could run foreign code",
            file=path,
            mend="take the file from its publisher, or export the weights as a state_dict or safetensors",
        ) from None
    except Exception as error:  # whatever a crooked pickle makes of the stand-ins is a refusal
        raise _foreign(path, f"{type(error).__name__}: {_first_line(error)}") from None
    return frozenset(auditor.names)


class _ForeignError(Exception):
    """What the pickle does that it must not."""


class _Kind(type):
    """The class of stand-ins; calling one is only allowed where the real one may be called."""

    may_be_called = False

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if not cls.may_be_called:
            raise _ForeignError(f"calls {cls.__name__}")
        return object.__new__(cls)


class _Inert(metaclass=_Kind):
    """Stands for an object of a name in the pickle: takes a state, does nothing, can do nothing."""

    def __new__(cls) -> "_Inert":  # what `cls.__new__(cls, *args)` of the pickle arrives at: no arguments
        return object.__new__(cls)

    def __setstate__(self, state: object) -> None:
        pass


_PLAIN: dict[str, type] = {
    "collections.OrderedDict": OrderedDict,
    "builtins.set": set,
    "__builtin__.set": set,
}
"""Containers that stand for themselves, because the pickle goes on to fill them."""


class _Auditor(pickle.Unpickler):
    """Goes through a pickle and keeps the names that it mentions."""

    def __init__(self, content: bytes, allowed: Allowed) -> None:
        # fix_imports would turn Python 2's names into today's before they are looked at.
        super().__init__(io.BytesIO(content), fix_imports=False)
        self.allowed = allowed
        self.names: set[str] = set()

    def find_class(self, module: str, name: str, /) -> Any:
        full = f"{module}.{name}"
        self.names.add(full)
        called = full in self.allowed.called
        if not called and not self.allowed.rebuilds(full):
            raise _ForeignError(f"names {full}")
        if called and full in _PLAIN:
            return _PLAIN[full]
        return _Kind(full, (_Inert,), {"may_be_called": called})

    def persistent_load(self, pid: Any, /) -> Any:
        """torch keeps tensors' bytes outside of the pickle, under ids that begin with 'storage'."""
        if not isinstance(pid, tuple) or not pid or pid[0] != "storage":
            raise _ForeignError("refers to something that is no tensor")
        return object.__new__(_Inert)


def _pickle_by_zipfile(path: Path) -> bytes:
    """The record data.pkl, without torch. A zip in which it isn't the only one of its name is refused."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            file.seek(0)
            if file.read(4) != b"PK\x03\x04":
                raise zipfile.BadZipFile("something stands before the archive")
            record = _only_record(path, archive.namelist())
            with archive.open(record) as stream:
                content = stream.read(PICKLE_LIMIT + 1)
    except FileNotFoundError:
        raise WeightsError("no such file", file=path) from None
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise _damaged(path, error) from None
    return _within_limit(path, content)


def _pickle_by_torch(path: Path) -> bytes:
    """The record data.pkl as torch.load will read it."""
    import torch

    if not path.is_file():
        raise WeightsError("no such file", file=path)
    try:
        reader = torch._C.PyTorchFileReader(str(path))
        _only_record(path, [f"x/{name}" for name in reader.get_all_records()])
        content: bytes = reader.get_record("data.pkl")
    except RuntimeError as error:
        raise _damaged(path, error) from None
    return _within_limit(path, content)


def _only_record(path: Path, names: list[str]) -> str:
    """The name of data.pkl. torch looks names up without regard to case, so neither do we."""
    folded = [name.lower() for name in names]
    if any(name.endswith("/constants.pkl") for name in folded):
        raise _foreign(path, "it is a TorchScript archive, which holds code")
    if len(set(folded)) < len(folded):
        raise _foreign(path, "two records of the archive have the same name")
    found = [name for name in names if name.lower().endswith("/data.pkl")]
    if len(found) != 1:
        raise _foreign(path, f"the archive has {len(found)} records data.pkl")
    return found[0]


def _within_limit(path: Path, content: bytes) -> bytes:
    if len(content) > PICKLE_LIMIT:
        raise _foreign(path, f"its pickle is larger than {PICKLE_LIMIT >> 20} MiB")
    return content


def _damaged(path: Path, error: Exception) -> WeightsError:
    return WeightsError(
        f"is damaged, or no checkpoint of torch: {_first_line(error)}",
        file=path,
        mend="copy it anew from where it came from",
    )


def _foreign(path: Path, reason: str) -> WeightsError:
    return WeightsError(
        f"is no checkpoint that can be loaded safely: {reason}",
        file=path,
        mend="save the weights alone: torch.save(model.state_dict(), PATH), or as safetensors",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
