/**
 * From a schema and a value to the value or to every mistake in it, each with its path. Owns the wording of paths and of
 * unknown keys; what is allowed where is the schema's.
 */
import * as z from 'zod';
import type { Issue } from './errors.ts';
import { nearest } from './util/nearest.ts';
import { shown } from './util/naming.ts';

type Path = readonly PropertyKey[];
/** A message that takes time to find is made only when it is told. */
type Add = (path: Path, message: string | (() => string)) => void;
/** More of them tell nobody more, and to word each takes time. */
const MAX_ISSUES = 100;

export type Checked<T> = { kind: 'valid'; value: T } | { kind: 'invalid'; issues: Issue[] };

/** Never throws: an input that cannot even be read (a getter or a proxy that throws) is an issue like any other. */
export function check<T>(schema: z.ZodType<T>, input: unknown): Checked<T> {
  const issues = new Map<string, string>();
  let untold = 0;
  const add: Add = (path, message) => {
    if (issues.size === MAX_ISSUES) return void untold++;
    const text = pathText(path);
    // One value breaks several checks at once (no integer, and too small): the first says it all.
    if (!issues.has(text)) issues.set(text, typeof message === 'string' ? message : message());
  };
  try {
    const parsed = schema.safeParse(input);
    if (!parsed.success) explain(schema, input, parsed.error, [], add);
    findLost(input, add);
    if (parsed.success && issues.size === 0) return { kind: 'valid', value: parsed.data };
  } catch (error) {
    add([], `cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (untold > 0) issues.set('', `there are ${untold} mistakes more, which are not listed`);
  return { kind: 'invalid', issues: Array.from(issues, ([path, message]) => ({ path, message })) };
}

function explain(schema: z.ZodType, input: unknown, error: z.ZodError, above: Path, add: Add): void {
  for (const issue of error.issues) {
    const path = [...above, ...issue.path];
    if (issue.code === 'unrecognized_keys') {
      const node = nodeAt(schema, issue.path);
      const known = node instanceof z.ZodObject ? Object.keys(node.shape) : [];
      for (const key of issue.keys) add([...path, key], () => unknownKey(key, known));
    } else if (issue.code === 'invalid_key') {
      add(path, issue.issues[0]?.message ?? issue.message);
      // Zod looks no further than a key that it refuses; the mistakes below it are to be told in the same breath.
      const below = nodeAt(schema, issue.path) as z.ZodType;
      const value = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)[key], input);
      const parsed = below.safeParse(value);
      if (!parsed.success) explain(below, value, parsed.error, path, add);
    } else {
      add(path, issue.message);
    }
  }
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  return `unknown key, ${meant === undefined ? `known are ${known.join(', ')}` : `did you mean ${JSON.stringify(meant)}?`}`;
}

/** The part of the schema that stands for `path`. */
function nodeAt(schema: z.ZodType, path: Path): unknown {
  let node: unknown = bare(schema);
  for (const key of path) {
    node = bare(
      node instanceof z.ZodObject
        ? node.shape[String(key)]
        : node instanceof z.ZodRecord
          ? node.valueType
          : node instanceof z.ZodArray
            ? node.element
            : undefined,
    );
  }
  return node;
}

function bare(node: unknown): unknown {
  return node instanceof z.ZodOptional || node instanceof z.ZodNullable ? bare(node.unwrap()) : node;
}

type Trail = { readonly value: object; readonly path: Path; readonly up: Trail | null };
const MAX_DEPTH = 1_000;
/** Options that are no data: the schema says what they have to be. */
const OPAQUE: ReadonlySet<string> = new Set(['logger', 'signal', 'onProgress', 'ranges']);

/**
 * What would be lost, or would bite, on the way to a child: everything here is JSON but what is opaque. The schema cannot say it, since it looks
 * into no `initArgs` and drops `__proto__` from records in silence.
 */
function findLost(input: unknown, add: Add): void {
  const todo: Trail[] = [];
  const visit = (value: unknown, path: Path, up: Trail | null): void => {
    if (typeof value === 'bigint' || typeof value === 'function' || typeof value === 'symbol')
      return add(path, `a ${typeof value} cannot be sent as JSON`);
    if (typeof value === 'number' && !Number.isFinite(value)) return add(path, `${value} cannot be sent as JSON`);
    if (typeof value !== 'object' || value === null || typeof (value as { toJSON?: unknown }).toJSON === 'function') return;
    if (path.length > MAX_DEPTH) return add(path.slice(0, 3), `is nested more than ${MAX_DEPTH} levels deep`);
    for (let at = up; at !== null; at = at.up) if (at.value === value) return add(path, 'is a cycle, which cannot be sent as JSON');
    const kind = Object.prototype.toString.call(value).slice(8, -1);
    if (kind !== 'Object' && kind !== 'Array') return add(path, `a ${kind} cannot be sent as JSON`);
    todo.push({ value, path, up });
  };
  visit(input, [], null);
  for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
    for (const key of Object.keys(at.value)) {
      const path = [...at.path, Array.isArray(at.value) ? Number(key) : key];
      if (key === '__proto__' || key === 'constructor') add(path, 'this key is refused: it would reach into the prototype of an object');
      else if (!OPAQUE.has(key) || at.up !== null) visit((at.value as Record<string, unknown>)[key], path, at);
    }
  }
}

/**
 * Whether there is more in it than `limit` values at any depth, so that checking it could hold up the event loop of whoever asks. Never
 * throws: what cannot be read, and what is no plain data, such as a logger, is left to the check.
 */
export function holdsMoreThan(limit: number, input: unknown): boolean {
  const seen = new Set<unknown>();
  let below: unknown[] = [input];
  let left = limit;
  try {
    // What nests deeper than that is refused for it.
    for (let depth = 0; below.length > 0 && depth <= MAX_DEPTH; depth++) {
      const level = below;
      below = [];
      for (const value of level) {
        if (!isPlain(value) || seen.has(value)) continue;
        seen.add(value);
        // Of a large object the names take a fraction of what the values take.
        left -= Array.isArray(value) ? value.length : Object.keys(value).length;
        if (left < 0) return true;
        for (const each of Object.values(value) as unknown[]) below.push(each);
      }
    }
  } catch {
    // The check says what is wrong with it.
  }
  return false;
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === Object.prototype || prototype === null;
}

/** `plugins.hello.concurrency`, `initArgs[0]`, `plugins["@scope/name"]`. */
function pathText(path: Path): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else if (typeof key === 'string' && /^[\w$-]{1,80}$/.test(key)) text += text === '' ? key : `.${key}`;
    else text += `[${shown(String(key))}]`;
  }
  return text;
}
