"""Downloads pages and files through the HTTP session of pip's own "download": keyring, netrc, proxies
and client certificates work as they do for pip. Its cache is not used.

Reads JSON objects from standard input, one per line: first {indexes}, the URLs whose credentials the
session knows; then {id, url, to, headers, bytes, seconds, silence, window, rate} per request. `bytes`
is the largest allowed size, `seconds` the time until the first byte, or, with `page`, until the last
one. Prints a JSON object per request, when it is done: {id, status, ...}, or {id, fault}. Ends with
its standard input. `broken`: some of it had arrived, so another attempt may succeed.

A fault names the class of an error, never its text, which may contain an address with credentials.
"""

import hashlib
import json
import os
import sys
import threading
import time
import zlib
from urllib.parse import urljoin, urlsplit, urlunsplit
from urllib.request import url2pathname

from pip._internal.commands.download import DownloadCommand

slots = threading.BoundedSemaphore(8)
lock = threading.Lock()


def reply(answer):
    with lock:
        sys.stdout.write(json.dumps(answer) + '\n')
        sys.stdout.flush()


class Fault(Exception):
    pass


class Unwritable(Exception):
    pass


class Request:
    """One download. The watchdog gives up on it where the network library would wait on."""

    def __init__(self, job):
        self.job = job
        self.done = False
        self.received = 0
        self.begun = self.moved = self.window = time.monotonic()
        self.window_bytes = 0

    def end(self, answer):
        with lock:
            if self.done:
                return False
            self.done = True
        slots.release()
        active.discard(self)
        reply(dict(answer, id=self.job['id']))
        return True

    def check(self, now):
        job = self.job
        if now - self.begun > job['seconds'] and (job['page'] or self.received == 0):
            self.end({'fault': 'it did not arrive within %g s' % job['seconds']})
        elif self.received and now - self.moved > job['silence']:
            self.end({'fault': 'it sent nothing for %g s' % job['silence']})
        elif self.received and now - self.window > job['window']:
            if self.window_bytes < job['rate'] * job['window']:
                self.end({'fault': 'it sent less than %g kB/s' % (job['rate'] / 1024)})
            self.window = now
            self.window_bytes = 0

    def arrived(self, size):
        if self.done:
            raise Fault('it took too long')
        self.received += size
        self.window_bytes += size
        self.moved = time.monotonic()
        if self.received > self.job['bytes']:
            raise Fault('it is larger than %d MB' % (self.job['bytes'] >> 20))

    def run(self):
        try:
            self.end(self.download())
        except Fault as fault:
            large = self.received > self.job['bytes']
            self.end({'fault': str(fault), 'large': large, 'broken': not large})
        except Unwritable:
            self.end({'fault': 'it could not be written', 'unwritable': True})
        except BaseException as error:
            self.fail(error)

    def fail(self, error):
        fault = 'it does not answer (%s)' % type(error).__name__
        self.end({'fault': fault, 'broken': self.received > 0})

    def download(self):
        job = self.job
        url = job['url']
        if url.startswith('file:') and os.path.isdir(url2pathname(urlsplit(url).path)):
            url = urljoin(url if url.endswith('/') else url + '/', 'index.html')
        headers = dict(job['headers'], **{'Cache-Control': 'max-age=0'})
        with session.get(url, headers=headers, stream=True) as response:
            answer = {
                'status': response.status_code,
                'contentType': response.headers.get('Content-Type', ''),
                'url': bare(response.url),
            }
            if response.status_code != 200:
                return answer
            digest = hashlib.sha256()
            with writing(lambda: open(job['to'], 'wb')) as file:
                for chunk in self.chunks(response):
                    self.arrived(len(chunk))
                    digest.update(chunk)
                    writing(lambda: file.write(chunk))
            self.check_length(response)
            return dict(answer, sha256=digest.hexdigest(), size=self.received)

    def chunks(self, response):
        """A page is decompressed; a file is what was sent. requests takes half a page for a page."""
        raw = response.raw
        if hasattr(raw, 'stream'):
            pieces = raw.stream(16384, decode_content=False)
        else:
            pieces = iter(lambda: raw.read(16384), b'')
        encoding = str(response.headers.get('Content-Encoding', '')).strip().lower()
        if not self.job['page'] or encoding in ('', 'identity'):
            return pieces
        if encoding not in ('gzip', 'x-gzip'):
            raise Fault('it has a content encoding that was not requested')
        return decompressed(pieces)

    def check_length(self, response):
        """requests takes a connection that ends too early for the end of the body."""
        length = str(response.headers.get('Content-Length', ''))
        if length.isdigit() and hasattr(response.raw, 'tell') and hasattr(response.raw, 'stream'):
            if response.raw.tell() != int(length):
                raise Fault('the connection ended too early')


def decompressed(pieces):
    stream = zlib.decompressobj(31)
    for piece in pieces:
        yield stream.decompress(piece)
    yield stream.flush()
    if not stream.eof:
        raise Fault('it is not the gzip data that it should be')


def writing(work):
    try:
        return work()
    except OSError:
        raise Unwritable


def bare(url):
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition('@')[2], fragment=''))


def watch():
    while True:
        time.sleep(0.1)
        now = time.monotonic()
        for request in list(active):
            request.check(now)


active = set()
command = DownloadCommand('download', 'download')
options, _ = command.parse_args(['--no-cache-dir', '--no-input'])
session = command._build_session(options)
session.auth.prompting = False
known = json.loads(sys.stdin.readline())
session.auth.index_urls = list(session.auth.index_urls or []) + known['indexes']
threading.Thread(target=watch, daemon=True).start()
for line in iter(sys.stdin.readline, ''):
    slots.acquire()
    request = Request(json.loads(line))
    active.add(request)
    threading.Thread(target=request.run, daemon=True).start()
os._exit(0)
