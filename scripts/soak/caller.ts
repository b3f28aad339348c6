/** One call with an answer that can be verified: makes it, tells the ledger how it ended, and whether that may be. */
import { crc32 } from 'node:zlib';
import { isChameleonError } from '../../src/error-base.ts';
import type { CallTimeoutError, ChameleonError, PluginThrewError, Supervisor } from '../../src/index.ts';
import type { Ledger, Outcome } from './ledger.ts';
import { VERSIONS, type Target } from './plugins.ts';
import type { Verdict } from './verdict.ts';

export type Method = 'once' | 'again' | 'fails' | 'stubborn' | 'harm';

export interface Spec {
  target: Target;
  method: Method;
  /** After the id. */
  args: readonly unknown[];
  timeoutMs: number;
  /** When the caller gives up; null is never. */
  cancelAfterMs: number | null;
}

export interface Settled {
  id: number;
  label: string;
  /** When a refusal says to come again; 0 for what was no refusal. */
  retryAfterMs: number;
}

/** What a call may end with under chaos. */
const EXPECTED = new Set(['ERR_PLUGIN_CRASHED', 'ERR_CALL_TIMEOUT', 'ERR_CALL_CANCELLED', 'ERR_QUEUE_FULL', 'ERR_CIRCUIT_OPEN']);
const NEVER_RAN = new Set(['ERR_QUEUE_FULL', 'ERR_CIRCUIT_OPEN', 'ERR_CALL_POISONED', 'ERR_PLUGIN_UNAVAILABLE', 'ERR_SUPERVISOR_CLOSED']);

export class Caller {
  /** From when on calls may be refused since the supervisor is closed. */
  closing = false;
  readonly #supervisor: Supervisor;
  readonly #ledger: Ledger;
  readonly #verdict: Verdict;
  /** Active versions, and how often that changed, by plugin. */
  readonly #active = new Map<string, { version: string; changes: number }>();

  constructor(supervisor: Supervisor, ledger: Ledger, verdict: Verdict) {
    this.#supervisor = supervisor;
    this.#ledger = ledger;
    this.#verdict = verdict;
    supervisor.on('plugin-activated', ({ plugin, version }) => {
      this.#active.set(plugin, { version, changes: (this.#active.get(plugin)?.changes ?? 0) + 1 });
    });
  }

  activeVersion(plugin: string): string | null {
    return this.#active.get(plugin)?.version ?? null;
  }

  /** How often the active version changed. */
  activations(plugin: string): number {
    return this.#active.get(plugin)?.changes ?? 0;
  }

  /** Never rejects. `onMade` is told the id before the call is made. */
  call(spec: Spec, onMade?: (id: number) => void): Promise<Settled> {
    const { target, method, args, timeoutMs, cancelAfterMs } = spec;
    const id = this.#ledger.make(target, method, timeoutMs);
    onMade?.(id);
    const before = this.#active.get(target.name);
    const controller = cancelAfterMs === null ? null : new AbortController();
    const timer = controller && setTimeout(() => controller.abort(), cancelAfterMs!);
    const options = controller === null ? { timeoutMs } : { timeoutMs, signal: controller.signal };
    const settle = (outcome: Outcome, retryAfterMs = 0): Settled => {
      clearTimeout(timer ?? undefined);
      this.#ledger.settle(id, outcome);
      return { id, label: outcome.label, retryAfterMs };
    };
    return this.#supervisor.call(target.name, method, [id, ...args], options).then(
      (result) => {
        const told = method === 'once' || method === 'again' ? this.#verify(id, args, result, before) : null;
        if (method === 'fails') this.#verdict.add('wrong answer', id, 'a success where the plugin threw');
        return settle({ label: 'ok', neverRan: false, told });
      },
      (error: unknown) => {
        this.#check(id, spec, error);
        if (!isChameleonError(error)) return settle({ label: 'not a ChameleonError', neverRan: false, told: null });
        const phase = error.code === 'ERR_CALL_TIMEOUT' ? (error as CallTimeoutError).phase : null;
        const label = phase === null ? error.code : `${error.code} (${phase})`;
        const { retryAfterMs = 0 } = error as ChameleonError & { retryAfterMs?: number };
        return settle({ label, neverRan: NEVER_RAN.has(error.code) || phase === 'queued', told: null }, retryAfterMs);
      },
    );
  }

  /** The hash of the answer, which is that of what was asked, by the version that was active. */
  #verify(id: number, args: readonly unknown[], result: unknown, before: { version: string; changes: number } | undefined): number {
    const { version, hash, payload } = result as { version: string; hash: number; payload?: string };
    const [, asked, echo] = args as [number, string, boolean];
    const wrong = (text: string): void => this.#verdict.add('wrong answer', id, text);
    if (!VERSIONS.some((each) => each === version)) wrong(`from version ${version}`);
    if (hash !== crc32(`${version} ${id} ${asked}`)) wrong(`hash ${hash} from version ${version}`);
    if (payload !== (echo ? asked : undefined)) wrong(`an echo of ${payload?.length} characters, sent were ${asked.length}`);
    const now = this.#active.get(this.#ledger.targets[this.#ledger.records.plugin[id]!]!.name);
    if (before !== undefined && before.changes === now?.changes && before.version !== version) wrong(`from ${version}, active is ${before.version}`);
    return hash;
  }

  #check(id: number, { target, method }: Spec, error: unknown): void {
    const code = isChameleonError(error) ? error.code : String(error);
    const text = error instanceof Error ? error.message : code;
    if (this.closing && (code === 'ERR_SUPERVISOR_CLOSED' || code === 'ERR_PLUGIN_UNAVAILABLE')) return;
    if (code === 'ERR_PLUGIN_THREW' && method === 'fails') {
      const { message } = (error as PluginThrewError).remote;
      if (message !== `no ${id}`) this.#verdict.add('wrong answer', id, `threw ${message}`);
      return;
    }
    if (target.bystander) return this.#verdict.add('bystander failed', id, text);
    if (!EXPECTED.has(code)) this.#verdict.add('unexpected error', id, text);
  }
}
