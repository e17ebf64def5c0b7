"""What changed on disk, soon after it did, and once per burst.

A **burst** is a run of changes with no pause longer than the subscriber's quiet period. A **glob** is
read below a directory; its **root** is its leading part without wildcards. **Noise** is what never
counts: node_modules, .git, caches, virtual environments and editors' temporary files. What .gitignore
names counts only for who asks for it.

patterns.py   globs and noise (pure)
gitignore.py  what the .gitignore files of a repository say, as git reads them
layout.py     which directories must be watched, which are only walked past
sources.py    the threads that listen to the kernel, or poll
watcher.py    Watcher: subscribers, bursts, roots that come and go
"""

from devproxy.watch.watcher import Subscription, Watcher

__all__ = ["Subscription", "Watcher"]
