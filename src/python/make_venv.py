"""Makes a virtual environment in the directory given as argument, with a copy of the pip that the
running Python has.

Copies setuptools as well where `python -m venv` would install it, before 3.12. ensurepip takes 2.4 s
for the same, nearly all of it to compile files that are compiled already. Prints interpreter and
site-packages as JSON. Fails when pip was not installed by pip, as on some systems.
"""

import base64
import csv
import hashlib
import json
import os
import shutil
import sys
import sysconfig
import venv
from importlib import metadata
from importlib.util import cache_from_source

from pip._internal.operations.install.wheel import PipScriptMaker, get_console_script_specs

directory = sys.argv[1]
windows = os.name == 'nt'
names = ['pip'] + (['setuptools'] if sys.version_info < (3, 12) else [])
found = []
for name in names:
    try:
        found.append(metadata.distribution(name))
    except metadata.PackageNotFoundError:
        if name == 'pip':
            raise
source = sysconfig.get_path('purelib')
assert all(dist.files and str(dist.locate_file('')).startswith(source) for dist in found)
# Like the command from 3.13 on: git ignores the environment.
ignored = {'scm_ignore_files': frozenset(['git'])} if sys.version_info >= (3, 13) else {}


class Builder(venv.EnvBuilder):
    def post_setup(self, context):
        self.context = context


builder = Builder(with_pip=False, symlinks=not windows, **ignored)
builder.create(directory)
base = {'base': directory, 'platbase': directory}
scheme = 'nt' if windows else 'posix_prefix'
target = sysconfig.get_path('purelib', scheme, base)
files = set()
for dist in found:
    own = [os.path.join(*file.parts) for file in dist.files if file.parts[0] != '..']
    files.update(own)
    # Python may have written bytecode after pip wrote the list of files.
    for file in own:
        if file.endswith('.py'):
            cached = cache_from_source(file)
            if os.path.exists(os.path.join(source, cached)):
                files.add(cached)
for directory_of in set(os.path.dirname(file) for file in files):
    os.makedirs(os.path.join(target, directory_of), exist_ok=True)
for file in files:
    origin, to = os.path.join(source, file), os.path.join(target, file)
    shutil.copyfile(origin, to)
    # Bytecode is only valid with the modification time of its source.
    status = os.stat(origin)
    os.utime(to, ns=(status.st_atime_ns, status.st_mtime_ns))
scripts = os.path.join(directory, 'Scripts' if windows else 'bin')
python = os.path.join(scripts, 'python.exe' if windows else 'python')
# pip's own maker and names: pip, pip3, pip3.11.
maker = PipScriptMaker(None, scripts)
maker.executable = builder.context.env_exe
maker.clobber = True
maker.set_mode = True
maker.variants = {''}
made = maker.make_multiple(get_console_script_specs({'pip': 'pip._internal.cli.main:main'}))
# The copied list of files names the commands of the original Python.
record = next(
    f for f in found[0].files if f.parts[-2:][0].endswith('.dist-info') and f.name == 'RECORD'
)
record = os.path.join(target, *record.parts)
with open(record, newline='', encoding='utf-8') as file:
    rows = [row for row in csv.reader(file) if not row[0].startswith('../')]
for script in set(made):
    with open(script, 'rb') as file:
        content = file.read()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()
    name = os.path.relpath(script, target).replace(os.sep, '/')
    rows.append([name, 'sha256=' + digest, str(len(content))])
# pip also writes the rows sorted, in the default format of the csv module.
with open(record, 'w', newline='', encoding='utf-8') as file:
    csv.writer(file).writerows(sorted(rows))
sys.stdout.write(json.dumps({'executable': python, 'sitePackages': target}))
