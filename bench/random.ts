/** Numbers that look random and are the same on each machine. */
import { createCipheriv, createHash } from 'node:crypto';

/** A stream of choices that follows from its seed alone. */
export interface Random {
  /** A number from 0 up to, not including, 1. */
  next(): number;
  /** An integer from 0 up to, not including, `count`. */
  below(count: number): number;
  /** An integer, both ends included. */
  between(from: number, to: number): number;
  pick<T>(items: readonly T[]): T;
  /** True in this share of all calls. */
  chance(share: number): boolean;
  /** A size with the long tail that sizes of files have: half of them are below the median. */
  size(median: number, spread: number, most: number): number;
}

/** Mulberry32: small, and good enough for text that nobody reads. */
export function randomFrom(seed: string): Random {
  let state = createHash('sha256').update(seed).digest().readUInt32LE(0);
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (count: number): number => Math.floor(next() * count);
  return {
    next,
    below,
    between: (from, to) => from + below(to - from + 1),
    pick: (items) => items[below(items.length)] as (typeof items)[number],
    chance: (share) => next() < share,
    size(median, spread, most) {
      const normal = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
      return Math.max(1, Math.min(most, Math.round(median * Math.exp(spread * normal))));
    },
  };
}

/** Bytes that can't be compressed: a cipher's key stream. */
export function noise(seed: string, size: number): Buffer {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size));
}
