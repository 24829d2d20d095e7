/**
 * Asks a Python what it is. One start of the interpreter answers everything; the script keeps to
 * what Python 2.7 can parse, so that an old one gets a clear answer instead of a syntax error.
 */
export const probeScript = `
import sys
# Modules of the working directory must not stand in for the standard library's.
sys.path[:] = [p for p in sys.path if p]
if sys.version_info < (3, 7):
    sys.stdout.write('{"tooOld": "%d.%d"}' % sys.version_info[:2])
    sys.exit(0)
import json, os, platform, struct, sysconfig

def libc():
    if sys.platform == 'darwin':
        return 'macos' + platform.mac_ver()[0].split('.')[0]
    if not sys.platform.startswith('linux'):
        return 'none'
    try:
        name = os.confstr('CS_GNU_LIBC_VERSION')
        if name:
            return name.replace(' ', '')
    except (ValueError, OSError):
        pass
    import glob, subprocess
    for loader in sorted(glob.glob('/lib/ld-musl-*.so.1')):
        said = subprocess.run([loader], stderr=subprocess.PIPE).stderr.decode('utf-8', 'replace')
        for line in said.splitlines():
            if line.startswith('Version '):
                return 'musl' + '.'.join(line.split()[1].split('.')[:2])
    return 'unknown'

def importable(name):
    import importlib.util
    return importlib.util.find_spec(name) is not None

def pip_version():
    try:
        import pip
        return pip.__version__
    except Exception:
        return None

def pip_config():
    # pip's own reading of its files and environment: stable since pip 10, with nested values
    # (one table a file, later files win) since 25.
    from pip._internal.configuration import Configuration
    configuration = Configuration(isolated=False)
    configuration.load()
    merged = {}
    for key, value in configuration.items():
        merged.update(value if isinstance(value, dict) else {key: value})
    return merged

def default_index():
    try:
        from pip._internal.models.index import PyPI
        return PyPI.simple_url
    except Exception:
        return ''

def has_netrc():
    names = [os.environ['NETRC']] if os.environ.get('NETRC') else ['~/.netrc', '~/_netrc']
    return any(os.path.exists(os.path.expanduser(name)) for name in names)

v = sys.version_info
series = '%d.%d' % v[:2]
if v.releaselevel != 'final':
    series += {'alpha': 'a', 'beta': 'b', 'candidate': 'rc'}[v.releaselevel] + str(v.serial)
machine = platform.machine().lower()
in_venv = sys.prefix != sys.base_prefix
pip = pip_version()
config, config_error = {}, None
if pip:
    try:
        config = pip_config()
    except BaseException as error:
        config_error = str(error) or type(error).__name__
sys.stdout.write(json.dumps({
    'executable': sys.executable,
    'implementation': sys.implementation.name,
    'version': platform.python_version(),
    'series': series,
    'extensionSuffix': sysconfig.get_config_var('EXT_SUFFIX') or '',
    'platform': sysconfig.get_platform(),
    'os': {'darwin': 'macos', 'win32': 'windows'}.get(sys.platform, sys.platform),
    'arch': machine + ('-32' if struct.calcsize('P') == 4 and machine.endswith('64') else ''),
    'libc': libc(),
    'freeThreaded': bool(sysconfig.get_config_var('Py_GIL_DISABLED')),
    'sitePackages': sysconfig.get_path('purelib'),
    'searchPath': [p for p in sys.path if os.path.isdir(p)],
    'externallyManaged': not in_venv and os.path.exists(
        os.path.join(sysconfig.get_path('stdlib'), 'EXTERNALLY-MANAGED')),
    'pip': pip,
    'buildsLegacy': importable('setuptools') and importable('wheel'),
    'defaultIndex': default_index(),
    'keyring': importable('keyring'),
    'netrc': has_netrc(),
    'pipConfig': config,
    'pipConfigError': config_error,
}))
`;

/**
 * Runs pip like `python -m pip`, which would run a pip.py of the working directory instead.
 */
export const pipScript = `
import sys
sys.path[:] = [p for p in sys.path if p]
import runpy
runpy.run_module('pip', run_name='__main__', alter_sys=True)
`;

/**
 * Writes wheels that hold nothing but metadata (PEP 427): pip then resolves a local project's
 * dependencies, extras and markers itself, without building the project. Takes a JSON list of
 * {name, version, requires} on standard input and the directory as argument; prints the paths.
 */
export const stubScript = `
import sys
sys.path[:] = [p for p in sys.path if p]
import json, os, re, zipfile
paths = []
for number, stub in enumerate(json.load(sys.stdin)):
    escaped = re.sub(r'[-_.]+', '_', stub['name'])
    base = '%s-%s' % (escaped, stub['version'])
    extras = sorted(set(re.findall(r'''extra\\s*==\\s*['"]([^'"]+)['"]''', ' '.join(stub['requires']))))
    metadata = ['Metadata-Version: 2.1', 'Name: ' + stub['name'], 'Version: ' + stub['version']]
    metadata += ['Provides-Extra: ' + extra for extra in extras]
    metadata += ['Requires-Dist: ' + requirement for requirement in stub['requires']]
    files = {
        'METADATA': '\\n'.join(metadata) + '\\n',
        'WHEEL': 'Wheel-Version: 1.0\\nGenerator: wheelhouse\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n',
    }
    directory = os.path.join(sys.argv[1], str(number))
    os.mkdir(directory)
    # The build tag keeps its name apart from that of a real wheel.
    path = os.path.join(directory, base + '-0wheelhouse-py3-none-any.whl')
    with zipfile.ZipFile(path, 'w') as archive:
        record = ''
        for name, text in files.items():
            archive.writestr('%s.dist-info/%s' % (base, name), text)
            record += '%s.dist-info/%s,,\\n' % (base, name)
        archive.writestr(base + '.dist-info/RECORD', record + base + '.dist-info/RECORD,,\\n')
    paths.append(path)
sys.stdout.write(json.dumps(paths))
`;

/**
 * Which environment markers of a JSON object {markers, extras} apply to this Python; pip's own
 * reading of them.
 */
export const markerScript = `
import sys
sys.path[:] = [p for p in sys.path if p]
import json
from pip._vendor.packaging.markers import Marker
given = json.load(sys.stdin)
extras = given['extras'] or ['']
sys.stdout.write(json.dumps([
    any(Marker(text).evaluate({'extra': extra}) for extra in extras) for text in given['markers']
]))
`;

/**
 * Makes a virtual environment with the pip of the Python that runs this (and its setuptools, where
 * `python -m venv` would bring one, before 3.12). ensurepip takes 2.4 s for the same, nearly all of
 * it to compile what is compiled already. Prints its interpreter and site-packages as JSON; fails
 * where pip was not installed by pip, as a system's may not be.
 */
export const venvScript = `
import sys
sys.path[:] = [p for p in sys.path if p]
import json, os, shutil, sysconfig, venv
from importlib import metadata
from importlib.util import cache_from_source
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
# As the command does, from 3.13 on: the environment must not show up in the checkout.
ignored = {'scm_ignore_files': frozenset(['git'])} if sys.version_info >= (3, 13) else {}
venv.create(directory, with_pip=False, symlinks=not windows, **ignored)
base = {'base': directory, 'platbase': directory}
scheme = 'nt' if windows else 'posix_prefix'
target = sysconfig.get_path('purelib', scheme, base)
files = set()
for dist in found:
    own = [os.path.join(*file.parts) for file in dist.files if file.parts[0] != '..']
    files.update(own)
    # Bytecode may have come later than the list of files, as Python wrote it.
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
    # Bytecode counts only with the time of its source.
    status = os.stat(origin)
    os.utime(to, ns=(status.st_atime_ns, status.st_mtime_ns))
from pip._vendor.distlib.scripts import ScriptMaker
scripts = os.path.join(directory, 'Scripts' if windows else 'bin')
python = os.path.join(scripts, 'python.exe' if windows else 'python')
maker = ScriptMaker(None, scripts)
maker.executable = python
maker.clobber = True
maker.set_mode = True
maker.variants = {'', 'X', 'X.Y'}
maker.make('pip = pip._internal.cli.main:main')
sys.stdout.write(json.dumps({'executable': python, 'sitePackages': target}))
`;

/**
 * Says which projects pip finds installed, and what each wheel of a JSON list of paths on standard
 * input would put where; null for one that may put something anywhere.
 */
export const surroundingsScript = `
import sys
sys.path[:] = [p for p in sys.path if p]
import json, os, posixpath, zipfile

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
            name = name[:-len(suffix)]
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
            elif len(parts) < 3 or parts[1] != 'headers':  # Each project has a directory for headers.
                return None
            if len(parts) == 2 and parts[0].endswith('.dist-info') and parts[1] == 'entry_points.txt':
                if member.file_size > 1000000:
                    return None
                names.update(script(name) for name in scripts(archive.read(member).decode('utf-8')))
    return {'files': files, 'bytes': size, 'names': sorted(names)}

sys.stdout.write(json.dumps({
    'installed': sorted(set(installed())),
    'contents': [contents(wheel) for wheel in json.load(sys.stdin)],
}))
`;

/** Takes the program uv out of its wheel, given as argument, into a directory; prints its path. */
export const unpackUvScript = `
import sys
sys.path[:] = [p for p in sys.path if p]
import os, zipfile
wheel, directory = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    [member] = [m for m in archive.namelist() if m.split('/')[-2:] in (['scripts', 'uv'], ['scripts', 'uv.exe'])]
    path = os.path.join(directory, member.split('/')[-1])
    with open(path, 'wb') as program:
        program.write(archive.read(member))
os.chmod(path, 0o755)
sys.stdout.write(path)
`;
