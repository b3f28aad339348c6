/**
 * JSON Schemas as they are written, read with care: they come from plugins, so each keyword may hold anything. Pure. Knows nothing of
 * references, nor of comparing two of them beyond whether they are the same text.
 */
import type { Budget } from './budget.ts';

export type Schema = Readonly<Record<string, unknown>>;
export type Type = 'null' | 'boolean' | 'number' | 'string' | 'array' | 'object';

const MAX_VALUE_DEPTH = 500;
/** As a power of two: so many are compared or written in one step. */
const CHARS_PER_STEP = 6;
const LEAF_STEPS = 0.2;
/** To write a value costs so many times as much as to look at it. */
const TEXT_STEPS = 4;
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
/** May stand in a schema and let no less pass. */
export const BESIDE = new Set([...SILENT, '$defs', 'definitions']);

/** True when both are the same text as JSON. False for what is too deep to be written. */
export function sameText(a: unknown, b: unknown): boolean {
  try {
    return JSON.stringify(a) === JSON.stringify(b);
  } catch {
    return false;
  }
}

/** Something that is the same for the same value, whatever the order of its members; undefined for one that is too deep to be looked at. */
export function keyOf(value: unknown, budget: Budget): unknown {
  if (typeof value !== 'object' || value === null) {
    budget.spend(stepsOf(value));
    // No text is the key of an object.
    return typeof value === 'string' && value.startsWith('\0') ? `\0\0${value}` : value;
  }
  const text = textOf(value, budget, 0);
  return text === null ? undefined : `\0${text}`;
}

function textOf(value: unknown, budget: Budget, depth: number): string | null {
  budget.spend(TEXT_STEPS * stepsOf(value));
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (depth > MAX_VALUE_DEPTH) return null;
  const parts = Array.isArray(value)
    ? value.map((each) => textOf(each, budget, depth + 1))
    : Object.entries(value)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, each]) => {
          const text = textOf(each, budget, depth + 1);
          return text === null ? null : `${JSON.stringify(name)}:${text}`;
        });
  if (parts.includes(null)) return null;
  return Array.isArray(value) ? `[${parts.join()}]` : `{${parts.join()}}`;
}

/** How much it costs to look at this, its members left out: a step is some 0.3 µs. */
export function stepsOf(value: unknown): number {
  if (typeof value === 'string') return LEAF_STEPS + (value.length >> CHARS_PER_STEP);
  if (typeof value !== 'object' || value === null) return LEAF_STEPS;
  return 1 + LEAF_STEPS * Object.keys(value).length;
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

/** Whether `value` is of one of the types. */
export function isOf(value: unknown, types: readonly string[]): boolean {
  if (value === null) return types.includes('null');
  if (Array.isArray(value)) return types.includes('array');
  return types.includes(typeof value) || (Number.isInteger(value) && types.includes('integer'));
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
