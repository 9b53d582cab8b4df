"""Whether a plug-in keeps its contract: tests for our own detectors and sources, and for those of others.

    def test_my_detector(tmp_path):
        assert check_family(FAMILY, tmp_path, variant="tiny") == []

    def test_my_source(tmp_path):
        assert check_source(SOURCE, "tests/data", tmp_path) == []

The first runs five short trainings on two dozen generated images: seconds for a small model.
"""

from bench.conformance.check import check_family
from bench.conformance.sources import check_source

__all__ = ["check_family", "check_source"]
