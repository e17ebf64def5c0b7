"""The configuration: one frozen object, made at the edge, each value checked.

model.py   what a config holds (values only)
load.py    devproxy.toml or [tool.devproxy] -> Config, strictly: file, line and key of every problem
"""
