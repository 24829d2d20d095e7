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

/***/ 1455:
/***/ ((module) => {

module.exports = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:fs/promises");

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

/***/ 646:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   W$: () => (/* binding */ loadRequest)
/* harmony export */ });
/* unused harmony exports inputDefaults, inputReader */
/* harmony import */ var node_path__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(6760);
/* harmony import */ var _logic_cache_policy_js__WEBPACK_IMPORTED_MODULE_5__ = __nccwpck_require__(9839);
/* harmony import */ var _logic_errors_js__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(5895);
/* harmony import */ var _logic_freshness_js__WEBPACK_IMPORTED_MODULE_6__ = __nccwpck_require__(2933);
/* harmony import */ var _logic_names_js__WEBPACK_IMPORTED_MODULE_2__ = __nccwpck_require__(9882);
/* harmony import */ var _logic_paths_js__WEBPACK_IMPORTED_MODULE_3__ = __nccwpck_require__(4470);
/* harmony import */ var _logic_release_age_js__WEBPACK_IMPORTED_MODULE_4__ = __nccwpck_require__(761);
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
            throw new _logic_errors_js__WEBPACK_IMPORTED_MODULE_1__/* .UserError */ .yo(`The input ${name} contains a NUL character.`);
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
        throw new _logic_errors_js__WEBPACK_IMPORTED_MODULE_1__/* .UserError */ .yo(`The input ${name} is "${value}"; it must be one of ${allowed.join(', ')}.`);
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
    const workingDirectory = node_path__WEBPACK_IMPORTED_MODULE_0__.resolve(host.directory, text('working-directory'));
    const within = (name) => {
        const value = text(name);
        return value === '' ? undefined : node_path__WEBPACK_IMPORTED_MODULE_0__.resolve(workingDirectory, value);
    };
    const packages = lines('packages');
    const groups = lines('groups');
    const requirements = lines('requirements');
    const projects = lines('project');
    const suffix = text('cache-suffix');
    if (!/^[A-Za-z0-9._-]*$/.test(suffix)) {
        throw new _logic_errors_js__WEBPACK_IMPORTED_MODULE_1__/* .UserError */ .yo(`The input cache-suffix is "${suffix}"; it may only contain letters, digits, ".", "_" and "-".`);
    }
    if (suffix.length > 100)
        throw new _logic_errors_js__WEBPACK_IMPORTED_MODULE_1__/* .UserError */ .yo('The input cache-suffix is longer than 100 characters.');
    const wheelhouse = within('wheelhouse');
    const contained = [workingDirectory, host.workspace].find((directory) => wheelhouse !== undefined && (0,_logic_paths_js__WEBPACK_IMPORTED_MODULE_3__/* .isWithin */ .U)(wheelhouse, directory));
    if (contained !== undefined) {
        throw new _logic_errors_js__WEBPACK_IMPORTED_MODULE_1__/* .UserError */ .yo(`The input wheelhouse is ${wheelhouse}, which contains the ${contained === host.workspace ? 'checkout' : 'working directory'} and would be overwritten. Choose a dedicated directory.`);
    }
    const policy = (0,_logic_cache_policy_js__WEBPACK_IMPORTED_MODULE_5__/* .cachePolicy */ .d)(host.event, setting('restore-cache'), setting('save-cache'));
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
            refresh: oneOf('refresh', _logic_freshness_js__WEBPACK_IMPORTED_MODULE_6__/* .refreshPeriods */ .Ys),
            recheck: oneOf('recheck', _logic_freshness_js__WEBPACK_IMPORTED_MODULE_6__/* .recheckPeriods */ .QO),
            releaseAge: (0,_logic_release_age_js__WEBPACK_IMPORTED_MODULE_4__/* .readReleaseAge */ .zV)(text('minimum-release-age'), lines('minimum-release-age-exclude')),
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
    if ((0,_logic_names_js__WEBPACK_IMPORTED_MODULE_2__/* .isValidName */ .uV)(name))
        return name;
    throw new _logic_errors_js__WEBPACK_IMPORTED_MODULE_1__/* .UserError */ .yo(`The input extras contains "${name}", which is not the name of an extra. Write one name per line, or separate them by commas.`);
}
function indexInputs(text, lines) {
    const url = (name, value) => {
        // The message leaves out the value, which may contain a secret. The parser ignores line breaks;
        // whatever reads the value next may not.
        if (/\s/.test(value) || !URL.canParse(value)) {
            throw new _logic_errors_js__WEBPACK_IMPORTED_MODULE_1__/* .UserError */ .yo(`The input ${name} is not a valid URL (expected one such as https://index.example/simple).`);
        }
        return value;
    };
    const optional = (name) => text(name) === '' ? undefined : url(name, text(name));
    const username = text('index-username') || undefined;
    const password = text('index-password') || undefined;
    if (password !== undefined && username === undefined) {
        throw new _logic_errors_js__WEBPACK_IMPORTED_MODULE_1__/* .UserError */ .yo('The input index-password is set without index-username. Set both; if the index ignores the user name (as Azure Artifacts does), use any value.');
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


/***/ }),

/***/ 6988:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {


// EXPORTS
__nccwpck_require__.d(__webpack_exports__, {
  a: () => (/* binding */ install)
});

// EXTERNAL MODULE: external "node:path"
var external_node_path_ = __nccwpck_require__(6760);
// EXTERNAL MODULE: ./lib/logic/local-project.js
var local_project = __nccwpck_require__(113);
;// CONCATENATED MODULE: ./lib/logic/discovery.js
/** What to install when no input says it: the files of the working directory decide. */

/** Files that say what to install, the most decisive first. */
const decisiveFiles = [
    'requirements.txt',
    'pylock.toml',
    'uv.lock',
    'poetry.lock',
    'pdm.lock',
    'Pipfile.lock',
    'pyproject.toml',
    'setup.py',
];
/** Files that may say what to install, but are never chosen. */
const relatedFile = /^(?:requirements.*\.(?:txt|in)|pylock\..+\.toml|Pipfile)$/;
/**
 * Chooses what to install.
 * @param names of the files in the working directory
 * @param pyproject the text of pyproject.toml, if there is one
 * @param options.extras whether extras are asked for, which a requirement file does not have
 * @returns undefined when there is nothing to install
 * @throws UserError for a pyproject.toml that is not valid TOML
 */
function discover(names, pyproject, options) {
    // pip builds a project with setup.cfg alone only if there is a pyproject.toml, which may be empty.
    const hasProject = names.includes('setup.py') ||
        (pyproject !== undefined &&
            (names.includes('setup.cfg') || (0,local_project/* declaresProject */.Nt)(pyproject, 'pyproject.toml')));
    const isProject = (name) => hasProject && (name === 'pyproject.toml' || name === 'setup.py');
    const isChosen = (name) => {
        if (!names.includes(name))
            return false;
        if (name === 'requirements.txt')
            return !options.extras;
        return isProject(name) || !(name === 'pyproject.toml' || name === 'setup.py');
    };
    const file = decisiveFiles.find(isChosen);
    if (file === undefined)
        return undefined;
    const isInstalled = isProject(file) || (file === 'pylock.toml' && hasProject);
    return {
        file,
        isList: !isProject(file),
        isProject: isInstalled,
        others: names.filter((name) => name !== file &&
            !(isInstalled && isProject(name)) &&
            (relatedFile.test(name) || decisiveFiles.some((decisive) => decisive === name))),
    };
}
/** The message when there is nothing to install. */
function nothingFound(directory, names) {
    const hints = [
        ...(names.includes('pyproject.toml')
            ? [' Its pyproject.toml has neither [project] nor [build-system].']
            : []),
        ...(names.includes('setup.cfg') && !names.includes('pyproject.toml')
            ? [' pip cannot build a project that has only setup.cfg: add a pyproject.toml.']
            : []),
    ];
    const files = `${decisiveFiles.slice(0, -1).join(', ')} and ${decisiveFiles.at(-1)}`;
    return `There is nothing to install in ${directory}: looked for ${files}.${hints.join('')} Set the input requirements, project, packages or groups, or set working-directory to the folder of the project; check that actions/checkout ran before this step.`;
}

// EXTERNAL MODULE: ./lib/logic/errors.js
var errors = __nccwpck_require__(5895);
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

;// CONCATENATED MODULE: ./lib/discover.js
/** Finds out what to install when no input says it. */




/**
 * Completes a request: where its inputs name nothing to install, the files of the working directory
 * decide, and the log says which; with a tool's lock, the environment is the one that the tool uses.
 * @throws UserError when the working directory does not exist or contains nothing to install
 */
async function completeRequest(given, world) {
    await world.sources.check(given);
    const request = given.isOpen ? await chooseFiles(given, world) : given;
    const toolLock = request.requirements.find((file) => lockToolOf(file) !== undefined);
    if (request.venv !== undefined || toolLock === undefined || !request.install)
        return request;
    return {
        ...request,
        venv: external_node_path_.resolve(request.workingDirectory, external_node_path_.dirname(toolLock), '.venv'),
    };
}
/** @throws UserError when there is nothing to install */
async function chooseFiles(request, { sources, reporter }) {
    const { workingDirectory, extras } = request;
    const { names, shown } = await sources.list(request);
    const pyproject = names.includes('pyproject.toml')
        ? await sources.readInside(request, external_node_path_.join(workingDirectory, 'pyproject.toml'))
        : undefined;
    const found = discover(names, pyproject, { extras: extras.length > 0 });
    if (found === undefined)
        throw new errors/* UserError */.yo(nothingFound(shown, names));
    const { file, isList, isProject, others } = found;
    const project = `this project${request.editable ? ', editable' : ''}`;
    const what = isList
        ? `what it lists${isProject ? `, and ${project}` : ''}`
        : `${project}, with its dependencies`;
    const also = others.length > 0 ? ` Also found: ${others.join(', ')}.` : '';
    reporter.info(`No input names anything to install. Found ${file}: installing ${what}.${also} To choose something else, set the input requirements, project, packages or groups.`);
    return {
        ...request,
        requirements: isList ? [file] : [],
        projects: isProject ? ['.'] : [],
    };
}

// EXTERNAL MODULE: external "node:os"
var external_node_os_ = __nccwpck_require__(8161);
// EXTERNAL MODULE: external "node:url"
var external_node_url_ = __nccwpck_require__(3136);
// EXTERNAL MODULE: ./lib/logic/environment.js
var logic_environment = __nccwpck_require__(6131);
// EXTERNAL MODULE: ./lib/logic/digest.js
var digest = __nccwpck_require__(9112);
// EXTERNAL MODULE: ./lib/logic/freshness.js
var freshness = __nccwpck_require__(2933);
// EXTERNAL MODULE: ./lib/logic/names.js
var logic_names = __nccwpck_require__(9882);
// EXTERNAL MODULE: ./lib/logic/release-age.js
var release_age = __nccwpck_require__(761);
// EXTERNAL MODULE: ./lib/logic/requirement-line.js
var requirement_line = __nccwpck_require__(4256);
// EXTERNAL MODULE: ./lib/logic/requirement-options.js
var requirement_options = __nccwpck_require__(1090);
// EXTERNAL MODULE: ./lib/logic/secrets.js
var secrets = __nccwpck_require__(3983);
;// CONCATENATED MODULE: ./lib/logic/key.js
/** The cache keys of a request. */








/** Changes when older entries must no longer be found. */
const generation = 'wheelhouse-v2';
/** Digits of the digests in a key that tell families of entries apart. */
const familyDigits = 8;
/** How often a damaged or outdated entry can be replaced until it is evicted. */
const maxRepairs = 3;
/** pip's settings that decide which files it chooses or how it builds them. */
const sourceSettings = [
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
];
/** pip's settings that decide which packages the lines require. */
const selectionSettings = ['no-deps', 'require-hashes', 'only-final', 'all-releases'];
/**
 * The keys of a request.
 * @param settings pip's configuration: value by option name
 * @param options.now decides the period
 * @returns lower-case keys of at most 512 characters without commas, as GitHub's cache requires;
 *   restore keys never match another system, architecture, libc or Python, or other sources
 */
function keysOf(interpreter, requested, settings, options) {
    const sourceList = [
        ...sourceParts(requested, settings),
        ...(0,release_age/* releaseAgeParts */.Rm)(options.releaseAge),
        ...resolverParts(options.resolver),
    ];
    const sources = (0,digest/* digest */.b)(sourceList);
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
    const request = (0,digest/* digest */.b)([sources, ...lines]);
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
    const set = [...family, (0,digest/* digest */.b)(options.set).slice(0, familyDigits)];
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
        return (0,freshness/* period */.iE)(refresh, now);
    if (recheck !== 'never')
        return (0,freshness/* period */.iE)(recheck, now);
    return everyLineHashed(lines) ? 'pinned' : (0,freshness/* period */.iE)('never', now);
}
/**
 * Which files, projects, groups and packages a request asks for: their names, as its inputs write
 * them, and not what is in them. Requests with the same set are versions of one another.
 * @returns texts without secrets, which do not depend on where the checkout is
 */
function setParts(request) {
    const { directory, workingDirectory } = request;
    const shown = (file) => external_node_path_.relative(directory, external_node_path_.resolve(workingDirectory, file)).split(external_node_path_.sep).join('/') || '.';
    const parts = [
        ...request.requirements.map(shown),
        ...request.projects.map((text) => `project ${shown(text)}`),
        ...request.packages.map((text) => (0,requirement_line/* isPath */.uf)(text) ? `project ${shown(text)}` : `package ${packageName(text)}`),
        ...request.groups.map((group) => `group ${group} in ${shown('.')}`),
        ...request.extras.map((extra) => `extra ${(0,logic_names/* normalizeName */.Pc)(extra)}`),
        ...request.constraints.map((file) => `constraint ${shown(file)}`),
    ];
    return [...new Set(parts)].sort();
}
/** The project of an inline requirement, or the address of one that has no name. */
function packageName(text) {
    const name = /^\s*([A-Za-z0-9._-]+)\s*(?:[[(<>=!~;@,]|$)/.exec(text)?.[1];
    return name === undefined ? (0,secrets/* shownAddress */.Uk)(text) : (0,logic_names/* normalizeName */.Pc)(name);
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
    return `${primary}-d${(0,digest/* digest */.b)(needs.toSorted()).slice(0, 8)}`;
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
        ? (0,digest/* digest */.b)([value]).slice(0, 12)
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
        ...line.options.map((option) => (0,requirement_options/* optionText */.re)(option) ?? `--${option.name}`),
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

;// CONCATENATED MODULE: ./lib/logic/pip-args.js
/** pip's command lines, as data. All follow `python -m pip`. */
const common = ['--disable-pip-version-check', '--no-input'];
/** Without the user's settings and without an index. */
const offline = ['--isolated', '--no-index'];
/** Fill: gets the wheels of a request, and builds those that have none. See docs/decisions/0002-fill.md. */
function wheelArgs(options) {
    return [
        'wheel',
        ...common,
        '--progress-bar=off',
        ...(options.noDeps ? ['--no-deps'] : []),
        ...(options.usePep517 ? ['--use-pep517'] : []),
        `--wheel-dir=${options.wheelDir}`,
        '-r',
        options.requestFile,
    ];
}
/** Gets the metadata of such a requirement, without building or installing it. */
function metadataArgs(options) {
    return ['install', '--dry-run', '--ignore-installed', ...sourceArgs(options)];
}
/** Close: resolves the exact closure of a request in a wheelhouse. */
function closeArgs(options) {
    return [
        'install',
        ...offline,
        ...common,
        '--quiet',
        '--dry-run',
        ...(options.ignoreInstalled ? ['--ignore-installed'] : []),
        ...(options.upgrade ? ['--upgrade'] : []),
        ...(options.upgradeStrategy ? [`--upgrade-strategy=${options.upgradeStrategy}`] : []),
        '--only-binary=:all:',
        ...(options.noDeps ? ['--no-deps'] : []),
        `--find-links=${options.wheelDir}`,
        `--report=${options.report}`,
        '-r',
        options.requestFile,
    ];
}
/** Install: installs the lock from the wheelhouse; pip checks the hash of each file first. */
function installArgs(options) {
    return [
        'install',
        ...offline,
        ...common,
        // Nothing is cached here, and each pip would warn about a cache that is not writable.
        '--no-cache-dir',
        '--quiet',
        '--no-warn-script-location',
        '--no-deps',
        '--only-binary=:all:',
        '--require-hashes',
        // After an interrupted installation, incomplete packages would count as "already satisfied".
        ...(options.repair ? ['--force-reinstall'] : []),
        ...installFlags(options),
        `--find-links=${options.wheelhouse}`,
        '-r',
        options.lock,
    ];
}
/** Resolve: names the closure of a request, with the addresses and hashes of all files that fit. */
function uvCompileArgs(options) {
    return [
        'pip',
        'compile',
        '--format=pylock.toml',
        '--no-header',
        `--output-file=${options.output}`,
        ...(options.noDeps ? ['--no-deps'] : []),
        ...options.noBinary.map((name) => `--no-binary=${name}`),
        ...options.onlyBinary.map((name) => `--only-binary=${name}`),
        ...uvSourceArgs(options),
        options.requestFile,
    ];
}
/** Builds the wheel of an sdist. */
function uvBuildArgs(options) {
    return [
        'build',
        '--wheel',
        '--no-create-gitignore',
        `--out-dir=${options.output}`,
        ...uvSourceArgs(options),
        options.sdist,
    ];
}
function uvSourceArgs(options) {
    const { newest } = options;
    return [
        `--config-file=${options.configFile}`,
        `--cache-dir=${options.cacheDir}`,
        `--python=${options.python}`,
        ...(options.noIndex ? ['--no-index'] : []),
        ...options.findLinks.map((place) => `--find-links=${place}`),
        ...options.buildConstraints.map((file) => `--build-constraints=${file}`),
        ...options.configSettings.map((setting) => `--config-setting=${setting}`),
        ...(options.isolatesBuilds ? [] : ['--no-build-isolation']),
        ...(options.allowPreReleases ? ['--prerelease=allow'] : []),
        ...(newest === undefined ? [] : [`--exclude-newer=${newest.moment}`]),
        // uv 0.11 has no other way to say "of any age".
        ...(newest?.except ?? []).map((name) => `--exclude-newer-package=${name}=2999-12-31`),
    ];
}
/** As {@link installArgs}, for uv (all follow `uv`): the same lock with the same checks. */
function uvInstallArgs(options) {
    return [
        'pip',
        'install',
        '--quiet',
        '--no-config',
        '--offline',
        '--no-index',
        '--no-deps',
        '--no-build',
        '--require-hashes',
        `--python=${options.python}`,
        // uv then uses a temporary directory as its cache, and deletes it much faster than Node would.
        '--no-cache',
        ...(options.repair ? ['--reinstall'] : []),
        ...(options.compile ? ['--compile-bytecode'] : []),
        ...(options.breakSystemPackages ? ['--break-system-packages'] : []),
        `--find-links=${options.wheelhouse}`,
        '-r',
        options.lock,
    ];
}
/**
 * Installs a local project with uv, and what its build needs from directories of wheels. The uv.toml
 * or pyproject.toml where it runs applies, as it does for `uv sync`.
 */
function uvProjectArgs(options) {
    return [
        'pip',
        'install',
        '--quiet',
        '--offline',
        '--no-index',
        '--no-deps',
        '--no-cache',
        '--reinstall',
        `--python=${options.python}`,
        ...(options.compile ? ['--compile-bytecode'] : []),
        ...(options.breakSystemPackages ? ['--break-system-packages'] : []),
        ...options.findLinks.map((directory) => `--find-links=${directory}`),
        ...(options.editable ? [`--editable=${options.project}`] : [options.project]),
    ];
}
/**
 * Installs a requirement from its own source. The user's build settings apply; the environment names
 * the index, if there is one, with its credentials.
 */
function installDirectArgs(options) {
    return [
        'install',
        '--no-warn-script-location',
        '--force-reinstall',
        ...installFlags(options),
        ...sourceArgs(options),
    ];
}
function sourceArgs({ requestFile, report, findLinks }) {
    return [
        ...common,
        '--progress-bar=off',
        '--no-deps',
        ...(findLinks === undefined ? [] : ['--no-index']),
        ...(findLinks ?? []).map((directory) => `--find-links=${directory}`),
        `--report=${report}`,
        '-r',
        requestFile,
    ];
}
function installFlags(options) {
    return [
        options.compile ? '--compile' : '--no-compile',
        // In a container root is the only user.
        '--root-user-action=ignore',
        ...(options.breakSystemPackages ? ['--break-system-packages'] : []),
    ];
}

// EXTERNAL MODULE: ./lib/logic/pip-output.js
var pip_output = __nccwpck_require__(7949);
;// CONCATENATED MODULE: ./lib/logic/pip-settings.js
/**
 * pip's settings for a run: its configuration files, its environment variables, the index inputs
 * and the option lines of requirement files, merged as pip merges them.
 */


/**
 * The settings without requirement files.
 * @param index the inputs that name indexes; each replaces the setting of its name
 */
function pipSettings({ pipConfig }, index) {
    return settingsOf(new Map([
        ...effectiveSettings(pipConfig),
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
        words: (name) => [...wordsOf(configured.get(name)), ...given(name)],
    };
}
/** The words of one setting: pip splits configured values of repeatable options at white space. */
function wordsOf(value) {
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
function effectiveSettings(pipConfig) {
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
function breaksSystemPackages({ pipConfig }) {
    return isYes(effectiveSettings(pipConfig).get('break-system-packages'));
}
/** @returns path of the certificates that pip trusts; undefined for its own */
function certificatesOf(settings, environment) {
    return (settings.text('cert') ?? environment['REQUESTS_CA_BUNDLE']) || undefined;
}

// EXTERNAL MODULE: ./lib/logic/requirements.js
var logic_requirements = __nccwpck_require__(7692);
// EXTERNAL MODULE: external "node:crypto"
var external_node_crypto_ = __nccwpck_require__(7598);
// EXTERNAL MODULE: ./lib/logic/manifest.js
var logic_manifest = __nccwpck_require__(4649);
// EXTERNAL MODULE: ./lib/logic/requirement-words.js
var requirement_words = __nccwpck_require__(2377);
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
        ...(linksFile === undefined ? [] : [{ text: `--find-links ${(0,requirement_words/* quoted */.TL)(linksFile)}` }]),
        ...offers
            .filter((offer) => !offer.isPin)
            .map(({ url }) => ({ text: `--find-links ${(0,requirement_words/* quoted */.TL)(url)}` })),
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
        const url = new URL(isPath ? (0,external_node_url_.pathToFileURL)(external_node_path_.resolve(directory, location)) : location);
        url.hash = hash.replace(':', '=');
        return `<a href="${url.href.replaceAll('&', '&amp;').replaceAll('"', '%22')}">${name}</a>\n`;
    });
    return `<!DOCTYPE html>\n<meta charset="utf-8">\n${links.join('')}`;
}
function isForPip(line) {
    return line.text !== '' && !(0,requirement_line/* namesIndex */.l_)(line);
}
/** @returns undefined when its options can't be separated from its hashes */
function withHash(line, { sha256 }) {
    const options = line.options.map(requirement_options/* optionText */.re);
    return options.includes(undefined)
        ? undefined
        : [(0,requirement_line/* plainText */.wh)(line), ...options, `--hash=sha256:${sha256}`].join(' ');
}
/**
 * The request for the offline resolution: without hashes, since those of built wheels differ from
 * those of their sdists, and without options, since pip finds only the wheels of the fill.
 */
function closeFiles(lines, resolved, constraintsFile) {
    const plain = (constraint) => (0,logic_requirements/* indexRequirements */.zM)(lines)
        .filter((line) => line.constraint === constraint)
        .map((line) => ({ text: (0,requirement_line/* plainText */.wh)(line), source: line.source, project: line.name }));
    return request([...plain(false), ...resolved.map((each) => resolvedLine(each, false))], plain(true), constraintsFile);
}
/** The options of a requirement file that uv reads, or warns about, and that do not name an index. */
const uvOptions = ['find-links', 'no-index', 'no-binary', 'only-binary', 'pre', 'prefer-binary'];
/** The request for uv: the user's lines without the options that uv does not know. */
function uvFiles(lines, resolved, constraintsFile) {
    const isForUv = ({ kind, ...line }) => kind === 'index' || (kind === 'option' && 'name' in line && uvOptions.includes(line.name));
    const render = (line) => {
        if (line.kind !== 'index')
            return { text: line.text, source: line.source };
        const text = [(0,requirement_line/* plainText */.wh)(line), ...line.hashes.map((hash) => `--hash=${hash}`)].join(' ');
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
    const line = lines.find((each) => each.project === (0,pip_output/* projectIn */.L9)(dependent ?? project));
    // A request with a single line failed because of that one.
    return line?.source ?? (lines.length === 1 ? lines[0]?.source : undefined);
}
function request(lines, constraints, constraintsFile) {
    const include = constraints.length > 0 ? [{ text: `-c ${(0,requirement_words/* quoted */.TL)(constraintsFile)}` }] : [];
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

;// CONCATENATED MODULE: ./lib/pip.js
/**
 * Runs pip for a run: writes its requests, sets its environment, and reads its logs and reports.
 * Only a pip that may ask an index gets the index and its credentials.
 */











/** pip could not fill the wheelhouse, or the wheelhouse does not satisfy the request. */
class FillError extends errors/* UserError */.yo {
    /** Whether the index did not answer, so that the request is not at fault. */
    unreachable;
    /** Whether another index with the same content may do better. */
    maybeIndex;
    /** @param fault what an index did not deliver, if that is known to be the reason */
    constructor(message, output, at = {}, fault) {
        super(message, at);
        this.unreachable = (0,pip_output/* isUnreachable */.R0)(output) || fault?.kind === 'down';
        this.maybeIndex = (0,pip_output/* isMirrorFailure */.Gq)(output) || fault !== undefined;
    }
}
/**
 * Fetches or builds the wheels of a request and of everything that they depend on.
 * @param request may name a file of constraints
 * @throws FillError with pip's last words and one sentence of advice
 */
async function fetchClosure(run, world, request) {
    return fetchWheels(run, world, request, { noDeps: run.noDeps });
}
/**
 * Fetches or builds the wheels of a request, without dependencies, and adds them to the wheelhouse.
 * @throws FillError with pip's last words and one sentence of advice
 */
async function addWheels(run, world, request) {
    const fetched = await fetchWheels(run, world, request, { noDeps: true });
    for (const file of fetched.files) {
        await world.wheelhouses.move(file, fetched.directory, run.wheelhouse);
    }
    return fetched;
}
async function fetchWheels(run, world, request, { noDeps }) {
    const { wheelhouses } = world;
    const { requestFile } = newPaths(run);
    const directory = await wheelhouses.stage(run.workplace);
    const usePep517 = usesPep517(run);
    const args = wheelArgs({ wheelDir: directory, requestFile, noDeps, usePep517 });
    const options = { requestFile, args, env: indexEnvironment(run, run), access: run };
    const { exitCode, output } = await runPip(run, world, request, options);
    if (exitCode !== 0)
        throw fillError(output, request, run);
    return { directory, files: await wheelhouses.list(directory), built: (0,pip_output/* builtWheels */.BT)(output) };
}
/**
 * Names what a request installs when nothing but the wheels of the wheelhouse can be found. Asks no
 * index.
 * @param options.installed whether what the environment has counts as it does for `pip install`:
 *   pip leaves a version that satisfies the request, and names only what it would install
 * @throws FillError when the wheelhouse does not satisfy the request
 */
async function resolveOffline(run, world, request, options) {
    const { requestFile, report } = newPaths(run);
    const { settings } = run;
    const args = closeArgs({
        ...{ wheelDir: run.wheelhouse, requestFile, report },
        noDeps: run.noDeps,
        ignoreInstalled: options.installed === 'is ignored',
        upgrade: settings.flag('upgrade'),
        upgradeStrategy: settings.text('upgrade-strategy'),
    });
    const env = (0,logic_environment/* offlineEnvironment */.JK)(run.request.environment, external_node_os_.devNull);
    const { exitCode, output } = await runPip(run, world, request, { requestFile, args, env });
    if (exitCode !== 0)
        throw fillError(output, request);
    return readReport(world, report, output);
}
/**
 * Installs a requirement from its own source, without its dependencies, or only reads its metadata.
 * @param options.access for what the build needs; by default it gets the wheels of the wheelhouse alone
 */
async function installProject(run, world, requirement, { action, access, }) {
    const { wheelhouses } = world;
    const { request, settings } = run;
    const { requestFile, report, buildLog } = newPaths(run);
    const findLinks = access ? undefined : await wheelDirectories(run, world);
    const source = { requestFile, report, findLinks };
    const args = action === 'install'
        ? installDirectArgs({ ...installOptions(run), ...source })
        : metadataArgs(source);
    const env = access
        ? indexEnvironment(run, access)
        : (0,logic_environment/* buildEnvironment */.AF)(request.environment, settings.configured, external_node_os_.devNull);
    const options = { requestFile, args, env, buildLog, access };
    const { exitCode, output } = await runPip(run, world, requestFor(requirement), options);
    if (exitCode !== 0)
        return { state: 'failed', output };
    const [item] = await readReport(world, report, output);
    const packages = isolatesBuilds(settings)
        ? (0,pip_output/* readBuildLog */.ZX)(await wheelhouses.read(buildLog).catch(() => ''))
        : [];
    return { state: 'done', item, builtWith: packages.filter(({ name }) => name !== item?.name) };
}
/** Returns the directories with the wheels that a build may need. */
async function wheelDirectories({ wheelhouse }, { wheelhouses }) {
    const build = external_node_path_.join(wheelhouse, logic_manifest/* buildDirectory */.WP);
    // pip warns about a directory that does not exist, and uv fails.
    return [wheelhouse, ...((await wheelhouses.exists(build)) ? [build] : [])];
}
/** Returns the request that consists of one requirement with its own source. */
function requestFor({ text, source }) {
    return plainRequest([text], source);
}
/** Returns the options that all installations of a run share. */
function installOptions({ wheelhouse, request, interpreter, }) {
    return {
        wheelhouse,
        compile: request.compileBytecode,
        breakSystemPackages: interpreter.externallyManaged && breaksSystemPackages(interpreter),
    };
}
/** Returns the message for an installer that failed: advice, and its last words. */
function installFailure(installer, output, options) {
    return `${installer} could not install. ${(0,pip_output/* adviceFor */.cp)(output, options)}\n${(0,pip_output/* errorExcerpt */.MS)(output)}`;
}
/** Returns the environment of a pip that may ask an index. */
function indexEnvironment({ request, interpreter }, { index, resolver }) {
    // What the gateway serves never has the same address again, so a cache of it would be of no use.
    const withoutCache = { PIP_CACHE_DIR: '', PIP_NO_CACHE_DIR: '1' };
    return (0,logic_environment/* fillEnvironment */.b3)(request.environment, interpreter.pipConfig, { ...index.environment, ...resolver.environment, ...withoutCache }, interpreter.keyring);
}
/** pip before 23.1 runs setup.py directly and fails without setuptools or wheel, unless told otherwise. */
function usesPep517({ interpreter, resolver }) {
    return (0,logic_names/* isOlderPip */.Ui)(resolver.version, [23, 1]) && !interpreter.buildsLegacy;
}
/** Returns the path of a request's constraints while pip reads them. */
function constraintsFile({ scratch }) {
    return external_node_path_.join(scratch, 'constraints.txt');
}
/** Returns the paths of the files of one pip process. */
function newPaths({ scratch }) {
    const requestFile = external_node_path_.join(scratch, `request-${(0,external_node_crypto_.randomUUID)().slice(0, 8)}.txt`);
    return { requestFile, report: `${requestFile}.json`, buildLog: `${requestFile}.log` };
}
/** Writes a request and runs pip, whose output then names the user's files instead of generated ones. */
async function runPip(run, { python, wheelhouses }, { request, constraints }, options) {
    const { requestFile, args, access, ...others } = options;
    const generated = new Map([
        [requestFile, request],
        [constraintsFile(run), constraints],
    ]);
    for (const [file, { text }] of generated)
        await wheelhouses.write(file, text);
    const rewrite = (line) => withUserSources(access?.gateway?.shown(line) ?? line, generated);
    const cwd = run.request.workingDirectory;
    const pip = access?.resolver.path;
    return python.pip(run.interpreter, args, { ...others, cwd, rewrite, pip });
}
/**
 * Reads the report of a pip that has succeeded.
 * @param output of that pip
 * @throws FillError when there is no report, or one that can't be read
 */
async function readReport(world, file, output) {
    try {
        return (0,pip_output/* parseReport */.MM)(await world.wheelhouses.read(file));
    }
    catch (error) {
        throw fillError(`${output}\nERROR: pip's report can't be read: ${(0,errors/* messageOf */.bD)(error)}`);
    }
}
/** @param request the request, if the error may be about one of its lines */
function fillError(output, request, access) {
    const failed = (0,pip_output/* failedRequirement */.pD)(output);
    const where = failed ? ` (it failed on ${failed.project})` : '';
    // pip takes a page that it could not get for one without files, and may go on without it.
    const fault = access?.gateway?.faults.findLast(({ file, project }) => file !== undefined || (failed !== undefined && (0,pip_output/* projectIn */.L9)(failed.project) === project));
    const missing = fault
        ? ` The index ${fault.index} did not deliver ${fault.file ?? `the page of ${fault.project}`}: ${fault.reason}.`
        : '';
    return new FillError(`pip could not download or build every wheel${where}.${missing} ${(0,pip_output/* adviceFor */.cp)(output, { releaseAge: access?.resolver.releaseAge })}\n${(0,pip_output/* errorExcerpt */.MS)(output)}`, output, failed && request ? placeOf(failed, request) : undefined, fault);
}

;// CONCATENATED MODULE: ./lib/local-projects.js
/**
 * Requirements that name their own source: local projects, branches and URLs. A URL with a hash
 * becomes its wheel. Anything else is installed from its source every time; a stub with its
 * metadata stands for it while its dependencies are resolved.
 */














/**
 * Resolves them to files that pip can resolve together with all other requirements. Installs local
 * projects here and now if the run installs: the same build gives their metadata.
 * @throws FillError or UserError with pip's last words
 */
async function resolveSources(run, world) {
    const wheels = [];
    const projects = [];
    const stubs = [];
    const builtWith = [];
    // Without isolation a build may need what the lock has yet to install.
    const isInstalled = run.request.install && isolatesBuilds(run.settings);
    const sources = sourceQueue(run, world);
    for (const requirement of sources.requirements()) {
        if ((0,logic_requirements/* isCacheable */.TZ)(requirement)) {
            const wheel = await urlWheel(run, world, requirement);
            if (wheel === undefined)
                continue;
            wheels.push(wheel);
            await sources.pushDependencies(requirement, { name: wheel.name, requires: [] });
            continue;
        }
        const action = isInstalled && isWanted(run, requirement) ? 'install' : 'read metadata';
        const built = await buildProject(run, world, requirement, action);
        if (built.item === undefined)
            continue;
        warnOfExtras(requirement, built.item, world);
        const project = directProject(requirement, built.item);
        projects.push(project);
        stubs.push({ ...project, marker: requirement.marker, source: requirement.source });
        builtWith.push(...built.builtWith);
        await sources.pushDependencies(requirement, built.item);
    }
    return { wheels, projects, stubs: await writeStubs(run, world, stubs), builtWith, isInstalled };
}
const titles = { install: 'Install', 'read metadata': 'Read the metadata of' };
/** Whether a requirement is to be installed itself, and not only its dependencies. */
function isWanted({ request }, { form }) {
    return request.installProject || form !== 'path';
}
/**
 * Builds a project with the packages that the wheelhouse has for builds, else with the index.
 * @throws UserError with pip's last words
 */
async function buildProject(run, world, requirement, action) {
    const { reporter } = world;
    return reporter.group(`${titles[action]} ${requirement.shown}`, async () => {
        if (run.earlier.some((wheel) => wheel.role === 'build')) {
            const result = await installProject(run, world, requirement, { action });
            if (result.state === 'done')
                return result;
            reporter.info('The build needs packages that are not in the wheelhouse; retrying with the index.');
        }
        const result = await installProject(run, world, requirement, { action, access: run });
        if (result.state === 'done')
            return result;
        throw buildFailure(run, requirement, result.output);
    });
}
/** Returns the error for a build that failed: what pip said last, and where to look. */
function buildFailure({ interpreter, requested, resolver }, { form, target, source }, output) {
    const bound = (0,pip_output/* requiredPython */.ex)(output);
    const project = requested.projects.find((each) => each.path === target);
    if (bound === undefined || project === undefined) {
        const server = form === 'url' ? 'url' : 'index';
        const options = { server, releaseAge: resolver.releaseAge };
        return new errors/* UserError */.yo(installFailure('pip', output, options), source);
    }
    return new errors/* UserError */.yo(`${project.file} requires Python ${bound}, but ${interpreter.executable} is Python ${interpreter.version}. Use another Python: change the python-version of actions/setup-python, or the input python.`, { file: project.file });
}
/** Warns about extras that a project does not have, which pip ignores. */
function warnOfExtras({ extras }, { writtenName, extras: known }, { reporter }) {
    const names = new Set(known.map(logic_names/* normalizeName */.Pc));
    for (const extra of extras.filter((each) => !names.has((0,logic_names/* normalizeName */.Pc)(each)))) {
        const others = known.length > 0 ? `has only ${known.join(', ')}` : 'has no extras';
        reporter.warning(`Nothing is installed for the extra "${extra}": ${writtenName} ${others}. Correct its name.`);
    }
}
/**
 * Installs them from their own sources, with the wheels of the wheelhouse and without an index. A
 * run that does not install only reads their metadata.
 * @returns why the wheelhouse no longer fits them; undefined when it does
 */
async function installSources(run, world) {
    const sources = sourceQueue(run, world);
    const projects = [];
    let changed;
    for (const requirement of sources.requirements()) {
        if ((0,logic_requirements/* isCacheable */.TZ)(requirement))
            continue;
        const isInstalled = run.request.install && isWanted(run, requirement);
        const action = isInstalled ? 'install' : 'read metadata';
        if (isInstalled && (await installWithUv(run, world, requirement)))
            continue;
        const result = await world.reporter.group(`${titles[action]} ${requirement.shown}`, () => installProject(run, world, requirement, { action }));
        if (result.state === 'failed') {
            return {
                reason: `${requirement.shown} could not be built with the packages in the wheelhouse`,
                needs: (0,pip_output/* unmetRequirements */.yY)(result.output),
                failure: installFailure('pip', result.output),
            };
        }
        if (result.item === undefined)
            continue;
        warnOfExtras(requirement, result.item, world);
        const now = directProject(requirement, result.item);
        projects.push(now);
        // By its name, as the path of another project depends on where the checkout is.
        const before = run.manifest.direct.find((each) => each.name === now.name);
        if (JSON.stringify(now.requires) !== JSON.stringify(before?.requires))
            changed ??= now.name;
        await sources.pushDependencies(requirement, result.item);
    }
    return changed === undefined
        ? undefined
        : {
            reason: `the dependencies of ${changed} have changed`,
            needs: projects.map(({ name, requires }) => [name, ...requires].join('\n')),
        };
}
/**
 * Installs a project of a uv.lock with uv, from the packages in the wheelhouse.
 * @returns false when it is for pip: it is not of such a lock, or uv can't install it
 */
async function installWithUv(run, world, { form, editable, target, extras, shown }) {
    const { request, requested, interpreter, scratch } = run;
    const uv = requested.lock?.uv;
    if (uv === undefined || form !== 'path')
        return false;
    const args = uvProjectArgs({
        ...installOptions(run),
        python: interpreter.executable,
        findLinks: await wheelDirectories(run, world),
        editable,
        project: extras.length > 0 ? `${target}[${extras.join(',')}]` : target,
    });
    const env = {
        ...(0,logic_environment/* offlineEnvironment */.JK)(request.environment, external_node_os_.devNull),
        ...(0,logic_environment/* temporaryVariables */.fp)(scratch),
    };
    const cwd = request.workingDirectory;
    const { exitCode } = await world.reporter.group(`Install ${shown} with uv`, () => world.uv.run(uv, args, { cwd, env }));
    if (exitCode !== 0)
        world.reporter.info(`uv could not install ${shown}; pip installs it.`);
    return exitCode === 0;
}
/** Returns the files that stand for them in a complete wheelhouse. */
async function sourcesInWheelhouse(run, world) {
    const { wheels, direct } = run.manifest;
    const urlWheels = (0,logic_requirements/* directRequirements */.S8)(run.requested.lines)
        .filter(logic_requirements/* isCacheable */.TZ)
        .flatMap((requirement) => {
        const wheel = wheels.find((each) => isFrom(each, requirement));
        return wheel === undefined ? [] : [resolvedWheel(run, { ...wheel, requirement })];
    });
    return [...urlWheels, ...(await writeStubs(run, world, direct))];
}
/** Returns what the manifest says of a project, to notice when its dependencies change. */
function directProject(requirement, item) {
    const { name, version, requires } = item;
    return {
        ...{ requirement: canonical(requirement), name, version },
        extras: requirement.extras,
        // A URL may contain secrets, and everybody can read a manifest.
        requires: requires.map((text) => (0,secrets/* fingerprinted */.g0)((0,local_project/* splitSource */.qJ)(text)?.named ?? text)),
    };
}
/**
 * Lists the request's requirements that name their own source, then those among the dependencies of
 * their projects. Each project counts once.
 */
function sourceQueue(run, world) {
    const queue = (0,logic_requirements/* directRequirements */.S8)(run.requested.lines).map((requirement) => ({ requirement }));
    const known = new Set();
    return {
        *requirements() {
            for (const { requirement, name } of queue) {
                if (name !== undefined && known.has(name))
                    continue;
                if (name !== undefined)
                    known.add(name);
                yield requirement;
            }
        },
        /** @param project what a listed requirement turned out to be */
        async pushDependencies({ extras, source }, project) {
            known.add(project.name);
            if (run.noDeps)
                return;
            const found = project.requires.flatMap((text) => (0,local_project/* splitSource */.qJ)(text) ?? []);
            const markers = found.flatMap(({ marker }) => marker ?? []);
            const applies = await world.python.applies(run.interpreter, markers, extras);
            for (const { name, text, marker } of found) {
                if (marker !== undefined && applies.get(marker) === false)
                    continue;
                queue.push({
                    name,
                    requirement: (0,logic_requirements/* requirementOf */.h2)(text, source, run.request.workingDirectory),
                });
            }
        },
    };
}
/** Writes stubs that pip can resolve. */
async function writeStubs(run, { python, wheelhouses }, stubs) {
    if (stubs.length === 0)
        return [];
    // Anybody may have written the manifest: its text must not make pip fetch a URL.
    const safe = stubs.map(({ requires, ...stub }) => ({
        ...stub,
        requires: requires.filter((text) => !/[@\p{Cc}\u2028\u2029]/u.test(text)),
    }));
    const written = await python.writeStubs(run.interpreter, await wheelhouses.stage(run.workplace), safe);
    return written.map(({ name, extras = [], marker, source, file, sha256 }) => ({
        ...{ name, extras, marker, source, sha256 },
        url: (0,external_node_url_.pathToFileURL)(file).href,
    }));
}
/** Returns the wheel of a URL as a file that pip can resolve. */
function resolvedWheel({ wheelhouse }, { name, file, sha256, requirement: { extras, marker, source } }) {
    const url = (0,external_node_url_.pathToFileURL)(external_node_path_.join(wheelhouse, file)).href;
    return { name, extras, marker, source, url, sha256 };
}
function isFrom(wheel, requirement) {
    return (wheel.url === requirement.shownTarget &&
        wheel.requestHashes?.join() === requirement.hashes.join());
}
/**
 * Finds the wheel of a URL with a hash among those of an earlier run, or fetches or builds it.
 * @returns undefined when its marker does not apply
 */
async function urlWheel(run, world, requirement) {
    const known = run.earlier.find((wheel) => isFrom(wheel, requirement));
    if (known)
        return { ...known, requirement };
    const { files, built } = await addWheels(run, world, requestFor(requirement));
    const [wheel] = await world.wheelhouses.measure(run.wheelhouse, files);
    if (wheel === undefined)
        return undefined;
    const origin = built.has(wheel.file) ? 'built' : 'downloaded';
    return { ...wheel, name: (0,logic_names/* wheelNameParts */.LI)(wheel.file).name, origin, requirement };
}

// EXTERNAL MODULE: ./lib/logic/pylock.js + 1 modules
var pylock = __nccwpck_require__(7704);
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
    return (0,pylock/* readLock */.m)(await sources.read(location), shown, { extras, groups }, directory);
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

// EXTERNAL MODULE: ./lib/logic/uv-settings.js
var uv_settings = __nccwpck_require__(3969);
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
    const configured = pipSettings(interpreter, request.index);
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
    const settings = (0,uv_settings/* uvSettings */.Tu)(environment, files);
    const parts = referenced.map(({ digest }) => `uv file ${digest}`);
    if (releaseAge !== undefined)
        (0,uv_settings/* refuseNewestOfUv */.lo)(settings, environment);
    return { ...settings, parts: [...settings.parts, ...parts] };
}
function withIndexesOfUv(request, uv, { pipConfig, defaultIndex }) {
    const configured = effectiveSettings(pipConfig).get('index-url') ?? defaultIndex;
    return { ...request, index: (0,uv_settings/* withUvIndexes */.g8)(request.index, uv, configured) };
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
    const [paths, packages] = partition(request.packages, (text) => (0,requirement_line/* isPath */.uf)(text) && !/(?:^|\s)-/.test(text));
    if (lock !== undefined)
        refuseBesideLock(lockFiles, requirements, packages);
    const projects = [
        ...projectSources(request, request.projects, 'input project'),
        ...projectSources(request, paths, 'input packages'),
    ];
    if (request.extras.length > 0 && lock === undefined && projects.length === 0) {
        throw new errors/* UserError */.yo('The input extras is set, but requirement files have no extras. Set the input project too, for example to ".", or remove extras.');
    }
    const { lines: all, files } = await (0,logic_requirements/* gatherLines */.zV)({
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
    for (const { form, target, shownTarget, source } of (0,logic_requirements/* directRequirements */.S8)(lines)) {
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
            return (await (0,logic_requirements/* gatherLines */.zV)({ constraints: [file] }, reading)).lines.map(canonical);
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
    const lines = (0,logic_requirements/* indexRequirements */.zM)(requested.lines);
    const markers = new Set(lines.flatMap(({ marker }) => marker ?? []));
    const applies = await python.applies(interpreter, [...markers]);
    return lines.filter(({ marker }) => marker === undefined || (applies.get(marker) ?? true));
}

;// CONCATENATED MODULE: ./lib/install-lock.js
/** Installs what the lock names, from the wheelhouse alone. */













/** The packages of the lock could not be installed. */
class InstallError extends errors/* UserError */.yo {
    /**
     * Whether the wheels may be at fault: the installer exited on its own, and not because of disk
     * space or permissions.
     */
    maybeWheels;
    /** The wheelhouse without the wheels that do not match the manifest, if there are any. */
    intact;
    constructor(message, maybeWheels, intact) {
        super(message);
        this.maybeWheels = maybeWheels;
        this.intact = intact;
    }
}
/** The lowest exit code of a program that a signal ended. */
const signalled = 128;
/** @throws InstallError with the installer's last words */
async function installLock(run, world) {
    const { installer } = run.request;
    const { wheelhouses, reporter } = world;
    // Exists while the installer runs: a later run then knows that this one was interrupted.
    const marker = external_node_path_.join(run.interpreter.sitePackages, '.wheelhouse-installing');
    const repair = await wheelhouses.exists(marker);
    if (repair)
        reporter.info('A previous installation was interrupted; reinstalling everything.');
    await reporter.group(`Install from the lock with ${installer}`, async () => {
        const lock = repair ? external_node_path_.join(run.wheelhouse, logic_manifest/* lockFile */.Ke) : await lockOfMissing(run, world);
        await wheelhouses.write(marker, '').catch(() => { }); // Where it can't be written, pip says why.
        const { exitCode, output } = await runInstaller(run, world, { lock, repair });
        if (exitCode !== 0) {
            const maybeWheels = exitCode < signalled && !(0,pip_output/* isMachineFailure */.kZ)(output);
            const intact = maybeWheels ? await intactPart(run, world) : undefined;
            // Both installers hash all wheels before they change the environment.
            if (intact && !repair)
                await wheelhouses.remove(marker);
            throw new InstallError(installFailure(installer, output), maybeWheels, intact);
        }
    });
    await wheelhouses.remove(marker);
}
/** @returns the wheelhouse without its damaged wheels; undefined when it has none */
async function intactPart({ wheelhouse, manifest }, { wheelhouses }) {
    const all = { manifest, sound: manifest.wheels, faults: [] };
    const intact = await wheelhouses.verify(wheelhouse, all);
    return intact.faults.length > 0 ? intact : undefined;
}
/** @returns path of the wheelhouse's lock, or of one with fewer wheels where the environment has some */
async function lockOfMissing(run, world) {
    const runtime = run.manifest.wheels.filter((wheel) => wheel.role === 'runtime');
    const missing = await missingWheels(run, world, runtime);
    if (missing.length === runtime.length)
        return external_node_path_.join(run.wheelhouse, logic_manifest/* lockFile */.Ke);
    const lock = external_node_path_.join(run.scratch, 'selected.txt');
    await world.wheelhouses.write(lock, (0,logic_manifest/* formatLock */.X5)(missing));
    return lock;
}
/**
 * The wheels that pip would install next to what the environment has: it leaves an installed version
 * that satisfies the request, even if the lock has another one. Only where there is such a version,
 * pip itself is run to find out.
 */
async function missingWheels(run, world, runtime) {
    const { settings, manifest } = run;
    if (settings.flag('ignore-installed') || settings.flag('force-reinstall'))
        return runtime;
    const installed = await world.python.installed(run.interpreter);
    const lacksRelied = manifest.relied.some(({ name, version }) => installed.get(name) !== version);
    const others = runtime.filter(({ name, version }) => {
        const present = installed.get(name);
        return present !== undefined && !(0,logic_names/* sameVersion */.r1)(present, version);
    });
    if (others.length === 0 && !lacksRelied)
        return runtime;
    const lines = await applicableRequirements(run, world);
    const doubtful = others.filter(({ name, version }) => !(0,logic_requirements/* isPinned */.T4)(lines, name, version));
    if (doubtful.length === 0 && !lacksRelied)
        return runtime;
    const sources = await sourcesInWheelhouse(run, world);
    const request = closeFiles(run.requested.lines, sources, constraintsFile(run));
    try {
        const wanted = await resolveOffline(run, world, request, { installed: 'counts' });
        const names = new Set(wanted.map((item) => item.name));
        for (const { name } of doubtful.filter((wheel) => !names.has(wheel.name))) {
            world.reporter.info(`Leaving ${name} ${installed.get(name)}, which satisfies the request.`);
        }
        return runtime.filter((wheel) => names.has(wheel.name));
    }
    catch (error) {
        if (!(error instanceof FillError))
            throw error;
        // Only an index has the projects that the wheelhouse relies on and the environment lacks.
        if (lacksRelied)
            throw new InstallError(error.message, true);
        return runtime;
    }
}
async function runInstaller(run, world, what) {
    const { request, interpreter } = run;
    const options = { ...installOptions(run), ...what };
    const cwd = request.workingDirectory;
    const env = (0,logic_environment/* offlineEnvironment */.JK)(request.environment, external_node_os_.devNull);
    if (request.installer === 'pip') {
        return world.python.pip(interpreter, installArgs(options), { cwd, env });
    }
    const args = uvInstallArgs({ ...options, python: interpreter.executable });
    return world.uv.run(await run.tools.uv(), args, {
        cwd,
        // uv unpacks on the disk of the workspace, from where it can link files.
        env: { ...env, ...(0,logic_environment/* temporaryVariables */.fp)(run.scratch) },
    });
}

// EXTERNAL MODULE: ./lib/logic/index-choice.js
var index_choice = __nccwpck_require__(4260);
// EXTERNAL MODULE: ./lib/logic/paths.js
var paths = __nccwpck_require__(4470);
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
    return venv !== undefined && (0,paths/* isWithin */.U)(venv, executable) ? undefined : venv;
}
async function virtualEnvironment(request, { python, reporter, wheelhouses }, base, directory) {
    const made = await python.createVenv(base, request, directory);
    reporter.info(`Created the virtual environment ${directory}.`);
    if (made.pip === undefined || !(0,logic_names/* isOlderPip */.Ui)(made.pip, oldestPip))
        return made;
    const indexes = (0,index_choice/* indexesOf */.O7)(request, made, pipSettings(made, request.index));
    const index = indexes ? (0,index_choice/* indexVariables */.g1)(indexes, indexes.authoritative) : {};
    const pinned = external_node_path_.join(request.temporary, 'wheelhouse-tools', 'pip.txt');
    // A pip this old can't leave out young versions of itself.
    if (request.releaseAge !== undefined)
        await wheelhouses.write(pinned, release_age/* fetchedPip */.$q.requirements);
    const newer = request.releaseAge === undefined ? ['--upgrade', 'pip'] : ['-r', pinned];
    await python.pip(made, ['install', '--no-input', ...newer], {
        cwd: request.workingDirectory,
        env: (0,logic_environment/* fillEnvironment */.b3)(request.environment, made.pipConfig, index, made.keyring),
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
        throw new errors/* UserError */.yo(`Python ${version} at ${executable} is managed by the system, which does not allow pip to install into it (PEP 668). Set the input venv, for example "venv: .venv", or run actions/setup-python before this step.`);
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

;// CONCATENATED MODULE: ./lib/logic/verification.js

/** @returns the wheels that nobody else may hash before they are used, or left for later steps */
function wheelsToHash(wheels, use) {
    if (!use.isInstalled || use.hasBuilds)
        return wheels;
    const present = new Set(use.present.flatMap(possibleNames));
    return wheels.filter(({ role, name }) => role !== 'runtime' || present.has(name));
}
/**
 * Every project that the name of a metadata file or directory may stand for: `a-b-1.0.dist-info` is of
 * `a` or of `a-b`. To list too many only costs time.
 */
function possibleNames(file) {
    const [, stem] = /^(.+)\.(?:dist-info|egg-info|egg-link|egg)$/i.exec(file) ?? [];
    if (stem === undefined)
        return [];
    const parts = stem.split('-');
    return parts.map((_part, index) => (0,logic_names/* normalizeName */.Pc)(parts.slice(0, index + 1).join('-')));
}

// EXTERNAL MODULE: ./lib/logic/project-page.js
var project_page = __nccwpck_require__(9347);
;// CONCATENATED MODULE: ./lib/logic/recheck.js
/**
 * Whether an index still offers the wheels of a set that is otherwise never resolved again: see
 * docs/decisions/0010.
 */



/** Days of a period. Those of a month that every month has. */
const days = { daily: 1, weekly: 7, monthly: 28 };
/** A set is checked in one of so many parts of a period. */
const parts = 7;
/**
 * Whether a run checks a set. Nothing is written when a set is still good, so nobody knows when it was
 * checked last. Instead, one seventh of each period is the set's turn, a different one in each.
 * @param key of the set
 */
function isTurn({ resolvedAt }, recheck, key, now) {
    if (recheck === 'never')
        return false;
    if (recheck === 'always')
        return true;
    const current = (0,freshness/* period */.iE)(recheck, now);
    if ((0,freshness/* period */.iE)(recheck, new Date(resolvedAt)) === current)
        return false;
    const turn = Number.parseInt((0,digest/* sha256 */.s)(`${key} ${current}`).slice(0, 8), 16) % parts;
    return Math.min(parts - 1, Math.floor(sinceStart(recheck, now) * parts)) === turn;
}
/** How much of the period has passed, from 0 to 1. */
function sinceStart(recheck, now) {
    const ofDay = (now.getTime() % 86_400_000) / 86_400_000;
    if (recheck === 'daily')
        return ofDay;
    // ISO weeks start on Monday.
    const day = recheck === 'weekly' ? (now.getUTCDay() + 6) % 7 : now.getUTCDate() - 1;
    return (day + ofDay) / days[recheck];
}
/** The wheels that an index can be asked about; the others came from direct URLs. */
function checkable({ wheels }) {
    return wheels.filter(({ role, url }) => role === 'runtime' && url === undefined);
}
/**
 * Compares wheels with the pages of their projects.
 * @param listings of each project, one per index
 */
function compareWithPages(wheels, listings) {
    const withdrawn = [];
    const yanked = [];
    let [offered, unknown, reason] = [0, 0, ''];
    for (const wheel of wheels) {
        const all = listings.get(wheel.name) ?? [];
        const files = all
            .flatMap((listing) => (listing.state === 'listed' ? listing.files : []))
            .filter((file) => recheck_isSource(file, wheel));
        const obstacle = all.find((listing) => listing.state === 'unknown');
        if (files.some((file) => !file.yanked))
            offered += 1;
        else if (files[0] !== undefined)
            yanked.push({ wheel, reason: files[0].yankedReason });
        else if (obstacle !== undefined) {
            unknown += 1;
            reason = obstacle.reason;
        }
        else
            withdrawn.push(wheel);
    }
    // An index that has nothing at all is another one, or wants credentials that are not here.
    if (offered + yanked.length > 0)
        return { withdrawn, yanked, offered, unknown, reason };
    return {
        ...{ withdrawn: [], yanked, offered },
        unknown: wheels.length,
        reason: reason || 'no page lists any of them',
    };
}
/** Whether a wheel is this file, or was built from a file of this version. */
function recheck_isSource(file, wheel) {
    if (wheel.origin === 'downloaded') {
        return file.file === wheel.file && (file.sha256 ?? wheel.sha256) === wheel.sha256;
    }
    const version = (0,logic_names/* versionInFileName */.Nc)(file.file, wheel.name);
    return version !== undefined && (0,logic_names/* sameVersion */.r1)(version, wheel.version);
}

// EXTERNAL MODULE: ./lib/logic/web.js
var web = __nccwpck_require__(7464);
;// CONCATENATED MODULE: ./lib/recheck.js
/** Asks the indexes whether they still offer the wheels of a set that serves. */






/** Milliseconds for all pages together. */
const timeLimit = 5000;
/**
 * Checks a set if it is its turn. Warns of yanked wheels. What can't be checked is left as it is: an
 * index that is down must not cost more than a few seconds.
 * @returns the wheels that no index offers any more
 */
async function recheck(run, world, found) {
    const { request, interpreter, settings } = run;
    const { reporter } = world;
    const { manifest } = found.base;
    if (!isTurn(manifest, request.recheck, run.keys.primary, world.now()))
        return [];
    const indexes = (0,index_choice/* indexesOf */.O7)(request, interpreter, settings);
    // A page says nothing about files from elsewhere.
    if (indexes === undefined || settings.words('find-links').length > 0)
        return [];
    if (run.uv?.hasFindLinks === true)
        return [];
    const wheels = checkable(manifest);
    const urls = [indexes.authoritative, ...indexes.extra].filter((url) => (0,index_choice/* isSecureOrigin */.oC)(url, indexes.trustedHosts));
    if (wheels.length === 0 || urls.length === 0)
        return [];
    const { environment, workingDirectory: cwd } = request;
    const way = {
        indexes: urls,
        otherCredentials: indexes.otherCredentials,
        proxy: settings.text('proxy'),
        clientCertificate: settings.text('client-cert'),
        environment,
    };
    const env = (0,logic_environment/* fillEnvironment */.b3)(environment, interpreter.pipConfig, {}, interpreter.keyring);
    const client = world.web.open({
        indexes: urls,
        trust: {
            trustedHosts: indexes.trustedHosts,
            certificates: certificatesOf(settings, environment),
        },
        environment,
        pip: (0,web/* needsPip */.zg)(way) ? { use: 'always', python: interpreter.executable, cwd, env } : undefined,
    });
    const listings = await run.timer.time('recheck', () => listingsOf(client, urls, wheels));
    const { withdrawn, yanked, unknown, reason } = compareWithPages(wheels, listings);
    const checked = wheels.length - unknown;
    if (unknown > 0) {
        reporter.info(`Could not check whether the index still offers ${unknown} of ${wheels.length} wheels: ${reason}.`);
    }
    if (checked > 0) {
        reporter.info(`Checked with the index: ${checked - withdrawn.length} of ${checked} wheels are still offered.`);
    }
    for (const { wheel, reason: why } of yanked) {
        const because = why === '' ? '' : `: ${oneLine(why)}`;
        reporter.warning(`${wheel.project} ${wheel.version} was yanked from the index${because}. It is installed because the requirements pin it; choose another version.`);
    }
    return withdrawn;
}
/** @returns the listings of each project; what has not arrived in time is unknown */
async function listingsOf(client, indexes, wheels) {
    const end = setTimeout(() => void client.close(), timeLimit);
    try {
        const found = wheels.map(async ({ name }) => {
            const pages = indexes.map((index) => listing(client, index, name));
            return [name, await Promise.all(pages)];
        });
        return new Map(await Promise.all(found));
    }
    finally {
        clearTimeout(end);
        await client.close();
    }
}
async function listing(client, index, project) {
    try {
        const { contentType, text, url } = await client.page((0,web/* pageUrl */.fi)(index, project), {
            attempts: 1,
            timeLimit,
        });
        const health = (0,project_page/* judgePage */.zw)(200, contentType, text);
        if (health.state !== 'healthy') {
            return { state: 'unknown', reason: 'its answer is not a package index page' };
        }
        return { state: 'listed', files: (0,project_page/* projectFiles */.x6)(contentType, text, url) };
    }
    catch (error) {
        if (!(error instanceof web/* WebError */.PH))
            return { state: 'unknown', reason: 'its page is not valid' };
        if (error.kind === 'absent')
            return { state: 'absent' };
        return { state: 'unknown', reason: error.message };
    }
}
/** A reason comes from the index: only one short line of it is shown. */
function oneLine(text) {
    return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').slice(0, 200);
}

;// CONCATENATED MODULE: ./lib/complete-change.js

/**
 * Moves the wheels that a restored entry leaves out into its directory, if it is a change. Trusts
 * nothing that the entry says: the base must be a full entry that this run may restore, and all
 * wheels still have to be verified.
 * @param key of the entry
 * @throws ManifestError when the entry can't be used
 */
async function completeChange(run, world, directory, key) {
    const { wheelhouses, reporter } = world;
    const base = await wheelhouses.takeBase(directory);
    if (base === undefined)
        return { kind: 'full' };
    const staged = await wheelhouses.stage(run.workplace);
    try {
        const fault = await restoreBase(run, world, staged, base.key);
        if (fault === undefined) {
            return { kind: 'change', base, moved: await wheelhouses.supplement(directory, staged) };
        }
        reporter.info(`${key} contains only what has changed since ${base.key}, which ${fault}. Other wheels come from the index.`);
        return { kind: 'incomplete' };
    }
    finally {
        await wheelhouses.remove(staged);
    }
}
/** @returns why it is of no use, as the end of a sentence */
async function restoreBase({ keys }, { store, wheelhouses }, directory, key) {
    if (matchKind(key, keys) === 'foreign')
        return 'does not match any requested key';
    const restored = await store.restore(directory, key, []);
    if (restored?.key !== key)
        return 'is not in the cache';
    if (!restored.arrived)
        return 'could not be restored';
    return (await wheelhouses.isChange(directory)) ? 'is not a full entry' : undefined;
}

// EXTERNAL MODULE: ./lib/logic/change-entry.js
var change_entry = __nccwpck_require__(3385);
;// CONCATENATED MODULE: ./lib/logic/admission.js
/** Which wheels of an earlier wheelhouse the hashes of the request allow. */


/** @param settings pip's effective settings */
function hashRules(lines, settings) {
    const byName = (0,logic_requirements/* requestedHashes */.FN)(lines);
    const byUrl = new Map();
    for (const { shownTarget, wheelOf, hashes } of (0,logic_requirements/* directRequirements */.S8)(lines).filter(logic_requirements/* isCacheable */.TZ)) {
        const sorted = hashes.toSorted();
        byUrl.set(shownTarget, { hashes: sorted, wheelOf });
        if (wheelOf !== undefined)
            byName.set(wheelOf, sorted);
    }
    return { byName, byUrl, all: (0,logic_requirements/* isHashMode */.mD)(lines), neverBuilt: neverBuilt(lines, settings) };
}
/** The projects of `--only-binary`, unless relaxed elsewhere: any `--no-binary` disables this rule. */
function neverBuilt(lines, settings) {
    const words = (option) => [
        settings.get(option) ?? '',
        ...lines.flatMap((line) => line.kind === 'option' && line.name === option ? [line.value] : []),
    ].flatMap((value) => value.split(/[\s,]+/).filter((word) => word !== ''));
    const binary = words('only-binary');
    if (words('no-binary').length > 0 || binary.includes(':none:'))
        return () => false;
    const names = new Set(binary.map((word) => (word === ':all:' ? word : (0,logic_names/* normalizeName */.Pc)(word))));
    return (name) => names.has(':all:') || names.has(name);
}
/**
 * Whether the hashes of a request allow a wheel. A downloaded wheel must have an allowed hash itself.
 * A wheel that was built from an sdist has another hash than the sdist, so the hashes that it was
 * built under must be those of the request. Anybody may have written the manifest that says "built",
 * so that does not count where the request forbids builds. Wheels that are not installed have no
 * hash in the request: see `isNeeded` in verdict.ts.
 */
function isAdmitted(wheel, { byName, byUrl, all, neverBuilt }) {
    if (wheel.role !== 'runtime')
        return true;
    const rule = wheel.url === undefined ? undefined : byUrl.get(wheel.url);
    // A wheel from a URL is not allowed for another URL or for an index.
    if (wheel.url !== undefined && rule === undefined)
        return false;
    if (rule?.wheelOf !== undefined && rule.wheelOf !== wheel.name)
        return false;
    const hashes = byName.get(wheel.name) ?? rule?.hashes;
    if (hashes === undefined)
        return !all;
    const isWheelUrl = [...byUrl.values()].some(({ wheelOf }) => wheelOf === wheel.name);
    const isItself = wheel.origin === 'downloaded' || isWheelUrl || neverBuilt(wheel.name);
    if (isItself && hashes.some((hash) => hash.startsWith('sha256:'))) {
        return hashes.includes(`sha256:${wheel.sha256}`);
    }
    return wheel.requestHashes?.toSorted().join() === hashes.join();
}

;// CONCATENATED MODULE: ./lib/logic/verdict.js
/**
 * Whether a wheelhouse serves a request, and if not, why. A run acts on the verdict, and `doctor`
 * explains it.
 */





/**
 * Judges a wheelhouse. Its manifest may lie, so everything that the request itself decides is
 * computed from the request.
 * @param sound the wheels that match the manifest
 * @param markers those of {@link decisiveMarkers}, as far as they are known
 */
function verdict({ manifest, sound }, wanted, markers) {
    const { keys, refresh, now } = wanted;
    if (manifest.interpreter !== interpreterIdentity(wanted.interpreter)) {
        return {
            kind: 'unusable',
            mismatch: 'interpreter',
            reason: `it was filled for another Python (${manifest.interpreter})`,
        };
    }
    if (manifest.sources !== keys.sources) {
        return {
            kind: 'unusable',
            mismatch: 'sources',
            reason: 'it was filled from other indexes, or with other build settings, another resolver or another minimum release age',
        };
    }
    const isSameRequest = manifest.request === keys.request;
    const lines = decided(wanted.lines, markers);
    const wrong = isSameRequest ? contradiction(manifest, lines) : undefined;
    if (wrong !== undefined)
        return { kind: 'unusable', mismatch: 'contents', reason: wrong };
    const rules = { ...hashRules(lines, wanted.settings), all: (0,logic_requirements/* isHashMode */.mD)(wanted.lines) };
    const wheels = sound.filter((wheel) => isNeeded(wheel, wanted) && isAdmitted(wheel, rules));
    const isComplete = isSameRequest && wheels.length === manifest.wheels.length;
    const usable = (mismatch, reason) => ({
        kind: 'usable',
        ...{ mismatch, reason, wheels, isComplete },
    });
    if (!isSameRequest)
        return usable('request', 'it was filled for other requirements');
    if (!isComplete)
        return usable('wheels', 'some of its wheels are not usable');
    const pinned = isFixed(wheels, lines, rules);
    if (!(0,freshness/* isFresh */.pL)({ resolvedAt: manifest.resolvedAt, pinned }, refresh, now)) {
        const date = manifest.resolvedAt.slice(0, 10);
        return usable('age', `it was resolved on ${date}, which is too old for refresh: ${refresh}`);
    }
    return { kind: 'serves', wheels };
}
/**
 * The environment markers that the verdict depends on, which only the interpreter can evaluate:
 * those of a project in several lines with different versions or hashes (a lock for several
 * platforms), and those of pins, if the wheelhouse is older than `refresh` allows.
 */
function decisiveMarkers(manifest, wanted) {
    const { keys, interpreter, refresh, now } = wanted;
    const isForThis = manifest.interpreter === interpreterIdentity(interpreter) && manifest.sources === keys.sources;
    if (!isForThis)
        return [];
    const lines = (0,logic_requirements/* indexRequirements */.zM)(wanted.lines);
    const isAgeDecisive = refresh !== 'always' &&
        !(0,logic_requirements/* isHashMode */.mD)(wanted.lines) &&
        !(0,freshness/* isFresh */.pL)({ resolvedAt: manifest.resolvedAt, pinned: false }, refresh, now);
    const isDecisive = ({ name, pin }) => lines.filter((line) => line.name === name).length > 1 ||
        (isAgeDecisive && pin !== undefined && manifest.wheels.some((wheel) => wheel.name === name));
    const markers = lines.filter(isDecisive).flatMap((line) => line.marker ?? []);
    return [...new Set(markers)];
}
/**
 * Whether the request needs a wheel of this role. No hash of the request covers wheels that are not
 * installed, so they are used only if there may be a build.
 */
function isNeeded({ role }, { lines }) {
    return role === 'runtime' || (0,logic_requirements/* directRequirements */.S8)(lines).some((line) => !(0,logic_requirements/* isCacheable */.TZ)(line));
}
/** The lines without those that do not apply, and without the markers that do. */
function decided(lines, markers) {
    return lines.flatMap((line) => {
        if (line.kind !== 'index' || line.marker === undefined)
            return [line];
        const applies = markers.get(line.marker);
        if (applies === undefined)
            return [line];
        return applies ? [{ ...line, marker: undefined }] : [];
    });
}
/**
 * Whether the request pins every runtime wheel, so that a new resolution would have the same result.
 * In hash mode pip accepts only versions from lines that apply, so markers do not matter then.
 */
function isFixed(wheels, lines, { all, byUrl }) {
    const pins = (0,logic_requirements/* indexRequirements */.zM)(lines).filter((line) => all || line.marker === undefined);
    return wheels
        .filter((wheel) => wheel.role === 'runtime')
        .every(({ name, version, url }) => (url !== undefined && byUrl.has(url)) || (0,logic_requirements/* isPinned */.T4)(pins, name, version));
}
/**
 * The contradiction between a request and a manifest that claims to be for it: a missing project, or
 * another version than a pin. Lines with a marker do not count, since only the interpreter can
 * evaluate it.
 */
function contradiction({ wheels, direct }, lines) {
    const runtime = wheels.filter((each) => each.role === 'runtime');
    const versions = new Map(runtime.map(({ name, version }) => [name, version]));
    const others = new Set(direct.map(({ name }) => name));
    for (const { name, pin, marker, constraint } of (0,logic_requirements/* indexRequirements */.zM)(lines)) {
        if (marker !== undefined)
            continue;
        const version = versions.get(name);
        if (version === undefined && !constraint && !others.has(name))
            return `it lacks ${name}`;
        if (version !== undefined && pin !== undefined && !isVersion(version, pin)) {
            return `it contains ${name} ${version} instead of ${pin}`;
        }
    }
    return undefined;
}
/** Whether a version matches a pin: `==1.0` matches `1.0+cpu` too (PEP 440). */
function isVersion(version, pin) {
    const [base = ''] = version.split('+');
    return (0,logic_names/* sameVersion */.r1)(version, pin) || (!pin.includes('+') && (0,logic_names/* sameVersion */.r1)(base, pin));
}

;// CONCATENATED MODULE: ./lib/restore.js
/** Finds the wheelhouse to start from: on disk, or in the cache, checked file by file. */







/** @returns the default path of a wheelhouse; the input `wheelhouse` names another */
function defaultPlace(request, keys) {
    return external_node_path_.join(request.temporary, 'wheelhouse', keys.request.slice(0, 16));
}
/** What a wheelhouse is compared with. */
function wantedOf(run, now) {
    const { keys, interpreter, settings, request, requested } = run;
    return {
        keys,
        interpreter,
        now,
        settings: settings.configured,
        lines: requested.lines,
        refresh: request.refresh,
    };
}
/** Judges a wheelhouse; the interpreter evaluates the environment markers that decide. */
async function judge(inspected, wanted, { python }) {
    const markers = decisiveMarkers(inspected.manifest, wanted);
    return verdict(inspected, wanted, await python.applies(wanted.interpreter, markers));
}
/**
 * Looks on disk, then in the cache under the primary key and its later generations, until a
 * wheelhouse serves.
 * @param options.rejected names of wheelhouses that could not be installed
 * @param options.damaged one that seemed to serve; `base` is what is intact, and the faults
 * @param options.key to look for instead of the primary key; without its prefixes
 * @throws UserError when something other than a wheelhouse is in its place
 */
async function findWheelhouse(run, world, options = {}) {
    try {
        return await search(run, world, options);
    }
    finally {
        await world.store.coolDown();
    }
}
async function search(run, world, { rejected = new Set(), damaged, key: wantedKey = run.keys.primary }) {
    const { request, keys, place } = run;
    const { store, reporter, wheelhouses } = world;
    let best;
    if (damaged)
        best = await assess(run, world, damaged.directory, damaged.base, damaged.origin);
    else if (!rejected.has(place))
        best = await fromDisk(run, world);
    if (best?.state === 'serves')
        return { ...best, saveKey: undefined };
    let saveKey = damaged?.saveKey;
    if (store.unavailable !== undefined) {
        if (request.restoreCache || request.saveCache) {
            reporter.info(`The cache is not used: ${store.unavailable}.`);
        }
    }
    else if (!request.restoreCache) {
        saveKey = wantedKey;
    }
    else {
        for (const key of generationsAfter(damaged?.origin, wantedKey)) {
            const directory = await wheelhouses.stage(run.workplace);
            const prefixes = key === keys.primary ? keys.restore : [];
            const restored = await store.restore(directory, key, prefixes);
            if (restored?.key !== key)
                saveKey ??= key;
            if (restored?.arrived && !rejected.has(restored.key)) {
                const candidate = await fromCache(run, world, directory, { key: restored.key, wantedKey });
                best = best === undefined ? candidate : await better(wheelhouses, best, candidate);
            }
            else {
                await wheelhouses.remove(directory);
            }
            if (restored?.key !== key || best?.state === 'serves')
                break;
        }
    }
    return { ...(best ?? (await nothing(run, world))), saveKey };
}
/** The generations of a key that may still have an entry after one has been restored. */
function generationsAfter(restored, key) {
    const all = generations(key);
    if (restored?.kind !== 'cache')
        return all;
    return restored.isExact ? all.slice(all.indexOf(restored.name) + 1) : [];
}
/**
 * As {@link findWheelhouse}, for a run that does not install: hashes all wheels of one that serves.
 */
async function findIntactWheelhouse(run, world) {
    let found = await findWheelhouse(run, world);
    while (found.state === 'serves') {
        const base = await world.wheelhouses.verify(found.directory, found.base);
        if (base.sound.length === found.base.sound.length)
            return found;
        found = await findWheelhouse(run, world, { damaged: { ...found, base } });
    }
    return found;
}
async function nothing({ workplace }, { wheelhouses }) {
    const directory = await wheelhouses.stage(workplace);
    return { state: 'nothing', directory, reason: 'no usable wheelhouse in the cache' };
}
/** Keeps the candidate that serves, otherwise the one with more wheels; deletes the other one. */
async function better(wheelhouses, one, other) {
    const [best, worst] = rank(other) >= rank(one) ? [other, one] : [one, other];
    await wheelhouses.remove(worst.directory);
    return best;
}
function rank(candidate) {
    if (candidate.state === 'serves')
        return Number.POSITIVE_INFINITY;
    return candidate.state === 'usable' ? candidate.base.sound.length : -1;
}
async function fromDisk(run, world) {
    const { wheelhouses, reporter } = world;
    const { place } = run;
    if (!(await wheelhouses.exists(place)))
        return undefined;
    const directory = await wheelhouses.stage(run.workplace);
    try {
        await wheelhouses.share(place, directory);
        const inspected = await wheelhouses.inspect(directory, 'sizes');
        if (inspected !== undefined) {
            return await assess(run, world, directory, inspected, { kind: 'disk', name: place });
        }
    }
    catch (error) {
        if (!(error instanceof logic_manifest/* ManifestError */.Sh))
            throw error;
        if (!(await wheelhouses.exists(external_node_path_.join(place, logic_manifest/* manifestFile */.YE)))) {
            throw new errors/* UserError */.yo(`${place} is not empty and is not a wheelhouse; using it would delete its contents. Set the input wheelhouse to an empty or new directory.`);
        }
        reporter.info(`The wheelhouse in ${place} is not used: ${error.message}.`);
    }
    await wheelhouses.remove(directory);
    return undefined;
}
/** Assesses an entry that the cache delivered. Never throws for what is in it. */
async function fromCache(run, world, directory, { key, wantedKey }) {
    const { reporter, wheelhouses } = world;
    const kind = matchKind(key, { ...run.keys, primary: wantedKey });
    try {
        if (kind === 'foreign')
            throw new logic_manifest/* ManifestError */.Sh('its key does not match any requested key');
        const completion = await completeChange(run, world, directory, key);
        const inspected = await wheelhouses.inspect(directory, 'sizes');
        if (inspected === undefined)
            throw new logic_manifest/* ManifestError */.Sh('it is empty');
        const { wheels } = inspected.manifest;
        const change = completion.kind === 'change' ? completion : undefined;
        const full = (0,change_entry/* fullEntryOf */.P$)(key, wheels, change);
        const origin = { kind: 'cache', name: key, isExact: kind === 'exact', full };
        const excused = completion.kind === 'incomplete' ? wheels.map(logic_manifest/* absence */.An) : [];
        return await assess(run, world, directory, inspected, origin, excused);
    }
    catch (error) {
        reporter.warning(`The cache entry ${key} is not used: ${(0,errors/* messageOf */.bD)(error)}.`);
        await wheelhouses.remove(directory);
        return nothing(run, world);
    }
}
/** A warning lists at most this many faults. */
const maxFaultsShown = 5;
/**
 * Assesses a wheelhouse. Unless it serves, its wheels are hashed before anything is made of them.
 * @param excused faults that are no damage
 */
async function assess(run, world, directory, found, origin, excused = []) {
    const { manifest } = found;
    const { wheelhouses, reporter } = world;
    const wanted = wantedOf(run, world.now());
    let inspected = found;
    let judged = await judge(inspected, wanted, world);
    if (judged.kind === 'usable') {
        inspected = await wheelhouses.verify(directory, inspected);
        judged = await judge(inspected, wanted, world);
    }
    if (judged.kind === 'unusable')
        throw new logic_manifest/* ManifestError */.Sh(judged.reason);
    const { faults } = inspected;
    const damage = faults.filter((fault) => !excused.includes(fault));
    if (damage.length > 0) {
        const shown = damage.slice(0, maxFaultsShown).join('; ');
        const hidden = damage.length - maxFaultsShown;
        const more = hidden > 0 ? ` and ${hidden} more` : '';
        reporter.warning(`The wheelhouse from ${origin.name} is partly damaged; reusing the intact wheels. Problems: ${shown}${more}.`);
    }
    await wheelhouses.keepOnly(directory, judged.wheels.map(logic_manifest/* wheelPath */.NV));
    const base = { manifest, sound: judged.wheels, faults };
    if (judged.kind === 'serves') {
        // The lock is always written from the manifest; the one in the entry is never used.
        await wheelhouses.seal(directory, manifest);
        return { state: 'serves', directory, origin, base };
    }
    await wheelhouses.reopen(directory);
    const { mismatch, reason, isComplete } = judged;
    return { state: 'usable', directory, origin, base, mismatch, reason, isComplete };
}

;// CONCATENATED MODULE: ./lib/choose-index.js
/** Chooses the index of a fill. Exactly one index decides, and it is probed before pip runs. */




const noIndex = {
    environment: {},
    shown: '',
    why: 'no-index is set',
    role: 'none',
    mayOffer: true,
    urls: [],
    trust: { trustedHosts: [], certificates: undefined },
};
/** No index can be used now, and it is not the user's fault. */
class IndexDown extends errors/* UserError */.yo {
}
/**
 * Chooses the index for a fill: the mirror if it is healthy, otherwise the authoritative index.
 * @throws IndexDown when the authoritative index does not answer like an index
 * @throws UserError when it, or the mirror, refuses the credentials
 */
async function chooseIndex(run, world) {
    const candidates = await candidatesOf(run, world);
    if (candidates === undefined)
        return noIndex;
    const { indexes, health } = candidates;
    const confusion = (0,index_choice/* confusionWarning */.RQ)(indexes, run.request.installer);
    if (confusion !== undefined)
        world.reporter.warning(confusion);
    if (indexes.mirror === undefined)
        return authoritative(candidates, 'authoritative');
    const answer = await health(indexes.mirror);
    if (answer.state !== 'healthy')
        return withoutMirror(candidates, world, answer);
    return {
        ...chosen(candidates, indexes.mirror),
        role: 'mirror',
        why: 'the mirror is healthy',
        mayOffer: true,
    };
}
/**
 * Chooses the index for the rest of a fill that failed with the mirror.
 * @param failure why the mirror is not used any more
 * @throws as {@link chooseIndex}
 */
async function indexAfterMirror(run, world, failure) {
    const candidates = await candidatesOf(run, world);
    if (candidates?.indexes.mirror === undefined)
        throw new Error('there is no mirror');
    const answer = await candidates.health(candidates.indexes.mirror);
    const health = answer.state === 'healthy' ? { state: 'down', reason: failure } : answer;
    return withoutMirror(candidates, world, health);
}
/**
 * Checks that the authoritative index answers.
 * @throws as {@link chooseIndex}
 */
async function checkIndex(run, world) {
    const candidates = await candidatesOf(run, world);
    if (candidates !== undefined)
        await authoritative(candidates, 'authoritative');
}
/** @returns undefined when no index may be used */
async function candidatesOf(run, world) {
    const { request, interpreter, settings, requested } = run;
    const indexes = (0,index_choice/* indexesOf */.O7)(request, interpreter, settings);
    if (indexes === undefined)
        return undefined;
    const project = await projectToProbe(interpreter, requested, world);
    const trust = {
        trustedHosts: indexes.trustedHosts,
        certificates: certificatesOf(settings, request.environment),
    };
    const health = async (url) => {
        // Credentials are not sent where pip would not send them.
        if (!(0,index_choice/* isSecureOrigin */.oC)(url, indexes.trustedHosts)) {
            const reason = 'pip ignores it because it uses plain http; use https, or add its host to the input trusted-host';
            return { state: 'untrusted', reason };
        }
        // Only pip knows its own proxy.
        if (project === undefined || settings.text('proxy') !== undefined)
            return { state: 'healthy' };
        return world.indexProbe.probe(url, project, trust);
    };
    return { indexes, trust, project, health };
}
/** @param answer of the mirror */
async function withoutMirror(candidates, world, answer) {
    const { indexes, project } = candidates;
    const mirror = (0,secrets/* shownAddress */.Uk)(indexes.mirror ?? '');
    if (answer.state === 'refused') {
        throw new errors/* UserError */.yo(`The mirror ${mirror} answers ${answer.status}: it requires credentials. Put them into mirror-url from a secret, or open the mirror to this runner.`);
    }
    const reason = answer.state === 'absent' ? `it answers 404 for ${project}` : answer.reason;
    world.reporter.warning(`The mirror ${mirror} is not used: ${reason}. Using ${(0,secrets/* shownAddress */.Uk)(indexes.authoritative)}.`);
    return authoritative(candidates, `the mirror is not healthy: ${reason}`);
}
async function authoritative(candidates, why) {
    const { indexes, project, health } = candidates;
    const url = indexes.authoritative;
    const answer = await health(url);
    if (answer.state === 'refused' && ((0,index_choice/* hasCredentials */.Lk)(url) || !indexes.otherCredentials)) {
        const advice = (0,index_choice/* hasCredentials */.Lk)(url)
            ? 'it does not accept the credentials. Check the inputs index-username and index-password, and whether the secret has expired'
            : 'it requires credentials. Set the inputs index-username and index-password';
        throw new errors/* UserError */.yo(`The index ${(0,secrets/* shownAddress */.Uk)(url)} answers ${answer.status} for ${project}: ${advice}.`);
    }
    if (answer.state === 'down') {
        throw new IndexDown(`The index ${(0,secrets/* shownAddress */.Uk)(url)} can't be used: ${answer.reason}.`);
    }
    return {
        ...chosen(candidates, url),
        role: 'authoritative',
        why,
        mayOffer: answer.state === 'healthy' || answer.state === 'absent',
        ...(answer.state === 'untrusted' ? { doubt: answer.reason } : {}),
    };
}
function chosen({ indexes, trust }, url) {
    return {
        environment: (0,index_choice/* indexVariables */.g1)(indexes, url),
        shown: (0,secrets/* shownAddress */.Uk)(url),
        urls: [url, ...indexes.extra].filter((each) => (0,index_choice/* isSecureOrigin */.oC)(each, indexes.trustedHosts)),
        trust,
    };
}
/** The first project of the request that applies to this Python. */
async function projectToProbe(interpreter, requested, world) {
    const candidates = (0,index_choice/* probeCandidates */.xr)(requested);
    const [first] = candidates;
    if (first === undefined || first.marker === undefined)
        return first?.name;
    const markers = candidates.flatMap(({ marker }) => marker ?? []);
    const applies = await world.python.applies(interpreter, markers);
    return candidates.find(({ marker }) => marker === undefined || (applies.get(marker) ?? true))
        ?.name;
}

;// CONCATENATED MODULE: ./lib/gather-with-pip.js
/** Gathers the closure of a request with pip. */







/**
 * Downloads or builds the closure of the lines of a run into its wheelhouse.
 * @returns its wheels; others may be left in the wheelhouse
 * @throws FillError with pip's last words and one sentence of advice
 */
async function gatherWithPip(run, world, { resolved, stubs }) {
    const { wheelhouses, python } = world;
    const { lines } = run.requested;
    const request = fillFiles(lines, constraintsFile(run), {
        resolved,
        offers: await offersOf(run, world),
        hashMode: (0,logic_requirements/* isHashMode */.mD)(lines),
        linksFile: await writeLinks(run, world),
    });
    const { directory, files, built } = await fetchClosure(run, world, request);
    const notInstalled = new Set([...stubs].map((stub) => external_node_path_.basename(stub)));
    const closure = files.filter((file) => !notInstalled.has(file));
    const measured = await wheelhouses.measure(directory, closure);
    const metadata = await python.dependencies(run.interpreter, directory, closure);
    for (const file of closure)
        await wheelhouses.move(file, directory, run.wheelhouse);
    return measured.map((wheel, index) => {
        const origin = built.has(wheel.file) ? 'built' : 'downloaded';
        const named = (0,logic_names/* wheelNameParts */.LI)(wheel.file);
        const { name, version, requires } = metadata[index] ?? { ...named, requires: [] };
        return { ...wheel, writtenName: name, version, requires, origin };
    });
}
/** Writes the page of the files that lock files name. @returns its path, if there are any */
async function writeLinks({ requested, request, scratch }, { wheelhouses }) {
    // An address in a lock has no upload time; with a minimum age, its file has to come from an index.
    const links = (requested.lock?.links ?? []).filter(({ isPath }) => isPath || request.releaseAge === undefined);
    if (links.length === 0)
        return undefined;
    const file = external_node_path_.join(scratch, 'lock.html');
    await wheelhouses.write(file, linksPage(links, request.workingDirectory));
    return file;
}
/**
 * Returns the built wheels of pinned versions, which pip takes instead of building again. Those of other
 * versions stand on the pages of the gateway; without any index they are offered too.
 */
async function offersOf(run, world) {
    const { index, settings, wheelhouse } = run;
    const built = run.earlier.filter(({ origin, role, url }) => origin === 'built' && role === 'runtime' && url === undefined);
    if (!index.mayOffer || built.length === 0)
        return [];
    const lines = await applicableRequirements(run, world);
    const mayOfferAll = index.role === 'none' && !settings.flag('prefer-binary');
    return built.flatMap(({ name, version, sha256, file }) => {
        const isPin = (0,logic_requirements/* isPinned */.T4)(lines, name, version);
        const url = (0,external_node_url_.pathToFileURL)(external_node_path_.join(wheelhouse, file)).href;
        return isPin || mayOfferAll ? [{ name, version, sha256, url, isPin }] : [];
    });
}

// EXTERNAL MODULE: ./lib/logic/toml.js + 9 modules
var toml = __nccwpck_require__(3618);
// EXTERNAL MODULE: ./lib/logic/schema.js
var schema = __nccwpck_require__(3227);
;// CONCATENATED MODULE: ./lib/logic/uv-lock.js
/**
 * What `uv pip compile --format pylock.toml` says: the packages of a closure, each with the wheels that
 * fit the interpreter and its sdist. Of these, the file that `uv pip install` would install is chosen
 * here, by the rules of `PrioritizedDist` of uv's code.
 */




const byteCount = (0,schema/* satisfying */.uT)('a number of bytes', (value) => Number.isSafeInteger(value) && Number(value) >= 0);
const hashTable = (0,schema/* satisfying */.uT)('a table of hashes', (value) => typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((each) => /^[0-9a-f]+$/i.test(String(each))));
const fileTable = (0,schema/* object */.Ik)({
    name: (0,schema/* optional */.lq)(schema/* string */.Yj),
    url: (0,schema/* optional */.lq)(schema/* string */.Yj),
    size: (0,schema/* optional */.lq)(byteCount),
    hashes: (0,schema/* optional */.lq)(hashTable),
});
const packageTable = (0,schema/* object */.Ik)({
    name: (0,schema/* lineOf */.cA)('a normalized project name', logic_names/* isNormalizedName */.HG),
    version: (0,schema/* optional */.lq)(schema/* string */.Yj),
    sdist: (0,schema/* optional */.lq)(fileTable),
    wheels: (0,schema/* optional */.lq)((0,schema/* list */.p_)(fileTable)),
    archive: (0,schema/* optional */.lq)((0,schema/* object */.Ik)({})),
});
const lockTable = (0,schema/* object */.Ik)({ packages: (0,schema/* optional */.lq)((0,schema/* list */.p_)(packageTable)) });
/**
 * Reads the packages of an index; those that the request names by their address are left out.
 * @throws Error for a lock of another form
 */
function offeredPackages(text) {
    const { packages = [] } = lockTable((0,toml/* parseToml */.MT)(text, "uv's lock"), '');
    return packages
        .filter(({ archive }) => archive === undefined)
        .map(({ name, version, sdist, wheels = [] }) => {
        if (version === undefined)
            throw new Error(`uv's lock has no version of ${name}`);
        return {
            name,
            version,
            wheels: wheels.map(offeredFile),
            sdist: sdist === undefined ? undefined : offeredFile(sdist),
        };
    });
}
/** The packages of lock files, with the addresses that those say. */
function lockedPackages(pins, links, urlOf) {
    return pins.map(({ name, version }) => {
        const files = links
            .filter((link) => (0,logic_names/* normalizeName */.Pc)(link.name.slice(0, name.length)) === name)
            .map((link) => {
            const [algorithm, hash] = link.hash.split(':');
            return {
                file: link.name,
                url: urlOf(link),
                sha256: algorithm === 'sha256' ? hash : undefined,
                size: undefined,
            };
        });
        return {
            name,
            version,
            wheels: files.filter(({ file }) => file.endsWith('.whl')),
            sdist: files.find(({ file }) => !file.endsWith('.whl')),
        };
    });
}
function offeredFile({ name, url = '', size, hashes = {}, }) {
    const file = name ?? decodeURIComponent(new URL(url).pathname.split('/').at(-1) ?? '');
    if (!(0,logic_names/* isDistributionName */.I1)(file))
        throw new Error(`uv's lock has the invalid file name "${file}"`);
    return {
        file,
        url,
        sha256: hashes['sha256']?.toLowerCase(),
        size,
    };
}
/**
 * Chooses the file of a package: one with an allowed hash comes first, then a wheel whose tags the
 * interpreter prefers, then one with the highest build tag.
 * @param tags the interpreter's, the best one first
 * @param allowed hashes that the request allows; undefined for all
 * @throws UserError when no file fits
 */
function chooseFile({ name, version, wheels, sdist }, tags, allowed) {
    if (allowed !== undefined && !allowed.some((hash) => hash.startsWith('sha256:'))) {
        throw new errors/* UserError */.yo(`The hashes of ${name} are not SHA-256, which installer: uv checks. Add SHA-256 hashes, or use installer: pip.`);
    }
    const match = ({ sha256 }) => {
        if (allowed === undefined)
            return 0;
        if (sha256 === undefined)
            return 1;
        return allowed.includes(`sha256:${sha256}`) ? 2 : 0;
    };
    const best = wheels
        .map((wheel) => ({ wheel, match: match(wheel), rank: tagRank(wheel.file, tags) }))
        .filter(({ rank }) => rank !== undefined)
        .sort((a, b) => b.match - a.match ||
        (a.rank ?? 0) - (b.rank ?? 0) ||
        compareBuildTags(buildTag(b.wheel.file), buildTag(a.wheel.file)))[0];
    const isWheel = best !== undefined && (sdist === undefined || match(sdist) <= best.match);
    const file = isWheel ? best.wheel : sdist;
    if (file === undefined) {
        throw new errors/* UserError */.yo(`${name} ${version} has no wheel for this Python and system.`);
    }
    if (allowed !== undefined && match(file) === 0) {
        throw new errors/* UserError */.yo(`${name} ${version} has no file with a hash in the requirements for this Python and system. Compile the requirements again, or find out who replaced the files.`);
    }
    return { ...file, name, version, isWheel, allowed };
}
/** The position of a wheel's best tag; undefined when none fits. */
function tagRank(file, tags) {
    const [pythons = '', abis = '', platforms = ''] = file.slice(0, -4).split('-').slice(-3);
    const ranks = pythons
        .split('.')
        .flatMap((python) => abis
        .split('.')
        .flatMap((abi) => platforms
        .split('.')
        .flatMap((platform) => tags.get(`${python}-${abi}-${platform}`.toLowerCase()) ?? [])));
    return ranks.length === 0 ? undefined : Math.min(...ranks);
}
/** The build tag of a wheel (PEP 427); one without any comes last. */
function buildTag(file) {
    const parts = file.slice(0, -4).split('-');
    const [, number = '-1', suffix = ''] = /^(\d+)(.*)$/.exec(parts.length > 5 ? (parts[2] ?? '') : '') ?? [];
    return [Number(number), suffix];
}
function compareBuildTags([one, oneSuffix], [other, otherSuffix]) {
    return one - other || (oneSuffix < otherSuffix ? -1 : oneSuffix > otherSuffix ? 1 : 0);
}

;// CONCATENATED MODULE: ./lib/logic/uv-output.js
/** The output of uv (seen with uv 0.11 to 0.13). */

const uv_output_name = '([A-Za-z0-9](?:[\\w.-]*[A-Za-z0-9])?)';
const patterns = [
    `there (?:is|are) no versions? of ${uv_output_name}`,
    `${uv_output_name} was not found in`,
    `Failed to (?:build|download|fetch)(?: and build)? .?${uv_output_name}==`,
    `you require ${uv_output_name}`,
    `Failed to fetch: \\S+/${uv_output_name}/$`,
].map((pattern) => new RegExp(pattern, 'm'));
/** Returns the normalised name of the project that uv failed for, if it says one. */
function failedProject(output) {
    for (const pattern of patterns) {
        const [, found] = pattern.exec(output) ?? [];
        if (found !== undefined)
            return (0,logic_names/* normalizeName */.Pc)(found);
    }
    return undefined;
}

;// CONCATENATED MODULE: ./lib/gather-with-uv.js
/**
 * Gathers the closure of a request with uv: uv names the closure and all its files in one go, what is
 * missing is downloaded concurrently, and uv builds the sdists.
 */


















/**
 * Downloads or builds the closure of the lines of a run into its wheelhouse.
 * @returns its wheels; others may be left in the wheelhouse
 * @throws FillError with uv's last words and one sentence of advice
 */
async function gatherWithUv(run, world, { resolved, stubs }, settings) {
    const { index, wheelhouse, interpreter } = run;
    if (index.doubt !== undefined)
        throw new FillError(`${index.doubt}.`, '');
    const uv = await prepare(run, world, settings);
    const wheels = await gather(uv, await choose(uv, resolved));
    const fromRequest = resolved.flatMap(({ url }) => {
        const file = (0,external_node_url_.fileURLToPath)(url);
        return stubs.has(file) ? [] : [external_node_path_.basename(file)];
    });
    const measured = await world.wheelhouses.measure(wheelhouse, fromRequest);
    const all = [...wheels, ...measured.map((each) => ({ ...each, origin: 'downloaded' }))];
    const files = all.map(({ file }) => file);
    // They only matter where something that is installed already may count.
    const dependencies = stubs.size === 0 ? [] : await world.python.dependencies(interpreter, wheelhouse, files);
    return all.map((wheel, position) => ({
        ...wheel,
        writtenName: (0,logic_names/* wheelNameParts */.LI)(wheel.file).name,
        version: (0,logic_names/* wheelNameParts */.LI)(wheel.file).version,
        requires: dependencies[position]?.requires ?? [],
    }));
}
async function prepare(run, world, uvSettings) {
    const { request, settings, interpreter, index, scratch } = run;
    const { releaseAge, environment, workingDirectory } = request;
    const { trustedHosts, certificates } = index.trust;
    const configured = (name) => (settings.configured.get(name) ?? '').split(/\s+/).filter((word) => word !== '');
    return {
        ...{ run, world, uvSettings },
        command: await run.tools.uv(),
        options: {
            python: interpreter.executable,
            cacheDir: external_node_path_.join(scratch, 'uv-cache'),
            noIndex: index.role === 'none',
            findLinks: configured('find-links'),
            buildConstraints: configured('build-constraint').map((file) => external_node_path_.resolve(workingDirectory, file)),
            configSettings: configured('config-settings'),
            isolatesBuilds: isolatesBuilds(settings),
            // uv ignores the option in a requirement file, with a warning.
            allowPreReleases: /^(?:1|y|yes|t|true|on)$/i.test(settings.configured.get('pre') ?? ''),
            newest: releaseAge && {
                moment: (0,release_age/* latestUpload */.tD)(releaseAge, world.now()),
                except: releaseAge.except,
            },
        },
        env: (0,logic_environment/* uvEnvironment */.dF)(environment, {
            ...(certificates === undefined ? {} : { SSL_CERT_FILE: certificates }),
            ...(trustedHosts.length === 0 ? {} : { UV_INSECURE_HOST: trustedHosts.join(' ') }),
            ...(0,logic_environment/* proxyVariables */.eq)(settings.text('proxy')),
            ...(0,logic_environment/* temporaryVariables */.fp)(scratch),
        }),
    };
}
/** Writes a uv.toml. @returns what a uv needs to use it */
async function configure({ run, world, uvSettings, options, env }, metadata = []) {
    // uv asks its default index last.
    const [first, ...others] = run.index.urls;
    const urls = first === undefined ? [] : [...others, first];
    const { config, environment } = (0,uv_settings/* uvConfiguration */.UB)(uvSettings, urls, metadata);
    const configFile = external_node_path_.join(run.scratch, metadata.length === 0 ? 'uv.toml' : 'uv-known.toml');
    await world.wheelhouses.write(configFile, (0,toml/* formatToml */.WJ)(config));
    return { options: { ...options, configFile }, env: { ...env, ...environment } };
}
/**
 * Chooses the files of the closure. uv need not ask for the metadata of wheels that are at hand, or
 * build anything for it; should it choose another file of the same version, it is run again.
 * @throws FillError
 */
async function choose(uv, resolved) {
    const { run, world } = uv;
    const hashes = (0,logic_requirements/* requestedHashes */.FN)(run.requested.lines);
    const tags = world.python.tags(run.interpreter);
    tags.catch(() => { }); // Needed once uv has resolved.
    const chooseFrom = async (packages) => {
        const ranks = new Map((await tags).map((tag, position) => [tag, position]));
        return packages.map((each) => chooseFile(each, ranks, hashes.get(each.name)));
    };
    const earlier = run.earlier.filter(({ role, url }) => role === 'runtime' && url === undefined);
    const known = await metadataOf(uv, earlier);
    if (known.length > 0) {
        const result = await compile(uv, resolved, known);
        const chosen = 'packages' in result ? await chooseFrom(result.packages) : [];
        const isAtHand = (file) => earlier.some((wheel) => isEarlier(wheel, file)) ||
            !earlier.some(({ name, version }) => name === file.name && (0,logic_names/* sameVersion */.r1)(version, file.version));
        if ('packages' in result && chosen.every(isAtHand))
            return chosen;
    }
    return chooseFrom(await resolve(uv, resolved));
}
/** The metadata of wheels, in the form of uv's setting `dependency-metadata`. */
async function metadataOf({ run, world }, wheels) {
    const files = wheels.map(({ file }) => file);
    const found = await world.python.dependencies(run.interpreter, run.wheelhouse, files);
    return wheels.flatMap(({ name, version }, position) => {
        const each = found[position];
        if (each === undefined)
            return [];
        const { requires, python, extras } = each;
        return [
            {
                ...{ name, version },
                'requires-dist': requires,
                ...(python === undefined ? {} : { 'requires-python': python }),
                'provides-extra': extras,
            },
        ];
    });
}
/** Names the closure of the lines and its files. @throws FillError */
async function resolve(uv, resolved) {
    const result = await compile(uv, resolved);
    if ('packages' in result)
        return result.packages;
    const locked = await packagesOfLock(uv);
    if (locked !== undefined) {
        uv.world.reporter.info('The index lacks files of the lock; using the addresses in the lock.');
        return locked;
    }
    const { output } = result;
    const advice = (0,pip_output/* adviceFor */.cp)(output, { releaseAge: uv.run.resolver.releaseAge });
    throw new FillError(`uv could not resolve the requirements. ${advice}\n${(0,pip_output/* errorExcerpt */.MS)(output)}`, output, gather_with_uv_placeOf(failedProject(output), uv));
}
/**
 * Runs `uv pip compile`.
 * @param metadata of versions that it need not ask for; a failure with it is not shown
 * @returns the packages, or what uv printed when it failed
 */
async function compile(uv, resolved, metadata = []) {
    const { run, world, command } = uv;
    const { wheelhouses } = world;
    const { request, constraints } = uvFiles(run.requested.lines, resolved, constraintsFile(run));
    const requestFile = external_node_path_.join(run.scratch, 'uv-requirements.txt');
    const lock = external_node_path_.join(run.scratch, 'pylock.uv.toml');
    const generated = new Map([
        [requestFile, request],
        [constraintsFile(run), constraints],
    ]);
    for (const [file, { text }] of generated)
        await wheelhouses.write(file, text);
    const words = (name) => (run.settings.configured.get(name) ?? '').split(/[\s,]+/).filter((word) => word !== '');
    const { options, env } = await configure(uv, metadata);
    const args = uvCompileArgs({
        ...options,
        ...{ requestFile, output: lock, noDeps: run.noDeps },
        noBinary: words('no-binary'),
        onlyBinary: words('only-binary'),
    });
    const { exitCode, output } = await world.uv.run(command, args, {
        cwd: run.request.workingDirectory,
        env,
        rewrite: (line) => withUserSources(line, generated)
            .replaceAll(options.configFile, "uv's settings")
            .replaceAll(requestFile, 'the requirements'),
        ...(metadata.length === 0 ? {} : { shows: 'successes' }),
    });
    return exitCode === 0 ? { packages: offeredPackages(await wheelhouses.read(lock)) } : { output };
}
/** Returns the user's line that requires a project. */
function gather_with_uv_placeOf(project, { run }) {
    return (0,logic_requirements/* indexRequirements */.zM)(run.requested.lines).find(({ name, constraint }) => name === project && !constraint)?.source;
}
/**
 * Returns the packages of lock files with the addresses that those say.
 * @returns undefined when no lock names any file
 */
async function packagesOfLock({ run, world }) {
    const { requested, request } = run;
    // An address in a lock has no upload time; with a minimum age, its file has to come from an index.
    const links = (requested.lock?.links ?? []).filter(({ isPath }) => isPath || request.releaseAge === undefined);
    if (links.length === 0)
        return undefined;
    const lines = await applicableRequirements(run, world);
    const pins = lines.flatMap(({ name, pin }) => (pin ? [{ name, version: pin }] : []));
    const packages = lockedPackages(pins, links, ({ isPath, location }) => isPath ? (0,external_node_url_.pathToFileURL)(external_node_path_.resolve(request.workingDirectory, location)).href : location);
    const isComplete = packages.every(({ wheels, sdist }) => wheels.length > 0 || sdist);
    return isComplete && packages.length === lines.length ? packages : undefined;
}
/** Brings the wheels of chosen files into the wheelhouse. @throws FillError */
async function gather(uv, chosen) {
    const { run, world } = uv;
    const { index, request, settings, interpreter } = run;
    const client = world.web.open({
        indexes: index.urls,
        trust: index.trust,
        environment: { ...request.environment, ...(0,logic_environment/* proxyVariables */.eq)(settings.text('proxy')) },
        pip: {
            use: 'fallback',
            python: interpreter.executable,
            cwd: request.workingDirectory,
            env: (0,logic_environment/* fillEnvironment */.b3)(request.environment, interpreter.pipConfig, {}, interpreter.keyring),
        },
    });
    const builds = limited((0,external_node_os_.availableParallelism)());
    try {
        return await gather_with_uv_all(chosen.map(async (file) => {
            const earlier = run.earlier.find((wheel) => isEarlier(wheel, file));
            if (earlier !== undefined) {
                const { file: name, sha256, size, origin, sdist } = earlier;
                return { file: name, sha256, size, origin, ...(sdist === undefined ? {} : { sdist }) };
            }
            const directory = file.isWheel
                ? run.wheelhouse
                : await world.wheelhouses.stage(run.workplace);
            const fetched = await fetch(uv, client, file, external_node_path_.join(directory, file.file));
            if (file.isWheel)
                return { file: file.file, ...fetched, origin: 'downloaded' };
            const built = await builds(() => build(uv, file, directory));
            return { ...built, origin: 'built', sdist: fetched.sha256 };
        }));
    }
    finally {
        await client.close();
    }
}
/** Whether a wheel of the wheelhouse is the chosen one, or was built from the chosen sdist. */
function isEarlier(wheel, { file, name, version, sha256, isWheel }) {
    if (wheel.role !== 'runtime' || wheel.url !== undefined)
        return false;
    if (isWheel)
        return wheel.file === file && (sha256 ?? wheel.sha256) === wheel.sha256;
    return (wheel.name === name &&
        (0,logic_names/* sameVersion */.r1)(wheel.version, version) &&
        wheel.origin === 'built' &&
        wheel.sdist !== undefined &&
        (sha256 ?? wheel.sdist) === wheel.sdist);
}
/** @returns its SHA-256 in hex, and its size in bytes @throws FillError */
async function fetch({ world }, client, { file, url, sha256, size, allowed }, to) {
    world.reporter.info(`Downloading ${file}`);
    try {
        const found = url.startsWith('file:')
            ? await world.wheelhouses.copy((0,external_node_url_.fileURLToPath)(url), to, sha256)
            : await client.file(url, to, { sha256, size });
        // An index need not say any hash.
        if (allowed === undefined || allowed.includes(`sha256:${found.sha256}`))
            return found;
        const reason = `its SHA-256 is ${found.sha256}, which the requirements do not allow`;
        throw new web/* WebError */.PH('wrong', reason);
    }
    catch (error) {
        if (!(error instanceof web/* WebError */.PH))
            throw error;
        const reason = `${file} could not be downloaded: ${error.message}.`;
        throw new FillError(reason, error.kind === 'down' ? 'ConnectionError' : 'HTTP error 404');
    }
}
/** Builds the wheel of an sdist. @returns the wheel, in the wheelhouse @throws FillError */
async function build(uv, file, directory) {
    const { run, world, command } = uv;
    const { wheelhouses, reporter } = world;
    const { name, version } = file;
    const output = await wheelhouses.stage(run.workplace);
    const { options, env } = await configure(uv);
    const args = uvBuildArgs({ ...options, output, sdist: external_node_path_.join(directory, file.file) });
    reporter.info(`Building ${name} ${version}`);
    const cwd = run.request.workingDirectory;
    const { exitCode, output: said } = await world.uv.run(command, args, {
        cwd,
        env,
        shows: 'failures',
    });
    const [wheel] = await wheelhouses.measure(output, await wheelhouses.list(output));
    if (exitCode !== 0 || wheel === undefined) {
        throw new FillError(`uv could not build ${name} ${version}. ${(0,pip_output/* adviceFor */.cp)(`Failed to build ${name}\n${said}`)}\n${(0,pip_output/* errorExcerpt */.MS)(said)}`, said, gather_with_uv_placeOf(name, uv));
    }
    const parts = (0,logic_names/* wheelNameParts */.LI)(wheel.file);
    if (parts.name !== name || !(0,logic_names/* sameVersion */.r1)(parts.version, version)) {
        throw new FillError(`The build of ${file.file} gave ${wheel.file}, which is another package.`, '');
    }
    await wheelhouses.move(wheel.file, output, run.wheelhouse);
    return wheel;
}
/** Waits for all, so that no work goes on behind an error. @throws the first error in order */
async function gather_with_uv_all(work) {
    await Promise.allSettled(work);
    return Promise.all(work);
}
/** @returns a function that runs at most so many jobs at the same time */
function limited(count) {
    const waiting = [];
    let free = count;
    return async (job) => {
        if (free > 0)
            free -= 1;
        else
            await new Promise((resolve) => waiting.push(resolve));
        try {
            return await job();
        }
        finally {
            const next = waiting.shift();
            if (next === undefined)
                free += 1;
            else
                next();
        }
    };
}

;// CONCATENATED MODULE: ./lib/fill.js
/**
 * Fills a wheelhouse: gathers the closure of the request, adds what later runs need to build local
 * projects, and describes everything in the manifest. All other wheels are deleted.
 */











/**
 * Makes the wheelhouse of a run complete, in place.
 * @param run its wheelhouse contains the earlier wheels; those that the request's hashes do not admit
 *   are deleted
 * @param options.resume whether to keep what a previous attempt has left in the wheelhouse
 * @param options.effort seconds that it took to make the earlier wheelhouse
 * @returns the manifest, already written with its lock
 * @throws FillError with pip's last words and one sentence of advice
 */
async function fill({ earlier: verified, ...given }, world, { resume, effort }) {
    const start = performance.now();
    const { wheelhouses } = world;
    const { wheelhouse, requested, settings, keys, interpreter } = given;
    const { lines } = requested;
    const hashMode = (0,logic_requirements/* isHashMode */.mD)(lines);
    const rules = hashRules(lines, settings.configured);
    const run = { ...given, earlier: verified.filter((wheel) => isAdmitted(wheel, rules)) };
    if (!resume)
        await wheelhouses.keepOnly(wheelhouse, filesOf(run.earlier));
    const sources = await resolveSources(run, world);
    const relied = hashMode && !run.noDeps ? await installedProjects(run, world, sources) : [];
    const stubs = [...sources.stubs, ...(await writeStubs(run, world, relied))];
    const resolved = [...sources.wheels.map((wheel) => resolvedWheel(run, wheel)), ...stubs];
    const additional = { resolved, stubs: new Set(stubs.map(({ url }) => (0,external_node_url_.fileURLToPath)(url))) };
    const closure = run.uv === undefined
        ? await gatherWithPip(run, world, additional)
        : await gatherWithUv(run, world, additional, run.uv);
    const others = run.earlier.filter(({ role }) => role !== 'runtime');
    await wheelhouses.keepOnly(wheelhouse, filesOf([...closure, ...others]));
    const build = await addBuildRequirements(run, world, sources.builtWith);
    const contents = { closure, build, urlWheels: sources.wheels };
    const wheels = await describe(run, world, contents);
    refuseUnhashed(wheels, rules, run.request.installer);
    const mentioned = mentionedNames([...closure, ...sources.projects]);
    const parts = (0,logic_manifest/* keepableParts */.On)(keys.parts);
    const manifest = {
        interpreter: interpreterIdentity(interpreter),
        request: keys.request,
        sources: keys.sources,
        resolvedAt: world.now().toISOString(),
        wheels,
        direct: [...sources.projects],
        relied: relied
            .filter(({ name }) => mentioned.has(name))
            .map(({ name, version }) => ({ name, version })),
        effort: Math.max(effort, Math.round((performance.now() - start) / 100) / 10),
        python: interpreter.version,
        ...(parts === undefined ? {} : { parts }),
    };
    await wheelhouses.seal(wheelhouse, manifest);
    return { manifest, hasInstalledSources: sources.isInstalled };
}
/**
 * Keeps wheels that the request's hashes do not admit out of the lock, whatever pip's configuration
 * allows and whatever it prints.
 * @throws FillError
 */
function refuseUnhashed(wheels, rules, installer) {
    const refused = wheels.filter((wheel) => !isAdmitted(wheel, rules));
    if (refused.length === 0)
        return;
    throw new FillError(`${installer} chose files that the hashes of the requirements do not allow: ${filesOf(refused).join(', ')}. Run again without the cache (restore-cache: false); if that fails too, compile the requirements again.`, '');
}
/**
 * Returns the installed projects that the request does not name, as if they had no dependencies. With
 * hashes pip takes no dependency that has none, unless the environment already satisfies it, and
 * pip-compile relies on that: it leaves out pip and setuptools. So what is installed takes part in the
 * resolution.
 */
async function installedProjects(run, world, { stubs, wheels }) {
    const named = [...(0,logic_requirements/* indexRequirements */.zM)(run.requested.lines), ...stubs, ...wheels];
    const requested = new Set(named.map(({ name }) => name));
    return ([...(await world.python.installed(run.interpreter))]
        // There can be no stub of a metadata directory with an unusual name.
        .filter(([, version]) => (0,logic_names/* isWheelFileName */.jh)(`stub-${version}-py3-none-any.whl`))
        .filter(([name]) => !requested.has(name))
        .map(([name, version]) => ({ name, version, requires: [] })));
}
/** Returns the names of the projects that others depend on. */
function mentionedNames(projects) {
    const requirements = projects.flatMap(({ requires }) => requires);
    return new Set(requirements.flatMap((text) => {
        const [name] = /^[A-Za-z0-9][A-Za-z0-9._-]*/.exec(text) ?? [];
        return name === undefined ? [] : [(0,logic_names/* normalizeName */.Pc)(name)];
    }));
}
/**
 * Adds the packages that local projects were built with, so that a later run builds them offline.
 * @returns their files
 */
async function addBuildRequirements(run, world, requirements) {
    const present = await world.wheelhouses.list(run.wheelhouse);
    const files = requirements.flatMap((each) => (0,logic_names/* wheelOf */.J_)(each, present) ?? []);
    let missing = requirements.filter((each) => (0,logic_names/* wheelOf */.J_)(each, present) === undefined);
    try {
        // A request can name only one version of a project.
        while (missing.length > 0) {
            const versions = new Map(missing.map(({ name, version }) => [name, version]));
            missing = missing.filter(({ name, version }) => versions.get(name) !== version);
            const lines = [...versions].map(([name, version]) => `${name}==${version}`);
            files.push(...(await addWheels(run, world, plainRequest(lines))).files);
        }
    }
    catch (error) {
        if (!(error instanceof FillError))
            throw error;
        world.reporter.info('Some build requirements of local projects could not be added to the wheelhouse, so the next run will need the index.');
    }
    return files;
}
function filesOf(wheels) {
    return wheels.map(({ file }) => file);
}
/** Returns the manifest's entries; wheels that were verified before keep their origin. */
async function describe(run, world, { closure, build, urlWheels }) {
    const hashesByName = (0,logic_requirements/* requestedHashes */.FN)(run.requested.lines);
    const earlier = new Map(run.earlier.map((wheel) => [wheel.file, wheel]));
    const gathered = new Map(closure.map((wheel) => [wheel.file, wheel]));
    const others = [...new Set(build)].filter((file) => !gathered.has(file));
    const measured = await world.wheelhouses.measure(run.wheelhouse, others);
    const files = [...closure, ...measured].sort((a, b) => (a.file < b.file ? -1 : 1));
    return files.map(({ file, sha256, size }) => {
        const item = gathered.get(file);
        const { name, version } = (0,logic_names/* wheelNameParts */.LI)(file);
        const before = earlier.get(file);
        const fromUrl = urlWheels.findLast((wheel) => wheel.file === file);
        const hashes = item && (fromUrl ? fromUrl.requirement.hashes : hashesByName.get(name));
        // What was downloaded has been checked: a new file that no hash names was built from one that was.
        const isUnnamed = before === undefined &&
            hashes?.every((hash) => hash.startsWith('sha256:')) &&
            !hashes.includes(`sha256:${sha256}`);
        const isBuilt = item?.origin === 'built' || fromUrl?.origin === 'built' || isUnnamed;
        const origin = isBuilt ? 'built' : 'downloaded';
        const sdist = item?.sdist ?? before?.sdist;
        return {
            name,
            project: item?.writtenName ?? name,
            version: item?.version ?? version,
            ...{ file, sha256, size },
            origin: before?.sha256 === sha256 ? before.origin : origin,
            role: item ? 'runtime' : 'build',
            ...(hashes === undefined ? {} : { requestHashes: hashes }),
            ...(fromUrl === undefined ? {} : { url: fromUrl.requirement.shownTarget }),
            ...(sdist === undefined ? {} : { sdist }),
        };
    });
}

;// CONCATENATED MODULE: ./lib/logic/wheel-tags.js
/** The platform tags of each system that has a fixed prefix. */
const prefixes = {
    linux: /^(?:many|musl)?linux/,
    macos: /^macosx/,
    windows: /^win/,
};
const linuxMachine = /_(x86_64|aarch64|i686|armv7l|ppc64le|s390x|riscv64)$/;
const knownMachines = new Set(['x86_64', 'aarch64', 'ppc64le', 's390x', 'riscv64']);
/**
 * Whether a wheel may be for a Python. Most pages list more files for other systems and Pythons than
 * for this one, and pip reads the name of each. What is not known is left to pip: it alone decides.
 * @param file a valid wheel name
 */
function mayFit(file, { implementation, version, os, arch }) {
    const parts = file.slice(0, -'.whl'.length).split('-');
    const first = /^\d/.test(parts[2] ?? '') ? 3 : 2;
    const [pythons, abis, platforms] = parts.slice(first, first + 3).map((part) => part.split('.'));
    const prefix = prefixes[os];
    const isPlatform = (tag) => {
        if (tag === 'any' || prefix === undefined)
            return true;
        if (!prefix.test(tag))
            return false;
        const [, machine] = os === 'linux' ? (linuxMachine.exec(tag) ?? []) : [];
        return machine === undefined || machine === arch || !knownMachines.has(arch);
    };
    if (platforms !== undefined && !platforms.some(isPlatform))
        return false;
    if (implementation !== 'cpython')
        return true;
    const [, minor] = version.split('.').map(Number);
    const isStable = abis?.some((abi) => !/^cp3\d+\w?$/.test(abi)) ?? true;
    return (pythons?.some((tag) => {
        const [, digits] = /^cp3(\d+)$/.exec(tag) ?? [];
        if (digits === undefined)
            return !/^(?:cp2\d*|pp\d+)$/.test(tag);
        return Number(digits) === minor || (isStable && Number(digits) < Number(minor));
    }) ?? true);
}

;// CONCATENATED MODULE: ./lib/gateway.js
/** Opens the gateway through which the programs of a fill ask the indexes. */







/**
 * Opens a gateway to the indexes that a fill uses.
 * @param options.wheelhouse path of the directory with the `earlier` wheels
 * @param options.downloaded files from earlier attempts of this run; the new ones are added
 */
async function openGateway(run, world, index, options) {
    const { trust, urls } = index;
    const { request, interpreter, settings, workplace } = run;
    const indexes = urls.filter((url) => /^https?:/i.test(url)); // pip reads files itself
    if (indexes.length === 0)
        return { index, gateway: undefined };
    const { environment, workingDirectory: cwd } = request;
    const { pipConfig, keyring, netrc, executable: python } = interpreter;
    const isAlways = (0,web/* needsPip */.zg)({
        indexes,
        otherCredentials: keyring || netrc,
        proxy: settings.text('proxy'),
        clientCertificate: settings.text('client-cert'),
        environment,
    });
    const env = (0,logic_environment/* fillEnvironment */.b3)(environment, pipConfig, index.environment, keyring);
    const pip = { use: isAlways ? 'always' : 'fallback', python, cwd, env };
    const { wheelhouse, earlier, downloaded } = options;
    const located = ({ file, sha256 }) => ({
        ...{ file, sha256, path: external_node_path_.join(wheelhouse, file) },
    });
    const rules = hashRules(run.requested.lines, settings.configured);
    const isOffered = ({ origin, role, url, name }) => origin === 'built' && role === 'runtime' && url === undefined && !rules.neverBuilt(name);
    const gateway = await world.gateways.open({
        indexes,
        client: world.web.open({ indexes, trust, environment, pip }),
        directory: workplace,
        atHand: earlier.map(located),
        downloaded,
        built: run.settings.flag('prefer-binary')
            ? []
            : earlier.filter(isOffered).map(({ version, ...wheel }) => ({ version, ...located(wheel) })),
        mayFit: (file) => mayFit(file, interpreter),
        reporter: world.reporter,
    });
    const { PIP_INDEX_URL: first = '', PIP_EXTRA_INDEX_URL: extra = '' } = index.environment;
    const addresses = [first, ...extra.split(' ').filter((url) => url !== '')].map((url) => gateway.urls[indexes.indexOf(url)] ?? url);
    return {
        index: {
            ...index,
            environment: {
                ...index.environment,
                ...(0,logic_environment/* gatewayVariables */.G7)(addresses, environment, settings.configured, external_node_os_.devNull),
            },
        },
        gateway,
    };
}
/** The names of the projects that pip is going to ask for, as far as they are known before. */
function likelyNames({ requested }, earlier) {
    const building = requested.projects.flatMap((project) => project.buildRequires);
    return new Set([...(0,logic_requirements/* indexRequirements */.zM)(requested.lines), ...(0,logic_requirements/* indexRequirementsIn */.SO)(building), ...earlier].map(({ name }) => name));
}

;// CONCATENATED MODULE: ./lib/resolver.js
/** Chooses the pip that chooses files on an index. */


/**
 * Returns the environment's own pip, or, where the input minimum-release-age needs another one, a pip
 * that is installed for this purpose. Where uv resolves, pip only builds local projects. The age counts
 * from now.
 * @throws UserError when no pip can enforce the minimum
 */
async function chooseResolver(run, world) {
    const { releaseAge } = run.request;
    const own = { version: run.interpreter.pip ?? '', path: undefined };
    if (releaseAge === undefined)
        return { ...own, environment: {}, releaseAge: undefined };
    const latest = (0,release_age/* latestUpload */.tD)(releaseAge, world.now());
    const age = `Minimum release age: ${(0,release_age/* releaseAgeText */._l)(releaseAge)}.`;
    if (run.uv !== undefined && (0,logic_requirements/* directRequirements */.S8)(run.requested.lines).length === 0) {
        world.reporter.info(`${age} uv leaves out files that were uploaded after ${latest}.`);
        return { ...own, environment: {}, releaseAge: (0,release_age/* ageText */.XG)(releaseAge) };
    }
    const pip = (0,release_age/* enforcerOf */.ic)(releaseAge, run.interpreter) === 'own' ? own : await fetchPip(run, world);
    world.reporter.info(`${age} pip ${pip.version} leaves out files that were uploaded after ${latest}.`);
    return {
        ...pip,
        environment: {
            PIP_UPLOADED_PRIOR_TO: latest,
            WHEELHOUSE_AGE_EXCEPT: releaseAge.except.join(' '),
        },
        releaseAge: (0,release_age/* ageText */.XG)(releaseAge),
    };
}
/** The environment's own pip stays what it is, and installs. */
async function fetchPip({ request, tools }, { python }) {
    const { version, requirements } = release_age/* fetchedPip */.$q;
    const tool = { name: 'pip', shown: `pip ${version}`, requirements };
    const { venv } = await tools.prepare(tool, 'minimum-release-age');
    const { sitePackages } = await python.probe({ ...request, venv });
    return { version, path: sitePackages };
}

;// CONCATENATED MODULE: ./lib/supply.js
/**
 * Supplies a run with a complete wheelhouse: one that was found and serves as it is, one that is
 * filled from an index, or the last good one while no index can be used.
 */








/**
 * Completes the wheelhouse that was found.
 * @throws UserError when pip can't fill it and no last good set can stand in
 */
async function supply(run, world, found) {
    const { reporter } = world;
    if (found.state === 'serves') {
        reporter.info(`Exact cache hit (${found.origin.name}); no index requests needed.`);
        return { how: 'restored', found, manifest: found.base.manifest };
    }
    const hit = found.state === 'usable' ? `Partial hit (${found.origin.name})` : 'Miss';
    reporter.info(`${hit}: ${found.reason}.`);
    try {
        const fill = await run.timer.time('fill', () => fillFromBestIndex(run, world, found));
        return { how: 'filled', found, ...fill };
    }
    catch (error) {
        const isDown = error instanceof IndexDown || (error instanceof FillError && error.unreachable);
        if (!isDown || found.state !== 'usable' || !found.isComplete)
            throw error;
        return restoreLastGood(world, found, error.message);
    }
}
/** @returns the key to save a wheelhouse under; undefined when there is nothing to save */
function saveKeyOf(supplied) {
    if (supplied.how !== 'filled')
        return undefined;
    const { found, manifest } = supplied;
    const isSaved = found.state === 'usable' &&
        found.isComplete &&
        found.origin.kind === 'cache' &&
        found.origin.isExact &&
        found.base.faults.length === 0 &&
        // Where a project has other dependencies, the entry would be refilled in every run.
        JSON.stringify(found.base.manifest.direct) === JSON.stringify(manifest.direct) &&
        (0,logic_manifest/* sameWheels */.HO)(found.base.manifest.wheels, manifest.wheels);
    return isSaved ? undefined : found.saveKey;
}
/** @returns what to save of a filled wheelhouse; undefined for everything */
function changeOf({ found, manifest }) {
    if (found.state !== 'usable' || found.origin.kind !== 'cache')
        return undefined;
    // A change upon damage would be damaged too.
    if (found.base.faults.length > 0)
        return undefined;
    return (0,change_entry/* changeUpon */.XR)(found.origin.full, manifest.wheels);
}
/** Puts the wheels of a wheelhouse back that was made for this very request. */
async function restoreLastGood({ reporter, wheelhouses, now }, found, message) {
    const { manifest } = found.base;
    const [reason = ''] = message.split('\n');
    reporter.warning(`${reason} Installing the last good set of these requirements, which is ${(0,freshness/* age */.KW)(manifest.resolvedAt, now())} old.`);
    await wheelhouses.seal(found.directory, manifest);
    return { how: 'last good', found, manifest };
}
/** Fills from the healthy index; a mirror that fails meanwhile gives way to its index. */
async function fillFromBestIndex(run, world, found) {
    const base = found.state === 'nothing' ? undefined : found.base;
    const downloaded = [];
    const fillFrom = (index, resume) => world.reporter.group('Fill the wheelhouse', async () => {
        world.reporter.info(`Index: ${index.shown || 'none'} (${index.why}).`);
        const effort = base?.manifest.effort ?? 0;
        const earlier = base?.sound ?? [];
        const wheelhouse = found.directory;
        const opened = await openGateway(run, world, index, { wheelhouse, earlier, downloaded });
        try {
            if (run.uv === undefined)
                opened.gateway?.fetchAhead(likelyNames(run, earlier));
            const fillRun = { ...run, ...opened, resolver, wheelhouse, earlier };
            return await fill(fillRun, world, { resume, effort });
        }
        finally {
            await opened.gateway?.close();
        }
    });
    const index = await chooseIndex(run, world);
    const resolver = await chooseResolver(run, world);
    try {
        return { ...(await fillFrom(index, false)), index };
    }
    catch (error) {
        if (!(error instanceof FillError))
            throw error;
        if (index.doubt !== undefined) {
            throw new IndexDown(`The index ${index.shown} can't be used: ${index.doubt}.`);
        }
        if (!error.maybeIndex)
            throw error;
        if (index.role !== 'mirror') {
            // pip takes a page that it could not get for one without files: ask for the true reason.
            await checkIndex(run, world);
            throw error;
        }
        const other = await indexAfterMirror(run, world, 'pip failed with it');
        return { ...(await fillFrom(other, true)), index: other };
    }
}

;// CONCATENATED MODULE: ./lib/timer.js
class Timer {
    #start = performance.now();
    #phases = [];
    /** Finished phases, in the order in which they ended; some run at the same time. */
    get phases() {
        return this.#phases;
    }
    /** Seconds since the run started. */
    get seconds() {
        return (performance.now() - this.#start) / 1000;
    }
    /** Does the work of a phase. */
    async time(name, work) {
        const start = performance.now();
        try {
            return await work();
        }
        finally {
            this.#phases.push({ name, seconds: (performance.now() - start) / 1000 });
        }
    }
}

// EXTERNAL MODULE: ./lib/logic/lock-tools.js
var lock_tools = __nccwpck_require__(1413);
;// CONCATENATED MODULE: ./lib/export-lock.js
/** Reads the lock of a tool through the tool's own exporter. */





/**
 * Exports everything that the tool itself would install by default, and what the request selects.
 * @param file a lock for which `lockToolOf` names a tool
 * @param install installs a tool that is not on PATH
 * @returns the lock, and the command of the tool that has read it
 * @throws UserError in the tool's own words, such as for a lock that is out of date
 */
async function exportLock(file, { request, interpreter }, world, install) {
    const { wheelhouses } = world;
    const lock = await readToolLock(request, file, world);
    const python = interpreter.executable;
    const { commands, files } = (0,lock_tools/* exportOf */.yN)(lock, request, python);
    const directory = external_node_path_.dirname(file.location);
    const workplace = await wheelhouses.workplace(request.temporary);
    try {
        const home = await wheelhouses.stage(workplace);
        const copies = await wheelhouses.stage(workplace);
        for (const [name, text] of Object.entries(files ?? {})) {
            await wheelhouses.write(external_node_path_.join(copies, name), text);
        }
        const cwd = files === undefined ? directory : copies;
        const env = (0,lock_tools/* exportEnvironment */.qw)(lock.tool, request.environment, {
            ...{ home, python, nullDevice: external_node_os_.devNull },
        });
        // Even "--help" makes Poetry and PDM load plugins from where they run.
        const command = await commandOf(lock, { cwd: copies, env }, world, install);
        const run = (args) => world.lockTools.run(command, args, { cwd, env });
        let result;
        for (const { args, online } of commands) {
            result = await run(args);
            if (online !== undefined && result.exitCode !== 0 && (0,lock_tools/* needsNetwork */.WC)(result.output)) {
                result = await run(online);
            }
            if (result.exitCode !== 0)
                throw (0,lock_tools/* exportFailure */.VN)(lock, result.output);
        }
        const relative = external_node_path_.relative(request.workingDirectory, directory);
        const exported = (0,lock_tools/* readExport */.Jb)(lock, result?.stdout ?? '', {
            ...request,
            ranIn: result?.ranIn ?? cwd,
            directory: relative === '' ? '.' : relative.split(external_node_path_.sep).join('/'),
            defaultIndex: interpreter.defaultIndex,
        });
        return { ...exported, command };
    }
    finally {
        await wheelhouses.remove(workplace);
    }
}
/** @returns the tool on PATH, or one that is installed */
async function commandOf({ tool, shown }, place, { lockTools, reporter }, install) {
    const found = await lockTools.onPath(tool, place);
    if ('command' in found) {
        reporter.info(`Reading ${shown} with the ${tool} on PATH.`);
        return found.command;
    }
    reporter.info(`${shown} is read by ${tool}, and ${found.reason}.`);
    const { venv } = await install(tool);
    return process.platform === 'win32'
        ? external_node_path_.join(venv, 'Scripts', `${tool}.exe`)
        : external_node_path_.join(venv, 'bin', tool);
}
/** Reads a lock and the file beside it that states what is locked. */
async function readToolLock(request, { location, shown }, { sources }) {
    const tool = lockToolOf(external_node_path_.basename(location));
    if (tool === undefined)
        throw new Error(`${shown} is not the lock of a tool`);
    const { projectFile, lockCommand } = (0,lock_tools/* traitsOf */.JC)(tool);
    const lock = await sources.readInside(request, location);
    const beside = external_node_path_.join(external_node_path_.dirname(location), projectFile);
    const project = await sources.readInside(request, beside).catch((error) => {
        throw new errors/* UserError */.yo(`${shown} can't be used without the ${projectFile} beside it, which can't be read: ${(0,errors/* messageOf */.bD)(error)}. Add the file, and run "${lockCommand}" if it has changed.`, { file: shown });
    });
    return { tool, shown, lock, project };
}

;// CONCATENATED MODULE: ./lib/tools.js
/**
 * Programs that a run needs and the machine lacks. Each is a request of its own, pinned with hashes
 * in this action, so that it comes from the user's index, is cached like any other wheelhouse, and is
 * verified by hash whoever wrote the cache.
 */





/** The first uv whose resolution lists only files that fit the interpreter. */
const oldestUv = [0, 11];
/** The tools of one run. */
class Tools {
    /** The wheelhouses of tools that the post step has to save. */
    states = [];
    #request;
    #interpreter;
    #world;
    #run;
    #uv;
    #prepared = new Map();
    constructor(request, interpreter, world, install) {
        this.#request = request;
        this.#interpreter = interpreter;
        this.#world = world;
        this.#run = install;
    }
    /**
     * Installs a tool into an environment of its own, once.
     * @param purpose for messages, such as `poetry.lock`
     * @throws UserError when it can't be installed
     */
    prepare(tool, purpose) {
        const known = this.#prepared.get(tool.name) ?? this.#prepare(tool, purpose);
        this.#prepared.set(tool.name, known);
        return known;
    }
    /**
     * Finds the uv that resolves, builds and installs: the one on PATH, or a pinned one. It is looked
     * for once, from the first call on.
     * @returns its command
     * @throws UserError when it can't be installed
     */
    uv() {
        this.#uv ??= this.#findUv();
        this.#uv.catch(() => { }); // Whoever needs it gets the error.
        return this.#uv;
    }
    /**
     * Reads the lock of uv, Poetry, PDM or pipenv through the tool's own exporter.
     * @throws UserError in the tool's own words, such as for a lock that is out of date
     */
    exportLock(file) {
        const run = { request: this.#request, interpreter: this.#interpreter };
        return exportLock(file, run, this.#world, (name) => {
            const requirements = this.#world.lockTools.requirements(name);
            return this.prepare({ name, requirements }, file.shown);
        });
    }
    async #findUv() {
        const { uv, reporter, lockTools, wheelhouses } = this.#world;
        const { environment, temporary } = this.#request;
        const found = await uv.onPath(environment);
        const oldest = oldestUv.join('.');
        if (found !== undefined && !(0,logic_names/* isOlderPip */.Ui)(found.version, oldestUv)) {
            reporter.info(`Using uv ${found.version} from PATH.`);
            return found.command;
        }
        const requirements = lockTools.requirements('uv');
        const [, version = ''] = /^uv==(\S+)/m.exec(requirements) ?? [];
        reporter.info(found === undefined
            ? `There is no uv on PATH; using uv ${version}.`
            : `The uv on PATH is ${found.version}, older than ${oldest}; using uv ${version}.`);
        const { wheelhouse } = await this.#install({ name: 'uv', shown: `uv ${version}`, requirements }, 'installer: uv', undefined);
        const [wheel] = await wheelhouses.list(wheelhouse);
        if (wheel === undefined)
            throw new Error(`${wheelhouse} has no wheel of uv`);
        const directory = await wheelhouses.workplace(temporary);
        return uv.unpack(this.#interpreter, external_node_path_.join(wheelhouse, wheel), directory);
    }
    async #prepare(tool, purpose) {
        const venv = external_node_path_.join(this.#directoryOf(tool), 'venv');
        const { shown = tool.name } = tool;
        this.#world.reporter.info(`Installing ${shown}, which ${purpose} needs, into an environment of its own.`);
        return { wheelhouse: (await this.#install(tool, purpose, venv)).wheelhouse, venv };
    }
    #directoryOf({ name, requirements }) {
        const directory = `${name}-${(0,digest/* digest */.b)([requirements]).slice(0, 16)}`;
        return external_node_path_.join(this.#request.temporary, 'wheelhouse-tools', directory);
    }
    /** @param venv where it is installed; undefined for nothing but its wheelhouse */
    async #install(tool, purpose, venv) {
        const { name, shown = name, requirements } = tool;
        const directory = this.#directoryOf(tool);
        const { wheelhouses } = this.#world;
        await wheelhouses.write(external_node_path_.join(directory, 'requirements.txt'), requirements);
        try {
            const request = toolRequest(this.#request, this.#interpreter, name, directory, venv);
            const { states, wheelhouse } = await this.#run(request, this.#worldFor(venv));
            this.states.push(...states);
            return { wheelhouse };
        }
        catch (error) {
            if (!(error instanceof errors/* UserError */.yo))
                throw error;
            throw new errors/* UserError */.yo(`${purpose} needs ${shown}, which is not there and could not be installed: ${(0,errors/* messageOf */.bD)(error)} Install ${shown} before this step.`);
        }
    }
    /** What only needs a wheelhouse runs beside the main run: its log has no groups of its own. */
    #worldFor(venv) {
        const { reporter, python } = this.#world;
        if (venv !== undefined)
            return this.#world;
        return {
            ...this.#world,
            reporter: {
                ...reporter,
                group(title, work) {
                    reporter.info(title);
                    return work();
                },
            },
            python: { ...python, probe: async () => withoutPackages(this.#interpreter) },
        };
    }
}
/** Settings of pip that are about the user's packages, and would break those of a tool. */
const packageSettings = /^PIP_(?:CONSTRAINT|BUILD_CONSTRAINT|NO_BINARY|ONLY_BINARY|NO_DEPS|PRE|REQUIRE_HASHES|UPLOADED_PRIOR_TO)$/i;
/** The interpreter as if nothing were installed and no setting were about the user's packages. */
function withoutPackages(interpreter) {
    const settings = Object.entries(interpreter.pipConfig).filter(([key]) => {
        const [, name = ''] = /^:env:\.(.*)$/.exec(key) ?? [];
        return !packageSettings.test(`PIP_${name.replaceAll('-', '_')}`);
    });
    return { ...interpreter, searchPath: [], pipConfig: Object.fromEntries(settings) };
}
/** The user's request, for a tool instead of the user's packages. */
function toolRequest(request, { executable }, name, directory, venv) {
    const { cacheSuffix, environment } = request;
    return {
        ...request,
        workspace: directory,
        directory,
        workingDirectory: directory,
        requirements: ['requirements.txt'],
        projects: [],
        isOpen: false,
        packages: [],
        constraints: [],
        extras: [],
        groups: [],
        cacheDependencyPath: [],
        python: executable,
        venv,
        installer: 'pip',
        install: venv !== undefined,
        wheelhouse: undefined,
        // Its versions are pinned in this action, so they neither age nor change.
        releaseAge: undefined,
        refresh: 'never',
        recheck: 'never',
        // A restore for the user's packages must never find a tool's wheelhouse, nor the reverse.
        cacheSuffix: [...(cacheSuffix === '' ? [] : [cacheSuffix]), 'tool', name].join('-'),
        environment: Object.fromEntries(Object.entries(environment).filter(([key]) => !packageSettings.test(key))),
    };
}

;// CONCATENATED MODULE: ./lib/install.js
/**
 * The story of one run: read the request, find a wheelhouse, complete it where something is missing,
 * install from it, put it into its place.
 */


















/**
 * Runs the main step.
 * @throws UserError for everything that the user can fix; other errors are bugs in this program
 */
async function install(given, world) {
    const { reporter, store, wheelhouses } = world;
    const timer = new Timer();
    hideInputs(given, reporter);
    const request = await completeRequest(given, world);
    if (request.restoreCache && store.unavailable === undefined)
        store.warmUp();
    const prepared = await timer.time('python', () => prepareInterpreter(request, world));
    const tools = new Tools(request, prepared.interpreter, world, install);
    // It may have to be restored itself, beside everything else.
    if (request.installer === 'uv' && request.install)
        tools.uv();
    const keyed = await timer.time('read', () => readRequestWithKeys(request, prepared.interpreter, world, tools));
    await reportKeys(keyed, reporter);
    const workplace = await wheelhouses.workplace(request.temporary);
    try {
        const scratch = await wheelhouses.stage(workplace);
        const place = request.wheelhouse ?? defaultPlace(request, keyed.keys);
        const { interpreter, makeVenv } = prepared;
        const known = { ...keyed, interpreter, place, workplace, scratch, timer, tools };
        const [found, venv] = await both(timer.time('restore', () => findWheelhouse(known, world)), makeVenv === undefined ? undefined : timer.time('venv', makeVenv));
        const run = { ...known, interpreter: venv ?? interpreter };
        let supplied = await supply(run, world, found);
        supplied = await installSupply(run, world, supplied);
        const wheelhouse = await publish(run, world, supplied);
        return {
            request,
            requested: run.requested,
            report: reportOf(run, supplied),
            states: [...tools.states, ...statesOf(run, supplied, wheelhouse, store)],
            wheelhouse,
            interpreter: run.interpreter,
        };
    }
    finally {
        await wheelhouses.remove(workplace);
    }
}
/** What the post step saves of a run. */
function statesOf({ request }, supplied, wheelhouse, { sharesFiles }) {
    const key = request.saveCache ? saveKeyOf(supplied) : undefined;
    if (key === undefined)
        return [];
    const manifest = (0,logic_manifest/* manifestDigest */.It)(supplied.manifest);
    const change = sharesFiles ? undefined : changeOf(supplied);
    return [{ wheelhouse, key, manifest, ...(change === undefined ? {} : { change }) }];
}
/**
 * Installs, if the request says so; a restored wheelhouse that turns out not to fit gives way to
 * another one.
 * @returns the supply that was installed
 */
async function installSupply(run, world, first) {
    const rejected = new Set();
    let key;
    for (let supplied = first;;) {
        const obstacle = (await withdrawal(run, world, supplied)) ?? (await tryInstall(run, world, supplied));
        if (obstacle === undefined || supplied.how !== 'restored')
            return supplied;
        const { found } = supplied;
        if (obstacle.kind !== 'damage') {
            rejected.add(found.origin.name);
            key = obstacle.kind === 'sources' ? obstacle.key : undefined;
        }
        if (obstacle.kind === 'wheels') {
            // Content of a cache must not fail a job: without it, pip might have installed everything.
            world.reporter.warning(`The wheelhouse from ${found.origin.name} could not be installed and is not used: ${obstacle.reason}`);
        }
        if (obstacle.kind === 'withdrawn') {
            world.reporter.warning(`The wheelhouse from ${found.origin.name} is out of date: ${obstacle.reason}. Resolving again.`);
        }
        const damaged = obstacle.kind === 'damage' ? { ...found, base: obstacle.intact } : undefined;
        const next = await run.timer.time('restore', () => findWheelhouse(run, world, { rejected, damaged, key }));
        supplied =
            (obstacle.kind === 'sources' || obstacle.kind === 'withdrawn') && next.state !== 'serves'
                ? // No other entry fits either, and most of this one still does.
                    await supply(run, world, await outdated(found, world, obstacle, next.saveKey))
                : await supply(run, world, next);
    }
}
/** Prepares a wheelhouse that would serve, if local projects or its index did not object. */
async function outdated({ directory, origin, base }, { wheelhouses }, obstacle, saveKey) {
    const { kind, reason } = obstacle;
    const verified = await wheelhouses.verify(directory, base);
    const isWithdrawn = (wheel) => kind === 'withdrawn' && obstacle.wheels.some(({ file }) => file === wheel.file);
    const sound = verified.sound.filter((wheel) => !isWithdrawn(wheel));
    await wheelhouses.keepOnly(directory, sound.map(logic_manifest/* wheelPath */.NV));
    await wheelhouses.reopen(directory);
    return {
        ...{ state: 'usable', directory, origin, base: { ...verified, sound } },
        mismatch: kind === 'sources' ? 'request' : 'wheels',
        ...{ reason, isComplete: kind === 'sources', saveKey },
    };
}
/** Asks the index about a restored wheelhouse before it is installed, if it is its turn. */
async function withdrawal(run, world, { how, found }) {
    if (how !== 'restored')
        return undefined;
    const wheels = await recheck(run, world, found);
    if (wheels.length === 0)
        return undefined;
    const names = wheels.map(({ project, version }) => `${project} ${version}`).join(', ');
    return { kind: 'withdrawn', wheels, reason: `the index no longer offers ${names}` };
}
/** @throws UserError when an installation fails that another wheelhouse would not help */
async function tryInstall(run, world, supplied) {
    const installRun = {
        ...run,
        wheelhouse: supplied.found.directory,
        manifest: supplied.manifest,
    };
    const { request, settings } = run;
    const intact = await run.timer.time('restore', () => install_intactPart(installRun, world, supplied));
    if (intact)
        return { kind: 'damage', intact };
    if (!request.install)
        return checkSources(installRun, world, supplied);
    // First, so that nothing is installed that the projects no longer need. Without isolation a build
    // may need what the lock installs.
    const [first, then] = isolatesBuilds(settings)
        ? [checkSources, tryInstallLock]
        : [tryInstallLock, checkSources];
    return (await first(installRun, world, supplied)) ?? (await then(installRun, world, supplied));
}
/**
 * Hashes the wheels that the installer may not hash.
 * @returns the wheelhouse without those that are damaged; undefined when there are none
 */
async function install_intactPart({ request, requested, interpreter }, { python, wheelhouses }, { how, found, manifest }) {
    // A wheelhouse that does not serve has been verified when it was found.
    if (how !== 'restored')
        return undefined;
    const wheels = wheelsToHash(manifest.wheels, {
        isInstalled: request.install,
        hasBuilds: (0,logic_requirements/* directRequirements */.S8)(requested.lines).some((line) => !(0,logic_requirements/* isCacheable */.TZ)(line)),
        present: await python.present(interpreter),
    });
    const verified = await wheelhouses.verify(found.directory, found.base, wheels);
    return verified.sound.length < found.base.sound.length ? verified : undefined;
}
/** @throws UserError when the lock can't be installed, and another wheelhouse would not help */
async function tryInstallLock(run, world, { how }) {
    try {
        await run.timer.time('install', () => installLock(run, world));
        return undefined;
    }
    catch (error) {
        const isFoundToBlame = error instanceof InstallError && error.maybeWheels;
        if (how !== 'restored' || !isFoundToBlame)
            throw error;
        if (error.intact)
            return { kind: 'damage', intact: error.intact };
        const [, reason = error.message] = error.message.split('\n');
        return { kind: 'wheels', reason };
    }
}
/**
 * Installs local projects, or only reads their metadata.
 * @throws UserError when they can't be built, and another wheelhouse would not help
 */
async function checkSources(run, world, supplied) {
    if (supplied.how === 'filled') {
        const isLeftToUv = run.requested.lock?.uv !== undefined;
        if (!run.request.install || (supplied.hasInstalledSources && !isLeftToUv))
            return undefined;
    }
    const drift = await run.timer.time('local projects', () => installSources(run, world));
    if (drift === undefined)
        return undefined;
    if (supplied.how === 'restored') {
        const { reason, needs } = drift;
        const key = needs && variantOf(run.keys.primary, needs);
        return { kind: 'sources', reason, key };
    }
    if (drift.failure !== undefined)
        throw new errors/* UserError */.yo(drift.failure);
    return undefined;
}
/** Waits for both even when one fails, so that no work goes on behind an error. */
async function both(one, other) {
    await Promise.allSettled([one, other]);
    return Promise.all([one, other]);
}
/**
 * Puts the wheelhouse into its place; where that can't be written, into the default place, as the
 * packages are installed all the same.
 * @returns where it is
 */
async function publish(run, world, { how, found, manifest }) {
    const { place, request, keys } = run;
    const isInPlace = how === 'restored' && found.origin.kind === 'disk';
    if (isInPlace && (await hasLocks(place, manifest, world)))
        return place;
    try {
        await world.wheelhouses.publish(found.directory, place);
        return place;
    }
    catch (error) {
        const fallback = defaultPlace(request, keys);
        if (place === fallback)
            throw error;
        world.reporter.warning(`The wheelhouse could not be written to ${place}: ${(0,errors/* messageOf */.bD)(error)}. It is in ${fallback}.`);
        await world.wheelhouses.publish(found.directory, fallback);
        return fallback;
    }
}
/** Whether the locks of a wheelhouse are those of its manifest: nobody has verified them. */
async function hasLocks(place, { wheels }, { wheelhouses }) {
    const locks = Object.entries((0,logic_manifest/* lockTexts */.wM)(wheels)).map(async ([file, text]) => {
        const found = await wheelhouses.read(external_node_path_.join(place, file)).catch(() => undefined);
        return found === text;
    });
    return (await Promise.all(locks)).every(Boolean);
}
function reportKeys({ keys, requested }, reporter) {
    return reporter.group('Cache key', async () => {
        reporter.info(keys.primary);
        for (const [name, value] of keys.components)
            reporter.info(`  ${name}: ${value}`);
        for (const file of requested.files)
            reporter.info(`  file: ${file.path} (${file.lines} lines)`);
        for (const project of requested.projects)
            reporter.info(`  project: ${project.shown}`);
        for (const line of requested.lines)
            reporter.info(`    ${withoutHashes(line.shown)}`);
    });
}
/** A lock may have hundreds of hashes in one line. */
function withoutHashes(shown) {
    const [text = '', ...hashes] = shown.split(/\s+(?=--hash=)/);
    return hashes.length > 1 ? `${text} (${hashes.length} hashes)` : shown;
}
const hits = { serves: 'exact', usable: 'partial', nothing: 'miss' };
function reportOf({ keys, timer, request }, supplied) {
    const { found, manifest } = supplied;
    const origin = found.state === 'nothing' ? undefined : found.origin;
    return {
        hit: hits[found.state],
        primaryKey: keys.primary,
        matchedKey: origin?.kind === 'cache' ? origin.name : undefined,
        before: found.state === 'nothing' ? [] : found.base.sound,
        wheels: manifest.wheels,
        direct: manifest.direct.map((project) => project.name),
        effort: manifest.effort,
        phases: timer.phases,
        seconds: timer.seconds,
        index: supplied.how === 'filled' ? supplied.index : undefined,
        releaseAge: request.releaseAge && (0,release_age/* releaseAgeText */._l)(request.releaseAge),
    };
}


/***/ }),

/***/ 9839:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   d: () => (/* binding */ cachePolicy),
/* harmony export */   k: () => (/* binding */ workflowEvent)
/* harmony export */ });
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


/***/ }),

/***/ 3385:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   Hp: () => (/* binding */ parseBase),
/* harmony export */   Kr: () => (/* binding */ changeSchema),
/* harmony export */   P$: () => (/* binding */ fullEntryOf),
/* harmony export */   Tq: () => (/* binding */ formatBase),
/* harmony export */   XR: () => (/* binding */ changeUpon),
/* harmony export */   cK: () => (/* binding */ baseFile),
/* harmony export */   tZ: () => (/* binding */ maxBaseBytes)
/* harmony export */ });
/* unused harmony export sizeOf */
/* harmony import */ var _manifest_js__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(4649);
/* harmony import */ var _schema_js__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(3227);
/**
 * Change entries: entries of a store that leave out the wheels which another entry, their base, has.
 * A base is always a full entry, so that restoring needs two entries at most. See
 * docs/decisions/0010-change-entries.md.
 */


/** The file that makes an entry a change. */
const baseFile = 'base.json';
/** A longer one is not ours, and is not read. */
const maxBaseBytes = 4096;
const referenceSchema = (0,_schema_js__WEBPACK_IMPORTED_MODULE_1__/* .object */ .Ik)({
    /** The key of the full entry. Also shown, so its characters are limited. */
    key: (0,_schema_js__WEBPACK_IMPORTED_MODULE_1__/* .lineOf */ .cA)('a cache key', (text) => /^[a-z0-9._-]{1,512}$/.test(text)),
    /** Bytes of the wheels in the full entry. */
    size: _schema_js__WEBPACK_IMPORTED_MODULE_1__/* .byteCount */ .GJ,
    /** Bytes of the wheels in this change and in those that it followed on the same full entry. */
    saved: _schema_js__WEBPACK_IMPORTED_MODULE_1__/* .byteCount */ .GJ,
});
const changeSchema = (0,_schema_js__WEBPACK_IMPORTED_MODULE_1__/* .object */ .Ik)({
    base: referenceSchema,
    /** Paths of the wheels that the base lacks, relative to the wheelhouse. */
    wheels: (0,_schema_js__WEBPACK_IMPORTED_MODULE_1__/* .list */ .p_)(_schema_js__WEBPACK_IMPORTED_MODULE_1__/* .line */ .n8),
});
/** The largest part of a wheelhouse that may be new, and that may be superfluous in the base. */
const maxShare = 1 / 4;
/** Bytes that a change has to save to be worth a second entry in each restore. */
const minSaving = 64 * 1024;
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
    return { base: { key, size, saved }, wheels: added.map(_manifest_js__WEBPACK_IMPORTED_MODULE_0__/* .wheelPath */ .NV) };
}
/**
 * The full entry behind a restored wheelhouse without faults.
 * @param wheels of its manifest
 * @param change the base, and the paths of the wheels that it contributed; undefined for a full entry
 */
function fullEntryOf(key, wheels, change) {
    if (change === undefined)
        return { key, size: sizeOf(wheels), saved: 0, wheels };
    return { ...change.base, wheels: wheels.filter((wheel) => change.moved.has((0,_manifest_js__WEBPACK_IMPORTED_MODULE_0__/* .wheelPath */ .NV)(wheel))) };
}
/** The same file in the same place. */
function identity(wheel) {
    return `${(0,_manifest_js__WEBPACK_IMPORTED_MODULE_0__/* .wheelPath */ .NV)(wheel)} ${wheel.sha256}`;
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
        if (!(error instanceof _schema_js__WEBPACK_IMPORTED_MODULE_1__/* .SchemaError */ .Ar || error instanceof SyntaxError))
            throw error;
        const reason = error instanceof _schema_js__WEBPACK_IMPORTED_MODULE_1__/* .SchemaError */ .Ar ? error.message : 'it is not JSON';
        throw new _manifest_js__WEBPACK_IMPORTED_MODULE_0__/* .ManifestError */ .Sh(`${baseFile} is not valid: ${reason}`);
    }
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
/* harmony export */   AF: () => (/* binding */ buildEnvironment),
/* harmony export */   G7: () => (/* binding */ gatewayVariables),
/* harmony export */   JK: () => (/* binding */ offlineEnvironment),
/* harmony export */   b3: () => (/* binding */ fillEnvironment),
/* harmony export */   cx: () => (/* binding */ environmentForPrograms),
/* harmony export */   dF: () => (/* binding */ uvEnvironment),
/* harmony export */   eq: () => (/* binding */ proxyVariables),
/* harmony export */   fp: () => (/* binding */ temporaryVariables)
/* harmony export */ });
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
const buildSettings = [
    'build-constraint',
    'build-option',
    'config-settings',
    'constraint',
    'global-option',
    'no-build-isolation',
    'use-pep517',
];
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

/***/ 2933:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   KW: () => (/* binding */ age),
/* harmony export */   QO: () => (/* binding */ recheckPeriods),
/* harmony export */   Ys: () => (/* binding */ refreshPeriods),
/* harmony export */   iE: () => (/* binding */ period),
/* harmony export */   pL: () => (/* binding */ isFresh)
/* harmony export */ });
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


/***/ }),

/***/ 4260:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   Lk: () => (/* binding */ hasCredentials),
/* harmony export */   O7: () => (/* binding */ indexesOf),
/* harmony export */   RQ: () => (/* binding */ confusionWarning),
/* harmony export */   bt: () => (/* binding */ isSameIndex),
/* harmony export */   g1: () => (/* binding */ indexVariables),
/* harmony export */   oC: () => (/* binding */ isSecureOrigin),
/* harmony export */   xr: () => (/* binding */ probeCandidates)
/* harmony export */ });
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(5895);
/* harmony import */ var _requirements_js__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(7692);
/* harmony import */ var _secrets_js__WEBPACK_IMPORTED_MODULE_2__ = __nccwpck_require__(3983);
/** The package indexes of a run, and which of them pip may use. */



/**
 * The indexes that a run may use.
 * @returns undefined when pip is configured to use none
 */
function indexesOf(request, interpreter, settings) {
    const { trustedHosts, username, password, mirror } = request.index;
    if (settings.flag('no-index'))
        return undefined;
    const named = settings.text('index-url');
    const configured = settings.configured.get('index-url') ?? interpreter.defaultIndex;
    if (username !== undefined && named !== undefined && !isSameIndex(named, configured)) {
        // The author of a requirement file must not get the credentials.
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .UserError */ .yo(`The inputs index-username and index-password are set, but a requirement file names another index than pip's configuration (--index-url ${(0,_secrets_js__WEBPACK_IMPORTED_MODULE_2__/* .shownAddress */ .Uk)(named)}). Set the input index-url to the index that the credentials are for.`);
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
function isSameIndex(one, other) {
    return (0,_secrets_js__WEBPACK_IMPORTED_MODULE_2__/* .withoutSecrets */ .cT)(one).replace(/\/*$/, '') === (0,_secrets_js__WEBPACK_IMPORTED_MODULE_2__/* .withoutSecrets */ .cT)(other).replace(/\/*$/, '');
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
function indexVariables({ extra, trustedHosts }, url) {
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
        : `uv installs from the first that has a package, and asks ${(0,_secrets_js__WEBPACK_IMPORTED_MODULE_2__/* .shownAddress */ .Uk)(all[0] ?? '')} last`;
    return `Packages come from ${all.length} indexes (${all.map(_secrets_js__WEBPACK_IMPORTED_MODULE_2__/* .shownAddress */ .Uk).join(', ')}), one of which is private. ${rule}, so an attacker who registers the name of your package on another index can replace it (dependency confusion). Let the private index proxy the public one (an upstream or remote repository) and use only that, or pin with --hash.`;
}
/** The projects whose page can show whether an index is healthy: those of the request, in order. */
function probeCandidates(requested) {
    const building = requested.projects.flatMap((project) => project.buildRequires);
    return [
        ...(0,_requirements_js__WEBPACK_IMPORTED_MODULE_1__/* .indexRequirements */ .zM)(requested.lines).filter((line) => !line.constraint),
        ...(0,_requirements_js__WEBPACK_IMPORTED_MODULE_1__/* .indexRequirementsIn */ .SO)(building),
    ];
}


/***/ }),

/***/ 113:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   DY: () => (/* binding */ dependencyFiles),
/* harmony export */   Nt: () => (/* binding */ declaresProject),
/* harmony export */   PB: () => (/* binding */ pythonFile),
/* harmony export */   _y: () => (/* binding */ groupRequirements),
/* harmony export */   qJ: () => (/* binding */ splitSource),
/* harmony export */   st: () => (/* binding */ projectParts)
/* harmony export */ });
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
    const { project, 'build-system': build } = (0,_toml_js__WEBPACK_IMPORTED_MODULE_3__/* .parseToml */ .MT)(text, shown);
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
        name: (0,_names_js__WEBPACK_IMPORTED_MODULE_2__/* .normalizeName */ .Pc)(name),
        named: `${name}${extras}${marker === undefined ? '' : ` ; ${marker}`}`,
        marker,
        text: `${name}${extras} @ ${literal}`,
    };
}


/***/ }),

/***/ 1413:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   JC: () => (/* binding */ traitsOf),
/* harmony export */   Jb: () => (/* binding */ readExport),
/* harmony export */   VN: () => (/* binding */ exportFailure),
/* harmony export */   WC: () => (/* binding */ needsNetwork),
/* harmony export */   qw: () => (/* binding */ exportEnvironment),
/* harmony export */   yN: () => (/* binding */ exportOf)
/* harmony export */ });
/* unused harmony export pythonMarker */
/* harmony import */ var node_path__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(6760);
/* harmony import */ var node_url__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(3136);
/* harmony import */ var _environment_js__WEBPACK_IMPORTED_MODULE_7__ = __nccwpck_require__(6131);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_2__ = __nccwpck_require__(5895);
/* harmony import */ var _names_js__WEBPACK_IMPORTED_MODULE_3__ = __nccwpck_require__(9882);
/* harmony import */ var _pylock_js__WEBPACK_IMPORTED_MODULE_4__ = __nccwpck_require__(7704);
/* harmony import */ var _requirements_js__WEBPACK_IMPORTED_MODULE_5__ = __nccwpck_require__(7692);
/* harmony import */ var _toml_js__WEBPACK_IMPORTED_MODULE_6__ = __nccwpck_require__(3618);
/**
 * The locks of uv, Poetry, PDM and pipenv are read by the exporter of the tool that wrote them: how
 * each is run, and what its output means. Exporters need no network, and all but uv's run in a
 * directory of their own with copies of two files, where nothing else of the checkout is in reach.
 * Everything here was tried with uv 0.13, Poetry 2.5, PDM 2.28 and pipenv 2026.10.
 */








const traits = {
    uv: {
        projectFile: 'pyproject.toml',
        probe: ['export', '--help'],
        sign: 'pylock.toml',
        lockCommand: 'uv lock',
    },
    poetry: {
        projectFile: 'pyproject.toml',
        // The command is a plugin's; without it Poetry fails. Older plugins export stale locks.
        probe: ['export', '--help', '--no-ansi'],
        sign: '--all-groups',
        lockCommand: 'poetry lock',
    },
    pdm: {
        projectFile: 'pyproject.toml',
        probe: ['export', '--help'],
        sign: '--no-hashes',
        lockCommand: 'pdm lock',
    },
    pipenv: {
        projectFile: 'Pipfile',
        probe: ['requirements', '--help'],
        sign: '--categories',
        lockCommand: 'pipenv lock',
    },
};
function traitsOf(tool) {
    return traits[tool];
}
/**
 * How a lock is exported: everything that the tool itself would install by default, and what is
 * selected on top.
 * @param python path of the interpreter that the packages are for
 * @throws UserError for a lock or project file that can't be used, or a selection that it lacks
 */
function exportOf(lock, selection, python) {
    return exports[lock.tool](lock, selection, python);
}
const exports = {
    uv(_lock, { extras, groups, editable, installProject }, python) {
        const args = ['export', '--locked', '--format=pylock.toml', '--no-header', `--python=${python}`]
            .concat(extras.map((extra) => `--extra=${extra}`))
            .concat(groups.map((group) => `--group=${group}`))
            .concat(editable ? [] : ['--no-editable'])
            .concat(installProject ? [] : ['--no-emit-project']);
        // A new dependency, and dependencies that a build back end computes, can't be checked offline.
        return { commands: [{ args: [...args, '--offline'], online: args }], files: undefined };
    },
    poetry(lock, { extras, groups }) {
        const pyproject = (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .parseToml */ .MT)(lock.project, 'pyproject.toml');
        const wanted = [...poetryDefaultGroups(pyproject), ...groups];
        const args = ['export', '--format=requirements.txt', '--no-interaction', '--no-ansi']
            .concat(wanted.map((group) => `--with=${group}`))
            .concat(extras.map((extra) => `--extras=${extra}`));
        return {
            commands: [{ args }],
            files: {
                'poetry.lock': lock.lock,
                'pyproject.toml': lock.project,
                ...poetryLicense(pyproject),
            },
        };
    },
    pdm(lock, { extras, groups }) {
        const locked = (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)((0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .parseToml */ .MT)(lock.lock, lock.shown)['metadata'])['groups'];
        const dynamic = (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)((0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .parseToml */ .MT)(lock.project, 'pyproject.toml')['project'])['dynamic'];
        if ((0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .strings */ .P$)(dynamic).some((field) => /dependencies$/.test(field))) {
            throw new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .UserError */ .yo(`${lock.shown} can't be used: its project computes its dependencies when it is built (project.dynamic). Write them into pyproject.toml, or commit a requirement file made by "pdm export".`, { file: lock.shown });
        }
        refuseUnknown(lock, [...extras, ...groups], (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .strings */ .P$)(locked));
        const wanted = [...extras, ...groups].map((group) => `--group=${group}`);
        return {
            commands: [
                { args: ['lock', '--check'] },
                // With hashes PDM refuses to export local projects, so they are read from the lock.
                { args: ['export', '--format=requirements', '--no-hashes', ...wanted] },
            ],
            files: { 'pdm.lock': lock.lock, 'pyproject.toml': lock.project },
        };
    },
    pipenv(lock, { extras, groups }) {
        const sections = Object.keys(pipfileLock(lock)).filter((name) => name !== '_meta');
        const categories = groups.map(pipenvCategory);
        refuseUnknown(lock, [...extras, ...categories.map(pipenvSection)], sections);
        const wanted = groups.length > 0 ? [`--categories=${['packages', ...categories].join(' ')}`] : [];
        return {
            commands: [{ args: ['verify'] }, { args: ['requirements', '--hash', ...wanted] }],
            files: { 'Pipfile.lock': lock.lock, Pipfile: lock.project },
        };
    },
};
/** The groups that `poetry install` installs without options, but `poetry export` leaves out. */
function poetryDefaultGroups(pyproject) {
    const poetry = (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)((0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)(pyproject['tool'])['poetry']);
    const own = (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)(poetry['group']);
    const isOptional = new Map(Object.entries(own).map(([name, group]) => [
        (0,_names_js__WEBPACK_IMPORTED_MODULE_3__/* .normalizeName */ .Pc)(name),
        (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)(group)['optional'] === true,
    ]));
    const names = [
        ...Object.keys((0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)(pyproject['dependency-groups'])),
        ...Object.keys(own),
        ...('dev-dependencies' in poetry ? ['dev'] : []),
    ];
    const unique = new Map(names.map((name) => [(0,_names_js__WEBPACK_IMPORTED_MODULE_3__/* .normalizeName */ .Pc)(name), name]));
    return [...unique].flatMap(([name, spelled]) => isOptional.get(name) || name === 'main' ? [] : [spelled]);
}
/** Poetry does not start if a licence file is missing; its content does not matter here. */
function poetryLicense(pyproject) {
    const file = (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)((0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)(pyproject['project'])['license'])['file'];
    if (typeof file !== 'string')
        return {};
    const normal = node_path__WEBPACK_IMPORTED_MODULE_0__.posix.normalize(file);
    return /^[A-Za-z0-9_][\w. /-]*$/.test(normal) ? { [normal]: '' } : {};
}
function pipenvCategory(group) {
    if (group === 'dev' || group === 'develop')
        return 'dev-packages';
    return group === 'default' ? 'packages' : group;
}
/** The section of Pipfile.lock that a section of Pipfile is locked in. */
function pipenvSection(category) {
    if (category === 'dev-packages')
        return 'develop';
    return category === 'packages' ? 'default' : category;
}
function pipfileLock({ lock, shown }) {
    try {
        return (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)(JSON.parse(lock));
    }
    catch {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .UserError */ .yo(`${shown} is not valid JSON. Run "pipenv lock" and commit the result.`, {
            file: shown,
        });
    }
}
/** PDM and pipenv pass over a group that does not exist. */
function refuseUnknown({ tool, shown }, wanted, known) {
    const names = new Set(known.map(_names_js__WEBPACK_IMPORTED_MODULE_3__/* .normalizeName */ .Pc));
    const missing = wanted.find((name) => !names.has((0,_names_js__WEBPACK_IMPORTED_MODULE_3__/* .normalizeName */ .Pc)(name)));
    if (missing === undefined)
        return;
    throw new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .UserError */ .yo(`${shown} has no extra or group "${missing}". It has: ${known.join(', ') || 'none'}. To add one, declare it in ${traits[tool].projectFile} and run "${traits[tool].lockCommand}".`, { file: shown });
}
/** Settings of uv that decide which packages a lock is valid for, or what `uv sync` installs. */
const uvSettings = /^UV_(?:CACHE_DIR|CONFIG_FILE|NO_CONFIG|DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|INDEX_STRATEGY|RESOLUTION|PRERELEASE|FORK_STRATEGY|EXCLUDE_NEWER|NO_SOURCES|NO_DEV|NO_GROUP|NO_DEFAULT_GROUPS|TORCH_BACKEND|SYSTEM_CERTS|NATIVE_TLS)$/;
/** Settings of the tools and of Python that could make them read or write elsewhere. */
const toolSettings = /^(?:UV|POETRY|PDM|PIPENV|PIP)_|^PYTHON(?:PATH|HOME|STARTUP)$|^VIRTUAL_ENV$/i;
/**
 * The environment of an exporter: without credentials of indexes, and with all that it writes in a
 * directory of the run.
 * @param home path of a directory for the tool's own files
 * @param python path of the interpreter that the packages are for
 * @param nullDevice `os.devnull` of this system
 */
function exportEnvironment(tool, environment, { home, python, nullDevice }) {
    const others = Object.entries((0,_environment_js__WEBPACK_IMPORTED_MODULE_7__/* .offlineEnvironment */ .JK)(environment, nullDevice));
    const kept = Object.entries(environment).filter(([name]) => tool === 'uv' && uvSettings.test(name));
    const below = (name) => node_path__WEBPACK_IMPORTED_MODULE_0__.join(home, name);
    const own = {
        uv: { UV_PYTHON_DOWNLOADS: 'never', UV_NO_PROGRESS: '1', UV_HTTP_RETRIES: '1' },
        poetry: {
            POETRY_CACHE_DIR: below('cache'),
            POETRY_CONFIG_DIR: below('config'),
            POETRY_VIRTUALENVS_CREATE: 'false',
            POETRY_KEYRING_ENABLED: 'false',
            POETRY_NO_INTERACTION: '1',
        },
        pdm: {
            PDM_CACHE_DIR: below('cache'),
            PDM_LOG_DIR: below('log'),
            PDM_CONFIG_FILE: below('config.toml'),
            PDM_CHECK_UPDATE: 'false',
            PDM_IGNORE_SAVED_PYTHON: '1',
            PDM_NON_INTERACTIVE: '1',
            PDM_PYTHON: python,
            PDM_USE_VENV: 'false',
        },
        pipenv: {
            PIPENV_CACHE_DIR: below('cache'),
            PIPENV_DONT_LOAD_ENV: '1',
            PIPENV_IGNORE_VIRTUALENVS: '1',
            PIPENV_MAX_DEPTH: '1',
            PIPENV_NOSPIN: '1',
            PIPENV_YES: '1',
            WORKON_HOME: below('venvs'),
        },
    };
    return {
        ...Object.fromEntries(others.filter(([name]) => !toolSettings.test(name))),
        // Addresses count for whether a lock is up to date; credentials do not.
        ...Object.fromEntries(kept.map(([name, value]) => [name, value.replace(/\/\/[^/@\s]*@/g, '//')])),
        ...own[tool],
        NO_COLOR: '1',
        PYTHONUTF8: '1',
        PYTHONIOENCODING: 'utf-8',
    };
}
/** Whether uv could not decide without an index. */
function needsNetwork(output) {
    return /network was disabled/.test(output);
}
/**
 * Reads what an exporter printed.
 * @throws UserError when the output is not as expected
 */
function readExport(lock, output, reading) {
    if (lock.tool === 'uv') {
        // The extras and groups have been applied by uv.
        const read = (0,_pylock_js__WEBPACK_IMPORTED_MODULE_4__/* .readLock */ .m)(output, lock.shown, { extras: [], groups: [] }, reading.directory);
        return { ...read, options: [] };
    }
    const details = detailsOf(lock);
    const packages = [];
    const options = [];
    for (const { text, line } of (0,_requirements_js__WEBPACK_IMPORTED_MODULE_5__/* .logicalLines */ .Nj)(output)) {
        const isOption = /^-(?!e\s|-editable)/.test(text);
        if (isOption)
            options.push(text);
        else
            packages.push(exportedPackage(text, `line ${line} of the export`, details, reading));
    }
    if (reading.installProject && isPackage(lock))
        packages.push(ownProject(reading));
    return {
        packages,
        environments: [],
        requiresPython: details.requiresPython,
        options: options.filter((text) => !namesDefaultIndex(text, reading.defaultIndex)),
    };
}
function namesDefaultIndex(option, defaultIndex) {
    const plain = (url) => url.replace(/\/+$/, '');
    const match = /^(?:-i|--index-url|--extra-index-url)[= ]\s*(\S+)$/.exec(option);
    return match !== null && plain(match[1] ?? '') === plain(defaultIndex);
}
function detailsOf(lock) {
    if (lock.tool === 'pipenv')
        return pipfileDetails(lock);
    const read = (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .parseToml */ .MT)(lock.lock, lock.shown);
    const hashes = new Map();
    const names = new Map();
    for (const each of (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .tables */ .um)(read['package'])) {
        const name = (0,_names_js__WEBPACK_IMPORTED_MODULE_3__/* .normalizeName */ .Pc)(String(each['name']));
        const source = (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)(each['source']);
        const local = source['type'] === 'directory' || source['type'] === 'file' ? source['url'] : each['path'];
        if (typeof local === 'string')
            names.set(node_path__WEBPACK_IMPORTED_MODULE_0__.posix.normalize(local), name);
        if (lock.tool !== 'pdm')
            continue;
        const key = `${name}==${String(each['version'])}`;
        const own = (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .tables */ .um)(each['files']).flatMap(({ hash }) => typeof hash === 'string' ? [hash] : []);
        hashes.set(key, [...(hashes.get(key) ?? []), ...own]);
    }
    const project = (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)((0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .parseToml */ .MT)(lock.project, 'pyproject.toml')['project']);
    const supported = lock.tool === 'poetry'
        ? (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)(read['metadata'])['python-versions']
        : project['requires-python'];
    const requiresPython = typeof supported === 'string' ? pythonMarker(supported) : undefined;
    return { requiresPython, hashes, names, editable: new Set() };
}
function pipfileDetails(lock) {
    const names = new Map();
    const editable = new Set();
    for (const [section, packages] of Object.entries(pipfileLock(lock))) {
        if (section === '_meta')
            continue;
        for (const [name, value] of Object.entries((0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)(packages))) {
            const { path: local, editable: isEditable } = (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)(value);
            if (typeof local !== 'string')
                continue;
            names.set(node_path__WEBPACK_IMPORTED_MODULE_0__.posix.normalize(local), (0,_names_js__WEBPACK_IMPORTED_MODULE_3__/* .normalizeName */ .Pc)(name));
            if (isEditable === true)
                editable.add(node_path__WEBPACK_IMPORTED_MODULE_0__.posix.normalize(local));
        }
    }
    return { requiresPython: undefined, hashes: new Map(), names, editable };
}
const nameAndSource = /^([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(\[[^\]]*\])?\s*(@\s*|(?====?)|$)/;
/** @param place of the line, for messages */
function exportedPackage(text, place, details, reading) {
    const [requirement, options = ''] = cut(text, /\s+(?=--hash=)/);
    const [given, marker] = cut(requirement, /\s*;\s+/);
    const whole = given.replace(/^(?:-e|--editable)[ =]\s*/, '');
    const named = nameAndSource.exec(whole);
    const [prefix = '', project = '', extras = '', at = '@'] = named ?? [];
    const target = whole.slice(prefix.length);
    const name = (0,_names_js__WEBPACK_IMPORTED_MODULE_3__/* .normalizeName */ .Pc)(project);
    const base = { marker, requiresPython: undefined, files: [], table: place };
    const condition = marker === undefined ? '' : ` ; ${marker}`;
    const hashes = options === '' ? '' : ` ${options.replace(/\s+/g, ' ')}`;
    const relative = at === '' ? undefined : localPath(target, reading.ranIn);
    if (relative === undefined) {
        const known = options === '' ? (details.hashes.get(`${name}${target}`) ?? []) : [];
        const added = known.map((hash) => ` --hash=${hash}`).join('');
        const editable = whole === given ? '' : '-e ';
        return {
            ...{ ...base, name, path: undefined },
            text: `${editable}${whole}${condition}${hashes}${added}`,
        };
    }
    const isEditable = whole !== given || details.editable.has(relative);
    const local = within(reading.directory, relative);
    return {
        ...{ ...base, path: local },
        name: name === '' ? (details.names.get(relative) ?? '') : name,
        text: isEditable && reading.editable
            ? `-e ${local}${extras}`
            : `${local}${extras}${condition}${hashes}`,
    };
}
/** Cuts a text where a separator is found. */
function cut(text, separator) {
    const match = separator.exec(text);
    if (match === null)
        return [text, undefined];
    return [text.slice(0, match.index), text.slice(match.index + match[0].length)];
}
/** @returns the path relative to the lock, with `/`; undefined for what is not a local path */
function localPath(target, ranIn) {
    if (/^file:/i.test(target)) {
        const absolute = (0,node_url__WEBPACK_IMPORTED_MODULE_1__.fileURLToPath)(target.replace(/[#?].*$/s, ''));
        const relative = node_path__WEBPACK_IMPORTED_MODULE_0__.relative(ranIn, absolute).split(node_path__WEBPACK_IMPORTED_MODULE_0__.sep).join('/');
        return node_path__WEBPACK_IMPORTED_MODULE_0__.posix.normalize(relative === '' ? '.' : relative);
    }
    if (/^[a-z]+(?:\+[a-z]+)?:/i.test(target))
        return undefined;
    return node_path__WEBPACK_IMPORTED_MODULE_0__.posix.normalize(target.replace(/#egg=.*$/s, '').replaceAll('\\', '/'));
}
/** A path as a requirement line needs it: it contains a slash. */
function within(directory, relative) {
    const joined = node_path__WEBPACK_IMPORTED_MODULE_0__.posix.join(directory, relative);
    return joined === '.' || /^\.{0,2}\//.test(joined) || node_path__WEBPACK_IMPORTED_MODULE_0__.posix.isAbsolute(joined)
        ? joined
        : `./${joined}`;
}
/** Whether `poetry install`, `pdm install` install the project itself; pipenv never does. */
function isPackage({ tool, project }) {
    if (tool === 'pipenv')
        return false;
    const pyproject = (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .parseToml */ .MT)(project, 'pyproject.toml');
    const settings = (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)((0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)(pyproject['tool'])[tool]);
    if (tool === 'poetry')
        return settings['package-mode'] !== false;
    if ((0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)(pyproject['project'])['name'] === undefined)
        return false;
    if ('package-type' in settings)
        return settings['package-type'] === 'library';
    return settings['distribution'] !== false;
}
function ownProject({ directory, editable }) {
    const local = within(directory, '.');
    return {
        name: '',
        text: `${editable ? '-e ' : ''}${local}`,
        marker: undefined,
        requiresPython: undefined,
        files: [],
        path: local,
        table: 'the project itself',
    };
}
/**
 * The Pythons of a version constraint as a marker. Poetry has forms of its own besides PEP 440.
 * @returns undefined when it allows all, or is in an unknown form
 */
function pythonMarker(constraint) {
    const alternatives = constraint.split('||').map((all) => {
        const clauses = all
            .replace(/([<>=!~^]) +/g, '$1')
            .split(/[\s,]+/)
            .filter((clause) => clause !== '' && clause !== '*');
        return clauses.map(clauseMarker);
    });
    const isKnown = alternatives.every((all) => all.length > 0 && !all.includes(undefined));
    if (!isKnown)
        return undefined;
    const joined = alternatives.map((all) => all.join(' and '));
    return joined.length === 1 ? joined[0] : joined.map((all) => `(${all})`).join(' or ');
}
function clauseMarker(clause) {
    const [, operator = '==', version = ''] = /^(\^|~=?|[<>]=?|[=!]=)?(\d+(?:\.\d+)*(?:\.\*)?)$/.exec(clause) ?? [];
    if (version === '')
        return undefined;
    const compare = (by, what) => `python_full_version ${by} "${what}"`;
    const parts = version.split('.').map(Number);
    if (operator === '^' || operator === '~') {
        const [major = 0, minor = 0] = parts;
        const isMajor = operator === '^' || parts.length === 1;
        const next = isMajor ? `${major + 1}` : `${major}.${minor + 1}`;
        return `${compare('>=', version)} and ${compare('<', next)}`;
    }
    return compare(operator, version);
}
/** What a user reads when an exporter fails. @param output its own words */
function exportFailure({ tool, shown }, output) {
    const words = output.trim() === '' ? 'It printed nothing.' : output.trim();
    return new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .UserError */ .yo(`${tool} could not export ${shown}:\n${words}\nIf ${traits[tool].projectFile} has changed, run "${traits[tool].lockCommand}" and commit the result.`, { file: shown });
}


/***/ }),

/***/ 4649:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   An: () => (/* binding */ absence),
/* harmony export */   Ao: () => (/* binding */ changes),
/* harmony export */   HO: () => (/* binding */ sameWheels),
/* harmony export */   It: () => (/* binding */ manifestDigest),
/* harmony export */   Ke: () => (/* binding */ lockFile),
/* harmony export */   L_: () => (/* binding */ formatManifest),
/* harmony export */   NV: () => (/* binding */ wheelPath),
/* harmony export */   Ng: () => (/* binding */ parseManifest),
/* harmony export */   On: () => (/* binding */ keepableParts),
/* harmony export */   Rr: () => (/* binding */ pylockFile),
/* harmony export */   Sh: () => (/* binding */ ManifestError),
/* harmony export */   WP: () => (/* binding */ buildDirectory),
/* harmony export */   X5: () => (/* binding */ formatLock),
/* harmony export */   YE: () => (/* binding */ manifestFile),
/* harmony export */   rq: () => (/* binding */ maxManifestBytes),
/* harmony export */   wM: () => (/* binding */ lockTexts)
/* harmony export */ });
/* unused harmony export formatPylock */
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
    return (0,_digest_js__WEBPACK_IMPORTED_MODULE_0__/* .sha256 */ .s)(normal);
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
/* harmony export */   J_: () => (/* binding */ wheelOf),
/* harmony export */   LI: () => (/* binding */ wheelNameParts),
/* harmony export */   Nc: () => (/* binding */ versionInFileName),
/* harmony export */   Pc: () => (/* binding */ normalizeName),
/* harmony export */   Ui: () => (/* binding */ isOlderPip),
/* harmony export */   jh: () => (/* binding */ isWheelFileName),
/* harmony export */   r1: () => (/* binding */ sameVersion),
/* harmony export */   uV: () => (/* binding */ isValidName),
/* harmony export */   zz: () => (/* binding */ isSdistName)
/* harmony export */ });
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

/***/ 8672:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   BD: () => (/* binding */ specifierClauses),
/* harmony export */   gJ: () => (/* binding */ formatMarker),
/* harmony export */   gY: () => (/* binding */ parseMarker),
/* harmony export */   lT: () => (/* binding */ decideMarker)
/* harmony export */ });
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


/***/ }),

/***/ 7949:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   BT: () => (/* binding */ builtWheels),
/* harmony export */   Gq: () => (/* binding */ isMirrorFailure),
/* harmony export */   L9: () => (/* binding */ projectIn),
/* harmony export */   MM: () => (/* binding */ parseReport),
/* harmony export */   MS: () => (/* binding */ errorExcerpt),
/* harmony export */   R0: () => (/* binding */ isUnreachable),
/* harmony export */   ZX: () => (/* binding */ readBuildLog),
/* harmony export */   cp: () => (/* binding */ adviceFor),
/* harmony export */   ex: () => (/* binding */ requiredPython),
/* harmony export */   kZ: () => (/* binding */ isMachineFailure),
/* harmony export */   pD: () => (/* binding */ failedRequirement),
/* harmony export */   yY: () => (/* binding */ unmetRequirements)
/* harmony export */ });
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
        return (0,_names_js__WEBPACK_IMPORTED_MODULE_0__/* .isWheelFileName */ .jh)(file) ? [file] : [];
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
            const name = (0,_names_js__WEBPACK_IMPORTED_MODULE_0__/* .normalizeName */ .Pc)(item.slice(0, dash));
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
            name: (0,_names_js__WEBPACK_IMPORTED_MODULE_0__/* .normalizeName */ .Pc)(metadata.name),
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
    return (0,_names_js__WEBPACK_IMPORTED_MODULE_0__/* .normalizeName */ .Pc)(requirement.replace(/[^\w.-].*$/s, ''));
}


/***/ }),

/***/ 9347:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   Cf: () => (/* binding */ renderPage),
/* harmony export */   Ml: () => (/* binding */ jsonPage),
/* harmony export */   cp: () => (/* binding */ usableFiles),
/* harmony export */   hL: () => (/* binding */ withBuiltWheels),
/* harmony export */   m_: () => (/* binding */ requiredNames),
/* harmony export */   x6: () => (/* binding */ projectFiles),
/* harmony export */   zw: () => (/* binding */ judgePage)
/* harmony export */ });
/* harmony import */ var _names_js__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(9882);
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
const anchor = /<a(?=\s)/gi;
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
    while (next(anchor) !== null) {
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
    if (!(0,_names_js__WEBPACK_IMPORTED_MODULE_0__/* .isDistributionName */ .I1)(file))
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
        if (usable.has(file) || file.length > longestName || !(0,_names_js__WEBPACK_IMPORTED_MODULE_0__/* .isDistributionName */ .I1)(file))
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
            const own = (0,_names_js__WEBPACK_IMPORTED_MODULE_0__/* .isSdistName */ .zz)(each.file) ? (0,_names_js__WEBPACK_IMPORTED_MODULE_0__/* .versionInFileName */ .Nc)(each.file, project) : undefined;
            return own !== undefined && (0,_names_js__WEBPACK_IMPORTED_MODULE_0__/* .sameVersion */ .r1)(own, version);
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
    return [...new Set(plain.map(([, name = '']) => (0,_names_js__WEBPACK_IMPORTED_MODULE_0__/* .normalizeName */ .Pc)(name)).filter(_names_js__WEBPACK_IMPORTED_MODULE_0__/* .isNormalizedName */ .HG))];
}


/***/ }),

/***/ 7704:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {


// EXPORTS
__nccwpck_require__.d(__webpack_exports__, {
  m: () => (/* binding */ readLock)
});

// EXTERNAL MODULE: external "node:path"
var external_node_path_ = __nccwpck_require__(6760);
// EXTERNAL MODULE: ./lib/logic/errors.js
var errors = __nccwpck_require__(5895);
// EXTERNAL MODULE: ./lib/logic/names.js
var logic_names = __nccwpck_require__(9882);
// EXTERNAL MODULE: ./lib/logic/pep508.js
var pep508 = __nccwpck_require__(8672);
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



const projectName = (0,schema/* lineOf */.cA)('a normalized project name', logic_names/* isNormalizedName */.HG);
const strict = { legacyVersions: false, isNewer: false };
const version = (0,schema/* lineOf */.cA)('a version', isVersion);
/** Whether a text is a valid version (PEP 440). */
function isVersion(text) {
    return /^[A-Za-z0-9.!+_-]+$/.test(text) && (0,pep508/* specifierClauses */.BD)(`==${text}`, strict)?.length === 1;
}
/** A version specifier for Python, as a marker; undefined when it allows every version. */
const pythonBound = (value, name) => {
    const clauses = (0,pep508/* specifierClauses */.BD)((0,schema/* string */.Yj)(value, name), strict)?.map((clause) => /^([~=!<>]+)([A-Za-z0-9.*!+_-]+)$/.exec(clause));
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
        (0,pep508/* specifierClauses */.BD)(`${operator}${value}`, strict)?.length === 1
        ? undefined
        : `"${operator}" can only compare a Python version with a version`;
}
const marker = (value, name) => {
    const parsed = (0,pep508/* parseMarker */.gY)((0,schema/* line */.n8)(value, name), strict);
    let fault = 'fault' in parsed ? parsed.fault : undefined;
    if ('marker' in parsed) {
        (0,pep508/* decideMarker */.lT)(parsed.marker, (comparison) => {
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
    (0,pep508/* decideMarker */.lT)(parsed, (comparison) => {
        if (!usesSelection(comparison))
            return undefined;
        throw new schema/* SchemaError */.Ar(`"${name}" must not depend on extras and groups`);
    });
    return (0,pep508/* formatMarker */.gJ)(parsed);
};
const digest = (length) => (0,schema/* lineOf */.cA)(`${length} hexadecimal digits`, (text) => text.length === length && /^[0-9a-f]*$/i.test(text));
const digests = (0,schema/* object */.Ik)({
    sha256: (0,schema/* optional */.lq)(digest(64)),
    sha384: (0,schema/* optional */.lq)(digest(96)),
    sha512: (0,schema/* optional */.lq)(digest(128)),
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
    name: projectName,
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

// EXTERNAL MODULE: ./lib/logic/requirement-line.js
var requirement_line = __nccwpck_require__(4256);
// EXTERNAL MODULE: ./lib/logic/requirement-words.js
var requirement_words = __nccwpck_require__(2377);
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
            const marker = own.marker === undefined || (0,pep508/* decideMarker */.lT)(own.marker, decide);
            if (marker === false)
                return [];
            return [
                {
                    ...lineOfSource(own.name, source, marker === true ? undefined : (0,pep508/* formatMarker */.gJ)(marker)),
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
            ? `-e ${/^[\w./:@+-]+$/.test(source.path) ? source.path : (0,requirement_words/* quoted */.TL)(source.path)}`
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
        return located((0,requirement_line/* fileOfUrl */.H2)(url.href, source).replaceAll('\\', '/'), name, '.');
    }
    catch {
        throw new schema/* SchemaError */.Ar(`"${name}" must be a path on this machine`);
    }
}


/***/ }),

/***/ 761:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   $q: () => (/* binding */ fetchedPip),
/* harmony export */   Rm: () => (/* binding */ releaseAgeParts),
/* harmony export */   XG: () => (/* binding */ ageText),
/* harmony export */   _l: () => (/* binding */ releaseAgeText),
/* harmony export */   ic: () => (/* binding */ enforcerOf),
/* harmony export */   tD: () => (/* binding */ latestUpload),
/* harmony export */   zV: () => (/* binding */ readReleaseAge)
/* harmony export */ });
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
const enforcingPip = [26, 0];
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
    const isKnown = (0,_names_js__WEBPACK_IMPORTED_MODULE_1__/* .isOlderPip */ .Ui)(pip, [major, minor + 1]);
    if (!(0,_names_js__WEBPACK_IMPORTED_MODULE_1__/* .isOlderPip */ .Ui)(pip, enforcingPip) && (age.except.length === 0 || isKnown))
        return 'own';
    // A version of Python has the form that isOlderPip compares.
    if (!(0,_names_js__WEBPACK_IMPORTED_MODULE_1__/* .isOlderPip */ .Ui)(version, fetchedPip.python))
        return 'fetched';
    throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .UserError */ .yo((0,_names_js__WEBPACK_IMPORTED_MODULE_1__/* .isOlderPip */ .Ui)(version, [3, 9])
        ? `The input minimum-release-age needs Python 3.9 or newer, as older ones have no pip that can enforce it; this is ${version}. Use a newer Python, or remove the input.`
        : `The input minimum-release-age needs pip 26.0 or newer on Python ${version}; this is pip ${pip}. Run "python -m pip install --upgrade pip" before this step, or use Python 3.10 or newer.`);
}


/***/ }),

/***/ 4256:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   A: () => (/* binding */ parseLine),
/* harmony export */   H2: () => (/* binding */ fileOfUrl),
/* harmony export */   UL: () => (/* binding */ splitExtras),
/* harmony export */   l_: () => (/* binding */ namesIndex),
/* harmony export */   tc: () => (/* binding */ isArchive),
/* harmony export */   uf: () => (/* binding */ isPath),
/* harmony export */   wh: () => (/* binding */ plainText)
/* harmony export */ });
/* harmony import */ var node_path__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(6760);
/* harmony import */ var node_url__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(3136);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_2__ = __nccwpck_require__(5895);
/* harmony import */ var _names_js__WEBPACK_IMPORTED_MODULE_3__ = __nccwpck_require__(9882);
/* harmony import */ var _pep508_js__WEBPACK_IMPORTED_MODULE_4__ = __nccwpck_require__(8672);
/* harmony import */ var _requirement_options_js__WEBPACK_IMPORTED_MODULE_5__ = __nccwpck_require__(1090);
/* harmony import */ var _requirement_words_js__WEBPACK_IMPORTED_MODULE_7__ = __nccwpck_require__(2377);
/* harmony import */ var _secrets_js__WEBPACK_IMPORTED_MODULE_6__ = __nccwpck_require__(3983);
/** The lines of a request, and how one logical line of a requirement file is parsed into them. */








/**
 * Parses one logical line of a requirement file.
 * @throws UserError when pip would reject it
 */
function parseLine(text, place, context) {
    refuseUnsetVariables(text, place, context);
    const [body, rest] = splitOptions((0,_requirement_words_js__WEBPACK_IMPORTED_MODULE_7__/* .expand */ .fT)(text, context.environment));
    const requirement = body.value.trim();
    // Variables in options and URLs may contain secrets, so those are shown unexpanded.
    const shownBody = isDirect(requirement) ? body.raw.trim() : requirement;
    const shown = (0,_secrets_js__WEBPACK_IMPORTED_MODULE_6__/* .withoutSecrets */ .cT)(`${shownBody} ${rest.raw}`.trim());
    const base = { ...place, text, shown };
    const options = (0,_requirement_options_js__WEBPACK_IMPORTED_MODULE_5__/* .optionsOf */ .cz)(rest, base, context.pip);
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
    const isWhole = isSingle || counting.some((option) => (0,_requirement_options_js__WEBPACK_IMPORTED_MODULE_5__/* .optionText */ .re)(option) === undefined);
    const lines = counting.map((option, order) => {
        const { name, value, raw } = option;
        const own = isWhole ? (order === 0 ? base.text : '') : ((0,_requirement_options_js__WEBPACK_IMPORTED_MODULE_5__/* .optionText */ .re)(option) ?? '');
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
    return new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .UserError */ .yo(`"${line.shown}" ${reason}.`, line.source);
}
/**
 * pip would expand a `PIP_…` variable that only this program sets, such as the URL of an index with
 * its credentials, and send it to any host that the line names.
 */
function refuseUnsetVariables(text, place, { environment }) {
    for (const [variable, name = ''] of text.matchAll(/\$\{(PIP_[A-Z0-9_]+)\}/g)) {
        if (environment[name])
            continue;
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .UserError */ .yo(`"${(0,_secrets_js__WEBPACK_IMPORTED_MODULE_6__/* .withoutSecrets */ .cT)(text)}" uses ${variable}, which is not set. Set it in the job's environment, or use a variable with another name.`, place.source);
    }
}
function refuseReplacedVariables({ text, shown, source }, context) {
    for (const [variable, name = ''] of text.matchAll(/\$\{([A-Z0-9_]+)\}/g)) {
        if (!context.replacedVariables?.has(name))
            continue;
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .UserError */ .yo(`"${shown}" uses ${variable}, whose value an input of this action replaces. Use a variable with another name.`, source);
    }
}
/** In pip the first word that begins with a dash ends the requirement; only spaces separate words. */
function splitOptions(text) {
    if (text.value.startsWith('-'))
        return (0,_requirement_words_js__WEBPACK_IMPORTED_MODULE_7__/* .splitText */ .Ad)(text, 0);
    const start = text.value.indexOf(' -');
    return (0,_requirement_words_js__WEBPACK_IMPORTED_MODULE_7__/* .splitText */ .Ad)(text, start < 0 ? text.value.length : start + 1);
}
const vcsScheme = /^(?:git|hg|svn|bzr)(?:\+[a-z-]+)?:/i;
const urlScheme = /^(?:https?|ftp|file):/i;
const archive = /\.(?:whl|zip|tar|tgz|tbz|txz|tlz|tar\.(?:gz|bz2|xz|lz|lzma))$/i;
const projectName = /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[\s*((?:[A-Za-z0-9][A-Za-z0-9._-]*(?:\s*,\s*[A-Za-z0-9][A-Za-z0-9._-]*)*)?)\s*\])?\s*/;
function dialectOf({ pip }) {
    return {
        legacyVersions: pip !== undefined && (0,_names_js__WEBPACK_IMPORTED_MODULE_3__/* .isOlderPip */ .Ui)(pip, [24, 1]),
        isNewer: (0,_requirement_options_js__WEBPACK_IMPORTED_MODULE_5__/* .isUnknownPip */ .oe)(pip),
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
    const specifiers = (0,_pep508_js__WEBPACK_IMPORTED_MODULE_4__/* .specifierClauses */ .BD)(specifier, dialect);
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
        name: (0,_names_js__WEBPACK_IMPORTED_MODULE_3__/* .normalizeName */ .Pc)(project),
        project,
        extras,
        specifiers,
        pin: others.length === 0 ? /^={2,3}([^*]+)$/.exec(only ?? '')?.[1] : undefined,
        marker,
        hashes,
        options: options.filter(_requirement_options_js__WEBPACK_IMPORTED_MODULE_5__/* .isOwnOption */ .Q_),
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
    const parsed = (0,_pep508_js__WEBPACK_IMPORTED_MODULE_4__/* .parseMarker */ .gY)(marker, dialect);
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
function isPath(body) {
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
    const file = node_path__WEBPACK_IMPORTED_MODULE_0__.posix.basename(target.replace(/[?#].*$/s, ''));
    const wheelOf = (0,_names_js__WEBPACK_IMPORTED_MODULE_3__/* .isWheelFileName */ .jh)(file) ? (0,_names_js__WEBPACK_IMPORTED_MODULE_3__/* .wheelNameParts */ .LI)(file).name : undefined;
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
            ? node_path__WEBPACK_IMPORTED_MODULE_0__.resolve(context.workingDirectory, isFile ? fileOfUrl(target, base.source) : target)
            : target,
        shownTarget: form === 'path' ? (0,_secrets_js__WEBPACK_IMPORTED_MODULE_6__/* .withoutSecrets */ .cT)(target) : (0,_secrets_js__WEBPACK_IMPORTED_MODULE_6__/* .fingerprinted */ .g0)(target),
        wheelOf,
        extras: extras.map(_names_js__WEBPACK_IMPORTED_MODULE_3__/* .normalizeName */ .Pc).sort(),
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
        return (0,node_url__WEBPACK_IMPORTED_MODULE_1__.fileURLToPath)(bare);
    }
    catch (error) {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .UserError */ .yo(`"${bare}" is not a path on this machine: ${(0,_errors_js__WEBPACK_IMPORTED_MODULE_2__/* .messageOf */ .bD)(error)}.`, source);
    }
}
/** An index requirement for a file that pip reads, without its hashes and other options. */
function plainText({ project, extras, specifiers, marker }) {
    const bracket = extras.length > 0 ? `[${extras.join(',')}]` : '';
    return `${project}${bracket}${specifiers.join(',')}${marker ? ` ; ${marker}` : ''}`;
}


/***/ }),

/***/ 1090:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   Q_: () => (/* binding */ isOwnOption),
/* harmony export */   cz: () => (/* binding */ optionsOf),
/* harmony export */   oe: () => (/* binding */ isUnknownPip),
/* harmony export */   re: () => (/* binding */ optionText)
/* harmony export */ });
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(5895);
/* harmony import */ var _names_js__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(9882);
/* harmony import */ var _requirement_words_js__WEBPACK_IMPORTED_MODULE_2__ = __nccwpck_require__(2377);
/** Options in requirement files, as the optparse of pip's `req_file.py` reads them. */



/** SUPPORTED_OPTIONS and SUPPORTED_OPTIONS_REQ of pip 22.2 to 26.3. */
const forms = [
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
    return pip !== undefined && !(0,_names_js__WEBPACK_IMPORTED_MODULE_1__/* .isOlderPip */ .Ui)(pip, [newestPip[0], newestPip[1] + 1]);
}
const bySpelling = new Map(forms.flatMap((form) => [`--${form.name}`, ...(form.spellings ?? [])].map((spelling) => [spelling, form])));
/**
 * Reads the options of a line. Other words are ignored, as in pip.
 * @param line the whole line, for messages
 * @param pip version of the pip that decides what an abbreviation means; undefined for the newest
 * @throws UserError where pip would reject the line
 */
function optionsOf(text, line, pip) {
    const refuse = (reason) => {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .UserError */ .yo(`"${line.shown}" ${reason}`, line.source);
    };
    const words = (0,_requirement_words_js__WEBPACK_IMPORTED_MODULE_2__/* .wordsOf */ .Z9)(text);
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
        !(since && (0,_names_js__WEBPACK_IMPORTED_MODULE_1__/* .isOlderPip */ .Ui)(pip, since)) &&
        !(until && !(0,_names_js__WEBPACK_IMPORTED_MODULE_1__/* .isOlderPip */ .Ui)(pip, until)));
    return longer.length > 1 ? longer.map(([known]) => known) : longer[0]?.[1];
}
/**
 * An option for a file that pip reads, with variables unexpanded.
 * @returns undefined when its raw text can't be separated from the rest of its line
 */
function optionText({ name, isFlag, raw }) {
    if (isFlag)
        return `--${name}`;
    return raw === undefined ? undefined : `--${name} ${(0,_requirement_words_js__WEBPACK_IMPORTED_MODULE_2__/* .quoted */ .TL)(raw)}`;
}


/***/ }),

/***/ 2377:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   Ad: () => (/* binding */ splitText),
/* harmony export */   TL: () => (/* binding */ quoted),
/* harmony export */   Z9: () => (/* binding */ wordsOf),
/* harmony export */   fT: () => (/* binding */ expand)
/* harmony export */ });
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


/***/ }),

/***/ 7692:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   FN: () => (/* binding */ requestedHashes),
/* harmony export */   Nj: () => (/* binding */ logicalLines),
/* harmony export */   S8: () => (/* binding */ directRequirements),
/* harmony export */   SO: () => (/* binding */ indexRequirementsIn),
/* harmony export */   T4: () => (/* binding */ isPinned),
/* harmony export */   TZ: () => (/* binding */ isCacheable),
/* harmony export */   h2: () => (/* binding */ requirementOf),
/* harmony export */   mD: () => (/* binding */ isHashMode),
/* harmony export */   zM: () => (/* binding */ indexRequirements),
/* harmony export */   zV: () => (/* binding */ gatherLines)
/* harmony export */ });
/* unused harmony export parseSpecifier */
/* harmony import */ var node_path__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(6760);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(5895);
/* harmony import */ var _names_js__WEBPACK_IMPORTED_MODULE_2__ = __nccwpck_require__(9882);
/* harmony import */ var _requirement_line_js__WEBPACK_IMPORTED_MODULE_3__ = __nccwpck_require__(4256);
/* harmony import */ var _requirement_words_js__WEBPACK_IMPORTED_MODULE_5__ = __nccwpck_require__(2377);
/* harmony import */ var _secrets_js__WEBPACK_IMPORTED_MODULE_4__ = __nccwpck_require__(3983);
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
            throw new _errors_js__WEBPACK_IMPORTED_MODULE_1__/* .UserError */ .yo(`Circular include in requirement files: ${cycle}. Remove one of these -r or -c lines.`, from);
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
            const line = error instanceof _errors_js__WEBPACK_IMPORTED_MODULE_1__/* .UserError */ .yo ? error.line : undefined;
            throw new _errors_js__WEBPACK_IMPORTED_MODULE_1__/* .UserError */ .yo(`${file.shown} can't be read: ${(0,_errors_js__WEBPACK_IMPORTED_MODULE_1__/* .messageOf */ .bD)(error)}.`, line === undefined ? (from ?? { file: file.shown }) : { file: file.shown, line });
        }
        let counted = 0;
        for (const { text: logical, line } of logicalLines(text)) {
            const source = { file: file.shown, line };
            counted += 1;
            const parsed = (0,_requirement_line_js__WEBPACK_IMPORTED_MODULE_3__/* .parseLine */ .A)(logical, { source, constraint }, reading);
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
        const parsed = (0,_requirement_line_js__WEBPACK_IMPORTED_MODULE_3__/* .parseLine */ .A)(text, { source, constraint: false }, reading);
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
    const expanded = (0,_requirement_words_js__WEBPACK_IMPORTED_MODULE_5__/* .expand */ .fT)(text, context.environment).value;
    const shown = (0,_secrets_js__WEBPACK_IMPORTED_MODULE_4__/* .withoutSecrets */ .cT)(text).split(lineEnd).join(' ');
    if (lineEnd.test(expanded)) {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_1__/* .UserError */ .yo(`"${shown}" contains a line break; write one requirement per line.`, source);
    }
    if (/(?:^|\s)-/.test(expanded)) {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_1__/* .UserError */ .yo(`"${shown}" contains an option; ${source.file} takes requirements only, such as "requests>=2.31". Put options into a requirement file.`, source);
    }
    // A path is rejected as one, even with an invalid marker.
    const parsed = (0,_requirement_line_js__WEBPACK_IMPORTED_MODULE_3__/* .isPath */ .uf)(expanded.trim())
        ? undefined
        : (0,_requirement_line_js__WEBPACK_IMPORTED_MODULE_3__/* .parseLine */ .A)(text, { source, constraint: false }, context);
    const [line] = parsed && 'lines' in parsed ? parsed.lines : [];
    if (line?.kind === 'index' || (line?.kind === 'direct' && line.form !== 'path'))
        return line;
    throw new _errors_js__WEBPACK_IMPORTED_MODULE_1__/* .UserError */ .yo(`"${shown}" is a path; ${source.file} takes requirements only. Put paths and "-e" lines into a requirement file.`, source);
}
/**
 * Parses a local project that is named outside a requirement file.
 * @throws UserError when it is not a path with extras
 */
function parseProject({ text, extras: added, editable, source }, context) {
    const [location, own] = (0,_requirement_line_js__WEBPACK_IMPORTED_MODULE_3__/* .splitExtras */ .UL)(text.trim());
    const refusal = (reason) => new _errors_js__WEBPACK_IMPORTED_MODULE_1__/* .UserError */ .yo(`"${(0,_secrets_js__WEBPACK_IMPORTED_MODULE_4__/* .withoutSecrets */ .cT)(text).split(lineEnd).join(' ')}" ${reason}`, source);
    if (lineEnd.test(text) || location.includes(';') || /(?:^|\s)-/.test(location)) {
        throw refusal(`is not the path of a local project. Write a path with optional extras, such as ".[test]"; markers and options belong into a requirement file.`);
    }
    const extras = [...new Set([...own.split(',').map((extra) => extra.trim()), ...added])].filter((extra) => extra !== '');
    const wrong = extras.find((extra) => !(0,_names_js__WEBPACK_IMPORTED_MODULE_2__/* .isValidName */ .uV)(extra));
    if (wrong !== undefined)
        throw refusal(`asks for "${wrong}", which is not the name of an extra.`);
    const relative = (0,_requirement_line_js__WEBPACK_IMPORTED_MODULE_3__/* .isPath */ .uf)(location) ? location : `./${location}`;
    const target = extras.length > 0 ? `${relative}[${extras.join(',')}]` : relative;
    // pip has no editable archives.
    const line = editable && !(0,_requirement_line_js__WEBPACK_IMPORTED_MODULE_3__/* .isArchive */ .tc)(location) ? `-e ${(0,_requirement_words_js__WEBPACK_IMPORTED_MODULE_5__/* .quoted */ .TL)(target)}` : target;
    const parsed = (0,_requirement_line_js__WEBPACK_IMPORTED_MODULE_3__/* .parseLine */ .A)(line, { source, constraint: false }, context);
    const [requirement] = 'lines' in parsed ? parsed.lines : [];
    if (requirement?.kind === 'direct' && requirement.form === 'path')
        return requirement;
    throw refusal('is not the path of a local project.');
}
/** Paths after `-r` and `-c` are relative to the including file, or to its URL. */
function includedFile(value, parent, source) {
    if (/^https?:/i.test(value))
        return { location: value, shown: (0,_secrets_js__WEBPACK_IMPORTED_MODULE_4__/* .shownAddress */ .Uk)(value) };
    if (/^https?:/i.test(parent.location)) {
        const location = new URL(value, parent.location).href;
        return { location, shown: (0,_secrets_js__WEBPACK_IMPORTED_MODULE_4__/* .shownAddress */ .Uk)(location) };
    }
    const local = /^file:/i.test(value) ? (0,_requirement_line_js__WEBPACK_IMPORTED_MODULE_3__/* .fileOfUrl */ .H2)(value, source) : value;
    return {
        location: node_path__WEBPACK_IMPORTED_MODULE_0__.resolve(node_path__WEBPACK_IMPORTED_MODULE_0__.dirname(parent.location), local),
        shown: node_path__WEBPACK_IMPORTED_MODULE_0__.isAbsolute(local)
            ? local
            : node_path__WEBPACK_IMPORTED_MODULE_0__.posix.join(node_path__WEBPACK_IMPORTED_MODULE_0__.posix.dirname(parent.shown), local),
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
        !node_path__WEBPACK_IMPORTED_MODULE_0__.isAbsolute(line.value) &&
        !/^https?:/i.test(file.location);
    if (!isRelative || line.raw === undefined)
        return [line];
    const beside = node_path__WEBPACK_IMPORTED_MODULE_0__.join(node_path__WEBPACK_IMPORTED_MODULE_0__.dirname(file.location), line.raw);
    return [beside, line.raw].map((place) => ({ ...line, text: `--find-links ${(0,_requirement_words_js__WEBPACK_IMPORTED_MODULE_5__/* .quoted */ .TL)(place)}` }));
}
/**
 * A requirement from a project's metadata that names its own source. It has no variables.
 * @param text without a marker
 * @throws UserError when it is invalid
 */
function requirementOf(text, source, workingDirectory) {
    const parsed = (0,_requirement_line_js__WEBPACK_IMPORTED_MODULE_3__/* .parseLine */ .A)(text, { source, constraint: false }, { environment: {}, workingDirectory });
    const [line] = 'lines' in parsed ? parsed.lines : [];
    if (line?.kind !== 'direct') {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_1__/* .UserError */ .yo(`"${(0,_secrets_js__WEBPACK_IMPORTED_MODULE_4__/* .withoutSecrets */ .cT)(text)}" is not a requirement with a URL.`, source);
    }
    return line;
}
/** The requirements and constraints that pip resolves through an index. */
function indexRequirements(lines) {
    return lines.filter((line) => line.kind === 'index');
}
/** As {@link indexRequirements}, of `build-system.requires`; pip reports the invalid ones. */
function indexRequirementsIn(texts) {
    const context = { workingDirectory: node_path__WEBPACK_IMPORTED_MODULE_0__.sep, environment: {} };
    return texts.flatMap((text) => {
        try {
            const source = { file: 'build-system.requires', line: undefined };
            const parsed = (0,_requirement_line_js__WEBPACK_IMPORTED_MODULE_3__/* .parseLine */ .A)(text, { source, constraint: false }, context);
            return 'lines' in parsed ? indexRequirements(parsed.lines) : [];
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
    for (const line of indexRequirements(lines)) {
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
    return lines.some((line) => line.name === name && line.pin !== undefined && (0,_names_js__WEBPACK_IMPORTED_MODULE_2__/* .sameVersion */ .r1)(line.pin, version));
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
/* harmony export */   g0: () => (/* binding */ fingerprinted),
/* harmony export */   yL: () => (/* binding */ secretsOfInputs)
/* harmony export */ });
/* unused harmony exports looksSecret, secretsOfUrl, secretForms */
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

/***/ 7979:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   l: () => (/* binding */ formatState)
/* harmony export */ });
/* unused harmony export parseState */
/* harmony import */ var node_crypto__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(7598);
/* harmony import */ var _change_entry_js__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(3385);
/* harmony import */ var _schema_js__WEBPACK_IMPORTED_MODULE_2__ = __nccwpck_require__(3227);
/**
 * The state from the main step to the post step: one versioned JSON text, signed with the job's
 * token for the cache service. Programs that main starts can write to the file that contains it, but
 * do not get that token; with it they could write cache entries anyway.
 */



/** Changes with the form; a state of another version is ignored. */
const version = 4;
const stateSchema = (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .object */ .Ik)({
    version: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .satisfying */ .uT)(`${version}`, (value) => value === version),
    // A path may contain any character; it is signed, and never shown as is.
    wheelhouses: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .list */ .p_)((0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .object */ .Ik)({ wheelhouse: _schema_js__WEBPACK_IMPORTED_MODULE_2__/* .string */ .Yj, key: _schema_js__WEBPACK_IMPORTED_MODULE_2__/* .line */ .n8, manifest: _schema_js__WEBPACK_IMPORTED_MODULE_2__/* .line */ .n8, change: (0,_schema_js__WEBPACK_IMPORTED_MODULE_2__/* .optional */ .lq)(_change_entry_js__WEBPACK_IMPORTED_MODULE_1__/* .changeSchema */ .Kr) })),
    signature: _schema_js__WEBPACK_IMPORTED_MODULE_2__/* .line */ .n8,
});
/** @param token of the cache service; a secret of the job */
function formatState(states, token) {
    return JSON.stringify({ version, wheelhouses: states, signature: signature(states, token) });
}
/** @returns undefined unless the main step of this job wrote the text, in this version */
function parseState(text, token) {
    try {
        const { wheelhouses, signature: given } = stateSchema(JSON.parse(text), '');
        const [one, other] = [Buffer.from(signature(wheelhouses, token)), Buffer.from(given)];
        const isOurs = token !== '' && one.length === other.length && timingSafeEqual(one, other);
        return isOurs ? wheelhouses : undefined;
    }
    catch (error) {
        if (error instanceof SyntaxError || error instanceof SchemaError)
            return undefined;
        throw error;
    }
}
function signature(states, token) {
    const parts = states.map(({ wheelhouse, key, manifest, change }) => [
        ...[wheelhouse, key, manifest],
        change === undefined
            ? null
            : [change.base.key, change.base.size, change.base.saved, change.wheels],
    ]);
    const text = JSON.stringify(['wheelhouse state', version, parts]);
    return (0,node_crypto__WEBPACK_IMPORTED_MODULE_0__.createHmac)('sha256', token).update(text).digest('hex');
}


/***/ }),

/***/ 2718:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   CI: () => (/* binding */ formatReport),
/* harmony export */   kq: () => (/* binding */ formatSummary)
/* harmony export */ });
/* unused harmony exports totals, size, headline, changeLines */
/* harmony import */ var _manifest_js__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(4649);
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
    return (0,_manifest_js__WEBPACK_IMPORTED_MODULE_0__/* .changes */ .Ao)(report.before, report.wheels).map(({ name, from, to }) => {
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


/***/ }),

/***/ 3618:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {


// EXPORTS
__nccwpck_require__.d(__webpack_exports__, {
  WJ: () => (/* binding */ formatToml),
  MT: () => (/* binding */ parseToml),
  P$: () => (/* binding */ strings),
  tp: () => (/* binding */ table),
  um: () => (/* binding */ tables)
});

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
function stringify(obj, { maxDepth = 1000, numbersAsFloat = false, strictTemporal = false } = {}) {
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
/* harmony default export */ const dist = ({ parse: parse, stringify: stringify, TomlDate: TomlDate, TomlError: TomlError });

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

/***/ 3969:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   Rc: () => (/* binding */ referencedFiles),
/* harmony export */   Tu: () => (/* binding */ uvSettings),
/* harmony export */   UB: () => (/* binding */ uvConfiguration),
/* harmony export */   g8: () => (/* binding */ withUvIndexes),
/* harmony export */   lo: () => (/* binding */ refuseNewestOfUv)
/* harmony export */ });
/* harmony import */ var node_path__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(6760);
/* harmony import */ var node_url__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(3136);
/* harmony import */ var _digest_js__WEBPACK_IMPORTED_MODULE_2__ = __nccwpck_require__(9112);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_3__ = __nccwpck_require__(5895);
/* harmony import */ var _index_choice_js__WEBPACK_IMPORTED_MODULE_4__ = __nccwpck_require__(4260);
/* harmony import */ var _secrets_js__WEBPACK_IMPORTED_MODULE_5__ = __nccwpck_require__(3983);
/* harmony import */ var _toml_js__WEBPACK_IMPORTED_MODULE_6__ = __nccwpck_require__(3618);
/**
 * The settings of uv that decide which files it chooses and how it builds them: its variables, and the
 * uv.toml or pyproject.toml that apply where it runs. They become one uv.toml for the fill, so that uv
 * reads exactly what the cache key contains.
 *
 * Sources: uv's pages "Settings", "Environment variables" and "Indexes"; `PipSettings::combine` and
 * `FilesystemOptions` of its code (seen with uv 0.12 and 0.13).
 */







/** The variables that decide which files uv chooses, besides those that name indexes. */
const choosingVariables = [
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
];
/** Those of them that name files, separated by spaces. */
const fileVariables = [
    'UV_BUILD_CONSTRAINT',
    'UV_CONSTRAINT',
    'UV_EXCLUDE',
    'UV_OVERRIDE',
];
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
const machineKeys = ['allow-insecure-host', 'http-proxy', 'https-proxy', 'no-proxy'];
/** Keys of `[pip]` whose counterparts at the top level have another form. */
const pipOnly = new Set(['no-binary', 'only-binary', 'no-build', 'no-deps']);
/**
 * Merges uv's settings.
 * @param files those that apply, the one with the highest precedence first
 * @throws UserError for a file that is not valid TOML
 */
function uvSettings(environment, files) {
    const merged = files.map(contentOf).reduce(combined, {});
    const all = { ...merged, ...combined((0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)(merged['pip']), merged) };
    const config = relevant(all, (key) => !unusedKeys.has(key) && !pipOnly.has(key) && key !== 'pip');
    const top = relevant(merged, (key) => pipOnly.has(key));
    const pip = relevant((0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)(merged['pip']), (key) => pipOnly.has(key));
    const { defaultIndex, otherIndexes } = indexesOf(environment, all);
    const whole = { ...config, ...top, ...(Object.keys(pip).length === 0 ? {} : { pip }) };
    const indexOptions = [...otherIndexes, ...(defaultIndex === undefined ? [] : [defaultIndex])]
        .filter(({ options }) => Object.keys(options).length > 0)
        .map(({ url, options }) => `index-options=${(0,_secrets_js__WEBPACK_IMPORTED_MODULE_5__/* .fingerprinted */ .g0)(url)} ${JSON.stringify(options)}`);
    return {
        config: whole,
        defaultIndex,
        otherIndexes,
        hasFindLinks: Boolean(environment['UV_FIND_LINKS']) || all['find-links'] !== undefined,
        parts: [
            ...choosingVariables.flatMap((name) => {
                const value = environment[name];
                return value ? [`${name}=${(0,_secrets_js__WEBPACK_IMPORTED_MODULE_5__/* .fingerprinted */ .g0)(value)}`] : [];
            }),
            ...Object.entries(whole)
                .filter(([key]) => !connectionKeys.has(key))
                .map(([key, value]) => `uv ${key}=${valuePart(key, value)}`)
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
        .map((file) => node_path__WEBPACK_IMPORTED_MODULE_0__.resolve(directory, file)));
}
/** @throws UserError for a setting of uv that limits the age of files, beside the input that does */
function refuseNewestOfUv({ config }, environment) {
    if (!environment['UV_EXCLUDE_NEWER'] && config['exclude-newer'] === undefined)
        return;
    throw new _errors_js__WEBPACK_IMPORTED_MODULE_3__/* .UserError */ .yo('The input minimum-release-age is set, and uv is configured with exclude-newer. Remove one of them.');
}
/**
 * The index inputs of a run, completed by uv's settings. The input index-url replaces all indexes of
 * uv's settings, and extra-index-url those that are asked first.
 * @param configured pip's index, which counts where uv's settings name no default
 * @throws UserError when the credentials of inputs would go to an index that a file of uv names
 */
function withUvIndexes(inputs, { defaultIndex, otherIndexes }, configured) {
    if (inputs.url !== undefined)
        return inputs;
    const url = defaultIndex?.url;
    if (inputs.username !== undefined && url !== undefined && !(0,_index_choice_js__WEBPACK_IMPORTED_MODULE_4__/* .isSameIndex */ .bt)(url, configured)) {
        // The author of a pull request must not get the credentials.
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_3__/* .UserError */ .yo(`The inputs index-username and index-password are set, but uv's settings name another default index (${(0,_secrets_js__WEBPACK_IMPORTED_MODULE_5__/* .shownAddress */ .Uk)(url)}). Set the input index-url to the index that the credentials are for.`);
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
    const config = metadata.length === 0 ? own : { ...own, [key]: [...(0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .tables */ .um)(own[key]), ...metadata] };
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
function valuePart(key, value) {
    const text = JSON.stringify(value);
    return /^(?:config-settings|extra-build-variables)/.test(key)
        ? (0,_digest_js__WEBPACK_IMPORTED_MODULE_2__/* .digest */ .b)([text]).slice(0, 12)
        : (0,_secrets_js__WEBPACK_IMPORTED_MODULE_5__/* .fingerprinted */ .g0)(text);
}
/** Returns the settings in a file, with absolute paths. */
function contentOf(file) {
    const content = (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .parseToml */ .MT)(file.text, file.path);
    const isProject = node_path__WEBPACK_IMPORTED_MODULE_0__.basename(file.path) === 'pyproject.toml';
    const all = isProject ? (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)((0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)(content['tool'])['uv']) : content;
    const own = relevant(all, (key) => !(file.isOfProject && machineKeys.includes(key)));
    const directory = node_path__WEBPACK_IMPORTED_MODULE_0__.dirname(file.path);
    const pip = (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .table */ .tp)(own['pip']);
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
        return isUrl ? value : (0,node_url__WEBPACK_IMPORTED_MODULE_1__.pathToFileURL)(node_path__WEBPACK_IMPORTED_MODULE_0__.resolve(directory, value)).href;
    };
    const rebased = {};
    for (const [key, value] of Object.entries(settings)) {
        if (key === 'index-url')
            rebased[key] = absolute(value);
        if (key === 'extra-index-url' || key === 'find-links') {
            rebased[key] = Array.isArray(value) ? value.map(absolute) : value;
        }
        if (key === 'index') {
            rebased[key] = (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .tables */ .um)(value).map((index) => ({ ...index, url: absolute(index['url']) }));
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
function indexesOf(environment, settings) {
    const named = (0,_toml_js__WEBPACK_IMPORTED_MODULE_6__/* .tables */ .um)(settings['index']);
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
        return withCredentials(url, environment[`${variable}_USERNAME`], environment[`${variable}_PASSWORD`]);
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
function withCredentials(url, username, password) {
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
    const [username, password] = [parsed.username, parsed.password].map(decoded);
    parsed.username = '';
    parsed.password = '';
    return { address: username + password === '' ? url : parsed.href, username, password };
}
function decoded(text) {
    try {
        return decodeURIComponent(text);
    }
    catch {
        return text;
    }
}


/***/ }),

/***/ 7464:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   $C: () => (/* binding */ statusError),
/* harmony export */   GB: () => (/* binding */ pauseBefore),
/* harmony export */   HS: () => (/* binding */ ForeignRedirect),
/* harmony export */   Ie: () => (/* binding */ isSameOwner),
/* harmony export */   Og: () => (/* binding */ credentialsFor),
/* harmony export */   PH: () => (/* binding */ WebError),
/* harmony export */   cq: () => (/* binding */ bareUrl),
/* harmony export */   ey: () => (/* binding */ isTemporary),
/* harmony export */   fi: () => (/* binding */ pageUrl),
/* harmony export */   gM: () => (/* binding */ isTrustedHost),
/* harmony export */   iJ: () => (/* binding */ proxyFor),
/* harmony export */   zT: () => (/* binding */ isForeignProxy),
/* harmony export */   zg: () => (/* binding */ needsPip)
/* harmony export */ });
/* unused harmony export credentialsIn */
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


/***/ }),

/***/ 342:
/***/ ((__webpack_module__, __unused_webpack___webpack_exports__, __nccwpck_require__) => {

__nccwpck_require__.a(__webpack_module__, async (__webpack_handle_async_dependencies__, __webpack_async_result__) => { try {
/* harmony import */ var node_fs__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(3024);
/* harmony import */ var node_os__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(8161);
/* harmony import */ var node_path__WEBPACK_IMPORTED_MODULE_2__ = __nccwpck_require__(6760);
/* harmony import */ var _inputs_js__WEBPACK_IMPORTED_MODULE_3__ = __nccwpck_require__(646);
/* harmony import */ var _install_js__WEBPACK_IMPORTED_MODULE_4__ = __nccwpck_require__(6988);
/* harmony import */ var _logic_cache_policy_js__WEBPACK_IMPORTED_MODULE_21__ = __nccwpck_require__(9839);
/* harmony import */ var _logic_environment_js__WEBPACK_IMPORTED_MODULE_20__ = __nccwpck_require__(6131);
/* harmony import */ var _logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__ = __nccwpck_require__(4649);
/* harmony import */ var _logic_state_js__WEBPACK_IMPORTED_MODULE_6__ = __nccwpck_require__(7979);
/* harmony import */ var _logic_summary_js__WEBPACK_IMPORTED_MODULE_7__ = __nccwpck_require__(2718);
/* harmony import */ var _world_client_js__WEBPACK_IMPORTED_MODULE_8__ = __nccwpck_require__(5102);
/* harmony import */ var _world_gateway_js__WEBPACK_IMPORTED_MODULE_9__ = __nccwpck_require__(8187);
/* harmony import */ var _world_github_cache_js__WEBPACK_IMPORTED_MODULE_10__ = __nccwpck_require__(5933);
/* harmony import */ var _world_lock_tools_js__WEBPACK_IMPORTED_MODULE_11__ = __nccwpck_require__(1935);
/* harmony import */ var _world_package_index_js__WEBPACK_IMPORTED_MODULE_12__ = __nccwpck_require__(4597);
/* harmony import */ var _world_process_js__WEBPACK_IMPORTED_MODULE_13__ = __nccwpck_require__(5733);
/* harmony import */ var _world_python_js__WEBPACK_IMPORTED_MODULE_14__ = __nccwpck_require__(2008);
/* harmony import */ var _world_reporters_js__WEBPACK_IMPORTED_MODULE_15__ = __nccwpck_require__(2150);
/* harmony import */ var _world_sources_js__WEBPACK_IMPORTED_MODULE_16__ = __nccwpck_require__(6265);
/* harmony import */ var _world_uv_js__WEBPACK_IMPORTED_MODULE_17__ = __nccwpck_require__(6857);
/* harmony import */ var _world_wheelhouses_js__WEBPACK_IMPORTED_MODULE_18__ = __nccwpck_require__(5638);
/* harmony import */ var _world_workflow_js__WEBPACK_IMPORTED_MODULE_19__ = __nccwpck_require__(2459);
/** Entry point of the action's main step: wires the adapters, runs the story, reports. */






















const reporter = (0,_world_reporters_js__WEBPACK_IMPORTED_MODULE_15__/* .actionsReporter */ .t)('Wheelhouse');
async function main() {
    const environment = (0,_logic_environment_js__WEBPACK_IMPORTED_MODULE_20__/* .environmentForPrograms */ .cx)(process.env);
    const { request, notices } = (0,_inputs_js__WEBPACK_IMPORTED_MODULE_3__/* .loadRequest */ .W$)(_world_workflow_js__WEBPACK_IMPORTED_MODULE_19__/* .input */ .hF, hostOf(environment));
    for (const notice of notices)
        reporter.notice(notice);
    const outcome = await (0,_install_js__WEBPACK_IMPORTED_MODULE_4__/* .install */ .a)(request, {
        python: (0,_world_python_js__WEBPACK_IMPORTED_MODULE_14__/* .pythonAdapter */ .Wp)(reporter, environment),
        uv: (0,_world_uv_js__WEBPACK_IMPORTED_MODULE_17__/* .uvAdapter */ .t)(reporter),
        lockTools: (0,_world_lock_tools_js__WEBPACK_IMPORTED_MODULE_11__/* .lockToolsAdapter */ .s)(),
        sources: (0,_world_sources_js__WEBPACK_IMPORTED_MODULE_16__/* .sourcesAdapter */ .u)(),
        wheelhouses: (0,_world_wheelhouses_js__WEBPACK_IMPORTED_MODULE_18__/* .wheelhousesAdapter */ .S)(),
        store: (0,_world_github_cache_js__WEBPACK_IMPORTED_MODULE_10__/* .githubCache */ .m)({
            environment: process.env,
            temporary: request.temporary,
            program: (0,_world_github_cache_js__WEBPACK_IMPORTED_MODULE_10__/* .transferProgram */ .U)(),
            reporter,
        }),
        indexProbe: (0,_world_package_index_js__WEBPACK_IMPORTED_MODULE_12__/* .indexProbe */ .Z)((0,_world_client_js__WEBPACK_IMPORTED_MODULE_8__/* .webAdapter */ .q4)(), environment),
        web: (0,_world_client_js__WEBPACK_IMPORTED_MODULE_8__/* .webAdapter */ .q4)(),
        gateways: (0,_world_gateway_js__WEBPACK_IMPORTED_MODULE_9__/* .gatewaysAdapter */ .l)(),
        reporter,
        now: () => new Date(),
    });
    handOver(outcome);
    for (const line of (0,_logic_summary_js__WEBPACK_IMPORTED_MODULE_7__/* .formatReport */ .CI)(outcome.report))
        reporter.info(line);
    _world_workflow_js__WEBPACK_IMPORTED_MODULE_19__/* .addSummary */ .S0((0,_logic_summary_js__WEBPACK_IMPORTED_MODULE_7__/* .formatSummary */ .kq)(outcome.report));
}
/** The runner's description of the job. */
function hostOf(environment) {
    const workspace = environment['GITHUB_WORKSPACE'] || process.cwd();
    return {
        workspace,
        directory: workspace,
        temporary: environment['RUNNER_TEMP'] || (0,node_os__WEBPACK_IMPORTED_MODULE_1__.tmpdir)(),
        environment,
        event: (0,_logic_cache_policy_js__WEBPACK_IMPORTED_MODULE_21__/* .workflowEvent */ .k)(environment, payloadOf(environment)),
    };
}
function payloadOf(environment) {
    try {
        return JSON.parse((0,node_fs__WEBPACK_IMPORTED_MODULE_0__.readFileSync)(environment['GITHUB_EVENT_PATH'] ?? '', 'utf8'));
    }
    catch {
        return undefined;
    }
}
/** Sets outputs, variables and the state of the post step. */
function handOver({ request, report, states, wheelhouse, interpreter }) {
    _world_workflow_js__WEBPACK_IMPORTED_MODULE_19__/* .setOutput */ .uH('cache-hit', report.hit === 'exact');
    _world_workflow_js__WEBPACK_IMPORTED_MODULE_19__/* .setOutput */ .uH('cache-primary-key', report.primaryKey);
    _world_workflow_js__WEBPACK_IMPORTED_MODULE_19__/* .setOutput */ .uH('cache-matched-key', report.matchedKey ?? '');
    _world_workflow_js__WEBPACK_IMPORTED_MODULE_19__/* .setOutput */ .uH('wheelhouse', wheelhouse);
    _world_workflow_js__WEBPACK_IMPORTED_MODULE_19__/* .setOutput */ .uH('lock-file', node_path__WEBPACK_IMPORTED_MODULE_2__.join(wheelhouse, _logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .lockFile */ .Ke));
    _world_workflow_js__WEBPACK_IMPORTED_MODULE_19__/* .setOutput */ .uH('pylock-file', node_path__WEBPACK_IMPORTED_MODULE_2__.join(wheelhouse, _logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .pylockFile */ .Rr));
    _world_workflow_js__WEBPACK_IMPORTED_MODULE_19__/* .setOutput */ .uH('venv', request.venv ?? '');
    _world_workflow_js__WEBPACK_IMPORTED_MODULE_19__/* .setOutput */ .uH('python-version', interpreter.version);
    _world_workflow_js__WEBPACK_IMPORTED_MODULE_19__/* .setOutput */ .uH('index-used', report.index?.shown ?? '');
    // Always written, because the last value of that name counts.
    const token = process.env['ACTIONS_RUNTIME_TOKEN'] ?? '';
    _world_workflow_js__WEBPACK_IMPORTED_MODULE_19__/* .saveState */ .LZ('wheelhouse', states.length === 0 ? '' : (0,_logic_state_js__WEBPACK_IMPORTED_MODULE_6__/* .formatState */ .l)(states, token));
    if (request.venv !== undefined) {
        _world_workflow_js__WEBPACK_IMPORTED_MODULE_19__/* .exportVariable */ .dN('VIRTUAL_ENV', request.venv);
        _world_workflow_js__WEBPACK_IMPORTED_MODULE_19__/* .addPath */ .fM((0,_world_python_js__WEBPACK_IMPORTED_MODULE_14__/* .venvBin */ .RS)(request.venv));
    }
    if (request.export) {
        _world_workflow_js__WEBPACK_IMPORTED_MODULE_19__/* .exportVariable */ .dN('PIP_FIND_LINKS', wheelhouse);
        _world_workflow_js__WEBPACK_IMPORTED_MODULE_19__/* .exportVariable */ .dN('UV_FIND_LINKS', wheelhouse);
    }
}
await (0,_world_process_js__WEBPACK_IMPORTED_MODULE_13__/* .runEntry */ .CN)(main, reporter);

__webpack_async_result__();
} catch(e) { __webpack_async_result__(e); } }, 1);

/***/ }),

/***/ 5102:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {


// EXPORTS
__nccwpck_require__.d(__webpack_exports__, {
  q4: () => (/* binding */ webAdapter)
});

// UNUSED EXPORTS: accept, maxPage

// EXTERNAL MODULE: external "node:crypto"
var external_node_crypto_ = __nccwpck_require__(7598);
// EXTERNAL MODULE: external "node:fs/promises"
var promises_ = __nccwpck_require__(1455);
;// CONCATENATED MODULE: external "node:timers/promises"
const external_node_timers_promises_namespaceObject = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:timers/promises");
// EXTERNAL MODULE: external "node:util"
var external_node_util_ = __nccwpck_require__(7975);
// EXTERNAL MODULE: external "node:zlib"
var external_node_zlib_ = __nccwpck_require__(8522);
// EXTERNAL MODULE: ./lib/logic/web.js
var web = __nccwpck_require__(7464);
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
        let credentials = (0,web/* credentialsFor */.Og)(start, this.#access.indexes);
        let url = (0,web/* bareUrl */.cq)(start);
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
                    throw new Failure((0,web/* statusError */.$C)(status), (0,web/* isTemporary */.ey)(status), retryAfter);
                }
                const next = this.#redirected(url, target);
                if (options.stayAtOrigin && next.origin !== url.origin) {
                    throw new Failure(new web/* ForeignRedirect */.HS(next), false);
                }
                if (!(0,web/* isSameOwner */.Ie)(url, next))
                    credentials = undefined;
                url = next;
            }
            throw new Failure(new web/* WebError */.PH('wrong', 'it redirects too many times'), false);
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
            throw new Failure(new web/* WebError */.PH('wrong', 'it redirects to an invalid address'), false);
        }
        const to = (0,web/* bareUrl */.cq)(new URL(location, from.href).href);
        if (!/^https?:$/.test(to.protocol)) {
            throw new Failure(new web/* WebError */.PH('wrong', `it redirects to an address with ${to.protocol}`), false);
        }
        const isDowngrade = from.protocol === 'https:' && to.protocol === 'http:';
        if (isDowngrade && !(0,web/* isTrustedHost */.gM)(to, this.#access.trust.trustedHosts)) {
            throw new Failure(new web/* WebError */.PH('untrusted', `it redirects from https to plain http (${to.host})`), false);
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
                        throw new Failure(new web/* WebError */.PH('down', `it sent less than ${rate}`), true);
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
            throw new Failure(new web/* WebError */.PH('down', 'the client was closed'), false);
        const { trust, environment } = this.#access;
        const proxy = (0,web/* proxyFor */.iJ)(url, environment);
        if ((0,web/* isForeignProxy */.zT)(proxy)) {
            throw new Failure(new web/* WebError */.PH('down', 'its proxy is not an http proxy'), false);
        }
        const isTrusted = (0,web/* isTrustedHost */.gM)(url, trust.trustedHosts);
        return getOrAdd(this.#dispatchers, `${isTrusted} ${proxy}`, () => this.#newDispatcher(proxy, isTrusted));
    }
    async #newDispatcher(proxy, isTrusted) {
        const { certificates } = this.#access.trust;
        this.#certificates ??= certificates === undefined ? undefined : (0,promises_.readFile)(certificates);
        const ca = await this.#certificates?.catch(() => {
            throw new Failure(new web/* WebError */.PH('untrusted', 'the file of trusted certificates can not be read'), false);
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
        const credentials = (0,web/* credentialsFor */.Og)(address, []);
        return new undici.ProxyAgent({
            uri: (0,web/* bareUrl */.cq)(address).href,
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
        return new Failure(new web/* WebError */.PH('down', stopped), true);
    const { code = '', message } = error;
    if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS|ALTNAME|UNABLE_TO_GET_ISSUER/.test(code)) {
        return new Failure(new web/* WebError */.PH('untrusted', `its certificate is not trusted (${code})`), false);
    }
    const [, proxyStatus] = /^Proxy .*\((\d{3})\)/.exec(message) ?? [];
    const reason = proxyStatus ? `the proxy answers ${proxyStatus}` : (reasons[code] ?? code);
    const isLasting = proxyStatus === undefined ? code === 'ENOTFOUND' : !(0,web/* isTemporary */.ey)(Number(proxyStatus));
    return new Failure(new web/* WebError */.PH('down', reason || 'the connection failed'), !isLasting);
}

// EXTERNAL MODULE: external "node:os"
var external_node_os_ = __nccwpck_require__(8161);
// EXTERNAL MODULE: external "node:path"
var external_node_path_ = __nccwpck_require__(6760);
// EXTERNAL MODULE: ./lib/world/disk.js
var disk = __nccwpck_require__(6895);
// EXTERNAL MODULE: ./lib/world/process.js + 2 modules
var process = __nccwpck_require__(5733);
// EXTERNAL MODULE: ./lib/world/python-program.js
var python_program = __nccwpck_require__(6045);
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
            throw new web/* WebError */.PH('down', 'the client was closed');
        const { running, waiting } = started();
        lastId += 1;
        const id = lastId;
        return new Promise((resolve) => {
            waiting.set(id, resolve);
            // Addresses may contain credentials, so they are not arguments.
            running.write(`${(0,python_program/* asciiJson */.iL)({
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
                throw (0,web/* statusError */.$C)(status);
            if (fault === undefined)
                return reply;
            if (reply.unwritable)
                throw new Error(fault);
            if (reply.large)
                throw new web/* WebError */.PH('too large', fault);
            if (!reply.broken || attempt >= attempts)
                throw new web/* WebError */.PH('down', fault);
        }
    }
    return {
        async page(url, options = {}) {
            directory ??= (0,disk/* temporaryDirectory */.De)((0,external_node_os_.tmpdir)(), 'wheelhouse-pages');
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
                const body = await (0,promises_.readFile)(to);
                return { contentType, url: from, body, text: body.toString('utf8') };
            }
            finally {
                await (0,promises_.rm)(to, { force: true });
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
                        await (0,promises_.rename)(temporary, to);
                        return { sha256, size };
                    }
                    // It may have been damaged on the way.
                    if (attempt >= attempts)
                        throw new web/* WebError */.PH('wrong', fault);
                }
            }
            finally {
                await (0,promises_.rm)(temporary, { force: true });
            }
        },
        async close() {
            isClosed = true;
            session?.running.stop();
            await session?.running.finished.catch(() => { });
            if (directory !== undefined)
                await (0,disk/* discard */.vf)(await directory);
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
    const running = (0,process/* start */.ni)(python, ['-c', (0,python_program/* pythonProgram */.pQ)('session')], {
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
    running.write(`${(0,python_program/* asciiJson */.iL)({ indexes })}\n`);
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
            if (!(error instanceof web/* WebError */.PH) || !mayPipHelp(error))
                throw error;
            const result = await work(session).catch((other) => {
                throw other instanceof web/* WebError */.PH && other.kind === 'down' ? error : other;
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
    throw new web/* WebError */.PH('wrong', 'its address is not an http address');
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
            await (0,external_node_timers_promises_namespaceObject.setTimeout)((0,web/* pauseBefore */.GB)(failures, error.retryAfter, Date.now(), limits.pause));
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
        throw new web/* WebError */.PH('wrong', 'it has a content encoding that was not requested');
    }
    try {
        return await (0,external_node_util_.promisify)(external_node_zlib_.gunzip)(body, { maxOutputLength });
    }
    catch (error) {
        const { code } = error;
        if (code === 'ERR_BUFFER_TOO_LARGE')
            throw tooLarge(maxOutputLength);
        throw new Failure(new web/* WebError */.PH('wrong', 'it is not the gzip data that it should be'), true);
    }
}
function tooLarge(limit) {
    return new web/* WebError */.PH('too large', `it is larger than ${Math.floor(limit / 1024 / 1024)} MB`);
}
async function file(connections, start, to, expected, limits) {
    const temporary = `${to}.${Math.random().toString(36).slice(2, 10)}.part`;
    const handle = await (0,promises_.open)(temporary, 'wx');
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
        await (0,promises_.rename)(temporary, to);
        return result;
    }
    catch (error) {
        if (!isClosed)
            await handle.close().catch(() => { });
        await (0,promises_.rm)(temporary, { force: true }).catch(() => { });
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
            throw new Failure(new web/* WebError */.PH('wrong', 'it sent another part than requested'), true);
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
        return new Failure(new web/* WebError */.PH('wrong', reason), isFirst);
    }
}


/***/ }),

/***/ 6895:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   De: () => (/* binding */ temporaryDirectory),
/* harmony export */   Ti: () => (/* binding */ moveDirectory),
/* harmony export */   _r: () => (/* binding */ release),
/* harmony export */   dF: () => (/* binding */ untilExit),
/* harmony export */   f8: () => (/* binding */ writeWhole),
/* harmony export */   qM: () => (/* binding */ mapFiles),
/* harmony export */   sN: () => (/* binding */ fileSha256),
/* harmony export */   t2: () => (/* binding */ exists),
/* harmony export */   vf: () => (/* binding */ discard)
/* harmony export */ });
/* unused harmony export copyDirectory */
/* harmony import */ var node_crypto__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(7598);
/* harmony import */ var node_fs__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(3024);
/* harmony import */ var node_fs_promises__WEBPACK_IMPORTED_MODULE_2__ = __nccwpck_require__(1455);
/* harmony import */ var node_path__WEBPACK_IMPORTED_MODULE_3__ = __nccwpck_require__(6760);
/** Files and directories: hashes, writes, copies, moves and deletes them. */




/** Whether there is a file, a directory or a link of that name. */
async function exists(file) {
    return (await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_2__.lstat)(file).catch(() => undefined)) !== undefined;
}
/** Bytes that are read at a time. */
const pieceSize = 512 * 1024;
/** Memory to read into, for the next file: streams would take new memory for every piece. */
const idle = [];
/** @returns lower-case hex of a file's SHA-256 @throws the system's error when it can't be read */
async function fileSha256(file) {
    const hash = (0,node_crypto__WEBPACK_IMPORTED_MODULE_0__.createHash)('sha256');
    const handle = await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_2__.open)(file);
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
const concurrency = 4;
/** Array.map for work that reads files: only a few items at the same time. */
async function mapFiles(items, work) {
    const results = [];
    const queue = items.entries();
    const worker = async () => {
        for (const [index, item] of queue)
            results[index] = await work(item);
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
    return results;
}
/** Writes a file whole or not at all. */
async function writeWhole(file, text) {
    const temporary = `${file}.${(0,node_crypto__WEBPACK_IMPORTED_MODULE_0__.randomUUID)()}`;
    await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_2__.writeFile)(temporary, text);
    await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_2__.rename)(temporary, file);
}
/** How often another process may be faster while a directory is moved into its place. */
const maxSwaps = 20;
/**
 * Moves a directory into the place of another one: by rename, or by a copy beside it and a rename
 * where the two are on different disks. Two processes may do it at once: the last one stays, whole.
 */
async function moveDirectory(from, to) {
    await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_2__.mkdir)(node_path__WEBPACK_IMPORTED_MODULE_3__.dirname(to), { recursive: true });
    const source = await onSameDisk(from, to);
    const aside = untilExit(`${to}.${(0,node_crypto__WEBPACK_IMPORTED_MODULE_0__.randomUUID)().slice(0, 8)}.old`);
    for (let swap = 1;; swap += 1) {
        await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_2__.rename)(to, aside).catch((error) => {
            if (error.code !== 'ENOENT')
                throw error;
        });
        try {
            await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_2__.rename)(source, to);
            break;
        }
        catch (error) {
            const { code } = error;
            if (!['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(String(code)) || swap >= maxSwaps)
                throw error;
            await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_2__.rm)(aside, { recursive: true, force: true });
        }
    }
    release(from);
    release(source);
    await discard(aside);
}
async function onSameDisk(from, to) {
    const beside = untilExit(`${to}.${(0,node_crypto__WEBPACK_IMPORTED_MODULE_0__.randomUUID)().slice(0, 8)}.new`);
    try {
        await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_2__.rename)(from, beside);
    }
    catch (error) {
        if (error.code !== 'EXDEV')
            throw error;
        await copyDirectory(from, beside);
        await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_2__.rm)(from, { recursive: true, force: true });
    }
    return beside;
}
/** Copies a directory; the files share their blocks where the file system can do that. */
async function copyDirectory(from, to) {
    await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_2__.cp)(from, to, { recursive: true, mode: node_fs__WEBPACK_IMPORTED_MODULE_1__.constants.COPYFILE_FICLONE });
}
/** Directories that are deleted when the process ends. */
const temporary = new Set();
process.on('exit', () => {
    for (const each of temporary) {
        try {
            unlock(each);
            // Programs that were just stopped may still be writing into them.
            (0,node_fs__WEBPACK_IMPORTED_MODULE_1__.rmSync)(each, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
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
    const directory = untilExit(node_path__WEBPACK_IMPORTED_MODULE_3__.join(parent, `${prefix}-${(0,node_crypto__WEBPACK_IMPORTED_MODULE_0__.randomUUID)().slice(0, 8)}`));
    await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_2__.mkdir)(parent, { recursive: true });
    // Synchronous, so that it is not made after the process has cleaned up. Not recursive: on a
    // read-only disk Node would then report a missing parent.
    (0,node_fs__WEBPACK_IMPORTED_MODULE_1__.mkdirSync)(directory);
    return directory;
}
/**
 * Deletes a directory now. If that fails, it is tried again when the process ends; no job fails for
 * it.
 */
async function discard(directory) {
    const remove = () => (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_2__.rm)(directory, { recursive: true, force: true });
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
    if (!(0,node_fs__WEBPACK_IMPORTED_MODULE_1__.lstatSync)(directory, { throwIfNoEntry: false })?.isDirectory())
        return;
    (0,node_fs__WEBPACK_IMPORTED_MODULE_1__.chmodSync)(directory, 0o700);
    for (const entry of (0,node_fs__WEBPACK_IMPORTED_MODULE_1__.readdirSync)(directory, { withFileTypes: true, encoding: 'buffer' })) {
        if (entry.isDirectory()) {
            unlock(Buffer.concat([Buffer.from(directory), Buffer.from(node_path__WEBPACK_IMPORTED_MODULE_3__.sep), entry.name]));
        }
    }
}


/***/ }),

/***/ 8187:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {


// EXPORTS
__nccwpck_require__.d(__webpack_exports__, {
  l: () => (/* binding */ gatewaysAdapter)
});

// EXTERNAL MODULE: external "node:crypto"
var external_node_crypto_ = __nccwpck_require__(7598);
// EXTERNAL MODULE: external "node:fs"
var external_node_fs_ = __nccwpck_require__(3024);
// EXTERNAL MODULE: external "node:fs/promises"
var promises_ = __nccwpck_require__(1455);
// EXTERNAL MODULE: external "node:http"
var external_node_http_ = __nccwpck_require__(7067);
// EXTERNAL MODULE: external "node:path"
var external_node_path_ = __nccwpck_require__(6760);
;// CONCATENATED MODULE: external "node:stream/promises"
const external_node_stream_promises_namespaceObject = __WEBPACK_EXTERNAL_createRequire(import.meta.url)("node:stream/promises");
// EXTERNAL MODULE: ./lib/logic/names.js
var names = __nccwpck_require__(9882);
// EXTERNAL MODULE: ./lib/logic/project-page.js
var project_page = __nccwpck_require__(9347);
// EXTERNAL MODULE: ./lib/logic/secrets.js
var secrets = __nccwpck_require__(3983);
// EXTERNAL MODULE: ./lib/logic/web.js
var web = __nccwpck_require__(7464);
;// CONCATENATED MODULE: ./lib/world/gateway.js
/**
 * An index on the loopback address for the programs of one fill: it passes on the pages and files of
 * the real indexes. The programs need no credentials, wait for nothing that is known ahead, and get
 * from disk what is there already.
 */










/** Requests for pages ahead of time that run at once. */
const maxAhead = 16;
/** Wheels that are downloaded ahead of time at once. */
const maxFilesAhead = 6;
/** Milliseconds after which a download is mentioned in the log. */
const longDownload = 10_000;
function gatewaysAdapter() {
    return { open: openGateway };
}
async function openGateway(options) {
    const { indexes, client, reporter, downloaded, built, mayFit } = options;
    const directory = await (0,promises_.mkdtemp)(external_node_path_.join(options.directory, 'gateway-'));
    const secret = (0,external_node_crypto_.randomBytes)(16).toString('hex');
    const faults = [];
    const wheels = new Map();
    for (const each of [...options.atHand, ...downloaded, ...built])
        wheels.set(`${each.file} ${each.sha256}`, each);
    const pages = new Map();
    const files = new Map();
    const pageQueue = new Queue(maxAhead);
    const fileQueue = new Queue(maxFilesAhead);
    let isOpen = true;
    function pageTask(index, project) {
        return remembered(pages, `${index} ${project}`, () => fetchPage(index, project));
    }
    const isUsable = (file) => (0,names/* isDistributionName */.I1)(file) && (!(0,names/* isWheelFileName */.jh)(file) || mayFit(file));
    async function fetchPage(index, project) {
        const { contentType, text, url } = await client.page((0,web/* pageUrl */.fi)(indexes[index] ?? '', project));
        const health = (0,project_page/* judgePage */.zw)(200, contentType, text);
        if (health.state === 'down')
            throw new web/* WebError */.PH('wrong', health.reason);
        let listed;
        try {
            listed = (0,project_page/* projectFiles */.x6)(contentType, text, url, isUsable);
        }
        catch {
            throw new web/* WebError */.PH('wrong', 'its answer is not a package index page');
        }
        const own = built.filter(({ file }) => (0,names/* wheelNameParts */.LI)(file).name === project);
        const offered = (0,project_page/* withBuiltWheels */.hL)((0,project_page/* usableFiles */.cp)(listed), project, own);
        return { files: offered, text: (0,project_page/* renderPage */.Cf)(project, offered.values()) };
    }
    /** A file, or the metadata of a wheel. */
    function fileTask(index, project, file, isMetadata) {
        const name = isMetadata ? `${file.file}.metadata` : file.file;
        return remembered(files, `${index} ${project} ${name}`, async () => {
            const present = isMetadata ? undefined : await fileAtHand(file);
            if (present !== undefined)
                return present.path;
            const to = external_node_path_.join(await (0,promises_.mkdtemp)(external_node_path_.join(directory, 'file-')), name);
            if (isMetadata) {
                const { sha256 } = typeof file.metadata === 'object' ? file.metadata : {};
                await client.file(metadataUrl(file.url), to, { sha256, maxBytes: maxMetadata });
                return to;
            }
            const timer = setTimeout(() => {
                const size = file.size === undefined ? '' : ` (${Math.ceil(file.size / 1e6)} MB)`;
                reporter.info(`Downloading ${name}${size} from ${(0,secrets/* shownAddress */.Uk)(indexes[index] ?? '')} …`);
            }, longDownload);
            try {
                const { sha256 } = await client.file(file.url, to, { sha256: file.sha256 });
                if ((0,names/* isWheelFileName */.jh)(name))
                    downloaded.push({ file: name, sha256, path: to });
            }
            finally {
                clearTimeout(timer);
            }
            return to;
        });
    }
    /** The same file on disk, as far as the page tells: without a hash on the page, by its name. */
    async function fileAtHand({ file, sha256, hashes }) {
        if (sha256 !== undefined)
            return wheels.get(`${file} ${sha256}`);
        const named = [...wheels.values()].find((each) => each.file === file);
        const [algorithm] = Object.keys(hashes);
        if (named === undefined || algorithm === undefined)
            return named;
        const hash = (0,external_node_crypto_.createHash)(algorithm);
        for await (const chunk of (0,external_node_fs_.createReadStream)(named.path))
            hash.update(chunk);
        return hash.digest('hex') === hashes[algorithm] ? named : undefined;
    }
    function fetchAhead(names) {
        for (const project of names) {
            for (const index of indexes.keys())
                pageQueue.add(pageTask(index, project));
        }
    }
    async function answer(request, response) {
        const route = routeOf(request);
        if (route === undefined)
            return refuse(response, 404, 'not found');
        const { index, project, file: name } = route;
        try {
            const page = await pageTask(index, project).run();
            if (name === undefined)
                return send(response, project_page/* jsonPage */.Ml, page.text);
            const isMetadata = name.endsWith('.metadata');
            const file = page.files.get(isMetadata ? name.slice(0, -'.metadata'.length) : name);
            if (file === undefined || (isMetadata && file.metadata === false)) {
                return refuse(response, 404, 'not found');
            }
            const task = fileTask(index, project, file, isMetadata);
            const location = await task.run();
            if (isMetadata)
                await followMetadata(index, project, file, location);
            await sendFile(response, location);
        }
        catch (error) {
            if (!(error instanceof web/* WebError */.PH))
                throw error;
            if (error.kind !== 'absent' || name !== undefined) {
                faults.push({
                    index: (0,secrets/* shownAddress */.Uk)(indexes[index] ?? ''),
                    ...{ project, file: name, kind: error.kind, reason: error.message, status: error.status },
                });
            }
            refuse(response, statusOf(error), error.message);
        }
    }
    /** A wheel whose metadata is read is likely to be chosen, and so are its dependencies. */
    async function followMetadata(index, project, file, location) {
        fileQueue.replace(project, fileTask(index, project, file, false));
        fetchAhead((0,project_page/* requiredNames */.m_)(await (0,promises_.readFile)(location, 'utf8')));
    }
    /** @returns undefined for everything that is not a page or a file of an index */
    function routeOf({ method, url = '', headers }) {
        if ((method !== 'GET' && method !== 'HEAD') || headers.host !== host)
            return undefined;
        const [, given = '', index = '', project = '', file, ...others] = url.split('/');
        const isOurs = given.length === secret.length && (0,external_node_crypto_.timingSafeEqual)(Buffer.from(given), Buffer.from(secret));
        if (!isOurs || !/^\d{1,4}$/.test(index) || Number(index) >= indexes.length)
            return undefined;
        if (others.length > 0 || !(0,names/* isNormalizedName */.HG)((0,names/* normalizeName */.Pc)(project)))
            return undefined;
        if (file === undefined)
            return undefined;
        const name = decoded(file);
        return {
            index: Number(index),
            project: (0,names/* normalizeName */.Pc)(project),
            file: name === '' ? undefined : name,
        };
    }
    const server = (0,external_node_http_.createServer)((request, response) => {
        answer(request, response).catch((error) => response.destroy(error));
    });
    server.requestTimeout = 0;
    await new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', resolve);
    });
    const host = `127.0.0.1:${server.address().port}`;
    const base = `http://${host}/${secret}/`;
    return {
        urls: Array.from(indexes, (_url, index) => `${base}${index}/`),
        faults,
        fetchAhead,
        shown(text) {
            return text.split(base).reduce((before, after) => {
                const [whole = '', number = ''] = /^(\d+)\//.exec(after) ?? [];
                const index = indexes[Number(number)];
                if (index === undefined)
                    return `${before}${after}`;
                return `${before}${(0,secrets/* shownAddress */.Uk)(index).replace(/\/*$/, '/')}${after.slice(whole.length)}`;
            });
        },
        async close() {
            if (!isOpen)
                return;
            isOpen = false;
            pageQueue.clear();
            fileQueue.clear();
            server.close();
            server.closeAllConnections();
            await client.close();
        },
    };
}
/** Bytes. */
const maxMetadata = 16 * 1024 * 1024;
/** PEP 658 appends to the path; a query may follow it. */
function metadataUrl(file) {
    const url = new URL(file);
    url.pathname += '.metadata';
    return url.href;
}
function decoded(text) {
    try {
        return decodeURIComponent(text);
    }
    catch {
        return text;
    }
}
const unprocessable = 422;
/** Of the codes for faults of servers, this is one that no pip (22.2 to 26.3) tries again. */
const gatewayTimeout = 504;
function statusOf({ kind, status }) {
    if (kind === 'absent')
        return 404;
    if (kind === 'wrong' || kind === 'too large')
        return unprocessable;
    return kind === 'refused' && status !== undefined ? status : gatewayTimeout;
}
/** pip shows the reason instead of the usual name of the status. */
function refuse(response, status, reason) {
    response.statusMessage = reason.replace(/[^\x20-\x7e]/g, '?');
    response.writeHead(status, { 'content-type': 'text/plain', 'cache-control': 'no-store' });
    response.end(`${reason}\n`);
}
function send(response, contentType, text) {
    response.writeHead(200, {
        'content-type': contentType,
        'content-length': Buffer.byteLength(text),
        'cache-control': 'no-store',
    });
    response.end(text);
}
async function sendFile(response, file) {
    const { size } = await (0,promises_.stat)(file);
    response.writeHead(200, {
        'content-type': 'application/octet-stream',
        'content-length': size,
        'cache-control': 'no-store',
    });
    if (response.req.method === 'HEAD')
        response.end();
    // A client may go away.
    else
        await (0,external_node_stream_promises_namespaceObject.pipeline)((0,external_node_fs_.createReadStream)(file, { highWaterMark: 1 << 20 }), response).catch(() => { });
}
function remembered(tasks, key, work) {
    const known = tasks.get(key);
    if (known !== undefined)
        return known;
    let result;
    const task = {
        run() {
            result ??= work();
            return result;
        },
    };
    tasks.set(key, task);
    return task;
}
/** Runs tasks ahead of time, a few at once. What fails is said to whoever needs it. */
class Queue {
    #limit;
    #waiting = new Map();
    #running = 0;
    constructor(limit) {
        this.#limit = limit;
    }
    add(task) {
        this.replace(task, task);
    }
    /** Adds a task instead of the one with the same key, if that has not begun. */
    replace(key, task) {
        this.#waiting.set(key, task);
        this.#next();
    }
    clear() {
        this.#waiting.clear();
    }
    #next() {
        for (const [key, task] of this.#waiting) {
            if (this.#running >= this.#limit)
                return;
            this.#waiting.delete(key);
            this.#running += 1;
            void task
                .run()
                .catch(() => { })
                .finally(() => {
                this.#running -= 1;
                this.#next();
            });
        }
    }
}


/***/ }),

/***/ 5933:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {


// EXPORTS
__nccwpck_require__.d(__webpack_exports__, {
  m: () => (/* binding */ githubCache),
  U: () => (/* binding */ transferProgram)
});

// EXTERNAL MODULE: external "node:fs/promises"
var promises_ = __nccwpck_require__(1455);
// EXTERNAL MODULE: external "node:path"
var external_node_path_ = __nccwpck_require__(6760);
// EXTERNAL MODULE: ./lib/logic/errors.js
var errors = __nccwpck_require__(5895);
// EXTERNAL MODULE: ./lib/logic/secrets.js
var secrets = __nccwpck_require__(3983);
;// CONCATENATED MODULE: ./lib/world/archive.js


/** Wheels are compressed and hardly grow; an archive that unpacks to more than this is hostile. */
const maxUnpacked = (archive) => 4 * archive + 1_000_000_000;
/** A wheelhouse has one file per wheel; an archive with more than this is hostile. */
const maxFiles = 10_000;
/**
 * Measures what is below a directory, without following links, and makes it readable for its owner:
 * an archive could contain files that we could neither read nor delete. Stops counting soon after
 * there are more files than any wheelhouse has.
 */
async function contentsOf(directory) {
    let [files, bytes, hasHardLinks] = [0, 0, false];
    const visit = async (parent) => {
        await allow(parent, 0o700);
        const options = { withFileTypes: true, encoding: 'buffer' };
        for (const entry of await (0,promises_.readdir)(parent, options).catch(() => [])) {
            if (files > maxFiles)
                return;
            // Not every name is valid UTF-8.
            const full = Buffer.concat([parent, Buffer.from(external_node_path_.sep), entry.name]);
            files += 1;
            if (entry.isDirectory())
                await visit(full);
            if (!entry.isFile())
                continue;
            const found = await (0,promises_.lstat)(full).catch(() => undefined);
            bytes += found?.size ?? 0;
            hasHardLinks ||= (found?.nlink ?? 1) > 1;
            await allow(full, 0o600, found);
        }
    };
    await visit(Buffer.from(directory));
    return { files, bytes, hasHardLinks };
}
/** Adds missing bits to a mode. If that fails, so will whoever uses the file, with a reason. */
async function allow(file, bits, stats) {
    const found = stats ?? (await (0,promises_.lstat)(file).catch(() => undefined));
    if (found === undefined || (found.mode & bits) === bits)
        return;
    await (0,promises_.chmod)(file, found.mode | bits).catch(() => { });
}
/**
 * @param contents what the archive has unpacked to
 * @param archive its size in bytes
 * @returns why the archive is hostile; undefined when it is not
 */
function hostility(contents, archive) {
    if (contents.files > maxFiles)
        return 'the archive contains far more files than a wheelhouse';
    if (contents.bytes > maxUnpacked(archive)) {
        return 'the archive unpacks to far more than wheels do';
    }
    return contents.hasHardLinks ? 'the archive contains hard links' : undefined;
}
/**
 * Writes a `tar` into a directory that will be first on PATH. The toolkit unpacks with `tar -P`,
 * which follows absolute names and `..` out of the directory (actions/toolkit#2414). This one drops
 * that option, so that tar refuses such members, and removes the variables that the runner gives to
 * actions only. Does nothing on Windows, where a script needs an extension.
 */
async function confineTar(directory, environment) {
    if (process.platform === 'win32')
        return;
    const secrets = Object.keys(environment).filter((name) => /^ACTIONS_[A-Z0-9_]+$/.test(name));
    for (const name of ['tar', 'gtar']) {
        const real = await firstOnPath(name, environment['PATH'] ?? '');
        if (real === undefined)
            continue;
        const script = [
            '#!/bin/sh',
            ...(secrets.length === 0 ? [] : [`unset ${secrets.join(' ')}`]),
            'for word in "$@"; do',
            '  shift',
            '  if [ "$word" = -P ]; then continue; fi',
            '  set -- "$@" "$word"',
            'done',
            `exec '${real.replaceAll("'", "'\\''")}' "$@"`,
            '',
        ].join('\n');
        const file = external_node_path_.join(directory, name);
        await (0,promises_.writeFile)(file, script);
        await (0,promises_.chmod)(file, 0o755);
    }
}
async function firstOnPath(name, searchPath) {
    for (const directory of searchPath.split(external_node_path_.delimiter)) {
        const file = external_node_path_.join(directory, name);
        if (directory !== '' && (await (0,promises_.stat)(file).catch(() => undefined))?.isFile())
            return file;
    }
    return undefined;
}

// EXTERNAL MODULE: ./lib/world/disk.js
var disk = __nccwpck_require__(6895);
// EXTERNAL MODULE: external "node:crypto"
var external_node_crypto_ = __nccwpck_require__(7598);
// EXTERNAL MODULE: ./lib/logic/environment.js
var logic_environment = __nccwpck_require__(6131);
;// CONCATENATED MODULE: ./lib/logic/transfer-protocol.js
/** The orders to the transfer process, and how to read its output. */
/** The line that ends the output of an order. */
function resultLine({ id }, result) {
    return `${resultMark(id)}${JSON.stringify(result)}`;
}
function resultMark(id) {
    return `wheelhouse-transfer-result ${id}: `;
}
/** The prefix of the number of bytes sent and received so far, printed every second. */
const bytesMark = 'wheelhouse-transfer-bytes: ';
function initialState(id) {
    return {
        id,
        matchedKey: undefined,
        archiveBytes: 0,
        networkBytes: 0,
        archiveSize: 0,
        problems: [],
        skipReason: undefined,
        result: undefined,
    };
}
/** The state of a transfer after one more line of output (@actions/cache 6.3.0). */
function stateAfter(state, line) {
    const hit = /^Cache hit for(?: restore-key)?: (.+)$/.exec(line)?.[1];
    if (hit !== undefined)
        return { ...state, matchedKey: hit };
    const passed = /^(?:Received|Sent) (\d+) of \d+/.exec(line)?.[1];
    if (passed !== undefined)
        return { ...state, archiveBytes: Number(passed) };
    const archive = /^Cache Size: .*\((\d+) B\)$/.exec(line)?.[1];
    if (archive !== undefined)
        return { ...state, archiveSize: Number(archive) };
    if (line.startsWith(bytesMark))
        return { ...state, networkBytes: Number(line.slice(bytesMark.length)) };
    const problem = /^::(?:warning|error)(?: [^:]*)?::(.*)$/.exec(line)?.[1];
    if (problem !== undefined) {
        return { ...state, problems: [...state.problems, plain(unescaped(problem))] };
    }
    // The toolkit reports every reservation failure as "another job…"; only this debug line has the
    // real reason.
    const unreserved = /^::debug::(Failed to reserve cache: .+)$/.exec(line)?.[1];
    if (unreserved !== undefined && !/\(409\)|cache write denied/.test(unreserved)) {
        return { ...state, problems: [...state.problems, unescaped(unreserved)] };
    }
    if (/No space left on device/.test(line)) {
        return { ...state, problems: [...state.problems, 'the disk is full'] };
    }
    const skipReason = /^Cache (?:restore|save) skipped: (.+)$/.exec(line)?.[1];
    if (skipReason !== undefined)
        return { ...state, skipReason };
    // Without an annotation: another job has saved, or is saving, the same key.
    if (/^Failed to save: /.test(line))
        return { ...state, skipReason: line };
    const mark = resultMark(state.id);
    if (line.startsWith(mark)) {
        const result = resultIn(line.slice(mark.length));
        return result === undefined ? state : { ...state, result };
    }
    return state;
}
/** @returns undefined for invalid text */
function resultIn(text) {
    try {
        const value = JSON.parse(text);
        return typeof value?.outcome === 'string' ? value : undefined;
    }
    catch {
        return undefined;
    }
}
/** Replaces messages that have no useful content. */
function plain(problem) {
    if (/^Failed to restore:$/.test(problem))
        return 'the archive could not be downloaded';
    return problem.replace(/^Failed to (?:restore|save): .*tar(?:\.exe)?['"]? failed with .*exit code (\d+)$/s, 'tar failed with exit code $1');
}
/** Whether a line of the toolkit is useful in the log. */
function isProgress(line) {
    return /^(?:Cache Size: |(?:Received|Sent) \d+ of \d+)/.test(line);
}
function unescaped(text) {
    return text.replaceAll('%0A', '\n').replaceAll('%0D', '').replaceAll('%25', '%').trim();
}

// EXTERNAL MODULE: ./lib/world/process.js + 2 modules
var world_process = __nccwpck_require__(5733);
;// CONCATENATED MODULE: ./lib/world/transfer-process.js
/** The process that talks to GitHub's cache service (see transfer.ts), and what stops it. */








/** Seconds without any progress after which a transfer is stopped; a slow one is left alone. */
const limits = { lookup: 20, download: 30, save: 60 };
const stalls = {
    lookup: 'the service did not answer',
    download: 'the download made no progress',
    save: 'the save made no progress',
};
/** Milliseconds between two looks at a transfer. */
const interval = 500;
/**
 * A process that transfers entries, one after the other. It is started ahead of its first order, which
 * takes a while.
 */
class TransferProcess {
    #directories;
    #running;
    #transfer = initialState('');
    /** Called when there is a result. */
    #onResult = () => { };
    /** Why it was stopped. */
    #reason;
    /** Everything that a transfer in progress changes, and since when it has not. */
    #progress = { state: '', since: 0 };
    static async start(options) {
        const root = await (0,disk/* temporaryDirectory */.De)(options.temporary, 'wheelhouse-transfer');
        const work = external_node_path_.join(root, 'work');
        const archives = external_node_path_.join(root, 'archives');
        const programs = external_node_path_.join(root, 'programs');
        for (const directory of [work, archives, programs])
            await (0,promises_.mkdir)(directory);
        const directories = { root, work, archives, programs };
        const env = environmentOf(options.environment, directories);
        await confineTar(programs, { ...env, PATH: options.environment['PATH'] ?? '' });
        return new TransferProcess(directories, env, options);
    }
    constructor(directories, env, { program, reporter }) {
        this.#directories = directories;
        this.#running = (0,world_process/* start */.ni)(process.execPath, [program], {
            cwd: directories.work,
            env,
            onLine: (line) => {
                this.#transfer = stateAfter(this.#transfer, line);
                if (this.#transfer.result !== undefined)
                    this.#onResult();
                if (isProgress(line))
                    reporter.info(line);
            },
        });
        this.#running.finished.catch(() => { }); // carryOut throws it.
    }
    /** The directory that the order's path is relative to. */
    get work() {
        return this.#directories.work;
    }
    /**
     * Gives the process an order, and waits for its result. Only after a restored entry it takes another
     * order. Stops it when it makes no progress.
     * @returns what it said; the problems include why it was stopped
     */
    async carryOut(given) {
        const order = { ...given, id: (0,external_node_crypto_.randomUUID)() };
        this.#transfer = initialState(order.id);
        this.#progress = { state: '', since: performance.now() };
        const watchdog = setInterval(() => this.#watch(order), interval);
        const result = new Promise((resolve) => {
            this.#onResult = resolve;
        });
        this.#running.write(`${JSON.stringify(order)}\n`);
        try {
            await Promise.race([result, this.#running.finished]);
            if (this.#transfer.result?.outcome !== 'restored') {
                // What went wrong is on standard error, perhaps after the result.
                this.#running.send('');
                await this.#running.finished;
            }
        }
        finally {
            clearInterval(watchdog);
        }
        const { problems } = this.#transfer;
        return { ...this.#transfer, problems: [...problems, ...(this.#reason ? [this.#reason] : [])] };
    }
    /** Stops the process if it still runs, and deletes its directories. */
    async discard() {
        this.#running.stop();
        // Until then it may write into its directories.
        await this.#running.finished.catch(() => { });
        await (0,disk/* discard */.vf)(this.#directories.root);
    }
    async #watch({ operation }) {
        const archive = (await contentsOf(this.#directories.archives)).bytes;
        const unpacked = await contentsOf(this.work);
        const { matchedKey, archiveBytes, networkBytes } = this.#transfer;
        const download = matchedKey === undefined ? 'lookup' : 'download';
        const phase = operation === 'save' ? 'save' : download;
        // Retries must not reset the look-up timeout.
        const traffic = phase === 'lookup' ? 0 : networkBytes;
        const state = `${phase} ${archiveBytes} ${traffic} ${archive + unpacked.bytes}`;
        const now = performance.now();
        if (state !== this.#progress.state)
            this.#progress = { state, since: now };
        if (now - this.#progress.since > limits[phase] * 1000) {
            this.#stop(`${stalls[phase]} for ${limits[phase]} s`);
        }
        const hostile = operation === 'restore' ? hostility(unpacked, archive) : undefined;
        if (hostile !== undefined)
            this.#stop(hostile);
    }
    #stop(reason) {
        this.#reason ??= reason;
        this.#running.stop();
    }
}
/**
 * The environment of the transfer process: that of other programs, and the cache service's address
 * and token. `TAR_OPTIONS` of the environment could undo the confinement of tar.
 */
function environmentOf(environment, { work, archives, programs }) {
    const service = Object.entries(environment).filter((entry) => entry[1] !== undefined && /^ACTIONS_(?:RUNTIME|RESULTS|CACHE)_/i.test(entry[0]));
    return {
        ...(0,logic_environment/* environmentForPrograms */.cx)(environment),
        ...Object.fromEntries(service),
        PATH: [programs, environment['PATH'] ?? ''].join(external_node_path_.delimiter),
        // GNU tar reads 10 KiB at a time otherwise; other tars ignore this variable.
        TAR_OPTIONS: '--blocking-factor=128',
        GITHUB_WORKSPACE: work,
        RUNNER_TEMP: archives,
    };
}

;// CONCATENATED MODULE: ./lib/world/github-cache.js
/**
 * GitHub's cache service, through @actions/cache in a process of its own (see transfer.ts).
 *
 * That process works in a directory of its own under the runner's temporary one, as if it were the
 * workspace: an entry's version depends on the text of the cached path, which is always
 * `wheelhouse`, and the checkout is never touched. See docs/decisions/0004-transfer.md.
 */







/** The name under which a wheelhouse is archived: part of every entry's version. */
const transferName = 'wheelhouse';
function githubCache(options) {
    const { reporter } = options;
    /** Processes for the restores to come. */
    const warm = [];
    /** Processes that have restored an entry and could restore its base. */
    const idle = [];
    return {
        unavailable: unavailable(options),
        sharesFiles: false,
        warmUp() {
            const transfer = TransferProcess.start(options);
            transfer.catch(() => { }); // restore throws it.
            warm.push(transfer);
        },
        async restore(directory, key, prefixes) {
            const transfer = idle.pop() ?? (await (warm.shift() ?? TransferProcess.start(options)));
            const { work } = transfer;
            const inside = external_node_path_.join(work, transferName);
            // Its directories are as empty as those of a new one.
            let isReusable = false;
            try {
                const order = { operation: 'restore', path: transferName, key, prefixes };
                const talk = await transfer.carryOut(order);
                if (talk.result?.outcome !== 'restored') {
                    complain(reporter, 'restored', talk);
                    if (talk.skipReason !== undefined)
                        reporter.info(`Nothing is restored: ${talk.skipReason}`);
                    return talk.matchedKey === undefined
                        ? undefined
                        : { key: talk.matchedKey, arrived: false };
                }
                const entry = talk.result.key;
                // Small archives are unpacked between two looks of the watchdog.
                const hostile = hostility(await contentsOf(work), talk.archiveSize);
                const fault = await contentFault(work);
                if (hostile !== undefined) {
                    reporter.warning(`The cache could not be restored: ${hostile}.`);
                }
                else if (fault !== undefined) {
                    reporter.warning(`The cache entry ${entry} ${fault}; it is not used.`);
                }
                else if (await (0,disk/* exists */.t2)(inside)) {
                    await (0,disk/* moveDirectory */.Ti)(inside, directory);
                    isReusable = true;
                }
                return { key: entry, arrived: hostile === undefined && fault === undefined };
            }
            catch (error) {
                reporter.warning(`The cache could not be restored: ${(0,secrets/* withoutSecrets */.cT)((0,errors/* messageOf */.bD)(error))}.`);
                return undefined;
            }
            finally {
                if (isReusable)
                    idle.push(transfer);
                else
                    await transfer.discard();
            }
        },
        async coolDown() {
            await Promise.all(idle.splice(0).map((transfer) => transfer.discard()));
        },
        async save(directory, key) {
            const transfer = await TransferProcess.start(options);
            const inside = external_node_path_.join(transfer.work, transferName);
            try {
                await (0,disk/* moveDirectory */.Ti)(directory, inside);
                const talk = await transfer.carryOut({ operation: 'save', path: transferName, key });
                if (talk.result?.outcome === 'saved')
                    return 'saved';
                complain(reporter, 'saved', talk);
                if (talk.skipReason === undefined || talk.problems.length > 0)
                    return 'failed';
                reporter.info(`Nothing is saved: ${talk.skipReason}`);
                return /another job may be/.test(talk.skipReason) ? 'exists' : 'failed';
            }
            catch (error) {
                reporter.warning(`The cache could not be saved: ${(0,secrets/* withoutSecrets */.cT)((0,errors/* messageOf */.bD)(error))}.`);
                return 'failed';
            }
            finally {
                await (0,disk/* moveDirectory */.Ti)(inside, directory).catch(() => { });
                await transfer.discard();
            }
        },
    };
}
/** @returns where the build puts transfer.ts: beside the entry that this process was started with */
function transferProgram() {
    return external_node_path_.join(external_node_path_.dirname(process.argv[1] ?? ''), '..', 'transfer', 'index.js');
}
/** Why the service can't be used, as far as the environment tells; nothing is started for it. */
function unavailable({ environment, temporary }) {
    if (!environment['ACTIONS_RESULTS_URL'] && !environment['ACTIONS_CACHE_URL']) {
        return 'this runner offers no cache service';
    }
    if (!environment['ACTIONS_RUNTIME_TOKEN']) {
        return 'this runner provides no token for its cache service';
    }
    if (/^\s*none\s*$/i.test(environment['ACTIONS_CACHE_MODE'] ?? '')) {
        return 'ACTIONS_CACHE_MODE is none';
    }
    if (!environment['ACTIONS_CACHE_URL'] && isEnterpriseServer(environment['GITHUB_SERVER_URL'])) {
        return 'this GitHub Enterprise Server offers no cache service';
    }
    // @actions/cache 6.3.0 gives tar its paths unquoted: with a space it silently saves nothing. And
    // PATH can't contain a directory whose name contains its separator.
    if (/[\s"]/.test(temporary) || temporary.includes(external_node_path_.delimiter)) {
        return `the runner's temporary directory "${temporary}" has whitespace, '"' or '${external_node_path_.delimiter}' in its path, which the cache library can't handle`;
    }
    return undefined;
}
/** Same check as the toolkit's config.ts: on GHES only the v1 service is supported. */
function isEnterpriseServer(url) {
    const host = URL.canParse(url ?? '') ? new URL(url ?? '').hostname : 'github.com';
    return !/^github\.com$|\.ghe\.com$|\.localhost$/i.test(host);
}
/** What keeps an unpacked entry from being a wheelhouse, as the end of a sentence about it. */
async function contentFault(work) {
    const others = (await (0,promises_.readdir)(work)).filter((name) => name !== transferName);
    if (others.length > 0) {
        return `contains files outside its directory (${others.slice(0, 3).join(', ')})`;
    }
    const found = await (0,promises_.lstat)(external_node_path_.join(work, transferName)).catch(() => undefined);
    // Whatever is done to the directory would be done to the target of a link.
    return found === undefined || found.isDirectory() ? undefined : 'contains no directory';
}
function complain(reporter, done, talk) {
    const { result, problems } = talk;
    const reasons = [
        ...problems,
        ...(result?.outcome === 'failed' ? [result.reason] : []),
        ...(result === undefined && problems.length === 0 ? ['the transfer process exited early'] : []),
    ].map((reason) => (0,secrets/* withoutSecrets */.cT)(reason).replace(/\.$/, ''));
    if (reasons.length > 0) {
        reporter.warning(`The cache could not be ${done}: ${[...new Set(reasons)].join('; ')}.`);
    }
}


/***/ }),

/***/ 1935:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   s: () => (/* binding */ lockToolsAdapter)
/* harmony export */ });
/* harmony import */ var node_fs__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(3024);
/* harmony import */ var node_fs_promises__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(1455);
/* harmony import */ var _logic_lock_tools_js__WEBPACK_IMPORTED_MODULE_2__ = __nccwpck_require__(1413);
/* harmony import */ var _process_js__WEBPACK_IMPORTED_MODULE_3__ = __nccwpck_require__(5733);
/** The tools whose locks are read by their own exporters: uv, Poetry, PDM and pipenv. */




function lockToolsAdapter() {
    return {
        async onPath(tool, place) {
            const { probe, sign } = (0,_logic_lock_tools_js__WEBPACK_IMPORTED_MODULE_2__/* .traitsOf */ .JC)(tool);
            try {
                const { exitCode, stdout } = await (0,_process_js__WEBPACK_IMPORTED_MODULE_3__/* .run */ .eF)(tool, probe, place);
                if (exitCode !== 0)
                    return { reason: `the ${tool} on PATH can't export locks` };
                if (stdout.includes(sign))
                    return { command: tool };
                return { reason: `the ${tool} on PATH is too old` };
            }
            catch {
                return { reason: `there is no ${tool} on PATH` };
            }
        },
        requirements: source,
        async run(command, args, options) {
            const [finished, ranIn] = await Promise.all([
                (0,_process_js__WEBPACK_IMPORTED_MODULE_3__/* .run */ .eF)(command, args, options),
                (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.realpath)(options.cwd),
            ]);
            return { ...finished, ranIn };
        },
    };
}
/** The build replaces this function with one that contains all files: see scripts/build.mjs. */
const texts = {
  "pdm": "# This file was autogenerated by uv via the following command:\n#    npm run requirements\nanyio==4.12.1 ; python_full_version < '3.10' \\\n    --hash=sha256:41cfcc3a4c85d3f05c932da7c26d0201ac36f72abd4435ba90d0464a3ffed703 \\\n    --hash=sha256:d405828884fc140aa80a3c667b8beed277f1dfedec42ba031bd6ac3db606ab6c\nanyio==4.15.1 ; python_full_version >= '3.10' \\\n    --hash=sha256:6152fdbbf9a77fdec97731721bebf7c4c44f7c29b424b0065826173efc7ed101 \\\n    --hash=sha256:9f28306018cbd6d329e64a36d58256edff76dd996fe423bc957326e578b82a94\nanysqlite==0.0.5 \\\n    --hash=sha256:9dfcf87baf6b93426ad1d9118088c41dbf24ef01b445eea4a5d486bac2755cce \\\n    --hash=sha256:cb345dc4f76f6b37f768d7a0b3e9cf5c700dfcb7a6356af8ab46a11f666edbe7\nargcomplete==3.7.2 ; python_full_version >= '3.10' \\\n    --hash=sha256:6029205678bdd9c1c728a155f5f9ecf5812393f969eef58807641a2bc2aa5b19 \\\n    --hash=sha256:aad8b69a0b9969edb62db0d1752354c0d50717b10e0cbb00e2a958381b9fc6b9\nblinker==1.9.0 \\\n    --hash=sha256:b4ce2265a7abece45e7cc896e98dbebe6cead56bcf805a3d23136d145f5445bf \\\n    --hash=sha256:ba0efaa9080b619ff2f3459d1d500c57bddea4a6b424b60a91141db6fd2f08bc\ncertifi==2026.10.18 \\\n    --hash=sha256:73191c47aaa79da394e8fee2dbc2ec827432cab56311122c9e47abf79e390f62 \\\n    --hash=sha256:b9995d97b64d0431a5af837d8ca8cd6238104d1f319f04bd93ea43124d6c861e\ndep-logic==0.6.0 ; python_full_version < '3.10' \\\n    --hash=sha256:0468874dd86caafd67f28e19257ef86c96f19b2236994f9fe9d793f9d92a6433 \\\n    --hash=sha256:f5aee31397cbddf9c197b88144ba51b178b4491adab4446deb0863cb58eeca04\ndep-logic==0.7.2 ; python_full_version >= '3.10' \\\n    --hash=sha256:2a3c49526075b0bc6825f0ea8c2d9f464de48b7b85f3f3d2900b4e5950fefedf \\\n    --hash=sha256:33640c4ba7fd45f2504442eb9e0c12e57dac253c748ca3925749548a5c556bae\ndistlib==0.4.4 \\\n    --hash=sha256:ca4175b4ac7f71223cc30ed7248c45d2b38c2439d8ee6e498ab67ed63cf3508d \\\n    --hash=sha256:cf09d55b1e85a89576b036aeb71550bfd68320f3f21761ca329eadadad918638\nexceptiongroup==1.3.1 ; python_full_version < '3.11' \\\n    --hash=sha256:8b412432c6055b0b7d14c310000ae93352ed6754f70fa8f7c34141f91c4e3219 \\\n    --hash=sha256:a7a39a3bd276781e98394987d3a5701d0c4edffb633bb7a5144577f82c773598\nfilelock==3.19.1 ; python_full_version < '3.10' \\\n    --hash=sha256:66eda1888b0171c998b35be2bcc0f6d75c388a7ce20c3f3f37aa8e96c2dddf58 \\\n    --hash=sha256:d38e30481def20772f5baf097c122c3babc4fcdb7e14e57049eb9d88c6dc017d\nfilelock==4.1.0 ; python_full_version == '3.10.*' \\\n    --hash=sha256:2ce9818e3e2d8f284c1a964414447ef148d42a5fd5e2a477a7118e574b293ec1 \\\n    --hash=sha256:ad7f724afef953e731b1cc39bcd3a09166d72ed7fcdf29e6e88b1c3235c6715d\nfilelock==4.2.4 ; python_full_version >= '3.11' \\\n    --hash=sha256:301241438c57936ef93f4243a94f2559022268bfcf9b375a9a72eb0f8db8358e \\\n    --hash=sha256:c6d8663535e1650ee430507b4ffbac7b464dd64b7647ea0112a9f406499d163d\nfindpython==0.8.0 ; python_full_version < '3.10' \\\n    --hash=sha256:4a61ee1618a8b55014f7d41f59345d322be93f6ce62395bdccccc651b3f7e28a \\\n    --hash=sha256:53b32264874dfa5990bd09d717819386d8db3149d89fe20f88fe1078de286bae\nfindpython==0.9.0 ; python_full_version >= '3.10' \\\n    --hash=sha256:0d58e63106cab47a48793cc7b51faba3956caa46b3b8043c92d738bfef5e2a33 \\\n    --hash=sha256:497c6b5eb13734be2542dfb6a93267946339601cbc2f1138c8cd4d40311fefe5\nh11==0.16.0 \\\n    --hash=sha256:4e35b956cf45792e4caa5885e69fba00bdbc6ffafbfa020300e549b208ee5ff1 \\\n    --hash=sha256:63cf8bbe7522de3bf65932fda1d9c2772064ffb3dae62d55932da54b31cb6c86\nhishel==1.1.8 ; python_full_version < '3.10' \\\n    --hash=sha256:29e45e090c647920b666e9d2b21e494c97dc12f49e7d88fd31d9e4e7e4b75d4d \\\n    --hash=sha256:bcd15ad282bd530e97a676b2d16a58e5034750e8a6955e77babfea69fc5b4ad8\nhishel==1.4.0 ; python_full_version >= '3.10' \\\n    --hash=sha256:38cb62d7d38fb437dc086f789c26d0cab41310d12497ec3f56dcead4b08571f0 \\\n    --hash=sha256:e406b052c658ce28629fc31423b9914b637d47d7c923f5fe9e288ec47e4823d1\nhttpcore==1.0.9 \\\n    --hash=sha256:2d400746a40668fc9dec9810239072b40b4484b640a8c38fd654a024c7a1bf55 \\\n    --hash=sha256:6e34463af53fd2ab5d807f399a9b45ea31c3dfa2276f15a2c3f00afff6e176e8\nhttpx==0.28.1 \\\n    --hash=sha256:75e98c5f16b0f35b567856f597f06ff2270a374470a5c2392242528e3e3e42fc \\\n    --hash=sha256:d909fcccc110f8c7faf814ca82a9a4d816bc5a6dbfea25d6591d6985b8ba59ad\nid==1.6.1 \\\n    --hash=sha256:d0732d624fb46fd4e7bc4e5152f00214450953b9e772c182c1c22964def1a069 \\\n    --hash=sha256:f5ec41ed2629a508f5d0988eda142e190c9c6da971100612c4de9ad9f9b237ca\nidna==3.20 \\\n    --hash=sha256:a7db850025b95ded1eae8a46181a1a6c56c92c96f0e2b005d9ff8dc0210cab44 \\\n    --hash=sha256:ab7ae7122974553370f0bdb919e1a960b2cd1bc1ef0276416d896db81c14582c\nimportlib-metadata==8.7.1 ; python_full_version < '3.10' \\\n    --hash=sha256:49fef1ae6440c182052f407c8d34a68f72efc36db9ca90dc0113398f2fdde8bb \\\n    --hash=sha256:5a1f80bf1daa489495071efbb095d75a634cf28a8bc299581244063b53176151\ninstaller==0.7.0 ; python_full_version < '3.10' \\\n    --hash=sha256:05d1933f0a5ba7d8d6296bb6d5018e7c94fa473ceb10cf198a92ccea19c27b53 \\\n    --hash=sha256:a26d3e3116289bb08216e0d0f7d925fcef0b0194eedfa0c944bcaaa106c4b631\ninstaller==1.1.0 ; python_full_version >= '3.10' \\\n    --hash=sha256:5adc0c01ce62d809989e246987cd68944fe5df8af562d0358f65b2ab15cb5de7 \\\n    --hash=sha256:f55f5728ff61d3dd54dbc5a397cf3f7307cb64b180c20b72afbebf01c9e2c8a0\nmarkdown-it-py==3.0.0 ; python_full_version < '3.10' \\\n    --hash=sha256:355216845c60bd96232cd8d8c40e8f9765cc86f46880e43a8fd22dc1a1a8cab1 \\\n    --hash=sha256:e3f60a94fa066dc52ec76661e37c851cb232d92f9886b15cb560aaada2df8feb\nmarkdown-it-py==4.2.0 ; python_full_version >= '3.10' \\\n    --hash=sha256:04a21681d6fbb623de53f6f364d352309d4094dd4194040a10fd51833e418d49 \\\n    --hash=sha256:9f7ebbcd14fe59494226453aed97c1070d83f8d24b6fc3a3bcf9a38092641c4a\nmdurl==0.1.2 \\\n    --hash=sha256:84008a41e51615a49fc9966191ff91509e3c40b939176e643fd50a5c2196b8f8 \\\n    --hash=sha256:bb413d29f5eea38f31dd4754dd7377d4465116fb207585f97bf925588687c1ba\nmsgpack==1.1.2 ; python_full_version < '3.10' \\\n    --hash=sha256:0051fffef5a37ca2cd16978ae4f0aef92f164df86823871b5162812bebecd8e2 \\\n    --hash=sha256:04fb995247a6e83830b62f0b07bf36540c213f6eac8e851166d8d86d83cbd014 \\\n    --hash=sha256:180759d89a057eab503cf62eeec0aa61c4ea1200dee709f3a8e9397dbb3b6931 \\\n    --hash=sha256:1d1418482b1ee984625d88aa9585db570180c286d942da463533b238b98b812b \\\n    --hash=sha256:1de460f0403172cff81169a30b9a92b260cb809c4cb7e2fc79ae8d0510c78b6b \\\n    --hash=sha256:1fdf7d83102bf09e7ce3357de96c59b627395352a4024f6e2458501f158bf999 \\\n    --hash=sha256:1fff3d825d7859ac888b0fbda39a42d59193543920eda9d9bea44d958a878029 \\\n    --hash=sha256:283ae72fc89da59aa004ba147e8fc2f766647b1251500182fac0350d8af299c0 \\\n    --hash=sha256:2929af52106ca73fcb28576218476ffbb531a036c2adbcf54a3664de124303e9 \\\n    --hash=sha256:2e86a607e558d22985d856948c12a3fa7b42efad264dca8a3ebbcfa2735d786c \\\n    --hash=sha256:350ad5353a467d9e3b126d8d1b90fe05ad081e2e1cef5753f8c345217c37e7b8 \\\n    --hash=sha256:354e81bcdebaab427c3df4281187edc765d5d76bfb3a7c125af9da7a27e8458f \\\n    --hash=sha256:365c0bbe981a27d8932da71af63ef86acc59ed5c01ad929e09a0b88c6294e28a \\\n    --hash=sha256:372839311ccf6bdaf39b00b61288e0557916c3729529b301c52c2d88842add42 \\\n    --hash=sha256:3b60763c1373dd60f398488069bcdc703cd08a711477b5d480eecc9f9626f47e \\\n    --hash=sha256:41d1a5d875680166d3ac5c38573896453bbbea7092936d2e107214daf43b1d4f \\\n    --hash=sha256:42eefe2c3e2af97ed470eec850facbe1b5ad1d6eacdbadc42ec98e7dcf68b4b7 \\\n    --hash=sha256:446abdd8b94b55c800ac34b102dffd2f6aa0ce643c55dfc017ad89347db3dbdb \\\n    --hash=sha256:454e29e186285d2ebe65be34629fa0e8605202c60fbc7c4c650ccd41870896ef \\\n    --hash=sha256:4efd7b5979ccb539c221a4c4e16aac1a533efc97f3b759bb5a5ac9f6d10383bf \\\n    --hash=sha256:5559d03930d3aa0f3aacb4c42c776af1a2ace2611871c84a75afe436695e6245 \\\n    --hash=sha256:5928604de9b032bc17f5099496417f113c45bc6bc21b5c6920caf34b3c428794 \\\n    --hash=sha256:59415c6076b1e30e563eb732e23b994a61c159cec44deaf584e5cc1dd662f2af \\\n    --hash=sha256:5a46bf7e831d09470ad92dff02b8b1ac92175ca36b087f904a0519857c6be3ff \\\n    --hash=sha256:602b6740e95ffc55bfb078172d279de3773d7b7db1f703b2f1323566b878b90e \\\n    --hash=sha256:61c8aa3bd513d87c72ed0b37b53dd5c5a0f58f2ff9f26e1555d3bd7948fb7296 \\\n    --hash=sha256:67016ae8c8965124fdede9d3769528ad8284f14d635337ffa6a713a580f6c030 \\\n    --hash=sha256:6bde749afe671dc44893f8d08e83bf475a1a14570d67c4bb5cec5573463c8833 \\\n    --hash=sha256:6c15b7d74c939ebe620dd8e559384be806204d73b4f9356320632d783d1f7939 \\\n    --hash=sha256:70a0dff9d1f8da25179ffcf880e10cf1aad55fdb63cd59c9a49a1b82290062aa \\\n    --hash=sha256:70c5a7a9fea7f036b716191c29047374c10721c389c21e9ffafad04df8c52c90 \\\n    --hash=sha256:7bc8813f88417599564fafa59fd6f95be417179f76b40325b500b3c98409757c \\\n    --hash=sha256:80a0ff7d4abf5fecb995fcf235d4064b9a9a8a40a3ab80999e6ac1e30b702717 \\\n    --hash=sha256:86f8136dfa5c116365a8a651a7d7484b65b13339731dd6faebb9a0242151c406 \\\n    --hash=sha256:897c478140877e5307760b0ea66e0932738879e7aa68144d9b78ea4c8302a84a \\\n    --hash=sha256:8b696e83c9f1532b4af884045ba7f3aa741a63b2bc22617293a2c6a7c645f251 \\\n    --hash=sha256:8e22ab046fa7ede9e36eeb4cfad44d46450f37bb05d5ec482b02868f451c95e2 \\\n    --hash=sha256:94fd7dc7d8cb0a54432f296f2246bc39474e017204ca6f4ff345941d4ed285a7 \\\n    --hash=sha256:99e2cb7b9031568a2a5c73aa077180f93dd2e95b4f8d3b8e14a73ae94a9e667e \\\n    --hash=sha256:9ade919fac6a3e7260b7f64cea89df6bec59104987cbea34d34a2fa15d74310b \\\n    --hash=sha256:9fba231af7a933400238cb357ecccf8ab5d51535ea95d94fc35b7806218ff844 \\\n    --hash=sha256:a465f0dceb8e13a487e54c07d04ae3ba131c7c5b95e2612596eafde1dccf64a9 \\\n    --hash=sha256:a605409040f2da88676e9c9e5853b3449ba8011973616189ea5ee55ddbc5bc87 \\\n    --hash=sha256:a668204fa43e6d02f89dbe79a30b0d67238d9ec4c5bd8a940fc3a004a47b721b \\\n    --hash=sha256:a7787d353595c7c7e145e2331abf8b7ff1e6673a6b974ded96e6d4ec09f00c8c \\\n    --hash=sha256:a8f6e7d30253714751aa0b0c84ae28948e852ee7fb0524082e6716769124bc23 \\\n    --hash=sha256:ad09b984828d6b7bb52d1d1d0c9be68ad781fa004ca39216c8a1e63c0f34ba3c \\\n    --hash=sha256:bafca952dc13907bdfdedfc6a5f579bf4f292bdd506fadb38389afa3ac5b208e \\\n    --hash=sha256:be52a8fc79e45b0364210eef5234a7cf8d330836d0a64dfbb878efa903d84620 \\\n    --hash=sha256:be5980f3ee0e6bd44f3a9e9dea01054f175b50c3e6cdb692bc9424c0bbb8bf69 \\\n    --hash=sha256:c63eea553c69ab05b6747901b97d620bb2a690633c77f23feb0c6a947a8a7b8f \\\n    --hash=sha256:d198d275222dc54244bf3327eb8cbe00307d220241d9cec4d306d49a44e85f68 \\\n    --hash=sha256:d62ce1f483f355f61adb5433ebfd8868c5f078d1a52d042b0a998682b4fa8c27 \\\n    --hash=sha256:d99ef64f349d5ec3293688e91486c5fdb925ed03807f64d98d205d2713c60b46 \\\n    --hash=sha256:db6192777d943bdaaafb6ba66d44bf65aa0e9c5616fa1d2da9bb08828c6b39aa \\\n    --hash=sha256:e23ce8d5f7aa6ea6d2a2b326b4ba46c985dbb204523759984430db7114f8aa00 \\\n    --hash=sha256:e64c8d2f5e5d5fda7b842f55dec6133260ea8f53c4257d64494c534f306bf7a9 \\\n    --hash=sha256:e69b39f8c0aa5ec24b57737ebee40be647035158f14ed4b40e6f150077e21a84 \\\n    --hash=sha256:ea5405c46e690122a76531ab97a079e184c0daf491e588592d6a23d3e32af99e \\\n    --hash=sha256:f2cb069d8b981abc72b41aea1c580ce92d57c673ec61af4c500153a626cb9e20 \\\n    --hash=sha256:fac4be746328f90caa3cd4bc67e6fe36ca2bf61d5c6eb6d895b6527e3f05071e \\\n    --hash=sha256:fffee09044073e69f2bad787071aeec727183e7580443dfeb8556cbf1978d162\nmsgpack==1.2.3 ; python_full_version >= '3.10' \\\n    --hash=sha256:07c9733089d1b176c3dd2f7fa268452f9d5d784d076473499d754a58e8d1fbbb \\\n    --hash=sha256:0955b9000725573d1457c1676944b370dd9643c8d18f25bda5ac72913f850949 \\\n    --hash=sha256:0c91762c48cd686dc9cf2b142c0bc544083952de32f5853d6624c956e54b85e5 \\\n    --hash=sha256:0ed5823c4efc20fe87d3530665f40ec18a002be003114814c21235cc8d256207 \\\n    --hash=sha256:13221a6c81ebb8e43ea63a7251c35d54e4175cea37ebf3a62e911bdf42562a3c \\\n    --hash=sha256:186e6c602b8a9968b8e864c67d622a69279f7d1e55ae25f40e3bff7e815b2b62 \\\n    --hash=sha256:18a6ed513023001b28dcd3ba54966f6bb90a38274ba8d2640464bcab3a1b81d4 \\\n    --hash=sha256:1d6bcec3dbbdb89ca385d3a73e63ceae7b841fa0d7ca7c676f1a7bfe7fb2cdb8 \\\n    --hash=sha256:1f4ae8bd4ad9ba085fde95e95d055a896d19210238a4199a771a3cf36dceed49 \\\n    --hash=sha256:1f585407f740a9eac04a3bb82c61d68a0ea78f90e29e670bfb086b9ce3a518dd \\\n    --hash=sha256:21bfa4d2aa0b04c1806ef778a1199e9e53ea2441bcbf284420a32083896320b8 \\\n    --hash=sha256:2487453ca1b6104442c6442f9a1a8fee1fe8f428a70d99d4cba799108b304150 \\\n    --hash=sha256:2574ef81c1c8c38b10e330f3f9406fd09198a776b002030fafcf8e7647e9e06e \\\n    --hash=sha256:30e1522e4173230dca4d9ad896f038f73c0da6c1edd42f4dbad88ac583cf5d46 \\\n    --hash=sha256:32edb81a2b5eb7cd7c9d941b2bfbbb082fd2cd09e0e725930316af6b708db186 \\\n    --hash=sha256:3372475211a9ce1a23acefe512cb3e121d18c95dc74ed56cb1819ef40836ebf4 \\\n    --hash=sha256:382b219de3d436de3baba0f4b0c6d4336e8f5858d0eb047918b13b69a71c6c55 \\\n    --hash=sha256:382bc88fe90f29f5ac8a0b65c7046ff255356f2f2f3186c30e370215736fa1dc \\\n    --hash=sha256:39b6986c19e1f2dfa549d185dba6ccf1de2e4c0ba10d8cfc0048935b1c5f9109 \\\n    --hash=sha256:3a31905206722103a84c1f72633fe30692cff6732c9d262e09a27dbc468797c8 \\\n    --hash=sha256:3d4c807ed050fe3ddbea5ba7e9f63d7136871ce42861be1f50ff739f0e91047a \\\n    --hash=sha256:3ec409b0d6aa8e9eec6eaf881b893caa215dbe68c5319ca96e8a271d81bb111d \\\n    --hash=sha256:471e12a6a42498a31490c206e0069e343b6a7c35db540be73a879eb06f5be047 \\\n    --hash=sha256:4c0780095871ecc49a58b2ff6b1b43b25214704da67646557ca287a3f49fb2dd \\\n    --hash=sha256:59612b4ed48a04cf024584218e813562f3b30a3bafa5f55abe300b15da314751 \\\n    --hash=sha256:5bd5f91ea75c45cafcc5433ba8fae59b708b736ec178d2441c40c499e9e079db \\\n    --hash=sha256:5bf390259cb25a6a1cd197c65810999b811f64cd38683251538bcc5a1e41f7d3 \\\n    --hash=sha256:5c1efdd9181cb1b719ee46865f368a927f1c0c65d577798340b1194545b7515a \\\n    --hash=sha256:5e0d7950ca3c1bbae291d0552dd3bb2792fc680629c4c0d44e47e5bab969f3ca \\\n    --hash=sha256:5f304123b90e8b2e49867981b7f6061612c39f50cca51ee88de007c084cf68d3 \\\n    --hash=sha256:62cc1a4ef0e553bac32c8342e1f04834aca7de276b92744eb7307db77759b890 \\\n    --hash=sha256:63bb7448a1e9111319ae2430c09a5596140c160422830d6271bc75730ff2ff9a \\\n    --hash=sha256:6576f348ed6cc4f31db6fd915a8e94245f042f50eae08d48732425e70638ea37 \\\n    --hash=sha256:666ef5601ab0e6e345e47febc96aa81143cc932201543480cbb9499164f05ffb \\\n    --hash=sha256:6707d2fa2aa1bb5424ea0b05f44ffc989b15ab41a73ff5855bff4944fec7c8ac \\\n    --hash=sha256:69ad12cedb674c73527bed869cddb42b742cac79a207a614202a4abaa24ea173 \\\n    --hash=sha256:6a834097144aabe948b8ca9020a833e8026f7d0abbd0ec54bc7e50f45a8ce012 \\\n    --hash=sha256:6df430419f2338cb71e4a34d6e64f83c88ccd321f91f40ba4513400b36d864ec \\\n    --hash=sha256:700bc0fc9e968a292b9137ee70e7a012f7e115bf0107ce45e3a88202788dfc1e \\\n    --hash=sha256:7013534a7163aa4f213c4d9864f1a8a7555daac6fcd48f699a198e29b436bfab \\\n    --hash=sha256:7995a7c6a62a1d6e7df211b4a16de513bd99fd053525050a319f80f44fb8015e \\\n    --hash=sha256:79dfa38faf92f804aa61beec140d70b18418e1dde1778dbb77a87a4cce85aa8a \\\n    --hash=sha256:7a003b02c6ee2eea6dfe0bb08818631e3597e69f0131f2a8250488a1cc553290 \\\n    --hash=sha256:7c047250096f9fc19dba26e3d1639b5e7a84114003605c94def667149a70ced1 \\\n    --hash=sha256:84a6616d396ec1bc18a1e83e67c96a393ec35dfe5e17434a5be7b9aa0fe988ab \\\n    --hash=sha256:87cf2ef05ff2f2493ba29fcdaef27e960ca64dacfd13460ae29e6f92e0ed05bb \\\n    --hash=sha256:89c930aece4e972b208ba589c8410b4167b05e411a5ea2cb25fd96f8bc47ee43 \\\n    --hash=sha256:8ca67f77938ea6a3663aa9bd22b3e031f6da84d665be850abab910ee90728dfd \\\n    --hash=sha256:8e51eca14fbb65c4e0a5a9657346962bd3dca78c08e04e3d4dee70ef48687d30 \\\n    --hash=sha256:8ec7a1d49ca6c2569d722ab5ec86e90089b0713900aa31905b47b4c4d9e78ce0 \\\n    --hash=sha256:902f3490db0e07a7d40b48536a85c9b28fbf1397e7e1658a45a55f958e303620 \\\n    --hash=sha256:905a189853d6bdb204c7ae5f4ab77fb857448abfff574d3d93c62e2815b24b4f \\\n    --hash=sha256:9276ba88891338f2617044429dfd080ae008c9868a25f6f1a7d004a35dc9ac0a \\\n    --hash=sha256:9324c54995641c3d1f92a9d55093c8cde0ffa2fbc87a467a688ef60428393220 \\\n    --hash=sha256:968583e956d0427878050b371308c5f8647088732ef3e66a117dbe1192ec91e0 \\\n    --hash=sha256:9d7e9cbb0998bbfd363fd9a09c330520d5e9cb323c05b5a1a05865d23ccf2226 \\\n    --hash=sha256:a393e428f6ffb0dcb73308c1fff5593041c16ff42da66e5bac8a83a6107a54b0 \\\n    --hash=sha256:a6b63917d60d6df451f328bd6afba8565e33c4afe1f62ec4ad758b78731c827b \\\n    --hash=sha256:b1631e12fe572e181cd77e831f69335d6cd5278eac22e3db3f33cf264ac2ac18 \\\n    --hash=sha256:b774ff994d844e541439ac5d2d49a14def4104830c3465e9394c153f86200ffb \\\n    --hash=sha256:b949cc25e4a09252cbcc54e66e507de914d0e94a3a7039bd54c299bf7037c098 \\\n    --hash=sha256:bb89b5dc30469c84bbf8684826eb851d82412ca95690e111b9ac5e8fb343961a \\\n    --hash=sha256:bfe7d5b62cbe7aa664f0b3e2c49077f10fcdd06183d3014f8271ff3c5edbfbf9 \\\n    --hash=sha256:c309a7abae1d14ba29a8bd0ddbd704a5e469d8e9bd9c3dee0e4ff53d7ae01d56 \\\n    --hash=sha256:c77e27790ad72989db783d5303825fba0b71550f00a490efba35cde7dc4b719f \\\n    --hash=sha256:c942c21a93f36b3a69e828c8945bb72c94dc2ffe488a2086950c812f3edf046c \\\n    --hash=sha256:ccea05b5542f6d283fef3f0a8e93a7f0be90af0ddeeef84c25c0216ba76dcae1 \\\n    --hash=sha256:cd5a9f9f86a52c24713679aa2631956835f3842512964ff93f736ff76f1f530d \\\n    --hash=sha256:d0238cd05dec9ffbe0de1071df685ba63e30a36ac155285b1a094e727c38cbe9 \\\n    --hash=sha256:d1c1e8989a855b7f1f2a64ec4a80b23a631822903952770813857b2e4f460471 \\\n    --hash=sha256:d2f9c4f85e47a44d26d5baf3b041eef23436e224d44eed273f01bd8a12048d9f \\\n    --hash=sha256:d31864ba3933a589b6a00249f89c0eb422197f49128fc10da550e57e9cb0f377 \\\n    --hash=sha256:d8ef3a66e4b52d2d7fdd90df2984670124b2ff7546d76bb25dcf68ef47f7df58 \\\n    --hash=sha256:db84203b13aecc222f465061397fdd5b53b7ae73d2c95ffc1c8dc5be0153a709 \\\n    --hash=sha256:db9fb67a3a2e75247bae569d34ebb5ff61c0448a4f0d6dbf991dae68af39b007 \\\n    --hash=sha256:e0bd394e999949c814f7912284243298de1b5a17b6a3dcb6cc8a79b156ffc4fa \\\n    --hash=sha256:e15f70588f4db8cd10df0930145b186de70feb9db51710cd378b1399009655bd \\\n    --hash=sha256:e54394b7dbe2e12ab032d9d21feef7bb61a90a150a2623633ba3781ba69dcb1f \\\n    --hash=sha256:eaf7e82249837e3aa97297b34a0bb9ff562027381631e057cea6e1367f10b438 \\\n    --hash=sha256:ec0030361cc861ac699b2ef1c695b741fa145c88f8667fa3d7e3f73deeb648a3 \\\n    --hash=sha256:ec90a9ae3e1169fa1171147340f0e97d941aa19fcd3b34e8339a55933ed042af \\\n    --hash=sha256:ed899d73a22f286a72bd9528d63f2ab3030dbad8bf1527fc249319a50d61fb9d \\\n    --hash=sha256:ede33b2892ceb976283e009ad12fa1834cfdf1f9c43ee9c97849fc588d00a618 \\\n    --hash=sha256:f24a43b3560e20f825b807fe1e874bd73d53abaf8bbdcf258a6eb152cddbc1f5 \\\n    --hash=sha256:f3d7b3d0018746b5997dd6b14a1870b07cc4c327d9101145d94a1fc264a51a06 \\\n    --hash=sha256:f41ca154b7737b11893cdce3c78c61d703398a1cd54d4297bdad908392338a8e \\\n    --hash=sha256:f42f146752eedb6765f07dcc04d72dab0a25779ec8d4a88c0085263ce114f22c \\\n    --hash=sha256:f56fba61b2516be7917cb00151f0d060b5b21184e3499bb57f0f7d9259bea124 \\\n    --hash=sha256:f9ddd28d3e9bbc602a9dced1591882c7fb9ab776eef8837da2c326fde19e2853 \\\n    --hash=sha256:fafc3b8898b432b841d30a61082c599fa7f4d06885f9dc58ad72259e12059fa6 \\\n    --hash=sha256:fcc6800daac4922960f6eeb7a0dda3dd4105e0bf7bce0e83ebc465a78cb7bdba\npackaging==26.3 \\\n    --hash=sha256:94edc256424af38762eb31306eed28beb9f0efc50a8837492c9d6fd6004aed79 \\\n    --hash=sha256:d7193f7c8e4e93f444fde0262bf90af30e16fa0ad0ad44cb553c87339b23cd1c\npbs-installer==2026.10.21 \\\n    --hash=sha256:265c46b81ecc7ffddcc4607be0b87c0797c91911e1492325a563428f569a20c5 \\\n    --hash=sha256:d779e503bee739b0fd39be8b1be05e4ebe9e5d2adab8ff80416d39cd920d4b0d\npdm==2.26.9 ; python_full_version < '3.10' \\\n    --hash=sha256:6f7279b5e54b2948db3dcc1495197e9d0b2c8643e8159cc835e22d8f9af083b5 \\\n    --hash=sha256:a00835262cde339bf5374b8e061e424f405ed13a240620759bbbabd8f86e5753\npdm==2.29.3 ; python_full_version >= '3.10' \\\n    --hash=sha256:320df1661a60a4e29ce813992dcd5c8c5583c1bf27d36b713895cf38f4c49e9e \\\n    --hash=sha256:435af88abb9e8d17b40ae9b50d123c8f9b1d8572987129e0a9a4017fbe4d9e1b\nplatformdirs==4.4.0 ; python_full_version < '3.10' \\\n    --hash=sha256:abd01743f24e5287cd7a5db3752faf1a2d65353f38ec26d98e25a6db65958c85 \\\n    --hash=sha256:ca753cf4d81dc309bc67b0ea38fd15dc97bc30ce419a7f58d13eb3bf14c4febf\nplatformdirs==4.12.4 ; python_full_version == '3.10.*' \\\n    --hash=sha256:63743c02414e755de4e31b8f68125c1407495b86c5a006e203c01ff8b9924250 \\\n    --hash=sha256:78bfb9db2a8471ed7eebe3c3c932da413911042994e699b384fbb4493fa872d7\nplatformdirs==4.13.5 ; python_full_version >= '3.11' \\\n    --hash=sha256:05831adf87d392760f4b5c3a0a95579ab5a10b18b9b9bd43680dcb47544788a0 \\\n    --hash=sha256:53d3ec4280b815c1e0b02edad7f9ee8fda1ba9c0865dd9c2e6e63849ce82fc1e\npygments==2.21.0 \\\n    --hash=sha256:2363c69b61c4a97c838da3b130dcd6468f4848992b21a82f2a63ec34377137d9 \\\n    --hash=sha256:610ca751c9bc2492b38eb9a38a7fbc93edbbb2d7182edaf34e66ae493dee5c8c\npyproject-hooks==1.3.3 \\\n    --hash=sha256:5fc53fdac9f7bd63fbcdc868fb5f90b4784d78a53a3d3388cd738b807441a20b \\\n    --hash=sha256:defda19b854fa0d3bd4f76ea4ddcba8abd7dcfcdd585a6690ade050744fc5f43\npython-discovery==1.6.4 \\\n    --hash=sha256:530179cc51a1816d512b15635b3dc931295ae12efb183783ad31190a5d425d2b \\\n    --hash=sha256:bc70d31f0ec5de11eda13d4d64c16e24b3506a65984684f2b6c98cb83b2ea9df\npython-dotenv==1.2.1 ; python_full_version < '3.10' \\\n    --hash=sha256:42667e897e16ab0d66954af0e60a9caa94f0fd4ecf3aaf6d2d260eec1aa36ad6 \\\n    --hash=sha256:b81ee9561e9ca4004139c6cbba3a238c32b03e4894671e181b671e8cb8425d61\npython-dotenv==1.2.4 ; python_full_version >= '3.10' \\\n    --hash=sha256:42269a8a5b3fd54ffa6f3d84b18abed50064717576b4ecf03dc4a55d8aa04fdc \\\n    --hash=sha256:f0d53e69935a851c0dcc78f3ab7aaccd8cabef0b92382b576b824212902873c0\nresolvelib==1.2.1 \\\n    --hash=sha256:7d08a2022f6e16ce405d60b68c390f054efcfd0477d4b9bd019cc941c28fad1c \\\n    --hash=sha256:fb06b66c8da04172d9e72a21d7d06186d8919e32ae5ab5cdf5b9d920be805ac2\nrich==15.0.0 \\\n    --hash=sha256:33bd4ef74232fb73fe9279a257718407f169c09b78a87ad3d296f548e27de0bb \\\n    --hash=sha256:edd07a4824c6b40189fb7ac9bc4c52536e9780fbbfbddf6f1e2502c31b068c36\nshellingham==1.5.4 \\\n    --hash=sha256:7ecfff8f2fd72616f7481040475a65b2bf8af90a56c89140852d1120324e8686 \\\n    --hash=sha256:8dbca0739d487e5bd35ab3ca4b36e11c4078f3a234bfce294b0a0291363404de\nsocksio==1.0.0 \\\n    --hash=sha256:95dc1f15f9b34e8d7b16f06d74b8ccf48f609af32ab33c608d08761c5dcbb1f3 \\\n    --hash=sha256:f88beb3da5b5c38b9890469de67d0cb0f9d494b78b106ca1845f96c10b91c4ac\ntomli==2.5.0 ; python_full_version < '3.11' \\\n    --hash=sha256:069435bd5480429b98c5e5afb02ab21c219b6f0064680671c6dc0d46817346ea \\\n    --hash=sha256:0dc598040da8d42cf20f0be588ed7004f46db12a0ac6c32e03a59dccedaaadcd \\\n    --hash=sha256:1245a6638fc4bb0a60af38a7d45413db34a13842027c77597c712c998c62fdf0 \\\n    --hash=sha256:19b0dd8749f4ea2f112c5fcfb3c5248390c899d7e2e173f1d91abee1fa0ff391 \\\n    --hash=sha256:1f4a40d03fb9f63424f0979855bdeaf44dd7696b8d59501822c10ed30ba532df \\\n    --hash=sha256:20aa36de8f2cf87237143bc1fa1aae8d6612c09118f4da21c6a684db5dd1f6f9 \\\n    --hash=sha256:21e4cae4114aba25aa0d4f85cdf486d290fb35c0954d7bba536248da64d43066 \\\n    --hash=sha256:22185fad8a1e622f064e78008018a0dd3323550dcb479cb7a1d296888d74024f \\\n    --hash=sha256:2419c2a189551987b59d80e63ec355671283336f41c6b9b89462df679c7d0c57 \\\n    --hash=sha256:264507556cd8b8c8e7c6ee037cdf443a463f03f4c958e57195e3d369711b8ff6 \\\n    --hash=sha256:32a7b79ac57a2e83670ce329ccf675798bc5a2094783a63676866b70503f2e2b \\\n    --hash=sha256:3f89d10c1ff6a38d992c27fc8a4816af71a909e08a40ec66934240b1e74347c3 \\\n    --hash=sha256:463b16086865b97facd8d0b3fb4cb7c544e3f58d2a69dc3113d6db9653fdb043 \\\n    --hash=sha256:49096930c8d886c9bbdab62d2d0d17ce823ddeea522309a190b36245d5b49e01 \\\n    --hash=sha256:521345fd1f19d45b8df87657aaa38b6f2ca3800059fadf428e7ebf479a383646 \\\n    --hash=sha256:57b1c3b01fab802e2899bc3d168dca320e14165e2fd9fd584760fb4ca5826859 \\\n    --hash=sha256:5d8bac3d603c97e6854424e5b2b5b741bdbde387e09f162fb0446812b4a8362b \\\n    --hash=sha256:610b27d99f28ec5f191c7064a48f3ddb179a1fe6ca73d571483ae859f57b605e \\\n    --hash=sha256:61ea1ebe1e55a34ea8199cc8dbff398d35027b82271c8ac4802fd3a1fd5b1bcc \\\n    --hash=sha256:62fc1bc8eb03e3a9cadfca713d65614ed8e09d974a283295ffe3a831976b4dc5 \\\n    --hash=sha256:6664b7ae7af7294256c53960a6103077f4914cec8ff98479c352f622c6f6b2f0 \\\n    --hash=sha256:667e521b37a6c5ccaa044202c235b530f90177ffe2cd4a64ecc213c7dd535feb \\\n    --hash=sha256:69491c143d2fe063046e0301e62a810bed338fa4d1ce0fd870c27dc1e09b0d84 \\\n    --hash=sha256:6cf74416bdc94ae458b14e37286c1073081850ac8459a00d0c5efef5d44294c6 \\\n    --hash=sha256:6e95c7614e705bfe2b04b27aa124adec59752d15813df37e2156747cab3a006b \\\n    --hash=sha256:6f041843c4d3a37245c0c056fd955b186bf8b1fb85690cbe40b81230891dc34b \\\n    --hash=sha256:752e8b1aa6a4367ef8bf6a1a1e005540f7ed055ba36d7193796812ca5404eb52 \\\n    --hash=sha256:75dbcde8751b0a960aa3de173aa5e894d590755c6d7758b7e774c06f1dc3cbdd \\\n    --hash=sha256:7ac2027d37c3afbdf4bdd377f2676f6f1d2122a5be1f1137b49dced590b37e75 \\\n    --hash=sha256:7ad1ea345759240d6463efa0ed1c704402752e49aa21476620738d74d72d8aa1 \\\n    --hash=sha256:86665cee9c4835b7a7f1e8ec2c719b5258d4dc782887aded5a8ae7352a96843b \\\n    --hash=sha256:8ff3a2ca028c7eee0c777f9a092038d0a594a9fa04e215f929a22c329e2cb142 \\\n    --hash=sha256:91294a9fb94a75542f6e46e4a2ae709bd8d9b51134098cae5cf3bea5478b6d03 \\\n    --hash=sha256:943276cf269e0071948d9ff697159c1735e623c1151d88abb09b74659ef0cbea \\\n    --hash=sha256:96243987194634bd411066ce40c952e108f86af04db533ecd8ac3ff2a85b1885 \\\n    --hash=sha256:984012f71908165449a951de2050d52f276bfe3aa5d5f570f63ddad814370374 \\\n    --hash=sha256:9b03d7dc168353b4132965bde20feceabaa470e570c6f59660dfae59b1f9eeb3 \\\n    --hash=sha256:9dbb18c1cfb2f6517942fc9314437f66aa06d94436ffb1f06102ef3572f35276 \\\n    --hash=sha256:9ebf8d19b17bd0daeb7b7dec81a946a439b753942fd0210d6e96c532249eea6b \\\n    --hash=sha256:a525685c2f97da40762b8695eb7aa0af4c8344ca1905c73e4e29cb04d34607dc \\\n    --hash=sha256:abdbf6313b8d9efe157edeb7ab6eae4de064b1300ad31abf73755154b30abe68 \\\n    --hash=sha256:b69564772b5c8f22ea5f498dff08cfa825045b4d4c4400529000bdf818aa3b2a \\\n    --hash=sha256:b8ade5023067f99fe72b88accd30d0ea05a158e9e32a11f124e731ea9695313f \\\n    --hash=sha256:bbaefc84548d754be821bba7c4141c4787dda182f9e77f2f87b71213529efa7b \\\n    --hash=sha256:bd05de8c1698f8413dd7d869492693a0bf2211543b787ac78cd5e7536af1a6d7 \\\n    --hash=sha256:bf0b5e8e0f68ebb494356e577c06c139161efd8d3b9050f93b39b7c26cc54ff0 \\\n    --hash=sha256:c414be4ed9d3cac80c42e348fa5a956117d1a48227f48026e31f59cb4a7671eb \\\n    --hash=sha256:c47300f9bf791808f77d82747691c4bb09cb14bdf3060cca99b42cdc4361d5a7 \\\n    --hash=sha256:c4dc1c1781f2f716de763d1e9a7b34c6a894e167e291c7c5d16c72f7a9538545 \\\n    --hash=sha256:c804ae44fe7b4bab5da295e4f980a1ff04670bca9d23fe0a4e887e08ebd741a8 \\\n    --hash=sha256:cfac177ebd6236003846ea339981f71457cb6eb748f23381eb257e45092e3980 \\\n    --hash=sha256:d2ba24db8a9376921b5e87b4762b9adb0f3f1deaea68f2b8b0bb2c11efb9c3e7 \\\n    --hash=sha256:d3182ee2d887e507bd67319a0a61105d1dd33facc111329559a233b772c1a105 \\\n    --hash=sha256:d747252933c8a65ef6bd8da0fbb7ce28a90eb6119d8cd00772cd528aa07b68d5 \\\n    --hash=sha256:d7e369fd63331746182360977b1892bfc215476a30d61612d732425311639f56 \\\n    --hash=sha256:e12bbcd32897272fb05929110362ae9ff4c1b9bb26bd9e971e71dcd3275b4c3d \\\n    --hash=sha256:e7ad033e27a516a233bea839cdb77b80146facb3b4f40bf02cd0cac165cdd5c2 \\\n    --hash=sha256:e9e15b4a6c7dd6b85b5fbab29488a73f1f70de516942308daa266bf0e0aeb0d4 \\\n    --hash=sha256:ed53f7e89bb04f6d9e8e7799112360b0c4d5cbff067de0814c98c37c39b920f7 \\\n    --hash=sha256:eff8babca5a7999bc137acbc7482a8b7e17ffca5075ab41f5d770ab408c7bfef \\\n    --hash=sha256:f15e3e0b835a6d68b10c86bf80a3149780498d6911c93c3ffd1861d19f9200f1 \\\n    --hash=sha256:f3fcbc57b1791fa6cbe5d8434179d51de12be1a4811469529f47f6e7487a2571 \\\n    --hash=sha256:f4b653094e18f9031102d3a1da5c729c8f222d85225b18037dac621695e46e1a \\\n    --hash=sha256:f79203b3965b4000e91808aaa7c040206093f2b8bf86f455982f2274c9ccf442 \\\n    --hash=sha256:fd4dc129784e0c5335bd4e61dfcc4487499a013419e655cf2da1d091b7e0efdc\ntomlkit==0.15.2 \\\n    --hash=sha256:05562412163a3037b94497385fb7f9204c637bc605af7a48199e41cf2272f437 \\\n    --hash=sha256:83e32755ba1d20d9340bd069ee97e9f6232ba2346b63ffcba425de01f7e327a6\ntruststore==0.10.5 ; python_full_version >= '3.10' \\\n    --hash=sha256:30d36967ccaded5cbb38d602c433f53600036c79d502f4533a49b60a03bbefcd \\\n    --hash=sha256:9aaaedaefaf06d8b206278cf8b5012bc897f485a874503501e12d776df78951c\ntyping-extensions==4.16.0 \\\n    --hash=sha256:481caa481374e813c1b176ada14e97f1f67a4539ce9cfeb3f350d78d6370c2e8 \\\n    --hash=sha256:dc983d19a509c94dba722ee6abd33940f7c05a89e243c47e907eb4db6f1a43e5\nunearth==0.18.3 \\\n    --hash=sha256:14067cf1141c906f787d6d9d070cbcfdd443fd1058aecaa650ce9519aa10dbdc \\\n    --hash=sha256:306773b7a792af7d44b3b2a3bea21ba63a0b947546ad8ee793194fd09a6ae020\nurllib3==2.6.3 ; python_full_version < '3.10' \\\n    --hash=sha256:1b62b6884944a57dbe321509ab94fd4d3b307075e0c2eae991ac71ee15ad38ed \\\n    --hash=sha256:bf272323e553dfb2e87d9bfd225ca7b0f467b919d7bbd355436d3fd37cb0acd4\nurllib3==2.8.0 ; python_full_version >= '3.10' \\\n    --hash=sha256:0cf3cae568d36aa9576b28dfb35f11328f1cb974ca7647d9475ebb86c75ac6e3 \\\n    --hash=sha256:63bf2ead4c879426ebf22ef2a781eeb4aa3b4ae798a0435506f8687fd5bb9b63\nvirtualenv==21.14.13 \\\n    --hash=sha256:5fbb04138a4861580b78ba9110d529a26bc48fcc93c8ec36bc0202eeed96a788 \\\n    --hash=sha256:de5307ba4b9a0001d9c8ea02832d38f63ca432880f416c1bface61c4323fd905\nzipp==3.23.1 ; python_full_version < '3.10' \\\n    --hash=sha256:0b3596c50a5c700c9cb40ba8d86d9f2cc4807e9bedb06bcdf7fac85633e444dc \\\n    --hash=sha256:32120e378d32cd9714ad503c1d024619063ec28aad2248dc6672ad13edfa5110\n",
  "pipenv": "# This file was autogenerated by uv via the following command:\n#    npm run requirements\ncertifi==2026.10.18 \\\n    --hash=sha256:73191c47aaa79da394e8fee2dbc2ec827432cab56311122c9e47abf79e390f62 \\\n    --hash=sha256:b9995d97b64d0431a5af837d8ca8cd6238104d1f319f04bd93ea43124d6c861e\ndistlib==0.4.4 \\\n    --hash=sha256:ca4175b4ac7f71223cc30ed7248c45d2b38c2439d8ee6e498ab67ed63cf3508d \\\n    --hash=sha256:cf09d55b1e85a89576b036aeb71550bfd68320f3f21761ca329eadadad918638\nfilelock==3.19.1 ; python_full_version < '3.10' \\\n    --hash=sha256:66eda1888b0171c998b35be2bcc0f6d75c388a7ce20c3f3f37aa8e96c2dddf58 \\\n    --hash=sha256:d38e30481def20772f5baf097c122c3babc4fcdb7e14e57049eb9d88c6dc017d\nfilelock==4.1.0 ; python_full_version == '3.10.*' \\\n    --hash=sha256:2ce9818e3e2d8f284c1a964414447ef148d42a5fd5e2a477a7118e574b293ec1 \\\n    --hash=sha256:ad7f724afef953e731b1cc39bcd3a09166d72ed7fcdf29e6e88b1c3235c6715d\nfilelock==4.2.4 ; python_full_version >= '3.11' \\\n    --hash=sha256:301241438c57936ef93f4243a94f2559022268bfcf9b375a9a72eb0f8db8358e \\\n    --hash=sha256:c6d8663535e1650ee430507b4ffbac7b464dd64b7647ea0112a9f406499d163d\npackaging==26.3 \\\n    --hash=sha256:94edc256424af38762eb31306eed28beb9f0efc50a8837492c9d6fd6004aed79 \\\n    --hash=sha256:d7193f7c8e4e93f444fde0262bf90af30e16fa0ad0ad44cb553c87339b23cd1c\npipenv==2025.0.4 ; python_full_version < '3.10' \\\n    --hash=sha256:36fc2a7841ccdb2f58a9f787b296c2e15dea3b5b79b84d4071812f28b7e8d7a2 \\\n    --hash=sha256:e1fbe4cfd25ab179f123d1fbb1fa1cdc0b3ffcdb1f21c775dcaa12ccc356f2bb\npipenv==2026.10.2 ; python_full_version >= '3.10' \\\n    --hash=sha256:89d0e41a5f271f1352a98ea4fb0d91213d2b874c5ec1c2801eba7ab340c172e2 \\\n    --hash=sha256:c04123012e52794a456eaff667c5c2e506b65d86470796e768c82d4c5a123341\nplatformdirs==4.4.0 ; python_full_version < '3.10' \\\n    --hash=sha256:abd01743f24e5287cd7a5db3752faf1a2d65353f38ec26d98e25a6db65958c85 \\\n    --hash=sha256:ca753cf4d81dc309bc67b0ea38fd15dc97bc30ce419a7f58d13eb3bf14c4febf\nplatformdirs==4.12.4 ; python_full_version == '3.10.*' \\\n    --hash=sha256:63743c02414e755de4e31b8f68125c1407495b86c5a006e203c01ff8b9924250 \\\n    --hash=sha256:78bfb9db2a8471ed7eebe3c3c932da413911042994e699b384fbb4493fa872d7\nplatformdirs==4.13.5 ; python_full_version >= '3.11' \\\n    --hash=sha256:05831adf87d392760f4b5c3a0a95579ab5a10b18b9b9bd43680dcb47544788a0 \\\n    --hash=sha256:53d3ec4280b815c1e0b02edad7f9ee8fda1ba9c0865dd9c2e6e63849ce82fc1e\npython-discovery==1.6.4 \\\n    --hash=sha256:530179cc51a1816d512b15635b3dc931295ae12efb183783ad31190a5d425d2b \\\n    --hash=sha256:bc70d31f0ec5de11eda13d4d64c16e24b3506a65984684f2b6c98cb83b2ea9df\nsetuptools==82.0.1 ; python_full_version < '3.10' \\\n    --hash=sha256:7d872682c5d01cfde07da7bccc7b65469d3dca203318515ada1de5eda35efbf9 \\\n    --hash=sha256:a59e362652f08dcd477c78bb6e7bd9d80a7995bc73ce773050228a348ce2e5bb\nsetuptools==84.2.1 ; python_full_version >= '3.10' \\\n    --hash=sha256:3ff8b3b5492a0aa66960f4419365a86b84e013070d4313e4d4a6894f5d64d6bc \\\n    --hash=sha256:ca140b45d5325a9478f880e351484f62fef15f336462e449ca0c03c873d589c2\ntyping-extensions==4.16.0 ; python_full_version < '3.11' \\\n    --hash=sha256:481caa481374e813c1b176ada14e97f1f67a4539ce9cfeb3f350d78d6370c2e8 \\\n    --hash=sha256:dc983d19a509c94dba722ee6abd33940f7c05a89e243c47e907eb4db6f1a43e5\nvirtualenv==21.14.13 \\\n    --hash=sha256:5fbb04138a4861580b78ba9110d529a26bc48fcc93c8ec36bc0202eeed96a788 \\\n    --hash=sha256:de5307ba4b9a0001d9c8ea02832d38f63ca432880f416c1bface61c4323fd905\n",
  "poetry": "# This file was autogenerated by uv via the following command:\n#    npm run requirements\nanyio==4.12.1 ; python_full_version < '3.10' \\\n    --hash=sha256:41cfcc3a4c85d3f05c932da7c26d0201ac36f72abd4435ba90d0464a3ffed703 \\\n    --hash=sha256:d405828884fc140aa80a3c667b8beed277f1dfedec42ba031bd6ac3db606ab6c\nanyio==4.15.1 ; python_full_version >= '3.10' \\\n    --hash=sha256:6152fdbbf9a77fdec97731721bebf7c4c44f7c29b424b0065826173efc7ed101 \\\n    --hash=sha256:9f28306018cbd6d329e64a36d58256edff76dd996fe423bc957326e578b82a94\nbackports-tarfile==1.2.0 ; python_full_version < '3.12' \\\n    --hash=sha256:77e284d754527b01fb1e6fa8a1afe577858ebe4e9dad8919e34c862cb399bc34 \\\n    --hash=sha256:d75e02c268746e1b8144c278978b6e98e85de6ad16f8e4b0844a154557eca991\nbackports-zstd==1.8.0 ; python_full_version >= '3.10' and python_full_version < '3.14' \\\n    --hash=sha256:029bca2385ebb4355135bdb8559792d2768ae19707705eea84e68c42a30a0276 \\\n    --hash=sha256:045e15ed3b3ebd8816edaa7d66f024becf050d9aec09605f549ce33cfda01098 \\\n    --hash=sha256:0600e166cb00739a26de74ee1696221a53a4d5dc1f96a0bdeb6b307c1626c15c \\\n    --hash=sha256:0a77b019b80038b1426a74849b0fb8f9b46f876cee74f6d59f26acd1559d4c01 \\\n    --hash=sha256:0b9d6c4ca7d927fd094badcf9174ee5c82ddb4855fe14658806c8c8a07d4a165 \\\n    --hash=sha256:0c2e652b4fbc2e6b7bd05a09b6eab3a51bfaed9e7fca1bc81d763dc47361e2ff \\\n    --hash=sha256:0f722107de223fe68efa83b1cc3a11d67d1888441073732f0d350ff8111d23df \\\n    --hash=sha256:117e1ebc7224ea328c7fba82dfe6b76cead2a2b1f427dabcd8a5fa87c47abd15 \\\n    --hash=sha256:13c00e1c66c78a0d1e1c60d0806e9bd430d4c5c92cdce3fa8d087aea436bf449 \\\n    --hash=sha256:163b5c36321bf5652b6e4aeb04d3644ddbf9c1881a82322e376e5be3532af26b \\\n    --hash=sha256:1a808ba1371231c00a2b71f03840a727088e287d0ee1dfb3230958950f21f421 \\\n    --hash=sha256:1c11797f5129872ca0278d7a1628ff254cf773d9cae337cf30efce5646f8ccd7 \\\n    --hash=sha256:1eae18c682f7daf8d7b39c988516d7a123ec446beb77f709d0cb1475ab57f0cc \\\n    --hash=sha256:1eddf59fedaf19dd3a8e9c597add7eb6f0d51d4467a0924b2dcd2c118ed18ff5 \\\n    --hash=sha256:1fe4b06a019aa4cdf87af320eef56a4bdbdb924ead36a7a918645d72edece966 \\\n    --hash=sha256:200313a6aae64e7f54bdd703317b16560e195f37426bb308e9a495e27ec4efd0 \\\n    --hash=sha256:290b41aa11285c8e1eeba7450afb7e9fd61572373410110a2a06a23ae97937f9 \\\n    --hash=sha256:2b11fb8b9c798657c97ad3165893f146c300e2f7f800e9c54c0d2143052c1486 \\\n    --hash=sha256:2b3247a7a916b90f155b4133eedaceadd0c37b4149ee32e4d74fe512a14be89b \\\n    --hash=sha256:2c431f3cdc7eb663a42574e27a8604a18181ea4e193504f222d8e61c6f5f8b78 \\\n    --hash=sha256:307badd18496d7c7c6adb91b524b120b4fd3ab5609ec794c36953b9a5f4f4728 \\\n    --hash=sha256:3568397b72546bab27054fb7526f90b2842a6978cda1224f37c061087ea15bb1 \\\n    --hash=sha256:38ffdc14e37a0e94eff3b771fc071903b25caa48b092ed59662246970ef01e99 \\\n    --hash=sha256:3f0288db18a64f4f4146f4526456ff62b2edb625b2d43956e764885edd3f1da2 \\\n    --hash=sha256:403985e468f1cccb87a7e9e4f1d78106ea8e77dcdda3038d645d052a8d8e1ce3 \\\n    --hash=sha256:40966dc0a3d08d56f83a6b79239d3f294896c9aee453449064fc3627058448fb \\\n    --hash=sha256:44a9004f9e809ea56910d326d21946650369db59eb86edc0c76840f21530704c \\\n    --hash=sha256:49c4006cdf41c15ffcc74f10d9a6485be841106cd4d5aa7ea7bf1075cc37fb83 \\\n    --hash=sha256:4c4af1b9542bc6420d55ff47d7efe13c19f56a80cbdd1ffd0a29767801dab886 \\\n    --hash=sha256:4e6f8483b795a09c0e0fbacca4fa844242bc6d5fc64b8a6ee99f88ad8af27b08 \\\n    --hash=sha256:4e92ff4ce96b3c61d25900875b6cf1ee249349b8e419abd80893ec9b8026444e \\\n    --hash=sha256:4fa862d24b7fb392279a95bc9acc1f0ede8a25de9efbed03fb305ceac2f6abb0 \\\n    --hash=sha256:515497b3d49dd6d7a84fb16a0a0007bc460b4a7e1f55e70f33315c66d3844e8e \\\n    --hash=sha256:5173afe530ca59bba8938a19edcb875c70f78bf9fee01cb3614a97876d112962 \\\n    --hash=sha256:52ccf581406f4610570d5e411d5eee9cf0fdde9ee5cd9fc95ae9b12edd150e6c \\\n    --hash=sha256:59d29e16273a440af6beb11965cfa84cd19207b38fb5302b2430bc8eabef4812 \\\n    --hash=sha256:5ff307f3f0ef3b7f40ccfce42c0704fddc99cd30bca451330f42466db1981be9 \\\n    --hash=sha256:6202f9eb6b44301d3ab62c7d717a1becb530b6d09ccc4d2ff4a4b662220e05e2 \\\n    --hash=sha256:6283c90997038abf46c8a0bb75afb4dc6cbf061421802fda0afc382fe4b348b3 \\\n    --hash=sha256:62f633740f25f383b0a3edc7e8bbdc18d38d62a3db7167e77fc715f75e6f233c \\\n    --hash=sha256:63ae348b629121eeb967244fecd254f41b4b3a63d074c252f4d7777f5d17c71c \\\n    --hash=sha256:6a73b782aba89d45e2c19c1b6491eed2c90e5de9536c26173fc62be2d011486a \\\n    --hash=sha256:6aa762cf369d9bfca1e013eaad562f8e129d71b7a82f0c459870d6d21651bcb3 \\\n    --hash=sha256:6b6c46d5d5932b7ad24f42069104919fa806fac0a02144aa8af0f9bb96705274 \\\n    --hash=sha256:6c8572e27c5f0b9d11020d3f597bf3c35fe0f5ae6f99156dc52b0bd937ba8908 \\\n    --hash=sha256:6cc15051c282ac2585a2425d22f416ae2deb5afb441b22831b349b02fd58a782 \\\n    --hash=sha256:6e024aee6bfd04094fce60133b0e6bd0f8027cdb2823157880bc87f1ffdfee21 \\\n    --hash=sha256:6ebee106e5592549e3eca5d2cf2575de73a87b046f5d433f63ffbefcd6ab5e24 \\\n    --hash=sha256:70da152b5cf4a75459fb87abc00d263b2012653646372a03904bed67897938be \\\n    --hash=sha256:74d85b8ce50aea247289be183f853e67c106959c4048ce286b26c4663b06bb6d \\\n    --hash=sha256:775b701a576769df053cfb7d9456b06223b40e329c010be6cc178fe9e404a3d2 \\\n    --hash=sha256:7a23d38d7b9ca93403acd3c2c306af6e547a24d150c25ac2d7a8acd751fbd968 \\\n    --hash=sha256:7b48d33ef2446bd5f4922757451d8eefbae25cc08da7c216ba200ff1acdb4352 \\\n    --hash=sha256:83cea5cdd70e1d74382be6deeeda1db79aedd1a06af4f8a8fbafba9eedae5230 \\\n    --hash=sha256:84d7c45f063ee8cce1dc14cf382511554b0db19234094fa91214be68d185a5a8 \\\n    --hash=sha256:869ab7e5421873dfbdbf646d52b4e8d711093972819c06c6daf3249a1ec6e0e7 \\\n    --hash=sha256:8efdb220f34418cef987da10d857cf95cdcffe431cc0e536efc25d7279abf118 \\\n    --hash=sha256:900b357bbae805bb98672471ede748c80ccfc1212be0b4ef52a102750ef742a7 \\\n    --hash=sha256:915d3e7e57194b5cee33f10cf2d9f5c4f7658c8a167236f9ba5501520cf133e8 \\\n    --hash=sha256:9af83a6d7dc67896fd91bcd4c2cd182ba97d7cca2b09a94373a5fef154001d98 \\\n    --hash=sha256:9b62b6c8c5a43b294d4358c2016bfbc507cc574315ffa75346ccf0b621746461 \\\n    --hash=sha256:9c7fe40a58dbe1fd358e0ceb5b6b3f50a9b328f8fff42dcb3bdaeb9a022c2506 \\\n    --hash=sha256:9d23957b8067e04b15cf59a41098d75855e15e66699dd2b81259316cbe86a3df \\\n    --hash=sha256:9d76a3193a3a4a6b1249021e7ecf72e4cabc1dca611c6fb41db1c0b5d2faf741 \\\n    --hash=sha256:9da207eb5264a03d29d62169d3dfe0790dc47f85b1785f25e9b01763f227dcdd \\\n    --hash=sha256:9dae4f4c481716e3db473d667457b4f508ff7459c0931b567a5c9677fb3db316 \\\n    --hash=sha256:a11422c67c6295d36a7a30bac5df82e8a4fc82539d8def0d082ecf15cb24f538 \\\n    --hash=sha256:ab77a2e6e21c57e8341bb7656c71d1a1653151ebe787b3f092ce86a02543eb52 \\\n    --hash=sha256:b37a2189c2be170369dfb083a2ab4793b510e9d0f207cd047ca47f97e8995ba5 \\\n    --hash=sha256:b583990d554cc6f6141c5c43b6db3c7da87a214253e08339d917ee3baa3021b6 \\\n    --hash=sha256:b58cd328afcb538f3ca5dc2ac47f8dfb68635d5b906d5efcb59054bc86219214 \\\n    --hash=sha256:b66cfbd6ac3221624ea5088950f243187cb9e24a3e5ad0bc89d093fd143b0696 \\\n    --hash=sha256:ba1f16c4196b8392e0adc1f201d0d1aadcc0b78dbe9049fc3d98633cbce565d9 \\\n    --hash=sha256:bb99f835f6d1e6ad0bc1c1ac430baf6d39a9183e37c4f295fb876214ac4c7e28 \\\n    --hash=sha256:c6f9ecc5a251fd9495ee717daa0dc87c195f50d6d3679ddb430eb58256a0ca53 \\\n    --hash=sha256:cc1d9d3660c40abe4095de80f43ce4c955d08f7d9803d3da97176aa61b76d923 \\\n    --hash=sha256:d057948e8cffa19f0cc8668e06fd502ad8a69f398e91a426b39dcc5eeb197c2f \\\n    --hash=sha256:d0a6cafbc18dd32832bd4c22a40348634d191afadf3e0b82fc5df225dfb94e3b \\\n    --hash=sha256:d1c0902770bfcee67b5ff4a5ec69b7ceaf230816e5cd9cc3654a03dd584eead9 \\\n    --hash=sha256:d810d83c8a703f424ed2a49aa271078c91b530da2d8c104bd88207e68d116de8 \\\n    --hash=sha256:e0431230a67e8f07210efe654abda9844a55c3bf57d74e60425d9d65770b1de4 \\\n    --hash=sha256:e213317db53e787ef7bf13c5a2070bd98a888ca7603bbd1904ede443c197f3cc \\\n    --hash=sha256:e67b330874664e41cb03216e4e33fe79b91304269b329fca82f5bd9e0501a48d \\\n    --hash=sha256:e70eefb72358ae3c94eac62cf7fa3c392cc21f0a8221d6cdaf3d74aedb9775bf \\\n    --hash=sha256:e74eb204b9d7798fc57393202c443fc2ec84283d82387168baeb763f8beb224d \\\n    --hash=sha256:ec1a796429674ebc0e2d48feb3b6658bf49d3ae840b0c0e14ad50c4d6b7341fe \\\n    --hash=sha256:ec7351d3e6ea92338dc4e0e53c876d2e2092e07ad3a2083088e0160200efdd15 \\\n    --hash=sha256:f43a0247b7daeea20e792627ec929b995fc290484b11ab314d4c58cc5f5558d8 \\\n    --hash=sha256:f710d03f84d74f11737735f846b44ef1545cadb73ef47bcd3d0e124f253dd763 \\\n    --hash=sha256:f99b44c2c13fc60f65ad568bf7401d9540370f996b1040793a34988324e3b712 \\\n    --hash=sha256:f9e9aa28a44db1897fb637f037175566f3b75890d4bae6cae7ba34f1df1e0804 \\\n    --hash=sha256:fc9ee08e6a17f388f670a421b36a5d3a9417a404c2f39ac0bf5e6ad958ac853c\nbuild==1.4.4 ; python_full_version < '3.10' \\\n    --hash=sha256:8c3f48a6090b39edec1a273d2d57949aaf13723b01e02f9d518396887519f64d \\\n    --hash=sha256:f832ae053061f3fb524af812dc94b8b84bac6880cd587630e3b5d91a6a9c1703\nbuild==1.6.1 ; python_full_version >= '3.10' \\\n    --hash=sha256:51cc11666391ab6f092070437ac747002ff46f3e4113a3622177ee6b488bfc53 \\\n    --hash=sha256:ecd351a4be9d35a9eaaba244a7687143c9c7d4aea6ac964e7e7ddab20cbcf4e7\ncachecontrol==0.14.3 ; python_full_version < '3.10' \\\n    --hash=sha256:73e7efec4b06b20d9267b441c1f733664f989fb8688391b670ca812d70795d11 \\\n    --hash=sha256:b35e44a3113f17d2a31c1e6b27b9de6d4405f84ae51baa8c1d3cc5b633010cae\ncachecontrol==0.14.4 ; python_full_version >= '3.10' \\\n    --hash=sha256:b7ac014ff72ee199b5f8af1de29d60239954f223e948196fa3d84adaffc71d2b \\\n    --hash=sha256:e6220afafa4c22a47dd0badb319f84475d79108100d04e26e8542ef7d3ab05a1\ncertifi==2026.10.18 \\\n    --hash=sha256:73191c47aaa79da394e8fee2dbc2ec827432cab56311122c9e47abf79e390f62 \\\n    --hash=sha256:b9995d97b64d0431a5af837d8ca8cd6238104d1f319f04bd93ea43124d6c861e\ncffi==2.0.0 ; (python_full_version < '3.10' and platform_python_implementation != 'PyPy' and sys_platform == 'linux') or (python_full_version < '3.10' and sys_platform == 'darwin') \\\n    --hash=sha256:00bdf7acc5f795150faa6957054fbbca2439db2f775ce831222b66f192f03beb \\\n    --hash=sha256:07b271772c100085dd28b74fa0cd81c8fb1a3ba18b21e03d7c27f3436a10606b \\\n    --hash=sha256:087067fa8953339c723661eda6b54bc98c5625757ea62e95eb4898ad5e776e9f \\\n    --hash=sha256:0a1527a803f0a659de1af2e1fd700213caba79377e27e4693648c2923da066f9 \\\n    --hash=sha256:0cf2d91ecc3fcc0625c2c530fe004f82c110405f101548512cce44322fa8ac44 \\\n    --hash=sha256:0f6084a0ea23d05d20c3edcda20c3d006f9b6f3fefeac38f59262e10cef47ee2 \\\n    --hash=sha256:12873ca6cb9b0f0d3a0da705d6086fe911591737a59f28b7936bdfed27c0d47c \\\n    --hash=sha256:19f705ada2530c1167abacb171925dd886168931e0a7b78f5bffcae5c6b5be75 \\\n    --hash=sha256:1cd13c99ce269b3ed80b417dcd591415d3372bcac067009b6e0f59c7d4015e65 \\\n    --hash=sha256:1e3a615586f05fc4065a8b22b8152f0c1b00cdbc60596d187c2a74f9e3036e4e \\\n    --hash=sha256:1f72fb8906754ac8a2cc3f9f5aaa298070652a0ffae577e0ea9bd480dc3c931a \\\n    --hash=sha256:1fc9ea04857caf665289b7a75923f2c6ed559b8298a1b8c49e59f7dd95c8481e \\\n    --hash=sha256:203a48d1fb583fc7d78a4c6655692963b860a417c0528492a6bc21f1aaefab25 \\\n    --hash=sha256:2081580ebb843f759b9f617314a24ed5738c51d2aee65d31e02f6f7a2b97707a \\\n    --hash=sha256:21d1152871b019407d8ac3985f6775c079416c282e431a4da6afe7aefd2bccbe \\\n    --hash=sha256:24b6f81f1983e6df8db3adc38562c83f7d4a0c36162885ec7f7b77c7dcbec97b \\\n    --hash=sha256:256f80b80ca3853f90c21b23ee78cd008713787b1b1e93eae9f3d6a7134abd91 \\\n    --hash=sha256:28a3a209b96630bca57cce802da70c266eb08c6e97e5afd61a75611ee6c64592 \\\n    --hash=sha256:2c8f814d84194c9ea681642fd164267891702542f028a15fc97d4674b6206187 \\\n    --hash=sha256:2de9a304e27f7596cd03d16f1b7c72219bd944e99cc52b84d0145aefb07cbd3c \\\n    --hash=sha256:38100abb9d1b1435bc4cc340bb4489635dc2f0da7456590877030c9b3d40b0c1 \\\n    --hash=sha256:3925dd22fa2b7699ed2617149842d2e6adde22b262fcbfada50e3d195e4b3a94 \\\n    --hash=sha256:3e17ed538242334bf70832644a32a7aae3d83b57567f9fd60a26257e992b79ba \\\n    --hash=sha256:3e837e369566884707ddaf85fc1744b47575005c0a229de3327f8f9a20f4efeb \\\n    --hash=sha256:3f4d46d8b35698056ec29bca21546e1551a205058ae1a181d871e278b0b28165 \\\n    --hash=sha256:44d1b5909021139fe36001ae048dbdde8214afa20200eda0f64c068cac5d5529 \\\n    --hash=sha256:45d5e886156860dc35862657e1494b9bae8dfa63bf56796f2fb56e1679fc0bca \\\n    --hash=sha256:4647afc2f90d1ddd33441e5b0e85b16b12ddec4fca55f0d9671fef036ecca27c \\\n    --hash=sha256:4671d9dd5ec934cb9a73e7ee9676f9362aba54f7f34910956b84d727b0d73fb6 \\\n    --hash=sha256:53f77cbe57044e88bbd5ed26ac1d0514d2acf0591dd6bb02a3ae37f76811b80c \\\n    --hash=sha256:5eda85d6d1879e692d546a078b44251cdd08dd1cfb98dfb77b670c97cee49ea0 \\\n    --hash=sha256:5fed36fccc0612a53f1d4d9a816b50a36702c28a2aa880cb8a122b3466638743 \\\n    --hash=sha256:61d028e90346df14fedc3d1e5441df818d095f3b87d286825dfcbd6459b7ef63 \\\n    --hash=sha256:66f011380d0e49ed280c789fbd08ff0d40968ee7b665575489afa95c98196ab5 \\\n    --hash=sha256:6824f87845e3396029f3820c206e459ccc91760e8fa24422f8b0c3d1731cbec5 \\\n    --hash=sha256:6c6c373cfc5c83a975506110d17457138c8c63016b563cc9ed6e056a82f13ce4 \\\n    --hash=sha256:6d02d6655b0e54f54c4ef0b94eb6be0607b70853c45ce98bd278dc7de718be5d \\\n    --hash=sha256:6d50360be4546678fc1b79ffe7a66265e28667840010348dd69a314145807a1b \\\n    --hash=sha256:730cacb21e1bdff3ce90babf007d0a0917cc3e6492f336c2f0134101e0944f93 \\\n    --hash=sha256:737fe7d37e1a1bffe70bd5754ea763a62a066dc5913ca57e957824b72a85e205 \\\n    --hash=sha256:74a03b9698e198d47562765773b4a8309919089150a0bb17d829ad7b44b60d27 \\\n    --hash=sha256:7553fb2090d71822f02c629afe6042c299edf91ba1bf94951165613553984512 \\\n    --hash=sha256:7a66c7204d8869299919db4d5069a82f1561581af12b11b3c9f48c584eb8743d \\\n    --hash=sha256:7cc09976e8b56f8cebd752f7113ad07752461f48a58cbba644139015ac24954c \\\n    --hash=sha256:81afed14892743bbe14dacb9e36d9e0e504cd204e0b165062c488942b9718037 \\\n    --hash=sha256:8941aaadaf67246224cee8c3803777eed332a19d909b47e29c9842ef1e79ac26 \\\n    --hash=sha256:89472c9762729b5ae1ad974b777416bfda4ac5642423fa93bd57a09204712322 \\\n    --hash=sha256:8ea985900c5c95ce9db1745f7933eeef5d314f0565b27625d9a10ec9881e1bfb \\\n    --hash=sha256:8eca2a813c1cb7ad4fb74d368c2ffbbb4789d377ee5bb8df98373c2cc0dee76c \\\n    --hash=sha256:92b68146a71df78564e4ef48af17551a5ddd142e5190cdf2c5624d0c3ff5b2e8 \\\n    --hash=sha256:9332088d75dc3241c702d852d4671613136d90fa6881da7d770a483fd05248b4 \\\n    --hash=sha256:94698a9c5f91f9d138526b48fe26a199609544591f859c870d477351dc7b2414 \\\n    --hash=sha256:9a67fc9e8eb39039280526379fb3a70023d77caec1852002b4da7e8b270c4dd9 \\\n    --hash=sha256:9de40a7b0323d889cf8d23d1ef214f565ab154443c42737dfe52ff82cf857664 \\\n    --hash=sha256:a05d0c237b3349096d3981b727493e22147f934b20f6f125a3eba8f994bec4a9 \\\n    --hash=sha256:afb8db5439b81cf9c9d0c80404b60c3cc9c3add93e114dcae767f1477cb53775 \\\n    --hash=sha256:b18a3ed7d5b3bd8d9ef7a8cb226502c6bf8308df1525e1cc676c3680e7176739 \\\n    --hash=sha256:b1e74d11748e7e98e2f426ab176d4ed720a64412b6a15054378afdb71e0f37dc \\\n    --hash=sha256:b21e08af67b8a103c71a250401c78d5e0893beff75e28c53c98f4de42f774062 \\\n    --hash=sha256:b4c854ef3adc177950a8dfc81a86f5115d2abd545751a304c5bcf2c2c7283cfe \\\n    --hash=sha256:b882b3df248017dba09d6b16defe9b5c407fe32fc7c65a9c69798e6175601be9 \\\n    --hash=sha256:baf5215e0ab74c16e2dd324e8ec067ef59e41125d3eade2b863d294fd5035c92 \\\n    --hash=sha256:c649e3a33450ec82378822b3dad03cc228b8f5963c0c12fc3b1e0ab940f768a5 \\\n    --hash=sha256:c654de545946e0db659b3400168c9ad31b5d29593291482c43e3564effbcee13 \\\n    --hash=sha256:c6638687455baf640e37344fe26d37c404db8b80d037c3d29f58fe8d1c3b194d \\\n    --hash=sha256:c8d3b5532fc71b7a77c09192b4a5a200ea992702734a2e9279a37f2478236f26 \\\n    --hash=sha256:cb527a79772e5ef98fb1d700678fe031e353e765d1ca2d409c92263c6d43e09f \\\n    --hash=sha256:cf364028c016c03078a23b503f02058f1814320a56ad535686f90565636a9495 \\\n    --hash=sha256:d48a880098c96020b02d5a1f7d9251308510ce8858940e6fa99ece33f610838b \\\n    --hash=sha256:d68b6cef7827e8641e8ef16f4494edda8b36104d79773a334beaa1e3521430f6 \\\n    --hash=sha256:d9b29c1f0ae438d5ee9acb31cadee00a58c46cc9c0b2f9038c6b0b3470877a8c \\\n    --hash=sha256:d9b97165e8aed9272a6bb17c01e3cc5871a594a446ebedc996e2397a1c1ea8ef \\\n    --hash=sha256:da68248800ad6320861f129cd9c1bf96ca849a2771a59e0344e88681905916f5 \\\n    --hash=sha256:da902562c3e9c550df360bfa53c035b2f241fed6d9aef119048073680ace4a18 \\\n    --hash=sha256:dbd5c7a25a7cb98f5ca55d258b103a2054f859a46ae11aaf23134f9cc0d356ad \\\n    --hash=sha256:dd4f05f54a52fb558f1ba9f528228066954fee3ebe629fc1660d874d040ae5a3 \\\n    --hash=sha256:de8dad4425a6ca6e4e5e297b27b5c824ecc7581910bf9aee86cb6835e6812aa7 \\\n    --hash=sha256:e11e82b744887154b182fd3e7e8512418446501191994dbf9c9fc1f32cc8efd5 \\\n    --hash=sha256:e6e73b9e02893c764e7e8d5bb5ce277f1a009cd5243f8228f75f842bf937c534 \\\n    --hash=sha256:f73b96c41e3b2adedc34a7356e64c8eb96e03a3782b535e043a986276ce12a49 \\\n    --hash=sha256:f93fd8e5c8c0a4aa1f424d6173f14a892044054871c771f8566e4008eaa359d2 \\\n    --hash=sha256:fc33c5141b55ed366cfaad382df24fe7dcbc686de5be719b207bb248e3053dc5 \\\n    --hash=sha256:fc7de24befaeae77ba923797c7c87834c73648a05a4bde34b3b7e5588973a453 \\\n    --hash=sha256:fe562eb1a64e67dd297ccc4f5addea2501664954f2692b69a76449ec7913ecbf\ncffi==2.1.1 ; (python_full_version >= '3.10' and platform_python_implementation != 'PyPy' and sys_platform == 'linux') or (python_full_version >= '3.10' and sys_platform == 'darwin') \\\n    --hash=sha256:046bfc24911b37851ee1b51aab8bffe713d89c68c6a057b09484ce9fd5f69b4e \\\n    --hash=sha256:06c72bb76605a4b0cd0aad6930b69d4baf7dd5d806cfc409b824191099700e66 \\\n    --hash=sha256:0beceaabe56af686895136a2de78db54ecd8e4046b236b8fd6d6cb61389e9bf2 \\\n    --hash=sha256:154852545011f779917b11c78db2358d095da62a9a172b78ad0a583ee5adc0d0 \\\n    --hash=sha256:194cffa889098ced9976c3fc6340305e43f6303657d298da55366907c05c22d6 \\\n    --hash=sha256:19ee6127ee34de7d83ce3d371ebc5ed91addbdcc39f9ab15ce4eb35a4e534971 \\\n    --hash=sha256:1a18a57b58cfb21fc28d72e876acf10eaed67a1ed96226f92af4df681d571c4c \\\n    --hash=sha256:1aa5645c30469b09530c4ebca77ebf8f17618293c58f8549cb1a543a50236e7d \\\n    --hash=sha256:1dea0e4d7d4f11f619fe8c1d76caf49e24405b4b5743c0e3be16a500ecd930c9 \\\n    --hash=sha256:208f941bb9d18e768138677f0a6d2ce01f590df56043dda1df1535ac57c88517 \\\n    --hash=sha256:210019b6c7cf07f081b4c54635c8cf744377001350e29cc0f81c4377b4797735 \\\n    --hash=sha256:246fa40ce8645a614ff682e0b70f37134e460eaf93a775e0cbe3cca585a67a80 \\\n    --hash=sha256:25792eac27877609e7bb06d42ff88278a6624fff2ba9bbb523c09616b117e80f \\\n    --hash=sha256:27350daa11d4f10c540e6e89dada4c54feb7256ad03e9a4dc075ebad7ba360d1 \\\n    --hash=sha256:28907ab9bfb6aa13184cfc17c6b8e1023c5ab6fd7076d8c20a35e59fe04f8f29 \\\n    --hash=sha256:2ae64be792b8966f2c69538199728b290e34726562896df1e5dc8ffd8d8188e8 \\\n    --hash=sha256:31348097ff5bbe827ccc41795d4dd099d9f0625e7def00ee653c137a490c2a6c \\\n    --hash=sha256:3143d81e29e1e20a9ce10901ec369012947876596f75a222235965f2b7ae832e \\\n    --hash=sha256:3222ba5d678f80a030e6afbcc33dc1ae5cb45facabb61cee2c7016b8432fde48 \\\n    --hash=sha256:3311ed60d36f83378794e1009ac6258bafbf81f7888b4caa7b35a521e3f95813 \\\n    --hash=sha256:334644fbac4eff73d985a17a91226df55d0f394160c4cfb880e084c8f7161cac \\\n    --hash=sha256:34e261f78cb6ceaaa36f42f2613f4380d94d9c759a9c73c769ee6e0247364632 \\\n    --hash=sha256:363e05fa78e15116c3c32c210ee36884fd6b9afa6d440e47112c3bd511d64cb6 \\\n    --hash=sha256:398aff33cee2767e3e781d2554c54bd0dff386bb437581e0d8011fde1a942ec1 \\\n    --hash=sha256:3d22a20b1fb1632cc72c22f95f7b0d2961c3e1c235f245ba4c606c4771035659 \\\n    --hash=sha256:42a494cee34437f05546455144f2b5d9ac09b1face62bcfce597d2e521066688 \\\n    --hash=sha256:42e2f76b9455f5a9a844f770bf3e200ed3da0e15f5df3db9c31fe80b04b3d004 \\\n    --hash=sha256:42f6930c31dc7f50732c9ae793c2786c7b6b044195967bbdde40bb9be81c4cc0 \\\n    --hash=sha256:456a61fa52d579ebf9df2e9552ead5129855dbaff6c1e5a9b1bc408809bdc062 \\\n    --hash=sha256:471cee653ae88de62096552e6d24ccb4a5adb8c8c9f10b5054d0122c15bf2779 \\\n    --hash=sha256:49cbc70e6542d4ccccb936558d1064a8012541e78f821f955cff24e357776c94 \\\n    --hash=sha256:4a7c934f7360e8cd64fe9efadcbd10c7c6364f531e432b9a4bf5ccbc9e0e8b50 \\\n    --hash=sha256:4be96343e422f2dfcd12ab5c9f5aebe03f82f737c6bffeca6830b3875cb44aab \\\n    --hash=sha256:4f42141fc14250de6dde5ee7ea4432be017252d91f19c5ad043c084cea629cac \\\n    --hash=sha256:507a24c282e0f42f8ed737cf048572cbf580468da5555764a8331735e9c736b6 \\\n    --hash=sha256:51b31d1c98274844cfd7838ce00bfc27c7423a4dc00fc0772fc3331c2cc90676 \\\n    --hash=sha256:58acb8ab8e295e6c5ea12f888cbb13cf21511ef2a3303a23f4325c29d17fe5c1 \\\n    --hash=sha256:5a59cc1c4442bc3d5c703bf720b51138d0bfc173618807c9ee2490a7541dd3d9 \\\n    --hash=sha256:5bb4e7ea95dcd6a014a6fef62e62467d67d8e582326443f3d68e71d6320a9fcf \\\n    --hash=sha256:5c58fe613dc5e5336357eff555824a314d8e43282600435c8d1cb6a7a2fedd13 \\\n    --hash=sha256:5e7cecbaadb83884793e05828cee59b210b24583b9c7425d0ba6a754fe22eb4e \\\n    --hash=sha256:616f097f2fe415bc92a247f02e11f634e1f9e9a83d327e3c915c15089c87869e \\\n    --hash=sha256:63bbfd5ded17c4840ac07cd8f1c21ba9d9708141f840b324f422f41b207e3973 \\\n    --hash=sha256:64faea20f4e2613363a1a9b9c7dd73058f3ecd00133a511e72ad7c511658f527 \\\n    --hash=sha256:661c298b4821edebead0c91edd2b00374d67ad7c5a1f7a91d4442633b79d6a72 \\\n    --hash=sha256:68e62fe11f30d5ca8289242866f0a5291402d8529ca2178ab8afc5c9694ae890 \\\n    --hash=sha256:6a8dddef476fab96d066d578fc88526767b836ab5ab21754e1d5bf3879c31c7c \\\n    --hash=sha256:6e192623c49c94421616a5778fba35cf0d5a8d000650c1967ef4448ee5cdd990 \\\n    --hash=sha256:7225e4514edb64eb6740324353e0da0711954fd8d7da4576755b1c6e09b697cd \\\n    --hash=sha256:75f80557d1389eddbd0de2681f6a390a0c5338c31ddaa821381c203fc3fd50d9 \\\n    --hash=sha256:770de9db11e84213beec501cfcaa013b019820ca881e03344dea5844f7876d94 \\\n    --hash=sha256:7750c6449dff7864bb9bb27ddfb0267756189201a3afc911d82b3caacd70dfc3 \\\n    --hash=sha256:7bde5e4cc5c10140859842b9d383af292b22639a4dffb725314baf45968cef80 \\\n    --hash=sha256:7ce713ace7c0e4520535b42b77eaa742c16dab813978064913e5a3cf82973b41 \\\n    --hash=sha256:7da0c5eff80f0197f3b3d1232ec5a682a9325f4ae9016a78f5f5ca35f9ced1f5 \\\n    --hash=sha256:7dbb61fe3a7699468030f71bbe5f8a0e326a151daa91beb11a6fc1f980c55e1c \\\n    --hash=sha256:811bd1e21d32de12efca32393a0ab3f5133b54fce9bd44b8bd77ab07da14bf6a \\\n    --hash=sha256:8ef53b2de9bcb9197d31854256575d59dbac0cba72ac627bb291ef5eceb74be4 \\\n    --hash=sha256:937c0052c05a31ca1daf18de3158eed4dbfcb9cc107adbea227728d647be701e \\\n    --hash=sha256:9d2055050ea716bd38b7f7f1579c275386646b4894c155a3e2f3cd62ed41b7c6 \\\n    --hash=sha256:9f8d177621de5cb38ee3e731eda45d421db093ec0739f46a5594babda7987a98 \\\n    --hash=sha256:a2d7755bef5a12ed488f4ef1f1b69ee9191d7396083b755a5d2295f6edb4768b \\\n    --hash=sha256:a48d62ab9d6f4f98c983223a547af44be6ca3691074c31cecced6facd3ba2dc1 \\\n    --hash=sha256:a4f00aa42f75d6e4595e8866e748cc1705adc0cddfeb2ca86d0d03993d63ba03 \\\n    --hash=sha256:a6e721d4b0e45d5b65e87534470e67b18dcd092c83f68fba09f152b9cbc061af \\\n    --hash=sha256:a730a083190634c65cca36ba5f489531576ebd79bcd5c8e172130f6453127231 \\\n    --hash=sha256:a931079504ecc49efed7744c476a5c343a92fabf66dec2db95edb1b2fdc770e2 \\\n    --hash=sha256:aa9511c62d14da7aacc9b4bf51f3f697a621e83b2d6919008243c3aad168eea3 \\\n    --hash=sha256:ab36d55f9ed2d067327667c2fea18dda018eb628dd6347aa01dda6cf1f5d3836 \\\n    --hash=sha256:ad2c86c495b899d862ea0f4b42891b8713a3bd45dd4105c7fd51c2a72f39f3a5 \\\n    --hash=sha256:aeae0e330c9f6acd681f647d46cefd30c29f93e3392882e792e82080c9691399 \\\n    --hash=sha256:b0431303acaea1089ad4b3e9ce4e6518193def1118d4073ca848635ee4ea2e96 \\\n    --hash=sha256:b5bdfd1c873d4e093aabc0ca84c4ca6dbc4f752afb5c86f146d9742580c9da2e \\\n    --hash=sha256:baed1e86cc735622097354b9d1281406caf42ff42a886d29faa8e8d1630333be \\\n    --hash=sha256:c1453022f490d2459a11819d83ad1d586e9ff65a12ac3e705ffebd46d3685dcf \\\n    --hash=sha256:c26608d2222fb1e94487e4a387d85f13eb55d5ed725cb25a0c589ac4ee60e7bc \\\n    --hash=sha256:c7659f22557c5a0bc4855cd635f55edec690cc008a40768527762cb9fb263455 \\\n    --hash=sha256:c8c69575568085ba0b1b10c0249d779a214aea6f6522e949a0fc9fb0fcb449d0 \\\n    --hash=sha256:c8d2c9fd1f2d16f780d15127abb050d13d1a76c03a4bd87d7e4980e45e511e12 \\\n    --hash=sha256:ca82be1a1d406ecfe1d25dc16cb33488e5a16bf4438c9fb590484ea29d92478b \\\n    --hash=sha256:cc572dace3f60ef98d7b12ff411d20f5362feb31a0439eab0085bbfd349982d7 \\\n    --hash=sha256:d18e5ac0f2f03f4f518d3e23db0f0cad7faa1da8620e9c09461d443bbf6e6692 \\\n    --hash=sha256:d28630f5854ab07ab1fd4aba756de52326c82e6be15d414b12793f1975048b54 \\\n    --hash=sha256:d9c275eaacd24aa73f94ffd6de08fc3f932424d8b6c376f4bed7cde376fe7bc3 \\\n    --hash=sha256:da0e573f9f97159390c89d9f1a9e41908b66d408cc5b58d08cf3847d844c531b \\\n    --hash=sha256:dd31f52ea1086513bb9df30f8fcee9b8918323ae067a3d5b78bc826a000712be \\\n    --hash=sha256:dddad92b554513a31f272570678ba307fb9f618f05e3d4a5eacafff9eae03e1d \\\n    --hash=sha256:df423d40ee8654634421812bc3b196da3f9bd7d32929da813f8394c4348a5358 \\\n    --hash=sha256:df913725b79db7bcf03448f36b7bf8815363417d5b58deecf9305e3e30f0f21a \\\n    --hash=sha256:e0bcb7e0f677f543555d2adff3bf19c05f66cdb4796e5ff602442ab2fe3c4ef7 \\\n    --hash=sha256:e2d65b31f36619cda3999b78b2aa9632e76b78448e7a56fc4240824200e7c4fc \\\n    --hash=sha256:e6e8cff14d6fb0be70a09c0bdc58096f501952d04624ebf867e0e56da2df8960 \\\n    --hash=sha256:f16c709686a78c727bbbf059f92b0bf41c6fc60deec706d2dc19f529175a6125 \\\n    --hash=sha256:f24fb43132a4c6b4cb4eb029492919b2db645be6808d738f244fd146c03c32cb \\\n    --hash=sha256:f53e442b08449d42821fa4a4fba000095af9f62742a500f978a9f557ec44339a \\\n    --hash=sha256:f5cfbc5fe74540d335175b656c725d74d90e3730c626d92575eea35029d9afaa \\\n    --hash=sha256:f81b3b8f3d4e343550fa4baa0e479bba9f2d29ce9c2e9b51d1ce1718d7442fcf \\\n    --hash=sha256:f8ec5e643a9a937f64e1999eb9f75d072263751912dc5cd06d3c85f8f44be7c3 \\\n    --hash=sha256:fb92203a88b3d3053034db775110081c49d28be6551923805e039924093761e4 \\\n    --hash=sha256:fcd22650c908d7b7da162bbfaab594a1227a15d1643a98c68b122ac642fa2264\ncharset-normalizer==3.5.2 \\\n    --hash=sha256:01077390b03f7988f11d700a2194e69b119741a86b1a638b1db88891e3eced8e \\\n    --hash=sha256:01b0c0d2262a9e28e8484a278c7e1b5d650e3ac8cf2683d2967e25899f208bdf \\\n    --hash=sha256:04851f73ae72b8413dddadb16a49dfee95263553741fd42d546f7d66907e6be5 \\\n    --hash=sha256:0521c5665880b33d603717defa76c094048900010897909952397feb3039da56 \\\n    --hash=sha256:0774bf9bf620249fee3e0b8b9fd3065de213be30f3aa94ce2494b3b638949e26 \\\n    --hash=sha256:0891b9d3903c5571c03771ca669a4b0ec5618ca722a5c957d3d29cd4e5062848 \\\n    --hash=sha256:0c951d5e6dd9c2ff60609476752bee49da4206adde960ebc247766937f72e718 \\\n    --hash=sha256:0fed1d06615f022ee3b13caf5e8b180cfea32bb2c5aded8a9d44277afc040f93 \\\n    --hash=sha256:114e4d0c92d618409ed82a99e22b5c5e768fe995f2973f78265f4524f49d4640 \\\n    --hash=sha256:11912e4bb14baae7c5d8791aa55ba0a3a03ec6729073307b0f57270abaa713d3 \\\n    --hash=sha256:11a4d68a6ecda3292cb1e50239e111543ba5d709bb62a6b4ea1afcfa729d8875 \\\n    --hash=sha256:124fbf1a8ff966d87ae05bb8bd45a71f966055ed8bba320d0c7cf450bc5f4d0e \\\n    --hash=sha256:1461ac396c4fdb983a675f20aa555624f0ee18ac83d832b9244ffff3d8055275 \\\n    --hash=sha256:1503bccbeb36d5527790c3930327704c39af22de3112f1b1666a9f3ce15ee204 \\\n    --hash=sha256:15bb4005af6320d259dc7593ca84a38d7fe06a421dbcf7b910ae23979101e787 \\\n    --hash=sha256:15c44f7edfd477b06f517a5cc317fc1707edb9de2c865f43d4b6513907473234 \\\n    --hash=sha256:16fa0eccf81304b79c5cd87f9271c3b85dd9dd99245e4422ae9c0dd45e0f99d3 \\\n    --hash=sha256:183b88127acdb4fabe59d951ab424faf1af7b63cdbb5f776186c1ea2ffcaed98 \\\n    --hash=sha256:195c26fb65950f8fce54e26349852b7bdd7c5f120aeefbcc440b8a20faaed4a3 \\\n    --hash=sha256:1afb975bd5d68d5ce9f6b6d44fdf2f7e34b895a35e95708a7a91b20a3b51d187 \\\n    --hash=sha256:1b4cbc7c3491ccb4aa17fcd8165649d01cf39f76de1696da8631b5f71b85401d \\\n    --hash=sha256:1bc0baf5ef96b6ede57d47f4b8fe4d9d84019c3bfcbeb20a41edc6a6ee341f1f \\\n    --hash=sha256:1c50fe28bbc2ced33386f298650d91218076c05420e6cbd790b913adc41659e7 \\\n    --hash=sha256:1db38f4c5496827c1a501846d64d14c3b80c7e6714e406cd7dc36a9899fa1011 \\\n    --hash=sha256:211d5a3eb6af8f513b8d4ca19a8c1b7accab1b5f0d3175f9826b03c1a920dc1f \\\n    --hash=sha256:23851fb4e1b85ed3f6c2a27b777cdfe2e19fb5b38429a8faf38c7542b7665869 \\\n    --hash=sha256:254eb48b9fa5ee9898a3c445825a1f340fe53712a098904b39b0bddba8ea3cb1 \\\n    --hash=sha256:2625388c6c754520c37abaf3b41eb34d1cc4a373f457898f08606c8e362b891d \\\n    --hash=sha256:281cb91036248400f4cc957495cccd44c275c2e0c5854f7e45ac5cf7dc193847 \\\n    --hash=sha256:28a15fdad492a99b6eccfaaed66ef3f74050680545ea61ec8b2f4c538f1f1320 \\\n    --hash=sha256:28b4f0d66fb834ff90f28209ac7bce77868c45d8c93e26f906709d9b7c2e1af9 \\\n    --hash=sha256:2a925889534b3748302dae5dead07cc13480de1dac3aea80a941b729b471ef93 \\\n    --hash=sha256:2b7b3bbfb4fe8ef40600792d762fbaa9057559f9d3fad209525b7a22b99e91fd \\\n    --hash=sha256:2c9ad19a6cfcd5ea5c0d41161d22f9df1dcc277e9bef2751391334546a314c00 \\\n    --hash=sha256:2cc961b171b3f3440f410489ab3573e86aea8736134ebbb40ea1338b7f0831bc \\\n    --hash=sha256:2ce45c6627b22c47e390bc91a41c3d13032192e699fa0bea96e9671b373d69b0 \\\n    --hash=sha256:2e06a3a98f916dd41d27f3105e02e7a40181c98c94b9158733d03a6f80506c09 \\\n    --hash=sha256:304d5463e65a35d7bb0850550e0780395395f6fcf452f04db7d5ca7cecc425ac \\\n    --hash=sha256:304d8e4d493af723536393eee0c689eb7813f4a474c8b479dee63f1fdd98f621 \\\n    --hash=sha256:30fcd120b732aa79317f08dee04d7de0847822e4cf7ee0e9f445bb958832252c \\\n    --hash=sha256:31f3930700408d211f13378ccbe1c40845d8da54bd0681fac3a9b5aae81c7aa8 \\\n    --hash=sha256:34276fd796040bf0993ab33a369aa572e6979c7aab225a88893667ad8eac8f7a \\\n    --hash=sha256:355ad8011081dec5412240c087a9a0c9d4d5039f3ed11a3f13e18c2b29b56c51 \\\n    --hash=sha256:38a873987f3be698494da8b2e3085e29da02da7b633dce73e79c699a113d7bf0 \\\n    --hash=sha256:39de2a259fc954455c57274dc94c79d5842774e1247a016aff30bc0efed0f4ef \\\n    --hash=sha256:3d14b50de6bf4d0edf857a9386836846f982b8f524e188e2e68b96d702bcf4aa \\\n    --hash=sha256:3d21b8b13c7592db2ac5e544a6d83187b995257472b0c9e8351b6d507ae37ed6 \\\n    --hash=sha256:3d31298449090ab8d47b7b1b2a555ff73cac7ed438a08b7ac160980c7ebed649 \\\n    --hash=sha256:3ddacd27458c45bdacd6bd6db644bfb730efbf9e830310186e3045c9c5be8fb2 \\\n    --hash=sha256:3df041de8887954562c9b261cba85ca0e9ded74048daf125f45edcfaa4832229 \\\n    --hash=sha256:40ab6bffa02ae10a0581e6c198be7d2d8ca5c2a0c64e4ed3465d766df457573e \\\n    --hash=sha256:4275811936e2f06feff5e598fb42a1b7ae852da8e39605211892b56b81a34efd \\\n    --hash=sha256:443eae2bf318abeaf6f15d785138f71fd6de770e99a92158b8b814265e079115 \\\n    --hash=sha256:447441e76ec720b15e64418d32e092297340387053047c7c694f579efb0ee1d9 \\\n    --hash=sha256:4495c5002a7b28557e7e222e77e0b661183e432b7d6d2e788101e3f240e05b8c \\\n    --hash=sha256:44bd4fbb29dfbeba60e7d2bd000c59e4b21ddb3cc53912b14048d37092706d7c \\\n    --hash=sha256:4685902cf26edf013ed7a3da0f426ebba7a00ebb9541386d835afbf002c11cab \\\n    --hash=sha256:498dc3188ca05a68231ac3fdbfc7f57eb67e1343c30e0fea17f8218c1599b253 \\\n    --hash=sha256:4c2b5031f63e331e3839b40aed2dd6f191e9c07edbde303e7876846ea1946995 \\\n    --hash=sha256:4d48f2d08b9de5864e2c8744d4461b862fb149a18274abc8b698c45975573438 \\\n    --hash=sha256:4f87960d57feabfb618e4e0af6e7371645fa26a277860739d6e5d6e0012c92f0 \\\n    --hash=sha256:50e3adfb96fc189eb27b1cf62d3b598b89b4bb0420d93a3d3e42e137409011be \\\n    --hash=sha256:51cf45226a9b588d0d2b4880c62d686934b63ab0bd79ca23ab0e9762eb27441b \\\n    --hash=sha256:52aa6992700996af31f375de0c6bacd402b0097fe40b53c426b9f51a90ebabc7 \\\n    --hash=sha256:55ea99acb17b9325618de155a0cd6a2e8f5d10be008113e1d433bbb58db543b2 \\\n    --hash=sha256:56bc200a365efb37383b7852e4cc5898d3b2da5987289b543956cf8cad71018a \\\n    --hash=sha256:588461c2e8384d309bd63e5826019b6977bc66d629b99ac8737bb795d7b2cb5a \\\n    --hash=sha256:58ca3755ee7ff7f59b57789ec9833c9de9ea275405cdd240eda1f193112e398a \\\n    --hash=sha256:58f361dcbab699cf8f42db3f47c8e7fd1036f138c23a5d08de9fde5f425a730c \\\n    --hash=sha256:598a11a2c7ebaa5334bf698bf29568c9c390abac6a154d8170fedecd1cea38c5 \\\n    --hash=sha256:59f63901b0031c3136cf64704dcb21de0bbae62ce2c9529bc39d27665463de37 \\\n    --hash=sha256:5cde776b7cc66e4f6c99612cea4aa7269aa65863f7a15841b2c264f103822f4e \\\n    --hash=sha256:5e2b6b57e9733d39f0c9fd3185efa6b8e29652c4cd8fe94180272cf6ed9a78c4 \\\n    --hash=sha256:5fb29fb8cd1a46c27a1bf9613ad5ec2599310d46b4025d9556404a6b6a292800 \\\n    --hash=sha256:6045373d5a89a5ec71afde535db987ca28e76dfa276c2d4c818265b375d4b055 \\\n    --hash=sha256:619799369eeef6366ed3e8755a5670f4f2f0fb6b30a0fd7264dc0fdc2357058e \\\n    --hash=sha256:62588a277bfb59def052abd940703fa35107152bf479781a878617d60faf8fb5 \\\n    --hash=sha256:62603db9a7caa0802eaa28c1c46fecd7b3a263a774069c24c3c28c302448721c \\\n    --hash=sha256:65cd72beeeca9d3aaea1201e5923859f308f952f9c71de93f06063c79f0f7a3b \\\n    --hash=sha256:68eb192d85ab8e5f6ec69c2bc6ac0179fbf04a5ac1569d12fbef74883fe102d0 \\\n    --hash=sha256:6bd128f206a7752ae1f2ab6c61bf8a24ba28913a10df8b14c2637b973ff97a80 \\\n    --hash=sha256:6be488a102b8cf28d0391d8c4ba7748938ae28b78ad901f8585520fca33ead1a \\\n    --hash=sha256:7218e8f32b0956cfcd048fd42d9d5779809745ca1d86113ca56f66e7ae1549c4 \\\n    --hash=sha256:7441d755b7ab94f8d4eb3e43ec05482d760842fd263d003a99102d742cd835e2 \\\n    --hash=sha256:749e97e1b32313717a565abbe321bc2190bc8b35f1a67e4cdbc7c56c8d8ffe58 \\\n    --hash=sha256:75a3ceed0724d625d64b86ca20aba182e4df462e04c2414fc941c0f523f06aac \\\n    --hash=sha256:780fbe7cab297b81dad9fb8dc5eb003c0468ffb0d9e5f65068c53a34661a96bc \\\n    --hash=sha256:78456a747de8dc58360ffa581f30a002baf5aa28cb262536545e91f113ed7639 \\\n    --hash=sha256:7967d08cf06dee78443b874f98c98036f624f3a4e73e11f9f64f5be4d25393cf \\\n    --hash=sha256:7a881931aa470808df94a8c380eed2bbbc76cd9dc622310f99665658c821eb6d \\\n    --hash=sha256:7dcd882da75ef9adf94903b1e3b9419e8aa8fb4c7396822b834b9ef7fb96954f \\\n    --hash=sha256:7e841fb9010836c992c9f12fcbd43a831de93a5f726fc1ccd8ca1d0268c5014c \\\n    --hash=sha256:7fdde2c9fd9e3eca40631e024664cf2584272cc8f96308cbe5fdfc930f51d8bc \\\n    --hash=sha256:8024d00c3faf3fc0c16e07a69f4405e8eac7cc0ab15f65fe6cf43827c4cf72b4 \\\n    --hash=sha256:80d02b6f04e92601a081dd97b23d3128033098bff5d35d392ddcc0476ea11253 \\\n    --hash=sha256:838dcc90063569a0448120554591a1d6c4a4ffe11babf048908793154ab86ade \\\n    --hash=sha256:849df64e889b2e17230d58410a03dba311a65b163508fd33679b2b737d4b7858 \\\n    --hash=sha256:87475fabc8d9996fd9c27debb395e642e8c838d78a00b6e932227a0e06b81e26 \\\n    --hash=sha256:87e50a3e7cb90af586b6c5faf23e302a970415ac73bd7bd90a515a04b427ef96 \\\n    --hash=sha256:89b53f3cda69831909888e0494f4fa0bcd3537e3e138dabeb620bd6ad946bae8 \\\n    --hash=sha256:8a893cc101149f80a653f82062ebc95b34525a2614382e1da5458fe7c6997249 \\\n    --hash=sha256:8b2bfab86aa71ae13aa41a6a26aab338e0db2b8bc75434b05aea89e011ff35a4 \\\n    --hash=sha256:8d86d6fc60743dc916eb79e2eb1ec4818e21e427731543af40a3021851174a13 \\\n    --hash=sha256:915563965d418f986e7e145accc592eae9e1a1be3566ff98a05d7a9ec42a76e1 \\\n    --hash=sha256:92888bb3187c5ba50500b00b3b310c9f2c651709d28036077680cb5255450a03 \\\n    --hash=sha256:93223adc95033dd47133a46ccfc316a0139176fd79085762e27202ec56018f03 \\\n    --hash=sha256:9373ad13ef0d2c0fb761e04e55bfdee5a08b52cef2c882c8fbe9935b1517152e \\\n    --hash=sha256:9409a8bf35cf78353942504b24a57de3d75b708997a1e4bd8db71ac8633ce364 \\\n    --hash=sha256:9b7f416ff0978e2f2249330527f0ad6fa02f4932e6199692d3b52da2048c19e4 \\\n    --hash=sha256:9bde855991b7e362c146535e3136a50bfaffc0487d38b33ca7e5edefc6e23849 \\\n    --hash=sha256:9cae88599c7219005d879f98e5ed53341e9a122af585e1091200358a3003d2a0 \\\n    --hash=sha256:9cf9b1a857e25c4baceeb3624e92a56df3668f398c4acba74e174d81fb4d1d3a \\\n    --hash=sha256:9f56f72050826f63dcee7a7f55b0a77168cb3bfc553fd405e7f8f9ece75a4036 \\\n    --hash=sha256:a090bb2c68df85450502e3e20d665e3a5af9c65a84d6508ed477badd49166fd3 \\\n    --hash=sha256:a192e2c40070d92c3ccf777e3a5c4ff515573cd2bb7ed0c537fdadbbec5bbf21 \\\n    --hash=sha256:a19a731138fc27d5682277d3b9df22855cea1239bce7fcec5f78f42ef2d1f3c3 \\\n    --hash=sha256:a66c3bc5ab1f0ff2164fc9965ddd611ff0802173f4b9d24554c563f6ab7e1d6e \\\n    --hash=sha256:a815775b6c38d4e0ff7bcffbeba67feded90202bb6a226b8dd35f1c855217413 \\\n    --hash=sha256:a89012d6d5476ee112d20d998570ed58df2260a852afb1758809cd6900411d21 \\\n    --hash=sha256:ae4f5fea5b8b8ccff88238cc8569303e5ee95efae67fa62922a311397a71f346 \\\n    --hash=sha256:b6856554c4f44d79fc2307d5768854310a8f0096e501c75637542c82292b0429 \\\n    --hash=sha256:b6b751274acb69d77b3323d6b7dbaa3c7fdfc1eb829b7eb61d262f32e1af9685 \\\n    --hash=sha256:b736353c0a625bbd5fcec108576e2385db3496f4f771f785ff32e108d3c3bc45 \\\n    --hash=sha256:b7fd005a73d9e657273b7a10dc71a9e03c8fb9ee6999798d6918ce095b81ac7f \\\n    --hash=sha256:b91363207bd9dc966a691e959bb47f64b30f7ac4b072be9968b366982f7db77c \\\n    --hash=sha256:ba0b1d2620edf869789c3879223f52bf2afc5d31b3cb47cc57b3a12c05e2aa9d \\\n    --hash=sha256:bbbfc8e28816f19d7c0f1816664980c0a9875d01b27cdf8eedddb639d9e108ad \\\n    --hash=sha256:bd16aabe4a02a297c23417aa17ac6299dbd8c49f673bcd645b4929b11f5a4400 \\\n    --hash=sha256:c0afc6800ba57ccc350374c5bd6150419915d95ce93cdbab2d783d75eaf30ecb \\\n    --hash=sha256:c6708715abcf3c73b99508253e961a9967f02fe536532834149574eda6de0d1c \\\n    --hash=sha256:c7c9ab723cde841fefb34efbad91e87f00a674b1fe1cd0784fde742bf2c154dc \\\n    --hash=sha256:c8f3d67aeaf55f017982b73683f0e7342ba2f6635a78f69ce89ebb26aa411e5c \\\n    --hash=sha256:c9790464842f85f437dbbb54417eda1e0e6bfc52dd8d22d6fd1c994b73b2dc74 \\\n    --hash=sha256:ca403d7e4798f525fdfc78e258820419cbbd0f0ecbab9de7840e3c017cf6b8cf \\\n    --hash=sha256:d008d90a7f2471519aef0c90dfbe73b3e6e4d5e66ac48e19154c17e89e98b604 \\\n    --hash=sha256:d19fbd981a488e22cd04883659ca6b08f50b5974f9fd7c95655ef6a043e5893f \\\n    --hash=sha256:d1befeed746d247c81127bb14de9dc3d30edb6e5976d34f83f86ed262b1d9105 \\\n    --hash=sha256:d2374b62878abb00cd8309b32af6c0b715cd02dec0ca74ef12e5069bdc64144a \\\n    --hash=sha256:d376bbd28b3a8999db1a103b3b388aee6f1ddeb3e51bc2172993efdcd86e064d \\\n    --hash=sha256:d4a7319f304a774bed22115bc891618e45f85065ab44ea6acd07d274e750519a \\\n    --hash=sha256:d6734d2ef8a50fbf8445c139477da401f50d62a0606bf00e20ec6d87773fefb1 \\\n    --hash=sha256:d760fe2a4d7c3b226cb9026d6a842868d52a7901bd98420e1baf14e80da85cf5 \\\n    --hash=sha256:d913de495d90407cd859d263bee2e5d1a4ed3eb6573c04e70d9ec619a7cbed7f \\\n    --hash=sha256:db19d07e2e0129e974a0e65d0064fc222a446cd5122c2fd4184d2af9fc734a9e \\\n    --hash=sha256:dca9ab98072a5a54ebacebdc45f53e645336b320c667410b061be1ca588ae709 \\\n    --hash=sha256:ddc7dacc8ece3a182e7f15cb862d1fd616b46d076cb1ae9dd232b2c38b655874 \\\n    --hash=sha256:ddf19c062bea7a0cc80f519243d2c01dd091be0cf952a0750d4ad576709559f5 \\\n    --hash=sha256:def79fa35ef0cef8d2accec024f4fdc7ead3012ff02f5215c783f39f03ef8cfc \\\n    --hash=sha256:df29a0a7107f7011e77f4eebdddec4c7331e24d787a0b21a46d63bdf7445da95 \\\n    --hash=sha256:e09a3942ecbdee5cce73ea9d42da82b81b72ac1bf031ce069b93b5adf4eac8cd \\\n    --hash=sha256:e242bb1c5e76e97dfa9e7f209a71e93a01d7f19ffdd5cfbb2e2d55b4f08f8ab0 \\\n    --hash=sha256:e243bd13217235fc7290c621941c3f5cc8b66e4872495be821d7436ba2fb838d \\\n    --hash=sha256:e2af3aad578aa6bd1384bcf4750fc285e5a9de53f40b7d41e5a0bf748edeb2b3 \\\n    --hash=sha256:e4e81e09c1578b8df602e3db08b0b3ea0a6947ad612f52bf8dc5ea8d47691f0c \\\n    --hash=sha256:e54da4baf05720032d527874d40b65fa4d7e5c6c6a43d0c3adbeffcaf275a2b3 \\\n    --hash=sha256:e80e6c2f55656b4824d72065abb4ddd6a525c74bd78a0aab5d9fc2cf4fb5af50 \\\n    --hash=sha256:ed2a239c0ea213acc1908150a3037257083c7c083128f1a4cec2ec4b97dca491 \\\n    --hash=sha256:ed905975ab14056a2e5eb1c376cb2e1ebc5396baf84163939c518556fccde9f5 \\\n    --hash=sha256:ee21e28f0430bd6dc9086c6e525d5e818a44a5ad19720c8a0ef766792f3eb5e5 \\\n    --hash=sha256:ee43c17b173d46a3212baa6ead3ae258eeabdae48c263a01ccf0218c366dd655 \\\n    --hash=sha256:ef4fcbf3327382cd4c9f540babd61248208af7b93eec4de397b4d5f58a09e288 \\\n    --hash=sha256:eff0ac9dbe711a4aee69bf04a83896aa9b85f19641264053a9f6d48573abb7dd \\\n    --hash=sha256:f0aa869112ef88429ae17820d99c3dd9504c9e9c671d3c246f3d7442cb051084 \\\n    --hash=sha256:f3c96f633825733f735c5a9cf21d21a257d8e1edf0b1cee0a064b9c424ca0f7d \\\n    --hash=sha256:f5833ad231be5eb6553de524a70f48d71b2c8563101750531e0b80184e175cd4 \\\n    --hash=sha256:f5ec61164adcec446f8969a3358ec3f9b26bbda3b9213e5586d219afa8df2915 \\\n    --hash=sha256:f7d486c83842422badd511868fd8a9a20e9407ace71564b6af47ce7e60a336c1 \\\n    --hash=sha256:fb9e68df06293761f9fe66ade60a9bc6d0f5e42b8acf2939a9158af86ab0e5bd \\\n    --hash=sha256:fc14a032f813bf5fe624d991960ea83e9715adc27e4c1830a2361eb1d02ac341 \\\n    --hash=sha256:fcff63213e8e6e47770541a4607175404f47cbb3ebea7b6058cc82d524a0e424 \\\n    --hash=sha256:fd1fbe0f116b6e55da77aca2c6ddcddcfac2186cbf78bdebf40fc156efca389d \\\n    --hash=sha256:fe9753dfee015c570d73df76f899f18444d41388bffcde097deba51c4fadbb9f\ncleo==2.1.0 \\\n    --hash=sha256:0b2c880b5d13660a7ea651001fb4acb527696c01f15c9ee650f377aa543fd523 \\\n    --hash=sha256:4a31bd4dd45695a64ee3c4758f583f134267c2bc518d8ae9a29cf237d009b07e\ncolorama==0.4.6 ; os_name == 'nt' \\\n    --hash=sha256:08695f5cb7ed6e0531a20572697297273c47b8cae5a63ffc6d6ed5c201be6e44 \\\n    --hash=sha256:4f1d9991f5acc0ca119f9d443620b77f9d6b33703e51011c16baf57afb285fc6\ncrashtest==0.4.1 \\\n    --hash=sha256:80d7b1f316ebfbd429f648076d6275c877ba30ba48979de4191714a75266f0ce \\\n    --hash=sha256:8d23eac5fa660409f57472e3851dab7ac18aba459a8d19cbbba86d3d5aecd2a5\ncryptography==47.0.0 ; python_full_version <= '3.9' and sys_platform == 'linux' \\\n    --hash=sha256:0024b87d47ae2399165a6bfb20d24888881eeab83ae2566d62467c5ff0030ce7 \\\n    --hash=sha256:07efe86201817e7d3c18781ca9770bc0db04e1e48c994be384e4602bc38f8f27 \\\n    --hash=sha256:09f6d7bf6724f8db8b32f11eccf23efc8e759924bc5603800335cf8859a3ddbd \\\n    --hash=sha256:11438c7518132d95f354fa01a4aa2f806d172a061a7bed18cf18cbdacdb204d7 \\\n    --hash=sha256:11dbb9f50a0f1bb9757b3d8c27c1101780efb8f0bdecfb12439c22a74d64c001 \\\n    --hash=sha256:14432c8a9bcb37009784f9594a62fae211a2ae9543e96c92b2a8e4c3cd5cd0c4 \\\n    --hash=sha256:1581aef4219f7ca2849d0250edaa3866212fb74bf5667284f46aa92f9e65c1ca \\\n    --hash=sha256:160ad728f128972d362e714054f6ba0067cab7fb350c5202a9ae8ae4ce3ef1a0 \\\n    --hash=sha256:1a405c08857258c11016777e11c02bacbe7ef596faf259305d282272a3a05cbe \\\n    --hash=sha256:1e47422b5557bb82d3fff997e8d92cff4e28b9789576984f08c248d2b3535d93 \\\n    --hash=sha256:20fdbe3e38fb67c385d233c89371fa27f9909f6ebca1cecc20c13518dae65475 \\\n    --hash=sha256:2207a498b03275d0051589e326b79d4cf59985c99031b05bb292ac52631c37fe \\\n    --hash=sha256:256d07c78a04d6b276f5df935a9923275f53bd1522f214447fdf365494e2d515 \\\n    --hash=sha256:2b45761c6ec22b7c726d6a829558777e32d0f1c8be7c3f3480f9c912d5ee8a10 \\\n    --hash=sha256:2ebd84adf0728c039a3be2700289378e1c164afc6748df1a5ed456767bef9ba7 \\\n    --hash=sha256:34b4358b925a5ea3e14384ca781a2c0ef7ac219b57bb9eacc4457078e2b19f92 \\\n    --hash=sha256:3fb8fa48075fad7193f2e5496135c6a76ac4b2aa5a38433df0a539296b377829 \\\n    --hash=sha256:4e1de79e047e25d6e9f8cea71c86b4a53aced64134f0f003bbcbf3655fd172c8 \\\n    --hash=sha256:4f7722c97826770bab8ae92959a2e7b20a5e9e9bf4deae68fd86c3ca457bab52 \\\n    --hash=sha256:51c9313e90bd1690ec5a75ed047c27c0b8e6c570029712943d6116ef9a90620b \\\n    --hash=sha256:5d0e362ff51041b0c0d219cc7d6924d7b8996f57ce5712bdcef71eb3c65a59cc \\\n    --hash=sha256:6651d32eff255423503aa276739da98c30f26c40cbeffcc6048e0d54ef704c0c \\\n    --hash=sha256:6eebcaf0df1d21ce1f90605c9b432dd2c4f4ab665ac29a40d5e3fc68f51b5e63 \\\n    --hash=sha256:6f29f36582e6151d9686235e586dd35bb67491f024767d10b842e520dc6a07ac \\\n    --hash=sha256:7a02675e2fabd0c0fc04c868b8781863cbf1967691543c22f5470500ff840b31 \\\n    --hash=sha256:7f1207974a904e005f762869996cf620e9bf79ecb4622f148550bb48e0eb35a7 \\\n    --hash=sha256:7f68d6fbc7fbbcfb0939fea72c3b96a9f9a6edfc0e1b1d29778a2066030418b1 \\\n    --hash=sha256:7fda2f02c9015db3f42bb8a22324a454516ed10a8c29ca6ece6cdbb5efe2a203 \\\n    --hash=sha256:80887c5cbd1774683cb126f0ab4184567f080071d5acf62205acb354b4b753b7 \\\n    --hash=sha256:835d2d7f47cdc53b3224e90810fb1d36ca94ea29cc1801fb4c1bc43876735769 \\\n    --hash=sha256:8c1a736bbb3288005796c3f7ccb9453360d7fed483b13b9f468aea5171432923 \\\n    --hash=sha256:9af828c0d5a65c70ec729cd7495a4bf1a67ecb66417b8f02ff125ab8a6326a74 \\\n    --hash=sha256:9c59ab0e0fa3a180a5a9c59f3a5abe3ef90d474bc56d7fadfbe80359491b615b \\\n    --hash=sha256:9f8e55fe4e63613a5e1cc5819030f27b97742d720203a087802ce4ce9ceb52bb \\\n    --hash=sha256:9fe6b7c64926c765f9dff301f9c1b867febcda5768868ca084e18589113732ab \\\n    --hash=sha256:a49a3eb5341b9503fa3000a9a0db033161db90d47285291f53c2a9d2cd1b7f76 \\\n    --hash=sha256:a9b761f012a943b7de0e828843c5688d0de94a0578d44d6c85a1bae32f87791f \\\n    --hash=sha256:b1c76fca783aa7698eb21eb14f9c4aa09452248ee54a627d125025a43f83e7a7 \\\n    --hash=sha256:b9a8943e359b7615db1a3ba587994618e094ff3d6fa5a390c73d079ce18b3973 \\\n    --hash=sha256:be12cb6a204f77ed968bcefe68086eb061695b540a3dd05edac507a3111b25f0 \\\n    --hash=sha256:cffbba3392df0fa8629bb7f43454ee2925059ee158e23c54620b9063912b86c8 \\\n    --hash=sha256:ed67ea4e0cfb5faa5bc7ecb6e2b8838f3807a03758eec239d6c21c8769355310 \\\n    --hash=sha256:edd4da498015da5b9f26d38d3bfc2e90257bfa9cbed1f6767c282a0025ae649b \\\n    --hash=sha256:ef6b3634087f18d2155b1e8ce264e5345a753da2c5fa9815e7d41315c90f8318 \\\n    --hash=sha256:f1557695e5c2b86e204f6ce9470497848634100787935ab7adc5397c54abd7ab \\\n    --hash=sha256:f5c15764f261394b22aef6b00252f5195f46f2ca300bec57149474e2538b31f8 \\\n    --hash=sha256:f5c3296dab66202f1b18a91fa266be93d6aa0c2806ea3d67762c69f60adc71aa \\\n    --hash=sha256:f7db373287273d8af1414cf95dc4118b13ffdc62be521997b0f2b270771fef50 \\\n    --hash=sha256:f9a034b642b960767fb343766ae5ba6ad653f2e890ddd82955aef288ffea8736\ncryptography==50.0.2 ; python_full_version > '3.9' and sys_platform == 'linux' \\\n    --hash=sha256:0ddc924c04591c2811ca024d62ecad4f7f6f08af8939c211438f48a16bd23602 \\\n    --hash=sha256:0ec5f09541743261e66e291b4a0cbf0fb2997aeaab6d9e9c740b9dba1b58d1c2 \\\n    --hash=sha256:0ecbc5652bdb6fc9eaf89a7d196e20941adfe812f43bc4ca05d9150496821047 \\\n    --hash=sha256:1981f1db4630889b9ef7803fadef12b056f428cb6b85c27ba57b774793b6093c \\\n    --hash=sha256:1ba34f04897fcdaa73f74145c25f3ec146fbd56593853e88adc2e811303c5f42 \\\n    --hash=sha256:241449bf940a5d27309bd317e6f9a2af6932113818bb2b8f5c59ddc7ef16da18 \\\n    --hash=sha256:25784ce8b9621c90c643efb9e1e2162ab3b0224cae446ad5e70e7fcb1ce18b51 \\\n    --hash=sha256:3dc4fd8058cea1644971207d530e1a03a184a805ffc8ebdddf0599d78a331b81 \\\n    --hash=sha256:4061c0079120205fb760c58acab6443e217307dcf05e3702cf970e0689972856 \\\n    --hash=sha256:4a20ce1e5cb4284a86692fdcba7cb8754185c6b2e5c56fcef3751cf451d3cdc2 \\\n    --hash=sha256:4e81d95e5bafc2d6e34e4bed780e53e4d5b9a2f928573428aa4d35fbec1eb0de \\\n    --hash=sha256:58a0c478eeca76fe5e07993c5a0703def34a6dc6a0cda4f5564639b33112ffe7 \\\n    --hash=sha256:58ddb5a8e3179d12f19e4ea34d2d32e9d63a4baa142c875c1eb59f41b7243acd \\\n    --hash=sha256:630ebfea3bf689d075f82316324ff7433dc447fe6bc1bfc76524b74b4a9567d2 \\\n    --hash=sha256:6f8700550aa1474a91e5dc07049c46f98b423b5b1ddd0483e0b51362eeeaf5be \\\n    --hash=sha256:78198641e5be9521beea5aa782bb551a58068d10e6eb04c9c680c1b69f2e7d45 \\\n    --hash=sha256:79def8d059362e7831389ed3be0ecdf58a89386e1271e35dd9f5af84e81bffd0 \\\n    --hash=sha256:7a8701d6b584d76e909e3d305b7d126b41439876a5aaf76cddc67fc230eafa2e \\\n    --hash=sha256:7afa5a6602a9f29af1f3a2965f831bae7c9d5d597b7cbb716d41ab3b7d89879c \\\n    --hash=sha256:7b46165bb56eb4704e2eaaf86f3c940d19154535d9b0ca7d6d590b04060e00d5 \\\n    --hash=sha256:7b75de3c8b3be1cdb1052747c929440c3eea46c1bc2cb8a6e3a48388e9b7b452 \\\n    --hash=sha256:7c6d0330c472d96f6a6afe24d80dfdf15176c33096f0a4397ae4c60f3dd3be48 \\\n    --hash=sha256:828d49b0ff5a0e3975865571c5d91dbbdd0d38d8289b249a163e9425413a5e05 \\\n    --hash=sha256:84f964e537f916e2cc85199e5a88742e964939b575ac8598b3f9d6cc416cdaf1 \\\n    --hash=sha256:85d0d9a31b9098e98534226d5686b47264b95e62ce459dc2e62fdfc809f9fe93 \\\n    --hash=sha256:87e9ce85beb6b328ba370cc6e6aea483c92617b4c95b1d33a49297eb662bfb04 \\\n    --hash=sha256:8c71ba2cd31fc93748c38e1b613200ff1c2665cbfd5341fe3a61cfde35a1430e \\\n    --hash=sha256:92e665960f25fcdc73725b9cec7a3824f279ba97a98653afe9ffac2e43668f67 \\\n    --hash=sha256:94e5e9f108ee10471288214d3d233fbfbb492840a8457eb85178d643ddeb32c7 \\\n    --hash=sha256:9c8402a82ea0dc4ceeab793db05f0fafa8ca139ca34fcde5df0f596103c74107 \\\n    --hash=sha256:9dab55f57c74c3cad24c323bacbbd04be4705ba6eb0d92e920b1fc4837ed5079 \\\n    --hash=sha256:a582ab2ae1d34f67112cadc86702774c9ea4374df6bca6afe672817203c99134 \\\n    --hash=sha256:a6557e5f38e065ca9fbdaf7cfc7435ecb1d113aa81a022d1b51921ee7432e227 \\\n    --hash=sha256:a9f7355e6fab51f6c369b86fb7571cffa05edee2c2121e0380a37fb9ac1cd5c1 \\\n    --hash=sha256:ab50ee449bf968271e820086f10a33d101dd060370abc10bcd22279be2656539 \\\n    --hash=sha256:ac9ed99d81760c62fe89d5f0815cdfa1ba9a35141cf30f1c2d044f04b4803d2e \\\n    --hash=sha256:b13478603dcd0a2479ff8e87e2c19a7d525734686fe3c49542472293a204212d \\\n    --hash=sha256:c423ab384a46c4dff7217b2ea5ba2e11cffdeab6441acd04cf65a369caf0366c \\\n    --hash=sha256:c5e67125c7dca78d199ec4e116aa93dbb83494808ecbb8211a2cb09b1bf41dbd \\\n    --hash=sha256:c71be1cbfa5cd9a41ee452acf1eccd82b2c05950358b106ec8ceb83411d1a020 \\\n    --hash=sha256:cbc8738fd8526d80f35cb3a40d41f41a2e7030bb3b18b09a6778ef63d291c2fd \\\n    --hash=sha256:ce47f66801c20ec6c6632453bb5960fe38939e9306970b48b3a5a26de7745d94 \\\n    --hash=sha256:d370b8d1dfcdf7130178137f6fbee6140774a1acc6cacefc4b42643ec11d0a3a \\\n    --hash=sha256:d38cdff612d06fa6a32840d5e1b1f7a27cee4a349aa9085d94a67789d6bfd408 \\\n    --hash=sha256:d8947001be83df1394050758ce0e745dd74fb134eef0a4b5124208dfc3a68c37 \\\n    --hash=sha256:deb9fde5c60e437ee4821bc9bc39ff31b42135c27e1dc61ef0a629389c1de62e \\\n    --hash=sha256:dfe9763530994147d9af1def057a5b9658b00e8f8fe8743d144d1e0911c2e454 \\\n    --hash=sha256:e105ab60406787da31fccc883fc0f733af1efd78f0136a4599692c4083a73d0c \\\n    --hash=sha256:e275096ea1e60cc595cda2836fd4a6c725d1125108b868be17f53684d164e2cc \\\n    --hash=sha256:edc3342adf8f697fc5f59c887a304356f147b397809440ed64e2fa6af2f50f37 \\\n    --hash=sha256:ee247f5c245c9a2fe7c8e2214e295918838e44e00a45a6718451e4004219e767 \\\n    --hash=sha256:eef4c2f3423810b3070ab391f85436d2f8bbfcb286ac15cbc73190b3563b1f1a \\\n    --hash=sha256:f21e8a22c8605750c7af886bab299a363721264061b4ac0a30efb73cfd58efc5 \\\n    --hash=sha256:f265528741e048bce55c3463ed721fb0aa45a5888d8add8cfeccb3035451bbdc \\\n    --hash=sha256:f2f9bd7f90c64fe89253f0a2c05e3c4856072660429ce8831b4235bf29403a67 \\\n    --hash=sha256:f785f6161f202ab04d8ca194158968798e480ca058943907972da5f12e2881e8 \\\n    --hash=sha256:f9f6143a8c75945eb960d9eb98905a441394abfa24afaae239d514ffb2586480 \\\n    --hash=sha256:fa8f5efb344d6908a1ce62f4a24e2e5780f825d6f53f5f50ec5ffacac72936cb \\\n    --hash=sha256:fdd28f912fccfec1846a94e2e1e8f9b0012f557f0c46fe4f3eb0d7a87afcf90b\ndistlib==0.4.4 \\\n    --hash=sha256:ca4175b4ac7f71223cc30ed7248c45d2b38c2439d8ee6e498ab67ed63cf3508d \\\n    --hash=sha256:cf09d55b1e85a89576b036aeb71550bfd68320f3f21761ca329eadadad918638\ndulwich==0.24.10 ; python_full_version < '3.10' \\\n    --hash=sha256:019af16c850ae85254289f9633a29dea02f45351c4182ea20b0c1394c074a13b \\\n    --hash=sha256:0dfae8c59b97964a907fdf4c5809154a18fd8c55f2eb6d8fd1607464165a9aa2 \\\n    --hash=sha256:0e1601789554e3d15b294356c78a5403521c27d5460e64dbbc44ffd5b10af4c3 \\\n    --hash=sha256:15b32f8c3116a1c0a042dde8da96f65a607e263e860ee42b3d4a98ce2c2f4a06 \\\n    --hash=sha256:1601bfea3906b52c924fae5b6ba32a0b087fb8fae927607e6b5381e6f7559611 \\\n    --hash=sha256:1b19af8a3ab051003ba05f15fc5c0d6f0d427e795639490790f34ec0558e99e3 \\\n    --hash=sha256:1f511f7afe1f36e37193214e4e069685d7d0378e756cc96a2fcb138bdf9fefca \\\n    --hash=sha256:2a56f9838e5d2414a2b57bab370b73b9803fefd98836ef841f0fd489b5cc1349 \\\n    --hash=sha256:30e028979b6fa7220c913da9c786026611c10746c06496149742602b36a11f6b \\\n    --hash=sha256:3581ae0af33f28e6c0834d2f41ca67ca81cd92a589e6a5f985e6c64373232958 \\\n    --hash=sha256:393e9c3cdd382cff20b5beb66989376d6da69e3b0dfec046a884707ab5d27ac9 \\\n    --hash=sha256:44f62e0244531a8c43ca7771e201ec9e7f6a2fb27f8c3c623939bc03c1f50423 \\\n    --hash=sha256:470d6cd8207e1a5ff1fb34c4c6fac2ec9a96d618f7062e5fb96c5260927bb9a7 \\\n    --hash=sha256:4914abb6408a719b7a1f7d9a182d1efd92c326e178b440faf582df50f9f032db \\\n    --hash=sha256:4b5c225477a529e1d4a2b5e51272a418177e34803938391ce41b7573b2e5b0d0 \\\n    --hash=sha256:5c724e5fc67c45f3c813f2630795ac388e3e6310534212f799a7a6bf230648c8 \\\n    --hash=sha256:6a25ca1605a94090514af408f9df64427281aefbb726f542e97d86d3a7c8ec18 \\\n    --hash=sha256:752c32d517dc608dbb8414061eaaec8ac8a05591b29531f81a83336b018b26c6 \\\n    --hash=sha256:843de5f678436a27b33aea0f2b87fd0453afdd0135f885a3ca44bc3147846dd2 \\\n    --hash=sha256:858fae0c7121715282a993abb1919385a28e1a9c4f136f568748d283c2ba874f \\\n    --hash=sha256:8df79c8080471f363e4dfcfc4e0d2e61e6da73af1fd7d31cb6ae0d34af45a6b4 \\\n    --hash=sha256:90028182b9a47ea4efed51c81298f3a98e279d7bf5c1f91c47101927a309ee45 \\\n    --hash=sha256:90b24c0827299cfb53c4f4d4fedc811be5c4b10c11172ff6e5a5c52277fe0b3a \\\n    --hash=sha256:b715a9f85ed71bef8027275c1bded064e4925071ae8c8a8d9a20c67b31faf3cd \\\n    --hash=sha256:c262ffc94338999e7808b434dccafaccd572d03b42d4ef140059d4b7cad765a3 \\\n    --hash=sha256:ce6e05ec50f258ccd14d83114eb32cc5bb241ae4a8c7199d014fd7568de285b1 \\\n    --hash=sha256:d9793fc1e42149a650a017dc8ce38485368a41729b9937e1dfcfedd0591ebe9d \\\n    --hash=sha256:e2eda4a634d6f1ac4c0d4786f8772495c8840dfc2b3e595507376bf5e5b0f9c5 \\\n    --hash=sha256:f102c38207540fa485e85e0b763ce3725a2d49d846dbf316ed271e27fd85ff21 \\\n    --hash=sha256:f7bfa9f0bfae57685754b163eef6641609047460939d28052e3beeb63efa6795 \\\n    --hash=sha256:fbf94fa73211d2f029751a72e1ca3a2fd35c6f5d9bb434acdf10a4a79ca322dd\ndulwich==1.2.19 ; python_full_version >= '3.10' \\\n    --hash=sha256:04a22388664813857aa72db2892f315a1d018ab864e72775dfac0a90c026f5f1 \\\n    --hash=sha256:07143a9567a62d02aa071bb945311d3349272037cd438eff5700b4d101f08af0 \\\n    --hash=sha256:095f7994c3eb069c6fd6b8c7fa305219d431b2b3ead04bbdc10b032b2b628ade \\\n    --hash=sha256:1145ee36c4668e47cccd3b26f340a2efee5c20ac274915d8c57313aef41f4fce \\\n    --hash=sha256:17a24dfdd0544e6e63bb70ea9d9eadcc831b24ae70bc85fa978ed4ad7340d59a \\\n    --hash=sha256:1808edccd3313200da81dcd6793cc05e128e217f214013e3db2543a57cc5a8a3 \\\n    --hash=sha256:20d592bc9e6b2f2aa0354b6b92589d11196833abc9fd134ba36fb2e7555a8e99 \\\n    --hash=sha256:245d189b752ae73037d83a91e69715739e4c2e0a5882c38a3c089952a9ff3e13 \\\n    --hash=sha256:25cb4f98ddbe54c9b8d3757d53a1bbee98cd64f4c4b3d0a4dc9d920a46bdb7e7 \\\n    --hash=sha256:2a08915edc83ccf63521cd0dfcd1011f1cb3e56f874fc147432865fea2b0ab84 \\\n    --hash=sha256:2c87a6e98aab972945f9227d90075df8b31ae62bca4f778d5140602a67761e47 \\\n    --hash=sha256:33ef5ff30b561fa216e1ce44eb0e9d33c989c0f8d63999c11d9b596ebb472eb3 \\\n    --hash=sha256:36bf21bb825f9c34c04700df688b9659b8c03faefeb961949899403de53b4d54 \\\n    --hash=sha256:3983613d7027c60085bf9e3b3ff05591fb48ec34db5498e25de4e708dcb37039 \\\n    --hash=sha256:39e150ea7f96a5600d94be676d065e796dce90826dd315bf8b83a315a202c38a \\\n    --hash=sha256:3ba686aec130d1fbf46c41f0e497499a768b8b1e5f583d6851748fbb2e34a2d1 \\\n    --hash=sha256:4022fa323b5b83ad14d63fcc7cf5e8c2ec2a6d60971915c4414ce13857b5d396 \\\n    --hash=sha256:4ac5de1b2e3ec51c2b97ce5892f414095ae48078f0a4169902f7175556abce80 \\\n    --hash=sha256:4dfdffdbc7ca00872603231396b92227c5f832aa627b5ee42ea3d18fa15796ce \\\n    --hash=sha256:504ce2688513110864ef1c38119f08198e0c71a369e6769b12d005af84871ea8 \\\n    --hash=sha256:5a33e896666026e56593efc1a22343eab65e45c27211070d6153bae10e3dabbb \\\n    --hash=sha256:5bdd92c88c7614a7be5c1ad2fca2950c56e860d88ecff312cffec05ceef87be2 \\\n    --hash=sha256:5c29f2affb4983bec7dce075d79f974e1def37ea2c20ad836ee37a18a699bb5f \\\n    --hash=sha256:5c7ab399bcf7a76a1989a85872ab719e284d2f22b44952a9489c87e214a6ae85 \\\n    --hash=sha256:61a079c10d46e7e7a4bdfdef77995ee8521a94964ceaa0aba3a7ad3129802e6f \\\n    --hash=sha256:63dee71ef10af8aabc7814283b34758298e0abd96010a78937641a9d4b7dd980 \\\n    --hash=sha256:653709a0e22f3e79677e5e2d08ca54a8b2ad124e1a43166ae4b98a7e2d7f5fe7 \\\n    --hash=sha256:6e59eb297917e33b4b6001272b5dce6031375b88717664360161b5901133f53d \\\n    --hash=sha256:6f6934299c81464b12f475150e5ecee0674fa89915eb94f1866387bf5810b50e \\\n    --hash=sha256:705e84bc212da709f1af97fe81d170f371ef82209ab6049242cd41a18cac50f6 \\\n    --hash=sha256:7ce0992b354b441eaa1a168d1303156b40877bf1049fcb61835b6caf8991ddb0 \\\n    --hash=sha256:83fe2dd2d44421f7aac62130462b1f808b3e7e46e72d3c455c995e1c9ec1c0ae \\\n    --hash=sha256:8f7e14b72b22d5f5bed320365f378077d7662ebcd80422163f0e73c64a37502f \\\n    --hash=sha256:970e498e653c3087e21c50f1fc5b1d84e5a1c0cc27fb4b57ad2647402b1cd8bd \\\n    --hash=sha256:9b7caa47f25a6eba2c8809608848762b354a92698e188af88f6f07c3e13ab40a \\\n    --hash=sha256:ab04bef5bca23ad367c6cfe317d496cffdfa50c5450bb4e5c2540c96ba5c6429 \\\n    --hash=sha256:ae9177737db887864f22f22931ef1f22807f67097955a624dde2c9b25123919b \\\n    --hash=sha256:b103523bbe0454594174069d4672bff86e91d0976ba690a6457f4677c2cadab6 \\\n    --hash=sha256:b1e763816c16637cc0ccfdb6d6c927e41e4ff40c7d52bf69017360a33b42cffd \\\n    --hash=sha256:b21034e52c1040ea49565f35c481b00852c3a16ace39e5a6c9c5ce172bfd6652 \\\n    --hash=sha256:b38fb0a38d7529d3ce2c61632bf515e040c7976d05bbbfca6603e2a219c76db3 \\\n    --hash=sha256:b3cd6b17bfdf7bbae0d04d0f46fc23ce9e175e8871884a1de344f92e2a623a15 \\\n    --hash=sha256:b73a2f0347919f06e4f3a097ee436e881be4e522199771d319e228296a9a70fb \\\n    --hash=sha256:b8c57c28297567452fdbdcfab0df1d1757b4bdaad8247997421a28682cbdab47 \\\n    --hash=sha256:bad3de378767fdcba379d30d15b3734f23ac64453c8aeb7a68b4f365ad59eb53 \\\n    --hash=sha256:c56985f81c7eb1f4ddc7264406db8cf8b1e07b2d071b553080ac64679d28cba6 \\\n    --hash=sha256:c844db4c27661f242b87ca78252e5764216ef9b09fe820c5b91b3148fc0324c1 \\\n    --hash=sha256:d1c8604d18c2814e724dccf7d931e5b59569fb73f49c33326690a1e9cb9f21b8 \\\n    --hash=sha256:e093fe41e1843c2175cc9e5ca7bdb2356e5bd2a819b3b5f5eb3c8ed980617443 \\\n    --hash=sha256:e79024a1bb99c2aeeae3c667c537e50792154030284493ab011ee6459c1c6347 \\\n    --hash=sha256:e7fb76abd2a11c596539f52916c0acdaf3211f5ecd34235e79b58fb44fc8a23c \\\n    --hash=sha256:e97c739826aaeb2dfa1232cedbe8e83107c4a133c7faa8e3d239cc8bbcb526de \\\n    --hash=sha256:e9886a5ac599f7a3e2af1f50c875c49167f8f5c8399b15aaf6e50ce9ca61569c \\\n    --hash=sha256:ed93933815f8ad46c632c3d2773dfe151cb6c5570da9ae31533745453faa81ab \\\n    --hash=sha256:efe585c9c2a921a26136dc2fba785faafb16d5eed39ea6d40c5dd1cd8140f0a3 \\\n    --hash=sha256:fdaddac26b46004079d9a8c9198d2d972f9673b763c8f7c0e1b803554b3471fa\nexceptiongroup==1.3.1 ; python_full_version < '3.11' \\\n    --hash=sha256:8b412432c6055b0b7d14c310000ae93352ed6754f70fa8f7c34141f91c4e3219 \\\n    --hash=sha256:a7a39a3bd276781e98394987d3a5701d0c4edffb633bb7a5144577f82c773598\nfastjsonschema==2.21.2 ; python_full_version < '3.10' \\\n    --hash=sha256:1c797122d0a86c5cace2e54bf4e819c36223b552017172f32c5c024a6b77e463 \\\n    --hash=sha256:b1eb43748041c880796cd077f1a07c3d94e93ae84bba5ed36800a33554ae05de\nfastjsonschema==2.22.2 ; python_full_version >= '3.10' \\\n    --hash=sha256:0fb3915616adac85ccfdd737d26be1089845d2019819505b42d39888458f74d4 \\\n    --hash=sha256:72064e12356a7d6ef02165be2946b9abadbdf238536e07eb587e3dbaa33099cf\nfilelock==3.19.1 ; python_full_version < '3.10' \\\n    --hash=sha256:66eda1888b0171c998b35be2bcc0f6d75c388a7ce20c3f3f37aa8e96c2dddf58 \\\n    --hash=sha256:d38e30481def20772f5baf097c122c3babc4fcdb7e14e57049eb9d88c6dc017d\nfilelock==4.1.0 ; python_full_version == '3.10.*' \\\n    --hash=sha256:2ce9818e3e2d8f284c1a964414447ef148d42a5fd5e2a477a7118e574b293ec1 \\\n    --hash=sha256:ad7f724afef953e731b1cc39bcd3a09166d72ed7fcdf29e6e88b1c3235c6715d\nfilelock==4.2.4 ; python_full_version >= '3.11' \\\n    --hash=sha256:301241438c57936ef93f4243a94f2559022268bfcf9b375a9a72eb0f8db8358e \\\n    --hash=sha256:c6d8663535e1650ee430507b4ffbac7b464dd64b7647ea0112a9f406499d163d\nfindpython==0.7.1 ; python_full_version < '3.10' \\\n    --hash=sha256:1b78b1ff6e886cbddeffe80f8ecdbf2b8b061169bbd18b673070e26b644c51ac \\\n    --hash=sha256:9f29e6a3dabdb75f2b39c949772c0ed26eab15308006669f3478cdab0d867c78\nfindpython==0.8.0 ; python_full_version >= '3.10' \\\n    --hash=sha256:4a61ee1618a8b55014f7d41f59345d322be93f6ce62395bdccccc651b3f7e28a \\\n    --hash=sha256:53b32264874dfa5990bd09d717819386d8db3149d89fe20f88fe1078de286bae\nh11==0.16.0 \\\n    --hash=sha256:4e35b956cf45792e4caa5885e69fba00bdbc6ffafbfa020300e549b208ee5ff1 \\\n    --hash=sha256:63cf8bbe7522de3bf65932fda1d9c2772064ffb3dae62d55932da54b31cb6c86\nhttpcore==1.0.9 \\\n    --hash=sha256:2d400746a40668fc9dec9810239072b40b4484b640a8c38fd654a024c7a1bf55 \\\n    --hash=sha256:6e34463af53fd2ab5d807f399a9b45ea31c3dfa2276f15a2c3f00afff6e176e8\nhttpx==0.28.1 \\\n    --hash=sha256:75e98c5f16b0f35b567856f597f06ff2270a374470a5c2392242528e3e3e42fc \\\n    --hash=sha256:d909fcccc110f8c7faf814ca82a9a4d816bc5a6dbfea25d6591d6985b8ba59ad\nidna==3.20 \\\n    --hash=sha256:a7db850025b95ded1eae8a46181a1a6c56c92c96f0e2b005d9ff8dc0210cab44 \\\n    --hash=sha256:ab7ae7122974553370f0bdb919e1a960b2cd1bc1ef0276416d896db81c14582c\nimportlib-metadata==8.7.1 ; python_full_version < '3.10' \\\n    --hash=sha256:49fef1ae6440c182052f407c8d34a68f72efc36db9ca90dc0113398f2fdde8bb \\\n    --hash=sha256:5a1f80bf1daa489495071efbb095d75a634cf28a8bc299581244063b53176151\nimportlib-metadata==9.0.1 ; python_full_version == '3.10.*' \\\n    --hash=sha256:ab830580bc0ef3db61ce8fae716389e5462b67e033018bab6d8f80ef17172f99 \\\n    --hash=sha256:bba5600596a7e21f3eef53281cf28d6a5195634d2f2b78ff9501a3272c6eaab0\nimportlib-metadata==10.1.0 ; python_full_version == '3.11.*' \\\n    --hash=sha256:82b04047fa09792c1a8cfeddfe08bec79e4b13c29c8469b0d3949860f61017e8 \\\n    --hash=sha256:cf45ce66a929c64e994185a809c04840d0501db17e663810d993d0f4829265c7\ninstaller==0.7.0 ; python_full_version < '3.10' \\\n    --hash=sha256:05d1933f0a5ba7d8d6296bb6d5018e7c94fa473ceb10cf198a92ccea19c27b53 \\\n    --hash=sha256:a26d3e3116289bb08216e0d0f7d925fcef0b0194eedfa0c944bcaaa106c4b631\ninstaller==1.1.0 ; python_full_version >= '3.10' \\\n    --hash=sha256:5adc0c01ce62d809989e246987cd68944fe5df8af562d0358f65b2ab15cb5de7 \\\n    --hash=sha256:f55f5728ff61d3dd54dbc5a397cf3f7307cb64b180c20b72afbebf01c9e2c8a0\njaraco-classes==3.4.0 \\\n    --hash=sha256:47a024b51d0239c0dd8c8540c6c7f484be3b8fcf0b2d85c13825780d3b3f3acd \\\n    --hash=sha256:f662826b6bed8cace05e7ff873ce0f9283b5c924470fe664fff1c2f00f581790\njaraco-context==6.1.1 ; python_full_version < '3.10' \\\n    --hash=sha256:0df6a0287258f3e364072c3e40d5411b20cafa30cb28c4839d24319cecf9f808 \\\n    --hash=sha256:bc046b2dc94f1e5532bd02402684414575cc11f565d929b6563125deb0a6e581\njaraco-context==6.1.2 ; python_full_version >= '3.10' \\\n    --hash=sha256:bf8150b79a2d5d91ae48629d8b427a8f7ba0e1097dd6202a9059f29a36379535 \\\n    --hash=sha256:f1a6c9d391e661cc5b8d39861ff077a7dc24dc23833ccee564b234b81c82dfe3\njaraco-functools==4.4.0 ; python_full_version < '3.10' \\\n    --hash=sha256:9eec1e36f45c818d9bf307c8948eb03b2b56cd44087b3cdc989abca1f20b9176 \\\n    --hash=sha256:da21933b0417b89515562656547a77b4931f98176eb173644c0d35032a33d6bb\njaraco-functools==4.6.0 ; python_full_version >= '3.10' \\\n    --hash=sha256:880c577ec9720b3a052d5bc611fb9f2269b3d87902ef42440df443b88e443280 \\\n    --hash=sha256:99e3dc0060c5cbe8fcd1cdb36258e2a65ca40f1566b2033b12abb1bb44dd3c30\njeepney==0.9.0 ; sys_platform == 'linux' \\\n    --hash=sha256:97e5714520c16fc0a45695e5365a2e11b81ea79bba796e26f9f1d178cb182683 \\\n    --hash=sha256:cf0e9e845622b81e4a28df94c40345400256ec608d0e55bb8a3feaa9163f5732\nkeyring==25.7.0 \\\n    --hash=sha256:be4a0b195f149690c166e850609a477c532ddbfbaed96a404d4e43f8d5e2689f \\\n    --hash=sha256:fe01bd85eb3f8fb3dd0405defdeac9a5b4f6f0439edbb3149577f244a2e8245b\nmore-itertools==10.8.0 ; python_full_version < '3.10' \\\n    --hash=sha256:52d4362373dcf7c52546bc4af9a86ee7c4579df9a8dc268be0a2f949d376cc9b \\\n    --hash=sha256:f638ddf8a1a0d134181275fb5d58b086ead7c6a72429ad725c67503f13ba30bd\nmore-itertools==11.1.0 ; python_full_version == '3.10.*' \\\n    --hash=sha256:48e8f4d9e7e5878571ecf6f2b4e57634f93cd474cc8cfbd2376f2d11b396e30d \\\n    --hash=sha256:4b65538ae22f6fed0ce4874efd317463a7489796a0939fa66824dd542125a192\nmore-itertools==11.2.1 ; python_full_version >= '3.11' \\\n    --hash=sha256:35a7377edd1dd6608dcb2cdf534ded55ea32d49448875ad042cd3f879fb1ded0 \\\n    --hash=sha256:cbf08fd0af284dc69718b9b76a8e6203df624d70209ea511e4219d350c856f63\nmsgpack==1.1.2 ; python_full_version < '3.10' \\\n    --hash=sha256:0051fffef5a37ca2cd16978ae4f0aef92f164df86823871b5162812bebecd8e2 \\\n    --hash=sha256:04fb995247a6e83830b62f0b07bf36540c213f6eac8e851166d8d86d83cbd014 \\\n    --hash=sha256:180759d89a057eab503cf62eeec0aa61c4ea1200dee709f3a8e9397dbb3b6931 \\\n    --hash=sha256:1d1418482b1ee984625d88aa9585db570180c286d942da463533b238b98b812b \\\n    --hash=sha256:1de460f0403172cff81169a30b9a92b260cb809c4cb7e2fc79ae8d0510c78b6b \\\n    --hash=sha256:1fdf7d83102bf09e7ce3357de96c59b627395352a4024f6e2458501f158bf999 \\\n    --hash=sha256:1fff3d825d7859ac888b0fbda39a42d59193543920eda9d9bea44d958a878029 \\\n    --hash=sha256:283ae72fc89da59aa004ba147e8fc2f766647b1251500182fac0350d8af299c0 \\\n    --hash=sha256:2929af52106ca73fcb28576218476ffbb531a036c2adbcf54a3664de124303e9 \\\n    --hash=sha256:2e86a607e558d22985d856948c12a3fa7b42efad264dca8a3ebbcfa2735d786c \\\n    --hash=sha256:350ad5353a467d9e3b126d8d1b90fe05ad081e2e1cef5753f8c345217c37e7b8 \\\n    --hash=sha256:354e81bcdebaab427c3df4281187edc765d5d76bfb3a7c125af9da7a27e8458f \\\n    --hash=sha256:365c0bbe981a27d8932da71af63ef86acc59ed5c01ad929e09a0b88c6294e28a \\\n    --hash=sha256:372839311ccf6bdaf39b00b61288e0557916c3729529b301c52c2d88842add42 \\\n    --hash=sha256:3b60763c1373dd60f398488069bcdc703cd08a711477b5d480eecc9f9626f47e \\\n    --hash=sha256:41d1a5d875680166d3ac5c38573896453bbbea7092936d2e107214daf43b1d4f \\\n    --hash=sha256:42eefe2c3e2af97ed470eec850facbe1b5ad1d6eacdbadc42ec98e7dcf68b4b7 \\\n    --hash=sha256:446abdd8b94b55c800ac34b102dffd2f6aa0ce643c55dfc017ad89347db3dbdb \\\n    --hash=sha256:454e29e186285d2ebe65be34629fa0e8605202c60fbc7c4c650ccd41870896ef \\\n    --hash=sha256:4efd7b5979ccb539c221a4c4e16aac1a533efc97f3b759bb5a5ac9f6d10383bf \\\n    --hash=sha256:5559d03930d3aa0f3aacb4c42c776af1a2ace2611871c84a75afe436695e6245 \\\n    --hash=sha256:5928604de9b032bc17f5099496417f113c45bc6bc21b5c6920caf34b3c428794 \\\n    --hash=sha256:59415c6076b1e30e563eb732e23b994a61c159cec44deaf584e5cc1dd662f2af \\\n    --hash=sha256:5a46bf7e831d09470ad92dff02b8b1ac92175ca36b087f904a0519857c6be3ff \\\n    --hash=sha256:602b6740e95ffc55bfb078172d279de3773d7b7db1f703b2f1323566b878b90e \\\n    --hash=sha256:61c8aa3bd513d87c72ed0b37b53dd5c5a0f58f2ff9f26e1555d3bd7948fb7296 \\\n    --hash=sha256:67016ae8c8965124fdede9d3769528ad8284f14d635337ffa6a713a580f6c030 \\\n    --hash=sha256:6bde749afe671dc44893f8d08e83bf475a1a14570d67c4bb5cec5573463c8833 \\\n    --hash=sha256:6c15b7d74c939ebe620dd8e559384be806204d73b4f9356320632d783d1f7939 \\\n    --hash=sha256:70a0dff9d1f8da25179ffcf880e10cf1aad55fdb63cd59c9a49a1b82290062aa \\\n    --hash=sha256:70c5a7a9fea7f036b716191c29047374c10721c389c21e9ffafad04df8c52c90 \\\n    --hash=sha256:7bc8813f88417599564fafa59fd6f95be417179f76b40325b500b3c98409757c \\\n    --hash=sha256:80a0ff7d4abf5fecb995fcf235d4064b9a9a8a40a3ab80999e6ac1e30b702717 \\\n    --hash=sha256:86f8136dfa5c116365a8a651a7d7484b65b13339731dd6faebb9a0242151c406 \\\n    --hash=sha256:897c478140877e5307760b0ea66e0932738879e7aa68144d9b78ea4c8302a84a \\\n    --hash=sha256:8b696e83c9f1532b4af884045ba7f3aa741a63b2bc22617293a2c6a7c645f251 \\\n    --hash=sha256:8e22ab046fa7ede9e36eeb4cfad44d46450f37bb05d5ec482b02868f451c95e2 \\\n    --hash=sha256:94fd7dc7d8cb0a54432f296f2246bc39474e017204ca6f4ff345941d4ed285a7 \\\n    --hash=sha256:99e2cb7b9031568a2a5c73aa077180f93dd2e95b4f8d3b8e14a73ae94a9e667e \\\n    --hash=sha256:9ade919fac6a3e7260b7f64cea89df6bec59104987cbea34d34a2fa15d74310b \\\n    --hash=sha256:9fba231af7a933400238cb357ecccf8ab5d51535ea95d94fc35b7806218ff844 \\\n    --hash=sha256:a465f0dceb8e13a487e54c07d04ae3ba131c7c5b95e2612596eafde1dccf64a9 \\\n    --hash=sha256:a605409040f2da88676e9c9e5853b3449ba8011973616189ea5ee55ddbc5bc87 \\\n    --hash=sha256:a668204fa43e6d02f89dbe79a30b0d67238d9ec4c5bd8a940fc3a004a47b721b \\\n    --hash=sha256:a7787d353595c7c7e145e2331abf8b7ff1e6673a6b974ded96e6d4ec09f00c8c \\\n    --hash=sha256:a8f6e7d30253714751aa0b0c84ae28948e852ee7fb0524082e6716769124bc23 \\\n    --hash=sha256:ad09b984828d6b7bb52d1d1d0c9be68ad781fa004ca39216c8a1e63c0f34ba3c \\\n    --hash=sha256:bafca952dc13907bdfdedfc6a5f579bf4f292bdd506fadb38389afa3ac5b208e \\\n    --hash=sha256:be52a8fc79e45b0364210eef5234a7cf8d330836d0a64dfbb878efa903d84620 \\\n    --hash=sha256:be5980f3ee0e6bd44f3a9e9dea01054f175b50c3e6cdb692bc9424c0bbb8bf69 \\\n    --hash=sha256:c63eea553c69ab05b6747901b97d620bb2a690633c77f23feb0c6a947a8a7b8f \\\n    --hash=sha256:d198d275222dc54244bf3327eb8cbe00307d220241d9cec4d306d49a44e85f68 \\\n    --hash=sha256:d62ce1f483f355f61adb5433ebfd8868c5f078d1a52d042b0a998682b4fa8c27 \\\n    --hash=sha256:d99ef64f349d5ec3293688e91486c5fdb925ed03807f64d98d205d2713c60b46 \\\n    --hash=sha256:db6192777d943bdaaafb6ba66d44bf65aa0e9c5616fa1d2da9bb08828c6b39aa \\\n    --hash=sha256:e23ce8d5f7aa6ea6d2a2b326b4ba46c985dbb204523759984430db7114f8aa00 \\\n    --hash=sha256:e64c8d2f5e5d5fda7b842f55dec6133260ea8f53c4257d64494c534f306bf7a9 \\\n    --hash=sha256:e69b39f8c0aa5ec24b57737ebee40be647035158f14ed4b40e6f150077e21a84 \\\n    --hash=sha256:ea5405c46e690122a76531ab97a079e184c0daf491e588592d6a23d3e32af99e \\\n    --hash=sha256:f2cb069d8b981abc72b41aea1c580ce92d57c673ec61af4c500153a626cb9e20 \\\n    --hash=sha256:fac4be746328f90caa3cd4bc67e6fe36ca2bf61d5c6eb6d895b6527e3f05071e \\\n    --hash=sha256:fffee09044073e69f2bad787071aeec727183e7580443dfeb8556cbf1978d162\nmsgpack==1.2.3 ; python_full_version >= '3.10' \\\n    --hash=sha256:07c9733089d1b176c3dd2f7fa268452f9d5d784d076473499d754a58e8d1fbbb \\\n    --hash=sha256:0955b9000725573d1457c1676944b370dd9643c8d18f25bda5ac72913f850949 \\\n    --hash=sha256:0c91762c48cd686dc9cf2b142c0bc544083952de32f5853d6624c956e54b85e5 \\\n    --hash=sha256:0ed5823c4efc20fe87d3530665f40ec18a002be003114814c21235cc8d256207 \\\n    --hash=sha256:13221a6c81ebb8e43ea63a7251c35d54e4175cea37ebf3a62e911bdf42562a3c \\\n    --hash=sha256:186e6c602b8a9968b8e864c67d622a69279f7d1e55ae25f40e3bff7e815b2b62 \\\n    --hash=sha256:18a6ed513023001b28dcd3ba54966f6bb90a38274ba8d2640464bcab3a1b81d4 \\\n    --hash=sha256:1d6bcec3dbbdb89ca385d3a73e63ceae7b841fa0d7ca7c676f1a7bfe7fb2cdb8 \\\n    --hash=sha256:1f4ae8bd4ad9ba085fde95e95d055a896d19210238a4199a771a3cf36dceed49 \\\n    --hash=sha256:1f585407f740a9eac04a3bb82c61d68a0ea78f90e29e670bfb086b9ce3a518dd \\\n    --hash=sha256:21bfa4d2aa0b04c1806ef778a1199e9e53ea2441bcbf284420a32083896320b8 \\\n    --hash=sha256:2487453ca1b6104442c6442f9a1a8fee1fe8f428a70d99d4cba799108b304150 \\\n    --hash=sha256:2574ef81c1c8c38b10e330f3f9406fd09198a776b002030fafcf8e7647e9e06e \\\n    --hash=sha256:30e1522e4173230dca4d9ad896f038f73c0da6c1edd42f4dbad88ac583cf5d46 \\\n    --hash=sha256:32edb81a2b5eb7cd7c9d941b2bfbbb082fd2cd09e0e725930316af6b708db186 \\\n    --hash=sha256:3372475211a9ce1a23acefe512cb3e121d18c95dc74ed56cb1819ef40836ebf4 \\\n    --hash=sha256:382b219de3d436de3baba0f4b0c6d4336e8f5858d0eb047918b13b69a71c6c55 \\\n    --hash=sha256:382bc88fe90f29f5ac8a0b65c7046ff255356f2f2f3186c30e370215736fa1dc \\\n    --hash=sha256:39b6986c19e1f2dfa549d185dba6ccf1de2e4c0ba10d8cfc0048935b1c5f9109 \\\n    --hash=sha256:3a31905206722103a84c1f72633fe30692cff6732c9d262e09a27dbc468797c8 \\\n    --hash=sha256:3d4c807ed050fe3ddbea5ba7e9f63d7136871ce42861be1f50ff739f0e91047a \\\n    --hash=sha256:3ec409b0d6aa8e9eec6eaf881b893caa215dbe68c5319ca96e8a271d81bb111d \\\n    --hash=sha256:471e12a6a42498a31490c206e0069e343b6a7c35db540be73a879eb06f5be047 \\\n    --hash=sha256:4c0780095871ecc49a58b2ff6b1b43b25214704da67646557ca287a3f49fb2dd \\\n    --hash=sha256:59612b4ed48a04cf024584218e813562f3b30a3bafa5f55abe300b15da314751 \\\n    --hash=sha256:5bd5f91ea75c45cafcc5433ba8fae59b708b736ec178d2441c40c499e9e079db \\\n    --hash=sha256:5bf390259cb25a6a1cd197c65810999b811f64cd38683251538bcc5a1e41f7d3 \\\n    --hash=sha256:5c1efdd9181cb1b719ee46865f368a927f1c0c65d577798340b1194545b7515a \\\n    --hash=sha256:5e0d7950ca3c1bbae291d0552dd3bb2792fc680629c4c0d44e47e5bab969f3ca \\\n    --hash=sha256:5f304123b90e8b2e49867981b7f6061612c39f50cca51ee88de007c084cf68d3 \\\n    --hash=sha256:62cc1a4ef0e553bac32c8342e1f04834aca7de276b92744eb7307db77759b890 \\\n    --hash=sha256:63bb7448a1e9111319ae2430c09a5596140c160422830d6271bc75730ff2ff9a \\\n    --hash=sha256:6576f348ed6cc4f31db6fd915a8e94245f042f50eae08d48732425e70638ea37 \\\n    --hash=sha256:666ef5601ab0e6e345e47febc96aa81143cc932201543480cbb9499164f05ffb \\\n    --hash=sha256:6707d2fa2aa1bb5424ea0b05f44ffc989b15ab41a73ff5855bff4944fec7c8ac \\\n    --hash=sha256:69ad12cedb674c73527bed869cddb42b742cac79a207a614202a4abaa24ea173 \\\n    --hash=sha256:6a834097144aabe948b8ca9020a833e8026f7d0abbd0ec54bc7e50f45a8ce012 \\\n    --hash=sha256:6df430419f2338cb71e4a34d6e64f83c88ccd321f91f40ba4513400b36d864ec \\\n    --hash=sha256:700bc0fc9e968a292b9137ee70e7a012f7e115bf0107ce45e3a88202788dfc1e \\\n    --hash=sha256:7013534a7163aa4f213c4d9864f1a8a7555daac6fcd48f699a198e29b436bfab \\\n    --hash=sha256:7995a7c6a62a1d6e7df211b4a16de513bd99fd053525050a319f80f44fb8015e \\\n    --hash=sha256:79dfa38faf92f804aa61beec140d70b18418e1dde1778dbb77a87a4cce85aa8a \\\n    --hash=sha256:7a003b02c6ee2eea6dfe0bb08818631e3597e69f0131f2a8250488a1cc553290 \\\n    --hash=sha256:7c047250096f9fc19dba26e3d1639b5e7a84114003605c94def667149a70ced1 \\\n    --hash=sha256:84a6616d396ec1bc18a1e83e67c96a393ec35dfe5e17434a5be7b9aa0fe988ab \\\n    --hash=sha256:87cf2ef05ff2f2493ba29fcdaef27e960ca64dacfd13460ae29e6f92e0ed05bb \\\n    --hash=sha256:89c930aece4e972b208ba589c8410b4167b05e411a5ea2cb25fd96f8bc47ee43 \\\n    --hash=sha256:8ca67f77938ea6a3663aa9bd22b3e031f6da84d665be850abab910ee90728dfd \\\n    --hash=sha256:8e51eca14fbb65c4e0a5a9657346962bd3dca78c08e04e3d4dee70ef48687d30 \\\n    --hash=sha256:8ec7a1d49ca6c2569d722ab5ec86e90089b0713900aa31905b47b4c4d9e78ce0 \\\n    --hash=sha256:902f3490db0e07a7d40b48536a85c9b28fbf1397e7e1658a45a55f958e303620 \\\n    --hash=sha256:905a189853d6bdb204c7ae5f4ab77fb857448abfff574d3d93c62e2815b24b4f \\\n    --hash=sha256:9276ba88891338f2617044429dfd080ae008c9868a25f6f1a7d004a35dc9ac0a \\\n    --hash=sha256:9324c54995641c3d1f92a9d55093c8cde0ffa2fbc87a467a688ef60428393220 \\\n    --hash=sha256:968583e956d0427878050b371308c5f8647088732ef3e66a117dbe1192ec91e0 \\\n    --hash=sha256:9d7e9cbb0998bbfd363fd9a09c330520d5e9cb323c05b5a1a05865d23ccf2226 \\\n    --hash=sha256:a393e428f6ffb0dcb73308c1fff5593041c16ff42da66e5bac8a83a6107a54b0 \\\n    --hash=sha256:a6b63917d60d6df451f328bd6afba8565e33c4afe1f62ec4ad758b78731c827b \\\n    --hash=sha256:b1631e12fe572e181cd77e831f69335d6cd5278eac22e3db3f33cf264ac2ac18 \\\n    --hash=sha256:b774ff994d844e541439ac5d2d49a14def4104830c3465e9394c153f86200ffb \\\n    --hash=sha256:b949cc25e4a09252cbcc54e66e507de914d0e94a3a7039bd54c299bf7037c098 \\\n    --hash=sha256:bb89b5dc30469c84bbf8684826eb851d82412ca95690e111b9ac5e8fb343961a \\\n    --hash=sha256:bfe7d5b62cbe7aa664f0b3e2c49077f10fcdd06183d3014f8271ff3c5edbfbf9 \\\n    --hash=sha256:c309a7abae1d14ba29a8bd0ddbd704a5e469d8e9bd9c3dee0e4ff53d7ae01d56 \\\n    --hash=sha256:c77e27790ad72989db783d5303825fba0b71550f00a490efba35cde7dc4b719f \\\n    --hash=sha256:c942c21a93f36b3a69e828c8945bb72c94dc2ffe488a2086950c812f3edf046c \\\n    --hash=sha256:ccea05b5542f6d283fef3f0a8e93a7f0be90af0ddeeef84c25c0216ba76dcae1 \\\n    --hash=sha256:cd5a9f9f86a52c24713679aa2631956835f3842512964ff93f736ff76f1f530d \\\n    --hash=sha256:d0238cd05dec9ffbe0de1071df685ba63e30a36ac155285b1a094e727c38cbe9 \\\n    --hash=sha256:d1c1e8989a855b7f1f2a64ec4a80b23a631822903952770813857b2e4f460471 \\\n    --hash=sha256:d2f9c4f85e47a44d26d5baf3b041eef23436e224d44eed273f01bd8a12048d9f \\\n    --hash=sha256:d31864ba3933a589b6a00249f89c0eb422197f49128fc10da550e57e9cb0f377 \\\n    --hash=sha256:d8ef3a66e4b52d2d7fdd90df2984670124b2ff7546d76bb25dcf68ef47f7df58 \\\n    --hash=sha256:db84203b13aecc222f465061397fdd5b53b7ae73d2c95ffc1c8dc5be0153a709 \\\n    --hash=sha256:db9fb67a3a2e75247bae569d34ebb5ff61c0448a4f0d6dbf991dae68af39b007 \\\n    --hash=sha256:e0bd394e999949c814f7912284243298de1b5a17b6a3dcb6cc8a79b156ffc4fa \\\n    --hash=sha256:e15f70588f4db8cd10df0930145b186de70feb9db51710cd378b1399009655bd \\\n    --hash=sha256:e54394b7dbe2e12ab032d9d21feef7bb61a90a150a2623633ba3781ba69dcb1f \\\n    --hash=sha256:eaf7e82249837e3aa97297b34a0bb9ff562027381631e057cea6e1367f10b438 \\\n    --hash=sha256:ec0030361cc861ac699b2ef1c695b741fa145c88f8667fa3d7e3f73deeb648a3 \\\n    --hash=sha256:ec90a9ae3e1169fa1171147340f0e97d941aa19fcd3b34e8339a55933ed042af \\\n    --hash=sha256:ed899d73a22f286a72bd9528d63f2ab3030dbad8bf1527fc249319a50d61fb9d \\\n    --hash=sha256:ede33b2892ceb976283e009ad12fa1834cfdf1f9c43ee9c97849fc588d00a618 \\\n    --hash=sha256:f24a43b3560e20f825b807fe1e874bd73d53abaf8bbdcf258a6eb152cddbc1f5 \\\n    --hash=sha256:f3d7b3d0018746b5997dd6b14a1870b07cc4c327d9101145d94a1fc264a51a06 \\\n    --hash=sha256:f41ca154b7737b11893cdce3c78c61d703398a1cd54d4297bdad908392338a8e \\\n    --hash=sha256:f42f146752eedb6765f07dcc04d72dab0a25779ec8d4a88c0085263ce114f22c \\\n    --hash=sha256:f56fba61b2516be7917cb00151f0d060b5b21184e3499bb57f0f7d9259bea124 \\\n    --hash=sha256:f9ddd28d3e9bbc602a9dced1591882c7fb9ab776eef8837da2c326fde19e2853 \\\n    --hash=sha256:fafc3b8898b432b841d30a61082c599fa7f4d06885f9dc58ad72259e12059fa6 \\\n    --hash=sha256:fcc6800daac4922960f6eeb7a0dda3dd4105e0bf7bce0e83ebc465a78cb7bdba\npackaging==26.3 \\\n    --hash=sha256:94edc256424af38762eb31306eed28beb9f0efc50a8837492c9d6fd6004aed79 \\\n    --hash=sha256:d7193f7c8e4e93f444fde0262bf90af30e16fa0ad0ad44cb553c87339b23cd1c\npbs-installer==2025.12.17 ; python_full_version < '3.10' \\\n    --hash=sha256:1a899ac5af9ca4c59a7a7944ec3fcf7ad7e40d5684b12eadcfbeee7c59d44123 \\\n    --hash=sha256:cf32043fadd168c17a1b18c1c3f801090281bd5c9ce101e2deb7e0e51c8279dd\npbs-installer==2026.10.21 ; python_full_version >= '3.10' \\\n    --hash=sha256:265c46b81ecc7ffddcc4607be0b87c0797c91911e1492325a563428f569a20c5 \\\n    --hash=sha256:d779e503bee739b0fd39be8b1be05e4ebe9e5d2adab8ff80416d39cd920d4b0d\npkginfo==1.13.3 \\\n    --hash=sha256:66520cd19fddf3faa9554d68dcc0e6801944275bf612e8b581dfba968a9b4cc9 \\\n    --hash=sha256:ad74cc8184b28b77b06cccc49361fd0fdc56fd87e307425ce1c2b7596dbe3185\nplatformdirs==4.4.0 ; python_full_version < '3.10' \\\n    --hash=sha256:abd01743f24e5287cd7a5db3752faf1a2d65353f38ec26d98e25a6db65958c85 \\\n    --hash=sha256:ca753cf4d81dc309bc67b0ea38fd15dc97bc30ce419a7f58d13eb3bf14c4febf\nplatformdirs==4.12.4 ; python_full_version == '3.10.*' \\\n    --hash=sha256:63743c02414e755de4e31b8f68125c1407495b86c5a006e203c01ff8b9924250 \\\n    --hash=sha256:78bfb9db2a8471ed7eebe3c3c932da413911042994e699b384fbb4493fa872d7\nplatformdirs==4.13.5 ; python_full_version >= '3.11' \\\n    --hash=sha256:05831adf87d392760f4b5c3a0a95579ab5a10b18b9b9bd43680dcb47544788a0 \\\n    --hash=sha256:53d3ec4280b815c1e0b02edad7f9ee8fda1ba9c0865dd9c2e6e63849ce82fc1e\npoetry==2.2.1 ; python_full_version < '3.10' \\\n    --hash=sha256:bef9aa4bb00ce4c10b28b25e7bac724094802d6958190762c45df6c12749b37c \\\n    --hash=sha256:f5958b908b96c5824e2acbb8b19cdef8a3351c62142d7ecff2d705396c8ca34c\npoetry==2.5.1 ; python_full_version >= '3.10' \\\n    --hash=sha256:19fbd566efced512be58989a756aa1333cdc9b6aabb4fc84fd1ec9d29ee74874 \\\n    --hash=sha256:3f7910abc667ce0c33a67e306baf017acdec1c8eeec4aa64d176e530d8338a61\npoetry-core==2.2.1 ; python_full_version < '3.10' \\\n    --hash=sha256:97e50d8593c8729d3f49364b428583e044087ee3def1e010c6496db76bd65ac5 \\\n    --hash=sha256:bdfce710edc10bfcf9ab35041605c480829be4ab23f5bc01202cfe5db8f125ab\npoetry-core==2.5.0 ; python_full_version >= '3.10' \\\n    --hash=sha256:81d04c9253b19d0604718268d781867c8f7b2128e5b25bbf1e84141eec6b89c4 \\\n    --hash=sha256:98ee465b66f7e14bb9fbe68fb5e00d0cff184f036993ec94610ae4b5612f3add\npoetry-plugin-export==1.9.0 ; python_full_version < '3.10' \\\n    --hash=sha256:6fc8755cfac93c74752f85510b171983e2e47d782d4ab5be4ffc4f6945be7967 \\\n    --hash=sha256:e2621dd8c260dd705a8227f076075246a7ff5c697e18ddb90ff68081f47ee642\npoetry-plugin-export==1.10.1 ; python_full_version >= '3.10' \\\n    --hash=sha256:83f10f98bb39ddc0dc839bdaa04848c9b2265a77e95d8dfd6e82071cab94540f \\\n    --hash=sha256:b1429306da4eb0fd5c3b52a3bf37a5dfcdac96c6ddcfd08f6385be4aa11932d3\npycparser==2.23 ; (python_full_version < '3.10' and implementation_name != 'PyPy' and platform_python_implementation != 'PyPy' and sys_platform == 'linux') or (python_full_version < '3.10' and implementation_name != 'PyPy' and sys_platform == 'darwin') \\\n    --hash=sha256:78816d4f24add8f10a06d6f05b4d424ad9e96cfebf68a4ddc99c65c0720d00c2 \\\n    --hash=sha256:e5c6e8d3fbad53479cab09ac03729e0a9faf2bee3db8208a550daf5af81a5934\npycparser==3.11 ; (python_full_version == '3.10.*' and implementation_name != 'PyPy' and platform_python_implementation != 'PyPy' and sys_platform == 'linux') or (python_full_version == '3.10.*' and implementation_name != 'PyPy' and sys_platform == 'darwin') \\\n    --hash=sha256:51d5a8ba2be0bbe440b99d2112604c95bbbc3c2748a64260186c541e1729cd80 \\\n    --hash=sha256:d875f09c3507d00e1aba0eecc6dcadc1352f30fff09dc6bff2f1c2935e97c2bc\npycparser==3.12 ; (python_full_version >= '3.11' and implementation_name != 'PyPy' and platform_python_implementation != 'PyPy' and sys_platform == 'linux') or (python_full_version >= '3.11' and implementation_name != 'PyPy' and sys_platform == 'darwin') \\\n    --hash=sha256:a076f3f489b39b43ed13563a1dafe42447445bec2e294154ec5c57fcdda4c85e \\\n    --hash=sha256:f03387877eab82ce01bbdfd0ba7252ee55a90b1c708d5129e2ce915475cf1db6\npyproject-hooks==1.3.3 \\\n    --hash=sha256:5fc53fdac9f7bd63fbcdc868fb5f90b4784d78a53a3d3388cd738b807441a20b \\\n    --hash=sha256:defda19b854fa0d3bd4f76ea4ddcba8abd7dcfcdd585a6690ade050744fc5f43\npython-discovery==1.6.4 \\\n    --hash=sha256:530179cc51a1816d512b15635b3dc931295ae12efb183783ad31190a5d425d2b \\\n    --hash=sha256:bc70d31f0ec5de11eda13d4d64c16e24b3506a65984684f2b6c98cb83b2ea9df\npywin32-ctypes==0.2.3 ; sys_platform == 'win32' \\\n    --hash=sha256:8a1513379d709975552d202d942d9837758905c8d01eb82b8bcc30918929e7b8 \\\n    --hash=sha256:d162dc04946d704503b2edc4d55f3dba5c1d539ead017afa00142c38b9885755\nrapidfuzz==3.13.0 ; python_full_version < '3.10' \\\n    --hash=sha256:09e908064d3684c541d312bd4c7b05acb99a2c764f6231bd507d4b4b65226c23 \\\n    --hash=sha256:0da54aa8547b3c2c188db3d1c7eb4d1bb6dd80baa8cdaeaec3d1da3346ec9caa \\\n    --hash=sha256:0e1d08cb884805a543f2de1f6744069495ef527e279e05370dd7c83416af83f8 \\\n    --hash=sha256:0fd05336db4d0b8348d7eaaf6fa3c517b11a56abaa5e89470ce1714e73e4aca7 \\\n    --hash=sha256:11b125d8edd67e767b2295eac6eb9afe0b1cdc82ea3d4b9257da4b8e06077798 \\\n    --hash=sha256:11b47b40650e06147dee5e51a9c9ad73bb7b86968b6f7d30e503b9f8dd1292db \\\n    --hash=sha256:1343d745fbf4688e412d8f398c6e6d6f269db99a54456873f232ba2e7aeb4939 \\\n    --hash=sha256:1a79a2f07786a2070669b4b8e45bd96a01c788e7a3c218f531f3947878e0f956 \\\n    --hash=sha256:1ba007f4d35a45ee68656b2eb83b8715e11d0f90e5b9f02d615a8a321ff00c27 \\\n    --hash=sha256:1dc82b6ed01acb536b94a43996a94471a218f4d89f3fdd9185ab496de4b2a981 \\\n    --hash=sha256:1f219f1e3c3194d7a7de222f54450ce12bc907862ff9a8962d83061c1f923c86 \\\n    --hash=sha256:200030dfc0a1d5d6ac18e993c5097c870c97c41574e67f227300a1fb74457b1d \\\n    --hash=sha256:202a87760f5145140d56153b193a797ae9338f7939eb16652dd7ff96f8faf64c \\\n    --hash=sha256:25343ccc589a4579fbde832e6a1e27258bfdd7f2eb0f28cb836d6694ab8591fc \\\n    --hash=sha256:2d18228a2390375cf45726ce1af9d36ff3dc1f11dce9775eae1f1b13ac6ec50f \\\n    --hash=sha256:2fd0975e015b05c79a97f38883a11236f5a24cca83aa992bd2558ceaa5652b26 \\\n    --hash=sha256:30fd1451f87ccb6c2f9d18f6caa483116bbb57b5a55d04d3ddbd7b86f5b14998 \\\n    --hash=sha256:3abe6a4e8eb4cfc4cda04dd650a2dc6d2934cbdeda5def7e6fd1c20f6e7d2a0b \\\n    --hash=sha256:3b6f913ee4618ddb6d6f3e387b76e8ec2fc5efee313a128809fbd44e65c2bbb2 \\\n    --hash=sha256:3f32f15bacd1838c929b35c84b43618481e1b3d7a61b5ed2db0291b70ae88b53 \\\n    --hash=sha256:435071fd07a085ecbf4d28702a66fd2e676a03369ee497cc38bcb69a46bc77e2 \\\n    --hash=sha256:45dd4628dd9c21acc5c97627dad0bb791764feea81436fb6e0a06eef4c6dceaa \\\n    --hash=sha256:461fd13250a2adf8e90ca9a0e1e166515cbcaa5e9c3b1f37545cbbeff9e77f6b \\\n    --hash=sha256:4671ee300d1818d7bdfd8fa0608580d7778ba701817216f0c17fb29e6b972514 \\\n    --hash=sha256:48719f7dcf62dfb181063b60ee2d0a39d327fa8ad81b05e3e510680c44e1c078 \\\n    --hash=sha256:4a1a6a906ba62f2556372282b1ef37b26bca67e3d2ea957277cfcefc6275cca7 \\\n    --hash=sha256:4d9d7f84c8e992a8dbe5a3fdbea73d733da39bf464e62c912ac3ceba9c0cff93 \\\n    --hash=sha256:5158da7f2ec02a930be13bac53bb5903527c073c90ee37804090614cab83c29e \\\n    --hash=sha256:5280be8fd7e2bee5822e254fe0a5763aa0ad57054b85a32a3d9970e9b09bbcbf \\\n    --hash=sha256:5435fcac94c9ecf0504bf88a8a60c55482c32e18e108d6079a0089c47f3f8cf6 \\\n    --hash=sha256:558bf526bcd777de32b7885790a95a9548ffdcce68f704a81207be4a286c1095 \\\n    --hash=sha256:573ad267eb9b3f6e9b04febce5de55d8538a87c56c64bf8fd2599a48dc9d8b77 \\\n    --hash=sha256:57c390336cb50d5d3bfb0cfe1467478a15733703af61f6dffb14b1cd312a6fae \\\n    --hash=sha256:5d4e13593d298c50c4f94ce453f757b4b398af3fa0fd2fde693c3e51195b7f69 \\\n    --hash=sha256:5dc71ef23845bb6b62d194c39a97bb30ff171389c9812d83030c1199f319098c \\\n    --hash=sha256:624a108122039af89ddda1a2b7ab2a11abe60c1521956f142f5d11bcd42ef138 \\\n    --hash=sha256:65cc97c2fc2c2fe23586599686f3b1ceeedeca8e598cfcc1b7e56dc8ca7e2aa7 \\\n    --hash=sha256:694eb531889f71022b2be86f625a4209c4049e74be9ca836919b9e395d5e33b3 \\\n    --hash=sha256:6af42f2ede8b596a6aaf6d49fdee3066ca578f4856b85ab5c1e2145de367a12d \\\n    --hash=sha256:6c0efa73afbc5b265aca0d8a467ae2a3f40d6854cbe1481cb442a62b7bf23c99 \\\n    --hash=sha256:6e2065f68fb1d0bf65adc289c1bdc45ba7e464e406b319d67bb54441a1b9da9e \\\n    --hash=sha256:7ac21489de962a4e2fc1e8f0b0da4aa1adc6ab9512fd845563fecb4b4c52093a \\\n    --hash=sha256:7d7cec4242d30dd521ef91c0df872e14449d1dffc2a6990ede33943b0dae56c3 \\\n    --hash=sha256:85c9a131a44a95f9cac2eb6e65531db014e09d89c4f18c7b1fa54979cb9ff1f3 \\\n    --hash=sha256:8c99b76b93f7b495eee7dcb0d6a38fb3ce91e72e99d9f78faa5664a881cb2b7d \\\n    --hash=sha256:9093cdeb926deb32a4887ebe6910f57fbcdbc9fbfa52252c10b56ef2efb0289f \\\n    --hash=sha256:9256218ac8f1a957806ec2fb9a6ddfc6c32ea937c0429e88cf16362a20ed8602 \\\n    --hash=sha256:9327a4577f65fc3fb712e79f78233815b8a1c94433d0c2c9f6bc5953018b3565 \\\n    --hash=sha256:93a755266856599be4ab6346273f192acde3102d7aa0735e2f48b456397a041f \\\n    --hash=sha256:98b8107ff14f5af0243f27d236bcc6e1ef8e7e3b3c25df114e91e3a99572da73 \\\n    --hash=sha256:98e0bfa602e1942d542de077baf15d658bd9d5dcfe9b762aff791724c1c38b70 \\\n    --hash=sha256:9a7c6232be5f809cd39da30ee5d24e6cadd919831e6020ec6c2391f4c3bc9264 \\\n    --hash=sha256:9f338e71c45b69a482de8b11bf4a029993230760120c8c6e7c9b71760b6825a1 \\\n    --hash=sha256:9f5fe634c9482ec5d4a6692afb8c45d370ae86755e5f57aa6c50bfe4ca2bdd87 \\\n    --hash=sha256:a50856f49a4016ef56edd10caabdaf3608993f9faf1e05c3c7f4beeac46bd12a \\\n    --hash=sha256:a6dd36d4916cf57ddb05286ed40b09d034ca5d4bca85c17be0cb6a21290597d9 \\\n    --hash=sha256:a9ad1f37894e3ffb76bbab76256e8a8b789657183870be11aa64e306bb5228fd \\\n    --hash=sha256:aafc42a1dc5e1beeba52cd83baa41372228d6d8266f6d803c16dbabbcc156255 \\\n    --hash=sha256:adb40ca8ddfcd4edd07b0713a860be32bdf632687f656963bcbce84cea04b8d8 \\\n    --hash=sha256:ae4574cb66cf1e85d32bb7e9ec45af5409c5b3970b7ceb8dea90168024127566 \\\n    --hash=sha256:b1b065f370d54551dcc785c6f9eeb5bd517ae14c983d2784c064b3aa525896df \\\n    --hash=sha256:b5104b62711565e0ff6deab2a8f5dbf1fbe333c5155abe26d2cfd6f1849b6c87 \\\n    --hash=sha256:b7b3eda607a019169f7187328a8d1648fb9a90265087f6903d7ee3a8eee01805 \\\n    --hash=sha256:b7f4c65facdb94f44be759bbd9b6dda1fa54d0d6169cdf1a209a5ab97d311a75 \\\n    --hash=sha256:b836f486dba0aceb2551e838ff3f514a38ee72b015364f739e526d720fdb823a \\\n    --hash=sha256:bef86df6d59667d9655905b02770a0c776d2853971c0773767d5ef8077acd624 \\\n    --hash=sha256:c2b3dd5d206a12deca16870acc0d6e5036abeb70e3cad6549c294eff15591527 \\\n    --hash=sha256:c33f9c841630b2bb7e69a3fb5c84a854075bb812c47620978bddc591f764da3d \\\n    --hash=sha256:c523620d14ebd03a8d473c89e05fa1ae152821920c3ff78b839218ff69e19ca3 \\\n    --hash=sha256:cc269e74cad6043cb8a46d0ce580031ab642b5930562c2bb79aa7fbf9c858d26 \\\n    --hash=sha256:cc64da907114d7a18b5e589057e3acaf2fec723d31c49e13fedf043592a3f6a7 \\\n    --hash=sha256:ccbd0e7ea1a216315f63ffdc7cd09c55f57851afc8fe59a74184cb7316c0598b \\\n    --hash=sha256:cdb33ee9f8a8e4742c6b268fa6bd739024f34651a06b26913381b1413ebe7590 \\\n    --hash=sha256:cfcccc08f671646ccb1e413c773bb92e7bba789e3a1796fd49d23c12539fe2e4 \\\n    --hash=sha256:d21f188f6fe4fbf422e647ae9d5a68671d00218e187f91859c963d0738ccd88c \\\n    --hash=sha256:d25fdbce6459ccbbbf23b4b044f56fbd1158b97ac50994eaae2a1c0baae78301 \\\n    --hash=sha256:d2eaf3839e52cbcc0accbe9817a67b4b0fcf70aaeb229cfddc1c28061f9ce5d8 \\\n    --hash=sha256:d395a5cad0c09c7f096433e5fd4224d83b53298d53499945a9b0e5a971a84f3a \\\n    --hash=sha256:d7a217310429b43be95b3b8ad7f8fc41aba341109dc91e978cd7c703f928c58f \\\n    --hash=sha256:d8cf5f7cd6e4d5eb272baf6a54e182b2c237548d048e2882258336533f3f02b7 \\\n    --hash=sha256:df8e8c21e67afb9d7fbe18f42c6111fe155e801ab103c81109a61312927cc611 \\\n    --hash=sha256:e05752418b24bbd411841b256344c26f57da1148c5509e34ea39c7eb5099ab72 \\\n    --hash=sha256:e1bdd2e6d0c5f9706ef7595773a81ca2b40f3b33fd7f9840b726fb00c6c4eb2e \\\n    --hash=sha256:e297c09972698c95649e89121e3550cee761ca3640cd005e24aaa2619175464e \\\n    --hash=sha256:e62779c6371bd2b21dbd1fdce89eaec2d93fd98179d36f61130b489f62294a92 \\\n    --hash=sha256:e8ddb58961401da7d6f55f185512c0d6bd24f529a637078d41dd8ffa5a49c107 \\\n    --hash=sha256:e9d824de871daa6e443b39ff495a884931970d567eb0dfa213d234337343835f \\\n    --hash=sha256:ed6f416bda1c9133000009d84d9409823eb2358df0950231cc936e4bf784eb97 \\\n    --hash=sha256:ef0f5f03f61b0e5a57b1df7beafd83df993fd5811a09871bad6038d08e526d0d \\\n    --hash=sha256:f4797f821dc5d7c2b6fc818b89f8a3f37bcc900dd9e4369e6ebf1e525efce5db \\\n    --hash=sha256:f70f646751b6aa9d05be1fb40372f006cc89d6aad54e9d79ae97bd1f5fce5203 \\\n    --hash=sha256:fd742c03885db1fce798a1cd87a20f47f144ccf26d75d52feb6f2bae3d57af05 \\\n    --hash=sha256:fe5790a36d33a5d0a6a1f802aa42ecae282bf29ac6f7506d8e12510847b82a45 \\\n    --hash=sha256:fedd316c165beed6307bf754dee54d3faca2c47e1f3bcbd67595001dfa11e969\nrapidfuzz==3.14.5 ; python_full_version == '3.10.*' \\\n    --hash=sha256:0084b687b02b4e569b46d8d6d4ad25659528e6081cd6d067ca453a69035f07e4 \\\n    --hash=sha256:01550fe5f60fd176aa66b7611289d46dc4aa4b1b904874c7b6d1d54e581c5ec1 \\\n    --hash=sha256:0298d357e2bc59d572da4db0bc631009b6f8f6c9bc8c11e99a12b833f16b6575 \\\n    --hash=sha256:068b3e965ca9d9ee4debe40001ae7c3938ba646308afd33cf0c66618147db65c \\\n    --hash=sha256:071d96b957a33b9296b9284b6350a0fb6d030b154a04efd7c15e56b98b79a517 \\\n    --hash=sha256:09d6c9ba091854f07817055d795d604179c12a8f308ba4c7d56f3719dfea1646 \\\n    --hash=sha256:0d3378f471ef440473a396ce2f8e97ee12f89a78b495540e0a5617bbfe895638 \\\n    --hash=sha256:0ebd1a18e2e47bc0b292a07e6ed9c3642f8aaa672d12253885f599b50807a4f9 \\\n    --hash=sha256:0f23e37019ec07712d58976b1ab2b889f8649a7f7c2f626a2f34ea9139e79279 \\\n    --hash=sha256:11bfc2ed8fbe4ab86bd516fadefab126f90e6dcadffa761739fcb304707dfd35 \\\n    --hash=sha256:13cb79c23ef5516e4c4e3830877be8b19aa75203636be1163d690d37803f6504 \\\n    --hash=sha256:17a34330cd2a538c1ce5d400b61ba358c5b72c654b928ff87b362e88f8b864c7 \\\n    --hash=sha256:1a31cc6d7d03e7318a0974c038959c59e19c752b81115f2e9138b3331cd64d45 \\\n    --hash=sha256:1e910eebca9fd0eba245c0555e764597e8a0cccb673a92da2dc2397050725f48 \\\n    --hash=sha256:1e989f86113be66574113b9c7bdf4793f3f863d248e47d911b355e05ca6b6b10 \\\n    --hash=sha256:2e83cd2e25bb4edd97b689d9979d9c3acccdaaf26ceac08212ceece202febcfa \\\n    --hash=sha256:39ef8658aaf67d51667e7bdaf7096f432333377d8302ac43c70b5df8a4cf89b8 \\\n    --hash=sha256:3d50e5861872935fece391351cbb5ba21d1bced277cf5e1143d207a0a35f1925 \\\n    --hash=sha256:3e91dcd2549b8f8d843f98ba03a17e01f3d8b72ce942adbbb6761bc58ffce813 \\\n    --hash=sha256:419e4397a36e2665ec992d8d64c20ba4b2a42500c76ecadeca78a4f19cb9cc32 \\\n    --hash=sha256:440d30faaf682ca496170a7f0cc5453ec942e3e079f0fd802c9a7f938dfb50a3 \\\n    --hash=sha256:46b92a9970dcc34f0096901c792644094cab49554ac3547f35e3aebbdf0a3610 \\\n    --hash=sha256:478b59bb018a6780d73f33e38d0b3ec5e968a6c1ed42876b993dd456b7aa20e8 \\\n    --hash=sha256:48bee0b91bebfaec41e1081e351000659ab7570cc4598d617aa04d5bf827f9e6 \\\n    --hash=sha256:4900143d82071bdda533b00300c40b14b963ff826b3642cc463b6dd0f036585e \\\n    --hash=sha256:4a60f0057231188e3bd30216f7b4e0f279b11fa4ec818bb6c1d9f014d1562fbc \\\n    --hash=sha256:56227a61fd3d17b0cd9793132431f3a3d07c8654be96794ba9f89fe0fc8b2d09 \\\n    --hash=sha256:578e6051f6d5e6200c259b47a103cf06bb875ab5814d17333fc0b5c290b22f4c \\\n    --hash=sha256:593c00dac4e30231c35bf3b4f1da8ec0998762e9e94425586a5d636fcd57f9d0 \\\n    --hash=sha256:59b3dba758661a318995655435c6ab20a04ade79fa51e75bc8dc107cac8df280 \\\n    --hash=sha256:5ab449c9abd0d4e1f8145dce0798a4c822a1a1933d613c764a641bea88b8bdab \\\n    --hash=sha256:5dfa89d78f22cd773054caff44827b846161a29f2dcf7e78b8f90d086621e502 \\\n    --hash=sha256:649712823f3abcdc48427147a5384fac15623ba435d0013959b52e6462521397 \\\n    --hash=sha256:667f40fe9c81ad129b198d236881b00dd9e8314d9cc72d03c3e16bdfe5879051 \\\n    --hash=sha256:6737b35d5af7479c5bf9710f7b17edd9d2c43128d974d25fb4ea653e42c64609 \\\n    --hash=sha256:67f3f9d2b444268ab53e47d31bab89954888d23c04c6789f2c727e51fe4b1d13 \\\n    --hash=sha256:7092a216728f80c960bd6b3807275d1ee318b168986bd5dc523349581d4890b8 \\\n    --hash=sha256:738c96944d076deeaff70e92b65696ab4f7ecb8081d7791c5403a3257dfaf8ff \\\n    --hash=sha256:77eac0526899b3c3ad1454bb2b03cdb491d67358ec8ef0c9c48bd61b632b431d \\\n    --hash=sha256:7d5ca9c7832e6879a707296d1463685f7c243a27846227044504741640caec66 \\\n    --hash=sha256:7e580cb04ad849ae9b786fa21383c6b994b6e6c1444ad1cb9f22392759d72741 \\\n    --hash=sha256:8166efddea49fdbc61185559f47593239e4794fd7c9044dd5a789d1a90af852d \\\n    --hash=sha256:823b1b9d9230809d8edcc18872770764bfe8ef4357995e16744047c8ccf0e489 \\\n    --hash=sha256:88b7d31ff1cc5e9bc0e4406e6b1fa00b6d37163d50bb58091e9b976ff1129faa \\\n    --hash=sha256:8c90cdf8516d9057e502aa6003cea71cf5ec27cc44699ca52412b502a04761bb \\\n    --hash=sha256:8ce1d850b3c0178440efde9e884d98421b5e87ff925f364d6d79e23910d7593f \\\n    --hash=sha256:8f4a8f5cc84c7ad6bffa0e9947b33eb343ad66e6b53e94fe54378a5508c5ed53 \\\n    --hash=sha256:93d8da883a35116d6813432177f35e570db5b0a5e30ecb0cbd7cb39c815735df \\\n    --hash=sha256:95d937e74c1a7a1287dfb03b62a827be08ede10a155cf1af73bbf47f2b73ee6e \\\n    --hash=sha256:9669753caef7fdc6529f6adcc5883ed98d65976445d9322e7dbdb6b697feee13 \\\n    --hash=sha256:97131ab2be39043054ee28d99e09efe316e6d53449b7e962dfcf3c2de8b2b246 \\\n    --hash=sha256:97c6d85283629646fa87acc22c66b30ea9d4de7f6fdf887daa2e30fa041829b5 \\\n    --hash=sha256:9981d38a703b86f0e315a3cd229fd1906fe1d91c989ed121fb975b3c849f89f5 \\\n    --hash=sha256:9ad37a0be705b544af6296da8edddc260d10a8ae5462530fc9991f66498bb1f9 \\\n    --hash=sha256:a2ae6f53f99c9a0eca7a0afc5b4e45fc73bc1dd4ac74c00509031d76df80ed98 \\\n    --hash=sha256:aac0ad28c686a5e72b81668b906c030ee28050b244544b8af68e12fb32543895 \\\n    --hash=sha256:af3b859726cd3374287e405e14b9634563c078c5531a4f62375508addebddad1 \\\n    --hash=sha256:af6a90a4ed2a48fa1a2d17e9d824e6c7c950bea5bad0b707c77fd55751e6bfef \\\n    --hash=sha256:b002c7994cc9f2bc9d9856f0fbaee6e8072c983873846c92f25cefba5b2a925f \\\n    --hash=sha256:b486b5218808f6f4dc471b114b1054e63553db69705c97da0271f47bd706aedd \\\n    --hash=sha256:b9c6bd754d11f6e78ac54e3d86b4b11dc1ba2f13e5fc958899574532897f5a99 \\\n    --hash=sha256:ba10ac57884ce82112f7ed910b67e7fb6072d8ef2c06e30dc63c0f604a112e0e \\\n    --hash=sha256:bf5018938208d4597b2e679a4f8cff9fd252f1df53583130ae56281a21801b64 \\\n    --hash=sha256:c0919d1f89ddf91129906705723118ea09754171e4116f5a5dbc667c7bc9b261 \\\n    --hash=sha256:c5801a89604c65ab4cc9e91b23bc4076d0ca80efd8c976fb63843d7879a85d7f \\\n    --hash=sha256:c84af70bcf34e99aee894e46a0f1ac77f17d0ef828179c387407642e2466d28a \\\n    --hash=sha256:cb2829fedd672dd7107267189dabe2bbe07972801d636014417c6861eb89e358 \\\n    --hash=sha256:d45e06f60729e07d9b20c205f7e5cff90b6ef2584e852eecf46e045aea69627d \\\n    --hash=sha256:d7ca16637c0ede8243f84074044bd0b2335a0341421f8227c85756de2d18c819 \\\n    --hash=sha256:d8375e3da319593389727c3187ccaf3e0e84199accc530866b8e0f2b79af05e9 \\\n    --hash=sha256:dfa552338f51aec280f17b02d28bace1e162d1a84ccd80e3339a57f98aedb56b \\\n    --hash=sha256:dfef96543ced67d9513a422755db422ae1dc34dade0a1485e0b43e7342ed3ebf \\\n    --hash=sha256:e012177c8e8a8a0754ae0d6027d63042aa5ff036d9f40f07cb3466a6082e21b8 \\\n    --hash=sha256:e251126d48615e1f02b4a178f2cd0cd4f0332b8a019c01a2e10480f7552554b4 \\\n    --hash=sha256:e52da10236aa6212de71b9e170bace65b64b129c0dea7fc243d6c9ce976f5074 \\\n    --hash=sha256:eacb434410b8d9ca99a8d42352ef085cf423e3c76c1f0b86be2fcba3bff2952c \\\n    --hash=sha256:ebd8fd343bf8492a1e60bcb6dc99f90f74f65d98d8241a6b3e1fed225b76ecd6 \\\n    --hash=sha256:f0b2af76b7e7060c09e1a0dfa9410eb19369cbe6164509bff2ef94094b54d2b6 \\\n    --hash=sha256:f2073495a7f9b75e57e600747ac09510d67683fd64d3228e009740b7ef88f9fe \\\n    --hash=sha256:f4c1bca487a17fe4226b4ffb2d30e799d2b274d692cffa76bd0746f56235fca3 \\\n    --hash=sha256:f9fff308486bbd2c8c24f25e8e152c7594d3fe8db265a2d6a1ce24d58671127f \\\n    --hash=sha256:fbf1b8bb2695415b347f3727da1addca2acb82c9b97ac86bebf8b1bead1eb12d \\\n    --hash=sha256:feedf219672eef83ea6be6f3bb093bba396a8560fc75be85ba225f082903df0a\nrapidfuzz==3.14.6 ; python_full_version >= '3.11' \\\n    --hash=sha256:07c7aa0b1e4b9999a54f9e73317d6743ff85442c8ef7b7fbbe6b190fd37d9e75 \\\n    --hash=sha256:0844066900cdc9909ce4ab4fb5ba1d8e0c021252d770f2ea476f3443df1d22ef \\\n    --hash=sha256:08bc63b88048376114d1e66cf8fa6926495d03bb873eb87854fa74cf6848a70b \\\n    --hash=sha256:0b34b7ee4f4f760690d6477163aabbec05705b5dd764cb6c3a6ba95aa1fffc42 \\\n    --hash=sha256:0c61cade182f130c9903231946bd1074539121721693a918e7b70382ae802bd8 \\\n    --hash=sha256:0debb5f43662ea84d2f0228a0c7407ff647f9c3d13f3b692efff0cde46eebce0 \\\n    --hash=sha256:0f8d6718e7edacdb16455c0472e7552fd518decb91e91250c58784fd6163f54f \\\n    --hash=sha256:10576c39fe6a49fad0bf1069371a77300ce166a3f36d2900d2d0bae08f297104 \\\n    --hash=sha256:11d76bb2b2cd038df708ae18f521fb3a50af477cc5a0dffce812da43a2f1beb3 \\\n    --hash=sha256:1398bd2c197b79bfc40b615999fd3599dc60265fdd5b59edc18156ae048c4cde \\\n    --hash=sha256:15da2b258908eb38853c1a6a58a1d09d9aad9c721e03a68c8ba691cd31dff739 \\\n    --hash=sha256:17081a0e904c12bb4ed49619a2bbb6528f6af00fe850e7ace22487bfd2aea455 \\\n    --hash=sha256:178557c7a50c8c8d65369ede7f3d845bf23590a951c9a368caf166b105d58cf3 \\\n    --hash=sha256:189ce2bf14938bfa003fbbe7e6da7584ed6ebbc4c560686255dbc20e2829f470 \\\n    --hash=sha256:1901414b135afb1a7f4b1ef940b95523b49cc5642aecf02af740f37567e98137 \\\n    --hash=sha256:19c1cda8198cc57ffd4ff69a1c02cbe4297e9ca7b506bca03ec584da0a9fe1ff \\\n    --hash=sha256:1b0a9546a7328d3cfc2f1385501db7c4c374fb566dc1a3b22ad56092846c0134 \\\n    --hash=sha256:1c0dd0d765184366b6e213a8af3b0b3bb39dad27943bbfb193515d4ff96ac82a \\\n    --hash=sha256:1d253e1fe44648242a0029b42ba23adf238ed2a7eb3d8ed0a03731a23f074ae0 \\\n    --hash=sha256:1e6911e3a14971719ddc35af98f181d2e5369ab273a5a3488ab7685d23c31ad5 \\\n    --hash=sha256:28e9ce91bd41a8203185887ef9b1541a891aa61c5c1cb2e46f1689cd4288d372 \\\n    --hash=sha256:2bc7af3a699371a941aac86dc8a79ac92adeb3c2add2aab02230e76068a0029e \\\n    --hash=sha256:2cc9b5dde0ac89f7856f997ef917cac8e18e9dea473e9b3090a84bd600de6a91 \\\n    --hash=sha256:32352a3ed1aad9c097d31fd4f2eece3030169e2de3dedde7a2fadc2652b768ad \\\n    --hash=sha256:33a2f7faedaa3608c4876c41b448fc786d54e6cd7c6e732f7de466319b5a73c2 \\\n    --hash=sha256:35db2670f69fa3a4eb4741055581477ff92f2cf39e7e06f43ebcb97c2192fe7c \\\n    --hash=sha256:36710ff214b7a8049d26a9c81d99948026593cacb47663742c4119072b651ecd \\\n    --hash=sha256:36a37ddc729c33618d89fa221d3333b9b956dc38cf15d31301e6169d962399a3 \\\n    --hash=sha256:3781cf14f9fc933d7198c2b25a8bbbd1a62b752746d5cd26de14957edc0e802f \\\n    --hash=sha256:3c2444f5cd757ded2c3ba8b1734253b801b9b2ba9ecb3ee40cd505cebbfa7341 \\\n    --hash=sha256:3d502769263318690d4f6638b08483979d1b88cdc7c6f087482eea935fde4031 \\\n    --hash=sha256:3d5b1cfa67bbe6239a643bca1d986f8a07e0a045286c674946e1648c132baa46 \\\n    --hash=sha256:3d5d90bae3c6fb7ea34da968c9f23070e8440edb827a28b242580e0108110b14 \\\n    --hash=sha256:408b2e8e8c1ac71b57f0923cf964d6932539725e07b69e70ec66f22c4a403891 \\\n    --hash=sha256:40c2753e2d4dc96b25f8a25adc23ab0bb6cfd8bc8125a1753ac4b037d6ff6511 \\\n    --hash=sha256:40d0cd9c82083aeb30bae8dee265ae571e6748d0d7b222ddd777f33d95a3b712 \\\n    --hash=sha256:41ee893c4d7d0fb1844f6cad966540a833784b3bad2c239a0d80195d9231cef4 \\\n    --hash=sha256:4406b2517b85febcf9419f8fbcdfbd534872ea32608050f9562224933ca49a4c \\\n    --hash=sha256:44f1cddbc2010700e2d88063d0ab64183efe2578d9b52770ce1cd283dda230c5 \\\n    --hash=sha256:46ddb42af4cad3ac9d5e0c97ee1e687500c529a1ad5cbf9c949ce35f6edd4537 \\\n    --hash=sha256:50cd6718bcda7ec5293635a9d0b3fb5906251013d3b99ca403ba9dfa8965f661 \\\n    --hash=sha256:55dc9a55924b4ecfcf4a60a701bcfae7d9daf0129c41dc16139270d75be0996c \\\n    --hash=sha256:5667c56fdc902fa1e12449b5c042e8b1c7e9b30040db20c396fbdb3d0a750866 \\\n    --hash=sha256:635f242f4bdf05d1477fa409815bd73e5f78896773ace84997bc472ffeef685f \\\n    --hash=sha256:63b0e84faec3c5706cae8ae51246ff103407d54efa32a615a548b7b67392ebcf \\\n    --hash=sha256:659b41570fcc6e02631ac361c47cc8db9ad26d740e4be2177df1b63005a49174 \\\n    --hash=sha256:66ece6f5e2586c742fc3e0b8487e06783d27c6c24adcdcfdd7f306afbd8b5737 \\\n    --hash=sha256:6bb896f89a387219c671ebc33c4a636b222010cc3c5c83884a7fc8707bf0bbf9 \\\n    --hash=sha256:6f9ad513e3a3e045b60b421d5cd3887ae0a33b38fc6c6db3ea5e27c0a2e0412c \\\n    --hash=sha256:71a5bbfd00da1963f27dd1432068929694cf0e00007ae2b9c1ad2a187ec29a16 \\\n    --hash=sha256:737a57cbca3e5c16decac86e205727bcd4b99c52f77c48bb44123078c5cd9a7a \\\n    --hash=sha256:760ee152af5e8b4d241a469f933ba2d7215248618ae19770fec7d80d9e149db6 \\\n    --hash=sha256:76a122fc573df603deb5fb827df31bb5efbd0826b50bb7aeca8535a6e8c70cf9 \\\n    --hash=sha256:7ca0f498bf771a87557e6d8b573aa6cf3daded58ae2eaeb6973618ce3e1615ad \\\n    --hash=sha256:864658e5a10d249a2277374e800f944fe990346d70eea6f3a51b712b6dd01984 \\\n    --hash=sha256:8683fefdd3484d64a191b3efbc8cbe9162c3eac891fd62d0a1b70e117ffcd434 \\\n    --hash=sha256:8fa7d45388dec34a86038f2a38380f4922b74b5dd8991247f629a531178db10f \\\n    --hash=sha256:9080a730fdcf3cb8a07464c90f9cf40c1b4ffc73a8375b56a8898aba619dda30 \\\n    --hash=sha256:96a548979cd939b2c69358a0f5088a408524fbf7454f04bf90939fa971e64310 \\\n    --hash=sha256:96bbd5a1c67d135334d02fae74f1d933fdda204ea03d544a59dab6b1cbfbf565 \\\n    --hash=sha256:9989280902b9c4ecf7de95fbb906e94df0d8c047290ed315c7aa1760cec9b3de \\\n    --hash=sha256:9ddb0ddf3ee616fdc066add4ef05639c5cf59b58d83779b6023488e5435f6191 \\\n    --hash=sha256:9e00c8c9500aacbc0c52b66369f54533ecbdcb92e5aa87e160fc8e293000a696 \\\n    --hash=sha256:9e974251a9833791bc557b46f975676a56c2d58946f795cd2964b095496dfdcc \\\n    --hash=sha256:a0c8bef04f6b1d9fdbb319576350af53151a64692d477db7d4844c220bc8e212 \\\n    --hash=sha256:aaa83b633d877a05d549d2073629134998d1b3b9dbc114873d3ff4277984979f \\\n    --hash=sha256:ab4386ef7c2cb3e5eb46e815be49715dfcd301bb9f0a431f18da7aa0007de54f \\\n    --hash=sha256:abe92a70134c8b40790bb5c78b2a0a790686c26e83b6e99a456127ca141fe06a \\\n    --hash=sha256:ad60297c001d15af24338440bca85dfee8710e9e3222733c906b33e89d986166 \\\n    --hash=sha256:adb160a100f6122aa45c78d686e198da3f9e815d4182e0c4fe730608479f7f9c \\\n    --hash=sha256:b056ce19eaea2ea70c6a6fb387a605ca2af8979de5b9d507597e8012820ddb14 \\\n    --hash=sha256:b22ef7e5e2341efc6216b666491022027b984e5aef93446064742f43f3c1d926 \\\n    --hash=sha256:b42536675c930cb76b7998bfc4d8e59cb35d8df47f2103020265743b6b2ccd2a \\\n    --hash=sha256:b46cecf27025e7a934332ade033e6a394da8a493f19fa1d835e3b2968a4ff7da \\\n    --hash=sha256:b82c21c30568e096ef2a9dda7d45c379e6141694e0472dac73bc4372ce13ccee \\\n    --hash=sha256:bba0e9fad4dbea80227cde9cef3aaa984a934a84aec5f7505532e19838b14769 \\\n    --hash=sha256:bc3d74d18543ddfbc8babe1faadb19927a7999fd0d01181cce9e721c14c36ab6 \\\n    --hash=sha256:bf4fb0f19c9dfce7a908c3e309753602ce3edb83bb74e9ff997e278765bf89df \\\n    --hash=sha256:c53a269bdbd71ffbc856d3db9e609478251001ee272507578fa838bc2bd421fe \\\n    --hash=sha256:c69fb0e064d10c79908dcda76d7ca8ecdf8393a39acbb74dbad3f709f2c60e95 \\\n    --hash=sha256:c9d135fb93709d707577da8a7a8ffc7283525a5b6d0ce55aa3724be5639ed65b \\\n    --hash=sha256:cab4a932cec02d09471e2c9f1434049ef5bfe1f6e646ff10939c222dc610ad60 \\\n    --hash=sha256:cbe6a62f71fcbca72acbf5a30e53380600369f257f951d664d81d30c0c598595 \\\n    --hash=sha256:cfca36e4612208875e08611a779164b6cb8900ab8bbd3d82d4cfdfae9efbfac9 \\\n    --hash=sha256:d4c5adb921b67dd79ffc0a14f92b9f8df3d012e66aab340b154ed87014229d93 \\\n    --hash=sha256:d6b58daadbe6974884ec39aee30cfb8bd2e126f8d03503f0069f70d5e84656a3 \\\n    --hash=sha256:d85a6e9180e53cde95c95dfeb05a2ac94ead4d9d803a8fd186d2719a678b8483 \\\n    --hash=sha256:dbe3378db3ae0453accf6196e2ed943f43d416cfacdcb8883db105bc14a0130f \\\n    --hash=sha256:dd89abd1c4b3776c3471a817216830bd275441c8344bbda5d51a3bffe1e0fbdf \\\n    --hash=sha256:e06c6050c9bf6cd72305e3e6a293918b2b92cf2a067007585a53898624902e3c \\\n    --hash=sha256:e13a8160d017b499ec7a2fa9d0ce1ae2e7377080815785819f966fb235d4eb60 \\\n    --hash=sha256:e221366e24709b9d41d5f9cc99053b04cfc575d429e956a82cfbc4c4e9e8860a \\\n    --hash=sha256:e2fc748d1fde4109e5d0dab27f1e61f53b3136a235dfee5a4fb579da44808b6a \\\n    --hash=sha256:eab2d4680d7f438dbb1d484b187d59a943edea9c83f792c764a0c148a417a60a \\\n    --hash=sha256:eabaf06ca4896c59cfd9162480f0d37a15a2304ce2efe83ae2bbcfa1cf13534e \\\n    --hash=sha256:ecb45d616002751b58914d5b7c2e66acd39e12242be12717a1258148a1b36526 \\\n    --hash=sha256:f0d2d95c787d812b9106cfbcb94ad37a49f59df9287e00a75eb61afc246e8759 \\\n    --hash=sha256:f35723caef8cc31b6f34209708fb172fc88bab0077c12e9b36bbb829baaf1b16 \\\n    --hash=sha256:f9b0a501f37fb852c54469375baa25874246b3bbc8b6e21fb4cd186a32335868 \\\n    --hash=sha256:f9d93e5424d1e4c103b57906b8beba270e680afda3ffdff7ea3bc6173b37083c \\\n    --hash=sha256:faebff9b9a287fb673f9a66465a7e03043601c9bfe5e71c3f91b3f2e7b8a37f6 \\\n    --hash=sha256:fc166efa4ca2fc9cc52e43784a54cbea95fc0e03e533f8266ef66b1c04c7cb76 \\\n    --hash=sha256:fc950bb77105a2717d03d9f9c9e21e9ace7df2b8e864dd91edef7e32fa143be2\nrequests==2.32.5 ; python_full_version < '3.10' \\\n    --hash=sha256:2462f94637a34fd532264295e186976db0f5d453d1cdd31473c85a6a161affb6 \\\n    --hash=sha256:dbba0bac56e100853db0ea71b82b4dfd5fe2bf6d3754a8893c3af500cec7d7cf\nrequests==2.34.2 ; python_full_version >= '3.10' \\\n    --hash=sha256:2a0d60c172f83ac6ab31e4554906c0f3b3588d37b5cb939b1c061f4907e278e0 \\\n    --hash=sha256:f288924cae4e29463698d6d60bc6a4da69c89185ad1e0bcc4104f584e960b9ed\nrequests-toolbelt==1.0.0 \\\n    --hash=sha256:7681a0a3d047012b5bdc0ee37d7f8f07ebe76ab08caeccfc3921ce23c88d5bc6 \\\n    --hash=sha256:cccfdd665f0a24fcf4726e690f65639d272bb0637b9b92dfd91a5568ccf6bd06\nsecretstorage==3.3.3 ; python_full_version < '3.10' and sys_platform == 'linux' \\\n    --hash=sha256:2403533ef369eca6d2ba81718576c5e0f564d5cca1b58f73a8b23e7d4eeebd77 \\\n    --hash=sha256:f356e6628222568e3af06f2eba8df495efa13b3b63081dafd4f7d9a7b7bc9f99\nsecretstorage==3.5.0 ; python_full_version >= '3.10' and sys_platform == 'linux' \\\n    --hash=sha256:0ce65888c0725fcb2c5bc0fdb8e5438eece02c523557ea40ce0703c266248137 \\\n    --hash=sha256:f04b8e4689cbce351744d5537bf6b1329c6fc68f91fa666f60a380edddcd11be\nshellingham==1.5.4 \\\n    --hash=sha256:7ecfff8f2fd72616f7481040475a65b2bf8af90a56c89140852d1120324e8686 \\\n    --hash=sha256:8dbca0739d487e5bd35ab3ca4b36e11c4078f3a234bfce294b0a0291363404de\ntomli==2.5.0 ; python_full_version < '3.11' \\\n    --hash=sha256:069435bd5480429b98c5e5afb02ab21c219b6f0064680671c6dc0d46817346ea \\\n    --hash=sha256:0dc598040da8d42cf20f0be588ed7004f46db12a0ac6c32e03a59dccedaaadcd \\\n    --hash=sha256:1245a6638fc4bb0a60af38a7d45413db34a13842027c77597c712c998c62fdf0 \\\n    --hash=sha256:19b0dd8749f4ea2f112c5fcfb3c5248390c899d7e2e173f1d91abee1fa0ff391 \\\n    --hash=sha256:1f4a40d03fb9f63424f0979855bdeaf44dd7696b8d59501822c10ed30ba532df \\\n    --hash=sha256:20aa36de8f2cf87237143bc1fa1aae8d6612c09118f4da21c6a684db5dd1f6f9 \\\n    --hash=sha256:21e4cae4114aba25aa0d4f85cdf486d290fb35c0954d7bba536248da64d43066 \\\n    --hash=sha256:22185fad8a1e622f064e78008018a0dd3323550dcb479cb7a1d296888d74024f \\\n    --hash=sha256:2419c2a189551987b59d80e63ec355671283336f41c6b9b89462df679c7d0c57 \\\n    --hash=sha256:264507556cd8b8c8e7c6ee037cdf443a463f03f4c958e57195e3d369711b8ff6 \\\n    --hash=sha256:32a7b79ac57a2e83670ce329ccf675798bc5a2094783a63676866b70503f2e2b \\\n    --hash=sha256:3f89d10c1ff6a38d992c27fc8a4816af71a909e08a40ec66934240b1e74347c3 \\\n    --hash=sha256:463b16086865b97facd8d0b3fb4cb7c544e3f58d2a69dc3113d6db9653fdb043 \\\n    --hash=sha256:49096930c8d886c9bbdab62d2d0d17ce823ddeea522309a190b36245d5b49e01 \\\n    --hash=sha256:521345fd1f19d45b8df87657aaa38b6f2ca3800059fadf428e7ebf479a383646 \\\n    --hash=sha256:57b1c3b01fab802e2899bc3d168dca320e14165e2fd9fd584760fb4ca5826859 \\\n    --hash=sha256:5d8bac3d603c97e6854424e5b2b5b741bdbde387e09f162fb0446812b4a8362b \\\n    --hash=sha256:610b27d99f28ec5f191c7064a48f3ddb179a1fe6ca73d571483ae859f57b605e \\\n    --hash=sha256:61ea1ebe1e55a34ea8199cc8dbff398d35027b82271c8ac4802fd3a1fd5b1bcc \\\n    --hash=sha256:62fc1bc8eb03e3a9cadfca713d65614ed8e09d974a283295ffe3a831976b4dc5 \\\n    --hash=sha256:6664b7ae7af7294256c53960a6103077f4914cec8ff98479c352f622c6f6b2f0 \\\n    --hash=sha256:667e521b37a6c5ccaa044202c235b530f90177ffe2cd4a64ecc213c7dd535feb \\\n    --hash=sha256:69491c143d2fe063046e0301e62a810bed338fa4d1ce0fd870c27dc1e09b0d84 \\\n    --hash=sha256:6cf74416bdc94ae458b14e37286c1073081850ac8459a00d0c5efef5d44294c6 \\\n    --hash=sha256:6e95c7614e705bfe2b04b27aa124adec59752d15813df37e2156747cab3a006b \\\n    --hash=sha256:6f041843c4d3a37245c0c056fd955b186bf8b1fb85690cbe40b81230891dc34b \\\n    --hash=sha256:752e8b1aa6a4367ef8bf6a1a1e005540f7ed055ba36d7193796812ca5404eb52 \\\n    --hash=sha256:75dbcde8751b0a960aa3de173aa5e894d590755c6d7758b7e774c06f1dc3cbdd \\\n    --hash=sha256:7ac2027d37c3afbdf4bdd377f2676f6f1d2122a5be1f1137b49dced590b37e75 \\\n    --hash=sha256:7ad1ea345759240d6463efa0ed1c704402752e49aa21476620738d74d72d8aa1 \\\n    --hash=sha256:86665cee9c4835b7a7f1e8ec2c719b5258d4dc782887aded5a8ae7352a96843b \\\n    --hash=sha256:8ff3a2ca028c7eee0c777f9a092038d0a594a9fa04e215f929a22c329e2cb142 \\\n    --hash=sha256:91294a9fb94a75542f6e46e4a2ae709bd8d9b51134098cae5cf3bea5478b6d03 \\\n    --hash=sha256:943276cf269e0071948d9ff697159c1735e623c1151d88abb09b74659ef0cbea \\\n    --hash=sha256:96243987194634bd411066ce40c952e108f86af04db533ecd8ac3ff2a85b1885 \\\n    --hash=sha256:984012f71908165449a951de2050d52f276bfe3aa5d5f570f63ddad814370374 \\\n    --hash=sha256:9b03d7dc168353b4132965bde20feceabaa470e570c6f59660dfae59b1f9eeb3 \\\n    --hash=sha256:9dbb18c1cfb2f6517942fc9314437f66aa06d94436ffb1f06102ef3572f35276 \\\n    --hash=sha256:9ebf8d19b17bd0daeb7b7dec81a946a439b753942fd0210d6e96c532249eea6b \\\n    --hash=sha256:a525685c2f97da40762b8695eb7aa0af4c8344ca1905c73e4e29cb04d34607dc \\\n    --hash=sha256:abdbf6313b8d9efe157edeb7ab6eae4de064b1300ad31abf73755154b30abe68 \\\n    --hash=sha256:b69564772b5c8f22ea5f498dff08cfa825045b4d4c4400529000bdf818aa3b2a \\\n    --hash=sha256:b8ade5023067f99fe72b88accd30d0ea05a158e9e32a11f124e731ea9695313f \\\n    --hash=sha256:bbaefc84548d754be821bba7c4141c4787dda182f9e77f2f87b71213529efa7b \\\n    --hash=sha256:bd05de8c1698f8413dd7d869492693a0bf2211543b787ac78cd5e7536af1a6d7 \\\n    --hash=sha256:bf0b5e8e0f68ebb494356e577c06c139161efd8d3b9050f93b39b7c26cc54ff0 \\\n    --hash=sha256:c414be4ed9d3cac80c42e348fa5a956117d1a48227f48026e31f59cb4a7671eb \\\n    --hash=sha256:c47300f9bf791808f77d82747691c4bb09cb14bdf3060cca99b42cdc4361d5a7 \\\n    --hash=sha256:c4dc1c1781f2f716de763d1e9a7b34c6a894e167e291c7c5d16c72f7a9538545 \\\n    --hash=sha256:c804ae44fe7b4bab5da295e4f980a1ff04670bca9d23fe0a4e887e08ebd741a8 \\\n    --hash=sha256:cfac177ebd6236003846ea339981f71457cb6eb748f23381eb257e45092e3980 \\\n    --hash=sha256:d2ba24db8a9376921b5e87b4762b9adb0f3f1deaea68f2b8b0bb2c11efb9c3e7 \\\n    --hash=sha256:d3182ee2d887e507bd67319a0a61105d1dd33facc111329559a233b772c1a105 \\\n    --hash=sha256:d747252933c8a65ef6bd8da0fbb7ce28a90eb6119d8cd00772cd528aa07b68d5 \\\n    --hash=sha256:d7e369fd63331746182360977b1892bfc215476a30d61612d732425311639f56 \\\n    --hash=sha256:e12bbcd32897272fb05929110362ae9ff4c1b9bb26bd9e971e71dcd3275b4c3d \\\n    --hash=sha256:e7ad033e27a516a233bea839cdb77b80146facb3b4f40bf02cd0cac165cdd5c2 \\\n    --hash=sha256:e9e15b4a6c7dd6b85b5fbab29488a73f1f70de516942308daa266bf0e0aeb0d4 \\\n    --hash=sha256:ed53f7e89bb04f6d9e8e7799112360b0c4d5cbff067de0814c98c37c39b920f7 \\\n    --hash=sha256:eff8babca5a7999bc137acbc7482a8b7e17ffca5075ab41f5d770ab408c7bfef \\\n    --hash=sha256:f15e3e0b835a6d68b10c86bf80a3149780498d6911c93c3ffd1861d19f9200f1 \\\n    --hash=sha256:f3fcbc57b1791fa6cbe5d8434179d51de12be1a4811469529f47f6e7487a2571 \\\n    --hash=sha256:f4b653094e18f9031102d3a1da5c729c8f222d85225b18037dac621695e46e1a \\\n    --hash=sha256:f79203b3965b4000e91808aaa7c040206093f2b8bf86f455982f2274c9ccf442 \\\n    --hash=sha256:fd4dc129784e0c5335bd4e61dfcc4487499a013419e655cf2da1d091b7e0efdc\ntomlkit==0.15.2 \\\n    --hash=sha256:05562412163a3037b94497385fb7f9204c637bc605af7a48199e41cf2272f437 \\\n    --hash=sha256:83e32755ba1d20d9340bd069ee97e9f6232ba2346b63ffcba425de01f7e327a6\ntrove-classifiers==2026.9.21.13 \\\n    --hash=sha256:0a9ebc8d4e2f3e8a22848c5258033035bec17a3012ac3fea16dbaa764489eb71 \\\n    --hash=sha256:8b1ff4f9c191b1040b71c37f1e445ab99732911e3cd91de52838453a854d7a17\ntyping-extensions==4.16.0 ; python_full_version < '3.15' \\\n    --hash=sha256:481caa481374e813c1b176ada14e97f1f67a4539ce9cfeb3f350d78d6370c2e8 \\\n    --hash=sha256:dc983d19a509c94dba722ee6abd33940f7c05a89e243c47e907eb4db6f1a43e5\nurllib3==2.6.3 ; python_full_version < '3.10' \\\n    --hash=sha256:1b62b6884944a57dbe321509ab94fd4d3b307075e0c2eae991ac71ee15ad38ed \\\n    --hash=sha256:bf272323e553dfb2e87d9bfd225ca7b0f467b919d7bbd355436d3fd37cb0acd4\nurllib3==2.8.0 ; python_full_version >= '3.10' \\\n    --hash=sha256:0cf3cae568d36aa9576b28dfb35f11328f1cb974ca7647d9475ebb86c75ac6e3 \\\n    --hash=sha256:63bf2ead4c879426ebf22ef2a781eeb4aa3b4ae798a0435506f8687fd5bb9b63\nvirtualenv==21.14.13 \\\n    --hash=sha256:5fbb04138a4861580b78ba9110d529a26bc48fcc93c8ec36bc0202eeed96a788 \\\n    --hash=sha256:de5307ba4b9a0001d9c8ea02832d38f63ca432880f416c1bface61c4323fd905\nxattr==1.3.0 ; sys_platform == 'darwin' \\\n    --hash=sha256:03712f84e056dcd23c36db03a1f45417a26eef2c73d47c2c7d425bf932601587 \\\n    --hash=sha256:05f8e068409742d246babba60cff8310b2c577745491f498b08bf068e0c867a3 \\\n    --hash=sha256:196360f068b74fa0132a8c6001ce1333f095364b8f43b6fd8cdaf2f18741ef89 \\\n    --hash=sha256:1e0dabb39596d8d7b83d6f9f7fa30be68cf15bfb135cb633e2aad9887d308a32 \\\n    --hash=sha256:1e6c216927b16fd4b72df655d5124b69b2a406cb3132b5231179021182f0f0d1 \\\n    --hash=sha256:1fd185b3f01121bd172c98b943f9341ca3b9ea6c6d3eb7fe7074723614d959ff \\\n    --hash=sha256:2aaa5d66af6523332189108f34e966ca120ff816dfa077ca34b31e6263f8a236 \\\n    --hash=sha256:2c5e7ba0e893042deef4e8638db7a497680f587ac7bd6d68925f29af633dfa6b \\\n    --hash=sha256:2c69999ed70411ac2859f1f8c918eb48a6fd2a71ef41dc03ee846f69e2200bb2 \\\n    --hash=sha256:2fea070768d7d2d25797817bea93bf0a6fda6449e88cfee8bb3d75de9ed11c7b \\\n    --hash=sha256:30439fabd7de0787b27e9a6e1d569c5959854cb322f64ce7380fedbfa5035036 \\\n    --hash=sha256:31fefcf20d040e79ec3bf6e7dc0fdcfd972f70f740d5a69ed67b20c699bb9cea \\\n    --hash=sha256:331a51bf8f20c27822f44054b0d760588462d3ed472d5e52ba135cf0bea510e8 \\\n    --hash=sha256:405d2e4911d37f2b9400fa501acd920fe0c97fe2b2ec252cb23df4b59c000811 \\\n    --hash=sha256:45f85233a51c71659969ce364abe6bd0c9048a302b7fcdbea675dc63071e47ff \\\n    --hash=sha256:4a04ada131e9bdfd32db3ab1efa9f852646f4f7c9d6fde0596c3825c67161be3 \\\n    --hash=sha256:4ae3a66ae1effd40994f64defeeaa97da369406485e60bfb421f2d781be3b75d \\\n    --hash=sha256:50c12d92f5214b0416cf4b4fafcd02dca5434166657553b74b8ba6abc66cb4b4 \\\n    --hash=sha256:51cdaa359f5cd2861178ae01ea3647b56dbdfd98e724a8aa3c04f77123b78217 \\\n    --hash=sha256:5eeaa944516b7507ec51456751334b4880e421de169bbd067c4f32242670d606 \\\n    --hash=sha256:630c85020282bd0bcb72c3d031491c4e91d7f29bb4c094ebdfb9db51375c5b07 \\\n    --hash=sha256:64f1fb511f8463851e0d97294eb0e0fde54b059150da90582327fb43baa1bb92 \\\n    --hash=sha256:69bca34be2d7a928389aff4e32f27857e1c62d04c91ec7c1519b1636870bd58f \\\n    --hash=sha256:69cd3bfe779f7ba87abe6473fdfa428460cf9e78aeb7e390cfd737b784edf1b5 \\\n    --hash=sha256:6c42ef5bdac3febbe28d3db14d3a8a159d84ba5daca2b13deae6f9f1fc0d4092 \\\n    --hash=sha256:726b4d0b66724759132cacdcd84a5b19e00b0cdf704f4c2cf96d0c08dc5eaeb5 \\\n    --hash=sha256:78df56bfe3dd4912548561ed880225437d6d49ef082fe6ccd45670810fa53cfe \\\n    --hash=sha256:864c34c14728f21c3ef89a9f276d75ae5e31dd34f48064e0d37e4bf0f671fc6e \\\n    --hash=sha256:88557c0769f64b1d014aada916c9630cfefa38b0be6c247eae20740d2d8f7b47 \\\n    --hash=sha256:928c49ceb0c70fc04732e46fa236d7c8281bfc3db1b40875e5f548bb14d2668c \\\n    --hash=sha256:937d8c91f6f372788aff8cc0984c4be3f0928584839aaa15ff1c95d64562071c \\\n    --hash=sha256:95f1e14a4d9ca160b4b78c527bf2bac6addbeb0fd9882c405fc0b5e3073a8752 \\\n    --hash=sha256:995843ef374af73e3370b0c107319611f3cdcdb6d151d629449efecad36be4c4 \\\n    --hash=sha256:9e68a02adde8a5f8675be5e8edc837eb6fdbe214a6ee089956fae11d633c0e51 \\\n    --hash=sha256:a80c4617e08670cdc3ba71f1dbb275c1627744c5c3641280879cb3bc95a07237 \\\n    --hash=sha256:b3cf29da6840eb94b881eab692ae83b1421c9c15a0cd92ffb97a0696ceac8cac \\\n    --hash=sha256:b4345387087fffcd28f709eb45aae113d911e1a1f4f0f70d46b43ba81e69ccdd \\\n    --hash=sha256:b8589744116d2c37928b771c50383cb281675cd6dcfd740abfab6883e3d4af85 \\\n    --hash=sha256:bbd06987102bc11f5cbd08b15d1029832b862cf5bc61780573fc0828812f01ca \\\n    --hash=sha256:c0d9ab346cdd20539afddf2f9e123efee0fe8d54254d9fc580b4e2b4e6d77351 \\\n    --hash=sha256:c5742ca61761a99ae0c522f90a39d5fb8139280f27b254e3128482296d1df2db \\\n    --hash=sha256:c6992eb5da32c0a1375a9eeacfab15c66eebc8bd34be63ebd1eae80cc2f8bf03 \\\n    --hash=sha256:da5954424099ca9d402933eaf6112c29ddde26e6da59b32f0bf5a4e35eec0b28 \\\n    --hash=sha256:dd4e63614722d183e81842cb237fd1cc978d43384166f9fe22368bfcb187ebe5 \\\n    --hash=sha256:e470b3f15e9c3e263662506ff26e73b3027e1c9beac2cbe9ab89cad9c70c0495 \\\n    --hash=sha256:f2238b2a973fcbf5fefa1137db97c296d27f4721f7b7243a1fac51514565e9ec \\\n    --hash=sha256:f32bb00395371f4a3bed87080ae315b19171ba114e8a5aa403a2c8508998ce78 \\\n    --hash=sha256:f3bef26fd2d5d7b17488f4cc4424a69894c5a8ed71dd5f657fbbf69f77f68a51 \\\n    --hash=sha256:fa23a25220e29d956cedf75746e3df6cc824cc1553326d6516479967c540e386 \\\n    --hash=sha256:fe92bb05eb849ab468fe13e942be0f8d7123f15d074f3aba5223fad0c4b484de\nzipp==3.23.1 ; python_full_version < '3.10' \\\n    --hash=sha256:0b3596c50a5c700c9cb40ba8d86d9f2cc4807e9bedb06bcdf7fac85633e444dc \\\n    --hash=sha256:32120e378d32cd9714ad503c1d024619063ec28aad2248dc6672ad13edfa5110\nzipp==4.1.2 ; python_full_version >= '3.10' and python_full_version < '3.12' \\\n    --hash=sha256:b30cb6cd253122169c47de245ca24a86bac2a5d3802ba15bf7ba6414eb9e144d \\\n    --hash=sha256:cf474b90b07ea932637e17c6b9479de2b2882900b0d311bdaf4f5c000a15a97f\nzstandard==0.25.0 ; python_full_version < '3.10' \\\n    --hash=sha256:011d388c76b11a0c165374ce660ce2c8efa8e5d87f34996aa80f9c0816698b64 \\\n    --hash=sha256:01582723b3ccd6939ab7b3a78622c573799d5d8737b534b86d0e06ac18dbde4a \\\n    --hash=sha256:05353cef599a7b0b98baca9b068dd36810c3ef0f42bf282583f438caf6ddcee3 \\\n    --hash=sha256:05df5136bc5a011f33cd25bc9f506e7426c0c9b3f9954f056831ce68f3b6689f \\\n    --hash=sha256:06acb75eebeedb77b69048031282737717a63e71e4ae3f77cc0c3b9508320df6 \\\n    --hash=sha256:07b527a69c1e1c8b5ab1ab14e2afe0675614a09182213f21a0717b62027b5936 \\\n    --hash=sha256:0bbc9a0c65ce0eea3c34a691e3c4b6889f5f3909ba4822ab385fab9057099431 \\\n    --hash=sha256:0be7622c37c183406f3dbf0cba104118eb16a4ea7359eeb5752f0794882fc250 \\\n    --hash=sha256:106281ae350e494f4ac8a80470e66d1fe27e497052c8d9c3b95dc4cf1ade81aa \\\n    --hash=sha256:10ef2a79ab8e2974e2075fb984e5b9806c64134810fac21576f0668e7ea19f8f \\\n    --hash=sha256:1673b7199bbe763365b81a4f3252b8e80f44c9e323fc42940dc8843bfeaf9851 \\\n    --hash=sha256:172de1f06947577d3a3005416977cce6168f2261284c02080e7ad0185faeced3 \\\n    --hash=sha256:181eb40e0b6a29b3cd2849f825e0fa34397f649170673d385f3598ae17cca2e9 \\\n    --hash=sha256:1869da9571d5e94a85a5e8d57e4e8807b175c9e4a6294e3b66fa4efb074d90f6 \\\n    --hash=sha256:19796b39075201d51d5f5f790bf849221e58b48a39a5fc74837675d8bafc7362 \\\n    --hash=sha256:1cd5da4d8e8ee0e88be976c294db744773459d51bb32f707a0f166e5ad5c8649 \\\n    --hash=sha256:1f3689581a72eaba9131b1d9bdbfe520ccd169999219b41000ede2fca5c1bfdb \\\n    --hash=sha256:1f830a0dac88719af0ae43b8b2d6aef487d437036468ef3c2ea59c51f9d55fd5 \\\n    --hash=sha256:223415140608d0f0da010499eaa8ccdb9af210a543fac54bce15babbcfc78439 \\\n    --hash=sha256:22a06c5df3751bb7dc67406f5374734ccee8ed37fc5981bf1ad7041831fa1137 \\\n    --hash=sha256:22a086cff1b6ceca18a8dd6096ec631e430e93a8e70a9ca5efa7561a00f826fa \\\n    --hash=sha256:23ebc8f17a03133b4426bcc04aabd68f8236eb78c3760f12783385171b0fd8bd \\\n    --hash=sha256:25f8f3cd45087d089aef5ba3848cd9efe3ad41163d3400862fb42f81a3a46701 \\\n    --hash=sha256:2b6bd67528ee8b5c5f10255735abc21aa106931f0dbaf297c7be0c886353c3d0 \\\n    --hash=sha256:2e54296a283f3ab5a26fc9b8b5d4978ea0532f37b231644f367aa588930aa043 \\\n    --hash=sha256:3756b3e9da9b83da1796f8809dd57cb024f838b9eeafde28f3cb472012797ac1 \\\n    --hash=sha256:37daddd452c0ffb65da00620afb8e17abd4adaae6ce6310702841760c2c26860 \\\n    --hash=sha256:3a39c94ad7866160a4a46d772e43311a743c316942037671beb264e395bdd611 \\\n    --hash=sha256:3b870ce5a02d4b22286cf4944c628e0f0881b11b3f14667c1d62185a99e04f53 \\\n    --hash=sha256:3c83b0188c852a47cd13ef3bf9209fb0a77fa5374958b8c53aaa699398c6bd7b \\\n    --hash=sha256:4203ce3b31aec23012d3a4cf4a2ed64d12fea5269c49aed5e4c3611b938e4088 \\\n    --hash=sha256:457ed498fc58cdc12fc48f7950e02740d4f7ae9493dd4ab2168a47c93c31298e \\\n    --hash=sha256:474d2596a2dbc241a556e965fb76002c1ce655445e4e3bf38e5477d413165ffa \\\n    --hash=sha256:4b14abacf83dfb5c25eb4e4a79520de9e7e205f72c9ee7702f91233ae57d33a2 \\\n    --hash=sha256:4b6d83057e713ff235a12e73916b6d356e3084fd3d14ced499d84240f3eecee0 \\\n    --hash=sha256:4d441506e9b372386a5271c64125f72d5df6d2a8e8a2a45a0ae09b03cb781ef7 \\\n    --hash=sha256:4f187a0bb61b35119d1926aee039524d1f93aaf38a9916b8c4b78ac8514a0aaf \\\n    --hash=sha256:51526324f1b23229001eb3735bc8c94f9c578b1bd9e867a0a646a3b17109f388 \\\n    --hash=sha256:53e08b2445a6bc241261fea89d065536f00a581f02535f8122eba42db9375530 \\\n    --hash=sha256:53f94448fe5b10ee75d246497168e5825135d54325458c4bfffbaafabcc0a577 \\\n    --hash=sha256:5a56ba0db2d244117ed744dfa8f6f5b366e14148e00de44723413b2f3938a902 \\\n    --hash=sha256:5f1ad7bf88535edcf30038f6919abe087f606f62c00a87d7e33e7fc57cb69fcc \\\n    --hash=sha256:5f5e4c2a23ca271c218ac025bd7d635597048b366d6f31f420aaeb715239fc98 \\\n    --hash=sha256:6a573a35693e03cf1d67799fd01b50ff578515a8aeadd4595d2a7fa9f3ec002a \\\n    --hash=sha256:6c0e5a65158a7946e7a7affa6418878ef97ab66636f13353b8502d7ea03c8097 \\\n    --hash=sha256:6dffecc361d079bb48d7caef5d673c88c8988d3d33fb74ab95b7ee6da42652ea \\\n    --hash=sha256:7030defa83eef3e51ff26f0b7bfb229f0204b66fe18e04359ce3474ac33cbc09 \\\n    --hash=sha256:7149623bba7fdf7e7f24312953bcf73cae103db8cae49f8154dd1eadc8a29ecb \\\n    --hash=sha256:72d35d7aa0bba323965da807a462b0966c91608ef3a48ba761678cb20ce5d8b7 \\\n    --hash=sha256:75ffc32a569fb049499e63ce68c743155477610532da1eb38e7f24bf7cd29e74 \\\n    --hash=sha256:7713e1179d162cf5c7906da876ec2ccb9c3a9dcbdffef0cc7f70c3667a205f0b \\\n    --hash=sha256:78228d8a6a1c177a96b94f7e2e8d012c55f9c760761980da16ae7546a15a8e9b \\\n    --hash=sha256:7b3c3a3ab9daa3eed242d6ecceead93aebbb8f5f84318d82cee643e019c4b73b \\\n    --hash=sha256:809c5bcb2c67cd0ed81e9229d227d4ca28f82d0f778fc5fea624a9def3963f91 \\\n    --hash=sha256:81dad8d145d8fd981b2962b686b2241d3a1ea07733e76a2f15435dfb7fb60150 \\\n    --hash=sha256:85304a43f4d513f5464ceb938aa02c1e78c2943b29f44a750b48b25ac999a049 \\\n    --hash=sha256:89c4b48479a43f820b749df49cd7ba2dbc2b1b78560ecb5ab52985574fd40b27 \\\n    --hash=sha256:8e735494da3db08694d26480f1493ad2cf86e99bdd53e8e9771b2752a5c0246a \\\n    --hash=sha256:913cbd31a400febff93b564a23e17c3ed2d56c064006f54efec210d586171c00 \\\n    --hash=sha256:9174f4ed06f790a6869b41cba05b43eeb9a35f8993c4422ab853b705e8112bbd \\\n    --hash=sha256:9300d02ea7c6506f00e627e287e0492a5eb0371ec1670ae852fefffa6164b072 \\\n    --hash=sha256:933b65d7680ea337180733cf9e87293cc5500cc0eb3fc8769f4d3c88d724ec5c \\\n    --hash=sha256:9654dbc012d8b06fc3d19cc825af3f7bf8ae242226df5f83936cb39f5fdc846c \\\n    --hash=sha256:98750a309eb2f020da61e727de7d7ba3c57c97cf6213f6f6277bb7fb42a8e065 \\\n    --hash=sha256:99c0c846e6e61718715a3c9437ccc625de26593fea60189567f0118dc9db7512 \\\n    --hash=sha256:a1a4ae2dec3993a32247995bdfe367fc3266da832d82f8438c8570f989753de1 \\\n    --hash=sha256:a3f79487c687b1fc69f19e487cd949bf3aae653d181dfb5fde3bf6d18894706f \\\n    --hash=sha256:a4089a10e598eae6393756b036e0f419e8c1d60f44a831520f9af41c14216cf2 \\\n    --hash=sha256:a51ff14f8017338e2f2e5dab738ce1ec3b5a851f23b18c1ae1359b1eecbee6df \\\n    --hash=sha256:a5a419712cf88862a45a23def0ae063686db3d324cec7edbe40509d1a79a0aab \\\n    --hash=sha256:a9ec8c642d1ec73287ae3e726792dd86c96f5681eb8df274a757bf62b750eae7 \\\n    --hash=sha256:aaf21ba8fb76d102b696781bddaa0954b782536446083ae3fdaa6f16b25a1c4b \\\n    --hash=sha256:ab85470ab54c2cb96e176f40342d9ed41e58ca5733be6a893b730e7af9c40550 \\\n    --hash=sha256:b9af1fe743828123e12b41dd8091eca1074d0c1569cc42e6e1eee98027f2bbd0 \\\n    --hash=sha256:bfc4e20784722098822e3eee42b8e576b379ed72cca4a7cb856ae733e62192ea \\\n    --hash=sha256:bfd06b1c5584b657a2892a6014c2f4c20e0db0208c159148fa78c65f7e0b0277 \\\n    --hash=sha256:c19bcdd826e95671065f8692b5a4aa95c52dc7a02a4c5a0cac46deb879a017a2 \\\n    --hash=sha256:c2ba942c94e0691467ab901fc51b6f2085ff48f2eea77b1a48240f011e8247c7 \\\n    --hash=sha256:c8e167d5adf59476fa3e37bee730890e389410c354771a62e3c076c86f9f7778 \\\n    --hash=sha256:ca54090275939dc8ec5dea2d2afb400e0f83444b2fc24e07df7fdef677110859 \\\n    --hash=sha256:d7541afd73985c630bafcd6338d2518ae96060075f9463d7dc14cfb33514383d \\\n    --hash=sha256:d8c56bb4e6c795fc77d74d8e8b80846e1fb8292fc0b5060cd8131d522974b751 \\\n    --hash=sha256:da469dc041701583e34de852d8634703550348d5822e66a0c827d39b05365b12 \\\n    --hash=sha256:daab68faadb847063d0c56f361a289c4f268706b598afbf9ad113cbe5c38b6b2 \\\n    --hash=sha256:e05ab82ea7753354bb054b92e2f288afb750e6b439ff6ca78af52939ebbc476d \\\n    --hash=sha256:e09bb6252b6476d8d56100e8147b803befa9a12cea144bbe629dd508800d1ad0 \\\n    --hash=sha256:e29f0cf06974c899b2c188ef7f783607dbef36da4c242eb6c82dcd8b512855e3 \\\n    --hash=sha256:e59fdc271772f6686e01e1b3b74537259800f57e24280be3f29c8a0deb1904dd \\\n    --hash=sha256:e7360eae90809efd19b886e59a09dad07da4ca9ba096752e61a2e03c8aca188e \\\n    --hash=sha256:e96594a5537722fdfb79951672a2a63aec5ebfb823e7560586f7484819f2a08f \\\n    --hash=sha256:ea9d54cc3d8064260114a0bbf3479fc4a98b21dffc89b3459edd506b69262f6e \\\n    --hash=sha256:ec996f12524f88e151c339688c3897194821d7f03081ab35d31d1e12ec975e94 \\\n    --hash=sha256:f27662e4f7dbf9f9c12391cb37b4c4c3cb90ffbd3b1fb9284dadbbb8935fa708 \\\n    --hash=sha256:f373da2c1757bb7f1acaf09369cdc1d51d84131e50d5fa9863982fd626466313 \\\n    --hash=sha256:f5aeea11ded7320a84dcdd62a3d95b5186834224a9e55b92ccae35d21a8b63d4 \\\n    --hash=sha256:f604efd28f239cc21b3adb53eb061e2a205dc164be408e553b41ba2ffe0ca15c \\\n    --hash=sha256:f67e8f1a324a900e75b5e28ffb152bcac9fbed1cc7b43f99cd90f395c4375344 \\\n    --hash=sha256:fd7a5004eb1980d3cefe26b2685bcb0b17989901a70a1040d1ac86f1d898c551 \\\n    --hash=sha256:ffef5a74088f1e09947aecf91011136665152e0b4b359c42be3373897fb39b01\n",
  "uv": "# This file was autogenerated by uv via the following command:\n#    npm run requirements\nuv==0.13.5 \\\n    --hash=sha256:0548460d46c8667488b1f089e936f29f0edfb1cc753f9152ffbd8bc84a46aa20 \\\n    --hash=sha256:0e03f5717bdaaf5ab4e2df361d2395e36b515946f56ef4bed88801aeb9959fb0 \\\n    --hash=sha256:1fb29fc46ba12033e2ef95a95ac79d649e71bbb1358419bbbcbd19d86026ef2f \\\n    --hash=sha256:2386c2dc9b59fc1d39b1c500e4319d71d3268232eb3b38e29cd6775d6269e8d4 \\\n    --hash=sha256:2386e8dbfe110ff2f8ec8bd344dd18bf39eb9eb54e1edeeb87c3b85c34229cd3 \\\n    --hash=sha256:309a74d3c488bfaa3ba7bff759da73193d8781729c0a01274f4940fd32bb5712 \\\n    --hash=sha256:337a14829bb499e114989df4f908f134ff37f1fb6c33497541cfb05b28080e39 \\\n    --hash=sha256:469cca66de1b17c75b9b9de806a64cffb57cba5e42b1e30d0bba6fa72a146f58 \\\n    --hash=sha256:4f62680fe58c5a83fd539e38f1956c2b577b1f5939c9020aa4c7f0addda2f4ad \\\n    --hash=sha256:8d092d07d2389909027c2ed4965ade1bd46bbcecceb26686ff40927684f8c457 \\\n    --hash=sha256:91e58e304b63b6c91bac5561459ab0c3ea24f17bc01ea9359d69fed72142978f \\\n    --hash=sha256:979409b8c9a78df140ffb19c53f511b7a73526da8d1d5e36558833055e371c6c \\\n    --hash=sha256:a42c85fa8156e1e5e2cecdbc77bb818ea1dcf5f78b8e2a8f84c7fe4f16f0702e \\\n    --hash=sha256:d162669e3a7811c584b03690eaa11e796ad1d309aa8229d5dfe3cbcd68a90400 \\\n    --hash=sha256:d3fd5db55c20feb672ea457361aba29ab68b9ae69a14d98ad6c138b5f86dcca4 \\\n    --hash=sha256:e01481ae5212e45ee7c85fad5fc67f06b0ee0329a7c3c289dc529da884b03881 \\\n    --hash=sha256:f4e55a6e2a1089fe74ed50fbdf2df0f6f336ee148ad232b05932db5deee8007e \\\n    --hash=sha256:f867c5ec24c563afaae730a13e46cdf74a1a0b64c134286ff99762a96e2abf40 \\\n    --hash=sha256:fa8d26e08e34c29c0c4e820cf3181757086d547240b4f4d31ff1d8bd810ca946\n"
};
function source(name) {
    return texts[name];
}


/***/ }),

/***/ 4597:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   Z: () => (/* binding */ indexProbe)
/* harmony export */ });
/* harmony import */ var _logic_project_page_js__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(9347);
/* harmony import */ var _logic_web_js__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(7464);
/** Requests project pages from a package index, with limits that keep a job from waiting. */


/** Milliseconds for one attempt, including redirects. */
const timeLimit = 3000;
const probing = { timeLimit, attempts: 2, sample: 64 * 1024 };
/** @param environment variables that name proxies */
function indexProbe(web, environment) {
    return {
        async probe(url, project, trust) {
            // An index behind file: or another scheme that pip knows has no server that could be down.
            if (!/^https?:/i.test(url))
                return { state: 'healthy' };
            const client = web.open({ indexes: [url], trust, environment });
            try {
                const { contentType, text } = await client.page((0,_logic_web_js__WEBPACK_IMPORTED_MODULE_1__/* .pageUrl */ .fi)(url, project), probing);
                return (0,_logic_project_page_js__WEBPACK_IMPORTED_MODULE_0__/* .judgePage */ .zw)(200, contentType, text);
            }
            catch (error) {
                if (error instanceof _logic_web_js__WEBPACK_IMPORTED_MODULE_1__/* .WebError */ .PH)
                    return healthOf(error);
                throw error;
            }
            finally {
                await client.close();
            }
        },
    };
}
function healthOf({ kind, status, message }) {
    if (status === 401 || status === 403)
        return { state: 'refused', status };
    if (kind === 'absent')
        return { state: 'absent' };
    return { state: kind === 'untrusted' ? 'untrusted' : 'down', reason: message };
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

/***/ 6045:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   ZF: () => (/* binding */ answer),
/* harmony export */   iL: () => (/* binding */ asciiJson),
/* harmony export */   mB: () => (/* binding */ runProgram),
/* harmony export */   pQ: () => (/* binding */ pythonProgram)
/* harmony export */ });
/* harmony import */ var node_fs__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(3024);
/* harmony import */ var _process_js__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(5733);
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
    return (0,_process_js__WEBPACK_IMPORTED_MODULE_1__/* .run */ .eF)(python, ['-c', pythonProgram(name), ...args], options);
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


/***/ }),

/***/ 2008:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   RS: () => (/* binding */ venvBin),
/* harmony export */   Wp: () => (/* binding */ pythonAdapter)
/* harmony export */ });
/* unused harmony exports runPip, venvPython */
/* harmony import */ var node_fs__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(3024);
/* harmony import */ var node_fs_promises__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(1455);
/* harmony import */ var node_os__WEBPACK_IMPORTED_MODULE_2__ = __nccwpck_require__(8161);
/* harmony import */ var node_path__WEBPACK_IMPORTED_MODULE_3__ = __nccwpck_require__(6760);
/* harmony import */ var _logic_environment_js__WEBPACK_IMPORTED_MODULE_10__ = __nccwpck_require__(6131);
/* harmony import */ var _logic_errors_js__WEBPACK_IMPORTED_MODULE_4__ = __nccwpck_require__(5895);
/* harmony import */ var _logic_names_js__WEBPACK_IMPORTED_MODULE_5__ = __nccwpck_require__(9882);
/* harmony import */ var _logic_pip_output_js__WEBPACK_IMPORTED_MODULE_6__ = __nccwpck_require__(7949);
/* harmony import */ var _disk_js__WEBPACK_IMPORTED_MODULE_7__ = __nccwpck_require__(6895);
/* harmony import */ var _process_js__WEBPACK_IMPORTED_MODULE_8__ = __nccwpck_require__(5733);
/* harmony import */ var _python_program_js__WEBPACK_IMPORTED_MODULE_9__ = __nccwpck_require__(6045);
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
            const temporary = await (0,_disk_js__WEBPACK_IMPORTED_MODULE_7__/* .temporaryDirectory */ .De)((0,node_os__WEBPACK_IMPORTED_MODULE_2__.tmpdir)(), 'wheelhouse-pip').catch(() => undefined);
            try {
                return await runPip(reporter, interpreter, 'run_pip', args, {
                    ...options,
                    env: {
                        ...env,
                        ...(temporary ? (0,_logic_environment_js__WEBPACK_IMPORTED_MODULE_10__/* .temporaryVariables */ .fp)(temporary) : {}),
                        ...(buildLog === undefined ? {} : { WHEELHOUSE_BUILD_LOG: buildLog }),
                        ...(pip === undefined ? {} : { WHEELHOUSE_PIP: pip }),
                    },
                });
            }
            finally {
                if (temporary)
                    await (0,_disk_js__WEBPACK_IMPORTED_MODULE_7__/* .discard */ .vf)(temporary);
            }
        },
        async applies(interpreter, markers, extras = []) {
            if (markers.length === 0)
                return new Map();
            const job = { markers, extras };
            const options = { env: environment };
            return new Map(await (0,_python_program_js__WEBPACK_IMPORTED_MODULE_9__/* .answer */ .ZF)(interpreter, 'markers', job, options));
        },
        async tags(interpreter) {
            const tags = await (0,_python_program_js__WEBPACK_IMPORTED_MODULE_9__/* .answer */ .ZF)(interpreter, 'tags', {}, { env: environment });
            if (tags === undefined)
                throw new Error('The tags of this Python could not be read.');
            return tags;
        },
        async dependencies(interpreter, directory, files) {
            if (files.length === 0)
                return [];
            const job = { directory, files };
            const options = { env: environment };
            const found = await (0,_python_program_js__WEBPACK_IMPORTED_MODULE_9__/* .answer */ .ZF)(interpreter, 'dependencies', job, options);
            return files.map((_file, position) => {
                const each = found?.[position];
                return each ? { ...each, python: each.python ?? undefined } : undefined;
            });
        },
        async writeStubs({ executable }, directory, stubs) {
            const { exitCode, stdout, output } = await (0,_python_program_js__WEBPACK_IMPORTED_MODULE_9__/* .runProgram */ .mB)(executable, 'write_stubs', [directory], { env: environment, input: (0,_python_program_js__WEBPACK_IMPORTED_MODULE_9__/* .asciiJson */ .iL)(stubs) });
            if (exitCode !== 0) {
                throw new Error(`Stub wheels could not be written: ${(0,_logic_pip_output_js__WEBPACK_IMPORTED_MODULE_6__/* .errorExcerpt */ .MS)(output)}`);
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
    const { exitCode } = await (0,_python_program_js__WEBPACK_IMPORTED_MODULE_9__/* .runProgram */ .mB)(executable, program, args, { cwd, env, onLine });
    return { exitCode, output: lines.join('\n') };
}
async function probe(request) {
    const candidates = pythonCandidates(request);
    for (const command of candidates) {
        try {
            return readProbe(command, await (0,_python_program_js__WEBPACK_IMPORTED_MODULE_9__/* .runProgram */ .mB)(command, 'probe', [], {
                cwd: request.workingDirectory,
                env: request.environment,
            }));
        }
        catch (error) {
            if (error instanceof _logic_errors_js__WEBPACK_IMPORTED_MODULE_4__/* .UserError */ .yo)
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
        if ((0,node_fs__WEBPACK_IMPORTED_MODULE_0__.existsSync)(inside))
            return [inside];
    }
    if (request.python === undefined)
        return ['python', 'python3'];
    const isPath = /[\\/]/.test(request.python);
    return [isPath ? node_path__WEBPACK_IMPORTED_MODULE_3__.resolve(request.workingDirectory, request.python) : request.python];
}
function notFound({ python }, command, code) {
    const reason = code === 'ENOENT' ? 'was not found' : `could not be started (${code ?? 'unknown error'})`;
    return new _logic_errors_js__WEBPACK_IMPORTED_MODULE_4__/* .UserError */ .yo(python === undefined
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
    const unclear = new _logic_errors_js__WEBPACK_IMPORTED_MODULE_4__/* .UserError */ .yo(`Could not get information from Python "${command}" (exit code ${exitCode}): ${(0,_logic_pip_output_js__WEBPACK_IMPORTED_MODULE_6__/* .errorExcerpt */ .MS)(output, 3) || 'no output'}. Check that it runs: ${command} -c "print(1)".`);
    if (exitCode !== 0 || typeof answer !== 'object' || answer === null)
        throw unclear;
    const { tooOld, pipConfigError } = answer;
    if (tooOld !== undefined) {
        throw new _logic_errors_js__WEBPACK_IMPORTED_MODULE_4__/* .UserError */ .yo(`Python "${command}" is ${tooOld}; ${oldestPython} or newer is needed. Set the input python to a newer one.`);
    }
    if (pipConfigError) {
        throw new _logic_errors_js__WEBPACK_IMPORTED_MODULE_4__/* .UserError */ .yo(`pip can't read its configuration: ${pipConfigError}. Fix or remove that file.`);
    }
    const { pip, ...rest } = answer;
    if (typeof rest.executable !== 'string' || typeof rest.sitePackages !== 'string')
        throw unclear;
    return { ...rest, pip: pip ?? undefined };
}
/** @returns the interpreter of a virtual environment */
function venvPython(directory) {
    return node_path__WEBPACK_IMPORTED_MODULE_3__.join(venvBin(directory), process.platform === 'win32' ? 'python.exe' : 'python');
}
/** @returns the directory with the commands of a virtual environment */
function venvBin(directory) {
    return node_path__WEBPACK_IMPORTED_MODULE_3__.join(directory, process.platform === 'win32' ? 'Scripts' : 'bin');
}
async function createVenv(interpreter, request, directory) {
    if ((0,node_fs__WEBPACK_IMPORTED_MODULE_0__.existsSync)(directory) && !(0,node_fs__WEBPACK_IMPORTED_MODULE_0__.existsSync)(node_path__WEBPACK_IMPORTED_MODULE_3__.join(directory, 'pyvenv.cfg'))) {
        throw new _logic_errors_js__WEBPACK_IMPORTED_MODULE_4__/* .UserError */ .yo(`${directory} exists and is not a virtual environment. Set the input venv to another directory, or remove that one.`);
    }
    await removeDeadLinks(venvBin(directory));
    // A later run must not find half an environment.
    if (!(0,node_fs__WEBPACK_IMPORTED_MODULE_0__.existsSync)(directory))
        (0,_disk_js__WEBPACK_IMPORTED_MODULE_7__/* .untilExit */ .dF)(directory);
    const made = await withCopiedPip(interpreter, request, directory);
    if (made === undefined)
        await withEnsuredPip(interpreter, request, directory);
    (0,_disk_js__WEBPACK_IMPORTED_MODULE_7__/* .release */ ._r)(directory);
    return made ?? probe({ ...request, venv: directory });
}
/** venv would leave dangling links to an interpreter that has been removed. */
async function removeDeadLinks(directory) {
    for (const name of await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.readdir)(directory).catch(() => [])) {
        const file = node_path__WEBPACK_IMPORTED_MODULE_3__.join(directory, name);
        if (!(0,node_fs__WEBPACK_IMPORTED_MODULE_0__.existsSync)(file))
            await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.rm)(file, { force: true });
    }
}
/** @returns undefined when this Python's pip can't be copied; a new directory is then deleted */
async function withCopiedPip(interpreter, { environment }, directory) {
    const isNew = !(0,node_fs__WEBPACK_IMPORTED_MODULE_0__.existsSync)(directory);
    const { exitCode, stdout } = await (0,_python_program_js__WEBPACK_IMPORTED_MODULE_9__/* .runProgram */ .mB)(interpreter.executable, 'make_venv', [directory], {
        env: environment,
    });
    if (exitCode !== 0) {
        // An existing directory is the user's.
        if (isNew)
            await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.rm)(directory, { recursive: true, force: true });
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
        const normalized = (0,_logic_names_js__WEBPACK_IMPORTED_MODULE_5__/* .normalizeName */ .Pc)(name);
        if (!versions.has(normalized))
            versions.set(normalized, version);
    }
    return versions;
}
/** Includes the search path itself: an egg on it is metadata of its own. */
async function present({ searchPath }) {
    const inside = searchPath.map((directory) => (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.readdir)(directory).catch(() => []));
    return [...searchPath.map((each) => node_path__WEBPACK_IMPORTED_MODULE_3__.basename(each)), ...(await Promise.all(inside)).flat()];
}
async function withEnsuredPip(interpreter, { environment }, directory) {
    const { exitCode, output } = await (0,_process_js__WEBPACK_IMPORTED_MODULE_8__/* .run */ .eF)(interpreter.executable, ['-m', 'venv', directory], {
        env: environment,
    });
    if (exitCode !== 0) {
        throw new _logic_errors_js__WEBPACK_IMPORTED_MODULE_4__/* .UserError */ .yo(`The virtual environment ${directory} could not be made: ${(0,_logic_pip_output_js__WEBPACK_IMPORTED_MODULE_6__/* .errorExcerpt */ .MS)(output)} (on Debian and Ubuntu the package python3-venv may be missing).`);
    }
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

/***/ 6265:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {


// EXPORTS
__nccwpck_require__.d(__webpack_exports__, {
  u: () => (/* binding */ sourcesAdapter)
});

// EXTERNAL MODULE: external "node:fs/promises"
var promises_ = __nccwpck_require__(1455);
// EXTERNAL MODULE: external "node:path"
var external_node_path_ = __nccwpck_require__(6760);
// EXTERNAL MODULE: ./lib/logic/digest.js
var digest = __nccwpck_require__(9112);
// EXTERNAL MODULE: ./lib/logic/errors.js
var errors = __nccwpck_require__(5895);
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

// EXTERNAL MODULE: ./lib/world/disk.js
var disk = __nccwpck_require__(6895);
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
        const real = await (0,promises_.realpath)(directory).catch(() => undefined);
        if (real === undefined || above.includes(real))
            return;
        for (const name of await (0,promises_.readdir)(directory)) {
            const place = external_node_path_.join(directory, name);
            const relative = external_node_path_.relative(start, place).split(external_node_path_.sep).join('/');
            if (!matcher.match(relative, true))
                continue;
            const entry = await (0,promises_.stat)(place).catch(() => undefined);
            if (entry?.isDirectory())
                await walk(place, [...above, real]);
            else if (entry?.isFile() && matcher.match(relative))
                found.push(place);
        }
    };
    await walk(start, []);
    return found;
}

// EXTERNAL MODULE: ./lib/logic/secrets.js
var secrets = __nccwpck_require__(3983);
// EXTERNAL MODULE: ./lib/logic/web.js
var web = __nccwpck_require__(7464);
// EXTERNAL MODULE: ./lib/world/client.js + 3 modules
var world_client = __nccwpck_require__(5102);
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
    const client = (0,world_client/* webAdapter */.q4)().open({
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
        const status = error instanceof web/* WebError */.PH ? error.status : undefined;
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
            digest: contentDigest(await (0,promises_.readFile)(location)),
        }))),
    };
}
async function check(request) {
    const found = await (0,promises_.stat)(request.workingDirectory).catch(() => undefined);
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
    const literal = await (0,promises_.stat)(absolute).catch(() => undefined);
    if (literal?.isFile())
        return [absolute];
    if (literal?.isDirectory() || !/[*?[]/.test(pattern))
        return [];
    return filesMatching(request.workingDirectory, pattern);
}
async function checkInside(request, file, what) {
    // A file that does not exist is somebody else's error.
    const [root, real] = await Promise.all([
        (0,promises_.realpath)(request.workspace),
        (0,promises_.realpath)(file).catch(() => external_node_path_.resolve(file)),
    ]);
    if (!(0,paths/* isWithin */.U)(root, real))
        throw outside(what);
}
function outside(what) {
    return new errors/* UserError */.yo(`${what} leads outside the workspace. Only files of the checkout can be used: move the file there, or check its repository out into the workspace.`);
}
async function list(request) {
    const entries = await (0,promises_.readdir)(request.workingDirectory, { withFileTypes: true });
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
    return (0,digest/* sha256 */.s)(normal);
}
async function read(location, access) {
    if (/^https?:/i.test(location))
        return decode(await remoteFile(location, access));
    try {
        return decode(await (0,promises_.readFile)(location));
    }
    catch (error) {
        const reason = reasons[String(error.code)];
        throw reason === undefined ? error : new Error(reason);
    }
}
async function readInside(request, file) {
    if (!(0,paths/* isWithin */.U)(request.workspace, file))
        throw new Error(leads);
    const real = await (0,promises_.realpath)(file).catch(() => undefined);
    if (real !== undefined && !(0,paths/* isWithin */.U)(await (0,promises_.realpath)(request.workspace), real)) {
        throw new Error(leads);
    }
    return read(file);
}
const leads = 'it leads outside the workspace, and only files of the checkout can be used';
const reasons = {
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
    const found = await (0,promises_.stat)(target).catch(() => undefined);
    if (found === undefined)
        throw new errors/* UserError */.yo(`${shown} does not exist.`);
    if (!found.isDirectory()) {
        const digest = await (0,disk/* fileSha256 */.sN)(target);
        return { path: target, shown, file: shown, digest, buildRequires: [] };
    }
    const text = async (name) => {
        try {
            return decode(await (0,promises_.readFile)(external_node_path_.join(target, name)));
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
    const below = await (0,promises_.readdir)(external_node_path_.join(target, 'requirements')).catch(() => []);
    const names = [...(await (0,promises_.readdir)(target)), ...below.map((name) => `requirements/${name}`)];
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


/***/ }),

/***/ 6857:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   t: () => (/* binding */ uvAdapter)
/* harmony export */ });
/* harmony import */ var node_fs_promises__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(1455);
/* harmony import */ var node_os__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(8161);
/* harmony import */ var node_path__WEBPACK_IMPORTED_MODULE_2__ = __nccwpck_require__(6760);
/* harmony import */ var _logic_digest_js__WEBPACK_IMPORTED_MODULE_3__ = __nccwpck_require__(9112);
/* harmony import */ var _logic_errors_js__WEBPACK_IMPORTED_MODULE_4__ = __nccwpck_require__(5895);
/* harmony import */ var _logic_toml_js__WEBPACK_IMPORTED_MODULE_5__ = __nccwpck_require__(3618);
/* harmony import */ var _logic_uv_settings_js__WEBPACK_IMPORTED_MODULE_6__ = __nccwpck_require__(3969);
/* harmony import */ var _process_js__WEBPACK_IMPORTED_MODULE_7__ = __nccwpck_require__(5733);
/* harmony import */ var _python_program_js__WEBPACK_IMPORTED_MODULE_8__ = __nccwpck_require__(6045);
/** uv, which resolves, builds and installs, and the files with its settings. */









function uvAdapter(reporter) {
    return {
        async onPath(environment) {
            try {
                const { exitCode, stdout } = await (0,_process_js__WEBPACK_IMPORTED_MODULE_7__/* .run */ .eF)('uv', ['--version'], { env: environment });
                const [, version] = /^uv (\d+(?:\.\d+)+)/.exec(stdout) ?? [];
                return exitCode === 0 && version !== undefined ? { command: 'uv', version } : undefined;
            }
            catch {
                return undefined;
            }
        },
        async unpack(interpreter, wheel, directory) {
            const { executable } = interpreter;
            const { exitCode, stdout, output } = await (0,_python_program_js__WEBPACK_IMPORTED_MODULE_8__/* .runProgram */ .mB)(executable, 'unpack_uv', [wheel, directory], { env: {} });
            if (exitCode !== 0)
                throw new Error(`uv could not be unpacked: ${output}`);
            return stdout;
        },
        async run(command, args, { rewrite = (line) => line, shows, ...options }) {
            const lines = [];
            const { exitCode } = await (0,_process_js__WEBPACK_IMPORTED_MODULE_7__/* .run */ .eF)(command, args, {
                ...options,
                onLine(line, stream) {
                    // `uv pip compile` also prints the lock that it writes.
                    if (stream === 'stdout')
                        return;
                    const shown = rewrite(line);
                    lines.push(shown);
                    if (shows === undefined)
                        reporter.foreign(shown);
                },
            });
            const outcome = exitCode === 0 ? 'successes' : 'failures';
            if (shows === outcome)
                for (const line of lines)
                    reporter.foreign(line);
            return { exitCode, output: lines.join('\n') };
        },
        async settingFiles(directory, environment) {
            const files = await settingFiles(directory, environment);
            const referenced = (0,_logic_uv_settings_js__WEBPACK_IMPORTED_MODULE_6__/* .referencedFiles */ .Rc)(environment, directory).map(async (file) => {
                const text = await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_0__.readFile)(file, 'utf8').catch(() => '');
                return { path: file, digest: (0,_logic_digest_js__WEBPACK_IMPORTED_MODULE_3__/* .sha256 */ .s)(text) };
            });
            return { files, referenced: await Promise.all(referenced) };
        },
    };
}
/**
 * The files that uv reads where it runs, the one with the highest precedence first: the nearest
 * uv.toml or pyproject.toml with a table for uv (of the workspace, for a member of one), the user's,
 * and the system's.
 */
async function settingFiles(directory, environment) {
    const named = environment['UV_CONFIG_FILE'];
    if (named)
        return present(await read(node_path__WEBPACK_IMPORTED_MODULE_2__.resolve(directory, named)));
    if (isYes(environment['UV_NO_CONFIG']) || isYes(environment['UV_ISOLATED']))
        return [];
    const start = (await workspaceRoot(directory)) ?? directory;
    const found = await Promise.all([
        nearest(start),
        read(node_path__WEBPACK_IMPORTED_MODULE_2__.join(userDirectory(environment), 'uv', 'uv.toml')),
        systemFile(environment),
    ]);
    return found.flatMap(present);
}
function present(file) {
    return file === undefined ? [] : [file];
}
function isYes(value) {
    return value !== undefined && /^(?:1|true|yes|on|y|t)$/i.test(value);
}
function userDirectory(environment) {
    if (process.platform === 'win32') {
        return environment['APPDATA'] ?? node_path__WEBPACK_IMPORTED_MODULE_2__.join((0,node_os__WEBPACK_IMPORTED_MODULE_1__.homedir)(), 'AppData', 'Roaming');
    }
    return environment['XDG_CONFIG_HOME'] || node_path__WEBPACK_IMPORTED_MODULE_2__.join(environment['HOME'] ?? (0,node_os__WEBPACK_IMPORTED_MODULE_1__.homedir)(), '.config');
}
async function systemFile(environment) {
    if (isYes(environment['UV_NO_SYSTEM_CONFIG']))
        return undefined;
    if (process.platform === 'win32') {
        const drive = environment['SYSTEMDRIVE'] ?? 'C:';
        return read(node_path__WEBPACK_IMPORTED_MODULE_2__.join(`${drive}\\`, 'ProgramData', 'uv', 'uv.toml'));
    }
    const directories = (environment['XDG_CONFIG_DIRS'] || '/etc/xdg').split(':');
    for (const directory of [...directories, '/etc']) {
        const file = await read(node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, 'uv', 'uv.toml'));
        if (file !== undefined)
            return file;
    }
    return undefined;
}
/** Returns the first file with settings in a directory or above. */
async function nearest(start) {
    for (const directory of withParents(start)) {
        for (const name of ['uv.toml', 'pyproject.toml']) {
            const file = await read(node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, name));
            const counts = file !== undefined && (name === 'uv.toml' || uvTable(file) !== undefined);
            if (counts)
                return { ...file, isOfProject: true };
        }
    }
    return undefined;
}
/**
 * Returns the root of the workspace that a directory is in: for uv, a project is one of its own.
 * @returns undefined where there is no project
 */
async function workspaceRoot(start) {
    let project;
    for (const directory of withParents(start)) {
        const file = await read(node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, 'pyproject.toml'));
        if (file === undefined)
            continue;
        const own = uvTable(file) ?? {};
        const workspace = own['workspace'] === undefined ? undefined : (0,_logic_toml_js__WEBPACK_IMPORTED_MODULE_5__/* .table */ .tp)(own['workspace']);
        if (project === undefined) {
            if (workspace !== undefined)
                return directory;
            if (own['managed'] === false || contentOf(file)['project'] === undefined)
                return undefined;
            project = directory;
            continue;
        }
        if (workspace === undefined)
            continue;
        const relative = node_path__WEBPACK_IMPORTED_MODULE_2__.relative(directory, project).split(node_path__WEBPACK_IMPORTED_MODULE_2__.sep).join('/');
        const matches = (key) => (0,_logic_toml_js__WEBPACK_IMPORTED_MODULE_5__/* .strings */ .P$)(workspace[key]).some((glob) => node_path__WEBPACK_IMPORTED_MODULE_2__.matchesGlob(relative, glob.replace(/\/+$/, '')));
        return matches('members') && !matches('exclude') ? directory : project;
    }
    return project;
}
function withParents(start) {
    const parent = node_path__WEBPACK_IMPORTED_MODULE_2__.dirname(start);
    return parent === start ? [start] : [start, ...withParents(parent)];
}
function uvTable(file) {
    const { uv } = (0,_logic_toml_js__WEBPACK_IMPORTED_MODULE_5__/* .table */ .tp)(contentOf(file)['tool']);
    return uv === undefined ? undefined : (0,_logic_toml_js__WEBPACK_IMPORTED_MODULE_5__/* .table */ .tp)(uv);
}
/** Returns nothing for a file that is not valid, which uv ignores with a warning. */
function contentOf(file) {
    try {
        return (0,_logic_toml_js__WEBPACK_IMPORTED_MODULE_5__/* .parseToml */ .MT)(file.text, file.path);
    }
    catch {
        return {};
    }
}
/** @returns undefined when there is no such file */
async function read(file) {
    try {
        return { path: file, text: await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_0__.readFile)(file, 'utf8'), isOfProject: false };
    }
    catch (error) {
        const { code = '' } = error;
        if (['ENOENT', 'ENOTDIR', 'EISDIR', 'EACCES'].includes(code))
            return undefined;
        throw new _logic_errors_js__WEBPACK_IMPORTED_MODULE_4__/* .UserError */ .yo(`uv's settings in ${file} can't be read: ${(0,_logic_errors_js__WEBPACK_IMPORTED_MODULE_4__/* .messageOf */ .bD)(error)}.`);
    }
}


/***/ }),

/***/ 5638:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   S: () => (/* binding */ wheelhousesAdapter)
/* harmony export */ });
/* harmony import */ var node_fs__WEBPACK_IMPORTED_MODULE_0__ = __nccwpck_require__(3024);
/* harmony import */ var node_fs_promises__WEBPACK_IMPORTED_MODULE_1__ = __nccwpck_require__(1455);
/* harmony import */ var node_path__WEBPACK_IMPORTED_MODULE_2__ = __nccwpck_require__(6760);
/* harmony import */ var _logic_change_entry_js__WEBPACK_IMPORTED_MODULE_3__ = __nccwpck_require__(3385);
/* harmony import */ var _logic_errors_js__WEBPACK_IMPORTED_MODULE_4__ = __nccwpck_require__(5895);
/* harmony import */ var _logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__ = __nccwpck_require__(4649);
/* harmony import */ var _logic_names_js__WEBPACK_IMPORTED_MODULE_6__ = __nccwpck_require__(9882);
/* harmony import */ var _disk_js__WEBPACK_IMPORTED_MODULE_7__ = __nccwpck_require__(6895);
/** Directories of wheels on disk. No file is half-written under its final name. */








function wheelhousesAdapter() {
    return {
        workplace: (parent) => (0,_disk_js__WEBPACK_IMPORTED_MODULE_7__/* .temporaryDirectory */ .De)(parent, 'wheelhouse-work'),
        stage: (workplace) => (0,_disk_js__WEBPACK_IMPORTED_MODULE_7__/* .temporaryDirectory */ .De)(workplace, 'staged'),
        inspect,
        verify,
        share,
        writeBase: (directory, base) => (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.writeFile)(node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, _logic_change_entry_js__WEBPACK_IMPORTED_MODULE_3__/* .baseFile */ .cK), (0,_logic_change_entry_js__WEBPACK_IMPORTED_MODULE_3__/* .formatBase */ .Tq)(base)),
        isChange: (directory) => (0,_disk_js__WEBPACK_IMPORTED_MODULE_7__/* .exists */ .t2)(node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, _logic_change_entry_js__WEBPACK_IMPORTED_MODULE_3__/* .baseFile */ .cK)),
        takeBase,
        supplement,
        reopen,
        keepOnly,
        list,
        measure,
        seal,
        publish: _disk_js__WEBPACK_IMPORTED_MODULE_7__/* .moveDirectory */ .Ti,
        copy,
        move: (file, from, to) => (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.rename)(node_path__WEBPACK_IMPORTED_MODULE_2__.join(from, file), node_path__WEBPACK_IMPORTED_MODULE_2__.join(to, file)),
        write: async (file, text) => {
            await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.mkdir)(node_path__WEBPACK_IMPORTED_MODULE_2__.dirname(file), { recursive: true });
            await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.writeFile)(file, text);
        },
        read: (file) => (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.readFile)(file, 'utf8'),
        exists: _disk_js__WEBPACK_IMPORTED_MODULE_7__/* .exists */ .t2,
        remove: _disk_js__WEBPACK_IMPORTED_MODULE_7__/* .discard */ .vf,
    };
}
/**
 * Links the files of a directory into another one: cheap, and safe while another job replaces the
 * directory. Leaves out files that disappear meanwhile.
 */
async function share(directory, staged, files) {
    for (const file of files ?? (await filesBelow(directory))) {
        const [from, to] = [node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, file), node_path__WEBPACK_IMPORTED_MODULE_2__.join(staged, file)];
        await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.mkdir)(node_path__WEBPACK_IMPORTED_MODULE_2__.dirname(to), { recursive: true });
        await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.link)(from, to).catch(() => (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.copyFile)(from, to).catch(() => { }));
    }
}
/** Replaces hard links by copies: pip overwrites wheels in place, under every name they have. */
async function reopen(directory) {
    const aside = node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, _logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .buildDirectory */ .WP);
    for (const file of await list(aside)) {
        await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.rename)(node_path__WEBPACK_IMPORTED_MODULE_2__.join(aside, file), node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, file));
    }
    await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.rm)(aside, { recursive: true, force: true });
    for (const entry of await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.readdir)(directory, { withFileTypes: true })) {
        if (!entry.isFile())
            continue;
        const file = node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, entry.name);
        if ((await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.lstat)(file)).nlink < 2)
            continue;
        await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.copyFile)(file, `${file}.own`, node_fs__WEBPACK_IMPORTED_MODULE_0__.constants.COPYFILE_FICLONE);
        await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.rename)(`${file}.own`, file);
    }
}
async function copy(from, to, expected) {
    await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.copyFile)(from, to);
    const [{ size }, sha256] = await Promise.all([(0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.lstat)(to), (0,_disk_js__WEBPACK_IMPORTED_MODULE_7__/* .fileSha256 */ .sN)(to)]);
    if (expected === undefined || sha256 === expected)
        return { sha256, size };
    await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.rm)(to, { force: true });
    throw new _logic_errors_js__WEBPACK_IMPORTED_MODULE_4__/* .UserError */ .yo(`${from} has the SHA-256 ${sha256} instead of ${expected}.`);
}
async function inspect(directory, depth) {
    const text = await readOwn(directory, _logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .manifestFile */ .YE, _logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .maxManifestBytes */ .rq);
    if (text === undefined) {
        const entries = await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.readdir)(directory).catch(() => []);
        if (entries.length === 0)
            return undefined;
        throw new _logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .ManifestError */ .Sh(`it has no ${_logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .manifestFile */ .YE}`);
    }
    const manifest = (0,_logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .parseManifest */ .Ng)(text);
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
    const chosen = new Set(wheels.map(_logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .wheelPath */ .NV));
    return compare(inspected, async (wheel) => {
        if (!chosen.has((0,_logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .wheelPath */ .NV)(wheel)))
            return undefined;
        const digest = await (0,_disk_js__WEBPACK_IMPORTED_MODULE_7__/* .fileSha256 */ .sN)(node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, (0,_logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .wheelPath */ .NV)(wheel)));
        return digest === wheel.sha256
            ? undefined
            : `${wheel.file} has a different hash than in the manifest`;
    });
}
/** Removes wheels that have a fault. */
async function compare({ manifest, sound, faults }, faultOf) {
    const found = await (0,_disk_js__WEBPACK_IMPORTED_MODULE_7__/* .mapFiles */ .qM)(sound, faultOf);
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
    const file = node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, name);
    const found = await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.lstat)(file).catch(() => undefined);
    if (found === undefined)
        return undefined;
    if (!found.isFile() || found.size > maxBytes) {
        throw new _logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .ManifestError */ .Sh(`${name} is not a regular file`);
    }
    return (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.readFile)(file, 'utf8');
}
async function takeBase(directory) {
    const text = await readOwn(directory, _logic_change_entry_js__WEBPACK_IMPORTED_MODULE_3__/* .baseFile */ .cK, _logic_change_entry_js__WEBPACK_IMPORTED_MODULE_3__/* .maxBaseBytes */ .tZ);
    if (text === undefined)
        return undefined;
    await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.rm)(node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, _logic_change_entry_js__WEBPACK_IMPORTED_MODULE_3__/* .baseFile */ .cK));
    return (0,_logic_change_entry_js__WEBPACK_IMPORTED_MODULE_3__/* .parseBase */ .Hp)(text);
}
async function supplement(directory, from) {
    const text = await readOwn(directory, _logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .manifestFile */ .YE, _logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .maxManifestBytes */ .rq);
    if (text === undefined)
        throw new _logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .ManifestError */ .Sh(`it has no ${_logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .manifestFile */ .YE}`);
    const moved = new Set();
    for (const file of (0,_logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .parseManifest */ .Ng)(text).wheels.map(_logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .wheelPath */ .NV)) {
        const [source, target] = [node_path__WEBPACK_IMPORTED_MODULE_2__.join(from, file), node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, file)];
        if ((await (0,_disk_js__WEBPACK_IMPORTED_MODULE_7__/* .exists */ .t2)(target)) || !(await isDirectory(node_path__WEBPACK_IMPORTED_MODULE_2__.dirname(source))))
            continue;
        await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.mkdir)(node_path__WEBPACK_IMPORTED_MODULE_2__.dirname(target), { recursive: true }).catch(() => { });
        if (!(await isDirectory(node_path__WEBPACK_IMPORTED_MODULE_2__.dirname(target))))
            continue;
        const isMoved = await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.rename)(source, target).then(() => true, () => false);
        if (isMoved)
            moved.add(file);
    }
    return moved;
}
/** Not for links to directories. */
async function isDirectory(file) {
    return (await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.lstat)(file).catch(() => undefined))?.isDirectory() === true;
}
/** Everything that belongs to a wheelhouse, as relative paths. */
function filesOf({ wheels }) {
    return [_logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .manifestFile */ .YE, _logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .lockFile */ .Ke, _logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .pylockFile */ .Rr, ...wheels.map(_logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .wheelPath */ .NV)];
}
async function fileFault(directory, wheel) {
    const file = node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, (0,_logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .wheelPath */ .NV)(wheel));
    // Not stat: the file or its directory may be a link that leads out of the wheelhouse.
    const parent = await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.lstat)(node_path__WEBPACK_IMPORTED_MODULE_2__.dirname(file)).catch(() => undefined);
    const found = parent?.isDirectory() ? await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.lstat)(file).catch(() => undefined) : undefined;
    if (found === undefined)
        return (0,_logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .absence */ .An)(wheel);
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
    const parents = new Set(files.map((file) => node_path__WEBPACK_IMPORTED_MODULE_2__.posix.dirname(file)));
    const clean = async (relative) => {
        for (const name of await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.readdir)(node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, relative), { encoding: 'buffer' })) {
            const entry = node_path__WEBPACK_IMPORTED_MODULE_2__.posix.join(relative, name.toString());
            const full = Buffer.concat([
                Buffer.from(`${node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, relative)}${node_path__WEBPACK_IMPORTED_MODULE_2__.sep}`),
                name,
            ]);
            const isExact = Buffer.from(name.toString()).equals(name);
            if (isExact && parents.has(entry) && (await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.lstat)(full)).isDirectory())
                await clean(entry);
            else if (!isExact || !keep.has(entry))
                await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.rm)(full, { recursive: true, force: true });
        }
    };
    await clean('');
}
async function list(directory) {
    const names = await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.readdir)(directory).catch((error) => {
        if (error.code !== 'ENOENT')
            throw error;
        return [];
    });
    return names.filter(_logic_names_js__WEBPACK_IMPORTED_MODULE_6__/* .isWheelFileName */ .jh).sort();
}
/**
 * Lists a wheelhouse as relative paths with `/`: its entries, with those of the directory of wheels
 * for building in place of that directory. Follows no link.
 */
async function filesBelow(directory) {
    const entries = await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.readdir)(directory, { withFileTypes: true }).catch(() => []);
    const nested = entries.map(async (entry) => {
        if (entry.name !== _logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .buildDirectory */ .WP || !entry.isDirectory())
            return [entry.name];
        const inside = await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.readdir)(node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, _logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .buildDirectory */ .WP)).catch(() => []);
        return inside.map((name) => `${_logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .buildDirectory */ .WP}/${name}`);
    });
    return (await Promise.all(nested)).flat();
}
function measure(directory, files) {
    return (0,_disk_js__WEBPACK_IMPORTED_MODULE_7__/* .mapFiles */ .qM)(files, async (file) => {
        const full = node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, file);
        return { file, sha256: await (0,_disk_js__WEBPACK_IMPORTED_MODULE_7__/* .fileSha256 */ .sN)(full), size: (await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.lstat)(full)).size };
    });
}
async function seal(directory, manifest) {
    for (const wheel of manifest.wheels) {
        const place = node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, (0,_logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .wheelPath */ .NV)(wheel));
        const flat = node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, wheel.file);
        if (place === flat || (await (0,_disk_js__WEBPACK_IMPORTED_MODULE_7__/* .exists */ .t2)(place)))
            continue;
        await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.mkdir)(node_path__WEBPACK_IMPORTED_MODULE_2__.dirname(place), { recursive: true });
        await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.rename)(flat, place);
    }
    for (const [file, text] of Object.entries((0,_logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .lockTexts */ .wM)(manifest.wheels))) {
        await (0,_disk_js__WEBPACK_IMPORTED_MODULE_7__/* .writeWhole */ .f8)(node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, file), text);
    }
    await (0,_disk_js__WEBPACK_IMPORTED_MODULE_7__/* .writeWhole */ .f8)(node_path__WEBPACK_IMPORTED_MODULE_2__.join(directory, _logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .manifestFile */ .YE), (0,_logic_manifest_js__WEBPACK_IMPORTED_MODULE_5__/* .formatManifest */ .L_)(manifest));
    await keepOnly(directory, filesOf(manifest));
}


/***/ }),

/***/ 2459:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __nccwpck_require__) => {

/* harmony export */ __nccwpck_require__.d(__webpack_exports__, {
/* harmony export */   G5: () => (/* binding */ command),
/* harmony export */   LZ: () => (/* binding */ saveState),
/* harmony export */   S0: () => (/* binding */ addSummary),
/* harmony export */   dN: () => (/* binding */ exportVariable),
/* harmony export */   fM: () => (/* binding */ addPath),
/* harmony export */   hF: () => (/* binding */ input),
/* harmony export */   uH: () => (/* binding */ setOutput),
/* harmony export */   yy: () => (/* binding */ print)
/* harmony export */ });
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
    appendTo('GITHUB_PATH', `${directory}${node_os__WEBPACK_IMPORTED_MODULE_2__.EOL}`);
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
/******/ var __webpack_exports__ = __nccwpck_require__(342);
/******/ __webpack_exports__ = await __webpack_exports__;
/******/ 
