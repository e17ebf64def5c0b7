"""The bundled demo: a static page with live reload, and a Python API with REST, SSE and WebSocket.

project/ is what the user gets a copy of; it needs nothing but what devproxy itself stands on.
"""

import json
import shutil
import sys
from importlib.resources import as_file, files
from pathlib import Path

TEMPLATE = "devproxy.toml.in"


def copy_to(folder: Path) -> None:
    """Copy the demo project into `folder` (made if need be), its API set to run with this interpreter.

    Raises: OSError: the folder cannot be written.
    """
    with as_file(files("devproxy.demo").joinpath("project")) as project:
        ignored = shutil.ignore_patterns(TEMPLATE, "__pycache__")
        shutil.copytree(project, folder, ignore=ignored, dirs_exist_ok=True)
        template = (project / TEMPLATE).read_text(encoding="utf-8")
    # A JSON string is a TOML string too, as long as it is not escaped to ASCII.
    python = json.dumps(sys.executable, ensure_ascii=False)
    (folder / "devproxy.toml").write_text(template.replace("{python}", python), encoding="utf-8")
