"""A build backend (PEP 517, PEP 660) in one file, for the projects that packages.ts writes.

It is used twice: as a file inside a project (`backend-path = ["."]`) and as the package
`tinybuild`, which a project has to download before it can be built. It takes all it needs from
`[project]` and `[tool.tinybuild]` of the pyproject.toml in the current directory, so a test that
edits the dependencies there sees them in what is built.

Two builds of the same sources differ on purpose, as they do for most real projects: each wheel
has its own BUILD_ID in `<module>/_build.py`.
"""

import base64
import hashlib
import json
import re
import sys
import uuid
import zipfile
from pathlib import Path


def get_requires_for_build_wheel(config_settings=None):
    return _tool().get("dynamic-build-requires", [])


def get_requires_for_build_editable(config_settings=None):
    return _tool().get("dynamic-build-requires", [])


def get_requires_for_build_sdist(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    directory = Path(metadata_directory, _dist_info())
    directory.mkdir()
    (directory / "METADATA").write_bytes(_metadata())
    (directory / "WHEEL").write_bytes(_WHEEL)
    return directory.name


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    _begin("build_wheel")
    build_id = f"BUILD_ID = {uuid.uuid4().hex!r}\n"
    members = {f"{_module()}/_build.py": build_id.encode()}
    sources = Path("src")
    for path in sorted(sources.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            members[path.relative_to(sources).as_posix()] = path.read_bytes()
    return _write(wheel_directory, members)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    _begin("build_editable")
    sources = str(Path("src").resolve())
    return _write(wheel_directory, {f"__editable__{_module()}.pth": f"{sources}\n".encode()})


_WHEEL = b"Wheel-Version: 1.0\nGenerator: tinybuild\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def _begin(hook):
    """Leave a trace that a build took place, then fail if the project asks for it."""
    project, tool = _pyproject()["project"], _tool()
    if tool.get("marker"):
        with open(tool["marker"], "a", encoding="utf-8") as marker:
            marker.write(f"{project['name']} {project['version']} {hook}\n")
    if tool.get("fail"):
        sys.exit(tool["fail"])


def _write(wheel_directory, members):
    info = _dist_info()
    members[f"{info}/METADATA"] = _metadata()
    members[f"{info}/WHEEL"] = _WHEEL
    record = ""
    for name, content in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(content)}\n"
    members[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    filename = info[: -len(".dist-info")] + "-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory, filename), "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return filename


def _metadata():
    project = _pyproject()["project"]
    lines = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}"]
    if "requires-python" in project:
        lines.append(f"Requires-Python: {project['requires-python']}")
    lines += [f"Requires-Dist: {line}" for line in project.get("dependencies", [])]
    for extra, requirements in project.get("optional-dependencies", {}).items():
        lines.append(f"Provides-Extra: {extra}")
        for line in requirements:
            requirement, _, marker = (part.strip() for part in line.partition(";"))
            marker = f"({marker}) and " if marker else ""
            lines.append(f'Requires-Dist: {requirement} ; {marker}extra == "{extra}"')
    return ("\n".join(lines) + "\n").encode()


def _dist_info():
    return f"{_module()}-{_pyproject()['project']['version'].replace('-', '_')}.dist-info"


def _module():
    return re.sub(r"[-_.]+", "_", _pyproject()["project"]["name"]).lower()


def _tool():
    return _pyproject().get("tool", {}).get("tinybuild", {})


def _pyproject():
    text = Path("pyproject.toml").read_text(encoding="utf-8")
    try:
        import tomllib
    except ImportError:  # before Python 3.11
        return _read_plain_toml(text)
    return tomllib.loads(text)


def _read_plain_toml(text):
    """Read the subset of TOML that packages.ts writes: one JSON value to a line."""
    document = {}
    table = document
    for line in text.splitlines():
        if line.startswith("["):
            table = document
            for part in line.strip("[]").split("."):
                table = table.setdefault(part.strip('"'), {})
        elif "=" in line:
            key, value = line.split("=", 1)
            table[key.strip().strip('"')] = json.loads(value)
    return document
