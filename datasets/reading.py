"""Read the dataset that a config names, with the reader of its format."""

from pathlib import Path

from bench import registry
from bench.data_config import DataConfig
from bench.datasets.dataset import Reader, Source, SourcePlugin
from bench.datasets.progress import ProgressCallback, silent
from bench.datasets.sources import folders


def read(config: DataConfig, workdir: Path, progress: ProgressCallback = silent) -> Source:
    """What the source states, with its bad rows in `problems`.

    `workdir` is a folder in which a source may generate or unpack images.
    Raises DataError if nothing can be read at all.
    """
    found = registry.source(config.source)
    reader: Reader = found.read if isinstance(found, SourcePlugin) else found
    progress("reading annotations", 0, 1)
    with folders.reading(config.path):
        source = reader(config, workdir)
    progress("reading annotations", 1, 1)
    return source


def read_sound(config: DataConfig, workdir: Path, progress: ProgressCallback = silent) -> Source:
    """`read`, for a source without bad rows. Raises DataError that reports all of them together."""
    source = read(config, workdir, progress)
    source.problems.raise_if_any()
    return source
