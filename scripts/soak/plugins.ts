/** The plugins under test: one fixture under several names and versions, each with limits of its own. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { PluginOptions } from '../../src/index.ts';

const FIXTURE = resolve(import.meta.dirname, '../../test/fixtures/plugins/chaos');
const MiB = 2 ** 20;
/** Resident memory at which an instance is killed; it is replaced at 80 %, and idles at about 50 MiB. */
export const MEMORY_LIMIT_BYTES = 256 * MiB;
export const VERSIONS = ['1.0.0', '2.0.0'] as const;
/** Versions that never become ready. */
const BROKEN = { '3.0.0': 'throws.js', '4.0.0': 'unfit.js' } as const;

export interface Target {
  name: string;
  /** Its ledger. */
  file: string;
  /** The folders of its two versions. */
  dirs: [string, string];
  broken: string[];
  /** Share of the traffic. */
  weight: number;
  /** Is called, and never harmed: none of its calls may fail. */
  bystander: boolean;
  options: PluginOptions;
}

/** A fault is to cost little time: everything that waits for one to be noticed is short. */
const HARMED: PluginOptions = {
  memoryLimitBytes: MEMORY_LIMIT_BYTES,
  liveness: { intervalMs: 200, timeoutMs: 600 },
  restart: { maxRestarts: 10_000, periodMs: 60_000, backoffMs: 10, maxBackoffMs: 100 },
  cancelGraceMs: 300,
  stopTimeoutMs: 1_000,
  drainTimeoutMs: 3_000,
  breaker: { enabled: false },
};

const PLUGINS: { name: string; weight: number; bystander?: true; options: PluginOptions }[] = [
  { name: 'plain', weight: 6, options: {} },
  { name: 'plain-too', weight: 6, options: { breaker: { enabled: true, maxFailures: 10_000 } } },
  { name: 'narrow', weight: 2, options: { concurrency: 4, maxQueue: 100 } },
  { name: 'narrowest', weight: 1, options: { concurrency: 1, maxQueue: 20, maxQueueBytes: 512 * 1024 } },
  { name: 'retrying', weight: 4, options: { retry: { attempts: 3, backoffMs: 20, maxBackoffMs: 200, budgetRatio: 0.2 } } },
  {
    name: 'breaking',
    weight: 4,
    options: { breaker: { enabled: true, maxFailures: 5, resetIntervalMs: 5_000, openMs: 300, halfOpenCalls: 2 }, retry: { attempts: 2 } },
  },
  { name: 'recycled', weight: 4, options: { maxCalls: 2_000, maxAgeMs: 15_000 } },
  { name: 'bystander', weight: 2, bystander: true, options: {} },
];

/** Writes the plugins below `root`. */
export function layOut(root: string): Target[] {
  return PLUGINS.map(({ name, weight, options, bystander = false }) => {
    const file = join(root, `${name}.ledger`);
    writeFileSync(file, '');
    const dir = (version: string, main = 'index.js'): string => {
      const to = join(root, `${name}-${version}`);
      cpSync(FIXTURE, to, { recursive: true });
      const manifest = JSON.parse(readFileSync(join(to, 'package.json'), 'utf8')) as object;
      writeFileSync(join(to, 'package.json'), JSON.stringify({ ...manifest, name, version, main }));
      return to;
    };
    return {
      name,
      file,
      dirs: [dir(VERSIONS[0]), dir(VERSIONS[1])],
      broken: Object.entries(BROKEN).map(([version, main]) => dir(version, main)),
      weight,
      bystander,
      options: { ...(bystander ? {} : HARMED), ...options, options: { file } },
    };
  });
}
