"""A user's first script, for `start.py`: a pool of a table, five observations, what next?

    .venv/bin/python benchmarks/first_ask.py botorch pool.csv

The table has the columns x0..x5 and y; the first five rows are the observations. Each function is
a script of its own: what it imports is what a user of that library would import.
"""

import sys

SEEN = 5


def athanor(path: str) -> str:
    """Athanor as a library."""
    import pandas as pd

    from loop.bayes import Bayes
    from loop.campaign import Campaign, candidate_id
    from loop.objective import Objective, Target
    from loop.records import (
        Candidate,
        Event,
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

    frame = pd.read_csv(path)
    names = tuple(frame.columns[:-1])
    ids = [str(row) for row in frame.index]
    listing = Listing(ids=ids, X=frame[list(names)].to_numpy(float), features=names)
    problem = Problem(
        name="first",
        space=SearchSpace(parameters=(pool("row", listing),)),
        objective=Objective(targets=(Target(name="y"),)),
    )
    events: list[Event] = [Opened(problem=problem)]
    for row in range(SEEN):
        name = candidate_id(problem, row + 1)
        asked = Candidate(id=name, point={"row": ids[row]}, why=Why(origin="manual"))
        values = {"y": float(frame["y"][row])}
        answer = Measured(candidate=name, values=values, source=Source(oracle="table"))
        events += [Proposed(candidates=(asked,)), Observed(observation=answer)]
    campaign = Campaign.replay(problem, events)
    (chosen,) = Bayes(initial=SEEN).propose(campaign, 1)
    return str(chosen.point["row"])


def botorch(path: str) -> str:
    """Plain BoTorch."""
    import pandas as pd
    import torch
    from botorch.acquisition import LogExpectedImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.optim import optimize_acqf_discrete
    from gpytorch.mlls import ExactMarginalLogLikelihood

    frame = pd.read_csv(path)
    X = torch.tensor(frame.iloc[:, :-1].to_numpy(float))
    Y = torch.tensor(frame["y"].to_numpy(float)[:SEEN, None])
    model = SingleTaskGP(X[:SEEN], Y)
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    value = LogExpectedImprovement(model, best_f=Y.max())
    chosen, _ = optimize_acqf_discrete(value, q=1, choices=X[SEEN:])
    return str(int((chosen == X).all(dim=1).nonzero()[0, 0]))


def ax(path: str) -> str:
    """Ax: its default model, the acquisition evaluated at every row, for it has no pools."""
    import logging

    import pandas as pd
    from ax.adapter.registry import Generators
    from ax.api.client import Client
    from ax.api.configs import RangeParameterConfig
    from ax.core.observation import ObservationFeatures

    logging.disable(logging.WARNING)
    frame = pd.read_csv(path)
    rows = [
        ObservationFeatures({name: float(value) for name, value in row.items()})
        for row in frame.drop(columns="y").to_dict("records")
    ]
    client = Client(random_seed=0)
    client.configure_experiment(
        parameters=[
            RangeParameterConfig(name=name, parameter_type="float", bounds=(0.0, 1.0))
            for name in frame.columns[:-1]
        ]
    )
    client.configure_optimization(objective="y")
    for row in range(SEEN):
        number = client.attach_trial(parameters=rows[row].parameters)
        client.complete_trial(number, raw_data={"y": float(frame["y"][row])})
    adapter = Generators.BOTORCH_MODULAR(experiment=client._experiment)  # noqa: SLF001 - there is no other
    values = adapter.evaluate_acquisition_function(rows[SEEN:])
    return str(SEEN + values.index(max(values)))


def baybe(path: str) -> str:
    """BayBE: one parameter with descriptors, and a Campaign with the default recommender."""
    import pandas as pd
    from baybe import Campaign
    from baybe.parameters import CustomDiscreteParameter
    from baybe.searchspace import SearchSpace
    from baybe.targets import NumericalTarget

    frame = pd.read_csv(path)
    frame.index = frame.index.astype(str)
    rows = CustomDiscreteParameter("row", data=frame.drop(columns="y"), decorrelate=False)
    campaign = Campaign(
        SearchSpace.from_product([rows]),
        NumericalTarget("y"),
        allow_recommending_already_measured=False,
    )
    campaign.add_measurements(
        pd.DataFrame({"row": frame.index[:SEEN], "y": frame["y"].to_numpy()[:SEEN]})
    )
    return str(campaign.recommend(1)["row"].iloc[0])


METHODS = {"athanor": athanor, "botorch": botorch, "ax": ax, "baybe": baybe}

if __name__ == "__main__":
    print(METHODS[sys.argv[1]](sys.argv[2]))
