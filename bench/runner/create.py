"""Create a run folder: complete, or not at all."""

import datetime
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from bench import files
from bench.analysis import write_image_properties
from bench.cell.spec import CellSpec
from bench.config import BenchConfig
from bench.datasets.subsets import share_of_train
from bench.errors import ConfigError
from bench.frequencies import rare_classes
from bench.layout import Layout
from bench.provenance import provenance
from bench.runner.plan import PlannedCell
from bench.runner.samples import keep_samples
from bench.store import RunFolder, RunInfo


def create_run(
    config: BenchConfig,
    cells: Sequence[PlannedCell],
    layout: Layout,
    *,
    command: str,
    into: Path | None = None,
) -> RunFolder:
    """The new folder RUNS/NAME-DATE-TIME, or `into`, with everything that the cells and the report need.

    Raises:
        ConfigError: rare classes that the dataset does not have, or that val can't measure; nothing is
            created.
        RunError: the disk is full; nothing is left behind.
    """
    watched = any(cell.plan.recipe.monitor == "AP_rare" for cell in cells)
    rare = resolve_rare_classes(config, layout, wanted_by="train.monitor" if watched else None)
    info = RunInfo(
        name=config.name,
        layout=str(layout.root),
        dataset=data_key(layout),
        classes=layout.classes,
        cells=tuple(cell.name for cell in cells),
        config=config.model_dump(mode="json"),
        provenance=provenance(command),
    )
    with files.draft_folder(config.runs, "new") as draft:
        run = RunFolder(draft)
        files.write_text(run.config_path, resolved_yaml(config))
        _copy_data(run, layout)
        for cell in cells:
            folder = run.cell(cell.name)
            folder.root.mkdir(parents=True)
            CellSpec(
                model=cell.model,
                seed=cell.seed,
                share=cell.share,
                device=config.device,
                layout=layout_of(cell, layout).root,
                dataset=info.dataset,
                plan=cell.plan,
                gates=config.gates,
                timed=False,
                final=config.final,
                rare_classes=rare,
                provenance=info.provenance,
            ).write(folder)
        files.write_text(run.info_path, info.model_dump_json(indent=2) + "\n")
        return RunFolder(draft.replace(into) if into else place(draft, config.name))


def layout_of(cell: PlannedCell | CellSpec, layout: Layout) -> Layout:
    """What the cell trains on: `layout`, or a part of it, which is written if it is not there.

    Raises DataError where the part has no box.
    """
    return layout if cell.share is None else share_of_train(layout, cell.share, cell.seed)


def _copy_data(run: RunFolder, layout: Layout) -> None:
    """What the report needs of the data."""
    shutil.copyfile(layout.manifest_path, run.manifest_path)
    for split in ("val", "test"):
        target = run.ground_truth_path(split)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(layout.coco_path(split), target)
    write_image_properties(run.image_properties_path, layout.examples("test"))
    keep_samples(layout, run)


def resolve_rare_classes(config: BenchConfig, layout: Layout, *, wanted_by: str | None) -> tuple[str, ...]:
    """The classes that AP_rare is the mean of: those that the config names, or the train split's rarest.

    `wanted_by` is the option of bench.yaml that asks for AP_rare, if any. Raises ConfigError for an unknown
    class, and where AP_rare is asked for but val has no box of a rare class.
    """
    rare = rare_classes(layout.class_counts("train"), config.rare_classes)
    counts = layout.class_counts("val")
    if wanted_by and not any(counts[name] for name in rare):
        raise ConfigError(
            "the val split has no box of a rare class" if rare else "no class is rare in the train split",
            record=wanted_by,
            value="AP_rare",
            hint="use AP there, or name classes under rare_classes",
        )
    return rare


RUN_HEAD = "# The resolved config of this run. `bench run -c` on this file repeats it.\n"


def resolved_yaml(config: BenchConfig, head: str = RUN_HEAD) -> str:
    """bench.yaml with all defaults and absolute paths; `head` is a comment."""
    tree = config.model_dump(mode="json")
    if tree["search"] is None:
        del tree["search"]
    return head + yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=100)


def data_key(layout: Layout) -> str:
    """The hash in the manifest: equal keys mean equal images, boxes, classes and splits."""
    manifest = json.loads(layout.manifest_path.read_text(encoding="utf-8"))
    return str(manifest["key"])


def place(draft: Path, name: str) -> Path:
    """Rename a folder to NAME-DATE-TIME beside it; a second one in the same second gets a number."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    for number in range(1000):
        target = draft.with_name(f"{name}-{stamp}" + (f"-{number}" if number else ""))
        try:
            target.mkdir()
        except FileExistsError:
            continue
        return draft.replace(target)
    raise RuntimeError(f"no free name for a folder {name} in {draft.parent}")
