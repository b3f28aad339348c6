/** What is measured, of whom, and what it is held against. Data only. */

export interface Metric {
  id: string;
  title: string;
  unit: 'calls/s' | 'µs' | 'ms' | 'bytes';
  /** Subjects that this metric is shown as a multiple of. */
  over: readonly string[];
}

export interface Effort {
  rounds: number;
  /** Of each of the four phases of a subject: two to warm up, two that count. */
  phaseMs: number;
  starts: number;
  plugins: number;
  /** Of each payload. */
  payloadMs: number;
}

export interface Suite {
  name: string;
  title: string;
  /** The program under `drivers/` that measures one subject. */
  driver: string;
  nodeArgs: readonly string[];
  amount(effort: Effort): number;
  /** Driver's name of the subject → what people call it. */
  subjects: Readonly<Record<string, string>>;
  metrics: readonly Metric[];
}

export const FULL: Effort = { rounds: 5, phaseMs: 1_500, starts: 10, plugins: 20, payloadMs: 800 };
export const QUICK: Effort = { rounds: 2, phaseMs: 250, starts: 3, plugins: 10, payloadMs: 150 };

const PAYLOAD_SIZES = ['1KiB', '64KiB', '1MiB', '8MiB'];

/** JSON has no bytes, so those are held against the codec that does. */
const payload = (shape: string, over: string): Metric[] =>
  PAYLOAD_SIZES.map((size) => ({ id: `${shape}-${size}`, title: `${shape}, ${size}`, unit: 'calls/s', over: [over] }));
const PAYLOADS = [...payload('text', 'fork'), ...payload('objects', 'fork'), ...payload('bytes', 'fork-advanced')];

export const SUITES: readonly Suite[] = [
  {
    name: 'calls',
    title: 'One call of a trivial method, one worker',
    driver: 'calls.mjs',
    nodeArgs: [],
    amount: ({ phaseMs }) => phaseMs,
    subjects: {
      chameleon: 'chameleon-supervisor',
      fork: 'bare fork, JSON',
      'vscode-jsonrpc': 'vscode-jsonrpc, stock',
      'worker-farm': 'worker-farm',
      piscina: 'piscina (thread)',
      tinypool: 'tinypool (child_process)',
      'jest-worker': 'jest-worker',
      workerpool: 'workerpool (process)',
    },
    metrics: [
      { id: 'perSecond', title: '100 in flight', unit: 'calls/s', over: ['fork', 'vscode-jsonrpc'] },
      { id: 'p50Us', title: 'sequential p50', unit: 'µs', over: ['fork'] },
      { id: 'p99Us', title: 'sequential p99', unit: 'µs', over: ['fork'] },
    ],
  },
  {
    name: 'payloads',
    title: 'A payload there and back, one worker, 2 MiB under way or one call',
    driver: 'payloads.mjs',
    nodeArgs: [],
    amount: ({ payloadMs }) => payloadMs,
    subjects: { chameleon: 'chameleon-supervisor', fork: 'bare fork, JSON', 'fork-advanced': 'bare fork, structured clone' },
    metrics: PAYLOADS,
  },
  {
    name: 'start',
    title: 'Start of a child',
    driver: 'start.mjs',
    nodeArgs: [],
    amount: ({ starts }) => starts,
    subjects: {
      'chameleon-esm': 'chameleon-supervisor, ES module: `load` to first answer',
      'chameleon-commonjs': 'chameleon-supervisor, CommonJS: `load` to first answer',
      fork: 'bare fork, CommonJS: spawn to first answer',
      'node-e-0': '`node -e 0`: spawn to exit',
    },
    metrics: [{ id: 'ms', title: 'time', unit: 'ms', over: ['node-e-0', 'fork'] }],
  },
  {
    name: 'memory',
    title: 'Memory',
    driver: 'memory.mjs',
    nodeArgs: ['--expose-gc'],
    amount: ({ plugins }) => plugins,
    subjects: { chameleon: 'chameleon-supervisor', fork: 'bare fork, idle' },
    metrics: [
      { id: 'heapBytes', title: 'supervisor, heap per running plugin', unit: 'bytes', over: [] },
      { id: 'rssBytes', title: 'supervisor, resident per running plugin', unit: 'bytes', over: [] },
      { id: 'childBytes', title: 'child, private', unit: 'bytes', over: ['fork'] },
    ],
  },
];

export interface Target {
  suite: string;
  metric: string;
  subject: string;
  /** The subject of which `limit` is a multiple; null when it is an amount. */
  over: string | null;
  atLeast?: number;
  atMost?: number;
}

export const TARGETS: readonly Target[] = [
  { suite: 'calls', metric: 'perSecond', subject: 'chameleon', over: 'vscode-jsonrpc', atLeast: 2 },
  { suite: 'calls', metric: 'perSecond', subject: 'chameleon', over: null, atLeast: 10_000 },
  { suite: 'calls', metric: 'p50Us', subject: 'chameleon', over: 'fork', atMost: 1.5 },
  { suite: 'calls', metric: 'p99Us', subject: 'chameleon', over: null, atMost: 1_000 },
  ...PAYLOADS.map(({ id, over }): Target => ({ suite: 'payloads', metric: id, subject: 'chameleon', over: over[0]!, atLeast: 0.9 })),
];
