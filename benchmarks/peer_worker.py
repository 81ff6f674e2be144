"""A peer of the benchmarks, in its own environment: reads JSON lines, answers each with one.

    {"do": "pool", "kind": "baybe", "frame": {...}, "X": [[...]], "seed": 0}    opens a pool
    {"do": "row", "seen": [3, 17], "y": [0.2, 0.4], "seed": 5}                  the next row
    {"do": "space", "kind": "ax", "problem": {...}, "seed": 0}                  opens a space
    {"do": "point", "points": [{...}], "Y": [[...]], "seed": 5}                 the next point

All targets are maximised. An answer carries the CPU and the wall seconds of the call.
Run by `peers.py` only; `problem` is what `problems.py` describes.
"""

import json
import logging
import os
import random
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch


class BaybePool:
    """BayBE's Campaign with its default recommender on the table that it is given.

    It is told not to recommend what was measured: by default it may, unless it recommended it.
    """

    def __init__(self, frame: Mapping[str, Sequence[Any]], X: Sequence[Any], seed: int) -> None:
        """Build the search space."""
        import pandas as pd
        from baybe import Campaign
        from baybe.objectives import SingleTargetObjective
        from baybe.parameters import CategoricalParameter, NumericalDiscreteParameter
        from baybe.searchspace import SearchSpace
        from baybe.targets import NumericalTarget

        self.frame = pd.DataFrame(frame)
        parameters = [
            NumericalDiscreteParameter(name, values=self.frame[name].unique())
            if pd.api.types.is_numeric_dtype(self.frame[name])
            else CategoricalParameter(name, values=self.frame[name].unique(), encoding="OHE")
            for name in self.frame
        ]
        space = SearchSpace.from_dataframe(self.frame, parameters)
        self.campaign = Campaign(
            space,
            SingleTargetObjective(NumericalTarget("y")),
            allow_recommending_already_measured=False,
        )
        self.told = 0

    def row(self, seen: Sequence[int], y: Sequence[float]) -> int:
        """Add what is new, and recommend."""
        new = self.frame.iloc[list(seen[self.told :])].copy()
        new["y"] = y[self.told :]
        self.campaign.add_measurements(new)
        self.told = len(seen)
        return int(self.campaign.recommend(1).index[0])


class AxPool:
    """The default model of Ax; its acquisition, evaluated at every untested row of the pool."""

    def __init__(self, frame: Mapping[str, Sequence[Any]], X: Sequence[Any], seed: int) -> None:
        """Build an experiment of range parameters from 0 to 1, one per feature."""
        from ax.adapter.registry import Generators
        from ax.api.configs import RangeParameterConfig
        from ax.core.observation import ObservationFeatures

        self.generators = Generators
        self.features = [
            ObservationFeatures({f"x{j}": float(value) for j, value in enumerate(row)}) for row in X
        ]
        self.client = ax_client(seed)
        self.client.configure_experiment(
            parameters=[
                RangeParameterConfig(name=f"x{j}", parameter_type="float", bounds=(0.0, 1.0))
                for j in range(len(X[0]))
            ]
        )
        self.client.configure_optimization(objective="y")
        self.told = 0

    def row(self, seen: Sequence[int], y: Sequence[float]) -> int:
        """Attach what is new, fit, and take the best."""
        for index, value in list(zip(seen, y, strict=True))[self.told :]:
            number = self.client.attach_trial(parameters=self.features[index].parameters)
            self.client.complete_trial(number, raw_data={"y": value})
        self.told = len(seen)
        adapter = self.generators.BOTORCH_MODULAR(experiment=self.client._experiment)  # noqa: SLF001 - Ax's own road from a Client to a model
        tested = set(seen)
        left = [index for index in range(len(self.features)) if index not in tested]
        values = adapter.evaluate_acquisition_function([self.features[index] for index in left])
        return left[int(np.argmax(values))]


class BaybeSpace:
    """BayBE's Campaign with its default recommender on a space that is not a table."""

    def __init__(self, problem: Mapping[str, Any], seed: int) -> None:
        """Build the search space."""
        from baybe import Campaign
        from baybe.constraints import ContinuousCardinalityConstraint, ContinuousLinearConstraint
        from baybe.objectives import ParetoObjective, SingleTargetObjective
        from baybe.parameters import (
            CategoricalParameter,
            NumericalContinuousParameter,
            NumericalDiscreteParameter,
        )
        from baybe.searchspace import SearchSpace
        from baybe.targets import NumericalTarget

        parameters, constraints = [], []
        for name, kind, low, high, values in map(_told, problem["parameters"]):
            match kind:
                case "real":
                    parameters.append(NumericalContinuousParameter(name, bounds=(low, high)))
                case "integer":
                    steps = range(int(low), int(high) + 1)
                    parameters.append(NumericalDiscreteParameter(name, values=list(steps)))
                case "category":
                    parameters.append(CategoricalParameter(name, values=values, encoding="OHE"))
                case "fractions":
                    parameters += [
                        NumericalContinuousParameter(part, bounds=(0, 1)) for part in values
                    ]
                    constraints += [
                        ContinuousLinearConstraint(values, "=", [1.0] * len(values), 1.0),
                        ContinuousCardinalityConstraint(values, max_cardinality=int(high)),
                    ]
        space = SearchSpace.from_product(parameters, constraints)
        targets = [NumericalTarget(name) for name in problem["targets"]]
        self.names = problem["targets"]
        self.campaign = Campaign(
            space, ParetoObjective(targets) if targets[1:] else SingleTargetObjective(targets[0])
        )
        self.told = 0

    def point(self, points: Sequence[Mapping[str, Any]], Y: Sequence[Any]) -> dict[str, Any]:
        """Add what is new, and recommend."""
        import pandas as pd

        new = pd.DataFrame(points[self.told :])
        new[self.names] = np.array(Y[self.told :])
        self.campaign.add_measurements(new, numerical_measurements_must_be_within_tolerance=False)
        self.told = len(points)
        return _plain(self.campaign.recommend(1).iloc[0].to_dict())


class AxSpace:
    """Ax's Client with its default strategy, on a space that is not a table.

    Client takes no equality and no cardinality: of fractions all but the last are free under
    sum <= 1, and a point of more components than allowed keeps its largest, over their sum.
    """

    def __init__(self, problem: Mapping[str, Any], seed: int) -> None:
        """Build the experiment; the given starts replace Ax's own."""
        from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

        def real(name: str, low: float, high: float, kind: str = "float") -> Any:
            return RangeParameterConfig(name=name, parameter_type=kind, bounds=(low, high))

        self.client, parameters, constraints = ax_client(seed), [], []
        self.parts: list[str] = []
        for name, kind, low, high, values in map(_told, problem["parameters"]):
            match kind:
                case "real":
                    parameters.append(real(name, low, high))
                case "integer":
                    parameters.append(real(name, int(low), int(high), "int"))
                case "category":
                    parameters.append(
                        ChoiceParameterConfig(
                            name=name, parameter_type="str", values=values, is_ordered=False
                        )
                    )
                case "fractions":
                    parameters += [real(part, 0.0, 1.0) for part in values[:-1]]
                    constraints.append(" + ".join(values[:-1]) + " <= 1")
                    self.parts, self.at_most = values, int(high)
        self.client.configure_experiment(parameters=parameters, parameter_constraints=constraints)
        self.names = problem["targets"]
        worst = problem["worst"]  # the reference point, as outcome constraints: Ax's own way
        many = len(self.names) > 1
        self.client.configure_optimization(
            objective=", ".join(self.names),
            outcome_constraints=[f"{t} >= {w}" for t, w in zip(self.names, worst, strict=True)]
            if many
            else (),
        )
        self.client.configure_generation_strategy(
            initialization_budget=0, initialize_with_center=False
        )
        self.told = 0
        self.asked: tuple[int, dict[str, Any]] | None = None

    def point(self, points: Sequence[Mapping[str, Any]], Y: Sequence[Any]) -> dict[str, Any]:
        """Complete what was asked or attach what is new, and ask for the next trial."""
        for point, values in list(zip(points, Y, strict=True))[self.told :]:
            if self.asked and self.asked[1] == point:
                number = self.asked[0]
            else:
                free = {name: v for name, v in point.items() if name not in self.parts[-1:]}
                number = self.client.attach_trial(parameters=free)
            self.client.complete_trial(
                number, raw_data=dict(zip(self.names, map(float, values), strict=True))
            )
        self.told = len(points)
        ((number, said),) = self.client.get_next_trials(max_trials=1).items()
        if not self.parts:
            self.asked = (number, _plain(said))
            return self.asked[1]
        self.client.mark_trial_abandoned(number)  # what is made is attached, as far as it differs
        return self._mixed(said)

    def _mixed(self, said: Mapping[str, Any]) -> dict[str, float]:
        """The fractions that are made: at most so many, summing to one."""
        shares = np.array([said[part] for part in self.parts[:-1]])
        shares = np.clip(np.append(shares, 1.0 - shares.sum()), 0.0, None)
        shares[np.argsort(-shares)[self.at_most :]] = 0.0
        return dict(zip(self.parts, (shares / shares.sum()).tolist(), strict=True))


def ax_client(seed: int) -> Any:
    """A Client that keeps quiet."""
    from ax.api.client import Client

    logging.disable(logging.WARNING)
    return Client(random_seed=seed % 2**31)


def _told(parameter: Mapping[str, Any]) -> tuple[str, str, float, float, list[str]]:
    """Name, kind, low, high and values of a parameter."""
    low, high = parameter.get("low", 0.0), parameter.get("high", 1.0)
    return parameter["name"], parameter["kind"], low, high, parameter.get("values", [])


def _plain(point: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as Python's own."""
    return {n: v.item() if isinstance(v, np.generic) else v for n, v in point.items()}


KINDS = {
    ("pool", "baybe"): BaybePool,
    ("pool", "ax"): AxPool,
    ("space", "baybe"): BaybeSpace,
    ("space", "ax"): AxSpace,
}


def main() -> None:
    """Answer until the input ends; imports happen when a peer is opened."""
    torch.set_num_threads(1)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not be taken for an answer
    peer: Any = None
    for line in sys.stdin:
        message = json.loads(line)
        do, seed = message.pop("do"), message.pop("seed")
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        torch.manual_seed(seed)
        cpu, wall = time.process_time(), time.perf_counter()
        try:
            if do in ("pool", "space"):
                peer = KINDS[do, message.pop("kind")](**message, seed=seed)
                answer = None
            else:
                answer = getattr(peer, do)(**message)
            said = {"answer": answer}
        except Exception as error:  # noqa: BLE001
            said = {"error": f"{type(error).__name__}: {error}"}
        said |= {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
        answers.write(json.dumps(said) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
