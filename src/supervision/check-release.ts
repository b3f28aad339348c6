/** Whether a release may be started here: its engines, who could change it, and the files of an installed version. */
import { checkEngines, type Release } from '../catalog/release.ts';
import { isChameleonError, PluginUnavailableError } from '../errors.ts';
import { verifyRelease } from '../install/api.ts';
import { nodeVersion } from '../process/node-version.ts';
import type { Refusal } from './deployment-state.ts';
import type { StrictModes } from './strict-modes.ts';

export interface ReleaseCheck {
  nodePath: string;
  /** Of this package, for `engines.chameleon`. */
  version: string;
  modes: StrictModes;
  /** The path by which the release was asked for, if that may hold links. */
  named?: string | undefined;
}

/** Throws `ManifestInvalidError`, `UnsafeFolderError` and `IntegrityError`. */
export async function checkRelease(release: Release, { nodePath, version, modes, named }: ReleaseCheck): Promise<void> {
  const node = release.entry === null ? null : await nodeVersion(nodePath);
  checkEngines(release, { chameleon: version, node });
  const refusal = await refusalOf(release, modes, named);
  if (refusal !== null) throw refusal.error;
}

/** Whether a release is still what was installed, and can be changed by no other user: looked at before each start. */
export async function refusalOf(release: Release, modes: StrictModes, named?: string): Promise<Refusal | null> {
  try {
    await modes.check(release, named);
    await verifyRelease(release);
    return null;
  } catch (error) {
    if (isChameleonError(error)) return { error, isShortage: false };
    const { name: plugin, version } = release;
    return { error: new PluginUnavailableError({ plugin, version }, 'not to be looked at', error), isShortage: true };
  }
}
