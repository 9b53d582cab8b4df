"""The page of a search: one file, nothing fetched, every name escaped; its charts and its table."""

import re
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

from bench.reports import figures, write_search_report
from bench.reports.search import charts as search_charts
from bench.reports.search.folder import read_search
from bench.reports.search.page import _not_searched, render_search
from bench.reports.search.trials import best_so_far
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
def page(make_search, certain):
    certain(0.0005)
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
        "Trials of detr in order",
        "Importance of the settings",
        "Setting by setting",
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
    steps = best_so_far(study, "AP")
    assert [value for _, value in steps] == sorted(value for _, value in steps)
    assert steps[-1][1] == max(t.values["AP"] for t in study.trials if t.state == "complete")
    assert not {number for number, _ in steps} & {t.number for t in study.trials if t.state != "complete"}


@pytest.fixture
def study(make_search, search_record):
    """study(**record) -> the search and the final of its one study."""

    def study(**changes):
        search = read_search(make_search(search_record(models=("detr",), **changes)))
        return search, finals(search)[0]

    return study


@pytest.mark.slow
def test_of_a_cost_less_is_better(study):
    search, final = study(objectives=("latency_ms",))
    steps = best_so_far(final.study, "latency_ms")
    assert steps[-1][1] == min(t.values["latency_ms"] for t in final.study.trials if t.values)
    chart = search_charts.choices(search, final)[0]
    best = [float(row.note) for row in chart.rows]
    assert best == sorted(best)


@pytest.mark.slow
def test_each_trial_is_marked_by_how_it_ended(study):
    chart = search_charts.history(*study())
    looks = [point.label for point in chart.points]
    assert {look: looks.count(look) for look in looks} == {"complete": 33, "best": 1, "pruned": 4}
    assert [series.label for series in chart.key] == ["complete", "pruned", "best"]


@pytest.mark.slow
def test_slices_show_the_trials_in_which_the_setting_has_a_meaning(study):
    search, final = study()
    charts = {chart.title: chart for chart in search_charts.slices(search, final)}
    complete = [trial for trial in final.study.trials if trial.state == "complete"]
    focal = [trial for trial in complete if "loss.focal_gamma" in trial.setting]
    assert len(charts["loss.focal_gamma"].points) == len(focal) < len(complete)
    assert charts["train.lr"].caption == "logarithmic" and charts["loss.focal_gamma"].caption == ""
    by_setting = {chart.title: chart for chart in search_charts.choices(search, final)}
    assert {row.name for row in by_setting["loss.classification"].rows} == {
        "standard", "weighted", "focal", "weighted_focal",
    }  # fmt: skip


@pytest.mark.slow
def test_two_objectives_give_a_pareto_front(study):
    search, final = study(objectives=("AP", "AP_rare"))
    (line,) = search_charts.pareto(search, final).lines
    assert len(line.xs) == len(final.study.pareto)
    assert list(line.ys) == sorted(line.ys, reverse=True)  # to the right AP grows, so AP_rare falls


@pytest.mark.slow
def test_one_objective_has_no_pareto_front(study):
    assert search_charts.pareto(*study()) is None


def test_a_search_without_a_single_figure_still_has_a_page(make_search, search_record):
    record = search_record(models=("detr",), trials=0, final=None)
    page = rendered(make_search(record, records=[]))
    assert "No trial has a figure yet" in page and "no trial has finished" in page
    assert "0 trials of 40 asked for" in page


@pytest.mark.slow
def test_one_page_and_its_figures(make_search, search_record, monkeypatch):
    monkeypatch.setattr(figures, "SEARCH_FIGURES", {"history": search_charts.history})
    root = make_search(search_record(models=("detr",)))
    assert write_search_report(root) == root / "report.html"
    assert sorted(path.name for path in (root / "figures").iterdir()) == [
        "detr-history.png",
        "detr-history.svg",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", figures.SEARCH_FIGURES)
def test_every_figure_is_drawn_or_has_nothing_to_show(make_search, search_record, name):
    make = figures.SEARCH_FIGURES[name]
    record = search_record(models=("detr",), objectives=("AP", "AP_rare"), trials=12)
    search = read_search(make_search(record))
    assert make(search, finals(search)[0]) is not None
    bare = search_record(models=("detr",), trials=0, final=None)
    search = read_search(make_search(bare, records=[]))
    assert make(search, finals(search)[0]) is None


def test_losses_that_are_in_the_space_of_some_models_only_are_named() -> None:
    space: dict = {"loss.class_coefficient": [1], "models.dino.train.lr": [1]}
    space["models.detr.loss.classification"] = ["focal"]
    studies = [SimpleNamespace(model=name) for name in ("detr", "dino")]
    record = SimpleNamespace(space=space, studies=studies)
    assert _not_searched(record) == ["Not searched for dino: loss.classification."]
    record.space = {"loss.classification": ["focal"]}
    assert _not_searched(record) == []
