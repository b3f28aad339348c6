/**
 * What hosts and the command line install and remove versions with. What does the work is loaded when it is asked for, since most
 * supervisors never install anything.
 */
import { ConfigInvalidError } from '../errors.ts';
import { checkInstallOptions, checkPruneOptions, checkUninstallOptions, checkVerifyOptions } from '../options-calls.ts';
import type {
  InstalledVersion,
  InstallOptions,
  InstallResult,
  PruneOptions,
  PruneResult,
  UninstallOptions,
  VerifyOptions,
  VerifyResult,
} from './types.ts';

/**
 * Puts a version under `pluginDir`: of a folder, of a .tgz, or of the registry that npm is set to (`NAME@VERSION`). Its dependencies come from
 * its own lockfile. Starts nothing. Throws `InstallFailedError`, `ManifestInvalidError` for what is no plugin, `ConfigInvalidError`.
 */
export async function installPlugin(source: string, options: InstallOptions & { pluginDir: string | null | undefined }): Promise<InstallResult> {
  const { pluginDir, ...rest } = options;
  checkInstallOptions(rest);
  if (typeof source !== 'string' || source === '') throw invalid('source', 'expected a folder, a .tgz, or NAME@VERSION');
  if (typeof pluginDir !== 'string' || pluginDir === '') throw invalid('pluginDir', 'is not set; installing needs a folder to install into');
  return (await import('./install.ts')).install(source, pluginDir, rest);
}

/** Removes one version. Throws `PluginNotFoundError`, `VersionNotFoundError`, `VersionInUseError`, `ConfigInvalidError`. */
export async function uninstallPlugin(name: string, version: string, options: UninstallOptions): Promise<InstalledVersion> {
  checkUninstallOptions(options);
  return (await import('./remove.ts')).uninstall(name, version, options);
}

/** Removes old versions. One that is in use, or that the configuration asks for, stays. Throws `ConfigInvalidError`. */
export async function prunePlugins(options: PruneOptions): Promise<PruneResult> {
  checkPruneOptions(options);
  return (await import('./remove.ts')).prune(options);
}

/** Compares every file of what was installed with what it was then, whether it seems touched or not. Throws `ConfigInvalidError`. */
export async function verifyPlugins(options: VerifyOptions): Promise<VerifyResult[]> {
  checkVerifyOptions(options);
  return (await import('./remove.ts')).verifyAll(options);
}

/** Throws `IntegrityError` when a release is no longer what was installed; says nothing about one that was not installed. */
export async function verifyRelease(release: { readonly name: string; readonly version: string; readonly dir: string }): Promise<void> {
  const { verify } = await import('./integrity.ts');
  await verify(release.dir);
}

function invalid(path: string, message: string): ConfigInvalidError {
  return new ConfigInvalidError([{ path, message }], 'arguments');
}
