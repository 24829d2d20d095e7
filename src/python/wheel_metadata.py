"""Prints, as JSON, what wheels state about their licences and dependencies. Runs none of their code.

Takes a JSON object {directory, files} on standard input; prints a list with one object per file:
{expression, license, classifiers, requires, texts} or {fault}. `texts` are [path, content] pairs of
licence files; the content of one that is too large is null.
"""

import json
import os
import re
import sys
import zipfile
from email.parser import HeaderParser

# A wheel may contain a few bytes that unpack to gigabytes.
MAX_METADATA = 4 << 20
MAX_TEXT = 1 << 20
MAX_TEXTS = 100


def read(archive, member, limit):
    with archive.open(member) as file:
        content = file.read(limit + 1)
    return None if len(content) > limit else content.decode('utf-8', 'replace')


def normalized(name):
    return re.sub('[-_.]+', '-', name).lower()


def describe(directory, file):
    project = normalized(file.split('-')[0])
    with zipfile.ZipFile(os.path.join(directory, file)) as archive:
        names = sorted(set(archive.namelist()))
        found = [
            name[: -len('METADATA')]
            for name in names
            if re.match(r'[^/]+\.dist-info/METADATA$', name)
            and normalized(name.split('-')[0]) == project
        ]
        if len(found) != 1:
            return {'fault': 'it has %d files METADATA' % len(found)}
        info = found[0]
        text = read(archive, info + 'METADATA', MAX_METADATA)
        if text is None:
            return {'fault': 'its METADATA is too large'}
        headers = HeaderParser().parsestr(text)
        texts = []
        for name in names:
            path = name[len(info) :]
            if not name.startswith(info) or path.endswith('/'):
                continue
            if re.match(r'licenses/|(licen[cs]e|copying|notice|authors)[^/]*$', path, re.I):
                texts.append([path, read(archive, name, MAX_TEXT)])
            if len(texts) == MAX_TEXTS:
                break

    def values(name):
        return [str(value) for value in headers.get_all(name, [])]

    return {
        'expression': (values('License-Expression') or [''])[0],
        'license': (values('License') or [''])[0],
        'classifiers': [v for v in values('Classifier') if v.startswith('License ::')],
        'requires': values('Requires-Dist'),
        'texts': texts,
    }


given = json.load(sys.stdin)
answers = []
for file in given['files']:
    try:
        answers.append(describe(given['directory'], file))
    except Exception as error:
        answers.append({'fault': type(error).__name__})
sys.stdout.write(json.dumps(answers))
