"""The fully Bayesian process: it finds the few inputs that matter, and says the same each time."""

import subprocess
import sys
from dataclasses import replace

import jax
import numpy as np
import pytest
import torch
from botorch.models.fully_bayesian import SaasPyroModel
from numpyro.infer.util import log_density as joint_density

from loop.acquisition.closed import Ask, worth
from loop.objective import Objective, Target
from loop.surrogate import portfolio, saas
from loop.surrogate.data import Data
from loop.surrogate.learning import Samples, learn

pytestmark = pytest.mark.xdist_group("saas")  # one mixture for all


def truth(X):
    """A function of the fourth and the eighth input only."""
    return np.sin(5 * X[:, 3]) + 2 * (X[:, 7] - 0.4) ** 2


def samples(n=30, d=20, known=np.nan):
    """Outcomes of it, and shift and scale by which they are standardised."""
    X = np.random.default_rng(0).random((n, d))
    y = truth(X)
    spread = y.std(ddof=1)
    data = Samples(X=X, y=(y - y.mean()) / spread, known=np.full(n, known), counts=np.ones(n))
    return data, y.mean(), spread


@pytest.fixture(scope="module")
def drawn():
    """Thirty outcomes: drawing takes seconds."""
    return saas.sample(samples()[0], 1)


@pytest.mark.slow
def test_the_inputs_that_matter_are_found(drawn):
    """Their lengthscales are tens of times shorter than all others."""
    lengths = np.median([part.hyper.lengths for part in drawn.parts], axis=0)
    assert set(np.argsort(lengths)[:2]) == {3, 7}
    assert np.sort(lengths)[2] > 20 * np.sort(lengths)[1]


@pytest.mark.slow
def test_it_predicts_better_than_one_fit(drawn):
    """With twenty inputs and thirty outcomes, the error is less than half of a plain process'."""
    data, shift, scale = samples()
    X = np.random.default_rng(1).random((300, 20))
    plain = learn(data, "matern")
    wrong = [
        np.sqrt(np.mean((expert.predict(X)[0] * scale + shift - truth(X)) ** 2))
        for expert in (drawn, plain)
    ]
    assert wrong[0] < 0.5 * wrong[1]
    assert portfolio.log_density(drawn) > portfolio.log_density(plain)


@pytest.mark.slow
def test_the_seed_decides(drawn):
    """The same seed draws the same hyperparameters, to the last digit; another one does not."""
    assert (saas.sample(samples()[0], 1).digits() == drawn.digits()).all()
    assert (saas.sample(samples()[0], 2).digits() != drawn.digits()).any()


@pytest.mark.parametrize("known", [np.nan, 0.01])
def test_the_model_is_botorchs(known):
    """Priors and likelihood are those of SaasFullyBayesianSingleTaskGP, to the constant."""
    data, _, _ = samples(8, 8, known)
    theirs = SaasPyroModel()
    variance = None if np.isnan(known) else torch.as_tensor(data.known)[:, None]
    rng = np.random.default_rng(2)
    with jax.enable_x64(True):  # noqa: FBT003
        theirs.set_inputs(torch.as_tensor(data.X), torch.as_tensor(data.y)[:, None], variance)
        for _ in range(3):
            ours = {
                "shrinkage": rng.random(),
                "relevance": rng.random(8),
                "scale": rng.random(),
                "mean": rng.random(),
                "noise": rng.random(),
            }
            names = {"shrinkage": "kernel_tausq", "relevance": "_kernel_inv_length_sq"}
            names["scale"] = "outputscale"
            same = {names.get(name, name): value for name, value in ours.items()}
            mine, _ = joint_density(saas.describe, (data,), {}, ours)
            other, _ = joint_density(theirs.sample, (), {}, same)
            assert float(mine) == pytest.approx(float(other), abs=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["ucb", "logei", "variance", "qlogei", "qlognei"])
def test_every_acquisition_works_with_it(drawn, how):
    """Each values rows by it, alone and beside a pending one, as by any other expert."""
    data, shift, scale = samples()
    shape = (len(data.y), 1)
    kept = Data(
        ids=tuple(map(str, range(len(data.y)))),
        columns=tuple(f"x{n}" for n in range(20)),
        targets=("y",),
        X=data.X,
        Y=(data.y * scale + shift).reshape(shape),
        Yvar=np.full(shape, np.nan),
        counts=np.ones(shape),
        within=np.zeros(1),
        freedom=np.zeros(1),
    )
    fitted = portfolio.Fitted(
        experts=(drawn,),
        data=kept,
        low=np.zeros(20),
        span=np.ones(20),
        shift=np.array([shift]),
        scale=np.array([scale]),
    )
    goal = Target(name="y", goal="learn" if how == "variance" else "max")
    rows = np.random.default_rng(3).random((40, 20))
    for pending in (rows[:0], rows[:1]):
        ask = Ask(fitted=fitted, objective=Objective(targets=(goal,)), pending=pending)
        chosen = worth(ask, how)
        assert np.isfinite(chosen.at(rows)).all()
        assert chosen.climb is None


@pytest.mark.slow
def test_partly_known_noise_and_repeats_are_used():
    """A row of known variance keeps it, one that averages four has a quarter of the others'."""
    data, _, _ = samples(10, 8)
    known = np.where(np.arange(10) < 3, 0.25, np.nan)
    counts = np.where(np.arange(10) == 9, 4.0, 1.0)
    mixed = replace(data, known=known, counts=counts, within=0.1, freedom=3.0)
    for part in saas.sample(mixed, 0).parts:
        assert part.variances[:3] == pytest.approx([0.25] * 3)
        assert part.variances[9] == pytest.approx(part.variances[8] / 4)
        assert np.isfinite(part.predict(data.X)).all()


def test_without_its_packages_it_says_what_to_install():
    """The error names the extra, in one sentence."""
    script = "import sys; sys.modules['numpyro'] = None; import loop.surrogate.saas"
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert "expected the packages jax and numpyro, got none" in ran.stderr
    assert "Install athanor-loop[saas], or choose another surrogate." in ran.stderr
