"""Prints which projects pip finds installed, and what each of a list of wheels would put where.

Takes a JSON list of paths on standard input. The answer for a wheel is null if it may put something
anywhere.
"""

import json
import os
import posixpath
import sys
import zipfile


def installed():
    # pip is run as a module: the working directory is on its path.
    for directory in sys.path + [os.getcwd()]:
        try:
            entries = os.listdir(directory)
        except OSError:
            continue
        for entry in entries:
            stem, suffix = os.path.splitext(entry)
            if suffix == '.egg-link':
                yield stem
            elif suffix in ('.dist-info', '.egg-info', '.egg'):
                yield stem.split('-')[0]


def scripts(text):
    wanted = False
    for line in text.splitlines():
        line = line.strip()
        if line.startswith('['):
            wanted = line.strip('[] ') in ('console_scripts', 'gui_scripts')
        elif wanted and '=' in line:
            yield line.split('=')[0].strip()


def script(name):
    # On Windows more than one kind of file stands for a command.
    name = name.lower().split('/')[0]
    for suffix in ('.exe', '-script.py', '-script.pyw', '.pya', '.py', '.pyw'):
        if name.endswith(suffix):
            name = name[: -len(suffix)]
    return 'scripts/' + name


def contents(wheel):
    files, size, names = 0, 0, set()
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            path = member.filename
            if path.endswith('/'):
                continue
            files += 1
            size += member.file_size
            parts = path.split('/')
            if posixpath.normpath(path) != path or parts[0] in ('', '..', '__pycache__'):
                return None
            if not parts[0].endswith('.data'):
                names.add(parts[0].lower())
            elif len(parts) > 2 and parts[1] in ('purelib', 'platlib'):
                names.add(parts[2].lower())
            elif len(parts) > 2 and parts[1] == 'scripts':
                names.add(script(parts[2]))
            elif len(parts) > 3 and parts[1] == 'data' and parts[2] in ('etc', 'share'):
                names.add('data/' + parts[2])
            elif (
                len(parts) < 3 or parts[1] != 'headers'
            ):  # Each project has a directory for headers.
                return None
            if (
                len(parts) == 2
                and parts[0].endswith('.dist-info')
                and parts[1] == 'entry_points.txt'
            ):
                if member.file_size > 1000000:
                    return None
                names.update(script(name) for name in scripts(archive.read(member).decode('utf-8')))
    return {'files': files, 'bytes': size, 'names': sorted(names)}


sys.stdout.write(
    json.dumps(
        {
            'installed': sorted(set(installed())),
            'contents': [contents(wheel) for wheel in json.load(sys.stdin)],
        }
    )
)
