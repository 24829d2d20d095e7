/** Certificates for test servers, created by the command `openssl`, which must be on PATH. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new self-signed certificate for 127.0.0.1 and localhost. @throws when openssl fails */
export function selfSigned(): { key: string; cert: string } {
  const directory = mkdtempSync(join(tmpdir(), 'index-tls-'));
  try {
    const key = join(directory, 'key.pem');
    const cert = join(directory, 'cert.pem');
    const names = 'subjectAltName=IP:127.0.0.1,DNS:localhost';
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
        .concat(['-days', '2', '-subj', '/CN=localhost', '-addext', names])
        .concat(['-keyout', key, '-out', cert]),
      { stdio: 'pipe' },
    );
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A certificate that all servers of a test file can share, with the path of a file to trust it. */
export function sharedCertificate(): { key: string; cert: string; file: string } {
  if (shared === undefined) {
    const directory = mkdtempSync(join(tmpdir(), 'shared-tls-'));
    process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
    const file = join(directory, 'trusted.pem');
    shared = { ...selfSigned(), file };
    writeFileSync(file, shared.cert);
  }
  return shared;
}

let shared: { key: string; cert: string; file: string } | undefined;
