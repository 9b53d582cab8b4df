"""`bench data describe` as the terminal prints it."""

from bench.cli.data import shares_of, table_of
from bench.datasets.describe import ClassCounts, Distribution, SplitCounts


def test_the_class_distribution_is_printed_with_its_units() -> None:
    rows = [
        ClassCounts("train", "cat", 30, 8, 0.75, 4 / 3, 0.5),
        ClassCounts("train", "dog", 10, 5, 0.25, 4.0, 1.5),
        ClassCounts("train", "gnu", 0, 0, 0.0, None, None),
    ]
    table = table_of(Distribution((SplitCounts("train", 12, 2, 40),), tuple(rows)))
    found = {str(column.header): [str(cell) for cell in column.cells] for column in table.columns}
    assert found == {
        "split": ["train", "", "", "", ""],
        "class": ["cat", "dog", "gnu", "all", "background"],
        "boxes": ["30", "10", "0", "40", ""],
        "images": ["8", "5", "0", "12", "2"],
        "share": ["75.0%", "25.0%", "0.0%", "100.0%", ""],
        "inverse density": ["1.3", "4.0", "\N{EN DASH}", "", ""],
        "weight": ["0.500", "1.500", "\N{EN DASH}", "", ""],
    }


def test_class_shares_stand_side_by_side() -> None:
    rows = [
        ClassCounts("train", "cat", 10, 8, 0.25, 4.0, 1.5),
        ClassCounts("train", "dog", 30, 5, 0.75, 4 / 3, 0.5),
        ClassCounts("test", "cat", 10, 4, 1.0, 1.0, 1.0),
        ClassCounts("test", "dog", 0, 0, 0.0, None, None),
    ]
    splits = (SplitCounts("train", 12, 2, 40), SplitCounts("test", 4, 0, 10))
    table = shares_of(Distribution(splits, tuple(rows)))
    found = {str(column.header): [str(cell) for cell in column.cells] for column in table.columns}
    assert found == {
        "class": ["dog", "cat"],
        "train": ["75.0%", "25.0%"],
        "test": ["0.0%", "100.0%"],
        "all": ["60.0%", "40.0%"],
    }
