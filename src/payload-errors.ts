/** What is wrong with the arguments or the result of a call. */
import { called, ChameleonError, type ErrorSubject } from './error-base.ts';

/** `maxTotalAnswerBytes`: beside what other plugins were sending. */
export type PayloadBound = 'maxMessageBytes' | 'maxMessageValues' | 'maxTotalAnswerBytes';

export class PayloadTooLargeError extends ChameleonError {
  readonly code = 'ERR_PAYLOAD_TOO_LARGE';
  readonly bytes: number;
  /** That of `bound`, which refused it. */
  readonly limit: number;
  readonly path: 'arguments' | 'result';
  readonly bound: PayloadBound;
  /** Where there are too many: arrays, objects and their members. */ readonly values?: number;
  constructor(subject: ErrorSubject, path: 'arguments' | 'result', excess: { bytes: number; limit: number; bound: PayloadBound; values?: number }) {
    const { bytes, limit, bound, values } = excess;
    const much = values === undefined ? `take ${bytes} bytes` : `hold ${values} values`;
    const together = bound === 'maxTotalAnswerBytes' ? ' to the answers of all plugins together' : '';
    super(`${called(subject)}: the ${path} ${much}, ${bound} allows ${limit}${together}; send a reference, or raise the limit`, subject);
    this.path = path;
    this.bytes = bytes;
    this.limit = limit;
    this.bound = bound;
    if (values !== undefined) this.values = values;
  }
}

export class NotSerializableError extends ChameleonError {
  readonly code = 'ERR_NOT_SERIALIZABLE';
  /** Where the value stands, such as `arguments[0].when` or `result.next`. */
  readonly path: string;
  constructor(subject: ErrorSubject, path: string, reason: string) {
    super(`${called(subject)}: ${path} cannot be sent as JSON: ${reason}`, subject);
    this.path = path;
  }
}
