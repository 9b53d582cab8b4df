from pathlib import Path

import pytest

from bench.errors import DataError
from bench.predicting import find_images


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """a.jpg, notes.txt, deep/b.PNG, deep/er/c.webp, deep/.hidden.png, out/a.jpg"""
    for name in ("a.jpg", "notes.txt", "deep/b.PNG", "deep/er/c.webp", "deep/.hidden.png", "out/a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*settings: str) -> list[str]:
    return [str(path) for path in find_images(settings, exclude=Path("out"))]


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (("a.jpg",), ["a.jpg"]),
        (("notes.txt",), ["notes.txt"]),  # it is named, so it is tried
        (("deep",), ["deep/b.PNG", "deep/er/c.webp"]),
        ((".",), ["a.jpg", "deep/b.PNG", "deep/er/c.webp"]),  # without what an earlier call has drawn
        (("*",), ["a.jpg"]),
        (("**/*.webp", "deep"), ["deep/er/c.webp", "deep/b.PNG"]),
        (("a.jpg", "./deep/../a.jpg"), ["a.jpg"]),
    ],
)
def test_files_folders_and_patterns(album: Path, settings: tuple[str, ...], names: list[str]) -> None:
    assert found(*settings) == names


def test_an_absolute_pattern(album: Path) -> None:
    assert found(str(album / "deep/*")) == [str(album / "deep/b.PNG")]


@pytest.mark.parametrize("setting", ["none.jpg", "none/*.jpg", "out", "*.txt"])
def test_a_word_that_leads_nowhere_is_a_mistake(album: Path, setting: str) -> None:
    with pytest.raises(DataError, match="no image there") as caught:
        found("a.jpg", setting)
    assert setting in str(caught.value)
