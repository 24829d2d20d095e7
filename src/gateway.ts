/** Opens the gateway through which the programs of a fill ask the indexes. */
import { devNull } from 'node:os';
import path from 'node:path';

import { hashRules } from './logic/admission.ts';
import { fillEnvironment, gatewayVariables } from './logic/environment.ts';
import type { Wheel } from './logic/manifest.ts';
import { indexRequirements, indexRequirementsIn } from './logic/requirements.ts';
import { needsPip } from './logic/web.ts';
import { mayFit } from './logic/wheel-tags.ts';
import type { FileAtHand, Gateway, World } from './ports.ts';
import type { ChosenIndex, Run } from './run.ts';

/** An index as the programs of a fill see it. */
export interface OpenedIndex {
  readonly index: ChosenIndex;
  /** undefined when there is no index that a gateway could ask. */
  readonly gateway: Gateway | undefined;
}

/**
 * Opens a gateway to the indexes that a fill uses.
 * @param options.wheelhouse path of the directory with the `earlier` wheels
 * @param options.downloaded files from earlier attempts of this run; the new ones are added
 */
export async function openGateway(
  run: Run,
  world: World,
  index: ChosenIndex,
  options: {
    readonly wheelhouse: string;
    readonly earlier: readonly Wheel[];
    readonly downloaded: FileAtHand[];
  },
): Promise<OpenedIndex> {
  const { trust, urls } = index;
  const { request, interpreter, settings, workplace } = run;
  const indexes = urls.filter((url) => /^https?:/i.test(url)); // pip reads files itself
  if (indexes.length === 0) return { index, gateway: undefined };
  const { environment, workingDirectory: cwd } = request;
  const { pipConfig, keyring, netrc, executable: python } = interpreter;
  const isAlways = needsPip({
    indexes,
    otherCredentials: keyring || netrc,
    proxy: settings.text('proxy'),
    clientCertificate: settings.text('client-cert'),
    environment,
  });
  const env = fillEnvironment(environment, pipConfig, index.environment, keyring);
  const pip = { use: isAlways ? 'always' : 'fallback', python, cwd, env } as const;
  const { wheelhouse, earlier, downloaded } = options;
  const located = ({ file, sha256 }: Pick<Wheel, 'file' | 'sha256'>): FileAtHand => ({
    ...{ file, sha256, path: path.join(wheelhouse, file) },
  });
  const rules = hashRules(run.requested.lines, settings.configured);
  const isOffered = ({ origin, role, url, name }: Wheel): boolean =>
    origin === 'built' && role === 'runtime' && url === undefined && !rules.neverBuilt(name);
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
  const addresses = [first, ...extra.split(' ').filter((url) => url !== '')].map(
    (url) => gateway.urls[indexes.indexOf(url)] ?? url,
  );
  return {
    index: {
      ...index,
      environment: {
        ...index.environment,
        ...gatewayVariables(addresses, environment, settings.configured, devNull),
      },
    },
    gateway,
  };
}

/** The names of the projects that pip is going to ask for, as far as they are known before. */
export function likelyNames({ requested }: Run, earlier: readonly Wheel[]): Set<string> {
  const building = requested.projects.flatMap((project) => project.buildRequires);
  return new Set(
    [...indexRequirements(requested.lines), ...indexRequirementsIn(building), ...earlier].map(
      ({ name }) => name,
    ),
  );
}
