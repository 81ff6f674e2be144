"""A figure of the report by itself, as an SVG file: for places that take an image and no page."""

from functools import cache
from importlib.resources import files

from jinja2 import Template
from markupsafe import Markup

from loop.report.drawing import Mark, Sheet
from loop.report.templates import templates

MARKED = 600  # marks of an image: more hide one another, and each is 80 bytes
IN_A_ROW = 2  # entries of the legend
DARK = "@media"  # where the page's style sheet begins to differ from screen and daylight


def image(sheet: Sheet) -> str:
    """The figure as SVG, on white; of more than MARKED marks every so many, and all of the best."""
    every = -(-len(sheet.marks) // MARKED)
    return _template().render(
        sheet=sheet,
        marks=[mark for i, mark in enumerate(sheet.marks) if i % every == 0 or _leads(mark)],
        rows=-(-len(sheet.keys) // IN_A_ROW),
        css=_css(),
    )


def _leads(mark: Mark) -> bool:
    return bool({"best", "front", "halo"} & set(mark.css.split()))


@cache
def _template() -> Template:
    return templates().get_template("image.svg")


@cache
def _css() -> Markup:
    """The lines of the page's style sheet that are of shapes, and its colours by daylight."""
    sheet = (files("loop.report") / "template" / "page.css").read_text(encoding="utf-8")
    colours, rest = sheet.split(DARK, 1)
    shapes = [
        line
        for line in rest.splitlines()
        if line.startswith(("svg ", "path", ".m", ".grid", ".axis", ".best-line", ".thread", ".q"))
    ]
    daylight = colours.replace("color-scheme: light dark;", "")
    return Markup(daylight + "\n".join(shapes))  # noqa: S704 - our own file
