"""`bench data download` and `bench.download`, from a local server."""

import csv
import functools
import json
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import bench
from bench.api import download as api
from bench.cli.app import app
from bench.datasets.download import Manners
from bench.errors import ConfigError, DataError


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def published(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder with two of three pictures that its annotations name, and its address."""
    folder = tmp_path / "published"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    url = f"http://127.0.0.1:{server.server_port}"
    images = [
        {"id": n, "file_name": f"batch_1/{n}.png", "width": 40, "height": 30, "flickr_url": f"{url}/{n}.png"}
        for n in range(3)
    ]
    (folder / "annotations.json").write_text(json.dumps({"images": images}))
    for number in range(2):
        Image.new("RGB", (40, 30), (number, 90, 9)).save(folder / f"{number}.png")
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield folder, url
    server.shutdown()
    server.server_close()


def test_the_command_fetches_annotations_and_pictures_and_lists_what_is_gone(
    published: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(api.ANNOTATIONS, "taco", f"{published[1]}/annotations.json")
    result = CliRunner().invoke(app, ["data", "download", "taco", str(tmp_path / "taco")])
    assert result.exit_code == 1
    assert "2 of 3, 2 of them new" in result.output
    assert "batch_1/2.png: the server answered 404" in result.output
    rows = list(csv.DictReader((tmp_path / "taco" / "missing.csv").read_text().splitlines()))
    assert [(row["file_name"], row["reason"]) for row in rows] == [
        ("batch_1/2.png", "the server answered 404")
    ]
    Image.new("RGB", (40, 30)).save(published[0] / "2.png")
    again = CliRunner().invoke(app, ["data", "download", "taco", str(tmp_path / "taco")])
    assert again.exit_code == 0
    assert "3 of 3, 1 of them new" in again.output


def test_from_python_with_other_annotations(published: tuple[Path, str], tmp_path: Path) -> None:
    found = bench.download(
        "taco", tmp_path / "new", annotations=published[0] / "annotations.json", manners=Manners(parallel=1)
    )
    assert (len(found.outcomes), found.fetched, len(found.gone)) == (3, 2, 1)
    assert (found.path / "annotations.json").read_text() == (published[0] / "annotations.json").read_text()


def test_mistakes(published: tuple[Path, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such dataset"):
        bench.download("coco", tmp_path / "new")
    broken = tmp_path / "broken.json"
    broken.write_text('{"images": [{"file_name": "a.jpg"}]}')
    with pytest.raises(DataError, match="is no COCO json with the address of each image"):
        bench.download("taco", tmp_path / "new", annotations=broken)
    with pytest.raises(DataError, match="no such file"):
        bench.download("taco", tmp_path / "new", annotations=tmp_path / "absent.json")
