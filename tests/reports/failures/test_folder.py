"""Every test picture in a folder beside the page."""

import json
import re

import pytest
from PIL import Image

from bench.errors import RunError
from bench.reports.comparison import compare
from bench.reports.failures import folder as folder_module
from bench.reports.failures.folder import write_folder

SHOWN = "[...document.querySelectorAll('.shot:not([hidden])')].map(e => e.dataset.file).sort()"


@pytest.fixture
def run(judged, tmp_path):
    """With a written dataset of 30 test pictures of noise."""
    run = judged("a", "b", seeds=1, images=30)
    layout = tmp_path / "layout"
    truth = json.loads(run.ground_truth_path("test").read_text())
    for image in truth["images"]:
        image["file_name"] = f"photo {image['id']}.jpg"
        path = layout / "images" / "test" / image["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((160, 120), 60).convert("RGB").save(path)
    run.ground_truth_path("test").write_text(json.dumps(truth))
    info = json.loads(run.info_path.read_text())
    run.info_path.write_text(json.dumps({**info, "layout": str(layout)}))
    return run


def errors_of(page):
    return [int(found) for found in re.findall(r'data-errors="(\d+)"', page.read_text())]


def test_every_picture_is_there_worst_first_over_several_pages(run, tmp_path, monkeypatch):
    monkeypatch.setattr(folder_module, "PER_PAGE", 12)
    first = write_folder(compare([run])[0], tmp_path / "all")
    pages = [first, tmp_path / "all" / "page-2.html", tmp_path / "all" / "page-3.html"]
    errors = [number for page in pages for number in errors_of(page)]
    assert len(errors) == 30 and errors == sorted(errors, reverse=True) and errors[0] > errors[-1]
    assert len(list((tmp_path / "all" / "images").iterdir())) == 30
    assert 'href="page-3.html"' in first.read_text() and "data:image/jpeg" not in first.read_text()


def test_without_pictures_it_says_what_to_do(run, tmp_path):
    for path in (tmp_path / "layout" / "images" / "test").iterdir():
        path.unlink()
    for path in run.samples_dir.glob("*.jpg"):
        path.unlink()
    with pytest.raises(RunError, match="the written dataset is gone"):
        write_folder(compare([run])[0], tmp_path / "all")


@pytest.mark.browser
@pytest.mark.slow
def test_pictures_load_on_demand_and_filters_work(run, chromium, tmp_path):
    path = write_folder(compare([run])[0], tmp_path / "all")
    browser = chromium(1280)
    browser.requests()
    browser.open(path)
    asked = [url for url in browser.requests() if url.endswith(".jpg")]
    assert 0 < len(asked) <= 30 and all(url.startswith("file:") for url in asked)
    state = "[...document.querySelectorAll('{} img.photo')].map(e => e.complete && e.naturalWidth > 0)"
    assert browser.run("return " + state.format("summary"))[0]
    # Those that have the address of a picture in view may be taken from the browser's memory.
    assert not all(browser.run("return " + state.format(".panels"))), "panels load when they are opened"
    browser.run("document.querySelector('.shot').open = true")
    opened = state.format(".shot[open] .panels")
    browser.run(
        "return new Promise(done => { const end = Date.now() + 5000; const look = () =>"
        f" {opened}.every(Boolean) || Date.now() > end ? done() : setTimeout(look, 50); look(); }})"
    )
    assert all(browser.run("return " + opened))
    before = browser.run("return " + SHOWN)
    browser.run("location.hash = '#failures-1?kind=background&model=0'")
    browser.run("return new Promise(done => setTimeout(done, 200))")
    expected = browser.run(
        "return [...document.querySelectorAll('.shot')].filter(shot => shot.querySelector("
        "'[data-panel=\"0\"] .box.k-background:not(.off)')).map(e => e.dataset.file).sort()"
    )
    assert browser.run("return " + SHOWN) == expected and 0 < len(expected) < len(before)
    assert browser.console() == []
