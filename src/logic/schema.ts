/** Validates values from anybody, such as parsed JSON. */

/** An invalid value; the message is the end of a sentence: `"size" must be a whole number`. */
export class SchemaError extends Error {}

/**
 * Validates a value.
 * @param name of the value, for the error: `wheels[0].size`
 * @throws SchemaError
 */
export type Schema<T> = (value: unknown, name: string) => T;

type Optional<T> = Schema<T | undefined> & { readonly isOptional: true };

/** The type of the values that a schema accepts. */
export type ValueOf<S> = S extends Schema<infer T> ? T : never;

type Fields = Readonly<Record<string, Schema<unknown>>>;

type ObjectOf<F extends Fields> = {
  readonly [K in keyof F as F[K] extends Optional<unknown> ? never : K]: ValueOf<F[K]>;
} & {
  readonly [K in keyof F as F[K] extends Optional<unknown> ? K : never]?: Exclude<
    ValueOf<F[K]>,
    undefined
  >;
};

/** A schema for the values that pass a test. @param form of such a value, after "must be" */
export function satisfying<T>(form: string, test: (value: unknown) => value is T): Schema<T> {
  return (value, name) => {
    if (!test(value)) throw new SchemaError(`"${name}" must be ${form}`);
    return value;
  };
}

export const string = satisfying('a string', (value) => typeof value === 'string');

export const byteCount = satisfying(
  'a number of bytes',
  (value): value is number => Number.isSafeInteger(value) && Number(value) >= 0,
);

/** Text for people: it can't start a new line. */
export const line = lineOf('a line of text', () => true);

/** A line of text that passes a test. @param form of such a text, after "must be" */
export function lineOf(form: string, test: (text: string) => boolean): Schema<string> {
  return satisfying(
    form,
    (value): value is string => typeof value === 'string' && isLine(value) && test(value),
  );
}

function isLine(text: string): boolean {
  return text !== '' && !/\p{Cc}|\u2028|\u2029/u.test(text);
}

export function oneOf<const T extends string>(...texts: readonly T[]): Schema<T> {
  const form = texts.map((text) => `"${text}"`).join(' or ');
  return satisfying(form, (value): value is T => (texts as readonly unknown[]).includes(value));
}

/** A schema for lists of items with another schema. */
export function list<T>(item: Schema<T>): Schema<readonly T[]> {
  return (value, name) => {
    if (!Array.isArray(value)) throw new SchemaError(`"${name}" must be a list`);
    return value.map((each, index) => item(each, `${name}[${index}]`));
  };
}

/** A field that may be missing. */
export function optional<T>(schema: Schema<T>): Optional<T> {
  const check: Schema<T | undefined> = (value, name) =>
    value === undefined ? undefined : schema(value, name);
  return Object.assign(check, { isOptional: true as const });
}

/** A schema for objects; it drops unknown fields. @param form of the object, for errors */
export function object<F extends Fields>(fields: F, form = 'an object'): Schema<ObjectOf<F>> {
  return (value, name) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new SchemaError(name === '' ? `it is not ${form}` : `"${name}" must be ${form}`);
    }
    const entries = Object.entries(fields).flatMap(([field, schema]): [string, unknown][] => {
      const path = name === '' ? field : `${name}.${field}`;
      const own = Object.hasOwn(value, field)
        ? (value as Record<string, unknown>)[field]
        : undefined;
      const checked = schema(own, path);
      return checked === undefined ? [] : [[field, checked]];
    });
    return Object.fromEntries(entries) as ObjectOf<F>;
  };
}
