"""The page of a search: one file, nothing fetched, every name escaped; its charts and its table."""

import re
from html.parser import HTMLParser

import pytest

from bench.reports import figures, write_search_report
from bench.reports.search import charts as search_charts
from bench.reports.search.folder import read_search
from bench.reports.search.page import render_search
from bench.reports.search.trials import so_far
from bench.reports.search.verdict import finals


class Elements(HTMLParser):
    """Tags, links and text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.links, self.text = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("href", "src")]

    def handle_data(self, data):
        self.text.append(data)


def rendered(root):
    search = read_search(root)
    return render_search(search, finals(search))


@pytest.fixture
def page(make_search):
    root = make_search()
    (root / "final/report.html").write_text("the final run's page")
    return rendered(root)


def test_all_parts_are_there(page):
    text = " ".join("".join(Elements(page).text).split())
    for part in (
        "better than standard for detr",
        "Best against standard",
        "Search of yolo",
        "40 trials: 34 complete, 4 pruned and 2 failed",
        "Trials in their order",
        "What mattered",
        "Word by word",
        "trials 11 and 23",
        "is under the median of the trials before it",
        "loss.classification: weighted_focal",
        "bench search --models detr,yolo,frcnn",
        "bench run -c",
    ):
        assert part in text


def test_names_that_bite_are_text_and_nothing_points_outside(page):
    elements = Elements(page)
    assert elements.tags.count("script") == 1
    assert "<b>lid</b>" in "".join(elements.text)
    assert "<script>alert(1)</script>" in "".join(elements.text)
    assert "final/report.html" in elements.links
    assert all(link.startswith(("#", "data:", "final/")) for link in elements.links)
    assert "https://" not in page and "http://" not in page
    identifiers = re.findall(r'\bid="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))


def test_the_best_so_far_never_falls_and_starts_with_a_complete_trial(search_record):
    (study,) = search_record(models=("detr",)).studies
    steps = so_far(study, "AP")
    assert [value for _, value in steps] == sorted(value for _, value in steps)
    assert steps[-1][1] == max(t.values["AP"] for t in study.trials if t.state == "complete")
    assert not {number for number, _ in steps} & {t.number for t in study.trials if t.state != "complete"}


def test_of_a_cost_less_is_better(search_record):
    record = search_record(models=("detr",), objectives=("latency_ms",))
    steps = so_far(record.studies[0], "latency_ms")
    assert steps[-1][1] == min(t.values["latency_ms"] for t in record.studies[0].trials if t.values)
    word = next(item for item in search_charts.choices(record, record.studies[0]))
    best = [float(group.best) for group in word.groups]
    assert best == sorted(best)


def test_each_trial_is_marked_by_how_it_ended(search_record):
    record = search_record(models=("detr",))
    chart = search_charts.history(record, record.studies[0])
    looks = [mark.label for mark in chart.marks]
    assert [looks.count(look) for look in ("complete", "best", "pruned", "failed")] == [33, 1, 4, 2]
    assert {mark.y for mark in chart.marks if mark.label == "failed"} == {100.0}
    assert all(mark.y < 100 for mark in chart.marks if mark.label == "pruned")  # what they had reached


def test_slices_show_the_trials_in_which_the_word_has_a_meaning(search_record):
    record = search_record(models=("detr",))
    (study,) = record.studies
    charts = {chart.title: chart for chart in search_charts.slices(record, study)}
    complete = [trial for trial in study.trials if trial.state == "complete"]
    focal = [trial for trial in complete if "loss.focal_gamma" in trial.setting]
    assert len(charts["loss.focal_gamma"].marks) == len(focal) < len(complete)
    assert charts["train.lr"].caption == "logarithmic" and charts["loss.focal_gamma"].caption == ""
    by_word = {word.word: word for word in search_charts.choices(record, study)}
    assert {group.label for group in by_word["loss.classification"].groups} == {
        "standard", "weighted", "focal", "weighted_focal",
    }  # fmt: skip


def test_two_objectives_give_a_pareto_set(search_record):
    record = search_record(models=("detr",), objectives=("AP", "AP_rare"))
    (study,) = record.studies
    chart = search_charts.pareto(record, study)
    (line,) = chart.lines
    assert len(line.points.split()) == len(study.pareto)
    heights = [float(point.split(",")[1]) for point in line.points.split()]
    assert heights == sorted(heights)  # to the right AP grows, so AP_rare falls
    assert search_charts.pareto(search_record(models=("detr",)), study) is None


def test_a_search_without_a_single_figure_still_has_a_page(make_search, search_record):
    record = search_record(models=("detr",), trials=0, final=None)
    page = rendered(make_search(record, records=[]))
    assert "No trial has a figure yet" in page and "no trial has finished" in page
    assert "0 trials of 40 asked for" in page


def test_one_page_and_its_figures(make_search, search_record, monkeypatch):
    monkeypatch.setattr(figures, "SEARCH_PLOTS", figures.SEARCH_PLOTS[:1])
    root = make_search(search_record(models=("detr",)))
    assert write_search_report(root) == root / "report.html"
    assert sorted(path.name for path in (root / "figures").iterdir()) == [
        "detr-history.png",
        "detr-history.svg",
    ]


@pytest.mark.parametrize("plot", figures.SEARCH_PLOTS, ids=lambda plot: plot.name)
def test_every_figure_is_drawn_or_has_nothing_to_show(make_search, search_record, plot):
    record = search_record(models=("detr",), objectives=("AP", "AP_rare"), trials=12)
    search = read_search(make_search(record))
    assert plot.draw(search, finals(search)[0]) is not None
    bare = search_record(models=("detr",), trials=0, final=None)
    search = read_search(make_search(bare, records=[]))
    assert plot.draw(search, finals(search)[0]) is None
