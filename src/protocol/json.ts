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

/** `root` names the value in the path of an error. Throws `NotJson` for BigInt, function, symbol, cycle, too deep a nesting, a getter that throws. */
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
    if (holdsCode(value)) refuse(value, root);
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
  if (args.length === 0) return '[]';
  if (args.length === 1) return `[${toJson(args[0], 'arguments[0]')}]`;
  return `[${args.map((arg, index) => toJson(arg, `arguments[${index}]`)).join(',')}]`;
}

interface Step {
  value: object;
  path: string;
  ancestors: Ancestors | null;
  depth: number;
}
type Ancestors = { value: object; up: Ancestors | null };

/**
 * Whether JSON may have left something out in silence. Finds no place and keeps no path, so that what is well, which is nearly all,
 * costs a fraction of its JSON; `refuse` has the last word.
 */
function holdsCode(value: unknown): boolean {
  const todo: object[] = [];
  const isCode = (item: unknown): boolean => {
    if (typeof item === 'object' && item !== null) todo.push(item);
    return typeof item === 'function' || typeof item === 'symbol';
  };
  if (isCode(value)) return true;
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    if (Array.isArray(next)) for (let i = 0; i < next.length; i++) if (isCode(next[i])) return true;
    if (Array.isArray(next) || typeof (next as { toJSON?: unknown }).toJSON === 'function' || ArrayBuffer.isView(next)) continue;
    for (const key in next) if (isCode((next as Record<string, unknown>)[key])) return true;
  }
  return false;
}

/** Iterative, so that depth is refused by name and never overflows the stack. */
function refuse(value: unknown, root: string): void {
  const todo: Step[] = [];
  const visit = (item: unknown, path: string, ancestors: Ancestors | null, depth: number): void => {
    if (typeof item === 'bigint' || typeof item === 'function' || typeof item === 'symbol') throw new NotJson(path, `a ${typeof item}`);
    if (typeof item !== 'object' || item === null || 'toJSON' in item) return;
    if (depth > MAX_DEPTH) throw new NotJson(root, `nested more than ${MAX_DEPTH} levels deep`);
    for (let up = ancestors; up !== null; up = up.up) if (up.value === item) throw new NotJson(path, 'a cycle');
    todo.push({ value: item, path, ancestors: { value: item, up: ancestors }, depth: depth + 1 });
  };
  try {
    visit(value, root, null, 0);
    for (let step = todo.pop(); step !== undefined; step = todo.pop()) {
      if (Array.isArray(step.value)) {
        for (let i = 0; i < step.value.length; i++) visit(step.value[i], `${step.path}[${i}]`, step.ancestors, step.depth);
      } else {
        for (const key of Object.keys(step.value))
          visit((step.value as Record<string, unknown>)[key], `${step.path}.${key}`, step.ancestors, step.depth);
      }
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
