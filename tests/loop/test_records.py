"""Records: plain values, with the one sum that has to be right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.errors import CampaignError
from loop.records import Ingested, Receipt, Rejection, derive_seed
from tests.loop import rigs

TAKEN = (rigs.measured("0001-abc", y=1.0),)
REJECTED = (Rejection(row=2, reason="no such id"), Rejection(row=0, reason="two headers"))


@pytest.mark.parametrize("rows", [0, 2, 4])
def test_rows_that_are_not_accounted_for_are_refused(rows):
    """Taken, duplicate and rejected rows add up; remarks on the whole file are not rows."""
    receipt = Receipt(file="a.csv", sha256="1", rows=rows, observations=TAKEN, rejected=REJECTED)
    with pytest.raises(CampaignError, match=f"a.csv: expected {rows} rows .* got 1 taken, 1 dupl"):
        Ingested(receipt=receipt, duplicates=1)


def test_rows_that_add_up_are_taken():
    """One taken, one duplicate, one rejected: three rows."""
    receipt = Receipt(file="a.csv", sha256="1", rows=3, observations=TAKEN, rejected=REJECTED)
    assert Ingested(receipt=receipt, duplicates=1).receipt is receipt


@given(parts=st.lists(st.integers() | st.text(), max_size=3))
def test_a_seed_is_a_function_of_its_parts(parts):
    """The same parts give the same seed, which every generator of random numbers takes."""
    assert derive_seed(*parts) == derive_seed(*parts)
    assert 0 <= derive_seed(*parts) < 2**31


@pytest.mark.parametrize("other", [(1, 2, "model"), (2, 3, "model"), (1, 3, "design")])
def test_other_parts_give_another_seed(other):
    """Campaign, turn and purpose each change the seed."""
    assert derive_seed(*other) != derive_seed(1, 3, "model")
