/**
 * The folder that this package is installed in. A host that was bundled runs our code from a file of its own: the package
 * is then looked for from there, from the program, and from the working folder.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const NAME = 'chameleon-supervisor';

export interface OwnPackage {
  dir: string;
  version: string;
}

let found: OwnPackage | null | undefined;

/** Null if it is not installed anywhere near. */
export function ownPackage(): OwnPackage | null {
  return (found ??= find());
}

function find(): OwnPackage | null {
  // Bundlers replace `import.meta` in CommonJS by an empty object.
  const { url } = import.meta as { url?: string };
  for (const from of [url, process.argv[1], join(process.cwd(), 'host.js')]) {
    if (from === undefined) continue;
    try {
      // Not imported: webpack takes the calls of an import for its own, and answers them with a number.
      const { createRequire } = process.getBuiltinModule('node:module');
      const file = createRequire(from).resolve(`${NAME}/package.json`);
      const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name: string; version: string };
      if (name === NAME) return { dir: dirname(file), version };
    } catch {
      // Not there.
    }
  }
  return null;
}
