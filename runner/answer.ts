/** Answers as frames, built by concatenation: the hot path makes no object that JSON would only take apart again. */
import { ErrorCode } from '../src/protocol/messages.ts';
import { attachmentsMember, NO_ATTACHMENTS, payloadBytes, textOf, type Attachment, type Text } from '../src/protocol/attachments.ts';
import { framed, framedText, type Framed } from '../src/protocol/frame.ts';
import { NotJson, stringToJson, toJson } from '../src/protocol/json.ts';
import { describeThrown, truncate } from './thrown.ts';

/** The answer of a call that returned `value`, or the error that says why it cannot be sent. */
export function resultAnswer(id: number, value: unknown, maxMessageBytes: number, mayAttach: boolean): Framed {
  let result: Text;
  // What has no members has no bytes in it.
  const attachments: Attachment[] | null = mayAttach && typeof value === 'object' ? [] : null;
  try {
    result = typeof value === 'string' ? stringToJson(value) : textOf(toJson(value, 'result', attachments, RESULT));
  } catch (error) {
    if (!(error instanceof NotJson)) throw error;
    const { path, reason, message } = error;
    const data = { path: truncate(path, 1024), reason: truncate(reason, 1024) };
    return errorAnswer(id, ErrorCode.resultNotSerializable, message, maxMessageBytes, data);
  }
  const before = `{"jsonrpc":"2.0","id":${id},"result":`;
  const taken = attachments ?? NO_ATTACHMENTS;
  // A UTF-16 unit takes three bytes at most, so short answers need no counting.
  if (typeof result !== 'string' || result.length * 3 + before.length + 1 > maxMessageBytes || taken.length > 0) {
    const bytes = before.length + payloadBytes(result, taken) + 1;
    if (bytes > maxMessageBytes) {
      const message = `the result takes ${bytes} bytes, the limit is ${maxMessageBytes}`;
      return errorAnswer(id, ErrorCode.resultTooLarge, message, maxMessageBytes, { bytes, limit: maxMessageBytes });
    }
  }
  return framed(before, result, `${attachmentsMember(taken)}}`, taken);
}

const RESULT = ['result'];

/** An error answer that fits: without its data when that is too large. */
export function errorAnswer(id: number, code: number, message: string, maxMessageBytes: number, data?: unknown): Framed {
  const body = (error: object): string => `{"jsonrpc":"2.0","id":${id},"error":${JSON.stringify(error)}}`;
  const answer = body({ code, message: truncate(message, 8192), data });
  const text = Buffer.byteLength(answer) <= maxMessageBytes ? answer : body({ code, message: truncate(message, 256) });
  return framedText(text);
}

/** The answer of a call whose code threw `error`; `more` is added to the data. */
export function thrownAnswer(id: number, code: number, error: unknown, maxMessageBytes: number, more?: object): Framed {
  const { message, ...data } = describeThrown(error);
  return errorAnswer(id, code, message, maxMessageBytes, { ...more, ...data });
}
