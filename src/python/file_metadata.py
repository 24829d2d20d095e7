"""Prints, as JSON, the identities and pyproject.toml of files, without running any of their code.

Reads all metadata that an uploader might read: twine takes the METADATA nearest to a wheel's root.
"""

import json
import sys
import tarfile
import zipfile
from email.parser import Parser


def members(path):
    if path.endswith(('.zip', '.whl')):
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                yield member.filename, lambda: archive.read(member)
    else:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile():
                    yield member.name, lambda: archive.extractfile(member).read()


def describe(path):
    identities = []
    pyproject = None
    wheel = path.endswith('.whl')
    for name, read in members(path):
        parts = name.split('/')
        if len(parts) <= 2 and ('METADATA' in name if wheel else parts[-1] == 'PKG-INFO'):
            text = read().decode('utf-8', 'replace')
            if wheel and 'Metadata-Version' not in text:
                continue
            info = Parser().parsestr(text, headersonly=True)
            for one in info.get_all('Name', ['']):
                for version in info.get_all('Version', ['']):
                    identities.append({'name': str(one), 'version': str(version)})
        elif len(parts) == 2 and parts[1] == 'pyproject.toml' and not wheel:
            pyproject = read().decode('utf-8', 'replace')
    return {'identities': identities, 'pyproject': pyproject}


found = []
for path in json.load(sys.stdin):
    try:
        found.append(describe(path))
    except Exception as error:
        found.append({'fault': type(error).__name__})
sys.stdout.write(json.dumps(found))
