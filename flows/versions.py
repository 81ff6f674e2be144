"""Versions of packages with which Prefect's server breaks, although pip installs them.

Looked at by `athanor check`, and by whoever is about to start a server.
"""

from importlib.metadata import PackageNotFoundError, version

from loop.errors import LoopError

# The first versions that break it: it dies at start, its schedules create nothing, and what comes
# after version 3 is unknown.
CAPS = {"fastapi": (0, 151), "sqlalchemy": (2, 1), "prefect": (4,)}


def versions() -> list[tuple[str, str, str]]:
    """Each package, the version that is installed, and what is wrong with it."""
    said = []
    for package, cap in CAPS.items():
        try:
            found = version(package)
        except PackageNotFoundError:
            said.append((package, "", "not installed"))
            continue
        parts = tuple(int(part) for part in found.split(".")[: len(cap)] if part.isdecimal())
        below = ".".join(map(str, cap))
        wrong = "" if parts < cap else f"{found}: Prefect's server needs it below {below}"
        said.append((package, found, wrong))
    return said


def require() -> None:
    """Raise LoopError for a package with which a server would break, or silently do nothing."""
    for package, _, wrong in versions():
        if wrong:
            raise LoopError(
                package, "a version that Prefect's server works with", wrong, "Install another."
            )
