"""The tables of campaign.toml that make a space, and one sentence for each slip in them."""

import tomllib

import pytest

from flows.problem import stated
from loop.errors import SettingsError
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal
from loop.space.rules import Dependent, Excluded, Expression, Linear, Span

REST = """
[[target]]
name = "yield"
unit = "%"
goal = "max"
[oracle]
kind = "folder"
[stop]
evaluations = 10
"""
PARAMETERS = """
name = "coupling"
shared = ["T"]
[[parameter]]
kind = "continuous"
name = "T"
low = 300
high = 500
unit = "K"
past = 400
[[parameter]]
kind = "integer"
name = "cycles"
low = 1
high = 9
[[parameter]]
kind = "ordinal"
name = "load"
levels = [1, 2, 5, 10]
unit = "%"
log = true
[[parameter]]
kind = "ordinal"
name = "purity"
levels = ["crude", "technical", "pure"]
[[parameter]]
kind = "categorical"
name = "solvent"
values = ["water", "DMF"]
descriptors = {water = [78.4, 1.0], DMF = [36.7, 0.94]}
descriptor_names = ["permittivity", "density"]
[[parameter]]
kind = "composition"
name = "alloy"
elements = ["Cu", "Pd"]
past = {Cu = 1.0}
"""
RULES = """
[[constraint]]
terms = {cycles = 1, load = 2}
high = 20
[[constraint]]
expression = "T * cycles <= 4000"
[[constraint]]
exclude = {solvent = ["water"], T = {min = 373}}
[[constraint]]
dependent = {parameter = "cycles", on = "purity", values = ["pure"], otherwise = 1}
"""


def space(text, folder):
    """The space of a campaign file."""
    return stated(folder, tomllib.loads(text))[1].space


def test_every_kind_of_parameter_is_made(tmp_path):
    """One of each, as the file states it."""
    made = space(PARAMETERS + REST, tmp_path)
    water = {"water": (78.4, 1.0), "DMF": (36.7, 0.94)}
    assert made.shared == ("T",)
    assert made.parameters == (
        Continuous(name="T", low=300.0, high=500.0, unit="K", past=400.0),
        Discrete(name="cycles", low=1.0, high=9.0, step=1.0),
        Ordinal(name="load", levels=(1.0, 2.0, 5.0, 10.0), unit="%", log=True),
        Ordinal(name="purity", levels=("crude", "technical", "pure")),
        Categorical(
            name="solvent",
            values=("water", "DMF"),
            descriptors=water,
            descriptor_names=("permittivity", "density"),
        ),
        Composition(name="alloy", elements=("Cu", "Pd"), past={"Cu": 1.0}),
    )


def test_every_kind_of_rule_is_made(tmp_path):
    """One of each, as the file states it."""
    text = (PARAMETERS + RULES + REST).replace("log = true\n", "")
    assert space(text, tmp_path).constraints == (
        Linear(terms={"cycles": 1.0, "load": 2.0}, high=20.0),
        Expression(text="T * cycles <= 4000"),
        Excluded(when={"solvent": ("water",), "T": Span(min=373.0)}),
        Dependent(parameter="cycles", on="purity", values=("pure",), otherwise=1.0),
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("high = 9", "high = 9.5", r"parameter\.cycles\.high: expected .*integer"),
        ("[1, 2, 5, 10]", "[1, 5, 2]", r"space\.load\.levels: .* ascending order"),
        ("[1, 2, 5, 10]", '[1, "two"]', r"space\.load\.levels: .* all numbers or all names"),
        ("[1, 2, 5, 10]", "[0, 1]", r"space\.load\.levels: .* above 0, because log = true"),
        ("DMF = [36.7, 0.94]", "DMF = [36.7]", r"descriptors\.DMF: expected 2 finite numbers"),
        ("DMF = [36.7, 0.94]", "DMSO = [36.7, 1]", r"descriptors: expected those of water, DMF"),
        ("[36.7, 0.94]", "[36.7, 1.0]", r"density to differ .* Remove it"),
        (', "density"]', "]", r"descriptor_names: expected 2 different names"),
        ('shared = ["T"]', 'shared = ["p"]', r"shared: expected parameters among T, .* got 'p'"),
        ("past = 400", 'past = "cold"', r"parameter\.T\.past"),
        (
            "past = {Cu = 1.0}",
            "past = {Cu = 0.5}",
            r"alloy\.past: expected fractions that sum to 1",
        ),
        ("high = 20", "high = 0", r"constraint 1 \(cycles \+ 2 load <= 0\).* none is left"),
        ("T * cycles <= 4000", "T * cycle <= 4000", r"constraint 2 .* got 'cycle'"),
        ("T * cycles <= 4000", "T.real() <= 4000", r"constraint\[2\] .*: expected numbers, names"),
        ('["water"], T', '["oil"], T', r"constraint 3 .*, solvent: expected one of water, DMF"),
        ("{min = 373}", "{mn = 373}", r"exclude.*mn"),
        (
            "otherwise = 1}",
            "otherwise = 99}",
            r"constraint 4 .*, otherwise: expected a value from 1 to 9",
        ),
        (
            "terms = {",
            'expression = "T <= 400"\nterms = {',
            r"constraint\[1\]: expected one of terms",
        ),
        (
            'expression = "T * cycles <= 4000"',
            "high = 3",
            r"constraint\[2\]: expected one of terms",
        ),
    ],
)
def test_a_slip_is_named_in_one_sentence(tmp_path, old, new, said):
    """Key, what was expected, what was got."""
    text = (PARAMETERS + RULES + REST).replace("log = true\n", "log = true\n" * ("log" in said))
    assert old in text
    with pytest.raises(SettingsError, match=said) as caught:
        space(text.replace(old, new, 1), tmp_path)
    assert "campaign.toml" in str(caught.value)
