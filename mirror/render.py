#!/usr/bin/env python3
"""Writes the nginx configuration of a caching mirror of one public Python package index.

It requests a project page from the index, as JSON and as HTML, determines from its links where the
files are and where they redirect to, and fills in nginx.conf.template. It needs Python 3.8 or newer
and nothing else.

    python3 render.py https://index.example/simple/ --output mirror.conf
"""

import argparse
import html.parser
import http.client
import ipaddress
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

# The version that compose.yaml and kubernetes.yaml use; the default on a machine without nginx.
NGINX_OF_THE_IMAGE = (1, 28)

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
ACCEPT = {
    "JSON": JSON_TYPE + ", application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1",
    "HTML": "text/html, application/vnd.pypi.simple.v1+html;q=0.5",
}
FILE_PATTERN = (
    r"\.(whl|zip|egg|exe|tgz|tar\.(gz|bz2|xz|Z))(\.metadata|\.asc|/provenance)?$"
)
TIMEOUT = 30  # seconds
REDIRECTS = 5


class Problem(Exception):
    """An error that the user can fix; the text says how."""


class Origin:
    """Scheme, host and port of a URL, validated because they are written into a configuration.

    Its text is a URL without path and without the default port of the scheme.
    """

    def __init__(self, url):
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port
        except ValueError:
            raise Problem(f"{without_query(url)!r} is not a valid URL.") from None
        if parts.scheme not in ("http", "https"):
            raise Problem(f"{without_query(url)!r} is neither an http nor an https URL.")
        if parts.username is not None or parts.password is not None:
            raise Problem(
                "A URL contains a user name or a password. A mirror serves its cache to everyone "
                "who asks, so it must not be put in front of a private feed."
            )
        host = parts.hostname or ""
        try:
            self.is_address = bool(ipaddress.ip_address(host))
        except ValueError:
            self.is_address = False
            if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", host):
                raise Problem(f"{host!r} is not a host name that nginx can look up.") from None
        usual = {"http": 80, "https": 443}[parts.scheme]
        self.scheme = parts.scheme
        self.name = host
        self.bracketed = f"[{host}]" if ":" in host else host
        self.port = port or usual
        # As written in a URL and in the Host header.
        self.host = self.bracketed if self.port == usual else f"{self.bracketed}:{self.port}"
        if self.is_address and self.scheme == "https":
            raise Problem(
                f"{self} is an IP address, and nginx can't verify a certificate for one. "
                "Use a URL with a host name."
            )

    @property
    def label(self):
        """The part of a mirror path that stands for this origin."""
        plain = re.sub(r"[^A-Za-z0-9.]+", "-", self.host).strip("-")
        return plain if self.scheme == "https" else f"http-{plain}"

    @property
    def pattern(self):
        """A regular expression that matches URLs of this origin in a Location header."""
        usual = {"http": 80, "https": 443}[self.scheme]
        port = f"(:{usual})?" if self.port == usual else f":{self.port}"
        scheme = "http:" if self.scheme == "http" else "(https:)?"
        return f"^{scheme}//{escape(self.bracketed)}{port}/"

    def __str__(self):
        return f"{self.scheme}://{self.host}"

    def __eq__(self, other):
        return str(self) == str(other)

    def __hash__(self):
        return hash(str(self))


def escape(text):
    """Escapes text for a regular expression, but only where necessary, to keep it readable."""
    return re.sub(r"([.+*?^$(){}\[\]|\\])", r"\\\1", text)


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Leaves redirects to the caller, who needs to see their targets."""

    def redirect_request(self, *args):
        return None


def fetch(url, trusted, accept=None):
    """Returns status, headers and body. An error status is not an exception; no response is a Problem.

    Without `accept` only the status and the headers matter, so it requests a single byte.
    """
    context = ssl.create_default_context(cafile=trusted)
    opener = urllib.request.build_opener(
        NoRedirects, urllib.request.HTTPSHandler(context=context)
    )
    wanted = {"Accept": accept} if accept else {"Range": "bytes=0-0"}
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity", **wanted})
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            return answer.status, answer.headers, answer.read() if accept else b""
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers, b""
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise Problem(f"Could not fetch {without_query(url)}: {reason}") from None


def without_query(url):
    """Returns the URL for messages: a query may be a signature."""
    return url.partition("?")[0]


class Links(html.parser.HTMLParser):
    """Collects the links of an HTML page, as written, and the base URL that they are relative to."""

    def __init__(self):
        super().__init__()
        self.links = []
        self.base = None

    def handle_starttag(self, tag, attrs):
        target = dict(attrs).get("href")
        if tag == "a" and target:
            self.links.append(target)
        elif tag == "base" and target and self.base is None:
            self.base = target


class Page:
    """A project page: its URL, its text, and its resolved links to files."""

    def __init__(self, url, form, trusted):
        self.url, headers, body = follow_page(url, ACCEPT[form], trusted)
        if headers.get("Content-Encoding", "identity") != "identity":
            raise Problem(
                f"{self.url} is compressed although plain text was requested; nginx can't rewrite it."
            )
        kind = headers.get_content_type()
        if kind not in (JSON_TYPE, "text/html", "application/vnd.pypi.simple.v1+html"):
            raise Problem(f"{self.url} has the type {kind}, which is not an index page.")
        self.form = "JSON" if kind == JSON_TYPE else "HTML"
        self.text = body.decode("utf-8", "replace")
        self.files = file_links(self.form, self.text, self.url)
        if not self.files:
            raise Problem(
                f"{self.url} has no links to files, so it doesn't show where files are. "
                "Choose a project with files with --project."
            )


def file_links(form, text, base):
    """Returns the absolute URLs of the files that a page links to."""
    if form == "JSON":
        try:
            links = [file["url"] for file in json.loads(text)["files"]]
        except (ValueError, KeyError, TypeError):
            raise Problem(f"{base} claims to be JSON, but is not an index page.") from None
    else:
        parser = Links()
        parser.feed(text)
        links = parser.links
        base = urllib.parse.urljoin(base, parser.base or "")
    found = []
    for link in links:
        try:
            resolved = urllib.parse.urljoin(base, link)
            if re.search(FILE_PATTERN, urllib.parse.urlsplit(resolved).path, re.IGNORECASE):
                found.append(resolved)
        except ValueError:  # not a valid URL, so no client can use it either
            continue
    return found


def follow_page(url, accept, trusted):
    """Fetches a page, following redirects that stay on the same host."""
    origin = Origin(url)
    for _ in range(REDIRECTS):
        status, headers, body = fetch(url, trusted, accept)
        if status in (301, 302, 303, 307, 308) and headers.get("Location"):
            url = urllib.parse.urljoin(url, headers["Location"])
            if Origin(url) != origin:
                raise Problem(
                    f"The index redirects to another host, {without_query(url)}. "
                    "Use the URL of the index on that host."
                )
            continue
        if status in (401, 403):
            raise Problem(
                f"{url} returned {status}: the feed is private. A mirror serves its cache to "
                "everyone who asks, so it must not be put in front of a private feed."
            )
        if status != 200:
            raise Problem(
                f"{url} returned {status}. Check that this is a simple index and that it has "
                "this project, or choose another project with --project."
            )
        return url, headers, body
    raise Problem(f"{url} redirects too often, probably in a loop.")


def redirect_origins(url, trusted):
    """Returns the origins that a file's URL redirects to, beyond its own."""
    found = []
    for _ in range(REDIRECTS):
        found.append(Origin(url))
        status, headers, _ = fetch(url, trusted)
        if status not in (301, 302, 303, 307, 308) or not headers.get("Location"):
            if status not in (200, 206):
                raise Problem(f"{without_query(url)} returned {status}.")
            return found[1:]
        url = urllib.parse.urljoin(url, headers["Location"])
    raise Problem(f"{without_query(url)} redirects too often, probably in a loop.")


def discover(arguments, trusted):
    """Returns the pages, the origins of links, and the origins of links and redirects, in order."""
    pages, linked, reached = [], [Origin(arguments.upstream)], []
    for project in arguments.project or ["pip"]:
        url = arguments.upstream + urllib.parse.quote(project) + "/"
        for form in ACCEPT:
            page = Page(url, form, trusted)
            pages.append(page)
            for link in page.files:
                origin = Origin(link)
                if origin not in linked:
                    linked.append(origin)
    check_rewriting(pages, linked)
    for origin in linked:
        links = [link for page in pages for link in page.files if Origin(link) == origin]
        if links:
            reached += redirect_origins(links[0], trusted)
    linked += [Origin(url) for url in arguments.files_origin or []]
    linked, origins = list(dict.fromkeys(linked)), list(dict.fromkeys(linked + reached))
    if len({origin.label for origin in origins}) < len(origins):
        raise Problem(f"Two of these origins need the same path: {', '.join(map(str, origins))}")
    return pages, linked, origins


def spellings(origin):
    """Returns how a page may spell an origin: plain, in JSON from PHP, without the scheme.

    The trailing slash keeps host:80 from being found in host:8080.
    """
    plain = f"{origin}/"
    return [plain, plain.replace("/", "\\/"), f'"//{origin.host}/']


def rewrites(origins):
    """Returns the replacements for a page. Paths on the index's own host remain unchanged."""
    found = {}
    for number, origin in enumerate(origins):
        path = "/" if number == 0 else f"/_files/{origin.label}/"
        for spelling in spellings(origin):
            quote = '"' if spelling.startswith('"') else ""
            # Without a scheme, http and https have the same spelling. The first origin wins.
            found.setdefault(spelling, (quote, path))
    return [(spelling, *by) for spelling, by in found.items()]


def check_rewriting(pages, origins):
    """Rewrites the pages as nginx will, and refuses links that still bypass the mirror."""
    mirror = "http://mirror.invalid"
    for page in pages:
        text = page.text
        for spelling, quote, path in rewrites(origins):
            text = re.sub(re.escape(spelling), quote + mirror + path, text, flags=re.IGNORECASE)
        path = urllib.parse.urlsplit(page.url).path
        for link in file_links(page.form, text, mirror + path):
            if str(Origin(link)) != mirror:
                raise Problem(
                    f"{page.url} ({page.form}) spells {Origin(link)} in a way that can't be "
                    "replaced."
                )


def nginx_version(given):
    """Returns the nginx version to write for: the given one, that of this machine, or the image's."""
    text = given
    if text is None:
        # On Debian it is not on every user's PATH.
        command = shutil.which("nginx") or "/usr/sbin/nginx"
        try:
            text = subprocess.run(
                [command, "-v"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True
            ).stdout.decode()
        except (OSError, subprocess.CalledProcessError):
            return NGINX_OF_THE_IMAGE
    numbers = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    if numbers is None:
        raise Problem(f"{text!r} is not a version of nginx.")
    return tuple(int(number) for number in numbers.groups("0"))


def system_resolver():
    """Returns the name servers of this machine in nginx's syntax."""
    servers = []
    try:
        with open("/etc/resolv.conf", encoding="utf-8") as file:
            for line in file:
                words = line.split()
                if len(words) > 1 and words[0] == "nameserver" and "%" not in words[1]:
                    servers.append(f"[{words[1]}]" if ":" in words[1] else words[1])
    except OSError:
        pass
    return " ".join(servers)


def group(number, origin, resolver):
    """Returns an upstream group of one server, because only groups keep connections open."""
    lines = [f"upstream wheelhouse_origin_{number} {{"]
    if origin.is_address:
        lines += [f"    server {origin.bracketed}:{origin.port};"]
    else:
        lines += [
            f"    zone wheelhouse_origin_{number} 64k;",
            f"    resolver {resolver};",
            f"    server {origin.name}:{origin.port} resolve;",
        ]
    return lines + ["    keepalive 16;", "}"]


def fill_in(template, arguments, pages, linked, origins):
    """Returns the configuration."""
    index = linked[0]
    path = urllib.parse.urlsplit(arguments.upstream).path
    names = [origin for origin in origins if not origin.is_address]
    resolver = arguments.resolver or system_resolver()
    if names and not resolver:
        raise Problem("/etc/resolv.conf has no name server. Set one with --resolver.")
    # If a group's server is given by name, nginx does not start while the name does not resolve,
    # unless nginx is new enough to look it up later.
    can_resolve = nginx_version(arguments.nginx_version) >= (1, 27, 3)
    grouped = [origin for origin in origins if can_resolve or origin.is_address]

    def entries(pairs):
        return "\n".join(f'    "{key}" "{value}";' for key, value in pairs)

    def exactly(origin):
        return f"~^{escape(str(origin))}$"

    def peer(origin):
        if origin in grouped:
            return f"{origin.scheme}://wheelhouse_origin_{grouped.index(origin)}"
        return f"{origin.scheme}://{origin.bracketed}:{origin.port}"

    groups = [
        line for number, origin in enumerate(grouped) for line in group(number, origin, resolver)
    ]
    signed = any(urllib.parse.urlsplit(link).query for page in pages for link in page.files)
    project = (arguments.project or ["pip"])[0]
    otherwise = (
        [
            "    location / {",
            f'        return 404 "The index is at {path}, a mirror of {arguments.upstream}\\n";',
            "    }",
        ]
        if path != "/"
        else []
    )
    values = {
        "UPSTREAM": arguments.upstream,
        "CACHE_DIR": arguments.cache_dir.rstrip("/"),
        "CACHE_SIZE": arguments.cache_size,
        "MIN_FREE": arguments.min_free,
        "LISTEN": arguments.listen,
        "INNER_PORT": str(arguments.inner_port),
        "ACCESS_LOG": arguments.access_log,
        "CA_FILE": arguments.ca_file,
        "MIRROR_URL": (arguments.public_url or "$scheme://$http_host").rstrip("/"),
        "INDEX_ORIGIN": str(index),
        "SIMPLE_PATH": path,
        "PROBE_PATH": f"{path}{urllib.parse.quote(project)}/",
        "FILE_PATTERN": FILE_PATTERN,
        # Only if the index's links have a query. Otherwise any client could fill the cache with
        # what the file host returns for some other query.
        "FILE_QUERY": "$is_args$args" if signed else "",
        "ORIGIN_OF_PATH": entries(
            (f"~^/_files/{escape(origin.label)}/", origin)
            for origin in origins
            if origin != index
        ),
        "ORIGIN_OF_LOCATION": entries((f"~*{origin.pattern}", origin) for origin in origins),
        "PEER_OF_ORIGIN": entries((exactly(origin), peer(origin)) for origin in origins),
        "HOST_OF_ORIGIN": entries((exactly(origin), origin.host) for origin in origins),
        "NAME_OF_ORIGIN": entries((exactly(origin), origin.name) for origin in origins),
        "ORIGIN_GROUPS": "\n".join(groups + [""]),
        "REWRITES": "\n".join(
            f"        sub_filter '{nginx_quoted(spelling)}' '{quote}$wheelhouse_mirror{path}';"
            for spelling, quote, path in rewrites(linked)
        ),
        "RESOLVER": f"    resolver {resolver};\n" if len(grouped) < len(origins) else "",
        "OTHERWISE": "\n".join(["", *otherwise, ""]),
    }

    def value(match):
        return values[match.group(1)]

    return re.sub(r"@([A-Z]+(?:_[A-Z]+)*)@", value, template)


def nginx_quoted(text):
    """Escapes backslashes for a single-quoted nginx string."""
    return text.replace("\\", "\\\\")


def parse(argv):
    """Returns the arguments, and the certificate file to trust here if it is not Python's default."""
    system_certificates = "/etc/ssl/certs/ca-certificates.crt"
    parser = argparse.ArgumentParser(
        description="Writes the nginx configuration of a caching mirror of one public Python "
        "package index. Whatever is not given is determined from a project page."
    )

    def option(name, help, **more):
        shown = " (default: %(default)s)" if more.get("default") else ""
        parser.add_argument(name, help=help + shown, **more)

    option("upstream", "URL of the simple index to mirror")
    option("--output", "file to write; - is standard output", default="-")
    option("--public-url", "URL of the mirror as clients see it; needed if TLS or a path is added in "
           "front of it (default: the name that each client uses)")
    option("--listen", "port, or address:port", default="8080")
    option("--inner-port", "loopback port between the two halves of the mirror (default: one above "
           "--listen)", type=int)
    option("--cache-dir", "an existing directory", default="/var/cache/nginx")
    option("--cache-size", "maximum size of all files; pages use up to 1g more", default="20g")
    option("--min-free", "disk space to leave free", default="2g")
    option("--resolver", "name servers, and other options of nginx's resolver, such as ipv6=off "
           "(default: those of this machine)")
    option("--ca-file", "CA certificates for verifying the upstream, a path on nginx's machine",
           default=system_certificates)
    option("--access-log", "log file", default="/var/log/nginx/access.log")
    option("--project", "project whose page is read; can be repeated (default: pip)",
           action="append")
    option("--files-origin", "additional file host, as https://host, that the pages of these "
           "projects don't show; can be repeated", action="append")
    option("--nginx-version", "nginx to write for (default: the one on this machine, else "
           f"{'.'.join(map(str, NGINX_OF_THE_IMAGE))})")
    arguments = parser.parse_args(argv)

    parts = urllib.parse.urlsplit(arguments.upstream)
    if parts.query or parts.fragment:
        parser.error("the URL of the upstream must have no query and no fragment")
    if not arguments.upstream.endswith("/"):
        arguments.upstream += "/"
    # All of these are written into a configuration, where other characters would end a word.
    for name in ("upstream", "public_url", "listen", "cache_dir", "cache_size", "min_free",
                 "resolver", "ca_file", "access_log"):
        space = " " if name == "resolver" else ""
        if not re.fullmatch(rf"[A-Za-z0-9._~:/@%+\[\]=,{space}-]*", getattr(arguments, name) or ""):
            parser.error(f"{name.replace('_', '-')} contains a character that nginx would misinterpret")
    if arguments.inner_port is None:
        port = re.search(r"(\d+)$", arguments.listen)
        if port is None:
            parser.error("--listen must end with a port")
        arguments.inner_port = int(port.group(1)) + 1
    here = arguments.ca_file != system_certificates and os.path.exists(arguments.ca_file)
    return arguments, arguments.ca_file if here else None


def write(path, text):
    if path == "-":
        sys.stdout.write(text)
        return
    directory = os.path.dirname(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(dir=directory, prefix=".render-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)


def main(argv):
    arguments, trusted = parse(argv)
    template = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nginx.conf.template")
    with open(template, encoding="utf-8") as file:
        text = file.read()
    try:
        pages, linked, origins = discover(arguments, trusted)
        write(arguments.output, fill_in(text, arguments, pages, linked, origins))
    except Problem as problem:
        print(f"render.py: {problem}", file=sys.stderr)
        return 1
    forms = sorted({page.form for page in pages}, reverse=True)
    found = [f"Pages: {' and '.join(forms)}, from {linked[0]}"]
    found += [f"Files: linked to {origin}" for origin in linked[1:]]
    found += [f"Files: redirected to {origin}" for origin in origins if origin not in linked]
    if len(found) == 1:
        found.append("Files: on the same host")
    if any(origin.scheme == "http" for origin in origins):
        found.append("Warning: content from http:// URLs can be altered in transit.")
    path = urllib.parse.urlsplit(arguments.upstream).path
    mirror = (arguments.public_url or "http://<mirror>").rstrip("/")
    found.append(f"The mirror's index will be {mirror}{path}")
    print("\n".join(found), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
