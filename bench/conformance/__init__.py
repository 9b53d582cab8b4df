"""Whether a family keeps the contract of bench.detector: a test for our own detectors and for plug-ins.

    def test_mine(tmp_path):
        assert check_family(FAMILY, tmp_path, variant="tiny") == []

It runs five short trainings on two dozen generated images: seconds for a small model.
"""

from bench.conformance.check import check_family

__all__ = ["check_family"]
