/** What hashes in the user's own files defend, and what nothing does: docs/threat-model.md. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { sdist, wheel } from '../support/packages.ts';
import { editManifest, poison, tampered } from './archives.ts';
import { alpha, beta, everything, group, type Row } from './rows.ts';

const gamma = sdist({ name: 'gamma', version: '1.0' });
const builtGamma = 'gamma-1.0-py3-none-any.whl';
/** The same project and version with other code in it. */
const evilBeta = wheel({
  name: 'beta',
  version: '2.0',
  files: { 'beta/evil.py': 'evil = True\n' },
});
const evilGamma = wheel({ name: 'gamma', version: '1.0', files: { 'gamma/evil.py': '' } });

const hash = (content: Buffer): string =>
  `sha256:${createHash('sha256').update(content).digest('hex')}`;
const line = (name: string, ...hashes: string[]): string =>
  `${name} ${hashes.map((each) => `--hash=${each}`).join(' ')}\n`;
const hashedBeta = line('beta==2.0', hash(beta.content));
const hashed = line('alpha==1.0', hash(alpha.content)) + hashedBeta;
const hashedGamma = line('gamma==1.0', hash(gamma.content));
const otherGamma = line('gamma==1.0', hash(gamma.content), `sha256:${'0'.repeat(64)}`);

const claimsBuilt = tampered((at) =>
  poison(at, beta.filename, evilBeta.content, { origin: 'built', asked: [hash(beta.content)] }),
);

const stranger = wheel({ name: 'stranger', version: '1.0' });
const withStranger = tampered((at) => {
  writeFileSync(join(at, stranger.filename), stranger.content);
  editManifest(at, ({ wheels }) => {
    const { filename: file, content, sha256 } = stranger;
    const listed = { name: 'stranger', version: '1.0', file, sha256, size: content.length };
    wheels.push({ ...listed, origin: 'downloaded', role: 'runtime' });
  });
});

const rows: Row[] = [
  {
    fault: 'with --hash: a poisoned wheel, manifest and lock agreeing',
    files: { 'requirements.txt': hashed },
    arrange: tampered((at) => poison(at, beta.filename, evilBeta.content)),
    artifacts: [beta.filename],
    saved: ['{key}', '{key}-r1'],
    logs: 'Partial hit: {key}: some of its wheels had to be dropped.',
  },
  {
    fault: 'with --hash: a poisoned wheel, and a manifest that claims the hash asked for',
    files: { 'requirements.txt': hashed },
    arrange: tampered((at) =>
      poison(at, beta.filename, evilBeta.content, { asked: [hash(beta.content)] }),
    ),
    artifacts: [beta.filename],
    saved: ['{key}', '{key}-r1'],
    logs: 'Partial hit: {key}: some of its wheels had to be dropped.',
  },
  {
    fault:
      'with --hash and --only-binary: a poisoned wheel, and a manifest that claims it was built',
    files: { 'requirements.txt': `--only-binary :all:\n${hashed}` },
    arrange: claimsBuilt,
    artifacts: [beta.filename],
    saved: ['{key}', '{key}-r1'],
    logs: 'Partial hit: {key}: some of its wheels had to be dropped.',
  },
  {
    fault: 'with --hash: a poisoned wheel, and a manifest that claims it was built (not defended)',
    files: { 'requirements.txt': hashed },
    arrange: claimsBuilt,
    artifacts: [],
    hit: true,
  },
  {
    fault: 'with --hash: a wheel more, listed, that no line names',
    files: { 'requirements.txt': hashed },
    arrange: withStranger,
    artifacts: [],
    saved: ['{key}', '{key}-r1'],
    logs: 'Partial hit: {key}: some of its wheels had to be dropped.',
  },
  {
    fault: 'without --hash: a wheel more, listed, that no line names (not defended)',
    arrange: withStranger,
    artifacts: [],
    hit: true,
    installed: [...everything, 'stranger==1.0'],
  },
  {
    fault: 'with --hash: a built wheel whose sdist was asked for by other hashes',
    files: { 'requirements.txt': otherGamma },
    seed: hashedGamma,
    installed: ['gamma==1.0'],
    artifacts: [gamma.filename],
    saved: ['{key}', '…'],
  },
  {
    fault: 'with --hash of the sdist: a poisoned built wheel (not defended)',
    files: { 'requirements.txt': hashedGamma },
    arrange: tampered((at) => poison(at, builtGamma, evilGamma.content)),
    installed: ['gamma==1.0'],
    hit: true,
    artifacts: [],
  },
  {
    fault: 'without --hash: a poisoned wheel, manifest and lock agreeing (not defended)',
    arrange: tampered((at) => poison(at, beta.filename, evilBeta.content)),
    hit: true,
    artifacts: [],
  },
];

group('hash roots', rows, { distributions: [gamma] });
