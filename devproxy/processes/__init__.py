"""Running what the user declared: started, watched over, stopped, and never left behind.

Words: a *service* is what the user named; its *child* is the process we started for it, leader of its own
session and process group; a *generation* is one start of a service; the *grace period* is the time between
asking a group to end and ending it.

lifecycle.py   the state machine (pure)            service.py     one service's owner: events in, effects out
claiming.py    its port: claimed, awaited, taken   running.py     one generation: its child, its tree, their end
outputs.py     what a child prints, as it is read  health.py      readiness, then liveness, of each generation
child.py       one process: its pty, its group     tree.py        ... and all that came of it
shell.py       what a command line becomes (pure)  reaper.py      who has exited
start.py       starting a child, without a loop    surroundings.py   what a session gives its services
beside.py      a command of the user's beside the services
marks.py       whose a process is, by its marks    ending.py      grace, kill, and its ports bind
guard.py       ends the groups if we are killed    guarding.py    ... and our end of it
readiness.py   may it take traffic?                liveness.py    does what was ready still serve?
environment.py what a child finds in its environment, and where each value came from (pure)
secrets.py     which values are masked (pure)      vitals.py      what the processes do: CPU, memory, ports
env_files.py   .env files by python-dotenv's rules, strictly
terminal.py    who is attached to a service        unfinished.py  lines without an end: questions, perhaps
missing.py     a program that is not there (pure)  contested.py   which port was in use, by what it printed (pure)
stillborn.py   has an error ended its start? (pure)   supervisor.py  all services: who may start, reverse stop
dependencies.py   who depends on whom (pure)       probe_command.py   a command that tells
pace.py        how much of the loop a child may take that prints without end (pure)
"""
