"""Where changes come from: a thread that listens to the kernel, or one that polls.

The only file that uses watchfiles. A source hands over raw changes on its own thread; it is opened
and closed from the event loop's.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from devproxy.watch.layout import Root, walk_files

ADDED, MODIFIED, DELETED = 1, 2, 3
Change = tuple[int, str]
Failure = Literal["vanished", "refused"]

# watchfiles sleeps a step, looks, sleeps another, and hands over what has stopped growing. Measured 2026-11: a step
# of 5 ms gives 5 to 10 ms from a write to here for 0.3 % of a core when idle, one of 1 ms costs 1.9 %, of 50 ms 0.03 %.
SHORTEST_STEP_MS = 5
GROUP_MS = 50
POLL_SECONDS = 1.0
CLOSE_SECONDS = 5.0


class KernelSource:
    """Listens on `paths`. opened(None) once it does, or opened(why, message) if it cannot.

    Args: step_ms: how often it looks, from SHORTEST_STEP_MS to GROUP_MS.

    Both callables run on the source's thread.
    """

    def __init__(
        self,
        paths: Iterable[str],
        *,
        recursive: bool,
        step_ms: int,
        opened: Callable[[Failure | None, str], None],
        changed: Callable[[list[Change]], None],
    ) -> None:
        self._paths = sorted(paths)
        self._recursive = recursive
        self._step_ms = step_ms
        self._opened = opened
        self._changed = changed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="devproxy-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; on return the thread has ended."""
        self._stop.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

        try:
            notify = RustNotify(self._paths, False, False, 0, self._recursive, False)
        except FileNotFoundError as error:
            self._opened("vanished", str(error))
            return
        except (OSError, WatchfilesRustInternalError) as error:
            self._opened("refused", str(error))
            return
        self._opened(None, "")
        try:
            # No timeout of watchfiles' own (0): when one passes it clears what arrived in the last step.
            while not isinstance(found := notify.watch(GROUP_MS, self._step_ms, 0, self._stop), str):
                self._changed(list(found))
        except WatchfilesRustInternalError as error:  # a directory made later found no free watch
            self._opened("refused", str(error))
        finally:
            notify.close()


class PollSource:
    """Looks at every file of the roots once a second. For where the kernel cannot tell us.

    Our own walk rather than watchfiles' polling: that one compares whole seconds, and would stat
    node_modules every time.
    """

    def __init__(
        self,
        roots: Iterable[Root],
        *,
        opened: Callable[[Failure | None, str], None],
        changed: Callable[[list[Change]], None],
    ) -> None:
        self._roots = list(roots)
        self._opened = opened
        self._changed = changed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="devproxy-poll", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop polling; on return the thread has ended."""
        self._stop.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        before = self._snapshot()
        self._opened(None, "")
        while not self._stop.wait(POLL_SECONDS):
            after = self._snapshot()
            if changes := differences(before, after):
                self._changed(changes)
            before = after

    def _snapshot(self) -> dict[str, tuple[int, int, int]]:
        seen: dict[str, tuple[int, int, int]] = {}
        for root in self._roots:
            for path in walk_files(root.path, root.ignored):
                if self._stop.is_set():
                    return seen
                try:
                    found = os.stat(path)  # a Path for each of 20,000 files is what costs
                except OSError:  # gone since it was listed
                    continue
                seen[path] = (found.st_mtime_ns, found.st_size, found.st_ino)
        return seen


def differences(before: Mapping[str, tuple[int, int, int]], after: Mapping[str, tuple[int, int, int]]) -> list[Change]:
    """What was added, modified and deleted between two snapshots."""
    changes = [(ADDED, path) for path in after.keys() - before.keys()]
    changes += [(DELETED, path) for path in before.keys() - after.keys()]
    changes += [(MODIFIED, path) for path in after.keys() & before.keys() if after[path] != before[path]]
    return changes
