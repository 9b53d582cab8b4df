"""X-rays of seven kinds of bone fracture, as Roboflow exports them: YOLO txt, most rows polygons.

The published split leaks: copies of one X-ray (same stem before `.rf.`) are in more than one split.
`data.split.kind: grouped` keeps them together; `data.classes: fracture` is its class table.
"""

from pathlib import Path

from bench.data_config import DataConfig
from bench.datasets.dataset import Source
from bench.datasets.sources import yolo


def read(config: DataConfig, workdir: Path) -> Source:
    """As `yolo.read`."""
    return yolo.read(config, workdir, format_name="fracture")
