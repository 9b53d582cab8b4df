"""Make a run folder, whole or not at all."""

import datetime
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from bench import files
from bench.cell.spec import CellSpec
from bench.config import BenchConfig
from bench.layout import Layout
from bench.provenance import provenance
from bench.runner.plan import PlannedCell
from bench.runner.samples import keep_samples
from bench.store import RunFolder, RunInfo


def begin(config: BenchConfig, cells: Sequence[PlannedCell], layout: Layout, *, command: str) -> RunFolder:
    """The new folder RUNS/NAME-DATE-TIME with everything that the cells and the report need.

    Raises:
        RunError: the disk is full; nothing is left behind.
    """
    with files.writing(config.runs):
        config.runs.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".new-", dir=config.runs))
        try:
            draft.chmod(0o755)
            _fill(RunFolder(draft), config, cells, layout, command)
            return RunFolder(_place(draft, config))
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise


def _fill(
    run: RunFolder, config: BenchConfig, cells: Sequence[PlannedCell], layout: Layout, command: str
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
            provenance=origin,
        ).write(folder)
    files.write_text(run.info_path, info.model_dump_json(indent=2) + "\n")


def resolved_yaml(config: BenchConfig) -> str:
    """bench.yaml with every default written out and every path absolute."""
    tree = config.model_dump(mode="json")
    head = "# The resolved config of this run. `bench run -c` on this file repeats it.\n"
    return head + yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=100)


def data_key(layout: Layout) -> str:
    """What the manifest calls its content: equal keys, equal pictures, boxes, classes and splits."""
    manifest = json.loads(layout.manifest_path.read_text(encoding="utf-8"))
    return str(manifest["key"])


def _place(draft: Path, config: BenchConfig) -> Path:
    """Rename to a name that says when; a second run in the same second gets a number."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    for number in range(1000):
        target = config.runs / (f"{config.name}-{stamp}" + (f"-{number}" if number else ""))
        try:
            target.mkdir()
        except FileExistsError:
            continue
        return draft.replace(target)
    raise RuntimeError(f"no free name for a run below {config.runs}")
