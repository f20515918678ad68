"""The order of the steps: analyse, compare, report, and a whole study."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from mdstudy.build import build
from mdstudy.compare import Comparison, RunResult, compare
from mdstudy.composition import Composition
from mdstudy.errors import RunError
from mdstudy.measure import measure, standard_observables
from mdstudy.measured import load_measured
from mdstudy.plan import Plan
from mdstudy.provenance import record, sha256, write_json, write_text
from mdstudy.results import (
    Curve,
    Estimate,
    curves_from_json,
    curves_to_json,
    estimates_from_csv,
    estimates_to_csv,
)
from mdstudy.rundir import RunDir
from mdstudy.simulate import run as simulate
from mdstudy.species import all_species
from mdstudy.studyfile import load_study, plan_runs
from mdstudy.thermodynamics import log_estimates
from mdstudy.trajectory import open_run

Progress = Callable[[float, str], None]
Say = Callable[[str], None]
