"""Numbers as people read them; every function takes None for a figure that is not defined."""

import unicodedata
from collections.abc import Mapping
from typing import Any

NOTHING = "\N{EN DASH}"


def share(value: float | None) -> str:
    """AP, recall and other figures between 0 and 1: '0.612'."""
    return NOTHING if value is None else f"{value:.3f}"


def signed(value: float | None) -> str:
    """A difference of shares: '+0.032', a true minus sign where it is negative."""
    return NOTHING if value is None else f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def number(value: float | None) -> str:
    """Three significant digits, whole from 100 on: '0.051', '7.25', '61.0', '1,204'."""
    if value is None:
        return NOTHING
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    if abs(value) >= 0.9995:
        return f"{value:.{2 if abs(value) < 9.995 else 1}f}"
    return f"{value:.2f}" if abs(value) >= 0.0995 else f"{value:.2g}"


def short(value: float | None) -> str:
    """As `number`, without zeros at the end: '0.25', '3', '62', for ticks and counts."""
    text = number(value)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def millions(value: float | None) -> str:
    """'3.01 M', '41.2 k' for what is small, '350' for what is tiny."""
    if value is None:
        return NOTHING
    if abs(value) >= 99_950:
        return f"{number(value / 1e6)} M"
    return f"{number(value / 1e3)} k" if abs(value) >= 1e3 else short(value)


def seconds(value: float | None) -> str:
    """'4.2 s', '48 s', '12 min 30 s', '2 h 05 min'."""
    if value is None:
        return NOTHING
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 100:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(value / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def mebibytes(value: float | None) -> str:
    """From MiB: '812 MiB', '3.4 GiB'."""
    if value is None:
        return NOTHING
    return f"{value / 1024:.1f} GiB" if value >= 1024 else f"{short(value)} MiB"


def bytes_(value: float | None) -> str:
    """From bytes: '6.2 MiB'."""
    return NOTHING if value is None else mebibytes(value / 2**20)


def count(amount: int, one: str, many: str | None = None) -> str:
    """'1 seed', '3 seeds'."""
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


RIGHT_TO_LEFT = ("R", "AL", "RLE", "RLO", "RLI")
"""Unicode's bidirectional classes of such letters and marks."""


def leak_of(manifest: Mapping[str, Any]) -> str | None:
    """A warning about copies of one image in several splits, from a dataset's manifest; None without any."""
    split = manifest.get("split")
    shared = split.get("shared_groups") if isinstance(split, Mapping) else None
    if not shared:
        return None
    return (
        f"{count(shared, 'group')} of images {'is' if shared == 1 else 'are'} in more than one split: "
        "if they look alike (bench data check tells), test figures are too optimistic; "
        "set split.kind: grouped"
    )


ISOLATE, END_OF_ISOLATE = "\u2068", "\u2069"
"""Unicode's first strong isolate and its end: what is between them does not reverse the sentence around."""


def isolated(name: str) -> str:
    """A name for a sentence: between isolates where it is written from right to left."""
    bare = name.replace(ISOLATE, "").replace(END_OF_ISOLATE, "")
    if any(unicodedata.bidirectional(letter) in RIGHT_TO_LEFT for letter in bare):
        return f"{ISOLATE}{bare}{END_OF_ISOLATE}"
    return name


def listed(items: list[str], last: str = "and") -> str:
    """'a', 'a and b', 'a, b and c'."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"
