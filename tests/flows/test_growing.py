"""A file that grows byte by byte, in a real folder, turn by turn: the end is the whole file's."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from flows.folder import known
from flows.inbox import accounts, total
from flows.laboratory import take
from flows.rig import load
from loop.campaign import Campaign
from loop.run import Worker
from tests.flows.furnace import campaign


def asked(folder: Path, encoding: str) -> Sequence[str]:
    """The ids of four samples, asked by a campaign in that folder."""
    (folder / "results").mkdir(parents=True)
    said = f'encoding = "{encoding}"' if encoding == "cp1252" else ""
    (folder / "campaign.toml").write_text(campaign(said))
    return [each.id for each in take(load(folder), Worker()).pending]


def state(campaign: Campaign) -> tuple[object, ...]:
    """What came in: values, points, failures, what is contradicted; turns propose more between."""
    values = [(r.candidate.id, r.values, r.point, r.repeats) for r in campaign.results]
    failures = [(each.id, failed.kind) for each, failed in campaign.failures]
    return values, failures, list(campaign.torn)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_a_file_that_grows_byte_by_byte_ends_as_the_whole_file(tmp_path, encoding):
    """A turn is taken at every byte; the state is then that of the file handed in at once."""
    ends = []
    for way in ("grown", "whole"):
        folder = tmp_path / way
        a, b, *_ = asked(folder, encoding)
        text = f"id;strength [MPa];who\n{a};1,5;Zoë\n{b};25;\n{b};2;\n"
        raw = text.encode(encoding)
        rig = load(folder)
        for cut in range(1, len(raw)) if way == "grown" else ():
            (folder / "results" / "slow.csv").write_bytes(raw[:cut])
            take(rig, Worker())
        (folder / "results" / "slow.csv").write_bytes(raw)
        take(rig, Worker())
        ends.append(state(known(folder)[0]))
        assert total(accounts(known(folder)[0])).balances
    assert ends[0] == ends[1]
    assert ends[1][0]
