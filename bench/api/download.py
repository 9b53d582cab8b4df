"""`bench.download`: the images of a public dataset."""

import csv
import io
import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import files
from bench.api.screens import Screen, open_screen
from bench.datasets.download import POLITE, Manners, Outcome, Remote, fetch_file
from bench.datasets.download import download as download_images
from bench.errors import ConfigError, DataError
from bench.reports import wording

ANNOTATIONS = {"taco": "https://raw.githubusercontent.com/pedropro/TACO/master/data/annotations.json"}
"""Datasets whose annotations name the address of each image -> the official annotations."""

MISSING = "missing.csv"
"""In the folder: images that can't be had, with address and reason."""

_EVERY = 100
"""Images between two lines where there is no terminal."""


@dataclass(frozen=True)
class Downloaded:
    """A folder after a download."""

    path: Path
    outcomes: tuple[Outcome, ...]

    @property
    def gone(self) -> tuple[Outcome, ...]:
        """Images that can't be had, each with a reason."""
        return tuple(one for one in self.outcomes if one.status == "gone")

    @property
    def fetched(self) -> int:
        """Images that were not there before."""
        return sum(one.status == "fetched" for one in self.outcomes)


def download(
    name: str,
    folder: str | os.PathLike[str],
    *,
    annotations: str | os.PathLike[str] | None = None,
    manners: Manners = POLITE,
    progress: bool | None = None,
) -> Downloaded:
    """Download a dataset's images to `folder`, with its annotations.json and missing.csv beside them.

    Images that are there and sound are not asked for again; an interrupted download is continued.

    Args:
        name: 'taco'.
        annotations: a COCO json with `flickr_url` or `coco_url` for each image, in place of the official one.
        manners: how many connections, attempts and seconds.

    Raises:
        ConfigError: no such dataset.
        DataError: the annotations can't be had, or are no COCO json with addresses.
        RunError: the disk is full, or the folder can't be written to.
    """
    if name not in ANNOTATIONS:
        raise ConfigError(
            "no such dataset", record="name", value=name, hint=f"there are: {', '.join(ANNOTATIONS)}"
        )
    if annotations is not None and not Path(annotations).is_file():
        raise DataError(
            "no such file", file=Path(annotations), hint="leave out annotations for the official ones"
        )
    root = Path(folder)
    target = root / "annotations.json"
    with files.writing(target):
        root.mkdir(parents=True, exist_ok=True)
        if annotations is not None and Path(annotations).resolve() != target.resolve():
            shutil.copyfile(annotations, target)
    if not target.is_file():
        fetch_file(ANNOTATIONS[name], target, manners)
    remotes = _remotes(target)
    with open_screen(progress) as screen:
        outcomes = download_images(remotes, root, _Shown(screen), manners)
    _write_missing(root / MISSING, outcomes)
    return Downloaded(root, tuple(outcomes))


class _Shown:
    """Progress with the time that is left, by the images that had to be fetched so far."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._begun = time.monotonic()
        self._asked = self._gone = 0

    def __call__(self, outcome: Outcome, done: int, total: int) -> None:
        self._asked += outcome.status != "present"
        self._gone += outcome.status == "gone"
        each = (time.monotonic() - self._begun) / max(1, self._asked)
        gone = f", {self._gone} gone" if self._gone else ""
        text = f"{done:,} of {total:,} pictures{gone}, about {wording.seconds(each * (total - done))} left"
        self._screen.bar(text, done, total)
        if not self._screen.live and (done % _EVERY == 0 or done == total):
            self._screen.write(text)


def _remotes(path: Path) -> list[Remote]:
    try:
        images: Sequence[Any] = json.loads(path.read_bytes())["images"]
        return [
            Remote(
                str(image["file_name"]),
                str(image.get("flickr_url") or image["coco_url"]),
                (int(image["width"]), int(image["height"])),
            )
            for image in images
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"is no COCO json with the address of each image: {type(error).__name__}: {error}", file=path
        ) from None


def _write_missing(path: Path, outcomes: Sequence[Outcome]) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("file_name", "url", "reason"))
    rows.writerows((one.remote.name, one.remote.url, one.reason) for one in outcomes if one.status == "gone")
    files.write_text(path, text.getvalue())
