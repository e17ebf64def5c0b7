"""One command, one origin, one log: a local dev server for full-stack projects.

The map of the package is in docs/ARCHITECTURE.md.
"""

__version__ = "0.1.0"
