/** What the figures are held against. Data only. */
import { PAYLOADS } from './suites.ts';

export interface Target {
  suite: string;
  metric: string;
  subject: string;
  /** The subject of which `limit` is a multiple; null when it is an amount. */
  over: string | null;
  atLeast?: number;
  atMost?: number;
}

/** Flat within 15 %. */
const FLAT = 0.85;
/** A large answer may hold up small ones for so long. */
const HELD_UP_MS = 10;

export const TARGETS: readonly Target[] = [
  { suite: 'calls', metric: 'perSecond', subject: 'chameleon', over: 'worker-farm', atLeast: 1 },
  { suite: 'calls', metric: 'perSecond', subject: 'chameleon', over: 'vscode-jsonrpc', atLeast: 4 },
  { suite: 'calls', metric: 'p50Us', subject: 'chameleon', over: 'fork', atMost: 1.2 },
  { suite: 'calls', metric: 'p99Us', subject: 'chameleon', over: 'fork', atMost: 1.5 },
  { suite: 'start', metric: 'beyondMs', subject: 'chameleon-esm', over: 'node-e-0', atMost: 1.3 },
  { suite: 'start', metric: 'beyondMs', subject: 'chameleon-commonjs', over: 'node-e-0', atMost: 1.3 },
  { suite: 'start', metric: 'beyondMs', subject: 'spare-esm', over: null, atMost: 10 },
  { suite: 'start', metric: 'beyondMs', subject: 'spare-commonjs', over: null, atMost: 10 },
  { suite: 'start', metric: 'ms', subject: 'chameleon-20', over: 'node-e-0', atMost: 1.3 },
  { suite: 'memory', metric: 'heapBytes', subject: 'chameleon', over: null, atMost: 100 * 1024 },
  { suite: 'memory', metric: 'heapBytes', subject: 'idle', over: null, atMost: 100 * 1024 },
  { suite: 'memory', metric: 'heapBytes', subject: 'registered', over: null, atMost: 100 * 1024 },
  { suite: 'memory', metric: 'overNodeBytes', subject: 'chameleon', over: null, atMost: 2 ** 21 },
  { suite: 'memory', metric: 'children', subject: 'in-use', over: null, atMost: 20 },
  { suite: 'pressure', metric: 'share', subject: 'x10', over: null, atLeast: 0.9 },
  { suite: 'neighbour', metric: 'p99Us', subject: 'slots-full', over: 'alone', atMost: 2 },
  { suite: 'neighbour', metric: 'p99Us', subject: 'loop-full', over: 'alone', atMost: 2 },
  { suite: 'many', metric: 'perSecond', subject: 'running-10', over: 'running-1', atLeast: FLAT },
  { suite: 'many', metric: 'perSecond', subject: 'running-50', over: 'running-1', atLeast: FLAT },
  { suite: 'many', metric: 'perSecond', subject: 'registered-1000', over: 'running-1', atLeast: FLAT },
  { suite: 'instances', metric: 'perSecond', subject: '2', over: '1', atLeast: 1.8 },
  { suite: 'turns', metric: 'hostUs', subject: 'turns-10', over: 'turns-1', atMost: 1.15 },
  { suite: 'turns', metric: 'hostUs', subject: 'turns-50', over: 'turns-1', atMost: 1.15 },
  { suite: 'turns', metric: 'perSecond', subject: 'turns-10', over: 'turns-1', atLeast: FLAT },
  { suite: 'turns', metric: 'perSecond', subject: 'turns-50', over: 'turns-1', atLeast: FLAT },
  ...['text', 'bytes', 'objects'].map((subject): Target => ({ suite: 'beside', metric: 'backP99Ms', subject, over: null, atMost: HELD_UP_MS })),
  ...PAYLOADS.map(({ id, over }): Target => ({ suite: 'payloads', metric: id, subject: 'chameleon', over: over[0]!, atLeast: 0.9 })),
];
