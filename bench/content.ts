/**
 * What generated packages are filled with: Python that compiles at the pace of the standard
 * library's, documents in JSON, prose, and what machine code looks like to a compressor.
 */
import { noise, type Random, randomFrom } from './random.ts';

const vocabulary = (
  'account action active adapter address agent alias amount anchor angle archive array asset ' +
  'balance band batch binary block border branch broker bucket buffer build cache call channel char ' +
  'check child chunk circle client clock code column command commit config context control copy core ' +
  'count cursor cycle data date decode default delta depth device digest domain draft driver edge ' +
  'element encode engine entry epoch error event factor feature field file filter flag flow format ' +
  'frame function gamma gateway graph grid group guard handle hash header height helper host image ' +
  'index input item iterator job join key kind label lane layer layout lease level limit line link ' +
  'list loader local lock log loop manager map mark mask match matrix member merge message meta method ' +
  'metric mode model module monitor name network node number object offset option order origin output ' +
  'owner packet page panel parent parser part patch path pattern peer phase pixel plan point policy ' +
  'pool port prefix probe process profile proxy query queue range rate reader record region registry ' +
  'relay remote report request reset resource response result retry role root route row rule sample ' +
  'scale schema scope score segment selector sensor series server session shape shard signal size ' +
  'slot snapshot socket source span stage state status step storage stream string suffix symbol table ' +
  'tag target task template tensor term text thread ticket timer token topic total trace track transfer ' +
  'tree trigger tuple type unit update user value vector vendor version view volume wave weight width ' +
  'window worker writer zone'
).split(' ');

/** A name such as packages have. */
export function packageName(random: Random): string {
  return `${random.pick(vocabulary)}-${random.pick(vocabulary)}`;
}

/** What one file is about: as people write, it says the same words again and again. */
function subject(random: Random, count: number): string[] {
  return Array.from({ length: count }, () => random.pick(vocabulary));
}

/** Python that compiles, of about that many bytes. */
export function pythonSource(seed: string, size: number): string {
  const random = randomFrom(seed);
  const words = subject(random, 12 + Math.floor(size / 1500));
  const lines: string[] = [];
  let length = 0;
  const add = (line: string): void => {
    lines.push(line);
    length += line.length + 1;
  };

  const name = (): string =>
    random.chance(0.45) ? random.pick(words) : `${random.pick(words)}_${random.pick(words)}`;
  const className = (): string =>
    [random.pick(words), random.pick(words)]
      .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
      .join('');
  const sentence = (count: number): string => {
    const text = Array.from({ length: count }, () => random.pick(words)).join(' ');
    return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
  };
  const text = (): string => `"${random.pick(words)} ${random.pick(words)}"`;
  const number = (): string => String(random.chance(0.6) ? random.below(10) : random.below(65536));

  const atom = (): string => {
    switch (random.below(8)) {
      case 0:
        return number();
      case 1:
        return text();
      case 2:
        return `self.${name()}`;
      case 3:
        return `${name()}.${name()}`;
      case 4:
        return `${name()}[${random.chance(0.5) ? number() : text()}]`;
      case 5:
        return random.pick(['None', 'True', 'False']);
      default:
        return name();
    }
  };
  const call = (): string => {
    const count = random.below(4);
    const given = Array.from({ length: count }, () =>
      random.chance(0.3) ? `${random.pick(words)}_=${atom()}` : '',
    );
    // Positional arguments come first, and no keyword comes twice.
    const keywords = [...new Map(given.filter(Boolean).map((each) => [each.split('=')[0], each]))];
    const plain = given.filter((each) => each === '').map(() => atom());
    const target = random.chance(0.4) ? `self.${name()}` : `${name()}.${name()}`;
    return `${target}(${[...plain, ...keywords.map(([, each]) => each)].join(', ')})`;
  };
  const value = (): string => {
    switch (random.below(9)) {
      case 0:
        return call();
      case 1:
        return `${atom()} ${random.pick(['+', '-', '*', '%', '//', '|'])} ${atom()}`;
      case 2:
        return `[${name()} for ${random.pick(words)} in ${atom()} if ${condition()}]`;
      case 3:
        return `{${text()}: ${atom()}, ${text()}: ${atom()}}`;
      case 4:
        return `f"{${name()}.${name()}} ${random.pick(words)} {${name()}!r}"`;
      case 5:
        return `(${atom()}, ${atom()})`;
      case 6:
        return `${atom()} if ${condition()} else ${atom()}`;
      default:
        return random.chance(0.5) ? call() : atom();
    }
  };
  const condition = (): string => {
    switch (random.below(5)) {
      case 0:
        return `isinstance(${name()}, ${random.pick(['str', 'int', 'dict', 'list'])})`;
      case 1:
        return `not ${atom()}`;
      case 2:
        return `${name()} is ${random.pick(['', 'not '])}None`;
      case 3:
        return `${atom()} ${random.pick(['==', '!=', 'in', '<', '>='])} ${atom()} and ${name()}`;
      default:
        return `${atom()} ${random.pick(['==', '!=', 'in', '<', '>='])} ${atom()}`;
    }
  };

  const body = (indent: string, count: number, depth: number): void => {
    for (let index = 0; index < count; index += 1) {
      const kind = random.below(depth > 2 ? 6 : 13);
      if (random.chance(0.3)) add(`${indent}# ${sentence(random.between(5, 11))}`);
      if (random.chance(0.12)) add('');
      if (kind < 3) add(`${indent}${name()} = ${value()}`);
      else if (kind === 3) add(`${indent}self.${name()} = ${value()}`);
      else if (kind < 6) add(`${indent}${call()}`);
      else if (kind < 9) {
        add(`${indent}if ${condition()}:`);
        body(`${indent}    `, random.between(1, 3), depth + 1);
        if (random.chance(0.4)) {
          add(`${indent}else:`);
          body(`${indent}    `, random.between(1, 2), depth + 1);
        }
      } else if (kind === 9) {
        add(`${indent}for ${name()} in ${random.chance(0.5) ? call() : name()}:`);
        body(`${indent}    `, random.between(1, 3), depth + 1);
      } else if (kind === 10) {
        add(`${indent}try:`);
        body(`${indent}    `, random.between(1, 2), depth + 1);
        add(
          `${indent}except ${random.pick(['ValueError', 'KeyError', 'OSError', 'TypeError'])} as error:`,
        );
        add(`${indent}    raise RuntimeError(${text()}) from error`);
      } else if (kind === 11) {
        add(`${indent}with ${call()} as ${name()}:`);
        body(`${indent}    `, random.between(1, 2), depth + 1);
      } else {
        add(`${indent}if ${condition()}:`);
        add(`${indent}    raise ValueError(f"${random.pick(words)} {${name()}!r}")`);
      }
    }
  };
  const docstring = (indent: string): void => {
    const count = random.below(9);
    if (count === 0) {
      add(`${indent}"""${sentence(random.between(4, 8))}"""`);
      return;
    }
    add(`${indent}"""${sentence(random.between(4, 8))}`);
    add('');
    for (let line = 0; line < count; line += 1) add(`${indent}${sentence(random.between(6, 10))}`);
    add(`${indent}"""`);
  };
  const routine = (indent: string, isMethod: boolean): void => {
    const parameters = [...new Set(Array.from({ length: random.below(5) }, name))].map((each) =>
      random.chance(0.3) ? `${each}: ${random.pick(['str', 'int', 'bool', 'object'])}` : each,
    );
    if (isMethod) parameters.unshift('self');
    if (isMethod && random.chance(0.08)) add(`${indent}@property`);
    add(`${indent}def ${name()}(${parameters.join(', ')}):`);
    if (random.chance(0.7)) docstring(`${indent}    `);
    body(`${indent}    `, random.between(2, 9), 0);
    if (random.chance(0.7)) add(`${indent}    return ${value()}`);
    add('');
  };

  add(`"""${sentence(random.between(4, 8))}"""`);
  add('from __future__ import annotations');
  add('');
  for (const module of ['os', 're', 'sys', 'logging', 'functools']) {
    if (random.chance(0.4)) add(`import ${module}`);
  }
  add('');
  while (length < size) {
    const kind = random.below(10);
    if (kind < 5) {
      add(`class ${className()}(${random.pick(['object', 'Exception', 'dict', ''])}):`);
      docstring('    ');
      add('');
      for (let count = random.between(2, 9); count > 0 && length < size; count -= 1) {
        routine('    ', true);
      }
    } else if (kind < 8) {
      routine('', false);
      add('');
    } else {
      add(`${name().toUpperCase()} = {`);
      for (let count = random.between(3, 14); count > 0; count -= 1)
        add(`    ${text()}: ${number()},`);
      add('}');
      add('');
    }
  }
  return `${lines.join('\n')}\n`;
}

/** A document in JSON of about that many bytes, as tables of services and locales are. */
export function document(seed: string, size: number): string {
  const random = randomFrom(seed);
  const words = subject(random, 24);
  const shapes: Record<string, unknown> = {};
  for (let length = 0; length < size; length += 190) {
    shapes[`${random.pick(words)}.${random.pick(words)}.${random.below(1000)}`] = {
      type: random.pick(['structure', 'list', 'string', 'integer']),
      required: random.chance(0.5),
      members: {
        [random.pick(words)]: { shape: random.pick(words), location: random.pick(words) },
      },
      documentation: Array.from({ length: random.between(4, 12) }, () => random.pick(words)).join(
        ' ',
      ),
    };
  }
  return JSON.stringify(shapes);
}

/** Lines of words. */
export function prose(seed: string, size: number): string {
  const random = randomFrom(seed);
  const words = subject(random, 24);
  let text = '';
  while (text.length < size) {
    const line = Array.from({ length: random.between(6, 13) }, () => random.pick(words)).join(' ');
    text += `${line}\n`;
  }
  return text;
}

/** Bytes that shrink to two fifths, as shared libraries do. */
export function machineCode(seed: string, size: number): Buffer {
  const random = randomFrom(seed);
  const page = 4096;
  const code = noise(seed, size + (-size & 7));
  const cells = new BigUint64Array(code.buffer, code.byteOffset, Math.floor(code.length / 8));
  // Some "instructions" are far more frequent than others.
  const table = Array.from({ length: 1024 }, () => BigInt(random.below(2 ** 31)) << 13n);
  for (let start = 0; start < cells.length; start += page / 8) {
    if (random.chance(0.14)) continue;
    const end = Math.min(cells.length, start + page / 8);
    for (let index = start; index < end; index += 1) {
      cells[index] = table[Math.floor(random.next() ** 3 * table.length)] as bigint;
    }
  }
  return code.subarray(0, size);
}
