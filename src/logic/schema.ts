/** Checks values that anybody may have written, such as parsed JSON. */

/** What is wrong with a value, as the end of a sentence: `"size" must be a whole number`. */
export class SchemaError extends Error {}

/**
 * Takes a value that it accepts, and gives it its type.
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

/** A schema for the values that pass a test. @param form what passes, after "must be" */
export function satisfying<T>(form: string, test: (value: unknown) => value is T): Schema<T> {
  return (value, name) => {
    if (!test(value)) throw new SchemaError(`"${name}" must be ${form}`);
    return value;
  };
}

export const string = satisfying('a string', (value) => typeof value === 'string');

/** Text that is shown: it can't begin a line of its own. */
export const line = lineOf('a line of text', () => true);

/** A line of text in one form. @param form after "must be" */
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

/** A schema for lists, each item of which another schema accepts. */
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

/** A schema for objects. Fields that it does not name are dropped. */
export function object<F extends Fields>(fields: F): Schema<ObjectOf<F>> {
  return (value, name) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new SchemaError(name === '' ? 'it is not an object' : `"${name}" must be an object`);
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
