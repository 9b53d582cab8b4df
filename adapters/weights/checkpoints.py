"""Reading tensors from files of unknown origin without running code from them.

A torch checkpoint is a pickle, and a pickle is a program: tensors are read from safetensors, or through
`torch.load(weights_only=True)`, whose unpickler accepts tensors and plain containers and nothing else.
"""

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

_WRAPPERS = ("model", "state_dict", "model_state_dict")
"""Keys under which training scripts keep the state_dict beside other things."""


def load_state(path: Path) -> "dict[str, Tensor]":
    """The tensors of a .safetensors file or of a torch checkpoint, on the CPU.

    A checkpoint may be the state_dict itself or hold it as `model`, `state_dict` or `model_state_dict`; the
    prefix `module.` of a parallel training is taken off. Raises WeightsError for everything else.
    """
    import torch

    if not path.is_file():
        raise WeightsError(
            "no such file", file=path, hint="give the path of a .pth, .pt or .safetensors file"
        )
    content = _content(path)
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not content:
        raise foreign(path, f"it holds a {type(content).__name__} without named tensors")
    odd = [str(key) for key, value in content.items() if not isinstance(value, torch.Tensor)]
    if odd:
        raise foreign(path, f"its entry {odd[0]!r} is no tensor")
    prefix = "module." if all(str(key).startswith("module.") for key in content) else ""
    return {str(key).removeprefix(prefix): value for key, value in content.items()}


def _content(path: Path) -> Any:
    """What the file holds. Raises WeightsError."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if not looks_like(path, ".safetensors" if path.suffix == ".safetensors" else ".pth"):
            raise _no_checkpoint(path)
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols
            return torch.load(path, map_location="cpu", weights_only=True)
    except EOFError:  # its message is empty
        raise _no_checkpoint(path) from None
    except (SafetensorError, RuntimeError, OSError) as error:
        raise damaged(path, error) from None
    except pickle.UnpicklingError as error:
        raise foreign(path, _refusal(error)) from None
    except WeightsError:
        raise
    except Exception:  # bytes that are no pickle fail in as many ways as there are opcodes
        raise foreign(path, "its pickle is no plain record of tensors") from None


def looks_like(path: Path, suffix: str) -> bool:
    """Whether the first bytes fit the suffix: .safetensors, .json, .pt and .pth; others always do."""
    with path.open("rb") as file:
        head = file.read(16)
    if suffix == ".safetensors":  # u64 length of a JSON header, then the header
        return len(head) == 16 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32
    if suffix == ".json":
        return head.lstrip()[:1] == b"{"
    if suffix in (".pt", ".pth"):  # a zip, or torch's format before 1.6: a pickle of protocol 2 and up
        return head[:4] == b"PK\x03\x04" or head[:1] == b"\x80"
    return True


def _no_checkpoint(path: Path) -> WeightsError:
    return WeightsError(
        "is no torch or safetensors checkpoint",
        file=path,
        hint="give the path of a .pth, .pt or .safetensors file, or copy it again from its source",
    )


def _refusal(error: Exception) -> str:
    """torch's reason, without its advice to load the file with weights_only=False."""
    name = re.search(r"GLOBAL (\S+)", str(error))
    return f"it names {name[1]}" if name else "its pickle is no plain record of tensors"


def damaged(path: Path, error: Exception) -> WeightsError:
    """An error for a file that is truncated or of another format."""
    return WeightsError(
        f"is damaged, or no checkpoint at all: {first_line(error)}",
        file=path,
        hint="copy it again from its source",
    )


def foreign(path: Path, reason: str) -> WeightsError:
    """An error for a complete file that holds something other than tensors."""
    return WeightsError(
        f"is no checkpoint that can be loaded safely: {reason}",
        file=path,
        hint="save the weights alone: torch.save(model.state_dict(), PATH), or as safetensors",
    )


def first_line(error: Exception) -> str:
    """First line of the error's message; the class name where the message is empty."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def misfits(wanted: "Mapping[str, Tensor]", offered: "Mapping[str, Tensor]") -> list[str]:
    """Tensors that are missing, of another shape or unexpected: one line each, at most three of each kind."""
    missing = [f"{name} is missing" for name in wanted if name not in offered]
    shapes = [
        f"{name} has shape {tuple(offered[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in offered and offered[name].shape != tensor.shape
    ]
    unexpected = [f"{name} is unexpected" for name in offered if name not in wanted]
    return [line for kind in (missing, shapes, unexpected) for line in _shortened(kind)]


def _shortened(lines: list[str], most: int = 3) -> list[str]:
    return lines if len(lines) <= most else [*lines[:most], f"and {len(lines) - most} more"]
