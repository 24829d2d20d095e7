"""Queries indexes through the HTTP session of pip's own "download": keyring, netrc, proxies and client
certificates work as they do for pip. Its cache is not used.

An error is reported by its class only, since its text may contain an address with credentials.
"""

import hashlib
import json
import os
import sys
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

job = json.load(sys.stdin)
from pip._internal.commands.download import DownloadCommand

command = DownloadCommand('download', 'download')
options, _ = command.parse_args(['--no-cache-dir', '--no-input'])
session = command._build_session(options)


def chunks(response):
    raw = response.raw
    if hasattr(raw, 'stream'):
        return raw.stream(65536, decode_content=False)
    return iter(lambda: raw.read(65536), b'')


def page(url, target):
    if url.startswith('file:') and os.path.isdir(url2pathname(urlsplit(url).path)):
        url = urljoin(url, 'index.html')
    headers = {'Accept': job['accept'], 'Cache-Control': 'max-age=0'}
    with session.get(url, headers=headers, stream=True) as response:
        size = 0
        with open(target, 'wb') as file:
            for chunk in response.iter_content(65536):
                size += len(chunk)
                if size > job['limit']:
                    return {'fault': 'its page is longer than %d MB' % (job['limit'] >> 20)}
                file.write(chunk)
        kind = response.headers.get('Content-Type', '')
        return {'status': response.status_code, 'contentType': kind, 'url': response.url}


def digest(url):
    with session.get(url, headers={'Accept-Encoding': 'identity'}, stream=True) as response:
        if response.status_code != 200:
            return {}
        hash = hashlib.sha256()
        for chunk in chunks(response):
            hash.update(chunk)
        return {'sha256': hash.hexdigest()}


answers = []
for number, url in enumerate(job['urls']):
    try:
        directory = job.get('directory')
        answers.append(
            page(url, os.path.join(directory, str(number))) if directory else digest(url)
        )
    except Exception as error:
        answers.append({'fault': 'it does not answer (%s)' % type(error).__name__})
sys.stdout.write(json.dumps(answers))
