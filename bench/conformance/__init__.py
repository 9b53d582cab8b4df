"""Does a family keep the contract of bench.detector? For our own detectors and for those of others.

    def test_mine(tmp_path):
        assert check_family(FAMILY, tmp_path, variant="tiny") == []

It trains five short times on two dozen drawn pictures: seconds for a small model.
"""

from bench.conformance.check import check_family

__all__ = ["check_family"]
