/** Digests of what is in memory. Files are hashed in world/disk.ts. */
import { createHash } from 'node:crypto';

/** Returns the SHA-256 of bytes, or of a text in UTF-8, as hex. */
export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Returns one digest, as hex, for a list of texts; their order counts. */
export function digest(parts: readonly string[]): string {
  return sha256(JSON.stringify(parts));
}
