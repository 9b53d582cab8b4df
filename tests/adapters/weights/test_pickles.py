"""The door that foreign pickles come to. Bait files would leave a mark on the disk if any of them was run."""

import builtins
import collections
import contextlib
import io
import os
import pickle
import pickletools
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.adapters.weights import pickles
from bench.adapters.weights.pickles import ULTRALYTICS, check_pickle
from bench.errors import WeightsError


def archive(path: Path, content: bytes, **others: bytes) -> Path:
    """A file of torch's form around a pickle."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", content)
        file.writestr("archive/version", b"3\n")
        for name, record in others.items():
            file.writestr(f"archive/{name}", record)
    return path


def named(module: str, name: str) -> bytes:
    """GLOBAL: puts the named thing on the stack."""
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def called(module: str, name: str, *arguments: str) -> bytes:
    """GLOBAL and REDUCE: what a reduce method writes."""
    return named(module, name) + b"(" + b"".join(map(text, arguments)) + b"tR"


def rebuilt(module: str, name: str, state: bytes = b"}") -> bytes:
    """GLOBAL, NEWOBJ and BUILD: how module objects are written."""
    return named(module, name) + b")\x81" + state + b"b"


def program(body: bytes, protocol: int = 2) -> bytes:
    return b"\x80" + bytes([protocol]) + body + b"."


class Bait:
    """Pickles to a call of `function`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def baits(mark: Path) -> dict[str, bytes]:
    """Pickles that each make the file `mark` when they are loaded."""
    command = f"touch {mark}"
    code = f"open({str(mark)!r}, 'w').close()"
    values: dict[str, Any] = {
        "system": Bait(os.system, command),
        "popen": Bait(subprocess.call, ["touch", str(mark)]),
        "eval": Bait(builtins.eval, code),
        "exec": Bait(builtins.exec, code),
        "mkfifo": Bait(os.mkfifo, str(mark)),
    }
    shapes: dict[str, Callable[[Any], Any]] = {
        "alone": lambda bait: bait,
        "deep": lambda bait: {"model": collections.OrderedDict(layers=[1, (2.5, {"a": bait})])},
    }
    found = {
        f"{name} {shape} in protocol {protocol}": pickle.dumps(wrap(value), protocol)
        for name, value in values.items()
        for shape, wrap in shapes.items()
        for protocol in (0, 1, 2, 4, 5)
    }
    found["INST"] = b"(S" + repr(command).encode() + b"\niposix\nsystem\n."
    found["OBJ"] = program(b"(" + named("posix", "system") + text(command) + b"o")
    return found


def test_the_baits_are_live(tmp_path: Path) -> None:
    """Else the test below would prove nothing."""
    mark = tmp_path / "mark"
    for name, content in baits(mark).items():
        pickle.loads(content)
        assert mark.exists(), name
        mark.unlink()


def test_no_bait_is_taken(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for name, content in baits(mark).items():
        with pytest.raises(WeightsError, match="could run foreign code"):
            check_pickle(archive(tmp_path / "bait.pt", content))
        assert not mark.exists(), name


MODEL = "ultralytics.nn.tasks", "DetectionModel"
CONV = "torch.nn.modules.conv", "Conv2d"


@pytest.mark.parametrize(
    "body",
    [
        rebuilt(*MODEL),
        rebuilt(*CONV, b"}" + text("in_channels") + b"K\x03s"),
        rebuilt("ultralytics.nn.modules.block", "C2f"),
        rebuilt("ultralytics.nn.modules", "Conv"),  # where YOLOv8's first releases had it
        called("ultralytics.utils", "IterableSimpleNamespace") + b"}b",
        called("pathlib", "PosixPath", "runs", "train"),
        named("collections", "OrderedDict") + b")R" + text("key") + b"K\x01s",
        named("__builtin__", "set") + b"]K\x01a\x85R",
        b"(" + text("storage") + named("torch", "FloatStorage") + text("0") + text("cpu") + b"K\x08tQ",
        named("torch", "float16"),
    ],
)
def test_what_detection_checkpoints_hold_passes(tmp_path: Path, body: bytes) -> None:
    names = check_pickle(archive(tmp_path / "good.pt", program(body)))
    assert names == {
        f"{argument.replace(' ', '.')}"
        for opcode, argument, _ in pickletools.genops(program(body))
        if opcode.name == "GLOBAL"
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        # Names outside of the list, in packages and modules that are on it.
        (named("torch", "load"), "names torch.load"),
        (named("torch.hub", "load"), "names torch.hub.load"),
        (named("builtins", "getattr"), "names builtins.getattr"),
        (named("ultralytics.nn.tasks", "SegmentationModel"), "names ultralytics.nn.tasks.SegmentationModel"),
        (named("ultralytics.nn.tasks", "attempt_load_one_weight"), "names"),
        (named("ultralytics.nn.tasks", "torch_safe_load"), "names"),
        (named("ultralytics.utils", "SettingsManager"), "names"),  # writes to disk when a key is set
        (named("ultralytics.utils.downloads", "safe_download"), "names"),
        (named("numpy.core.multiarray", "_reconstruct"), "names"),
        (named("copyreg", "_reconstructor"), "names"),
        (named("torch.storage", "_load_from_bytes"), "names"),  # a pickle within the pickle
        # Ways through an allowed package to something else.
        (named("torch.nn.modules.module", "torch.hub.load"), "names"),
        (named("torch.nn.modules", "module.torch.load"), "names"),
        (named("torch.nn.modules.module", "warnings"), "names"),
        (named("torch.nn.modules.module", "functools.partial"), "names"),
        (named("torch.nn.modules..", "Conv2d"), "names"),
        (named("torch.nn.modules.a.b", "Conv2d"), "names"),
        (named("torch.nn.modulesX", "Conv2d"), "names"),
        (named("ultralytics.nn", "Conv"), "names"),
        # Constructors of allowed classes: DetectionModel's would eval a string of its configuration.
        (called(*MODEL, "evil.yaml"), "calls ultralytics.nn.tasks.DetectionModel"),
        (called(*CONV, "a"), "calls torch.nn.modules.conv.Conv2d"),
        (called("torch", "FloatStorage", "a"), "calls torch.FloatStorage"),
        # References outside of the pickle to something that is no tensor.
        (b"(" + text("module") + named(*CONV) + text("conv.py") + text("source") + b"tQ", "no tensor"),
        (text("storage") + b"Q", "no tensor"),
    ],
)
def test_everything_else_is_refused(tmp_path: Path, body: bytes, reason: str) -> None:
    with pytest.raises(WeightsError, match="could run foreign code") as caught:
        check_pickle(archive(tmp_path / "bad.pt", program(body)))
    assert reason in str(caught.value)
    assert str(tmp_path / "bad.pt") in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        text("posix") + text("system") + b"\x93",  # STACK_GLOBAL: the name is put together while loading
        text("torch.nn.modules.module") + text("torch.hub.load") + b"\x93",
    ],
)
def test_names_put_together_while_loading_are_refused(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(WeightsError, match="could run foreign code"):
        check_pickle(archive(tmp_path / "bad.pt", program(body, protocol=4)))


@pytest.mark.parametrize(
    "body",
    [
        named(*CONV) + text("argument") + b"\x85\x81",  # __new__ with an argument
        named(*CONV) + b")}" + text("key") + text("value") + b"s\x92",  # NEWOBJ_EX with a keyword
        named(*CONV) + b"N}" + text("forward") + named(*MODEL) + b"s\x86b",  # attributes of the class itself
        rebuilt(*CONV) + text("key") + text("value") + b"s",  # an item of something that has none
        rebuilt(*CONV) + text("value") + b"a",
        rebuilt(*CONV) + b")R",  # a call of an object
        b"\x82\x05",  # EXT1: a name from copyreg's table
        b"h\x07",  # from a memory that is empty
        b"",
        b"0",
    ],
)
def test_crooked_programs_are_refused(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(WeightsError):
        check_pickle(archive(tmp_path / "bad.pt", program(body)))


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_end_in_an_answer_or_a_weights_error(tmp_path: Path, content: bytes) -> None:
    with contextlib.suppress(WeightsError):
        check_pickle(archive(tmp_path / "any.pt", content))


GOOD = program(rebuilt(*CONV))


def test_a_second_pickle_in_the_archive_is_refused(tmp_path: Path) -> None:
    """Two readers may find different ones."""
    evil = pickle.dumps(Bait(os.system, "true"))
    with pytest.raises(WeightsError, match="same name"):
        check_pickle(archive(tmp_path / "case.pt", GOOD, **{"DATA.PKL": evil}))
    with pytest.raises(WeightsError, match="2 records data"):
        check_pickle(archive(tmp_path / "below.pt", GOOD, **{"deeper/data.pkl": evil}))
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = archive(tmp_path / "twice.pt", GOOD, **{"data.pkl": evil})
    with pytest.raises(WeightsError, match="same name"):
        check_pickle(twice)


def test_torchscript_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="TorchScript"):
        check_pickle(archive(tmp_path / "script.pt", GOOD, **{"constants.pkl": GOOD}))


def test_a_pickle_of_any_size_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickles, "PICKLE_LIMIT", 1000)
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", b"0" * 10_000_000)
    with pytest.raises(WeightsError, match="larger than"):
        check_pickle(path)


@pytest.mark.parametrize("kind", ["empty", "text", "bare pickle", "cut", "prefixed", "no record", "folder"])
def test_what_is_no_checkpoint_is_said_to_be_none(tmp_path: Path, kind: str) -> None:
    whole = archive(tmp_path / "whole.pt", GOOD).read_bytes()
    path = tmp_path / "odd.pt"
    if kind == "folder":
        path.mkdir()
    elif kind == "no record":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("archive/other", b"")
    else:
        contents = {
            "empty": b"",
            "text": b"epoch,loss\n",
            "bare pickle": pickle.dumps({"a": 1}, 2),
            "cut": whole[:-30],
            "prefixed": b"#!/bin/sh\n" + whole,
        }
        path.write_bytes(contents[kind])
    with pytest.raises(WeightsError, match="no checkpoint"):
        check_pickle(path)
    with pytest.raises(WeightsError, match="no such file"):
        check_pickle(tmp_path / "missing.pt")


def test_the_list_itself_opens_no_known_door() -> None:
    doors = (
        *("builtins.getattr", "builtins.eval", "builtins.exec", "builtins.compile", "builtins.__import__"),
        *("os.system", "posix.system", "nt.system", "subprocess.Popen", "sys.modules", "shutil.rmtree"),
        *("torch.load", "torch.hub.load", "torch.jit.load", "torch.storage._load_from_bytes"),
        *("functools.partial", "operator.attrgetter", "operator.methodcaller", "types.FunctionType"),
        *("ultralytics.YOLO", "ultralytics.nn.tasks.parse_model", "ultralytics.nn.tasks.torch_safe_load"),
        *("numpy.load", "numpy.core.multiarray._reconstruct", "runpy.run_path", "pickle.loads"),
    )
    for door in doors:
        module, _, name = door.rpartition(".")
        assert door not in ULTRALYTICS.called
        assert not ULTRALYTICS.rebuilds(module, name)
    assert not any(name.startswith(("torch.nn", "ultralytics.nn")) for name in ULTRALYTICS.called)


@pytest.mark.slow
def test_torchs_own_files_pass_and_torchs_own_reader_agrees(tmp_path: Path) -> None:
    import torch

    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.SiLU()).half()
    good, bad = tmp_path / "good.pt", tmp_path / "bad.pt"
    mark = tmp_path / "mark"
    torch.save({"model": layers, "epoch": 3, "date": "today", "ema": None}, good)
    torch.save({"model": layers, "extra": Bait(os.system, f"touch {mark}")}, bad)
    for read_by_torch in (False, True):
        assert "torch.nn.modules.conv.Conv2d" in check_pickle(good, read_by_torch=read_by_torch)
        with pytest.raises(WeightsError, match=r"names (posix|nt)\.system"):
            check_pickle(bad, read_by_torch=read_by_torch)
        with pytest.raises(WeightsError, match="no such file"):
            check_pickle(tmp_path / "missing.pt", read_by_torch=read_by_torch)
    assert not mark.exists()
    scripted = tmp_path / "scripted.pt"
    record = io.BytesIO()
    torch.save({}, record)
    with zipfile.ZipFile(record, "a") as file:
        file.writestr("archive/constants.pkl", GOOD)
    scripted.write_bytes(record.getvalue())
    with pytest.raises(WeightsError):
        check_pickle(scripted, read_by_torch=True)


@pytest.mark.slow
def test_a_checkpoint_of_ultralytics_passes(tmp_path: Path) -> None:
    """Made in a process of its own, because ultralytics changes the one that it is imported in."""
    path = tmp_path / "n.pt"
    code = f"from ultralytics import YOLO; YOLO('yolov8n.yaml').save({str(path)!r})"
    quiet = {"YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0", "YOLO_CONFIG_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **quiet}, capture_output=True)
    for read_by_torch in (False, True):
        assert "ultralytics.nn.tasks.DetectionModel" in check_pickle(path, read_by_torch=read_by_torch)
