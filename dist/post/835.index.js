export const id = 835;
export const ids = [835];
export const modules = {

/***/ 835:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

// ESM COMPAT FLAG
__webpack_require__.r(__webpack_exports__);

// EXPORTS
__webpack_require__.d(__webpack_exports__, {
  saveFromState: () => (/* binding */ saveFromState)
});

// EXTERNAL MODULE: external "node:os"
var external_node_os_ = __webpack_require__(161);
;// CONCATENATED MODULE: ./lib/logic/errors.js
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
function errors_asUserError(error) {
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

// EXTERNAL MODULE: external "node:crypto"
var external_node_crypto_ = __webpack_require__(598);
;// CONCATENATED MODULE: ./lib/logic/digest.js
/** Digests of what is in memory. Files are hashed in world/disk.ts. */

/** Returns the SHA-256 of bytes, or of a text in UTF-8, as hex. */
function digest_sha256(content) {
    return (0,external_node_crypto_.createHash)('sha256').update(content).digest('hex');
}
/** Returns one digest, as hex, for a list of texts; their order counts. */
function digest(parts) {
    return digest_sha256(JSON.stringify(parts));
}

;// CONCATENATED MODULE: ./lib/logic/names.js
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

;// CONCATENATED MODULE: ./lib/logic/schema.js
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

;// CONCATENATED MODULE: ./lib/logic/manifest.js
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
const projectName = lineOf('a normalized project name', isNormalizedName);
const extraName = lineOf('the name of an extra', isValidName);
const version = lineOf('a version', (text) => /^[A-Za-z0-9][A-Za-z0-9.!+_-]*$/.test(text));
const moment = lineOf('a date and time in UTC', (text) => /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text) && !Number.isNaN(Date.parse(text)));
const seconds = satisfying('a number of seconds', (value) => typeof value === 'number' && value >= 0 && value < 1e6);
/** Any text, shortened to one line. */
const shownText = (value, name) => string(value, name).replace(/[\p{Cc}\u2028\u2029]/gu, ' ');
const digestText = lineOf('a SHA-256 in lower-case hex', (text) => /^[0-9a-f]{64}$/.test(text));
const wheelSchema = object({
    /** Normalised. */
    name: projectName,
    /** The name in the spelling of its metadata; pip names directories after the requested spelling. */
    project: lineOf('a project name', (text) => /^[A-Za-z0-9._-]+$/.test(text)),
    version,
    /** A file name without directories. */
    file: lineOf('the file name of a wheel', isWheelFileName),
    /** Hex. */
    sha256: digestText,
    /** Bytes. */
    size: byteCount,
    origin: oneOf('downloaded', 'built'),
    /** runtime: in the lock. build: required to build local projects. */
    role: oneOf('runtime', 'build'),
    /** The hashes in the request that allowed this wheel, or the sdist that it was built from. */
    requestHashes: optional(list(string)),
    /** The fingerprint of its URL in the request. */
    url: optional(line),
    /** SHA-256 in hex of the sdist that it was built from, if known. */
    sdist: optional(digestText),
});
const projectSchema = object({
    /** The requirement's canonical text. */
    requirement: line,
    name: projectName,
    version,
    extras: list(extraName),
    /** Its `Requires-Dist` without URLs, sorted; when it changes, the closure may change. */
    requires: list(string),
});
const manifestSchema = object({
    interpreter: line,
    /** Digest of its request. */
    request: line,
    /** Digest of the origin of its wheels and of their build settings. */
    sources: line,
    /** When its requirements were last resolved. */
    resolvedAt: moment,
    wheels: list(wheelSchema),
    direct: list(projectSchema),
    /**
     * Installed projects that its wheels depend on: the hashes of the request allow no files of them,
     * so the environment must have them.
     */
    relied: list(object({ name: projectName, version })),
    /** Seconds of the longest fill behind it, which a hit saves. */
    effort: optional(seconds),
    /** Version of the Python that filled it; another patch release can use it. */
    python: optional(line),
    /** The input of the digests, to explain a miss; without addresses, and omitted when too long. */
    parts: optional(object({ sources: list(shownText), lines: list(shownText) })),
});
/** The path of a wheel relative to its wheelhouse. */
function manifest_wheelPath({ role, file }) {
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
    return digest_sha256(normal);
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
        if (!(error instanceof SchemaError))
            throw error;
        throw new ManifestError(`${manifestFile} is not valid: ${error.message}`);
    }
}
const schemaNumber = object({ schema: (value) => value });
/** @throws ManifestError when two fields contradict each other */
function checkConsistency({ wheels }) {
    for (const { file, name, project, version } of wheels) {
        const named = wheelNameParts(file);
        if (named.name !== name)
            throw new ManifestError(`${file} is not a wheel of "${name}"`);
        if (normalizeName(project) !== name) {
            throw new ManifestError(`${file} is not a wheel of "${project}"`);
        }
        if (!sameVersion(version, named.version)) {
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
const referenceSchema = object({
    /** The key of the full entry. Also shown, so its characters are limited. */
    key: lineOf('a cache key', (text) => /^[a-z0-9._-]{1,512}$/.test(text)),
    /** Bytes of the wheels in the full entry. */
    size: byteCount,
    /** Bytes of the wheels in this change and in those that it followed on the same full entry. */
    saved: byteCount,
});
const changeSchema = object({
    base: referenceSchema,
    /** Paths of the wheels that the base lacks, relative to the wheelhouse. */
    wheels: list(line),
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
        if (!(error instanceof SchemaError || error instanceof SyntaxError))
            throw error;
        const reason = error instanceof SchemaError ? error.message : 'it is not JSON';
        throw new ManifestError(`${baseFile} is not valid: ${reason}`);
    }
}

;// CONCATENATED MODULE: ./lib/logic/state.js
/**
 * The state from the main step to the post step: one versioned JSON text, signed with the job's
 * token for the cache service. Programs that main starts can write to the file that contains it, but
 * do not get that token; with it they could write cache entries anyway.
 */



/** Changes with the form; a state of another version is ignored. */
const state_version = 4;
const stateSchema = object({
    version: satisfying(`${state_version}`, (value) => value === state_version),
    // A path may contain any character; it is signed, and never shown as is.
    wheelhouses: list(object({ wheelhouse: string, key: line, manifest: line, change: optional(changeSchema) })),
    signature: line,
});
/** @param token of the cache service; a secret of the job */
function formatState(states, token) {
    return JSON.stringify({ version: state_version, wheelhouses: states, signature: signature(states, token) });
}
/** @returns undefined unless the main step of this job wrote the text, in this version */
function parseState(text, token) {
    try {
        const { wheelhouses, signature: given } = stateSchema(JSON.parse(text), '');
        const [one, other] = [Buffer.from(signature(wheelhouses, token)), Buffer.from(given)];
        const isOurs = token !== '' && one.length === other.length && (0,external_node_crypto_.timingSafeEqual)(one, other);
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
    const text = JSON.stringify(['wheelhouse state', state_version, parts]);
    return (0,external_node_crypto_.createHmac)('sha256', token).update(text).digest('hex');
}

;// CONCATENATED MODULE: ./lib/save.js

/**
 * Saves the wheelhouse that a state names, or what has changed in it, if it is still what the main
 * step filled. Never throws for what is in it.
 */
async function save(state, world) {
    const { wheelhouses, reporter, store, temporary } = world;
    const { wheelhouse, key, change } = state;
    if (store.unavailable !== undefined) {
        reporter.info(`Nothing is saved: ${store.unavailable}.`);
        return;
    }
    const staged = change && (await wheelhouses.workplace(temporary));
    const entry = staged ?? wheelhouse;
    try {
        if (change !== undefined) {
            await wheelhouses.share(wheelhouse, entry, [manifestFile, ...change.wheels]);
        }
        const fault = await faultOf(entry, state, wheelhouses);
        if (fault !== undefined) {
            reporter.warning(`The wheelhouse is not saved: ${fault}.`);
            return;
        }
        if (change !== undefined)
            await wheelhouses.writeBase(entry, change.base);
        const outcome = await store.save(entry, key);
        if (outcome === 'saved')
            reporter.info(`Saved ${described(change)} as ${key}.`);
        if (outcome === 'exists')
            reporter.info(`${key} is already in the cache.`);
    }
    finally {
        if (staged !== undefined)
            await wheelhouses.remove(staged);
    }
}
/** @returns why a directory is not what the main step made, as the end of a sentence */
async function faultOf(directory, { manifest: digest, change }, wheelhouses) {
    try {
        const inspected = await wheelhouses.inspect(directory, 'content');
        if (inspected === undefined)
            return 'it no longer exists';
        const { manifest, faults } = inspected;
        if (manifestDigest(manifest) !== digest)
            return 'it has changed since this step filled it';
        const isLeftOut = (wheel) => change !== undefined && !change.wheels.includes(manifest_wheelPath(wheel));
        const excused = manifest.wheels.filter(isLeftOut).map(absence);
        const damage = faults.filter((each) => !excused.includes(each));
        return damage.length > 0 ? damage.join('; ') : undefined;
    }
    catch (error) {
        if (error instanceof ManifestError)
            return error.message;
        throw error;
    }
}
function described(change) {
    if (change === undefined)
        return 'the wheelhouse';
    const count = change.wheels.length;
    return `what has changed in the wheelhouse since ${change.base.key} (${count} ${count === 1 ? 'wheel' : 'wheels'})`;
}

// EXTERNAL MODULE: external "node:fs/promises"
var promises_ = __webpack_require__(455);
// EXTERNAL MODULE: external "node:path"
var external_node_path_ = __webpack_require__(760);
;// CONCATENATED MODULE: ./lib/logic/secrets.js
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
function secrets_withoutSecrets(text) {
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
            : `${host}/#${sha256(clean.slice(scheme, end)).slice(0, fingerprintLength)}`;
        position = end;
    }
    return result + clean.slice(position);
}
/** A configured address for people; path segments that look like tokens become `…`. */
function shownAddress(address) {
    const clean = secrets_withoutSecrets(address);
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
const prescribedNames = (/* unused pure expression or super */ null && (['__token__', 'oauth2accesstoken', 'VssSessionToken', 'gitlab-ci-token']));
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
function secrets_redactor() {
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

// EXTERNAL MODULE: external "node:fs"
var external_node_fs_ = __webpack_require__(24);
;// CONCATENATED MODULE: ./lib/world/disk.js
/** Files and directories: hashes, writes, copies, moves and deletes them. */




/** Whether there is a file, a directory or a link of that name. */
async function exists(file) {
    return (await (0,promises_.lstat)(file).catch(() => undefined)) !== undefined;
}
/** Bytes that are read at a time. */
const pieceSize = 512 * 1024;
/** Memory to read into, for the next file: streams would take new memory for every piece. */
const idle = [];
/** @returns lower-case hex of a file's SHA-256 @throws the system's error when it can't be read */
async function fileSha256(file) {
    const hash = (0,external_node_crypto_.createHash)('sha256');
    const handle = await (0,promises_.open)(file);
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
    const temporary = `${file}.${(0,external_node_crypto_.randomUUID)()}`;
    await (0,promises_.writeFile)(temporary, text);
    await (0,promises_.rename)(temporary, file);
}
/** How often another process may be faster while a directory is moved into its place. */
const maxSwaps = 20;
/**
 * Moves a directory into the place of another one: by rename, or by a copy beside it and a rename
 * where the two are on different disks. Two processes may do it at once: the last one stays, whole.
 */
async function moveDirectory(from, to) {
    await (0,promises_.mkdir)(external_node_path_.dirname(to), { recursive: true });
    const source = await onSameDisk(from, to);
    const aside = untilExit(`${to}.${(0,external_node_crypto_.randomUUID)().slice(0, 8)}.old`);
    for (let swap = 1;; swap += 1) {
        await (0,promises_.rename)(to, aside).catch((error) => {
            if (error.code !== 'ENOENT')
                throw error;
        });
        try {
            await (0,promises_.rename)(source, to);
            break;
        }
        catch (error) {
            const { code } = error;
            if (!['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(String(code)) || swap >= maxSwaps)
                throw error;
            await (0,promises_.rm)(aside, { recursive: true, force: true });
        }
    }
    release(from);
    release(source);
    await discard(aside);
}
async function onSameDisk(from, to) {
    const beside = untilExit(`${to}.${(0,external_node_crypto_.randomUUID)().slice(0, 8)}.new`);
    try {
        await (0,promises_.rename)(from, beside);
    }
    catch (error) {
        if (error.code !== 'EXDEV')
            throw error;
        await copyDirectory(from, beside);
        await (0,promises_.rm)(from, { recursive: true, force: true });
    }
    return beside;
}
/** Copies a directory; the files share their blocks where the file system can do that. */
async function copyDirectory(from, to) {
    await (0,promises_.cp)(from, to, { recursive: true, mode: external_node_fs_.constants.COPYFILE_FICLONE });
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
    await (0,promises_.mkdir)(parent, { recursive: true });
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
    const remove = () => (0,promises_.rm)(directory, { recursive: true, force: true });
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

;// CONCATENATED MODULE: ./lib/logic/environment.js
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
const notForFill = (/* unused pure expression or super */ null && ([
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
]));
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

// EXTERNAL MODULE: external "node:child_process"
var external_node_child_process_ = __webpack_require__(421);
// EXTERNAL MODULE: external "node:string_decoder"
var external_node_string_decoder_ = __webpack_require__(193);
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
    const child = (0,external_node_child_process_.spawn)(command, args, {
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
        const decoder = new external_node_string_decoder_.StringDecoder('utf8');
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
        const root = await temporaryDirectory(options.temporary, 'wheelhouse-transfer');
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
        this.#running = start(process.execPath, [program], {
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
        await discard(this.#directories.root);
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
        ...environmentForPrograms(environment),
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
                else if (await exists(inside)) {
                    await moveDirectory(inside, directory);
                    isReusable = true;
                }
                return { key: entry, arrived: hostile === undefined && fault === undefined };
            }
            catch (error) {
                reporter.warning(`The cache could not be restored: ${secrets_withoutSecrets(messageOf(error))}.`);
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
                await moveDirectory(directory, inside);
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
                reporter.warning(`The cache could not be saved: ${secrets_withoutSecrets(messageOf(error))}.`);
                return 'failed';
            }
            finally {
                await moveDirectory(inside, directory).catch(() => { });
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
    ].map((reason) => secrets_withoutSecrets(reason).replace(/\.$/, ''));
    if (reasons.length > 0) {
        reporter.warning(`The cache could not be ${done}: ${[...new Set(reasons)].join('; ')}.`);
    }
}

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

;// CONCATENATED MODULE: ./lib/world/workflow.js
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
    process.stdout.write(`${line}${external_node_os_.EOL}`);
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
    const end = `end-${randomUUID()}`;
    appendTo(variable, [`${name}<<${end}`, value, end, ''].join(EOL));
}
/** @param variable has the path of a file that the runner reads; without a runner, nobody does */
function appendTo(variable, text) {
    const file = process.env[variable];
    if (file)
        appendFileSync(path.resolve(file), text);
}
/** A line break would start a line, which could be a command. */
function escapeText(text) {
    return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}
function escapeProperty(text) {
    return escapeText(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}

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
    const { add, clean } = secrets_redactor();
    return {
        info: (text) => print(harmless_harmless(clean(text))),
        notice: (text) => command('notice', clean(text)),
        warning: (text) => command('warning', clean(text)),
        error: (error) => {
            const known = errors_asUserError(error);
            if (known) {
                const { message, file, line } = known;
                command('error', clean(message), { title, file, line });
            }
            else {
                command('error', clean(`${title} failed unexpectedly; this is a bug in the action: ${stackOf(error)}`));
            }
        },
        foreign: (text) => print(harmless_harmless(secrets_withoutSecrets(clean(text)))),
        group: async (title, work) => {
            command('group', clean(title));
            try {
                return await work();
            }
            finally {
                command('endgroup');
            }
        },
        hide: (secrets) => {
            for (const secret of secrets)
                command('add-mask', secret);
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

;// CONCATENATED MODULE: ./lib/world/wheelhouses.js
/** Directories of wheels on disk. No file is half-written under its final name. */








function wheelhousesAdapter() {
    return {
        workplace: (parent) => temporaryDirectory(parent, 'wheelhouse-work'),
        stage: (workplace) => temporaryDirectory(workplace, 'staged'),
        inspect,
        verify,
        share,
        writeBase: (directory, base) => (0,promises_.writeFile)(external_node_path_.join(directory, baseFile), formatBase(base)),
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
        move: (file, from, to) => (0,promises_.rename)(external_node_path_.join(from, file), external_node_path_.join(to, file)),
        write: async (file, text) => {
            await (0,promises_.mkdir)(external_node_path_.dirname(file), { recursive: true });
            await (0,promises_.writeFile)(file, text);
        },
        read: (file) => (0,promises_.readFile)(file, 'utf8'),
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
        await (0,promises_.mkdir)(external_node_path_.dirname(to), { recursive: true });
        await (0,promises_.link)(from, to).catch(() => (0,promises_.copyFile)(from, to).catch(() => { }));
    }
}
/** Replaces hard links by copies: pip overwrites wheels in place, under every name they have. */
async function reopen(directory) {
    const aside = external_node_path_.join(directory, buildDirectory);
    for (const file of await wheelhouses_list(aside)) {
        await (0,promises_.rename)(external_node_path_.join(aside, file), external_node_path_.join(directory, file));
    }
    await (0,promises_.rm)(aside, { recursive: true, force: true });
    for (const entry of await (0,promises_.readdir)(directory, { withFileTypes: true })) {
        if (!entry.isFile())
            continue;
        const file = external_node_path_.join(directory, entry.name);
        if ((await (0,promises_.lstat)(file)).nlink < 2)
            continue;
        await (0,promises_.copyFile)(file, `${file}.own`, external_node_fs_.constants.COPYFILE_FICLONE);
        await (0,promises_.rename)(`${file}.own`, file);
    }
}
async function copy(from, to, expected) {
    await (0,promises_.copyFile)(from, to);
    const [{ size }, sha256] = await Promise.all([(0,promises_.lstat)(to), fileSha256(to)]);
    if (expected === undefined || sha256 === expected)
        return { sha256, size };
    await (0,promises_.rm)(to, { force: true });
    throw new UserError(`${from} has the SHA-256 ${sha256} instead of ${expected}.`);
}
async function inspect(directory, depth) {
    const text = await readOwn(directory, manifestFile, maxManifestBytes);
    if (text === undefined) {
        const entries = await (0,promises_.readdir)(directory).catch(() => []);
        if (entries.length === 0)
            return undefined;
        throw new ManifestError(`it has no ${manifestFile}`);
    }
    const manifest = parseManifest(text);
    const inspected = await wheelhouses_compare({ manifest, sound: manifest.wheels, faults: [] }, (wheel) => fileFault(directory, wheel));
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
    const chosen = new Set(wheels.map(manifest_wheelPath));
    return wheelhouses_compare(inspected, async (wheel) => {
        if (!chosen.has(manifest_wheelPath(wheel)))
            return undefined;
        const digest = await fileSha256(external_node_path_.join(directory, manifest_wheelPath(wheel)));
        return digest === wheel.sha256
            ? undefined
            : `${wheel.file} has a different hash than in the manifest`;
    });
}
/** Removes wheels that have a fault. */
async function wheelhouses_compare({ manifest, sound, faults }, faultOf) {
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
    const found = await (0,promises_.lstat)(file).catch(() => undefined);
    if (found === undefined)
        return undefined;
    if (!found.isFile() || found.size > maxBytes) {
        throw new ManifestError(`${name} is not a regular file`);
    }
    return (0,promises_.readFile)(file, 'utf8');
}
async function takeBase(directory) {
    const text = await readOwn(directory, baseFile, maxBaseBytes);
    if (text === undefined)
        return undefined;
    await (0,promises_.rm)(external_node_path_.join(directory, baseFile));
    return parseBase(text);
}
async function supplement(directory, from) {
    const text = await readOwn(directory, manifestFile, maxManifestBytes);
    if (text === undefined)
        throw new ManifestError(`it has no ${manifestFile}`);
    const moved = new Set();
    for (const file of parseManifest(text).wheels.map(manifest_wheelPath)) {
        const [source, target] = [external_node_path_.join(from, file), external_node_path_.join(directory, file)];
        if ((await exists(target)) || !(await isDirectory(external_node_path_.dirname(source))))
            continue;
        await (0,promises_.mkdir)(external_node_path_.dirname(target), { recursive: true }).catch(() => { });
        if (!(await isDirectory(external_node_path_.dirname(target))))
            continue;
        const isMoved = await (0,promises_.rename)(source, target).then(() => true, () => false);
        if (isMoved)
            moved.add(file);
    }
    return moved;
}
/** Not for links to directories. */
async function isDirectory(file) {
    return (await (0,promises_.lstat)(file).catch(() => undefined))?.isDirectory() === true;
}
/** Everything that belongs to a wheelhouse, as relative paths. */
function filesOf({ wheels }) {
    return [manifestFile, lockFile, pylockFile, ...wheels.map(manifest_wheelPath)];
}
async function fileFault(directory, wheel) {
    const file = external_node_path_.join(directory, manifest_wheelPath(wheel));
    // Not stat: the file or its directory may be a link that leads out of the wheelhouse.
    const parent = await (0,promises_.lstat)(external_node_path_.dirname(file)).catch(() => undefined);
    const found = parent?.isDirectory() ? await (0,promises_.lstat)(file).catch(() => undefined) : undefined;
    if (found === undefined)
        return absence(wheel);
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
        for (const name of await (0,promises_.readdir)(external_node_path_.join(directory, relative), { encoding: 'buffer' })) {
            const entry = external_node_path_.posix.join(relative, name.toString());
            const full = Buffer.concat([
                Buffer.from(`${external_node_path_.join(directory, relative)}${external_node_path_.sep}`),
                name,
            ]);
            const isExact = Buffer.from(name.toString()).equals(name);
            if (isExact && parents.has(entry) && (await (0,promises_.lstat)(full)).isDirectory())
                await clean(entry);
            else if (!isExact || !keep.has(entry))
                await (0,promises_.rm)(full, { recursive: true, force: true });
        }
    };
    await clean('');
}
async function wheelhouses_list(directory) {
    const names = await (0,promises_.readdir)(directory).catch((error) => {
        if (error.code !== 'ENOENT')
            throw error;
        return [];
    });
    return names.filter(isWheelFileName).sort();
}
/**
 * Lists a wheelhouse as relative paths with `/`: its entries, with those of the directory of wheels
 * for building in place of that directory. Follows no link.
 */
async function filesBelow(directory) {
    const entries = await (0,promises_.readdir)(directory, { withFileTypes: true }).catch(() => []);
    const nested = entries.map(async (entry) => {
        if (entry.name !== buildDirectory || !entry.isDirectory())
            return [entry.name];
        const inside = await (0,promises_.readdir)(external_node_path_.join(directory, buildDirectory)).catch(() => []);
        return inside.map((name) => `${buildDirectory}/${name}`);
    });
    return (await Promise.all(nested)).flat();
}
function measure(directory, files) {
    return mapFiles(files, async (file) => {
        const full = external_node_path_.join(directory, file);
        return { file, sha256: await fileSha256(full), size: (await (0,promises_.lstat)(full)).size };
    });
}
async function seal(directory, manifest) {
    for (const wheel of manifest.wheels) {
        const place = external_node_path_.join(directory, manifest_wheelPath(wheel));
        const flat = external_node_path_.join(directory, wheel.file);
        if (place === flat || (await exists(place)))
            continue;
        await (0,promises_.mkdir)(external_node_path_.dirname(place), { recursive: true });
        await (0,promises_.rename)(flat, place);
    }
    for (const [file, text] of Object.entries(lockTexts(manifest.wheels))) {
        await writeWhole(external_node_path_.join(directory, file), text);
    }
    await writeWhole(external_node_path_.join(directory, manifestFile), formatManifest(manifest));
    await keepOnly(directory, filesOf(manifest));
}

;// CONCATENATED MODULE: ./lib/save-main.js
/** Wires the post step; loaded only when there is something to save. */








/** @param text the state of the main step, not empty. Every failure is only a warning. */
async function saveFromState(text) {
    endOnSignals();
    const reporter = actionsReporter('Wheelhouse');
    try {
        const states = parseState(text, process.env['ACTIONS_RUNTIME_TOKEN'] ?? '');
        if (states === undefined) {
            reporter.warning('The wheelhouse is not saved: its state was not written by the main step of this job.');
            return;
        }
        const temporary = process.env['RUNNER_TEMP'] || (0,external_node_os_.tmpdir)();
        const world = {
            reporter,
            temporary,
            wheelhouses: wheelhousesAdapter(),
            store: githubCache({
                environment: process.env,
                temporary,
                program: transferProgram(),
                reporter,
            }),
        };
        for (const state of states)
            await save(state, world);
    }
    catch (error) {
        reporter.warning(`The wheelhouse is not saved: ${messageOf(error)}`);
    }
}


/***/ })

};
