"""scripts/chaos: SIGKILL at random moments; nothing is left, nobody else is touched, and the next start works."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "chaos"
SEED = 7


@pytest.mark.timeout(600)  # 30 s on two idle cores
def test_twenty_seeded_rounds_leave_nothing_touch_nobody_and_start_again() -> None:
    command = [sys.executable, str(SCRIPT), "--seed", str(SEED), "--rounds", "20"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=580)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    *_, total = done.stdout.splitlines()
    assert total.split()[:6] == ["all", "20", "0", "0", "0", "0"]
