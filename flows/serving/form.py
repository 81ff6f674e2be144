"""The run form of a campaign: what a person may ask for, typed, described and checked by Prefect.

The schema is written here, and not taken from the flow: the form is shown what people decide, and
not the folder, which is the deployment's. No unions: Prefect's form cannot fill them in.
"""

from enum import StrEnum

from loop.people import Stop
from loop.records import Json

MOST = 1000  # in flight; a slip of the keyboard rather than a wish above that
LONGEST = 500  # characters of a reason


class Do(StrEnum):
    """What to do now."""

    TURN = "take one turn"
    UNTIL = "run until it waits"
    END = "run to the end"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop after what is in flight"
    STOP_NOW = "stop now"


STOPS: dict[Do, Stop] = {Do.PAUSE: "", Do.STOP: "soon", Do.STOP_NOW: "now"}
RUNS = (Do.UNTIL, Do.END)  # as `athanor run`, they have a stopped campaign go on

_WHAT = (
    "Take one turn: collect, record, propose, submit. Run until it waits: turn after turn, until "
    "results are awaited from people, it is paused, or it is over. Run to the end: also through "
    "such waits, in one run that lasts. Pause: begin nothing more. Resume: go on after a pause or "
    "a stop. Stop after what is in flight; or stop now, and have that asked again later."
)


def schema(workers: int) -> dict[str, Json]:
    """The JSON Schema of the form, for a campaign that has so many evaluations in flight."""
    return {
        "type": "object",
        "title": "Parameters",
        "properties": {
            "do": {
                "type": "string",
                "enum": [each.value for each in Do],
                "default": Do.UNTIL.value,
                "title": "What to do now",
                "description": _WHAT,
                "position": 0,
            },
            "in_flight": {
                "type": "integer",
                "minimum": 1,
                "maximum": MOST,
                "title": "How many in flight",
                "description": (
                    "Evaluations at once in this run; of a laboratory, samples that may be waited "
                    f"for. Left empty, as campaign.toml says: {workers}."
                ),
                "position": 1,
            },
            "reason": {
                "type": "string",
                "maxLength": LONGEST,
                "default": "",
                "title": "Reason",
                "description": "Why you pause, resume or stop: it is put on record.",
                "position": 2,
            },
            "by": {
                "type": "string",
                "maxLength": 100,
                "default": "",
                "title": "Your name",
                "description": "Who decides: it is put on record.",
                "position": 3,
            },
        },
        "definitions": {},
    }
