"""The campaign folder: made from a template, and where it keeps its memory.

Light, because `athanor status` reads no more than this and the ledger.
"""

import tomllib
from collections.abc import Mapping
from hashlib import blake2b
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Literal, TypeAlias

import sqlalchemy as sa

from loop.campaign import Campaign
from loop.errors import CampaignError, LedgerError, SettingsError
from loop.ledger import Ledger
from loop.records import Event, Json, Opened

FILE = "campaign.toml"
SCHEMA = "campaign.schema.json"
DATABASE = "ledger.db"
REPORT = "report.html"

Template: TypeAlias = Literal["alloy", "dft", "lab", "table", "own"]


def digest(folder: Path) -> str:
    """What tells one campaign folder from another."""
    return blake2b(str(folder).encode(), digest_size=6).hexdigest()


def read(folder: Path) -> dict[str, Json]:
    """The tables of the folder's campaign.toml, as written; SettingsError if unreadable."""
    path = folder / FILE
    remedy = f"Make one with `athanor init {folder}`, or name another folder."
    if not folder.is_dir():
        raise SettingsError(str(folder), "a campaign folder", "no such folder", remedy)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(str(folder), f"a folder with a {FILE}", "none in it", remedy) from None
    except OSError as error:
        remedy = "Correct its permissions."
        raise SettingsError(str(path), "a readable file", str(error.strerror), remedy) from error
    except UnicodeDecodeError as error:
        raise SettingsError(str(path), "text in UTF-8", str(error), "Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        remedy = "Strings need quotes, lists commas; see https://toml.io for the rest."
        raise SettingsError(str(path), "a TOML file", f"a syntax error: {error}", remedy) from error


def ledger_url(folder: Path, raw: Mapping[str, Json]) -> str:
    """The database of the folder's ledger: its own file, or what [run] ledger says.

    A relative SQLite path is relative to the folder, wherever the command is given.
    """
    run = raw.get("run")
    stated = run.get("ledger") if isinstance(run, Mapping) else None
    if stated is None:
        return f"sqlite:///{folder.absolute() / DATABASE}"
    try:
        url = sa.engine.make_url(stated)
    except (sa.exc.ArgumentError, ValueError, TypeError) as error:
        expected = "a database URL such as 'postgresql://user@host/database'"
        where = f"{folder / FILE}: run.ledger"
        raise SettingsError(where, expected, repr(stated), "Correct it.") from error
    if url.get_backend_name() == "sqlite" and url.database:
        url = url.set(database=str(folder.absolute() / url.database))
    return url.render_as_string(hide_password=False)


def remembered(folder: Path) -> tuple[Campaign, list[tuple[str, Event]]] | None:
    """What the folder's ledger holds, with times; None before the campaign was opened.

    Nothing is built from campaign.toml and nothing is written: the ledger holds the problem.
    """
    raw = read(folder)
    url = ledger_url(folder, raw)
    database = sa.engine.make_url(url)
    if database.get_backend_name() == "sqlite" and not Path(database.database or "").exists():
        return None
    entries = _entries(url, str(raw.get("name")))
    match entries:
        case []:
            return None
        case [(_, Opened(problem=problem)), *_]:
            return Campaign.replay(problem, (event for _, event in entries)), entries
        case _:
            raise CampaignError("event 1", "Opened", type(entries[0][1]).__name__, "It is damaged.")


def _entries(url: str, campaign: str) -> list[tuple[str, Event]]:
    """The entries of a ledger, also where nothing can be written: read-only, or the disk is full.

    SQLite then cannot make the files beside its own in which those who share it agree. Where there
    is nothing in a log beside it, it is read as it stands.
    """
    try:
        return Ledger(url, campaign).entries()
    except LedgerError:
        file = sa.engine.make_url(url)
        log = Path(f"{file.database}-wal")
        if file.get_backend_name() != "sqlite" or (log.exists() and log.stat().st_size > 0):
            raise
        still = file.set(database=f"file:{file.database}").update_query_dict(
            {"mode": "ro", "immutable": "1", "uri": "true"}
        )
        return Ledger(still.render_as_string(hide_password=False), campaign).entries()


def known(folder: Path) -> tuple[Campaign, list[tuple[str, Event]]]:
    """As `remembered`, where there must be something; SettingsError where there is nothing."""
    found = remembered(folder)
    if found is None:
        remedy = f"Start it: athanor run {folder}"
        raise SettingsError(str(folder), "a campaign that was started", "an empty ledger", remedy)
    return found


def create(
    folder: Path, template: Template, schema: str, names: Mapping[str, str] | None = None
) -> None:
    """A campaign folder from a template; SettingsError where one is there or none can be.

    `names` are words of the template that its files, and what they are called, spell otherwise.
    """
    if (folder / FILE).exists():
        remedy = "Choose another folder; a campaign is never overwritten."
        raise SettingsError(str(folder), f"a folder without a {FILE}", "one that has it", remedy)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _copy(files("flows") / "templates" / template, folder, names or {})
        (folder / SCHEMA).write_text(schema, encoding="utf-8")
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}"
        remedy = "Choose a folder that you may write to."
        raise SettingsError(str(folder), "a folder to write in", reason, remedy) from error


def _copy(source: Traversable, folder: Path, names: Mapping[str, str]) -> None:
    for item in source.iterdir():
        name, content = item.name, b"" if item.is_dir() else item.read_bytes()
        for word, other in names.items():
            name, content = (
                name.replace(word, other),
                content.replace(word.encode(), other.encode()),
            )
        if item.is_dir() and name != "__pycache__":
            (folder / name).mkdir(exist_ok=True)
            _copy(item, folder / name, names)
        elif item.is_file() and not name.startswith("."):
            (folder / name).write_bytes(content)


def require_writable(folder: Path) -> None:
    """Raise LedgerError unless files can be made in the folder."""
    try:
        TemporaryFile(dir=folder).close()  # nameless: several processes may ask at once
    except OSError as error:
        remedy = "Make it writable, and run it again; what is on record is safe."
        raise LedgerError(
            str(folder), "a folder to write in", str(error.strerror), remedy
        ) from error
