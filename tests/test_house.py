"""The house itself: its size limits, its lock, its names and its docstrings."""

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PACKAGES = ("loop", "oracles", "flows")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)$", (ROOT / "requirements.lock").read_text()))
MAX_LINES = 50  # STYLE: at most 2% of the functions of the codebases we follow are longer

Function = ast.FunctionDef | ast.AsyncFunctionDef

every_module = pytest.mark.parametrize(
    "module", MODULES, ids=lambda path: str(path.relative_to(ROOT))
)


def lines(node: ast.stmt) -> int:
    """The lines that a statement spans, decorators left out."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def lines_of_code(function: Function) -> int:
    """The lines of a function without its docstring, which is a specification and may be long."""
    docstring = lines(function.body[0]) if ast.get_docstring(function) else 0
    return lines(function) - docstring


def public_definitions(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    """The public classes and functions of a body, and those of its classes in turn."""
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body)


@every_module
def test_functions_stay_short(module):
    """No function has more lines of code than MAX_LINES."""
    functions = (n for n in ast.walk(ast.parse(module.read_text())) if isinstance(n, Function))
    long = {f.name: lines_of_code(f) for f in functions if lines_of_code(f) > MAX_LINES}
    assert long == {}


@every_module
def test_everything_public_has_a_docstring(module):
    """A module, its public classes, their public methods and its functions say what they are."""
    tree = ast.parse(module.read_text())
    assert ast.get_docstring(tree), "the module says why the file exists"
    assert [n.name for n in public_definitions(tree.body) if not ast.get_docstring(n)] == []


def test_the_lock_has_no_cuda():
    """The lock installs on a machine without a GPU: no CUDA package, no compiler for one."""
    assert [name for name in PINS if re.match(r"cuda|nvidia|triton", name)] == []


def test_the_lock_ties_nobody_to_a_source():
    """Every line is a plain pin: no option, no address, no hash, no local version suffix."""
    text = (ROOT / "requirements.lock").read_text()
    assert [x for x in text.splitlines() if not re.fullmatch(r"#.*|[\w.-]+==[\w.!]+", x)] == []


@pytest.mark.parametrize("group", ["dependencies", "dev"])
def test_the_lock_satisfies_what_is_declared(group):
    """Every declared dependency is locked at a version it allows."""
    declared = PROJECT["optional-dependencies"] | {"dependencies": PROJECT["dependencies"]}
    for requirement in map(Requirement, declared[group]):
        assert requirement.name in PINS
        assert PINS[requirement.name] in requirement.specifier, requirement


@pytest.mark.parametrize("name", ["prefect", "fastapi", "sqlalchemy"])
def test_what_is_installed_obeys_the_caps(name):
    """Prefect installs and then breaks beside a too new FastAPI or SQLAlchemy."""
    declared = {r.name: r for r in map(Requirement, PROJECT["dependencies"])}
    assert version(name) in declared[name].specifier


@pytest.mark.parametrize("package", PACKAGES)
def test_nobody_else_owns_our_packages(package):
    """A foreign distribution of the same name would overwrite ours silently."""
    assert set(packages_distributions().get(package, [])) <= {PROJECT["name"]}
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin == str(ROOT / package / "__init__.py")


@pytest.mark.xdist_group("house")
def test_groups_of_tests_stay_on_one_worker(request):
    """What shares a server is sent where it runs: with some pytest, pytest-xdist forgets it."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("nobody has asked for groups: --dist loadgroup")
    assert request.node.nodeid.endswith("@house")
