/** Archives with the same bytes for the same files: no times, no owners, no compression. */
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import zlib from 'node:zlib';

import { ZipFile } from 'yazl';

import { archiveRoot } from '../logic/output.ts';

/**
 * Writes files into an archive. They are stored, as wheels are compressed already: the result of a
 * compressor depends on its version and its machine.
 * @param files names of files in the directory, in the order of the archive
 * @param to path of a file that does not exist
 */
export async function writeArchive(
  form: 'tar.gz' | 'zip',
  directory: string,
  files: readonly string[],
  to: string,
): Promise<void> {
  const content = form === 'zip' ? zip(directory, files) : gzip(tar(directory, files));
  await pipeline(content, createWriteStream(to, { flags: 'wx' }));
}

function zip(directory: string, files: readonly string[]): NodeJS.ReadableStream {
  const archive = new ZipFile();
  // A zip has local times: these are the same everywhere.
  const options = { mtime: new Date(1980, 0, 1), forceDosTimestamp: true, compress: false };
  for (const file of files) {
    const name = `${archiveRoot}/${file}`;
    archive.addFile(path.join(directory, file), name, { ...options, mode: 0o100644 });
  }
  archive.on('error', (error) => archive.outputStream.emit('error', error));
  archive.end();
  return archive.outputStream;
}

/** A tar archive (POSIX.1-2001) of files with ASCII names. */
async function* tar(directory: string, files: readonly string[]): AsyncGenerator<Buffer> {
  for (const file of files) {
    const whole = path.join(directory, file);
    const { size } = await stat(whole);
    yield* header(`${archiveRoot}/${file}`, size);
    yield* createReadStream(whole);
    yield padding(size);
  }
  yield Buffer.alloc(2 * block);
}

const block = 512;

/** The largest size that the eleven octal digits of a header can express. */
const maxSize = 0o77777777777;

function* header(name: string, size: number): Generator<Buffer> {
  const records = {
    ...(Buffer.byteLength(name) > 100 ? { path: name } : {}),
    ...(size > maxSize ? { size } : {}),
  };
  const extended = Buffer.from(Object.entries(records).map(record).join(''));
  if (extended.length > 0) {
    yield ustar('PaxHeader', extended.length, 'x');
    yield extended;
    yield padding(extended.length);
  }
  yield ustar(name.slice(0, 100), Math.min(size, maxSize), '0');
}

/** A record of an extended header: its length, which counts itself, and `key=value`. */
function record([key, value]: [string, string | number]): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (length !== rest.length + String(length).length) {
    length = rest.length + String(length).length;
  }
  return `${length}${rest}`;
}

function ustar(name: string, size: number, type: '0' | 'x'): Buffer {
  const result = Buffer.alloc(block);
  const octal = (value: number, digits: number, at: number): void => {
    result.write(`${value.toString(8).padStart(digits, '0')}\0`, at);
  };
  result.write(name, 0);
  octal(0o644, 7, 100); // mode
  octal(0, 7, 108); // user
  octal(0, 7, 116); // group
  octal(size, 11, 124);
  octal(315_532_800, 11, 136); // modified in 1980, as in a zip
  result.write(' '.repeat(8), 148); // the checksum counts its own field as blanks
  result.write(type, 156);
  result.write('ustar\x0000', 257);
  octal(
    result.reduce((sum, byte) => sum + byte, 0),
    6,
    148,
  );
  return result;
}

function padding(size: number): Buffer {
  return Buffer.alloc(-size & (block - 1));
}

/** The largest stored block of deflate (RFC 1951, 3.2.4). */
const maxStored = 0xffff;

/** A gzip stream (RFC 1952) that stores its content. */
async function* gzip(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
  let [checksum, size] = [0, 0];
  let pending = Buffer.alloc(0);
  for await (const piece of content) {
    checksum = zlib.crc32(piece, checksum);
    size += piece.length;
    pending = Buffer.concat([pending, piece]);
    for (; pending.length >= maxStored; pending = pending.subarray(maxStored)) {
      yield* stored(pending.subarray(0, maxStored), false);
    }
  }
  yield* stored(pending, true);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(checksum, 0);
  trailer.writeUInt32LE(size % 2 ** 32, 4);
  yield trailer;
}

function* stored(data: Buffer, isLast: boolean): Generator<Buffer> {
  const head = Buffer.alloc(5);
  head.writeUInt8(isLast ? 1 : 0, 0);
  head.writeUInt16LE(data.length, 1);
  head.writeUInt16LE(data.length ^ maxStored, 3);
  yield head;
  yield data;
}
