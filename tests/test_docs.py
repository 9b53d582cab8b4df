"""The documents name what stands there."""

import re
from pathlib import Path

import pytest
import yaml

from bench.config import check, embedded_default, read_config

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(
        re.findall(r"`((?:bench|adapters|datasets|reports|tests|docs|benchmarks|examples)/[\w./-]*)`", text)
    )
    linked = set(re.findall(r"\]\(([^)#:]+)\)", text))
    missing = [name for name in named if not (ROOT / name).exists() and "mine" not in name]
    missing += [name for name in linked if not (page.parent / name).exists()]
    assert missing == []


def test_the_config_of_the_readme_is_a_config() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    config = check(yaml.safe_load(block), "README.md")
    assert [model.family for model in config.models] == ["detr", "yolo", "frcnn"]


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_examples_are_configs(path: Path) -> None:
    assert read_config(path).models


def test_the_repository_s_own_config_is_the_embedded_default() -> None:
    assert (ROOT / "bench.yaml").read_text(encoding="utf-8") == embedded_default()
