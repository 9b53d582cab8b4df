"""What lies in a folder."""

from bench.datasets.sources.folders import pictures, present


def test_pictures_are_found_below_sorted_and_hidden_ones_left_out(tmp_path):
    for name in ("b.JPG", "a/c.png", "a/d.txt", ".hidden.png", ".cache/e.png", "a.tiff"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a/up").symlink_to(tmp_path)
    assert pictures(tmp_path) == ["a.tiff", "a/c.png", "b.JPG"]


def test_present(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b.png").touch()
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere")
    names = ["a/b.png", "a/c.png", "a", "b.png", "z/b.png", "dangling.png"]
    assert present(tmp_path, names) == [True, False, False, False, False, False]
