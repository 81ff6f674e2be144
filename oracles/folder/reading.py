"""How the files of a laboratory are to be read, where they do not say it themselves."""

import codecs
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import Literal, TypeAlias

from loop.errors import OracleError
from loop.records import Kind

Delimiter: TypeAlias = Literal[",", ";", "\t", "|"]
Censoring: TypeAlias = Literal["flag", "limit", "half"]

HANDLING = ("settle_s", "file_mb", "poll_s")  # of files, whatever is in them


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What campaign.toml declares of files.

    encoding    of files that are not in UTF-8 and carry no byte order mark
    decimal     the decimal mark of files that do not show it
    delimiter   between cells, where it is none of comma, semicolon and tab
    sheet       the one sheet of a workbook that is read; else all that have a candidate column
    columns     our header for a header as an instrument writes it
    lines       true for files whose every line is a header and its value
    id_in_name  a regular expression whose group `id` is the candidate in a file's name
    reader      `file.py:function` that makes rows of the files of `files`
    statuses    what a word in `status` means, besides the words that are always understood
    plausible   lowest and highest value that can be, by target, in its unit
    tolerance   how far a parameter as executed may be off before it is noted, in its unit
    limit       how far it may be off before the row is rejected
    censored    what is made of `<0.5`: noted, or used as the limit, or as half of it
    detection   the limit that `<LOD` means, by target, in its unit
    ad_hoc      whether rows without a candidate are taken
    file_mb     the largest file that is read
    settle_s    how long a file that has just been written is watched before it is read
    poll_s      how often a folder is looked at whose changes nobody tells, such as a network share
    """

    encoding: str | None = None
    decimal: Literal[".", ","] | None = None
    delimiter: Delimiter | None = None
    sheet: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    lines: bool = False
    id_in_name: str | None = None
    reader: str | None = None
    files: str = ""
    statuses: Mapping[str, Kind] = field(default_factory=dict)
    plausible: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    tolerance: Mapping[str, float] = field(default_factory=dict)
    limit: Mapping[str, float] = field(default_factory=dict)
    censored: Censoring = "flag"
    detection: Mapping[str, float] = field(default_factory=dict)
    ad_hoc: bool = False
    file_mb: float = 64.0
    settle_s: float = 0.0
    poll_s: float | None = None

    def __post_init__(self) -> None:
        """Raise OracleError for an encoding that does not exist."""
        try:
            codecs.lookup(self.encoding or "utf-8")
        except LookupError as error:
            raise OracleError(
                "oracle.encoding", "an encoding such as 'cp1252'", repr(self.encoding)
            ) from error

    @property
    def digest(self) -> str:
        """Tells readings apart; empty for the usual one."""
        plain = asdict(self)
        usual = asdict(Reading())
        said = {k: v for k, v in plain.items() if v != usual[k] and k not in HANDLING}
        text = json.dumps(said, sort_keys=True)
        return blake2b(text.encode(), digest_size=4).hexdigest() if said else ""

    @property
    def lack(self) -> str:
        """What is missing where no line of a file is a header."""
        if self.id_in_name or self.ad_hoc or self.reader:
            return "no column 'candidate', and none of a target, such as one of [oracle.columns],"
        return "no column 'candidate'"

    def named(self, header: str) -> str:
        """The header that is meant."""
        return self.columns.get(header, header)
