"""Writes wheels that contain nothing but metadata (PEP 427).

pip then resolves a local project's dependencies, extras and markers itself, without building the
project. Takes a JSON list of {name, version, requires} on standard input and the directory as
argument; prints the list again, each stub with the path and the SHA-256 of its file.
"""

import hashlib
import json
import os
import re
import sys
import zipfile

stubs = json.load(sys.stdin)
for number, stub in enumerate(stubs):
    escaped = re.sub(r'[-_.]+', '_', stub['name'])
    base = '%s-%s' % (escaped, stub['version'])
    extras = sorted(
        set(re.findall(r"""extra\s*==\s*['"]([^'"]+)['"]""", ' '.join(stub['requires'])))
    )
    metadata = ['Metadata-Version: 2.1', 'Name: ' + stub['name'], 'Version: ' + stub['version']]
    metadata += ['Provides-Extra: ' + extra for extra in extras]
    metadata += ['Requires-Dist: ' + requirement for requirement in stub['requires']]
    files = {
        'METADATA': '\n'.join(metadata) + '\n',
        'WHEEL': 'Wheel-Version: 1.0\nGenerator: wheelhouse\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    }
    directory = os.path.join(sys.argv[1], str(number))
    os.mkdir(directory)
    # The build tag distinguishes its name from a real wheel's.
    path = os.path.join(directory, base + '-0wheelhouse-py3-none-any.whl')
    with zipfile.ZipFile(path, 'w') as archive:
        record = ''
        for name, text in files.items():
            archive.writestr('%s.dist-info/%s' % (base, name), text)
            record += '%s.dist-info/%s,,\n' % (base, name)
        archive.writestr(base + '.dist-info/RECORD', record + base + '.dist-info/RECORD,,\n')
    with open(path, 'rb') as file:
        stub.update(file=path, sha256=hashlib.sha256(file.read()).hexdigest())
sys.stdout.write(json.dumps(stubs))
