"""X-rays of seven kinds of bone fracture, as Roboflow exports them: YOLO txt, most rows polygons.

The published split leaks: copies of one X-ray, told by the stem before `.rf.`, stand in more than one split.
`data.split.kind: grouped` keeps them together; `data.classes: fracture` is the table of its classes.
"""

from pathlib import Path

from bench.data_config import DataConfig
from bench.datasets.dataset import Source
from bench.datasets.sources import yolo


def read(config: DataConfig, workroom: Path) -> Source:
    """As `yolo.read`."""
    return yolo.read(config, workroom, format_name="fracture")
