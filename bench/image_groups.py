"""Images that belong together: a split keeps them together, and a test split is resampled by them."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath


def grouper(rule: str) -> "re.Pattern[str] | None":
    """The pattern of a split's `group` rule; None for `folder`.

    Raises ValueError for an invalid regular expression or one without a group.
    """
    if rule == "folder":
        return None
    if rule == "roboflow":
        return re.compile(r"^(.*?)\.rf\.[0-9A-Za-z]+(?:\.[^.]*)?$")
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    if not pattern.groups:
        raise ValueError("has no group: put the part that names the group in parentheses")
    return pattern


def groups(names: Sequence[str], rule: str) -> list[str]:
    """The group of each image; an image that the rule does not match is a group of its own.

    `roboflow` and regular expressions are applied to the file name without its folders, so that the same
    stem in train and in test is one group. Raises ValueError for an invalid rule.
    """
    pattern = grouper(rule)
    if pattern is None:
        return [str(PurePosixPath(name).parent) for name in names]
    found = (pattern.search(name.rsplit("/", 1)[-1]) for name in names)
    return [
        match.group(1) if match and match.group(1) is not None else name
        for match, name in zip(found, names, strict=True)
    ]
