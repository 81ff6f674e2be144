"""Inequalities as people write them, `T * t <= 3000`: parsed, never executed.

The text is read by Python's own parser into a tree, of which only numbers, names, arithmetic, a few
functions and comparisons are taken; what is left is worked out on arrays, one value per point.
A name is a parameter, `T`, or an element of a composition, `alloy.Cu`; one that is no identifier
stands in backticks: `` `T anneal` * t <= 3000 ``.
"""

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from itertools import accumulate, pairwise
from math import isfinite
from typing import TypeAlias

import numpy as np

from loop.errors import SpaceError
from loop.space.values import Array

Formula: TypeAlias = Callable[[Mapping[str, Array]], Array]

LONGEST = 500  # characters: the parser's recursion and the reader's patience are both finite
POWER = 64.0  # a larger exponent overflows for any number worth measuring
QUOTED = re.compile(r"`([^`]+)`")

BINARY: Mapping[type[ast.operator], Callable[[Array, Array], Array]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
UNARY: Mapping[type[ast.unaryop], Callable[[Array], Array]] = {
    ast.UAdd: np.positive,
    ast.USub: np.negative,
}
FUNCTIONS: Mapping[str, Callable[[Array], Array]] = {
    "abs": np.abs,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "log10": np.log10,
}
CHOICES: Mapping[str, Callable[[Array, Array], Array]] = {"min": np.minimum, "max": np.maximum}


@dataclass(frozen=True, slots=True)
class Inequality:
    """A parsed text: the names in it, in order, and its excess.

    The excess (n,) of n points is how far the worst of its comparisons is broken, relative to the
    larger side where that is above 1; at most 0 where all are kept, infinite where a side is not
    finite.
    """

    names: tuple[str, ...]
    excess: Formula


@dataclass(frozen=True, slots=True)
class Quantity:
    """A parsed text without a comparison: the names in it, in order, and its values (n,)."""

    names: tuple[str, ...]
    values: Formula


@cache
def parse(text: str) -> Inequality:
    """The inequality that a text states; SpaceError for anything else."""
    parser, tree = _read(text, "constraint", "an inequality such as 'T * t <= 3000'")
    return parser.inequality(tree)


@cache
def quantity(text: str, where: str) -> Quantity:
    """The quantity that a text states, such as `2 + 0.01 * T`; SpaceError for anything else.

    `where` is what an error says the text is.
    """
    parser, tree = _read(text, where, "an expression such as '2 + 0.01 * T'")
    return parser.quantity(tree)


def _read(text: str, where: str, expected: str) -> "tuple[_Parser, ast.expr]":
    """The tree of a text, and what turns it into functions; SpaceError where it has none."""
    quoted: list[str] = []

    def place(found: re.Match[str]) -> str:
        quoted.append(found[1])
        return f"_quoted_{len(quoted) - 1}"

    if len(text) > LONGEST or "_quoted_" in text:
        raise _refused(
            where, text, f"at most {LONGEST} characters, none of them _quoted_", f"{len(text)}"
        )
    parsed = QUOTED.sub(place, text).strip()
    try:
        tree = ast.parse(parsed, mode="eval").body
    except SyntaxError as error:
        raise _refused(where, text, expected, _reason(error, parsed, quoted)) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise _refused(where, text, expected, str(error)) from error
    return _Parser(where, text, quoted), tree


@dataclass(frozen=True, slots=True)
class _Parser:
    """Turns the tree of one text into functions of arrays; `quoted` are its names in backticks."""

    where: str
    text: str
    quoted: Sequence[str]

    def inequality(self, tree: ast.expr) -> Inequality:
        """The comparison at the top, of two sides or, chained, of three."""
        if not isinstance(tree, ast.Compare) or len({type(each) for each in tree.ops}) != 1:
            raise self.refused("one inequality with <= or >=, such as 'T * t <= 3000'", self.text)
        kind = type(tree.ops[0])
        if kind not in (ast.LtE, ast.GtE) or len(tree.ops) > 2:
            raise self.refused("one or two comparisons with <= or >=", self.text)
        sides = [self.formula(side) for side in (tree.left, *tree.comparators)]
        names = dict.fromkeys(self.names(tree))
        if not names:
            raise self.refused("the name of a parameter", "numbers only")
        smaller = sides if kind is ast.LtE else sides[::-1]

        def excess(values: Mapping[str, Array]) -> Array:
            with np.errstate(all="ignore"):
                known = [side(values) for side in smaller]
                broken = [
                    (a - b) / np.maximum(1.0, np.maximum(np.abs(a), np.abs(b)))
                    for a, b in pairwise(known)
                ]
            worst: Array = reduce(np.maximum, broken)
            return np.where(np.isfinite(worst), worst, np.inf)

        return Inequality(tuple(names), excess)

    def quantity(self, tree: ast.expr) -> Quantity:
        """The formula at the top, with its names."""
        formula = self.formula(tree)

        def values(known: Mapping[str, Array]) -> Array:
            with np.errstate(all="ignore"):
                return formula(known)

        return Quantity(tuple(dict.fromkeys(self.names(tree))), values)

    def names(self, tree: ast.expr) -> list[str]:
        """The names below a node, those of functions aside."""
        called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        owners = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        return [
            self.name(node)
            for node in ast.walk(tree)
            if isinstance(node, ast.Name | ast.Attribute) and id(node) not in called | owners
        ]

    def formula(self, node: ast.expr) -> Formula:
        """The function of arrays that a node states."""
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return self.number(number)
            case ast.Name() | ast.Attribute():
                name = self.name(node)
                return lambda values: values[name]
            case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
                change, inner = UNARY[type(op)], self.formula(operand)
                return lambda values: change(inner(values))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                if isinstance(op, ast.Pow):
                    self.check_power(right)
                join, one, other = BINARY[type(op)], self.formula(left), self.formula(right)
                return lambda values: join(one(values), other(values))
            case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]):
                return self.call(function, arguments)
            case _:
                raise self.refused(
                    "numbers, names, + - * / ** ( ) and functions", f"{ast.unparse(node)!r}"
                )

    def number(self, number: float) -> Formula:
        """A constant."""
        try:
            value = np.asarray(float(number))
        except OverflowError:
            value = np.asarray(np.inf)
        if not isfinite(value):
            raise self.refused("finite numbers", "one that is too large")
        return lambda _: value

    def name(self, node: ast.expr) -> str:
        """The label that a node names: `T`, `alloy.Cu`, or what stood in backticks."""
        match node:
            case ast.Name(id=name) if name.startswith("_quoted_"):
                return self.quoted[int(name.removeprefix("_quoted_"))]
            case ast.Name(id=name):
                return name
            case ast.Attribute(value=ast.Name(id=owner), attr=part):
                return f"{owner}.{part}"
            case _:
                raise self.refused("parameter or parameter.element", f"{ast.unparse(node)!r}")

    def check_power(self, exponent: ast.expr) -> None:
        """Raise SpaceError for a stated exponent that can only overflow."""
        if isinstance(exponent, ast.UnaryOp):
            exponent = exponent.operand
        match exponent:
            case ast.Constant(value=int() | float() as power) if abs(power) > POWER:
                raise self.refused(f"powers of at most {POWER:g}", f"** {ast.unparse(exponent)}")
            case _:
                pass

    def call(self, function: str, arguments: Sequence[ast.expr]) -> Formula:
        """A function of one argument, or the least or largest of several."""
        known = [self.formula(argument) for argument in arguments]
        if function in FUNCTIONS and len(known) == 1:
            change, inner = FUNCTIONS[function], known[0]
            return lambda values: change(inner(values))
        if function in CHOICES and len(known) > 1:
            choice = CHOICES[function]
            return lambda values: reduce(choice, [each(values) for each in known])
        if function in FUNCTIONS or function in CHOICES:
            count = "one argument" if function in FUNCTIONS else "two arguments or more"
            raise self.refused(f"{function} of {count}", str(len(known)))
        raise self.refused(f"a function among {', '.join([*FUNCTIONS, *CHOICES])}", f"{function!r}")

    def refused(self, expected: str, got: str) -> SpaceError:
        """The error of this text."""
        return _refused(self.where, self.text, expected, got)


def _reason(error: SyntaxError, parsed: str, quoted: Sequence[str]) -> str:
    """What the parser says is wrong, and where in the text."""
    ends = [0, *accumulate(map(len, parsed.splitlines(keepends=True)))]
    start = ends[(error.lineno or 1) - 1] + (error.offset or 1) - 1
    rest = "" if error.offset == 0 else parsed[start:].strip()  # 0: the text ends too early
    for number, name in reversed([*enumerate(quoted)]):  # reversed: 1 is also the beginning of 10
        rest = rest.replace(f"_quoted_{number}", f"`{name}`")
    return f"{error.msg.split('. ')[0]} {f'at {rest!r}' if rest else 'at its end'}"


def _refused(where: str, text: str, expected: str, got: str) -> SpaceError:
    shown = text if len(text) <= 80 else f"{text[:80]}..."
    return SpaceError(f"{where} {shown!r}", expected, got)
