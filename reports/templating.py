"""Jinja over `templates/`: every value is escaped unless it is one of our own files."""

import re
from collections.abc import Sequence
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from bench.reports import wording
from bench.reports.failures.errors import KINDS, TITLES
from bench.reports.labels import labels
from bench.reports.parts import interval_range

_ISOLATED = re.compile(
    f"{wording.ISOLATE}([^{wording.ISOLATE}{wording.END_OF_ISOLATE}]*){wording.END_OF_ISOLATE}"
)


def render(template: str, **values: object) -> str:
    """The page's text; a name that a template uses and nobody gave is an error."""
    environment = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        share=wording.share,
        number=wording.number,
        short=wording.short,
        signed=wording.signed,
        counted=wording.count,
        listed=wording.listed,
        labels=labels,
        range=interval_range,
        bdi=_bdi,
        kind_title=lambda kind: TITLES[KINDS.index(kind)],
    )
    environment.globals.update(img_src="data:", linked=False)
    return environment.get_template(template).render(**values)


def _bdi(sentence: str) -> Markup:
    """A sentence with its isolated names in <bdi>, which a screen reader and a copy keep apart, too."""
    return Markup(_ISOLATED.sub(r"<bdi>\1</bdi>", str(escape(sentence))))


def trusted(name: str) -> Markup:
    """A style sheet or a script of ours, which goes into the page as it is."""
    return Markup(_text(name))


def script(names: Sequence[str]) -> Markup:
    """Several scripts of ours as one."""
    return Markup("\n").join(trusted(name) for name in names)


def _text(name: str) -> str:
    return resources.files("bench.reports.templates").joinpath(name).read_text(encoding="utf-8")
