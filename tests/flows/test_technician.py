"""docs/technician.md to the letter: a day in a laboratory, its mistakes and their mending."""

import json
from pathlib import Path

import pytest
from openpyxl import load_workbook

from flows.folder import known

PAGE = (Path(__file__).parents[2] / "docs" / "technician.md").read_text(encoding="utf-8")


@pytest.fixture
def furnace(tmp_path, athanor):
    """The template's laboratory, its worklist out; and a way to take one turn and count rows."""
    athanor("init", tmp_path / "furnace", "--template", "lab")
    folder = tmp_path / "furnace"

    def turn():
        assert athanor("turn", folder, "--no-prefect").code == 0
        return json.loads(athanor("lab", "inbox", folder, "--json").out)["total"]

    turn()
    return folder, turn


def fill(source, target, **cells):
    """Fill in cells of a form, each named by its column's letter and row, and save it as target."""
    book = load_workbook(source)
    for place, value in cells.items():
        book["results"][place] = value
    book.save(target)


def test_a_day_with_a_form(furnace):
    """Values, a sample made differently, one that broke, a correction, and a line added later."""
    folder, turn = furnace
    form, monday = folder / "worklist" / "form.xlsx", folder / "results" / "monday.xlsx"
    fill(form, monday, H2=512, H3=4100, P3=490, J4="cracked", K4="on cooling")
    assert (turn()["used"], len(known(folder)[0].failures)) == (3, 1)
    fill(monday, monday, H3=410, H5=300)
    assert {"used": 4, "superseded": 1, "rejected": 0}.items() <= turn().items()
    campaign, _ = known(folder)
    assert [result.values["hardness"] for result in campaign.results] == [512, 410, 300]
    assert campaign.results[1].point["temperature"] == 490


def test_what_was_rejected_is_mended_where_it_lies(furnace):
    """The copy from rejected/, corrected and saved in results/, is taken."""
    folder, turn = furnace
    first = known(folder)[0].pending[0].id
    (folder / "results" / "a.csv").write_text(f"candidate,hardness\n{first},about 300\n")
    assert turn()["rejected"] == 1
    (back,) = (folder / "rejected").iterdir()
    (folder / "results" / "b.csv").write_text(back.read_text().replace("about 300,", "300,"))
    assert turn()["used"] == 1


def test_a_form_filled_in_where_it_was_is_moved(furnace):
    """It is put aside as changed-..., and counts once it is in results/."""
    folder, turn = furnace
    form = folder / "worklist" / "form.xlsx"
    fill(form, form, H2=512)
    assert turn()["used"] == 0
    (kept,) = (folder / "worklist").glob("changed-*")
    kept.rename(folder / "results" / kept.name)
    assert turn()["used"] == 1


def test_files_of_ones_own_and_what_may_go_wrong_with_them(furnace):
    """Letters alone, handed in twice, lines deleted, measured again, two opinions, one mended."""
    folder, turn = furnace
    first, second, *_ = (candidate.id for candidate in known(folder)[0].pending)

    def drop(name, *rows):
        text = "\n".join(["candidate,replicate,hardness", *rows, ""])
        (folder / "results" / name).write_text(text)

    drop("monday.csv", f"{first[-3:]},,512", f"{second},,410")
    drop("copy.csv", f"{first},1,512", f"{second},1,410")
    assert {"used": 2, "duplicate": 2}.items() <= turn().items()
    (folder / "results" / "copy.csv").unlink()
    drop("monday.csv", f"{first},2,520")
    drop("tuesday.csv", f"{second},,420")
    assert {"used": 2, "conflict": 2, "rejected": 0}.items() <= turn().items()
    told = (folder / "rejected" / "conflicts.csv").read_text()
    assert "monday.csv:2" in told
    assert "tuesday.csv:1" in told
    drop("tuesday.csv", f"{second},,410")
    turn()
    assert [r.values["hardness"] for r in known(folder)[0].results] == [516, 410]
    assert not (folder / "rejected" / "conflicts.csv").exists()


def test_the_page_is_one_page_without_commands():
    """Whoever makes samples needs no terminal."""
    assert len(PAGE.splitlines()) <= 60
    assert "```" not in PAGE
    assert "athanor " not in PAGE
