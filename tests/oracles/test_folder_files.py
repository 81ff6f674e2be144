"""The laboratory's files: found, decoded, left alone, archived, and handed back where refused."""

import csv
import os
import stat
import threading
import time
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from loop.campaign import Campaign
from loop.decisions import settling
from loop.errors import OracleError
from loop.records import Event, Ingested, Opened, Proposed
from oracles.folder.rejected import write_rejected
from tests.oracles.laboratory import ASKED, PROBLEM, A, B, drop, lab, only, read, refusal, values

OPEN = (Opened(problem=PROBLEM), Proposed(candidates=ASKED))
TEXT = f"candidate,toughness [J],who\n{A},1.5,Zoë\n{B},2.5,Ada\n"
HEADER = (
    "candidate,code,T [K],gas,alloy.Cu,alloy.Au,repeats wanted,toughness [J],cost,"
    "predicted toughness [J],predicted toughness +- [J],predicted cost,predicted cost +-,"
    "why this one"
)
WORKLIST = f"""\
{HEADER}
{A},abc,400,Ar,1,0,1,,,,,,,Asked for by a person.
{B},abc,512.3456789,N2,0.3333333333,0.6666666667,1,,,,,,,Asked for by a person.
0003-abc,abc,600,Ar,0,1,1,,,,,,,Asked for by a person.
"""


def listing(folder):
    """Every file of a folder with its bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rejected(path):
    """The lines of a file in rejected/."""
    return list(csv.reader(path.read_text().splitlines()))


def test_the_worklist_says_what_to_make_in_which_unit(tmp_path):
    """A row per candidate: code, parameters with units, repeats, an empty cell per target, why."""
    lab(tmp_path).submit(ASKED)
    assert (tmp_path / "worklist" / "worklist.csv").read_text() == WORKLIST
    assert sorted(listing(tmp_path / "worklist")) == [
        ".written.json",
        "form.xlsx",
        "worklist.csv",
        "worklist.html",
        "worklist.xlsx",
    ]


def test_an_unchanged_worklist_is_not_touched(tmp_path):
    """The same candidates again leave the file as it is; others replace it whole."""
    oracle, path = lab(tmp_path), tmp_path / "worklist" / "worklist.csv"
    oracle.submit(ASKED)
    before = path.stat()
    oracle.submit(ASKED)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    oracle.submit(ASKED[:1])
    assert path.read_text().splitlines() == WORKLIST.splitlines()[:2]


def test_a_worklist_can_be_read_by_others(tmp_path):
    """The file has the rights that any new file has, not those of a temporary one."""
    lab(tmp_path).submit(ASKED)
    drop(tmp_path, "x")
    rights = [tmp_path / "worklist" / "worklist.csv", tmp_path / "results" / "results.csv"]
    assert len({stat.S_IMODE(path.stat().st_mode) for path in rights}) == 1


def test_a_worklist_that_cannot_be_written_is_an_error(tmp_path):
    """The error names the file and says what to do."""
    (tmp_path / "worklist").write_text("not a folder")
    with pytest.raises(OracleError, match=r"worklist.*: .*Close it in other programs"):
        lab(tmp_path).submit(ASKED)


def test_a_filled_worklist_is_a_results_file(tmp_path):
    """The worklist itself, filled in, is taken without a change."""
    filled = WORKLIST.replace(",1,,,,,,,", ",1,1.5,3,,,,,")
    receipt = read(tmp_path, filled, name="worklist (1).csv")
    assert len(values(receipt)) == 3
    assert receipt.rejected == ()


@pytest.mark.parametrize("name", ["a.csv", "Übung 3 (final).CSV", "a.tsv", "a.b.txt"])
def test_any_name_will_do(tmp_path, name):
    """The name of a file says nothing but that it is text."""
    assert read(tmp_path, TEXT, name=name).file == name


@pytest.mark.parametrize(
    "name", [".a.csv", "~$a.csv", "a.csv.tmp", "a.csv.part", "a.crdownload", "photo.png", "a"]
)
def test_files_of_programs_and_of_other_kinds_are_not_looked_at(tmp_path, name):
    """What a program keeps beside a file, or is no table, is nobody's answer."""
    assert read(tmp_path, TEXT, name=name) is None


@pytest.mark.parametrize("name", ["a.xlsb", "a.XLS", "a.ods"])
def test_an_old_workbook_is_answered_with_what_to_do(tmp_path, name):
    """A workbook of another kind is not read, and its sender is told."""
    receipt = read(tmp_path, b"PK\x03\x04", name=name)
    assert "save it as .xlsx, or the sheet as CSV" in refusal(receipt).reason


def test_no_results_is_no_error(tmp_path):
    """A folder that is missing, or empty, has nothing ready."""
    oracle = lab(tmp_path)
    assert oracle.collect(ASKED) == ()
    (tmp_path / "results").rmdir()
    assert oracle.collect(ASKED) == ()


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", None),
        ("utf-32", None),
        ("latin-1", "latin-1"),
        ("cp1252", "cp1252"),
        ("utf-8", "latin-1"),
    ],
)
def test_a_known_encoding_reads_the_same(tmp_path, encoding, declared):
    """A byte order mark, UTF-8 or a declaration settles the encoding."""
    receipt = read(tmp_path, TEXT.encode(encoding), encoding=declared)
    assert receipt.observations[0].notes == {"who": "Zoë"}
    assert len(values(receipt)) == 2


@pytest.mark.parametrize("declared", [None, "ascii"])
def test_an_unknown_encoding_is_not_guessed(tmp_path, declared):
    """Latin-1 without a declaration is one rejection that says what to do."""
    receipt = read(tmp_path, TEXT.encode("latin-1"), encoding=declared)
    assert (receipt.rows, receipt.observations, refusal(receipt).row) == (0, (), 0)
    assert "save the file as UTF-8, or declare its encoding" in refusal(receipt).reason


def test_an_encoding_that_does_not_exist_is_refused(tmp_path):
    """A misspelt encoding is an error before any file comes."""
    with pytest.raises(OracleError, match=r"oracle.encoding: .*got 'utf-9'"):
        lab(tmp_path, encoding="utf-9")


def test_what_is_no_file_is_told_of(tmp_path):
    """A folder, a pipe, a link that leads away: each is answered, and keeps no other waiting."""
    drop(tmp_path, TEXT, "a.csv")
    results = tmp_path / "results"
    (results / "b").mkdir()
    os.mkfifo(results / "c.csv")
    (tmp_path / "secret.csv").write_text(TEXT)
    (results / "d.csv").symlink_to(tmp_path / "secret.csv")
    (results / "e.csv").symlink_to("a.csv")
    (results / "f.csv").symlink_to("nothing")
    first, *refused, last = lab(tmp_path).collect(ASKED)
    assert (first.file, last.file, len(values(last))) == ("a.csv", "e.csv", 2)
    assert [refusal(each).reason.split(":")[0] for each in refused] == [
        "a folder",
        "no file but a device or a pipe",
        "a link that leads out of results/",
    ]


def test_a_file_that_is_too_big_is_not_read(tmp_path):
    """The size is looked at first, and the limit is said."""
    receipt = read(tmp_path, TEXT + " " * 2000, file_mb=0.001)
    assert "at most 0.001 are read (oracle.file_mb)" in refusal(receipt).reason


class Rememberer:
    """A laboratory of which everything that was collected is on record."""

    def __init__(self, folder, **options):
        """Nothing but the question is on record yet."""
        self.folder, self.options = folder, options
        self.events: list[Event] = [*OPEN]

    @property
    def last(self):
        """The receipt that was recorded last."""
        event = self.events[-1]
        assert isinstance(event, Ingested)
        return event.receipt

    def turn(self):
        """The files that were read in one more turn, by a process that remembers nothing."""
        oracle, campaign = lab(self.folder, **self.options), Campaign.replay(PROBLEM, self.events)
        oracle.recall(campaign)
        receipts = oracle.collect(ASKED)
        self.events += settling(receipts)(campaign)
        return [receipt.file for receipt in receipts]


def drop_old(folder, content, name="results.csv", seconds=60):
    """Put a file there as if it had been written a while ago."""
    drop(folder, content, name)
    then = time.time() - seconds
    os.utime(folder / "results" / name, (then, then))


def test_what_is_on_record_is_not_read_again(tmp_path):
    """An old file costs a look at its size and times; one that changes is read."""
    laboratory = Rememberer(tmp_path)
    drop_old(tmp_path, TEXT, "a.csv")
    drop_old(tmp_path, TEXT.replace("1.5", "x"), "b.csv")
    assert laboratory.turn() == ["a.csv", "b.csv"]
    assert laboratory.turn() == []
    drop_old(tmp_path, TEXT.replace("Ada", "Bob"), "a.csv")
    assert laboratory.turn() == ["a.csv"]
    (tmp_path / "archive" / ".index.json").write_text("{")
    assert laboratory.turn() == ["a.csv", "b.csv"]


def test_the_index_is_believed_only_where_the_ledger_agrees(tmp_path):
    """A turn that is cut off between reading and recording reads again."""
    laboratory = Rememberer(tmp_path)
    drop_old(tmp_path, TEXT)
    lab(tmp_path).collect(ASKED)
    assert laboratory.turn() == ["results.csv"]
    assert laboratory.turn() == []


def test_what_was_rejected_is_read_again_once_it_is_read_otherwise(tmp_path):
    """A declaration that was missing is added: the file need not be sent again."""
    laboratory = Rememberer(tmp_path)
    drop_old(tmp_path, TEXT.encode("latin-1"))
    laboratory.turn()
    assert laboratory.last.rejected
    laboratory.options = {"encoding": "latin-1"}
    laboratory.turn()
    assert len(laboratory.last.observations) == 2
    count = len(laboratory.events)
    laboratory.turn()
    assert len(laboratory.events) == count


def test_a_file_that_is_being_written_is_left_alone(tmp_path):
    """It is looked at several times; a marker or its age says that it is complete."""
    path, done = tmp_path / "results" / "a.csv", threading.Event()
    drop(tmp_path, TEXT, "a.csv")
    writer = threading.Thread(target=grow, args=(path, done))
    writer.start()
    assert lab(tmp_path, settle_s=0.2).collect(ASKED) == ()
    done.set()
    writer.join()
    (tmp_path / "results" / "a.csv.done").touch()
    (receipt,) = lab(tmp_path, settle_s=100.0).collect(ASKED)
    assert len(values(receipt)) == 2


def test_a_file_that_arrived_whole_is_not_waited_for(tmp_path):
    """One that was renamed, or is old, is read at once; a marker ends its last line."""
    drop(tmp_path, TEXT, "a.csv.part")
    time.sleep(0.02)  # the clock of a file system ticks a few milliseconds
    (tmp_path / "results" / "a.csv.part").rename(tmp_path / "results" / "a.csv")
    drop(tmp_path, TEXT.rstrip(), "b.csv")
    (tmp_path / "results" / "b.csv.done").touch()
    receipts = lab(tmp_path, settle_s=100.0).collect(ASKED)
    assert [len(values(each)) for each in receipts] == [2, 2]


def grow(path, done):
    """Write rows until told."""
    with path.open("a") as file:
        while not done.wait(0.005):
            file.write(f"{A},1.5,Zoe\n")
            file.flush()


def test_a_mended_row_is_dropped_in_again(tmp_path):
    """A file of rejected/ with its cell put right is a results file, whatever it says beside."""
    receipt = read(tmp_path, f"candidate;cost;reason\n{A};1x;\n")
    (path,) = write_rejected(tmp_path, [Ingested(receipt=receipt)], lab(tmp_path).tables)
    (tmp_path / "results" / "results.csv").unlink()
    mended = path.read_text().replace("1x", "1", 1)
    measured = only(read(tmp_path, mended, name="mended.csv"))
    assert (measured.values, measured.notes) == ({"cost": 1.0}, {})
    receipt = read(tmp_path, path.read_text(), name="mended.csv")
    (path,) = write_rejected(tmp_path, [Ingested(receipt=receipt)], lab(tmp_path).tables)
    assert rejected(path)[0] == [
        "candidate;cost;reason;rejected row;rejected column;rejected because"
    ]


def test_a_row_of_a_workbook_goes_back_in_a_workbook(tmp_path):
    """Numbers are numbers in it, whatever the decimal mark of who opens it; mended, it is taken."""
    book = Workbook()
    for line in (["candidate", "cost", "toughness [J]", "who"], [A, "1x", 1.234, "=Zoë"]):
        book.worksheets[0].append(line)
    book.worksheets[0]["D2"].data_type = "s"
    (tmp_path / "results").mkdir()
    book.save(tmp_path / "results" / "a.xlsx")
    oracle = lab(tmp_path)
    (receipt,) = oracle.collect(ASKED)
    (path,) = write_rejected(tmp_path, [Ingested(receipt=receipt)], oracle.tables)
    back = load_workbook(path)
    cells = [box.value for box in back.worksheets[0][2]]
    assert cells[:6] == [A, "1x", 1.234, "=Zoë", 1, "cost"]
    back.worksheets[0]["B2"] = 1
    (tmp_path / "results" / "a.xlsx").unlink()
    back.save(tmp_path / "results" / "mended.xlsx")
    (receipt,) = lab(tmp_path).collect(ASKED)
    measured = only(receipt)
    assert (measured.values, measured.notes) == ({"cost": 1.0, "toughness": 1.234}, {"who": "=Zoë"})


@pytest.mark.parametrize("content", [b"", b"\n", b"  \r\n ", b"\xef\xbb\xbf"])
def test_an_empty_file_is_not_there_yet(tmp_path, content):
    """Nothing is read from a file that somebody has only begun."""
    assert read(tmp_path, content) is None


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_truncated_file_never_gives_a_wrong_value(tmp_path, encoding, newline):
    """Cut at any byte, a file gives whole rows, or a rejection, or nothing yet."""
    text = f"candidate;who;toughness [J]\n{A};Zoë;1,53\n{B};Ada;2534,25\n"
    whole = text.replace("\n", newline).encode(encoding)
    right = {(A, ""): {"toughness": 1.53}, (B, ""): {"toughness": 2534.25}}
    taken = []
    for cut in range(len(whole) + 1):
        receipt = read(tmp_path, whole[:cut])
        taken.append({} if receipt is None else values(receipt))
        assert taken[-1].items() <= right.items()
    assert (taken[0], taken[-1]) == ({}, right)


def test_a_row_without_a_line_break_may_be_cut(tmp_path):
    """The last row of a file that does not end in a line break is rejected, the others taken."""
    receipt = read(tmp_path, TEXT.removesuffix("\n"))
    assert list(values(receipt)) == [(A, "")]
    assert "its last cell may be incomplete" in refusal(receipt).reason


def test_results_are_never_changed(tmp_path):
    """Whatever is in results/, it is the same afterwards, down to the times."""
    for name, content in {"a.csv": TEXT, "b.csv": "x", ".c": "y", "d.xlsx": "z"}.items():
        drop(tmp_path, content, name)
    before = [(p.name, p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.rglob("results/*")]
    for path in [*(tmp_path / "results").iterdir(), tmp_path / "results"]:
        path.chmod(0o555)
    lab(tmp_path).collect(ASKED)
    after = [(p.name, p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.rglob("results/*")]
    (tmp_path / "results").chmod(0o755)
    assert after == before


def test_every_file_is_archived_as_it_was_read(tmp_path):
    """The archive holds the bytes of each revision by their sha256, and no scraps."""
    first = read(tmp_path, TEXT)
    second = read(tmp_path, TEXT.encode("utf-16"))
    assert listing(tmp_path / "archive") == {
        f"{receipt.sha256}.csv": content
        for receipt, content in [(first, TEXT.encode()), (second, TEXT.encode("utf-16"))]
    }
    assert first.sha256 == sha256(TEXT.encode()).hexdigest()


def test_a_file_that_has_not_changed_is_read_again_the_same(tmp_path):
    """The receipt of a file is the same every time, and in a new process."""
    oracle = lab(tmp_path)
    drop(tmp_path, TEXT)
    assert oracle.collect(ASKED) == oracle.collect(ASKED) == lab(tmp_path).collect(ASKED)


def test_rejected_rows_go_back_as_they_came(tmp_path):
    """The laboratory gets its own rows, each with row, column and reason."""
    receipt = read(tmp_path, f"candidate;who;cost\n{A};Zoë;1,5\n{B};Ada;high\n;Bob\n")
    (path,) = write_rejected(tmp_path, [Ingested(receipt=receipt)], lab(tmp_path).tables)
    assert path == tmp_path / "rejected" / f"results.csv.{receipt.sha256[:8]}.csv"
    assert path.read_text().splitlines() == [
        "candidate;who;cost;rejected row;rejected column;rejected because",
        f"{B};Ada;high;2;cost;expected a number with the decimal mark ',', got 'high'",
        ";Bob;;3;candidate;no candidate id",
    ]


def test_a_rejected_file_goes_back_whole(tmp_path):
    """Every row of a file that is refused as a whole comes back with the reason."""
    receipt = read(tmp_path, f"candidate,cost,cost\n{A},1,2\n{B},3,4\n")
    (path,) = write_rejected(tmp_path, [Ingested(receipt=receipt)], lab(tmp_path).tables)
    assert [line[:4] for line in rejected(path)[1:]] == [[A, "1", "2", "1"], [B, "3", "4", "2"]]


def test_what_cannot_be_shown_goes_back_as_its_reason(tmp_path):
    """Of a file that is no text only the reason can be told."""
    receipt = read(tmp_path, b"candidate,cost\n\xff,1\n")
    (path,) = write_rejected(tmp_path, [Ingested(receipt=receipt)], lab(tmp_path).tables)
    assert rejected(path)[0] == ["rejected row", "rejected column", "rejected because"]
    assert rejected(path)[1][0] == "0"


def test_rejected_is_rebuilt_only_where_it_is_missing(tmp_path):
    """The same events give the same files; nothing is written for files without rejections."""
    bad = Ingested(receipt=read(tmp_path, "candidate,cost\n,1\n", name="bad.csv"))
    (tmp_path / "results" / "bad.csv").unlink()
    good = Ingested(receipt=read(tmp_path, TEXT))
    (path,) = write_rejected(tmp_path, [bad, good], lab(tmp_path).tables)
    before = (path.read_bytes(), path.stat().st_ino)
    assert write_rejected(tmp_path, [bad, good], lab(tmp_path).tables) == (path,)
    assert (path.read_bytes(), path.stat().st_ino) == before
    path.unlink()
    write_rejected(tmp_path, [bad], lab(tmp_path).tables)
    assert path.read_bytes() == before[0]


@settings(deadline=None)
@given(content=st.binary(max_size=200) | st.text("candidate,;\t\n\"'0123.[]J ", max_size=80))
def test_no_content_is_an_exception(tmp_path_factory, content):
    """Whatever a file holds, every row of it is accounted for."""
    folder = tmp_path_factory.mktemp("lab")
    raw = content if isinstance(content, bytes) else b"candidate" + content.encode()
    receipt = read(folder, raw)
    if receipt is not None:
        assert Ingested(receipt=receipt).duplicates == 0  # it refuses what does not add up
