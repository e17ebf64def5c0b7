"""What git knows of a folder: which branch is checked out, and whether this is a linked worktree.

Reads .git and never runs git: every start asks this. Source: gitrepository-layout(5), git-worktree(1).
"""

from dataclasses import dataclass
from pathlib import Path

HEAD_OF_BRANCH = "ref: refs/heads/"
NO_BRANCH = ".invalid"  # what HEAD says in a repo whose refs are kept elsewhere (reftable)


@dataclass(frozen=True, slots=True)
class Checkout:
    """branch: empty when there is none (detached, or no git); primary: where the repo is, if this is a linked
    worktree of it (`git worktree add`)."""

    branch: str = ""
    primary: Path | None = None

    @property
    def is_linked(self) -> bool:
        """Whether this is a linked worktree."""
        return self.primary is not None


def checkout_of(folder: Path) -> Checkout:
    """The checkout that this folder is in; what cannot be read is as if there were no git."""
    for parent in (folder, *folder.parents):
        git = parent / ".git"
        try:
            if git.is_dir():
                return Checkout(_branch(git))
            if git.is_file():  # of a linked worktree, or of a submodule: only the former has a commondir
                git = parent / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
                return Checkout(_branch(git), _primary(git))
        except (OSError, ValueError):  # no such file; not UTF-8, a NUL in a path
            return Checkout()
    return Checkout()


def _branch(git: Path) -> str:
    head = (git / "HEAD").read_text(encoding="utf-8").strip()
    if not head.startswith(HEAD_OF_BRANCH):
        return ""
    branch = head.removeprefix(HEAD_OF_BRANCH)
    return "" if branch == NO_BRANCH else branch


def _primary(git: Path) -> Path | None:
    """The folder of the primary worktree; of a bare repo, `shop.git`, as if it were `shop`."""
    if not (git / "commondir").is_file():
        return None
    common = (git / (git / "commondir").read_text(encoding="utf-8").strip()).resolve()
    return common.parent if common.name == ".git" else common.with_suffix("")
