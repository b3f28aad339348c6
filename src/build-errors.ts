/** What building a plugin can fail of, besides its manifest and its start, which have errors of their own. */
import { ChameleonError, type Issue } from './error-base.ts';

export class BuildFailedError extends ChameleonError {
  readonly code = 'ERR_BUILD_FAILED';
  /** Each with the place, `index.ts:3:7`, and what is wrong there. */
  readonly issues: readonly Issue[];

  /** `shown` is the compiler's own text, with the lines of the source; it stands in the message as it is. */
  constructor(what: string, issues: readonly Issue[], shown?: string) {
    const text = shown ?? issues.map(({ path, message }) => `  ${path === '' ? '' : `${path}: `}${message}`).join('\n');
    super(`${what}: ${issues.length} ${issues.length === 1 ? 'mistake' : 'mistakes'} to correct\n${text.trimEnd()}`);
    this.issues = issues;
  }
}
