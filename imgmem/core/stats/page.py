"""HTML pages that need no other file: templates filled in, all names escaped."""

import re
from typing import Any

from markupsafe import Markup, escape

from imgmem.core.text import printable

_MARKS = re.compile(r"([/_-])")


def render(template: str, **context: Any) -> str:
    """Fill in a template of `templates/`; every name in it is escaped."""
    import jinja2  # it takes a while, and most runs write no page

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("imgmem.core.stats"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["printable"] = printable
    environment.filters["breakable"] = _breakable
    environment.filters["in_words"] = _in_words
    return environment.get_template(template).render(context)


def _breakable(text: Any) -> Markup:
    """Printable text that may be broken after the marks that names are made of."""
    return Markup(_MARKS.sub("\\1<wbr>", str(escape(printable(str(text))))))


def _in_words(value: Any) -> str:
    """An option as people write it: `train 0.8, val 0.2`, `224, 224`."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
