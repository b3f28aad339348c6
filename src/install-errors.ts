/**
 * The errors of installing, of what is no longer as it was installed, and of what others could change. Part of the table of errors.ts, which hands them on.
 */
import { ChameleonError, type ErrorSubject } from './error-base.ts';

/** How far an installation came. */
export type InstallPhase = 'reading' | 'unpacking' | 'checking' | 'dependencies' | 'hashing' | 'placing';

export class InstallFailedError extends ChameleonError {
  readonly code = 'ERR_INSTALL_FAILED';
  /** The folder, archive or name that was to be installed. */
  readonly source: string;
  readonly phase: InstallPhase;
  readonly reason: string;
  /** The last lines that npm wrote; empty where npm was not at work. */
  readonly outputTail: string;
  constructor(facts: { source: string; phase: InstallPhase; reason: string; outputTail?: string }, subject: ErrorSubject = {}, cause?: unknown) {
    const said = reasonsIn(facts.outputTail ?? '');
    const tail = said.length > 0 ? `\n  npm said: ${said.join('\n    ')}` : '';
    super(`${facts.source} was not installed (phase ${facts.phase}): ${facts.reason}${tail}`, subject, cause);
    this.source = facts.source;
    this.phase = facts.phase;
    this.reason = facts.reason;
    this.outputTail = facts.outputTail ?? '';
  }
}

/** npm's first lines say why, and many that follow do not: numbers of errors, stacks, general advice. */
const BESIDE_THE_POINT =
  /^npm (?:notice|warn|WARN)|^npm (?:error|ERR!)\s*(?:$|[{}]|at |errno|syscall|Log files|A complete log|If you believe|permissions of|the command again)/;
const SHOWN_LINES = 8;

function reasonsIn(output: string): string[] {
  const lines = output.split('\n').filter((line) => line.trim() !== '' && !BESIDE_THE_POINT.test(line));
  return lines.slice(0, SHOWN_LINES);
}

export interface IntegrityChange {
  /** Relative to the version's folder, with slashes. */
  path: string;
  problem: 'changed' | 'added' | 'missing';
}

const MAX_CHANGES = 20;
const SHOWN_CHANGES = 5;

export class IntegrityError extends ChameleonError {
  readonly code = 'ERR_INTEGRITY';
  readonly dir: string;
  /** The first twenty, by path. */
  readonly changes: readonly IntegrityChange[];
  readonly total: number;
  constructor(subject: ErrorSubject, dir: string, changes: readonly IntegrityChange[]) {
    const first = changes.slice(0, SHOWN_CHANGES).map(({ path, problem }) => `\n  ${problem}: ${path}`);
    const more = changes.length > SHOWN_CHANGES ? `\n  and ${changes.length - SHOWN_CHANGES} more` : '';
    super(
      `${subject.plugin ?? 'plugin'}@${subject.version ?? '?'} in ${dir} is not as it was installed; install it again from its source, which replaces it${first.join('')}${more}`,
      subject,
    );
    this.dir = dir;
    this.changes = changes.slice(0, MAX_CHANGES);
    this.total = changes.length;
  }
}

/** Under `strictModes`: a user other than this one and root could change the plugin. */
export class UnsafeFolderError extends ChameleonError {
  readonly code = 'ERR_UNSAFE_FOLDER';
  /** The plugin's folder. */
  readonly path: string;
  /** Names the file or folder on the way to it that others could change. */
  readonly reason: string;
  constructor(subject: ErrorSubject, path: string, reason: string) {
    super(
      `${subject.plugin ?? 'plugin'}@${subject.version ?? '?'} in ${path} is refused by strictModes, because other users could change it: ${reason}; chown it to this user or to root and take away the others' permission (chmod go-w), or set strictModes: false`,
      subject,
    );
    this.path = path;
    this.reason = reason;
  }
}

/** A version that runs was not removed. */
export class VersionInUseError extends ChameleonError {
  readonly code = 'ERR_VERSION_IN_USE';
  readonly dir: string;
  constructor(subject: ErrorSubject, dir: string) {
    super(`${subject.plugin}@${subject.version} is running from ${dir}; switch to another version or unload it first`, subject);
    this.dir = dir;
  }
}
