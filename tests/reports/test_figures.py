import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from PIL import Image

from bench.reports.comparison import compare
from bench.reports.figures import FIGURES, draw


@pytest.fixture
def comparison(make_run):
    return compare([make_run()])[0]


@pytest.mark.slow
def test_every_figure_is_written_as_svg_and_png_and_leaves_no_trace(comparison, tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    written = draw([comparison], tmp_path / "figures")
    assert [path.name for path in written] == [
        f"{name}.{kind}" for name in FIGURES if name != "ap-against-images" for kind in ("svg", "png")
    ], "no model was trained on shares"
    for path in written:
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
        else:
            with Image.open(path) as image:
                assert min(image.size) > 150
    assert dict(matplotlib.rcParams) == before


def test_the_same_run_gives_the_same_file(comparison, tmp_path, monkeypatch):
    from bench.reports import figures

    monkeypatch.setattr(figures, "FIGURES", {"val-ap": FIGURES["val-ap"]})
    first, _ = draw([comparison], tmp_path / "a")
    second, _ = draw([comparison], tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


def test_nothing_to_show_is_no_figure(make_run, make_failed, tmp_path):
    comparison = compare([make_run(records=[make_failed("a", 0)])])[0]
    assert draw([comparison], tmp_path / "figures") == []


def test_importing_the_room_costs_no_plotting_library():
    code = (
        "import bench.reports, bench.reports.figures, sys;"
        "print([m for m in ('matplotlib','seaborn','pandas','jinja2','torch') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
