"""Reading the tensors that others saved, without running anything that they wrote.

A torch checkpoint is a pickle, and a pickle is a program: tensors are read from safetensors, or through
`torch.load(weights_only=True)`, whose unpickler knows tensors and plain containers and nothing else.
"""

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.adapters.weights.download import looks_like
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
        raise foreign(path, f"{odd[0]!r} in it is no tensor")
    prefix = "module." if all(str(key).startswith("module.") for key in content) else ""
    return {str(key).removeprefix(prefix): value for key, value in content.items()}


def _content(path: Path) -> Any:
    """What the file holds. Raises WeightsError."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if not looks_like(path, ".safetensors" if path.suffix == ".safetensors" else ".pth"):
            raise _none_at_all(path)
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols
            return torch.load(path, map_location="cpu", weights_only=True)
    except EOFError:  # has no words
        raise _none_at_all(path) from None
    except (SafetensorError, RuntimeError, OSError) as error:
        raise damaged(path, error) from None
    except pickle.UnpicklingError as error:
        raise foreign(path, _refusal(error)) from None
    except WeightsError:
        raise
    except Exception:  # bytes that are no pickle fail in as many ways as there are opcodes
        raise foreign(path, "its pickle is no plain record of tensors") from None


def _none_at_all(path: Path) -> WeightsError:
    return WeightsError(
        "is no torch or safetensors checkpoint",
        file=path,
        hint="give the path of a .pth, .pt or .safetensors file, or copy it anew from where it came from",
    )


def _refusal(error: Exception) -> str:
    """torch's reason, without its advice to load the file all the same."""
    name = re.search(r"GLOBAL (\S+)", str(error))
    return f"it names {name[1]}" if name else "its pickle is no plain record of tensors"


def damaged(path: Path, error: Exception) -> WeightsError:
    """An error for a file that breaks off or is of another kind."""
    return WeightsError(
        f"is damaged, or no checkpoint at all: {first_line(error)}",
        file=path,
        hint="copy it anew from where it came from",
    )


def foreign(path: Path, reason: str) -> WeightsError:
    """An error for a file that is whole, but holds something other than tensors."""
    return WeightsError(
        f"is no checkpoint that can be loaded safely: {reason}",
        file=path,
        hint="save the weights alone: torch.save(model.state_dict(), PATH), or as safetensors",
    )


def first_line(error: Exception) -> str:
    """Of the message; the error's name where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def misfits(wanted: "Mapping[str, Tensor]", offered: "Mapping[str, Tensor]") -> list[str]:
    """Tensors that are missing, of another shape or not wanted, one line each, at most three of a sort."""
    missing = [f"{name} is missing" for name in wanted if name not in offered]
    shapes = [
        f"{name} has shape {tuple(offered[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in offered and offered[name].shape != tensor.shape
    ]
    strange = [f"{name} is not wanted" for name in offered if name not in wanted]
    return [line for sort in (missing, shapes, strange) for line in _few(sort)]


def _few(lines: list[str], most: int = 3) -> list[str]:
    return lines if len(lines) <= most else [*lines[:most], f"and {len(lines) - most} more"]
