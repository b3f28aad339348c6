/** What is measured, and of whom. Data only. */

export interface Metric {
  id: string;
  title: string;
  unit: 'calls/s' | 'µs' | 'ms' | 'bytes' | 'processes' | '×';
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
  /** Of each load that is offered, and of each neighbour. */
  loadMs: number;
  /** Leaves out the subjects that take long to set up. */
  isQuick: boolean;
}

export interface Suite {
  name: string;
  title: string;
  /** The program under `drivers/` that measures one subject. */
  driver: string;
  nodeArgs: readonly string[];
  amount(effort: Effort): number;
  /** One process measures all of its subjects, in turns. */
  together?: true;
  /** Driver's name of the subject → what people call it. */
  subjects: Readonly<Record<string, string>>;
  /** Subjects that `--quick` leaves out. */
  slow?: readonly string[];
  metrics: readonly Metric[];
}

export const FULL: Effort = { rounds: 5, phaseMs: 1_000, starts: 10, plugins: 20, loadMs: 1_500, payloadMs: 500, isQuick: false };
export const QUICK: Effort = { rounds: 1, phaseMs: 200, starts: 2, plugins: 5, loadMs: 250, payloadMs: 50, isQuick: true };

const PAYLOAD_SIZES = ['1KiB', '64KiB', '1MiB', '8MiB'];

/** JSON has no bytes, so those are held against the codec that does. */
const payload = (shape: string, over: string): Metric[] =>
  PAYLOAD_SIZES.map((size) => ({ id: `${shape}-${size}`, title: `${shape}, ${size}`, unit: 'calls/s', over: [over] }));
export const PAYLOADS = [...payload('text', 'fork'), ...payload('objects', 'fork'), ...payload('bytes', 'fork-advanced')];

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
      'fork-detached': 'bare fork, JSON, in a session of its own',
      'vscode-jsonrpc': 'vscode-jsonrpc, stock',
      'worker-farm': 'worker-farm',
      piscina: 'piscina (thread)',
      tinypool: 'tinypool (child_process)',
      'jest-worker': 'jest-worker',
      workerpool: 'workerpool (process)',
    },
    metrics: [
      { id: 'perSecond', title: '100 in flight', unit: 'calls/s', over: ['fork', 'worker-farm', 'vscode-jsonrpc'] },
      { id: 'p50Us', title: 'sequential p50', unit: 'µs', over: ['fork'] },
      { id: 'p99Us', title: 'sequential p99', unit: 'µs', over: ['fork', 'fork-detached'] },
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
      'spare-esm': 'the same with a spare, ES module',
      'spare-commonjs': 'the same with a spare, CommonJS',
      fork: 'bare fork, CommonJS: spawn to first answer',
      'node-e-0': '`node -e 0`: spawn to exit',
      'chameleon-20': 'chameleon-supervisor, 20 plugins at once: for each, time × cores ÷ 20',
      'node-20': '20 of `node -e 0` at once: for each, time × cores ÷ 20',
    },
    metrics: [
      { id: 'ms', title: 'time', unit: 'ms', over: ['node-e-0', 'node-20'] },
      { id: 'importMs', title: 'import of the plugin by itself', unit: 'ms', over: [] },
      { id: 'beyondMs', title: 'beyond import', unit: 'ms', over: ['node-e-0'] },
      { id: 'allMs', title: 'until all are ready', unit: 'ms', over: [] },
    ],
  },
  {
    name: 'memory',
    title: 'Memory',
    driver: 'memory.mjs',
    nodeArgs: ['--expose-gc'],
    amount: ({ plugins }) => plugins,
    subjects: {
      chameleon: 'chameleon-supervisor, a running plugin',
      idle: 'chameleon-supervisor, one that ran, and was stopped since nobody called',
      registered: 'chameleon-supervisor, a `lazy` one in the folder that was never called',
      'in-use': 'chameleon-supervisor, 1,000 `lazy` ones in the folder, 40 called, 20 in use',
      fork: 'bare fork, idle',
      'node-esm': 'bare Node, idle, an ES module',
    },
    slow: ['idle', 'in-use', 'node-esm'],
    metrics: [
      { id: 'heapBytes', title: 'supervisor, heap per plugin', unit: 'bytes', over: [] },
      { id: 'rssBytes', title: 'supervisor, resident per plugin', unit: 'bytes', over: [] },
      { id: 'childBytes', title: 'child, private', unit: 'bytes', over: ['fork'] },
      { id: 'overNodeBytes', title: 'child, more than bare Node', unit: 'bytes', over: [] },
      { id: 'children', title: 'children', unit: 'processes', over: [] },
      { id: 'wholeBytes', title: 'supervisor and children', unit: 'bytes', over: [] },
    ],
  },
  {
    name: 'pressure',
    title: 'Offered load, as multiples of the capacity',
    driver: 'pressure.mjs',
    nodeArgs: ['--expose-gc'],
    amount: ({ loadMs }) => loadMs,
    together: true,
    subjects: { 'x0.5': '0.5 ×', 'x0.8': '0.8 ×', x1: '1 ×', 'x1.5': '1.5 ×', x2: '2 ×', x5: '5 ×', x10: '10 ×' },
    metrics: [
      { id: 'offered', title: 'offered', unit: 'calls/s', over: [] },
      { id: 'goodput', title: 'answered', unit: 'calls/s', over: [] },
      { id: 'share', title: '÷ peak', unit: '×', over: [] },
      { id: 'p50Ms', title: 'answers p50', unit: 'ms', over: [] },
      { id: 'p99Ms', title: 'answers p99', unit: 'ms', over: [] },
      { id: 'refused', title: 'refused', unit: 'calls/s', over: [] },
      { id: 'refusedP99Us', title: 'told after p99', unit: 'µs', over: [] },
      { id: 'lateP99Ms', title: 'offered late p99', unit: 'ms', over: [] },
      { id: 'heapBytes', title: 'heap, more than before', unit: 'bytes', over: [] },
    ],
  },
  {
    name: 'neighbour',
    title: 'A quiet plugin beside a busy one',
    driver: 'neighbour.mjs',
    nodeArgs: [],
    amount: ({ loadMs }) => loadMs,
    together: true,
    subjects: {
      alone: 'alone',
      'slots-full': 'beside one whose 20 slots are always taken, with calls of 2 ms',
      'loop-full': 'beside one with 100 trivial calls in flight, which fill the event loop that both share',
    },
    metrics: [
      { id: 'p50Us', title: 'p50', unit: 'µs', over: ['alone'] },
      { id: 'p99Us', title: 'p99', unit: 'µs', over: ['alone'] },
    ],
  },
  {
    name: 'neighbour-fork',
    title: 'A quiet bare fork beside a busy one',
    driver: 'neighbour-fork.mjs',
    nodeArgs: [],
    amount: ({ loadMs }) => loadMs,
    together: true,
    subjects: { 'fork-alone': 'alone', 'fork-loop-full': 'beside one with 100 trivial calls in flight' },
    slow: ['fork-alone', 'fork-loop-full'],
    metrics: [
      { id: 'p50Us', title: 'p50', unit: 'µs', over: ['fork-alone'] },
      { id: 'p99Us', title: 'p99', unit: 'µs', over: ['fork-alone'] },
    ],
  },
  {
    name: 'beside',
    title: 'Small answers while answers of 8 MiB come from the same child, one after the other',
    driver: 'beside.mjs',
    nodeArgs: [],
    amount: ({ loadMs }) => loadMs,
    together: true,
    subjects: { alone: 'alone', text: 'beside text', bytes: 'beside bytes', objects: 'beside an array of records' },
    metrics: [
      { id: 'backP50Ms', title: 'answer to caller p50', unit: 'ms', over: [] },
      { id: 'backP99Ms', title: 'answer to caller p99', unit: 'ms', over: [] },
      { id: 'backMaxMs', title: 'answer to caller, longest', unit: 'ms', over: [] },
      { id: 'roundP50Ms', title: 'there and back p50', unit: 'ms', over: [] },
      { id: 'roundP99Ms', title: 'there and back p99', unit: 'ms', over: [] },
      { id: 'encodeMs', title: 'encoding one holds the child', unit: 'ms', over: [] },
      { id: 'perSecond', title: 'large answers', unit: 'calls/s', over: [] },
    ],
  },
  {
    name: 'many',
    title: 'Many plugins, 100 calls in flight among all of them',
    driver: 'many.mjs',
    nodeArgs: [],
    amount: ({ phaseMs }) => phaseMs,
    subjects: {
      'running-1': '1 running',
      'running-10': '10 running',
      'running-50': '50 running',
      'registered-1000': '1 running of 1,000 in the folder, the others `lazy`',
    },
    slow: ['running-50', 'registered-1000'],
    metrics: [
      { id: 'perSecond', title: 'throughput', unit: 'calls/s', over: ['running-1'] },
      { id: 'hostUs', title: 'processor time of the supervisor, a call', unit: 'µs', over: ['running-1'] },
    ],
  },
  {
    name: 'instances',
    title: 'Calls that compute, 20 in flight, on several instances of one plugin',
    driver: 'instances.mjs',
    nodeArgs: [],
    amount: ({ loadMs }) => loadMs,
    subjects: { '1': '1 instance', '2': '2 instances' },
    metrics: [{ id: 'perSecond', title: 'throughput', unit: 'calls/s', over: ['1'] }],
  },
  {
    name: 'turns',
    title: 'Many plugins, 100 calls in flight in one of them at a time',
    driver: 'many.mjs',
    nodeArgs: [],
    amount: ({ phaseMs }) => phaseMs,
    subjects: { 'turns-1': '1 running', 'turns-10': '10 running', 'turns-50': '50 running' },
    slow: ['turns-1', 'turns-10', 'turns-50'],
    metrics: [
      { id: 'perSecond', title: 'throughput', unit: 'calls/s', over: ['turns-1'] },
      { id: 'hostUs', title: 'processor time of the supervisor, a call', unit: 'µs', over: ['turns-1'] },
    ],
  },
  {
    name: 'many-fork',
    title: '100 calls in flight among all of many bare forks',
    driver: 'many.mjs',
    nodeArgs: [],
    amount: ({ phaseMs }) => phaseMs,
    subjects: { 'fork-1': '1 child', 'fork-10': '10 children', 'fork-50': '50 children' },
    slow: ['fork-1', 'fork-10', 'fork-50'],
    metrics: [
      { id: 'perSecond', title: 'throughput', unit: 'calls/s', over: ['fork-1'] },
      { id: 'hostUs', title: 'processor time of the parent, a call', unit: 'µs', over: ['fork-1'] },
    ],
  },
  {
    name: 'turns-fork',
    title: '100 calls in flight in one of many bare forks at a time',
    driver: 'many.mjs',
    nodeArgs: [],
    amount: ({ phaseMs }) => phaseMs,
    subjects: { 'forkturns-1': '1 child', 'forkturns-10': '10 children', 'forkturns-50': '50 children' },
    slow: ['forkturns-1', 'forkturns-10', 'forkturns-50'],
    metrics: [
      { id: 'perSecond', title: 'throughput', unit: 'calls/s', over: ['forkturns-1'] },
      { id: 'hostUs', title: 'processor time of the parent, a call', unit: 'µs', over: ['forkturns-1'] },
    ],
  },
];
