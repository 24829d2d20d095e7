"""Describes downloaded wheels and sdists, and the pages of their projects on the index that pip is
configured with, as JSON: `describe.py DIRECTORY`. Runs with the newest pip of the tests.

A page is cut off after the newest version in the directory, so that a package without a pin (what an
sdist is built with) resolves to a file that is there. It is described without addresses.
"""

import hashlib
import json
import os
import sys
import zipfile

from pip._internal.commands.download import DownloadCommand
from pip._internal.index.collector import LinkCollector, parse_links
from pip._internal.models.link import Link
from pip._vendor.packaging.utils import parse_sdist_filename, parse_wheel_filename


def name_and_version(filename):
    """Returns None for a file that is neither, such as an installer for Windows."""
    try:
        parse = parse_wheel_filename if filename.endswith('.whl') else parse_sdist_filename
        return parse(filename)[:2]
    except ValueError:
        return None


directory = sys.argv[1]
command = DownloadCommand('download', 'download')
options, _ = command.parse_args(['--no-input', '-q'])
collector = LinkCollector.create(command._build_session(options), options)

distributions = []
newest = {}
for filename in sorted(os.listdir(directory)):
    path = os.path.join(directory, filename)
    name, version = name_and_version(filename)
    with open(path, 'rb') as file:
        sha256 = hashlib.sha256(file.read()).hexdigest()
    metadata = ''
    members = []
    if filename.endswith('.whl'):
        with zipfile.ZipFile(path) as archive:
            members = [(each.filename, each.file_size) for each in archive.infolist()]
            inside = next(each for each, _ in members if each.endswith('.dist-info/METADATA'))
            metadata = archive.read(inside).decode('utf-8')
    distributions.append(
        {
            'filename': filename,
            'project': name,
            'version': str(version),
            'sha256': sha256,
            'metadata': metadata,
            'files': len(members),
            'unpackedBytes': sum(size for _, size in members),
            'sourceBytes': sum(size for each, size in members if each.endswith('.py')),
        }
    )
    newest[name] = max(newest.get(name, version), version)

pages = {}
for name, version in newest.items():
    pages[name] = []
    for base in collector.search_scope.get_index_urls_locations(name):
        content = collector.fetch_response(Link(base))
        for link in parse_links(content) if content else []:
            about = name_and_version(link.filename)
            if about is not None and about[1] > version:
                continue
            pages[name].append(
                {
                    'filename': link.filename,
                    'version': str(about[1]) if about else '',
                    'sha256': link._hashes.get('sha256', ''),
                    'requiresPython': link.requires_python,
                    'yanked': link.yanked_reason,
                }
            )
sys.stdout.write(json.dumps({'distributions': distributions, 'pages': pages}))
