"""The chosen pictures' pixels: from the samples that the run keeps, or from its written dataset."""

import base64
import io
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from bench import earlier, files
from bench.reports.comparison import Comparison, Run
from bench.reports.failures.choose import Choice
from bench.reports.stored import read_json
from bench.store import SampleImage

SIDE_PX = 640
"""Long side of a kept picture: enough to judge a box by eye, small enough for one page."""

QUALITY = 85
"""Of the JPEGs."""

_KINDS = {b"\xff\xd8": "image/jpeg", b"\x89P": "image/png", b"RI": "image/webp"}


@dataclass(frozen=True)
class Picture:
    """One test image, shrunk, inside the page."""

    image_id: int
    file_name: str
    size_wh: tuple[int, int]  # of the original
    data_uri: str  # or the address of its file
    why: str  # it was chosen; empty where it was not


def load(comparison: Comparison, chosen: Sequence[Choice], *, budget_bytes: float) -> list[Picture]:
    """The chosen pictures that can be had, until the budget is used up; the first is always kept.

    Without a choice (no predictions are stored) the samples of the first run that has some.
    """
    stored = {sample.image_id: (run, sample) for run in reversed(comparison.runs) for sample in samples(run)}
    wanted = chosen or [Choice(image_id, "") for image_id in stored]
    images = _test_images(comparison)
    found: list[Picture] = []
    for choice in wanted:
        picture = _stored(stored, choice) or _written(comparison, images, choice)
        if picture is None or (found and len(picture.data_uri) > budget_bytes):
            continue
        budget_bytes -= len(picture.data_uri)
        found.append(picture)
    return found


def write_pictures(
    comparison: Comparison, image_ids: Sequence[int], folder: Path, pool: Executor
) -> list[Picture]:
    """Test pictures as files in `folder`/images, shrunk; those that are there already stay as they are.

    From the written dataset, or from the run's samples; pictures that neither has are left out.
    """
    images = _test_images(comparison)
    stored = {sample.image_id: (run, sample) for run in reversed(comparison.runs) for sample in samples(run)}

    def write(image_id: int) -> Picture | None:
        image, name = images.get(image_id, {}), f"images/{image_id}.jpg"
        path = _path(comparison, image)
        if path is None and image_id in stored:
            run, sample = stored[image_id]
            path = run.folder.samples_dir / sample.image
        if path is None or not path.is_file():
            return None
        if not (folder / name).is_file():
            files.write_bytes(folder / name, _shrunk(path)[0])
        return Picture(image_id, Path(image["file_name"]).name, (image["width"], image["height"]), name, "")

    return [picture for picture in pool.map(write, image_ids) if picture]


def samples(run: Run) -> list[SampleImage]:
    """The pictures that a run keeps; none where it keeps none."""
    path = run.folder.samples_dir / "samples.json"
    return (
        [SampleImage.model_validate(item) for item in earlier.upgrade(read_json(path))]
        if path.is_file()
        else []
    )


def keep(comparison: Comparison, chosen: Sequence[Choice]) -> None:
    """Put the chosen pictures that are missing into the run's samples, while its written dataset is there."""
    (run,) = comparison.runs
    there = samples(run)
    known = {sample.image_id for sample in there}
    images = _test_images(comparison)
    for choice in chosen:
        path = _path(comparison, images.get(choice.image_id, {}))
        if choice.image_id in known or path is None:
            continue
        image = images[choice.image_id]
        name = f"image-{choice.image_id}.jpg"
        content, scale = _shrunk(path)
        files.write_bytes(run.folder.samples_dir / name, content)
        there.append(
            SampleImage(
                image_id=choice.image_id,
                file_name=Path(image["file_name"]).name,
                size_wh=(image["width"], image["height"]),
                scale=scale,
                image=name,
            )
        )
    if len(there) > len(known):
        content_json = [sample.model_dump(mode="json") for sample in there]
        files.write_json(run.folder.samples_dir / "samples.json", content_json)


def _test_images(comparison: Comparison) -> dict[int, dict[str, Any]]:
    """COCO's records of the test images by id."""
    truth = comparison.ground_truth("test") or {}
    return {image["id"]: image for image in truth.get("images", [])}


def _stored(stored: Mapping[int, tuple[Run, SampleImage]], choice: Choice) -> Picture | None:
    """From the run's samples; None for a file that is missing, no picture, or outside its folder."""
    if choice.image_id not in stored:
        return None
    run, sample = stored[choice.image_id]
    folder = run.folder.samples_dir
    path = folder / sample.image
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        return None
    uri = _data_uri(path.read_bytes())
    return Picture(choice.image_id, sample.file_name, sample.size_wh, uri, choice.why) if uri else None


def _written(comparison: Comparison, images: Mapping[int, dict[str, Any]], choice: Choice) -> Picture | None:
    """From the written dataset, shrunk; None where it is gone."""
    image = images.get(choice.image_id, {})
    path = _path(comparison, image)
    if path is None:
        return None
    content, _ = _shrunk(path)
    name = Path(image["file_name"]).name
    return Picture(
        choice.image_id, name, (image["width"], image["height"]), _data_uri(content) or "", choice.why
    )


def _path(comparison: Comparison, image: Mapping[str, Any]) -> Path | None:
    """Of a test image in a run's written dataset, or the folder that was given, where it is there."""
    if not image:
        return None
    folders = [folder for run in comparison.runs if (folder := run.info.test_images)]
    return next((path for folder in folders if (path := folder / image["file_name"]).is_file()), None)


def _shrunk(path: Path) -> tuple[bytes, float]:
    """As JPEG with a long side of at most SIDE_PX, and the scale."""
    with Image.open(path) as image:
        width = image.width
        shrunk = image.convert("RGB")
    shrunk.thumbnail((SIDE_PX, SIDE_PX))
    content = io.BytesIO()
    shrunk.save(content, "JPEG", quality=QUALITY)
    return content.getvalue(), shrunk.width / width


def _data_uri(content: bytes) -> str | None:
    kind = _KINDS.get(content[:2])
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}" if kind else None
