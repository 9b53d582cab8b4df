"""X-rays of seven kinds of bone fracture, as Roboflow exports them: YOLO txt, most rows polygons.

148 of its 1,342 stems before `.rf.` are in several splits, but their pictures on both sides do not look alike
(docs/data.md): the stems were probably numbered anew in each folder.
`data.classes: fracture` is its class table.
"""

from pathlib import Path

from bench.data_config import DataConfig
from bench.datasets.dataset import Source
from bench.datasets.sources import yolo


def read(config: DataConfig, workdir: Path) -> Source:
    """As `yolo.read`."""
    return yolo.read(config, workdir, format_name="fracture")
