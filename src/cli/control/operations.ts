/**
 * What a request may ask for: its parameters checked, then the supervisor's method of the same name. `logs` is the session's own.
 */
import type { Supervisor } from '../../index.ts';
import { usageError } from '../errors.ts';
import { openBytes, sealBytes } from './bytes.ts';
import { isRecord } from './protocol.ts';

/** The part of a supervisor that the control socket reaches. */
export type ControlTarget = Pick<Supervisor, 'status' | 'call' | 'methods' | 'metrics' | 'load' | 'reload' | 'rollback' | 'unload'>;

type Params = Record<string, unknown>;
type Operation = (target: ControlTarget, params: Params, signal: AbortSignal) => unknown;

const OPERATIONS = new Map<string, Operation>([
  [
    'status',
    (target, params) => {
      const name = optionalText(params, 'name');
      return name === undefined ? target.status() : target.status(name);
    },
  ],
  [
    'call',
    (target, params, signal) => {
      const [plugin, method, args] = [text(params, 'plugin'), text(params, 'method'), list(params, 'args')];
      return target.call(plugin, method, args.map(openBytes), { signal, ...timeout(params) }).then(sealBytes);
    },
  ],
  ['methods', (target, params) => target.methods(text(params, 'name'))],
  ['metrics', (target, params) => target.metrics(optionalText(params, 'name'))],
  ['load', (target, params) => target.load(text(params, 'dir'), record(params, 'options'))],
  ['reload', (target, params) => target.reload(text(params, 'name'), record(params, 'options'))],
  ['rollback', (target, params) => target.rollback(text(params, 'name'))],
  [
    'unload',
    (target, params) => {
      const version = optionalText(params, 'version');
      return target.unload(text(params, 'name'), version === undefined ? {} : { version });
    },
  ],
]);

/** Throws `ERR_USAGE` for an operation or parameters that are not there, else what the supervisor throws. */
export async function perform(target: ControlTarget, op: string, params: Params, signal: AbortSignal): Promise<unknown> {
  const operation = OPERATIONS.get(op);
  if (operation === undefined)
    throw usageError(`no operation is named ${JSON.stringify(op.slice(0, 100))}; there is ${[...OPERATIONS.keys(), 'logs'].join(', ')}`);
  return operation(target, params, signal);
}

export function optionalText(params: Params, name: string): string | undefined {
  const value = params[name];
  if (value === undefined || typeof value === 'string') return value;
  throw usageError(`${name} must be a string`);
}

function text(params: Params, name: string): string {
  const value = optionalText(params, name);
  if (value === undefined) throw usageError(`${name} is missing`);
  return value;
}

/** What is in it the supervisor checks. */
function record(params: Params, name: string): object {
  const value = params[name] ?? {};
  if (!isRecord(value)) throw usageError(`${name} must be an object`);
  return value;
}

function list(params: Params, name: string): unknown[] {
  const value = params[name] ?? [];
  if (!Array.isArray(value)) throw usageError(`${name} must be an array`);
  return value;
}

function timeout(params: Params): { timeoutMs?: number } {
  const { timeoutMs } = params;
  if (timeoutMs === undefined) return {};
  if (typeof timeoutMs !== 'number') throw usageError('timeoutMs must be a number');
  return { timeoutMs };
}
