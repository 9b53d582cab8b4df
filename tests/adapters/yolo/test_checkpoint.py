"""What a model yaml, or a .pt that carries one, may say before ultralytics builds a network of it."""

import pickle
import sys
import types
import zipfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.adapters.yolo.checkpoint import check_checkpoint, check_yaml
from bench.adapters.yolo.family import FAMILY
from bench.adapters.yolo.variants import TINY
from bench.errors import BenchError, ConfigError, WeightsError
from bench.recipe import Recipe

EVIL = "__import__('pathlib').Path('mark').touch()"


def network(**settings: Any) -> dict[str, Any]:
    return {**deepcopy(dict(TINY)), **settings}


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> dict[str, type]:
    """Classes that pickle under ultralytics' names, without ultralytics."""
    module = types.ModuleType("ultralytics.nn.tasks")
    found = {}
    for name in ("DetectionModel", "SegmentationModel"):
        found[name] = type(name, (), {"__module__": module.__name__})
        setattr(module, name, found[name])
    for name in ("ultralytics", "ultralytics.nn"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return found


def written(path: Path, content: object) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps(content, 2))
        file.writestr("archive/version", b"3\n")
    return path


def detector(models: dict[str, type], told: object) -> Any:
    model = models["DetectionModel"]()
    model.yaml = told
    return model


def planned(**given: str | None) -> Any:
    return FAMILY.plan(
        variant=given.get("variant"), weights=given.get("weights"), options={}, recipe=Recipe(epochs=1)
    )


@pytest.mark.parametrize(
    "activation",
    [None, "nn.SiLU()", "torch.nn.ReLU()", "nn.LeakyReLU(0.1)", "nn.Hardtanh(-1.5, max_val=2, inplace=True)"],
)
def test_activations_of_torch_pass(activation: str | None) -> None:
    check_yaml(network(activation=activation), Path("mine.yaml"))


@pytest.mark.parametrize(
    "activation",
    [
        *(
            EVIL,
            f"nn.ReLU({EVIL})",
            f"nn.ReLU() if {EVIL} else 1",
            f"nn.ReLU().__class__({EVIL})",
            "nn.ReLU()\n",
        ),
        *(
            "nn.ReLU",
            "nn.Linear(3, 4)",
            "nn.Module()",
            "torch.hub.load('a', 'b')",
            "relu",
            "",
            3,
            ["nn.ReLU()"],
        ),
    ],
)
def test_others_are_refused(activation: object) -> None:
    for path, kind in (("mine.yaml", ConfigError), ("mine.pt", WeightsError)):
        with pytest.raises(kind, match=rf"(?s){path}, activation: is no activation.*leave it out"):
            check_yaml(network(activation=activation), Path(path))


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"backbone": None}, "backbone"),
        ({"backbone": []}, "backbone"),
        ({"head": "Detect"}, "head"),
        ({"head": [[-1, 1, "Conv"]]}, "head, layer 1"),
        ({"head": [[-1, 1, "Conv", [8]], [-1, 1, 3, []]]}, "head, layer 2"),
        ({"head": [[-1, 1, "torch_safe_load", ["evil.pt"]]]}, "head, layer 1"),
        ({"head": [[-1, 1, "nn.Conv.load", []]]}, "head, layer 1"),
        ({"head": [[-1, 1, "_SafeLoad", []]]}, "head, layer 1"),
    ],
)
def test_what_is_no_layer_is_named(settings: dict[str, Any], place: str) -> None:
    with pytest.raises(ConfigError, match=rf"mine\.yaml, {place}: "):
        check_yaml(network(**settings), Path("mine.yaml"))


@pytest.mark.parametrize("text", ["just words", "- 1\n- 2\n", "a: [", "\x00", f"activation: {EVIL}"])
def test_a_yaml_that_is_no_model_is_refused_while_planning(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        planned(variant=str(path))
    path.write_text(yaml.safe_dump(network()), encoding="utf-8")
    assert planned(variant=str(path)).variant == str(path)


@pytest.mark.parametrize("setting", ["weights", "variant"])
def test_a_checkpoint_is_looked_through_while_planning(
    tmp_path: Path, models: dict[str, type], setting: str
) -> None:
    good = written(tmp_path / "good.pt", {"model": None, "ema": detector(models, network())})
    assert planned(**{setting: str(good)}).weights == str(good)
    for told, complaint in (
        (network(activation=EVIL), "activation"),
        (network(head=3), "head"),
        (None, "no model yaml"),
    ):
        bad = written(tmp_path / "bad.pt", {"model": detector(models, told), "ema": None})
        with pytest.raises(WeightsError, match=rf"bad\.pt.*{complaint}"):
            planned(**{setting: str(bad)})


def test_what_holds_no_detector_is_refused(tmp_path: Path, models: dict[str, type]) -> None:
    contents: tuple[Any, ...] = (
        {"model.0.conv.weight": 1.0},  # a plain state_dict
        {"model": {"0.conv.weight": 1.0}},
        {"model": None, "ema": None},
        [1, 2],
        detector(models, network()),
    )
    for content in contents:
        with pytest.raises(WeightsError, match=r"(?s)holds no YOLO detector.*best\.pt"):
            check_checkpoint(written(tmp_path / "bad.pt", content))
    other = written(tmp_path / "segments.pt", {"model": models["SegmentationModel"]()})
    with pytest.raises(BenchError, match="SegmentationModel"):
        check_checkpoint(other)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["weights.pt", "network.yaml"])
def test_building_looks_at_what_ultralytics_has_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Also where planning saw something else."""
    import torch

    from bench.adapters.yolo import quiet

    quiet.prepare()
    from bench.adapters.yolo import model as yolo_model

    monkeypatch.chdir(tmp_path)
    path = tmp_path / place
    if path.suffix == ".pt":
        built = yolo_model.build(planned(variant="tiny", weights="none"), ["a"], seed=0)
        built.model.yaml["activation"] = EVIL
        torch.save(yolo_model.checkpoint(built.model), path)
    else:
        path.write_text(yaml.safe_dump(network(activation=EVIL)), encoding="utf-8")
    with pytest.raises(BenchError, match="activation"):
        yolo_model._architecture(str(path))
    assert not (tmp_path / "mark").exists()
