"""One ask from a pool in a fresh process, for `pool_speed.py`: prints its seconds and its memory.

    .venv/bin/python benchmarks/speed_case.py athanor --rows 100000 --seen 200

`limit` sets RLIMIT_DATA (what the process itself allocates: libraries mapped from files do not
count) before anything is imported. The peak is the highest resident size (VmHWM) less the resident
size after the imports, so it holds the pool itself. It runs in either environment.
"""

import argparse
import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

GIGABYTE = 2**30
LEAST = 2  # no design before the model, however few rows were seen


def main() -> None:
    """Run the case and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("method", choices=tuple(METHODS))
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seen", type=int, default=200)
    parser.add_argument("--features", type=int, default=6)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=float, default=0.0, help="GB, 0 for none")
    case = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(case.threads)
    if case.limit:
        ceiling = int(case.limit * GIGABYTE)
        resource.setrlimit(resource.RLIMIT_DATA, (ceiling, ceiling))
    print(json.dumps(METHODS[case.method](case)))


def athanor(case: argparse.Namespace) -> dict[str, Any]:
    """Athanor: the pool is made, and a campaign of the tested rows is asked.

    The seconds of a fit are those of one more after the ask.
    """
    import numpy as np

    from loop.bayes import Bayes
    from loop.campaign import Campaign, candidate_id
    from loop.objective import Objective, Target
    from loop.records import (
        Candidate,
        Measured,
        Observed,
        Opened,
        Problem,
        Proposed,
        Source,
        Why,
    )
    from loop.space.pool import Listing, pool
    from loop.space.space import SearchSpace
    from loop.surrogate.data import training_data
    from loop.surrogate.portfolio import fit

    def prepare(X: Any, y: Any) -> Callable[[], list[int]]:
        names = tuple(f"x{column}" for column in range(X.shape[1]))
        listing = Listing(
            ids=np.arange(len(X)).astype(np.dtypes.StringDType()), X=X, features=names
        )
        problem = Problem(
            name="speed",
            space=SearchSpace(parameters=(pool("row", listing),)),
            objective=Objective(targets=(Target(name="y"),)),
            seed=case.seed,
        )
        events: list[Any] = [Opened(problem=problem)]
        for row, value in enumerate(y.tolist()):
            name = candidate_id(problem, row + 1)
            given = Candidate(id=name, point={"row": str(row)}, why=Why(origin="manual"))
            source = Source(oracle="benchmark")
            answer = Measured(candidate=name, values={"y": value}, source=source)
            events += [Proposed(candidates=(given,)), Observed(observation=answer)]
        campaign = Campaign.replay(problem, events)
        asked = Bayes(initial=LEAST)
        latest.append(campaign)
        return lambda: [int(str(c.point["row"])) for c in asked.propose(campaign, case.batch)]

    latest: list[Campaign] = []
    said = measure(case, prepare)
    began = time.process_time()
    fit(training_data(latest[-1]), latest[-1].problem.space.bounds, "auto", case.seed)
    return said | {"fit_cpu": time.process_time() - began}


def botorch(case: argparse.Namespace) -> dict[str, Any]:
    """Plain BoTorch: SingleTaskGP, LogEI (qLogNEI for a batch), optimize_acqf_discrete."""
    import torch
    from botorch.acquisition.analytic import LogExpectedImprovement
    from botorch.acquisition.logei import qLogNoisyExpectedImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models.gp_regression import SingleTaskGP
    from botorch.optim.optimize import optimize_acqf_discrete
    from gpytorch.mlls import ExactMarginalLogLikelihood

    spent: dict[str, float] = {}

    def prepare(X: Any, y: Any) -> Callable[[], list[int]]:
        pool, Y = torch.as_tensor(X), torch.as_tensor(y)[:, None]

        def ask() -> list[int]:
            began = time.process_time()
            model = SingleTaskGP(pool[: len(y)], Y)
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
            spent["fit_cpu"] = time.process_time() - began
            value = (
                LogExpectedImprovement(model, best_f=Y.max())
                if case.batch == 1
                else qLogNoisyExpectedImprovement(model, pool[: len(y)], prune_baseline=True)
            )
            rows, _ = optimize_acqf_discrete(value, q=case.batch, choices=pool[len(y) :])
            return [int((pool == row).all(dim=1).nonzero()[0, 0]) for row in rows]

        return ask

    torch.set_num_threads(case.threads)
    torch.manual_seed(case.seed)
    return measure(case, prepare) | spent


def baybe(case: argparse.Namespace) -> dict[str, Any]:
    """BayBE: a Campaign with the default recommender on one parameter with d descriptors per row.

    That is its quickest road to a table of numbers that are all different: d discrete numeric
    parameters take minutes for a thousand such rows.
    """
    import pandas as pd
    import torch
    from baybe import Campaign
    from baybe.objectives import SingleTargetObjective
    from baybe.parameters import CustomDiscreteParameter
    from baybe.searchspace import SearchSpace
    from baybe.targets import NumericalTarget

    def prepare(X: Any, y: Any) -> Callable[[], list[int]]:
        names = [f"x{column}" for column in range(X.shape[1])]
        frame = pd.DataFrame(X, columns=names, index=[str(row) for row in range(len(X))])
        parameter = CustomDiscreteParameter("row", data=frame, decorrelate=False)
        space = SearchSpace.from_product([parameter])
        campaign = Campaign(
            space,
            SingleTargetObjective(NumericalTarget("y")),
            allow_recommending_already_measured=False,
        )
        campaign.add_measurements(pd.DataFrame({"row": frame.index[: len(y)], "y": y}))
        return lambda: [int(row) for row in campaign.recommend(case.batch)["row"]]

    torch.set_num_threads(case.threads)
    torch.manual_seed(case.seed)
    return measure(case, prepare)


def measure(
    case: argparse.Namespace, prepare: Callable[[Any, Any], Callable[[], list[int]]]
) -> dict[str, Any]:
    """Seconds of preparing (the space, the campaign) and of one ask, and the peak above imports.

    A small ask goes before, so that what a library imports when it is first used is not counted.
    """
    import numpy as np

    def drawn(rows: int, seen: int) -> tuple[Any, Any]:
        rng = np.random.default_rng(case.seed)
        X = rng.random((rows, case.features))
        y = -((X[:seen] - rng.random(case.features)) ** 2).sum(axis=1)
        return X, y + 0.3 * np.sin(9 * X[:seen, 0]) + 0.05 * rng.normal(size=seen)

    prepare(*drawn(64, 10))()
    before = _resident("VmRSS")
    X, y = drawn(case.rows, case.seen)
    began, wall = time.process_time(), time.perf_counter()
    ask = prepare(X, y)
    ready, ready_wall = time.process_time(), time.perf_counter()
    chosen = ask()
    done, done_wall = time.process_time(), time.perf_counter()
    if len(set(chosen)) != case.batch or min(chosen) < case.seen:
        raise ValueError(f"expected {case.batch} untested rows, got {chosen}")
    return {
        "prepare_cpu": ready - began,
        "prepare_wall": ready_wall - wall,
        "ask_cpu": done - ready,
        "ask_wall": done_wall - ready_wall,
        "peak_mb": (_resident("VmHWM") - before) / 2**20,
        "imports_mb": before / 2**20,
        "chosen": chosen,
    }


def _resident(field: str) -> int:
    """Bytes resident now (VmRSS) or at most so far (VmHWM), as Linux counts them."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, rest = line.partition(":")
        if name == field:
            return int(rest.split()[0]) * 1024
    raise OSError(f"/proc/self/status has no {field}: this benchmark needs Linux")


METHODS = {"athanor": athanor, "botorch": botorch, "baybe": baybe}

if __name__ == "__main__":
    main()
