"""Prints, as JSON, everything that a run needs to know about this Python.

Python 2.7 must be able to parse it, so that an old Python gives a clear answer, not a syntax error.
"""

import sys

if sys.version_info < (3, 7):
    sys.stdout.write('{"tooOld": "%d.%d"}' % sys.version_info[:2])
    sys.exit(0)
import json
import os
import platform
import struct
import sysconfig


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
    import glob
    import subprocess

    for loader in sorted(glob.glob('/lib/ld-musl-*.so.1')):
        output = subprocess.run([loader], stderr=subprocess.PIPE).stderr.decode('utf-8', 'replace')
        for line in output.splitlines():
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


def pip_config_files():
    # Where get_configuration_files of pip's configuration.py looks, at least from pip 22.2 to 26.3.
    from pip._internal.utils import appdirs

    named = os.environ.get('PIP_CONFIG_FILE')
    if named == os.devnull:
        return []
    windows = sys.platform == 'win32'
    home = os.path.join(os.path.expanduser('~'), 'pip' if windows else '.pip')
    directories = appdirs.site_config_dirs('pip') + [sys.prefix, home, appdirs.user_config_dir('pip')]
    name = 'pip.ini' if windows else 'pip.conf'
    return [named] * bool(named) + [os.path.join(each, name) for each in directories]


def pip_environment():
    settings = {}
    for name, value in os.environ.items():
        option = name[4:].lower().replace('_', '-')
        if name.startswith('PIP_') and option not in ('version', 'help'):
            settings[':env:.' + (option[2:] if option.startswith('--') else option)] = value
    return settings


def pip_config():
    # To load pip's own reader takes longer than everything else here, and most machines have no file.
    if not any(os.path.lexists(file) for file in pip_config_files()):
        return pip_environment()
    # As pip itself reads its files and environment: stable since pip 10; since pip 25 with one table
    # per file, of which later ones win.
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
sys.stdout.write(
    json.dumps(
        {
            'executable': sys.executable,
            'implementation': sys.implementation.name,
            'version': platform.python_version(),
            'series': series,
            'extensionSuffix': sysconfig.get_config_var('EXT_SUFFIX') or '',
            'platform': sysconfig.get_platform(),
            'os': {'darwin': 'macos', 'win32': 'windows'}.get(sys.platform, sys.platform),
            'arch': machine
            + ('-32' if struct.calcsize('P') == 4 and machine.endswith('64') else ''),
            'libc': libc(),
            'freeThreaded': bool(sysconfig.get_config_var('Py_GIL_DISABLED')),
            'sitePackages': sysconfig.get_path('purelib'),
            'searchPath': [p for p in sys.path if os.path.isdir(p)],
            'externallyManaged': not in_venv
            and os.path.exists(os.path.join(sysconfig.get_path('stdlib'), 'EXTERNALLY-MANAGED')),
            'pip': pip,
            'buildsLegacy': importable('setuptools') and importable('wheel'),
            'defaultIndex': default_index(),
            'keyring': importable('keyring'),
            'netrc': has_netrc(),
            'pipConfig': config,
            'pipConfigError': config_error,
        }
    )
)
