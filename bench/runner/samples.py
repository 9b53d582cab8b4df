"""A few test images, copied into the run so that the report needs no dataset."""

import json
from collections.abc import Sequence

from PIL import Image

from bench import files
from bench.layout import Example, Layout
from bench.store import RunFolder, SampleImage

SAMPLES = 8
SAMPLE_SIDE = 640
"""Long side in pixels: enough to see whether a box fits, small enough for one page."""


def keep_samples(layout: Layout, run: RunFolder) -> list[SampleImage]:
    """Shrink and store SAMPLES test images, evenly spaced, one of them without boxes if there is one."""
    chosen = _choose(layout.examples("test"))
    run.samples_dir.mkdir(parents=True, exist_ok=True)
    samples = []
    for number, example in enumerate(chosen):
        name = f"{number:02d}.jpg"
        with Image.open(example.path) as image:
            shrunk = image.convert("RGB")
        shrunk.thumbnail((SAMPLE_SIDE, SAMPLE_SIDE))
        with files.writing(run.samples_dir / name):
            shrunk.save(run.samples_dir / name, quality=88)
        samples.append(
            SampleImage(
                image_id=example.image_id,
                file_name=example.path.name,
                size_wh=example.size_wh,
                scale=shrunk.width / example.size_wh[0],
                image=name,
            )
        )
    content = [json.loads(sample.model_dump_json()) for sample in samples]
    files.write_json(run.samples_dir / "samples.json", content)
    return samples


def _choose(examples: Sequence[Example]) -> list[Example]:
    """Every n-th image with boxes, and the first background image: no selection by quality."""
    full = [example for example in examples if len(example.labels)]
    background = [example for example in examples if not len(example.labels)][:1]
    wanted = min(SAMPLES - len(background), len(full))
    spread = [full[index * len(full) // wanted] for index in range(wanted)]
    return spread + background
