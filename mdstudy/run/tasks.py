"""What is to be made of a plan, of what, and what is left of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mdstudy.base.errors import RunError
from mdstudy.base.provenance import sha256
from mdstudy.run.plan import Plan, Stage, completed, difference
from mdstudy.run.rundir import RunDir, check


@dataclass(frozen=True)
class Task:
    """A stage with where its product goes and what it starts from."""

    stage: Stage
    product: Path
    start: Path
    mean_log: Path | None

    @property
    def name(self) -> str:
        """Name of the product within the run directory."""
        return f"{self.product.parent.name}/{self.product.name}"

    def origin(self, seed: int, system_hash: str) -> dict[str, Any]:
        """All that the product is a function of."""
        return {**asdict(self.stage), "seed": seed, "system": system_hash, "start": sha256(self.start)}


def tasks(run_dir: RunDir, plan: Plan) -> list[Task]:
    """Every stage and segment of a plan in order."""
    made: list[Task] = []
    start = run_dir.start_xml
    products = [*run_dir.stages(), *(run_dir.segment(k + 1) for k in range(plan.production.segments))]
    for stage, product in zip([*plan.stages, *plan.segments()], products, strict=True):
        log = None if stage.mean_of is None else run_dir.stage(stage.mean_of) / "state.csv"
        made.append(Task(stage, product, start, log))
        start = product / "end.xml"
    return made


def left(planned: Sequence[Task], seed: int, system_hash: str) -> list[Task]:
    """Tasks still to do.

    Raises
    ------
    RunError
        The finished ones are harmed, no whole beginning, or made from other inputs.
    """
    done = [task.product.is_dir() for task in planned]
    count = done.index(False) if False in done else len(done)
    if any(done[count:]):
        later = next(t for t, d in zip(planned[count:], done[count:], strict=True) if d)
        raise RunError(f"{planned[count].product}: is missing, but {later.product.name} after it exists: remove that")
    for task in planned[:count]:
        record = check(task.product)
        now = json.loads(json.dumps(task.origin(seed, system_hash)))
        if changed := difference(completed(record["made_from"]), now):
            raise RunError(f"{task.product}: was made from other inputs: {changed}. Build a new directory for that.")
    return list(planned[count:])


def unsettled(run_dir: RunDir, plan: Plan) -> str:
    """Say which stages ended at their limit without becoming stationary; empty if none."""
    names = [
        folder.name
        for stage, folder in zip(plan.stages, run_dir.stages(), strict=True)
        if stage.until is not None
        and not json.loads((folder / "done.json").read_text(encoding="utf-8"))["equilibration"]["stationary"]
    ]
    return (
        f"; NOT EQUILIBRATED: {', '.join(names)} reached the limit of time before becoming stationary" if names else ""
    )
