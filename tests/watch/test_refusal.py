"""Where the kernel has no more watches to give: that is said once, and files are looked at instead."""

import subprocess
import sys
from pathlib import Path

import pytest

# Limits of a user namespace's own (user_namespaces(7)): nobody else on the machine runs short.
SCENE = """
import asyncio, sys
from pathlib import Path
from devproxy.watch import Watcher

limit, number, folder = sys.argv[1:]
Path("/proc/sys/user", limit).write_text(number)

async def scene():
    told, warnings = asyncio.Queue(), []
    watcher = Watcher(warn=warnings.append)
    watcher.add(Path(folder), ["**/*.py"], 30, told.put_nowait)
    running = asyncio.create_task(watcher.run())
    await watcher.started.wait()
    for name in ("a.py", "3/b.py"):
        Path(folder, name).write_text("x")
        print("told", *(Path(path).name for path in await told.get()))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    print("warned", *warnings, sep="\\n")

asyncio.run(scene())
"""


@pytest.mark.parametrize(("limit", "number"), [("max_inotify_watches", 5), ("max_inotify_instances", 0)])
def test_a_refusal_is_one_warning_that_names_the_setting_and_changes_are_seen_all_the_same(
    tmp_path: Path, limit: str, number: int
) -> None:
    for child in range(20):
        (tmp_path / str(child)).mkdir()
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", SCENE, limit, str(number), str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert ended.returncode == 0, ended.stderr
    told_a, told_b, warned, *warnings = ended.stdout.splitlines()
    assert (told_a, told_b, warned, len(warnings)) == ("told a.py", "told b.py", "warned", 1)
    assert "fs.inotify.max_user_watches" in warnings[0]
    assert "fs.inotify.max_user_instances" in warnings[0]
