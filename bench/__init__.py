"""Train several object detectors on one dataset under the same rules, and judge them with one judge."""

__version__ = "0.2.0"
