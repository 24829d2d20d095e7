"""Imports what the pins of the given requirement files name, and compares the versions."""

import importlib
import importlib.metadata
import re
import sys
from pathlib import Path

for file in sys.argv[1:]:
    pins = re.findall(r"^([\w-]+)==(\S+)", Path(file).read_text(), re.MULTILINE)
    assert pins, f"{file} has no pins"
    for name, version in pins:
        module = importlib.import_module(name.replace("-", "_"))
        assert module.__version__ == version, f"{name} {module.__version__} is not {version}"
        assert importlib.metadata.version(name) == version
    print(f"{file}: {len(pins)} packages are there")
