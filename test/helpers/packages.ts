/** Packages that stand in a project as npm would have installed them, with the lockfile that says so. */
export interface FakePackage {
  version?: string;
  /** Where it is installed, relative to the lockfile. Default: `node_modules/<name>`. */
  at?: string;
  /** More of its package.json; `dependencies` and the like stand in the lockfile too. */
  json?: Record<string, unknown>;
  files: Record<string, string>;
}

const LOCKED = ['dependencies', 'optionalDependencies', 'peerDependencies', 'peerDependenciesMeta', 'hasInstallScript'];

/** Files of a project: the packages, and a package-lock.json that names them. `entries` are more of its entries. */
export function installed(
  packages: Record<string, FakePackage | FakePackage[]>,
  entries: Record<string, object> = {},
): Record<string, string | object> {
  const files: Record<string, string | object> = {};
  const locked: Record<string, object> = { '': {}, ...entries };
  for (const [name, copies] of Object.entries(packages)) {
    for (const { version = '1.0.0', at = `node_modules/${name}`, json = {}, files: own } of Array.isArray(copies) ? copies : [copies]) {
      files[`${at}/package.json`] = { name, version, ...json };
      for (const [file, text] of Object.entries(own)) files[`${at}/${file}`] = text;
      const relations = Object.fromEntries(Object.entries(json).filter(([field]) => LOCKED.includes(field)));
      locked[at] = { version, resolved: `https://registry.example/${name}-${version}.tgz`, integrity: 'sha512-x', ...relations };
    }
  }
  return { ...files, 'package-lock.json': { lockfileVersion: 3, packages: locked } };
}
