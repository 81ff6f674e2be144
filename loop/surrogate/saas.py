"""A fully Bayesian Gaussian process, for many inputs of which few matter (SAAS).

Eriksson and Jankowiak, High-Dimensional Bayesian Optimization with Sparse Axis-Aligned Subspaces,
UAI 2021, section 4.1: half-Cauchy priors keep every inverse lengthscale near zero until the data
insist. Hyperparameters are not fitted but drawn from their posterior by the No-U-Turn sampler, and
what is predicted is the average over the draws (`loop.surrogate.mixture`).

The model is BoTorch's SaasFullyBayesianSingleTaskGP, and a test holds both against each other. It
stands here once more because noise that is known for some rows only, and rows that average several
outcomes (`learning.Samples`), have no place in BoTorch's. JAX and NumPyro come with an extra.
"""

from math import log, pi

import numpy as np

from loop.errors import SettingsError
from loop.space.values import Array
from loop.surrogate.gp import LEAST_NOISE, SQRT5, Hyper, Process
from loop.surrogate.learning import LEAST_KNOWN, Samples
from loop.surrogate.mixture import Mixture

try:
    import jax
    import jax.numpy as jnp
    import numpyro
    from numpyro import distributions as prior
    from numpyro.infer import MCMC, NUTS
except ImportError as error:
    raise SettingsError(
        "surrogate 'saas'",
        "the packages jax and numpyro",
        f"none ({error})",
        "Install athanor-loop[saas], or choose another surrogate.",
    ) from error

WARM_UP = 128  # steps in which the sampler adapts: 256 found the same inputs
STEPS = 128  # after them,
KEPT = 16  # and draws kept, evenly spaced: a prediction costs as many processes
MOST = 200  # rows from which they are drawn: a draw costs some 30 n^3
DEPTH = 6  # of a trajectory, BoTorch's: 63 gradients a step at most
SPARSITY = 0.1  # the scale of the global half-Cauchy prior: Eriksson and Jankowiak, section 4.1


def sample(samples: Samples, seed: int) -> Mixture:
    """Processes with hyperparameters drawn from their posterior; the same seed, the same draws.

    Of more than MOST rows, MOST are drawn from; the processes are conditioned on all.
    """
    few = samples if len(samples.y) <= MOST else samples.some(MOST)
    with jax.enable_x64(True):  # noqa: FBT003 - its signature
        chain = MCMC(
            NUTS(describe, dense_mass=True, max_tree_depth=DEPTH),
            num_warmup=WARM_UP,
            num_samples=STEPS,
            progress_bar=False,
        )
        chain.run(jax.random.PRNGKey(seed), few)
        drawn = {name: np.asarray(values) for name, values in chain.get_samples().items()}
    rows = range(STEPS // KEPT - 1, STEPS, STEPS // KEPT)
    draws = ({name: values[row] for name, values in drawn.items()} for row in rows)
    return Mixture(parts=tuple(_process(samples, drawn) for drawn in draws), name="saas")


def describe(samples: Samples) -> None:
    """The priors and the likelihood, as NumPyro reads them."""
    n, d = samples.X.shape
    shrinkage = numpyro.sample("shrinkage", prior.HalfCauchy(SPARSITY))
    relevance = numpyro.sample("relevance", prior.HalfCauchy(jnp.ones(d)))
    scale = numpyro.sample("scale", prior.Gamma(2.0, 0.15))
    mean = numpyro.sample("mean", prior.Normal(0.0, 1.0))
    noise = jnp.maximum(jnp.asarray(samples.known), LEAST_KNOWN)
    if samples.infers:
        variance = LEAST_NOISE + numpyro.sample("noise", prior.Gamma(0.9, 10.0))
        noise = jnp.where(jnp.isnan(noise), variance / samples.counts, noise)
        misfit = samples.within / variance + samples.freedom * (log(2 * pi) + jnp.log(variance))
        numpyro.factor("within", -0.5 * misfit)
    Z = jnp.asarray(samples.X) * jnp.sqrt(shrinkage * relevance)
    squares = ((Z[:, None] - Z[None]) ** 2).sum(axis=-1)
    r = SQRT5 * jnp.sqrt(jnp.maximum(squares, 1e-30))  # the slope of the root is infinite at 0
    K = scale * (1 + r + r**2 / 3) * jnp.exp(-r) + jnp.diag(noise)
    outcomes = prior.MultivariateNormal(jnp.full(n, mean), covariance_matrix=K)
    numpyro.sample("y", outcomes, obs=jnp.asarray(samples.y))


def _process(samples: Samples, drawn: dict[str, Array]) -> Process:
    """The process of one draw; where all noise is known, one outcome has the median's."""
    variance = float(LEAST_NOISE + drawn["noise"] if samples.infers else np.median(samples.known))
    hyper = Hyper(
        kernel="matern",
        lengths=1 / np.sqrt(drawn["shrinkage"] * drawn["relevance"]),
        noise=variance,
        mean=float(drawn["mean"]),
        scale=float(drawn["scale"]),
    )
    return Process(hyper=hyper, X=samples.X, y=samples.y, variances=samples.noise(variance))
