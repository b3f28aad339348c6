/** Hosts that cannot start plugins as they are, told before the first one fails: bundled without us, or no Node.js. */
import { ConfigInvalidError } from './errors.ts';
import type { ResolvedOptions } from './options.ts';
import { ownPackage } from './util/own-package.ts';

/** Throws `ConfigInvalidError`. */
export function checkHost({ nodePath, defaults }: Pick<ResolvedOptions, 'nodePath' | 'defaults'>): void {
  if (ownPackage() === null) {
    const message =
      'the host was bundled, and chameleon-supervisor is not installed where it runs: its child processes need files of the package. Leave it external (--external:chameleon-supervisor) and install it beside the bundle';
    throw new ConfigInvalidError([{ path: '', message }], 'host');
  }
  const kind = nodePath === process.execPath && defaults.env?.ELECTRON_RUN_AS_NODE === undefined ? notNode() : null;
  if (kind === null) return;
  const message = `${nodePath} is ${kind}, which would run the host again for each plugin: set nodePath to a Node.js of 20.19 or later`;
  throw new ConfigInvalidError([{ path: 'nodePath', message }], 'host');
}

/** A program that holds Node.js and an application; null for Node.js itself. */
function notNode(): string | null {
  if (process.versions.electron !== undefined) return 'Electron';
  if ((process as { pkg?: unknown }).pkg !== undefined) return 'an executable made by pkg';
  const sea = process.getBuiltinModule?.('node:sea') as { isSea(): boolean } | undefined;
  return sea?.isSea() === true ? 'a single-executable application' : null;
}
