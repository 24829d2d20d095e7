/** Digests of texts. Files are hashed in world/disk.ts. */
import { createHash } from 'node:crypto';

/** Returns the SHA-256 of a text in UTF-8, as hex. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Returns one digest, as hex, for a list of texts; their order counts. */
export function digest(parts: readonly string[]): string {
  return sha256(JSON.stringify(parts));
}
