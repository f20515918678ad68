"""Faults: each does harm to runs and requires that nothing is lost. It returns what it did, in words."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mdstudy.run.interruption import EXIT_TERMINATED
from mdstudy.run.rundir import PART, RunDir
from tests.faults.world import PLAN, World

#: Runs the run step and kills it at file operation number N (0: counts them and prints their number).
AT_OPERATION = """
import os, signal, sys
from pathlib import Path
limit, seen, files = int(sys.argv.pop(1)), 0, os.path.abspath(sys.argv[1])
from mdstudy.run.simulate import main
def hook(event, arguments):
    global seen
    if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir") and str(arguments[0]).startswith(files):
        seen += 1
        if seen == limit:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
code = main()
if not limit:
    sys.stderr.write(f"operations: {seen}")
sys.exit(code)
"""


def kill_at_random_instants(world: World) -> str:
    """SIGKILL at an instant spread over the whole run, starting up and writing included."""
    kills = runs = parts = 0
    while kills < world.harm:
        run_dir, runs = world.fresh(), runs + 1
        while run_dir.status() != "done":
            process = world.start(run_dir)
            if kills < world.harm:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(world.chance.uniform(0.1, 0.7) * world.seconds)
                process.kill()
            process.communicate(timeout=300)
            kills += process.returncode == -signal.SIGKILL
            parts += bool(run_dir.parts())
        world.require_intact(run_dir)
    return f"{kills} kills over {runs} runs, {parts} left an unfinished product"


def kill_at_file_operations(world: World) -> str:
    """SIGKILL before an open, rename, mkdir, unlink or rmdir in the run directory, each time another."""
    counted = world.fresh()
    process = world.start(counted, call=("-c", AT_OPERATION, "0"))
    said = process.communicate(timeout=300)[1]
    found = re.search(r"operations: (\d+)", said)
    assert found is not None, said
    total = int(found[1])
    places = sorted(world.chance.sample(range(1, total + 1), min(total, world.harm)))
    for place in places:
        run_dir = world.fresh()
        process = world.start(run_dir, call=("-c", AT_OPERATION, str(place)))
        process.communicate(timeout=300)
        assert process.returncode == -signal.SIGKILL
        world.finish(run_dir)
        world.require_intact(run_dir)
    return f"{len(places)} of the {total} operations of a run"


def terminate(world: World) -> str:
    """SIGTERM at random instants: its own exit code, and the next start goes on, in the middle of a stage too."""
    left = runs = middle = 0
    while left < world.harm:
        run_dir, runs = world.fresh(), runs + 1
        while run_dir.status() != "done":
            process = world.start(run_dir)
            if left < world.harm:
                while run_dir.holder() is None and process.poll() is None:
                    time.sleep(0.01)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(world.chance.uniform(0, 0.4) * world.seconds)
                process.terminate()
            said = process.communicate(timeout=300)[1]
            assert process.returncode in (0, EXIT_TERMINATED), f"exit code {process.returncode}: {said}"
            assert "Traceback" not in said, said
            left += process.returncode == EXIT_TERMINATED
        records = [json.loads((p / "done.json").read_text()) for p in [*run_dir.stages(), *run_dir.segments()]]
        within = sum("gone_on_from_step" in record for record in records)
        world.require_intact(run_dir, same_bytes=not within)  # OpenMM keeps the state of the barostat to itself
        middle += within
    return f"{left} times exit code {EXIT_TERMINATED} over {runs} runs; {middle} products gone on within"


def disk_full(world: World) -> str:
    """A file system with no room left, at random fillings; then room is made."""
    if os.geteuid() != 0:
        return "not done: needs root to mount a small file system"
    fillings = []
    total = sum(len(data) for data in world.undisturbed.values())
    for _ in range(max(2, world.harm // 4)):
        with _small_disk(world.folder / "disk") as resize:
            run_dir = world.fresh(world.folder / "disk")
            used = sum(file.stat().st_size for file in run_dir.path.rglob("*") if file.is_file())
            room = world.chance.randrange(8 << 10, total)
            resize(used + room)
            process = world.start(run_dir)
            said = process.communicate(timeout=300)[1]
            assert process.returncode == 1, f"room for {room} bytes: {said}"
            assert "Traceback" not in said, said
            assert "No space left on device" in said or "disk full" in said, said
            done = len(run_dir.segments())
            resize(1 << 26)
            world.finish(run_dir)
            world.require_intact(run_dir)
            fillings.append(f"{done}")
    return f"{len(fillings)} fillings; segments whole before: {', '.join(fillings)}"


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Callable[[int], None]]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=True)

    def resize(size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)

    try:
        yield resize
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


def file_too_large(world: World) -> str:
    """A limit on the size of a file (a quota, as far as a process sees it), at random sizes."""
    largest = max(map(len, world.undisturbed.values()))
    sizes = [world.chance.randrange(256, largest) for _ in range(max(2, world.harm // 4))]
    for size in sizes:
        run_dir = world.fresh()
        process = world.start(run_dir, preexec=lambda size=size: resource.setrlimit(resource.RLIMIT_FSIZE, (size,) * 2))
        said = process.communicate(timeout=300)[1]
        assert process.returncode == 1, f"limit {size}: {said}"
        assert "Traceback" not in said, said
        world.finish(run_dir)
        world.require_intact(run_dir)
    return f"limits of {', '.join(map(str, sizes))} bytes"


def damaged_files(world: World) -> str:
    """A finished file truncated, lengthened, emptied, removed or with one bit flipped, then made again as advised."""
    harm = 0
    kinds = ("truncated", "lengthened", "emptied", "removed", "flipped")
    for kind in kinds if world.harm < 50 else kinds * 4:
        run_dir = world.copy()
        folder = world.chance.choice([*run_dir.stages(), *run_dir.segments()])
        name = "end.xml" if kind == "flipped" else world.chance.choice(sorted(f.name for f in folder.iterdir()))
        _damage(folder / name, kind, world.chance)
        world.refused(run_dir, str(folder / name), "remove")
        order = [*run_dir.stages(), *run_dir.segments()]
        for later in order[order.index(folder) :]:
            shutil.rmtree(later)
        world.finish(run_dir)
        world.require_intact(run_dir)
        harm += 1
    return f"{harm} files: {', '.join(kinds)}"


def _damage(file: Path, kind: str, chance: random.Random) -> None:
    data = bytearray(file.read_bytes())
    if kind == "removed":
        file.unlink()
        return
    if kind == "flipped":
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    changed = {"truncated": data[: chance.randrange(1, len(data))], "lengthened": data + data[-40:], "emptied": b""}
    file.write_bytes(changed.get(kind, data))


def leftovers(world: World) -> str:
    """Unfinished products with garbage in them, and a torn run.json of a process that died in the writing."""
    run_dir = world.copy()
    for number in (5, 6):
        shutil.rmtree(run_dir.segment(number))
        part = run_dir.segment(number).with_name(f"{number:04d}{PART}")
        part.mkdir()
        (part / "frames.xtc").write_bytes(b"\0" * 1000)
        (part / "end.xml").write_text("<State")
    (run_dir.path / ".run.json.123.tmp").write_text("[{")
    world.finish(run_dir)
    world.require_intact(run_dir)
    return "2 products, 1 temporary file"


def several_at_once(world: World) -> str:
    """Processes started together on one directory: one runs, the others are refused and told who does."""
    refused = rounds = 0
    for _ in range(max(1, world.harm // 8)):
        run_dir, rounds = world.fresh(), rounds + 1
        together = [world.start(run_dir) for _ in range(3)]
        said = [process.communicate(timeout=300)[1] for process in together]
        lost = [text for process, text in zip(together, said, strict=True) if process.returncode == 1]
        winners = [process.pid for process in together if process.returncode == 0]
        assert winners, said
        assert all(
            re.search(rf"already being run by process ({'|'.join(map(str, winners))}) on ", text) for text in lost
        ), lost
        refused += len(lost)
        world.require_intact(run_dir)
    assert refused, "no two processes ever met"
    return f"{rounds} rounds of 3, {refused} refused"


def clock_jump(world: World) -> str:
    """All files from the future or the past, and a monotonic clock of another machine (as root, where Linux can)."""
    other_clock = ["unshare", "--time", "--monotonic", "100000000"]
    possible = shutil.which("unshare") and subprocess.run([*other_clock, "true"], capture_output=True).returncode == 0
    for shift in (-20, 20):
        run_dir = world.fresh()
        process = world.start(run_dir, before=other_clock if possible else ())
        while not run_dir.segments() and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        process.communicate(timeout=300)
        when = time.time() + shift * 365.25 * 86400
        for file in run_dir.path.rglob("*"):
            os.utime(file, (when, when))
        world.finish(run_dir)
        world.require_intact(run_dir)
    return "file times 20 years off" + (", monotonic clock 3 years on" if possible else "")


def changed_inputs(world: World) -> str:
    """Plan or System changed under a half-finished run: refused with the difference; put back, it goes on."""
    changes = {
        "seed: 7 then, 8 now": lambda d: _edit(d.plan, '"seed": 7', '"seed": 8'),
        "steps: 200 then, 400 now": lambda d: _edit(d.plan, '"steps": 200', '"steps": 400'),
        "system: ": lambda d: _edit(d.system_xml, "</System>", "</System>\n"),
        "start: ": lambda d: _edit(d.start_xml, "</State>", "</State>\n"),
    }
    for words, change in changes.items():
        run_dir = world.copy()
        shutil.rmtree(run_dir.segment(PLAN.production.segments))
        undo = change(run_dir)
        world.refused(run_dir, words)
        undo()
        world.finish(run_dir)
        world.require_intact(run_dir)
    return f"{len(changes)} changes"


def _edit(file: Path, old: str, new: str) -> Callable[[], int]:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return lambda: file.write_text(text)


def another_openmm(world: World) -> str:
    """Half of the run with another version of OpenMM, the rest with this one."""
    if world.other_python is None:
        return "not done: needs --other-python"
    version = subprocess.run(
        [world.other_python, "-c", "import openmm; print(openmm.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    run_dir = world.fresh()
    short = json.loads(run_dir.plan.read_text())
    short["production"]["segments"] = 3
    whole = run_dir.plan.read_text()
    run_dir.plan.write_text(json.dumps(short))
    process = world.start(run_dir, python=world.other_python)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 0, said
    run_dir.plan.write_text(whole)
    world.finish(run_dir)
    world.require_intact(run_dir, same_bytes=False)
    same = "the same bytes" if _same(run_dir, world) else "not the same bytes"
    return f"3 of 6 segments with OpenMM {version}; {same} as without"


def _same(run_dir: RunDir, world: World) -> bool:
    return all((run_dir.path / name).read_bytes() == data for name, data in world.undisturbed.items())


FAULTS = (
    kill_at_random_instants,
    kill_at_file_operations,
    terminate,
    disk_full,
    file_too_large,
    damaged_files,
    leftovers,
    several_at_once,
    clock_jump,
    changed_inputs,
    another_openmm,
)
