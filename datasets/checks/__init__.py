"""What is wrong with a dataset: findings by severity, with counts, examples and what to do about each."""

from bench.datasets.checks.check import check, check_folder
from bench.datasets.checks.finding import Example, Finding, Report

__all__ = ["Example", "Finding", "Report", "check", "check_folder"]
