import pytest

from bench.records import LedgerEntry, LossRecord
from bench.reports import training
from bench.reports.comparison import compare
from bench.reports.page import render


@pytest.fixture
def comparison(make_run):
    return compare([make_run()])[0]


def test_words_that_differ_are_marked(comparison):
    rows = {row.setting: row for row in training.facts(comparison)}
    assert rows["pretrained on"].values == ("nothing", "COCO <b>train2017</b>", "nothing")
    assert rows["pretrained on"].differs
    assert not rows["images seen"].differs
    assert rows["training time"].values[0] == "95 s / 96 s"


def test_classes_of_weights_that_were_not_trained_are_shown(make_run, make_record, comparison):
    assert training.CLASS_MAP not in {row.setting for row in training.facts(comparison)}
    found = make_record("detr", 0, 0.5)
    names = {"cup": "cup", "bone": None}
    found = found.model_copy(
        update={"description": found.description.model_copy(update={"class_map": names})}
    )
    both = compare([make_run(records=[found, make_record("yolo-n", 0, 0.6)])])[0]
    (row,) = (row for row in training.facts(both) if row.setting == training.CLASS_MAP)
    assert sorted(row.values) == ["cup: cup, bone: none", "\N{EN DASH}"]


def test_recipes_are_compared_word_by_word(comparison):
    rows = {row.setting: row for row in training.recipe_settings(comparison)}
    assert rows["lr"].values == ("0.01", "0.01", "0.001")
    assert [setting for setting, row in rows.items() if row.differs] == ["lr"]
    assert rows["amp"].values == ("no", "no", "no")


def test_the_ledger_names_each_entry_once(comparison):
    (row,) = training.ledger(comparison)
    assert (row.contestant.label, row.entry.setting) == ("yolo-n", "multi_scale")


def test_the_ledger_has_what_only_the_training_pictures_could_tell(make_run, make_record):
    note = LedgerEntry(setting="queries", asked="6", used="6", why="5 objects in a picture")
    told = make_record("detr", 0, 0.5)
    told = told.model_copy(update={"training": told.training.model_copy(update={"notes": (note,)})})
    (row,) = training.ledger(compare([make_run(records=[told])])[0])
    assert (row.contestant.label, row.entry) == ("detr", note)


def test_own_words_and_native_figures(comparison):
    ((contestant, options),) = training.own_options(comparison)
    assert (contestant.label, options) == ("detr", [("queries", "6")])
    (native,) = training.native_metrics(comparison)
    row = training.NativeRow("mAP50-95", "0.525", "AP", "0.530", "\N{MINUS SIGN}0.005")
    assert (native.contestant.label, native.rows) == ("yolo-n", (row,))


def test_native_figures_stand_beside_ours_with_the_differences(make_run, make_record):
    note = LedgerEntry(setting="interpolation", asked="101 recalls", used="straight lines", why="lower")
    record = make_record("yolo-n", 0, 0.5)
    record = record.model_copy(
        update={
            "native_metrics": {"mAP50": 0.7, "recall": 0.4, "fitness": 0.3},
            "training": record.training.model_copy(update={"native_notes": (note,)}),
        }
    )
    comparisons = compare([make_run(records=[record])])
    (native,) = training.native_metrics(comparisons[0])
    assert [(row.counterpart, row.difference) for row in native.rows] == [
        ("AP50", f"{0.7 - record.val.coco.AP50:+.3f}".replace("-", "\N{MINUS SIGN}")),
        ("recall", f"{0.4 - record.val.operating_point.recall:+.3f}".replace("-", "\N{MINUS SIGN}")),
        ("\N{EN DASH}", "\N{EN DASH}"),
    ]
    page = render(comparisons)
    assert "<td>101 recalls</td><td>straight lines</td><td>lower</td>" in page


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\N{EN DASH}"),
        (True, "yes"),
        (1e-4, "0.0001"),
        ((0.8,), "0.8"),
        ([], "none"),
        ({"a": 1}, "a: 1"),
    ],
)
def test_plain(value, text):
    assert training.plain(value) == text


def test_a_final_training_is_told_beside_the_model_that_was_chosen(make_run, make_final, comparison):
    assert training.FINAL not in {row.setting for row in training.facts(comparison)}
    both = compare([make_run(records=[make_final("detr", 0, 0.5, 0.625)])])[0]
    (row,) = (row for row in training.facts(both) if row.setting == training.FINAL)
    (told,) = row.values
    assert told.startswith("7 epochs on 330 images (5,376 seen, 336 steps, 95 s); ")
    assert told.endswith("the model chosen on val has a test AP of 0.500")


def test_what_the_switch_came_to_is_shown_per_model(make_run, make_record, comparison):
    assert training.class_loss(comparison) == []
    standard = make_record("detr", 0, 0.5)
    loss = LossRecord(
        train_counts={"few": 10, "many": 90}, class_weights={"few": 5.0, "many": 5 / 9},
        background_weight=0.1, scale=1.25, normalised=True, formula="s sum w b l / sum b",
    )  # fmt: skip
    weighted = make_record("yolo-n", 0, 0.6)
    weighted = weighted.model_copy(update={"training": weighted.training.model_copy(update={"loss": loss})})
    (both,) = compare([make_run("two", records=[standard, weighted])])
    rows = {row.setting: row.values for row in training.class_loss(both)}
    dash = "\N{EN DASH}"
    assert rows["formula"] == ("s sum w b l / sum b", dash)
    assert rows["weight of few (10 boxes)"] == ("5.00", dash)
    assert list(rows)[-2:] == ["weight of many (90 boxes)", "weight of few (10 boxes)"]
    assert rows["scale"] == ("1.25", dash)


def test_words_of_the_loss_stand_one_by_one(make_run, make_record):
    recipe = {"epochs": 3, "loss": {"classification": "focal", "focal_gamma": 2.0, "l1_cost": None}}
    (comparison,) = compare([make_run(records=[make_record("a", 0, 0.5, recipe=recipe)])])
    rows = {row.setting: row.values for row in training.recipe_settings(comparison)}
    assert rows == {"epochs": ("3",), "loss.classification": ("focal",), "loss.focal_gamma": ("2",)}
