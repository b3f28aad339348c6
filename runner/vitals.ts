/** What `$/ping` is answered with. */
import type { PingResult } from '../src/protocol/messages.ts';
import { monotonicMs, native } from './natives.ts';

/** A stall is seen when it makes this timer late. Short enough to see what matters, long enough to cost nothing. */
const PERIOD_MS = 250;

export class Vitals {
  #expectedAt = 0;
  #worstDelayMs = 0;

  /** Starts to watch the event loop. */
  start(): void {
    this.#expectedAt = monotonicMs() + PERIOD_MS;
    native.setInterval(() => this.#tick(), PERIOD_MS).unref();
  }

  #tick(): void {
    const now = monotonicMs();
    this.#worstDelayMs = Math.max(this.#worstDelayMs, now - this.#expectedAt);
    this.#expectedAt = now + PERIOD_MS;
  }

  /** The delay is the worst since this was asked last. */
  read(): PingResult {
    // The tick of a stall that has just ended may come after the ping that waited behind it.
    const delay = Math.max(this.#worstDelayMs, this.#expectedAt === 0 ? 0 : monotonicMs() - this.#expectedAt);
    this.#worstDelayMs = 0;
    const { user, system } = native.cpuUsage();
    const usage = { eventLoopDelayMs: Math.round(delay), cpuMs: Math.round((user + system) / 1e3) };
    try {
      return { ...usage, rssBytes: native.rss() };
    } catch {
      // It is read from /proc, for which a plugin may have left no descriptor.
      return usage;
    }
  }
}
