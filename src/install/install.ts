/**
 * One installation, from what was named to a version in its place. All of it happens in a staging folder beside the plugins; what comes
 * of it becomes visible by one rename.
 *
 * 1. Until the rename nothing has changed, and after it nothing is missing: killed at any point, a version is absent or whole.
 * 2. A version that is there is never replaced by other content, unless it is no longer what was installed.
 * 3. Whatever fails leaves no trace.
 */
import { lstat, mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { checkBuilt, describeFsError, readRelease, type Release } from '../catalog/release.ts';
import { ConfigInvalidError, InstallFailedError, type InstallPhase, IntegrityError, isChameleonError, ManifestInvalidError } from '../errors.ts';
import { shown } from '../util/naming.ts';
import { findOtherWriter } from '../util/other-writers.ts';
import type { InstallOptions, InstallResult } from './types.ts';
import { isCache } from './byproducts.ts';
import { installDependencies } from './dependencies.ts';
import { Refused, refuseRepository } from './entry-path.ts';
import { realPluginDir } from './installed.ts';
import { type IntegrityRecord, readRecord, takeRecord, verify, writeRecord } from './integrity.ts';
import { mayBePlugin } from './kind.ts';
import { NpmError } from './npm.ts';
import { place, takeAway } from './place.ts';
import { archiveOf, resolveSource, type Source, takeLockfile } from './source.ts';
import { openStaging, type Staging, sweepStale } from './staging.ts';
import { readTree } from './tree.ts';
import { unpackArchive } from './unpack.ts';

const MAX_ATTEMPTS = 10;

interface Work {
  readonly given: string;
  readonly source: Source;
  readonly pluginDir: string;
  readonly staging: Staging;
  readonly options: InstallOptions;
  enter(phase: InstallPhase, detail: string): void;
}

export async function install(given: string, pluginDir: string, options: InstallOptions): Promise<InstallResult> {
  let phase: InstallPhase = 'reading';
  const enter = (next: InstallPhase, detail: string): void => {
    phase = next;
    options.signal?.throwIfAborted();
    options.onProgress?.({ phase, detail });
  };
  try {
    const root = await preparePluginDir(pluginDir);
    const source = await resolveSource(given);
    await sweepStale(root);
    const staging = await openStaging(root, 'staging');
    try {
      const result = await installFrom({ given, source, pluginDir: root, staging, options, enter });
      return { ...result, warnings: [...(await exposureOf(pluginDir, result.dir)), ...result.warnings] };
    } finally {
      await staging.discard(); // Keeps 3.
    }
  } catch (error) {
    throw typed(error, given, phase);
  }
}

async function installFrom(work: Work): Promise<InstallResult> {
  const { source, pluginDir, staging, options, enter } = work;
  const run = { marker: staging.marker, spareCache: join(staging.dir, 'npm-cache'), signal: options.signal };
  enter('reading', source.kind === 'registry' ? `fetching ${source.name}@${source.version}` : source.path);
  const archive = await archiveOf(source, join(staging.dir, 'packed'), run);

  enter('unpacking', basename(archive));
  const unpacked = join(staging.dir, 'unpacked');
  await mkdir(unpacked);
  await unpackArchive(archive, unpacked, undefined, options.signal);
  await takeLockfile(source, unpacked);
  await dropCaches(unpacked);

  enter('checking', 'package.json');
  const release = await readUnpacked(unpacked, work);
  const { name, version } = release;
  const target = join(pluginDir, name, version);
  if (await isThere(target)) {
    const whole = await wholeAs(await takeRecord(unpacked, { name, version }, await readTree(unpacked)), target, work);
    if (whole !== null) return resultOf(whole, target, 'already-there', []);
  }

  // Installed where it stays, below the staging folder: some packages write down where they lie.
  const tree = join(staging.dir, 'tree');
  const dir = join(tree, name, version);
  await mkdir(dirname(dir), { recursive: true });
  await rename(unpacked, dir);
  enter('dependencies', `${name}@${version}`);
  const workshop = join(staging.dir, 'workshop');
  const unrun = await installDependencies({ cwd: dir, workshop, allowScripts: options.allowScripts ?? [], ...run });

  await dropCaches(dir);
  enter('hashing', `${name}@${version}`);
  const files = await readTree(dir);
  for (const { path } of files.files) refuseRepository(path);
  const record = await takeRecord(dir, { name, version }, files);
  await writeRecord(dir, record, files);

  enter('placing', target);
  const warnings = unrun.map((each) => `no script of ${shown(each)} ran: no package that npm fetched is called so by the registry`);
  if (!(await mayBePlugin(dir, files, release.manifest))) {
    warnings.push(`${name}@${version} is no plugin as far as can be seen without running it: neither its code nor its package.json names methods`);
  }
  return settle(record, tree, target, warnings, work);
}

/** No hash holds a cache, so none may come along: code could lie in it. Those that are made when it runs have their place then. */
async function dropCaches(dir: string): Promise<void> {
  const { files } = await readTree(dir);
  for (const { path } of files) if (isCache(path)) await rm(join(dir, path));
}

/** Throws `ManifestInvalidError`, whose file is named as the user knows it. */
async function readUnpacked(dir: string, { given, source }: Work): Promise<Release> {
  const read = async (): Promise<Release> => {
    const release = await readRelease(dir);
    checkBuilt(release);
    return release;
  };
  const release = await read().catch((error: unknown) => {
    if (!(error instanceof ManifestInvalidError)) throw error;
    throw new ManifestInvalidError(`${given}: package.json`, error.issues);
  });
  if (source.kind === 'registry' && (release.name !== source.name || release.version !== source.version)) {
    throw new Refused(`came from the registry as ${shown(`${release.name}@${release.version}`)}`);
  }
  return release;
}

/** Into its place, unless the same version came there first; one that is no longer what it was makes room. */
async function settle(record: IntegrityRecord, tree: string, target: string, warnings: string[], work: Work): Promise<InstallResult> {
  const { plugin, version } = record;
  let outcome: InstallResult['outcome'] = 'installed';
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    if (await place(tree, work.pluginDir, plugin, version)) return resultOf(record, target, outcome, warnings);
    const whole = await wholeAs(record, target, work); // Keeps 2.
    if (whole !== null) return resultOf(whole, target, 'already-there', []);
    await takeAway(work.pluginDir, plugin, version);
    outcome = 'repaired';
  }
  throw new Error(`${target} is taken again and again`);
}

/** The record of the version in `target` if it is whole and of the same content; null if it is damaged, or gone meanwhile. */
async function wholeAs(record: IntegrityRecord, target: string, { given }: Work): Promise<IntegrityRecord | null> {
  const { plugin, version } = record;
  const refuse = (reason: string): never => {
    throw new InstallFailedError({ source: given, phase: 'placing', reason }, { plugin, version });
  };
  try {
    const theirs = await readRecord(target);
    if (theirs === null) {
      if (!(await isThere(target))) return null;
      return refuse(`${target} is there already, and was put there by hand; remove it, or install another version`);
    }
    if (ownContent(theirs) !== ownContent(record)) {
      return refuse(`${plugin}@${version} is installed already, with other content; give what has changed another version`);
    }
    await verify(target);
    return theirs;
  } catch (error) {
    if (error instanceof IntegrityError) return null;
    throw error;
  }
}

/** What the plugin itself consists of; its lockfile, which is part of it, stands for its dependencies. */
function ownContent({ files }: IntegrityRecord): string {
  return JSON.stringify(files.filter(({ path }) => !path.startsWith('node_modules/')).map(({ path, sha256, mode }) => [path, sha256, mode]));
}

function resultOf({ plugin, version, files }: IntegrityRecord, dir: string, outcome: InstallResult['outcome'], warnings: string[]): InstallResult {
  return { plugin, version, dir, files: files.length, bytes: files.reduce((total, { bytes }) => total + bytes, 0), outcome, warnings };
}

/** Only a warning: the supervisor that will run the plugin may be another user's, and knows its own `strictModes`. */
async function exposureOf(pluginDir: string, dir: string): Promise<string[]> {
  const reason = (await findOtherWriter(pluginDir)) ?? (await findOtherWriter(dir));
  return reason === null ? [] : [`other users could change the plugins in ${shown(pluginDir)}, and strictModes refuses them: ${reason}`];
}

/** The folder itself is made where its parent is there: a mistyped path makes no tree of folders. */
async function preparePluginDir(pluginDir: string): Promise<string> {
  await mkdir(resolve(pluginDir)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return;
    throw new ConfigInvalidError([{ path: 'pluginDir', message: `${shown(pluginDir)} cannot be made: ${describeFsError(error)}` }]);
  });
  return realPluginDir(pluginDir);
}

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

function typed(error: unknown, source: string, phase: InstallPhase): Error {
  if (isChameleonError(error)) return error;
  if (error instanceof NpmError) return new InstallFailedError({ source, phase, reason: error.message, outputTail: error.output }, {}, error);
  if (error instanceof Refused) return new InstallFailedError({ source, phase, reason: `it ${error.message}` }, {}, error.cause);
  const { name, message } = error as Error;
  return new InstallFailedError({ source, phase, reason: name === 'AbortError' ? 'cancelled' : message }, {}, error);
}
