"""What lies in a folder."""

import errno
import os
from pathlib import Path

import pytest

from bench.datasets.sources.folders import existing, found, images, reading
from bench.errors import DataError


def test_pictures_are_found_below_sorted_and_hidden_ones_left_out(tmp_path):
    for name in ("b.JPG", "a/c.png", "a/d.txt", ".hidden.png", ".cache/e.png", "a.tiff"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a/up").symlink_to(tmp_path)
    assert images(tmp_path) == ["a.tiff", "a/c.png", "b.JPG"]


def test_what_is_there(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b.png").touch()
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere")
    names = ["a/b.png", "a/c.png", "a", "b.png", "z/b.png", "dangling.png"]
    assert found(tmp_path, names) == ["a/b.png", None, None, None, None, None]


def test_a_name_is_found_however_its_accents_are_spelt(tmp_path):
    composed, decomposed = "m\u00fcll/\u00e9.png", "mu\u0308ll/e\u0301.png"
    (tmp_path / decomposed).parent.mkdir()
    (tmp_path / decomposed).touch()
    assert found(tmp_path, [composed, decomposed]) == [decomposed, decomposed]
    (tmp_path / composed).parent.mkdir()
    (tmp_path / composed).touch()
    assert found(tmp_path, [composed, decomposed]) == [composed, decomposed]
    assert found(tmp_path, ["n" * 5000 + "/a.png"]) == [None]


def test_a_closed_folder_is_told(tmp_path, monkeypatch):
    def closed(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", closed)
    for look in (lambda: images(tmp_path), lambda: found(tmp_path, ["a"]), lambda: existing(tmp_path)):
        expected = r"(?s)can't be read: Permission denied.*chmod"
        with pytest.raises(DataError, match=expected) as caught, reading(tmp_path):
            look()
        assert str(tmp_path) in str(caught.value)


def test_a_name_that_is_no_text_is_told(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9.png")).touch()
    with pytest.raises(DataError, match=r"not valid UTF-8 \(found: '\\udce9\.png'\)"):
        images(tmp_path)
