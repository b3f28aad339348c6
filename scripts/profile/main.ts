/**
 * `npm run profile`: where the processor time of a call goes, in the supervisor and in the child. Tables on stdout; the profiles in
 * `profiles/` open in the developer tools of Chrome and in VS Code.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { selfTimes, type Profile } from './self-time.ts';

const LOADS = {
  concurrent: '100 calls in flight',
  sequential: 'one call after the other',
  refusals: 'calls that are refused, as the queue is full',
} as const;
type Load = keyof typeof LOADS;

const HELP = `npm run profile -- [options]
  --only LOAD   ${Object.keys(LOADS).join(', ')}; default: all
  --ms N        how long each is profiled, default 3000
  --top N       functions that are listed, default 20`;

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`.padStart(7);

function tableOf(file: string, top: number): string {
  const { busyMs, idleMs, functions } = selfTimes(JSON.parse(readFileSync(file, 'utf8')) as Profile);
  const head = `${file}: busy ${Math.round(busyMs)} ms, idle ${Math.round(idleMs)} ms; own time, of the busy`;
  return [head, ...functions.slice(0, top).map(({ name, share }) => `${percent(share)}  ${name}`)].join('\n');
}

function main(): void {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      ms: { type: 'string', default: '3000' },
      top: { type: 'string', default: '20' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(HELP);
  const [ms, top] = [Number(values.ms), Number(values.top)];
  if (![ms, top].every((number) => Number.isInteger(number) && number > 0)) throw new Error('--ms and --top take whole numbers from 1');
  if (values.only !== undefined && !Object.hasOwn(LOADS, values.only)) throw new Error(`--only ${values.only}: there is no such load`);
  if (!existsSync(new URL('../../dist/src/index.js', import.meta.url))) throw new Error('there is no dist/: run `npm run build` first');
  const folder = resolve('profiles');
  mkdirSync(folder, { recursive: true });
  for (const load of values.only === undefined ? (Object.keys(LOADS) as Load[]) : [values.only as Load]) {
    const driver = join(import.meta.dirname, 'load.mjs');
    const came = execFileSync(process.execPath, [driver, load, String(ms), folder], { encoding: 'utf8' });
    const { calls, hostUs } = JSON.parse(came) as { calls: number; hostUs: number };
    console.log(`\n# ${LOADS[load]}: ${calls} calls, ${hostUs.toFixed(1)} µs of processor time in the supervisor for each, profiler included`);
    for (const side of ['host', 'child']) console.log(`\n${tableOf(join('profiles', `${load}-${side}.cpuprofile`), top)}`);
  }
}

try {
  main();
} catch (error) {
  console.error(`profile: ${(error as Error).message}`);
  process.exitCode = 1;
}
