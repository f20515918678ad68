"""Which OpenMM platform a run uses, and why."""

from __future__ import annotations

from dataclasses import dataclass

import openmm

from mdstudy.base.errors import RunError, did_you_mean, first_line

#: In the order in which "auto" tries them.
ORDER = ("CUDA", "HIP", "OpenCL", "CPU", "Reference")
GPU = ("CUDA", "HIP", "OpenCL")
#: OpenCL implementations that run on the processor: the CPU platform is faster there.
_OPENCL_ON_CPU = ("portable computing language", "pocl", "intel(r) cpu", "oclgrind")


@dataclass(frozen=True)
class Choice:
    """A platform that works, with its properties, why it was taken, and its device and precision in words."""

    platform: openmm.Platform
    properties: dict[str, str]
    why: str
    found: str

    @property
    def name(self) -> str:
        """Name by which OpenMM knows it."""
        return str(self.platform.getName())

    def context(self, system: openmm.System, integrator: openmm.Integrator) -> openmm.Context:
        """Make a context on it."""
        return openmm.Context(system, integrator, self.platform, self.properties)


def choose(platform: str = "auto", device: str | int | None = None, precision: str = "mixed") -> Choice:
    """Take the platform asked for, or the fastest on which a context really works.

    Parameters
    ----------
    platform : str
        ``"auto"`` or a name of :data:`ORDER`. OpenCL on a processor (PoCL) is
        taken only when asked for.
    device : str or int, optional
        GPU index.
    precision : {"single", "mixed", "double"}
        On GPUs; the CPU platform computes forces in single and integrates in
        double precision, Reference is double throughout.

    Raises
    ------
    RunError
        The platform is unknown or does not work here; says why.
    """
    check_name(platform)
    if platform != "auto":
        properties = _properties(platform, device, precision)
        fault, found = _try(platform, properties)
        if fault is not None:
            working = [name for name in ORDER if _try(name, _properties(name, None, precision))[0] is None]
            raise RunError(f"platform {platform} does not work here: {fault}. These do: {', '.join(working)}.")
        return Choice(openmm.Platform.getPlatformByName(platform), properties, f"{found}, as asked", found)
    passed: list[str] = []
    for name in ORDER:
        properties = _properties(name, device, precision)
        fault, found = _try(name, properties)
        if fault is None and name == "OpenCL" and any(word in found.lower() for word in _OPENCL_ON_CPU):
            fault = f"{found} runs on the processor"
        if fault is None:
            why = f"{found}, the first that works" + (f" ({'; '.join(passed)})" if passed else "")
            return Choice(openmm.Platform.getPlatformByName(name), properties, why, found)
        passed.append(f"{name}: {fault}")
    raise RunError(f"no OpenMM platform works here ({'; '.join(passed)})")


def check_name(platform: str) -> None:
    """Check that a platform could be asked for.

    Raises
    ------
    RunError
        Neither ``"auto"`` nor one of :data:`ORDER`.
    """
    if platform not in ("auto", *ORDER):
        raise RunError(f'platform "{platform}" is unknown.{did_you_mean(platform, ["auto", *ORDER])}')


def _properties(name: str, device: str | int | None, precision: str) -> dict[str, str]:
    if name not in GPU:
        return {}
    return {"Precision": precision} | ({} if device is None else {"DeviceIndex": str(device)})


def _try(name: str, properties: dict[str, str]) -> tuple[str | None, str]:
    """Make a context and take a step; why that fails (None if it does not) and what was found."""
    system = openmm.System()
    force = openmm.NonbondedForce()
    for _ in range(2):
        system.addParticle(1.0)
        force.addParticle(0.1, 0.3, 1.0)
    system.addForce(force)
    try:
        platform = openmm.Platform.getPlatformByName(name)
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform, properties)
        context.setPositions([openmm.Vec3(0, 0, 0), openmm.Vec3(0.4, 0, 0)])
        context.getIntegrator().step(1)
        known = platform.getPropertyNames()
        shown = [k for k in ("OpenCLPlatformName", "DeviceName", "Threads", "Precision") if k in known]
        details = [(k, platform.getPropertyValue(context, k)) for k in shown]
    except openmm.OpenMMException as error:
        text = first_line(error).removesuffix(".")
        return ("not installed" if text.startswith("There is no registered Platform") else text), name
    words = [f"{v} threads" if k == "Threads" else f"{v} precision" if k == "Precision" else v for k, v in details]
    return None, " ".join([name, f"({', '.join(words)})" if words else ""]).strip()
