/** The outline of a message that is refused: the members that tell to which call it belongs, without its payload. */
import { Control, ErrorCode } from './messages.ts';

export interface Outline {
  id?: string | number;
  method?: string | number;
}

/** Copies the members of an outline that are in `members`. */
export function pick(members: object, outline: Outline): void {
  for (const key of ['id', 'method'] as const) {
    const value: unknown = Object.hasOwn(members, key) ? (members as Record<string, unknown>)[key] : undefined;
    if (typeof value === 'string' || typeof value === 'number') outline[key] = value;
  }
}

/** The message that is delivered in place of one with too many values. */
export function tooManyValues(outline: Outline, values: number, bytes: number, limit: number): object {
  return refusal(outline, `has ${values} values, maxMessageValues allows ${limit}`, { values, bytes, limit });
}

/** The message that is delivered in place of one for which there was no room beside those of other plugins. */
export function noRoom(outline: Outline, bytes: number, limit: number): object {
  return refusal(outline, `takes ${bytes} bytes, and maxTotalAnswerBytes has no room for them now`, { bytes, limit, bound: 'maxTotalAnswerBytes' });
}

function refusal(outline: Outline, message: string, data: object): object {
  const { id, method } = outline;
  if (method === Control.log) return { method, params: { level: 'warn', message: `a log record was dropped: it ${message}` } };
  if (method !== undefined) return outline;
  return { jsonrpc: '2.0', id, error: { code: ErrorCode.resultTooLarge, message: `the answer ${message}`, data } };
}
