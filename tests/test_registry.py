"""Names lead to code, ours and a plug-in's."""

import sys
from pathlib import Path

import pytest

from bench import registry
from bench.errors import ConfigError

PLUGIN = """
from bench.adapters.fake import FakeFamily

class Family(FakeFamily):
    name = "theirs"

FAMILY = Family()
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed distribution that brings the detector `theirs`."""
    (tmp_path / "their_detector.py").write_text(PLUGIN)
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bench.detectors]\ntheirs = their_detector:FAMILY\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "theirs"


def test_a_plug_in_is_found_by_its_entry_point(plugin: str) -> None:
    assert plugin in registry.detector_names()
    assert registry.family(plugin).name == "theirs"


def test_an_unknown_model_gets_a_guess() -> None:
    with pytest.raises(ConfigError, match="did you mean 'frcnn'"):
        registry.family("frcn")


@pytest.mark.parametrize("name", list(registry.DETECTORS))
def test_every_name_of_ours_leads_to_a_family(name: str) -> None:
    family = registry.family(name)
    assert family.name == name
    assert family.variants


@pytest.mark.parametrize("name", list(registry.SOURCES))
def test_every_source_leads_to_a_function(name: str) -> None:
    assert callable(registry.load(registry.SOURCES[name]))


def test_asking_for_every_family_imports_no_framework(tmp_path: Path) -> None:
    import subprocess

    code = (
        "import sys\nfrom bench import registry\n"
        "[registry.family(name) for name in registry.DETECTORS]\n"
        "print([name for name in ('torch', 'ultralytics', 'transformers') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert result.stdout.strip() == "[]"
