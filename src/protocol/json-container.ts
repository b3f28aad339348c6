/** Arrays and objects that a parser is filling. */
import { MAX_MEMBERS } from './json.ts';

/** An array or object that was begun in one piece and is not yet ended. */
export type Container = { kind: 'array'; value: unknown[] } | { kind: 'object'; value: Record<string, unknown>; members: number };

export function begin(kind: Container['kind']): Container {
  return kind === 'array' ? { kind, value: [] } : { kind, value: {}, members: 0 };
}

/** Reaches no setter, also where the host has frozen Object.prototype. */
export function put(container: Container & { kind: 'object' }, key: string, value: unknown): void {
  if (++container.members > MAX_MEMBERS) throw new SyntaxError(`an object has more than ${MAX_MEMBERS} members`);
  if (key in Object.prototype) Object.defineProperty(container.value, key, { value, writable: true, enumerable: true, configurable: true });
  else container.value[key] = value;
}
