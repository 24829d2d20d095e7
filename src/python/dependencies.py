"""Prints, as JSON, what wheels are called and depend on. Runs none of their code.

Takes a JSON object {directory, files} on standard input; prints a list with one item per file:
{name, version, requires, python, extras}, or null for a file whose metadata can't be read.
"""

import json
import os
import re
import sys
import zipfile
from email.parser import HeaderParser

# A wheel may contain a few bytes that unpack to gigabytes.
MAX_METADATA = 4 << 20


def normalized(name):
    return re.sub('[-_.]+', '-', name).lower()


def describe(path):
    project = normalized(os.path.basename(path).split('-')[0])
    with zipfile.ZipFile(path) as archive:
        [member] = [
            name
            for name in archive.namelist()
            if re.match(r'[^/]+\.dist-info/METADATA$', name)
            and normalized(name.split('-')[0]) == project
        ]
        with archive.open(member) as file:
            content = file.read(MAX_METADATA + 1)
    if len(content) > MAX_METADATA:
        return None
    headers = HeaderParser().parsestr(content.decode('utf-8', 'replace'))

    def values(name):
        return [str(value) for value in headers.get_all(name, [])]

    return {
        'name': (values('Name') or [''])[0],
        'version': (values('Version') or [''])[0],
        'requires': values('Requires-Dist'),
        'python': (values('Requires-Python') or [None])[0],
        'extras': values('Provides-Extra'),
    }


given = json.load(sys.stdin)
answers = []
for file in given['files']:
    try:
        answers.append(describe(os.path.join(given['directory'], file)))
    except Exception:
        answers.append(None)
sys.stdout.write(json.dumps(answers))
