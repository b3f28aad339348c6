/**
 * What installing and removing is asked and answers: the plain vocabulary of this folder. Does nothing.
 */
import type { InstallPhase, IntegrityError } from '../errors.ts';

export interface InstallProgress {
  phase: InstallPhase;
  /** What it is about: a file, a version. */
  detail: string;
}

export interface InstallOptions {
  /**
   * Packages whose own install scripts are run, by the registry's names, such as `['sharp']`: of an alias, that of the package that it
   * stands for. What came along in an archive never runs. Default none: no code of a package runs while it is installed.
   */
  allowScripts?: readonly string[];
  /** Gives it up: nothing is left of it, and the promise rejects with `ERR_INSTALL_FAILED`. */
  signal?: AbortSignal;
  /** Told at the beginning of each phase. */
  onProgress?: (progress: InstallProgress) => void;
}

export interface InstallResult {
  plugin: string;
  version: string;
  /** The version's folder. */
  dir: string;
  /** How many files it has, dependencies included. */
  files: number;
  bytes: number;
  /** `already-there`: the same content was installed before. `repaired`: what was there was no longer what had been installed. */
  outcome: 'installed' | 'already-there' | 'repaired';
  /** What may surprise at the start, one sentence each. For a version that was there already only: other users could change its folder. */
  warnings: string[];
}

export interface UninstallOptions {
  pluginDir: string;
  /** Folders of versions that somebody uses; they are not removed. */
  inUse?: readonly string[];
}

export interface PruneOptions extends UninstallOptions {
  /** How many versions of each plugin stay, the highest ones: a whole number from 1. */
  keep: number;
  /** Only this plugin. Default: all of them. */
  name?: string;
  /** Ranges of versions that the configuration asks for: the highest in each stays too. */
  ranges?: (plugin: string) => readonly string[];
}

/** One version, of those that were removed or kept. */
export interface InstalledVersion {
  plugin: string;
  version: string;
  dir: string;
}

export interface PruneResult {
  removed: InstalledVersion[];
  kept: InstalledVersion[];
}

export interface VerifyOptions {
  pluginDir: string;
  /** Only this plugin, or this version of it. */
  name?: string;
  version?: string;
}

export interface VerifyResult extends InstalledVersion {
  /** `unrecorded`: it was put there by hand, so there is nothing to compare it with. */
  outcome: 'whole' | 'damaged' | 'unrecorded';
  error: IntegrityError | null;
}
