/**
 * JSON Schemas as they are written, read with care: they come from plugins, so each keyword may hold anything. Pure. Knows nothing of
 * comparing two of them beyond whether they are the same.
 */
export type Schema = Readonly<Record<string, unknown>>;
export type Type = 'null' | 'boolean' | 'number' | 'string' | 'array' | 'object';

/** How many steps may be taken. */
export interface Budget {
  left: number;
}

const MAX_HOPS = 50;
const MAX_SAME_DEPTH = 500;
const MAX_TYPES = 7;
/** Of two bounds of one kind the other one. */
const STRICTLY = new Map([
  ['minimum', 'exclusiveMinimum'],
  ['exclusiveMinimum', 'minimum'],
  ['maximum', 'exclusiveMaximum'],
  ['exclusiveMaximum', 'maximum'],
]);
/** Say something to people, and bound nothing. */
const SILENT = ['title', 'description', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly', '$comment', '$schema', '$id', '$anchor'];
const DEFINITIONS = ['$defs', 'definitions'];
/** May stand in a schema and let no less pass. */
export const BESIDE = new Set([...SILENT, ...DEFINITIONS]);

/** A schema as an object or `false`; what it is instead of itself, where it is a reference into `root` and nothing else. */
export function resolved(schema: unknown, root: unknown): unknown {
  let at = schema;
  for (let hops = 0; hops < MAX_HOPS; hops++) {
    if (at === undefined || at === true) return {};
    if (!isSchema(at) || typeof at.$ref !== 'string' || !/^#(\/[^%]{0,500})?$/.test(at.$ref)) return at;
    if (Object.keys(at).some((key) => key !== '$ref' && !BESIDE.has(key))) return at;
    const steps = at.$ref.split('/').slice(1);
    const target = steps.reduce<unknown>((from, name) => own(from, name.replaceAll('~1', '/').replaceAll('~0', '~')), root);
    if (target === undefined) return at;
    at = target;
  }
  return at;
}

/** What references lead to. */
export const definitionsOf = (schema: unknown): Schema =>
  Object.fromEntries(DEFINITIONS.map((key) => [key, own(schema, key)] as const).filter(([, value]) => value !== undefined));

/** As JSON; what is too deep to be looked at is not the same. */
export function same(a: unknown, b: unknown, budget: Budget, depth = 0): boolean {
  if (a === b) return true;
  if (budget.left-- <= 0 || depth > MAX_SAME_DEPTH) return false;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false;
  const entries = Object.entries(a);
  return (
    entries.length === Object.keys(b).length && entries.every(([key, value]) => Object.hasOwn(b, key) && same(value, own(b, key), budget, depth + 1))
  );
}

/** The only values that it lets pass, by each keyword that says so. */
export function enumerated(schema: Schema): (readonly unknown[])[] {
  return [...(Object.hasOwn(schema, 'const') ? [[schema.const]] : []), ...(Array.isArray(schema.enum) ? [schema.enum as unknown[]] : [])];
}

/** `schema`, which lets `value` pass, as it says nothing but that. */
export function exactly(value: unknown, schema: Schema): Schema {
  if (value === null) return { ...schema, type: 'null' };
  if (typeof value === 'number') return { ...schema, type: Number.isInteger(value) ? 'integer' : 'number', minimum: value, maximum: value };
  if (typeof value === 'string') {
    const { length } = Array.from(value);
    return { ...schema, type: 'string', minLength: length, maxLength: length };
  }
  const is = (each: unknown): Schema => ({ const: each });
  if (Array.isArray(value))
    return { ...schema, type: 'array', prefixItems: value.map(is), items: false, minItems: value.length, maxItems: value.length };
  if (typeof value !== 'object') return { ...schema, type: typeof value };
  const [names, properties] = [Object.keys(value), Object.fromEntries(Object.entries(value).map(([name, each]) => [name, is(each)]))];
  const count = names.length;
  return { ...schema, type: 'object', properties, required: names, additionalProperties: false, minProperties: count, maxProperties: count };
}

/** Null where it does not say, or not as it should. */
export function typesOf({ type }: Schema): readonly string[] | null {
  if (typeof type === 'string') return [type];
  return Array.isArray(type) && type.length <= MAX_TYPES && type.every((each) => typeof each === 'string') ? type : null;
}

export function mayBe(schema: Schema, type: Type): boolean {
  const types = typesOf(schema);
  return types === null || types.includes(type) || (type === 'number' && types.includes('integer'));
}

/** In the words of today, or in those of draft 7. */
export function tuple(schema: Schema): { first: readonly unknown[]; rest: unknown } {
  return Array.isArray(schema.items)
    ? { first: schema.items, rest: schema.additionalItems }
    : { first: list(schema.prefixItems), rest: schema.items };
}

export function mostItems(schema: Schema): number {
  const { first, rest } = tuple(schema);
  return Math.min(typeof schema.maxItems === 'number' ? schema.maxItems : Infinity, rest === false ? first.length : Infinity);
}

/** At least 3 implies more than 2, and more than 3 implies at least 3. */
export function isImplied(before: Schema, key: string, sign: number, bound: number): boolean {
  const was = before[STRICTLY.get(key) ?? ''];
  return typeof was === 'number' && (key.startsWith('exclusive') ? sign * was > sign * bound : sign * was >= sign * bound);
}

export const isSchema = (value: unknown): value is Schema => typeof value === 'object' && value !== null && !Array.isArray(value);
export const record = (value: unknown): Schema => (isSchema(value) ? value : {});
export const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
export const own = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? (value as Schema)[key] : undefined;
