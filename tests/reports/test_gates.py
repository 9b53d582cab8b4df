from bench.records import GateResult
from bench.reports.comparison import compare
from bench.reports.gates import gate_rows
from bench.reports.page import render
from bench.reports.verdict import verdict

PASSED = GateResult(name="boxes", passed=True, detail="21 boxes come back", duration_s=0.1)
FLAGGED = GateResult(
    name="learning", passed=True, detail="the best epoch is the first", duration_s=0.1, flagged=True
)


def compared(make_run, records, **settings):
    (comparison,) = compare([make_run(records=records, **settings)])
    return comparison


def test_invalid_models_stand_apart_with_their_reason(make_run, make_record, make_invalid):
    comparison = compared(make_run, [make_record("a", 0, 0.5), make_invalid("broken", 0, ap=0.98765)])
    said = verdict(comparison)
    assert said.answer.startswith("a reached a test AP of 0.500")
    assert any("1 cell is invalid and not ranked" in caution for caution in said.cautions)
    page = render([comparison])
    assert "Invalid cells" in page and "invalid: outputs: all one box" in page
    assert "Failed cells" not in page
    assert "0.988" not in page
    assert [(row.contestant.label, row.gate.passed) for row in gate_rows(comparison)] == [("broken", False)]


def test_a_run_of_invalid_models_alone_has_a_page(make_run, make_invalid):
    page = render([compared(make_run, [make_invalid("broken", 0)])])
    assert "No model has a test AP" in page and "all one box" in page


def test_a_doubt_is_told_above_the_ranking(make_run, make_record):
    comparison = compared(make_run, [make_record("a", 0, 0.5, gates=(PASSED, FLAGGED))])
    cautions = verdict(comparison).cautions
    assert "a, seed 0, gate learning: the best epoch is the first." in cautions
    assert not any("21 boxes" in caution for caution in cautions)
    assert "yes, flagged" in render([comparison])


def test_gates_that_were_off_are_told(make_run, make_record):
    run = make_run(records=[make_record("a", 0, 0.5)])
    told = "The gates were off"
    assert told not in render(compare([run]))
    run.config_path.write_text("gates: false\n")
    assert told in render(compare([run]))
