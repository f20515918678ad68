from __future__ import annotations

import openmm
import pytest

from mdstudy.base.errors import RunError
from mdstudy.run.platforms import ORDER, choose


def works(name: str) -> bool:
    system = openmm.System()
    system.addParticle(1.0)
    try:
        openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName(name))
    except openmm.OpenMMException:
        return False
    return True


def test_auto_takes_what_works_and_says_why() -> None:
    choice = choose()
    assert works(choice.name)
    assert choice.why.startswith(choice.name)
    for better in ORDER[: ORDER.index(choice.name)]:
        assert f"{better}: " in choice.why  # passed over, with the reason


def test_auto_does_not_take_an_opencl_that_runs_on_the_processor() -> None:
    if not works("OpenCL"):
        pytest.skip("no OpenCL here")
    asked = choose("OpenCL").why
    if "Portable Computing Language" not in asked:
        pytest.skip(f"this OpenCL is no PoCL: {asked}")
    assert choose().name != "OpenCL"


def test_the_platform_asked_for_is_taken() -> None:
    assert choose("Reference").why == "Reference, as asked"
    assert choose("CPU").name == "CPU"
    assert choose("CPU").properties == {}


def test_a_context_is_made_on_the_choice() -> None:
    system = openmm.System()
    system.addParticle(1.0)
    context = choose("Reference").context(system, openmm.VerletIntegrator(0.001))
    assert context.getPlatform().getName() == "Reference"


@pytest.mark.opencl
def test_precision_and_device_reach_the_platform() -> None:
    choice = choose("OpenCL", device=0, precision="single")
    assert choice.properties == {"Precision": "single", "DeviceIndex": "0"}
    with pytest.raises(RunError, match="OpenCL does not work here"):
        choose("OpenCL", device=97)


def test_a_platform_that_is_unknown_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(RunError, match='Did you mean "CUDA"'):
        choose("CUDDA")


def test_a_platform_that_is_absent_is_refused_with_those_that_work() -> None:
    absent = next((name for name in ("HIP", "CUDA") if not works(name)), None)
    if absent is None:
        pytest.skip("CUDA and HIP both work here")
    with pytest.raises(RunError, match=rf"{absent} does not work here: .*These do: .*CPU, Reference"):
        choose(absent)
