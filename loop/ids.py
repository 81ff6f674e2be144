"""Ids of candidates: a number, and a check code that betrays a typing error, such as `0007-kzf`.

People write them on vials and type them from there. A code alone, other case and missing zeros
still name one candidate; a mistyped letter names none, and the nearest id is told.
"""

import re
from collections.abc import Collection, Iterator
from functools import cached_property
from hashlib import blake2b
from string import digits

CODE_LETTERS = "bcdfghjkmnpqrstvwxyz"  # nothing misread on a vial, no word, no month
WRITTEN = re.compile(r"0*(\d+)\s*-?\s*([a-z]{3})")


def nth_id(campaign: str, seed: int, number: int) -> str:
    """The id of a campaign's n-th candidate."""
    digest = blake2b(f"{campaign}|{seed}|{number}".encode(), digest_size=3).digest()
    return f"{number:04d}-" + "".join(CODE_LETTERS[byte % len(CODE_LETTERS)] for byte in digest)


def code(candidate: str) -> str:
    """The check code of an id: what is written on the vial."""
    return candidate.rpartition("-")[2]


class Register:
    """The ids of a campaign, to be found by whatever a person has written."""

    def __init__(self, ids: Collection[str]) -> None:
        """Keep them; by code as well where one of them is not written as it is."""
        self._ids = ids

    @cached_property
    def _by_code(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for each in self._ids:
            found.setdefault(code(each), []).append(each)
        return found

    def find(self, written: str) -> str | None:
        """The one id that was meant, without guessing; None where there is none or several."""
        if written in self._ids:
            return written
        text = written.strip().casefold()
        parts = WRITTEN.fullmatch(text)
        whole = f"{int(parts[1]):04d}-{parts[2]}" if parts else text
        if whole in self._ids:
            return whole
        named = self._by_code.get(text, [])
        return named[0] if len(named) == 1 else None

    def complaint(self, written: str) -> str:
        """Why nothing is found under what was written, and which id may have been meant."""
        text = written.strip().casefold()
        named = self._by_code.get(text, [])
        if len(named) > 1:
            return f"the code {written!r} is that of {' and '.join(named)}: write the whole id"
        near = next((each for each in _typos(text) if each in self._ids), None)
        meant = f": did you mean {near}?" if near else ""
        return f"no candidate of this campaign has the id {written!r}{meant}"


def _typos(text: str) -> Iterator[str]:
    """What one slip may have made of an id: another check code, or one wrong character."""
    letters = digits + CODE_LETTERS + "-"
    for i in range(len(text) + 1):
        yield from (text[:i] + letter + text[i + 1 :] for letter in letters)
        yield from (text[:i] + letter + text[i:] for letter in letters)
        yield text[:i] + text[i + 1 :]
        yield text[:i] + text[i + 1 : i + 2] + text[i : i + 1] + text[i + 2 :]
