"""What changed on disk, soon after it did, and once per burst.

A **burst** is a run of changes with no pause longer than the subscriber's quiet period. A **glob** is
read below a directory; its **root** is its leading part without wildcards. **Noise** is what never
counts: node_modules, .git, caches, virtual environments, editors' temporary files, and directories
that the directory's own .gitignore names plainly (lines with wildcards or inner slashes are not read).

patterns.py   globs and noise (pure)
layout.py     which directories must be watched, which are only walked past
sources.py    the threads that listen to the kernel, or poll
watcher.py    Watcher: subscribers, bursts, roots that come and go
"""

from devproxy.watch.watcher import Subscription, Watcher

__all__ = ["Subscription", "Watcher"]
