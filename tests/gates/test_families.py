"""Every family passes the gates as it comes."""

from pathlib import Path

import pytest

from bench import registry
from bench.gates.before import NAMES, Candidate, GateInputs, gate_checks
from bench.gates.gate import run_gate
from bench.recipe import Recipe

CLASSES = ("brick", "leaf", "sky")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in registry.DETECTORS if name != "fake"])
def test_a_sound_family_passes(name: str, tmp_path: Path) -> None:
    family = registry.family(name)
    plan = family.plan(variant="tiny", weights="none", options={}, recipe=Recipe(batch_size=2, epochs=2))
    detector = family.build(plan, classes=CLASSES, seed=0, device="cpu")
    detector.disable_augmentation()  # type: ignore[attr-defined]
    candidate = Candidate(family, plan, CLASSES, 0, "cpu")
    checks = gate_checks(candidate, detector, GateInputs.create(candidate, tmp_path))
    results = [run_gate(gate, checks[gate]) for gate in NAMES]
    assert [(result.name, result.detail) for result in results if not result.passed] == []
