"""bench.yaml: what is read, overridden, refused."""

import math
from pathlib import Path

import jsonschema
import pytest
import yaml

from bench.config import check, json_schema, read_config
from bench.errors import ConfigError

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

MINIMAL = {"data": {"source": "synthetic"}, "models": ["fake"]}


def write(folder: Path, tree: object, name: str = "bench.yaml") -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def message(tree: object) -> str:
    with pytest.raises(ConfigError) as caught:
        check(tree, "my.yaml")  # type: ignore[arg-type]
    return str(caught.value)


def test_without_a_file_the_embedded_default_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = read_config(None)
    assert config.data.source == "synthetic"
    assert {model.family for model in config.models} == {"detr", "yolo", "frcnn"}
    assert config.runs == tmp_path / "runs"


def test_the_folder_s_own_file_wins_over_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {**MINIMAL, "name": "mine"})
    monkeypatch.chdir(tmp_path)
    assert read_config(None).name == "mine"


def test_relative_paths_start_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = tmp_path / "below"
    below.mkdir()
    (below / "table.yaml").write_text("{}")
    (below / "own.pt").write_text("")
    path = write(
        below,
        {
            "data": {"source": "yolo", "path": "pictures", "classes": "table.yaml"},
            "models": [{"family": "fake", "weights": "own.pt"}],
        },
    )
    monkeypatch.chdir(tmp_path)
    config = read_config(path)
    assert config.data.path == below / "pictures"
    assert config.data.classes == str(below / "table.yaml")
    assert config.models[0].weights == str(below / "own.pt")
    assert config.cache == below / ".bench"


def test_overrides_reach_words_and_models_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, {**MINIMAL, "models": ["fake", {"family": "yolo", "name": "y"}, "detr:tiny"]})
    config = read_config(
        path,
        overrides=[
            "train.epochs=7",
            "train.step_at=[0.5, 0.9]",
            "models.y.train.lr=0.5",
            "models.detr:tiny.weights=none",
            "models.0.options.epoch_s=1.5",
            "data.split.kind=grouped",
        ],
    )
    assert config.train.epochs == 7
    assert config.train.step_at == (0.5, 0.9)
    assert config.models[1].recipe(config.train, config.loss).lr == 0.5
    assert config.models[2].variant == "tiny"
    assert config.models[2].weights == "none"
    assert config.models[0].options == {"epoch_s": 1.5}
    assert config.data.split.kind == "grouped"


@pytest.mark.parametrize(
    ("override", "settings"),
    [
        ("train.epochs", "has no `=`"),
        ("data.source.more=1", "has no keys"),
        ("models.detr.weights=none", "no entry 'detr'"),
        ("train.epoch=3", "did you mean `epochs`?"),
        ("train.epochs=[", "--set: the value is not valid YAML"),
        ("name=!!python/object:os.system {}", "--set: the value is not valid YAML"),
        ("name=2024-99-99", "--set: the value is not valid YAML"),
        ("=5", "--set: names no key"),
        ("train..epochs=5", "--set: names no key"),
        ("train.epochs=0.5", "with --set train.epochs=0.5:"),
    ],
)
def test_a_wrong_override_is_said(tmp_path: Path, override: str, settings: str) -> None:
    path = write(tmp_path, MINIMAL)
    with pytest.raises(ConfigError, match=settings.replace("?", r"\?")):
        read_config(path, overrides=[override])


def test_models_are_chosen_by_name_or_family_and_added_where_the_file_has_none(tmp_path: Path) -> None:
    own = {"family": "yolo", "name": "small", "variant": "tiny"}
    path = write(tmp_path, {**MINIMAL, "models": ["fake", own]})
    config = read_config(path, models=["yolo", "frcnn:tiny"], seeds=[3, 4])
    assert [(m.name, m.family, m.variant) for m in config.models] == [
        ("small", "yolo", "tiny"),
        ("frcnn-tiny", "frcnn", "tiny"),
    ]
    assert config.seeds == (3, 4)


def test_all_problems_are_reported_together_with_guesses() -> None:
    text = message(
        {
            "dat": {},
            "data": {"source": "synthetik", "splitt": {}},
            "models": ["fake", "yollo"],
            "train": {"epochs": -1, "batchsize": 3, "optimizer": "adam"},
        }
    )
    assert text.startswith("7 problems in my.yaml")
    for part in ("`data`", "did you mean 'synthetic'", "did you mean 'yolo'", "`batch_size`", "train.epochs"):
        assert part in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("tree", "settings"),
    [
        ({**MINIMAL, "models": ["fake", "fake"]}, "used twice: fake"),
        ({**MINIMAL, "models": []}, "models"),
        ({**MINIMAL, "seeds": [1, 1]}, "the same seed"),
        ({**MINIMAL, "models": [{"family": "fake", "name": "../x"}]}, "it names a folder"),
        ({**MINIMAL, "models": [{"family": "fake", "train": {"epoch": 2}}]}, "models.fake.train.epoch"),
        ({**MINIMAL, "data": {"source": "coco"}}, "needs `path`"),
        ({**MINIMAL, "device": "gpu"}, "device: can be: auto, cpu, cuda, cuda:N, cuda:N,M"),
        ({**MINIMAL, "device": "cuda:0,1,0"}, "device: names the same GPU twice (found: 'cuda:0,1,0')"),
        ({**MINIMAL, "train": {"val_every": {"steps": 0}}}, "(found: {'steps': 0})"),
        ({**MINIMAL, "train": {"val_every": {"epochs": 2}}}, "1 problem in my.yaml:\n- train.val_every: is"),
        *(
            (
                {**MINIMAL, "train": {setting: math.inf}},
                f"train.{setting}: should be a finite number (found: inf)",
            )
            for setting in ("lr", "clip_norm", "weight_decay", "warmup_epochs")
        ),
        ({**MINIMAL, "train": {"budget": {"seconds": math.inf}}}, "train.budget.seconds: should be a finite"),
        *(
            ({**MINIMAL, "name": name}, "it names a folder")
            for name in ("../../esc", "a/b", "a\nb", "", "n" * 65)
        ),
        ({**MINIMAL, "name": 5}, "name: should be text (found: 5)"),
        ({**MINIMAL, "models": 5}, "models: should be a list (found: 5)"),
        ({**MINIMAL, "seeds": 5}, "seeds: should be a list (found: 5)"),
        ({**MINIMAL, "data": 5}, "data: should hold keys (found: 5)"),
        ({**MINIMAL, "data": {"source": "synthetic", "path": 5}}, "data.path: should be a path (found: 5)"),
        ({"models": ["fake"]}, "data: is missing"),
        (
            {**MINIMAL, "models": [{"family": "fake", "loss": {"focal_gamma": 1}}]},
            "models.fake.loss: focal_gamma has no effect",
        ),
    ],
)
def test_what_can_t_be_is_refused(tree: object, settings: str) -> None:
    assert settings in message(tree)


@pytest.mark.parametrize(
    ("tree", "key"),
    [
        ({**MINIMAL, "data": {"source": "synthetic", "classes": 5}}, "data.classes"),
        ({**MINIMAL, "data": {"source": "synthetic", "annotations": 5}}, "data.annotations"),
        ({**MINIMAL, "train": {"amp": "half"}}, "train.amp"),
        ({**MINIMAL, "train": {"stages": [{"epochs": 0}]}}, "train.stages.0.epochs"),
        ({**MINIMAL, "models": [{"family": "fake", "train": {"amp": "half"}}]}, "models.fake.train.amp"),
    ],
)
def test_one_fault_is_told_once_and_not_in_the_words_of_python(tree: object, key: str) -> None:
    text = message(tree)
    head, line = text.split("\n")
    assert head == "1 problem in my.yaml:"
    assert line.startswith(f"- {key}: ")
    assert not any(setting in text for setting in ("Input", "tuple", "dict[", "<class"))


def test_faults_of_several_models_stand_in_one_list() -> None:
    wrong = {"family": "fake", "train": {"epoch": 2, "lr": -1}}
    text = message({**MINIMAL, "models": [wrong, {**wrong, "name": "b"}]})
    assert text.startswith("4 problems in my.yaml")
    assert text.count("problems") == 1


def test_models_of_the_command_line_are_not_looked_for_in_what_is_no_list(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="models: should be a list"):
        read_config(write(tmp_path, {**MINIMAL, "models": 5}), models=["fake"])
    with pytest.raises(ConfigError, match=r"1 problem in .*bench.yaml with --models yollo:"):
        read_config(write(tmp_path, MINIMAL), models=["yollo"])


def test_a_key_that_stands_there_twice_is_refused_with_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("base: &b {lr: 1}\ntrain:\n  <<: *b\n  lr: 2\n  epochs: 3\n  epochs: 4\n")
    with pytest.raises(ConfigError, match=r"x.yaml, key `epochs`: is given twice, in lines 5 and 6"):
        read_config(path)


@pytest.mark.parametrize(
    ("text", "settings"),
    [("a: [", "is not valid YAML"), ("- a", "should hold keys"), ("", "should hold keys")],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, settings: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=settings):
        read_config(path)


def test_a_missing_file_is_said_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="bench init"):
        read_config(tmp_path / "none.yaml")


def test_the_schema_accepts_the_default_and_refuses_a_wrong_key(tmp_path: Path) -> None:
    from bench.config import embedded_default

    schema = json_schema()
    tree = yaml.safe_load(embedded_default())
    jsonschema.validate(tree, schema)
    for wrong in ({**tree, "trian": {}}, {**tree, "models": [{"family": "yolo", "train": {"epoch": 1}}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_read(path: Path) -> None:
    config = read_config(path)
    assert config.name
    assert all(model.recipe(config.train, config.loss).epochs for model in config.models)
