/**
 * One life of one child: process, channel and handshake from spawning to the last of its processes.
 * Born by the constructor, dies once, is never restarted; what to do about its death is its deployment's business.
 *
 * 1. `ready` and `done` always resolve: lives end in a value.
 * 2. Every call that was given to it is answered, or comes back in `done`.
 * 3. When `gone` resolves no process that carries its marker is left.
 */
import type { Release } from '../catalog/release.ts';
import { FreeFailedError } from '../errors.ts';
import type { Emit } from '../events.ts';
import type { ResolvedPluginOptions } from '../options.ts';
import { readLines } from '../process/output.ts';
import { kernelOomKills } from '../process/oom.ts';
import { residentBytes } from '../process/memory.ts';
import type { RawExit } from '../process/exit.ts';
import { spawn, type Spawned } from '../process/spawn.ts';
import { killHard, sweepInstance } from '../process/terminate.ts';
import { Control, ErrorCode, type PingResult } from '../protocol/messages.ts';
import { Channel, type PendingCall } from '../rpc/channel.ts';
import type { ExitCause, InstanceStatus } from '../types.ts';
import { deferred } from '../util/deferred.ts';
import { within } from '../util/within.ts';
import { isEnding, lastWords } from './closing.ts';
import { endOf, type StartFault } from './ending.ts';
import { initializeParams, readGreeting, readRefusal, type Welcome } from './handshake.ts';
import { Journal } from './journal.ts';
import { climb, drain } from './ladder.ts';
import { launchPlan, marked } from './launch.ts';
import { Liveness } from './liveness.ts';
import type { Spare } from './spare.ts';
import { transition, type InstanceEnd, type Readiness, type State, type Transition } from './state.ts';

export interface InstanceOptions {
  release: Release;
  options: ResolvedPluginOptions;
  marker: string;
  /** A process that waits for it, marked so; else one is started. */
  spare: Spare | null;
  /** What the version before handed over; undefined where it did not. */
  state?: unknown;
  emit: Emit;
  /** Once: its memory passed `MEMORY_HIGH` of the limit. */
  onMemoryHigh(): void;
}

const MEMORY_HIGH = 0.8;
/** How long an answer that it sent in full may take to be parsed. */
const LAST_ANSWER_MS = 2_000;

export class Instance {
  readonly marker: string;
  /** Null when it ended before it was ready; `done` says why. */
  readonly ready: Promise<Readiness | null>;
  readonly done: Promise<InstanceEnd>;
  /** Resolves when nothing of it is left. */
  readonly gone: Promise<void>;
  takesAttachments = false;
  readonly #setup: InstanceOptions;
  readonly #subject: { plugin: string; version: string; instance: string };
  readonly #child: Spawned;
  readonly #channel: Channel | null;
  readonly #ready = deferred<Readiness | null>();
  readonly #done = deferred<InstanceEnd>();
  readonly #journal: Journal;
  readonly #bornAt = performance.now();
  readonly #oomKills = kernelOomKills();
  #state: State = { kind: 'starting' };
  #fault: StartFault | null = null;
  #startTimer: NodeJS.Timeout | null = null;
  /** The process has ended; what is read of it now are its last words. */
  #hasExited = false;
  #liveness: Liveness | null = null;
  #memoryWasHigh = false;
  #usage: PingResult = {};

  constructor(setup: InstanceOptions) {
    this.#setup = setup;
    this.marker = setup.marker;
    this.#subject = { plugin: setup.release.name, version: setup.release.version, instance: setup.marker };
    this.ready = this.#ready.promise;
    this.done = this.#done.promise;
    const plan = launchPlan(setup.release, setup.options);
    this.#child = setup.spare?.adopt() ?? spawn(marked(plan, setup.marker));
    const { channel, stdout, stderr, ended } = this.#child;
    this.#setup.emit({ kind: 'instance-starting', ...this.#subject });
    const { maxLogsPerSecond } = setup.options;
    this.#journal = new Journal({ ...this.#subject, maxLogsPerSecond, emit: setup.emit, pid: () => this.#child.pid });
    if (stdout !== null) readLines(stdout, (line) => this.#journal.write('info', line, 'stdout'));
    // For a command stderr is the only way to log, so it says nothing of trouble.
    if (stderr !== null) readLines(stderr, (line) => this.#journal.write(plan.transport === 'stdio' ? 'info' : 'warn', line, 'stderr'));
    this.#channel = channel && this.#open(channel, plan.transport);
    this.gone = ended.then((raw) => this.#finish(raw));
    if (this.#channel !== null) this.#shakeHands(this.#channel);
  }

  get state(): State {
    return this.#state;
  }

  get inFlight(): number {
    return this.#channel?.pending ?? 0;
  }

  /** Log records that were over the rate. */
  get droppedLogs(): number {
    return this.#journal.dropped;
  }

  /** What it was given and has not answered. */
  calls(): PendingCall[] {
    return this.#channel?.pendingCalls() ?? [];
  }

  /** Only of a ready or draining instance: its deployment sees to that. */
  call(call: PendingCall): void {
    this.#channel!.call(call);
  }

  /** True when it was never sent and is gone; false when the child may be at it and was told to stop. */
  cancel(call: PendingCall): boolean {
    if (this.#channel!.withdraw(call)) return true;
    this.#channel!.cancel(call.id);
    return false;
  }

  /** Lets what it was given finish, then asks what is to be handed over, if that is still wanted. Null for nothing. Rejects with what was thrown. */
  async quiesce(isWanted: () => boolean): Promise<unknown> {
    await this.#channel!.idle();
    if (!isWanted()) return null;
    try {
      return await this.#channel!.request(Control.quiesce, {});
    } catch (error) {
      if ((error as { code?: unknown }).code === ErrorCode.methodNotFound) return null;
      throw error;
    }
  }

  /** Takes up again what it handed over, or what came of it since. Rejects when it cannot: then only a fresh child can. */
  async resume(state: unknown): Promise<void> {
    await this.#channel!.request(Control.resume, { state });
  }

  /** Drains, frees, then climbs the ladder of signals. Resolves when nothing is left of it. */
  async stop(drainTimeoutMs: number): Promise<InstanceEnd> {
    if (this.#state.kind === 'starting') this.kill('stopped', null);
    if (this.#state.kind === 'ready') {
      this.#move({ kind: 'drain' });
      const drained = await within(drainTimeoutMs, drain(this.#channel!));
      if (!drained && this.state.kind === 'draining') {
        const calls = this.#channel!.pendingCalls().map(({ id, method }) => ({ id, method }));
        this.#setup.emit({ kind: 'drain-timeout', ...this.#subject, calls });
      }
      this.#move({ kind: 'condemn', verdict: { cause: drained ? 'stopped' : 'drain-timeout', detail: null } });
      await climb(this.#child, this.#channel!, this.#setup.options.stopTimeoutMs, (reason) => this.#freeFailed(reason));
    }
    await this.gone;
    return this.done;
  }

  /** Ends it at once. The first reason is the one that is told. */
  kill(cause: ExitCause, detail: string | null): void {
    this.#move({ kind: 'condemn', verdict: { cause, detail } });
    if (this.#child.pid !== null && this.#state.kind !== 'exited') void killHard(this.#child.pid);
  }

  status(): InstanceStatus {
    const { rssBytes = null, cpuMs = null, eventLoopDelayMs = null } = this.#usage;
    const uptimeMs = Math.round(performance.now() - this.#bornAt);
    return { id: this.marker, state: this.#state.kind, pid: this.#child.pid, uptimeMs, inFlight: this.inFlight, rssBytes, cpuMs, eventLoopDelayMs };
  }

  #open(pipes: NonNullable<Spawned['channel']>, transport: 'dedicated' | 'stdio'): Channel {
    return new Channel({
      ...pipes,
      maxMessageBytes: this.#setup.options.maxMessageBytes,
      onLog: ({ level, message, fields }) => this.#journal.write(level, message, 'log', fields),
      onStray: (reason) => this.#stray(reason),
      onEnd: (reason) => void this.#channelEnded(reason),
      ...(transport === 'stdio' && { onStrayLine: (line: string) => this.#journal.write('info', line, 'stdout') }),
    });
  }

  #shakeHands(channel: Channel): void {
    const { release, options, state } = this.#setup;
    this.#startTimer = setTimeout(() => {
      this.#failStart({ kind: 'timeout', phase: 'handshake', message: `was not ready within ${options.startTimeoutMs} ms` });
    }, options.startTimeoutMs);
    channel.request(Control.initialize, initializeParams(release, options, state)).then(
      (answer) => {
        const greeting = readGreeting(answer, release);
        if (greeting.kind === 'refused') this.#failStart({ kind: 'handshake', phase: 'handshake', message: greeting.reason });
        else if (this.#state.kind === 'starting' && !this.#hasExited) this.#becomeReady(channel, greeting);
      },
      (error: Error) => {
        const fault = readRefusal(error, this.#child.channel?.readable.destroyed === false);
        if (fault !== null) this.#failStart(fault);
      },
    );
  }

  #becomeReady(channel: Channel, { runtime, methods, takesAttachments }: Welcome): void {
    const readiness = { pid: this.#child.pid!, startMs: Math.round(performance.now() - this.#bornAt), runtime, methods };
    this.takesAttachments = takesAttachments;
    clearTimeout(this.#startTimer ?? undefined);
    this.#move({ kind: 'answered', readiness });
    this.#liveness = new Liveness({
      ...this.#setup.options.liveness,
      ping: () => channel.request(Control.ping),
      lastReadAt: () => channel.lastReadAt,
      onTick: () => void this.#weigh(),
      onPong: (usage) => (this.#usage = { ...usage, rssBytes: this.#usage.rssBytes ?? usage.rssBytes }),
      onSilence: (silentMs) => this.kill('unresponsive', `no sign of life for ${silentMs} ms`),
    });
    void this.#weigh();
    this.#setup.emit({ kind: 'instance-ready', ...this.#subject, pid: readiness.pid, startMs: readiness.startMs });
    this.#ready.resolve(readiness);
  }

  #failStart(fault: StartFault): void {
    if (this.#state.kind !== 'starting') return;
    this.#fault = fault;
    this.kill(fault.kind === 'timeout' ? 'start-timeout' : 'start-failed', fault.message.split('\n', 1)[0]!);
  }

  #stray(reason: string): void {
    if (this.#state.kind === 'starting')
      this.#failStart({ kind: 'handshake', phase: 'handshake', message: `the supervisor asked once, the plugin sent ${reason}` });
    else this.#setup.emit({ kind: 'stray-answer', ...this.#subject, reason });
  }

  async #channelEnded(reason: string | null): Promise<void> {
    if (reason !== null) {
      if (this.#state.kind === 'starting')
        this.#fault = { kind: 'handshake', phase: 'handshake', message: `the plugin broke the protocol: ${reason}` };
      this.kill('protocol-error', reason);
      return;
    }
    if (!(await isEnding(this.#child.pid!, this.#child.ended)) && this.#state.kind !== 'stopping') {
      if (this.#state.kind === 'starting') this.#fault = { kind: 'failed', phase: 'handshake', message: 'it closed its channel before it was ready' };
      this.kill('channel-closed', 'it closed its channel and lived on');
    }
  }

  async #weigh(): Promise<void> {
    const rssBytes = await residentBytes(this.#child.pid!);
    if (rssBytes !== null) this.#usage = { ...this.#usage, rssBytes };
    const limit = this.#setup.options.memoryLimitBytes;
    const used = this.#usage.rssBytes ?? 0;
    if (limit === null || this.#state.kind === 'exited' || used < limit * MEMORY_HIGH) return;
    if (used >= limit) this.kill('memory-limit', `${used} bytes resident, the limit is ${limit}`);
    else if (!this.#memoryWasHigh && this.#state.kind === 'ready') {
      this.#memoryWasHigh = true;
      this.#setup.onMemoryHigh();
    }
  }

  #freeFailed(reason: string): void {
    const { plugin, version } = this.#subject;
    this.#setup.emit({ kind: 'free-failed', plugin, version, error: new FreeFailedError({ plugin, version }, reason) });
  }

  /** Everything that follows the child's exit, in this order: its last words, its calls, its leftovers. */
  async #finish(raw: RawExit): Promise<void> {
    this.#hasExited = true;
    clearTimeout(this.#startTimer ?? undefined);
    this.#liveness?.stop();
    await lastWords(this.#child);
    if (this.#channel !== null) await within(LAST_ANSWER_MS, this.#channel.delivered());
    this.#child.release();
    this.#journal.flush();
    const end = endOf({
      release: this.#setup.release,
      file: launchPlan(this.#setup.release, this.#setup.options).file,
      pid: this.#child.pid,
      raw,
      uptimeMs: Math.round(performance.now() - this.#bornAt),
      stderrTail: this.#journal.tail,
      rssBytes: this.#usage.rssBytes ?? null,
      kernelWasOutOfMemory: raw.kind === 'exited' && raw.signal === 'SIGKILL' && (await kernelOomKills()) !== (await this.#oomKills),
      state: this.#state,
      fault: this.#fault,
      lastReadAt: this.#channel?.lastReadAt ?? 0,
      unanswered: this.#channel?.close() ?? [],
    });
    this.#move({ kind: 'ended', end });
    if (end.kind === 'start-failed') this.#setup.emit({ kind: 'instance-start-failed', ...this.#subject, error: end.error });
    else this.#setup.emit({ kind: end.kind === 'stopped' ? 'instance-stopped' : 'instance-crashed', ...this.#subject, exit: end.exit });
    this.#ready.resolve(null);
    this.#done.resolve(end);
    if (this.#child.pid !== null) await sweepInstance(this.#child.pid, this.marker);
  }

  #move(event: Transition): void {
    this.#state = transition(this.#state, event);
  }
}
