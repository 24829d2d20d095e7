import { createRequire as __WEBPACK_EXTERNAL_createRequire } from "module";
/******/ var __webpack_modules__ = ({

/***/ 4589:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:assert");

/***/ }),

/***/ 6698:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:async_hooks");

/***/ }),

/***/ 4573:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:buffer");

/***/ }),

/***/ 7540:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:console");

/***/ }),

/***/ 7598:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:crypto");

/***/ }),

/***/ 3053:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:diagnostics_channel");

/***/ }),

/***/ 610:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:dns");

/***/ }),

/***/ 8474:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:events");

/***/ }),

/***/ 3024:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:fs");

/***/ }),

/***/ 7067:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:http");

/***/ }),

/***/ 2467:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:http2");

/***/ }),

/***/ 7030:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:net");

/***/ }),

/***/ 8161:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:os");

/***/ }),

/***/ 6760:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:path");

/***/ }),

/***/ 643:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:perf_hooks");

/***/ }),

/***/ 1792:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:querystring");

/***/ }),

/***/ 7075:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:stream");

/***/ }),

/***/ 1692:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:tls");

/***/ }),

/***/ 3136:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:url");

/***/ }),

/***/ 7975:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:util");

/***/ }),

/***/ 3429:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:util/types");

/***/ }),

/***/ 5919:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:worker_threads");

/***/ }),

/***/ 8522:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:zlib");

/***/ }),

/***/ 3193:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("string_decoder");

/***/ }),

/***/ 2528:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {


// EXPORTS
__nccwpck_require__.d(__webpack_exports__, {
  EI: () => (/* binding */ listingMessage),
  K7: () => (/* binding */ listingOf),
  fi: () => (/* binding */ pageUrl),
  JN: () => (/* binding */ readAnswer),
  SP: () => (/* binding */ readPage),
  Pr: () => (/* binding */ unreadableMessage)
});

// EXTERNAL MODULE: ./lib/logic/names.js
var names = __nccwpck_require__(9882);
;// CONCATENATED MODULE: ./lib/logic/project-page.js
/** Project pages of a simple index: PEP 503 (HTML) and PEP 691 (JSON). */

/**
 * The health of an index, from the answer for a project's page. Status 200 is not enough: captive
 * portals and error pages of proxies have it too.
 * @param body the start of the answer
 */
function judgePage(status, contentType, body) {
    if (status === 401 || status === 403)
        return { state: 'refused', status };
    if (status === 404)
        return { state: 'absent' };
    if (status !== 200)
        return { state: 'down', reason: `it answers ${status}` };
    const isPage = /json/i.test(contentType) ? isJsonPage(body) : isHtmlPage(body);
    return isPage
        ? { state: 'healthy' }
        : { state: 'down', reason: 'its answer is not a package index page' };
}
/** PEP 691: every answer contains the version of the API, and every project its files. */
function isJsonPage(body) {
    return /"api-version"\s*:/.test(body) || /"files"\s*:\s*\[/.test(body);
}
/** PEP 503: links to distributions, or the usual title of a project's page without files. */
function isHtmlPage(body) {
    return (/<meta\s[^<>]{0,500}pypi:repository-version/i.test(body) ||
        /<a\s[^<>]{0,500}href\s*=\s*["'][^"'<>]{0,2000}\.(?:whl|tar\.gz|zip|tar\.bz2|tgz|egg)\b/i.test(body) ||
        /<(?:title|h1)>\s*Links for /i.test(body));
}
/**
 * The files that a page lists.
 * @param url of the page, for relative links
 * @param isWanted by file name; of big pages, most files may be of no use
 * @throws Error for JSON that is not a project page
 */
function projectFiles(contentType, body, url, isWanted = () => true) {
    return /json/i.test(contentType)
        ? jsonFiles(body, url, isWanted)
        : htmlFiles(body, url, isWanted);
}
/** PEP 691. */
function jsonFiles(body, pageUrl, isWanted) {
    const { files } = JSON.parse(body);
    if (!Array.isArray(files))
        throw new Error('no list of files');
    return files.flatMap((entry) => {
        const { filename, url, yanked, size } = entry ?? {};
        if (typeof filename !== 'string' || typeof url !== 'string')
            throw new Error('no name or URL');
        if (!isWanted(filename))
            return [];
        const hashes = hashesIn(entry?.['hashes']);
        const metadata = entry?.['core-metadata'] ?? entry?.['dist-info-metadata'];
        return {
            file: filename,
            url: new URL(url, pageUrl).href,
            ...{ hashes, sha256: hashes['sha256'] },
            yanked: yanked !== undefined && yanked !== null && yanked !== false,
            yankedReason: textIn(yanked) ?? '',
            requiresPython: textIn(entry?.['requires-python']),
            metadata: typeof metadata === 'object' ? hashesIn(metadata) : metadata === true,
            uploaded: textIn(entry?.['upload-time']),
            size: typeof size === 'number' ? size : undefined,
        };
    });
}
function textIn(value) {
    return typeof value === 'string' ? value : undefined;
}
/** The hash algorithms that pip knows on a page. */
const algorithms = ['sha256', 'sha512', 'sha384', 'sha224', 'sha1', 'md5'];
function hashesIn(value) {
    const given = (value ?? {});
    const found = algorithms.flatMap((name) => {
        const hash = textIn(given[name]);
        return hash === undefined ? [] : [[name, hash.toLowerCase()]];
    });
    return Object.fromEntries(found);
}
/** @param text `sha256=…`, as in a fragment or in `data-core-metadata` */
function hashesFrom(text) {
    const [, name = '', hash = ''] = /^(\w+)=([0-9a-f]+)$/i.exec(text) ?? [];
    return hashesIn({ [name.toLowerCase()]: hash });
}
const project_page_anchor = /<a(?=\s)/gi;
/** A `<` starts another tag; otherwise every `<a` of a broken page would be read to its end. */
const attribute = /\s*([^\s=<>"'/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+)))?/y;
/**
 * PEP 503. Values of attributes may contain a bare `>`, as in `data-requires-python`. No character
 * is read twice, so a hostile page takes no longer than an honest one of the same length.
 */
function htmlFiles(body, pageUrl, isWanted) {
    const files = [];
    let end = 0;
    const next = (pattern) => {
        pattern.lastIndex = end;
        const match = pattern.exec(body);
        if (match !== null)
            end = pattern.lastIndex;
        return match;
    };
    while (next(project_page_anchor) !== null) {
        const attributes = new Map();
        for (let found = next(attribute); found !== null; found = next(attribute)) {
            const [, name = '', double, single, bare] = found;
            const key = name.toLowerCase();
            if (knownAttributes.has(key) && !attributes.has(key)) {
                attributes.set(key, unescaped(double ?? single ?? bare ?? ''));
            }
        }
        const file = linkedFile(attributes, pageUrl);
        if (file !== undefined && isWanted(file.file))
            files.push(file);
    }
    return files;
}
const knownAttributes = new Set([
    'href',
    'data-yanked',
    'data-requires-python',
    'data-core-metadata',
    'data-dist-info-metadata',
]);
/** As in pip, the last part of the address is the name of the file. */
function linkedFile(attributes, pageUrl) {
    const href = attributes.get('href') ?? '';
    if (href === '' || !URL.canParse(href, pageUrl))
        return undefined;
    const url = new URL(href, pageUrl);
    const last = url.pathname.split('/').at(-1) ?? '';
    let file;
    try {
        file = decodeURIComponent(last);
    }
    catch {
        file = last;
    }
    if (!(0,names/* isDistributionName */.I1)(file))
        return undefined;
    const [fragment] = /(?<=[#&])(?:sha256|sha512|sha384|sha224|sha1|md5)=[0-9a-f]+/i.exec(url.hash) ?? [];
    const hashes = hashesFrom(fragment ?? '');
    const metadata = attributes.get('data-core-metadata') ?? attributes.get('data-dist-info-metadata');
    url.hash = '';
    return {
        file,
        url: url.href,
        ...{ hashes, sha256: hashes['sha256'] },
        yanked: attributes.has('data-yanked'),
        yankedReason: attributes.get('data-yanked') ?? '',
        requiresPython: attributes.get('data-requires-python'),
        metadata: metadata !== undefined && metadata !== 'false' && metadataHashes(metadata),
        ...{ uploaded: undefined, size: undefined },
    };
}
function metadataHashes(text) {
    const hashes = hashesFrom(text);
    return Object.keys(hashes).length > 0 ? hashes : true;
}
const entities = {
    '&amp;': '&',
    '&lt;': '<',
    '&gt;': '>',
    '&quot;': '"',
    '&#39;': "'",
    '&#x27;': "'",
};
function unescaped(text) {
    return text.replace(/&(?:amp|lt|gt|quot|#39|#x27);/gi, (entity) => {
        return entities[entity.toLowerCase()] ?? entity;
    });
}
/** Hexadecimal digits of each hash. */
const digits = {
    ...{ sha256: 64, sha512: 128, sha384: 96, sha224: 56, sha1: 40, md5: 32 },
};
function isHashes(hashes) {
    return Object.entries(hashes).every(([name, hash]) => hash.length === digits[name] && /^[0-9a-f]+$/.test(hash));
}
/**
 * The files of a page that installers can use, each name once: with a valid name, which is also a
 * safe one for a path, valid hashes, and an address that can be requested.
 */
function usableFiles(files) {
    const usable = new Map();
    for (const each of files) {
        const { file, url, hashes, metadata } = each;
        if (usable.has(file) || file.length > longestName || !isDistributionName(file))
            continue;
        if (!/^https?:/.test(url) || !isHashes(hashes))
            continue;
        usable.set(file, typeof metadata === 'object' && !isHashes(metadata) ? { ...each, metadata: true } : each);
    }
    return usable;
}
/** Characters of a file name, on most file systems. */
const longestName = 255;
/** The content type of {@link renderPage}. */
const jsonPage = 'application/vnd.pypi.simple.v1+json';
/**
 * Renders a project's page as JSON (PEP 691, PEP 700). The address of each file is its name, relative
 * to the page.
 */
function renderPage(project, files) {
    return JSON.stringify({
        meta: { 'api-version': '1.1' },
        name: project,
        files: Array.from(files, (each) => ({
            filename: each.file,
            url: encodeURIComponent(each.file),
            hashes: each.hashes,
            ...(each.size === undefined ? {} : { size: each.size }),
            ...(each.uploaded === undefined ? {} : { 'upload-time': each.uploaded }),
            ...(each.requiresPython === undefined ? {} : { 'requires-python': each.requiresPython }),
            // Under its first name, dist-info-metadata, pip 22.3 to 23.1 crash on it (PEP 714).
            ...(each.metadata === false ? {} : { 'core-metadata': each.metadata }),
            yanked: each.yanked && (each.yankedReason || true),
        })),
    });
}
/**
 * Adds wheels that were built from sdists to the files of a page: each beside its sdist, with the
 * same conditions. A wheel whose sdist is gone is not listed.
 * @param project normalised name
 */
function withBuiltWheels(files, project, built) {
    const all = new Map(files);
    for (const { file, sha256, version } of built) {
        const sdist = [...files.values()].find((each) => {
            const own = isSdistName(each.file) ? versionInFileName(each.file, project) : undefined;
            return own !== undefined && sameVersion(own, version);
        });
        if (sdist === undefined || all.has(file))
            continue;
        all.set(file, { ...sdist, file, sha256, hashes: { sha256 }, metadata: false, size: undefined });
    }
    return all;
}
/**
 * The names of the projects that a wheel's metadata require, without those of its extras. Their
 * other conditions are not evaluated.
 */
function requiredNames(metadata) {
    const [head = ''] = metadata.split(/\r?\n\r?\n/, 1);
    const found = [...head.matchAll(/^Requires-Dist:\s*([A-Za-z0-9][A-Za-z0-9._-]*)(.*)$/gim)];
    const plain = found.filter(([, , rest = '']) => !/;.*\bextra\b/.test(rest));
    return [...new Set(plain.map(([, name = '']) => normalizeName(name)).filter(isNormalizedName))];
}

;// CONCATENATED MODULE: ./lib/collect/logic/listing.js
/** Whether an index lists a downloaded file: only such files are collected. */

/** Returns the URL of a project's page, as pip builds it. */
function pageUrl(index, project) {
    return `${index.replace(/\/+$/, '')}/${project}/`;
}
/** Reads an index's page of a project. */
function readPage(page) {
    if (page?.status === undefined) {
        return { state: 'unreadable', reason: page?.fault ?? 'it does not answer' };
    }
    return readAnswer(page.status, page.contentType, page.body, page.url);
}
/**
 * Reads an index's answer for one project.
 * @param url the address of the page, for relative links
 */
function readAnswer(status, contentType, body, url) {
    const health = judgePage(status, contentType, body);
    switch (health.state) {
        case 'refused':
        case 'absent':
            return health;
        case 'healthy':
            break;
        default:
            return { state: 'unreadable', reason: health.reason };
    }
    try {
        return { state: 'listed', files: projectFiles(contentType, body, url) };
    }
    catch {
        return { state: 'unreadable', reason: 'its JSON is not a project page (PEP 691)' };
    }
}
/**
 * @param entries the files of its project on the pages of all indexes of the request
 */
function listingOf(file, entries) {
    const named = entries.filter((entry) => entry.file === file.file);
    if (named.some((entry) => entry.sha256 === file.sha256))
        return { state: 'listed' };
    const unhashed = named.filter((entry) => entry.sha256 === undefined);
    if (unhashed.length > 0)
        return { state: 'unhashed', urls: unhashed.map(({ url }) => url) };
    const [other] = named;
    return other?.sha256 === undefined
        ? { state: 'unlisted' }
        : { state: 'mismatch', sha256: other.sha256 };
}
/** The error for a file that must not be collected. */
function listingMessage({ file, sha256 }, listing, indexes, { verb, onError }) {
    const where = indexes.join(', ');
    switch (listing.state) {
        case 'unlisted':
            return `${file} is not listed by ${where}: it comes from elsewhere, such as a direct reference in the dependencies of a package, or --find-links. Only files of the index are ${verb}. ${onError} Exclude the package that requires it.`;
        case 'mismatch':
            return `${file} was downloaded with SHA-256 ${sha256}, but ${where} lists ${listing.sha256}. ${onError} Run again; if it happens again, ask the owner of the index.`;
        case 'unhashed':
            return `${file} was downloaded with SHA-256 ${sha256}, but its address on ${where}, which lists no hash, now has different content or does not answer. ${onError} Run again; if it happens again, ask the owner of the index.`;
    }
}
/** The error for an index that can't be read. */
function unreadableMessage(index, project, answer, { verb }) {
    return answer.state === 'refused'
        ? `The source index ${index} answers ${answer.status} for ${project}. Set or check the inputs index-username and index-password.`
        : `The source index ${index} can't be asked for ${project}: ${answer.reason}. Only files that it lists can be ${verb}. Check the input index-url.`;
}


/***/ }),

/***/ 9112:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   b: () => (/* binding */ digest),
/* harmony export */   s: () => (/* binding */ sha256)
/* harmony export */ });
/* harmony import */ var node_crypto__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(7598);
/** Digests of what is in memory. Files are hashed in world/disk.ts. */

/** Returns the SHA-256 of bytes, or of a text in UTF-8, as hex. */
function sha256(content) {
    return (0,node_crypto__WEBPACK_IMPORTED_MODULE_0__.createHash)('sha256').update(content).digest('hex');
}
/** Returns one digest, as hex, for a list of texts; their order counts. */
function digest(parts) {
    return sha256(JSON.stringify(parts));
}


/***/ }),

/***/ 6131:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   b3: () => (/* binding */ fillEnvironment),
/* harmony export */   cx: () => (/* binding */ environmentForPrograms),
/* harmony export */   fp: () => (/* binding */ temporaryVariables)
/* harmony export */ });
/* unused harmony exports gatewayVariables, uvEnvironment, proxyVariables, offlineEnvironment, buildEnvironment */
/** The environment variables of pip's runs: only the fill gets index settings and credentials. */
/**
 * Variables that no other program may see:
 * - those that the runner gives to actions only: inputs, state, and the token of the cache service,
 *   with which a build script could write entries for other branches;
 * - the passwords and addresses for the command line;
 * - the settings of this action's own programs;
 * - the files of workflow commands and the request for an identity token, with which code from the
 *   checkout or from a build could act in the name of this action.
 */
const forActionsOnly = /^(?:INPUT_|STATE_|ACTIONS_(?:RUNTIME|RESULTS|CACHE|ID_TOKEN_REQUEST)_|GITHUB_(?:STATE|OUTPUT|ENV|PATH|STEP_SUMMARY)$|WHEELHOUSE_(?:PIP|AGE_EXCEPT|BUILD_LOG|(?:INDEX|FEED)_PASSWORD|(?:(?:EXTRA_)?INDEX|MIRROR)_URL)$)/i;
/** The part of a process's environment that other programs may see. */
function environmentForPrograms(environment) {
    return Object.fromEntries(Object.entries(environment).filter((entry) => entry[1] !== undefined && !forActionsOnly.test(entry[0])));
}
/** Settings that would change the files or the output of a fill, but not which packages it chooses. */
const notForFill = [
    'dry-run',
    'editable',
    'log',
    'no-clean',
    'prefix',
    'quiet',
    'report',
    'requirement',
    'root',
    'src',
    'target',
    'user',
    'wheel-dir',
];
/** Settings that decide how a project is built; they apply even without an index. */
const buildSettings = (/* unused pure expression or super */ null && ([
    'build-constraint',
    'build-option',
    'config-settings',
    'constraint',
    'global-option',
    'no-build-isolation',
    'use-pep517',
]));
function variable(setting) {
    return `PIP_${setting.toUpperCase().replaceAll('-', '_')}`;
}
/**
 * The user's environment for `pip wheel`, with the `[install]` settings of pip's files.
 * @param index variables that name the index; only these contain the credentials of inputs
 * @param keyring whether pip may ask the package keyring, as it does by default
 */
function fillEnvironment(environment, pipConfig, index, keyring) {
    const excluded = new Set(notForFill.map(variable));
    const installSettings = Object.entries(pipConfig)
        .filter(([key]) => key.startsWith('install.'))
        .map(([key, value]) => [variable(key.slice('install.'.length)), value]);
    return {
        ...Object.fromEntries(installSettings.filter(([name]) => !excluded.has(name))),
        // With PIP_NO_INPUT pip uses keyring only if it is named.
        ...(keyring ? { PIP_KEYRING_PROVIDER: 'import' } : {}),
        ...Object.fromEntries(Object.entries(environment).filter(([name]) => !excluded.has(name))),
        ...index,
        PIP_NO_INPUT: '1',
        // The parsed lines need this level of output; a configuration file may set a lower one.
        PIP_QUIET: '0',
        PIP_VERBOSE: '0',
        // Since 26.2 pip reads index pages from its cache while they are fresh; this disables that.
        PIP_REFRESH_PACKAGE: ':all:',
        PIP_BREAK_SYSTEM_PACKAGES: '1', // Nothing is installed; some pips refuse even a dry run.
    };
}
/**
 * Variables for pip, and for the pips that it starts, that make them use a gateway. Replaces those that
 * name indexes.
 * @param addresses of the indexes
 * @param settings pip's effective settings, without requirement files
 * @param nullDevice `os.devnull` of this system, which makes pip read no file at all
 */
function gatewayVariables([first = '', ...extra], environment, settings, nullDevice) {
    const proxy = settings.get('proxy');
    const direct = proxy === undefined ? noProxy(environment) : undefined;
    return {
        ...(proxy === undefined ? {} : gatewayProxyVariables(proxy, settings, nullDevice)),
        PIP_INDEX_URL: first,
        ...(extra.length > 0 ? { PIP_EXTRA_INDEX_URL: extra.join(' ') } : {}),
        NO_PROXY: direct ?? gatewayHost,
        no_proxy: direct ?? gatewayHost,
        // An answer takes as long as the download behind it, whose time the client limits.
        PIP_TIMEOUT: '7200',
        PIP_DEFAULT_TIMEOUT: '7200',
    };
}
const gatewayHost = '127.0.0.1';
/** An empty variable in lower case takes back the one in upper case. */
function noProxy({ no_proxy: lower, NO_PROXY: upper }) {
    const hosts = lower ?? upper ?? '';
    return hosts === '' ? gatewayHost : `${hosts},${gatewayHost}`;
}
/**
 * pip's setting `proxy` has no exceptions, unlike the variables. So pip reads no file, gets its
 * settings as variables, and the proxy as one that other programs know as well.
 */
function gatewayProxyVariables(proxy, settings, nullDevice) {
    const others = [...settings].filter(([name]) => !notForFill.includes(name));
    return {
        ...Object.fromEntries(others.map(([name, value]) => [variable(name), value])),
        PIP_CONFIG_FILE: nullDevice,
        PIP_PROXY: '', // pip ignores empty variables
        ...{ http_proxy: proxy, https_proxy: proxy, HTTP_PROXY: proxy, HTTPS_PROXY: proxy },
    };
}
/**
 * uv's variables that this program decides: where uv runs and keeps files, its configuration, its
 * indexes. Credentials for uploads are for no other command.
 */
const decidedForUv = /^UV_(?:CACHE_DIR|NO_CACHE|CONFIG_FILE|NO_CONFIG|NO_SYSTEM_CONFIG|ISOLATED|PYTHON|SYSTEM_PYTHON|BREAK_SYSTEM_PACKAGES|MANAGED_PYTHON|NO_MANAGED_PYTHON|WORKING_DIR(?:ECTORY)?|PROJECT|OFFLINE|DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|INDEX_.*_(?:USERNAME|PASSWORD)|CUSTOM_COMPILE_COMMAND|PUBLISH_.*)$/;
/**
 * The user's environment for a uv that may ask an index.
 * @param own variables that name trust, proxy and credentials of indexes
 */
function uvEnvironment(environment, own) {
    const others = Object.entries(environment).filter(([name]) => !decidedForUv.test(name));
    return {
        ...Object.fromEntries(others),
        ...own,
        UV_NO_PROGRESS: '1',
        UV_PYTHON_DOWNLOADS: 'never',
    };
}
/** Variables that name a proxy. @param proxy of pip's settings; undefined for none */
function proxyVariables(proxy) {
    return proxy === undefined ? {} : { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, ALL_PROXY: proxy };
}
/** Variables that set the directory for a program's temporary files, on all systems. */
function temporaryVariables(directory) {
    return { TMPDIR: directory, TEMP: directory, TMP: directory };
}
/**
 * An environment without any setting for pip: `--isolated` alone would keep its global file.
 * @param nullDevice `os.devnull` of this system, which makes pip read no file at all
 */
function offlineEnvironment(environment, nullDevice) {
    const others = Object.entries(environment).filter(([name]) => !/^(?:PIP|UV)_/i.test(name));
    return { ...Object.fromEntries(others), PIP_CONFIG_FILE: nullDevice };
}
/** As {@link offlineEnvironment}, with the settings that decide how local projects are built. */
function buildEnvironment(environment, settings, nullDevice) {
    const build = buildSettings.flatMap((name) => {
        const value = settings.get(name);
        return value ? [[variable(name), value]] : [];
    });
    return { ...offlineEnvironment(environment, nullDevice), ...Object.fromEntries(build) };
}


/***/ }),

/***/ 5895:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   Yl: () => (/* binding */ asUserError),
/* harmony export */   bD: () => (/* binding */ messageOf),
/* harmony export */   yo: () => (/* binding */ UserError)
/* harmony export */ });
/** Errors that users see, and where they point. */
/** An error that the user can fix: shown as its message, without a stack. */
class UserError extends Error {
    file;
    line;
    /**
     * @param message what is wrong and what to do, in one or two sentences
     * @param at the file (as the user would write it) and the 1-based line with the mistake
     */
    constructor(message, at = {}) {
        super(message);
        this.name = 'UserError';
        this.file = at.file;
        this.line = at.line;
    }
}
/** Errors of the machine rather than of this program, and what to do about them. */
const systemAdvice = {
    ENOSPC: 'The disk is full: free space and run again',
    EDQUOT: 'The disk quota is used up: free space and run again',
    EROFS: 'A directory that must be writable is read-only: check where the runner stores its files',
    EACCES: 'A file or directory is not accessible: check its owner and its permissions',
};
/** @returns the error as one that the user can fix; undefined when it is a bug of this program */
function asUserError(error) {
    if (error instanceof UserError)
        return error;
    const { code } = (error ?? {});
    const advice = systemAdvice[String(code)];
    return advice === undefined ? undefined : new UserError(`${advice} (${messageOf(error)}).`);
}
/** The text of any thrown value, without a stack. */
function messageOf(error) {
    return error instanceof Error ? error.message : String(error);
}


/***/ }),

/***/ 113:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   DY: () => (/* binding */ dependencyFiles),
/* harmony export */   PB: () => (/* binding */ pythonFile),
/* harmony export */   _y: () => (/* binding */ groupRequirements),
/* harmony export */   st: () => (/* binding */ projectParts)
/* harmony export */ });
/* unused harmony exports declaresProject, splitSource */
/* harmony import */ var _digest_js__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(9112);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(5895);
/* harmony import */ var _names_js__WEBPACK_IMPORTED_MODULE_2__ = __nccwpck_require__(9882);
/* harmony import */ var _toml_js__WEBPACK_IMPORTED_MODULE_3__ = __nccwpck_require__(3618);
/** The parts of a project's own files that decide its dependencies; other edits are no cache miss. */




/** pip's default for a project without `[build-system]`; `wheel` is for pip before 23.1. */
const legacyBuildRequires = ['setuptools>=40.8.0', 'wheel'];
/** The tables outside `[project]` in which build backends expect dependencies. */
const toolTables = [
    ['poetry', 'dependencies'],
    ['poetry', 'extras'],
    ['poetry', 'group'],
    ['poetry', 'dev-dependencies'],
    ['flit', 'metadata'],
    ['pdm', 'dev-dependencies'],
];
/** The name of the file that says which Pythons a project is for, or else declares it. */
function pythonFile({ pyproject, setupCfg, setupPy }) {
    const files = { 'pyproject.toml': pyproject, 'setup.cfg': setupCfg, 'setup.py': setupPy };
    const there = Object.entries(files).filter(([, text]) => text !== undefined);
    const says = /requires-python|python_requires|^\s*python\s*=/m;
    const [name = 'pyproject.toml'] = there.find(([, text = '']) => says.test(text)) ?? there[0] ?? [];
    return name;
}
/**
 * The parts of a project directory that decide its dependencies.
 * @param files content of pyproject.toml, setup.cfg and setup.py
 * @param shown the name of pyproject.toml in messages
 * @param others the texts of {@link dependencyFiles}
 */
function projectParts(files, shown, others = []) {
    const pyproject = files.pyproject === undefined ? {} : (0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .parseToml */ .MT)(files.pyproject, shown);
    const project = (0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .table */ .tp)(pyproject['project']);
    const tool = (0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .table */ .tp)(pyproject['tool']);
    const build = pyproject['build-system'];
    const decisive = {
        build,
        name: project['name'],
        python: project['requires-python'],
        dependencies: project['dependencies'],
        extras: project['optional-dependencies'],
        dynamic: project['dynamic'],
        groups: pyproject['dependency-groups'],
        tools: toolTables.map(([name = '', part = '']) => (0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .table */ .tp)(tool[name])[part]),
        setuptools: setuptoolsDependencies(tool),
        hooks: hatchHooks(tool),
    };
    const requires = (0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .table */ .tp)(build)['requires'];
    const setup = [decisiveConfig(files.setupCfg ?? ''), decisiveCode(files.setupPy ?? '')];
    return {
        digest: (0,_digest_js__WEBPACK_IMPORTED_MODULE_0__/* .digest */ .b)([stable(decisive), ...setup, ...others]),
        buildRequires: Array.isArray(requires) ? (0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .strings */ .P$)(requires) : legacyBuildRequires,
    };
}
/** Where setuptools is told to read dependencies from. */
function setuptoolsDependencies(tool) {
    const dynamic = (0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .table */ .tp)((0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .table */ .tp)(tool['setuptools'])['dynamic']);
    const { dependencies, 'optional-dependencies': extras } = dynamic;
    return { dependencies, extras };
}
/** The metadata hooks of hatchling that may set dependencies: all but the one for the description. */
function hatchHooks(tool) {
    const { hooks } = (0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .table */ .tp)((0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .table */ .tp)(tool['hatch'])['metadata']);
    const { 'fancy-pypi-readme': _description, ...others } = (0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .table */ .tp)(hooks);
    return others;
}
/** Keys of setup.cfg's [metadata] and arguments of setup() that say nothing about dependencies. */
const descriptiveKeys = 'version|description|summary|long[_-]description|long[_-]description[_-]content[_-]type|author|author[_-]email|maintainer|maintainer[_-]email|url|home[_-]page|download[_-]url|license|license[_-]files?|keywords|classifiers?|project[_-]urls|platforms?';
/** The sections of setup.cfg that setuptools and its plugins read, without descriptions. */
function decisiveConfig(text) {
    let section = '';
    let isDescriptive = false;
    const lines = text.split(/\r?\n/).filter((line) => {
        const header = /^\[([^\]]*)\]/.exec(line);
        if (header !== null)
            section = header[1] ?? '';
        const key = /^([^\s=:#;[][^=:]*?)\s*[=:]/.exec(line)?.[1];
        if (header !== null || key !== undefined) {
            isDescriptive =
                section === 'metadata' && new RegExp(`^(?:${descriptiveKeys})$`, 'i').test(key ?? '');
        }
        const isRead = /^(?:metadata|options|files|pbr|entry_points|backends|extras)/.test(section);
        return isRead && !isDescriptive && line.trim() !== '' && !/^\s*[#;]/.test(line);
    });
    return lines.join('\n');
}
/**
 * setup.py without literal arguments that say nothing about dependencies. Where code makes a
 * dependency from one of them, the metadata that its back end prepares tells.
 */
function decisiveCode(text) {
    const argument = new RegExp(`\\b(?:${descriptiveKeys})\\s*=\\s*(?:"[^"\\n]*"|'[^'\\n]*')\\s*,`, 'g');
    return text.replaceAll('\r\n', '\n').replace(argument, '');
}
/**
 * Chooses the files that a back end may read dependencies from if they are dynamic: those that
 * setuptools and hooks of hatchling are told to read, the code of such hooks, and requirement files.
 * @param names files of the project directory, and of its directory `requirements`
 * @returns paths relative to the project, sorted
 */
function dependencyFiles({ pyproject = '', setupPy, setupCfg = '' }, shown, names) {
    const { project, tool } = (0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .parseToml */ .MT)(pyproject, shown);
    const dynamic = (0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .table */ .tp)(project)['dynamic'];
    const isDynamic = setupPy !== undefined ||
        /\bfile:|\bpbr\b/.test(setupCfg) ||
        (0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .strings */ .P$)(dynamic).some((field) => /dependencies$/.test(field));
    if (!isDynamic)
        return [];
    const hooks = hatchHooks((0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .table */ .tp)(tool));
    const declared = [
        ...declaredFiles(setuptoolsDependencies((0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .table */ .tp)(tool))),
        ...declaredFiles(hooks),
        ...(hooks['custom'] === undefined ? [] : ['hatch_build.py']),
    ];
    const isRelated = (name) => /(?:^|\/)[^/]*\.(?:txt|in)$/.test(name);
    const isRequirements = (name) => /requirements|^reqs?\b/.test(name);
    const related = names.filter((name) => isRelated(name) && isRequirements(name));
    return [...new Set([...declared, ...related])].sort();
}
/** The paths that tables such as `{ file = … }` name, at any depth. */
function declaredFiles(value) {
    return Object.entries((0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .table */ .tp)(value)).flatMap(([key, item]) => /^(?:files?|filename|path)$/.test(key) ? (0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .strings */ .P$)([item].flat()) : declaredFiles(item));
}
/** JSON with sorted keys, so that the order of tables does not matter. */
function stable(value) {
    return JSON.stringify(value, (_key, item) => typeof item === 'object' && item !== null && !Array.isArray(item) && !(item instanceof Date)
        ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
        : item);
}
/**
 * Whether a pyproject.toml describes a project that can be built, and not only settings of tools.
 * @throws UserError with the file and line of a mistake
 */
function declaresProject(text, shown) {
    const { project, 'build-system': build } = parseToml(text, shown);
    return project !== undefined || build !== undefined;
}
/**
 * The requirements of a dependency group, with those of included groups (PEP 735).
 * @param text of pyproject.toml
 * @throws UserError for a missing group, a circular include, or an invalid entry
 */
function groupRequirements(text, shown, group) {
    const groups = (0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .table */ .tp)((0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .parseToml */ .MT)(text, shown)['dependency-groups']);
    const names = new Map(Object.keys(groups).map((name) => [(0,_names_js__WEBPACK_IMPORTED_MODULE_2__/* .normalizeName */ .Pc)(name), name]));
    const resolved = new Map();
    const resolve = (name, stack) => {
        const key = (0,_names_js__WEBPACK_IMPORTED_MODULE_2__/* .normalizeName */ .Pc)(name);
        if (stack.includes(key)) {
            throw new _errors_js__WEBPACK_IMPORTED_MODULE_1__/* .UserError */ .yo(`The dependency groups of ${shown} form a circle: ${[...stack, key].join(' → ')}.`, { file: shown });
        }
        const before = resolved.get(key);
        if (before !== undefined)
            return before;
        const entries = groups[names.get(key) ?? ''];
        if (!Array.isArray(entries)) {
            const known = [...names.values()].join(', ') || 'none';
            throw new _errors_js__WEBPACK_IMPORTED_MODULE_1__/* .UserError */ .yo(`${shown} has no dependency group "${name}". It has: ${known}.`, {
                file: shown,
            });
        }
        const all = entries.flatMap((entry) => {
            if (typeof entry === 'string')
                return [entry];
            const included = (0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .table */ .tp)(entry)['include-group'];
            if (typeof included === 'string')
                return resolve(included, [...stack, key]);
            throw new _errors_js__WEBPACK_IMPORTED_MODULE_1__/* .UserError */ .yo(`The dependency group "${name}" of ${shown} contains ${JSON.stringify(entry)}; only requirements and { include-group = "…" } are allowed.`, { file: shown });
        });
        // Without repetitions: the lists of groups that include others twice would double each time.
        const requirements = [...new Set(all)];
        resolved.set(key, requirements);
        return requirements;
    };
    return resolve(group, []);
}
/**
 * @param text of one `Requires-Dist` (PEP 508)
 * @returns undefined for a dependency without a source
 */
function splitSource(text) {
    const match = /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(\[[^\]]*\])?\s*@\s*([^\s;]\S*?)(?:\s+;\s*(.+)|;\s+(.+))?\s*$/.exec(text);
    if (match === null)
        return undefined;
    const [, name = '', extras = '', url = '', spaced, tight] = match;
    const marker = spaced ?? tight;
    // In a file pip would expand variables, such as the URL of the index with its credentials.
    const literal = url.replaceAll('${', '$%7B');
    return {
        name: normalizeName(name),
        named: `${name}${extras}${marker === undefined ? '' : ` ; ${marker}`}`,
        marker,
        text: `${name}${extras} @ ${literal}`,
    };
}


/***/ }),

/***/ 4649:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   An: () => (/* binding */ absence),
/* harmony export */   Ke: () => (/* binding */ lockFile),
/* harmony export */   L_: () => (/* binding */ formatManifest),
/* harmony export */   NV: () => (/* binding */ wheelPath),
/* harmony export */   Ng: () => (/* binding */ parseManifest),
/* harmony export */   Rr: () => (/* binding */ pylockFile),
/* harmony export */   Sh: () => (/* binding */ ManifestError),
/* harmony export */   WP: () => (/* binding */ buildDirectory),
/* harmony export */   YE: () => (/* binding */ manifestFile),
/* harmony export */   rq: () => (/* binding */ maxManifestBytes),
/* harmony export */   wM: () => (/* binding */ lockTexts)
/* harmony export */ });
/* unused harmony exports keepableParts, formatLock, formatPylock, manifestDigest, changes, sameWheels */
/* harmony import */ var _digest_js__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(9112);
/* harmony import */ var _names_js__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(9882);
/* harmony import */ var _schema_js__WEBPACK_IMPORTED_MODULE_2__ = __nccwpck_require__(3227);
/**
 * The manifest of a wheelhouse: its wheels, its request and its interpreter. The manifest decides
 * which wheels a run may use; a cache key only helps to find it.
 */



const manifestFile = 'wheelhouse.json';
const lockFile = 'requirements.lock';
const pylockFile = 'pylock.toml';
/** A manifest has a few hundred bytes per wheel: a longer one is not ours, and is not read. */
const maxManifestBytes = 16 * 1024 * 1024;
/** A manifest with another schema is not read: a miss is safer than a guess. */
const schema = 3;
/** The directory of wheels that are not installed, outside the reach of `--find-links`. */
const buildDirectory = 'build';
const projectName = (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .lineOf */ .cA)('a normalized project name', _names_js__WEBPACK_IMPORTED_MODULE_1__/* .isNormalizedName */ .HG);
const extraName = (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .lineOf */ .cA)('the name of an extra', _names_js__WEBPACK_IMPORTED_MODULE_1__/* .isValidName */ .uV);
const version = (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .lineOf */ .cA)('a version', (text) => /^[A-Za-z0-9][A-Za-z0-9.!+_-]*$/.test(text));
const moment = (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .lineOf */ .cA)('a date and time in UTC', (text) => /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text) && !Number.isNaN(Date.parse(text)));
const seconds = (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .satisfying */ .uT)('a number of seconds', (value) => typeof value === 'number' && value >= 0 && value < 1e6);
/** Any text, shortened to one line. */
const shownText = (value, name) => (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .string */ .Yj)(value, name).replace(/[\p{Cc}\u2028\u2029]/gu, ' ');
const digestText = (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .lineOf */ .cA)('a SHA-256 in lower-case hex', (text) => /^[0-9a-f]{64}$/.test(text));
const wheelSchema = (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .object */ .Ik)({
    /** Normalised. */
    name: projectName,
    /** The name in the spelling of its metadata; pip names directories after the requested spelling. */
    project: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .lineOf */ .cA)('a project name', (text) => /^[A-Za-z0-9._-]+$/.test(text)),
    version,
    /** A file name without directories. */
    file: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .lineOf */ .cA)('the file name of a wheel', _names_js__WEBPACK_IMPORTED_MODULE_1__/* .isWheelFileName */ .jh),
    /** Hex. */
    sha256: digestText,
    /** Bytes. */
    size: _schema_js__WEBPACK_IMPORTED_MODULE_2__/* .byteCount */ .GJ,
    origin: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .oneOf */ .yL)('downloaded', 'built'),
    /** runtime: in the lock. build: required to build local projects. */
    role: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .oneOf */ .yL)('runtime', 'build'),
    /** The hashes in the request that allowed this wheel, or the sdist that it was built from. */
    requestHashes: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .optional */ .lq)((0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .list */ .p_)(_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .string */ .Yj)),
    /** The fingerprint of its URL in the request. */
    url: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .optional */ .lq)(_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .line */ .n8),
    /** SHA-256 in hex of the sdist that it was built from, if known. */
    sdist: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .optional */ .lq)(digestText),
});
const projectSchema = (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .object */ .Ik)({
    /** The requirement's canonical text. */
    requirement: _schema_js__WEBPACK_IMPORTED_MODULE_2__/* .line */ .n8,
    name: projectName,
    version,
    extras: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .list */ .p_)(extraName),
    /** Its `Requires-Dist` without URLs, sorted; when it changes, the closure may change. */
    requires: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .list */ .p_)(_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .string */ .Yj),
});
const manifestSchema = (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .object */ .Ik)({
    interpreter: _schema_js__WEBPACK_IMPORTED_MODULE_2__/* .line */ .n8,
    /** Digest of its request. */
    request: _schema_js__WEBPACK_IMPORTED_MODULE_2__/* .line */ .n8,
    /** Digest of the origin of its wheels and of their build settings. */
    sources: _schema_js__WEBPACK_IMPORTED_MODULE_2__/* .line */ .n8,
    /** When its requirements were last resolved. */
    resolvedAt: moment,
    wheels: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .list */ .p_)(wheelSchema),
    direct: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .list */ .p_)(projectSchema),
    /**
     * Installed projects that its wheels depend on: the hashes of the request allow no files of them,
     * so the environment must have them.
     */
    relied: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .list */ .p_)((0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .object */ .Ik)({ name: projectName, version })),
    /** Seconds of the longest fill behind it, which a hit saves. */
    effort: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .optional */ .lq)(seconds),
    /** Version of the Python that filled it; another patch release can use it. */
    python: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .optional */ .lq)(_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .line */ .n8),
    /** The input of the digests, to explain a miss; without addresses, and omitted when too long. */
    parts: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .optional */ .lq)((0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .object */ .Ik)({ sources: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .list */ .p_)(shownText), lines: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .list */ .p_)(shownText) })),
});
/** The path of a wheel relative to its wheelhouse. */
function wheelPath({ role, file }) {
    return role === 'runtime' ? file : `${buildDirectory}/${file}`;
}
/** The fault of a wheel that is listed and not there. */
function absence({ file }) {
    return `${file} is missing`;
}
/** The maximum number of characters of `parts`. */
const maxParts = 200_000;
/** @returns the parts, or undefined when they are too long for a manifest */
function keepableParts(parts) {
    return JSON.stringify(parts).length > maxParts ? undefined : parts;
}
/**
 * The lock: `name==version --hash=sha256:…`, one line per runtime wheel, sorted by normalised name,
 * so that the same wheels give the same text. pip and uv check every hash. With names instead of
 * paths or URLs, `pip freeze` stays clean and editable projects stay in place.
 */
function formatLock(wheels) {
    return wheels
        .filter((wheel) => wheel.role === 'runtime')
        .toSorted((one, other) => (one.name < other.name ? -1 : 1))
        .map((wheel) => `${wheel.project}==${wheel.version} --hash=sha256:${wheel.sha256}\n`)
        .join('');
}
/**
 * The lock in the standard format (PEP 751), with paths relative to the wheelhouse: pip ≥ 26.1 and uv
 * install from it without an index, and check every hash.
 * @param wheels those to install; several of one version are alternatives for different platforms
 * @returns the same text for the same wheels, in any order
 */
function formatPylock(wheels) {
    const packages = new Map();
    for (const { name, version: own, marker, file, sha256: digest, size } of wheels.toSorted((one, other) => compare(one.name, other.name) || compare(one.file, other.file))) {
        const head = toml({ name, version: own, ...(marker === undefined ? {} : { marker }) });
        const hashes = `hashes = { sha256 = ${JSON.stringify(digest)} }`;
        const wheel = `[[packages.wheels]]\n${toml({ name: file, path: file, size })}${hashes}\n`;
        packages.set(head, [...(packages.get(head) ?? []), wheel]);
    }
    const tables = [...packages].map(([head, files]) => [`[[packages]]\n${head}`, ...files].join('\n'));
    const start = toml({ 'lock-version': '1.0', 'created-by': 'wheelhouse' });
    return [tables.length === 0 ? `${start}packages = []\n` : start, ...tables].join('\n');
}
/** Keys and values as TOML, whose strings and whole numbers are written as in JSON. */
function toml(fields) {
    return Object.entries(fields)
        .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
        .join('');
}
function compare(one, other) {
    return one === other ? 0 : one < other ? -1 : 1;
}
/** The locks of a wheelhouse, by file name. */
function lockTexts(wheels) {
    return {
        [lockFile]: formatLock(wheels),
        [pylockFile]: formatPylock(wheels.filter((wheel) => wheel.role === 'runtime')),
    };
}
/** The reason why a manifest can't be used. */
class ManifestError extends Error {
}
function formatManifest(manifest) {
    return `${JSON.stringify({ schema, ...manifest }, undefined, 2)}\n`;
}
/** Hex SHA-256 of the content of a manifest; the order of its fields does not matter. */
function manifestDigest(manifest) {
    const normal = formatManifest(parseManifest(formatManifest(manifest)));
    return sha256(normal);
}
/**
 * Parses a manifest, which anybody may have written.
 * @throws ManifestError with the reason: not JSON, another schema, a missing or invalid field, a file
 *   name outside the directory
 */
function parseManifest(text) {
    let value;
    try {
        value = JSON.parse(text);
    }
    catch {
        throw new ManifestError(`${manifestFile} is not JSON`);
    }
    try {
        const { schema: found } = schemaNumber(value, '');
        if (found !== schema) {
            throw new ManifestError(`${manifestFile} has schema ${JSON.stringify(found)}; this version reads ${schema}`);
        }
        const manifest = manifestSchema(value, '');
        checkConsistency(manifest);
        return manifest;
    }
    catch (error) {
        if (!(error instanceof _schema_js__WEBPACK_IMPORTED_MODULE_2__/* .SchemaError */ .Ar))
            throw error;
        throw new ManifestError(`${manifestFile} is not valid: ${error.message}`);
    }
}
const schemaNumber = (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .object */ .Ik)({ schema: (value) => value });
/** @throws ManifestError when two fields contradict each other */
function checkConsistency({ wheels }) {
    for (const { file, name, project, version } of wheels) {
        const named = (0,_names_js__WEBPACK_IMPORTED_MODULE_1__/* .wheelNameParts */ .LI)(file);
        if (named.name !== name)
            throw new ManifestError(`${file} is not a wheel of "${name}"`);
        if ((0,_names_js__WEBPACK_IMPORTED_MODULE_1__/* .normalizeName */ .Pc)(project) !== name) {
            throw new ManifestError(`${file} is not a wheel of "${project}"`);
        }
        if (!(0,_names_js__WEBPACK_IMPORTED_MODULE_1__/* .sameVersion */ .r1)(version, named.version)) {
            throw new ManifestError(`${file} is not version "${version}"`);
        }
    }
    if (new Set(wheels.map((each) => each.file)).size !== wheels.length) {
        throw new ManifestError('a wheel is listed twice');
    }
    const names = wheels.filter((each) => each.role === 'runtime').map((each) => each.name);
    if (new Set(names).size !== names.length)
        throw new ManifestError('a project is listed twice');
}
/** The differences between the runtime wheels of two sets, by name. */
function changes(before, after) {
    const versions = (wheels) => new Map(wheels.filter((each) => each.role === 'runtime').map((each) => [each.name, each.version]));
    const old = versions(before);
    const now = versions(after);
    return [...new Set([...old.keys(), ...now.keys()])]
        .sort()
        .map((name) => ({ name, from: old.get(name), to: now.get(name) }))
        .filter((change) => change.from !== change.to);
}
/** Whether two wheelhouses have the same files. */
function sameWheels(one, other) {
    const text = (wheels) => JSON.stringify(wheels.map(({ role, file, sha256 }) => `${role} ${file} ${sha256}`).sort());
    return text(one) === text(other);
}


/***/ }),

/***/ 9882:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   HG: () => (/* binding */ isNormalizedName),
/* harmony export */   I1: () => (/* binding */ isDistributionName),
/* harmony export */   LI: () => (/* binding */ wheelNameParts),
/* harmony export */   Nc: () => (/* binding */ versionInFileName),
/* harmony export */   Pc: () => (/* binding */ normalizeName),
/* harmony export */   Ui: () => (/* binding */ isOlderPip),
/* harmony export */   jh: () => (/* binding */ isWheelFileName),
/* harmony export */   r1: () => (/* binding */ sameVersion),
/* harmony export */   uV: () => (/* binding */ isValidName),
/* harmony export */   zz: () => (/* binding */ isSdistName)
/* harmony export */ });
/* unused harmony export wheelOf */
/** Names of projects and of their files, and versions: when two spellings are equal. */
/** @returns a project's name in the normal form of PEP 503 */
function normalizeName(name) {
    return name.replace(/[-_.]+/g, '-').toLowerCase();
}
const part = '[A-Za-z0-9._+!]';
const wheelFileName = new RegExp([
    `^[A-Za-z0-9]${part}*-${part}+`,
    `(?:-[0-9]${part}*)?`, // build tag
    `-[A-Za-z]${part}*-${part}+-${part}+`, // Python, ABI, platform
    `(?:-${part}+)?[.]whl$`, // variant label
].join(''));
/**
 * Whether a file name is a valid wheel name: name, version, an optional build tag, three
 * compatibility tags and an optional variant label (PEP 427, PEP 825). Such a name has no path
 * separator and no leading dot, and never needs escaping.
 */
function isWheelFileName(file) {
    return wheelFileName.test(file);
}
/** @returns the normalised name and the version of a wheel (PEP 427: neither contains a dash) */
function wheelNameParts(file) {
    const [name = '', version = ''] = file.split('-');
    return { name: normalizeName(name), version };
}
/** Returns the wheel of a project's version, if it is among these file names. */
function wheelOf({ name, version }, files) {
    return files.find((file) => {
        const parts = wheelNameParts(file);
        return parts.name === name && sameVersion(parts.version, version);
    });
}
/** Whether a text is a project's name in the normal form of PEP 503. */
function isNormalizedName(text) {
    return /^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(text);
}
/** Whether a text is a valid name of a project, of an extra or of a dependency group (PEP 508, PEP 735). */
function isValidName(text) {
    return /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(text);
}
/** Whether a file name is a valid sdist name, which never needs escaping. */
function isSdistName(file) {
    return /^[A-Za-z0-9][A-Za-z0-9._+!-]*\.(?:tar\.gz|zip|tar\.bz2|tgz)$/.test(file);
}
/** Whether a file name is a valid wheel or sdist name. */
function isDistributionName(file) {
    return isWheelFileName(file) || isSdistName(file);
}
/**
 * The version in the name of a project's wheel or sdist. In the names of old sdists the project may
 * contain dashes, so the version can only be found with the project's name.
 * @param project normalised name
 * @returns undefined for a file of another project, or of another kind
 */
function versionInFileName(file, project) {
    if (isWheelFileName(file)) {
        const { name, version } = wheelNameParts(file);
        return name === project ? version : undefined;
    }
    if (!isSdistName(file))
        return undefined;
    const stem = file.replace(/\.(?:tar\.\w+|\w+)$/, '');
    for (let dash = stem.indexOf('-'); dash !== -1; dash = stem.indexOf('-', dash + 1)) {
        if (normalizeName(stem.slice(0, dash)) === project)
            return stem.slice(dash + 1);
    }
    return undefined;
}
/** Whether two spellings are the same version by PEP 440: `1.0` is `1.0.0`. */
function sameVersion(one, other) {
    return canonicalVersion(one) === canonicalVersion(other);
}
/** Whether a pip is older than a version. An invalid version counts as the oldest. */
function isOlderPip(version, [major, minor]) {
    const [own = 0, ownMinor = 0] = version.split('.').map((part) => Number.parseInt(part, 10) || 0);
    return own < major || (own === major && ownMinor < minor);
}
/** All spellings that PEP 440 allows; file names have `_` instead of `-`. */
const versionForm = /^v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(alpha|a|beta|b|preview|pre|rc|c)[-_.]?(\d*))?(?:[-_](\d+)|[-_.]?(?:post|rev|r)[-_.]?(\d*))?(?:[-_.]?dev[-_.]?(\d*))?(?:\+(.+))?$/;
function canonicalVersion(version) {
    const text = version.toLowerCase();
    const parts = versionForm.exec(text);
    if (parts === null)
        return text;
    const [, epoch, release = '', stage, pre, implied, post = implied, dev, local = ''] = parts;
    const number = (digits) => digits.replace(/^0+(?=\d)/, '') || '0';
    const numbers = release.split('.').map(number);
    while (numbers.at(-1) === '0')
        numbers.pop();
    return [
        number(epoch ?? ''),
        numbers.join('.'),
        stage && `${stage.replace(/^(?:c|pre|preview)$/, 'rc').slice(0, 1)}${number(pre ?? '')}`,
        post !== undefined && number(post),
        dev !== undefined && number(dev),
        local.split(/[-_.]/).map(number).join('.'),
    ].join(' ');
}


/***/ }),

/***/ 4470:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   U: () => (/* binding */ isWithin)
/* harmony export */ });
/* harmony import */ var node_path__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(6760);
/** Paths, without a look at the disk. */

/** Whether a path is a directory's own or below it; both absolute. Links are not followed. */
function isWithin(directory, file) {
    const relative = node_path__WEBPACK_IMPORTED_MODULE_0__.relative(directory, file);
    // A name may begin with two dots.
    return relative.split(node_path__WEBPACK_IMPORTED_MODULE_0__.sep)[0] !== '..' && !node_path__WEBPACK_IMPORTED_MODULE_0__.isAbsolute(relative);
}


/***/ }),

/***/ 7949:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   MS: () => (/* binding */ errorExcerpt),
/* harmony export */   cp: () => (/* binding */ adviceFor)
/* harmony export */ });
/* unused harmony exports builtWheels, readBuildLog, parseReport, isUnreachable, unmetRequirements, requiredPython, isMirrorFailure, isMachineFailure, failedRequirement, projectIn */
/* harmony import */ var _names_js__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(9882);
/* harmony import */ var _secrets_js__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(3983);
/** The output of pip: what happened, and what to do about an error. */


/**
 * The file names of the wheels that `pip wheel` has built: from pip 22.2 to 26.3 it prints "Created
 * wheel for NAME: filename=FILE".
 */
function builtWheels(output) {
    return new Set(output.split('\n').flatMap((line) => {
        const [, file = ''] = /^Created wheel for .*?filename=([^ ]*)/.exec(line.trim()) ?? [];
        return isWheelFileName(file) ? [file] : [];
    }));
}
/**
 * Reads the log of the pips that pip starts to fill its build environments: each ends with
 * "Successfully installed NAME-VERSION …" (seen on pip 22.2 to 26.3).
 */
function readBuildLog(log) {
    const found = new Map();
    for (const [, items = ''] of log.matchAll(/^\S+ Successfully installed (.+)$/gm)) {
        for (const item of items.trim().split(/\s+/)) {
            const dash = item.lastIndexOf('-');
            const name = normalizeName(item.slice(0, dash));
            const version = item.slice(dash + 1);
            // A build prints into this log too, so only valid names and versions are accepted.
            if (/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(name) && /^\d[A-Za-z0-9.!+]*$/.test(version)) {
                found.set(`${name} ${version}`, { name, version });
            }
        }
    }
    return [...found.values()];
}
/**
 * Reads pip's installation report (its documented, versioned JSON).
 * @throws Error when it has another form
 */
function parseReport(text) {
    const report = JSON.parse(text);
    if (!Array.isArray(report.install))
        throw new Error("pip's report has no list of installs");
    return report.install.map((item) => {
        const { metadata, download_info: download } = item;
        if (typeof metadata?.name !== 'string' || typeof metadata.version !== 'string') {
            throw new Error("pip's report names a distribution without name or version");
        }
        const strings = (value) => (Array.isArray(value) ? value.map(String) : []);
        return {
            name: normalizeName(metadata.name),
            writtenName: metadata.name,
            version: metadata.version,
            url: typeof download?.url === 'string' ? download.url : '',
            extras: strings(metadata.provides_extra),
            requires: strings(metadata.requires_dist).sort(),
        };
    });
}
/** Characters of a line that an error repeats. */
const longestLine = 2000;
/**
 * The end of a program's output, without secrets: from its first error on, or else its last lines.
 * @param lines the maximum number of lines
 */
function errorExcerpt(output, lines = 12) {
    const all = (0,_secrets_js__WEBPACK_IMPORTED_MODULE_1__/* .withoutSecrets */ .cT)(output)
        .split(/\r?\n/)
        .filter((line) => line.trim() !== '')
        .map((line) => (line.length > longestLine ? `${line.slice(0, longestLine)}…` : line));
    // git prints the reason before pip prints that git failed.
    const firstError = all.findIndex((line) => /^\s*(?:ERROR|error|fatal):/.test(line));
    if (firstError < 0)
        return all.slice(-lines).join('\n');
    // Older pips print the output of a program twice, the second time without its margin.
    const earlier = new Set();
    const errors = all.slice(firstError).filter((line) => {
        const bare = line.trim();
        const isNew = !earlier.has(bare) && !/^(?:note: This |╰─> See above)/.test(bare);
        earlier.add(bare);
        return isNew;
    });
    return errors.slice(-lines).join('\n');
}
const unreachable = /ConnectionError|NewConnectionError|Max retries exceeded|Temporary failure in name resolution|ReadTimeout|timed out|50\d (?:Server Error|Error)|Too many 5\d\d error|connection-failed|Connection aborted|RemoteDisconnected|error sending request for url|HTTP status server error/i;
const notFound = /No matching distribution found|Could not find a version|there (?:is|are) no versions? of|was not found in the package registry/i;
const conflict = /ResolutionImpossible|conflicting dependencies|Cannot install .{1,1000} because/i;
const advices = [
    [
        /hash mismatch|DO NOT MATCH THE HASHES|SHA-256 is not the expected one/i,
        'The index offers a file whose hash is not in your requirements: compile the requirements again if you trust the change, or find out who replaced the file.',
    ],
    [
        /require-hashes mode|--require-hashes/i,
        'A single --hash turns on hash checking for everything, including dependencies and inline packages: add the missing hashes (pip-compile --generate-hashes does), or install the other packages in a separate step.',
    ],
    [conflict, 'The requirements conflict: relax one of those that pip names.'],
    [
        /\b40[13] (?:Client )?Error/i,
        "The index rejected the credentials: check those in pip's configuration.",
    ],
    [
        /× git .{0,1000}did not run successfully/,
        "git could not fetch a repository: check its address, its branch or tag, and git's credentials on this machine.",
    ],
    [
        unreachable,
        "The index could not be reached: run again, or check the network and pip's index settings.",
    ],
    [
        notFound,
        'Check the name, the version and whether the index has a file for this Python and system.',
    ],
    [
        /No solution found when resolving/i,
        'The requirements conflict: relax one of those that uv names.',
    ],
    [
        /HTTP status client error \(40[13]/i,
        'The index rejected the credentials: check the inputs index-username and index-password, or the credentials of the index in the settings of pip or uv.',
    ],
    [
        /requires a different Python/i,
        'The package does not support this Python: use another Python, or another version of the package.',
    ],
    [
        /No space left on device|Errno 28/i,
        'The disk is full: free space, or set the input wheelhouse to a larger disk.',
    ],
    [
        /Failed building wheel|Failed to build|subprocess-exited-with-error|metadata-generation-failed|build backend/i,
        'A package had to be built from source and the build failed: see its output above. It may need a compiler, headers, or an older version of the package.',
    ],
];
/** Whether pip failed because the index did not answer, or answered with a server error. */
function isUnreachable(output) {
    return unreachable.test(output);
}
/**
 * A project in a conflict with a version that back ends make up without a tag: `0.1.dev1+g1234567`
 * (setuptools-scm, hatch-vcs) and `0.0.0` (pbr, pdm-backend).
 */
const untagged = /The user requested ([\w.-]+)(?:\[[^\]\s]*\])? (0\.0\.0|0\.0\.1\.dev\d+|0\.1\.dev\d+(?:\+\S+)?)(?:\s|$)/;
/**
 * The requirements that pip found no file for, without duplicates.
 * @returns undefined when there is none
 */
function unmetRequirements(output) {
    const found = [...output.matchAll(/No matching distribution found for (.+)$/gm)];
    const unmet = new Set(found.map(([, requirement = '']) => requirement.trim()));
    return unmet.size === 0 ? undefined : [...unmet];
}
/**
 * The Pythons that a project is for, from pip's error that the running one is not among them.
 * @returns a version specifier; undefined after any other error
 */
function requiredPython(output) {
    return /Package '?[^'\n]+'? requires a different Python: \S+ not in '([^'\n]+)'/.exec(output)?.[1];
}
/** Whether a mirror may be the reason that pip failed: a file was missing, refused or different. */
function isMirrorFailure(output) {
    return (isUnreachable(output) ||
        notFound.test(output) ||
        /HTTP error \d{3}|HTTP status client error|\b\d{3} Client Error|connection-failed|DO NOT MATCH THE HASHES|has an invalid wheel|BadZipFile/i.test(output));
}
/**
 * Whether an installer failed because of the machine, not of the packages: not enough memory, no
 * permission to write (EPERM, EACCES), or a broken, full or read-only disk (EIO, ENOSPC, EDQUOT,
 * EROFS). A wheel may be the reason for other system errors, such as a name that is too long.
 */
function isMachineFailure(output) {
    return /PermissionError|MemoryError|\b(?:Errno |os error )(?:1|5|12|13|28|30|122)\b/.test(output);
}
/**
 * What to do about a failed pip, in a sentence or two.
 * @param options.server where it downloaded from: package indexes (default), or a URL of the request
 * @param options.releaseAge the minimum age of the files that it could choose, such as `7 days`
 */
function adviceFor(output, { server = 'index', releaseAge, } = {}) {
    const advice = adviceOn(output, server);
    return releaseAge !== undefined && (notFound.test(output) || conflict.test(output))
        ? `${advice} Files younger than ${releaseAge} were left out (minimum-release-age); to accept those of a project, name it in minimum-release-age-exclude.`
        : advice;
}
function adviceOn(output, server) {
    const [, page] = /Index (\S+) does not provide upload-time metadata/.exec(output) ?? [];
    if (page !== undefined)
        return withoutUploadTimes(page);
    if (server === 'url' && unreachable.test(output)) {
        return 'The server of this URL could not be reached: check the address, or run again.';
    }
    if (notFound.test(output) && needsOtherPython(output)) {
        return 'The versions that you allow require another Python: use another Python, or allow another version.';
    }
    const [, project, version] = untagged.exec(output) ?? [];
    if (conflict.test(output) && project !== undefined) {
        return `${project} has version ${version}, as in a checkout without tags: set fetch-depth: 0 for actions/checkout, or state the version in another way.`;
    }
    return (advices.find(([pattern]) => pattern.test(output))?.[1] ??
        "See pip's output above; the same command should fail the same way outside this action.");
}
/** @param page of an index (pip requests it with a final slash), or of find-links */
function withoutUploadTimes(page) {
    const [, index = page, project] = /^(.+)\/([^/]+)\/$/.exec((0,_secrets_js__WEBPACK_IMPORTED_MODULE_1__/* .withoutSecrets */ .cT)(page)) ?? [];
    return [
        project === undefined
            ? `${index} does not say when its files were uploaded`
            : `The index ${index} does not say when the files of ${project} were uploaded`,
        ', so no age can be required of them. Use an index whose JSON pages have upload times (PEP 700),',
        ` name ${project === undefined ? 'their projects' : project} in minimum-release-age-exclude,`,
        ' or remove minimum-release-age (or uploaded-prior-to of pip).',
    ].join('');
}
/** Whether pip found no file because it ignored those that require another Python. */
function needsOtherPython(output) {
    const ignored = [...output.matchAll(/[:;] (\S+) Requires-Python /g)].map(([, version = '']) => version);
    const [, pin] = /satisfies the requirement [^\s(]*===?([^\s,;(]+)/.exec(output) ?? [];
    return (ignored.length > 0 && (pin === undefined || ignored.some((each) => (0,_names_js__WEBPACK_IMPORTED_MODULE_0__/* .sameVersion */ .r1)(each, pin))));
}
/**
 * The requirement that pip failed for: the one in its error, or the last one that it started to
 * process before a build or a repository failed.
 * @param output with the places of the user's files, as `withUserSources` returns it
 */
function failedRequirement(output) {
    const lines = output.split(/\r?\n/).filter((line) => line.length <= longestLine);
    for (const line of lines) {
        const missing = /^\s*ERROR: Could not find .* the requirement (\S+)(.*) \(from versions: /.exec(line);
        if (missing)
            return requirementFrom(missing[1], missing[2]);
    }
    const [, unbuilt] = /Failed building wheel for (\S+)/.exec(output) ?? [];
    const failure = lines.findIndex((line) => /^\s*(?:error: subprocess-exited|error: metadata-generation|fatal:)/.test(line));
    const started = lines.slice(0, unbuilt ? lines.length : Math.max(failure, 0)).flatMap((line) => {
        const [, project, rest] = /^\s*(?:Collecting|Processing|Obtaining) (\S+)(.*)/.exec(line) ?? [];
        return project === undefined ? [] : [requirementFrom(project, rest)];
    });
    return unbuilt
        ? started.findLast(({ project }) => projectIn(project) === projectIn(unbuilt))
        : started.at(-1);
}
function requirementFrom(project = '', rest = '') {
    const [, from = ''] = / \(from (.*)\)\s*$/.exec(rest) ?? [];
    const [, file, line] = /(?:^|->)(?:-[rc] )?([^()>]+) \(line (\d+)\)$/.exec(from) ?? [];
    const [dependent = ''] = from.split('->');
    return {
        project,
        place: file === undefined ? undefined : { file, line: Number(line) },
        dependent: /^[\w.-]+(?:[=<>!~[].*)?$/.test(dependent) ? dependent : undefined,
    };
}
/** The normalised name at the start of a requirement that pip prints, such as `a[x]==1`. */
function projectIn(requirement) {
    return normalizeName(requirement.replace(/[^\w.-].*$/s, ''));
}


/***/ }),

/***/ 761:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   zV: () => (/* binding */ readReleaseAge)
/* harmony export */ });
/* unused harmony exports ageText, releaseAgeText, releaseAgeParts, latestUpload, fetchedPip, enforcerOf */
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(5895);
/* harmony import */ var _names_js__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(9882);
/**
 * The input minimum-release-age: files that were uploaded to the index too recently are not chosen.
 * pip enforces it with `--uploaded-prior-to`, which needs an index that says when its files were
 * uploaded (PEP 700).
 */


/** Hours, days or weeks, in words and in ISO 8601. */
const forms = [
    /^(?:(\d{1,4})\s*h(?:ours?)?|(\d{1,4})\s*d(?:ays?)?|(\d{1,4})\s*w(?:eeks?)?)$/i,
    /^P(?:T(\d{1,4})H|(\d{1,4})D|(\d{1,4})W)$/i,
];
/**
 * Reads the inputs minimum-release-age and minimum-release-age-exclude.
 * @param age `7 days`, `36 hours`, `2 weeks`, `7d`, or a duration of ISO 8601 in one unit (`P7D`,
 *   `PT36H`, `P2W`); empty for no minimum
 * @throws UserError when one of them is not valid
 */
function readReleaseAge(age, exclude) {
    if (age === '') {
        if (exclude.length === 0)
            return undefined;
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .UserError */ .yo('The input minimum-release-age-exclude is set without minimum-release-age. Set both, or remove it.');
    }
    const form = forms.find((each) => each.test(age));
    const [hours = 0, days = 0, weeks = 0] = form
        ?.exec(age)
        ?.slice(1)
        .map((number) => Number(number ?? 0)) ?? [];
    const total = hours + 24 * days + 168 * weeks;
    if (total === 0) {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .UserError */ .yo(`The input minimum-release-age is "${age}"; expected a number of hours, days or weeks, such as "7 days", "36 hours", "7d" or "P7D".`);
    }
    for (const name of exclude) {
        if ((0,_names_js__WEBPACK_IMPORTED_MODULE_1__/* .isValidName */ .uV)(name))
            continue;
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .UserError */ .yo(`The input minimum-release-age-exclude contains "${name}", which is not the name of a project. Write one name per line, without a version.`);
    }
    return {
        hours: total,
        except: [...new Set(exclude.map(_names_js__WEBPACK_IMPORTED_MODULE_1__/* .normalizeName */ .Pc))].sort(),
    };
}
/** The age in a normal form: `7 days`, `36 hours`. */
function ageText({ hours }) {
    const [count, unit] = hours % 24 === 0 ? [hours / 24, 'day'] : [hours, 'hour'];
    return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
/** For people: `7 days, except alpha, beta`. */
function releaseAgeText(age) {
    return `${ageText(age)}${age.except.length > 0 ? `, except ${age.except.join(', ')}` : ''}`;
}
/** The parts of the cache key. */
function releaseAgeParts(age) {
    if (age === undefined)
        return [];
    const except = age.except.join(',');
    return [
        `minimum-release-age=${ageText(age)}`,
        ...(except === '' ? [] : [`minimum-release-age-exclude=${except}`]),
    ];
}
/**
 * The moment before which a file must have been uploaded, to the second.
 * @returns in the form that every pip with `--uploaded-prior-to` reads
 */
function latestUpload({ hours }, now) {
    const moment = new Date(now.getTime() - hours * 3_600_000);
    return moment.toISOString().replace(/\.\d+Z$/, '+00:00');
}
/** The first pip with `--uploaded-prior-to`. */
const enforcingPip = (/* unused pure expression or super */ null && ([26, 0]));
/** The pip that stands in for an older one. */
const fetchedPip = {
    version: '26.3',
    /** The first Python that it supports. */
    python: [3, 10],
    /** A requirement file: the line of scripts/requirements/pip-26.3.txt. */
    requirements: `pip==26.3 \\
    --hash=sha256:6c36ae7da8695be67e3cd9f7d87919667ced53f57ce2ede75d89b5912ed2bc4c \\
    --hash=sha256:f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13
`,
};
/**
 * Which pip has to choose the files: the environment's own, or the one that is fetched. Exceptions
 * reach into pip (src/python/run_pip.py), so only pips that are known to work with that are used.
 * @throws UserError when neither can be used
 */
function enforcerOf(age, { pip = '', version }) {
    const [major, minor] = fetchedPip.version.split('.').map(Number);
    const isKnown = isOlderPip(pip, [major, minor + 1]);
    if (!isOlderPip(pip, enforcingPip) && (age.except.length === 0 || isKnown))
        return 'own';
    // A version of Python has the form that isOlderPip compares.
    if (!isOlderPip(version, fetchedPip.python))
        return 'fetched';
    throw new UserError(isOlderPip(version, [3, 9])
        ? `The input minimum-release-age needs Python 3.9 or newer, as older ones have no pip that can enforce it; this is ${version}. Use a newer Python, or remove the input.`
        : `The input minimum-release-age needs pip 26.0 or newer on Python ${version}; this is pip ${pip}. Run "python -m pip install --upgrade pip" before this step, or use Python 3.10 or newer.`);
}


/***/ }),

/***/ 3227:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   Ar: () => (/* binding */ SchemaError),
/* harmony export */   GJ: () => (/* binding */ byteCount),
/* harmony export */   Ik: () => (/* binding */ object),
/* harmony export */   Yj: () => (/* binding */ string),
/* harmony export */   cA: () => (/* binding */ lineOf),
/* harmony export */   lq: () => (/* binding */ optional),
/* harmony export */   n8: () => (/* binding */ line),
/* harmony export */   p_: () => (/* binding */ list),
/* harmony export */   uT: () => (/* binding */ satisfying),
/* harmony export */   yL: () => (/* binding */ oneOf)
/* harmony export */ });
/** Validates values from anybody, such as parsed JSON. */
/** An invalid value; the message is the end of a sentence: `"size" must be a whole number`. */
class SchemaError extends Error {
}
/** A schema for the values that pass a test. @param form of such a value, after "must be" */
function satisfying(form, test) {
    return (value, name) => {
        if (!test(value))
            throw new SchemaError(`"${name}" must be ${form}`);
        return value;
    };
}
const string = satisfying('a string', (value) => typeof value === 'string');
const byteCount = satisfying('a number of bytes', (value) => Number.isSafeInteger(value) && Number(value) >= 0);
/** Text for people: it can't start a new line. */
const line = lineOf('a line of text', () => true);
/** A line of text that passes a test. @param form of such a text, after "must be" */
function lineOf(form, test) {
    return satisfying(form, (value) => typeof value === 'string' && isLine(value) && test(value));
}
function isLine(text) {
    return text !== '' && !/\p{Cc}|\u2028|\u2029/u.test(text);
}
function oneOf(...texts) {
    const form = texts.map((text) => `"${text}"`).join(' or ');
    return satisfying(form, (value) => texts.includes(value));
}
/** A schema for lists of items with another schema. */
function list(item) {
    return (value, name) => {
        if (!Array.isArray(value))
            throw new SchemaError(`"${name}" must be a list`);
        return value.map((each, index) => item(each, `${name}[${index}]`));
    };
}
/** A field that may be missing. */
function optional(schema) {
    const check = (value, name) => value === undefined ? undefined : schema(value, name);
    return Object.assign(check, { isOptional: true });
}
/** A schema for objects; it drops unknown fields. @param form of the object, for errors */
function object(fields, form = 'an object') {
    return (value, name) => {
        if (typeof value !== 'object' || value === null || Array.isArray(value)) {
            throw new SchemaError(name === '' ? `it is not ${form}` : `"${name}" must be ${form}`);
        }
        const entries = Object.entries(fields).flatMap(([field, schema]) => {
            const path = name === '' ? field : `${name}.${field}`;
            const own = Object.hasOwn(value, field)
                ? value[field]
                : undefined;
            const checked = schema(own, path);
            return checked === undefined ? [] : [[field, checked]];
        });
        return Object.fromEntries(entries);
    };
}


/***/ }),

/***/ 3983:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   $p: () => (/* binding */ redactor),
/* harmony export */   BG: () => (/* binding */ basicCredentials),
/* harmony export */   Bo: () => (/* binding */ secretsOfLine),
/* harmony export */   Uk: () => (/* binding */ shownAddress),
/* harmony export */   YA: () => (/* binding */ secretsOfSettings),
/* harmony export */   cT: () => (/* binding */ withoutSecrets),
/* harmony export */   eo: () => (/* binding */ secretForms),
/* harmony export */   g0: () => (/* binding */ fingerprinted),
/* harmony export */   mE: () => (/* binding */ secretsOfUrl),
/* harmony export */   yL: () => (/* binding */ secretsOfInputs)
/* harmony export */ });
/* unused harmony export looksSecret */
/* harmony import */ var _digest_js__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(9112);
/**
 * Secrets in addresses and inputs: what may be shown, hashed and stored, and what is masked. An
 * address can contain a secret in three places:
 *
 *     https://robot:PASSWORD@host/simple/         userinfo
 *     https://host/TOKEN/org/python/simple/       path, as Gemfury, Cloudsmith and packagecloud do
 *     https://host/one-1.0.whl?token=TOKEN        query
 *
 * | function              | for                              | turns the three into                 |
 * | --------------------- | -------------------------------- | ------------------------------------ |
 * | {@link withoutSecrets} | any text, such as pip's output | `https://host/TOKEN/org/…`: a part of a path could also be a hash |
 * | {@link shownAddress}   | a configured address, for people | `https://host/…/org/python/simple/` |
 * | {@link fingerprinted}  | keys and cache entries           | `https://host/#<digest>`            |
 * | {@link secretsOfInputs}, {@link secretsOfSettings}, {@link secretsOfLine} | masks, which also remove path tokens from pip's output | `***` |
 */

const counterparts = { '"': '"', "'": "'", '`': '`', '<': '>' };
/** The start of the scheme of the URL with its `://` at `at`. */
function schemeOf(text, at) {
    let first = at;
    while (first > 0 && /[a-z0-9+.-]/i.test(text.charAt(first - 1)))
        first -= 1;
    return first;
}
/** The end of that URL: white space, or the counterpart of the quote before it. */
function endOfUrl(text, at, from = at) {
    const quote = counterparts[text.charAt(schemeOf(text, at) - 1)] ?? '';
    const stop = new RegExp(`[\\s${quote}]`, 'g');
    stop.lastIndex = from;
    return stop.exec(text)?.index ?? text.length;
}
/** All URLs of a text in order. A URL inside another one has the same end. */
function urlsIn(text) {
    const places = [];
    let end = 0;
    let lastAt = -1;
    let position = 0;
    for (let at = text.indexOf('://'); at >= 0; at = text.indexOf('://', position)) {
        const isInner = at < end;
        if (!isInner) {
            end = endOfUrl(text, at);
            lastAt = at + text.slice(at, end).lastIndexOf('@');
        }
        const start = at + 3;
        const host = hostOf(text, start, end, lastAt);
        // The password contains white space: the URL continues after it.
        if (host > end)
            end = endOfUrl(text, at, host);
        places.push({ start, host, end, isInner });
        position = host;
    }
    return places;
}
/**
 * The start of the host of a URL. The end of a password with reserved characters is ambiguous, and
 * hiding too much is better than hiding too little: a port that is not a number is part of a
 * password.
 */
function hostOf(text, start, end, lastAt) {
    const url = text.slice(start, end);
    const slash = url.search(/[/?#]/);
    const authority = slash < 0 ? url : url.slice(0, slash);
    const inAuthority = authority.lastIndexOf('@');
    if (inAuthority >= 0)
        return start + inAuthority + 1;
    const port = /^[^:[]*:(.*)$/.exec(authority)?.[1] ?? '';
    if (/^\d*$/.test(port))
        return start;
    if (lastAt >= start)
        return lastAt + 1;
    // There is white space or a quote in the password; but punctuation may also follow a port.
    const beyond = /[@\r\n]|:\/\//g;
    beyond.lastIndex = end;
    const found = slash >= 0 || /^\d*\W*$/.test(port) ? null : beyond.exec(text);
    return found?.[0] === '@' ? found.index + 1 : start;
}
/** A text without some of its parts, which are in order and may overlap. */
function without(text, parts) {
    let result = '';
    let position = 0;
    for (const [start, end] of parts) {
        result += text.slice(position, start);
        position = Math.max(position, end);
    }
    return result + text.slice(position);
}
function indexOrEnd(text, character, from) {
    const index = text.indexOf(character, from);
    return index < 0 ? text.length : index;
}
/**
 * Removes the userinfo (except `git@`, which is no secret) and the query of every URL in a text, and
 * the query of paths that HTTP libraries print (`url: /one.whl?token=…`, `"GET /one.whl?token=…
 * HTTP/1.1"`).
 */
function withoutSecrets(text) {
    return withoutParts(text, (userinfo) => userinfo !== 'git@');
}
/** @param isSecret which userinfos to remove */
function withoutParts(text, isSecret) {
    const bare = without(text, urlsIn(text)
        .filter(({ start, host }) => isSecret(text.slice(start, host)))
        .map(({ start, host }) => [start, host]));
    let query = 0;
    let fragment = 0;
    const queries = urlsIn(bare).flatMap(({ start, end }) => {
        // Inside a query that is removed already, or there is no query.
        if (start < fragment)
            return [];
        if (query < start)
            query = indexOrEnd(bare, '?', start);
        if (query >= end)
            return [];
        fragment = Math.min(end, indexOrEnd(bare, '#', query));
        return [[query, fragment]];
    });
    return without(bare, queries).replace(/(\burl: |"[A-Z]+ )(\/[^\s?]*)\?[^\s"]*/g, '$1$2');
}
/** Hex digits of a fingerprint: enough to make collisions infeasible. */
const fingerprintLength = 32;
/**
 * Replaces every URL in a text by its scheme, its host and a digest of the whole address without
 * userinfo and query: for keys and cache entries, which others can read. Equal addresses stay equal,
 * and only a guess of a path token can be confirmed.
 * @returns `https://host/#<32 hex digits>` for each; a URL without a path is unchanged
 */
function fingerprinted(text) {
    const clean = withoutParts(text, () => true);
    let result = '';
    let position = 0;
    for (const { start, end, isInner } of urlsIn(clean)) {
        if (isInner)
            continue;
        const scheme = schemeOf(clean, start - 3);
        const [, host = '', rest = ''] = /^([A-Za-z0-9.-]*(?::\d+)?|\[[0-9A-Fa-f:.]+\](?::\d+)?)((?:[/?#].*)?)$/s.exec(clean.slice(start, end)) ?? ['', '', clean.slice(start, end)];
        result += clean.slice(position, start);
        result += /^\/?$/.test(rest)
            ? `${host}${rest}`
            : `${host}/#${(0,_digest_js__WEBPACK_IMPORTED_MODULE_0__/* .sha256 */ .s)(clean.slice(scheme, end)).slice(0, fingerprintLength)}`;
        position = end;
    }
    return result + clean.slice(position);
}
/** A configured address for people; path segments that look like tokens become `…`. */
function shownAddress(address) {
    const clean = withoutSecrets(address);
    let result = '';
    let position = 0;
    for (const { host, end, isInner } of urlsIn(clean)) {
        if (isInner)
            continue;
        result += clean.slice(position, host);
        result += clean
            .slice(host, end)
            .replace(/(?<=\/)[^/?#]+/g, (segment) => (looksSecret(segment) ? '…' : segment));
        position = end;
    }
    return result + clean.slice(position);
}
/** Usual words in the paths of package indexes, which are not part of a token. */
const usualWords = /pypi|python|packages?|simple|artifactory|nexus|repository|artifacts?|snapshots?|releases?|oauth2|x86_64|linux|windows/gi;
/**
 * Whether a path segment looks like a token: 12 or more letters and digits that are more mixed than
 * in a name, or 16 or more hexadecimal digits. `s3cr3tT0kenAbC` and a GUID do; `MyPythonFeed2024`,
 * `team-2-py3.11` and `12345678` do not.
 */
function looksSecret(segment) {
    const runs = decoded(segment)
        .replace(usualWords, '-')
        .split(/[^A-Za-z0-9]+/);
    const letters = runs.join('').length;
    if (letters < 12)
        return false;
    const hex = decoded(segment).replaceAll('-', '');
    if (/^[0-9a-f]{16,}$/i.test(hex) && /\d/.test(hex) && /[a-f]/i.test(hex))
        return true;
    // Digits at the end of a word are usually a number or a year.
    const changes = runs.flatMap((run) => run.replace(/\d+$/, '').match(/[a-z](?=[A-Z\d])|[A-Z](?=\d)|\d(?=[A-Za-z])/g) ?? []).length;
    return changes >= 3 && changes / letters > 0.17;
}
/** The names of query parameters with a secret. */
const secretNames = /token|secret|sig|key|pass|auth|credential/i;
/**
 * The secrets of the URLs in a text in every form that may be printed: as is, percent-encoded, and as
 * basic authentication sends them. A user name without a password counts when it is long enough to
 * be a token; `git@` is not.
 */
function secretsOfUrl(text) {
    return [...secretsOfUserinfo(text), ...tokensOfUrl(text)];
}
function secretsOfUserinfo(text) {
    return urlsIn(text).flatMap(({ start, host }) => {
        const userinfo = text.slice(start, Math.max(start, host - 1));
        const colon = userinfo.indexOf(':');
        const username = colon < 0 ? userinfo : userinfo.slice(0, colon);
        const password = colon < 0 ? '' : userinfo.slice(colon + 1);
        if (password === '' && !isUserToken(username))
            return [];
        return [password || username, ...secretForms(decoded(username), decoded(password))];
    });
}
/** Tokens in the path and the query of the URLs in a text. */
function tokensOfUrl(text) {
    return urlsIn(text).flatMap(({ host, end, isInner }) => {
        if (isInner)
            return [];
        const [, path = '', query = ''] = /^([^?#]*)(?:\?([^#]*))?/.exec(text.slice(host, end)) ?? [];
        const segments = path.split('/').slice(1).filter(looksSecret);
        const values = query.split('&').flatMap((parameter) => {
            const equals = parameter.indexOf('=');
            const value = parameter.slice(equals + 1);
            const isSecret = secretNames.test(parameter.slice(0, Math.max(equals, 0)));
            return looksSecret(value) || (isSecret && value.length >= 8) ? [value] : [];
        });
        const tokens = [...segments, ...values];
        return [...new Set(tokens.flatMap((token) => [token, ...spellings(decoded(token))]))];
    });
}
/** User names that indexes require together with a password or another way to log in. */
const prescribedNames = ['__token__', 'oauth2accesstoken', 'VssSessionToken', 'gitlab-ci-token'];
/** Whether a user name without a password is a token. */
function isUserToken(username) {
    return username.length >= 8 && !prescribedNames.includes(username);
}
/** The secrets of the inputs that name indexes. */
function secretsOfInputs(index) {
    const { url = '', mirror = '', username = '', password = '', extra } = index;
    const isSecret = password !== '' || isUserToken(username);
    return [
        ...[url, mirror, ...extra].flatMap(secretsOfUrl),
        ...(isSecret ? secretForms(username, password) : []),
    ];
}
/** The secrets of pip's settings. */
function secretsOfSettings(settings) {
    return [...settings.values()].flatMap(secretsOfUrl);
}
/**
 * The secrets of a line. A token in the path of a direct URL is as public as the file; nearly every
 * such path has a hash, so only a value from a variable is a secret.
 */
function secretsOfLine(line) {
    if (line.kind === 'index')
        return [];
    if (line.kind === 'option')
        return secretsOfUrl(line.value);
    return [
        ...secretsOfUserinfo(line.target),
        ...tokensOfUrl(line.target).filter((token) => !line.text.includes(token)),
    ];
}
/** As {@link secretsOfUrl}, for a user name and a password; if that is empty, for the user name. */
function secretForms(username, password) {
    const secret = password || username;
    if (secret === '')
        return [];
    const base64 = [
        Buffer.from(secret, 'utf8').toString('base64'),
        Buffer.from(`${username}:${password}`, 'utf8').toString('base64'),
        basicCredentials(username, password),
    ];
    return [
        ...new Set([
            ...spellings(secret),
            ...base64,
            // As in URLs.
            ...base64.map((form) => form.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')),
        ]),
    ];
}
/** A secret as is, in JSON, and in URLs. */
function spellings(secret) {
    const strict = encodeURIComponent(secret).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
    const encoded = [encodeURIComponent(secret), strict];
    return [
        ...new Set([
            secret,
            JSON.stringify(secret).slice(1, -1),
            ...encoded,
            // Like urllib.parse.quote of Python.
            ...encoded.map((form) => form.replaceAll('%2F', '/')),
            ...encoded.map((form) => form.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())),
        ]),
    ];
}
/**
 * The text of basic authentication in the encoding of pip's HTTP library: Latin-1 (`_basic_auth_str`
 * of requests). It fails for other characters; here those are UTF-8.
 */
function basicCredentials(username, password) {
    const text = `${username}:${password}`;
    const isLatin = [...text].every((character) => character <= '\u00ff');
    return Buffer.from(text, isLatin ? 'latin1' : 'utf8').toString('base64');
}
function decoded(text) {
    try {
        return decodeURIComponent(text);
    }
    catch {
        return text;
    }
}
function redactor() {
    let known = [];
    return {
        add(secrets) {
            // The longest first: one may be a part of another.
            known = [...new Set([...known, ...secrets])]
                .filter((secret) => secret !== '')
                .sort((a, b) => b.length - a.length);
        },
        clean: (text) => known.reduce((clean, secret) => clean.replaceAll(secret, '***'), text),
    };
}


/***/ }),

/***/ 3618:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {


// EXPORTS
__nccwpck_require__.d(__webpack_exports__, {
  MT: () => (/* binding */ parseToml),
  P$: () => (/* binding */ strings),
  tp: () => (/* binding */ table)
});

// UNUSED EXPORTS: formatToml, tables

;// CONCATENATED MODULE: ./node_modules/smol-toml/dist/error.js
/*!
 * Copyright (c) Squirrel Chat et al., All rights reserved.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Redistribution and use in source and binary forms, with or without
 * modification, are permitted provided that the following conditions are met:
 *
 * 1. Redistributions of source code must retain the above copyright notice, this
 *    list of conditions and the following disclaimer.
 * 2. Redistributions in binary form must reproduce the above copyright notice,
 *    this list of conditions and the following disclaimer in the
 *    documentation and/or other materials provided with the distribution.
 * 3. Neither the name of the copyright holder nor the names of its contributors
 *    may be used to endorse or promote products derived from this software without
 *    specific prior written permission.
 *
 * THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND
 * ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
 * WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
 * DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE
 * FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
 * DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
 * SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER
 * CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY,
 * OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
 * OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
 */
function getLineColFromPtr(string, ptr) {
    let lines = string.slice(0, ptr).split(/\r?\n/);
    return [lines.length, lines.pop().length + 1];
}
function makeCodeBlock(string, line, column) {
    let lines = string.split(/\r?\n/);
    let codeblock = '';
    let numberLen = (Math.log10(line + 1) | 0) + 1;
    for (let i = line - 1; i <= line + 1; i++) {
        let l = lines[i - 1];
        if (!l)
            continue;
        codeblock += i.toString().padEnd(numberLen, ' ');
        codeblock += ':  ';
        codeblock += l;
        codeblock += '\n';
        if (i === line) {
            codeblock += ' '.repeat(numberLen + column + 2);
            codeblock += '^\n';
        }
    }
    return codeblock;
}
class TomlError extends Error {
    line;
    column;
    codeblock;
    constructor(message, options) {
        const [line, column] = getLineColFromPtr(options.toml, options.ptr);
        const codeblock = makeCodeBlock(options.toml, line, column);
        super(`Invalid TOML document: ${message}\n\n${codeblock}`, options);
        this.line = line;
        this.column = column;
        this.codeblock = codeblock;
    }
    /** @internal */
    static x(message, ctx, ptr) {
        throw new TomlError(message, { toml: ctx.s, ptr: ptr ?? ctx.p });
    }
}

;// CONCATENATED MODULE: ./node_modules/smol-toml/dist/primitive.js
/*!
 * Copyright (c) Squirrel Chat et al., All rights reserved.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Redistribution and use in source and binary forms, with or without
 * modification, are permitted provided that the following conditions are met:
 *
 * 1. Redistributions of source code must retain the above copyright notice, this
 *    list of conditions and the following disclaimer.
 * 2. Redistributions in binary form must reproduce the above copyright notice,
 *    this list of conditions and the following disclaimer in the
 *    documentation and/or other materials provided with the distribution.
 * 3. Neither the name of the copyright holder nor the names of its contributors
 *    may be used to endorse or promote products derived from this software without
 *    specific prior written permission.
 *
 * THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND
 * ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
 * WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
 * DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE
 * FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
 * DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
 * SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER
 * CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY,
 * OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
 * OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
 */

/** @internal */
function parseString(ctx) {
    let startPtr = ctx.p;
    let c = ctx.s.charCodeAt(ctx.p++);
    let first = c;
    let isLiteral = c === 0x27; /* ' */
    let isMultiline = c === ctx.s.charCodeAt(ctx.p) && c === ctx.s.charCodeAt(ctx.p + 1);
    if (isMultiline) {
        // Trim initial newline
        if ((c = ctx.s.charCodeAt(ctx.p += 2)) === 0xa /* \n */)
            ctx.p++;
        else if (c === 0xd /* \r */ && ctx.s.charCodeAt(ctx.p + 1) === 0xa /* \n */)
            ctx.p += 2;
    }
    // For the record: it is not worth it to use a fast-path for literal strings using `indexOf`.
    // Doing a char-by-char iteration ends up dispatching less instructions, for the same wall-clock runtime.
    let parsed = '';
    let sliceStart = ctx.p;
    // states:
    //   0 - decoding
    //   1 - decoding escape
    //   2 - whitespace escape (no newline encountered yet, must fail on non-whitespace)
    //   3 - whitespace escape (newline encountered, allowed to transition back to normal decode)
    let state = 0;
    for (; ctx.p < ctx.s.length; ctx.p++) {
        c = ctx.s.charCodeAt(ctx.p);
        // Deal with newlines first, since that simplifies control character checking and handling across all states
        if (isMultiline && (c === 0xa /* \n */ || (c === 0xd /* \r */ && ctx.s.charCodeAt(ctx.p + 1) === 0xa /* \n */))) {
            state = state && 3;
        }
        // Control characters are banned in TOML, so we throw an error if we encounter them
        else if ((c < 0x20 && c !== 0x9 /* \t */) || c === 0x7f) {
            TomlError.x('control characters are not allowed in strings', ctx);
        }
        // The string might terminate while we're parsing through a newline escape.
        // It must have encountered a newline; otherwise, it'll simply fail in another branch.
        else if ((!state || state === 3) && c === first && (!isMultiline || (ctx.s.charCodeAt(ctx.p + 1) === first && ctx.s.charCodeAt(ctx.p + 2) === first))) {
            if (isMultiline) {
                // If the string ends with 4-5 quotes, then the first 1-2 are part of the string
                if (ctx.s.charCodeAt(ctx.p + 3) === first)
                    ctx.p++;
                if (ctx.s.charCodeAt(ctx.p + 3) === first)
                    ctx.p++;
            }
            // If we're in a newline escape still, then there's nothing to add.
            if (!state) {
                // Avoid a useless concat operation if the string can be used as-is.
                let s = ctx.s.slice(sliceStart, ctx.p);
                parsed = parsed ? parsed + s : s;
            }
            ctx.p += isMultiline ? 3 : 1;
            return parsed;
        }
        // Baseline state; keep moving forward unless an escape sequence starts
        else if (!state) {
            if (!isLiteral && c === 0x5c /* \ */) {
                parsed += ctx.s.slice(sliceStart, (sliceStart = ctx.p));
                state = 1;
            }
        }
        else if (state === 1) {
            if (c === 0x78 /* x */ || c === 0x75 /* u */ || c === 0x55 /* U */) { // Unicode escape
                let errPtr = ctx.p++ - 1;
                let value = 0;
                let len = c === 0x78 /* x */ ? 2 : c === 0x75 /* u */ ? 4 : 8;
                for (let j = 0; j < len; j++, ctx.p++) {
                    let hex = ctx.s.charCodeAt(ctx.p);
                    let digit = 
                    /* 0-9 */ hex >= 0x30 && hex <= 0x39 ? hex - 0x30 :
                        /* A-F */ hex >= 0x41 && hex <= 0x46 ? hex - 0x41 + 10 :
                            /* a-f */ hex >= 0x61 && hex <= 0x66 ? hex - 0x61 + 10 : -1;
                    if (digit < 0)
                        TomlError.x('invalid non-hex character in unicode escape', ctx);
                    value = (value << 4) | digit;
                }
                // Because JS does bitwise on signed 32bit integers, all 0xfzzzzzzz values are actually seen as negative
                if (value < 0 || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
                    TomlError.x('invalid unicode escape', ctx, errPtr);
                }
                parsed += String.fromCodePoint(value);
                sliceStart = ctx.p--;
                state = 0;
            }
            // Newline escape sequence. We only need to care about spaces and tabs; newlines are dealt with earlier
            else if (isMultiline && (c === 0x20 || c === 0x9 /* \t */)) {
                state = 2;
            }
            // Basic escape sequence
            else {
                if (c === 0x62 /* b */)
                    parsed += '\b';
                else if (c === 0x74 /* t */)
                    parsed += '\t';
                else if (c === 0x6e /* n */)
                    parsed += '\n';
                else if (c === 0x66 /* f */)
                    parsed += '\f';
                else if (c === 0x72 /* r */)
                    parsed += '\r';
                else if (c === 0x65 /* e */)
                    parsed += '\x1b';
                else if (c === 0x22 /* " */)
                    parsed += '"';
                else if (c === 0x5c /* \ */)
                    parsed += '\\';
                else
                    TomlError.x('unrecognised escape sequence', ctx);
                sliceStart = ctx.p + 1;
                state = 0;
            }
        }
        // Newline escape continuation: keep moving forward until the first non-whitespace char
        else if (c !== 0x20 && c !== 0x9 /* \t */) {
            if (state === 2)
                TomlError.x('invalid escape: only line-ending whitespace may be escaped', ctx, sliceStart);
            // State cannot be zero, or we'd have branched earlier already.
            // If it's a backslash, immediately transition to the escape state so it can be processed.
            state = !isLiteral && c === 0x5c /* \ */ ? 1 : 0;
            sliceStart = ctx.p;
        }
    }
    TomlError.x('unfinished string', ctx, startPtr);
}

;// CONCATENATED MODULE: ./node_modules/smol-toml/dist/date.js
/*!
 * Copyright (c) Squirrel Chat et al., All rights reserved.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Redistribution and use in source and binary forms, with or without
 * modification, are permitted provided that the following conditions are met:
 *
 * 1. Redistributions of source code must retain the above copyright notice, this
 *    list of conditions and the following disclaimer.
 * 2. Redistributions in binary form must reproduce the above copyright notice,
 *    this list of conditions and the following disclaimer in the
 *    documentation and/or other materials provided with the distribution.
 * 3. Neither the name of the copyright holder nor the names of its contributors
 *    may be used to endorse or promote products derived from this software without
 *    specific prior written permission.
 *
 * THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND
 * ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
 * WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
 * DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE
 * FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
 * DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
 * SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER
 * CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY,
 * OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
 * OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
 */
let DATE_TIME_RE = /^(\d{4}-\d{2}-\d{2})?[Tt ]?(?:(\d{2}):\d{2}(?::\d{2}(?:\.\d+)?)?)?(Z|z|[-+]\d{2}:\d{2})?$/i;
class TomlDate extends Date {
    #hasDate = false;
    #hasTime = false;
    #offset = null;
    constructor(date, fasttype, unsafeDelim) {
        let hasDate = true;
        let hasTime = true;
        let offset = 'Z';
        let c;
        if (typeof date === 'string') {
            if (fasttype)
                prep: {
                    // Date-time
                    if (fasttype < 3) {
                        if (+date.slice(11, 13) > 23) {
                            date = '';
                            break prep;
                        }
                        // Local
                        if (fasttype === 2) {
                            offset = null;
                            date += 'Z';
                        }
                        // Offset; keep track of offset if not Z
                        else if ((c = date.charCodeAt(date.length - 1)) !== 0x5a /* Z */ && c !== 0x7a /* z */) {
                            offset = date.slice(date.length - 6);
                        }
                        if (unsafeDelim)
                            date = date.slice(0, 10) + 'T' + date.slice(11);
                    }
                    // Time
                    else if (fasttype === 4) {
                        date = +date.slice(0, 2) > 23 ? '' : `0000-01-01T${date}Z`;
                    }
                    hasDate = fasttype !== 4;
                    hasTime = fasttype !== 3;
                }
            else {
                let match = date.match(DATE_TIME_RE);
                if (match) {
                    if (!match[1]) {
                        hasDate = false;
                        date = `0000-01-01T${date}`;
                    }
                    hasTime = !!match[2];
                    // Make sure to use T instead of a space. Breaks in case of extreme values otherwise.
                    hasTime && date[10] === ' ' && (date = date.replace(' ', 'T'));
                    // Do not allow rollover hours.
                    if (match[2] && +match[2] > 23) {
                        date = '';
                    }
                    else {
                        offset = match[3] || null;
                        if (!offset && hasTime)
                            date += 'Z';
                    }
                }
                else {
                    date = '';
                }
            }
        }
        super(date);
        if (!isNaN(this.getTime())) {
            this.#hasDate = hasDate;
            this.#hasTime = hasTime;
            this.#offset = offset;
        }
    }
    isDateTime() {
        return this.#hasDate && this.#hasTime;
    }
    isLocal() {
        return !this.#hasDate || !this.#hasTime || !this.#offset;
    }
    isDate() {
        return this.#hasDate && !this.#hasTime;
    }
    isTime() {
        return this.#hasTime && !this.#hasDate;
    }
    isValid() {
        return this.#hasDate || this.#hasTime;
    }
    toISOString() {
        let iso = super.toISOString();
        // Local Date
        if (this.isDate())
            return iso.slice(0, 10);
        // Local Time
        if (this.isTime())
            return iso.slice(11, 23);
        // Local DateTime
        if (this.#offset === null)
            return iso.slice(0, -1);
        // Offset DateTime
        if (this.#offset === 'Z' || this.#offset === 'z')
            return iso;
        // This part is quite annoying: JS strips the original timezone from the ISO string representation
        // Instead of using a "modified" date and "Z", we restore the representation "as authored"
        let offset = (+(this.#offset.slice(1, 3)) * 60) + +(this.#offset.slice(4, 6));
        offset = this.#offset[0] === '-' ? offset : -offset;
        let offsetDate = new Date(this.getTime() - (offset * 60e3));
        return offsetDate.toISOString().slice(0, -1) + this.#offset;
    }
    static wrapAsOffsetDateTime(jsDate, offset = 'Z') {
        let date = new TomlDate(jsDate);
        date.#offset = offset;
        return date;
    }
    static wrapAsLocalDateTime(jsDate) {
        let date = new TomlDate(jsDate);
        date.#offset = null;
        return date;
    }
    static wrapAsLocalDate(jsDate) {
        let date = new TomlDate(jsDate);
        date.#hasTime = false;
        date.#offset = null;
        return date;
    }
    static wrapAsLocalTime(jsDate) {
        let date = new TomlDate(jsDate);
        date.#hasDate = false;
        date.#offset = null;
        return date;
    }
}

;// CONCATENATED MODULE: ./node_modules/smol-toml/dist/extract.js
/*!
 * Copyright (c) Squirrel Chat et al., All rights reserved.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Redistribution and use in source and binary forms, with or without
 * modification, are permitted provided that the following conditions are met:
 *
 * 1. Redistributions of source code must retain the above copyright notice, this
 *    list of conditions and the following disclaimer.
 * 2. Redistributions in binary form must reproduce the above copyright notice,
 *    this list of conditions and the following disclaimer in the
 *    documentation and/or other materials provided with the distribution.
 * 3. Neither the name of the copyright holder nor the names of its contributors
 *    may be used to endorse or promote products derived from this software without
 *    specific prior written permission.
 *
 * THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND
 * ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
 * WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
 * DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE
 * FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
 * DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
 * SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER
 * CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY,
 * OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
 * OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
 */




function isDigit(char, base = 10) {
    return base === 16
        ? (char > 0x2f && char < 0x3a) || (char > 0x40 && char < 0x47) || (char > 0x60 && char < 0x67)
        : (char > 0x2f && char < 0x30 + base);
}
function isEndOfValue(char, delim) {
    // Whitespace -- we're permissive on `\r` for performance; it'll be dealt with later anyway
    return char === 0x20 || char === 0x9 /* \t */ || char === 0xa /* \n */ || char === 0xd /* \r */ ||
        // Structure end or next value delimiter
        (delim && (char === delim || char === 0x2c /* , */)) ||
        // Comment
        char === 0x23; /* # */
}
/** @internal */
function extractValue(ctx, end) {
    let errPtr = ctx.p;
    let c = ctx.s.charCodeAt(ctx.p);
    // Structs
    if (c === 0x5b /* [ */ || c === 0x7b /* { */) {
        ctx.d-- || TomlError.x('document contains excessively nested structures. aborting.', ctx);
        let value = c === 0x5b /* [ */
            ? parseArray(ctx)
            : parseInlineTable(ctx);
        ctx.d++;
        return value;
    }
    // Strings
    if (c === 0x22 /* " */ || c === 0x27 /* ' */) {
        return parseString(ctx);
    }
    // Booleans
    // We can fast-path because the first character is enough to know the only possible value
    if (c === 0x74 /* t */) { // Only possible valid value is `true`
        if (ctx.s.charCodeAt(++ctx.p) !== 0x72 || ctx.s.charCodeAt(++ctx.p) !== 0x75 || ctx.s.charCodeAt(++ctx.p) !== 0x65)
            TomlError.x('invalid value', ctx, errPtr);
        return ctx.p++, true;
    }
    if (c === 0x66 /* f */) { // Only possible valid value is `false`
        if (ctx.s.charCodeAt(++ctx.p) !== 0x61 || ctx.s.charCodeAt(++ctx.p) !== 0x6c || ctx.s.charCodeAt(++ctx.p) !== 0x73 || ctx.s.charCodeAt(++ctx.p) !== 0x65)
            TomlError.x('invalid value', ctx, errPtr);
        return ctx.p++, false;
    }
    if (c === 0x2b /* + */ || c === 0x2d /* - */) {
        return parseNumber(ctx, ctx.p, ctx.s.charCodeAt(++ctx.p), 0x2c - c, end);
    }
    // Rough heuristic, but `parseDate` falls back to number parsing if it's a false positive.
    // e.g.: `a = 1\n-------------- = 1` would match this heuristic, but gracefully fallback to numbers.
    if (ctx.s.charCodeAt(ctx.p + 4) === 0x2d /* - */ && ctx.s.charCodeAt(ctx.p + 7) === 0x2d /* - */) {
        return parseDate(ctx, c, end);
    }
    // Same logic as above; `parseTime` falls back to number parsing if it's a false positive.
    if (ctx.s.charCodeAt(ctx.p + 2) === 0x3a /* : */) {
        return parseTime(ctx, c, end);
    }
    return parseNumber(ctx, ctx.p, c, 0, end);
}
// State:
// 0: init
// 1: integer
// 2: fractional dot
// 3: fractional
// 4: exponent letter
// 5: exponent
// 6: exponent sign
// 7: exponent with sign
// >9: underscore; see below
//     -> 12: was integer
//     -> 14: was fractional
//     -> 16: was exponent
// states 2-5, 14, 16 are ONLY permitted iif base === 10
function parseNumber(ctx, startPtr, startChr, sign, endChr) {
    let c = startChr;
    let state = 0;
    let hasUnderscores = false;
    // (+/-)inf
    if (c === 0x69 /* i */) {
        if (ctx.s.charCodeAt(++ctx.p) !== 0x6e || ctx.s.charCodeAt(++ctx.p) !== 0x66)
            TomlError.x('invalid value', ctx, startPtr);
        return ctx.p++, (sign || 1) / 0;
    }
    // (+/-)nan
    if (c === 0x6e /* n */) {
        if (ctx.s.charCodeAt(++ctx.p) !== 0x61 || ctx.s.charCodeAt(++ctx.p) !== 0x6e)
            TomlError.x('invalid value', ctx, startPtr);
        return ctx.p++, NaN;
    }
    // Leading zero
    // Only allowed cases: `0<EOV>`, `0.(...)`, `0e(...)`, `0x(...)`, `0b(...)`, `0o(...)`
    // FWIW, `0e(...)` is a stupid case, but it's not banned per-se so we have to parse it
    if (c === 0x30 /* 0 */) {
        if (++ctx.p >= ctx.s.length || isEndOfValue(c = ctx.s.charCodeAt(ctx.p), endChr))
            return ctx.bi === true ? 0n : 0; // note: conveniently deals with `-0`
        if (!sign) {
            if (c === 0x78 /* x */)
                return parseIntegerBaseN(ctx, startPtr, 16, endChr);
            else if (c === 0x62 /* b */)
                return parseIntegerBaseN(ctx, startPtr, 2, endChr);
            else if (c === 0x6f /* o */)
                return parseIntegerBaseN(ctx, startPtr, 8, endChr);
        }
        if (c === 0x2e /* . */)
            state = 2;
        else if (c === 0x65 /* e */ || c === 0x45 /* E */)
            state = 4;
        else
            TomlError.x('illegal leading zero', ctx, startPtr);
    }
    // If the 1st char is not a digit by now, then it's not a valid TOML value at all
    else if (!isDigit(c))
        TomlError.x('invalid value', ctx, startPtr);
    while (++ctx.p < ctx.s.length && (c = ctx.s.charCodeAt(ctx.p), !isEndOfValue(c, endChr))) {
        if (!state)
            state = 1; // Detects single-digit numbers we can use a fast parse path for
        // The way the states are numbered is not random: underscores are always permitted in odd-numbered states and
        // never permitted in even-numbered ones.
        if (c === 0x5f /* _ */) {
            if (!(state & 1))
                TomlError.x('illegal underscore', ctx);
            state += 11; // 11 is a marker that makes the state even and greater than 9; see the numbering + rationale above
            hasUnderscores = true;
        }
        // Transition to fractional part.
        else if (state === 1 && c === 0x2e /* . */)
            state = 2;
        // Transition to exponent part.
        else if ((state === 1 || state === 3) && (c === 0x65 /* e */ || c === 0x45 /* E */))
            state = 4;
        // + and - are permitted in state 4 only (handled before entering the function for state 0)
        else if (state === 4 && (c === 0x2b /* + */ || c === 0x2d /* - */)) {
            state = 6;
        }
        // All special cases have been handled; only digits are allowed here
        else if (!isDigit(c))
            TomlError.x(`illegal character in numeric literal`, ctx);
        // Clear state flags
        else if (state > 9)
            state -= 11;
        else if (!(state & 1))
            state++;
    }
    // Single-char number; we can fast-path these very easily.
    if (!state) {
        let val = (startChr - 0x30 /* 0 */) * (sign || 1);
        return ctx.bi === true ? BigInt(val) : val;
    }
    // Even-numbered states absolutely require a digit next; not even end of value is permitted
    if (!(state & 1))
        TomlError.x('unfinished numeric value', ctx, startPtr);
    let str = ctx.s.slice(startPtr, ctx.p);
    if (hasUnderscores)
        str = str.replaceAll('_', ''); // perf: replaceAll 1.25x faster than replace with a regex
    return state > 1
        ? parseFloat(str)
        : parseInteger(ctx, str, 10, startPtr);
}
function parseIntegerBaseN(ctx, startPtr, base, endChr) {
    let c, underscore = 1;
    while (++ctx.p < ctx.s.length && (c = ctx.s.charCodeAt(ctx.p), !isEndOfValue(c, endChr))) {
        if (c === 0x5f /* _ */) {
            if (underscore & 1)
                TomlError.x('illegal underscore', ctx);
            underscore = 3;
        }
        // We only need to check if the number is a valid digit, nothing else is permitted
        else if (!isDigit(c, base))
            TomlError.x(`illegal character in numeric literal`, ctx);
        // Clear underscore flag
        else if (underscore & 1)
            underscore--;
    }
    // Trailing underscore is not allowed
    if (underscore & 1)
        TomlError.x('unfinished numeric value', ctx);
    let str = ctx.s.slice(startPtr + 2, ctx.p);
    if (underscore)
        str = str.replaceAll('_', ''); // perf: replaceAll 1.25x faster than replace with a regex
    return parseInteger(ctx, str, base, startPtr);
}
function parseInteger(ctx, str, base, startPtr) {
    if (ctx.bi !== true)
        int: {
            let val = parseInt(str, base);
            if (!Number.isSafeInteger(val)) {
                if (ctx.bi)
                    break int;
                TomlError.x('integer value cannot be represented losslessly', ctx, startPtr);
            }
            return val;
        }
    return base === 10 ? BigInt(str) : BigInt((base === 2 ? '0b' : base === 8 ? '0o' : '0x') + str);
}
function parseDate(ctx, c, endChr) {
    let startPtr = ctx.p++, unsafeSeparator;
    if (!isDigit(c) ||
        !isDigit(ctx.s.charCodeAt(ctx.p++)) ||
        !isDigit(ctx.s.charCodeAt(ctx.p++)) ||
        !isDigit(ctx.s.charCodeAt(ctx.p++))) {
        return parseNumber(ctx, ctx.p = startPtr, c, 0, endChr);
    }
    ctx.p += 5;
    if (!isDigit(ctx.s.charCodeAt(ctx.p++)))
        TomlError.x('invalid date-time: date part is malformed', ctx, startPtr);
    if (ctx.p >= ctx.s.length || (((c = ctx.s.charCodeAt(ctx.p)) !== 0x20 || (unsafeSeparator = true, !isDigit(ctx.s.charCodeAt(ctx.p + 1)))) && c !== 0x54 /* T */ && c !== 0x74 /* t */)) {
        let t = ctx.s.slice(startPtr, ctx.p);
        return readDate(ctx, t, 3, false, startPtr);
    }
    if (ctx.s.charCodeAt(ctx.p += 3) !== 0x3a /* : */)
        TomlError.x('invalid date-time: time part is malformed', ctx, startPtr);
    if (ctx.s.charCodeAt(ctx.p += 3) === 0x3a /* : */)
        ctx.p += 3;
    if (ctx.s.charCodeAt(ctx.p) === 0x2e /* . */)
        while (isDigit(ctx.s.charCodeAt(++ctx.p)))
            ;
    if (c = ctx.s.charCodeAt(ctx.p)) {
        if (c === 0x5a /* Z */ || c === 0x7a /* z */) {
            let t = ctx.s.slice(startPtr, ++ctx.p);
            return readDate(ctx, t, 1, unsafeSeparator, startPtr, '[+00:00]');
        }
        if (c === 0x2b /* + */ || c === 0x2d /* - */) {
            // Temporal's ZonedDateTime is weird asf when it comes to dealing with traditional offsets...
            // It's 1.2x faster to allocate a new string to pass to ZDT than use Instant.toZonedDateTimeISO
            let t = ctx.s.slice(startPtr, ctx.p += 6);
            return readDate(ctx, t, 1, unsafeSeparator, startPtr, !ctx.ld && ('[' + ctx.s.slice(ctx.p - 6, ctx.p) + ']'));
        }
    }
    let t = ctx.s.slice(startPtr, ctx.p);
    return readDate(ctx, t, 2, unsafeSeparator, startPtr);
}
function parseTime(ctx, c, endChr) {
    let start = ctx.p;
    if (!isDigit(c) || !isDigit(ctx.s.charCodeAt(++ctx.p))) {
        return parseNumber(ctx, --ctx.p, c, 0, endChr);
    }
    if (ctx.s.charCodeAt(ctx.p += 4) === 0x3a /* : */)
        ctx.p += 3;
    if (ctx.s.charCodeAt(ctx.p) === 0x2e /* . */)
        while (isDigit(ctx.s.charCodeAt(++ctx.p)))
            ;
    let t = ctx.s.slice(start, ctx.p);
    return readDate(ctx, t, 4, false, start);
}
function readDate(ctx, str, type, unsafeDelim, errPtr, temporalSuffix) {
    if (ctx.ld) {
        let date = new TomlDate(str, type, unsafeDelim);
        if (!date.isValid())
            TomlError.x('invalid date', ctx, errPtr);
        return date;
    }
    try {
        if (temporalSuffix)
            str += temporalSuffix;
        switch (type) {
            case 1: return Temporal.ZonedDateTime.from(str);
            case 2: return Temporal.PlainDateTime.from(str);
            case 3: return Temporal.PlainDate.from(str);
            case 4: return Temporal.PlainTime.from(str);
        }
    }
    catch (e) {
        TomlError.x(e instanceof Error ? e.message : '' + e, ctx, errPtr);
    }
}

;// CONCATENATED MODULE: ./node_modules/smol-toml/dist/util.js
/*!
 * Copyright (c) Squirrel Chat et al., All rights reserved.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Redistribution and use in source and binary forms, with or without
 * modification, are permitted provided that the following conditions are met:
 *
 * 1. Redistributions of source code must retain the above copyright notice, this
 *    list of conditions and the following disclaimer.
 * 2. Redistributions in binary form must reproduce the above copyright notice,
 *    this list of conditions and the following disclaimer in the
 *    documentation and/or other materials provided with the distribution.
 * 3. Neither the name of the copyright holder nor the names of its contributors
 *    may be used to endorse or promote products derived from this software without
 *    specific prior written permission.
 *
 * THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND
 * ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
 * WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
 * DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE
 * FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
 * DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
 * SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER
 * CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY,
 * OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
 * OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
 */

/** @internal */
function skipComment(ctx) {
    for (; ctx.p < ctx.s.length; ctx.p++) {
        let c = ctx.s.charCodeAt(ctx.p);
        if (c === 0xa /* \n */)
            break;
        if (c === 0xd /* \r */ && ctx.s.charCodeAt(ctx.p + 1) === 0xa /* \n */) {
            ctx.p++;
            break;
        }
        if ((c < 0x20 && c !== 0x9 /* \t */) || c === 0x7f) {
            TomlError.x('control characters are not allowed in comments', ctx);
        }
    }
}
/** @internal */
function skipVoid(ctx, banNewLines, banComments) {
    let c;
    while (ctx.p < ctx.s.length) {
        while (ctx.p < ctx.s.length && ((c = ctx.s.charCodeAt(ctx.p)) === 0x20 ||
            c === 0x9 /* \t */ ||
            (!banNewLines &&
                (c === 0xa /* \n */ || (c === 0xd /* \r */ && ctx.s.charCodeAt(ctx.p + 1) === 0xa /* \n */)))))
            ctx.p++;
        if (banComments || c !== 0x23 /* # */)
            break;
        skipComment(ctx);
    }
}

;// CONCATENATED MODULE: ./node_modules/smol-toml/dist/struct.js
/*!
 * Copyright (c) Squirrel Chat et al., All rights reserved.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Redistribution and use in source and binary forms, with or without
 * modification, are permitted provided that the following conditions are met:
 *
 * 1. Redistributions of source code must retain the above copyright notice, this
 *    list of conditions and the following disclaimer.
 * 2. Redistributions in binary form must reproduce the above copyright notice,
 *    this list of conditions and the following disclaimer in the
 *    documentation and/or other materials provided with the distribution.
 * 3. Neither the name of the copyright holder nor the names of its contributors
 *    may be used to endorse or promote products derived from this software without
 *    specific prior written permission.
 *
 * THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND
 * ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
 * WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
 * DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE
 * FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
 * DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
 * SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER
 * CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY,
 * OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
 * OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
 */




/** @internal */
function parseKey(ctx, end = 0x3d /* = */) {
    // States:
    // 0: before first char
    // 1: parsing bare key
    // 2: after key component
    let startPtr;
    let state = 0;
    let parsed = [];
    let sliceStart;
    let c = ctx.s.charCodeAt(startPtr = ctx.p);
    do {
        // End of key
        if (c === end) {
            if (!state)
                TomlError.x('unexpected end of key', ctx);
            if (state === 1)
                parsed.push(ctx.s.slice(sliceStart, ctx.p));
            return ctx.p++, parsed;
        }
        // Dotted key separator
        else if (c === 0x2e /* . */) {
            if (!state)
                TomlError.x('illegal empty bare key', ctx);
            if (state === 1)
                parsed.push(ctx.s.slice(sliceStart, ctx.p));
            state = 0;
        }
        // Quoted key
        else if (!state && (c === 0x22 /* " */ || c === 0x27 /* ' */)) {
            if (c === ctx.s.charCodeAt(ctx.p + 1) && c === ctx.s.charCodeAt(ctx.p + 2))
                TomlError.x('illegal quoted key: multiline strings are not allowed', ctx);
            parsed.push(parseString(ctx));
            state = 2;
            ctx.p--;
        }
        // Whitespace; no-op in state 0 and 2, end of bare key in state 1
        else if (c === 0x20 || c === 0x9 /* \t */) {
            if (state === 1) {
                parsed.push(ctx.s.slice(sliceStart, ctx.p));
                state = 2;
            }
        }
        // If state is post-key, no character is allowed; otherwise ensure it's a bare-key component
        else if (state === 2 || (c < 0x30 && c !== 0x2d /* - */) || (c > 0x39 && c < 0x41) || (c > 0x5a && c < 0x61 && c !== 0x5f /* _ */) || c > 0x7a) {
            TomlError.x('illegal character in key', ctx);
        }
        // Illegal character
        else if (!state) {
            state = 1;
            sliceStart = ctx.p;
        }
    } while (c = ctx.s.charCodeAt(++ctx.p));
    TomlError.x('incomplete key-value: cannot find end of key', ctx, startPtr);
}
/** @internal */
function parseInlineTable(ctx) {
    let startPtr = ctx.p++;
    let res = Object.create(null);
    let seen = new Set();
    let c;
    while (ctx.p < ctx.s.length) {
        skipVoid(ctx);
        if ((c = ctx.s.charCodeAt(ctx.p)) === 0x7d /* } */) {
            ctx.p++;
            return res;
        }
        let k;
        let t = res;
        let hasOwn = false;
        let errPtr = ctx.p;
        let key = parseKey(ctx);
        for (let i = 0; i < key.length; i++) {
            if (i)
                t = hasOwn ? t[k] : (t[k] = Object.create(null));
            k = key[i];
            if ((hasOwn = Object.hasOwn(t, k)) && (typeof t[k] !== 'object' || seen.has(t[k]))) {
                TomlError.x('trying to redefine an already defined value', ctx, errPtr);
            }
            let unsafe = k === '__proto__';
            if (ctx.uk && (unsafe || k === 'constructor')) {
                t = ctx.uk !== 1 && TomlError.x('document contains an unsafe property', ctx, errPtr);
                break;
            }
            if (!hasOwn && unsafe) {
                Object.defineProperty(t, k, { enumerable: true, configurable: true, writable: true });
            }
        }
        if (hasOwn) {
            TomlError.x('trying to redefine an already defined value', ctx, errPtr);
        }
        skipVoid(ctx, true, true);
        let value = extractValue(ctx, 0x7d /* } */);
        if (t && typeof (t[k] = value) === 'object')
            seen.add(value);
        skipVoid(ctx);
        if ((c = ctx.s.charCodeAt(ctx.p++)) === 0x7d /* } */) {
            return res;
        }
        if (c !== 0x2c /* , */)
            TomlError.x('expected comma or end of structure', ctx, ctx.p - 1);
    }
    TomlError.x('unfinished table', ctx, startPtr);
}
/** @internal */
function parseArray(ctx) {
    let startPtr = ctx.p++;
    let res = [];
    let c;
    while (ctx.p < ctx.s.length) {
        skipVoid(ctx);
        if ((c = ctx.s.charCodeAt(ctx.p)) === 0x5d /* ] */) {
            ctx.p++;
            return res;
        }
        res.push(extractValue(ctx, 0x5d /* ] */));
        skipVoid(ctx);
        if ((c = ctx.s.charCodeAt(ctx.p++)) === 0x5d /* ] */) {
            return res;
        }
        if (c !== 0x2c /* , */)
            TomlError.x('expected comma or end of structure', ctx, ctx.p - 1);
    }
    TomlError.x('unfinished array', ctx, startPtr);
}

;// CONCATENATED MODULE: ./node_modules/smol-toml/dist/parse.js
/*!
 * Copyright (c) Squirrel Chat et al., All rights reserved.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Redistribution and use in source and binary forms, with or without
 * modification, are permitted provided that the following conditions are met:
 *
 * 1. Redistributions of source code must retain the above copyright notice, this
 *    list of conditions and the following disclaimer.
 * 2. Redistributions in binary form must reproduce the above copyright notice,
 *    this list of conditions and the following disclaimer in the
 *    documentation and/or other materials provided with the distribution.
 * 3. Neither the name of the copyright holder nor the names of its contributors
 *    may be used to endorse or promote products derived from this software without
 *    specific prior written permission.
 *
 * THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND
 * ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
 * WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
 * DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE
 * FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
 * DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
 * SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER
 * CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY,
 * OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
 * OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
 */




function peekTable(ctx, key, table, meta, type) {
    let t = table;
    let m = meta;
    let k;
    let hasOwn = false;
    let state;
    for (let i = 0; i < key.length; i++) {
        if (i) {
            t = hasOwn ? t[k] : (t[k] = Object.create(null));
            m = (state = m[k]).c;
            if (type === 0 /* Type.DOTTED */ && (state.t === 1 /* Type.EXPLICIT */ || state.t === 2 /* Type.ARRAY */)) {
                return null;
            }
            if (state.t === 2 /* Type.ARRAY */) {
                let l = t.length - 1;
                t = t[l];
                m = m[l].c;
            }
        }
        k = key[i];
        if ((hasOwn = Object.hasOwn(t, k)) && m[k]?.t === 0 /* Type.DOTTED */ && m[k]?.d) {
            return null;
        }
        if (!hasOwn) {
            let unsafe = k === '__proto__';
            if (ctx.uk && (unsafe || k === 'constructor'))
                return false;
            if (unsafe) {
                Object.defineProperty(t, k, { enumerable: true, configurable: true, writable: true });
                Object.defineProperty(m, k, { enumerable: true, configurable: true, writable: true });
            }
            m[k] = {
                t: i < key.length - 1 && type === 2 /* Type.ARRAY */
                    ? 3 /* Type.ARRAY_DOTTED */ : type,
                d: false,
                i: 0,
                c: Object.create(null),
            };
        }
    }
    state = m[k];
    if (state.t !== type && !(type === 1 /* Type.EXPLICIT */ && state.t === 3 /* Type.ARRAY_DOTTED */)) {
        // Bad key type!
        return null;
    }
    if (type === 2 /* Type.ARRAY */) {
        if (!state.d) {
            state.d = true;
            t[k] = [];
        }
        t[k].push(t = Object.create(null));
        state.c[state.i++] = (state = { t: 1 /* Type.EXPLICIT */, d: false, i: 0, c: Object.create(null) });
    }
    if (state.d) {
        // Redefining a table!
        return null;
    }
    state.d = true;
    if (type === 1 /* Type.EXPLICIT */) {
        t = hasOwn ? t[k] : (t[k] = Object.create(null));
    }
    else if (type === 0 /* Type.DOTTED */ && hasOwn) {
        return null;
    }
    return [k, t, state.c];
}
function validateTablePeek(ctx, peek, ptr) {
    if (peek === null || ctx.uk === 2)
        TomlError.x(peek === null
            ? 'trying to redefine an already defined table or value'
            : 'document contains an unsafe property', ctx, ptr);
}
function parse(toml, options = {}) {
    let ctx = {
        s: toml,
        p: 0,
        d: options.maxDepth ?? 1000,
        bi: options.integersAsBigInt ?? false,
        ld: options.useLegacyDate ?? true,
        uk: options.unsafeKeyBehaviour === 'throw' ? 2 : options.unsafeKeyBehaviour === 'drop' ? 1 : 0,
    };
    let res = Object.create(null);
    let meta = Object.create(null);
    let tmp;
    let skipping = false;
    let tbl = res;
    let m = meta;
    // BOM is allowed, skip.
    // JS is UTF-16, so we have to check for the UTF-16 BOM instead of the UTF-8 BOM sequence!
    if (toml.charCodeAt(0) === 0xfeff)
        ctx.p++;
    skipVoid(ctx);
    while (ctx.p < toml.length) {
        if (toml.charCodeAt(ctx.p) === 0x5b /* [ */) {
            let isTableArray = toml.charCodeAt(++ctx.p) === 0x5b; /* [ */
            tmp = ctx.p += +isTableArray;
            skipping = false;
            let k = parseKey(ctx, 0x5d /* ] */);
            if (isTableArray) {
                if (toml.charCodeAt(ctx.p) !== 0x5d /* ] */) {
                    TomlError.x('expected end of table array declaration', ctx);
                }
                ctx.p++;
            }
            let p = peekTable(ctx, k, res, meta, isTableArray ? 2 /* Type.ARRAY */ : 1 /* Type.EXPLICIT */);
            if (!p) {
                validateTablePeek(ctx, p, tmp);
                skipping = true;
            }
            else {
                m = p[2];
                tbl = p[1];
            }
        }
        else {
            tmp = ctx.p;
            let k = parseKey(ctx);
            let p = peekTable(ctx, k, tbl, m, 0 /* Type.DOTTED */);
            if (!p && !skipping)
                validateTablePeek(ctx, p, tmp);
            skipVoid(ctx, true, true);
            let v = extractValue(ctx, void 0);
            if (p && !skipping)
                p[1][p[0]] = v;
        }
        skipVoid(ctx, true);
        if (ctx.p < toml.length && (tmp = toml.charCodeAt(ctx.p)) !== 0xa /* \n */ && (tmp !== 0xd /* \r */ || toml.charCodeAt(ctx.p + 1) !== 0xa /* \n */)) {
            TomlError.x('each key-value declaration must be followed by an end-of-line', ctx);
        }
        skipVoid(ctx);
    }
    return res;
}

;// CONCATENATED MODULE: ./node_modules/smol-toml/dist/stringify.js
/*!
 * Copyright (c) Squirrel Chat et al., All rights reserved.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Redistribution and use in source and binary forms, with or without
 * modification, are permitted provided that the following conditions are met:
 *
 * 1. Redistributions of source code must retain the above copyright notice, this
 *    list of conditions and the following disclaimer.
 * 2. Redistributions in binary form must reproduce the above copyright notice,
 *    this list of conditions and the following disclaimer in the
 *    documentation and/or other materials provided with the distribution.
 * 3. Neither the name of the copyright holder nor the names of its contributors
 *    may be used to endorse or promote products derived from this software without
 *    specific prior written permission.
 *
 * THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND
 * ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
 * WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
 * DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE
 * FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
 * DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
 * SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER
 * CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY,
 * OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
 * OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
 */
let BARE_KEY = /^[a-z0-9-_]+$/i;
let HAS_WELLFORMED = !!(''.isWellFormed);
function extendedTypeOf(obj) {
    let type = typeof obj;
    if (type === 'object') {
        if (Array.isArray(obj))
            return 'array';
        if (typeof obj.getUTCDate === 'function' && obj instanceof Date)
            return 'date';
        if (globalThis.Temporal) {
            if (obj.until) {
                if (obj instanceof Temporal.ZonedDateTime)
                    return 'temporal/tz+uc';
                if (obj instanceof Temporal.PlainDateTime || obj instanceof Temporal.PlainDate)
                    return 'temporal/uc';
                if (obj instanceof Temporal.PlainTime || obj instanceof Temporal.Instant)
                    return 'temporal';
                if (obj instanceof Temporal.PlainYearMonth)
                    return 'temporal/x';
            }
            else if ((obj.toPlainDate && obj instanceof Temporal.PlainMonthDay) ||
                (obj.negated && obj instanceof Temporal.Duration)) {
                return 'temporal/x';
            }
        }
    }
    return type;
}
function isArrayOfTables(obj) {
    for (let i = 0; i < obj.length; i++) {
        if (extendedTypeOf(obj[i]) !== 'object')
            return false;
    }
    return obj.length != 0;
}
function formatWellFormedStringUnchecked(s) {
    return JSON.stringify(s).replaceAll('\x7f', '\\u007f');
}
function formatString(s) {
    return formatWellFormedStringUnchecked(HAS_WELLFORMED ? s.toWellFormed() : s);
}
function formatKey(s) {
    if (BARE_KEY.test(s))
        return s;
    if (HAS_WELLFORMED && !s.isWellFormed())
        throw new RangeError('key contains illegal lone surrogates');
    return formatWellFormedStringUnchecked(s);
}
function stringifyValue(val, type, depth, numberAsFloat, strictTemporal) {
    if (depth === 0) {
        throw new Error('Could not stringify the object: maximum object depth exceeded');
    }
    switch (type) {
        // @ts-expect-error -- intentional fallthrough case
        case 'number':
            if (isNaN(val))
                return 'nan';
            if (val === Infinity)
                return 'inf';
            if (val === -Infinity)
                return '-inf';
            if (Number.isInteger(val) && (numberAsFloat || !Number.isSafeInteger(val)))
                return val.toFixed(1);
        case 'bigint':
        case 'boolean':
        case 'temporal':
            return val.toString();
        case 'string':
            return formatString(val);
        case 'date':
            if (isNaN(val.getTime()))
                throw new TypeError('cannot serialize invalid date');
            return val.toISOString();
        case 'object':
            return stringifyInlineTable(val, depth, numberAsFloat, strictTemporal);
        case 'array':
            return stringifyArray(val, depth, numberAsFloat, strictTemporal);
        // @ts-expect-error -- intentional fallthrough case
        case 'temporal/tz+uc':
            if (strictTemporal) {
                let tz = val.timeZoneId;
                let tzc = tz.charCodeAt(0);
                if (
                // Classic offset
                tzc !== 0x2b /* + */ && tzc !== 0x2d /* - */ &&
                    (
                    // Fast pre-check pass; see below for the actually accepted values
                    (tzc !== 0x55 /* U */ && tzc !== 0x47 /* G */ && tzc !== 0x5a /* Z */ && tzc !== 0x45 /* E */) ||
                        (
                        // UTC and its aliases; Temporal implementations don't all canonicalise unfortunately
                        tz !== 'UTC' && tz !== 'UCT' && tz !== 'Universal' && tz !== 'Zulu' &&
                            // GMT is a TZ but it's for all intents and purposes equivalent to UTC. Safe to downgrade.
                            !tz.startsWith('GMT') && tz !== 'Greenwich' &&
                            // Etc/* are all safe to downgrade to offset (either UTC, GMT, or offset)
                            !tz.startsWith('Etc/')))) {
                    throw new TypeError('Temporal objects with an IANA timezone are not allowed in Temporal strict mode');
                }
            }
        case 'temporal/uc':
            if (strictTemporal && val.calendarId !== 'iso8601')
                throw new TypeError('Temporal objects with a non-default calendar are not allowed in Temporal strict mode');
            return val.toString({
                calendarName: 'never',
                timeZoneName: 'never',
            });
        case 'temporal/x':
            throw new TypeError('Unsupported ' + val[Symbol.toStringTag]);
    }
}
function stringifyInlineTable(obj, depth, numberAsFloat, strictTemporal) {
    let keys = Object.keys(obj);
    if (keys.length === 0)
        return '{}';
    let res = '{ ';
    for (let i = 0; i < keys.length; i++) {
        let k = keys[i];
        if (i)
            res += ', ';
        res += formatKey(k) + ' = ' + stringifyValue(obj[k], extendedTypeOf(obj[k]), depth - 1, numberAsFloat, strictTemporal);
    }
    return res + ' }';
}
function stringifyArray(array, depth, numberAsFloat, strictTemporal) {
    if (array.length === 0)
        return '[]';
    let res = '[ ';
    for (let i = 0; i < array.length; i++) {
        if (i)
            res += ', ';
        if (array[i] === null || array[i] === void 0) {
            throw new TypeError('arrays cannot contain null or undefined values');
        }
        res += stringifyValue(array[i], extendedTypeOf(array[i]), depth - 1, numberAsFloat, strictTemporal);
    }
    return res + ' ]';
}
function stringifyArrayTable(array, key, depth, numberAsFloat, strictTemporal) {
    if (depth === 0) {
        throw new Error('Could not stringify the object: maximum object depth exceeded');
    }
    let res = '';
    for (let i = 0; i < array.length; i++) {
        res += `${res && '\n'}[[${key}]]\n`;
        res += stringifyTable(0, array[i], key, depth, numberAsFloat, strictTemporal);
    }
    return res;
}
function stringifyTable(tableKey, obj, prefix, depth, numberAsFloat, strictTemporal) {
    if (depth === 0) {
        throw new Error('Could not stringify the object: maximum object depth exceeded');
    }
    let preamble = '';
    let tables = '';
    let keys = Object.keys(obj);
    for (let i = 0; i < keys.length; i++) {
        let k = keys[i];
        if (obj[k] !== null && obj[k] !== void 0) {
            let type = extendedTypeOf(obj[k]);
            if (type === 'symbol' || type === 'function') {
                throw new TypeError(`cannot serialize values of type '${type}'`);
            }
            let key = formatKey(k);
            if (type === 'array' && isArrayOfTables(obj[k])) {
                tables += (tables && '\n') + stringifyArrayTable(obj[k], prefix ? `${prefix}.${key}` : key, depth - 1, numberAsFloat, strictTemporal);
            }
            else if (type === 'object') {
                let tblKey = prefix ? `${prefix}.${key}` : key;
                tables += (tables && '\n') + stringifyTable(tblKey, obj[k], tblKey, depth - 1, numberAsFloat, strictTemporal);
            }
            else {
                preamble += key;
                preamble += ' = ';
                preamble += stringifyValue(obj[k], type, depth, numberAsFloat, strictTemporal);
                preamble += '\n';
            }
        }
    }
    if (tableKey && (preamble || !tables)) // Create table only if necessary
        preamble = preamble ? `[${tableKey}]\n${preamble}` : `[${tableKey}]`;
    return preamble && tables
        ? `${preamble}\n${tables}`
        : preamble || tables;
}
function stringify_stringify(obj, { maxDepth = 1000, numbersAsFloat = false, strictTemporal = false } = {}) {
    if (extendedTypeOf(obj) !== 'object') {
        throw new TypeError('stringify can only be called with an object');
    }
    let str = stringifyTable(0, obj, '', maxDepth, numbersAsFloat, strictTemporal);
    if (str[str.length - 1] !== '\n')
        return str + '\n';
    return str;
}

;// CONCATENATED MODULE: ./node_modules/smol-toml/dist/index.js
/*!
 * Copyright (c) Squirrel Chat et al., All rights reserved.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Redistribution and use in source and binary forms, with or without
 * modification, are permitted provided that the following conditions are met:
 *
 * 1. Redistributions of source code must retain the above copyright notice, this
 *    list of conditions and the following disclaimer.
 * 2. Redistributions in binary form must reproduce the above copyright notice,
 *    this list of conditions and the following disclaimer in the
 *    documentation and/or other materials provided with the distribution.
 * 3. Neither the name of the copyright holder nor the names of its contributors
 *    may be used to endorse or promote products derived from this software without
 *    specific prior written permission.
 *
 * THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND
 * ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
 * WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
 * DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE
 * FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
 * DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
 * SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER
 * CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY,
 * OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
 * OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
 */





/** @deprecated use `import * as ... from 'smol-toml'` instead */
/* harmony default export */ const dist = ({ parse: parse, stringify: stringify_stringify, TomlDate: TomlDate, TomlError: TomlError });

// EXTERNAL MODULE: ./lib/logic/errors.js
var errors = __nccwpck_require__(5895);
;// CONCATENATED MODULE: ./lib/logic/toml.js


/**
 * Parses a TOML file.
 * @param shown its name in messages
 * @throws UserError with the file and line of a mistake
 */
function parseToml(text, shown) {
    try {
        return parse(text);
    }
    catch (error) {
        const { line, message } = error;
        throw new errors/* UserError */.yo(`${shown} is not valid TOML: ${String(message).split('\n')[0]}. Fix the file.`, { file: shown, line });
    }
}
/** Returns a value as a table; an empty one for a value of another type. */
function table(value) {
    return typeof value === 'object' && value !== null && !Array.isArray(value)
        ? value
        : {};
}
/** Returns the items of a list as tables; none for a value of another type. */
function tables(value) {
    return Array.isArray(value) ? value.map(table) : [];
}
/** Returns the strings of a list without its other items; none for a value of another type. */
function strings(value) {
    return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
/** Returns a table as the text of a TOML file. */
function formatToml(content) {
    return stringify(content);
}


/***/ }),

/***/ 6154:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {


// EXPORTS
__nccwpck_require__.d(__webpack_exports__, {
  z: () => (/* binding */ loadPublishRequest)
});

// UNUSED EXPORTS: publishInputDefaults

// EXTERNAL MODULE: external "node:path"
var external_node_path_ = __nccwpck_require__(6760);
;// CONCATENATED MODULE: ./lib/logic/cache-policy.js
/** Whether a run may restore from and save to the cache, depending on its event. */
/**
 * The event of a workflow, from the runner's variables.
 * @param environment of the action: `GITHUB_EVENT_NAME`, `GITHUB_REF`, `GITHUB_REPOSITORY`
 * @param payload the JSON value of the file in `GITHUB_EVENT_PATH`, not validated
 * @see https://docs.github.com/en/webhooks/webhook-events-and-payloads
 */
function workflowEvent(environment, payload) {
    const pull = field(payload, 'pull_request');
    const from = field(field(field(pull, 'head'), 'repo'), 'full_name');
    return {
        name: environment['GITHUB_EVENT_NAME'] ?? '',
        ref: environment['GITHUB_REF'] ?? '',
        repository: environment['GITHUB_REPOSITORY'] ?? '',
        // The repository of a deleted fork is null.
        headRepository: pull ? String(from ?? '') : undefined,
    };
}
function field(value, name) {
    return typeof value === 'object' && value !== null
        ? value[name]
        : undefined;
}
/**
 * With `auto`, a release does not use a cache that any job of the repository may have written, an
 * event with privileges does not save content that one without could have influenced, and a run
 * whose entry nobody could restore (merge queues, forks) does not evict other entries.
 */
function cachePolicy(event, restore, save) {
    const reason = event && restoreRisk(event);
    const saveReason = reason ?? (event && saveRisk(event));
    const notices = [];
    const decide = (input, setting, risk) => {
        if (setting === 'false')
            return false;
        if (risk === undefined)
            return true;
        if (setting === 'true') {
            notices.push(`${input} is true, though ${risk}: the cache is used, as configured.`);
            return true;
        }
        return false;
    };
    const restores = decide('restore-cache', restore, reason);
    const saves = decide('save-cache', save, saveReason);
    if (!restores && restore === 'auto') {
        notices.push(`The cache is not used: ${reason}. Set restore-cache and save-cache to true to use it anyway.`);
    }
    return { restore: restores, save: saves, notices };
}
function restoreRisk(event) {
    if (event.name === 'release')
        return 'this run is for a release';
    // Releases are built from tags, whether a push, a dispatch or a deployment starts the run.
    if (event.ref.startsWith('refs/tags/'))
        return 'this run is for a tag';
    if (event.name === 'pull_request_target' || event.name === 'workflow_run') {
        return `${event.name} runs with permissions that the author of the change may not have`;
    }
    return undefined;
}
function saveRisk(event) {
    if (event.name === 'merge_group')
        return 'no later run can restore what a merge queue saves';
    if (event.name === 'issue_comment')
        return 'GitHub makes the cache read-only for issue_comment';
    if (event.headRepository !== undefined && event.headRepository !== event.repository) {
        return 'this pull request comes from a fork';
    }
    return undefined;
}

// EXTERNAL MODULE: ./lib/logic/errors.js
var errors = __nccwpck_require__(5895);
;// CONCATENATED MODULE: ./lib/logic/freshness.js
/** When a resolution is too old, and the period of time in a key. */
const refreshPeriods = ['auto', 'always', 'daily', 'weekly', 'monthly', 'never'];
const recheckPeriods = ['always', 'daily', 'weekly', 'monthly', 'never'];
/** ISO 8601 week of a date in UTC, e.g. `2026-w47`. */
function isoWeek(date) {
    const day = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()));
    // A week belongs to the year of its Thursday.
    day.setUTCDate(day.getUTCDate() + 4 - (day.getUTCDay() || 7));
    const yearStart = Date.UTC(day.getUTCFullYear(), 0, 1);
    const week = Math.ceil(((day.getTime() - yearStart) / 86_400_000 + 1) / 7);
    return `${day.getUTCFullYear()}-w${String(week).padStart(2, '0')}`;
}
/**
 * The period of a moment: two moments with the same period count as equally fresh.
 * @returns lower-case text that is never a prefix of another period
 */
function period(refresh, moment) {
    const iso = moment.toISOString();
    switch (refresh) {
        case 'never':
            return 'any';
        case 'monthly':
            return iso.slice(0, 7);
        case 'daily':
        case 'always':
            return iso.slice(0, 10);
        default:
            return isoWeek(moment);
    }
}
/**
 * Whether a wheelhouse may be used without resolving again.
 * @param wheelhouse when it was resolved, and whether the request pins every wheel in it: then a new
 *   resolution has the same result, however old it is
 */
function isFresh(wheelhouse, refresh, now) {
    if (refresh === 'always')
        return false;
    if (refresh === 'never' || wheelhouse.pinned)
        return true;
    return period(refresh, new Date(wheelhouse.resolvedAt)) === period(refresh, now);
}
/** A duration in words: `3 hours`, `12 days`. */
function age(since, now) {
    const hours = Math.max(0, Math.round((now.getTime() - Date.parse(since)) / 3_600_000));
    if (hours < 48)
        return hours === 1 ? '1 hour' : `${hours} hours`;
    return `${Math.round(hours / 24)} days`;
}

// EXTERNAL MODULE: ./lib/logic/names.js
var names = __nccwpck_require__(9882);
// EXTERNAL MODULE: ./lib/logic/paths.js
var paths = __nccwpck_require__(4470);
// EXTERNAL MODULE: ./lib/logic/release-age.js
var release_age = __nccwpck_require__(761);
;// CONCATENATED MODULE: ./lib/inputs.js
/** Reads and checks all inputs, here only, and makes a frozen Request from them. */







/** Every input with its default, as action.yml declares them. */
const inputDefaults = {
    requirements: '',
    project: '',
    packages: '',
    constraints: '',
    extras: '',
    groups: '',
    editable: 'true',
    'install-project': 'true',
    'working-directory': '.',
    'cache-dependency-path': '',
    python: '',
    venv: '',
    installer: 'pip',
    'compile-bytecode': 'false',
    install: 'true',
    export: 'false',
    refresh: 'auto',
    recheck: 'weekly',
    'minimum-release-age': '',
    'minimum-release-age-exclude': '',
    'restore-cache': 'auto',
    'save-cache': 'auto',
    'cache-suffix': '',
    wheelhouse: '',
    'index-url': '',
    'extra-index-url': '',
    'trusted-host': '',
    'index-username': '',
    'index-password': '',
    'mirror-url': '',
};
/**
 * Returns readers of single inputs, which throw a UserError for a value that is not accepted.
 * @param get returns the text of an input, empty when it is not set
 * @param separator between the values of an input with several
 */
function inputReader(get, defaults, separator) {
    const text = (name) => {
        const value = get(name).trim() || defaults[name];
        if (value.includes('\0'))
            throw new errors/* UserError */.yo(`The input ${name} contains a NUL character.`);
        return value;
    };
    const lines = (name) => text(name)
        .split(separator)
        .map((line) => line.trim())
        .filter((line) => line !== '' && !line.startsWith('#'));
    const oneOf = (name, allowed) => {
        const value = text(name);
        const found = allowed.find((each) => each === value.toLowerCase());
        if (found !== undefined)
            return found;
        throw new errors/* UserError */.yo(`The input ${name} is "${value}"; it must be one of ${allowed.join(', ')}.`);
    };
    const flag = (name) => oneOf(name, ['true', 'false']) === 'true';
    return { text, lines, oneOf, flag };
}
/**
 * Reads the inputs of the action.
 * @param get returns the text of an input, empty when it is not set
 * @throws UserError with the input and the values that it accepts
 */
function loadRequest(get, host) {
    const { text, lines, oneOf, flag } = inputReader(get, inputDefaults, /\r?\n/);
    const setting = (name) => oneOf(name, ['auto', 'true', 'false']);
    const workingDirectory = external_node_path_.resolve(host.directory, text('working-directory'));
    const within = (name) => {
        const value = text(name);
        return value === '' ? undefined : external_node_path_.resolve(workingDirectory, value);
    };
    const packages = lines('packages');
    const groups = lines('groups');
    const requirements = lines('requirements');
    const projects = lines('project');
    const suffix = text('cache-suffix');
    if (!/^[A-Za-z0-9._-]*$/.test(suffix)) {
        throw new errors/* UserError */.yo(`The input cache-suffix is "${suffix}"; it may only contain letters, digits, ".", "_" and "-".`);
    }
    if (suffix.length > 100)
        throw new errors/* UserError */.yo('The input cache-suffix is longer than 100 characters.');
    const wheelhouse = within('wheelhouse');
    const contained = [workingDirectory, host.workspace].find((directory) => wheelhouse !== undefined && (0,paths/* isWithin */.U)(wheelhouse, directory));
    if (contained !== undefined) {
        throw new errors/* UserError */.yo(`The input wheelhouse is ${wheelhouse}, which contains the ${contained === host.workspace ? 'checkout' : 'working directory'} and would be overwritten. Choose a dedicated directory.`);
    }
    const policy = cachePolicy(host.event, setting('restore-cache'), setting('save-cache'));
    return {
        notices: policy.notices,
        request: Object.freeze({
            workspace: host.workspace,
            directory: host.directory,
            workingDirectory,
            requirements,
            projects,
            isOpen: [requirements, projects, packages, groups].every((each) => each.length === 0),
            packages,
            constraints: lines('constraints'),
            extras: lines('extras')
                .flatMap((line) => line.split(','))
                .map(extraName),
            groups,
            editable: flag('editable'),
            installProject: flag('install-project'),
            cacheDependencyPath: lines('cache-dependency-path'),
            python: text('python') || undefined,
            venv: within('venv'),
            installer: oneOf('installer', ['pip', 'uv']),
            compileBytecode: flag('compile-bytecode'),
            install: flag('install'),
            export: flag('export'),
            refresh: oneOf('refresh', refreshPeriods),
            recheck: oneOf('recheck', recheckPeriods),
            releaseAge: (0,release_age/* readReleaseAge */.zV)(text('minimum-release-age'), lines('minimum-release-age-exclude')),
            restoreCache: policy.restore,
            saveCache: policy.save,
            cacheSuffix: suffix,
            wheelhouse,
            index: indexInputs(text, lines),
            temporary: host.temporary,
            environment: host.environment,
        }),
    };
}
function extraName(text) {
    const name = text.trim();
    if ((0,names/* isValidName */.uV)(name))
        return name;
    throw new errors/* UserError */.yo(`The input extras contains "${name}", which is not the name of an extra. Write one name per line, or separate them by commas.`);
}
function indexInputs(text, lines) {
    const url = (name, value) => {
        // The message leaves out the value, which may contain a secret. The parser ignores line breaks;
        // whatever reads the value next may not.
        if (/\s/.test(value) || !URL.canParse(value)) {
            throw new errors/* UserError */.yo(`The input ${name} is not a valid URL (expected one such as https://index.example/simple).`);
        }
        return value;
    };
    const optional = (name) => text(name) === '' ? undefined : url(name, text(name));
    const username = text('index-username') || undefined;
    const password = text('index-password') || undefined;
    if (password !== undefined && username === undefined) {
        throw new errors/* UserError */.yo('The input index-password is set without index-username. Set both; if the index ignores the user name (as Azure Artifacts does), use any value.');
    }
    return {
        url: optional('index-url'),
        extra: lines('extra-index-url').map((value) => url('extra-index-url', value)),
        trustedHosts: lines('trusted-host'),
        username,
        password,
        mirror: optional('mirror-url'),
    };
}

// EXTERNAL MODULE: ./lib/publish/logic/feed.js
var feed = __nccwpck_require__(6504);
// EXTERNAL MODULE: ./lib/publish/logic/model.js
var model = __nccwpck_require__(2059);
;// CONCATENATED MODULE: ./lib/publish/inputs.js
/** Reads and checks the inputs of publishing. */




/** Every input with its default, as publish/action.yml declares them. */
const publishInputDefaults = {
    packages: '',
    requirements: '',
    constraints: '',
    'working-directory': '.',
    python: '',
    platforms: '',
    'python-versions': '',
    'index-url': '',
    'index-username': '',
    'index-password': '',
    'feed-url': '',
    'upload-url': '',
    'feed-username': '',
    'feed-password': '',
    uploader: 'twine',
    audit: 'off',
    'dry-run': 'false',
};
/** Inputs with the same meaning as when packages are installed. */
const shared = [
    'packages',
    'requirements',
    'constraints',
    'working-directory',
    'python',
    'index-url',
    'index-username',
    'index-password',
];
/**
 * @param get gives the text of an input, empty when it is not set
 * @throws UserError that names the input and what it accepts
 */
function loadPublishRequest(get, host) {
    const { text, lines, oneOf, flag } = inputReader(get, publishInputDefaults, /[\r\n,]+/);
    if (text('packages') === '' && text('requirements') === '') {
        throw new errors/* UserError */.yo('There is nothing to publish. Set the input packages, such as requests>=2.31, or the input requirements, such as requirements.txt.');
    }
    const { request: source } = loadRequest((name) => (shared.includes(name) ? get(name) : ''), host);
    const feedUrl = address('feed-url', text('feed-url'));
    if (feedUrl === undefined) {
        throw new errors/* UserError */.yo('The input feed-url is not set. Set it to the address of the simple index of your feed, such as https://feed.example/simple/.');
    }
    const uploadUrl = address('upload-url', text('upload-url')) ?? (0,feed/* derivedUploadUrl */.K)(withSlash(feedUrl));
    if (uploadUrl === undefined) {
        throw new errors/* UserError */.yo("The input upload-url is not set and can't be derived from feed-url. Set it to the address that your feed's documentation gives for twine.");
    }
    const username = text('feed-username') || undefined;
    const password = text('feed-password') || undefined;
    if ((username === undefined) !== (password === undefined)) {
        throw new errors/* UserError */.yo('Only one of the inputs feed-username and feed-password is set. Set both or neither; if the feed ignores the user name, use any value.');
    }
    return Object.freeze({
        source,
        platforms: lines('platforms'),
        pythonVersions: lines('python-versions'),
        feed: { url: withSlash(feedUrl), username, password },
        uploadUrl,
        uploader: oneOf('uploader', model/* uploaders */.wl),
        audit: oneOf('audit', model/* auditModes */.IH),
        dryRun: flag('dry-run'),
    });
}
/**
 * @returns undefined when it is not set
 * @throws UserError without the value, which may contain a secret
 */
function address(name, value) {
    if (value === '')
        return undefined;
    const url = URL.canParse(value) ? new URL(value) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol)) {
        throw new errors/* UserError */.yo(`The input ${name} is not a valid URL (expected one such as https://feed.example/simple/).`);
    }
    if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
        throw new errors/* UserError */.yo(`The input ${name} contains more than an address. Put credentials in feed-username and feed-password.`);
    }
    return url.href;
}
function withSlash(url) {
    return url.replace(/\/*$/, '/');
}


/***/ }),

/***/ 6504:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   GN: () => (/* binding */ conflictMessage),
/* harmony export */   K: () => (/* binding */ derivedUploadUrl),
/* harmony export */   L4: () => (/* binding */ stateOf),
/* harmony export */   XF: () => (/* binding */ hasConflict),
/* harmony export */   px: () => (/* binding */ readForeignRedirect)
/* harmony export */ });
/* harmony import */ var _logic_names_js__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(9882);
/** A feed's answers, and the address for uploads to it. */

/**
 * Interprets a redirect to another origin. Feeds redirect to a public index for a project that they
 * do not have (the default of pypiserver and GitLab), or to a login page without valid credentials.
 */
function readForeignRedirect(location, project) {
    const last = location.pathname.split('/').findLast((part) => part !== '') ?? '';
    return (0,_logic_names_js__WEBPACK_IMPORTED_MODULE_0__/* .normalizeName */ .Pc)(last) === project
        ? { state: 'absent', forwarded: location.host }
        : {
            state: 'unreadable',
            reason: `it redirects to ${location.host}, but not to a page of ${project}; that may be a login page`,
        };
}
/** @param feedSha256 digest of the feed's file of that name; undefined when there is none */
function stateOf(file, feedSha256) {
    if (feedSha256 === undefined)
        return 'absent';
    return feedSha256 === file.sha256 ? 'present' : 'conflict';
}
/** Whether the feed has a file of the same name with different content. */
function hasConflict(rows) {
    return rows.some((row) => row.state === 'conflict');
}
/** The error for files that the feed has with different content. */
function conflictMessage(rows) {
    const conflicts = rows.filter((row) => row.state === 'conflict');
    const uploaded = rows.filter((row) => row.state === 'uploaded').length;
    const [subject, object] = conflicts.length === 1 ? ['1 file has', 'it'] : [`${conflicts.length} files have`, 'them'];
    const others = uploaded === 0 ? 'Nothing was uploaded.' : `Other files uploaded: ${uploaded}.`;
    return [
        `${subject} different content on the feed and on the source index. ${others} Find out which content is right, then delete ${object} from the feed or exclude that version.`,
        ...conflicts.map(({ file, sha256, feedSha256 }) => `  ${file}: SHA-256 ${sha256} on the source index, ${feedSha256} on the feed`),
    ].join('\n');
}
/**
 * Derives a feed's address for uploads from the address of its simple index; undefined when that is
 * impossible. Most feeds serve `…/simple/` below the address for uploads (pypiserver, Artifactory,
 * CodeArtifact, Gitea, GitLab, Nexus); devpi serves `…/+simple/` there, and Azure Artifacts has
 * `…/upload/` beside it.
 */
function derivedUploadUrl(feedUrl) {
    const url = new URL(feedUrl);
    const path = url.pathname.replace(/\/+$/, '');
    if (/\/_packaging\/[^/]+\/pypi\/simple$/.test(path)) {
        url.pathname = path.replace(/simple$/, 'upload/');
        return url.href;
    }
    if (!/\/\+?simple$/.test(path))
        return undefined;
    url.pathname = path.replace(/\+?simple$/, '');
    return url.href;
}


/***/ }),

/***/ 2059:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   IH: () => (/* binding */ auditModes),
/* harmony export */   _h: () => (/* binding */ PublishConflict),
/* harmony export */   wl: () => (/* binding */ uploaders)
/* harmony export */ });
/* harmony import */ var _logic_errors_js__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(5895);
/** What a publishing run works on and reports. */

const uploaders = ['twine', 'uv'];
const auditModes = ['off', 'warn', 'fail'];
/** The feed has files of the same name with different content. */
class PublishConflict extends _logic_errors_js__WEBPACK_IMPORTED_MODULE_0__/* .UserError */ .yo {
    report;
    constructor(message, report) {
        super(message);
        this.report = report;
    }
}


/***/ }),

/***/ 5987:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {


// EXPORTS
__nccwpck_require__.d(__webpack_exports__, {
  r2: () => (/* binding */ formatPublishReport),
  Fb: () => (/* binding */ formatPublishSummary),
  sl: () => (/* binding */ publishCounts)
});

// EXTERNAL MODULE: ./lib/logic/manifest.js
var manifest = __nccwpck_require__(4649);
;// CONCATENATED MODULE: ./lib/logic/summary.js
/** The report of a run: for the job summary, the log and a terminal. */

function rowsOf(report) {
    const before = new Set(report.before.map((wheel) => wheel.sha256));
    return [...report.wheels]
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .map((wheel) => ({ wheel, from: before.has(wheel.sha256) ? 'cache' : wheel.origin }));
}
/** The number and the bytes of the wheels, by where they came from. */
function totals(report) {
    const sums = {
        cache: { count: 0, bytes: 0 },
        downloaded: { count: 0, bytes: 0 },
        built: { count: 0, bytes: 0 },
    };
    for (const { wheel, from } of rowsOf(report)) {
        sums[from].count += 1;
        sums[from].bytes += wheel.size;
    }
    return sums;
}
/** `3.4 MB`, in decimal units. */
function size(bytes) {
    if (bytes < 1000)
        return `${bytes} B`;
    const units = ['kB', 'MB', 'GB', 'TB'];
    let value = bytes / 1000;
    let unit = 0;
    for (; value >= 999.5 && unit < units.length - 1; unit += 1)
        value /= 1000;
    return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
function seconds(value) {
    return `${value < 10 ? value.toFixed(2) : value.toFixed(1)} s`;
}
const hitNames = { exact: 'exact hit', partial: 'partial hit', miss: 'miss' };
/** One sentence: the kind of hit and where the wheels came from. */
function headline(report) {
    const { cache, downloaded, built } = totals(report);
    const count = report.wheels.length;
    const parts = [
        `${count} wheel${count === 1 ? '' : 's'}`,
        `${cache.count} from the cache (${size(cache.bytes)})`,
        `${downloaded.count} downloaded (${size(downloaded.bytes)})`,
        `${built.count} built`,
    ];
    const requests = report.index ? '' : ', 0 index requests';
    return `${hitNames[report.hit]}${requests}: ${parts.join(', ')}`;
}
/** `boto3 1.34.0 → 1.35.2`, `+ six 1.16.0`, `- idna 3.7`; empty without an earlier wheelhouse. */
function changeLines(report) {
    if (report.before.length === 0)
        return [];
    return changes(report.before, report.wheels).map(({ name, from, to }) => {
        if (from === undefined)
            return `+ ${name} ${to}`;
        return to === undefined ? `- ${name} ${from}` : `${name} ${from} → ${to}`;
    });
}
/** Everything below the headline but the times. @param mark puts a name into its form */
function details(report, mark) {
    const { hit, effort, direct, index, releaseAge } = report;
    const { bytes } = totals(report).cache;
    const isSaving = hit === 'exact' && effort !== undefined && bytes > 0;
    const listed = (label, names) => names.length > 0 ? [`${label}: ${names.map(mark).join(', ')}`] : [];
    return [
        ...(isSaving
            ? [`saved: ${size(bytes)} and about ${seconds(effort)} of downloading and building`]
            : []),
        ...listed('changed', changeLines(report)),
        ...listed('installed from source', direct),
        ...(releaseAge ? [`minimum release age: ${releaseAge}`] : []),
        ...(index ? [`index: ${mark(index.shown || 'none')} (${oneLine(index.why)})`] : []),
    ];
}
function times({ phases }) {
    return phases.map((phase) => `${phase.name} ${seconds(phase.seconds)}`).join(', ');
}
/** Plain text for a log or a terminal. */
function formatReport(report) {
    return [
        headline(report),
        ...details(report, oneLine),
        `time: ${seconds(report.seconds)} (${times(report)})`,
    ];
}
const roleNames = { runtime: '', build: ' (to build)', tool: ' (to install)' };
/** GitHub-flavoured Markdown for the job summary. */
function formatSummary(report) {
    const { primaryKey, matchedKey } = report;
    const matched = matchedKey === undefined ? '' : `, matched ${code(matchedKey)}`;
    return [
        `### Wheelhouse: ${headline(report)}`,
        '',
        ...details(report, code).flatMap((text) => [text.charAt(0).toUpperCase() + text.slice(1), '']),
        '<details><summary>Wheels</summary>',
        '',
        '| package | version | from | size |',
        '| --- | --- | --- | --: |',
        ...rowsOf(report).map(({ wheel, from }) => `| ${cell(wheel.name)}${roleNames[wheel.role]} | ${cell(wheel.version)} | ${from} | ${size(wheel.size)} |`),
        '',
        '</details>',
        '',
        `Key ${code(primaryKey)}${matched}. ${times(report)}.`,
        '',
    ].join('\n');
}
/** Text from metadata must not begin a line of its own. */
function oneLine(text) {
    return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
}
/** Text from metadata must not end a code span. */
function code(text) {
    return `\`${oneLine(text).replaceAll('`', "'")}\``;
}
/** Text from metadata must not end a cell or open a tag. */
function cell(text) {
    return oneLine(text).replace(/[|<>&`\\[\]]/g, (character) => `&#${character.charCodeAt(0)};`);
}

;// CONCATENATED MODULE: ./lib/publish/logic/report.js
/** The report of a publishing run, for the log, a terminal and the job summary. */

/** Returns the number of files in each state. */
function publishCounts(report) {
    const counts = { uploaded: 0, present: 0, conflict: 0, absent: 0 };
    for (const { state } of report.rows)
        counts[state] += 1;
    return counts;
}
/** The result in one sentence. */
function report_headline(report) {
    const { uploaded, present, conflict, absent } = publishCounts(report);
    const parts = [
        report.dryRun ? `${absent} would be uploaded` : `${uploaded} uploaded`,
        `${present} already present`,
        `${conflict} in conflict`,
        ...(report.dryRun || absent === 0 ? [] : [`${absent} not uploaded`]),
    ];
    return `${report.rows.length} files: ${parts.join(', ')}${report.dryRun ? ' (dry run)' : ''}`;
}
const auditWords = {
    off: 'off',
    clean: 'no known vulnerabilities',
    vulnerable: 'known vulnerabilities',
    failed: 'failed, so nothing is known',
};
function auditLine({ audit }) {
    const found = audit.findings.length > 0 ? ` (${audit.findings.join('; ')})` : '';
    return `Audit: ${auditWords[audit.state]}${found}.`;
}
function result({ state }, { dryRun }) {
    if (state === 'absent')
        return dryRun ? 'would be uploaded' : 'not uploaded';
    return state === 'present' ? 'already present' : state;
}
/** Plain text. */
function formatPublishReport(report) {
    return [
        report_headline(report),
        ...report.rows.map((row) => `  ${row.file}: ${result(row, report)}`),
        `Targets: ${report.targets.join(', ')}`,
        auditLine(report),
        'To install from the feed, use this pip.conf:',
        ...report.pipConf
            .trimEnd()
            .split('\n')
            .map((line) => `  ${line}`),
    ];
}
/** GitHub-flavoured Markdown. File names and versions were checked, so nothing needs escaping. */
function formatPublishSummary(report) {
    return [
        `### Wheelhouse: ${report_headline(report)}`,
        '',
        `Feed: \`${report.feed}\`. Targets: ${report.targets.join(', ')}. ${auditLine(report)}`,
        '',
        '| file | version | size | |',
        '| --- | --- | --: | --- |',
        ...report.rows.map((row) => `| ${row.file}${row.role === 'build' ? ' (to build)' : ''} | ${row.version} | ${size(row.size)} | ${result(row, report)} |`),
        '',
        '<details><summary>pip.conf for machines that install from the feed</summary>',
        '',
        '```ini',
        report.pipConf.trimEnd(),
        '```',
        '',
        '</details>',
        '',
    ].join('\n');
}


/***/ }),

/***/ 5458:
/***/ ((__webpack_module__, __unused_webpack___webpack_exports__, __nccwpck_require__) => {

__nccwpck_require__.a(__webpack_module__, async (__webpack_handle_async_dependencies__, __webpack_async_result__) => { try {
/* harmony import */ var node_fs__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(3024);
/* harmony import */ var node_os__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(8161);
/* harmony import */ var node_path__WEBPACK_IMPORTED_MODULE_2__ = __nccwpck_require__(6760);
/* harmony import */ var _logic_environment_js__WEBPACK_IMPORTED_MODULE_11__ = __nccwpck_require__(6131);
/* harmony import */ var _world_process_js__WEBPACK_IMPORTED_MODULE_3__ = __nccwpck_require__(5733);
/* harmony import */ var _world_reporters_js__WEBPACK_IMPORTED_MODULE_4__ = __nccwpck_require__(2150);
/* harmony import */ var _world_workflow_js__WEBPACK_IMPORTED_MODULE_5__ = __nccwpck_require__(2459);
/* harmony import */ var _inputs_js__WEBPACK_IMPORTED_MODULE_6__ = __nccwpck_require__(6154);
/* harmony import */ var _logic_model_js__WEBPACK_IMPORTED_MODULE_7__ = __nccwpck_require__(2059);
/* harmony import */ var _logic_report_js__WEBPACK_IMPORTED_MODULE_8__ = __nccwpck_require__(5987);
/* harmony import */ var _story_js__WEBPACK_IMPORTED_MODULE_9__ = __nccwpck_require__(3061);
/* harmony import */ var _world_world_js__WEBPACK_IMPORTED_MODULE_10__ = __nccwpck_require__(4492);
/** Entry of the action publish/action.yml: wire, run, report. */












const reporter = (0,_world_reporters_js__WEBPACK_IMPORTED_MODULE_4__/* .actionsReporter */ .t)('Wheelhouse publish');
async function main() {
    const environment = (0,_logic_environment_js__WEBPACK_IMPORTED_MODULE_11__/* .environmentForPrograms */ .cx)(process.env);
    const workspace = environment['GITHUB_WORKSPACE'] || process.cwd();
    const request = (0,_inputs_js__WEBPACK_IMPORTED_MODULE_6__/* .loadPublishRequest */ .z)(_world_workflow_js__WEBPACK_IMPORTED_MODULE_5__/* .input */ .hF, {
        workspace,
        directory: workspace,
        temporary: environment['RUNNER_TEMP'] || (0,node_os__WEBPACK_IMPORTED_MODULE_1__.tmpdir)(),
        environment,
        event: undefined,
    });
    const print = (report) => {
        handOver(request, report);
        for (const line of (0,_logic_report_js__WEBPACK_IMPORTED_MODULE_8__/* .formatPublishReport */ .r2)(report))
            reporter.info(line);
        _world_workflow_js__WEBPACK_IMPORTED_MODULE_5__/* .addSummary */ .S0((0,_logic_report_js__WEBPACK_IMPORTED_MODULE_8__/* .formatPublishSummary */ .Fb)(report));
    };
    try {
        print(await (0,_story_js__WEBPACK_IMPORTED_MODULE_9__/* .publish */ .m)(request, (0,_world_world_js__WEBPACK_IMPORTED_MODULE_10__/* .publishingWorld */ .s)(request, reporter)));
    }
    catch (error) {
        if (error instanceof _logic_model_js__WEBPACK_IMPORTED_MODULE_7__/* .PublishConflict */ ._h)
            print(error.report);
        throw error;
    }
}
/** Sets the outputs for later steps. */
function handOver(request, report) {
    const directory = node_path__WEBPACK_IMPORTED_MODULE_2__.join(request.source.temporary, 'wheelhouse-publish');
    const lock = node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, 'requirements.lock');
    const pipConf = node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, 'pip.conf');
    (0,node_fs__WEBPACK_IMPORTED_MODULE_0__.mkdirSync)(directory, { recursive: true });
    (0,node_fs__WEBPACK_IMPORTED_MODULE_0__.writeFileSync)(lock, report.lock);
    (0,node_fs__WEBPACK_IMPORTED_MODULE_0__.writeFileSync)(pipConf, report.pipConf);
    const counts = (0,_logic_report_js__WEBPACK_IMPORTED_MODULE_8__/* .publishCounts */ .sl)(report);
    _world_workflow_js__WEBPACK_IMPORTED_MODULE_5__/* .setOutput */ .uH('uploaded', counts.uploaded);
    _world_workflow_js__WEBPACK_IMPORTED_MODULE_5__/* .setOutput */ .uH('present', counts.present);
    _world_workflow_js__WEBPACK_IMPORTED_MODULE_5__/* .setOutput */ .uH('conflicts', counts.conflict);
    _world_workflow_js__WEBPACK_IMPORTED_MODULE_5__/* .setOutput */ .uH('lock-file', lock);
    _world_workflow_js__WEBPACK_IMPORTED_MODULE_5__/* .setOutput */ .uH('pip-conf', pipConf);
}
await (0,_world_process_js__WEBPACK_IMPORTED_MODULE_3__/* .runEntry */ .CN)(main, reporter);

__webpack_async_result__();
} catch(e) { __webpack_async_result__(e); } }, 1);

/***/ }),

/***/ 3061:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {


// EXPORTS
__nccwpck_require__.d(__webpack_exports__, {
  m: () => (/* binding */ publish)
});

// EXTERNAL MODULE: external "node:path"
var external_node_path_ = __nccwpck_require__(6760);
// EXTERNAL MODULE: ./lib/logic/errors.js
var errors = __nccwpck_require__(5895);
// EXTERNAL MODULE: ./lib/logic/local-project.js
var local_project = __nccwpck_require__(113);
// EXTERNAL MODULE: ./lib/logic/names.js
var logic_names = __nccwpck_require__(9882);
// EXTERNAL MODULE: ./lib/logic/pip-output.js
var pip_output = __nccwpck_require__(7949);
// EXTERNAL MODULE: external "node:url"
var external_node_url_ = __nccwpck_require__(3136);
;// CONCATENATED MODULE: ./lib/logic/pep508.js
/**
 * The grammar of version specifiers and environment markers (PEP 440, PEP 508), as the `packaging`
 * inside pip reads it. A text that any supported pip accepts is valid here.
 */
const preRelease = '(?:[-_.]?(?:alpha|beta|preview|pre|a|b|c|rc)[-_.]?[0-9]*)?';
const postRelease = '(?:-[0-9]+|[-_.]?(?:post|rev|r)[-_.]?[0-9]*)?';
const devRelease = '(?:[-_.]?dev[-_.]?[0-9]*)?';
const suffixes = `${preRelease}${postRelease}${devRelease}`;
const epoch = 'v?(?:[0-9]+!)?';
const release = '[0-9]+(?:[.][0-9]+)*';
const local = '(?:[+][a-z0-9]+(?:[-_.][a-z0-9]+)*)?';
/** One clause of a specifier, by operator. */
const clauseForms = [
    '===\\s*[^\\s;),]*',
    `(?:==|!=)\\s*${epoch}${release}(?:[.][*]|${suffixes}${local})`,
    `~=\\s*${epoch}[0-9]+(?:[.][0-9]+)+${suffixes}`,
    `(?:<=|>=|<|>)\\s*${epoch}${release}${suffixes}`,
];
const clause = new RegExp(`(?:${clauseForms.join('|')})(?=[\\s,)]|$)`, 'iy');
const legacyClause = /(?:===|==|!=|<=|>=|<|>)\s*[^,;\s)]*(?=[\s,)]|$)/y;
/**
 * Splits a version specifier into its clauses.
 * @param text after the name and the extras, optionally in parentheses
 * @returns clauses without white space, in order; undefined for an invalid specifier
 */
function specifierClauses(text, { legacyVersions }) {
    const trimmed = text.trim();
    const isEnclosed = trimmed.startsWith('(') && trimmed.endsWith(')');
    const bare = isEnclosed ? trimmed.slice(1, -1).trim() : trimmed;
    const clauses = [];
    let at = 0;
    while (at < bare.length) {
        const found = match(clause, bare, at) ?? (legacyVersions && match(legacyClause, bare, at));
        if (!found)
            return undefined;
        clauses.push(found.replace(/\s+/g, ''));
        at = skipSpace(bare, at + found.length);
        if (at === bare.length)
            break;
        if (bare.charAt(at) !== ',')
            return undefined;
        at = skipSpace(bare, at + 1);
        if (at === bare.length && legacyVersions)
            return undefined;
    }
    return clauses;
}
const markerSpace = /[ \t]*/y;
const markerName = /[A-Za-z_][A-Za-z0-9_.]*/y;
const markerText = /'[^']*'|"[^"]*"/y;
const markerOperator = /===|==|~=|!=|<=|>=|<|>|in\b|not[ \t]+in\b/y;
const markerJoint = /(?:and|or)\b/y;
const markerVariables = new Set([
    ...['python_version', 'python_full_version', 'os_name', 'sys_platform', 'platform_release'],
    ...['platform_system', 'platform_version', 'platform_machine', 'platform_python_implementation'],
    ...['implementation_name', 'implementation_version', 'extra', 'extras', 'dependency_groups'],
]);
/** Older spellings of variables (PEP 345 and setuptools). */
const markerAliases = {
    'os.name': 'os_name',
    'sys.platform': 'sys_platform',
    'platform.version': 'platform_version',
    'platform.machine': 'platform_machine',
    'platform.python_implementation': 'platform_python_implementation',
    python_implementation: 'platform_python_implementation',
};
/** More than any pip can read: Python's recursion limit is lower. */
const maxParentheses = 1000;
function junction(joint, parts) {
    const [first, ...others] = parts;
    return first !== undefined && others.length === 0 ? first : { joint, parts };
}
/**
 * Parses an environment marker.
 * @param text after the semicolon
 * @returns the marker, or the first error in a few words
 */
function parseMarker(text, { isNewer }) {
    let at = 0;
    const next = (pattern) => {
        const found = match(pattern, text, at);
        at = skip(markerSpace, text, at + (found ?? '').length);
        return found;
    };
    const rest = () => (at < text.length ? `at "${text.slice(at, at + 40)}"` : 'at its end');
    const operand = () => {
        const start = at;
        const name = next(markerName);
        if (name === undefined) {
            const quotedText = next(markerText);
            return quotedText === undefined
                ? `a variable or a quoted string is missing ${rest()}`
                : { isVariable: false, value: quotedText.slice(1, -1) };
        }
        const value = Object.hasOwn(markerAliases, name) ? (markerAliases[name] ?? '') : name;
        if (markerVariables.has(value) || isNewer)
            return { isVariable: true, value };
        at = start;
        return `"${name}" is not a marker variable; strings need quotes`;
    };
    const comparison = () => {
        const left = operand();
        if (typeof left === 'string')
            return left;
        const operator = next(markerOperator)?.replace(/\s+/, ' ');
        if (operator === undefined)
            return `a comparison is missing ${rest()}`;
        const right = operand();
        return typeof right === 'string' ? right : { left, operator, right };
    };
    // One per open parenthesis, and one for the whole text: its alternatives between "or".
    const levels = [[[]]];
    const add = (marker) => levels.at(-1)?.at(-1)?.push(marker);
    const close = () => junction('or', (levels.pop() ?? []).map((parts) => junction('and', parts)));
    at = skip(markerSpace, text, 0);
    for (;;) {
        while (next(/\(/y) !== undefined)
            levels.push([[]]);
        if (levels.length > maxParentheses)
            return { fault: 'it has too many nested parentheses' };
        const compared = comparison();
        if (typeof compared === 'string')
            return { fault: compared };
        add(compared);
        while (next(/\)/y) !== undefined) {
            if (levels.length === 1)
                return { fault: 'a closing parenthesis has no opening one' };
            add(close());
        }
        if (at === text.length) {
            return levels.length === 1 ? { marker: close() } : { fault: 'a parenthesis is not closed' };
        }
        const joint = next(markerJoint);
        if (joint === undefined)
            return { fault: `"and" or "or" is missing ${rest()}` };
        if (joint === 'or')
            levels.at(-1)?.push([]);
    }
}
/**
 * Decides a part of a marker.
 * @param decide returns undefined for a comparison that stays; it is called for every one
 * @returns the rest of the marker, or its value when no comparison has an effect any more
 */
function decideMarker(marker, decide) {
    if (!('joint' in marker))
        return decide(marker) ?? marker;
    const neutral = marker.joint === 'and';
    const parts = marker.parts.map((part) => decideMarker(part, decide));
    if (parts.includes(!neutral))
        return !neutral;
    const open = parts.filter((part) => typeof part !== 'boolean');
    return open.length === 0 ? neutral : junction(marker.joint, open);
}
/** @returns a marker as text that every supported pip reads */
function formatMarker(marker) {
    if (!('joint' in marker)) {
        return `${operandText(marker.left)} ${marker.operator} ${operandText(marker.right)}`;
    }
    const isEnclosed = (part) => marker.joint === 'and' && 'joint' in part && part.joint === 'or';
    return marker.parts
        .map((part) => (isEnclosed(part) ? `(${formatMarker(part)})` : formatMarker(part)))
        .join(` ${marker.joint} `);
}
function operandText({ isVariable, value }) {
    if (isVariable)
        return value;
    return value.includes('"') ? `'${value}'` : `"${value}"`;
}
/** @returns the match of a sticky pattern at a position, or undefined; never an empty text */
function match(pattern, text, at) {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0] || undefined;
}
/** @returns the position after the match of a sticky pattern */
function skip(pattern, text, at) {
    return at + (match(pattern, text, at) ?? '').length;
}
function skipSpace(text, at) {
    return skip(/\s*/y, text, at);
}

;// CONCATENATED MODULE: ./lib/logic/requirement-words.js
/**
 * The words of a line of a requirement file: each with its variables expanded, as pip reads it, and
 * raw, as the file has it, so that the value of a variable is never copied to another file.
 */
/** Expands `${NAME}` as pip does: upper-case names that are set; others stay as they are. */
function expand(line, environment) {
    const fragments = [];
    const literal = (text) => {
        if (text !== '')
            fragments.push({ value: text, raw: text, isVariable: false });
    };
    let end = 0;
    for (const { 0: raw, 1: name = '', index } of line.matchAll(/\$\{([A-Z0-9_]+)\}/g)) {
        const value = environment[name];
        if (!value)
            continue;
        literal(line.slice(end, index));
        fragments.push({ value, raw, isVariable: true });
        end = index + raw.length;
    }
    literal(line.slice(end));
    return textOf(fragments);
}
function textOf(fragments) {
    return {
        value: fragments.map((each) => each.value).join(''),
        raw: fragments.map((each) => each.raw ?? '').join(''),
        fragments,
    };
}
/**
 * Cuts a text in two.
 * @param at offset in its value
 */
function splitText({ fragments }, at) {
    const before = [];
    const after = [];
    let start = 0;
    for (const fragment of fragments) {
        const { value, isVariable } = fragment;
        const cut = at - start;
        if (cut <= 0)
            after.push(fragment);
        else if (cut >= value.length)
            before.push(fragment);
        else {
            for (const [side, part] of [
                [before, value.slice(0, cut)],
                [after, value.slice(cut)],
            ]) {
                side.push({ value: part, raw: isVariable ? undefined : part, isVariable });
            }
        }
        start += value.length;
    }
    return [textOf(before), textOf(after)];
}
/**
 * Splits a text into words as Python's `shlex.split` does.
 * @returns undefined when a quote is not closed or nothing follows a backslash
 */
function wordsOf({ fragments }) {
    const words = [];
    let word;
    let quote = '';
    let isEscaped = false;
    const append = (value, raw) => {
        const before = word ?? { value: '', raw: '' };
        word = {
            value: before.value + value,
            raw: before.raw === undefined || raw === undefined ? undefined : before.raw + raw,
        };
    };
    for (const { value, raw, isVariable } of fragments) {
        // Such a value is a part of one word, whatever is around it.
        const isPart = isVariable && raw !== undefined && !/[\s"'\\]/.test(value);
        for (const unit of isPart ? [value] : value) {
            const own = isPart ? raw : isVariable ? undefined : unit;
            if (isEscaped) {
                if (quote === '"' && unit !== '"' && unit !== '\\')
                    append('\\', '\\');
                append(unit, own);
                isEscaped = false;
            }
            else if (unit === '\\' && quote !== "'") {
                isEscaped = true;
            }
            else if (quote === '' ? unit === '"' || unit === "'" : unit === quote) {
                quote = quote === '' ? unit : '';
                append('', '');
            }
            else if (quote === '' && /^\s$/.test(unit)) {
                if (word !== undefined)
                    words.push(word);
                word = undefined;
            }
            else {
                append(unit, own);
            }
        }
    }
    if (quote !== '' || isEscaped)
        return undefined;
    if (word !== undefined)
        words.push(word);
    return words;
}
/**
 * A word in quotes, for a file that pip reads: pip splits lines like a shell, so white space and
 * backslashes (in every path on Windows) need quotes.
 */
function quoted(word) {
    return `"${word.replace(/["\\]/g, '\\$&')}"`;
}

;// CONCATENATED MODULE: ./lib/logic/requirement-options.js
/** Options in requirement files, as the optparse of pip's `req_file.py` reads them. */



/** SUPPORTED_OPTIONS and SUPPORTED_OPTIONS_REQ of pip 22.2 to 26.3. */
const requirement_options_forms = [
    { name: 'index-url', spellings: ['-i', '--pypi-url'] },
    { name: 'extra-index-url' },
    { name: 'no-index', isFlag: true },
    { name: 'constraint', spellings: ['-c'] },
    { name: 'requirement', spellings: ['-r'] },
    { name: 'editable', spellings: ['-e'] },
    { name: 'find-links', spellings: ['-f'] },
    { name: 'no-binary' },
    { name: 'only-binary' },
    { name: 'prefer-binary', isFlag: true },
    { name: 'require-hashes', isFlag: true },
    { name: 'no-require-hashes', isFlag: true, since: [26, 2] },
    { name: 'pre', isFlag: true },
    { name: 'all-releases', since: [26, 0] },
    { name: 'only-final', since: [26, 0] },
    { name: 'trusted-host' },
    { name: 'use-feature' },
    { name: 'hash' },
    { name: 'install-option', until: [23, 1] },
    { name: 'global-option', until: [25, 3] },
    { name: 'config-settings', spellings: ['-C'], since: [23, 1] },
];
/** Options of a single requirement; pip ignores all others on a requirement's line. */
const ownOptions = ['install-option', 'global-option', 'config-settings'];
function isOwnOption({ name }) {
    return ownOptions.includes(name);
}
const missing = {
    requirement: 'has no file name',
    constraint: 'has no file name',
    editable: 'has no path or URL',
};
/** The newest pip whose options are listed here. */
const newestPip = [26, 3];
/** Whether a pip is newer than this program knows. */
function isUnknownPip(pip) {
    return pip !== undefined && !(0,logic_names/* isOlderPip */.Ui)(pip, [newestPip[0], newestPip[1] + 1]);
}
const bySpelling = new Map(requirement_options_forms.flatMap((form) => [`--${form.name}`, ...(form.spellings ?? [])].map((spelling) => [spelling, form])));
/**
 * Reads the options of a line. Other words are ignored, as in pip.
 * @param line the whole line, for messages
 * @param pip version of the pip that decides what an abbreviation means; undefined for the newest
 * @throws UserError where pip would reject the line
 */
function optionsOf(text, line, pip) {
    const refuse = (reason) => {
        throw new errors/* UserError */.yo(`"${line.shown}" ${reason}`, line.source);
    };
    const words = wordsOf(text);
    if (words === undefined)
        return refuse('has an unterminated quote. Close it.');
    const options = [];
    const rest = words.values();
    for (const word of rest) {
        if (word.value === '--')
            break;
        if (!word.value.startsWith('-') || word.value === '-')
            continue;
        const isLong = word.value.startsWith('--');
        const equals = isLong ? word.value.indexOf('=') : -1;
        const end = isLong ? (equals < 0 ? word.value.length : equals) : 2;
        const spelling = word.value.slice(0, end);
        const attached = isLong ? equals >= 0 : word.value.length > 2;
        const found = isLong ? formOf(spelling, pip) : bySpelling.get(spelling);
        if (Array.isArray(found)) {
            return refuse(`has the ambiguous option ${spelling} (${found.join(', ')}?). Write it out.`);
        }
        if (found === undefined && !isUnknownPip(pip)) {
            return refuse(`has the option ${spelling}, which pip does not accept in a requirement file. Remove it, or set it in pip's configuration.`);
        }
        const name = found?.name ?? spelling.replace(/^-+/, '');
        if (found === undefined || found.isFlag) {
            if (attached && found)
                return refuse(`gives a value to --${name}, which takes none.`);
            options.push({ name, isFlag: true, value: '', raw: '' });
        }
        else if (attached) {
            const prefix = word.value.slice(0, end + (isLong ? 1 : 0));
            options.push({
                name,
                isFlag: false,
                value: word.value.slice(prefix.length),
                raw: word.raw?.startsWith(prefix) ? word.raw.slice(prefix.length) : undefined,
            });
        }
        else {
            const next = rest.next().value;
            if (next === undefined)
                return refuse(`${missing[name] ?? `has no value for --${name}`}. Add one.`);
            options.push({ name, isFlag: false, ...next });
        }
    }
    return options;
}
/** @returns the candidates of an ambiguous abbreviation; undefined when no option matches */
function formOf(spelling, pip = newestPip.join('.')) {
    const exact = bySpelling.get(spelling);
    if (exact !== undefined)
        return exact;
    const longer = [...bySpelling].filter(([known, { since, until }]) => known.startsWith(spelling) &&
        !(since && (0,logic_names/* isOlderPip */.Ui)(pip, since)) &&
        !(until && !(0,logic_names/* isOlderPip */.Ui)(pip, until)));
    return longer.length > 1 ? longer.map(([known]) => known) : longer[0]?.[1];
}
/**
 * An option for a file that pip reads, with variables unexpanded.
 * @returns undefined when its raw text can't be separated from the rest of its line
 */
function optionText({ name, isFlag, raw }) {
    if (isFlag)
        return `--${name}`;
    return raw === undefined ? undefined : `--${name} ${quoted(raw)}`;
}

// EXTERNAL MODULE: ./lib/logic/secrets.js
var secrets = __nccwpck_require__(3983);
;// CONCATENATED MODULE: ./lib/logic/requirement-line.js
/** The lines of a request, and how one logical line of a requirement file is parsed into them. */








/**
 * Parses one logical line of a requirement file.
 * @throws UserError when pip would reject it
 */
function requirement_line_parseLine(text, place, context) {
    refuseUnsetVariables(text, place, context);
    const [body, rest] = splitOptions(expand(text, context.environment));
    const requirement = body.value.trim();
    // Variables in options and URLs may contain secrets, so those are shown unexpanded.
    const shownBody = isDirect(requirement) ? body.raw.trim() : requirement;
    const shown = (0,secrets/* withoutSecrets */.cT)(`${shownBody} ${rest.raw}`.trim());
    const base = { ...place, text, shown };
    const options = optionsOf(rest, base, context.pip);
    if (requirement !== '') {
        refuseReplacedVariables(base, context);
        return { lines: [parseRequirement(base, requirement, options, context)] };
    }
    // Of a line with an editable or an include pip reads nothing else.
    const editable = options.find((option) => option.name === 'editable');
    if (editable) {
        refuseReplacedVariables(base, context);
        return { lines: [parseDirect(base, editable.value, { editable: true, hashes: [] }, context)] };
    }
    const include = options.find((option) => option.name === 'requirement') ??
        options.find((option) => option.name === 'constraint');
    if (include) {
        if (include.value === '')
            throw refusal(base, 'has no file name. Add one');
        // Even in a constraint file, the lines that `-r` includes are requirements.
        return { include: include.value, constraint: include.name === 'constraint' };
    }
    return { lines: optionLines(base, options, context) };
}
/** Options that name indexes: pip gets them through its environment, where credentials belong. */
const indexOptions = ['index-url', 'extra-index-url', 'trusted-host'];
function namesIndex(line) {
    return line.kind === 'option' && indexOptions.includes(line.name);
}
function optionLines(base, options, context) {
    // pip reads only the first --find-links of a line.
    const links = options.filter((option) => option.name === 'find-links').slice(1);
    const counting = options.filter((option) => !links.includes(option));
    const isSingle = options.length === 1;
    // A line with a variable that contains several options can't be split.
    const isWhole = isSingle || counting.some((option) => optionText(option) === undefined);
    const lines = counting.map((option, order) => {
        const { name, value, raw } = option;
        const own = isWhole ? (order === 0 ? base.text : '') : (optionText(option) ?? '');
        return { ...base, kind: 'option', name, value, raw, text: own };
    });
    if (!lines.every(namesIndex))
        refuseReplacedVariables(base, context);
    if (isWhole && !isSingle && lines.some(namesIndex) && !lines.every(namesIndex)) {
        throw refusal(base, 'has a variable that contains several words. Write one option per line');
    }
    // pip puts the index of a line before the extra indexes of the same line.
    return [
        ...lines.filter((line) => line.kind === 'option' && line.name === 'index-url'),
        ...lines.filter((line) => line.kind === 'option' && line.name !== 'index-url'),
    ];
}
function refusal(line, reason) {
    return new errors/* UserError */.yo(`"${line.shown}" ${reason}.`, line.source);
}
/**
 * pip would expand a `PIP_…` variable that only this program sets, such as the URL of an index with
 * its credentials, and send it to any host that the line names.
 */
function refuseUnsetVariables(text, place, { environment }) {
    for (const [variable, name = ''] of text.matchAll(/\$\{(PIP_[A-Z0-9_]+)\}/g)) {
        if (environment[name])
            continue;
        throw new errors/* UserError */.yo(`"${(0,secrets/* withoutSecrets */.cT)(text)}" uses ${variable}, which is not set. Set it in the job's environment, or use a variable with another name.`, place.source);
    }
}
function refuseReplacedVariables({ text, shown, source }, context) {
    for (const [variable, name = ''] of text.matchAll(/\$\{([A-Z0-9_]+)\}/g)) {
        if (!context.replacedVariables?.has(name))
            continue;
        throw new errors/* UserError */.yo(`"${shown}" uses ${variable}, whose value an input of this action replaces. Use a variable with another name.`, source);
    }
}
/** In pip the first word that begins with a dash ends the requirement; only spaces separate words. */
function splitOptions(text) {
    if (text.value.startsWith('-'))
        return splitText(text, 0);
    const start = text.value.indexOf(' -');
    return splitText(text, start < 0 ? text.value.length : start + 1);
}
const vcsScheme = /^(?:git|hg|svn|bzr)(?:\+[a-z-]+)?:/i;
const urlScheme = /^(?:https?|ftp|file):/i;
const archive = /\.(?:whl|zip|tar|tgz|tbz|txz|tlz|tar\.(?:gz|bz2|xz|lz|lzma))$/i;
const projectName = /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[\s*((?:[A-Za-z0-9][A-Za-z0-9._-]*(?:\s*,\s*[A-Za-z0-9][A-Za-z0-9._-]*)*)?)\s*\])?\s*/;
function dialectOf({ pip }) {
    return {
        legacyVersions: pip !== undefined && (0,logic_names/* isOlderPip */.Ui)(pip, [24, 1]),
        isNewer: isUnknownPip(pip),
    };
}
function parseRequirement(base, body, options, context) {
    const hashes = options
        .filter((option) => option.name === 'hash')
        .map((option) => hashOf(option, base));
    if (isDirect(body))
        return parseDirect(base, body, { editable: false, hashes }, context);
    const [specified, marker] = splitMarker(body, ';');
    const match = projectName.exec(specified);
    const specifier = match ? specified.slice(match[0].length) : '';
    if (!match || !/^(?:$|[(=<>!~])/.test(specifier)) {
        throw refusal(base, 'is not a requirement. Write a name with an optional version, such as "requests>=2.31", a path or URL, or one of pip\'s options');
    }
    const dialect = dialectOf(context);
    const specifiers = specifierClauses(specifier, dialect);
    if (specifiers === undefined)
        throw refusal(base, specifierAdvice(specifier));
    refuseMarker(base, marker, dialect);
    const extras = namesIn(match[2] ?? '');
    refuseConstrainedExtras(base, extras);
    const project = String(match[1]);
    const [only, ...others] = specifiers;
    return {
        ...base,
        kind: 'index',
        name: (0,logic_names/* normalizeName */.Pc)(project),
        project,
        extras,
        specifiers,
        pin: others.length === 0 ? /^={2,3}([^*]+)$/.exec(only ?? '')?.[1] : undefined,
        marker,
        hashes,
        options: options.filter(isOwnOption),
    };
}
function hashOf({ value }, line) {
    if (/^(?:sha256|sha384|sha512):/.test(value))
        return value.toLowerCase();
    throw refusal(line, `has a --hash that pip does not accept: "${value}". Write --hash=sha256: and the digest`);
}
function specifierAdvice(specifier) {
    if (/(?:^|[^=<>!~])=(?!=)/.test(specifier)) {
        return 'uses "=", which is not a comparison operator. Write "=="';
    }
    return /[=<>~]\s*(?:$|[,)])/.test(specifier)
        ? 'has a comparison without a version. Add one, or remove the operator'
        : 'has an invalid version specifier. Write it as in "requests>=2.31,<3"';
}
function refuseMarker(line, marker, dialect) {
    if (marker === undefined || marker === '')
        return;
    const parsed = parseMarker(marker, dialect);
    if ('marker' in parsed)
        return;
    throw refusal(line, `has an invalid marker: ${parsed.fault}. Correct what follows the semicolon`);
}
function refuseConstrainedExtras(line, extras) {
    if (!line.constraint || extras.length === 0)
        return;
    throw refusal(line, 'is a constraint with extras, which pip does not accept. Remove the extras here and ask for them in a requirement file');
}
function namesIn(list) {
    return list
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== '');
}
/** Whether a requirement names its own source: `name @ URL`, a URL, or a path. */
function isDirect(body) {
    if (isRemote(body) || namedLocation(body) !== undefined)
        return true;
    const [bare] = splitExtras(splitMarker(body, ';')[0]);
    return bare.startsWith('.') || /[/\\]/.test(bare) || archive.test(bare);
}
/** Whether a path is that of a wheel or of another archive, by its name. */
function isArchive(file) {
    return archive.test(file);
}
/** Whether a requirement is only a path on this machine. */
function requirement_line_isPath(body) {
    return isDirect(body) && !isRemote(body) && namedLocation(body) === undefined;
}
function isRemote(location) {
    return urlScheme.test(location) || vcsScheme.test(location);
}
/** @returns the parts of `name[extras] @ location`; undefined for another form */
function namedLocation(text) {
    const match = projectName.exec(text);
    if (match === null || text.charAt(match[0].length) !== '@')
        return undefined;
    return { extras: match[2] ?? '', location: text.slice(match[0].length + 1).trim() };
}
function splitMarker(body, separator) {
    const at = body.indexOf(separator);
    if (at < 0)
        return [body.trim(), undefined];
    return [body.slice(0, at).trim(), body.slice(at + separator.length).trim()];
}
/** Splits `path[a,b]`. */
function splitExtras(text) {
    const open = text.endsWith(']') ? text.lastIndexOf('[') : -1;
    return open <= 0 ? [text, ''] : [text.slice(0, open).trim(), text.slice(open + 1, -1)];
}
function parseDirect(base, body, { editable, hashes }, context) {
    if (editable && base.constraint) {
        throw refusal(base, 'is editable, which pip does not accept as a constraint. Move it to a requirement file, or name the project with a version');
    }
    // A bare URL may contain semicolons: pip takes one for the start of a marker only before a space.
    const separator = isRemote(body) ? '; ' : ';';
    const [whole, marker] = editable ? [body, undefined] : splitMarker(body, separator);
    const named = namedLocation(whole);
    const location = named?.location ?? whole;
    const remote = isRemote(location);
    const [target, bracket] = remote ? [location, ''] : splitExtras(location);
    if (target === '')
        throw refusal(base, 'has no path or URL. Add one');
    refuseMarker(base, marker, dialectOf(context));
    const fragment = remote ? /#.*$/s.exec(target)?.[0] : undefined;
    const parameter = (name) => new RegExp(`[#&]${name}=([^&]*)`).exec(fragment ?? '')?.[1];
    const egg = parameter('egg');
    const file = external_node_path_.posix.basename(target.replace(/[?#].*$/s, ''));
    const wheelOf = (0,logic_names/* isWheelFileName */.jh)(file) ? (0,logic_names/* wheelNameParts */.LI)(file).name : undefined;
    if (base.constraint && !named && egg === undefined && wheelOf === undefined) {
        throw refusal(base, 'is a constraint without a name, which pip does not accept. Write it as "name @ URL"');
    }
    const extras = namesIn(bracket || named?.extras || splitExtras(egg ?? '')[1]);
    refuseConstrainedExtras(base, extras);
    const isFile = /^file:/i.test(target);
    const form = vcsScheme.test(target) ? 'vcs' : remote && !isFile ? 'url' : 'path';
    const fragmentHashes = ['sha256', 'sha384', 'sha512'].flatMap((algorithm) => {
        const digest = parameter(algorithm);
        return digest === undefined ? [] : [`${algorithm}:${digest}`.toLowerCase()];
    });
    return {
        ...base,
        kind: 'direct',
        form,
        editable,
        target: form === 'path'
            ? external_node_path_.resolve(context.workingDirectory, isFile ? fileOfUrl(target, base.source) : target)
            : target,
        shownTarget: form === 'path' ? (0,secrets/* withoutSecrets */.cT)(target) : (0,secrets/* fingerprinted */.g0)(target),
        wheelOf,
        extras: extras.map(logic_names/* normalizeName */.Pc).sort(),
        marker,
        hashes: [...hashes, ...fragmentHashes.slice(0, 1)],
        checksHashes: hashes.length > 0,
    };
}
/**
 * The path in a file: URL.
 * @throws UserError for a URL of another machine
 */
function fileOfUrl(url, source) {
    const bare = (url.split(/[?#]/)[0] ?? '').replace(/^file:\/\/localhost\//i, 'file:///');
    // `file:relative/path` is not a valid URL, but pip accepts it.
    if (!/^file:\//i.test(bare))
        return bare.slice('file:'.length);
    try {
        return (0,external_node_url_.fileURLToPath)(bare);
    }
    catch (error) {
        throw new errors/* UserError */.yo(`"${bare}" is not a path on this machine: ${(0,errors/* messageOf */.bD)(error)}.`, source);
    }
}
/** An index requirement for a file that pip reads, without its hashes and other options. */
function requirement_line_plainText({ project, extras, specifiers, marker }) {
    const bracket = extras.length > 0 ? `[${extras.join(',')}]` : '';
    return `${project}${bracket}${specifiers.join(',')}${marker ? ` ; ${marker}` : ''}`;
}

;// CONCATENATED MODULE: ./lib/logic/requirements.js
/**
 * Reads requirement and constraint files as pip does; the caller provides access to files and URLs.
 * The grammar is that of pip's "Requirements File Format" page and of PEP 508.
 */






/**
 * Reads all sources, following `-r` and `-c`.
 * @throws UserError with file and line for a file that can't be read, a circular include, or an
 *   invalid line
 */
async function gatherLines({ requirements = [], locked = [], projects = [], packages = [], groups = [], constraints = [], }, reading) {
    const lines = [];
    const files = [];
    const seen = new Set();
    async function visit(file, { constraint, stack, from }) {
        if (stack.some((other) => other.location === file.location)) {
            const cycle = [...stack, file].map((each) => each.shown).join(' → ');
            throw new errors/* UserError */.yo(`Circular include in requirement files: ${cycle}. Remove one of these -r or -c lines.`, from);
        }
        const visited = `${constraint}:${file.location}`;
        if (seen.has(visited))
            return;
        seen.add(visited);
        let text;
        try {
            text = await reading.read(file.location);
        }
        catch (error) {
            const line = error instanceof errors/* UserError */.yo ? error.line : undefined;
            throw new errors/* UserError */.yo(`${file.shown} can't be read: ${(0,errors/* messageOf */.bD)(error)}.`, line === undefined ? (from ?? { file: file.shown }) : { file: file.shown, line });
        }
        let counted = 0;
        for (const { text: logical, line } of logicalLines(text)) {
            const source = { file: file.shown, line };
            counted += 1;
            const parsed = requirement_line_parseLine(logical, { source, constraint }, reading);
            if ('include' in parsed) {
                await visit(includedFile(parsed.include, file, source), {
                    constraint: parsed.constraint,
                    stack: [...stack, file],
                    from: source,
                });
            }
            else {
                lines.push(...parsed.lines.flatMap((each) => anchored(each, file)));
            }
        }
        files.push({ path: file.shown, lines: counted });
    }
    for (const file of requirements)
        await visit(file, { constraint: false, stack: [], from: undefined });
    for (const { text, source } of locked) {
        const parsed = requirement_line_parseLine(text, { source, constraint: false }, reading);
        if ('lines' in parsed)
            lines.push(...parsed.lines);
    }
    for (const { text, file } of groups) {
        lines.push(parseSpecifier(text, { file, line: undefined }, reading));
    }
    for (const project of projects)
        lines.push(parseProject(project, reading));
    for (const { text } of logicalLines(packages.join('\n'))) {
        lines.push(parseSpecifier(text, { file: 'input packages', line: undefined }, reading));
    }
    for (const file of constraints)
        await visit(file, { constraint: true, stack: [], from: undefined });
    return { lines, files };
}
/** The line endings of Python's `str.splitlines`, which pip splits files with. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: Python takes these for line endings.
const lineEnd = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;
/**
 * Joins continuation lines and drops comments and blank lines as pip's `req_file.py` does: a
 * comment ends a continuation, and a `#` needs white space before it.
 * @returns logical lines with the 1-based number of their first physical line
 */
function logicalLines(text) {
    const logical = [];
    let pending = [];
    let first = 0;
    const emit = (joined, line) => {
        const bare = withoutComment(joined).trim();
        if (bare !== '')
            logical.push({ text: bare, line });
    };
    const physical = text.replace(/^\uFEFF/, '').split(lineEnd);
    physical.forEach((content, index) => {
        const comment = content.trimStart().startsWith('#');
        if (content.endsWith('\\') && !comment) {
            if (pending.length === 0)
                first = index + 1;
            pending.push(stripBackslashes(content));
        }
        else if (pending.length > 0) {
            pending.push(comment ? ` ${content}` : content);
            emit(pending.join(''), first);
            pending = [];
        }
        else {
            emit(content, index + 1);
        }
    });
    if (pending.length > 0)
        emit(pending.join(''), first);
    return logical;
}
function withoutComment(text) {
    for (let at = text.indexOf('#'); at >= 0; at = text.indexOf('#', at + 1)) {
        if (at === 0 || /\s/.test(text.charAt(at - 1)))
            return text.slice(0, at);
    }
    return text;
}
/** Python's `strip("\\")`, which pip uses here: at both ends. */
function stripBackslashes(text) {
    let start = 0;
    let end = text.length;
    while (text[start] === '\\' && start < end)
        start += 1;
    while (end > start && text[end - 1] === '\\')
        end -= 1;
    return text.slice(start, end);
}
/**
 * Parses a requirement outside a requirement file, where options and paths are not allowed.
 * @throws UserError when it is one or is invalid
 */
function parseSpecifier(text, source, context) {
    const expanded = expand(text, context.environment).value;
    const shown = (0,secrets/* withoutSecrets */.cT)(text).split(lineEnd).join(' ');
    if (lineEnd.test(expanded)) {
        throw new errors/* UserError */.yo(`"${shown}" contains a line break; write one requirement per line.`, source);
    }
    if (/(?:^|\s)-/.test(expanded)) {
        throw new errors/* UserError */.yo(`"${shown}" contains an option; ${source.file} takes requirements only, such as "requests>=2.31". Put options into a requirement file.`, source);
    }
    // A path is rejected as one, even with an invalid marker.
    const parsed = requirement_line_isPath(expanded.trim())
        ? undefined
        : requirement_line_parseLine(text, { source, constraint: false }, context);
    const [line] = parsed && 'lines' in parsed ? parsed.lines : [];
    if (line?.kind === 'index' || (line?.kind === 'direct' && line.form !== 'path'))
        return line;
    throw new errors/* UserError */.yo(`"${shown}" is a path; ${source.file} takes requirements only. Put paths and "-e" lines into a requirement file.`, source);
}
/**
 * Parses a local project that is named outside a requirement file.
 * @throws UserError when it is not a path with extras
 */
function parseProject({ text, extras: added, editable, source }, context) {
    const [location, own] = splitExtras(text.trim());
    const refusal = (reason) => new errors/* UserError */.yo(`"${(0,secrets/* withoutSecrets */.cT)(text).split(lineEnd).join(' ')}" ${reason}`, source);
    if (lineEnd.test(text) || location.includes(';') || /(?:^|\s)-/.test(location)) {
        throw refusal(`is not the path of a local project. Write a path with optional extras, such as ".[test]"; markers and options belong into a requirement file.`);
    }
    const extras = [...new Set([...own.split(',').map((extra) => extra.trim()), ...added])].filter((extra) => extra !== '');
    const wrong = extras.find((extra) => !(0,logic_names/* isValidName */.uV)(extra));
    if (wrong !== undefined)
        throw refusal(`asks for "${wrong}", which is not the name of an extra.`);
    const relative = requirement_line_isPath(location) ? location : `./${location}`;
    const target = extras.length > 0 ? `${relative}[${extras.join(',')}]` : relative;
    // pip has no editable archives.
    const line = editable && !isArchive(location) ? `-e ${quoted(target)}` : target;
    const parsed = requirement_line_parseLine(line, { source, constraint: false }, context);
    const [requirement] = 'lines' in parsed ? parsed.lines : [];
    if (requirement?.kind === 'direct' && requirement.form === 'path')
        return requirement;
    throw refusal('is not the path of a local project.');
}
/** Paths after `-r` and `-c` are relative to the including file, or to its URL. */
function includedFile(value, parent, source) {
    if (/^https?:/i.test(value))
        return { location: value, shown: (0,secrets/* shownAddress */.Uk)(value) };
    if (/^https?:/i.test(parent.location)) {
        const location = new URL(value, parent.location).href;
        return { location, shown: (0,secrets/* shownAddress */.Uk)(location) };
    }
    const local = /^file:/i.test(value) ? fileOfUrl(value, source) : value;
    return {
        location: external_node_path_.resolve(external_node_path_.dirname(parent.location), local),
        shown: external_node_path_.isAbsolute(local)
            ? local
            : external_node_path_.posix.join(external_node_path_.posix.dirname(parent.shown), local),
    };
}
/**
 * The copy for pip is in another directory, so a relative `--find-links` becomes two: pip looks next
 * to the requirement file first, then where it runs, and ignores a directory that does not exist.
 */
function anchored(line, file) {
    const isRelative = line.kind === 'option' &&
        line.name === 'find-links' &&
        !/^[a-z][a-z0-9+.-]+:/i.test(line.value) &&
        !external_node_path_.isAbsolute(line.value) &&
        !/^https?:/i.test(file.location);
    if (!isRelative || line.raw === undefined)
        return [line];
    const beside = external_node_path_.join(external_node_path_.dirname(file.location), line.raw);
    return [beside, line.raw].map((place) => ({ ...line, text: `--find-links ${quoted(place)}` }));
}
/**
 * A requirement from a project's metadata that names its own source. It has no variables.
 * @param text without a marker
 * @throws UserError when it is invalid
 */
function requirementOf(text, source, workingDirectory) {
    const parsed = parseLine(text, { source, constraint: false }, { environment: {}, workingDirectory });
    const [line] = 'lines' in parsed ? parsed.lines : [];
    if (line?.kind !== 'direct') {
        throw new UserError(`"${withoutSecrets(text)}" is not a requirement with a URL.`, source);
    }
    return line;
}
/** The requirements and constraints that pip resolves through an index. */
function requirements_indexRequirements(lines) {
    return lines.filter((line) => line.kind === 'index');
}
/** As {@link indexRequirements}, of `build-system.requires`; pip reports the invalid ones. */
function requirements_indexRequirementsIn(texts) {
    const context = { workingDirectory: path.sep, environment: {} };
    return texts.flatMap((text) => {
        try {
            const source = { file: 'build-system.requires', line: undefined };
            const parsed = parseLine(text, { source, constraint: false }, context);
            return 'lines' in parsed ? requirements_indexRequirements(parsed.lines) : [];
        }
        catch {
            return [];
        }
    });
}
/** The requirements that name their own source instead of an index. */
function directRequirements(lines) {
    return lines.filter((line) => line.kind === 'direct').filter((line) => !line.constraint);
}
/**
 * Whether the wheel of a requirement may be cached: only the content of a URL with a hash is fixed;
 * a path, a branch or a bare URL may have other content the next time.
 */
function isCacheable(requirement) {
    return requirement.form === 'url' && !requirement.editable && requirement.hashes.length > 0;
}
/** Whether pip is in hash-checking mode: one hash in any line turns it on for all. */
function isHashMode(lines) {
    return lines.some((line) => {
        if (line.kind === 'option')
            return line.name === 'require-hashes';
        return line.kind === 'index' ? line.hashes.length > 0 : line.checksHashes;
    });
}
/** The allowed hashes, by normalised name. */
function requestedHashes(lines) {
    const hashes = new Map();
    for (const line of requirements_indexRequirements(lines)) {
        if (line.hashes.length === 0)
            continue;
        const all = new Set([...(hashes.get(line.name) ?? []), ...line.hashes]);
        hashes.set(line.name, [...all].sort());
    }
    return hashes;
}
/**
 * Whether the request fixes the version of one project.
 * @param lines those that apply to the interpreter
 */
function isPinned(lines, name, version) {
    return lines.some((line) => line.name === name && line.pin !== undefined && sameVersion(line.pin, version));
}

;// CONCATENATED MODULE: ./lib/logic/request-file.js
/**
 * The requirement files that pip reads: flattened copies of the user's, with exactly the lines that
 * a step needs. `${VARIABLES}` stay unexpanded, so that no secret is written to disk.
 */







/** Without this line pip guesses the encoding of a file. */
const header = '# -*- coding: utf-8 -*-';
/**
 * The request for the fill: the user's lines and the offers.
 * In hash mode the hash of a built wheel replaces those of its sdist: with both, pip would prefer
 * the sdist and build again (seen on pip 23.2 and 26.3).
 */
function fillFiles(lines, constraintsFile, { resolved = [], offers = [], hashMode = false, linksFile } = {}) {
    const render = (line) => {
        const { text, source } = line;
        if (line.kind !== 'index')
            return { text, source };
        const project = line.name;
        const offer = hashMode && line.hashes.length > 0 && offers.find(({ name }) => name === project);
        return { text: (offer && withHash(line, offer)) || text, source, project };
    };
    return request([
        ...(linksFile === undefined ? [] : [{ text: `--find-links ${quoted(linksFile)}` }]),
        ...offers
            .filter((offer) => !offer.isPin)
            .map(({ url }) => ({ text: `--find-links ${quoted(url)}` })),
        ...lines
            .filter((line) => !line.constraint && line.kind !== 'direct' && isForPip(line))
            .map(render),
        ...resolved.map((each) => resolvedLine(each, hashMode)),
    ], [
        ...lines.filter((line) => line.constraint && isForPip(line)).map(render),
        // Unlike --find-links, a constraint also has an effect under --no-binary.
        ...offers
            .filter((offer) => offer.isPin)
            .map(({ name, url }) => ({ text: `${name} @ ${url}` })),
    ], constraintsFile);
}
/**
 * The page that tells pip where the files of lock files are, with their hashes. pip prefers the same
 * file of an index, so this only matters for files that the index lacks.
 * @param directory absolute path that relative paths start from
 */
function linksPage(files, directory) {
    const links = files.map(({ name, location, isPath, hash }) => {
        const url = new URL(isPath ? pathToFileURL(path.resolve(directory, location)) : location);
        url.hash = hash.replace(':', '=');
        return `<a href="${url.href.replaceAll('&', '&amp;').replaceAll('"', '%22')}">${name}</a>\n`;
    });
    return `<!DOCTYPE html>\n<meta charset="utf-8">\n${links.join('')}`;
}
function isForPip(line) {
    return line.text !== '' && !namesIndex(line);
}
/** @returns undefined when its options can't be separated from its hashes */
function withHash(line, { sha256 }) {
    const options = line.options.map(optionText);
    return options.includes(undefined)
        ? undefined
        : [requirement_line_plainText(line), ...options, `--hash=sha256:${sha256}`].join(' ');
}
/**
 * The request for the offline resolution: without hashes, since those of built wheels differ from
 * those of their sdists, and without options, since pip finds only the wheels of the fill.
 */
function closeFiles(lines, resolved, constraintsFile) {
    const plain = (constraint) => indexRequirements(lines)
        .filter((line) => line.constraint === constraint)
        .map((line) => ({ text: plainText(line), source: line.source, project: line.name }));
    return request([...plain(false), ...resolved.map((each) => resolvedLine(each, false))], plain(true), constraintsFile);
}
/** The options of a requirement file that uv reads, or warns about, and that do not name an index. */
const uvOptions = (/* unused pure expression or super */ null && (['find-links', 'no-index', 'no-binary', 'only-binary', 'pre', 'prefer-binary']));
/** The request for uv: the user's lines without the options that uv does not know. */
function uvFiles(lines, resolved, constraintsFile) {
    const isForUv = ({ kind, ...line }) => kind === 'index' || (kind === 'option' && 'name' in line && uvOptions.includes(line.name));
    const render = (line) => {
        if (line.kind !== 'index')
            return { text: line.text, source: line.source };
        const text = [plainText(line), ...line.hashes.map((hash) => `--hash=${hash}`)].join(' ');
        return { text, source: line.source, project: line.name };
    };
    const rendered = (constraint) => lines
        .filter((line) => line.constraint === constraint && line.text !== '' && isForUv(line))
        .map(render);
    return request([...rendered(false), ...resolved.map((each) => resolvedLine(each, false))], rendered(true), constraintsFile);
}
/** A request with only the given lines. */
function plainRequest(lines, source) {
    return { request: plainFile(lines, source), constraints: plainFile([]) };
}
/** A file with only the given lines. @param source the user's line behind all of them */
function plainFile(lines, source) {
    return file(lines.map((text) => ({ text, source })));
}
/**
 * pip's output with the places of the user's files instead of those of generated files:
 * `-r requirements.txt (line 3)`, and with the names of local projects instead of their stubs.
 * @param files generated files by path
 */
function withUserSources(text, files) {
    let result = withoutStubs(text);
    for (const [path, { entries }] of files) {
        const place = (_whole, line) => {
            const source = entries[Number(line) - 1]?.source;
            if (source === undefined)
                return 'wheelhouse';
            return source.line === undefined ? source.file : `${source.file} (line ${source.line})`;
        };
        const escaped = path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
        result = result
            .replace(new RegExp(`-[rc] ${escaped} \\(line (\\d+)\\)`, 'g'), place)
            .replace(new RegExp(`line (\\d+) of ${escaped}`, 'g'), place);
    }
    return result;
}
/** pip's output with the names of local projects instead of the files of their stubs. */
function withoutStubs(text) {
    const stub = '-0wheelhouse-py3-none-any\\.whl';
    return text
        .replace(new RegExp(` \\(from (?:file:)?[^\\s()]*${stub}\\)`, 'g'), '')
        .replace(new RegExp(` ?@ file:[^\\s()>]*?${stub}`, 'g'), '')
        .replace(new RegExp(`^(\\s*Processing ).*[\\\\/]([^\\\\/\\s-]+)-([^\\\\/\\s-]+)${stub}`, 'gm'), '$1$2 $3');
}
/**
 * The user's line that requires the project that pip failed for.
 * @returns undefined when it is not known
 */
function placeOf({ place, project, dependent }, { request }) {
    if (place !== undefined)
        return place;
    const lines = request.entries.filter(({ source }) => source !== undefined);
    const line = lines.find((each) => each.project === projectIn(dependent ?? project));
    // A request with a single line failed because of that one.
    return line?.source ?? (lines.length === 1 ? lines[0]?.source : undefined);
}
function request(lines, constraints, constraintsFile) {
    const include = constraints.length > 0 ? [{ text: `-c ${quoted(constraintsFile)}` }] : [];
    return { request: file([...include, ...lines]), constraints: file(constraints) };
}
function file(lines) {
    const entries = [{ text: header }, ...lines];
    return { text: entries.map(({ text }) => `${text}\n`).join(''), entries };
}
function resolvedLine({ name, extras, marker, source, url, sha256 }, hashMode) {
    const text = [
        `${name}${extras.length > 0 ? `[${extras.join(',')}]` : ''} @ ${url}`,
        ...(marker === undefined ? [] : [` ; ${marker}`]),
        ...(hashMode ? [` --hash=sha256:${sha256}`] : []),
    ].join('');
    return { text, source, project: name };
}

// EXTERNAL MODULE: ./lib/collect/logic/listing.js + 1 modules
var logic_listing = __nccwpck_require__(2528);
// EXTERNAL MODULE: ./lib/logic/environment.js
var logic_environment = __nccwpck_require__(6131);
;// CONCATENATED MODULE: ./lib/logic/index-choice.js
/** The package indexes of a run, and which of them pip may use. */



/**
 * The indexes that a run may use.
 * @returns undefined when pip is configured to use none
 */
function index_choice_indexesOf(request, interpreter, settings) {
    const { trustedHosts, username, password, mirror } = request.index;
    if (settings.flag('no-index'))
        return undefined;
    const named = settings.text('index-url');
    const configured = settings.configured.get('index-url') ?? interpreter.defaultIndex;
    if (username !== undefined && named !== undefined && !index_choice_isSameIndex(named, configured)) {
        // The author of a requirement file must not get the credentials.
        throw new errors/* UserError */.yo(`The inputs index-username and index-password are set, but a requirement file names another index than pip's configuration (--index-url ${(0,secrets/* shownAddress */.Uk)(named)}). Set the input index-url to the index that the credentials are for.`);
    }
    const keyring = settings.text('keyring-provider') ?? (interpreter.keyring ? 'import' : 'disabled');
    return {
        authoritative: withCredentials(named ?? interpreter.defaultIndex, username, password),
        named: named !== undefined,
        extra: settings.words('extra-index-url'),
        mirror,
        trustedHosts: [...trustedHosts, ...settings.words('trusted-host')],
        otherCredentials: keyring !== 'disabled' || interpreter.netrc,
    };
}
/** Whether two addresses are the same index; credentials do not matter. */
function index_choice_isSameIndex(one, other) {
    return (0,secrets/* withoutSecrets */.cT)(one).replace(/\/*$/, '') === (0,secrets/* withoutSecrets */.cT)(other).replace(/\/*$/, '');
}
/** @returns the URL with the credentials in its userinfo, percent-encoded as pip expects them */
function withCredentials(url, username, password) {
    if (username === undefined || !URL.canParse(url))
        return url;
    const result = new URL(url);
    result.username = encodeURIComponent(username);
    result.password = password === undefined ? '' : encodeURIComponent(password);
    return result.href;
}
/**
 * Whether pip accepts an index at this address: plain http to another machine needs a trusted host
 * (SECURE_ORIGINS in pip's session).
 */
function isSecureOrigin(url, trustedHosts) {
    if (!/^http:/i.test(url) || !URL.canParse(url))
        return true;
    const { host, hostname } = new URL(url);
    return (/^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname) ||
        trustedHosts.some((trusted) => trusted === host || trusted === hostname));
}
/**
 * Variables that name indexes to pip, with their credentials.
 * @param url of the authoritative index or its mirror
 */
function index_choice_indexVariables({ extra, trustedHosts }, url) {
    return {
        PIP_INDEX_URL: url,
        ...(extra.length > 0 ? { PIP_EXTRA_INDEX_URL: extra.join(' ') } : {}),
        ...(trustedHosts.length > 0 ? { PIP_TRUSTED_HOST: trustedHosts.join(' ') } : {}),
    };
}
/** Whether a URL contains credentials. */
function hasCredentials(url) {
    if (!URL.canParse(url))
        return false;
    const { username, password } = new URL(url);
    return username !== '' || password !== '';
}
/**
 * A warning when there are several indexes and one is private: with pip the highest version wins, with
 * uv the index that is asked first.
 */
function confusionWarning(indexes, installer = 'pip') {
    const all = [indexes.authoritative, ...indexes.extra];
    const isPrivate = all.some(hasCredentials) || (indexes.named && indexes.otherCredentials);
    if (all.length < 2 || !isPrivate)
        return undefined;
    const rule = installer === 'pip'
        ? 'pip installs the highest version from any of them'
        : `uv installs from the first that has a package, and asks ${(0,secrets/* shownAddress */.Uk)(all[0] ?? '')} last`;
    return `Packages come from ${all.length} indexes (${all.map(secrets/* shownAddress */.Uk).join(', ')}), one of which is private. ${rule}, so an attacker who registers the name of your package on another index can replace it (dependency confusion). Let the private index proxy the public one (an upstream or remote repository) and use only that, or pin with --hash.`;
}
/** The projects whose page can show whether an index is healthy: those of the request, in order. */
function probeCandidates(requested) {
    const building = requested.projects.flatMap((project) => project.buildRequires);
    return [
        ...indexRequirements(requested.lines).filter((line) => !line.constraint),
        ...indexRequirementsIn(building),
    ];
}

;// CONCATENATED MODULE: ./lib/collect/logic/source.js
/** What pip downloads from the source index, and which project each file belongs to. */






/**
 * The environment of a pip that downloads from the source indexes.
 * @param empty path of an empty directory. It replaces the user's own find-links directories, which
 * may contain wheels that were built there: only original files are collected.
 */
function pipEnvironment({ environment }, { pipConfig, keyring }, indexes, empty) {
    const variables = index_choice_indexVariables(indexes, indexes.authoritative);
    return {
        ...(0,logic_environment/* fillEnvironment */.b3)(environment, pipConfig, variables, keyring),
        PIP_FIND_LINKS: empty,
    };
}
/** pip's arguments for downloading a request file, with all dependencies, for a target. */
function downloadArgs(options) {
    return [
        'download',
        '--disable-pip-version-check',
        '--no-input',
        '--progress-bar=off',
        ...options.target.options,
        ...(options.noDeps ? ['--no-deps'] : []),
        `--dest=${options.directory}`,
        '-r',
        options.requestFile,
    ];
}
/**
 * Returns the build requirements of an sdist, all of which only an index can satisfy. Without this
 * check, the author of the sdist could make pip download a file from any server.
 * @param requires its `build-system.requires`
 * @throws UserError that names the sdist, for anything but a name with an optional version, extras
 * and marker
 */
function buildRequirements(sdist, requires) {
    const context = { environment: {}, workingDirectory: '.' };
    return requires.map((text) => {
        // pip would expand variables, and join lines that end in a backslash.
        const isPlain = /^[^\\$\p{Cc}]*$/u.test(text);
        const line = isPlain ? indexLine(text, context) : undefined;
        if (line !== undefined)
            return line.text;
        const shown = (0,secrets/* withoutSecrets */.cT)(text).replace(/\p{Cc}/gu, ' ');
        throw new errors/* UserError */.yo(`${sdist} lists "${shown}" in build-system.requires. Only requirements that an index can satisfy are published. Choose a version of the package that has a wheel, or exclude the package.`);
    });
}
function indexLine(text, context) {
    try {
        const line = parseSpecifier(text, { file: 'build-system.requires', line: undefined }, context);
        return line.kind === 'index' ? line : undefined;
    }
    catch (error) {
        if (error instanceof errors/* UserError */.yo)
            return undefined;
        throw error;
    }
}
/**
 * Returns the project and version that a file belongs to. Its name and its metadata must agree,
 * because pip reads the name and uploaders read the metadata.
 * @param identities the names and versions in its metadata
 * @throws UserError when there are none, or when they contradict the file name
 */
function identity(file, identities) {
    const [first] = identities;
    const name = (0,logic_names/* normalizeName */.Pc)(first?.name ?? '');
    const version = (0,logic_names/* versionInFileName */.Nc)(file, name);
    const isUsable = first !== undefined &&
        /^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) &&
        /^[A-Za-z0-9.!+_-]+$/.test(first.version);
    if (!isUsable) {
        throw new errors/* UserError */.yo(`${file} of the source index has no valid name and version in its metadata. Exclude that version.`);
    }
    for (const each of identities) {
        const agrees = version !== undefined &&
            (0,logic_names/* normalizeName */.Pc)(each.name) === name &&
            (0,logic_names/* sameVersion */.r1)(each.version, version);
        if (!agrees) {
            throw new errors/* UserError */.yo(`The metadata of ${file} names a different project or version than its file name, and uploaders use the metadata. Exclude that version, and tell the owner of the source index.`);
        }
    }
    return { name, version: (0,logic_names/* isSdistName */.zz)(file) ? first.version : String(version) };
}

;// CONCATENATED MODULE: ./lib/collect/collect.js
/** Downloads the original files of indexes, for this machine or for others. */









/**
 * Downloads the original files for all targets; where the run says so, including the build
 * requirements of sdists: a machine that can only reach the copies could not install those otherwise.
 * @returns the files, sorted by name; they are in the collection
 * @throws UserError for a file that must not be collected
 */
async function collect(run, world) {
    const { lines } = run.requested;
    const orders = run.targets.map((target) => ({
        target,
        role: 'runtime',
        files: (constraintsFile) => fillFiles(lines, constraintsFile),
    }));
    const collected = new Map();
    const ordered = new Set();
    for (let order = orders.shift(); order !== undefined; order = orders.shift()) {
        const { target } = order;
        const { directory, downloads } = await carryOut(run, world, order);
        const sources = downloads.map(({ source }) => source);
        const added = sources.filter((source) => isNew(source, collected));
        await checkListed(run, world, added);
        for (const { file } of added)
            await world.wheelhouses.move(file, directory, run.collection);
        for (const source of sources) {
            const known = collected.get(source.file);
            const targets = new Set([...(known?.targets ?? []), target]);
            const isRuntime = known?.source.role === 'runtime';
            collected.set(source.file, {
                source: isRuntime ? known.source : source,
                targets: [...targets],
            });
        }
        if (!run.withBuildRequirements)
            continue;
        for (const { buildRequires } of downloads) {
            const name = JSON.stringify([target.name, [...buildRequires].sort()]);
            if (buildRequires.length === 0 || ordered.has(name))
                continue;
            ordered.add(name);
            const request = plainFile(buildRequires);
            const files = () => ({ request, constraints: plainFile([]) });
            orders.push({ target, role: 'build', files });
        }
    }
    return [...collected.values()].sort((a, b) => (a.source.file < b.source.file ? -1 : 1));
}
/** @throws UserError for a file that was collected with different content */
function isNew({ file, sha256 }, collected) {
    const known = collected.get(file)?.source;
    if (known === undefined || known.sha256 === sha256)
        return known === undefined;
    throw new errors/* UserError */.yo(`The source index served two different contents for ${file} in one run. Run again; if it happens again, ask the owner of the index.`);
}
/** Downloads what an order names into a directory of its own, and reads the metadata of each file. */
async function carryOut(run, world, order) {
    const { role, target } = order;
    const packages = role === 'runtime' ? 'packages' : 'build requirements';
    const directory = await world.reporter.group(`Download ${packages} for ${target.name}`, () => download(run, world, order));
    const files = await world.downloads.list(directory);
    const odd = files.find(({ file }) => !(0,logic_names/* isDistributionName */.I1)(file));
    if (odd !== undefined) {
        throw new errors/* UserError */.yo(`The source index has a file "${odd.file}" that is neither a wheel nor an sdist. Exclude that version.`);
    }
    const names = files.map(({ file }) => file);
    const metadata = await world.downloads.metadata(run.interpreter, directory, names);
    const downloads = files.map((each, index) => ({
        source: { ...each, ...identity(each.file, metadata[index]?.identities ?? []), role },
        buildRequires: buildRequiresOf(each.file, metadata[index]),
    }));
    return { directory, downloads };
}
function buildRequiresOf(file, metadata) {
    if (!(0,logic_names/* isSdistName */.zz)(file))
        return [];
    const pyproject = metadata?.pyproject;
    const parts = (0,local_project/* projectParts */.st)(pyproject === undefined ? {} : { pyproject }, `pyproject.toml of ${file}`);
    return buildRequirements(file, parts.buildRequires);
}
/**
 * Checks that the source indexes list each file under its name, version and hash. pip also takes
 * files from elsewhere (direct references, find-links), and an sdist runs code during the download.
 * @throws UserError for a file that no index lists, or that one lists with another hash
 */
async function checkListed({ interpreter, indexes, pip, purpose }, { downloads }, files) {
    const urls = [indexes.authoritative, ...indexes.extra];
    const projects = [...new Set(files.map(({ name }) => name))];
    const queries = projects.flatMap((project) => urls.map((index) => ({ project, index })));
    const pages = await downloads.pages(interpreter, queries.map(({ project, index }) => (0,logic_listing/* pageUrl */.fi)(index, project)), pip);
    const answers = queries.map((each, index) => ({ ...each, answer: (0,logic_listing/* readPage */.SP)(pages[index]) }));
    for (const file of files) {
        const own = answers.filter(({ project }) => project === file.name);
        const entries = own.flatMap(({ answer }) => (answer.state === 'listed' ? answer.files : []));
        const listing = (0,logic_listing/* listingOf */.K7)(file, entries);
        if (listing.state === 'listed')
            continue;
        if (listing.state === 'unhashed') {
            const digests = await downloads.digests(interpreter, listing.urls, pip);
            if (digests.includes(file.sha256))
                continue;
        }
        for (const { index, answer } of own) {
            if (answer.state === 'refused' || answer.state === 'unreadable') {
                throw new errors/* UserError */.yo((0,logic_listing/* unreadableMessage */.Pr)((0,secrets/* withoutSecrets */.cT)(index), file.name, answer, purpose));
            }
        }
        throw new errors/* UserError */.yo((0,logic_listing/* listingMessage */.EI)(file, listing, urls.map(secrets/* withoutSecrets */.cT), purpose));
    }
}
/**
 * Returns a new directory that contains the files of an order and nothing else.
 * @throws UserError with pip's last words and one sentence of advice
 */
async function download({ interpreter, noDeps, pip, workplace }, { wheelhouses, python, downloads }, { target, role, files }) {
    const directory = await wheelhouses.stage(workplace);
    const scratch = await wheelhouses.stage(workplace);
    const requestFile = external_node_path_.join(scratch, 'request.txt');
    const constraintsFile = external_node_path_.join(scratch, 'constraints.txt');
    const { request, constraints } = files(constraintsFile);
    await wheelhouses.write(requestFile, request.text);
    await wheelhouses.write(constraintsFile, constraints.text);
    const generated = new Map([
        [requestFile, request],
        [constraintsFile, constraints],
    ]);
    const args = downloadArgs({
        target,
        directory,
        requestFile,
        noDeps: noDeps && role === 'runtime',
    });
    const options = { ...pip, rewrite: (line) => withUserSources(line, generated) };
    const { exitCode, output } = target.markers === undefined
        ? await python.pip(interpreter, args, options)
        : await downloads.pip(interpreter, target.markers, args, options);
    if (exitCode === 0)
        return directory;
    throw new errors/* UserError */.yo(`pip could not download the packages for ${target.name}. ${(0,pip_output/* adviceFor */.cp)(output)}\n${(0,pip_output/* errorExcerpt */.MS)(output)}`);
}

;// CONCATENATED MODULE: ./lib/collect/logic/targets.js
/** The machines that packages are collected for: platform tags, markers and pip's options. */

/**
 * Returns the requested targets: every platform with every Python version.
 * @throws UserError for an invalid platform or version
 */
function targetsOf(platforms, pythonVersions, interpreter) {
    if (platforms.length + pythonVersions.length === 0) {
        const name = `Python ${interpreter.series} on ${interpreter.platform}`;
        return [{ name, options: [], markers: undefined }];
    }
    for (const version of pythonVersions) {
        if (!/^3\.\d+(\.\d+)?$/.test(version)) {
            throw new errors/* UserError */.yo(`The input python-versions contains "${version}"; expected versions of CPython such as 3.12, one per line.`);
        }
    }
    const versions = pythonVersions.length > 0 ? pythonVersions : [interpreter.version];
    return (platforms.length > 0 ? platforms : [undefined]).flatMap((platform) => versions.map((version) => ({
        name: `Python ${pythonVersions.length > 0 ? version : interpreter.series} on ${platform ?? interpreter.platform}`,
        options: [
            '--implementation=cp',
            `--python-version=${version.split('.').slice(0, 3).join('.')}`,
            ...(platform === undefined ? [] : platformTags(platform).map((tag) => `--platform=${tag}`)),
        ],
        markers: {
            ...versionMarkers(version),
            ...(platform === undefined ? {} : platformMarkers(platform)),
        },
    })));
}
/** The minor version of glibc 2 behind each old name of PEP 600. */
const oldManylinux = [
    ['manylinux2014', 17],
    ['manylinux2010', 12],
    ['manylinux1', 5],
];
/**
 * Returns all platform tags whose wheels run on a platform. pip's `--platform` takes
 * `manylinux_2_28_x86_64` literally, although wheels for every older glibc run there too (PEP 600;
 * PEP 656 for musl).
 */
function platformTags(platform) {
    const linux = /^(manylinux|musllinux)_(\d+)_(\d+)_(\w+)$/.exec(platform);
    if (linux === null)
        return [platform];
    const [, family = '', major = '', minor = '', arch = ''] = linux;
    const oldest = family === 'manylinux' ? 5 : 0;
    const tags = [];
    for (let each = Number(minor); each >= oldest; each -= 1) {
        tags.push(`${family}_${major}_${each}_${arch}`);
        const old = oldManylinux.find(([, glibc]) => family === 'manylinux' && glibc === each);
        if (old !== undefined && major === '2')
            tags.push(`${old[0]}_${arch}`);
    }
    return tags.length > 0 ? tags : [platform];
}
/** Values of the marker variables (PEP 508) that depend on the Python version. */
function versionMarkers(version) {
    const full = /^3\.\d+$/.test(version) ? `${version}.0` : version;
    return {
        implementation_name: 'cpython',
        implementation_version: full,
        platform_python_implementation: 'CPython',
        python_full_version: full,
        python_version: full.split('.').slice(0, 2).join('.'),
    };
}
/**
 * Values of the marker variables (PEP 508) that depend on the platform.
 * @throws UserError for a tag of an unknown system
 */
function platformMarkers(platform) {
    const known = [
        [
            /^(?:manylinux(?:1|2010|2014|_\d+_\d+)|musllinux_\d+_\d+|linux)_(\w+)$/,
            { os_name: 'posix', sys_platform: 'linux', platform_system: 'Linux' },
        ],
        [
            /^macosx_\d+_\d+_(\w+)$/,
            { os_name: 'posix', sys_platform: 'darwin', platform_system: 'Darwin' },
        ],
        [/^win_?(\w+)$/, { os_name: 'nt', sys_platform: 'win32', platform_system: 'Windows' }],
    ];
    for (const [form, system] of known) {
        const machine = form.exec(platform)?.[1];
        if (machine !== undefined) {
            return { ...system, platform_machine: machines[platform] ?? machines[machine] ?? machine };
        }
    }
    throw new errors/* UserError */.yo(`The input platforms contains "${platform}"; expected platform tags such as manylinux_2_28_x86_64, musllinux_1_2_aarch64, macosx_11_0_arm64 or win_amd64, one per line.`);
}
/** `platform.machine()` where its spelling differs from the tag, or the tag means several. */
const machines = {
    win_amd64: 'AMD64',
    win_arm64: 'ARM64',
    win32: 'x86',
    universal2: 'arm64',
};

// EXTERNAL MODULE: ./lib/logic/paths.js
var paths = __nccwpck_require__(4470);
;// CONCATENATED MODULE: ./lib/logic/pip-settings.js
/**
 * pip's settings for a run: its configuration files, its environment variables, the index inputs
 * and the option lines of requirement files, merged as pip merges them.
 */


/**
 * The settings without requirement files.
 * @param index the inputs that name indexes; each replaces the setting of its name
 */
function pip_settings_pipSettings({ pipConfig }, index) {
    return settingsOf(new Map([
        ...pip_settings_effectiveSettings(pipConfig),
        ...(index.url === undefined ? [] : [['index-url', index.url]]),
        ...(index.extra.length === 0 ? [] : [['extra-index-url', index.extra.join(' ')]]),
    ]), []);
}
/** The same settings with the option lines of requirement files. */
function withOptionLines({ configured }, lines) {
    return settingsOf(configured, lines);
}
function settingsOf(configured, lines) {
    const given = (name) => lines.flatMap((line) => (line.kind === 'option' && line.name === name ? [line.value] : []));
    return {
        configured,
        flag: (name) => given(name).length > 0 || isYes(configured.get(name)),
        text: (name) => given(name).at(-1) ?? configured.get(name),
        words: (name) => [...pip_settings_wordsOf(configured.get(name)), ...given(name)],
    };
}
/** The words of one setting: pip splits configured values of repeatable options at white space. */
function pip_settings_wordsOf(value) {
    return (value ?? '').split(/\s+/).filter((word) => word !== '');
}
/** Whether a value is a yes to pip, which rejects values that are neither yes nor no. */
function isYes(value) {
    return value !== undefined && !/^(?:0|n|no|f|false|off)$/i.test(value);
}
/**
 * Values by long option name. The environment overrides the sections, which override `[global]`, as
 * in pip; `[install]` overrides `[wheel]`, since for the user this is an installation.
 * @param pipConfig value by `section.option`, with `:env:` as the section of variables
 */
function pip_settings_effectiveSettings(pipConfig) {
    const rank = (section) => ['global', 'wheel', 'install', ':env:'].indexOf(section);
    const settings = new Map();
    for (const [key, value] of Object.entries(pipConfig)) {
        const dot = key.indexOf('.');
        const own = rank(key.slice(0, dot));
        const name = key.slice(dot + 1).replaceAll('_', '-');
        // pip ignores empty values.
        if (own < 0 || value === '' || (settings.get(name)?.rank ?? -1) > own)
            continue;
        settings.set(name, { value, rank: own });
    }
    return new Map([...settings].map(([name, { value }]) => [name, value]));
}
/** The first pip with a setting that limits which files it chooses. */
const since = {
    'build-constraint': [25, 3],
    'all-releases': [26, 0],
    'only-final': [26, 0],
    'uploaded-prior-to': [26, 0],
};
/**
 * pip ignores variables and configuration for options that it does not have, so a limit would have
 * no effect.
 * @throws UserError for a limit that this pip ignores
 */
function refuseIgnoredSettings({ configured }, pip) {
    for (const [name, version] of Object.entries(since)) {
        if (configured.has(name) && (0,logic_names/* isOlderPip */.Ui)(pip, version)) {
            const instead = name === 'uploaded-prior-to'
                ? ' The input minimum-release-age works with older pips too.'
                : '';
            throw new errors/* UserError */.yo(`pip is configured with ${name}, which pip ${pip} ignores. Upgrade pip to ${version.join('.')} or newer before this step, or remove the setting.${instead}`);
        }
    }
}
/**
 * @param settings with the option lines of requirement files
 * @throws UserError for a setting of pip under which the minimum would have no effect, or another one
 */
function refuseReleaseAgeConflicts(age, settings) {
    if (age === undefined)
        return;
    if (settings.text('uploaded-prior-to') !== undefined) {
        throw new errors/* UserError */.yo('The input minimum-release-age is set, and pip is configured with uploaded-prior-to (PIP_UPLOADED_PRIOR_TO). Remove one of them.');
    }
    if (settings.flag('no-index')) {
        throw new errors/* UserError */.yo('The input minimum-release-age is set, but pip uses no index (no-index is set), and files of find-links have no upload times. Remove one of the two settings.');
    }
}
/**
 * Whether pip builds in isolated environments. In the configuration, `no-build-isolation` means the
 * opposite of its name: a yes keeps isolation on (seen on pip 22.2 and 26.3).
 */
function isolatesBuilds(settings) {
    const value = settings.configured.get('no-build-isolation');
    return value === undefined || isYes(value);
}
/** Whether the user allows pip to install into a Python that the system manages (PEP 668). */
function pip_settings_breaksSystemPackages({ pipConfig }) {
    return isYes(pip_settings_effectiveSettings(pipConfig).get('break-system-packages'));
}
/** @returns path of the certificates that pip trusts; undefined for its own */
function certificatesOf(settings, environment) {
    return (settings.text('cert') ?? environment['REQUESTS_CA_BUNDLE']) || undefined;
}

// EXTERNAL MODULE: ./lib/logic/release-age.js
var release_age = __nccwpck_require__(761);
;// CONCATENATED MODULE: ./lib/interpreter.js
/** Finds or makes the interpreter that packages are installed into. */








/** The first pip with `install --report`, which lists the closure. */
const oldestPip = [22, 2];
/**
 * Finds the interpreter, or the base Python of a virtual environment that is still to be made.
 * @throws UserError when it can't be used, with what to do; so does `makeVenv`
 */
async function prepareInterpreter(request, world) {
    const interpreter = await world.python.probe(request);
    const venv = venvToMake(request, interpreter);
    if (venv === undefined) {
        return { interpreter: checkTarget(request, interpreter), makeVenv: undefined };
    }
    const makeVenv = async () => checkTarget(request, await virtualEnvironment(request, world, interpreter, venv));
    // Only an environment with a pip can tell how pip is configured.
    return interpreter.pip === undefined
        ? { interpreter: await makeVenv(), makeVenv: undefined }
        : { interpreter, makeVenv };
}
/**
 * Returns the directory of the virtual environment that a run makes from the interpreter, or
 * undefined when it installs into the interpreter itself.
 */
function venvToMake({ venv }, { executable }) {
    return venv !== undefined && isWithin(venv, executable) ? undefined : venv;
}
async function virtualEnvironment(request, { python, reporter, wheelhouses }, base, directory) {
    const made = await python.createVenv(base, request, directory);
    reporter.info(`Created the virtual environment ${directory}.`);
    if (made.pip === undefined || !isOlderPip(made.pip, oldestPip))
        return made;
    const indexes = indexesOf(request, made, pipSettings(made, request.index));
    const index = indexes ? indexVariables(indexes, indexes.authoritative) : {};
    const pinned = path.join(request.temporary, 'wheelhouse-tools', 'pip.txt');
    // A pip this old can't leave out young versions of itself.
    if (request.releaseAge !== undefined)
        await wheelhouses.write(pinned, fetchedPip.requirements);
    const newer = request.releaseAge === undefined ? ['--upgrade', 'pip'] : ['-r', pinned];
    await python.pip(made, ['install', '--no-input', ...newer], {
        cwd: request.workingDirectory,
        env: fillEnvironment(request.environment, made.pipConfig, index, made.keyring),
    });
    return python.probe(request);
}
/**
 * @returns the interpreter
 * @throws UserError when packages can't be installed into it
 */
function checkTarget(request, interpreter) {
    checkPip(interpreter, ', or set the input venv');
    const { executable, version } = interpreter;
    if (request.install && interpreter.externallyManaged && !breaksSystemPackages(interpreter)) {
        throw new UserError(`Python ${version} at ${executable} is managed by the system, which does not allow pip to install into it (PEP 668). Set the input venv, for example "venv: .venv", or run actions/setup-python before this step.`);
    }
    return interpreter;
}
/**
 * @param otherwise an alternative to installing pip, as the end of a sentence
 * @throws UserError when the interpreter has no pip, or one older than the oldest supported
 */
function checkPip(interpreter, otherwise = ' before this step') {
    const { pip, executable, version } = interpreter;
    if (pip === undefined) {
        throw new errors/* UserError */.yo(`Python ${version} at ${executable} has no pip. Run "${executable} -m ensurepip"${otherwise}.`);
    }
    if ((0,logic_names/* isOlderPip */.Ui)(pip, oldestPip)) {
        throw new errors/* UserError */.yo(`pip ${pip} of ${executable} is too old; ${oldestPip.join('.')} or newer is required. Run "${executable} -m pip install --upgrade pip" before this step.`);
    }
    return interpreter;
}

;// CONCATENATED MODULE: ./lib/logic/lock-files.js
/** The kinds of lock files, by their names. */
const toolLocks = {
    'uv.lock': 'uv',
    'poetry.lock': 'poetry',
    'pdm.lock': 'pdm',
    'Pipfile.lock': 'pipenv',
};
/** Returns the tool that a lock belongs to, by the lock's path. */
function lockToolOf(file) {
    const name = file.slice(file.lastIndexOf('/') + 1);
    return Object.hasOwn(toolLocks, name) ? toolLocks[name] : undefined;
}
/** Whether a path names a lock in the standard form (PEP 751): `pylock.toml` or `pylock.NAME.toml`. */
function isPylock(file) {
    return /(?:^|\/)pylock(?:\.[^./]+)?\.toml$/.test(file);
}
/** Whether a path names a lock of any kind. */
function isLock(file) {
    return isPylock(file) || lockToolOf(file) !== undefined;
}

// EXTERNAL MODULE: ./lib/logic/schema.js
var schema = __nccwpck_require__(3227);
;// CONCATENATED MODULE: ./lib/logic/pylock-tables.js
/**
 * The tables of a pylock.toml: https://packaging.python.org/specifications/pylock-toml/
 *
 * A lock becomes lines of a requirement file. Anybody may have written it, so no text of it may
 * become another line, an option or a variable of such a file: everything that goes into a line
 * passes a schema that excludes this.
 */



const pylock_tables_projectName = (0,schema/* lineOf */.cA)('a normalized project name', logic_names/* isNormalizedName */.HG);
const strict = { legacyVersions: false, isNewer: false };
const version = (0,schema/* lineOf */.cA)('a version', isVersion);
/** Whether a text is a valid version (PEP 440). */
function isVersion(text) {
    return /^[A-Za-z0-9.!+_-]+$/.test(text) && specifierClauses(`==${text}`, strict)?.length === 1;
}
/** A version specifier for Python, as a marker; undefined when it allows every version. */
const pythonBound = (value, name) => {
    const clauses = specifierClauses((0,schema/* string */.Yj)(value, name), strict)?.map((clause) => /^([~=!<>]+)([A-Za-z0-9.*!+_-]+)$/.exec(clause));
    if (clauses === undefined || clauses.includes(null)) {
        throw new schema/* SchemaError */.Ar(`"${name}" must be a version specifier such as >=3.10`);
    }
    const marker = clauses.map((clause) => `python_full_version ${clause?.[1]} "${clause?.[2]}"`);
    return marker.length === 0 ? undefined : marker.join(' and ');
};
/** The variables of a marker that pip compares as versions; others know neither `~=` nor `===`. */
const versionVariables = ['python_version', 'python_full_version', 'implementation_version'];
/** Why pip could not evaluate a comparison, or would read more into its string than a string. */
function comparisonFault({ left, operator, right }) {
    if (left.isVariable === right.isVariable)
        return 'a comparison needs a variable and a string';
    const [variable, { value }] = left.isVariable ? [left.value, right] : [right.value, left];
    // A dash after a space starts an option, a # a comment; pip also expands variables in strings.
    if (!/^[ -~]*$/.test(value) || /[\\$]| [-#]/.test(value)) {
        return 'a string has characters that are not allowed there';
    }
    if (variable === 'extras' || variable === 'dependency_groups') {
        return right.isVariable && /in$/.test(operator)
            ? undefined
            : `"${variable}" can only be used as in: "name" in ${variable}`;
    }
    if (variable === 'extra') {
        return /^[!=]=$/.test(operator) ? undefined : `"extra" can only be compared with == and !=`;
    }
    if (operator !== '~=' && operator !== '===')
        return undefined;
    return left.isVariable &&
        versionVariables.includes(variable) &&
        specifierClauses(`${operator}${value}`, strict)?.length === 1
        ? undefined
        : `"${operator}" can only compare a Python version with a version`;
}
const marker = (value, name) => {
    const parsed = parseMarker((0,schema/* line */.n8)(value, name), strict);
    let fault = 'fault' in parsed ? parsed.fault : undefined;
    if ('marker' in parsed) {
        decideMarker(parsed.marker, (comparison) => {
            fault ??= comparisonFault(comparison);
            return undefined;
        });
        if (fault === undefined)
            return parsed.marker;
    }
    throw new schema/* SchemaError */.Ar(`"${name}" must be an environment marker, but ${fault}`);
};
const setVariables = ['extra', 'extras', 'dependency_groups'];
/** Whether a comparison depends on the selection. */
function usesSelection({ left, right }) {
    return [left, right].some((each) => each.isVariable && setVariables.includes(each.value));
}
/** A marker that depends on nothing but the environment. */
const environmentMarker = (value, name) => {
    const parsed = marker(value, name);
    decideMarker(parsed, (comparison) => {
        if (!usesSelection(comparison))
            return undefined;
        throw new schema/* SchemaError */.Ar(`"${name}" must not depend on extras and groups`);
    });
    return formatMarker(parsed);
};
const pylock_tables_digest = (length) => (0,schema/* lineOf */.cA)(`${length} hexadecimal digits`, (text) => text.length === length && /^[0-9a-f]*$/i.test(text));
const digests = (0,schema/* object */.Ik)({
    sha256: (0,schema/* optional */.lq)(pylock_tables_digest(64)),
    sha384: (0,schema/* optional */.lq)(pylock_tables_digest(96)),
    sha512: (0,schema/* optional */.lq)(pylock_tables_digest(128)),
}, 'a table');
/** The hash that pip checks, of a table of hashes. */
const hash = (value, name) => {
    const [first] = Object.entries(digests(value, name));
    if (first !== undefined)
        return `${first[0]}:${first[1].toLowerCase()}`;
    throw new schema/* SchemaError */.Ar(`"${name}" must have a sha256, sha384 or sha512, as pip accepts no others`);
};
/** A URL whose text can't end early in a requirement file. */
const url = (...schemes) => {
    const form = `a URL that starts with ${schemes.map((each) => `${each}://`).join(' or ')}`;
    return (value, name) => {
        const text = (0,schema/* line */.n8)(value, name);
        const parsed = URL.canParse(text) ? new URL(text) : undefined;
        if (parsed === undefined ||
            !schemes.some((scheme) => parsed.href.startsWith(`${scheme}://`)) ||
            !/^[\w.~:/?#[\]@!$&'()*+,;=%-]*$/.test(parsed.href)) {
            throw new schema/* SchemaError */.Ar(`"${name}" must be ${form}`);
        }
        return parsed;
    };
};
/** A path with `/`, whose text can't become an option, a comment or a variable. */
const localPath = (value, name) => {
    const text = (0,schema/* line */.n8)(value, name).replaceAll('\\', '/');
    if (isPlainPath(text))
        return text;
    throw new schema/* SchemaError */.Ar(`"${name}" must be a path that can be part of a requirement line`);
};
/** Whether a path can be a part of a requirement line. */
function isPlainPath(text) {
    return text === text.trim() && !/[^\S ]|[;"]|\$\{| [-#]|\]$/.test(text);
}
const subdirectory = (0,schema/* lineOf */.cA)('a path below the directory of the project', (text) => /^[\w./+-]+$/.test(text) && !text.startsWith('/') && !text.split('/').includes('..'));
const fileSchema = (0,schema/* object */.Ik)({
    name: (0,schema/* optional */.lq)(schema/* line */.n8),
    url: (0,schema/* optional */.lq)(url('https', 'http', 'file')),
    path: (0,schema/* optional */.lq)(localPath),
    hashes: hash,
}, 'a table');
const packageTable = (0,schema/* object */.Ik)({
    name: pylock_tables_projectName,
    version: (0,schema/* optional */.lq)(version),
    marker: (0,schema/* optional */.lq)(marker),
    'requires-python': (0,schema/* optional */.lq)(pythonBound),
    vcs: (0,schema/* optional */.lq)((0,schema/* object */.Ik)({
        type: (0,schema/* oneOf */.yL)('git', 'hg', 'svn', 'bzr'),
        url: (0,schema/* optional */.lq)(url('https', 'http', 'ssh', 'git')),
        path: (0,schema/* optional */.lq)(schema/* string */.Yj),
        'commit-id': (0,schema/* lineOf */.cA)('a full commit hash or a revision', (text) => /^[0-9A-Za-z][0-9A-Za-z._-]*$/.test(text)),
        subdirectory: (0,schema/* optional */.lq)(subdirectory),
    }, 'a table')),
    directory: (0,schema/* optional */.lq)((0,schema/* object */.Ik)({
        path: localPath,
        editable: (0,schema/* optional */.lq)((0,schema/* satisfying */.uT)('true or false', (value) => typeof value === 'boolean')),
        subdirectory: (0,schema/* optional */.lq)(subdirectory),
    }, 'a table')),
    archive: (0,schema/* optional */.lq)((0,schema/* object */.Ik)({
        url: (0,schema/* optional */.lq)(url('https', 'http', 'file')),
        path: (0,schema/* optional */.lq)(localPath),
        hashes: hash,
        subdirectory: (0,schema/* optional */.lq)(subdirectory),
    }, 'a table')),
    sdist: (0,schema/* optional */.lq)(fileSchema),
    wheels: (0,schema/* optional */.lq)((0,schema/* list */.p_)(fileSchema)),
}, 'a table');
const anything = (value) => value;
/** A whole lock; its packages are validated one by one, so that errors can name them. */
const lockTable = (0,schema/* object */.Ik)({
    'lock-version': (0,schema/* lineOf */.cA)('a supported version, such as "1.0"', (text) => /^1(?:\.[0-9]+)*$/.test(text)),
    'created-by': schema/* string */.Yj,
    environments: (0,schema/* optional */.lq)((0,schema/* list */.p_)(environmentMarker)),
    'requires-python': (0,schema/* optional */.lq)(pythonBound),
    extras: (0,schema/* optional */.lq)((0,schema/* list */.p_)(schema/* line */.n8)),
    'dependency-groups': (0,schema/* optional */.lq)((0,schema/* list */.p_)(schema/* line */.n8)),
    'default-groups': (0,schema/* optional */.lq)((0,schema/* list */.p_)(schema/* line */.n8)),
    packages: (0,schema/* list */.p_)(anything),
});

// EXTERNAL MODULE: ./lib/logic/toml.js + 9 modules
var toml = __nccwpck_require__(3618);
;// CONCATENATED MODULE: ./lib/logic/pylock.js
/** Reads lock files in the standard format, pylock.toml (PEP 751), into lines of a requirement file. */









/**
 * Reads a lock.
 * @param shown its name in messages
 * @param directory the lock's directory, absolute or relative to where pip runs, with `/`: its
 *   relative paths start there
 * @throws UserError that names the table: invalid TOML, an invalid or unsupported table, or a
 *   selected extra or group that the lock lacks
 */
function readLock(text, shown, selection, directory = '.') {
    const within = (place, read) => {
        try {
            return read();
        }
        catch (error) {
            if (!(error instanceof schema/* SchemaError */.Ar))
                throw error;
            throw new errors/* UserError */.yo(`${shown} is not a valid lock: ${place}${error.message}. Fix it, or create the lock again.`, { file: shown });
        }
    };
    const content = (0,toml/* parseToml */.MT)(text, shown);
    const lock = within('', () => lockTable(content, ''));
    const defaults = lock['default-groups'] ?? [];
    const groups = [...(lock['dependency-groups'] ?? []), ...defaults];
    const decide = decision({
        extras: chosen(selection.extras, lock.extras ?? [], `${shown} has no extra`),
        groups: new Set([
            ...defaults.map(logic_names/* normalizeName */.Pc),
            ...chosen(selection.groups, groups, `${shown} has no dependency group`),
        ]),
    });
    const packages = lock.packages.flatMap((value, index) => {
        const table = tableName(value, index);
        return within(`${table}: `, () => {
            const own = packageTable(value, '');
            const source = sourceOf(own, directory);
            const marker = own.marker === undefined || decideMarker(own.marker, decide);
            if (marker === false)
                return [];
            return [
                {
                    ...lineOfSource(own.name, source, marker === true ? undefined : formatMarker(marker)),
                    requiresPython: own['requires-python'],
                    table,
                },
            ];
        });
    });
    return {
        packages,
        environments: lock.environments ?? [],
        requiresPython: lock['requires-python'],
    };
}
/** @throws UserError for a name that the lock lacks */
function chosen(asked, known, fault) {
    const names = new Set(known.map(logic_names/* normalizeName */.Pc));
    const unknown = asked.find((name) => !names.has((0,logic_names/* normalizeName */.Pc)(name)));
    if (unknown === undefined)
        return new Set(asked.map(logic_names/* normalizeName */.Pc));
    throw new errors/* UserError */.yo(`${fault} "${unknown}". It has: ${[...names].join(', ') || 'none'}.`);
}
/** Decides the comparisons with the extras and groups. */
function decision(selected) {
    return (comparison) => {
        if (!usesSelection(comparison))
            return undefined;
        const { left, operator, right } = comparison;
        const [variable, name] = left.isVariable ? [left, right] : [right, left];
        const set = variable.value === 'dependency_groups' ? selected.groups : selected.extras;
        return set.has((0,logic_names/* normalizeName */.Pc)(name.value)) === (operator === 'in' || operator === '==');
    };
}
function tableName(value, index) {
    const { name } = (value ?? {});
    const isName = typeof name === 'string' && /^[A-Za-z0-9._-]{1,100}$/.test(name);
    return isName ? `packages[${index}] (${name})` : `packages[${index}]`;
}
function lineOfSource(name, source, marker) {
    const end = (hashes) => [
        marker === undefined ? '' : ` ; ${marker}`,
        ...hashes.map((hash) => (hash === undefined ? '' : ` --hash=${hash}`)),
    ].join('');
    if ('files' in source) {
        const { version, files } = source;
        const hashes = new Set(files.map((file) => file.hash));
        return { name, text: `${name}==${version}${end([...hashes])}`, marker, files, path: undefined };
    }
    const text = 'url' in source
        ? `${name} @ ${source.url.replaceAll(';', '%3B')}${end([source.hash])}`
        : source.isEditable
            ? `-e ${/^[\w./:@+-]+$/.test(source.path) ? source.path : quoted(source.path)}`
            : `${source.path}${end([source.hash])}`;
    return { name, text, marker, files: [], path: source.path };
}
/** @throws SchemaError for no source, several sources, or an invalid or unsupported one */
function sourceOf(own, directory) {
    const { vcs, directory: project, archive, sdist, wheels = [] } = own;
    const given = Object.entries({ vcs, directory: project, archive }).flatMap(([key, value]) => value === undefined ? [] : [key]);
    if (wheels.length > 0)
        given.push('wheels');
    else if (sdist !== undefined)
        given.push('sdist');
    if (given.length === 0)
        throw new schema/* SchemaError */.Ar('it has no wheels and no other source');
    if (given.length > 1)
        throw new schema/* SchemaError */.Ar(`it has two sources, ${given[0]} and ${given[1]}`);
    if (vcs !== undefined)
        return vcsSource(vcs);
    if (project !== undefined) {
        const place = external_node_path_.posix.join(project.path, project.subdirectory ?? '');
        const isEditable = project.editable ?? false;
        return { path: located(place, 'directory.path', directory), hash: undefined, isEditable };
    }
    if (archive !== undefined)
        return archiveSource(archive, 'archive', directory);
    return filesSource(own, directory);
}
function vcsSource({ type, url, 'commit-id': commit, subdirectory, }) {
    if (url === undefined)
        throw new schema/* SchemaError */.Ar('"vcs" must have a url; a path is not supported');
    if (type === 'git' && !/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i.test(commit)) {
        throw new schema/* SchemaError */.Ar('"vcs.commit-id" must be a full commit hash');
    }
    const address = `${type}+${withoutFragment(url, 'vcs.url')}@${commit}`;
    return { url: withSubdirectory(address, subdirectory), hash: undefined, path: undefined };
}
function archiveSource(table, name, directory) {
    const { url, path: given, hashes: hash, subdirectory } = table;
    if (given !== undefined) {
        if (subdirectory !== undefined) {
            throw new schema/* SchemaError */.Ar(`"${name}" has a path and a subdirectory, which is not supported`);
        }
        return { path: located(given, `${name}.path`, directory), hash, isEditable: false };
    }
    if (url === undefined)
        throw new schema/* SchemaError */.Ar(`"${name}" must have a url or a path`);
    const address = withSubdirectory(withoutFragment(url, `${name}.url`), subdirectory);
    const isFile = url.protocol === 'file:';
    return { url: address, hash, path: isFile ? pathOfUrl(url, `${name}.url`) : undefined };
}
/** A fragment could name another subdirectory or extras. */
function withoutFragment({ href }, name) {
    if (!href.includes('#'))
        return href;
    throw new schema/* SchemaError */.Ar(`"${name}" must not have a fragment`);
}
function withSubdirectory(url, subdirectory) {
    return subdirectory === undefined ? url : `${url}#subdirectory=${subdirectory}`;
}
function filesSource({ name, version, sdist, wheels = [] }, directory) {
    const tables = [
        ...wheels.map((wheel, index) => [`wheels[${index}]`, wheel]),
        ...(sdist === undefined ? [] : [['sdist', sdist]]),
    ];
    let common = version;
    const files = tables.map(([key, table]) => {
        const file = lockedFile(table, key, directory);
        const own = (0,logic_names/* isDistributionName */.I1)(file.name) ? (0,logic_names/* versionInFileName */.Nc)(file.name, name) : undefined;
        const isWheel = key !== 'sdist';
        const isNamed = own !== undefined && (0,logic_names/* isWheelFileName */.jh)(file.name) === isWheel;
        if (!isNamed || (common === undefined && !isVersion(own))) {
            if (!isWheel && wheels.length === 0)
                return undefined;
            throw new schema/* SchemaError */.Ar(`"${key}" must be ${isWheel ? 'a wheel' : 'an sdist'} of ${name}`);
        }
        common ??= own;
        if ((0,logic_names/* sameVersion */.r1)(own, common))
            return file;
        throw new schema/* SchemaError */.Ar(`"${key}" is not version ${common}`);
    });
    const named = files.filter((file) => file !== undefined);
    if (common !== undefined && named.length === files.length) {
        return { version: common, files: named };
    }
    // An index could not tell the version of such an sdist either.
    const [[key, table] = []] = tables;
    if (key === undefined || table === undefined)
        throw new schema/* SchemaError */.Ar('it has no files');
    return archiveSource(table, key, directory);
}
function lockedFile(table, key, directory) {
    const { url, path: given, hashes: hash } = table;
    if (url === undefined && given === undefined) {
        throw new schema/* SchemaError */.Ar(`"${key}" must have a url or a path`);
    }
    const local = given !== undefined
        ? located(given, `${key}.path`, directory)
        : url?.protocol === 'file:'
            ? pathOfUrl(url, `${key}.url`)
            : undefined;
    const [address = ''] = (url?.href ?? '').split('#');
    const location = local ?? address;
    const name = table.name ?? external_node_path_.posix.basename(local ?? decoded(url?.pathname ?? ''));
    return { name, location, isPath: local !== undefined, hash };
}
function decoded(text) {
    try {
        return decodeURIComponent(text);
    }
    catch {
        return text;
    }
}
/** @returns an absolute path as it is, another one relative to where pip runs */
function located(given, name, directory) {
    const isAbsolute = /^(?:[A-Za-z]:)?\//.test(given);
    const joined = external_node_path_.posix.join(isAbsolute ? '' : directory, given).replace(/(?<=[^/])\/$/, '');
    if (!isPlainPath(joined)) {
        throw new schema/* SchemaError */.Ar(`"${name}" is below a directory whose name pip can't read`);
    }
    return /^(?:[A-Za-z]:)?\/|^\.\.?(?:\/|$)/.test(joined) ? joined : `./${joined}`;
}
function pathOfUrl(url, name) {
    try {
        const source = { file: '', line: undefined };
        return located(fileOfUrl(url.href, source).replaceAll('\\', '/'), name, '.');
    }
    catch {
        throw new schema/* SchemaError */.Ar(`"${name}" must be a path on this machine`);
    }
}

;// CONCATENATED MODULE: ./lib/locks.js
/** Reads the lock files of a request: what they list for the chosen interpreter, and nothing else. */




/**
 * Reads locks in the standard format, and those of uv, Poetry, PDM and pipenv.
 * @param tools that read locks which are not in the standard format
 * @throws UserError when a lock can't be read or is not for the interpreter, with its table
 */
async function readLocks(files, request, interpreter, world, tools) {
    const locks = files.map(async (file) => {
        const lock = await readAny(file, request, world, tools);
        return applicablePart(lock, file, request, interpreter, world);
    });
    const read = await Promise.all(locks);
    return {
        lines: read.flatMap(({ lines }) => lines),
        links: read.flatMap(({ links }) => links),
        uv: read.find(({ uv }) => uv !== undefined)?.uv,
    };
}
async function readAny(file, { workingDirectory, extras, groups }, { sources }, tools) {
    const { location, shown } = file;
    const tool = lockToolOf(external_node_path_.basename(location));
    if (tool !== undefined) {
        if (tools !== undefined)
            return tools.exportLock(file);
        throw new errors/* UserError */.yo(`${shown} can't be used here. Export a requirement file from it with ${tool}.`, { file: shown });
    }
    const relative = external_node_path_.relative(workingDirectory, external_node_path_.dirname(location)) || '.';
    const directory = relative.split(external_node_path_.sep).join('/');
    return readLock(await sources.read(location), shown, { extras, groups }, directory);
}
async function applicablePart(lock, { location, shown }, request, interpreter, { python }) {
    const applies = await python.applies(interpreter, markersOf(lock));
    const isTrue = (marker) => marker === undefined || applies.get(marker) !== false;
    const { environments, requiresPython } = lock;
    const refusal = (reason) => new errors/* UserError */.yo(`${shown} is not for Python ${interpreter.version} on ${interpreter.os} ${interpreter.arch}: ${reason}. Lock again for this environment, or use another Python.`, { file: shown });
    if (!isTrue(requiresPython))
        throw refusal(`it requires ${requiresPython}`);
    if (environments.length > 0 && !environments.some(isTrue)) {
        throw refusal(`its environments are ${environments.join('; ')}`);
    }
    const packages = lock.packages.filter(({ marker }) => isTrue(marker));
    const tables = new Map();
    for (const { name, requiresPython: needed, table, files } of packages) {
        if (!isTrue(needed))
            throw refusal(`${table} requires ${needed}`);
        // Exports, which name no files, may list a project again with extras.
        if (files.length === 0)
            continue;
        const other = tables.get(name);
        if (other !== undefined)
            throw refusal(`${other} and ${table} both apply`);
        tables.set(name, table);
    }
    const isNamed = (item) => item.path !== undefined &&
        namedProjects(request).has(external_node_path_.resolve(request.workingDirectory, item.path));
    // After -e pip reads no marker, so only packages that apply count.
    const chosen = lock.packages.filter((item) => !isNamed(item) && (item.path === undefined || isTrue(item.marker)));
    const texts = [...(lock.options ?? []), ...chosen.map(({ text }) => text)];
    return {
        lines: texts.map((text) => ({ text, source: { file: shown, line: undefined } })),
        links: packages.flatMap((item) => item.files),
        uv: lockToolOf(external_node_path_.basename(location)) === 'uv' ? lock.command : undefined,
    };
}
/** The local projects that inputs name; they are installed as the inputs say. */
function namedProjects({ projects, workingDirectory }) {
    const targets = projects.map((text) => text.replace(/\[[^[\]]*\]\s*$/, ''));
    return new Set(targets.map((target) => external_node_path_.resolve(workingDirectory, target)));
}
function markersOf({ packages, environments, requiresPython }) {
    const markers = packages.flatMap((item) => [item.marker ?? [], item.requiresPython ?? []].flat());
    return [...new Set([...markers, ...environments, ...[requiresPython ?? []].flat()])];
}

// EXTERNAL MODULE: ./lib/logic/digest.js
var logic_digest = __nccwpck_require__(9112);
;// CONCATENATED MODULE: ./lib/logic/key.js
/** The cache keys of a request. */








/** Changes when older entries must no longer be found. */
const generation = 'wheelhouse-v2';
/** Digits of the digests in a key that tell families of entries apart. */
const familyDigits = 8;
/** How often a damaged or outdated entry can be replaced until it is evicted. */
const maxRepairs = 3;
/** pip's settings that decide which files it chooses or how it builds them. */
const sourceSettings = (/* unused pure expression or super */ null && ([
    'index-url',
    'extra-index-url',
    'no-index',
    'find-links',
    'no-binary',
    'only-binary',
    'prefer-binary',
    'pre',
    'config-settings',
    'global-option',
    'build-option',
    'no-build-isolation',
    'use-pep517',
    'no-use-pep517',
    'use-feature',
    'use-deprecated',
    'uploaded-prior-to',
    'ignore-requires-python',
]));
/** pip's settings that decide which packages the lines require. */
const selectionSettings = (/* unused pure expression or super */ null && (['no-deps', 'require-hashes', 'only-final', 'all-releases']));
/**
 * The keys of a request.
 * @param settings pip's configuration: value by option name
 * @param options.now decides the period
 * @returns lower-case keys of at most 512 characters without commas, as GitHub's cache requires;
 *   restore keys never match another system, architecture, libc or Python, or other sources
 */
function key_keysOf(interpreter, requested, settings, options) {
    const sourceList = [
        ...sourceParts(requested, settings),
        ...releaseAgeParts(options.releaseAge),
        ...resolverParts(options.resolver),
    ];
    const sources = digest(sourceList);
    const lines = [
        ...new Set([
            ...requested.lines
                .filter((line) => !isSource(line))
                .map(canonical)
                .sort(),
            ...requested.projects.map((project) => `project ${project.digest}`).sort(),
            ...requested.extra.map((file) => `file ${file.digest}`).sort(),
            ...selectionSettings.flatMap((name) => settingPart(name, settings)),
            // A lock's packages are installed without others that they depend on.
            ...(requested.lock === undefined ? [] : ['lock']),
        ]),
    ];
    const request = digest([sources, ...lines]);
    const python = pythonTag(interpreter);
    const freshness = freshnessOf(requested, options);
    const suffix = options.suffix === '' ? [] : [options.suffix];
    const family = [
        generation,
        ...suffix,
        interpreter.os,
        interpreter.arch,
        interpreter.libc,
        python,
        sources.slice(0, familyDigits),
    ].map(keyPart);
    const set = [...family, digest(options.set).slice(0, familyDigits)];
    const short = request.slice(0, 40);
    return {
        primary: [...set, short, freshness].join('-'),
        restore: [[...set, short], set, family].map((parts) => [...parts, ''].join('-')),
        request,
        sources,
        parts: { sources: sourceList, lines },
        components: [
            ['system', `${interpreter.os} ${interpreter.arch}, ${interpreter.libc}`],
            ['python', `${interpreter.implementation} ${interpreter.version} (${python})`],
            ...(options.suffix === '' ? [] : [['suffix', options.suffix]]),
            ['sources', sourceList.join('; ') || "pip's default index"],
            ['set', options.set.join('; ')],
            ['request', short],
            ['freshness', freshness],
        ],
    };
}
/**
 * The period in a key. An entry of an earlier one serves as well, if nothing in it has changed: it is
 * found by its prefix, and not saved again. A set that turned out to contain a deleted wheel is saved
 * under the key of its period, and so found first from then on.
 */
function freshnessOf({ lines }, options) {
    const { refresh, recheck, now } = options;
    const isStable = refresh === 'never' || everyLineHashed(lines);
    if (!isStable)
        return period(refresh, now);
    if (recheck !== 'never')
        return period(recheck, now);
    return everyLineHashed(lines) ? 'pinned' : period('never', now);
}
/**
 * Which files, projects, groups and packages a request asks for: their names, as its inputs write
 * them, and not what is in them. Requests with the same set are versions of one another.
 * @returns texts without secrets, which do not depend on where the checkout is
 */
function key_setParts(request) {
    const { directory, workingDirectory } = request;
    const shown = (file) => path.relative(directory, path.resolve(workingDirectory, file)).split(path.sep).join('/') || '.';
    const parts = [
        ...request.requirements.map(shown),
        ...request.projects.map((text) => `project ${shown(text)}`),
        ...request.packages.map((text) => isPath(text) ? `project ${shown(text)}` : `package ${packageName(text)}`),
        ...request.groups.map((group) => `group ${group} in ${shown('.')}`),
        ...request.extras.map((extra) => `extra ${normalizeName(extra)}`),
        ...request.constraints.map((file) => `constraint ${shown(file)}`),
    ];
    return [...new Set(parts)].sort();
}
/** The project of an inline requirement, or the address of one that has no name. */
function packageName(text) {
    const name = /^\s*([A-Za-z0-9._-]+)\s*(?:[[(<>=!~;@,]|$)/.exec(text)?.[1];
    return name === undefined ? shownAddress(text) : normalizeName(name);
}
/** The interpreter of a wheelhouse: its wheels may not work with another one. */
function interpreterIdentity(interpreter) {
    return [
        interpreter.implementation,
        interpreter.series,
        interpreter.extensionSuffix,
        interpreter.platform,
        interpreter.arch,
        interpreter.libc,
        interpreter.freeThreaded ? 'free-threaded' : 'gil',
    ].join(' ');
}
/** `<key>`, `<key>-r1`, …: the keys for an entry and its replacements, since none can be overwritten. */
function generations(primary) {
    return [primary, ...Array.from({ length: maxRepairs }, (_, index) => `${primary}-r${index + 1}`)];
}
/**
 * The key of an entry for local projects whose builds need something else than the entry of the plain
 * key has: no file decided that, so it is only known after a build.
 * @param needs what they need, in any order
 */
function variantOf(primary, needs) {
    return `${primary}-d${digest(needs.toSorted()).slice(0, 8)}`;
}
/**
 * How a key from the service relates to the requested keys. A foreign one must not be used.
 */
function matchKind(matched, keys) {
    if (generations(keys.primary).includes(matched))
        return 'exact';
    // The key becomes an output, which workflows may put into a script.
    if (!/^[a-z0-9._-]+$/.test(matched))
        return 'foreign';
    return keys.restore.some((prefix) => matched.startsWith(prefix)) ? 'partial' : 'foreign';
}
/** `cp311`, `cp313t`, `cp315b1`; for other implementations with the ABI, which X.Y does not fix. */
function pythonTag(interpreter) {
    const digits = interpreter.series.replace(/\./, '').replace(/\./g, '');
    if (interpreter.implementation === 'cpython') {
        return `cp${digits}${interpreter.freeThreaded ? 't' : ''}`;
    }
    const abi = interpreter.extensionSuffix.replace(/^\.|\.(?:so|pyd)$/g, '');
    return `${interpreter.implementation}${digits}_${abi}`;
}
/** Replaces the characters that would end a component or that the service rejects. */
function keyPart(text) {
    return text.toLowerCase().replace(/[^a-z0-9._-]+/g, '_');
}
/** Whether a line decides where wheels come from or how they are built. */
function isSource(line) {
    return line.kind === 'option' && sourceSettings.includes(line.name);
}
/** The order of lines only matters where a later index or format overrides an earlier one. */
function sourceParts({ lines, buildConstraints = [] }, settings) {
    const given = (isWanted) => lines.flatMap((line) => line.kind === 'option' && isSource(line) && isWanted(line.name) ? [canonical(line)] : []);
    const isFormat = (name) => name === 'no-binary' || name === 'only-binary';
    return [
        ...sourceSettings.flatMap((name) => settingPart(name, settings)),
        ...given((name) => name === 'index-url').slice(-1),
        ...given((name) => name !== 'index-url' && !isFormat(name)).sort(),
        ...given(isFormat),
        ...buildConstraints.map((part) => `build-constraint ${part}`),
    ];
}
/** Nothing for pip, whose settings are the sources' own. */
function resolverParts({ name, settings }) {
    return name === 'pip' ? [] : [`resolver=${name}`, ...settings];
}
function settingPart(name, settings) {
    const value = settings.get(name);
    return value === undefined || value === '' ? [] : [`${name}=${valuePart(name, value)}`];
}
/** Cache entries contain these parts: build settings can contain any secret, addresses a token. */
function valuePart(name, value) {
    return ['config-settings', 'global-option', 'build-option'].includes(name)
        ? (0,logic_digest/* digest */.b)([value]).slice(0, 12)
        : (0,secrets/* fingerprinted */.g0)(value);
}
/** A line in a normal form: lines with the same meaning have the same text. */
function canonical(line) {
    const role = line.constraint ? 'constraint ' : '';
    if (line.kind === 'option') {
        return `${role}--${line.name}=${valuePart(line.name, line.value)}`;
    }
    if (line.kind === 'direct') {
        const parts = [
            line.editable ? '-e' : '',
            line.shownTarget,
            `[${line.extras.join(',')}]`,
            spaced(line.marker ?? ''),
            [...line.hashes].sort().join(' '),
        ];
        return `${role}direct ${parts.join(' ')}`;
    }
    const extras = line.extras.map(logic_names/* normalizeName */.Pc).sort();
    const parts = [
        `${line.name}[${extras.join(',')}]${line.specifiers.toSorted().join(',')}`,
        spaced(line.marker ?? ''),
        ...line.options.map((option) => optionText(option) ?? `--${option.name}`),
        ...line.hashes.toSorted(),
    ];
    return `${role}${parts.join(' ; ')}`;
}
function spaced(marker) {
    return marker.replaceAll("'", '"').replace(/\s+/g, ' ').trim();
}
/** Whether every requirement has a hash, so that pip refuses unhashed dependencies. */
function everyLineHashed(lines) {
    const index = lines.filter((line) => line.kind === 'index');
    const wanted = index.filter((line) => !line.constraint);
    return wanted.length > 0 && wanted.every((line) => line.hashes.length > 0);
}

;// CONCATENATED MODULE: ./lib/logic/uv-settings.js
/**
 * The settings of uv that decide which files it chooses and how it builds them: its variables, and the
 * uv.toml or pyproject.toml that apply where it runs. They become one uv.toml for the fill, so that uv
 * reads exactly what the cache key contains.
 *
 * Sources: uv's pages "Settings", "Environment variables" and "Indexes"; `PipSettings::combine` and
 * `FilesystemOptions` of its code (seen with uv 0.12 and 0.13).
 */







/** The variables that decide which files uv chooses, besides those that name indexes. */
const choosingVariables = (/* unused pure expression or super */ null && ([
    'UV_AMD_GPU_ARCHITECTURE',
    'UV_BUILD_CONSTRAINT',
    'UV_CONSTRAINT',
    'UV_CUDA_DRIVER_VERSION',
    'UV_EXCLUDE',
    'UV_EXCLUDE_NEWER',
    'UV_FIND_LINKS',
    'UV_FORK_STRATEGY',
    'UV_INDEX_STRATEGY',
    'UV_NO_BINARY',
    'UV_NO_BINARY_PACKAGE',
    'UV_NO_BUILD',
    'UV_NO_BUILD_ISOLATION',
    'UV_NO_BUILD_PACKAGE',
    'UV_NO_SOURCES',
    'UV_NO_SOURCES_PACKAGE',
    'UV_OVERRIDE',
    'UV_PREVIEW',
    'UV_PREVIEW_FEATURES',
    'UV_PRERELEASE',
    'UV_RESOLUTION',
    'UV_TORCH_BACKEND',
]));
/** Those of them that name files, separated by spaces. */
const fileVariables = (/* unused pure expression or super */ null && ([
    'UV_BUILD_CONSTRAINT',
    'UV_CONSTRAINT',
    'UV_EXCLUDE',
    'UV_OVERRIDE',
]));
/** Settings that do not decide which files uv chooses, or that this program decides. */
const unusedKeys = new Set([
    // Where uv keeps files, how it installs, and other commands.
    ...[
        'cache-dir',
        'no-cache',
        'cache-keys',
        'link-mode',
        'compile-bytecode',
        'add-bounds',
        'audit',
    ],
    ...['concurrent-downloads', 'concurrent-builds', 'concurrent-installs', 'offline'],
    ...['upgrade', 'upgrade-package', 'reinstall', 'reinstall-package', 'strict'],
    ...['publish-url', 'check-url', 'trusted-publishing'],
    // Which Python it uses.
    ...['python', 'system', 'break-system-packages', 'target', 'prefix', 'python-preference'],
    ...['python-downloads', 'python-install-mirror', 'pypy-install-mirror'],
    ...['python-downloads-json-url', 'python-version', 'python-platform'],
    // Projects and workspaces; requirement files have none of these.
    ...['workspace', 'sources', 'dev-dependencies', 'default-groups', 'dependency-groups', 'managed'],
    ...['package', 'build-backend', 'conflicts', 'environments', 'required-environments'],
    ...['extra', 'all-extras', 'no-extra', 'group'],
    // The form of the output of `uv pip compile`.
    ...['output-file', 'no-strip-extras', 'no-strip-markers', 'no-annotate', 'no-header'],
    ...['custom-compile-command', 'generate-hashes', 'universal', 'no-emit-package'],
    ...['emit-index-url', 'emit-find-links', 'emit-build-options', 'emit-marker-expression'],
    ...['emit-index-annotation', 'annotation-style', 'allow-empty-requirements'],
    // Every hash in the request is checked anyway.
    ...['require-hashes', 'verify-hashes'],
    // Indexes are returned separately.
    ...['index', 'index-url', 'extra-index-url'],
]);
/** Keys that matter, but to the connection only. */
const connectionKeys = new Set([
    ...['allow-insecure-host', 'http-proxy', 'https-proxy', 'keyring-provider', 'native-tls'],
    ...['no-proxy', 'required-version', 'system-certs'],
]);
/**
 * Keys that a file of the checkout must not set: a pull request could send the credentials of inputs
 * to a proxy of its own, and have its certificate accepted.
 */
const machineKeys = (/* unused pure expression or super */ null && (['allow-insecure-host', 'http-proxy', 'https-proxy', 'no-proxy']));
/** Keys of `[pip]` whose counterparts at the top level have another form. */
const pipOnly = new Set(['no-binary', 'only-binary', 'no-build', 'no-deps']);
/**
 * Merges uv's settings.
 * @param files those that apply, the one with the highest precedence first
 * @throws UserError for a file that is not valid TOML
 */
function uv_settings_uvSettings(environment, files) {
    const merged = files.map(contentOf).reduce(combined, {});
    const all = { ...merged, ...combined(table(merged['pip']), merged) };
    const config = relevant(all, (key) => !unusedKeys.has(key) && !pipOnly.has(key) && key !== 'pip');
    const top = relevant(merged, (key) => pipOnly.has(key));
    const pip = relevant(table(merged['pip']), (key) => pipOnly.has(key));
    const { defaultIndex, otherIndexes } = uv_settings_indexesOf(environment, all);
    const whole = { ...config, ...top, ...(Object.keys(pip).length === 0 ? {} : { pip }) };
    const indexOptions = [...otherIndexes, ...(defaultIndex === undefined ? [] : [defaultIndex])]
        .filter(({ options }) => Object.keys(options).length > 0)
        .map(({ url, options }) => `index-options=${fingerprinted(url)} ${JSON.stringify(options)}`);
    return {
        config: whole,
        defaultIndex,
        otherIndexes,
        hasFindLinks: Boolean(environment['UV_FIND_LINKS']) || all['find-links'] !== undefined,
        parts: [
            ...choosingVariables.flatMap((name) => {
                const value = environment[name];
                return value ? [`${name}=${fingerprinted(value)}`] : [];
            }),
            ...Object.entries(whole)
                .filter(([key]) => !connectionKeys.has(key))
                .map(([key, value]) => `uv ${key}=${uv_settings_valuePart(key, value)}`)
                .sort(),
            ...indexOptions,
        ],
    };
}
/** The files that variables name: their content decides which files uv chooses. Paths. */
function referencedFiles(environment, directory) {
    return fileVariables.flatMap((name) => (environment[name] ?? '')
        .split(/\s+/)
        .filter((file) => file !== '')
        .map((file) => path.resolve(directory, file)));
}
/** @throws UserError for a setting of uv that limits the age of files, beside the input that does */
function uv_settings_refuseNewestOfUv({ config }, environment) {
    if (!environment['UV_EXCLUDE_NEWER'] && config['exclude-newer'] === undefined)
        return;
    throw new UserError('The input minimum-release-age is set, and uv is configured with exclude-newer. Remove one of them.');
}
/**
 * The index inputs of a run, completed by uv's settings. The input index-url replaces all indexes of
 * uv's settings, and extra-index-url those that are asked first.
 * @param configured pip's index, which counts where uv's settings name no default
 * @throws UserError when the credentials of inputs would go to an index that a file of uv names
 */
function uv_settings_withUvIndexes(inputs, { defaultIndex, otherIndexes }, configured) {
    if (inputs.url !== undefined)
        return inputs;
    const url = defaultIndex?.url;
    if (inputs.username !== undefined && url !== undefined && !isSameIndex(url, configured)) {
        // The author of a pull request must not get the credentials.
        throw new UserError(`The inputs index-username and index-password are set, but uv's settings name another default index (${shownAddress(url)}). Set the input index-url to the index that the credentials are for.`);
    }
    const extra = inputs.extra.length > 0 ? inputs.extra : otherIndexes.map((index) => index.url);
    return { ...inputs, url, extra };
}
/**
 * The uv.toml of a fill, as a table, and the variables with the credentials of its indexes, which are
 * not written to disk.
 * @param urls of the indexes, the default one last; none for no index
 * @param metadata of versions that uv need not ask for; entries of the user come first
 */
function uvConfiguration({ config: own, defaultIndex, otherIndexes }, urls, metadata) {
    const known = [...otherIndexes, ...(defaultIndex === undefined ? [] : [defaultIndex])];
    const key = 'dependency-metadata';
    const config = metadata.length === 0 ? own : { ...own, [key]: [...tables(own[key]), ...metadata] };
    const environment = {};
    const index = urls.map((url, position) => {
        const name = `index-${position + 1}`;
        const { address, username, password } = withoutCredentials(url);
        if (username !== '' || password !== '') {
            const variable = `UV_INDEX_INDEX_${position + 1}`;
            environment[`${variable}_USERNAME`] = username;
            environment[`${variable}_PASSWORD`] = password;
        }
        const options = known.find((each) => each.url === url)?.options ?? {};
        return { ...options, name, url: address, default: position === urls.length - 1 };
    });
    return { config: index.length === 0 ? config : { ...config, index }, environment };
}
/** Cache entries contain these parts: build settings can contain any secret, addresses a token. */
function uv_settings_valuePart(key, value) {
    const text = JSON.stringify(value);
    return /^(?:config-settings|extra-build-variables)/.test(key)
        ? digest([text]).slice(0, 12)
        : fingerprinted(text);
}
/** Returns the settings in a file, with absolute paths. */
function contentOf(file) {
    const content = parseToml(file.text, file.path);
    const isProject = path.basename(file.path) === 'pyproject.toml';
    const all = isProject ? table(table(content['tool'])['uv']) : content;
    const own = relevant(all, (key) => !(file.isOfProject && machineKeys.includes(key)));
    const directory = path.dirname(file.path);
    const pip = table(own['pip']);
    return {
        ...withAbsolutePaths(own, directory),
        ...(own['pip'] === undefined ? {} : { pip: withAbsolutePaths(pip, directory) }),
    };
}
function withAbsolutePaths(settings, directory) {
    const absolute = (value) => {
        if (typeof value !== 'string')
            return value;
        const isUrl = /^[a-z][a-z0-9+.-]+:\/\//i.test(value);
        return isUrl ? value : pathToFileURL(path.resolve(directory, value)).href;
    };
    const rebased = {};
    for (const [key, value] of Object.entries(settings)) {
        if (key === 'index-url')
            rebased[key] = absolute(value);
        if (key === 'extra-index-url' || key === 'find-links') {
            rebased[key] = Array.isArray(value) ? value.map(absolute) : value;
        }
        if (key === 'index') {
            rebased[key] = tables(value).map((index) => ({ ...index, url: absolute(index['url']) }));
        }
    }
    return { ...settings, ...rebased };
}
/** Lists are joined, and of other values the first one counts, as in uv. */
function combined(first, second) {
    const result = { ...second };
    for (const [key, value] of Object.entries(first)) {
        const other = second[key];
        if (Array.isArray(value) && Array.isArray(other))
            result[key] = [...value, ...other];
        else if (isTable(value) && isTable(other))
            result[key] = combined(value, other);
        else
            result[key] = value;
    }
    return result;
}
function isTable(value) {
    return typeof value === 'object' && value !== null && !Array.isArray(value);
}
function relevant(settings, isWanted) {
    return Object.fromEntries(Object.entries(settings).filter(([key]) => isWanted(key)));
}
/** Returns the indexes of variables and files in the order in which uv asks them. */
function uv_settings_indexesOf(environment, settings) {
    const named = tables(settings['index']);
    const words = (variable) => (environment[variable] ?? '').split(/\s+/).filter((word) => word !== '');
    const strings = (value) => [value ?? []].flat().filter((each) => typeof each === 'string');
    const simple = (url) => ({ url, options: {} });
    const fromVariable = (word) => {
        const [, name, url = word] = /^([A-Za-z0-9][\w.-]*)=(.+)$/.exec(word) ?? [];
        const known = named.find((index) => index['name'] === url);
        if (known !== undefined)
            return [{ name: url, index: fromTable(known) }];
        return [{ name, index: { url: withVariables(url, name), options: {} } }];
    };
    const withVariables = (url, name) => {
        if (typeof name !== 'string')
            return url;
        const variable = `UV_INDEX_${name.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`;
        return uv_settings_withCredentials(url, environment[`${variable}_USERNAME`], environment[`${variable}_PASSWORD`]);
    };
    const fromTable = ({ name, url, ...rest }) => {
        const { default: _default, explicit: _explicit, 'publish-url': _publish, ...options } = rest;
        return { url: withVariables(String(url), name), options };
    };
    const given = [
        ...words('UV_INDEX').flatMap(fromVariable),
        ...words('UV_EXTRA_INDEX_URL').map((url) => ({ name: undefined, index: simple(url) })),
    ];
    const names = new Set(given.flatMap(({ name }) => name ?? []));
    // An explicit index is only for the sources of a project.
    const tablesInUse = named.filter(({ name, explicit }) => !names.has(String(name)) && !explicit);
    const [defaultIndex] = [
        ...[...words('UV_DEFAULT_INDEX'), ...words('UV_INDEX_URL')].flatMap((word) => fromVariable(word).map(({ index }) => index)),
        ...tablesInUse.filter((index) => index['default'] === true).map(fromTable),
        ...strings(settings['index-url']).map(simple),
    ];
    return {
        defaultIndex,
        otherIndexes: [
            ...given.map(({ index }) => index),
            ...tablesInUse.filter((index) => index['default'] !== true).map(fromTable),
            ...strings(settings['extra-index-url']).map(simple),
        ],
    };
}
function uv_settings_withCredentials(url, username, password) {
    if (!username || !URL.canParse(url))
        return url;
    const result = new URL(url);
    if (result.username !== '' || result.password !== '')
        return url;
    result.username = encodeURIComponent(username);
    result.password = encodeURIComponent(password ?? '');
    return result.href;
}
function withoutCredentials(url) {
    if (!URL.canParse(url))
        return { address: url, username: '', password: '' };
    const parsed = new URL(url);
    const [username, password] = [parsed.username, parsed.password].map(uv_settings_decoded);
    parsed.username = '';
    parsed.password = '';
    return { address: username + password === '' ? url : parsed.href, username, password };
}
function uv_settings_decoded(text) {
    try {
        return decodeURIComponent(text);
    }
    catch {
        return text;
    }
}

;// CONCATENATED MODULE: ./lib/request.js
/** Reads the user's files and pip's settings, and computes the cache keys from them. */













/** Masks the secrets of the inputs in everything that is shown. */
function hideInputs(request, reporter) {
    reporter.hide((0,secrets/* secretsOfInputs */.yL)(request.index));
}
/**
 * Reads pip's settings and the user's files, and masks their secrets.
 * @throws UserError with file and line for anything in the user's files that can't be used
 */
async function readRequest(request, interpreter, world, tools) {
    const { reporter } = world;
    const configured = pip_settings_pipSettings(interpreter, request.index);
    reporter.hide((0,secrets/* secretsOfSettings */.YA)(configured.configured));
    refuseIgnoredSettings(configured, interpreter.pip ?? '');
    const requested = await requestedSet(request, interpreter, configured, world, tools);
    reporter.hide(requested.lines.flatMap(secrets/* secretsOfLine */.Bo));
    const settings = withOptionLines(configured, requested.lines);
    refuseReleaseAgeConflicts(request.releaseAge, settings);
    const noDeps = settings.flag('no-deps') || requested.lock !== undefined;
    return { settings, requested, noDeps };
}
/**
 * Reads a request like {@link readRequest}, and computes its cache keys. Changes nothing.
 * @throws UserError with file and line for anything in the user's files that can't be used
 */
async function readRequestWithKeys(given, interpreter, world, tools) {
    const uv = given.installer === 'uv' ? await readUvSettings(given, world) : undefined;
    const request = uv === undefined ? given : withIndexesOfUv(given, uv, interpreter);
    hideInputs(request, world.reporter);
    const read = await readRequest(request, interpreter, world, tools);
    const { settings, requested } = read;
    const keys = keysOf(interpreter, requested, settings.configured, {
        refresh: request.refresh,
        recheck: request.recheck,
        suffix: request.cacheSuffix,
        releaseAge: request.releaseAge,
        now: world.now(),
        resolver: { name: request.installer, settings: uv?.parts ?? [] },
        set: setParts(request),
    });
    return { ...read, request, keys, uv };
}
async function readUvSettings({ workingDirectory, environment, releaseAge }, { uv }) {
    const { files, referenced } = await uv.settingFiles(workingDirectory, environment);
    const settings = uvSettings(environment, files);
    const parts = referenced.map(({ digest }) => `uv file ${digest}`);
    if (releaseAge !== undefined)
        refuseNewestOfUv(settings, environment);
    return { ...settings, parts: [...settings.parts, ...parts] };
}
function withIndexesOfUv(request, uv, { pipConfig, defaultIndex }) {
    const configured = effectiveSettings(pipConfig).get('index-url') ?? defaultIndex;
    return { ...request, index: withUvIndexes(request.index, uv, configured) };
}
/**
 * Reads all files, groups and inline requirements into one set of lines.
 * @param settings pip's own: its constraint files count as the user's
 * @param tools that read locks which are not in the standard format
 * @throws UserError for anything in the user's files that can't be used, with its place
 */
async function requestedSet(request, interpreter, settings, world, tools) {
    const { sources } = world;
    const access = remoteAccess(request, interpreter, settings);
    const reading = {
        workingDirectory: request.workingDirectory,
        environment: request.environment,
        pip: interpreter.pip,
        replacedVariables: replacedVariables(request.index),
        read: (location) => sources.read(location, access),
    };
    const found = await sources.find(request);
    for (const file of found.requirements)
        refuseOtherFormats(file.shown);
    const [lockFiles, requirements] = partition(found.requirements, ({ shown }) => isLock(shown));
    const lock = lockFiles.length === 0
        ? undefined
        : await readLocks(lockFiles, request, interpreter, world, tools);
    const [paths, packages] = partition(request.packages, (text) => requirement_line_isPath(text) && !/(?:^|\s)-/.test(text));
    if (lock !== undefined)
        refuseBesideLock(lockFiles, requirements, packages);
    const projects = [
        ...projectSources(request, request.projects, 'input project'),
        ...projectSources(request, paths, 'input packages'),
    ];
    if (request.extras.length > 0 && lock === undefined && projects.length === 0) {
        throw new errors/* UserError */.yo('The input extras is set, but requirement files have no extras. Set the input project too, for example to ".", or remove extras.');
    }
    const { lines: all, files } = await gatherLines({
        requirements,
        locked: lock?.lines ?? [],
        projects,
        packages,
        groups: lock === undefined ? await groupLines(request, sources) : [],
        constraints: [...found.constraints, ...configuredFiles(request, settings, 'constraint')],
    }, reading);
    // A file may name the index that it was compiled with; the input index-url overrides it.
    const lines = request.index.url === undefined
        ? all
        : all.filter((line) => line.kind !== 'option' || line.name !== 'index-url');
    const buildFiles = configuredFiles(request, settings, 'build-constraint');
    return {
        lines,
        files,
        projects: await localProjects(lines, request, sources),
        extra: found.extra,
        buildConstraints: await buildConstraints(buildFiles, reading),
        ...(lock === undefined ? {} : { lock: { links: lock.links, uv: lock.uv } }),
    };
}
function projectSources({ extras, editable }, texts, file) {
    return texts.map((text) => ({ text, extras, editable, source: { file, line: undefined } }));
}
/** Reads the local projects among the requirements, each once. */
async function localProjects(lines, request, sources) {
    const projects = new Map();
    for (const { form, target, shownTarget, source } of directRequirements(lines)) {
        if (form !== 'path' || projects.has(target))
            continue;
        try {
            // Requirement files may name any path, as for pip.
            if (source.line === undefined)
                await sources.checkInside(request, target, `"${shownTarget}"`);
            projects.set(target, await sources.project(target, shownTarget));
        }
        catch (error) {
            if (!(error instanceof errors/* UserError */.yo) || error.file !== undefined)
                throw error;
            throw new errors/* UserError */.yo(error.message, source);
        }
    }
    return [...projects.values()];
}
/** The files that a setting of pip names: URLs, or paths relative to where pip runs. */
function configuredFiles({ workingDirectory }, settings, name) {
    return settings.words(name).map((file) => ({
        location: /^https?:/i.test(file)
            ? file
            : external_node_path_.resolve(workingDirectory, /^file:/i.test(file) ? (0,external_node_url_.fileURLToPath)(file) : file),
        shown: (0,secrets/* shownAddress */.Uk)(file),
    }));
}
/**
 * Reads build constraints, in the form that the key contains. Only builds read them, so pip reports
 * one that can't be read.
 */
async function buildConstraints(files, reading) {
    const parts = files.map(async (file) => {
        try {
            return (await gatherLines({ constraints: [file] }, reading)).lines.map(canonical);
        }
        catch (error) {
            if (error instanceof errors/* UserError */.yo)
                return [`file ${(0,secrets/* fingerprinted */.g0)(file.location)}`];
            throw error;
        }
    });
    return (await Promise.all(parts)).flat().sort();
}
/** How requirement files are downloaded: with pip's settings, without the inputs' credentials. */
function remoteAccess({ environment, workingDirectory }, { executable, keyring, pipConfig }, settings) {
    return {
        certificates: certificatesOf(settings, environment),
        hasProxy: settings.configured.has('proxy'),
        python: executable,
        cwd: workingDirectory,
        env: (0,logic_environment/* fillEnvironment */.b3)(environment, pipConfig, {}, keyring),
    };
}
/** Variables that pip gets with the inputs' values, which may contain credentials. */
function replacedVariables({ url, extra, username, mirror }) {
    const isIndex = url !== undefined || username !== undefined || mirror !== undefined;
    return new Set([
        ...(isIndex ? ['PIP_INDEX_URL'] : []),
        ...(extra.length > 0 ? ['PIP_EXTRA_INDEX_URL'] : []),
    ]);
}
function partition(items, test) {
    return [items.filter(test), items.filter((item) => !test(item))];
}
/** @throws UserError for files of other tools that users take for requirement files */
function refuseOtherFormats(shown) {
    const [name = ''] = /(?:pyproject\.toml|Pipfile)$/.exec(shown) ?? [];
    if (name === '' || external_node_path_.posix.basename(shown) !== name)
        return;
    const advice = name === 'Pipfile'
        ? 'Name its Pipfile.lock'
        : 'Use the input project for the project, or groups for its dependency groups';
    throw new errors/* UserError */.yo(`${shown} is not a requirement file. ${advice}.`, { file: shown });
}
/** @throws UserError for requirements that would have to be resolved beside a lock */
function refuseBesideLock([lock], [file], [line]) {
    const other = file?.shown ?? line;
    if (other === undefined)
        return;
    throw new errors/* UserError */.yo(`${lock?.shown} lists everything that is installed, so "${(0,secrets/* withoutSecrets */.cT)(other)}" can't be added. Lock it too, or install it in another step.`, { file: lock?.shown });
}
/** Reads the requirements of the dependency groups that the input groups names. */
async function groupLines(request, sources) {
    const lines = [];
    for (const input of request.groups) {
        const colon = input.lastIndexOf(':');
        const file = colon < 0 ? 'pyproject.toml' : input.slice(0, colon);
        const group = input.slice(colon + 1);
        const read = sources.readInside(request, external_node_path_.resolve(request.workingDirectory, file));
        const content = await read.catch((error) => {
            throw new errors/* UserError */.yo(`${file} can't be read for the group "${input}": ${(0,errors/* messageOf */.bD)(error)}. Set working-directory, or write path/to/pyproject.toml:group.`);
        });
        lines.push(...(0,local_project/* groupRequirements */._y)(content, file, group).map((text) => ({ text, file })));
    }
    return lines;
}
/** Returns the request's lines for an index whose environment markers apply. */
async function applicableRequirements({ interpreter, requested }, { python }) {
    const lines = indexRequirements(requested.lines);
    const markers = new Set(lines.flatMap(({ marker }) => marker ?? []));
    const applies = await python.applies(interpreter, [...markers]);
    return lines.filter(({ marker }) => marker === undefined || (applies.get(marker) ?? true));
}

;// CONCATENATED MODULE: ./lib/publish/logic/audit.js
/** pip-audit: its arguments, and the meaning of its reports. */

function auditArgs(list, cache) {
    return [
        '--strict',
        '--disable-pip',
        '--require-hashes',
        '--progress-spinner=off',
        '--format=json',
        `--cache-dir=${cache}`,
        `--requirement=${list}`,
    ];
}
/**
 * Reads the report of one run of pip-audit. Only a report that has every project of the list, none
 * of them skipped, counts as a look-up: without --strict, a service that answers 404 to everything
 * counts as clean, and the exit code is 1 for both "vulnerable" and "failed".
 */
function readAudit(list, exitCode, stdout) {
    const failed = (why) => ({ state: 'failed', findings: [why] });
    let dependencies;
    try {
        ({ dependencies } = JSON.parse(stdout));
    }
    catch {
        return failed(`pip-audit printed no report (exit code ${exitCode})`);
    }
    if (!Array.isArray(dependencies))
        return failed('the report of pip-audit has an unknown format');
    const vulnerabilities = new Map();
    for (const entry of dependencies) {
        const name = (0,logic_names/* normalizeName */.Pc)(String(entry.name));
        if (!Array.isArray(entry.vulns) || entry.skip_reason !== undefined) {
            return failed(`${name} was not looked up`);
        }
        vulnerabilities.set(name, entry.vulns.map((vulnerability) => String(vulnerability.id).replace(/[^\w.:-]/g, '?')));
    }
    const pins = list
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => /^(\S+)==(\S+)/.exec(line) ?? ['', line, '']);
    const missing = pins.find(([, name = '']) => !vulnerabilities.has(name));
    if (missing !== undefined)
        return failed(`${missing[1]} was not looked up`);
    const findings = pins.flatMap(([, name = '', version = '']) => {
        const ids = vulnerabilities.get(name) ?? [];
        return ids.length > 0 ? [`${name} ${version}: ${ids.join(', ')}`] : [];
    });
    if (findings.length > 0)
        return { state: 'vulnerable', findings };
    return exitCode === 0
        ? { state: 'clean', findings: [] }
        : failed(`pip-audit failed with exit code ${exitCode}`);
}
/** Combines several look-ups; the worst state wins. */
function mergedAudit(results) {
    const order = ['failed', 'vulnerable', 'clean'];
    const state = order.find((each) => results.some((result) => result.state === each)) ?? 'clean';
    return { state, findings: results.flatMap((result) => result.findings) };
}
/** Describes an audit that was not clean. */
function auditMessage({ state, findings }) {
    return state === 'failed'
        ? `The audit failed, so nothing is known about these packages: ${findings.join('; ')}. See pip-audit's output above; the vulnerability service must be reachable and must know every package.`
        : `The audit found known vulnerabilities: ${findings.join('; ')}. Choose different versions.`;
}

;// CONCATENATED MODULE: ./lib/publish/logic/lock.js
/** The lock for pip. It can be installed if all targets have the same versions. */
function publishLock(files) {
    const runtime = files.filter((file) => file.role === 'runtime');
    const lines = versionsByName(runtime).flatMap((versions) => versions.map(lockLine));
    return `${lines.join('\n')}\n`;
}
/**
 * Requirement files for pip-audit, with a hash for every file. It accepts each project once per
 * requirement file, so a second version of a project goes into a second one.
 */
function auditLists(files) {
    const lists = [];
    for (const versions of versionsByName(files)) {
        versions.forEach((version, index) => {
            lists[index] ??= [];
            lists[index]?.push(version);
        });
    }
    return lists.map((list) => `${list.map(lockLine).join('\n')}\n`);
}
/** Files by project, then by version; both sorted. */
function versionsByName(files) {
    const projects = new Map();
    for (const file of [...files].sort((a, b) => compare(a.name, b.name) || compare(a.file, b.file))) {
        const versions = projects.get(file.name) ?? new Map();
        versions.set(file.version, [...(versions.get(file.version) ?? []), file]);
        projects.set(file.name, versions);
    }
    return [...projects.values()].map((versions) => [...versions.values()]);
}
function compare(one, other) {
    return one < other ? -1 : one > other ? 1 : 0;
}
function lockLine(files) {
    const [first] = files;
    const hashes = [...new Set(files.map((file) => file.sha256))].sort();
    return [
        `${first?.name}==${first?.version}`,
        ...hashes.map((hash) => `--hash=sha256:${hash}`),
    ].join(' ');
}

;// CONCATENATED MODULE: ./lib/publish/audit.js
/** Looks for known vulnerabilities before anything is uploaded. */




/** The exit code of a shell for a program that it does not find. */
const notFound = 127;
/**
 * Audits files with pip-audit; warns, or fails, as the input audit says.
 * @param auditor undefined when the audit is off
 * @throws UserError when the audit is not clean and has to be
 */
async function auditFiles({ request, workplace }, { wheelhouses, reporter, programs }, auditor, files) {
    if (auditor === undefined)
        return { state: 'off', findings: [] };
    const scratch = await wheelhouses.stage(workplace);
    const results = [];
    await reporter.group('Audit', async () => {
        for (const [index, list] of auditLists(files).entries()) {
            const file = external_node_path_.join(scratch, `audit-${index}.txt`);
            await wheelhouses.write(file, list);
            const result = await programs.run(auditor, auditArgs(file, external_node_path_.join(scratch, 'cache')), {
                cwd: scratch,
                env: request.source.environment,
            });
            results.push(readAudit(list, result?.exitCode ?? notFound, result?.stdout ?? ''));
        }
    });
    const audit = mergedAudit(results);
    if (audit.state === 'clean')
        return audit;
    if (request.audit === 'fail') {
        throw new errors/* UserError */.yo(`${auditMessage(audit)} Nothing was uploaded.`);
    }
    reporter.warning(auditMessage(audit));
    return audit;
}

// EXTERNAL MODULE: ./lib/publish/logic/feed.js
var logic_feed = __nccwpck_require__(6504);
// EXTERNAL MODULE: ./lib/publish/logic/model.js
var model = __nccwpck_require__(2059);
;// CONCATENATED MODULE: ./lib/publish/logic/pip-conf.js
/** Returns a pip.conf for machines that install from the feed, without credentials. */
function pipConf(feed) {
    const { protocol, hostname, host, pathname } = new URL(feed.url);
    const credentials = feed.username === undefined
        ? []
        : [
            '# This file contains no credentials. pip finds them in ~/.netrc:',
            `#   machine ${hostname} login USER password TOKEN`,
            '# in keyring (pip install keyring, and keyring-provider = import below),',
            '# or in the environment of one step, which overrides index-url:',
            `#   PIP_INDEX_URL=${protocol}//USER:TOKEN@${host}${pathname}`,
        ];
    return [
        '# Save as ~/.config/pip/pip.conf (Windows: %APPDATA%\\pip\\pip.ini), or set PIP_CONFIG_FILE.',
        ...credentials,
        '[global]',
        `index-url = ${feed.url}`,
        // pip refuses plain http from another machine unless its host is trusted.
        ...(protocol === 'http:' ? [`trusted-host = ${host}`] : []),
        '',
    ].join('\n');
}

;// CONCATENATED MODULE: ./lib/publish/logic/programs.js
/** The programs that upload and audit: where to find them, their arguments and environment. */

/** The commands that may start a tool, in order of preference. */
function commandsOf(tool, python) {
    return [[tool], [python, '-m', tool.replace('-', '_')]];
}
/** The oldest version that works, and the requirement that installs it. */
const oldest = {
    /** 6.1 refuses Metadata 2.5; 6.2 and later don't skip files on private feeds (pypa/twine#1251). */
    twine: { version: [7, 0], install: 'twine>=7' },
    /** The oldest tested version. */
    uv: { version: [0, 9], install: 'uv>=0.9' },
    /** The first version with these options. */
    'pip-audit': { version: [2, 8], install: 'pip-audit>=2.8' },
};
/**
 * @param versionOutput the output of `--version`; undefined when the tool was not found
 * @throws UserError that says what to install
 */
function checkTool(tool, python, versionOutput) {
    const { version, install } = oldest[tool];
    const remedy = `Run ${python} -m pip install "${install}" before this step.`;
    const found = /\b(\d+)\.(\d+)(?:\.\d+)?/.exec(versionOutput ?? '');
    if (found === null) {
        throw new errors/* UserError */.yo(`${tool} is not on PATH and not installed for ${python}. ${remedy}`);
    }
    const [text, major = '', minor = ''] = found;
    const tooOld = Number(major) < version[0] || (Number(major) === version[0] && Number(minor) < version[1]);
    if (tooOld) {
        throw new errors/* UserError */.yo(`${tool} ${text} is too old: ${version.join('.')} or newer is needed. ${remedy}`);
    }
}
/** @param files names in the working directory */
function uploadArgs(uploader, url, files) {
    return uploader === 'twine'
        ? [
            'upload',
            '--non-interactive',
            '--disable-progress-bar',
            `--repository-url=${url}`,
            '--',
            ...files,
        ]
        : [
            'publish',
            '--no-config',
            '--no-cache',
            '--no-progress',
            '--trusted-publishing=never',
            `--publish-url=${url}`,
            '--',
            ...files,
        ];
}
/** Variables that would make an uploader send files or credentials elsewhere. */
const notForUpload = /^(?:TWINE_(?:REPOSITORY|REPOSITORY_URL|USERNAME|PASSWORD)|UV_PUBLISH_\w+)$/i;
/**
 * Returns the uploader's environment, which contains the credentials: arguments would show them.
 * @param certificates path of a file of certificates to trust; undefined for the default ones
 */
function uploadEnvironment(uploader, environment, { username, password }, certificates) {
    const hasCredentials = username !== undefined && password !== undefined;
    const inherited = Object.entries(environment).filter(([name]) => !hasCredentials || !notForUpload.test(name));
    const prefix = uploader === 'twine' ? 'TWINE' : 'UV_PUBLISH';
    const trust = uploader === 'twine' ? 'TWINE_CERT' : 'SSL_CERT_FILE';
    return {
        ...(certificates === undefined ? {} : { [trust]: certificates }),
        ...Object.fromEntries(inherited),
        ...(hasCredentials
            ? { [`${prefix}_USERNAME`]: username, [`${prefix}_PASSWORD`]: password }
            : {}),
        NO_COLOR: '1',
        COLUMNS: '200', // twine wraps lines in the middle of words.
    };
}
/** Splits items into batches: the length of a command line is limited (Windows: 32,767). */
function batches(items, size) {
    const count = Math.ceil(items.length / size);
    return Array.from({ length: count }, (_, index) => items.slice(index * size, (index + 1) * size));
}
/** What to do after a failed upload. */
function uploadAdvice(output) {
    return /\b40[13]\b/.test(output)
        ? 'The feed refused the upload. Check the inputs feed-username and feed-password, whether the secret has expired, and whether the user may upload.'
        : 'Check the input upload-url and the answer of the feed above. A new run uploads only what is missing.';
}

;// CONCATENATED MODULE: ./lib/publish/logic/source.js
/** Which requests can be published, and from which indexes. */



/** @throws UserError for a path, a branch or a URL among the requirements: only an index can be copied */
function refuseDirect(requested) {
    const [first] = directRequirements(requested.lines);
    if (first === undefined)
        return;
    throw new errors/* UserError */.yo(`"${first.shown}" does not come from an index, and only files of an index are published. Remove this line; if it is your own project, upload it from the job that builds it.`, first.source);
}
/**
 * Returns the indexes that files may come from.
 * @throws UserError when pip is configured to use none
 */
function sourceIndexes(request, interpreter, settings) {
    const indexes = index_choice_indexesOf(request, interpreter, settings);
    if (indexes === undefined) {
        throw new errors/* UserError */.yo('pip is configured to use no index (no-index), so there is nothing to publish. Remove that setting.');
    }
    return indexes;
}

;// CONCATENATED MODULE: ./lib/publish/upload.js




/** Projects that the feed is asked for at the same time. */
const concurrency = 6;
/**
 * Returns each file with its state on the feed.
 * @throws UserError when the feed refuses the credentials, or does not answer as a feed
 */
async function compareWithFeed({ request, feed }, { reporter }, files) {
    const onFeed = new Map();
    const forwarded = new Map();
    const names = [...new Set(files.map((file) => file.name))];
    for (const batch of batches(names, concurrency)) {
        const answers = await Promise.all(batch.map((name) => feed.ask(name)));
        for (const [index, answer] of answers.entries()) {
            const name = String(batch[index]);
            if (answer.state === 'listed') {
                for (const file of answer.files)
                    onFeed.set(file.file, file);
            }
            else if (answer.state === 'absent') {
                if (answer.forwarded !== undefined)
                    forwarded.set(name, answer.forwarded);
            }
            else {
                throw feedError(request, name, answer);
            }
        }
    }
    if (forwarded.size > 0) {
        const [host] = forwarded.values();
        reporter.warning(`The feed redirects requests for packages that it does not have to ${host}, so its users may install packages from there: ${[...forwarded.keys()].join(', ')}. Turn that off on the feed (pypiserver: --disable-fallback); otherwise anybody who registers a name there can get a package installed (dependency confusion).`);
    }
    const rows = [];
    for (const file of files) {
        const listed = onFeed.get(file.file);
        const feedSha256 = listed && (listed.sha256 ?? (await downloadedDigest(feed, listed)));
        const state = (0,logic_feed/* stateOf */.L4)(file, feedSha256);
        reporter.info(`${file.file}: ${state}`);
        rows.push({ ...file, state, feedSha256 });
    }
    return rows;
}
function feedError({ feed }, project, answer) {
    if (answer.state === 'unreadable') {
        return new errors/* UserError */.yo(`The feed ${feed.url} can't be asked for ${project}: ${answer.reason}. Check the input feed-url, which must be the address of the feed's simple index.`);
    }
    const problem = feed.username === undefined
        ? 'it requires credentials. Set the inputs feed-username and feed-password'
        : 'it does not accept the credentials. Check the inputs feed-username and feed-password, and whether the secret has expired';
    return new errors/* UserError */.yo(`The feed ${feed.url} answers ${answer.status} for ${project}: ${problem}.`);
}
/** Downloads a file that the feed lists without a SHA-256, and returns its digest. */
async function downloadedDigest(feed, file) {
    try {
        return await feed.digest(file);
    }
    catch (error) {
        throw new errors/* UserError */.yo(`The feed lists ${file.file} without a SHA-256, and downloading it for a comparison failed: ${(0,errors/* messageOf */.bD)(error)}. Check that the user may download files from the feed.`);
    }
}
/** Files per command line of the uploader. */
const batchSize = 50;
/**
 * Uploads the files that the feed does not have. After each batch the feed is asked again, because
 * an upload may arrive although its answer is lost, and an answer does not prove that it arrived
 * on this feed. Stops at a conflict.
 * @param before each file with its state on the feed
 * @returns each file with its state afterwards
 */
async function uploadAbsent(run, world, uploader, before) {
    const { reporter } = world;
    const { uploadUrl, feed } = run.request;
    const old = new Set(before.filter((row) => row.state === 'present').map((row) => row.file));
    let rows = before;
    let absent = rows.filter((row) => row.state === 'absent');
    while (absent.length > 0) {
        const [batch = []] = batches(absent, batchSize);
        await checkUnchanged(run, world, batch);
        const { exitCode, output } = await runUploader(run, world, uploader, batch);
        if (exitCode !== 0)
            reporter.info('The upload failed; asking the feed which files arrived.');
        const compared = await compareWithFeed(run, world, batch);
        const now = new Map(compared.map((row) => [row.file, row]));
        rows = rows.map((row) => {
            const current = now.get(row.file) ?? row;
            const isUploaded = current.state === 'present' && !old.has(row.file);
            return isUploaded ? { ...current, state: 'uploaded' } : current;
        });
        if ((0,logic_feed/* hasConflict */.XF)(rows))
            break;
        const missing = compared.filter((row) => row.state === 'absent').map((row) => row.file);
        if (exitCode === 0 && missing.length > 0) {
            throw new errors/* UserError */.yo(`The upload to ${uploadUrl} succeeded, but ${feed.url} does not list ${missing.join(', ')}. Check that the inputs upload-url and feed-url belong to the same feed. If they do, the feed may need some time: run again.`);
        }
        if (missing.length === batch.length) {
            throw new errors/* UserError */.yo(`The upload to ${uploadUrl} failed. ${uploadAdvice(output)}\n${(0,pip_output/* errorExcerpt */.MS)(output)}`);
        }
        absent = rows.filter((row) => row.state === 'absent');
    }
    return rows;
}
/**
 * An sdist may have run code since the files were checked.
 * @throws UserError for a file that differs from what the source index lists
 */
async function checkUnchanged({ collection }, { wheelhouses }, files) {
    const names = files.map(({ file }) => file);
    // A missing file cannot be measured.
    const now = await wheelhouses.measure(collection, names).catch(() => []);
    const changed = files.filter(({ sha256 }, index) => now[index]?.sha256 !== sha256);
    if (changed.length === 0)
        return;
    throw new errors/* UserError */.yo(`${changed.map(({ file }) => file).join(', ')} changed on this machine after the download, or disappeared. No file of that batch was uploaded. Code of an sdist may have changed it: find out which sdist, or refuse sdists with PIP_ONLY_BINARY=:all: in env.`);
}
async function runUploader({ request, collection, certificates }, { programs }, uploader, files) {
    const { source, uploadUrl, feed } = request;
    const names = files.map(({ file }) => file);
    const result = await programs.run(uploader, uploadArgs(request.uploader, uploadUrl, names), {
        cwd: collection,
        env: uploadEnvironment(request.uploader, source.environment, feed, certificates),
    });
    if (result !== undefined)
        return result;
    throw new errors/* UserError */.yo(`${uploader.join(' ')} could be run earlier but can no longer be found.`);
}

;// CONCATENATED MODULE: ./lib/publish/story.js
/**
 * The story of publishing: download the original files of the requested packages, ask the feed which
 * of them it has, upload the others.
 */
















/**
 * Publishes the requested packages.
 * @throws PublishConflict when the feed has different content under the name of a file
 * @throws UserError for everything else that the user can fix
 */
async function publish(request, world) {
    const { reporter, wheelhouses } = world;
    const { source, feed } = request;
    hideSecrets(request, world);
    await world.sources.check(source);
    const interpreter = checkPip(await world.python.probe(source));
    const { settings, requested, noDeps } = await readRequest(source, interpreter, world);
    refuseDirect(requested);
    const indexes = sourceIndexes(source, interpreter, settings);
    const confusion = confusionWarning(indexes);
    if (confusion !== undefined)
        reporter.warning(confusion);
    const targets = targetsOf(request.platforms, request.pythonVersions, interpreter);
    const find = (tool) => findTool(tool, request, interpreter, world);
    // Before the download, which may take minutes.
    const uploader = request.dryRun ? undefined : await find(request.uploader);
    const auditor = request.audit === 'off' ? undefined : await find('pip-audit');
    const workplace = await wheelhouses.workplace(source.temporary);
    try {
        const certificates = certificatesOf(settings, source.environment);
        const run = {
            ...{ request, interpreter, requested, noDeps, targets, indexes, certificates, workplace },
            purpose: { verb: 'published', onError: 'Nothing was uploaded.' },
            withBuildRequirements: true,
            pip: {
                cwd: source.workingDirectory,
                env: pipEnvironment(source, interpreter, indexes, await wheelhouses.stage(workplace)),
            },
            feed: world.feed(certificates),
            collection: await wheelhouses.stage(workplace),
        };
        const files = (await collect(run, world)).map(({ source: file }) => file);
        const audit = await auditFiles(run, world, auditor, files);
        const before = await reporter.group('Compare with the feed', () => compareWithFeed(run, world, files));
        const rows = uploader === undefined || (0,logic_feed/* hasConflict */.XF)(before)
            ? before
            : await reporter.group('Upload', () => uploadAbsent(run, world, uploader, before));
        const report = {
            rows,
            targets: targets.map((target) => target.name),
            feed: (0,secrets/* shownAddress */.Uk)(feed.url),
            audit,
            dryRun: request.dryRun,
            pipConf: pipConf(feed),
            lock: publishLock(files),
        };
        if ((0,logic_feed/* hasConflict */.XF)(rows))
            throw new model/* PublishConflict */._h((0,logic_feed/* conflictMessage */.GN)(rows), report);
        return report;
    }
    finally {
        await wheelhouses.remove(workplace);
    }
}
function hideSecrets({ source, feed, uploadUrl }, { reporter }) {
    hideInputs(source, reporter);
    reporter.hide([feed.url, uploadUrl].flatMap(secrets/* secretsOfUrl */.mE));
    if (feed.password !== undefined)
        reporter.hide((0,secrets/* secretForms */.eo)(feed.username ?? '', feed.password));
}
/**
 * Finds a program on PATH or in the interpreter's environment.
 * @throws UserError when it isn't there, or is too old
 */
async function findTool(tool, { source }, { executable }, { programs }) {
    for (const command of commandsOf(tool, executable)) {
        const result = await programs.run(command, ['--version'], {
            cwd: source.workingDirectory,
            env: source.environment,
            quiet: true,
        });
        if (result?.exitCode !== 0)
            continue;
        checkTool(tool, executable, result.stdout);
        return command;
    }
    checkTool(tool, executable, undefined);
    throw new Error(`${tool} was not found`);
}


/***/ }),

/***/ 4492:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {


// EXPORTS
__nccwpck_require__.d(__webpack_exports__, {
  s: () => (/* binding */ publishingWorld)
});

// EXTERNAL MODULE: external "node:crypto"
var external_node_crypto_ = __nccwpck_require__(7598);
;// CONCATENATED MODULE: external "node:fs/promises"
const promises_namespaceObject = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:fs/promises");
// EXTERNAL MODULE: external "node:os"
var external_node_os_ = __nccwpck_require__(8161);
// EXTERNAL MODULE: external "node:path"
var external_node_path_ = __nccwpck_require__(6760);
// EXTERNAL MODULE: ./lib/logic/errors.js
var errors = __nccwpck_require__(5895);
// EXTERNAL MODULE: ./lib/logic/pip-output.js
var pip_output = __nccwpck_require__(7949);
;// CONCATENATED MODULE: ./lib/logic/web.js
/** Requests to indexes: their errors, whose credentials they carry, which proxy they take. */
/** Why a page or file could not be downloaded: a few words about "it", without secrets. */
class WebError extends Error {
    name = 'WebError';
    kind;
    /** Of the response, if there was one. */
    status;
    constructor(kind, message, status) {
        super(message);
        this.kind = kind;
        this.status = status;
    }
}
/** A redirect that was not to be followed. */
class ForeignRedirect extends WebError {
    /** It may contain secrets. */
    location;
    constructor(location) {
        super('wrong', `it redirects to ${location.host}`);
        this.location = location;
    }
}
/** The error for a response that is neither what was asked for nor a redirect. */
function statusError(status) {
    let kind = 'down';
    if (status === 401 || status === 403)
        kind = 'refused';
    if (status === 404 || status === 410)
        kind = 'absent';
    return new WebError(kind, `it answers ${status}`, status);
}
/** Whether the same request may succeed a moment later. */
function isTemporary(status) {
    return status === 408 || status === 425 || status === 429 || status >= 500;
}
/**
 * Milliseconds to wait before the next attempt.
 * @param failures how many attempts have failed, at least 1
 * @param retryAfter the header of the last response: seconds, or a date
 * @param limits.first the wait after the first failure; doubles with each
 * @param limits.longest cuts off whatever a server asks for
 */
function pauseBefore(failures, retryAfter, now, limits) {
    const own = limits.first * 2 ** (failures - 1);
    const header = retryAfter?.trim() ?? '';
    const theirs = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
    return Math.min(limits.longest, Math.max(own, Number.isNaN(theirs) ? 0 : theirs));
}
/** @returns the credentials in a URL, decoded; undefined when it has none */
function credentialsIn({ username, password }) {
    if (username === '' && password === '')
        return undefined;
    return { username: decoded(username), password: decoded(password) };
}
/** The same URL without credentials and fragment. */
function bareUrl(url) {
    const bare = new URL(url);
    bare.username = '';
    bare.password = '';
    bare.hash = '';
    return bare;
}
function decoded(text) {
    try {
        return decodeURIComponent(text);
    }
    catch {
        return text;
    }
}
/**
 * The credentials for a URL: its own, or else those of the index at the same origin that shares most
 * of its path. An index without credentials counts too: what is below it is requested without any.
 * @param indexes URLs, which may contain credentials
 */
function credentialsFor(url, indexes) {
    const own = credentialsIn(url);
    if (own !== undefined)
        return own;
    const rank = (index) => 2 * sharedSegments(index, url) + (credentialsIn(index) === undefined ? 0 : 1);
    const [best] = indexes
        .filter((index) => URL.canParse(index))
        .map((index) => new URL(index))
        .filter(({ origin }) => origin === url.origin)
        .sort((a, b) => rank(b) - rank(a));
    return best && credentialsIn(best);
}
function sharedSegments(one, other) {
    const [first, second] = [one, other].map(({ pathname }) => pathname.split('/').filter(Boolean));
    const length = first?.findIndex((segment, index) => segment !== second?.[index]) ?? 0;
    return length < 0 ? (first?.length ?? 0) : length;
}
/** The address of a project's page. @param project normalised @throws for an invalid URL */
function pageUrl(index, project) {
    return new URL(`${index.replace(/\/*(?=$|[?#])/, '')}/${project}/`).href;
}
/** Whether credentials for one URL may go to another: the same origin, or the same host over https. */
function isSameOwner(from, to) {
    if (from.origin === to.origin)
        return true;
    const isUpgrade = from.protocol === 'http:' && to.protocol === 'https:';
    return isUpgrade && from.hostname === to.hostname && from.port === '' && to.port === '';
}
/** @param trustedHosts hosts, with or without a port, as in pip's --trusted-host */
function isTrustedHost({ host, hostname }, trustedHosts) {
    return trustedHosts.some((trusted) => trusted === host || trusted === hostname);
}
/**
 * The proxy that requests, and so the newest pip, would use: `getproxies_environment` of urllib, and
 * `select_proxy` and `should_bypass_proxies` of requests.
 * @param environment variables `https_proxy`, `http_proxy`, `all_proxy` and `no_proxy` in either
 *   case; lower case wins
 * @returns its URL, which may contain credentials; undefined for none
 */
function proxyFor(url, environment) {
    if (bypassesProxies(url, variable(environment, 'no_proxy') ?? ''))
        return undefined;
    const scheme = url.protocol.slice(0, -1);
    // In CGI programs, the sender of a request could set HTTP_PROXY.
    const isCgi = scheme === 'http' && environment['REQUEST_METHOD'] !== undefined;
    const own = isCgi ? environment['http_proxy'] : variable(environment, `${scheme}_proxy`);
    const proxy = own || variable(environment, 'all_proxy');
    if (!proxy)
        return undefined;
    return /^[a-z][a-z0-9+.-]*:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
}
/** Whether only pip may know how to use a proxy, because it is not an http one (SOCKS). */
function isForeignProxy(proxy) {
    return proxy !== undefined && !(/^https?:/i.test(proxy) && URL.canParse(proxy));
}
/** An empty variable in lower case takes back the one in upper case. */
function variable(environment, name) {
    return environment[name] ?? environment[name.toUpperCase()];
}
function bypassesProxies(url, setting) {
    const hostname = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
    const host = url.port === '' ? hostname : `${hostname}:${url.port}`;
    if (setting.trim() === '*')
        return true;
    const names = setting
        .toLowerCase()
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== '');
    const address = addressOf(hostname);
    return names.some((name) => {
        const [network, bits] = name.split('/');
        const start = addressOf(network ?? '');
        if (address !== undefined && start !== undefined && bits !== undefined) {
            const size = 2 ** (32 - Number(bits));
            return Math.floor(start / size) === Math.floor(address / size);
        }
        const bare = name.replace(/^\.+/, '');
        const forms = address === undefined ? [hostname, host] : [hostname];
        return forms.some((form) => form === bare || form.endsWith(`.${bare}`));
    });
}
/** @returns an IPv4 address as a number */
function addressOf(host) {
    const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host)?.slice(1).map(Number);
    return parts?.reduce((sum, part) => sum * 256 + part, 0);
}
/**
 * Whether requests have to go through pip's own session from the start, because it alone knows a
 * proxy, a client certificate or the credentials.
 */
function needsPip(way) {
    const { indexes, otherCredentials, proxy, clientCertificate, environment } = way;
    if (proxy !== undefined || clientCertificate !== undefined)
        return true;
    const urls = indexes.filter((index) => URL.canParse(index)).map((index) => new URL(index));
    return urls.some((url) => !/^https?:$/.test(url.protocol) ||
        isForeignProxy(proxyFor(url, environment)) ||
        (otherCredentials && (url.username === '' || url.password === '')));
}

;// CONCATENATED MODULE: external "node:timers/promises"
const external_node_timers_promises_namespaceObject = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:timers/promises");
// EXTERNAL MODULE: external "node:util"
var external_node_util_ = __nccwpck_require__(7975);
// EXTERNAL MODULE: external "node:zlib"
var external_node_zlib_ = __nccwpck_require__(8522);
// EXTERNAL MODULE: ./lib/logic/secrets.js
var secrets = __nccwpck_require__(3983);
;// CONCATENATED MODULE: ./lib/world/connections.js
/** HTTP connections that are used again, and requests over them that no server can delay for ever. */



/** An index that forwards requests may need a while before it sends the first byte of a big file. */
const usualLimits = {
    connect: 10_000,
    answer: 30_000,
    silence: 30_000,
    window: 60_000,
    minRate: 1024,
    page: 60_000,
    attempts: 4,
    pause: { first: 500, longest: 30_000 },
    pip: 100_000,
};
/** Requests at the same time to one origin. */
const concurrency = 16;
const maxRedirects = 5;
/** An attempt that failed. */
class Failure extends Error {
    error;
    /** Whether another attempt may succeed. */
    isTemporary;
    retryAfter;
    constructor(error, temporary, retryAfter) {
        super(error.message);
        this.error = error;
        this.isTemporary = temporary;
        this.retryAfter = retryAfter;
    }
}
/** Stops an attempt that takes too long. */
class Watch {
    #controller = new AbortController();
    #total;
    #step;
    hasAnswer = false;
    /** Why it was stopped. */
    reason;
    constructor(total) {
        if (total === undefined)
            return;
        const stop = () => {
            const verb = this.hasAnswer ? 'arrive' : 'answer';
            this.stop(`it did not ${verb} within ${seconds(total)}`);
        };
        this.#total = setTimeout(stop, total);
    }
    get signal() {
        return this.#controller.signal;
    }
    stop(reason) {
        this.reason ??= reason;
        this.#controller.abort();
    }
    /** Waits for one step. */
    async within(limit, reason, step) {
        this.#step = setTimeout(() => this.stop(reason), limit);
        try {
            return await step;
        }
        finally {
            clearTimeout(this.#step);
        }
    }
    end() {
        clearTimeout(this.#total);
        clearTimeout(this.#step);
    }
}
function seconds(milliseconds) {
    return `${milliseconds / 1000} s`;
}
/** The connections of one client. */
class Connections {
    #access;
    #limits;
    #dispatchers = new Map();
    #proxies = [];
    #queues = new Map();
    #ongoing = new Set();
    #certificates;
    #closed = false;
    constructor(access, limits) {
        this.#access = access;
        this.#limits = limits;
    }
    /**
     * Sends a request, and follows redirects: the credentials never go to another origin, and a
     * redirect from https to http is followed only to a trusted host.
     * @param total milliseconds from the request to the last byte; none by default
     * @returns a response with one of the wanted statuses
     * @throws Failure for every other one, and when there is none
     */
    async request(start, headers, options) {
        let credentials = credentialsFor(start, this.#access.indexes);
        let url = bareUrl(start);
        const watch = new Watch(options.total);
        this.#ongoing.add(watch);
        try {
            for (let hop = 0; hop <= maxRedirects; hop += 1) {
                const exchange = await this.#send(url, headers, credentials, watch);
                if (options.statuses.includes(exchange.status)) {
                    watch.hasAnswer = true;
                    const end = () => {
                        exchange.end();
                        this.#end(watch);
                    };
                    return { ...exchange, end };
                }
                const { status } = exchange;
                const target = status >= 300 && status <= 399 ? connections_text(exchange.headers['location']) : undefined;
                exchange.end();
                if (target === undefined) {
                    const retryAfter = connections_text(exchange.headers['retry-after']);
                    throw new Failure(statusError(status), isTemporary(status), retryAfter);
                }
                const next = this.#redirected(url, target);
                if (options.stayAtOrigin && next.origin !== url.origin) {
                    throw new Failure(new ForeignRedirect(next), false);
                }
                if (!isSameOwner(url, next))
                    credentials = undefined;
                url = next;
            }
            throw new Failure(new WebError('wrong', 'it redirects too many times'), false);
        }
        catch (error) {
            this.#end(watch);
            throw failureOf(error, watch.reason);
        }
    }
    /** Ends all requests and connections. */
    async close() {
        this.#closed = true;
        for (const watch of this.#ongoing)
            watch.stop('the client was closed');
        const all = await Promise.allSettled(this.#dispatchers.values());
        // Connections to proxies first: a tunnel that is being made is waited for otherwise.
        await Promise.all(this.#proxies.map((pool) => pool.destroy()));
        await Promise.all(all.map((each) => each.status === 'fulfilled' && each.value.destroy()));
    }
    #end(watch) {
        watch.end();
        this.#ongoing.delete(watch);
    }
    #redirected(from, location) {
        if (!URL.canParse(location, from.href)) {
            throw new Failure(new WebError('wrong', 'it redirects to an invalid address'), false);
        }
        const to = bareUrl(new URL(location, from.href).href);
        if (!/^https?:$/.test(to.protocol)) {
            throw new Failure(new WebError('wrong', `it redirects to an address with ${to.protocol}`), false);
        }
        const isDowngrade = from.protocol === 'https:' && to.protocol === 'http:';
        if (isDowngrade && !isTrustedHost(to, this.#access.trust.trustedHosts)) {
            throw new Failure(new WebError('untrusted', `it redirects from https to plain http (${to.host})`), false);
        }
        return to;
    }
    async #send(url, headers, credentials, watch) {
        const queue = getOrAdd(this.#queues, url.origin, () => new Queue(concurrency));
        await queue.enter(watch.signal);
        let isEnded = false;
        const leave = () => {
            if (isEnded)
                return;
            isEnded = true;
            queue.leave();
        };
        try {
            const dispatcher = await this.#dispatcher(url);
            const { answer } = this.#limits;
            const response = await watch.within(answer, `it did not answer within ${seconds(answer)}`, dispatcher.request({
                origin: url.origin,
                path: `${url.pathname}${url.search}`,
                method: 'GET',
                headers: {
                    ...headers,
                    'user-agent': 'wheelhouse',
                    ...(credentials && {
                        authorization: `Basic ${(0,secrets/* basicCredentials */.BG)(credentials.username, credentials.password)}`,
                    }),
                },
                signal: watch.signal,
                headersTimeout: 0,
                bodyTimeout: 0,
            }));
            return {
                status: response.statusCode,
                headers: response.headers,
                url,
                body: () => this.#body(response.body, watch),
                end: () => {
                    // The connection can be used again if little is left to read.
                    response.body.on('error', () => { });
                    void response.body.dump({ limit: 64 * 1024 }).catch(() => { });
                    leave();
                },
            };
        }
        catch (error) {
            leave();
            throw error;
        }
    }
    async *#body(body, watch) {
        const { silence, window, minRate } = this.#limits;
        const pieces = body[Symbol.asyncIterator]();
        // Only time spent waiting for the server counts, not what the reader does with the bytes.
        let waited = 0;
        let bytes = 0;
        try {
            for (;;) {
                const from = performance.now();
                const { value, done } = await watch.within(silence, `it sent nothing for ${seconds(silence)}`, pieces.next());
                if (done)
                    return;
                waited += performance.now() - from;
                bytes += value.length;
                if (waited >= window) {
                    if (bytes < (minRate * waited) / 1000) {
                        const rate = `${minRate / 1024} kB/s`;
                        throw new Failure(new WebError('down', `it sent less than ${rate}`), true);
                    }
                    waited = 0;
                    bytes = 0;
                }
                yield value;
            }
        }
        catch (error) {
            throw failureOf(error, watch.reason);
        }
        finally {
            await pieces.return?.();
        }
    }
    async #dispatcher(url) {
        if (this.#closed)
            throw new Failure(new WebError('down', 'the client was closed'), false);
        const { trust, environment } = this.#access;
        const proxy = proxyFor(url, environment);
        if (isForeignProxy(proxy)) {
            throw new Failure(new WebError('down', 'its proxy is not an http proxy'), false);
        }
        const isTrusted = isTrustedHost(url, trust.trustedHosts);
        return getOrAdd(this.#dispatchers, `${isTrusted} ${proxy}`, () => this.#newDispatcher(proxy, isTrusted));
    }
    async #newDispatcher(proxy, isTrusted) {
        const { certificates } = this.#access.trust;
        this.#certificates ??= certificates === undefined ? undefined : (0,promises_namespaceObject.readFile)(certificates);
        const ca = await this.#certificates?.catch(() => {
            throw new Failure(new WebError('untrusted', 'the file of trusted certificates can not be read'), false);
        });
        const tls = {
            timeout: this.#limits.connect,
            ...(ca && { ca }),
            ...(isTrusted && { rejectUnauthorized: false }),
        };
        const undici = await __nccwpck_require__.e(/* import() */ 752).then(__nccwpck_require__.t.bind(__nccwpck_require__, 6752, 19));
        if (proxy === undefined)
            return new undici.Agent({ connections: concurrency, connect: tls });
        const address = new URL(proxy);
        const credentials = credentialsFor(address, []);
        return new undici.ProxyAgent({
            uri: bareUrl(address).href,
            // Plain http is forwarded, as curl and requests have it; only https needs a tunnel.
            proxyTunnel: false,
            connections: concurrency,
            clientFactory: (origin, options) => {
                const pool = new undici.Pool(origin, { ...options, headersTimeout: this.#limits.answer });
                this.#proxies.push(pool);
                return pool;
            },
            requestTls: tls,
            proxyTls: tls,
            ...(credentials && {
                token: `Basic ${(0,secrets/* basicCredentials */.BG)(credentials.username, credentials.password)}`,
            }),
        });
    }
}
/** Admits a number of requests at a time, in order. */
class Queue {
    #free;
    #waiting = [];
    constructor(size) {
        this.#free = size;
    }
    /** @throws when the signal aborts first */
    async enter(signal) {
        signal.throwIfAborted();
        if (this.#free > 0) {
            this.#free -= 1;
            return;
        }
        await new Promise((resolve, reject) => {
            const abort = () => {
                this.#waiting.splice(this.#waiting.indexOf(admit), 1);
                reject(signal.reason);
            };
            const admit = () => {
                signal.removeEventListener('abort', abort);
                resolve();
            };
            signal.addEventListener('abort', abort, { once: true });
            this.#waiting.push(admit);
        });
    }
    leave() {
        const next = this.#waiting.shift();
        if (next === undefined)
            this.#free += 1;
        else
            next();
    }
}
function getOrAdd(map, key, make) {
    const value = map.get(key) ?? make();
    map.set(key, value);
    return value;
}
/** The first value of a header. */
function connections_text(header) {
    return Array.isArray(header) ? header[0] : header;
}
/** In a few words; messages of Node and undici may contain addresses. */
const reasons = {
    ECONNREFUSED: 'the connection was refused',
    ECONNRESET: 'the connection was reset',
    EPIPE: 'the connection was reset',
    ENOTFOUND: 'its host name does not exist',
    EAI_AGAIN: 'its host name could not be looked up',
    EHOSTUNREACH: 'its host is unreachable',
    ENETUNREACH: 'its network is unreachable',
    ETIMEDOUT: 'it did not answer in time',
    UND_ERR_CONNECT_TIMEOUT: 'it did not answer in time',
    UND_ERR_SOCKET: 'the connection ended too early',
    UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'it has another length than announced',
    UND_ERR_HEADERS_OVERFLOW: 'its headers are too long',
};
/** @param stopped why the attempt was stopped, if it was */
function failureOf(error, stopped) {
    if (error instanceof Failure)
        return error;
    if (stopped !== undefined)
        return new Failure(new WebError('down', stopped), true);
    const { code = '', message } = error;
    if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS|ALTNAME|UNABLE_TO_GET_ISSUER/.test(code)) {
        return new Failure(new WebError('untrusted', `its certificate is not trusted (${code})`), false);
    }
    const [, proxyStatus] = /^Proxy .*\((\d{3})\)/.exec(message) ?? [];
    const reason = proxyStatus ? `the proxy answers ${proxyStatus}` : (reasons[code] ?? code);
    const isLasting = proxyStatus === undefined ? code === 'ENOTFOUND' : !isTemporary(Number(proxyStatus));
    return new Failure(new WebError('down', reason || 'the connection failed'), !isLasting);
}

// EXTERNAL MODULE: external "node:fs"
var external_node_fs_ = __nccwpck_require__(3024);
;// CONCATENATED MODULE: ./lib/world/disk.js
/** Files and directories: hashes, writes, copies, moves and deletes them. */




/** Whether there is a file, a directory or a link of that name. */
async function exists(file) {
    return (await (0,promises_namespaceObject.lstat)(file).catch(() => undefined)) !== undefined;
}
/** Bytes that are read at a time. */
const pieceSize = 512 * 1024;
/** Memory to read into, for the next file: streams would take new memory for every piece. */
const idle = [];
/** @returns lower-case hex of a file's SHA-256 @throws the system's error when it can't be read */
async function fileSha256(file) {
    const hash = (0,external_node_crypto_.createHash)('sha256');
    const handle = await (0,promises_namespaceObject.open)(file);
    const piece = idle.pop() ?? Buffer.allocUnsafeSlow(pieceSize);
    try {
        for (;;) {
            const { bytesRead } = await handle.read(piece, 0, piece.length, null);
            if (bytesRead === 0)
                return hash.digest('hex');
            hash.update(piece.subarray(0, bytesRead));
        }
    }
    finally {
        idle.push(piece);
        await handle.close();
    }
}
/** Files read at the same time: enough to keep a disk busy, few enough to stay small. */
const disk_concurrency = 4;
/** Array.map for work that reads files: only a few items at the same time. */
async function mapFiles(items, work) {
    const results = [];
    const queue = items.entries();
    const worker = async () => {
        for (const [index, item] of queue)
            results[index] = await work(item);
    };
    await Promise.all(Array.from({ length: disk_concurrency }, worker));
    return results;
}
/** Writes a file whole or not at all. */
async function writeWhole(file, text) {
    const temporary = `${file}.${(0,external_node_crypto_.randomUUID)()}`;
    await (0,promises_namespaceObject.writeFile)(temporary, text);
    await (0,promises_namespaceObject.rename)(temporary, file);
}
/** How often another process may be faster while a directory is moved into its place. */
const maxSwaps = 20;
/**
 * Moves a directory into the place of another one: by rename, or by a copy beside it and a rename
 * where the two are on different disks. Two processes may do it at once: the last one stays, whole.
 */
async function moveDirectory(from, to) {
    await (0,promises_namespaceObject.mkdir)(external_node_path_.dirname(to), { recursive: true });
    const source = await onSameDisk(from, to);
    const aside = untilExit(`${to}.${(0,external_node_crypto_.randomUUID)().slice(0, 8)}.old`);
    for (let swap = 1;; swap += 1) {
        await (0,promises_namespaceObject.rename)(to, aside).catch((error) => {
            if (error.code !== 'ENOENT')
                throw error;
        });
        try {
            await (0,promises_namespaceObject.rename)(source, to);
            break;
        }
        catch (error) {
            const { code } = error;
            if (!['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(String(code)) || swap >= maxSwaps)
                throw error;
            await (0,promises_namespaceObject.rm)(aside, { recursive: true, force: true });
        }
    }
    release(from);
    release(source);
    await discard(aside);
}
async function onSameDisk(from, to) {
    const beside = untilExit(`${to}.${(0,external_node_crypto_.randomUUID)().slice(0, 8)}.new`);
    try {
        await (0,promises_namespaceObject.rename)(from, beside);
    }
    catch (error) {
        if (error.code !== 'EXDEV')
            throw error;
        await copyDirectory(from, beside);
        await (0,promises_namespaceObject.rm)(from, { recursive: true, force: true });
    }
    return beside;
}
/** Copies a directory; the files share their blocks where the file system can do that. */
async function copyDirectory(from, to) {
    await (0,promises_namespaceObject.cp)(from, to, { recursive: true, mode: external_node_fs_.constants.COPYFILE_FICLONE });
}
/** Directories that are deleted when the process ends. */
const temporary = new Set();
process.on('exit', () => {
    for (const each of temporary) {
        try {
            unlock(each);
            // Programs that were just stopped may still be writing into them.
            (0,external_node_fs_.rmSync)(each, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
        }
        catch {
            // The process is ending: nobody could act on it.
        }
    }
});
/** Has a directory deleted when the process ends, however it ends. @returns the directory */
function untilExit(directory) {
    temporary.add(directory);
    return directory;
}
/** Takes {@link untilExit} back. */
function release(directory) {
    temporary.delete(directory);
}
/**
 * Makes a directory that is deleted when the process ends.
 * @param prefix of its name; a random part follows
 */
async function temporaryDirectory(parent, prefix) {
    const directory = untilExit(external_node_path_.join(parent, `${prefix}-${(0,external_node_crypto_.randomUUID)().slice(0, 8)}`));
    await (0,promises_namespaceObject.mkdir)(parent, { recursive: true });
    // Synchronous, so that it is not made after the process has cleaned up. Not recursive: on a
    // read-only disk Node would then report a missing parent.
    (0,external_node_fs_.mkdirSync)(directory);
    return directory;
}
/**
 * Deletes a directory now. If that fails, it is tried again when the process ends; no job fails for
 * it.
 */
async function discard(directory) {
    const remove = () => (0,promises_namespaceObject.rm)(directory, { recursive: true, force: true });
    try {
        await remove().catch(() => {
            unlock(directory);
            return remove();
        });
        release(directory);
    }
    catch {
        untilExit(directory);
    }
}
/** Makes what is below a directory deletable: an archive can set modes that forbid it. */
function unlock(directory) {
    if (!(0,external_node_fs_.lstatSync)(directory, { throwIfNoEntry: false })?.isDirectory())
        return;
    (0,external_node_fs_.chmodSync)(directory, 0o700);
    for (const entry of (0,external_node_fs_.readdirSync)(directory, { withFileTypes: true, encoding: 'buffer' })) {
        if (entry.isDirectory()) {
            unlock(Buffer.concat([Buffer.from(directory), Buffer.from(external_node_path_.sep), entry.name]));
        }
    }
}

// EXTERNAL MODULE: ./lib/world/process.js + 2 modules
var world_process = __nccwpck_require__(5733);
;// CONCATENATED MODULE: ./lib/world/python-program.js
/** The Python programs of `src/python`. */


/**
 * `-c` puts the working directory first on the path, where a module could replace one of the
 * standard library or pip. (`-P` does the same as these lines, from Python 3.11 on.)
 */
const preamble = 'import sys\nsys.path[:] = [p for p in sys.path if p]\n';
/** The text of a program, for `python -c`. */
function pythonProgram(name) {
    return preamble + source(name);
}
/**
 * Runs a program to its end.
 * @param python path of the interpreter, or a command on PATH
 */
function runProgram(python, name, args, options) {
    return (0,world_process/* run */.eF)(python, ['-c', pythonProgram(name), ...args], options);
}
/** JSON in ASCII: Python reads its input in the encoding of the locale, which on Windows is not UTF-8. */
function asciiJson(value) {
    return JSON.stringify(value).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
/**
 * Runs a program that reads and prints JSON.
 * @returns what it prints; undefined when it fails
 */
async function answer({ executable }, program, question, options) {
    const input = asciiJson(question);
    const { exitCode, stdout } = await runProgram(executable, program, [], { ...options, input });
    try {
        return exitCode === 0 ? JSON.parse(stdout) : undefined;
    }
    catch {
        return undefined; // Something in the environment may print whenever Python starts.
    }
}
/** The build replaces this function with one that contains all programs: see scripts/build.mjs. */
const texts = {
  "dependencies": "\"\"\"Prints, as JSON, what wheels are called and depend on. Runs none of their code.\n\nTakes a JSON object {directory, files} on standard input; prints a list with one item per file:\n{name, version, requires, python, extras}, or null for a file whose metadata can't be read.\n\"\"\"\n\nimport json\nimport os\nimport re\nimport sys\nimport zipfile\nfrom email.parser import HeaderParser\n\n# A wheel may contain a few bytes that unpack to gigabytes.\nMAX_METADATA = 4 << 20\n\n\ndef normalized(name):\n    return re.sub('[-_.]+', '-', name).lower()\n\n\ndef describe(path):\n    project = normalized(os.path.basename(path).split('-')[0])\n    with zipfile.ZipFile(path) as archive:\n        [member] = [\n            name\n            for name in archive.namelist()\n            if re.match(r'[^/]+\\.dist-info/METADATA$', name)\n            and normalized(name.split('-')[0]) == project\n        ]\n        with archive.open(member) as file:\n            content = file.read(MAX_METADATA + 1)\n    if len(content) > MAX_METADATA:\n        return None\n    headers = HeaderParser().parsestr(content.decode('utf-8', 'replace'))\n\n    def values(name):\n        return [str(value) for value in headers.get_all(name, [])]\n\n    return {\n        'name': (values('Name') or [''])[0],\n        'version': (values('Version') or [''])[0],\n        'requires': values('Requires-Dist'),\n        'python': (values('Requires-Python') or [None])[0],\n        'extras': values('Provides-Extra'),\n    }\n\n\ngiven = json.load(sys.stdin)\nanswers = []\nfor file in given['files']:\n    try:\n        answers.append(describe(os.path.join(given['directory'], file)))\n    except Exception:\n        answers.append(None)\nsys.stdout.write(json.dumps(answers))\n",
  "file_metadata": "\"\"\"Prints, as JSON, the identities and pyproject.toml of files, without running any of their code.\n\nReads all metadata that an uploader might read: twine takes the METADATA nearest to a wheel's root.\n\"\"\"\n\nimport json\nimport sys\nimport tarfile\nimport zipfile\nfrom email.parser import Parser\n\n\ndef members(path):\n    if path.endswith(('.zip', '.whl')):\n        with zipfile.ZipFile(path) as archive:\n            for member in archive.infolist():\n                yield member.filename, lambda: archive.read(member)\n    else:\n        with tarfile.open(path) as archive:\n            for member in archive:\n                if member.isfile():\n                    yield member.name, lambda: archive.extractfile(member).read()\n\n\ndef describe(path):\n    identities = []\n    pyproject = None\n    wheel = path.endswith('.whl')\n    for name, read in members(path):\n        parts = name.split('/')\n        if len(parts) <= 2 and ('METADATA' in name if wheel else parts[-1] == 'PKG-INFO'):\n            text = read().decode('utf-8', 'replace')\n            if wheel and 'Metadata-Version' not in text:\n                continue\n            info = Parser().parsestr(text, headersonly=True)\n            for one in info.get_all('Name', ['']):\n                for version in info.get_all('Version', ['']):\n                    identities.append({'name': str(one), 'version': str(version)})\n        elif len(parts) == 2 and parts[1] == 'pyproject.toml' and not wheel:\n            pyproject = read().decode('utf-8', 'replace')\n    return {'identities': identities, 'pyproject': pyproject}\n\n\nfound = []\nfor path in json.load(sys.stdin):\n    try:\n        found.append(describe(path))\n    except Exception as error:\n        found.append({'fault': type(error).__name__})\nsys.stdout.write(json.dumps(found))\n",
  "make_venv": "\"\"\"Makes a virtual environment in the directory given as argument, with a copy of the pip that the\nrunning Python has.\n\nCopies setuptools as well where `python -m venv` would install it, before 3.12. ensurepip takes 2.4 s\nfor the same, nearly all of it to compile files that are compiled already. Prints interpreter and\nsite-packages as JSON. Fails when pip was not installed by pip, as on some systems.\n\"\"\"\n\nimport base64\nimport csv\nimport hashlib\nimport json\nimport os\nimport shutil\nimport sys\nimport sysconfig\nimport venv\nfrom importlib import metadata\nfrom importlib.util import cache_from_source\n\nfrom pip._internal.operations.install.wheel import PipScriptMaker, get_console_script_specs\n\ndirectory = sys.argv[1]\nwindows = os.name == 'nt'\nnames = ['pip'] + (['setuptools'] if sys.version_info < (3, 12) else [])\nfound = []\nfor name in names:\n    try:\n        found.append(metadata.distribution(name))\n    except metadata.PackageNotFoundError:\n        if name == 'pip':\n            raise\nsource = sysconfig.get_path('purelib')\nassert all(dist.files and str(dist.locate_file('')).startswith(source) for dist in found)\n# Like the command from 3.13 on: git ignores the environment.\nignored = {'scm_ignore_files': frozenset(['git'])} if sys.version_info >= (3, 13) else {}\n\n\nclass Builder(venv.EnvBuilder):\n    def post_setup(self, context):\n        self.context = context\n\n\nbuilder = Builder(with_pip=False, symlinks=not windows, **ignored)\nbuilder.create(directory)\nbase = {'base': directory, 'platbase': directory}\nscheme = 'nt' if windows else 'posix_prefix'\ntarget = sysconfig.get_path('purelib', scheme, base)\nfiles = set()\nfor dist in found:\n    own = [os.path.join(*file.parts) for file in dist.files if file.parts[0] != '..']\n    files.update(own)\n    # Python may have written bytecode after pip wrote the list of files.\n    for file in own:\n        if file.endswith('.py'):\n            cached = cache_from_source(file)\n            if os.path.exists(os.path.join(source, cached)):\n                files.add(cached)\nfor directory_of in set(os.path.dirname(file) for file in files):\n    os.makedirs(os.path.join(target, directory_of), exist_ok=True)\nfor file in files:\n    origin, to = os.path.join(source, file), os.path.join(target, file)\n    shutil.copyfile(origin, to)\n    # Bytecode is only valid with the modification time of its source.\n    status = os.stat(origin)\n    os.utime(to, ns=(status.st_atime_ns, status.st_mtime_ns))\nscripts = os.path.join(directory, 'Scripts' if windows else 'bin')\npython = os.path.join(scripts, 'python.exe' if windows else 'python')\n# pip's own maker and names: pip, pip3, pip3.11.\nmaker = PipScriptMaker(None, scripts)\nmaker.executable = builder.context.env_exe\nmaker.clobber = True\nmaker.set_mode = True\nmaker.variants = {''}\nmade = maker.make_multiple(get_console_script_specs({'pip': 'pip._internal.cli.main:main'}))\n# The copied list of files names the commands of the original Python.\nrecord = next(\n    f for f in found[0].files if f.parts[-2:][0].endswith('.dist-info') and f.name == 'RECORD'\n)\nrecord = os.path.join(target, *record.parts)\nwith open(record, newline='', encoding='utf-8') as file:\n    rows = [row for row in csv.reader(file) if not row[0].startswith('../')]\nfor script in set(made):\n    with open(script, 'rb') as file:\n        content = file.read()\n    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()\n    name = os.path.relpath(script, target).replace(os.sep, '/')\n    rows.append([name, 'sha256=' + digest, str(len(content))])\n# pip also writes the rows sorted, in the default format of the csv module.\nwith open(record, 'w', newline='', encoding='utf-8') as file:\n    csv.writer(file).writerows(sorted(rows))\nsys.stdout.write(json.dumps({'executable': python, 'sitePackages': target}))\n",
  "markers": "\"\"\"Prints whether environment markers apply to this Python, as pip evaluates them.\n\nTakes a JSON object {markers, extras} on standard input; prints a JSON list of\n[marker, boolean] pairs.\n\"\"\"\n\nimport json\nimport sys\n\nfrom pip._vendor.packaging.markers import Marker\n\ngiven = json.load(sys.stdin)\nextras = given['extras'] or ['']\nsys.stdout.write(\n    json.dumps(\n        [\n            (text, any(Marker(text).evaluate({'extra': extra}) for extra in extras))\n            for text in given['markers']\n        ]\n    )\n)\n",
  "pip_elsewhere": "\"\"\"Runs pip, and makes it choose files as it would on another machine.\n\nEven with --platform, pip compares markers with the machine that it runs on (pypa/pip#10050), so\n`colorama; sys_platform == 'win32'` would be missing for Windows. It also rejects sdists with\ndependencies, and silently chooses an older version without any. This program patches both in\npip's process. Build backends run in processes of their own, unpatched. See\ndocs/decisions/0006-publish.md.\n\"\"\"\n\nimport json\nimport runpy\nimport sys\n\nfrom pip._internal.cli import cmdoptions\nfrom pip._vendor.packaging import markers\n\nvariables = json.loads(sys.argv[1])\n\n\ndef unfit(what):\n    sys.exit(\n        'ERROR: This pip cannot choose for another machine (%s). Use another version of pip, or run this there.'\n        % what\n    )\n\n\nown = markers.default_environment()\nmarkers.default_environment = lambda: dict(own, **variables)\nfor name, value in variables.items():\n    if not markers.Marker('%s == \"%s\"' % (name, value)).evaluate():\n        unfit(name)\nif not hasattr(cmdoptions, 'check_dist_restriction'):\n    unfit('sdists')\ncmdoptions.check_dist_restriction = lambda *args, **kwargs: None\nsys.argv[:] = ['pip'] + sys.argv[2:]\nrunpy.run_module('pip', run_name='__main__', alter_sys=True)\n",
  "probe": "\"\"\"Prints, as JSON, everything that a run needs to know about this Python.\n\nPython 2.7 must be able to parse it, so that an old Python gives a clear answer, not a syntax error.\n\"\"\"\n\nimport sys\n\nif sys.version_info < (3, 7):\n    sys.stdout.write('{\"tooOld\": \"%d.%d\"}' % sys.version_info[:2])\n    sys.exit(0)\nimport json\nimport os\nimport platform\nimport struct\nimport sysconfig\n\n\ndef libc():\n    if sys.platform == 'darwin':\n        return 'macos' + platform.mac_ver()[0].split('.')[0]\n    if not sys.platform.startswith('linux'):\n        return 'none'\n    try:\n        name = os.confstr('CS_GNU_LIBC_VERSION')\n        if name:\n            return name.replace(' ', '')\n    except (ValueError, OSError):\n        pass\n    import glob\n    import subprocess\n\n    for loader in sorted(glob.glob('/lib/ld-musl-*.so.1')):\n        output = subprocess.run([loader], stderr=subprocess.PIPE).stderr.decode('utf-8', 'replace')\n        for line in output.splitlines():\n            if line.startswith('Version '):\n                return 'musl' + '.'.join(line.split()[1].split('.')[:2])\n    return 'unknown'\n\n\ndef importable(name):\n    import importlib.util\n\n    return importlib.util.find_spec(name) is not None\n\n\ndef pip_version():\n    try:\n        import pip\n\n        return pip.__version__\n    except Exception:\n        return None\n\n\ndef pip_config_files():\n    # Where get_configuration_files of pip's configuration.py looks, at least from pip 22.2 to 26.3.\n    from pip._internal.utils import appdirs\n\n    named = os.environ.get('PIP_CONFIG_FILE')\n    if named == os.devnull:\n        return []\n    windows = sys.platform == 'win32'\n    home = os.path.join(os.path.expanduser('~'), 'pip' if windows else '.pip')\n    directories = appdirs.site_config_dirs('pip') + [sys.prefix, home, appdirs.user_config_dir('pip')]\n    name = 'pip.ini' if windows else 'pip.conf'\n    return [named] * bool(named) + [os.path.join(each, name) for each in directories]\n\n\ndef pip_environment():\n    settings = {}\n    for name, value in os.environ.items():\n        option = name[4:].lower().replace('_', '-')\n        if name.startswith('PIP_') and option not in ('version', 'help'):\n            settings[':env:.' + (option[2:] if option.startswith('--') else option)] = value\n    return settings\n\n\ndef pip_config():\n    # To load pip's own reader takes longer than everything else here, and most machines have no file.\n    if not any(os.path.lexists(file) for file in pip_config_files()):\n        return pip_environment()\n    # As pip itself reads its files and environment: stable since pip 10; since pip 25 with one table\n    # per file, of which later ones win.\n    from pip._internal.configuration import Configuration\n\n    configuration = Configuration(isolated=False)\n    configuration.load()\n    merged = {}\n    for key, value in configuration.items():\n        merged.update(value if isinstance(value, dict) else {key: value})\n    return merged\n\n\ndef default_index():\n    try:\n        from pip._internal.models.index import PyPI\n\n        return PyPI.simple_url\n    except Exception:\n        return ''\n\n\ndef has_netrc():\n    names = [os.environ['NETRC']] if os.environ.get('NETRC') else ['~/.netrc', '~/_netrc']\n    return any(os.path.exists(os.path.expanduser(name)) for name in names)\n\n\nv = sys.version_info\nseries = '%d.%d' % v[:2]\nif v.releaselevel != 'final':\n    series += {'alpha': 'a', 'beta': 'b', 'candidate': 'rc'}[v.releaselevel] + str(v.serial)\nmachine = platform.machine().lower()\nin_venv = sys.prefix != sys.base_prefix\npip = pip_version()\nconfig, config_error = {}, None\nif pip:\n    try:\n        config = pip_config()\n    except BaseException as error:\n        config_error = str(error) or type(error).__name__\nsys.stdout.write(\n    json.dumps(\n        {\n            'executable': sys.executable,\n            'implementation': sys.implementation.name,\n            'version': platform.python_version(),\n            'series': series,\n            'extensionSuffix': sysconfig.get_config_var('EXT_SUFFIX') or '',\n            'platform': sysconfig.get_platform(),\n            'os': {'darwin': 'macos', 'win32': 'windows'}.get(sys.platform, sys.platform),\n            'arch': machine\n            + ('-32' if struct.calcsize('P') == 4 and machine.endswith('64') else ''),\n            'libc': libc(),\n            'freeThreaded': bool(sysconfig.get_config_var('Py_GIL_DISABLED')),\n            'sitePackages': sysconfig.get_path('purelib'),\n            'searchPath': [p for p in sys.path if os.path.isdir(p)],\n            'externallyManaged': not in_venv\n            and os.path.exists(os.path.join(sysconfig.get_path('stdlib'), 'EXTERNALLY-MANAGED')),\n            'pip': pip,\n            'buildsLegacy': importable('setuptools') and importable('wheel'),\n            'defaultIndex': default_index(),\n            'keyring': importable('keyring'),\n            'netrc': has_netrc(),\n            'pipConfig': config,\n            'pipConfigError': config_error,\n        }\n    )\n)\n",
  "run_pip": "\"\"\"Runs pip like `python -m pip`, which would however run a pip.py in the working directory.\n\nWHEELHOUSE_PIP is the path of another pip to run: a directory with the package, or a wheel.\n\nWHEELHOUSE_AGE_EXCEPT names the projects that --uploaded-prior-to does not apply to; pip itself knows\nno exceptions. The pips that this one starts for its build environments make them as well.\n\nWHEELHOUSE_BUILD_LOG names a log file for the pips that this one starts for its build environments.\nPIP_LOG would do that, but this pip would use it as well, and then hide the output of failing builds.\nSo PIP_LOG is set only after this pip has read its options, when it configures its logging.\n\"\"\"\n\nimport importlib\nimport logging.config\nimport os\nimport runpy\nimport sys\nimport tempfile\n\n# Like pip's own __pip-runner__.py: a path at the start of sys.path would hide other modules too.\nredirection = '''\nimport sys\nfrom importlib.machinery import PathFinder\n\n\nclass PipFinder:\n    @staticmethod\n    def find_spec(name, path=None, target=None):\n        return PathFinder.find_spec(name, [%r], target) if name == 'pip' else None\n\n\nsys.meta_path.insert(0, PipFinder)\n'''\n\nexceptions = '''\nimport os\nfrom pip._internal.index.package_finder import LinkEvaluator\n\nexempt = os.environ['WHEELHOUSE_AGE_EXCEPT'].split()\nconstruct = LinkEvaluator.__init__\n\n\ndef construct_with_exceptions(self, *args, **options):\n    construct(self, *args, **options)\n    if self._canonical_name in exempt:\n        self._uploaded_prior_to = None\n\n\nLinkEvaluator.__init__ = construct_with_exceptions\n'''\n\nstart = '''\nimport runpy\nrunpy.run_module('pip', run_name='__main__', alter_sys=True)\n'''\n\n\ndef run(program):\n    exec(program, {'__name__': 'wheelhouse'})\n\n\nother_pip = os.environ.pop('WHEELHOUSE_PIP', None)\nif other_pip:\n    run(redirection % other_pip)\n\nif os.environ.get('WHEELHOUSE_AGE_EXCEPT'):\n    run(exceptions)\n    import pip\n\n    root = os.path.dirname(os.path.dirname(pip.__file__))\n    with tempfile.NamedTemporaryFile('w', suffix='.py', delete=False) as file:\n        file.write(redirection % root + exceptions + start)\n    # It is in the first module up to pip 26.1, and in the second one since.\n    for name in ('pip._internal.build_env', 'pip._internal.build_env.installer'):\n        try:\n            builds = importlib.import_module(name)\n        except ImportError:\n            continue\n        if hasattr(builds, 'get_runnable_pip'):\n            builds.get_runnable_pip = lambda: file.name\n\nlog = os.environ.pop('WHEELHOUSE_BUILD_LOG', None)\nif log:\n    configure = logging.config.dictConfig\n\n    def configure_and_log(config):\n        os.environ['PIP_LOG'] = log\n        return configure(config)\n\n    logging.config.dictConfig = configure_and_log\nrunpy.run_module('pip', run_name='__main__', alter_sys=True)\n",
  "session": "\"\"\"Downloads pages and files through the HTTP session of pip's own \"download\": keyring, netrc, proxies\nand client certificates work as they do for pip. Its cache is not used.\n\nReads JSON objects from standard input, one per line: first {indexes}, the URLs whose credentials the\nsession knows; then {id, url, to, headers, bytes, seconds, silence, window, rate} per request. `bytes`\nis the largest allowed size, `seconds` the time until the first byte, or, with `page`, until the last\none. Prints a JSON object per request, when it is done: {id, status, ...}, or {id, fault}. Ends with\nits standard input. `broken`: some of it had arrived, so another attempt may succeed.\n\nA fault names the class of an error, never its text, which may contain an address with credentials.\n\"\"\"\n\nimport hashlib\nimport json\nimport os\nimport sys\nimport threading\nimport time\nimport zlib\nfrom urllib.parse import urljoin, urlsplit, urlunsplit\nfrom urllib.request import url2pathname\n\nfrom pip._internal.commands.download import DownloadCommand\n\nslots = threading.BoundedSemaphore(8)\nlock = threading.Lock()\n\n\ndef reply(answer):\n    with lock:\n        sys.stdout.write(json.dumps(answer) + '\\n')\n        sys.stdout.flush()\n\n\nclass Fault(Exception):\n    pass\n\n\nclass Unwritable(Exception):\n    pass\n\n\nclass Request:\n    \"\"\"One download. The watchdog gives up on it where the network library would wait on.\"\"\"\n\n    def __init__(self, job):\n        self.job = job\n        self.done = False\n        self.received = 0\n        self.begun = self.moved = self.window = time.monotonic()\n        self.window_bytes = 0\n\n    def end(self, answer):\n        with lock:\n            if self.done:\n                return False\n            self.done = True\n        slots.release()\n        active.discard(self)\n        reply(dict(answer, id=self.job['id']))\n        return True\n\n    def check(self, now):\n        job = self.job\n        if now - self.begun > job['seconds'] and (job['page'] or self.received == 0):\n            self.end({'fault': 'it did not arrive within %g s' % job['seconds']})\n        elif self.received and now - self.moved > job['silence']:\n            self.end({'fault': 'it sent nothing for %g s' % job['silence']})\n        elif self.received and now - self.window > job['window']:\n            if self.window_bytes < job['rate'] * job['window']:\n                self.end({'fault': 'it sent less than %g kB/s' % (job['rate'] / 1024)})\n            self.window = now\n            self.window_bytes = 0\n\n    def arrived(self, size):\n        if self.done:\n            raise Fault('it took too long')\n        self.received += size\n        self.window_bytes += size\n        self.moved = time.monotonic()\n        if self.received > self.job['bytes']:\n            raise Fault('it is larger than %d MB' % (self.job['bytes'] >> 20))\n\n    def run(self):\n        try:\n            self.end(self.download())\n        except Fault as fault:\n            large = self.received > self.job['bytes']\n            self.end({'fault': str(fault), 'large': large, 'broken': not large})\n        except Unwritable:\n            self.end({'fault': 'it could not be written', 'unwritable': True})\n        except BaseException as error:\n            self.fail(error)\n\n    def fail(self, error):\n        fault = 'it does not answer (%s)' % type(error).__name__\n        self.end({'fault': fault, 'broken': self.received > 0})\n\n    def download(self):\n        job = self.job\n        url = job['url']\n        if url.startswith('file:') and os.path.isdir(url2pathname(urlsplit(url).path)):\n            url = urljoin(url if url.endswith('/') else url + '/', 'index.html')\n        headers = dict(job['headers'], **{'Cache-Control': 'max-age=0'})\n        with session.get(url, headers=headers, stream=True) as response:\n            answer = {\n                'status': response.status_code,\n                'contentType': response.headers.get('Content-Type', ''),\n                'url': bare(response.url),\n            }\n            if response.status_code != 200:\n                return answer\n            digest = hashlib.sha256()\n            with writing(lambda: open(job['to'], 'wb')) as file:\n                for chunk in self.chunks(response):\n                    self.arrived(len(chunk))\n                    digest.update(chunk)\n                    writing(lambda: file.write(chunk))\n            self.check_length(response)\n            return dict(answer, sha256=digest.hexdigest(), size=self.received)\n\n    def chunks(self, response):\n        \"\"\"A page is decompressed; a file is what was sent. requests takes half a page for a page.\"\"\"\n        raw = response.raw\n        if hasattr(raw, 'stream'):\n            pieces = raw.stream(16384, decode_content=False)\n        else:\n            pieces = iter(lambda: raw.read(16384), b'')\n        encoding = str(response.headers.get('Content-Encoding', '')).strip().lower()\n        if not self.job['page'] or encoding in ('', 'identity'):\n            return pieces\n        if encoding not in ('gzip', 'x-gzip'):\n            raise Fault('it has a content encoding that was not requested')\n        return decompressed(pieces)\n\n    def check_length(self, response):\n        \"\"\"requests takes a connection that ends too early for the end of the body.\"\"\"\n        length = str(response.headers.get('Content-Length', ''))\n        if length.isdigit() and hasattr(response.raw, 'tell') and hasattr(response.raw, 'stream'):\n            if response.raw.tell() != int(length):\n                raise Fault('the connection ended too early')\n\n\ndef decompressed(pieces):\n    stream = zlib.decompressobj(31)\n    for piece in pieces:\n        yield stream.decompress(piece)\n    yield stream.flush()\n    if not stream.eof:\n        raise Fault('it is not the gzip data that it should be')\n\n\ndef writing(work):\n    try:\n        return work()\n    except OSError:\n        raise Unwritable\n\n\ndef bare(url):\n    parts = urlsplit(url)\n    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition('@')[2], fragment=''))\n\n\ndef watch():\n    while True:\n        time.sleep(0.1)\n        now = time.monotonic()\n        for request in list(active):\n            request.check(now)\n\n\nactive = set()\ncommand = DownloadCommand('download', 'download')\noptions, _ = command.parse_args(['--no-cache-dir', '--no-input'])\nsession = command._build_session(options)\nsession.auth.prompting = False\nknown = json.loads(sys.stdin.readline())\nsession.auth.index_urls = list(session.auth.index_urls or []) + known['indexes']\nthreading.Thread(target=watch, daemon=True).start()\nfor line in iter(sys.stdin.readline, ''):\n    slots.acquire()\n    request = Request(json.loads(line))\n    active.add(request)\n    threading.Thread(target=request.run, daemon=True).start()\nos._exit(0)\n",
  "tags": "\"\"\"Prints, as a JSON list, the tags of the wheels that this Python can install, the best one first.\"\"\"\n\nimport json\nimport sys\n\nfrom pip._vendor.packaging.tags import sys_tags\n\nsys.stdout.write(json.dumps([str(tag) for tag in sys_tags()]))\n",
  "unpack_uv": "\"\"\"Extracts the program uv from its wheel; prints its path.\n\nArguments: the wheel, and the directory to extract it to.\n\"\"\"\n\nimport os\nimport sys\nimport zipfile\n\nwheel, directory = sys.argv[1:]\nwith zipfile.ZipFile(wheel) as archive:\n    [member] = [\n        m\n        for m in archive.namelist()\n        if m.split('/')[-2:] in (['scripts', 'uv'], ['scripts', 'uv.exe'])\n    ]\n    path = os.path.join(directory, member.split('/')[-1])\n    with open(path, 'wb') as program:\n        program.write(archive.read(member))\nos.chmod(path, 0o755)\nsys.stdout.write(path)\n",
  "wheel_metadata": "\"\"\"Prints, as JSON, what wheels state about their licences and dependencies. Runs none of their code.\n\nTakes a JSON object {directory, files} on standard input; prints a list with one object per file:\n{expression, license, classifiers, requires, texts} or {fault}. `texts` are [path, content] pairs of\nlicence files; the content of one that is too large is null.\n\"\"\"\n\nimport json\nimport os\nimport re\nimport sys\nimport zipfile\nfrom email.parser import HeaderParser\n\n# A wheel may contain a few bytes that unpack to gigabytes.\nMAX_METADATA = 4 << 20\nMAX_TEXT = 1 << 20\nMAX_TEXTS = 100\n\n\ndef read(archive, member, limit):\n    with archive.open(member) as file:\n        content = file.read(limit + 1)\n    return None if len(content) > limit else content.decode('utf-8', 'replace')\n\n\ndef normalized(name):\n    return re.sub('[-_.]+', '-', name).lower()\n\n\ndef describe(directory, file):\n    project = normalized(file.split('-')[0])\n    with zipfile.ZipFile(os.path.join(directory, file)) as archive:\n        names = sorted(set(archive.namelist()))\n        found = [\n            name[: -len('METADATA')]\n            for name in names\n            if re.match(r'[^/]+\\.dist-info/METADATA$', name)\n            and normalized(name.split('-')[0]) == project\n        ]\n        if len(found) != 1:\n            return {'fault': 'it has %d files METADATA' % len(found)}\n        info = found[0]\n        text = read(archive, info + 'METADATA', MAX_METADATA)\n        if text is None:\n            return {'fault': 'its METADATA is too large'}\n        headers = HeaderParser().parsestr(text)\n        texts = []\n        for name in names:\n            path = name[len(info) :]\n            if not name.startswith(info) or path.endswith('/'):\n                continue\n            if re.match(r'licenses/|(licen[cs]e|copying|notice|authors)[^/]*$', path, re.I):\n                texts.append([path, read(archive, name, MAX_TEXT)])\n            if len(texts) == MAX_TEXTS:\n                break\n\n    def values(name):\n        return [str(value) for value in headers.get_all(name, [])]\n\n    return {\n        'expression': (values('License-Expression') or [''])[0],\n        'license': (values('License') or [''])[0],\n        'classifiers': [v for v in values('Classifier') if v.startswith('License ::')],\n        'requires': values('Requires-Dist'),\n        'texts': texts,\n    }\n\n\ngiven = json.load(sys.stdin)\nanswers = []\nfor file in given['files']:\n    try:\n        answers.append(describe(given['directory'], file))\n    except Exception as error:\n        answers.append({'fault': type(error).__name__})\nsys.stdout.write(json.dumps(answers))\n",
  "write_stubs": "\"\"\"Writes wheels that contain nothing but metadata (PEP 427).\n\npip then resolves a local project's dependencies, extras and markers itself, without building the\nproject. Takes a JSON list of {name, version, requires} on standard input and the directory as\nargument; prints the list again, each stub with the path and the SHA-256 of its file.\n\"\"\"\n\nimport hashlib\nimport json\nimport os\nimport re\nimport sys\nimport zipfile\n\nstubs = json.load(sys.stdin)\nfor number, stub in enumerate(stubs):\n    escaped = re.sub(r'[-_.]+', '_', stub['name'])\n    base = '%s-%s' % (escaped, stub['version'])\n    extras = sorted(\n        set(re.findall(r\"\"\"extra\\s*==\\s*['\"]([^'\"]+)['\"]\"\"\", ' '.join(stub['requires'])))\n    )\n    metadata = ['Metadata-Version: 2.1', 'Name: ' + stub['name'], 'Version: ' + stub['version']]\n    metadata += ['Provides-Extra: ' + extra for extra in extras]\n    metadata += ['Requires-Dist: ' + requirement for requirement in stub['requires']]\n    files = {\n        'METADATA': '\\n'.join(metadata) + '\\n',\n        'WHEEL': 'Wheel-Version: 1.0\\nGenerator: wheelhouse\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n',\n    }\n    directory = os.path.join(sys.argv[1], str(number))\n    os.mkdir(directory)\n    # The build tag distinguishes its name from a real wheel's.\n    path = os.path.join(directory, base + '-0wheelhouse-py3-none-any.whl')\n    with zipfile.ZipFile(path, 'w') as archive:\n        record = ''\n        for name, text in files.items():\n            archive.writestr('%s.dist-info/%s' % (base, name), text)\n            record += '%s.dist-info/%s,,\\n' % (base, name)\n        archive.writestr(base + '.dist-info/RECORD', record + base + '.dist-info/RECORD,,\\n')\n    with open(path, 'rb') as file:\n        stub.update(file=path, sha256=hashlib.sha256(file.read()).hexdigest())\nsys.stdout.write(json.dumps(stubs))\n"
};
function source(name) {
    return texts[name];
}

;// CONCATENATED MODULE: ./lib/world/pip-session.js
/** Downloads through pip's own HTTP session: see session.py. */








/** Attempts for something that breaks off; pip itself repeats requests without a response. */
const attempts = 2;
/** A client that starts the session with its first request. */
function pipClient(pip, { indexes }, limits, defaults) {
    let session;
    let directory;
    let isClosed = false;
    let lastId = 0;
    function started() {
        session ??= startSession(pip, indexes, (ended) => {
            if (session === ended)
                session = undefined;
        });
        return session;
    }
    async function ask(order) {
        if (isClosed)
            throw new WebError('down', 'the client was closed');
        const { running, waiting } = started();
        lastId += 1;
        const id = lastId;
        return new Promise((resolve) => {
            waiting.set(id, resolve);
            // Addresses may contain credentials, so they are not arguments.
            running.write(`${asciiJson({
                ...order,
                id,
                silence: limits.silence / 1000,
                window: limits.window / 1000,
                rate: limits.minRate,
            })}\n`);
        });
    }
    async function download(order) {
        for (let attempt = 1;; attempt += 1) {
            const reply = await ask(order);
            const { status, fault } = reply;
            if (status !== undefined && status !== 200)
                throw statusError(status);
            if (fault === undefined)
                return reply;
            if (reply.unwritable)
                throw new Error(fault);
            if (reply.large)
                throw new WebError('too large', fault);
            if (!reply.broken || attempt >= attempts)
                throw new WebError('down', fault);
        }
    }
    return {
        async page(url, options = {}) {
            directory ??= temporaryDirectory((0,external_node_os_.tmpdir)(), 'wheelhouse-pages');
            const to = external_node_path_.join(await directory, (0,external_node_crypto_.randomUUID)());
            try {
                const { contentType = '', url: from = '' } = await download({
                    url,
                    to,
                    headers: { Accept: options.accept ?? defaults.accept, 'Accept-Encoding': 'gzip' },
                    bytes: options.maxBytes ?? defaults.maxPage,
                    page: true,
                    seconds: (options.timeLimit ?? limits.pip) / 1000,
                });
                const body = await (0,promises_namespaceObject.readFile)(to);
                return { contentType, url: from, body, text: body.toString('utf8') };
            }
            finally {
                await (0,promises_namespaceObject.rm)(to, { force: true });
            }
        },
        async file(url, to, expected = {}) {
            const temporary = `${to}.${(0,external_node_crypto_.randomUUID)().slice(0, 8)}.part`;
            try {
                for (let attempt = 1;; attempt += 1) {
                    const { sha256, size } = await download({
                        url,
                        to: temporary,
                        headers: { Accept: '*/*', 'Accept-Encoding': 'identity' },
                        bytes: Math.min(expected.size ?? defaults.maxFile, expected.maxBytes ?? defaults.maxFile),
                        page: false,
                        seconds: limits.pip / 1000,
                    });
                    const fault = mismatch({ sha256, size }, expected);
                    if (fault === undefined) {
                        await (0,promises_namespaceObject.rename)(temporary, to);
                        return { sha256, size };
                    }
                    // It may have been damaged on the way.
                    if (attempt >= attempts)
                        throw new WebError('wrong', fault);
                }
            }
            finally {
                await (0,promises_namespaceObject.rm)(temporary, { force: true });
            }
        },
        async close() {
            isClosed = true;
            session?.running.stop();
            await session?.running.finished.catch(() => { });
            if (directory !== undefined)
                await discard(await directory);
        },
    };
}
/** Why a file is not the expected one; undefined when it is. */
function mismatch(file, expected) {
    if (expected.size !== undefined && expected.size !== file.size) {
        return 'its size is not the expected one';
    }
    if (expected.sha256 !== undefined && expected.sha256 !== file.sha256) {
        return 'its SHA-256 is not the expected one';
    }
    return undefined;
}
/** @param onEnd is told when the program has ended, for whatever reason */
function startSession({ python, cwd, env }, indexes, onEnd) {
    const waiting = new Map();
    const running = (0,world_process/* start */.ni)(python, ['-c', pythonProgram('session')], {
        cwd,
        env,
        onLine: (line) => {
            const reply = replyIn(line);
            const resolve = reply && waiting.get(reply.id);
            if (reply === undefined || resolve === undefined)
                return;
            waiting.delete(reply.id);
            resolve(reply);
        },
    });
    const session = { running, waiting };
    const end = () => {
        onEnd(session);
        for (const [id, resolve] of waiting)
            resolve({ id, fault: 'pip could not be used for it' });
        waiting.clear();
    };
    running.finished.then(end, end);
    running.write(`${asciiJson({ indexes })}\n`);
    return session;
}
/** Something in the environment may print whenever Python starts. */
function replyIn(line) {
    try {
        const value = JSON.parse(line);
        return typeof value?.id === 'number' ? value : undefined;
    }
    catch {
        return undefined;
    }
}

;// CONCATENATED MODULE: ./lib/world/client.js
/** Downloads pages and files of indexes. */








/** Bytes. The longest known page of a real project, ddtrace's, has 19 MB of HTML (2026). */
const maxPage = 32 * 1024 * 1024;
/** Bytes. The largest known wheels have about 4 GB. */
const maxFile = 8 * 1024 ** 3;
/** For project pages: prefers JSON, like pip. */
const accept = 'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01';
/** Bytes that have to arrive for an attempt to count as progress. */
const progress = 1024 * 1024;
/** @param limits for tests */
function webAdapter(limits = usualLimits) {
    return { open: (access) => openClient(access, limits) };
}
function openClient(access, limits) {
    const { pip } = access;
    const own = ownClient(access, limits);
    if (pip === undefined)
        return own;
    const session = pipClient(pip, access, limits, { accept, maxPage, maxFile });
    /** Where pip could do what this program could not. */
    const pipOrigins = new Set();
    async function through(address, work) {
        const url = new URL(address);
        const isHttp = /^https?:$/.test(url.protocol);
        if (pip?.use === 'always' || !isHttp || pipOrigins.has(url.origin))
            return work(session);
        try {
            return await work(own);
        }
        catch (error) {
            if (!(error instanceof WebError) || !mayPipHelp(error))
                throw error;
            const result = await work(session).catch((other) => {
                throw other instanceof WebError && other.kind === 'down' ? error : other;
            });
            pipOrigins.add(url.origin);
            return result;
        }
    }
    return {
        page: (url, options) => through(url, (client) => client.page(url, options)),
        file: (url, to, expected) => through(url, (client) => client.file(url, to, expected)),
        async close() {
            await Promise.all([own.close(), session.close()]);
        },
    };
}
function mayPipHelp({ kind }) {
    return kind === 'refused' || kind === 'untrusted' || kind === 'down';
}
function ownClient(access, limits) {
    const connections = new Connections(access, limits);
    return {
        page: (url, options = {}) => withRetries({ ...limits, attempts: options.attempts ?? limits.attempts }, () => page(connections, parsed(url), { timeLimit: limits.page, ...options })),
        file: (url, to, expected = {}) => file(connections, parsed(url), to, expected, limits),
        close: () => connections.close(),
    };
}
/** @throws WebError for an address that is not one of a web server */
function parsed(address) {
    const url = URL.canParse(address) ? new URL(address) : undefined;
    if (url !== undefined && /^https?:$/.test(url.protocol))
        return url;
    throw new WebError('wrong', 'its address is not an http address');
}
/**
 * Repeats what fails for reasons that may pass.
 * @param hasProgressed whether the last attempt came further: it then does not count
 * @throws WebError of the last attempt
 */
async function withRetries(limits, attempt, hasProgressed = () => false) {
    for (let failures = 0;;) {
        try {
            return await attempt();
        }
        catch (error) {
            if (!(error instanceof Failure))
                throw error;
            failures = hasProgressed() ? 1 : failures + 1;
            if (!error.isTemporary || failures >= limits.attempts)
                throw error.error;
            await (0,external_node_timers_promises_namespaceObject.setTimeout)(pauseBefore(failures, error.retryAfter, Date.now(), limits.pause));
        }
    }
}
async function page(connections, start, { accept: types = accept, maxBytes = maxPage, sample, timeLimit, stayAtOrigin }) {
    const headers = { accept: types, 'accept-encoding': sample === undefined ? 'gzip' : 'identity' };
    const exchange = await connections.request(start, headers, {
        statuses: [200],
        total: timeLimit,
        stayAtOrigin,
    });
    try {
        if (Number(connections_text(exchange.headers['content-length'])) > maxBytes)
            throw tooLarge(maxBytes);
        const chunks = [];
        let size = 0;
        for await (const chunk of exchange.body()) {
            chunks.push(chunk);
            size += chunk.length;
            if (size > maxBytes)
                throw tooLarge(maxBytes);
            if (sample !== undefined && size >= sample)
                break;
        }
        const body = await decompressed(Buffer.concat(chunks), exchange, maxBytes);
        return {
            contentType: connections_text(exchange.headers['content-type']) ?? '',
            body,
            text: body.toString('utf8'),
            url: exchange.url.href,
        };
    }
    finally {
        exchange.end();
    }
}
async function decompressed(body, { headers }, maxOutputLength) {
    const encoding = (connections_text(headers['content-encoding']) ?? 'identity').trim().toLowerCase();
    if (encoding === 'identity' || encoding === '')
        return body;
    if (encoding !== 'gzip' && encoding !== 'x-gzip') {
        throw new WebError('wrong', 'it has a content encoding that was not requested');
    }
    try {
        return await (0,external_node_util_.promisify)(external_node_zlib_.gunzip)(body, { maxOutputLength });
    }
    catch (error) {
        const { code } = error;
        if (code === 'ERR_BUFFER_TOO_LARGE')
            throw tooLarge(maxOutputLength);
        throw new Failure(new WebError('wrong', 'it is not the gzip data that it should be'), true);
    }
}
function tooLarge(limit) {
    return new WebError('too large', `it is larger than ${Math.floor(limit / 1024 / 1024)} MB`);
}
async function file(connections, start, to, expected, limits) {
    const temporary = `${to}.${Math.random().toString(36).slice(2, 10)}.part`;
    const handle = await (0,promises_namespaceObject.open)(temporary, 'wx');
    const partial = new PartialFile(handle, expected);
    let before = 0;
    let isClosed = false;
    try {
        const result = await withRetries(limits, () => {
            before = partial.size;
            return download(connections, start, partial);
        }, () => partial.size >= before + progress);
        await handle.close();
        isClosed = true;
        await (0,promises_namespaceObject.rename)(temporary, to);
        return result;
    }
    catch (error) {
        if (!isClosed)
            await handle.close().catch(() => { });
        await (0,promises_namespaceObject.rm)(temporary, { force: true }).catch(() => { });
        throw error;
    }
}
/** One attempt, which goes on where the last one ended. */
async function download(connections, start, partial) {
    const headers = { accept: '*/*', 'accept-encoding': 'identity', ...partial.rangeHeaders() };
    let exchange;
    try {
        exchange = await connections.request(start, headers, { statuses: [200, 206] });
    }
    catch (error) {
        // 416: what is here already is longer than what is there now.
        if (error instanceof Failure && error.error.status === 416 && partial.size > 0) {
            await partial.restart();
            throw new Failure(error.error, true);
        }
        throw error;
    }
    try {
        await partial.begin(exchange);
        for await (const chunk of exchange.body())
            await partial.append(chunk);
    }
    finally {
        exchange.end();
    }
    return partial.finish();
}
/** A file that is being downloaded, perhaps in several attempts. */
class PartialFile {
    #handle;
    #expected;
    #hash = (0,external_node_crypto_.createHash)('sha256');
    /** Identifies the version of the file on the server, for If-Range. */
    #validator;
    /** What arrived in full was wrong before. */
    #wasWrong = false;
    /** Bytes. */
    size = 0;
    constructor(handle, expected) {
        this.#handle = handle;
        this.#expected = expected;
    }
    /** Without a validator, only a known hash shows that the parts belong together. */
    rangeHeaders() {
        const mayResume = this.#validator !== undefined || this.#expected.sha256 !== undefined;
        if (this.size === 0 || !mayResume)
            return {};
        return {
            range: `bytes=${this.size}-`,
            ...(this.#validator === undefined ? {} : { 'if-range': this.#validator }),
        };
    }
    async begin({ status, headers }) {
        const range = /^bytes (\d+)-\d*\/(\d+|\*)$/.exec(connections_text(headers['content-range']) ?? '');
        const isNext = status === 206 && Number(range?.[1]) === this.size && this.size > 0;
        if (status === 206 && !isNext) {
            await this.restart();
            throw new Failure(new WebError('wrong', 'it sent another part than requested'), true);
        }
        if (!isNext && this.size > 0)
            await this.restart();
        const etag = connections_text(headers['etag']);
        this.#validator = etag?.startsWith('"') ? etag : connections_text(headers['last-modified']);
        const length = connections_text(headers['content-length']);
        if (length !== undefined)
            await this.#check(this.size + Number(length), true);
    }
    async append(chunk) {
        await this.#check(this.size + chunk.length, false);
        this.#hash.update(chunk);
        for (let written = 0; written < chunk.length;) {
            const rest = chunk.length - written;
            const { bytesWritten } = await this.#handle.write(chunk, written, rest, this.size);
            written += bytesWritten;
            this.size += bytesWritten;
        }
    }
    async finish() {
        const sha256 = this.#hash.digest('hex');
        const found = { sha256, size: this.size };
        const fault = mismatch(found, this.#expected);
        if (fault !== undefined)
            throw await this.#wrong(fault);
        return found;
    }
    /** Forgets everything that has arrived. */
    async restart() {
        await this.#handle.truncate(0);
        this.#hash = (0,external_node_crypto_.createHash)('sha256');
        this.#validator = undefined;
        this.size = 0;
    }
    /** @param isFinal whether the size is that of the whole file */
    async #check(size, isFinal) {
        const { size: wanted, maxBytes = maxFile } = this.#expected;
        if (size > maxBytes)
            throw tooLarge(maxBytes);
        if (wanted !== undefined && (isFinal ? size !== wanted : size > wanted)) {
            throw await this.#wrong('its size is not the expected one');
        }
    }
    /** It may have been damaged on the way: all of it is requested once more. */
    async #wrong(reason) {
        const isFirst = !this.#wasWrong;
        this.#wasWrong = true;
        await this.restart();
        return new Failure(new WebError('wrong', reason), isFirst);
    }
}

// EXTERNAL MODULE: ./lib/logic/environment.js
var logic_environment = __nccwpck_require__(6131);
// EXTERNAL MODULE: ./lib/logic/names.js
var logic_names = __nccwpck_require__(9882);
;// CONCATENATED MODULE: ./lib/world/python.js
/** The chosen Python and its pip. */











const oldestPython = '3.7';
/** @param environment of programs other than pip: without the runner's inputs and tokens */
function pythonAdapter(reporter, environment) {
    return {
        probe,
        createVenv,
        installed,
        present,
        async pip(interpreter, args, { env, buildLog, pip, ...options }) {
            // A pip that is killed leaves what it has unpacked. If this can't be made, pip says why.
            const temporary = await temporaryDirectory((0,external_node_os_.tmpdir)(), 'wheelhouse-pip').catch(() => undefined);
            try {
                return await runPip(reporter, interpreter, 'run_pip', args, {
                    ...options,
                    env: {
                        ...env,
                        ...(temporary ? (0,logic_environment/* temporaryVariables */.fp)(temporary) : {}),
                        ...(buildLog === undefined ? {} : { WHEELHOUSE_BUILD_LOG: buildLog }),
                        ...(pip === undefined ? {} : { WHEELHOUSE_PIP: pip }),
                    },
                });
            }
            finally {
                if (temporary)
                    await discard(temporary);
            }
        },
        async applies(interpreter, markers, extras = []) {
            if (markers.length === 0)
                return new Map();
            const job = { markers, extras };
            const options = { env: environment };
            return new Map(await answer(interpreter, 'markers', job, options));
        },
        async tags(interpreter) {
            const tags = await answer(interpreter, 'tags', {}, { env: environment });
            if (tags === undefined)
                throw new Error('The tags of this Python could not be read.');
            return tags;
        },
        async dependencies(interpreter, directory, files) {
            if (files.length === 0)
                return [];
            const job = { directory, files };
            const options = { env: environment };
            const found = await answer(interpreter, 'dependencies', job, options);
            return files.map((_file, position) => {
                const each = found?.[position];
                return each ? { ...each, python: each.python ?? undefined } : undefined;
            });
        },
        async writeStubs({ executable }, directory, stubs) {
            const { exitCode, stdout, output } = await runProgram(executable, 'write_stubs', [directory], { env: environment, input: asciiJson(stubs) });
            if (exitCode !== 0) {
                throw new Error(`Stub wheels could not be written: ${(0,pip_output/* errorExcerpt */.MS)(output)}`);
            }
            return JSON.parse(stdout);
        },
    };
}
/** Runs a program that becomes pip; its output goes to the log, rewritten, as it comes. */
async function runPip(reporter, { executable }, program, args, { cwd, env, rewrite = (line) => line }) {
    const lines = [];
    const onLine = (line) => {
        const shown = rewrite(line);
        lines.push(shown);
        reporter.foreign(shown);
    };
    const { exitCode } = await runProgram(executable, program, args, { cwd, env, onLine });
    return { exitCode, output: lines.join('\n') };
}
async function probe(request) {
    const candidates = pythonCandidates(request);
    for (const command of candidates) {
        try {
            return readProbe(command, await runProgram(command, 'probe', [], {
                cwd: request.workingDirectory,
                env: request.environment,
            }));
        }
        catch (error) {
            if (error instanceof errors/* UserError */.yo)
                throw error;
            const { code } = error;
            if (code === 'ENOENT' && command !== candidates.at(-1))
                continue;
            throw notFound(request, command, code);
        }
    }
    throw new Error('no candidate for Python');
}
/** An existing virtual environment comes first, then the input, then what PATH offers. */
function pythonCandidates(request) {
    if (request.venv !== undefined) {
        const inside = venvPython(request.venv);
        if ((0,external_node_fs_.existsSync)(inside))
            return [inside];
    }
    if (request.python === undefined)
        return ['python', 'python3'];
    const isPath = /[\\/]/.test(request.python);
    return [isPath ? external_node_path_.resolve(request.workingDirectory, request.python) : request.python];
}
function notFound({ python }, command, code) {
    const reason = code === 'ENOENT' ? 'was not found' : `could not be started (${code ?? 'unknown error'})`;
    return new errors/* UserError */.yo(python === undefined
        ? `Python ${reason} on PATH. Run actions/setup-python before this step, or set the input python.`
        : `Python "${command}" ${reason}. Set the input python to an interpreter that exists.`);
}
/** @throws UserError for anything but the answer of a usable Python */
function readProbe(command, { exitCode, stdout, output }) {
    let answer;
    try {
        answer = JSON.parse(stdout);
    }
    catch {
        answer = undefined;
    }
    const unclear = new errors/* UserError */.yo(`Could not get information from Python "${command}" (exit code ${exitCode}): ${(0,pip_output/* errorExcerpt */.MS)(output, 3) || 'no output'}. Check that it runs: ${command} -c "print(1)".`);
    if (exitCode !== 0 || typeof answer !== 'object' || answer === null)
        throw unclear;
    const { tooOld, pipConfigError } = answer;
    if (tooOld !== undefined) {
        throw new errors/* UserError */.yo(`Python "${command}" is ${tooOld}; ${oldestPython} or newer is needed. Set the input python to a newer one.`);
    }
    if (pipConfigError) {
        throw new errors/* UserError */.yo(`pip can't read its configuration: ${pipConfigError}. Fix or remove that file.`);
    }
    const { pip, ...rest } = answer;
    if (typeof rest.executable !== 'string' || typeof rest.sitePackages !== 'string')
        throw unclear;
    return { ...rest, pip: pip ?? undefined };
}
/** @returns the interpreter of a virtual environment */
function venvPython(directory) {
    return external_node_path_.join(venvBin(directory), process.platform === 'win32' ? 'python.exe' : 'python');
}
/** @returns the directory with the commands of a virtual environment */
function venvBin(directory) {
    return external_node_path_.join(directory, process.platform === 'win32' ? 'Scripts' : 'bin');
}
async function createVenv(interpreter, request, directory) {
    if ((0,external_node_fs_.existsSync)(directory) && !(0,external_node_fs_.existsSync)(external_node_path_.join(directory, 'pyvenv.cfg'))) {
        throw new errors/* UserError */.yo(`${directory} exists and is not a virtual environment. Set the input venv to another directory, or remove that one.`);
    }
    await removeDeadLinks(venvBin(directory));
    // A later run must not find half an environment.
    if (!(0,external_node_fs_.existsSync)(directory))
        untilExit(directory);
    const made = await withCopiedPip(interpreter, request, directory);
    if (made === undefined)
        await withEnsuredPip(interpreter, request, directory);
    release(directory);
    return made ?? probe({ ...request, venv: directory });
}
/** venv would leave dangling links to an interpreter that has been removed. */
async function removeDeadLinks(directory) {
    for (const name of await (0,promises_namespaceObject.readdir)(directory).catch(() => [])) {
        const file = external_node_path_.join(directory, name);
        if (!(0,external_node_fs_.existsSync)(file))
            await (0,promises_namespaceObject.rm)(file, { force: true });
    }
}
/** @returns undefined when this Python's pip can't be copied; a new directory is then deleted */
async function withCopiedPip(interpreter, { environment }, directory) {
    const isNew = !(0,external_node_fs_.existsSync)(directory);
    const { exitCode, stdout } = await runProgram(interpreter.executable, 'make_venv', [directory], {
        env: environment,
    });
    if (exitCode !== 0) {
        // An existing directory is the user's.
        if (isNew)
            await (0,promises_namespaceObject.rm)(directory, { recursive: true, force: true });
        return undefined;
    }
    const { executable, sitePackages } = JSON.parse(stdout);
    const searchPath = [sitePackages];
    const own = { executable, sitePackages, searchPath, externallyManaged: false, keyring: false };
    return { ...interpreter, ...own };
}
/** Metadata directories are named after project and version (PEP 376, PEP 427). */
const metadataName = /^([A-Za-z0-9._]+)-([^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info$/;
async function installed(interpreter) {
    const versions = new Map();
    for (const entry of await present(interpreter)) {
        const [, name, version] = metadataName.exec(entry) ?? [];
        if (name === undefined || version === undefined)
            continue;
        const normalized = (0,logic_names/* normalizeName */.Pc)(name);
        if (!versions.has(normalized))
            versions.set(normalized, version);
    }
    return versions;
}
/** Includes the search path itself: an egg on it is metadata of its own. */
async function present({ searchPath }) {
    const inside = searchPath.map((directory) => (0,promises_namespaceObject.readdir)(directory).catch(() => []));
    return [...searchPath.map((each) => external_node_path_.basename(each)), ...(await Promise.all(inside)).flat()];
}
async function withEnsuredPip(interpreter, { environment }, directory) {
    const { exitCode, output } = await (0,world_process/* run */.eF)(interpreter.executable, ['-m', 'venv', directory], {
        env: environment,
    });
    if (exitCode !== 0) {
        throw new errors/* UserError */.yo(`The virtual environment ${directory} could not be made: ${(0,pip_output/* errorExcerpt */.MS)(output)} (on Debian and Ubuntu the package python3-venv may be missing).`);
    }
}

;// CONCATENATED MODULE: ./lib/collect/world/downloads.js
/** Downloads with pip, also for another machine, and reads the files. */











/** @param environment the environment of programs other than pip */
function downloadsAdapter(reporter, environment) {
    return {
        pip: (interpreter, markers, args, options) => runPip(reporter, interpreter, 'pip_elsewhere', [JSON.stringify(markers), ...args], options),
        async list(directory) {
            const files = [];
            for (const file of (await (0,promises_namespaceObject.readdir)(directory)).sort()) {
                const whole = external_node_path_.join(directory, file);
                files.push({ file, sha256: await fileSha256(whole), size: (await (0,promises_namespaceObject.stat)(whole)).size });
            }
            return files;
        },
        async metadata(interpreter, directory, files) {
            if (files.length === 0)
                return [];
            const { exitCode, stdout, output } = await runProgram(interpreter.executable, 'file_metadata', [], {
                env: environment,
                input: asciiJson(files.map((file) => external_node_path_.join(directory, file))),
            });
            if (exitCode !== 0)
                throw new Error(`Could not read files: ${(0,pip_output/* errorExcerpt */.MS)(output)}`);
            const found = JSON.parse(stdout);
            return found.map(({ identities = [], pyproject, fault }, index) => {
                if (fault !== undefined) {
                    throw new errors/* UserError */.yo(`${files[index]} of the source index can't be read (${fault}). Exclude that version.`);
                }
                return { identities, pyproject: pyproject ?? undefined };
            });
        },
        async pages(interpreter, urls, pip) {
            return throughPip(interpreter, pip, (client) => Promise.all(urls.map((url) => indexPage(client, url))));
        },
        async digests(interpreter, urls, pip) {
            const directory = await temporaryDirectory((0,external_node_os_.tmpdir)(), 'wheelhouse-digests');
            try {
                return await throughPip(interpreter, pip, (client) => Promise.all(urls.map((url) => digest(client, url, directory))));
            }
            finally {
                await discard(directory);
            }
        },
    };
}
/** pip's own session downloads, so that this sees what pip sees. */
async function throughPip({ executable: python }, { cwd, env }, work) {
    const client = webAdapter().open({
        indexes: [],
        trust: { trustedHosts: [], certificates: undefined },
        environment: env,
        pip: { use: 'always', python, cwd, env },
    });
    try {
        return await work(client);
    }
    finally {
        await client.close();
    }
}
async function indexPage(client, address) {
    try {
        const { contentType, text: body, url } = await client.page(address);
        return { status: 200, contentType, url, body, fault: undefined };
    }
    catch (error) {
        if (!(error instanceof WebError))
            throw error;
        const { status, message: fault } = error;
        return { status, contentType: '', url: '', body: '', fault };
    }
}
async function digest(client, url, directory) {
    const file = external_node_path_.join(directory, (0,external_node_crypto_.randomUUID)());
    try {
        return (await client.file(url, file)).sha256;
    }
    catch (error) {
        if (error instanceof WebError)
            return undefined;
        throw error;
    }
    finally {
        await (0,promises_namespaceObject.rm)(file, { force: true });
    }
}

// EXTERNAL MODULE: ./lib/logic/digest.js
var logic_digest = __nccwpck_require__(9112);
// EXTERNAL MODULE: ./lib/logic/local-project.js
var local_project = __nccwpck_require__(113);
// EXTERNAL MODULE: ./lib/logic/paths.js
var paths = __nccwpck_require__(4470);
;// CONCATENATED MODULE: ./lib/world/decode.js
/** Decodes the user's files like pip. */

/**
 * Decodes a requirement file: by its byte-order mark, by its PEP 263 comment, or as UTF-8.
 * @throws UserError with the line that can't be decoded
 */
function decode(content) {
    const mark = byteOrderMark(content);
    const cookie = encodingCookie(content);
    let text;
    try {
        text = new TextDecoder(mark ?? cookie ?? 'utf-8', { fatal: true }).decode(content);
    }
    catch {
        const line = firstBadLine(content);
        throw new errors/* UserError */.yo(`line ${line} is not valid ${mark ?? cookie ?? 'UTF-8'}; save the file as UTF-8`, { line });
    }
    const nul = text.indexOf('\0');
    if (nul >= 0) {
        const line = text.slice(0, nul).split('\n').length;
        throw new errors/* UserError */.yo(`line ${line} contains a NUL character; save the file as UTF-8 text`, {
            line,
        });
    }
    return text;
}
/** PEP 263 as pip implements it: a comment at the very start of one of the first two lines. */
function encodingCookie(content) {
    const lines = content.subarray(0, 400).toString('latin1').split('\n').slice(0, 2);
    const name = lines
        .filter((line) => line.startsWith('#'))
        .map((line) => /coding[:=]\s*([-\w.]+)/.exec(line)?.[1])
        .find((found) => found !== undefined);
    // Python's names of encodings that the WHATWG standard spells otherwise.
    return name
        ?.toLowerCase()
        .replaceAll('_', '-')
        .replace(/^latin-1$|^iso-8859-1$|^l1$/, 'latin1')
        .replace(/^utf-8-sig$/, 'utf-8')
        .replace(/^cp(125\d|874)$/, 'windows-$1');
}
function byteOrderMark(content) {
    if (content[0] === 0xff && content[1] === 0xfe)
        return 'utf-16le';
    if (content[0] === 0xfe && content[1] === 0xff)
        return 'utf-16be';
    return content[0] === 0xef && content[1] === 0xbb && content[2] === 0xbf ? 'utf-8' : undefined;
}
function firstBadLine(content) {
    const valid = (text) => {
        try {
            new TextDecoder('utf-8', { fatal: true }).decode(text);
            return true;
        }
        catch {
            return false;
        }
    };
    let line = 1;
    for (let start = 0; start < content.length; line += 1) {
        const end = content.indexOf(0x0a, start);
        const stop = end < 0 ? content.length : end + 1;
        if (!valid(content.subarray(start, stop)))
            return line;
        start = stop;
    }
    return 1;
}

;// CONCATENATED MODULE: ./node_modules/balanced-match/dist/esm/index.js
const balanced = (a, b, str) => {
    const ma = a instanceof RegExp ? maybeMatch(a, str) : a;
    const mb = b instanceof RegExp ? maybeMatch(b, str) : b;
    const r = ma !== null && mb != null && range(ma, mb, str);
    return (r && {
        start: r[0],
        end: r[1],
        pre: str.slice(0, r[0]),
        body: str.slice(r[0] + ma.length, r[1]),
        post: str.slice(r[1] + mb.length),
    });
};
const maybeMatch = (reg, str) => {
    const m = str.match(reg);
    return m ? m[0] : null;
};
const range = (a, b, str) => {
    let begs, beg, left, right = undefined, result;
    let ai = str.indexOf(a);
    let bi = str.indexOf(b, ai + 1);
    let i = ai;
    if (ai >= 0 && bi > 0) {
        if (a === b) {
            return [ai, bi];
        }
        begs = [];
        left = str.length;
        while (i >= 0 && !result) {
            if (i === ai) {
                begs.push(i);
                ai = str.indexOf(a, i + 1);
            }
            else if (begs.length === 1) {
                const r = begs.pop();
                if (r !== undefined)
                    result = [r, bi];
            }
            else {
                beg = begs.pop();
                if (beg !== undefined && beg < left) {
                    left = beg;
                    right = bi;
                }
                bi = str.indexOf(b, i + 1);
            }
            i = ai < bi && ai >= 0 ? ai : bi;
        }
        if (begs.length && right !== undefined) {
            result = [left, right];
        }
    }
    return result;
};
//# sourceMappingURL=index.js.map
;// CONCATENATED MODULE: ./node_modules/brace-expansion/dist/esm/index.js

const escSlash = '\0SLASH' + Math.random().toFixed(16) + '\0';
const escOpen = '\0OPEN' + Math.random().toFixed(16) + '\0';
const escClose = '\0CLOSE' + Math.random().toFixed(16) + '\0';
const escComma = '\0COMMA' + Math.random().toFixed(16) + '\0';
const escPeriod = '\0PERIOD' + Math.random().toFixed(16) + '\0';
const escSlashPattern = new RegExp(escSlash, 'g');
const escOpenPattern = new RegExp(escOpen, 'g');
const escClosePattern = new RegExp(escClose, 'g');
const escCommaPattern = new RegExp(escComma, 'g');
const escPeriodPattern = new RegExp(escPeriod, 'g');
const slashPattern = /\\\\/g;
const openPattern = /\\{/g;
const closePattern = /\\}/g;
const commaPattern = /\\,/g;
const periodPattern = /\\\./g;
const EXPANSION_MAX = 100_000;
// `EXPANSION_MAX` caps the *number* of expansions, but not their length. An
// input like `'{a,b}'.repeat(1500)` stays under that count - its output is
// truncated to 100k results - while making every result ~1500 characters
// long. The result set, and the intermediate arrays built while combining
// brace sets, then grow large enough to exhaust memory and crash the process
// (CVE-2026-14257). `EXPANSION_MAX_LENGTH` bounds the total number of
// characters the accumulator may hold at any point, so memory stays flat no
// matter how many brace groups are chained. The limit sits well above any
// realistic expansion (100k results hitting `EXPANSION_MAX` measure ~1M
// characters) so legitimate input is unaffected.
const EXPANSION_MAX_LENGTH = 4_000_000;
// `expand_` recurses once per level of brace *nesting* - both when expanding a
// set's comma members and when re-wrapping a set whose body is a single part.
// The CVE-2026-14257 fix made the *tail* iterative (recursion on `m.post`, one
// level per chained group), which left nesting depth unbounded: about 3,100
// levels of `{{{...a,b...}}}` - only ~6KB of input - exhausted the native stack
// and crashed the process. `EXPANSION_MAX_DEPTH` bounds how deep the parser
// will follow nesting. It sits far above any realistic pattern and well below
// the depth at which the stack runs out.
const EXPANSION_MAX_DEPTH = 1_000;
// Bash keeps a quirk where a brace group followed by a comma set still expands
// (`{a},b}`). The parser implements it by rewriting the string and restarting
// the scan, absorbing one `}` per pass. `n` trailing braces therefore cost `n`
// full passes over a string that itself grows by one `escClose` sentinel each
// time - quadratic in `n`, with a ~26x constant from the sentinel's length.
// 128KB of `'{a}' + '}'.repeat(n) + ',z}'` blocked the event loop for 27
// seconds to produce two results. `EXPANSION_MAX_REWRITES` bounds how many
// times the scan may restart. Real `{a},b}` input needs a handful.
const EXPANSION_MAX_REWRITES = 1_000;
// `EXPANSION_MAX_STEPS` bounds the work one `expand` call does, which `max`,
// `maxLength` and `maxDepth` don't: nested sets are rescanned at every level
// and chained groups each rebuild up to `max` results, so 2KB of input could
// block the event loop for over 30 seconds. Each character scanned, result
// built and sequence value generated is a step, and each `expand_` call costs
// `CALL_STEPS` more. Past the budget, the set being expanded and everything
// after it stay literal. A glob needs a few hundred steps, and nesting all the
// way to `EXPANSION_MAX_DEPTH` about 4M.
const EXPANSION_MAX_STEPS = 20_000_000;
// What one `expand_` call costs on top of what it scans and builds. Setting
// one up takes about as long as scanning 16 characters, and a set whose
// results are wrapped to be expanded again makes one call per result, each
// scanning and building next to nothing: 64KB of
// `('{{' + ','.repeat(316) + '}{' + ','.repeat(316) + '}}').repeat(n)` made
// 4M such calls, which spent the budget three times as slowly as anything
// else.
const CALL_STEPS = 16;
function numeric(str) {
    return !isNaN(str) ? parseInt(str, 10) : str.charCodeAt(0);
}
function escapeBraces(str) {
    return str
        .replace(slashPattern, escSlash)
        .replace(openPattern, escOpen)
        .replace(closePattern, escClose)
        .replace(commaPattern, escComma)
        .replace(periodPattern, escPeriod);
}
function unescapeBraces(str) {
    return str
        .replace(escSlashPattern, '\\')
        .replace(escOpenPattern, '{')
        .replace(escClosePattern, '}')
        .replace(escCommaPattern, ',')
        .replace(escPeriodPattern, '.');
}
// Like `target.push(...items)` but doesn't overflow the stack
function pushAll(target, items) {
    for (let i = 0; i < items.length; i++) {
        target.push(items[i]);
    }
}
// `balanced`, run on `masked` (see `maskUnmatchedOpens`), sliced from `str`
// and charged for the characters it walks: up to the group's `}`, or the
// whole string when there is no match or unmatched `{` come first, which
// `unmatched` then flags for masking. Once a call overdraws the budget, it
// and every later one return undefined, so the rest stays literal.
function balancedWithBudget(str, masked, budget) {
    if (budget.remaining < 0) {
        return undefined;
    }
    const r = range('{', '}', masked);
    const unmatched = r !== undefined && masked.indexOf('{') < r[0];
    budget.remaining -= r && !unmatched ? r[1] + 1 : str.length;
    if (!r || budget.remaining < 0) {
        return undefined;
    }
    return {
        end: r[1],
        pre: str.slice(0, r[0]),
        body: str.slice(r[0] + 1, r[1]),
        post: str.slice(r[1] + 1),
        unmatched,
    };
}
// `masked` with every `{` that has no matching `}` swapped for a `\0`, which
// keeps the length, so a scan of it still lines up with the string it was
// made from. Such a `{` is literal either way, but `balanced` only learns that
// one is unmatched by reading to the end of the string, so with one at the
// head of every group (`'{a,{b,c}'.repeat(n)`) each scan read the rest of the
// input. That was quadratic, and once the step budget charged for it, it ran
// out partway through and left the rest literal. A scan of the masked copy
// stops at the group's `}`. It is one pass, charged as such.
function maskUnmatchedOpens(masked, budget) {
    budget.remaining -= masked.length;
    const open = [];
    for (let i = 0; i < masked.length; i++) {
        const c = masked.charCodeAt(i);
        if (c === 0x7b) {
            open.push(i);
        }
        else if (c === 0x7d && open.length) {
            open.pop();
        }
    }
    let out = '';
    let last = 0;
    for (let i = 0; i < open.length; i++) {
        const at = open[i];
        out += masked.slice(last, at) + '\0';
        last = at + 1;
    }
    return out + masked.slice(last);
}
// Whether `str` has a `,` not followed by another `,`, with a `}` after it on
// the same line - what `/,(?!,).*\}/.test(str)` asks, answered in one pass from
// the end. The regex tries every `,` and backtracks through the rest of its
// line from each, which is quadratic, and the `{a},b}` rewrite asks again on
// every pass. Like a scan, it is charged for the whole string and refused if
// that overdraws the budget.
function commaSetFollows(str, budget) {
    budget.remaining -= str.length;
    if (budget.remaining < 0) {
        return false;
    }
    // Whether a `}` follows the current position before the line ends
    let close = false;
    for (let i = str.length - 1; i >= 0; i--) {
        const c = str.charCodeAt(i);
        if (c === 0x7d) {
            close = true;
        }
        else if (c === 0x0a || c === 0x0d || c === 0x2028 || c === 0x2029) {
            // A line terminator, which `.` does not match
            close = false;
        }
        else if (c === 0x2c && close && str.charCodeAt(i + 1) !== 0x2c) {
            return true;
        }
    }
    return false;
}
/**
 * Basically just str.split(","), but handling cases
 * where we have nested braced sections, which should be
 * treated as individual members, like {a,{b,c},d}
 *
 * Returns `undefined` if the step budget runs out before the whole set is
 * split, since splitting what is left on every comma would tear apart the
 * nested sets it still holds.
 */
function parseCommaParts(str, budget) {
    const parts = [];
    // Walk the brace groups iteratively. Recursing on `post` once per group let a
    // chain of them exhaust the stack - the parsing-side counterpart to
    // the `expand_` overflow fixed for CVE-2026-14257, and not something `max` or
    // `maxLength` can bound, since it happens before expansion.
    //
    // The part the next chunk continues
    let carry = '';
    for (;;) {
        // A set's body holds no unmatched `{`, so there is nothing to mask.
        const m = balancedWithBudget(str, str, budget);
        if (budget.remaining < 0) {
            return undefined;
        }
        if (!m) {
            const tail = str.split(',');
            tail[0] = carry + tail[0];
            pushAll(parts, tail);
            return parts;
        }
        const { pre, body, post } = m;
        const p = pre.split(',');
        p[0] = carry + p[0];
        p[p.length - 1] += '{' + body + '}';
        if (!post.length) {
            pushAll(parts, p);
            return parts;
        }
        carry = p.pop();
        pushAll(parts, p);
        str = post;
    }
}
// An option that is left out, or that is NaN, gets its default. Every
// comparison against NaN is false, so a NaN bound would never be reached:
// `{ maxSteps: NaN }` let 15KB of input block the event loop for 16 seconds,
// and `{ maxDepth: NaN }` overflowed the stack again (CVE-2026-102278). Pass
// `Infinity` to lift a bound.
function bound(value, fallback) {
    return value === undefined || isNaN(value) ? fallback : value;
}
function expand(str, options = {}) {
    if (!str) {
        return [];
    }
    const max = bound(options.max, EXPANSION_MAX);
    const maxLength = bound(options.maxLength, EXPANSION_MAX_LENGTH);
    const maxDepth = bound(options.maxDepth, EXPANSION_MAX_DEPTH);
    const maxRewrites = bound(options.maxRewrites, EXPANSION_MAX_REWRITES);
    const maxSteps = bound(options.maxSteps, EXPANSION_MAX_STEPS);
    // I don't know why Bash 4.3 does this, but it does.
    // Anything starting with {} will have the first two bytes preserved
    // but *only* at the top level, so {},a}b will not expand to anything,
    // but a{},b}c will be expanded to [a}c,abc].
    // One could argue that this is a bug in Bash, but since the goal of
    // this module is to match Bash's rules, we escape a leading {}
    if (str.slice(0, 2) === '{}') {
        str = '\\{\\}' + str.slice(2);
    }
    return expand_(escapeBraces(str), max, maxLength, maxDepth, 0, maxRewrites, { remaining: maxSteps }, true).map(unescapeBraces);
}
function embrace(str) {
    return '{' + str + '}';
}
function isPadded(el) {
    return /^-?0\d/.test(el);
}
function lte(i, y) {
    return i <= y;
}
function gte(i, y) {
    return i >= y;
}
// Build `{ acc[a] + pre + values[v] }` for every combination, capping the
// number of results at `max` and the total number of characters at `maxLength`.
// This is the one place output grows, so bounding it here keeps the single
// accumulator - and therefore memory - flat regardless of how many brace groups
// are combined (CVE-2026-14257). Each result built is a step, since `max` and
// `maxLength` bound one combination, not how many brace groups are combined.
function combine(acc, pre, values, max, maxLength, dropEmpties, budget) {
    const out = [];
    let length = 0;
    // Bash drops empty results at the top level, and they don't count against
    // `max`, so `max` bounds the number of *kept* results. Only an empty
    // `acc[a] + pre` can make one, so for those the empty values are skipped
    // without being visited. Visiting them one at a time let a set of empties
    // cost `acc.length * values.length` while keeping nothing.
    let nonEmpty;
    outer: for (let a = 0; a < acc.length; a++) {
        const prefix = acc[a] + pre;
        let vs = values;
        if (dropEmpties && !prefix) {
            if (!nonEmpty)
                nonEmpty = values.filter(v => v);
            vs = nonEmpty;
        }
        for (let v = 0; v < vs.length; v++) {
            if (out.length >= max)
                break outer;
            const expansion = prefix + vs[v];
            if (length + expansion.length > maxLength)
                break outer;
            out.push(expansion);
            length += expansion.length;
        }
    }
    budget.remaining -= out.length;
    return out;
}
// The expansion values of a single numeric (`1..5`) or alphabetic (`a..e..2`)
// sequence body, or `undefined` if the step budget runs out generating them.
function expandSequence(body, isAlphaSequence, max, maxLength, budget) {
    const n = body.split(/\.\./);
    const N = [];
    // A sequence body always splits into two or three parts, but the compiler
    // can't know that.
    /* c8 ignore start */
    if (n[0] === undefined || n[1] === undefined) {
        return N;
    }
    /* c8 ignore stop */
    const x = numeric(n[0]);
    const y = numeric(n[1]);
    const width = Math.max(n[0].length, n[1].length);
    let incr = n.length === 3 && n[2] !== undefined ?
        Math.max(Math.abs(numeric(n[2])), 1)
        : 1;
    let test = lte;
    const reverse = y < x;
    if (reverse) {
        incr *= -1;
        test = gte;
    }
    const pad = n.some(isPadded);
    // A padded value is built a character at a time to `width`, which the input
    // sets, so it costs one step per character: 64KB of
    // `('{' + '0'.repeat(100) + '..99999}').repeat(n)` took 7 seconds charged
    // one step per value.
    const cost = pad ? width : 1;
    let length = 0;
    for (let i = x; test(i, y) && N.length < max; i += incr) {
        // Each value is a step. `max` and `maxLength` bound one sequence, but a
        // chain of them still generated up to `max` values each, however few
        // combining could keep.
        budget.remaining -= cost;
        if (budget.remaining < 0) {
            return undefined;
        }
        let c;
        if (isAlphaSequence) {
            c = String.fromCharCode(i);
            if (c === '\\') {
                c = '';
            }
        }
        else {
            c = String(i);
            if (pad) {
                const need = width - c.length;
                if (need > 0) {
                    const z = new Array(need + 1).join('0');
                    if (i < 0) {
                        c = '-' + z + c.slice(1);
                    }
                    else {
                        c = z + c;
                    }
                }
            }
        }
        if (length + c.length > maxLength)
            break;
        N.push(c);
        length += c.length;
    }
    return N;
}
function expand_(str, max, maxLength, maxDepth, depth, maxRewrites, budget, isTop) {
    // An overdraft here makes the first scan refuse, so `str` stays literal.
    budget.remaining -= CALL_STEPS;
    // Too deeply nested to keep following: treat the rest as literal, the same
    // way a group that cannot expand is already handled. Truncating rather than
    // throwing keeps `expand` total, matching `max` and `maxLength`.
    if (depth > maxDepth) {
        return [str];
    }
    // Consume the string's top-level brace groups left to right, threading a
    // running set of combined prefixes (`acc`). Expanding the tail iteratively -
    // rather than recursing on `m.post` once per group - keeps the native stack
    // depth constant, so deeply chained input (`'{a,b}'.repeat(3000)`) can no
    // longer overflow the stack, and leaves a single accumulator whose size
    // `maxLength` bounds directly (CVE-2026-14257).
    let acc = [''];
    // Bash drops empty results, but only when the *first* top-level group is a
    // comma set - a sequence like `{a..\}` may legitimately yield ''. The drop
    // is on the final strings, so it is applied to whichever `combine` produces
    // them (the one with no brace set left in the tail).
    // How many times the `{a},b}` rewrite below has restarted the scan. Each pass
    // re-reads the whole string, so leaving this unbounded is quadratic.
    let rewrites = 0;
    let dropEmpties = false;
    let firstGroup = true;
    // `str` with its unmatched `{` masked, once a scan has run into them
    let masked = str;
    for (;;) {
        const m = balancedWithBudget(str, masked, budget);
        // No brace set left, or no step budget left to look for one: the rest of
        // the string is literal.
        if (!m) {
            return combine(acc, str, [''], max, maxLength, dropEmpties, budget);
        }
        if (m.unmatched) {
            masked = maskUnmatchedOpens(masked, budget);
        }
        // no need to expand pre, since it is guaranteed to be free of brace-sets
        const pre = m.pre;
        // This set and the rest of the string, literal: for a set that cannot
        // expand, and for one the step budget runs out on. Once it is overdrawn,
        // every set still being expanded, at every level, stays literal like this -
        // otherwise each level above would go on combining, and wrapping and
        // expanding again, results the budget was too small for.
        const literal = () => combine(acc, pre + '{' + m.body + '}' + m.post, [''], max, maxLength, dropEmpties, budget);
        if (/\$$/.test(pre)) {
            acc = combine(acc, pre + '{' + m.body + '}', [''], max, maxLength, dropEmpties && !m.post.length, budget);
            firstGroup = false;
            if (!m.post.length)
                break;
            str = m.post;
            masked = masked.slice(m.end + 1);
            continue;
        }
        const isNumericSequence = /^-?\d+\.\.-?\d+(?:\.\.-?\d+)?$/.test(m.body);
        const isAlphaSequence = /^[a-zA-Z]\.\.[a-zA-Z](?:\.\.-?\d+)?$/.test(m.body);
        const isSequence = isNumericSequence || isAlphaSequence;
        const isOptions = m.body.indexOf(',') >= 0;
        if (!isSequence && !isOptions) {
            // {a},b}
            if (rewrites < maxRewrites && commaSetFollows(m.post, budget)) {
                rewrites++;
                str = m.pre + '{' + m.body + escClose + m.post;
                // Taking a `}` away never gives an unmatched `{` a partner, so what
                // is masked stays unmatched. The `{` it closed can be left without
                // one, and the next scan masks it.
                masked =
                    masked.slice(0, m.end) + escClose + masked.slice(m.end + 1);
                isTop = true;
                continue;
            }
            // Nothing here expands, so the whole remaining string is literal.
            return literal();
        }
        if (firstGroup) {
            dropEmpties = isTop && !isSequence;
            firstGroup = false;
        }
        let values;
        if (isSequence) {
            values = expandSequence(m.body, isAlphaSequence, max, maxLength, budget);
            if (!values) {
                return literal();
            }
        }
        else {
            let n = parseCommaParts(m.body, budget);
            // The step budget ran out partway through the set.
            if (!n) {
                return literal();
            }
            if (n.length === 1 && n[0] !== undefined) {
                // x{{a,b}}y ==> x{a}y x{b}y
                n = expand_(n[0], max, maxLength, maxDepth, depth + 1, maxRewrites, budget, false).map(embrace);
                // The step budget ran out expanding the set's only part.
                if (budget.remaining < 0) {
                    return literal();
                }
                //XXX is this necessary? Can't seem to hit it in tests.
                /* c8 ignore start */
                if (n.length === 1) {
                    const next = combine(acc, pre + n[0], [''], max, maxLength, dropEmpties && !m.post.length, budget);
                    if (budget.remaining < 0) {
                        return literal();
                    }
                    acc = next;
                    if (!m.post.length)
                        break;
                    str = m.post;
                    masked = masked.slice(m.end + 1);
                    continue;
                }
                /* c8 ignore stop */
            }
            // Values that `combine` is going to drop as empty produce no result, so
            // they must not count against `max` - otherwise `{a,,b}` with `max: 2`
            // would stop at `['a', '']` and yield one result instead of two. Skipping
            // them outright keeps `values` bounded while leaving `max` a bound on
            // *kept* results.
            let dropsEmpties = dropEmpties && !m.post.length && !pre;
            for (let d = 0; dropsEmpties && d < acc.length; d++) {
                if (acc[d]) {
                    dropsEmpties = false;
                }
            }
            values = [];
            let valuesLength = 0;
            outer: for (let j = 0; j < n.length; j++) {
                const expanded = expand_(n[j], max, maxLength, maxDepth, depth + 1, maxRewrites, budget, false);
                // The step budget ran out expanding a member.
                if (budget.remaining < 0) {
                    return literal();
                }
                for (let k = 0; k < expanded.length; k++) {
                    const v = expanded[k];
                    if (dropsEmpties && !v)
                        continue;
                    if (values.length >= max ||
                        valuesLength + v.length > maxLength) {
                        break outer;
                    }
                    values.push(v);
                    valuesLength += v.length;
                }
            }
        }
        const next = combine(acc, pre, values, max, maxLength, dropEmpties && !m.post.length, budget);
        // The step budget ran out combining the set's values in.
        if (budget.remaining < 0) {
            return literal();
        }
        acc = next;
        if (!m.post.length)
            break;
        str = m.post;
        masked = masked.slice(m.end + 1);
    }
    return acc;
}
//# sourceMappingURL=index.js.map
;// CONCATENATED MODULE: ./node_modules/minimatch/dist/esm/assert-valid-pattern.js
const MAX_PATTERN_LENGTH = 1024 * 64;
const assertValidPattern = (pattern) => {
    if (typeof pattern !== 'string') {
        throw new TypeError('invalid pattern');
    }
    if (pattern.length > MAX_PATTERN_LENGTH) {
        throw new TypeError('pattern is too long');
    }
};
//# sourceMappingURL=assert-valid-pattern.js.map
;// CONCATENATED MODULE: ./node_modules/minimatch/dist/esm/brace-expressions.js
// translate the various posix character classes into unicode properties
// this works across all unicode locales
// { <posix class>: [<translation>, /u flag required, negated]
const posixClasses = {
    '[:alnum:]': ['\\p{L}\\p{Nl}\\p{Nd}', true],
    '[:alpha:]': ['\\p{L}\\p{Nl}', true],
    '[:ascii:]': ['\\x' + '00-\\x' + '7f', false],
    '[:blank:]': ['\\p{Zs}\\t', true],
    '[:cntrl:]': ['\\p{Cc}', true],
    '[:digit:]': ['\\p{Nd}', true],
    '[:graph:]': ['\\p{Z}\\p{C}', true, true],
    '[:lower:]': ['\\p{Ll}', true],
    '[:print:]': ['\\p{C}', true],
    '[:punct:]': ['\\p{P}', true],
    '[:space:]': ['\\p{Z}\\t\\r\\n\\v\\f', true],
    '[:upper:]': ['\\p{Lu}', true],
    '[:word:]': ['\\p{L}\\p{Nl}\\p{Nd}\\p{Pc}', true],
    '[:xdigit:]': ['A-Fa-f0-9', false],
};
// only need to escape a few things inside of brace expressions
// escapes: [ \ ] -
const braceEscape = (s) => s.replace(/[[\]\\-]/g, '\\$&');
// escape all regexp magic characters
const regexpEscape = (s) => s.replace(/[-[\]{}()*+?.,\\^$|#\s]/g, '\\$&');
// everything has already been escaped, we just have to join
const rangesToString = (ranges) => ranges.join('');
// takes a glob string at a posix brace expression, and returns
// an equivalent regular expression source, and boolean indicating
// whether the /u flag needs to be applied, and the number of chars
// consumed to parse the character class.
// This also removes out of order ranges, and returns ($.) if the
// entire class just no good.
const parseClass = (glob, position) => {
    const pos = position;
    /* c8 ignore start */
    if (glob.charAt(pos) !== '[') {
        throw new Error('not in a brace expression');
    }
    /* c8 ignore stop */
    const ranges = [];
    const negs = [];
    let i = pos + 1;
    let sawStart = false;
    let uflag = false;
    let escaping = false;
    let negate = false;
    let endPos = pos;
    let rangeStart = '';
    WHILE: while (i < glob.length) {
        const c = glob.charAt(i);
        if ((c === '!' || c === '^') && i === pos + 1) {
            negate = true;
            i++;
            continue;
        }
        if (c === ']' && sawStart && !escaping) {
            endPos = i + 1;
            break;
        }
        sawStart = true;
        if (c === '\\') {
            if (!escaping) {
                escaping = true;
                i++;
                continue;
            }
            // escaped \ char, fall through and treat like normal char
        }
        if (c === '[' && !escaping) {
            // either a posix class, a collation equivalent, or just a [
            for (const [cls, [unip, u, neg]] of Object.entries(posixClasses)) {
                if (glob.startsWith(cls, i)) {
                    // invalid, [a-[] is fine, but not [a-[:alpha]]
                    if (rangeStart) {
                        return ['$.', false, glob.length - pos, true];
                    }
                    i += cls.length;
                    if (neg)
                        negs.push(unip);
                    else
                        ranges.push(unip);
                    uflag = uflag || u;
                    continue WHILE;
                }
            }
        }
        // now it's just a normal character, effectively
        escaping = false;
        if (rangeStart) {
            // throw this range away if it's not valid, but others
            // can still match.
            if (c > rangeStart) {
                ranges.push(braceEscape(rangeStart) + '-' + braceEscape(c));
            }
            else if (c === rangeStart) {
                ranges.push(braceEscape(c));
            }
            rangeStart = '';
            i++;
            continue;
        }
        // now might be the start of a range.
        // can be either c-d or c-] or c<more...>] or c] at this point
        if (glob.startsWith('-]', i + 1)) {
            ranges.push(braceEscape(c + '-'));
            i += 2;
            continue;
        }
        if (glob.startsWith('-', i + 1)) {
            rangeStart = c;
            i += 2;
            continue;
        }
        // not the start of a range, just a single character
        ranges.push(braceEscape(c));
        i++;
    }
    if (endPos < i) {
        // didn't see the end of the class, not a valid class,
        // but might still be valid as a literal match.
        return ['', false, 0, false];
    }
    // if we got no ranges and no negates, then we have a range that
    // cannot possibly match anything, and that poisons the whole glob
    if (!ranges.length && !negs.length) {
        return ['$.', false, glob.length - pos, true];
    }
    // if we got one positive range, and it's a single character, then that's
    // not actually a magic pattern, it's just that one literal character.
    // we should not treat that as "magic", we should just return the literal
    // character. [_] is a perfectly valid way to escape glob magic chars.
    if (negs.length === 0 &&
        ranges.length === 1 &&
        /^\\?.$/.test(ranges[0]) &&
        !negate) {
        const r = ranges[0].length === 2 ? ranges[0].slice(-1) : ranges[0];
        return [regexpEscape(r), false, endPos - pos, false];
    }
    const sranges = '[' + (negate ? '^' : '') + rangesToString(ranges) + ']';
    const snegs = '[' + (negate ? '' : '^') + rangesToString(negs) + ']';
    const comb = ranges.length && negs.length ? '(' + sranges + '|' + snegs + ')'
        : ranges.length ? sranges
            : snegs;
    return [comb, uflag, endPos - pos, true];
};
//# sourceMappingURL=brace-expressions.js.map
;// CONCATENATED MODULE: ./node_modules/minimatch/dist/esm/unescape.js
/**
 * Un-escape a string that has been escaped with {@link escape}.
 *
 * If the {@link MinimatchOptions.windowsPathsNoEscape} option is used, then
 * square-bracket escapes are removed, but not backslash escapes.
 *
 * For example, it will turn the string `'[*]'` into `*`, but it will not
 * turn `'\\*'` into `'*'`, because `\` is a path separator in
 * `windowsPathsNoEscape` mode.
 *
 * When `windowsPathsNoEscape` is not set, then both square-bracket escapes and
 * backslash escapes are removed.
 *
 * Slashes (and backslashes in `windowsPathsNoEscape` mode) cannot be escaped
 * or unescaped.
 *
 * When `magicalBraces` is not set, escapes of braces (`{` and `}`) will not be
 * unescaped.
 */
const unescape_unescape = (s, { windowsPathsNoEscape = false, magicalBraces = true, } = {}) => {
    if (magicalBraces) {
        return windowsPathsNoEscape ?
            s.replace(/\[([^/\\])\]/g, '$1')
            : s
                .replace(/((?!\\).|^)\[([^/\\])\]/g, '$1$2')
                .replace(/\\([^/])/g, '$1');
    }
    return windowsPathsNoEscape ?
        s.replace(/\[([^/\\{}])\]/g, '$1')
        : s
            .replace(/((?!\\).|^)\[([^/\\{}])\]/g, '$1$2')
            .replace(/\\([^/{}])/g, '$1');
};
//# sourceMappingURL=unescape.js.map
;// CONCATENATED MODULE: ./node_modules/minimatch/dist/esm/ast.js
// parse a single path portion
var _a;


const types = new Set(['!', '?', '+', '*', '@']);
const isExtglobType = (c) => types.has(c);
const isExtglobAST = (c) => isExtglobType(c.type);
// Map of which extglob types can adopt the children of a nested extglob
//
// anything but ! can adopt a matching type:
// +(a|+(b|c)|d) => +(a|b|c|d)
// *(a|*(b|c)|d) => *(a|b|c|d)
// @(a|@(b|c)|d) => @(a|b|c|d)
// ?(a|?(b|c)|d) => ?(a|b|c|d)
//
// * can adopt anything, because 0 or repetition is allowed
// *(a|?(b|c)|d) => *(a|b|c|d)
// *(a|+(b|c)|d) => *(a|b|c|d)
// *(a|@(b|c)|d) => *(a|b|c|d)
//
// + can adopt @, because 1 or repetition is allowed
// +(a|@(b|c)|d) => +(a|b|c|d)
//
// + and @ CANNOT adopt *, because 0 would be allowed
// +(a|*(b|c)|d) => would match "", on *(b|c)
// @(a|*(b|c)|d) => would match "", on *(b|c)
//
// + and @ CANNOT adopt ?, because 0 would be allowed
// +(a|?(b|c)|d) => would match "", on ?(b|c)
// @(a|?(b|c)|d) => would match "", on ?(b|c)
//
// ? can adopt @, because 0 or 1 is allowed
// ?(a|@(b|c)|d) => ?(a|b|c|d)
//
// ? and @ CANNOT adopt * or +, because >1 would be allowed
// ?(a|*(b|c)|d) => would match bbb on *(b|c)
// @(a|*(b|c)|d) => would match bbb on *(b|c)
// ?(a|+(b|c)|d) => would match bbb on +(b|c)
// @(a|+(b|c)|d) => would match bbb on +(b|c)
//
// ! CANNOT adopt ! (nothing else can either)
// !(a|!(b|c)|d) => !(a|b|c|d) would fail to match on b (not not b|c)
//
// ! can adopt @
// !(a|@(b|c)|d) => !(a|b|c|d)
//
// ! CANNOT adopt *
// !(a|*(b|c)|d) => !(a|b|c|d) would match on bbb, not allowed
//
// ! CANNOT adopt +
// !(a|+(b|c)|d) => !(a|b|c|d) would match on bbb, not allowed
//
// ! CANNOT adopt ?
// x!(a|?(b|c)|d) => x!(a|b|c|d) would fail to match "x"
const adoptionMap = new Map([
    ['!', ['@']],
    ['?', ['?', '@']],
    ['@', ['@']],
    ['*', ['*', '+', '?', '@']],
    ['+', ['+', '@']],
]);
// nested extglobs that can be adopted in, but with the addition of
// a blank '' element.
const adoptionWithSpaceMap = new Map([
    ['!', ['?']],
    ['@', ['?']],
    ['+', ['?', '*']],
]);
// union of the previous two maps
const adoptionAnyMap = new Map([
    ['!', ['?', '@']],
    ['?', ['?', '@']],
    ['@', ['?', '@']],
    ['*', ['*', '+', '?', '@']],
    ['+', ['+', '@', '?', '*']],
]);
// Extglobs that can take over their parent if they are the only child
// the key is parent, value maps child to resulting extglob parent type
// '@' is omitted because it's a special case. An `@` extglob with a single
// member can always be usurped by that subpattern.
const usurpMap = new Map([
    ['!', new Map([['!', '@']])],
    [
        '?',
        new Map([
            ['*', '*'],
            ['+', '*'],
        ]),
    ],
    [
        '@',
        new Map([
            ['!', '!'],
            ['?', '?'],
            ['@', '@'],
            ['*', '*'],
            ['+', '+'],
        ]),
    ],
    [
        '+',
        new Map([
            ['?', '*'],
            ['*', '*'],
        ]),
    ],
]);
// Patterns that get prepended to bind to the start of either the
// entire string, or just a single path portion, to prevent dots
// and/or traversal patterns, when needed.
// Exts don't need the ^ or / bit, because the root binds that already.
const startNoTraversal = '(?!(?:^|/)\\.\\.?(?:$|/))';
const startNoDot = '(?!\\.)';
// characters that indicate a start of pattern needs the "no dots" bit,
// because a dot *might* be matched. ( is not in the list, because in
// the case of a child extglob, it will handle the prevention itself.
const addPatternStart = new Set(['[', '.']);
// cases where traversal is A-OK, no dot prevention needed
const justDots = new Set(['..', '.']);
const reSpecials = new Set('().*{}+?[]^$\\!');
const regExpEscape = (s) => s.replace(/[-[\]{}()*+?.,\\^$|#\s]/g, '\\$&');
// any single thing other than /
const qmark = '[^/]';
// * => any number of characters
const star = qmark + '*?';
// use + when we need to ensure that *something* matches, because the * is
// the only thing in the path portion.
const starNoEmpty = qmark + '+?';
// remove the \ chars that we added if we end up doing a nonmagic compare
// const deslash = (s: string) => s.replace(/\\(.)/g, '$1')
let ID = 0;
class AST {
    type;
    #root;
    #hasMagic;
    #uflag = false;
    #parts = [];
    #parent;
    #parentIndex;
    #negs;
    #filledNegs = false;
    #options;
    #toString;
    // set to true if it's an extglob with no children
    // (which really means one child of '')
    #emptyExt = false;
    id = ++ID;
    get depth() {
        return (this.#parent?.depth ?? -1) + 1;
    }
    [Symbol.for('nodejs.util.inspect.custom')]() {
        return {
            '@@type': 'AST',
            id: this.id,
            type: this.type,
            root: this.#root.id,
            parent: this.#parent?.id,
            depth: this.depth,
            partsLength: this.#parts.length,
            parts: this.#parts,
        };
    }
    constructor(type, parent, options = {}) {
        this.type = type;
        // extglobs are inherently magical
        if (type)
            this.#hasMagic = true;
        this.#parent = parent;
        this.#root = this.#parent ? this.#parent.#root : this;
        this.#options = this.#root === this ? options : this.#root.#options;
        this.#negs = this.#root === this ? [] : this.#root.#negs;
        if (type === '!' && !this.#root.#filledNegs)
            this.#negs.push(this);
        this.#parentIndex = this.#parent ? this.#parent.#parts.length : 0;
    }
    get hasMagic() {
        /* c8 ignore start */
        if (this.#hasMagic !== undefined)
            return this.#hasMagic;
        /* c8 ignore stop */
        for (const p of this.#parts) {
            if (typeof p === 'string')
                continue;
            if (p.type || p.hasMagic)
                return (this.#hasMagic = true);
        }
        // note: will be undefined until we generate the regexp src and find out
        return this.#hasMagic;
    }
    // reconstructs the pattern
    toString() {
        return (this.#toString !== undefined ? this.#toString
            : !this.type ?
                (this.#toString = this.#parts.map(p => String(p)).join(''))
                : (this.#toString =
                    this.type +
                        '(' +
                        this.#parts.map(p => String(p)).join('|') +
                        ')'));
    }
    #fillNegs() {
        /* c8 ignore start */
        if (this !== this.#root)
            throw new Error('should only call on root');
        if (this.#filledNegs)
            return this;
        /* c8 ignore stop */
        // call toString() once to fill this out
        this.toString();
        this.#filledNegs = true;
        let n;
        while ((n = this.#negs.pop())) {
            if (n.type !== '!')
                continue;
            // walk up the tree, appending everthing that comes AFTER parentIndex
            let p = n;
            let pp = p.#parent;
            while (pp) {
                for (let i = p.#parentIndex + 1; !pp.type && i < pp.#parts.length; i++) {
                    for (const part of n.#parts) {
                        /* c8 ignore start */
                        if (typeof part === 'string') {
                            throw new Error('string part in extglob AST??');
                        }
                        /* c8 ignore stop */
                        part.copyIn(pp.#parts[i]);
                    }
                }
                p = pp;
                pp = p.#parent;
            }
        }
        return this;
    }
    push(...parts) {
        for (const p of parts) {
            if (p === '')
                continue;
            /* c8 ignore start */
            if (typeof p !== 'string' &&
                !(p instanceof _a && p.#parent === this)) {
                throw new Error('invalid part: ' + p);
            }
            /* c8 ignore stop */
            this.#parts.push(p);
        }
    }
    toJSON() {
        const ret = this.type === null ?
            this.#parts
                .slice()
                .map(p => (typeof p === 'string' ? p : p.toJSON()))
            : [this.type, ...this.#parts.map(p => p.toJSON())];
        if (this.isStart() && !this.type)
            ret.unshift([]);
        if (this.isEnd() &&
            (this === this.#root ||
                (this.#root.#filledNegs && this.#parent?.type === '!'))) {
            ret.push({});
        }
        return ret;
    }
    isStart() {
        if (this.#root === this)
            return true;
        // if (this.type) return !!this.#parent?.isStart()
        if (!this.#parent?.isStart())
            return false;
        if (this.#parentIndex === 0)
            return true;
        // if everything AHEAD of this is a negation, then it's still the "start"
        const p = this.#parent;
        for (let i = 0; i < this.#parentIndex; i++) {
            const pp = p.#parts[i];
            if (!(pp instanceof _a && pp.type === '!')) {
                return false;
            }
        }
        return true;
    }
    isEnd() {
        if (this.#root === this)
            return true;
        if (this.#parent?.type === '!')
            return true;
        if (!this.#parent?.isEnd())
            return false;
        if (!this.type)
            return this.#parent?.isEnd();
        // if not root, it'll always have a parent
        /* c8 ignore start */
        const pl = this.#parent ? this.#parent.#parts.length : 0;
        /* c8 ignore stop */
        return this.#parentIndex === pl - 1;
    }
    copyIn(part) {
        if (typeof part === 'string')
            this.push(part);
        else
            this.push(part.clone(this));
    }
    clone(parent) {
        const c = new _a(this.type, parent);
        for (const p of this.#parts) {
            c.copyIn(p);
        }
        return c;
    }
    static #parseAST(str, ast, pos, opt, extDepth) {
        const maxDepth = opt.maxExtglobRecursion ?? 2;
        let escaping = false;
        let inBrace = false;
        let braceStart = -1;
        let braceNeg = false;
        if (ast.type === null) {
            // outside of a extglob, append until we find a start
            let i = pos;
            let acc = '';
            while (i < str.length) {
                const c = str.charAt(i++);
                // still accumulate escapes at this point, but we do ignore
                // starts that are escaped
                if (escaping || c === '\\') {
                    escaping = !escaping;
                    acc += c;
                    continue;
                }
                if (inBrace) {
                    if (i === braceStart + 1) {
                        if (c === '^' || c === '!') {
                            braceNeg = true;
                        }
                    }
                    else if (c === ']' && !(i === braceStart + 2 && braceNeg)) {
                        inBrace = false;
                    }
                    acc += c;
                    continue;
                }
                else if (c === '[') {
                    inBrace = true;
                    braceStart = i;
                    braceNeg = false;
                    acc += c;
                    continue;
                }
                // we don't have to check for adoption here, because that's
                // done at the other recursion point.
                const doRecurse = !opt.noext &&
                    isExtglobType(c) &&
                    str.charAt(i) === '(' &&
                    extDepth <= maxDepth;
                if (doRecurse) {
                    ast.push(acc);
                    acc = '';
                    const ext = new _a(c, ast);
                    i = _a.#parseAST(str, ext, i, opt, extDepth + 1);
                    ast.push(ext);
                    continue;
                }
                acc += c;
            }
            ast.push(acc);
            return i;
        }
        // some kind of extglob, pos is at the (
        // find the next | or )
        let i = pos + 1;
        let part = new _a(null, ast);
        const parts = [];
        let acc = '';
        while (i < str.length) {
            const c = str.charAt(i++);
            // still accumulate escapes at this point, but we do ignore
            // starts that are escaped
            if (escaping || c === '\\') {
                escaping = !escaping;
                acc += c;
                continue;
            }
            if (inBrace) {
                if (i === braceStart + 1) {
                    if (c === '^' || c === '!') {
                        braceNeg = true;
                    }
                }
                else if (c === ']' && !(i === braceStart + 2 && braceNeg)) {
                    inBrace = false;
                }
                acc += c;
                continue;
            }
            else if (c === '[') {
                inBrace = true;
                braceStart = i;
                braceNeg = false;
                acc += c;
                continue;
            }
            const doRecurse = !opt.noext &&
                isExtglobType(c) &&
                str.charAt(i) === '(' &&
                /* c8 ignore start - the maxDepth is sufficient here */
                (extDepth <= maxDepth || (ast && ast.#canAdoptType(c)));
            /* c8 ignore stop */
            if (doRecurse) {
                const depthAdd = ast && ast.#canAdoptType(c) ? 0 : 1;
                part.push(acc);
                acc = '';
                const ext = new _a(c, part);
                part.push(ext);
                i = _a.#parseAST(str, ext, i, opt, extDepth + depthAdd);
                continue;
            }
            if (c === '|') {
                part.push(acc);
                acc = '';
                parts.push(part);
                part = new _a(null, ast);
                continue;
            }
            if (c === ')') {
                if (acc === '' && ast.#parts.length === 0) {
                    ast.#emptyExt = true;
                }
                part.push(acc);
                acc = '';
                ast.push(...parts, part);
                return i;
            }
            acc += c;
        }
        // unfinished extglob
        // if we got here, it was a malformed extglob! not an extglob, but
        // maybe something else in there.
        ast.type = null;
        ast.#hasMagic = undefined;
        ast.#parts = [str.substring(pos - 1)];
        return i;
    }
    #canAdoptWithSpace(child) {
        return this.#canAdopt(child, adoptionWithSpaceMap);
    }
    #canAdopt(child, map = adoptionMap) {
        if (!child ||
            typeof child !== 'object' ||
            child.type !== null ||
            child.#parts.length !== 1 ||
            this.type === null) {
            return false;
        }
        const gc = child.#parts[0];
        if (!gc || typeof gc !== 'object' || gc.type === null) {
            return false;
        }
        return this.#canAdoptType(gc.type, map);
    }
    #canAdoptType(c, map = adoptionAnyMap) {
        return !!map.get(this.type)?.includes(c);
    }
    #adoptWithSpace(child, index) {
        const gc = child.#parts[0];
        const blank = new _a(null, gc, this.options);
        blank.#parts.push('');
        gc.push(blank);
        this.#adopt(child, index);
    }
    #adopt(child, index) {
        const gc = child.#parts[0];
        this.#parts.splice(index, 1, ...gc.#parts);
        for (const p of gc.#parts) {
            if (typeof p === 'object')
                p.#parent = this;
        }
        this.#toString = undefined;
    }
    #canUsurpType(c) {
        const m = usurpMap.get(this.type);
        return !!m?.has(c);
    }
    #canUsurp(child) {
        if (!child ||
            typeof child !== 'object' ||
            child.type !== null ||
            child.#parts.length !== 1 ||
            this.type === null ||
            this.#parts.length !== 1) {
            return false;
        }
        const gc = child.#parts[0];
        if (!gc || typeof gc !== 'object' || gc.type === null) {
            return false;
        }
        return this.#canUsurpType(gc.type);
    }
    #usurp(child) {
        const m = usurpMap.get(this.type);
        const gc = child.#parts[0];
        const nt = m?.get(gc.type);
        /* c8 ignore start - impossible */
        if (!nt)
            return false;
        /* c8 ignore stop */
        this.#parts = gc.#parts;
        for (const p of this.#parts) {
            if (typeof p === 'object') {
                p.#parent = this;
            }
        }
        this.type = nt;
        this.#toString = undefined;
        this.#emptyExt = false;
    }
    static fromGlob(pattern, options = {}) {
        const ast = new _a(null, undefined, options);
        _a.#parseAST(pattern, ast, 0, options, 0);
        return ast;
    }
    // returns the regular expression if there's magic, or the unescaped
    // string if not.
    toMMPattern() {
        // should only be called on root
        /* c8 ignore start */
        if (this !== this.#root)
            return this.#root.toMMPattern();
        /* c8 ignore stop */
        const glob = this.toString();
        const [re, body, hasMagic, uflag] = this.toRegExpSource();
        // if we're in nocase mode, and not nocaseMagicOnly, then we do
        // still need a regular expression if we have to case-insensitively
        // match capital/lowercase characters.
        const anyMagic = hasMagic ||
            this.#hasMagic ||
            (this.#options.nocase &&
                !this.#options.nocaseMagicOnly &&
                glob.toUpperCase() !== glob.toLowerCase());
        if (!anyMagic) {
            return body;
        }
        const flags = (this.#options.nocase ? 'i' : '') + (uflag ? 'u' : '');
        return Object.assign(new RegExp(`^${re}$`, flags), {
            _src: re,
            _glob: glob,
        });
    }
    get options() {
        return this.#options;
    }
    // returns the string match, the regexp source, whether there's magic
    // in the regexp (so a regular expression is required) and whether or
    // not the uflag is needed for the regular expression (for posix classes)
    // TODO: instead of injecting the start/end at this point, just return
    // the BODY of the regexp, along with the start/end portions suitable
    // for binding the start/end in either a joined full-path makeRe context
    // (where we bind to (^|/), or a standalone matchPart context (where
    // we bind to ^, and not /).  Otherwise slashes get duped!
    //
    // In part-matching mode, the start is:
    // - if not isStart: nothing
    // - if traversal possible, but not allowed: ^(?!\.\.?$)
    // - if dots allowed or not possible: ^
    // - if dots possible and not allowed: ^(?!\.)
    // end is:
    // - if not isEnd(): nothing
    // - else: $
    //
    // In full-path matching mode, we put the slash at the START of the
    // pattern, so start is:
    // - if first pattern: same as part-matching mode
    // - if not isStart(): nothing
    // - if traversal possible, but not allowed: /(?!\.\.?(?:$|/))
    // - if dots allowed or not possible: /
    // - if dots possible and not allowed: /(?!\.)
    // end is:
    // - if last pattern, same as part-matching mode
    // - else nothing
    //
    // Always put the (?:$|/) on negated tails, though, because that has to be
    // there to bind the end of the negated pattern portion, and it's easier to
    // just stick it in now rather than try to inject it later in the middle of
    // the pattern.
    //
    // We can just always return the same end, and leave it up to the caller
    // to know whether it's going to be used joined or in parts.
    // And, if the start is adjusted slightly, can do the same there:
    // - if not isStart: nothing
    // - if traversal possible, but not allowed: (?:/|^)(?!\.\.?$)
    // - if dots allowed or not possible: (?:/|^)
    // - if dots possible and not allowed: (?:/|^)(?!\.)
    //
    // But it's better to have a simpler binding without a conditional, for
    // performance, so probably better to return both start options.
    //
    // Then the caller just ignores the end if it's not the first pattern,
    // and the start always gets applied.
    //
    // But that's always going to be $ if it's the ending pattern, or nothing,
    // so the caller can just attach $ at the end of the pattern when building.
    //
    // So the todo is:
    // - better detect what kind of start is needed
    // - return both flavors of starting pattern
    // - attach $ at the end of the pattern when creating the actual RegExp
    //
    // Ah, but wait, no, that all only applies to the root when the first pattern
    // is not an extglob. If the first pattern IS an extglob, then we need all
    // that dot prevention biz to live in the extglob portions, because eg
    // +(*|.x*) can match .xy but not .yx.
    //
    // So, return the two flavors if it's #root and the first child is not an
    // AST, otherwise leave it to the child AST to handle it, and there,
    // use the (?:^|/) style of start binding.
    //
    // Even simplified further:
    // - Since the start for a join is eg /(?!\.) and the start for a part
    // is ^(?!\.), we can just prepend (?!\.) to the pattern (either root
    // or start or whatever) and prepend ^ or / at the Regexp construction.
    toRegExpSource(allowDot) {
        const dot = allowDot ?? !!this.#options.dot;
        if (this.#root === this) {
            this.#flatten();
            this.#fillNegs();
        }
        if (!isExtglobAST(this)) {
            const noEmpty = this.isStart() &&
                this.isEnd() &&
                !this.#parts.some(s => typeof s !== 'string');
            const src = this.#parts
                .map(p => {
                const [re, _, hasMagic, uflag] = typeof p === 'string' ?
                    _a.#parseGlob(p, this.#hasMagic, noEmpty)
                    : p.toRegExpSource(allowDot);
                this.#hasMagic = this.#hasMagic || hasMagic;
                this.#uflag = this.#uflag || uflag;
                return re;
            })
                .join('');
            let start = '';
            if (this.isStart()) {
                if (typeof this.#parts[0] === 'string') {
                    // this is the string that will match the start of the pattern,
                    // so we need to protect against dots and such.
                    // '.' and '..' cannot match unless the pattern is that exactly,
                    // even if it starts with . or dot:true is set.
                    const dotTravAllowed = this.#parts.length === 1 && justDots.has(this.#parts[0]);
                    if (!dotTravAllowed) {
                        const aps = addPatternStart;
                        // check if we have a possibility of matching . or ..,
                        // and prevent that.
                        const needNoTrav = 
                        // dots are allowed, and the pattern starts with [ or .
                        (dot && aps.has(src.charAt(0))) ||
                            // the pattern starts with \., and then [ or .
                            (src.startsWith('\\.') && aps.has(src.charAt(2))) ||
                            // the pattern starts with \.\., and then [ or .
                            (src.startsWith('\\.\\.') && aps.has(src.charAt(4)));
                        // no need to prevent dots if it can't match a dot, or if a
                        // sub-pattern will be preventing it anyway.
                        const needNoDot = !dot && !allowDot && aps.has(src.charAt(0));
                        start =
                            needNoTrav ? startNoTraversal
                                : needNoDot ? startNoDot
                                    : '';
                    }
                }
            }
            // append the "end of path portion" pattern to negation tails
            let end = '';
            if (this.isEnd() &&
                this.#root.#filledNegs &&
                this.#parent?.type === '!') {
                end = '(?:$|\\/)';
            }
            const final = start + src + end;
            return [
                final,
                unescape_unescape(src),
                (this.#hasMagic = !!this.#hasMagic),
                this.#uflag,
            ];
        }
        // We need to calculate the body *twice* if it's a repeat pattern
        // at the start, once in nodot mode, then again in dot mode, so a
        // pattern like *(?) can match 'x.y'
        const repeated = this.type === '*' || this.type === '+';
        // some kind of extglob
        const start = this.type === '!' ? '(?:(?!(?:' : '(?:';
        let body = this.#partsToRegExp(dot);
        if (this.isStart() && this.isEnd() && !body && this.type !== '!') {
            // invalid extglob, has to at least be *something* present, if it's
            // the entire path portion.
            const s = this.toString();
            const me = this;
            me.#parts = [s];
            me.type = null;
            me.#hasMagic = undefined;
            return [s, unescape_unescape(this.toString()), false, false];
        }
        let bodyDotAllowed = !repeated || allowDot || dot || !startNoDot ?
            ''
            : this.#partsToRegExp(true);
        if (bodyDotAllowed === body) {
            bodyDotAllowed = '';
        }
        if (bodyDotAllowed) {
            body = `(?:${body})(?:${bodyDotAllowed})*?`;
        }
        // an empty !() is exactly equivalent to a starNoEmpty
        let final = '';
        if (this.type === '!' && this.#emptyExt) {
            final = (this.isStart() && !dot ? startNoDot : '') + starNoEmpty;
        }
        else {
            const close = this.type === '!' ?
                // !() must match something,but !(x) can match ''
                '))' +
                    (this.isStart() && !dot && !allowDot ? startNoDot : '') +
                    star +
                    ')'
                : this.type === '@' ? ')'
                    : this.type === '?' ? ')?'
                        : this.type === '+' && bodyDotAllowed ? ')'
                            : this.type === '*' && bodyDotAllowed ? `)?`
                                : `)${this.type}`;
            final = start + body + close;
        }
        return [
            final,
            unescape_unescape(body),
            (this.#hasMagic = !!this.#hasMagic),
            this.#uflag,
        ];
    }
    #flatten() {
        if (!isExtglobAST(this)) {
            for (const p of this.#parts) {
                if (typeof p === 'object') {
                    p.#flatten();
                }
            }
        }
        else {
            // do up to 10 passes to flatten as much as possible
            let iterations = 0;
            let done = false;
            do {
                done = true;
                for (let i = 0; i < this.#parts.length; i++) {
                    const c = this.#parts[i];
                    if (typeof c === 'object') {
                        c.#flatten();
                        if (this.#canAdopt(c)) {
                            done = false;
                            this.#adopt(c, i);
                        }
                        else if (this.#canAdoptWithSpace(c)) {
                            done = false;
                            this.#adoptWithSpace(c, i);
                        }
                        else if (this.#canUsurp(c)) {
                            done = false;
                            this.#usurp(c);
                        }
                    }
                }
            } while (!done && ++iterations < 10);
        }
        this.#toString = undefined;
    }
    #partsToRegExp(dot) {
        return this.#parts
            .map(p => {
            // extglob ASTs should only contain parent ASTs
            /* c8 ignore start */
            if (typeof p === 'string') {
                throw new Error('string type in extglob ast??');
            }
            /* c8 ignore stop */
            // can ignore hasMagic, because extglobs are already always magic
            const [re, _, _hasMagic, uflag] = p.toRegExpSource(dot);
            this.#uflag = this.#uflag || uflag;
            return re;
        })
            .filter(p => !(this.isStart() && this.isEnd()) || !!p)
            .join('|');
    }
    static #parseGlob(glob, hasMagic, noEmpty = false) {
        let escaping = false;
        let re = '';
        let uflag = false;
        // multiple stars that aren't globstars coalesce into one *
        let inStar = false;
        for (let i = 0; i < glob.length; i++) {
            const c = glob.charAt(i);
            if (escaping) {
                escaping = false;
                re += (reSpecials.has(c) ? '\\' : '') + c;
                continue;
            }
            if (c === '*') {
                if (inStar)
                    continue;
                inStar = true;
                re += noEmpty && /^[*]+$/.test(glob) ? starNoEmpty : star;
                hasMagic = true;
                continue;
            }
            else {
                inStar = false;
            }
            if (c === '\\') {
                if (i === glob.length - 1) {
                    re += '\\\\';
                }
                else {
                    escaping = true;
                }
                continue;
            }
            if (c === '[') {
                const [src, needUflag, consumed, magic] = parseClass(glob, i);
                if (consumed) {
                    re += src;
                    uflag = uflag || needUflag;
                    i += consumed - 1;
                    hasMagic = hasMagic || magic;
                    continue;
                }
            }
            if (c === '?') {
                re += qmark;
                hasMagic = true;
                continue;
            }
            re += regExpEscape(c);
        }
        return [re, unescape_unescape(glob), !!hasMagic, uflag];
    }
}
_a = AST;
//# sourceMappingURL=ast.js.map
;// CONCATENATED MODULE: ./node_modules/minimatch/dist/esm/escape.js
/**
 * Escape all magic characters in a glob pattern.
 *
 * If the {@link MinimatchOptions.windowsPathsNoEscape}
 * option is used, then characters are escaped by wrapping in `[]`, because
 * a magic character wrapped in a character class can only be satisfied by
 * that exact character.  In this mode, `\` is _not_ escaped, because it is
 * not interpreted as a magic character, but instead as a path separator.
 *
 * If the {@link MinimatchOptions.magicalBraces} option is used,
 * then braces (`{` and `}`) will be escaped.
 */
const escape_escape = (s, { windowsPathsNoEscape = false, magicalBraces = false, } = {}) => {
    // don't need to escape +@! because we escape the parens
    // that make those magic, and escaping ! as [!] isn't valid,
    // because [!]] is a valid glob class meaning not ']'.
    if (magicalBraces) {
        return windowsPathsNoEscape ?
            s.replace(/[?*()[\]{}]/g, '[$&]')
            : s.replace(/[?*()[\]\\{}]/g, '\\$&');
    }
    return windowsPathsNoEscape ?
        s.replace(/[?*()[\]]/g, '[$&]')
        : s.replace(/[?*()[\]\\]/g, '\\$&');
};
//# sourceMappingURL=escape.js.map
;// CONCATENATED MODULE: ./node_modules/minimatch/dist/esm/index.js





const minimatch = (p, pattern, options = {}) => {
    assertValidPattern(pattern);
    // shortcut: comments match nothing.
    if (!options.nocomment && pattern.charAt(0) === '#') {
        return false;
    }
    return new Minimatch(pattern, options).match(p);
};
// Optimized checking for the most common glob patterns.
const starDotExtRE = /^\*+([^+@!?*[(]*)$/;
const starDotExtTest = (ext) => (f) => !f.startsWith('.') && f.endsWith(ext);
const starDotExtTestDot = (ext) => (f) => f.endsWith(ext);
const starDotExtTestNocase = (ext) => {
    ext = ext.toLowerCase();
    return (f) => !f.startsWith('.') && f.toLowerCase().endsWith(ext);
};
const starDotExtTestNocaseDot = (ext) => {
    ext = ext.toLowerCase();
    return (f) => f.toLowerCase().endsWith(ext);
};
const starDotStarRE = /^\*+\.\*+$/;
const starDotStarTest = (f) => !f.startsWith('.') && f.includes('.');
const starDotStarTestDot = (f) => f !== '.' && f !== '..' && f.includes('.');
const dotStarRE = /^\.\*+$/;
const dotStarTest = (f) => f !== '.' && f !== '..' && f.startsWith('.');
const starRE = /^\*+$/;
const starTest = (f) => f.length !== 0 && !f.startsWith('.');
const starTestDot = (f) => f.length !== 0 && f !== '.' && f !== '..';
const qmarksRE = /^\?+([^+@!?*[(]*)?$/;
const qmarksTestNocase = ([$0, ext = '']) => {
    const noext = qmarksTestNoExt([$0]);
    if (!ext)
        return noext;
    ext = ext.toLowerCase();
    return (f) => noext(f) && f.toLowerCase().endsWith(ext);
};
const qmarksTestNocaseDot = ([$0, ext = '']) => {
    const noext = qmarksTestNoExtDot([$0]);
    if (!ext)
        return noext;
    ext = ext.toLowerCase();
    return (f) => noext(f) && f.toLowerCase().endsWith(ext);
};
const qmarksTestDot = ([$0, ext = '']) => {
    const noext = qmarksTestNoExtDot([$0]);
    return !ext ? noext : (f) => noext(f) && f.endsWith(ext);
};
const qmarksTest = ([$0, ext = '']) => {
    const noext = qmarksTestNoExt([$0]);
    return !ext ? noext : (f) => noext(f) && f.endsWith(ext);
};
const qmarksTestNoExt = ([$0]) => {
    const len = $0.length;
    return (f) => f.length === len && !f.startsWith('.');
};
const qmarksTestNoExtDot = ([$0]) => {
    const len = $0.length;
    return (f) => f.length === len && f !== '.' && f !== '..';
};
/* c8 ignore start */
const defaultPlatform = (typeof process === 'object' && process ?
    (typeof process.env === 'object' &&
        process.env &&
        process.env.__MINIMATCH_TESTING_PLATFORM__) ||
        process.platform
    : 'posix');
const path = {
    win32: { sep: '\\' },
    posix: { sep: '/' },
};
/* c8 ignore stop */
const sep = defaultPlatform === 'win32' ? path.win32.sep : path.posix.sep;
minimatch.sep = sep;
const GLOBSTAR = Symbol('globstar **');
minimatch.GLOBSTAR = GLOBSTAR;
// any single thing other than /
// don't need to escape / when using new RegExp()
const esm_qmark = '[^/]';
// * => any number of characters
const esm_star = esm_qmark + '*?';
// ** when dots are allowed.  Anything goes, except .. and .
// not (^ or / followed by one or two dots followed by $ or /),
// followed by anything, any number of times.
const twoStarDot = '(?:(?!(?:\\/|^)(?:\\.{1,2})($|\\/)).)*?';
// not a ^ or / followed by a dot,
// followed by anything, any number of times.
const twoStarNoDot = '(?:(?!(?:\\/|^)\\.).)*?';
const filter = (pattern, options = {}) => (p) => minimatch(p, pattern, options);
minimatch.filter = filter;
const ext = (a, b = {}) => Object.assign({}, a, b);
const defaults = (def) => {
    if (!def || typeof def !== 'object' || !Object.keys(def).length) {
        return minimatch;
    }
    const orig = minimatch;
    const m = (p, pattern, options = {}) => orig(p, pattern, ext(def, options));
    return Object.assign(m, {
        Minimatch: class Minimatch extends orig.Minimatch {
            constructor(pattern, options = {}) {
                super(pattern, ext(def, options));
            }
            static defaults(options) {
                return orig.defaults(ext(def, options)).Minimatch;
            }
        },
        AST: class AST extends orig.AST {
            /* c8 ignore start */
            constructor(type, parent, options = {}) {
                super(type, parent, ext(def, options));
            }
            /* c8 ignore stop */
            static fromGlob(pattern, options = {}) {
                return orig.AST.fromGlob(pattern, ext(def, options));
            }
        },
        unescape: (s, options = {}) => orig.unescape(s, ext(def, options)),
        escape: (s, options = {}) => orig.escape(s, ext(def, options)),
        filter: (pattern, options = {}) => orig.filter(pattern, ext(def, options)),
        defaults: (options) => orig.defaults(ext(def, options)),
        makeRe: (pattern, options = {}) => orig.makeRe(pattern, ext(def, options)),
        braceExpand: (pattern, options = {}) => orig.braceExpand(pattern, ext(def, options)),
        match: (list, pattern, options = {}) => orig.match(list, pattern, ext(def, options)),
        sep: orig.sep,
        GLOBSTAR: GLOBSTAR,
    });
};
minimatch.defaults = defaults;
// Brace expansion:
// a{b,c}d -> abd acd
// a{b,}c -> abc ac
// a{0..3}d -> a0d a1d a2d a3d
// a{b,c{d,e}f}g -> abg acdfg acefg
// a{b,c}d{e,f}g -> abdeg acdeg abdeg abdfg
//
// Invalid sets are not expanded.
// a{2..}b -> a{2..}b
// a{b}c -> a{b}c
const braceExpand = (pattern, options = {}) => {
    assertValidPattern(pattern);
    // Thanks to Yeting Li <https://github.com/yetingli> for
    // improving this regexp to avoid a ReDOS vulnerability.
    if (options.nobrace || !/\{(?:(?!\{).)*\}/.test(pattern)) {
        // shortcut. no need to expand.
        return [pattern];
    }
    return expand(pattern, { max: options.braceExpandMax });
};
minimatch.braceExpand = braceExpand;
// parse a component of the expanded set.
// At this point, no pattern may contain "/" in it
// so we're going to return a 2d array, where each entry is the full
// pattern, split on '/', and then turned into a regular expression.
// A regexp is made at the end which joins each array with an
// escaped /, and another full one which joins each regexp with |.
//
// Following the lead of Bash 4.1, note that "**" only has special meaning
// when it is the *only* thing in a path portion.  Otherwise, any series
// of * is equivalent to a single *.  Globstar behavior is enabled by
// default, and can be disabled by setting options.noglobstar.
const makeRe = (pattern, options = {}) => new Minimatch(pattern, options).makeRe();
minimatch.makeRe = makeRe;
const match = (list, pattern, options = {}) => {
    const mm = new Minimatch(pattern, options);
    list = list.filter(f => mm.match(f));
    if (mm.options.nonull && !list.length) {
        list.push(pattern);
    }
    return list;
};
minimatch.match = match;
// replace stuff like \* with *
const globMagic = /[?*]|[+@!]\(.*?\)|\[|\]/;
const esm_regExpEscape = (s) => s.replace(/[-[\]{}()*+?.,\\^$|#\s]/g, '\\$&');
class Minimatch {
    options;
    set;
    pattern;
    windowsPathsNoEscape;
    nonegate;
    negate;
    comment;
    empty;
    preserveMultipleSlashes;
    partial;
    globSet;
    globParts;
    nocase;
    isWindows;
    platform;
    windowsNoMagicRoot;
    maxGlobstarRecursion;
    regexp;
    constructor(pattern, options = {}) {
        assertValidPattern(pattern);
        options = options || {};
        this.options = options;
        this.maxGlobstarRecursion = options.maxGlobstarRecursion ?? 200;
        this.pattern = pattern;
        this.platform = options.platform || defaultPlatform;
        this.isWindows = this.platform === 'win32';
        // avoid the annoying deprecation flag lol
        const awe = ('allowWindow' + 'sEscape');
        this.windowsPathsNoEscape =
            !!options.windowsPathsNoEscape || options[awe] === false;
        if (this.windowsPathsNoEscape) {
            this.pattern = this.pattern.replace(/\\/g, '/');
        }
        this.preserveMultipleSlashes = !!options.preserveMultipleSlashes;
        this.regexp = null;
        this.negate = false;
        this.nonegate = !!options.nonegate;
        this.comment = false;
        this.empty = false;
        this.partial = !!options.partial;
        this.nocase = !!this.options.nocase;
        this.windowsNoMagicRoot =
            options.windowsNoMagicRoot !== undefined ?
                options.windowsNoMagicRoot
                : !!(this.isWindows && this.nocase);
        this.globSet = [];
        this.globParts = [];
        this.set = [];
        // make the set of regexps etc.
        this.make();
    }
    hasMagic() {
        if (this.options.magicalBraces && this.set.length > 1) {
            return true;
        }
        for (const pattern of this.set) {
            for (const part of pattern) {
                if (typeof part !== 'string')
                    return true;
            }
        }
        return false;
    }
    debug(..._) { }
    make() {
        const pattern = this.pattern;
        const options = this.options;
        // empty patterns and comments match nothing.
        if (!options.nocomment && pattern.charAt(0) === '#') {
            this.comment = true;
            return;
        }
        if (!pattern) {
            this.empty = true;
            return;
        }
        // step 1: figure out negation, etc.
        this.parseNegate();
        // step 2: expand braces
        this.globSet = [...new Set(this.braceExpand())];
        if (options.debug) {
            //oxlint-disable-next-line no-console
            this.debug = (...args) => console.error(...args);
        }
        this.debug(this.pattern, this.globSet);
        // step 3: now we have a set, so turn each one into a series of
        // path-portion matching patterns.
        // These will be regexps, except in the case of "**", which is
        // set to the GLOBSTAR object for globstar behavior,
        // and will not contain any / characters
        //
        // First, we preprocess to make the glob pattern sets a bit simpler
        // and deduped.  There are some perf-killing patterns that can cause
        // problems with a glob walk, but we can simplify them down a bit.
        const rawGlobParts = this.globSet.map(s => this.slashSplit(s));
        this.globParts = this.preprocess(rawGlobParts);
        this.debug(this.pattern, this.globParts);
        // glob --> regexps
        let set = this.globParts.map((s, _, __) => {
            if (this.isWindows && this.windowsNoMagicRoot) {
                // check if it's a drive or unc path.
                const isUNC = s[0] === '' &&
                    s[1] === '' &&
                    (s[2] === '?' || !globMagic.test(s[2])) &&
                    !globMagic.test(s[3]);
                const isDrive = /^[a-z]:/i.test(s[0]);
                if (isUNC) {
                    return [
                        ...s.slice(0, 4),
                        ...s.slice(4).map(ss => this.parse(ss)),
                    ];
                }
                else if (isDrive) {
                    return [s[0], ...s.slice(1).map(ss => this.parse(ss))];
                }
            }
            return s.map(ss => this.parse(ss));
        });
        this.debug(this.pattern, set);
        // filter out everything that didn't compile properly.
        this.set = set.filter(s => s.indexOf(false) === -1);
        // do not treat the ? in UNC paths as magic
        if (this.isWindows) {
            for (let i = 0; i < this.set.length; i++) {
                const p = this.set[i];
                if (p[0] === '' &&
                    p[1] === '' &&
                    this.globParts[i][2] === '?' &&
                    typeof p[3] === 'string' &&
                    /^[a-z]:$/i.test(p[3])) {
                    p[2] = '?';
                }
            }
        }
        this.debug(this.pattern, this.set);
    }
    // various transforms to equivalent pattern sets that are
    // faster to process in a filesystem walk.  The goal is to
    // eliminate what we can, and push all ** patterns as far
    // to the right as possible, even if it increases the number
    // of patterns that we have to process.
    preprocess(globParts) {
        // if we're not in globstar mode, then turn ** into *
        if (this.options.noglobstar) {
            for (const partset of globParts) {
                for (let j = 0; j < partset.length; j++) {
                    if (partset[j] === '**') {
                        partset[j] = '*';
                    }
                }
            }
        }
        const { optimizationLevel = 1 } = this.options;
        if (optimizationLevel >= 2) {
            // aggressive optimization for the purpose of fs walking
            globParts = this.firstPhasePreProcess(globParts);
            globParts = this.secondPhasePreProcess(globParts);
        }
        else if (optimizationLevel >= 1) {
            // just basic optimizations to remove some .. parts
            globParts = this.levelOneOptimize(globParts);
        }
        else {
            // just collapse multiple ** portions into one
            globParts = this.adjascentGlobstarOptimize(globParts);
        }
        return globParts;
    }
    // just get rid of adjascent ** portions
    adjascentGlobstarOptimize(globParts) {
        return globParts.map(parts => {
            let gs = -1;
            while (-1 !== (gs = parts.indexOf('**', gs + 1))) {
                let i = gs;
                while (parts[i + 1] === '**') {
                    i++;
                }
                if (i !== gs) {
                    parts.splice(gs, i - gs);
                }
            }
            return parts;
        });
    }
    // get rid of adjascent ** and resolve .. portions
    levelOneOptimize(globParts) {
        return globParts.map(parts => {
            parts = parts.reduce((set, part) => {
                const prev = set[set.length - 1];
                if (part === '**' && prev === '**') {
                    return set;
                }
                if (part === '..') {
                    if (prev && prev !== '..' && prev !== '.' && prev !== '**') {
                        set.pop();
                        return set;
                    }
                }
                set.push(part);
                return set;
            }, []);
            return parts.length === 0 ? [''] : parts;
        });
    }
    levelTwoFileOptimize(parts) {
        if (!Array.isArray(parts)) {
            parts = this.slashSplit(parts);
        }
        let didSomething = false;
        do {
            didSomething = false;
            // <pre>/<e>/<rest> -> <pre>/<rest>
            if (!this.preserveMultipleSlashes) {
                for (let i = 1; i < parts.length - 1; i++) {
                    const p = parts[i];
                    // don't squeeze out UNC patterns
                    if (i === 1 && p === '' && parts[0] === '')
                        continue;
                    if (p === '.' || p === '') {
                        didSomething = true;
                        parts.splice(i, 1);
                        i--;
                    }
                }
                if (parts[0] === '.' &&
                    parts.length === 2 &&
                    (parts[1] === '.' || parts[1] === '')) {
                    didSomething = true;
                    parts.pop();
                }
            }
            // <pre>/<p>/../<rest> -> <pre>/<rest>
            let dd = 0;
            while (-1 !== (dd = parts.indexOf('..', dd + 1))) {
                const p = parts[dd - 1];
                if (p &&
                    p !== '.' &&
                    p !== '..' &&
                    p !== '**' &&
                    !(this.isWindows && /^[a-z]:$/i.test(p))) {
                    didSomething = true;
                    parts.splice(dd - 1, 2);
                    dd -= 2;
                }
            }
        } while (didSomething);
        return parts.length === 0 ? [''] : parts;
    }
    // First phase: single-pattern processing
    // <pre> is 1 or more portions
    // <rest> is 1 or more portions
    // <p> is any portion other than ., .., '', or **
    // <e> is . or ''
    //
    // **/.. is *brutal* for filesystem walking performance, because
    // it effectively resets the recursive walk each time it occurs,
    // and ** cannot be reduced out by a .. pattern part like a regexp
    // or most strings (other than .., ., and '') can be.
    //
    // <pre>/**/../<p>/<p>/<rest> -> {<pre>/../<p>/<p>/<rest>,<pre>/**/<p>/<p>/<rest>}
    // <pre>/<e>/<rest> -> <pre>/<rest>
    // <pre>/<p>/../<rest> -> <pre>/<rest>
    // **/**/<rest> -> **/<rest>
    //
    // **/*/<rest> -> */**/<rest> <== not valid because ** doesn't follow
    // this WOULD be allowed if ** did follow symlinks, or * didn't
    firstPhasePreProcess(globParts) {
        let didSomething = false;
        do {
            didSomething = false;
            // <pre>/**/../<p>/<p>/<rest> -> {<pre>/../<p>/<p>/<rest>,<pre>/**/<p>/<p>/<rest>}
            for (let parts of globParts) {
                let gs = -1;
                while (-1 !== (gs = parts.indexOf('**', gs + 1))) {
                    let gss = gs;
                    while (parts[gss + 1] === '**') {
                        // <pre>/**/**/<rest> -> <pre>/**/<rest>
                        gss++;
                    }
                    // eg, if gs is 2 and gss is 4, that means we have 3 **
                    // parts, and can remove 2 of them.
                    if (gss > gs) {
                        parts.splice(gs + 1, gss - gs);
                    }
                    let next = parts[gs + 1];
                    const p = parts[gs + 2];
                    const p2 = parts[gs + 3];
                    if (next !== '..')
                        continue;
                    if (!p ||
                        p === '.' ||
                        p === '..' ||
                        !p2 ||
                        p2 === '.' ||
                        p2 === '..') {
                        continue;
                    }
                    didSomething = true;
                    // edit parts in place, and push the new one
                    parts.splice(gs, 1);
                    const other = parts.slice(0);
                    other[gs] = '**';
                    globParts.push(other);
                    gs--;
                }
                // <pre>/<e>/<rest> -> <pre>/<rest>
                if (!this.preserveMultipleSlashes) {
                    for (let i = 1; i < parts.length - 1; i++) {
                        const p = parts[i];
                        // don't squeeze out UNC patterns
                        if (i === 1 && p === '' && parts[0] === '')
                            continue;
                        if (p === '.' || p === '') {
                            didSomething = true;
                            parts.splice(i, 1);
                            i--;
                        }
                    }
                    if (parts[0] === '.' &&
                        parts.length === 2 &&
                        (parts[1] === '.' || parts[1] === '')) {
                        didSomething = true;
                        parts.pop();
                    }
                }
                // <pre>/<p>/../<rest> -> <pre>/<rest>
                let dd = 0;
                while (-1 !== (dd = parts.indexOf('..', dd + 1))) {
                    const p = parts[dd - 1];
                    if (p && p !== '.' && p !== '..' && p !== '**') {
                        didSomething = true;
                        const needDot = dd === 1 && parts[dd + 1] === '**';
                        const splin = needDot ? ['.'] : [];
                        parts.splice(dd - 1, 2, ...splin);
                        if (parts.length === 0)
                            parts.push('');
                        dd -= 2;
                    }
                }
            }
        } while (didSomething);
        return globParts;
    }
    // second phase: multi-pattern dedupes
    // {<pre>/*/<rest>,<pre>/<p>/<rest>} -> <pre>/*/<rest>
    // {<pre>/<rest>,<pre>/<rest>} -> <pre>/<rest>
    // {<pre>/**/<rest>,<pre>/<rest>} -> <pre>/**/<rest>
    //
    // {<pre>/**/<rest>,<pre>/**/<p>/<rest>} -> <pre>/**/<rest>
    // ^-- not valid because ** doens't follow symlinks
    secondPhasePreProcess(globParts) {
        for (let i = 0; i < globParts.length - 1; i++) {
            for (let j = i + 1; j < globParts.length; j++) {
                const matched = this.partsMatch(globParts[i], globParts[j], !this.preserveMultipleSlashes);
                if (matched) {
                    globParts[i] = [];
                    globParts[j] = matched;
                    break;
                }
            }
        }
        return globParts.filter(gs => gs.length);
    }
    partsMatch(a, b, emptyGSMatch = false) {
        let ai = 0;
        let bi = 0;
        let result = [];
        let which = '';
        while (ai < a.length && bi < b.length) {
            if (a[ai] === b[bi]) {
                result.push(which === 'b' ? b[bi] : a[ai]);
                ai++;
                bi++;
            }
            else if (emptyGSMatch && a[ai] === '**' && b[bi] === a[ai + 1]) {
                result.push(a[ai]);
                ai++;
            }
            else if (emptyGSMatch && b[bi] === '**' && a[ai] === b[bi + 1]) {
                result.push(b[bi]);
                bi++;
            }
            else if (a[ai] === '*' &&
                b[bi] &&
                (this.options.dot || !b[bi].startsWith('.')) &&
                b[bi] !== '**') {
                if (which === 'b')
                    return false;
                which = 'a';
                result.push(a[ai]);
                ai++;
                bi++;
            }
            else if (b[bi] === '*' &&
                a[ai] &&
                (this.options.dot || !a[ai].startsWith('.')) &&
                a[ai] !== '**') {
                if (which === 'a')
                    return false;
                which = 'b';
                result.push(b[bi]);
                ai++;
                bi++;
            }
            else {
                return false;
            }
        }
        // if we fall out of the loop, it means they two are identical
        // as long as their lengths match
        return a.length === b.length && result;
    }
    parseNegate() {
        if (this.nonegate)
            return;
        const pattern = this.pattern;
        let negate = false;
        let negateOffset = 0;
        for (let i = 0; i < pattern.length && pattern.charAt(i) === '!'; i++) {
            negate = !negate;
            negateOffset++;
        }
        if (negateOffset)
            this.pattern = pattern.slice(negateOffset);
        this.negate = negate;
    }
    // set partial to true to test if, for example,
    // "/a/b" matches the start of "/*/b/*/d"
    // Partial means, if you run out of file before you run
    // out of pattern, then that's fine, as long as all
    // the parts match.
    matchOne(file, pattern, partial = false) {
        let fileStartIndex = 0;
        let patternStartIndex = 0;
        // UNC paths like //?/X:/... can match X:/... and vice versa
        // Drive letters in absolute drive or unc paths are always compared
        // case-insensitively.
        if (this.isWindows) {
            const fileDrive = typeof file[0] === 'string' && /^[a-z]:$/i.test(file[0]);
            const fileUNC = !fileDrive &&
                file[0] === '' &&
                file[1] === '' &&
                file[2] === '?' &&
                /^[a-z]:$/i.test(file[3]);
            const patternDrive = typeof pattern[0] === 'string' && /^[a-z]:$/i.test(pattern[0]);
            const patternUNC = !patternDrive &&
                pattern[0] === '' &&
                pattern[1] === '' &&
                pattern[2] === '?' &&
                typeof pattern[3] === 'string' &&
                /^[a-z]:$/i.test(pattern[3]);
            const fdi = fileUNC ? 3
                : fileDrive ? 0
                    : undefined;
            const pdi = patternUNC ? 3
                : patternDrive ? 0
                    : undefined;
            if (typeof fdi === 'number' && typeof pdi === 'number') {
                const [fd, pd] = [
                    file[fdi],
                    pattern[pdi],
                ];
                // start matching at the drive letter index of each
                if (fd.toLowerCase() === pd.toLowerCase()) {
                    pattern[pdi] = fd;
                    patternStartIndex = pdi;
                    fileStartIndex = fdi;
                }
            }
        }
        // resolve and reduce . and .. portions in the file as well.
        // don't need to do the second phase, because it's only one string[]
        const { optimizationLevel = 1 } = this.options;
        if (optimizationLevel >= 2) {
            file = this.levelTwoFileOptimize(file);
        }
        if (pattern.includes(GLOBSTAR)) {
            return this.#matchGlobstar(file, pattern, partial, fileStartIndex, patternStartIndex);
        }
        return this.#matchOne(file, pattern, partial, fileStartIndex, patternStartIndex);
    }
    #matchGlobstar(file, pattern, partial, fileIndex, patternIndex) {
        // split the pattern into head, tail, and middle of ** delimited parts
        const firstgs = pattern.indexOf(GLOBSTAR, patternIndex);
        const lastgs = pattern.lastIndexOf(GLOBSTAR);
        // split the pattern up into globstar-delimited sections
        // the tail has to be at the end, and the others just have
        // to be found in order from the head.
        const [head, body, tail] = partial ?
            [
                pattern.slice(patternIndex, firstgs),
                pattern.slice(firstgs + 1),
                [],
            ]
            : [
                pattern.slice(patternIndex, firstgs),
                pattern.slice(firstgs + 1, lastgs),
                pattern.slice(lastgs + 1),
            ];
        // check the head, from the current file/pattern index.
        if (head.length) {
            const fileHead = file.slice(fileIndex, fileIndex + head.length);
            if (!this.#matchOne(fileHead, head, partial, 0, 0)) {
                return false;
            }
            fileIndex += head.length;
            patternIndex += head.length;
        }
        // now we know the head matches!
        // if the last portion is not empty, it MUST match the end
        // check the tail
        let fileTailMatch = 0;
        if (tail.length) {
            // if head + tail > file, then we cannot possibly match
            if (tail.length + fileIndex > file.length)
                return false;
            // try to match the tail
            let tailStart = file.length - tail.length;
            if (this.#matchOne(file, tail, partial, tailStart, 0)) {
                fileTailMatch = tail.length;
            }
            else {
                // affordance for stuff like a/**/* matching a/b/
                // if the last file portion is '', and there's more to the pattern
                // then try without the '' bit.
                if (file[file.length - 1] !== '' ||
                    fileIndex + tail.length === file.length) {
                    return false;
                }
                tailStart--;
                if (!this.#matchOne(file, tail, partial, tailStart, 0)) {
                    return false;
                }
                fileTailMatch = tail.length + 1;
            }
        }
        // now we know the tail matches!
        // the middle is zero or more portions wrapped in **, possibly
        // containing more ** sections.
        // so a/**/b/**/c/**/d has become **/b/**/c/**
        // if it's empty, it means a/**/b, just verify we have no bad dots
        // if there's no tail, so it ends on /**, then we must have *something*
        // after the head, or it's not a matc
        if (!body.length) {
            let sawSome = !!fileTailMatch;
            for (let i = fileIndex; i < file.length - fileTailMatch; i++) {
                const f = String(file[i]);
                sawSome = true;
                if (f === '.' ||
                    f === '..' ||
                    (!this.options.dot && f.startsWith('.'))) {
                    return false;
                }
            }
            // in partial mode, we just need to get past all file parts
            return partial || sawSome;
        }
        // now we know that there's one or more body sections, which can
        // be matched anywhere from the 0 index (because the head was pruned)
        // through to the length-fileTailMatch index.
        // split the body up into sections, and note the minimum index it can
        // be found at (start with the length of all previous segments)
        // [section, before, after]
        const bodySegments = [[[], 0]];
        let currentBody = bodySegments[0];
        let nonGsParts = 0;
        const nonGsPartsSums = [0];
        for (const b of body) {
            if (b === GLOBSTAR) {
                nonGsPartsSums.push(nonGsParts);
                currentBody = [[], 0];
                bodySegments.push(currentBody);
            }
            else {
                currentBody[0].push(b);
                nonGsParts++;
            }
        }
        let i = bodySegments.length - 1;
        const fileLength = file.length - fileTailMatch;
        for (const b of bodySegments) {
            b[1] = fileLength - (nonGsPartsSums[i--] + b[0].length);
        }
        return !!this.#matchGlobStarBodySections(file, bodySegments, fileIndex, 0, partial, 0, !!fileTailMatch);
    }
    // return false for "nope, not matching"
    // return null for "not matching, cannot keep trying"
    #matchGlobStarBodySections(file, 
    // pattern section, last possible position for it
    bodySegments, fileIndex, bodyIndex, partial, globStarDepth, sawTail) {
        // take the first body segment, and walk from fileIndex to its "after"
        // value at the end
        // If it doesn't match at that position, we increment, until we hit
        // that final possible position, and give up.
        // If it does match, then advance and try to rest.
        // If any of them fail we keep walking forward.
        // this is still a bit recursively painful, but it's more constrained
        // than previous implementations, because we never test something that
        // can't possibly be a valid matching condition.
        const bs = bodySegments[bodyIndex];
        if (!bs) {
            // just make sure that there's no bad dots
            for (let i = fileIndex; i < file.length; i++) {
                sawTail = true;
                const f = file[i];
                if (f === '.' ||
                    f === '..' ||
                    (!this.options.dot && f.startsWith('.'))) {
                    return false;
                }
            }
            return sawTail;
        }
        // have a non-globstar body section to test
        const [body, after] = bs;
        while (fileIndex <= after) {
            const m = this.#matchOne(file.slice(0, fileIndex + body.length), body, partial, fileIndex, 0);
            // if limit exceeded, no match. intentional false negative,
            // acceptable break in correctness for security.
            if (m && globStarDepth < this.maxGlobstarRecursion) {
                // match! see if the rest match. if so, we're done!
                const sub = this.#matchGlobStarBodySections(file, bodySegments, fileIndex + body.length, bodyIndex + 1, partial, globStarDepth + 1, sawTail);
                if (sub !== false) {
                    return sub;
                }
            }
            const f = file[fileIndex];
            if (f === '.' ||
                f === '..' ||
                (!this.options.dot && f.startsWith('.'))) {
                return false;
            }
            fileIndex++;
        }
        // walked off. no point continuing
        return partial || null;
    }
    #matchOne(file, pattern, partial, fileIndex, patternIndex) {
        let fi;
        let pi;
        let pl;
        let fl;
        for (fi = fileIndex,
            pi = patternIndex,
            fl = file.length,
            pl = pattern.length; fi < fl && pi < pl; fi++, pi++) {
            this.debug('matchOne loop');
            let p = pattern[pi];
            let f = file[fi];
            this.debug(pattern, p, f);
            // should be impossible.
            // some invalid regexp stuff in the set.
            /* c8 ignore start */
            if (p === false || p === GLOBSTAR) {
                return false;
            }
            /* c8 ignore stop */
            // something other than **
            // non-magic patterns just have to match exactly
            // patterns with magic have been turned into regexps.
            let hit;
            if (typeof p === 'string') {
                hit = f === p;
                this.debug('string match', p, f, hit);
            }
            else {
                hit = p.test(f);
                this.debug('pattern match', p, f, hit);
            }
            if (!hit)
                return false;
        }
        // Note: ending in / means that we'll get a final ""
        // at the end of the pattern.  This can only match a
        // corresponding "" at the end of the file.
        // If the file ends in /, then it can only match a
        // a pattern that ends in /, unless the pattern just
        // doesn't have any more for it. But, a/b/ should *not*
        // match "a/b/*", even though "" matches against the
        // [^/]*? pattern, except in partial mode, where it might
        // simply not be reached yet.
        // However, a/b/ should still satisfy a/*
        // now either we fell off the end of the pattern, or we're done.
        if (fi === fl && pi === pl) {
            // ran out of pattern and filename at the same time.
            // an exact hit!
            return true;
        }
        else if (fi === fl) {
            // ran out of file, but still had pattern left.
            // this is ok if we're doing the match as part of
            // a glob fs traversal.
            return partial;
        }
        else if (pi === pl) {
            // ran out of pattern, still have file left.
            // this is only acceptable if we're on the very last
            // empty segment of a file with a trailing slash.
            // a/* should match a/b/
            return fi === fl - 1 && file[fi] === '';
            /* c8 ignore start */
        }
        else {
            // should be unreachable.
            throw new Error('wtf?');
        }
        /* c8 ignore stop */
    }
    braceExpand() {
        return braceExpand(this.pattern, this.options);
    }
    parse(pattern) {
        assertValidPattern(pattern);
        const options = this.options;
        // shortcuts
        if (pattern === '**')
            return GLOBSTAR;
        if (pattern === '')
            return '';
        // far and away, the most common glob pattern parts are
        // *, *.*, and *.<ext>  Add a fast check method for those.
        let m;
        let fastTest = null;
        if ((m = pattern.match(starRE))) {
            fastTest = options.dot ? starTestDot : starTest;
        }
        else if ((m = pattern.match(starDotExtRE))) {
            fastTest = (options.nocase ?
                options.dot ?
                    starDotExtTestNocaseDot
                    : starDotExtTestNocase
                : options.dot ? starDotExtTestDot
                    : starDotExtTest)(m[1]);
        }
        else if ((m = pattern.match(qmarksRE))) {
            fastTest = (options.nocase ?
                options.dot ?
                    qmarksTestNocaseDot
                    : qmarksTestNocase
                : options.dot ? qmarksTestDot
                    : qmarksTest)(m);
        }
        else if ((m = pattern.match(starDotStarRE))) {
            fastTest = options.dot ? starDotStarTestDot : starDotStarTest;
        }
        else if ((m = pattern.match(dotStarRE))) {
            fastTest = dotStarTest;
        }
        const re = AST.fromGlob(pattern, this.options).toMMPattern();
        if (fastTest && typeof re === 'object') {
            // Avoids overriding in frozen environments
            Reflect.defineProperty(re, 'test', { value: fastTest });
        }
        return re;
    }
    makeRe() {
        if (this.regexp || this.regexp === false)
            return this.regexp;
        // at this point, this.set is a 2d array of partial
        // pattern strings, or "**".
        //
        // It's better to use .match().  This function shouldn't
        // be used, really, but it's pretty convenient sometimes,
        // when you just want to work with a regex.
        const set = this.set;
        if (!set.length) {
            this.regexp = false;
            return this.regexp;
        }
        const options = this.options;
        const twoStar = options.noglobstar ? esm_star
            : options.dot ? twoStarDot
                : twoStarNoDot;
        const flags = new Set(options.nocase ? ['i'] : []);
        // regexpify non-globstar patterns
        // if ** is only item, then we just do one twoStar
        // if ** is first, and there are more, prepend (\/|twoStar\/)? to next
        // if ** is last, append (\/twoStar|) to previous
        // if ** is in the middle, append (\/|\/twoStar\/) to previous
        // then filter out GLOBSTAR symbols
        let re = set
            .map(pattern => {
            const pp = pattern.map(p => {
                if (p instanceof RegExp) {
                    for (const f of p.flags.split(''))
                        flags.add(f);
                }
                return (typeof p === 'string' ? esm_regExpEscape(p)
                    : p === GLOBSTAR ? GLOBSTAR
                        : p._src);
            });
            pp.forEach((p, i) => {
                const next = pp[i + 1];
                const prev = pp[i - 1];
                if (p !== GLOBSTAR || prev === GLOBSTAR) {
                    return;
                }
                if (prev === undefined) {
                    if (next !== undefined && next !== GLOBSTAR) {
                        pp[i + 1] = '(?:\\/|' + twoStar + '\\/)?' + next;
                    }
                    else {
                        pp[i] = twoStar;
                    }
                }
                else if (next === undefined) {
                    pp[i - 1] = prev + '(?:\\/|\\/' + twoStar + ')?';
                }
                else if (next !== GLOBSTAR) {
                    pp[i - 1] = prev + '(?:\\/|\\/' + twoStar + '\\/)' + next;
                    pp[i + 1] = GLOBSTAR;
                }
            });
            const filtered = pp.filter(p => p !== GLOBSTAR);
            // For partial matches, we need to make the pattern match
            // any prefix of the full path. We do this by generating
            // alternative patterns that match progressively longer prefixes.
            if (this.partial && filtered.length >= 1) {
                const prefixes = [];
                for (let i = 1; i <= filtered.length; i++) {
                    prefixes.push(filtered.slice(0, i).join('/'));
                }
                return '(?:' + prefixes.join('|') + ')';
            }
            return filtered.join('/');
        })
            .join('|');
        // need to wrap in parens if we had more than one thing with |,
        // otherwise only the first will be anchored to ^ and the last to $
        const [open, close] = set.length > 1 ? ['(?:', ')'] : ['', ''];
        // must match entire pattern
        // ending in a * or ** will make it less strict.
        re = '^' + open + re + close + '$';
        // In partial mode, '/' should always match as it's a valid prefix for any pattern
        if (this.partial) {
            re = '^(?:\\/|' + open + re.slice(1, -1) + close + ')$';
        }
        // can match anything, as long as it's not this.
        if (this.negate)
            re = '^(?!' + re + ').+$';
        try {
            this.regexp = new RegExp(re, [...flags].join(''));
            /* c8 ignore start */
        }
        catch {
            // should be impossible
            this.regexp = false;
        }
        /* c8 ignore stop */
        return this.regexp;
    }
    slashSplit(p) {
        // if p starts with // on windows, we preserve that
        // so that UNC paths aren't broken.  Otherwise, any number of
        // / characters are coalesced into one, unless
        // preserveMultipleSlashes is set to true.
        if (this.preserveMultipleSlashes) {
            return p.split('/');
        }
        else if (this.isWindows && /^\/\/[^/]+/.test(p)) {
            // add an extra '' for the one we lose
            return ['', ...p.split(/\/+/)];
        }
        else {
            return p.split(/\/+/);
        }
    }
    match(f, partial = this.partial) {
        this.debug('match', f, this.pattern);
        // short-circuit in the case of busted things.
        // comments, etc.
        if (this.comment) {
            return false;
        }
        if (this.empty) {
            return f === '';
        }
        if (f === '/' && partial) {
            return true;
        }
        const options = this.options;
        // windows: need to use /, not \
        if (this.isWindows) {
            f = f.split('\\').join('/');
        }
        // treat the test path as a set of pathparts.
        const ff = this.slashSplit(f);
        this.debug(this.pattern, 'split', ff);
        // just ONE of the pattern sets in this.set needs to match
        // in order for it to be valid.  If negating, then just one
        // match means that we have failed.
        // Either way, return on the first hit.
        const set = this.set;
        this.debug(this.pattern, 'set', set);
        // Find the basename of the path by looking for the last non-empty segment
        let filename = ff[ff.length - 1];
        if (!filename) {
            for (let i = ff.length - 2; !filename && i >= 0; i--) {
                filename = ff[i];
            }
        }
        for (const pattern of set) {
            let file = ff;
            if (options.matchBase && pattern.length === 1) {
                file = [filename];
            }
            const hit = this.matchOne(file, pattern, partial);
            if (hit) {
                if (options.flipNegate) {
                    return true;
                }
                return !this.negate;
            }
        }
        // didn't get any hits.  this is success if it's a negative
        // pattern, failure otherwise.
        if (options.flipNegate) {
            return false;
        }
        return this.negate;
    }
    static defaults(def) {
        return minimatch.defaults(def).Minimatch;
    }
}
/* c8 ignore start */



/* c8 ignore stop */
minimatch.AST = AST;
minimatch.Minimatch = Minimatch;
minimatch.escape = escape_escape;
minimatch.unescape = unescape_unescape;
//# sourceMappingURL=index.js.map
;// CONCATENATED MODULE: ./lib/world/glob.js
/** Finds files by glob, silently; the toolkit's own library would log to standard output. */



/**
 * Finds the files that a glob matches. Follows symbolic links, and skips broken ones and loops. A
 * leading dot is not special.
 * @param root absolute path that a relative pattern starts from; it may contain any character
 * @param pattern with `*`, `?`, `[…]` and `**`
 * @returns absolute paths
 * @throws the system's error for a directory that can't be read
 */
async function filesMatching(root, pattern) {
    const segments = (external_node_path_.sep === '\\' ? pattern.replaceAll('\\', '/') : pattern).split('/');
    const magic = segments.findIndex((segment) => /[*?[\\]/.test(segment));
    const start = external_node_path_.resolve(root, segments.slice(0, magic).join('/') || (segments[0] ? '.' : '/'));
    const matcher = new Minimatch(segments.slice(magic).join('/'), {
        ...{ dot: true, nobrace: true, nocomment: true, noext: true, nonegate: true },
        nocase: process.platform === 'win32',
    });
    const found = [];
    const walk = async (directory, above) => {
        const real = await (0,promises_namespaceObject.realpath)(directory).catch(() => undefined);
        if (real === undefined || above.includes(real))
            return;
        for (const name of await (0,promises_namespaceObject.readdir)(directory)) {
            const place = external_node_path_.join(directory, name);
            const relative = external_node_path_.relative(start, place).split(external_node_path_.sep).join('/');
            if (!matcher.match(relative, true))
                continue;
            const entry = await (0,promises_namespaceObject.stat)(place).catch(() => undefined);
            if (entry?.isDirectory())
                await walk(place, [...above, real]);
            else if (entry?.isFile() && matcher.match(relative))
                found.push(place);
        }
    };
    await walk(start, []);
    return found;
}

;// CONCATENATED MODULE: ./lib/world/remote-files.js
/** Downloads requirement files from URLs: with a request of our own, or else as pip would. */




/** Bytes. */
const maxBytes = 16 * 1024 * 1024;
/** Milliseconds for one attempt of our own. */
const timeLimit = 10_000;
/**
 * Downloads a file. pip, which takes half a second to start, is only asked when our own request
 * fails: it alone can use a keyring, a netrc, a client certificate or the proxy that it is
 * configured with.
 * @param access how pip downloads; undefined for our own request only
 * @throws Error with the reason in a few words, without secrets
 */
async function remoteFile(url, access) {
    const client = webAdapter().open({
        indexes: [],
        trust: { trustedHosts: [], certificates: access?.certificates },
        environment: access?.env ?? {},
        pip: access && { ...access, use: access.hasProxy ? 'always' : 'fallback' },
    });
    try {
        const page = await client.page(url, { accept: '*/*', maxBytes, timeLimit, attempts: 1 });
        return page.body;
    }
    catch (error) {
        const status = error instanceof WebError ? error.status : undefined;
        if (status !== undefined)
            throw new Error(`the server answers ${status}`);
        throw new Error((0,secrets/* withoutSecrets */.cT)((0,errors/* messageOf */.bD)(error)));
    }
    finally {
        await client.close();
    }
}

;// CONCATENATED MODULE: ./lib/world/sources.js
/** The user's files: finds them by glob, decodes them like pip, and reads local projects. */










function sourcesAdapter() {
    return { check, find, list, read, readInside, checkInside, project };
}
async function find(request) {
    const requirements = await sources_expand(request, request.requirements, 'requirements');
    const constraints = await sources_expand(request, request.constraints, 'constraints');
    const extra = await sources_expand(request, request.cacheDependencyPath, 'cache-dependency-path');
    return {
        requirements,
        constraints,
        extra: await Promise.all(extra.map(async ({ location, shown }) => ({
            path: shown,
            digest: contentDigest(await (0,promises_namespaceObject.readFile)(location)),
        }))),
    };
}
async function check(request) {
    const found = await (0,promises_namespaceObject.stat)(request.workingDirectory).catch(() => undefined);
    if (!found?.isDirectory()) {
        throw new errors/* UserError */.yo(`The working-directory ${request.workingDirectory} does not exist. Check the input, and that actions/checkout ran before this step.`);
    }
}
async function sources_expand(request, patterns, input) {
    const found = new Map();
    for (const pattern of patterns) {
        const matches = await matchesOf(request, pattern);
        if (matches.length === 0) {
            const place = shownDirectory(request);
            throw new errors/* UserError */.yo(`No file matches "${pattern}" of the input ${input} in ${place}. Correct the input, or set working-directory to the folder that contains it.`);
        }
        for (const match of matches) {
            await checkInside(request, match, `"${pattern}" of the input ${input}`);
            found.set(match, { location: match, shown: shownPath(request, match) });
        }
    }
    return [...found.values()].sort((a, b) => (a.location < b.location ? -1 : 1));
}
async function matchesOf(request, pattern) {
    const absolute = external_node_path_.resolve(request.workingDirectory, pattern);
    if (!(0,paths/* isWithin */.U)(request.workspace, absolute)) {
        throw outside(`"${pattern}"`);
    }
    const literal = await (0,promises_namespaceObject.stat)(absolute).catch(() => undefined);
    if (literal?.isFile())
        return [absolute];
    if (literal?.isDirectory() || !/[*?[]/.test(pattern))
        return [];
    return filesMatching(request.workingDirectory, pattern);
}
async function checkInside(request, file, what) {
    // A file that does not exist is somebody else's error.
    const [root, real] = await Promise.all([
        (0,promises_namespaceObject.realpath)(request.workspace),
        (0,promises_namespaceObject.realpath)(file).catch(() => external_node_path_.resolve(file)),
    ]);
    if (!(0,paths/* isWithin */.U)(root, real))
        throw outside(what);
}
function outside(what) {
    return new errors/* UserError */.yo(`${what} leads outside the workspace. Only files of the checkout can be used: move the file there, or check its repository out into the workspace.`);
}
async function list(request) {
    const entries = await (0,promises_namespaceObject.readdir)(request.workingDirectory, { withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile() || entry.isSymbolicLink());
    return { names: files.map(({ name }) => name).sort(), shown: shownDirectory(request) };
}
function shownDirectory(request) {
    return shownPath(request, request.workingDirectory) || 'the working directory';
}
/** Relative to the workspace, with forward slashes, as annotations need it. */
function shownPath(request, file) {
    const isRoot = external_node_path_.parse(request.workspace).root === request.workspace;
    const relative = external_node_path_.relative(isRoot ? request.workingDirectory : request.workspace, file);
    return relative.split(external_node_path_.sep).join('/');
}
/** Hashes a file without its line endings and byte-order mark, which depend on the checkout. */
function contentDigest(content) {
    const normal = content.includes(0)
        ? content
        : Buffer.from(content
            .toString('latin1')
            .replace(/^\u00EF\u00BB\u00BF/, '')
            .replaceAll('\r\n', '\n'), 'latin1');
    return (0,logic_digest/* sha256 */.s)(normal);
}
async function read(location, access) {
    if (/^https?:/i.test(location))
        return decode(await remoteFile(location, access));
    try {
        return decode(await (0,promises_namespaceObject.readFile)(location));
    }
    catch (error) {
        const reason = sources_reasons[String(error.code)];
        throw reason === undefined ? error : new Error(reason);
    }
}
async function readInside(request, file) {
    if (!(0,paths/* isWithin */.U)(request.workspace, file))
        throw new Error(leads);
    const real = await (0,promises_namespaceObject.realpath)(file).catch(() => undefined);
    if (real !== undefined && !(0,paths/* isWithin */.U)(await (0,promises_namespaceObject.realpath)(request.workspace), real)) {
        throw new Error(leads);
    }
    return read(file);
}
const leads = 'it leads outside the workspace, and only files of the checkout can be used';
const sources_reasons = {
    ENOENT: 'it does not exist',
    ENOTDIR: 'it does not exist',
    EISDIR: 'it is a directory',
    EACCES: 'its permissions do not allow reading it',
    ELOOP: 'it is part of a symbolic-link loop',
};
/** `./api` and `pyproject.toml` make `api/pyproject.toml`. */
function inside(shown, name) {
    return external_node_path_.posix.join(shown.replaceAll('\\', '/'), name);
}
async function project(target, shown) {
    const found = await (0,promises_namespaceObject.stat)(target).catch(() => undefined);
    if (found === undefined)
        throw new errors/* UserError */.yo(`${shown} does not exist.`);
    if (!found.isDirectory()) {
        const digest = await fileSha256(target);
        return { path: target, shown, file: shown, digest, buildRequires: [] };
    }
    const text = async (name) => {
        try {
            return decode(await (0,promises_namespaceObject.readFile)(external_node_path_.join(target, name)));
        }
        catch (error) {
            if (error.code === 'ENOENT')
                return undefined;
            const file = inside(shown, name);
            throw new errors/* UserError */.yo(`${file} can't be read: ${(0,errors/* messageOf */.bD)(error)}.`, { file });
        }
    };
    const files = {
        pyproject: await text('pyproject.toml'),
        setupCfg: await text('setup.cfg'),
        setupPy: await text('setup.py'),
    };
    if (files.pyproject === undefined && files.setupPy === undefined) {
        throw new errors/* UserError */.yo(`${shown} is not a Python project: it has neither pyproject.toml nor setup.py.`);
    }
    const pyproject = inside(shown, 'pyproject.toml');
    const below = await (0,promises_namespaceObject.readdir)(external_node_path_.join(target, 'requirements')).catch(() => []);
    const names = [...(await (0,promises_namespaceObject.readdir)(target)), ...below.map((name) => `requirements/${name}`)];
    const others = (0,local_project/* dependencyFiles */.DY)(files, pyproject, names)
        // setuptools reads nothing outside the project.
        .filter((name) => (0,paths/* isWithin */.U)(target, external_node_path_.resolve(target, name)))
        .map(async (name) => `${name}\n${(await text(name).catch(() => undefined)) ?? ''}`);
    const file = inside(shown, (0,local_project/* pythonFile */.PB)(files));
    return {
        path: target,
        shown,
        file,
        ...(0,local_project/* projectParts */.st)(files, pyproject, await Promise.all(others)),
    };
}

// EXTERNAL MODULE: ./lib/logic/manifest.js
var logic_manifest = __nccwpck_require__(4649);
// EXTERNAL MODULE: ./lib/logic/schema.js
var schema = __nccwpck_require__(3227);
;// CONCATENATED MODULE: ./lib/logic/change-entry.js
/**
 * Change entries: entries of a store that leave out the wheels which another entry, their base, has.
 * A base is always a full entry, so that restoring needs two entries at most. See
 * docs/decisions/0010-change-entries.md.
 */


/** The file that makes an entry a change. */
const baseFile = 'base.json';
/** A longer one is not ours, and is not read. */
const maxBaseBytes = 4096;
const referenceSchema = (0,schema/* object */.Ik)({
    /** The key of the full entry. Also shown, so its characters are limited. */
    key: (0,schema/* lineOf */.cA)('a cache key', (text) => /^[a-z0-9._-]{1,512}$/.test(text)),
    /** Bytes of the wheels in the full entry. */
    size: schema/* byteCount */.GJ,
    /** Bytes of the wheels in this change and in those that it followed on the same full entry. */
    saved: schema/* byteCount */.GJ,
});
const changeSchema = (0,schema/* object */.Ik)({
    base: referenceSchema,
    /** Paths of the wheels that the base lacks, relative to the wheelhouse. */
    wheels: (0,schema/* list */.p_)(schema/* line */.n8),
});
/** The largest part of a wheelhouse that may be new, and that may be superfluous in the base. */
const maxShare = (/* unused pure expression or super */ null && (1 / 4));
/** Bytes that a change has to save to be worth a second entry in each restore. */
const minSaving = (/* unused pure expression or super */ null && (64 * 1024));
/**
 * Decides whether a wheelhouse is saved as a change.
 * @param full the entry that the run started from
 * @param wheels those of the new wheelhouse
 * @returns undefined when a full entry is better: too much is new, the base has too much that is no
 *   longer needed, or the changes upon it add up to more than a new full entry
 */
function changeUpon(full, wheels) {
    const shared = new Set(full.wheels.map(identity));
    const added = wheels.filter((wheel) => !shared.has(identity(wheel)));
    const [whole, bytes] = [sizeOf(wheels), sizeOf(added)];
    const reused = whole - bytes;
    const limit = whole * maxShare;
    const saved = full.saved + bytes;
    const isWorthwhile = reused > minSaving && bytes <= limit && full.size - reused <= limit && saved <= whole;
    if (!isWorthwhile)
        return undefined;
    const { key, size } = full;
    return { base: { key, size, saved }, wheels: added.map(wheelPath) };
}
/**
 * The full entry behind a restored wheelhouse without faults.
 * @param wheels of its manifest
 * @param change the base, and the paths of the wheels that it contributed; undefined for a full entry
 */
function fullEntryOf(key, wheels, change) {
    if (change === undefined)
        return { key, size: sizeOf(wheels), saved: 0, wheels };
    return { ...change.base, wheels: wheels.filter((wheel) => change.moved.has(wheelPath(wheel))) };
}
/** The same file in the same place. */
function identity(wheel) {
    return `${wheelPath(wheel)} ${wheel.sha256}`;
}
/** Returns the bytes of wheels. */
function sizeOf(wheels) {
    return wheels.reduce((sum, { size }) => sum + size, 0);
}
function formatBase({ key, size, saved }) {
    return `${JSON.stringify({ key, size, saved })}\n`;
}
/** @throws ManifestError when the text is not a valid reference */
function parseBase(text) {
    try {
        return referenceSchema(JSON.parse(text), '');
    }
    catch (error) {
        if (!(error instanceof schema/* SchemaError */.Ar || error instanceof SyntaxError))
            throw error;
        const reason = error instanceof schema/* SchemaError */.Ar ? error.message : 'it is not JSON';
        throw new logic_manifest/* ManifestError */.Sh(`${baseFile} is not valid: ${reason}`);
    }
}

;// CONCATENATED MODULE: ./lib/world/wheelhouses.js
/** Directories of wheels on disk. No file is half-written under its final name. */








function wheelhousesAdapter() {
    return {
        workplace: (parent) => temporaryDirectory(parent, 'wheelhouse-work'),
        stage: (workplace) => temporaryDirectory(workplace, 'staged'),
        inspect,
        verify,
        share,
        writeBase: (directory, base) => (0,promises_namespaceObject.writeFile)(external_node_path_.join(directory, baseFile), formatBase(base)),
        isChange: (directory) => exists(external_node_path_.join(directory, baseFile)),
        takeBase,
        supplement,
        reopen,
        keepOnly,
        list: wheelhouses_list,
        measure,
        seal,
        publish: moveDirectory,
        copy,
        move: (file, from, to) => (0,promises_namespaceObject.rename)(external_node_path_.join(from, file), external_node_path_.join(to, file)),
        write: async (file, text) => {
            await (0,promises_namespaceObject.mkdir)(external_node_path_.dirname(file), { recursive: true });
            await (0,promises_namespaceObject.writeFile)(file, text);
        },
        read: (file) => (0,promises_namespaceObject.readFile)(file, 'utf8'),
        exists: exists,
        remove: discard,
    };
}
/**
 * Links the files of a directory into another one: cheap, and safe while another job replaces the
 * directory. Leaves out files that disappear meanwhile.
 */
async function share(directory, staged, files) {
    for (const file of files ?? (await filesBelow(directory))) {
        const [from, to] = [external_node_path_.join(directory, file), external_node_path_.join(staged, file)];
        await (0,promises_namespaceObject.mkdir)(external_node_path_.dirname(to), { recursive: true });
        await (0,promises_namespaceObject.link)(from, to).catch(() => (0,promises_namespaceObject.copyFile)(from, to).catch(() => { }));
    }
}
/** Replaces hard links by copies: pip overwrites wheels in place, under every name they have. */
async function reopen(directory) {
    const aside = external_node_path_.join(directory, logic_manifest/* buildDirectory */.WP);
    for (const file of await wheelhouses_list(aside)) {
        await (0,promises_namespaceObject.rename)(external_node_path_.join(aside, file), external_node_path_.join(directory, file));
    }
    await (0,promises_namespaceObject.rm)(aside, { recursive: true, force: true });
    for (const entry of await (0,promises_namespaceObject.readdir)(directory, { withFileTypes: true })) {
        if (!entry.isFile())
            continue;
        const file = external_node_path_.join(directory, entry.name);
        if ((await (0,promises_namespaceObject.lstat)(file)).nlink < 2)
            continue;
        await (0,promises_namespaceObject.copyFile)(file, `${file}.own`, external_node_fs_.constants.COPYFILE_FICLONE);
        await (0,promises_namespaceObject.rename)(`${file}.own`, file);
    }
}
async function copy(from, to, expected) {
    await (0,promises_namespaceObject.copyFile)(from, to);
    const [{ size }, sha256] = await Promise.all([(0,promises_namespaceObject.lstat)(to), fileSha256(to)]);
    if (expected === undefined || sha256 === expected)
        return { sha256, size };
    await (0,promises_namespaceObject.rm)(to, { force: true });
    throw new errors/* UserError */.yo(`${from} has the SHA-256 ${sha256} instead of ${expected}.`);
}
async function inspect(directory, depth) {
    const text = await readOwn(directory, logic_manifest/* manifestFile */.YE, logic_manifest/* maxManifestBytes */.rq);
    if (text === undefined) {
        const entries = await (0,promises_namespaceObject.readdir)(directory).catch(() => []);
        if (entries.length === 0)
            return undefined;
        throw new logic_manifest/* ManifestError */.Sh(`it has no ${logic_manifest/* manifestFile */.YE}`);
    }
    const manifest = (0,logic_manifest/* parseManifest */.Ng)(text);
    const inspected = await compare({ manifest, sound: manifest.wheels, faults: [] }, (wheel) => fileFault(directory, wheel));
    const faults = [...inspected.faults];
    const known = new Set(filesOf(manifest));
    for (const file of await filesBelow(directory)) {
        if (!known.has(file))
            faults.push(`${file} is not in the manifest`);
    }
    const compared = { ...inspected, faults };
    return depth === 'sizes' ? compared : verify(directory, compared);
}
function verify(directory, inspected, wheels = inspected.sound) {
    const chosen = new Set(wheels.map(logic_manifest/* wheelPath */.NV));
    return compare(inspected, async (wheel) => {
        if (!chosen.has((0,logic_manifest/* wheelPath */.NV)(wheel)))
            return undefined;
        const digest = await fileSha256(external_node_path_.join(directory, (0,logic_manifest/* wheelPath */.NV)(wheel)));
        return digest === wheel.sha256
            ? undefined
            : `${wheel.file} has a different hash than in the manifest`;
    });
}
/** Removes wheels that have a fault. */
async function compare({ manifest, sound, faults }, faultOf) {
    const found = await mapFiles(sound, faultOf);
    return {
        manifest,
        sound: sound.filter((_wheel, index) => found[index] === undefined),
        faults: [...faults, ...found.flatMap((fault) => fault ?? [])],
    };
}
/**
 * Reads a file that a wheelhouse has beside its wheels.
 * @returns undefined when there is none
 * @throws ManifestError for a link, or for more bytes than we would write
 */
async function readOwn(directory, name, maxBytes) {
    const file = external_node_path_.join(directory, name);
    const found = await (0,promises_namespaceObject.lstat)(file).catch(() => undefined);
    if (found === undefined)
        return undefined;
    if (!found.isFile() || found.size > maxBytes) {
        throw new logic_manifest/* ManifestError */.Sh(`${name} is not a regular file`);
    }
    return (0,promises_namespaceObject.readFile)(file, 'utf8');
}
async function takeBase(directory) {
    const text = await readOwn(directory, baseFile, maxBaseBytes);
    if (text === undefined)
        return undefined;
    await (0,promises_namespaceObject.rm)(external_node_path_.join(directory, baseFile));
    return parseBase(text);
}
async function supplement(directory, from) {
    const text = await readOwn(directory, logic_manifest/* manifestFile */.YE, logic_manifest/* maxManifestBytes */.rq);
    if (text === undefined)
        throw new logic_manifest/* ManifestError */.Sh(`it has no ${logic_manifest/* manifestFile */.YE}`);
    const moved = new Set();
    for (const file of (0,logic_manifest/* parseManifest */.Ng)(text).wheels.map(logic_manifest/* wheelPath */.NV)) {
        const [source, target] = [external_node_path_.join(from, file), external_node_path_.join(directory, file)];
        if ((await exists(target)) || !(await isDirectory(external_node_path_.dirname(source))))
            continue;
        await (0,promises_namespaceObject.mkdir)(external_node_path_.dirname(target), { recursive: true }).catch(() => { });
        if (!(await isDirectory(external_node_path_.dirname(target))))
            continue;
        const isMoved = await (0,promises_namespaceObject.rename)(source, target).then(() => true, () => false);
        if (isMoved)
            moved.add(file);
    }
    return moved;
}
/** Not for links to directories. */
async function isDirectory(file) {
    return (await (0,promises_namespaceObject.lstat)(file).catch(() => undefined))?.isDirectory() === true;
}
/** Everything that belongs to a wheelhouse, as relative paths. */
function filesOf({ wheels }) {
    return [logic_manifest/* manifestFile */.YE, logic_manifest/* lockFile */.Ke, logic_manifest/* pylockFile */.Rr, ...wheels.map(logic_manifest/* wheelPath */.NV)];
}
async function fileFault(directory, wheel) {
    const file = external_node_path_.join(directory, (0,logic_manifest/* wheelPath */.NV)(wheel));
    // Not stat: the file or its directory may be a link that leads out of the wheelhouse.
    const parent = await (0,promises_namespaceObject.lstat)(external_node_path_.dirname(file)).catch(() => undefined);
    const found = parent?.isDirectory() ? await (0,promises_namespaceObject.lstat)(file).catch(() => undefined) : undefined;
    if (found === undefined)
        return (0,logic_manifest/* absence */.An)(wheel);
    if (!found.isFile())
        return `${wheel.file} is not a regular file`;
    if (found.size !== wheel.size) {
        return `${wheel.file} has ${found.size} bytes instead of ${wheel.size}`;
    }
    return undefined;
}
/** Also deletes names that are not valid UTF-8; as strings, several of them look the same. */
async function keepOnly(directory, files) {
    const keep = new Set(files);
    const parents = new Set(files.map((file) => external_node_path_.posix.dirname(file)));
    const clean = async (relative) => {
        for (const name of await (0,promises_namespaceObject.readdir)(external_node_path_.join(directory, relative), { encoding: 'buffer' })) {
            const entry = external_node_path_.posix.join(relative, name.toString());
            const full = Buffer.concat([
                Buffer.from(`${external_node_path_.join(directory, relative)}${external_node_path_.sep}`),
                name,
            ]);
            const isExact = Buffer.from(name.toString()).equals(name);
            if (isExact && parents.has(entry) && (await (0,promises_namespaceObject.lstat)(full)).isDirectory())
                await clean(entry);
            else if (!isExact || !keep.has(entry))
                await (0,promises_namespaceObject.rm)(full, { recursive: true, force: true });
        }
    };
    await clean('');
}
async function wheelhouses_list(directory) {
    const names = await (0,promises_namespaceObject.readdir)(directory).catch((error) => {
        if (error.code !== 'ENOENT')
            throw error;
        return [];
    });
    return names.filter(logic_names/* isWheelFileName */.jh).sort();
}
/**
 * Lists a wheelhouse as relative paths with `/`: its entries, with those of the directory of wheels
 * for building in place of that directory. Follows no link.
 */
async function filesBelow(directory) {
    const entries = await (0,promises_namespaceObject.readdir)(directory, { withFileTypes: true }).catch(() => []);
    const nested = entries.map(async (entry) => {
        if (entry.name !== logic_manifest/* buildDirectory */.WP || !entry.isDirectory())
            return [entry.name];
        const inside = await (0,promises_namespaceObject.readdir)(external_node_path_.join(directory, logic_manifest/* buildDirectory */.WP)).catch(() => []);
        return inside.map((name) => `${logic_manifest/* buildDirectory */.WP}/${name}`);
    });
    return (await Promise.all(nested)).flat();
}
function measure(directory, files) {
    return mapFiles(files, async (file) => {
        const full = external_node_path_.join(directory, file);
        return { file, sha256: await fileSha256(full), size: (await (0,promises_namespaceObject.lstat)(full)).size };
    });
}
async function seal(directory, manifest) {
    for (const wheel of manifest.wheels) {
        const place = external_node_path_.join(directory, (0,logic_manifest/* wheelPath */.NV)(wheel));
        const flat = external_node_path_.join(directory, wheel.file);
        if (place === flat || (await exists(place)))
            continue;
        await (0,promises_namespaceObject.mkdir)(external_node_path_.dirname(place), { recursive: true });
        await (0,promises_namespaceObject.rename)(flat, place);
    }
    for (const [file, text] of Object.entries((0,logic_manifest/* lockTexts */.wM)(manifest.wheels))) {
        await writeWhole(external_node_path_.join(directory, file), text);
    }
    await writeWhole(external_node_path_.join(directory, logic_manifest/* manifestFile */.YE), (0,logic_manifest/* formatManifest */.L_)(manifest));
    await keepOnly(directory, filesOf(manifest));
}

// EXTERNAL MODULE: ./lib/collect/logic/listing.js + 1 modules
var listing = __nccwpck_require__(2528);
// EXTERNAL MODULE: ./lib/publish/logic/feed.js
var feed = __nccwpck_require__(6504);
;// CONCATENATED MODULE: ./lib/publish/world/feed.js
/** A private feed: its project pages, and the content of its files. */







/**
 * @param certificates path of a file of certificates to trust instead of Node's own
 * @param environment variables that name proxies
 */
function feedAdapter(access, certificates, environment) {
    const index = new URL(access.url);
    index.username = encodeURIComponent(access.username ?? '');
    index.password = encodeURIComponent(access.password ?? '');
    const trust = { trustedHosts: [], certificates };
    const client = webAdapter().open({ indexes: [index.href], trust, environment });
    return {
        async ask(project) {
            try {
                const options = { stayAtOrigin: true };
                const page = await client.page(pageUrl(access.url, project), options);
                return (0,listing/* readAnswer */.JN)(200, page.contentType, page.text, page.url);
            }
            catch (error) {
                if (error instanceof ForeignRedirect)
                    return (0,feed/* readForeignRedirect */.px)(error.location, project);
                if (!(error instanceof WebError))
                    throw error;
                if (error.status !== undefined)
                    return (0,listing/* readAnswer */.JN)(error.status, '', '', access.url);
                return { state: 'unreadable', reason: error.message };
            }
        },
        async digest({ url }) {
            const directory = await temporaryDirectory((0,external_node_os_.tmpdir)(), 'wheelhouse-digest');
            try {
                return (await client.file(url, external_node_path_.join(directory, 'file'))).sha256;
            }
            finally {
                await discard(directory);
            }
        },
    };
}

;// CONCATENATED MODULE: ./lib/publish/world/programs.js

function programsAdapter(reporter) {
    return {
        async run([program, ...first], args, { cwd, env, quiet = false, }) {
            try {
                return await (0,world_process/* run */.eF)(program, [...first, ...args], {
                    cwd,
                    env,
                    ...(quiet ? {} : { onLine: (line) => reporter.foreign(line) }),
                });
            }
            catch (error) {
                const { code } = error;
                if (code === 'ENOENT' || code === 'EACCES')
                    return undefined;
                throw error;
            }
        },
    };
}

;// CONCATENATED MODULE: ./lib/publish/world/world.js
/** Wires the adapters of publishing, for the action and the command line. */






function publishingWorld(request, reporter) {
    const { environment } = request.source;
    return {
        python: pythonAdapter(reporter, environment),
        sources: sourcesAdapter(),
        wheelhouses: wheelhousesAdapter(),
        downloads: downloadsAdapter(reporter, environment),
        feed: (certificates) => feedAdapter(request.feed, certificates, environment),
        programs: programsAdapter(reporter),
        reporter,
    };
}


/***/ }),

/***/ 5733:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {


// EXPORTS
__nccwpck_require__.d(__webpack_exports__, {
  eF: () => (/* binding */ run),
  CN: () => (/* binding */ runEntry),
  ni: () => (/* binding */ start)
});

// UNUSED EXPORTS: endOnSignals

;// CONCATENATED MODULE: external "node:child_process"
const external_node_child_process_namespaceObject = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:child_process");
;// CONCATENATED MODULE: external "node:string_decoder"
const external_node_string_decoder_namespaceObject = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:string_decoder");
;// CONCATENATED MODULE: ./lib/world/process.js
/** Runs other programs. Each of them is started here, so that none outlives the run. */


/** Characters of a program's output; of more, the end. */
const maxOutput = 32 * 1024 * 1024;
/** Characters after which a line is passed on as it is. */
const maxLine = 1024 * 1024;
/** Cuts rarely: each cut copies the rest. */
function latest(text) {
    return text.length > 2 * maxOutput ? text.slice(-maxOutput) : text;
}
const running = new Set();
// Before disk.ts deletes the directories that they write to.
process.prependListener('exit', () => {
    for (const stop of running)
        stop();
});
/**
 * Runs a program to its end, without a shell.
 * @param options.input its standard input; empty by default
 * @throws the system's error (`ENOENT`, `EACCES`, …) when it can't be started
 */
async function run(command, args, { input = '', ...options }) {
    const { send, finished } = start(command, args, options);
    send(input);
    return finished;
}
/** Starts a program, without a shell; it waits for its standard input. */
function start(command, args, options) {
    // A group of its own: pip's build subprocesses end with it.
    const ownGroup = process.platform !== 'win32';
    const child = (0,external_node_child_process_namespaceObject.spawn)(command, args, {
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        env: options.env,
        stdio: ['pipe', 'pipe', 'pipe'],
        detached: ownGroup,
        windowsHide: true,
    });
    const stop = () => {
        if (!running.has(stop))
            return; // Its id may be another program's by now.
        try {
            if (ownGroup && child.pid !== undefined)
                process.kill(-child.pid, 'SIGKILL');
            else
                child.kill('SIGKILL');
        }
        catch {
            // It has already exited.
        }
    };
    running.add(stop);
    let stdout = '';
    let output = '';
    for (const name of ['stdout', 'stderr']) {
        const stream = child[name];
        const decoder = new external_node_string_decoder_namespaceObject.StringDecoder('utf8');
        let rest = '';
        stream.on('data', (data) => {
            const text = decoder.write(data);
            output = latest(output + text);
            if (name === 'stdout')
                stdout = latest(stdout + text);
            const lines = (rest + text).split(/\r?\n/);
            rest = lines.pop() ?? '';
            for (const line of lines)
                options.onLine?.(line, name);
            if (rest.length > maxLine) {
                options.onLine?.(rest, name);
                rest = '';
            }
        });
        stream.on('end', () => {
            if (rest !== '')
                options.onLine?.(rest, name);
        });
    }
    // A program may exit without reading its input.
    child.stdin.on('error', () => { });
    const finished = new Promise((resolve, reject) => {
        child.once('error', reject);
        child.once('close', (code, signal) => {
            resolve({ exitCode: code ?? (signal === null ? 1 : 128), stdout, output });
        });
    }).finally(() => running.delete(stop));
    return {
        send: (input) => child.stdin.end(input),
        write: (input) => void child.stdin.write(input),
        stop,
        finished,
    };
}
/**
 * Makes a cancelled run exit at once, with every program that it started and all their children:
 * the runner sends SIGINT, and later SIGTERM, to this process alone.
 */
function endOnSignals() {
    for (const signal of ['SIGINT', 'SIGTERM']) {
        process.once(signal, () => process.exit(signal === 'SIGINT' ? 130 : 143));
    }
}
/** Runs the entry of an action. An error is reported and fails the step. */
async function runEntry(main, reporter) {
    endOnSignals();
    try {
        await main();
    }
    catch (error) {
        reporter.error(error);
        process.exitCode = 1;
    }
    // Flush stdout first; process.exit() would drop buffered output.
    process.stdout.write('', () => process.exit());
}


/***/ }),

/***/ 2150:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {


// EXPORTS
__nccwpck_require__.d(__webpack_exports__, {
  t: () => (/* binding */ actionsReporter)
});

// UNUSED EXPORTS: consoleReporter

// EXTERNAL MODULE: ./lib/logic/errors.js
var errors = __nccwpck_require__(5895);
;// CONCATENATED MODULE: ./lib/logic/harmless.js
/** Makes text from anybody safe to print in CI: no runner reads a command in it. */
/**
 * Replaces or separates everything in a text that a runner or a terminal would act on.
 *
 * - GitHub's runner acts on a line that begins with `::` after any white space of .NET (including
 *   U+0085), and on `##[` anywhere in a line (actions/runner, ActionCommand.cs).
 * - Azure's agent acts on `##vso[` anywhere in a line of either stream (Command.cs).
 * - A terminal acts on control characters: only tabs, line feeds and colours remain.
 *
 * .NET compares by culture and ignores format characters such as U+200B, so a plain space separates
 * the marks.
 */
function harmless_harmless(text) {
    return text
        .replaceAll('\r\n', '\n')
        .replace(controls, '\uFFFD')
        .replace(/^((?:(?![\n\u2028\u2029])[\p{White_Space}\p{Cf}\uFFFD])*:)(?=\p{Cf}*:)/gmu, '$1 ')
        .replace(/#(?=\p{Cf}*#[\p{Cf}\w]*\[)/gu, '# ');
}
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are replaced.
const controls = /[\x00-\x08\x0B-\x1A\x1C-\x1F\x7F-\x9F]|\x1B(?!\[[\d;]*m)/g;
/** JSON with the same values in which no runner finds a command. */
function harmlessJson(value) {
    return JSON.stringify(value, undefined, 2).replaceAll('#', '\\u0023');
}

// EXTERNAL MODULE: ./lib/logic/secrets.js
var secrets = __nccwpck_require__(3983);
// EXTERNAL MODULE: ./lib/world/workflow.js
var workflow = __nccwpck_require__(2459);
;// CONCATENATED MODULE: ./lib/world/reporters.js
/** What people see: in a workflow's log, or on a terminal. */




/** @returns the stack of an error that is a bug of this program */
function stackOf(error) {
    return error instanceof Error ? String(error.stack) : String(error);
}
/**
 * Groups, notices and annotations of a workflow run.
 * @param title of errors
 */
function actionsReporter(title) {
    const { add, clean } = (0,secrets/* redactor */.$p)();
    return {
        info: (text) => (0,workflow/* print */.yy)(harmless_harmless(clean(text))),
        notice: (text) => (0,workflow/* command */.G5)('notice', clean(text)),
        warning: (text) => (0,workflow/* command */.G5)('warning', clean(text)),
        error: (error) => {
            const known = (0,errors/* asUserError */.Yl)(error);
            if (known) {
                const { message, file, line } = known;
                (0,workflow/* command */.G5)('error', clean(message), { title, file, line });
            }
            else {
                (0,workflow/* command */.G5)('error', clean(`${title} failed unexpectedly; this is a bug in the action: ${stackOf(error)}`));
            }
        },
        foreign: (text) => (0,workflow/* print */.yy)(harmless_harmless((0,secrets/* withoutSecrets */.cT)(clean(text)))),
        group: async (title, work) => {
            (0,workflow/* command */.G5)('group', clean(title));
            try {
                return await work();
            }
            finally {
                (0,workflow/* command */.G5)('endgroup');
            }
        },
        hide: (secrets) => {
            for (const secret of secrets)
                (0,workflow/* command */.G5)('add-mask', secret);
            add(secrets);
        },
    };
}
/** Plain text on standard error; standard output is for results only. */
function consoleReporter() {
    const { add, clean } = redactor();
    const say = (text) => {
        process.stderr.write(`${harmless(clean(text))}\n`);
    };
    return {
        info: say,
        notice: (text) => say(`note: ${text}`),
        warning: (text) => say(`warning: ${text}`),
        error: (error) => {
            const known = asUserError(error);
            if (known) {
                const { message, file, line } = known;
                const place = file === undefined ? '' : `${file}${line === undefined ? '' : `:${line}`}: `;
                say(`error: ${place}${message}`);
            }
            else {
                say(`error: this is a bug in wheelhouse: ${stackOf(error)}`);
            }
        },
        foreign: (text) => say(`  ${withoutSecrets(clean(text))}`),
        group: (title, work) => {
            say(title);
            return work();
        },
        hide: add,
    };
}


/***/ }),

/***/ 2459:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   G5: () => (/* binding */ command),
/* harmony export */   S0: () => (/* binding */ addSummary),
/* harmony export */   hF: () => (/* binding */ input),
/* harmony export */   uH: () => (/* binding */ setOutput),
/* harmony export */   yy: () => (/* binding */ print)
/* harmony export */ });
/* unused harmony exports saveState, exportVariable, addPath */
/* harmony import */ var node_crypto__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(7598);
/* harmony import */ var node_fs__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(3024);
/* harmony import */ var node_os__WEBPACK_IMPORTED_MODULE_2__ = __nccwpck_require__(8161);
/* harmony import */ var node_path__WEBPACK_IMPORTED_MODULE_3__ = __nccwpck_require__(6760);
/**
 * The runner's side of an action: inputs, commands on standard output, and files of values. A module of
 * its own because @actions/core loads an HTTP library whenever it is imported (docs/decisions/0005).
 * https://docs.github.com/actions/reference/workflow-commands-for-github-actions
 */




/** @returns the value of an input without the space around it; empty when it is not set */
function input(name) {
    return (process.env[`INPUT_${name.toUpperCase().replaceAll(' ', '_')}`] ?? '').trim();
}
/** Prints a line. A command in it takes effect. */
function print(line) {
    process.stdout.write(`${line}${node_os__WEBPACK_IMPORTED_MODULE_2__.EOL}`);
}
/** Prints a workflow command, whose text and properties may contain anything. */
function command(name, text = '', properties = {}) {
    const list = Object.entries(properties).flatMap(([key, value]) => value === undefined ? [] : [`${key}=${escapeProperty(String(value))}`]);
    print(`::${[name, ...(list.length > 0 ? [list.join(',')] : [])].join(' ')}::${escapeText(text)}`);
}
function setOutput(name, value) {
    writeValue('GITHUB_OUTPUT', name, String(value));
}
/** Keeps a value for the post step of this action. */
function saveState(name, value) {
    writeValue('GITHUB_STATE', name, value);
}
/** Sets an environment variable of later steps. */
function exportVariable(name, value) {
    writeValue('GITHUB_ENV', name, value);
}
/** Puts a directory first on the PATH of later steps. */
function addPath(directory) {
    appendTo('GITHUB_PATH', `${directory}${EOL}`);
}
/** Adds Markdown to the summary of the job. */
function addSummary(text) {
    appendTo('GITHUB_STEP_SUMMARY', text);
}
/** The value may contain line breaks: it ends with a text that nobody can foresee. */
function writeValue(variable, name, value) {
    const end = `end-${(0,node_crypto__WEBPACK_IMPORTED_MODULE_0__.randomUUID)()}`;
    appendTo(variable, [`${name}<<${end}`, value, end, ''].join(node_os__WEBPACK_IMPORTED_MODULE_2__.EOL));
}
/** @param variable has the path of a file that the runner reads; without a runner, nobody does */
function appendTo(variable, text) {
    const file = process.env[variable];
    if (file)
        (0,node_fs__WEBPACK_IMPORTED_MODULE_1__.appendFileSync)(node_path__WEBPACK_IMPORTED_MODULE_3__.resolve(file), text);
}
/** A line break would start a line, which could be a command. */
function escapeText(text) {
    return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}
function escapeProperty(text) {
    return escapeText(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}


/***/ })

/******/ });
/************************************************************************/
/******/ // The module cache
/******/ var __webpack_module_cache__ = {};
/******/ 
/******/ // The require function
/******/ function __nccwpck_require__(moduleId) {
/******/ 	// Check if module is in cache
/******/ 	var cachedModule = __webpack_module_cache__[moduleId];
/******/ 	if (cachedModule !== undefined) {
/******/ 		return cachedModule.exports;
/******/ 	}
/******/ 	// Create a new module (and put it into the cache)
/******/ 	var module = __webpack_module_cache__[moduleId] = {
/******/ 		// no module.id needed
/******/ 		// no module.loaded needed
/******/ 		exports: {}
/******/ 	};
/******/ 
/******/ 	// Execute the module function
/******/ 	var threw = true;
/******/ 	try {
/******/ 		__webpack_modules__[moduleId](module, module.exports, __nccwpck_require__);
/******/ 		threw = false;
/******/ 	} finally {
/******/ 		if(threw) delete __webpack_module_cache__[moduleId];
/******/ 	}
/******/ 
/******/ 	// Return the exports of the module
/******/ 	return module.exports;
/******/ }
/******/ 
/******/ // expose the modules object (__webpack_modules__)
/******/ __nccwpck_require__.m = __webpack_modules__;
/******/ 
/************************************************************************/
/******/ /* webpack/runtime/asset-relocator-loader */
/******/ if (typeof __nccwpck_require__ !== 'undefined') __nccwpck_require__.ab = decodeURIComponent(new URL('.', import.meta.url).pathname).slice(import.meta.url.match(/^file:\/\/\/\w:/) ? 1 : 0, -1) + "/";
/******/ 
/******/ /* webpack/runtime/async module */
/******/ (() => {
/******/ 	var webpackQueues = typeof Symbol === "function" ? Symbol("webpack queues") : "__webpack_queues__";
/******/ 	var webpackExports = typeof Symbol === "function" ? Symbol("webpack exports") : "__webpack_exports__";
/******/ 	var webpackError = typeof Symbol === "function" ? Symbol("webpack error") : "__webpack_error__";
/******/ 	var resolveQueue = (queue) => {
/******/ 		if(queue && queue.d < 1) {
/******/ 			queue.d = 1;
/******/ 			queue.forEach((fn) => (fn.r--));
/******/ 			queue.forEach((fn) => (fn.r-- ? fn.r++ : fn()));
/******/ 		}
/******/ 	}
/******/ 	var wrapDeps = (deps) => (deps.map((dep) => {
/******/ 		if(dep !== null && typeof dep === "object") {
/******/ 			if(dep[webpackQueues]) return dep;
/******/ 			if(dep.then) {
/******/ 				var queue = [];
/******/ 				queue.d = 0;
/******/ 				dep.then((r) => {
/******/ 					obj[webpackExports] = r;
/******/ 					resolveQueue(queue);
/******/ 				}, (e) => {
/******/ 					obj[webpackError] = e;
/******/ 					resolveQueue(queue);
/******/ 				});
/******/ 				var obj = {};
/******/ 				obj[webpackQueues] = (fn) => (fn(queue));
/******/ 				return obj;
/******/ 			}
/******/ 		}
/******/ 		var ret = {};
/******/ 		ret[webpackQueues] = x => {};
/******/ 		ret[webpackExports] = dep;
/******/ 		return ret;
/******/ 	}));
/******/ 	__nccwpck_require__.a = (module, body, hasAwait) => {
/******/ 		var queue;
/******/ 		hasAwait && ((queue = []).d = -1);
/******/ 		var depQueues = new Set();
/******/ 		var exports = module.exports;
/******/ 		var currentDeps;
/******/ 		var outerResolve;
/******/ 		var reject;
/******/ 		var promise = new Promise((resolve, rej) => {
/******/ 			reject = rej;
/******/ 			outerResolve = resolve;
/******/ 		});
/******/ 		promise[webpackExports] = exports;
/******/ 		promise[webpackQueues] = (fn) => (queue && fn(queue), depQueues.forEach(fn), promise["catch"](x => {}));
/******/ 		module.exports = promise;
/******/ 		body((deps) => {
/******/ 			currentDeps = wrapDeps(deps);
/******/ 			var fn;
/******/ 			var getResult = () => (currentDeps.map((d) => {
/******/ 				if(d[webpackError]) throw d[webpackError];
/******/ 				return d[webpackExports];
/******/ 			}))
/******/ 			var promise = new Promise((resolve) => {
/******/ 				fn = () => (resolve(getResult));
/******/ 				fn.r = 0;
/******/ 				var fnQueue = (q) => (q !== queue && !depQueues.has(q) && (depQueues.add(q), q && !q.d && (fn.r++, q.push(fn))));
/******/ 				currentDeps.map((dep) => (dep[webpackQueues](fnQueue)));
/******/ 			});
/******/ 			return fn.r ? promise : getResult();
/******/ 		}, (err) => ((err ? reject(promise[webpackError] = err) : outerResolve(exports)), resolveQueue(queue)));
/******/ 		queue && queue.d < 0 && (queue.d = 0);
/******/ 	};
/******/ })();
/******/ 
/******/ /* webpack/runtime/create fake namespace object */
/******/ (() => {
/******/ 	var getProto = Object.getPrototypeOf ? (obj) => (Object.getPrototypeOf(obj)) : (obj) => (obj.__proto__);
/******/ 	var leafPrototypes;
/******/ 	// create a fake namespace object
/******/ 	// mode & 1: value is a module id, require it
/******/ 	// mode & 2: merge all properties of value into the ns
/******/ 	// mode & 4: return value when already ns object
/******/ 	// mode & 16: return value when it's Promise-like
/******/ 	// mode & 8|1: behave like require
/******/ 	__nccwpck_require__.t = function(value, mode) {
/******/ 		if(mode & 1) value = this(value);
/******/ 		if(mode & 8) return value;
/******/ 		if(typeof value === 'object' && value) {
/******/ 			if((mode & 4) && value.__esModule) return value;
/******/ 			if((mode & 16) && typeof value.then === 'function') return value;
/******/ 		}
/******/ 		var ns = Object.create(null);
/******/ 		__nccwpck_require__.r(ns);
/******/ 		var def = {};
/******/ 		leafPrototypes = leafPrototypes || [null, getProto({}), getProto([]), getProto(getProto)];
/******/ 		for(var current = mode & 2 && value; typeof current == 'object' && !~leafPrototypes.indexOf(current); current = getProto(current)) {
/******/ 			Object.getOwnPropertyNames(current).forEach((key) => (def[key] = () => (value[key])));
/******/ 		}
/******/ 		def['default'] = () => (value);
/******/ 		__nccwpck_require__.d(ns, def);
/******/ 		return ns;
/******/ 	};
/******/ })();
/******/ 
/******/ /* webpack/runtime/define property getters */
/******/ (() => {
/******/ 	// define getter functions for harmony exports
/******/ 	__nccwpck_require__.d = (exports, definition) => {
/******/ 		for(var key in definition) {
/******/ 			if(__nccwpck_require__.o(definition, key) && !__nccwpck_require__.o(exports, key)) {
/******/ 				Object.defineProperty(exports, key, { enumerable: true, get: definition[key] });
/******/ 			}
/******/ 		}
/******/ 	};
/******/ })();
/******/ 
/******/ /* webpack/runtime/ensure chunk */
/******/ (() => {
/******/ 	__nccwpck_require__.f = {};
/******/ 	// This file contains only the entry chunk.
/******/ 	// The chunk loading function for additional chunks
/******/ 	__nccwpck_require__.e = (chunkId) => {
/******/ 		return Promise.all(Object.keys(__nccwpck_require__.f).reduce((promises, key) => {
/******/ 			__nccwpck_require__.f[key](chunkId, promises);
/******/ 			return promises;
/******/ 		}, []));
/******/ 	};
/******/ })();
/******/ 
/******/ /* webpack/runtime/get javascript chunk filename */
/******/ (() => {
/******/ 	// This function allow to reference async chunks
/******/ 	__nccwpck_require__.u = (chunkId) => {
/******/ 		// return url for filenames based on template
/******/ 		return "" + chunkId + ".index.js";
/******/ 	};
/******/ })();
/******/ 
/******/ /* webpack/runtime/hasOwnProperty shorthand */
/******/ (() => {
/******/ 	__nccwpck_require__.o = (obj, prop) => (Object.prototype.hasOwnProperty.call(obj, prop))
/******/ })();
/******/ 
/******/ /* webpack/runtime/make namespace object */
/******/ (() => {
/******/ 	// define __esModule on exports
/******/ 	__nccwpck_require__.r = (exports) => {
/******/ 		if(typeof Symbol !== 'undefined' && Symbol.toStringTag) {
/******/ 			Object.defineProperty(exports, Symbol.toStringTag, { value: 'Module' });
/******/ 		}
/******/ 		Object.defineProperty(exports, '__esModule', { value: true });
/******/ 	};
/******/ })();
/******/ 
/******/ /* webpack/runtime/import chunk loading */
/******/ (() => {
/******/ 	// no baseURI
/******/ 	
/******/ 	// object to store loaded and loading chunks
/******/ 	// undefined = chunk not loaded, null = chunk preloaded/prefetched
/******/ 	// [resolve, Promise] = chunk loading, 0 = chunk loaded
/******/ 	var installedChunks = {
/******/ 		792: 0
/******/ 	};
/******/ 	
/******/ 	var installChunk = (data) => {
/******/ 		var {ids, modules, runtime} = data;
/******/ 		// add "modules" to the modules object,
/******/ 		// then flag all "ids" as loaded and fire callback
/******/ 		var moduleId, chunkId, i = 0;
/******/ 		for(moduleId in modules) {
/******/ 			if(__nccwpck_require__.o(modules, moduleId)) {
/******/ 				__nccwpck_require__.m[moduleId] = modules[moduleId];
/******/ 			}
/******/ 		}
/******/ 		if(runtime) runtime(__nccwpck_require__);
/******/ 		for(;i < ids.length; i++) {
/******/ 			chunkId = ids[i];
/******/ 			if(__nccwpck_require__.o(installedChunks, chunkId) && installedChunks[chunkId]) {
/******/ 				installedChunks[chunkId][0]();
/******/ 			}
/******/ 			installedChunks[ids[i]] = 0;
/******/ 		}
/******/ 	
/******/ 	}
/******/ 	
/******/ 	__nccwpck_require__.f.j = (chunkId, promises) => {
/******/ 			// import() chunk loading for javascript
/******/ 			var installedChunkData = __nccwpck_require__.o(installedChunks, chunkId) ? installedChunks[chunkId] : undefined;
/******/ 			if(installedChunkData !== 0) { // 0 means "already installed".
/******/ 	
/******/ 				// a Promise means "currently loading".
/******/ 				if(installedChunkData) {
/******/ 					promises.push(installedChunkData[1]);
/******/ 				} else {
/******/ 					if(true) { // all chunks have JS
/******/ 						// setup Promise in chunk cache
/******/ 						var promise = import("./" + __nccwpck_require__.u(chunkId)).then(installChunk, (e) => {
/******/ 							if(installedChunks[chunkId] !== 0) installedChunks[chunkId] = undefined;
/******/ 							throw e;
/******/ 						});
/******/ 						var promise = Promise.race([promise, new Promise((resolve) => (installedChunkData = installedChunks[chunkId] = [resolve]))])
/******/ 						promises.push(installedChunkData[1] = promise);
/******/ 					}
/******/ 				}
/******/ 			}
/******/ 	};
/******/ 	
/******/ 	// no prefetching
/******/ 	
/******/ 	// no preloaded
/******/ 	
/******/ 	// no external install chunk
/******/ 	
/******/ 	// no on chunks loaded
/******/ })();
/******/ 
/************************************************************************/
/******/ 
/******/ // startup
/******/ // Load entry module and return exports
/******/ // This entry module used 'module' so it can't be inlined
/******/ var __webpack_exports__ = __nccwpck_require__(5458);
/******/ __webpack_exports__ = await __webpack_exports__;
/******/ 
