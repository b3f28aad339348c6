/**
 * `npm run soak`: chaos, and a ledger that decides. Several plugins under constant traffic, faults at random from a seed, and at the
 * end nothing may be lost. What is measured is `dist/`. Narration on stderr, the table on stdout, exit code 1 for any violation.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Soak } from './soak.ts';
import { tableOf } from './report.ts';

const HELP = `npm run soak -- [options]
  --minutes N     how long; with --calls or --faults, how long at most. Default 1
  --seed S        default: a fresh one, which is printed
  --calls N       end when so many calls were made
  --faults N      and so many faults injected
  --json FILE     the report, for machines
  --keep          leave the ledgers`;

/** How long the process may take to end by itself when all is over. */
const END_MS = 10_000;
const DIST = new URL('../../dist/src/index.js', import.meta.url);

function whole(text: string | undefined, name: string): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Error(`--${name} takes a whole number`);
  return value;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '1' },
      seed: { type: 'string' },
      calls: { type: 'string' },
      faults: { type: 'string' },
      json: { type: 'string' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(`${HELP}\n`);
  if (process.platform !== 'linux') throw new Error('it looks into /proc, so it runs on Linux only');
  if (!existsSync(DIST)) throw new Error('there is no dist/: run `npm run build` first');
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new Error('--minutes takes a number above 0');
  const seed = whole(values.seed, 'seed') ?? Math.floor(Math.random() * 2 ** 31);
  const [calls, faults] = [whole(values.calls, 'calls'), whole(values.faults, 'faults')];

  // What ships is measured; its types are those of the source.
  const { createSupervisor } = (await import(DIST.href)) as typeof import('../../src/index.ts');
  const root = mkdtempSync(join(tmpdir(), 'chameleon-soak-'));
  process.stderr.write(`soak: seed ${seed}, ledgers in ${root}\n`);
  try {
    const report = await new Soak({ createSupervisor, root, seed, minutes, calls, faults }).run();
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
    process.stdout.write(`${tableOf(report)}\n`);
    const violations = Object.values(report.violations).reduce((sum, count) => sum + count, 0);
    if (violations > 0) process.stderr.write(`soak: ${violations} violations; to repeat it: npm run soak -- --minutes ${minutes} --seed ${seed}\n`);
    setTimeout(() => {
      process.stderr.write('soak: something keeps this process alive\n');
      process.exit(1);
    }, END_MS).unref();
    if (!report.reached) process.stderr.write(`soak: what was asked for was not reached within ${minutes} minutes\n`);
    process.exitCode = violations === 0 && report.reached ? 0 : 1;
  } finally {
    if (!values.keep) rmSync(root, { recursive: true, force: true });
  }
}

await main().catch((error: unknown) => {
  process.stderr.write(`soak: ${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 2;
});
