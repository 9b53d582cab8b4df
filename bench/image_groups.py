"""Images that belong together: a split keeps them together, and a test split is resampled by them."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import regex

_LONGEST_MATCH_S = 1.0
"""Seconds that matching one name may take: some expressions need exponential time. `re` has no such limit."""


def grouper(rule: str) -> "regex.Pattern[str] | None":
    """The pattern of a split's `group` rule; None for `folder`.

    Raises ValueError for an invalid regular expression or one without a group.
    """
    if rule == "folder":
        return None
    if rule == "roboflow":
        return regex.compile(r"^(.*?)\.rf\.[0-9A-Za-z]+(?:\.[^.]*)?$")
    try:
        pattern = regex.compile(rule)
    except regex.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    if not pattern.groups:
        raise ValueError("has no group: put the part that names the group in parentheses")
    return pattern


def merged(groups: Sequence[str], contents: Sequence[str] | None) -> list[str]:
    """`groups`, where those that share a content are one: the group of each image, (N,)."""
    if contents is None or len(set(contents)) == len(contents):
        return list(groups)
    first_of: dict[str, str] = {}
    parent = {group: group for group in groups}

    def root(group: str) -> str:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group

    for group, content in zip(groups, contents, strict=True):
        one, other = sorted((root(group), root(first_of.setdefault(content, group))))
        parent[other] = one
    return [root(group) for group in groups]


def of_coco(images: Sequence[Mapping[str, Any]], rule: str) -> list[str]:
    """The group of each image of a layout's COCO json: as stated there, or else by the rule for names."""
    named = groups([str(image.get("source") or image["file_name"]) for image in images], rule)
    return [str(image.get("group", group)) for image, group in zip(images, named, strict=True)]


def groups(names: Sequence[str], rule: str) -> list[str]:
    """The group of each image; an image that the rule does not match is a group of its own.

    `roboflow` and regular expressions are applied to the file name without its folders, so that the same
    stem in train and in test is one group. Raises ValueError for an invalid rule.
    """
    pattern = grouper(rule)
    if pattern is None:
        return [str(PurePosixPath(name).parent) for name in names]
    try:
        found = [pattern.search(name.rsplit("/", 1)[-1], timeout=_LONGEST_MATCH_S) for name in names]
    except TimeoutError:
        raise ValueError("takes too long to match: avoid nested repetition such as (a+)+") from None
    return [
        match.group(1) if match and match.group(1) is not None else name
        for match, name in zip(found, names, strict=True)
    ]
