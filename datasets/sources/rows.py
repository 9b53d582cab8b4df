"""Images gathered one by one, each once."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.datasets.dataset import Images
from bench.datasets.names import nfc


class Rows:
    """The columns of `Images` while they grow."""

    def __init__(self, root: Path) -> None:
        self.paths: list[str] = []
        self._root = root
        self._row_of: dict[str, int] = {}
        self._sizes: list[tuple[int, int]] = []
        self._splits: list[int] = []
        self._annotations: list[str] = []
        self._exists: list[bool] = []

    def add(self, path: str, size_wh: tuple[int, int], split: int, annotations: str, exists: bool) -> bool:
        """Add an image by its absolute path; False if it is there already."""
        if path in self._row_of:
            return False
        self._row_of[path] = len(self.paths)
        self.paths.append(path)
        self._sizes.append(size_wh)
        self._splits.append(split)
        self._annotations.append(annotations)
        self._exists.append(exists)
        return True

    def name(self, path: str) -> str:
        """Relative to the dataset's folder; of an image elsewhere the whole path."""
        prefix = f"{self._root}/"
        return nfc(path[len(prefix) :] if path.startswith(prefix) else path.lstrip("/"))

    def row(self, path: str) -> int:
        return self._row_of[path]

    def images(self) -> Images:
        return Images.of([self.name(path) for path in self.paths], self.paths, self._sizes, self._splits)

    def annotation_paths(self) -> NDArray[np.object_]:
        return np.array(self._annotations, dtype=object)

    def exists(self) -> NDArray[np.bool_]:
        return np.array(self._exists, dtype=np.bool_)
