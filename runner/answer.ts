/** Answers as JSON text, built by concatenation: the hot path makes no object that JSON would only take apart again. */
import { ErrorCode } from '../src/protocol/messages.ts';
import { attachmentsMember, bytesOf, NO_ATTACHMENTS, type Attachment } from '../src/protocol/attachments.ts';
import { NotJson, toJson, type Payload } from '../src/protocol/json.ts';
import { describeThrown, truncate } from './thrown.ts';

/** The answer of a call that returned `value`, or the error that says why it cannot be sent. */
export function resultAnswer(id: number, value: unknown, maxMessageBytes: number, mayAttach: boolean): Payload {
  let result: string;
  // What has no members has no bytes in it.
  const attachments: Attachment[] | null = mayAttach && typeof value === 'object' ? [] : null;
  try {
    result = toJson(value, 'result', attachments, RESULT);
  } catch (error) {
    if (!(error instanceof NotJson)) throw error;
    const { path, reason, message } = error;
    const data = { path: truncate(path, 1024), reason: truncate(reason, 1024) };
    return textOnly(errorAnswer(id, ErrorCode.resultNotSerializable, message, maxMessageBytes, data));
  }
  const json = `{"jsonrpc":"2.0","id":${id},"result":${result}${attachmentsMember(attachments ?? NO_ATTACHMENTS)}}`;
  const answer = { json, attachments: attachments ?? NO_ATTACHMENTS };
  const attached = bytesOf(answer.attachments);
  // A UTF-16 unit takes three bytes at most, so short answers need no counting.
  if (json.length * 3 + attached > maxMessageBytes) {
    const bytes = Buffer.byteLength(json) + attached;
    if (bytes > maxMessageBytes) {
      const message = `the result takes ${bytes} bytes, the limit is ${maxMessageBytes}`;
      return textOnly(errorAnswer(id, ErrorCode.resultTooLarge, message, maxMessageBytes, { bytes, limit: maxMessageBytes }));
    }
  }
  return answer;
}

const RESULT = ['result'];
const textOnly = (json: string): Payload => ({ json, attachments: NO_ATTACHMENTS });

/** An error answer that fits: without its data when that is too large. */
export function errorAnswer(id: number, code: number, message: string, maxMessageBytes: number, data?: unknown): string {
  const body = (error: object): string => `{"jsonrpc":"2.0","id":${id},"error":${JSON.stringify(error)}}`;
  const answer = body({ code, message: truncate(message, 8192), data });
  return Buffer.byteLength(answer) <= maxMessageBytes ? answer : body({ code, message: truncate(message, 256) });
}

/** The answer of a call whose code threw `error`; `more` is added to the data. */
export function thrownAnswer(id: number, code: number, error: unknown, maxMessageBytes: number, more?: object): string {
  const { message, ...data } = describeThrown(error);
  return errorAnswer(id, code, message, maxMessageBytes, { ...more, ...data });
}
