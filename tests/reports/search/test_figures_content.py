"""What the figures of a search show: the data behind their artists, axes, units and legends."""

import pytest
from matplotlib.colors import to_hex

from bench.reports import drawing
from bench.reports.figures import SEARCH_FIGURES
from bench.reports.search.folder import read_search
from bench.reports.search.trials import BEST, COMPLETE, FAILED, PRUNED, STANDARD
from bench.reports.search.verdict import finals

COLOURS = {series.label: series.tone.light for series in (COMPLETE, PRUNED, FAILED, BEST, STANDARD)}


@pytest.fixture
def drawn(make_search, search_record, certain):
    """drawn(name, **record) -> the figure of that file, of the one study, and the study."""
    certain(0.0005)

    def drawn(name, **changes):
        record = search_record(models=("detr",), **changes)
        search = read_search(make_search(record))
        (final,) = finals(search)
        return drawing.figure(SEARCH_FIGURES[name](search, final)), final

    return drawn


def points(axes):
    found = []
    for collection in axes.collections:
        colours = collection.get_facecolors()
        for index, (x, y) in enumerate(collection.get_offsets().tolist()):
            found.append((round(x, 6), round(y, 6), to_hex(colours[index % len(colours)])))
    return sorted(found)


def line(artist):
    return [(round(float(x), 6), round(float(y), 6)) for x, y in artist.get_xydata()]


def legend(axes):
    shown = axes.get_legend()
    return [
        (text.get_text(), to_hex(handle.get_color()))
        for text, handle in zip(shown.get_texts(), shown.legend_handles, strict=True)
    ]


def test_history_has_every_trial_at_its_number_and_the_best_so_far(drawn):
    figure, final = drawn("history")
    (axes,) = figure.axes
    expected = []
    for trial in final.study.trials:
        if trial.state == "failed":
            continue
        value = trial.values["AP"] if trial.values else max(value for _, value in trial.curve)
        state = "best" if trial.number == final.study.best else trial.state
        expected.append((trial.number, round(value, 6), COLOURS[state]))
    assert points(axes) == sorted(expected)
    (best,) = axes.lines
    running = [
        max(t.values["AP"] for t in final.study.trials if t.values and t.number <= x) for x, _ in line(best)
    ]
    assert [y for _, y in line(best)] == [round(value, 6) for value in running]
    assert best.get_drawstyle() == "steps-post", "a best holds until the trial that beats it"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("trial", "val AP")
    assert legend(axes) == [(name, COLOURS[name]) for name in ("complete", "pruned", "best")]


def test_importance_is_in_percent_most_important_first(drawn):
    figure, _ = drawn("importance")
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    widths = [round(bar.get_width(), 6) for bar in axes.patches]
    assert list(zip(names, widths, strict=True)) == [
        ("loss.classification", 55), ("loss.focal_gamma", 25), ("train.lr", 12),
        ("loss.class_coefficient", 5), ("loss.class_weights", 3),
    ]  # fmt: skip
    assert axes.get_xlabel() == "share of the variance, %"


def test_slices_set_the_objective_over_each_setting(drawn):
    figure, final = drawn("slices")
    panels = {(axes.get_title(loc="left") or axes.get_title()): axes for axes in figure.axes if axes.axison}
    assert next(iter(panels)) == "loss.classification", "the most important one first"
    expected = [
        (
            round(trial.setting["train.lr"], 6), round(trial.values["AP"], 6),
            COLOURS["best" if trial.number == final.study.best else "complete"],
        )
        for trial in final.study.trials
        if trial.state == "complete"
    ]  # fmt: skip
    assert points(panels["train.lr"]) == sorted(expected)
    assert panels["train.lr"].get_xscale() == "log" and panels["loss.focal_gamma"].get_xscale() == "linear"
    by_kind = panels["loss.classification"]
    kinds = [label.get_text() for label in by_kind.get_yticklabels()]
    found = {(kinds[int(y)], x) for x, y, _ in points(by_kind)}
    assert found == {
        (trial.setting["loss.classification"], round(trial.values["AP"], 6))
        for trial in final.study.trials
        if trial.state == "complete"
    }


def test_pareto_sets_the_second_objective_over_the_first(drawn):
    figure, final = drawn("pareto", objectives=("AP", "AP_rare"))
    (axes,) = figure.axes
    complete = [trial for trial in final.study.trials if trial.state == "complete"]
    assert [(x, y) for x, y, _ in points(axes)] == sorted(
        (round(t.values["AP"], 6), round(t.values["AP_rare"], 6)) for t in complete
    )
    (front,) = axes.lines
    assert line(front) == sorted(
        (round(t.values["AP"], 6), round(t.values["AP_rare"], 6))
        for t in complete
        if t.number in final.study.pareto
    )
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("val AP", "val AP_rare")


def test_standard_stands_left_of_best_and_a_line_joins_each_seed(drawn):
    figure, final = drawn("against-standard")
    ap, rare = figure.axes
    for axes, pair in ((ap, final.ap), (rare, final.rare_ap)):
        pairs = list(zip(pair.base, pair.ours, strict=True))
        assert points(axes) == sorted(
            [(0, round(old, 6), COLOURS["standard"]) for old, _ in pairs]
            + [(1, round(new, 6), COLOURS["best"]) for _, new in pairs]
        )
        assert [line(joint) for joint in axes.lines] == [
            [(0, round(old, 6)), (1, round(new, 6))] for old, new in pairs
        ]
        assert [label.get_text() for label in axes.get_xticklabels()] == ["standard", "best"]
        assert [round(tick, 6) for tick in axes.get_xticks()] == [0, 1]
    titles = [axes.get_title(loc="left") or axes.get_title() for axes in (ap, rare)]
    assert titles == ["Test AP", "Test AP of the rare classes"]


def test_class_differences_are_best_minus_standard(drawn):
    figure, final = drawn("classes-against-standard")
    (axes,) = figure.axes
    known = [pair for pair in final.classes if pair.ap]
    assert [(x, y) for x, y, _ in points(axes)] == sorted(
        (round(pair.ap.mean, 6), row) for row, pair in enumerate(known)
    )
    *bars, zero = axes.lines
    assert bars, "one interval a class"
    assert [x for x, _ in line(zero)] == [0, 0]
    assert [[x for x, _ in line(bar)] for bar in bars] == [
        [round(end, 6) for end in pair.ap.interval] for pair in known
    ]
    assert axes.get_xlabel() == "test AP, best minus standard"
    assert axes.get_yticklabels()[0].get_text() == "bottle (120)"
