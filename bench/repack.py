"""Writes a wheel again as another version of its project: `repack.py WHEEL VERSION DIRECTORY`."""

import base64
import hashlib
import os
import re
import sys
import zipfile

source, version, directory = sys.argv[1:]
name, old, tags = os.path.basename(source).split('-', 2)
before, after = '%s-%s.dist-info/' % (name, old), '%s-%s.dist-info/' % (name, version)
target = os.path.join(directory, '-'.join([name, version, tags]))
record = []
with zipfile.ZipFile(source) as old_wheel, zipfile.ZipFile(target, 'w') as wheel:
    for member in old_wheel.infolist():
        content = old_wheel.read(member)
        if member.filename == before + 'RECORD':
            continue
        if member.filename == before + 'METADATA':
            content = re.sub(
                rb'^Version: .*$', b'Version: ' + version.encode(), content, 1, re.MULTILINE
            )
        path = re.sub('^' + re.escape(before), lambda _: after, member.filename)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()
        record.append('%s,sha256=%s,%d\n' % (path, digest, len(content)))
        wheel.writestr(path, content, zipfile.ZIP_DEFLATED)
    record.append(after + 'RECORD,,\n')
    wheel.writestr(after + 'RECORD', ''.join(record), zipfile.ZIP_DEFLATED)
