"""`bench.report`: the pages of runs and searches."""

import html
import os
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import reports
from bench.config import Source, read_config
from bench.errors import ConfigError
from bench.store import RunFolder

Folder = str | os.PathLike[str]


@dataclass(frozen=True)
class Report:
    """A written page. A notebook shows it in place; `os.fspath` gives its path."""

    path: Path

    def open(self) -> None:
        """Show the page in the browser."""
        webbrowser.open(self.path.resolve().as_uri())

    def __fspath__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        page = html.escape(self.path.read_text(encoding="utf-8"))
        return f'<iframe srcdoc="{page}" style="width: 100%; height: 40em; border: 0"></iframe>'


def report(
    runs: Folder | Sequence[Folder] = (),
    *,
    output: Folder | None = None,
    config: Source = None,
    all_pictures: bool = False,
) -> Report:
    """Write the report of a run, of several runs on one page, or of one search.

    Args:
        runs: folders, or what `bench.run`, `bench.open`, `bench.search` and `bench.open_search` return. None:
            the newest run below the config's `runs`.
        output: the page, or its folder. Default: report.html in the folder of the run or search; for several
            runs, in the current folder.
        config: as for `bench.run`.
        all_pictures: also write every test picture into a folder beside the page, all-pictures/.

    Raises:
        RunError: a folder is no run, or no cell of it is finished.
        ConfigError: a search is to be reported together with something else, or elsewhere.
    """
    roots = [Path(root) for root in ([runs] if isinstance(runs, (str, os.PathLike)) else runs)]
    target = None if output is None else Path(output)
    if any(reports.is_search(root) for root in roots):
        return Report(_search_page(roots, target))
    folders = [RunFolder.open(root) for root in roots] or [RunFolder.newest(read_config(config).runs)]
    if target is None and len(folders) > 1:
        target = Path("report.html")
    if target is not None and target.is_dir():
        target = target / "report.html"
    if target is not None and target.suffix != ".html":
        raise ConfigError(
            "is not the name of a page", record="output", value=str(target), hint="end it in .html"
        )
    page = reports.write_report(folders, target or folders[0].report_path, all_pictures=all_pictures)
    return Report(page)


def _search_page(roots: Sequence[Path], target: Path | None) -> Path:
    """A search's page stays in its folder, because it links to the page of its final run."""
    if len(roots) > 1 or target is not None:
        raise ConfigError(
            "a search is reported alone, into its own folder",
            value=[str(root) for root in roots] if len(roots) > 1 else str(target),
            hint="name it alone; its final run can be compared with other runs: SEARCH/final",
        )
    return reports.write_search_report(roots[0])
