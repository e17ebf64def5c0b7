"""`devproxy up` on a terminal, below a shell with job control: keys, Ctrl-C, Ctrl-Z and fg, a closed window."""

import shlex
import sys
from pathlib import Path

import psutil

from tests.support import until
from tests.support.devproxy import is_alive
from tests.support.terminal import SERVICES, Terminal, terminal, up


def test_keys_work_without_enter_and_q_gives_the_terminal_back(tmp_path: Path) -> None:
    with terminal(tmp_path) as shell:
        up(shell)
        assert not shell.is_cooked
        shell.type("h")
        shell.see("restart all services, or one")
        shell.type("r2")
        shell.see("idle restarts")
        shell.type("l2")
        shell.see("showing idle")
        shell.type("q")
        shell.see("status=0")
        assert shell.is_cooked


def test_ctrl_c_stops_all_and_ends_by_the_signal(tmp_path: Path) -> None:
    with terminal(tmp_path) as shell:
        up(shell)
        left = shell.session.children(recursive=True)
        shell.type("\x03")
        shell.see("devproxy | stopped")
        until(lambda: shell.is_cooked)
        until(lambda: not any(is_alive(process) for process in left))


def test_ctrl_z_stops_the_whole_tree_and_fg_continues_it(tmp_path: Path) -> None:
    with terminal(tmp_path) as shell:
        up(shell)
        session = shell.session
        shell.type("\x1a")
        until(lambda: session.status() == psutil.STATUS_STOPPED)
        assert shell.is_cooked
        services = [one for one in session.children(recursive=True) if "guard.py" not in " ".join(one.cmdline())]
        until(lambda: {one.status() for one in services if is_alive(one)} == {psutil.STATUS_STOPPED})
        shell.type("fg\n")
        until(lambda: session.status() != psutil.STATUS_STOPPED)
        until(lambda: not shell.is_cooked)
        ticks = shell.text.count("tick\n")
        until(lambda: shell.text.count("tick\n") > ticks)
        shell.type("q")
        until(lambda: not is_alive(session))


def test_a_closed_window_ends_everything(tmp_path: Path) -> None:
    with terminal(tmp_path) as shell:
        up(shell)
        session = shell.session
        tree = [session, *session.children(recursive=True)]
        shell.close()
        until(lambda: not any(is_alive(process) for process in tree), within=20)


def test_a_window_of_another_size_is_told_to_the_services(tmp_path: Path) -> None:
    (tmp_path / "size.py").write_text(
        "import os, signal, time\n"
        "signal.signal(signal.SIGWINCH, lambda *_: os.write(1, b'%d by %d\\n' % os.get_terminal_size(0)))\n"
        "print('here', flush=True)\n"
        "while True: time.sleep(0.02)\n"
    )
    with terminal(tmp_path, {"size": f"exec {sys.executable} size.py"}) as shell:
        up(shell)
        shell.see("size     | here")
        shell.child.resize(100, 40)
        shell.see(f"size     | {100 - len('devproxy | ')} by 40")
        shell.type("q")
        shell.see("status=0")


ASK = {"ask": f"exec {sys.executable} ask.py", "ticker": SERVICES["ticker"]}
QUESTIONS = """
answer = input("Continue? [y/N] ")
print(f"you said {answer}", flush=True)
while True:
    breakpoint()
    print("went on", flush=True)
"""


def attach(shell: Terminal) -> None:
    """Attach to the service, and wait until it is."""
    shell.type(f"{shlex.join([sys.executable, '-m', 'devproxy', 'attach', 'ask'])}; echo status=$?\n")
    shell.see("Ctrl-] detaches")


def test_a_question_stands_below_the_lines_of_others_and_is_told_when_nobody_answers(tmp_path: Path) -> None:
    (tmp_path / "ask.py").write_text(QUESTIONS)
    with terminal(tmp_path, ASK) as shell:
        up(shell)
        shell.see("ask      | Continue? [y/N] ")
        shell.see("devproxy | ask waits for input: devproxy attach ask")
        until(lambda: shell.rows[-1].rstrip() == "ask      | Continue? [y/N]")
        until(lambda: shell.rows[-2].rstrip() == "ticker   | tick")
        assert sum("Continue?" in row for row in shell.rows) == 1
        assert not shell.rows[-1].count("tick")
        shell.type("q")
        shell.see("status=0")


def test_who_attaches_answers_a_question_and_debugs_and_leaves_it_running(tmp_path: Path) -> None:
    (tmp_path / "ask.py").write_text(QUESTIONS)
    with terminal(tmp_path, ASK) as first, terminal(tmp_path, ASK) as second:
        up(first)
        attach(second)
        second.see("Continue? [y/N] ")
        assert not second.is_cooked
        second.type("y\r")
        second.see("you said y")
        second.see("(Pdb) ")
        second.type("p 6 * 7\r")
        second.see("42\r\n(Pdb) ")
        second.type("c\r")
        second.see("\nwent on")
        second.type("\x03")  # the service's, whose debugger says so
        second.see("--KeyboardInterrupt--")
        second.type("q\r")
        second.see("devproxy | ask exited")  # and who is attached sees it start again
        until(lambda: second.text.count("Continue? [y/N] ") == 2)
        second.type("\x1d")
        second.see("status=0")
        assert second.is_cooked
        first.see("ask      | you said y")  # all of it is in the log as well
        first.see("ask      | 42")
        first.type("q")
        first.see("status=0")


def test_a_attaches_from_the_terminal_of_up_itself(tmp_path: Path) -> None:
    (tmp_path / "ask.py").write_text(QUESTIONS)
    with terminal(tmp_path, ASK) as shell:
        up(shell)
        shell.see("ask      | Continue? [y/N] ")
        shell.type("aa")
        shell.see("attached to ask")
        ticks = shell.text.count("tick\n")
        shell.type("q\r")  # no key of ours now
        shell.see("you said q")
        shell.see("(Pdb) ")
        assert shell.text.count("tick\n") == ticks
        shell.type("\x1d")
        shell.see("detached from ask")
        shell.see("ask      | you said q")
        until(lambda: shell.text.count("tick\n") > ticks)
        assert not shell.is_cooked
        shell.type("q")
        shell.see("status=0")
        assert shell.is_cooked


def test_a_session_that_dies_gives_the_terminal_back(tmp_path: Path) -> None:
    (tmp_path / "ask.py").write_text(QUESTIONS)
    with terminal(tmp_path, ASK) as first, terminal(tmp_path, ASK) as second:
        up(first)
        attach(second)
        first.session.kill()
        second.see("status=5")
        assert second.is_cooked
