"""Make a run folder, whole or not at all."""

import datetime
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from bench import files
from bench.cell.spec import CellSpec
from bench.config import BenchConfig
from bench.errors import ConfigError
from bench.frequencies import rare_classes
from bench.layout import Layout
from bench.provenance import provenance
from bench.runner.plan import PlannedCell
from bench.runner.samples import keep_samples
from bench.store import RunFolder, RunInfo


def begin(
    config: BenchConfig,
    cells: Sequence[PlannedCell],
    layout: Layout,
    *,
    command: str,
    into: Path | None = None,
) -> RunFolder:
    """The new folder RUNS/NAME-DATE-TIME, or `into`, with everything that the cells and the report need.

    Raises:
        ConfigError: rare classes that the dataset does not have, or that val can't tell of; nothing is made.
        RunError: the disk is full; nothing is left behind.
    """
    watched = any(cell.plan.recipe.monitor == "AP_rare" for cell in cells)
    rare = rare_of(config, layout, wanted_by="train.monitor" if watched else None)

    def fill(folder: Path) -> None:
        _fill(RunFolder(folder), config, cells, layout, command, rare)

    return RunFolder(new_folder(config.runs, config.name, fill, into=into))


def rare_of(config: BenchConfig, layout: Layout, *, wanted_by: str | None) -> tuple[str, ...]:
    """The classes that AP_rare is the mean of: those that the config names, or the train split's rarest.

    `wanted_by`: the word of bench.yaml that names AP_rare, if any. Raises ConfigError for a name that is no
    class, and where AP_rare is wanted but val can't tell it.
    """
    rare = rare_classes(layout.class_counts("train"), config.rare_classes)
    counts = layout.class_counts("val")
    if wanted_by and not any(counts[name] for name in rare):
        raise ConfigError(
            "the val split has no box of a rare class" if rare else "no class is rare in the train split",
            record=wanted_by,
            value="AP_rare",
            hint="say AP there, or name classes under rare_classes",
        )
    return rare


def new_folder(runs: Path, name: str, fill: Callable[[Path], None], *, into: Path | None = None) -> Path:
    """RUNS/NAME-DATE-TIME, or `into`, whole or not at all: it is filled beside its place, and then renamed.

    Raises RunError where nothing can be written.
    """
    with files.draft_folder(runs, "new") as draft:
        fill(draft)
        return draft.replace(into) if into else _place(draft, runs, name)


def _fill(
    run: RunFolder,
    config: BenchConfig,
    cells: Sequence[PlannedCell],
    layout: Layout,
    command: str,
    rare: tuple[str, ...],
) -> None:
    origin = provenance(command)
    dataset = data_key(layout)
    info = RunInfo(
        name=config.name,
        layout=str(layout.root),
        dataset=dataset,
        classes=layout.classes,
        cells=tuple(cell.name for cell in cells),
        config=config.model_dump(mode="json"),
        provenance=origin,
    )
    files.write_text(run.config_path, resolved_yaml(config))
    shutil.copyfile(layout.manifest_path, run.manifest_path)
    for split in ("val", "test"):
        target = run.ground_truth_path(split)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(layout.coco_path(split), target)
    keep_samples(layout, run)
    for cell in cells:
        folder = run.cell(cell.name)
        folder.root.mkdir(parents=True)
        CellSpec(
            model=cell.model,
            seed=cell.seed,
            device=config.device,
            layout=layout.root,
            dataset=dataset,
            plan=cell.plan,
            gates=config.gates,
            final=config.final,
            rare_classes=rare,
            provenance=origin,
        ).write(folder)
    files.write_text(run.info_path, info.model_dump_json(indent=2) + "\n")


RUN_HEAD = "# The resolved config of this run. `bench run -c` on this file repeats it.\n"


def resolved_yaml(config: BenchConfig, head: str = RUN_HEAD) -> str:
    """bench.yaml with every default written out and every path absolute; `head` is a comment."""
    tree = config.model_dump(mode="json")
    if tree["search"] is None:
        del tree["search"]
    return head + yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=100)


def data_key(layout: Layout) -> str:
    """What the manifest calls its content: equal keys, equal pictures, boxes, classes and splits."""
    manifest = json.loads(layout.manifest_path.read_text(encoding="utf-8"))
    return str(manifest["key"])


def _place(draft: Path, runs: Path, name: str) -> Path:
    """Rename to RUNS/NAME-DATE-TIME; a second one in the same second gets a number."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    for number in range(1000):
        target = runs / (f"{name}-{stamp}" + (f"-{number}" if number else ""))
        try:
            target.mkdir()
        except FileExistsError:
            continue
        return draft.replace(target)
    raise RuntimeError(f"no free name for a run below {runs}")
