"""What every test runs under, and which tests this machine cannot run."""

from __future__ import annotations

import os
from functools import cache

import pytest

os.environ.setdefault(
    "OPENMM_CPU_THREADS", "1"
)  # same sums every time; threads cost more than they give on small boxes
os.environ.setdefault("MPLBACKEND", "Agg")  # a figure opens no window

#: Marker -> platforms of OpenMM, one of which must work.
PLATFORMS = {"gpu": ("CUDA", "HIP"), "opencl": ("OpenCL",)}


@cache
def why_not(platform: str) -> str | None:
    """Return why OpenMM cannot use a platform here, or None if it can."""
    import openmm

    system = openmm.System()
    system.addParticle(1.0)
    try:
        openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName(platform))
    except openmm.OpenMMException as error:
        return f"{platform}: {error}"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose marker asks for a platform that does not work here, and say why."""
    for marker, platforms in PLATFORMS.items():
        if item.get_closest_marker(marker):
            reasons = [why_not(platform) for platform in platforms]
            if all(reasons):
                pytest.skip("; ".join(reason for reason in reasons if reason))
