"""A family's own words: typed, and all problems at once."""

import pytest
from pydantic import BaseModel, ConfigDict, Field

from bench.adapters import options
from bench.errors import ConfigError


class _Words(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    queries: int = Field(100, ge=1)
    dropout: float = 0.1


def test_what_is_given_stands_over_the_defaults() -> None:
    assert options.read(_Words, {"queries": 6}, "detr") == _Words(queries=6, dropout=0.1)


def test_an_unknown_word_gets_a_guess() -> None:
    with pytest.raises(ConfigError, match=r"(?s)options\.querys.*did you mean `queries`") as caught:
        options.read(_Words, {"querys": 6}, "detr")
    assert caught.value.value == 6


def test_all_problems_come_together() -> None:
    with pytest.raises(ConfigError) as caught:
        options.read(_Words, {"queries": 0, "dropout": "much", "xyz": 1}, "detr")
    text = str(caught.value)
    assert "options.queries" in text
    assert "options.dropout" in text
    assert "options.xyz" in text
    assert "known: queries, dropout" in text
