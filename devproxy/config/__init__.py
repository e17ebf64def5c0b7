"""The configuration: one frozen object, made at the edge, each value checked.

model.py      what a config holds (values only)
root.py       where a project's root is, and whether it has a config
load.py       devproxy.toml or [tool.devproxy] -> Config, strictly: file, line and key of every problem
schema.py     reading a table strictly, with the nearest key   positions.py  which line a key stands on
services.py   [services.NAME]     routes.py  [[routes]]        checks.py     what must hold among services
balancing.py  what both say of their upstreams
instances.py  one declaration, N services          selection.py  which services are to run
changes.py    what another config changes for a session that runs (pure)
elsewhere.py  a service that somebody else runs (pure)         checkout.py   branch and worktree, as git has them
dump.py       a Config as a commented devproxy.toml
"""
