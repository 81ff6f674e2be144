"""The templates of the page and of its picture, where a name that is missing is an error."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def templates() -> Environment:
    """All of them, without filters of their own; what is put into them is escaped."""
    return Environment(
        loader=PackageLoader("loop.report", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
