/**
 * Gathers the closure of a request with uv: uv names the closure and all its files in one go, what is
 * missing is downloaded concurrently, and uv builds the sdists.
 */
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import {
  fillEnvironment,
  proxyVariables,
  temporaryVariables,
  uvEnvironment,
} from './logic/environment.ts';
import type { Source } from './logic/errors.ts';
import type { Wheel } from './logic/manifest.ts';
import { sameVersion, wheelNameParts } from './logic/names.ts';
import { type UvOptions, uvBuildArgs, uvCompileArgs } from './logic/pip-args.ts';
import { adviceFor, errorExcerpt } from './logic/pip-output.ts';
import { isolatesBuilds } from './logic/pip-settings.ts';
import { latestUpload } from './logic/release-age.ts';
import { uvFiles, withUserSources } from './logic/request-file.ts';
import { indexRequirements, requestedHashes } from './logic/requirements.ts';
import { formatToml, type Table } from './logic/toml.ts';
import {
  type ChosenFile,
  chooseFile,
  lockedPackages,
  type OfferedPackage,
  offeredPackages,
} from './logic/uv-lock.ts';
import { failedProject } from './logic/uv-output.ts';
import { type UvSettings, uvConfiguration } from './logic/uv-settings.ts';
import { WebError } from './logic/web.ts';
import { constraintsFile, FillError } from './pip.ts';
import type { Measured, WebClient, World } from './ports.ts';
import { applicableRequirements } from './request.ts';
import type { Additional, FillRun, GatheredWheel } from './run.ts';

/** How uv is run. */
interface UvRun {
  readonly run: FillRun;
  readonly world: World;
  readonly command: string;
  readonly uvSettings: UvSettings;
  readonly options: Omit<UvOptions, 'configFile'>;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Downloads or builds the closure of the lines of a run into its wheelhouse.
 * @returns its wheels; others may be left in the wheelhouse
 * @throws FillError with uv's last words and one sentence of advice
 */
export async function gatherWithUv(
  run: FillRun,
  world: World,
  { resolved, stubs }: Additional,
  settings: UvSettings,
): Promise<GatheredWheel[]> {
  const { index, wheelhouse, interpreter } = run;
  if (index.doubt !== undefined) throw new FillError(`${index.doubt}.`, '');
  const uv = await prepare(run, world, settings);
  const wheels = await gather(uv, await choose(uv, resolved));
  const fromRequest = resolved.flatMap(({ url }) => {
    const file = fileURLToPath(url);
    return stubs.has(file) ? [] : [path.basename(file)];
  });
  const measured = await world.wheelhouses.measure(wheelhouse, fromRequest);
  const all = [...wheels, ...measured.map((each) => ({ ...each, origin: 'downloaded' as const }))];
  const files = all.map(({ file }) => file);
  // They only matter where something that is installed already may count.
  const dependencies =
    stubs.size === 0 ? [] : await world.python.dependencies(interpreter, wheelhouse, files);
  return all.map((wheel, position) => ({
    ...wheel,
    writtenName: wheelNameParts(wheel.file).name,
    version: wheelNameParts(wheel.file).version,
    requires: dependencies[position]?.requires ?? [],
  }));
}

async function prepare(run: FillRun, world: World, uvSettings: UvSettings): Promise<UvRun> {
  const { request, settings, interpreter, index, scratch } = run;
  const { releaseAge, environment, workingDirectory } = request;
  const { trustedHosts, certificates } = index.trust;
  const configured = (name: string): string[] =>
    (settings.configured.get(name) ?? '').split(/\s+/).filter((word) => word !== '');
  return {
    ...{ run, world, uvSettings },
    command: await run.tools.uv(),
    options: {
      python: interpreter.executable,
      cacheDir: path.join(scratch, 'uv-cache'),
      noIndex: index.role === 'none',
      findLinks: configured('find-links'),
      buildConstraints: configured('build-constraint').map((file) =>
        path.resolve(workingDirectory, file),
      ),
      configSettings: configured('config-settings'),
      isolatesBuilds: isolatesBuilds(settings),
      // uv ignores the option in a requirement file, with a warning.
      allowPreReleases: /^(?:1|y|yes|t|true|on)$/i.test(settings.configured.get('pre') ?? ''),
      newest: releaseAge && {
        moment: latestUpload(releaseAge, world.now()),
        except: releaseAge.except,
      },
    },
    env: uvEnvironment(environment, {
      ...(certificates === undefined ? {} : { SSL_CERT_FILE: certificates }),
      ...(trustedHosts.length === 0 ? {} : { UV_INSECURE_HOST: trustedHosts.join(' ') }),
      ...proxyVariables(settings.text('proxy')),
      ...temporaryVariables(scratch),
    }),
  };
}

/** Writes a uv.toml. @returns what a uv needs to use it */
async function configure(
  { run, world, uvSettings, options, env }: UvRun,
  metadata: readonly Table[] = [],
): Promise<{ readonly options: UvOptions; readonly env: Readonly<Record<string, string>> }> {
  // uv asks its default index last.
  const [first, ...others] = run.index.urls;
  const urls = first === undefined ? [] : [...others, first];
  const { config, environment } = uvConfiguration(uvSettings, urls, metadata);
  const configFile = path.join(run.scratch, metadata.length === 0 ? 'uv.toml' : 'uv-known.toml');
  await world.wheelhouses.write(configFile, formatToml(config));
  return { options: { ...options, configFile }, env: { ...env, ...environment } };
}

/**
 * Chooses the files of the closure. uv need not ask for the metadata of wheels that are at hand, or
 * build anything for it; should it choose another file of the same version, it is run again.
 * @throws FillError
 */
async function choose(uv: UvRun, resolved: Additional['resolved']): Promise<ChosenFile[]> {
  const { run, world } = uv;
  const hashes = requestedHashes(run.requested.lines);
  const tags = world.python.tags(run.interpreter);
  tags.catch(() => {}); // Needed once uv has resolved.
  const chooseFrom = async (packages: readonly OfferedPackage[]): Promise<ChosenFile[]> => {
    const ranks = new Map((await tags).map((tag, position) => [tag, position]));
    return packages.map((each) => chooseFile(each, ranks, hashes.get(each.name)));
  };
  const earlier = run.earlier.filter(({ role, url }) => role === 'runtime' && url === undefined);
  const known = await metadataOf(uv, earlier);
  if (known.length > 0) {
    const result = await compile(uv, resolved, known);
    const chosen = 'packages' in result ? await chooseFrom(result.packages) : [];
    const isAtHand = (file: ChosenFile): boolean =>
      earlier.some((wheel) => isEarlier(wheel, file)) ||
      !earlier.some(
        ({ name, version }) => name === file.name && sameVersion(version, file.version),
      );
    if ('packages' in result && chosen.every(isAtHand)) return chosen;
  }
  return chooseFrom(await resolve(uv, resolved));
}

/** The metadata of wheels, in the form of uv's setting `dependency-metadata`. */
async function metadataOf({ run, world }: UvRun, wheels: readonly Wheel[]): Promise<Table[]> {
  const files = wheels.map(({ file }) => file);
  const found = await world.python.dependencies(run.interpreter, run.wheelhouse, files);
  return wheels.flatMap(({ name, version }, position) => {
    const each = found[position];
    if (each === undefined) return [];
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
async function resolve(uv: UvRun, resolved: Additional['resolved']): Promise<OfferedPackage[]> {
  const result = await compile(uv, resolved);
  if ('packages' in result) return result.packages;
  const locked = await packagesOfLock(uv);
  if (locked !== undefined) {
    uv.world.reporter.info('The index lacks files of the lock; using the addresses in the lock.');
    return locked;
  }
  const { output } = result;
  const advice = adviceFor(output, { releaseAge: uv.run.resolver.releaseAge });
  throw new FillError(
    `uv could not resolve the requirements. ${advice}\n${errorExcerpt(output)}`,
    output,
    placeOf(failedProject(output), uv),
  );
}

/**
 * Runs `uv pip compile`.
 * @param metadata of versions that it need not ask for; a failure with it is not shown
 * @returns the packages, or what uv printed when it failed
 */
async function compile(
  uv: UvRun,
  resolved: Additional['resolved'],
  metadata: readonly Table[] = [],
): Promise<{ readonly packages: OfferedPackage[] } | { readonly output: string }> {
  const { run, world, command } = uv;
  const { wheelhouses } = world;
  const { request, constraints } = uvFiles(run.requested.lines, resolved, constraintsFile(run));
  const requestFile = path.join(run.scratch, 'uv-requirements.txt');
  const lock = path.join(run.scratch, 'pylock.uv.toml');
  const generated = new Map([
    [requestFile, request],
    [constraintsFile(run), constraints],
  ]);
  for (const [file, { text }] of generated) await wheelhouses.write(file, text);
  const words = (name: string): string[] =>
    (run.settings.configured.get(name) ?? '').split(/[\s,]+/).filter((word) => word !== '');
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
    rewrite: (line) =>
      withUserSources(line, generated)
        .replaceAll(options.configFile, "uv's settings")
        .replaceAll(requestFile, 'the requirements'),
    ...(metadata.length === 0 ? {} : { shows: 'successes' as const }),
  });
  return exitCode === 0 ? { packages: offeredPackages(await wheelhouses.read(lock)) } : { output };
}

/** Returns the user's line that requires a project. */
function placeOf(project: string | undefined, { run }: UvRun): Source | undefined {
  return indexRequirements(run.requested.lines).find(
    ({ name, constraint }) => name === project && !constraint,
  )?.source;
}

/**
 * Returns the packages of lock files with the addresses that those say.
 * @returns undefined when no lock names any file
 */
async function packagesOfLock({ run, world }: UvRun): Promise<OfferedPackage[] | undefined> {
  const { requested, request } = run;
  // An address in a lock has no upload time; with a minimum age, its file has to come from an index.
  const links = (requested.lock?.links ?? []).filter(
    ({ isPath }) => isPath || request.releaseAge === undefined,
  );
  if (links.length === 0) return undefined;
  const lines = await applicableRequirements(run, world);
  const pins = lines.flatMap(({ name, pin }) => (pin ? [{ name, version: pin }] : []));
  const packages = lockedPackages(pins, links, ({ isPath, location }) =>
    isPath ? pathToFileURL(path.resolve(request.workingDirectory, location)).href : location,
  );
  const isComplete = packages.every(({ wheels, sdist }) => wheels.length > 0 || sdist);
  return isComplete && packages.length === lines.length ? packages : undefined;
}

/** A wheel in the wheelhouse. */
interface Arrived extends Measured {
  readonly origin: Wheel['origin'];
  readonly sdist?: string;
}

/** Brings the wheels of chosen files into the wheelhouse. @throws FillError */
async function gather(uv: UvRun, chosen: readonly ChosenFile[]): Promise<Arrived[]> {
  const { run, world } = uv;
  const { index, request, settings, interpreter } = run;
  const client = world.web.open({
    indexes: index.urls,
    trust: index.trust,
    environment: { ...request.environment, ...proxyVariables(settings.text('proxy')) },
    pip: {
      use: 'fallback',
      python: interpreter.executable,
      cwd: request.workingDirectory,
      env: fillEnvironment(request.environment, interpreter.pipConfig, {}, interpreter.keyring),
    },
  });
  const builds = limited(availableParallelism());
  try {
    return await all(
      chosen.map(async (file): Promise<Arrived> => {
        const earlier = run.earlier.find((wheel) => isEarlier(wheel, file));
        if (earlier !== undefined) {
          const { file: name, sha256, size, origin, sdist } = earlier;
          return { file: name, sha256, size, origin, ...(sdist === undefined ? {} : { sdist }) };
        }
        const directory = file.isWheel
          ? run.wheelhouse
          : await world.wheelhouses.stage(run.workplace);
        const fetched = await fetch(uv, client, file, path.join(directory, file.file));
        if (file.isWheel) return { file: file.file, ...fetched, origin: 'downloaded' };
        const built = await builds(() => build(uv, file, directory));
        return { ...built, origin: 'built', sdist: fetched.sha256 };
      }),
    );
  } finally {
    await client.close();
  }
}

/** Whether a wheel of the wheelhouse is the chosen one, or was built from the chosen sdist. */
function isEarlier(wheel: Wheel, { file, name, version, sha256, isWheel }: ChosenFile): boolean {
  if (wheel.role !== 'runtime' || wheel.url !== undefined) return false;
  if (isWheel) return wheel.file === file && (sha256 ?? wheel.sha256) === wheel.sha256;
  return (
    wheel.name === name &&
    sameVersion(wheel.version, version) &&
    wheel.origin === 'built' &&
    wheel.sdist !== undefined &&
    (sha256 ?? wheel.sdist) === wheel.sdist
  );
}

/** @returns its SHA-256 in hex, and its size in bytes @throws FillError */
async function fetch(
  { world }: UvRun,
  client: WebClient,
  { file, url, sha256, size, allowed }: ChosenFile,
  to: string,
): Promise<Pick<Measured, 'sha256' | 'size'>> {
  world.reporter.info(`Downloading ${file}`);
  try {
    const found = url.startsWith('file:')
      ? await world.wheelhouses.copy(fileURLToPath(url), to, sha256)
      : await client.file(url, to, { sha256, size });
    // An index need not say any hash.
    if (allowed === undefined || allowed.includes(`sha256:${found.sha256}`)) return found;
    const reason = `its SHA-256 is ${found.sha256}, which the requirements do not allow`;
    throw new WebError('wrong', reason);
  } catch (error) {
    if (!(error instanceof WebError)) throw error;
    const reason = `${file} could not be downloaded: ${error.message}.`;
    throw new FillError(reason, error.kind === 'down' ? 'ConnectionError' : 'HTTP error 404');
  }
}

/** Builds the wheel of an sdist. @returns the wheel, in the wheelhouse @throws FillError */
async function build(uv: UvRun, file: ChosenFile, directory: string): Promise<Measured> {
  const { run, world, command } = uv;
  const { wheelhouses, reporter } = world;
  const { name, version } = file;
  const output = await wheelhouses.stage(run.workplace);
  const { options, env } = await configure(uv);
  const args = uvBuildArgs({ ...options, output, sdist: path.join(directory, file.file) });
  reporter.info(`Building ${name} ${version}`);
  const cwd = run.request.workingDirectory;
  const { exitCode, output: said } = await world.uv.run(command, args, {
    cwd,
    env,
    shows: 'failures',
  });
  const [wheel] = await wheelhouses.measure(output, await wheelhouses.list(output));
  if (exitCode !== 0 || wheel === undefined) {
    throw new FillError(
      `uv could not build ${name} ${version}. ${adviceFor(`Failed to build ${name}\n${said}`)}\n${errorExcerpt(said)}`,
      said,
      placeOf(name, uv),
    );
  }
  const parts = wheelNameParts(wheel.file);
  if (parts.name !== name || !sameVersion(parts.version, version)) {
    throw new FillError(
      `The build of ${file.file} gave ${wheel.file}, which is another package.`,
      '',
    );
  }
  await wheelhouses.move(wheel.file, output, run.wheelhouse);
  return wheel;
}

/** Waits for all, so that no work goes on behind an error. @throws the first error in order */
async function all<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

/** @returns a function that runs at most so many jobs at the same time */
function limited(count: number): <T>(job: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let free = count;
  return async (job) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await job();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
