/**
 * The names that an archive may give to what is in it. Pure; no name that fails here ever reaches a disk.
 *
 * 1. Every entry lies below one top folder, which is left out, as npm does.
 * 2. Two entries never mean the same file, also on a disk that folds case or Unicode forms; a file is never a folder too.
 */
import { shown } from '../util/naming.ts';

/** What is refused, and why. The unpacker turns it into an error that names the archive. */
export class Refused extends Error {}

const MAX_PATH_BYTES = 1_024;
const MAX_NAME_BYTES = 255;
const MAX_DEPTH = 64;

/** Ours, and programs' own: a project's configuration of npm names the git to run, and hooks are run. */
const RESERVED = [/^\.chameleon$/, /^\.npmrc$/, /^node_modules\/\.hooks$/];
/** A repository's configuration names programs, which git, hg or svn run for whoever stands in the folder. `git~1` is a short name on Windows. */
const REPOSITORY = /(?:^|\/)(?:\.git|git~\d+|\.hg|\.svn|\.bzr)(?:[:/]|$)/;
/** Characters that some file systems leave out when they compare names. */
const IGNORED = /[\p{Default_Ignorable_Code_Point}\p{Cf}]/gu;

interface Known {
  spelling: string;
  kind: 'file' | 'folder';
}

export class EntryPaths {
  #top: string | null = null;
  readonly #known = new Map<string, Known>();

  /** The path below the top folder, '' for the top folder itself. Throws `Refused`. */
  take(given: string, kind: 'file' | 'folder'): string {
    const [top, ...names] = namesOf(given, kind);
    this.#top ??= top!;
    if (top !== this.#top) throw new Refused(`has two top folders, ${shown(this.#top)} and ${shown(top)}; npm packs all below one`);
    if (names.length === 0 && kind === 'file') throw new Refused(`holds the file ${shown(given)} beside its top folder`);
    names.forEach((_, at) => this.#claim(names.slice(0, at + 1).join('/'), at === names.length - 1 ? kind : 'folder'));
    return names.join('/');
  }

  #claim(path: string, kind: 'file' | 'folder'): void {
    const folded = fold(path);
    if (RESERVED.some((reserved) => reserved.test(folded))) throw new Refused(`holds ${shown(path)}, which no package may bring along`);
    refuseRepository(path);
    const known = this.#known.get(folded);
    if (known === undefined) this.#known.set(folded, { spelling: path, kind });
    else if (known.spelling !== path) throw new Refused(`holds ${shown(known.spelling)} and ${shown(path)}, which are one name on some disks`);
    else if (known.kind !== kind) throw new Refused(`holds ${shown(path)} as a file and as a folder`);
    else if (kind === 'file') throw new Refused(`holds ${shown(path)} twice`);
  }
}

function namesOf(given: string, kind: 'file' | 'folder'): string[] {
  const refuse = (why: string): never => {
    throw new Refused(`holds ${shown(given)}: ${why}`);
  };
  if (Buffer.byteLength(given) > MAX_PATH_BYTES) refuse(`a path may take ${MAX_PATH_BYTES} bytes`);
  if (/[\u0000-\u001f\u007f-\u009f]/.test(given)) refuse('a control character in a name');
  if (given.includes('\u{fffd}')) refuse('a name that is no UTF-8');
  if (given.includes('\\')) refuse('a backslash in a name');
  if (given.startsWith('/') || /^[a-z]:/i.test(given)) refuse('an absolute path');
  const trimmed = given.replace(/^(?:\.\/)+/, '');
  const names = (kind === 'folder' ? trimmed.replace(/\/$/, '') : trimmed).split('/');
  for (const name of names) {
    if (name === '..') refuse('it leads out of its folder');
    if (name === '' || name === '.') refuse('a path that is not written plainly');
    if (Buffer.byteLength(name) > MAX_NAME_BYTES) refuse(`a name may take ${MAX_NAME_BYTES} bytes`);
  }
  if (names.length > MAX_DEPTH) refuse(`more than ${MAX_DEPTH} folders deep`);
  return names;
}

/** Throws `Refused` for a path that is in a repository, on this disk or on another one. */
export function refuseRepository(path: string): void {
  if (REPOSITORY.test(fold(path))) throw new Refused(`holds ${shown(path)}, which no package may bring along`);
}

/** Equal for names that some file system takes for one: compatibility forms, case, what case does to ß and ﬁ, and dots at the end. */
function fold(path: string): string {
  const folded = path.normalize('NFKC').replaceAll(IGNORED, '').toUpperCase().toLowerCase().normalize('NFKC');
  return folded.replaceAll(/(?<=[^/. ])[. ]+(?=\/|$)/g, '');
}
