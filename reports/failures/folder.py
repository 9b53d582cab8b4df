"""Every test picture in a folder beside the page, for a look on this machine: `bench report --all-pictures`.

FOLDER/index.html, page-2.html ... hold PER_PAGE pictures each, those with most errors first, with the same
filters and keys as the page's failures; images/ID.jpg are loaded as they come into view. No server is needed.
"""

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import files
from bench.errors import RunError
from bench.reports import templating
from bench.reports.comparison import Comparison
from bench.reports.failures.errors import KINDS, SplitErrors, split_errors
from bench.reports.failures.gallery import Gallery, shots_of
from bench.reports.failures.pictures import write_pictures
from bench.reports.failures.summary import KIND_SERIES

FOLDER = "all-pictures"
PER_PAGE = 200
SCRIPTS = ("page.js", "failures.js")


@dataclass(frozen=True)
class _Section:
    """What the templates of the failures need."""

    comparison: Comparison
    gallery: Gallery


def write_folder(comparison: Comparison, folder: Path) -> Path:
    """Returns the first page.

    Raises RunError where no predictions are stored, or no test picture is there any more.
    """
    errors = split_errors(comparison)
    run = comparison.runs[0].folder.root
    if errors is None:
        raise RunError(
            "has no stored predictions on the test split", file=run, hint="report without --all-pictures"
        )
    with ThreadPoolExecutor() as pool:
        pictures = write_pictures(comparison, _worst_first(errors), folder, pool)
    if not pictures:
        raise RunError(
            "the written dataset is gone, and with it the test pictures",
            file=run,
            hint="bench data convert writes it again",
        )
    pages = [pictures[start : start + PER_PAGE] for start in range(0, len(pictures), PER_PAGE)]
    for number, shots in enumerate(shots_of(comparison, errors, pages), 1):
        gallery = Gallery(errors, tuple(shots), errors.table.images, 0, ())
        text = _page(_Section(comparison, gallery), number, len(pages))
        files.write_text(folder / page_name(number), text)
    return folder / page_name(1)


def page_name(number: int) -> str:
    return "index.html" if number == 1 else f"page-{number}.html"


def _page(section: _Section, number: int, pages: int) -> str:
    script = templating.script(SCRIPTS)
    return templating.render(
        "pictures.html",
        title=f"All test pictures, page {number} of {pages}",
        section=section,
        number=number,
        pages=[(k, page_name(k)) for k in range(1, pages + 1)],
        tones=[
            *(c.tone for c in section.comparison.contestants),
            *(series.tone for series in KIND_SERIES),
        ],
        linked=True,
        img_src="'self' file: data:",
        css=templating.trusted("page.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
    )


def _worst_first(errors: SplitErrors) -> list[int]:
    """Image ids, most errors of all models first."""
    totals = np.sum([model.by_image(kind) for model in errors.models for kind in range(len(KINDS))], axis=0)
    return [int(errors.table.image_ids[place]) for place in np.argsort(-totals, kind="stable")]
