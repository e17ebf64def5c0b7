"""What people type and see: one file a command group, each a plain function that Typer describes.

app.py      knows the commands and loads only the one that was asked for     layout.py   writes `--help`
console.py  colour, width, messages and the exit                             client.py   talks to a running session

The commands: up.py, run.py, proxy.py, demo.py (a session here), status.py, why.py, sessions.py (`ls`), logs.py, env.py,
routes.py, plan.py (also `init`), control.py (start, stop, restart, reload), down.py, open.py, attach.py,
ports.py, kill_port.py, complete.py.

foreground.py  a session on this terminal          detached.py     one in the background; session_log.py: its log
screen.py      the terminal of `up`                keys.py         what its keys mean (pure)
terminal.py    the terminal's modes                attachment.py   our terminal at a service
early.py       the children's first lines          errand.py       the command of `run`, and the session around it
lines.py       the log's lines on a terminal       log_output.py   records as `logs` writes them
prefix.py      whose line it is                    fold.py         the same traceback again, in one line
readiness.py   is it ready, and why not            browser.py      opening an address
"""
