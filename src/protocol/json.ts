/**
 * To JSON without silent loss of code: what JSON cannot carry is refused with its path.
 * `undefined`, NaN and Infinity become null, a Date its ISO string, a Buffer `{ type: 'Buffer' }`: JSON's own rules.
 */

export class NotJson extends Error {
  readonly path: string;
  readonly reason: string;
  constructor(path: string, reason: string) {
    super(`${path}: ${reason}`);
    this.path = path;
    this.reason = reason;
  }
}

const MAX_DEPTH = 10_000;
/** Of one object, either way. V8 makes room in steps, and the step beyond would hold up the event loop of whoever reads it. */
export const MAX_MEMBERS = 2 ** 18;
const MAX_PRINTED_DEPTH = 100;

/**
 * `root` names the value in the path of an error. Throws `NotJson` for BigInt, function, symbol, cycle, too deep a nesting, too large an
 * object, a getter that throws.
 */
export function toJson(value: unknown, root: string): string {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
      return JSON.stringify(value);
    case 'undefined':
      return 'null';
    default:
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
    if (isSuspect(value)) refuse(value, root);
  } catch (error) {
    if (error instanceof NotJson) throw error;
    // The walk finds the place; where it finds none (a throwing getter or toJSON), the error itself is the reason.
    refuse(value, root);
    throw new NotJson(root, messageOf(error));
  }
  return text ?? 'null';
}

/** The arguments of a call, as the text of a JSON array. */
export function argsToJson(args: readonly unknown[]): string {
  if (!Array.isArray(args)) throw new NotJson('arguments', 'they are no array');
  if (args.length === 0) return '[]';
  if (args.length === 1) return `[${toJson(args[0], 'arguments[0]')}]`;
  return `[${args.map((arg, index) => toJson(arg, `arguments[${index}]`)).join(',')}]`;
}

/**
 * Whether JSON may have left something out in silence, or gone further than we do: some versions of V8 write any depth. Finds no place
 * and keeps no path, so that what is well, which is nearly all, costs a fraction of its JSON; `refuse` has the last word.
 */
function isSuspect(value: unknown): boolean {
  let below: object[] = [];
  const isCode = (item: unknown): boolean => {
    if (typeof item === 'object' && item !== null) below.push(item);
    return typeof item === 'function' || typeof item === 'symbol';
  };
  if (isCode(value)) return true;
  for (let depth = 0; below.length > 0; depth++) {
    if (depth > MAX_DEPTH) return true;
    const level = below;
    below = [];
    for (const next of level) {
      if (Array.isArray(next)) for (let i = 0; i < next.length; i++) if (isCode(next[i])) return true;
      if (Array.isArray(next) || typeof (next as { toJSON?: unknown }).toJSON === 'function' || ArrayBuffer.isView(next)) continue;
      let members = 0;
      for (const key in next) if (isCode((next as Record<string, unknown>)[key]) || ++members > MAX_MEMBERS) return true;
    }
  }
  return false;
}

/** Something to look at; or, once all that is in it was looked at, to forget. */
type Step = { kind: 'enter'; value: unknown; path: string; depth: number } | { kind: 'leave'; value: object };

/** Iterative, so that depth is refused by name and never overflows the stack; in the order in which JSON goes, so that the first place is named. */
function refuse(value: unknown, root: string): void {
  const above = new Set<object>();
  const todo: Step[] = [{ kind: 'enter', value, path: root, depth: 0 }];
  try {
    for (let step = todo.pop(); step !== undefined; step = todo.pop()) {
      if (step.kind === 'leave') {
        above.delete(step.value);
        continue;
      }
      const { value: item, path, depth } = step;
      if (typeof item === 'bigint' || typeof item === 'function' || typeof item === 'symbol') throw new NotJson(path, `a ${typeof item}`);
      if (typeof item !== 'object' || item === null || 'toJSON' in item) continue;
      if (depth > MAX_DEPTH) throw new NotJson(root, `nested more than ${MAX_DEPTH} levels deep`);
      if (above.has(item)) throw new NotJson(path, 'a cycle');
      above.add(item);
      todo.push({ kind: 'leave', value: item });
      const entries = Object.entries(item);
      if (entries.length > MAX_MEMBERS && !Array.isArray(item)) throw new NotJson(path, `an object of more than ${MAX_MEMBERS} members`);
      const inner = entries.map(([key, each]): Step => {
        return { kind: 'enter', value: each, path: Array.isArray(item) ? `${path}[${key}]` : `${path}.${key}`, depth: depth + 1 };
      });
      for (const each of inner.reverse()) todo.push(each);
    }
  } catch (error) {
    throw error instanceof NotJson ? error : new NotJson(root, messageOf(error));
  }
}

function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message.split('\n', 1)[0]! : String(error);
  } catch {
    return 'unknown';
  }
}

/** Whether what a peer sent nests deeper than whoever prints it can be trusted with: loggers and JSON itself end on their stack. */
export function isTooDeep(value: unknown, levels = MAX_PRINTED_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isTooDeep(inner, levels - 1));
}
