"""Whole or not at all."""

import errno
import os
import time
from pathlib import Path

import pytest

from bench import files
from bench.errors import RunError


def test_a_broken_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    files.write_json(target, {"x": 1})
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(target, {"x": float("nan")})
    assert target.read_text() == '{\n  "x": 1\n}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_full_disk_is_a_user_s_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(RunError, match="the disk is full"):
        files.write_text(tmp_path / "a", "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["file/a", "file/deep/a", "n" * 300, "folder"])
def test_a_place_that_can_t_be_written_is_named(below: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunError, match=r"(?s)can't be written: .*Hint: choose another folder") as caught:
        files.write_text(tmp_path / below, "b")
    assert str(tmp_path / below) in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT])
def test_a_refusal_is_a_user_s_error(number: int, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=os.strerror(number)), files.writing(tmp_path / "a"):
        raise OSError(number, os.strerror(number), str(tmp_path / ".a.123"))


def test_other_errors_of_the_system_pass(tmp_path: Path) -> None:
    elsewhere = tmp_path / "data/picture.png"
    with pytest.raises(FileNotFoundError), files.writing(tmp_path / "runs/a"):
        elsewhere.read_bytes()
    with pytest.raises(OSError, match="Input"), files.writing(tmp_path / "a"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_old_temporaries_are_swept_and_young_ones_are_not(tmp_path: Path) -> None:
    for name, age_s in ((".data-1.aaaaaaaa", 90_000), (".data-2.bbbbbbbb", 10), ("data-3", 90_000)):
        (tmp_path / name / "inner").mkdir(parents=True)
        then = time.time() - age_s
        os.utime(tmp_path / name, (then, then))
    files.sweep(tmp_path, ".*-*.????????")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".data-2.bbbbbbbb", "data-3"]


def test_hash_of_a_known_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert files.sha256(tmp_path / "a").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "place"
    for text in ("first", "second"):
        with files.replacing_folder(place) as fresh:
            (fresh / text).write_text(text)
            assert not (place / text).exists()
        assert [path.name for path in place.iterdir()] == [text]
        assert [path.name for path in place.parent.iterdir()] == ["place"]
    assert place.stat().st_mode & 0o777 == 0o755
    with pytest.raises(KeyError), files.replacing_folder(place) as fresh:
        (fresh / "half").touch()
        raise KeyError
    assert list(place.parent.iterdir()) == []  # the unfinished one, and what the new one was to replace


def test_what_a_killed_writer_of_a_folder_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".place.abcd1234").mkdir()
    (tmp_path / ".places.abcd1234").mkdir()
    with files.replacing_folder(tmp_path / "place"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".places.abcd1234", "place"]


@pytest.mark.parametrize("complete", [True, False])
def test_of_two_writers_of_a_folder_the_first_to_finish_wins(tmp_path: Path, complete: bool) -> None:
    place = tmp_path / "place"
    with files.replacing_folder(place, finished=lambda: complete) as mine:
        (mine / "mine").touch()
        place.mkdir()
        (place / "theirs").touch()
    assert [path.name for path in place.iterdir()] == ["theirs" if complete else "mine"]
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_a_draft_folder_that_is_not_renamed_is_removed(tmp_path: Path) -> None:
    with files.draft_folder(tmp_path, "run") as draft:
        (draft / "file").touch()
        kept = draft.replace(tmp_path / "kept")
    with files.draft_folder(tmp_path, "run") as draft:
        (draft / "file").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"] and list(kept.iterdir())
