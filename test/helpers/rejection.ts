import { expect } from 'vitest';
import { isChameleonError, type ChameleonError } from '../../src/index.ts';

/** The error that `promise` rejects with, which must be one of ours. */
export async function rejection<E extends ChameleonError = ChameleonError>(promise: Promise<unknown>): Promise<E> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('value' in outcome) expect.fail(`expected a rejection, got ${JSON.stringify(outcome.value)}`);
  if (!isChameleonError(outcome.error)) throw outcome.error;
  return outcome.error as E;
}
