"""devproxy as another user, `nobody`, who can read neither our home nor this checkout.

Interpreter, standard library, the package and what its port commands import are copied to where everybody
can read. Becoming another user takes root or `sudo -n`; without them the tests fail rather than pass by default.
"""

import os
import pwd
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import devproxy

NAME = "nobody"
IMPORTED = ("psutil", "typer")  # by `kill-port` and `ports`; with all that these need
LEFT_OUT = shutil.ignore_patterns("test", "tests", "site-packages", "dist-packages", "idlelib", "tkinter", "ensurepip")
NAME_OF = re.compile(r"[A-Za-z0-9._-]+")  # in `click>=8.2.1`


class OtherUser:
    """Runs commands as nobody. Owns: a folder with all that they need; `close` removes it."""

    def __init__(self) -> None:
        self.user = pwd.getpwnam(NAME)
        self.folder = Path(tempfile.mkdtemp(prefix="devproxy-nobody-"))
        self.folder.chmod(0o755)
        self.python = self._copy_python()
        self._copy_packages()
        home = self.folder / "home"
        home.mkdir()
        home.chmod(0o777)  # whoever we are
        self.environment = {
            "HOME": str(home),
            "DEVPROXY_STATE_DIR": str(home / "state"),
            "PATH": str(self.folder / "nothing-is-here"),  # no lsof, no ss, no docker
            "PYTHONPATH": str(self.folder / "site"),
            "LD_LIBRARY_PATH": str(self.folder / "lib"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        said = self.run(["-c", "import os; print(os.getuid())"])
        if said.stdout.strip() != str(self.user.pw_uid):
            raise AssertionError(
                f"these tests run devproxy as {NAME}, for which they must be root or have `sudo -n`:"
                f" {said.stdout}{said.stderr}"
            )

    def start(self, arguments: list[str], env: Mapping[str, str] = {}, **options: Any) -> "subprocess.Popen[str]":
        """Start our interpreter as nobody with these arguments."""
        values = {**self.environment, **env}
        command = [str(self.python), *arguments]
        if os.getuid() == 0:
            options |= {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": [], "env": values}
        else:
            command = ["sudo", "-n", "-u", NAME, "env", "-i", *(f"{key}={it}" for key, it in values.items()), *command]
        return subprocess.Popen(command, cwd=self.environment["HOME"], stdin=subprocess.DEVNULL, text=True, **options)

    def run(self, arguments: list[str]) -> "subprocess.CompletedProcess[str]":
        """Run our interpreter as nobody with these arguments, to its end."""
        with self.start(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def devproxy(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        """Run a devproxy command as nobody."""
        return self.run(["-m", "devproxy", *map(str, arguments)])

    def close(self) -> None:
        if os.getuid() != 0:  # what nobody has written is nobody's
            subprocess.run(["sudo", "-n", "rm", "-rf", str(self.folder / "home")], check=False)
        shutil.rmtree(self.folder)

    def _copy_python(self) -> Path:
        library = Path(sysconfig.get_path("stdlib"))
        shutil.copytree(library, self.folder / "lib" / library.name, ignore=LEFT_OUT, copy_function=_link)
        if sysconfig.get_config_var("Py_ENABLE_SHARED"):
            shared = Path(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME"))
            _link(shared, self.folder / "lib" / shared.name)
        (self.folder / "bin").mkdir()
        return Path(_link(os.path.realpath(sys.executable), self.folder / "bin" / library.name))

    def _copy_packages(self) -> None:
        site = self.folder / "site"
        shutil.copytree(Path(devproxy.__file__).parent, site / "devproxy", copy_function=_link)
        names = list(IMPORTED)
        for name in names:  # grows while it is walked
            found = distribution(name)
            needed = (NAME_OF.match(one) for one in found.requires or () if ";" not in one)
            names += [one[0] for one in needed if one and one[0] not in names]
            for file in found.files or ():
                if ".." not in file.parts:  # a script in bin/
                    (site / file).parent.mkdir(parents=True, exist_ok=True)
                    _link(str(file.locate()), site / file)
        for path in self.folder.rglob("*"):
            if path.is_dir():
                path.chmod(0o755)


def _link(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> str:
    """Copy, so that everybody may read it; a link is quicker, where it will do."""
    mode = Path(source).stat().st_mode
    try:
        if not mode & 0o004:
            raise PermissionError
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        Path(target).chmod(mode | 0o444 | (mode & 0o100 and 0o111))
    return str(target)
