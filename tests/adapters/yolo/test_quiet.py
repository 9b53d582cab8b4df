import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from bench.layout import Layout

pytestmark = pytest.mark.slow

WITHOUT_A_NETWORK = textwrap.dedent("""
    import json, socket, subprocess, sys
    from pathlib import Path

    tried = []

    def refuse(name):
        def refused(*args, **kwargs):
            tried.append(f"{name} {args[:2]}")
            raise OSError("no network in this test")
        return refused

    socket.getaddrinfo = refuse("getaddrinfo")
    socket.gethostbyname = refuse("gethostbyname")
    socket.socket.connect = refuse("connect")
    socket.create_connection = refuse("create_connection")

    from bench.adapters.yolo.family import FAMILY
    from bench.detector import FitContext
    from bench.layout import Layout
    from bench.recipe import Recipe

    assert "torch" not in sys.modules and "ultralytics" not in sys.modules
    layout, workdir = Layout.open(Path(sys.argv[1])), Path(sys.argv[2])
    recipe = Recipe(epochs=1, batch_size=8, image_size=64, amp=True)
    plan = FAMILY.plan(variant="tiny", weights="none", options={}, recipe=recipe)
    assert "torch" not in sys.modules and "ultralytics" not in sys.modules

    import torch
    torch.set_num_threads(2)
    detector = FAMILY.build(plan, classes=layout.classes, seed=0, device="cpu")
    (workdir / "work").mkdir()
    threads = []
    detector.fit(layout, plan.recipe, FitContext(
        workdir=workdir / "work", seed=0, device="cpu",
        score_val=lambda found: {"AP": 0.1, "AP50": 0.1}, on_epoch=lambda record: False,
        on_step=lambda done, total: threads.append(torch.get_num_threads()),
    ))
    found = list(detector.predict([example.path for example in layout.examples("val")]))
    detector.save(workdir / "saved")
    again = FAMILY.load(workdir / "saved", device="cpu")
    assert len(list(again.predict([layout.examples("val")[0].path]))) == 1
    threads.append(torch.get_num_threads())

    import os
    import ultralytics.utils.events as events
    Path(sys.argv[2], "told.json").write_text(json.dumps({
        "tried": tried, "found": len(found), "threads": sorted(set(threads)),
        "events": events.events.enabled, "omp": os.environ.get("OMP_NUM_THREADS"),
        "key": os.environ.get("ULTRALYTICS_API_KEY"), "config": os.environ["YOLO_CONFIG_DIR"],
    }))
""")


def test_trains_and_predicts_without_network_home_or_stdout(yolo_scenes: Layout, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    before = _tree(yolo_scenes.root)
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_NETWORK, str(yolo_scenes.root), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=home,
        env={**environment, "HOME": str(home), "ULTRALYTICS_API_KEY": "ul_" + "0" * 40},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "told.json").read_text(encoding="utf-8"))
    assert told.pop("found") == 8
    config = Path(told.pop("config"))
    assert told == {"tried": [], "threads": [2], "events": False, "omp": None, "key": None}
    assert done.stdout == ""
    assert not list(home.rglob("*"))
    assert not config.exists()
    assert _tree(yolo_scenes.root) == before


def _tree(root: Path) -> list[tuple[str, int, int]]:
    """Everything below, with sizes and times."""
    return sorted((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in root.rglob("*"))
