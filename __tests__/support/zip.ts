/** Writes zip archives, which is what wheels are. */
import { crc32, deflateRawSync } from 'node:zlib';

/** Path in the archive → content. */
export type Members = Map<string, Buffer>;

/**
 * Writes a zip archive.
 * @param compressed deflates the members. The bytes then depend on the zlib in use; without it the
 *   same members always give the same bytes.
 */
export function zip(members: ReadonlyMap<string, Buffer>, compressed = false): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [path, content] of members) {
    const name = Buffer.from(path);
    const data = compressed ? deflateRawSync(content) : content;
    const common = Buffer.alloc(26); // the fields that local header and directory share
    common.writeUInt16LE(20, 0); // version needed: 2.0
    common.writeUInt16LE(0x0800, 2); // names are UTF-8
    common.writeUInt16LE(compressed ? 8 : 0, 4); // deflated or stored
    common.writeUInt16LE(0x21, 8); // 1980-01-01, the first day there is
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(name.length, 22);

    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((0o100644 << 16) >>> 0, 6); // a plain file, readable by all
    tail.writeUInt32LE(offset, 10);
    const madeBy = Buffer.from([20, 3]); // version 2.0, on Unix, or the mode above is ignored
    directory.push(Buffer.from('PK\x01\x02', 'latin1'), madeBy, common, tail, name);

    parts.push(Buffer.from('PK\x03\x04', 'latin1'), common, name, data);
    offset += 4 + common.length + name.length + data.length;
  }
  const list = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(members.size, 8);
  end.writeUInt16LE(members.size, 10);
  end.writeUInt32LE(list.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, list, end]);
}
