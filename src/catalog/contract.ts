/**
 * What a new version of a plugin takes away from its callers: methods that are gone, arguments that it no longer takes, results that
 * they do not know. Pure. Of JSON Schema it knows what bounds the values of everyday schemas; a keyword that it does not know and that
 * was changed is told as a change, since nobody can say that it is harmless.
 */
import { isDeepStrictEqual } from 'node:util';
import type { MethodInfo } from '../types.ts';

type Methods = ReadonlyMap<string, MethodInfo>;
type Schema = Record<string, unknown>;

const MAX_DEPTH = 50;
/** Say something to people, and bound nothing. */
const ANNOTATIONS = new Set(['title', 'description', 'default', 'examples', 'deprecated', '$comment', '$schema', '$id', 'readOnly', 'writeOnly']);
const LEAST = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties'];
const MOST = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties'];
const BY_KEY = ['properties', '$defs', 'definitions', 'patternProperties'];

/** One line for each; none when every caller of `before` can call `after`. */
export function breakingChanges(before: Methods, after: Methods): string[] {
  const changes: string[] = [];
  for (const [name, old] of before) {
    const now = after.get(name);
    if (now === undefined) {
      changes.push(`${name} is gone`);
      continue;
    }
    if (now.params !== undefined) changes.push(...narrowed(old.params ?? {}, now.params, `${name}: params`));
    if (old.result !== undefined)
      changes.push(...narrowed(now.result ?? {}, old.result, `${name}: result`).map((line) => line.replace(/$/, ', seen from its callers')));
  }
  return changes;
}

/** Where `now` refuses what `before` let pass. */
function narrowed(before: unknown, now: unknown, path: string, depth = 0): string[] {
  if (isDeepStrictEqual(before, now) || now === true || before === false) return [];
  if (!isSchema(before) || !isSchema(now) || depth > MAX_DEPTH) return [`${path} was changed`];
  const lines: string[] = [];
  const known = new Set([
    ...ANNOTATIONS,
    ...LEAST,
    ...MOST,
    ...BY_KEY,
    'type',
    'enum',
    'const',
    'required',
    'items',
    'prefixItems',
    'additionalProperties',
  ]);
  lines.push(...narrowedTypes(before, now, path));
  for (const [old, bound] of [[values(before), values(now)]] as const) {
    if (bound === null) continue;
    const gone = old === null ? null : old.filter((value) => !bound.some((each) => isDeepStrictEqual(each, value)));
    if (gone === null) lines.push(`${path} takes only ${shown(bound)}`);
    else if (gone.length > 0) lines.push(`${path} no longer takes ${shown(gone)}`);
  }
  for (const key of LEAST)
    if (number(now[key], -Infinity) > number(before[key], -Infinity))
      lines.push(`${path}: ${key} is ${String(now[key])}, it was ${String(before[key] ?? 'none')}`);
  for (const key of MOST)
    if (number(now[key], Infinity) < number(before[key], Infinity))
      lines.push(`${path}: ${key} is ${String(now[key])}, it was ${String(before[key] ?? 'none')}`);
  const required = strings(now.required).filter((name) => !strings(before.required).includes(name));
  if (required.length > 0) lines.push(`${path} requires ${required.join(', ')}`);
  for (const group of BY_KEY) {
    const [old, fresh] = [record(before[group]), record(now[group])];
    for (const [name, schema] of Object.entries(fresh)) {
      // A property that was not declared had any value before, unless no other was let in.
      const was = Object.hasOwn(old, name)
        ? old[name]
        : group === 'properties' && before.additionalProperties !== undefined
          ? before.additionalProperties
          : {};
      lines.push(...narrowed(was, schema, `${path}.${name}`, depth + 1));
    }
    if (group !== 'properties' || now.additionalProperties === undefined) continue;
    for (const name of Object.keys(old))
      if (!Object.hasOwn(fresh, name)) lines.push(...narrowed(old[name], now.additionalProperties, `${path}.${name}`, depth + 1));
  }
  if (now.additionalProperties !== undefined)
    lines.push(...narrowed(before.additionalProperties ?? {}, now.additionalProperties, `${path}: other properties`, depth + 1));
  const [oldItems, newItems] = [list(before.prefixItems), list(now.prefixItems)];
  for (let i = 0; i < Math.max(oldItems.length, newItems.length); i++)
    lines.push(...narrowed(oldItems[i] ?? before.items ?? {}, newItems[i] ?? now.items ?? {}, `${path}[${i}]`, depth + 1));
  if (now.items !== undefined) lines.push(...narrowed(before.items ?? {}, now.items, `${path}[]`, depth + 1));
  for (const key of Object.keys({ ...before, ...now })) {
    const wasDropped = !Object.hasOwn(now, key);
    if (!known.has(key) && !wasDropped && !isDeepStrictEqual(before[key], now[key])) lines.push(`${path}: ${key} was changed`);
  }
  return lines;
}

function narrowedTypes(before: Schema, now: Schema, path: string): string[] {
  if (now.type === undefined) return [];
  const types = [now.type].flat();
  if (before.type === undefined) return values(before) === null ? [`${path} takes only ${types.join(' or ')}`] : [];
  const gone = [before.type].flat().filter((type) => !types.includes(type) && !(type === 'integer' && types.includes('number')));
  return gone.length === 0 ? [] : [`${path} no longer takes ${gone.join(' or ')}`];
}

/** The only values that it lets pass; null where it does not say. */
function values(schema: Schema): unknown[] | null {
  if (Object.hasOwn(schema, 'const')) return [schema.const];
  return Array.isArray(schema.enum) ? schema.enum : null;
}

const isSchema = (value: unknown): value is Schema => typeof value === 'object' && value !== null && !Array.isArray(value);
const record = (value: unknown): Schema => (isSchema(value) ? value : {});
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const strings = (value: unknown): string[] => list(value).filter((item) => typeof item === 'string');
const number = (value: unknown, otherwise: number): number => (typeof value === 'number' ? value : otherwise);
const shown = (some: readonly unknown[]): string =>
  some
    .map((value) => JSON.stringify(value))
    .join(', ')
    .slice(0, 200);
