/** What is injected, and the one outcome that its tests assert. The tests, and their rounds, are found by the number in their titles. */
interface Fault {
  inject: string;
  outcome: string;
}

interface FaultGroup {
  title: string;
  faults: Record<string, Fault>;
}

const fault = (inject: string, outcome: string): Fault => ({ inject, outcome });

export const groups: readonly FaultGroup[] = [
  {
    title: 'The child process',
    faults: {
      F01: fault(
        'SIGKILL with 8 calls in flight and 50 queued',
        'the 8 are `ERR_PLUGIN_CRASHED{maybeExecuted}`, or retried when idempotent; the 50 succeed',
      ),
      F02: fault('`process.exit(0)` during a call', 'a crash all the same, with exit code 0 in the error'),
      F03: fault('exit code 125 at start', '`failed` at once, no restart'),
      F04: fault(
        'no entry, a throw on import, a `nodePath` that is not there or not executable',
        '`ERR_START_FAILED` within 1 s, with hint and stderr',
      ),
      F05: fault('`$/initialize` is never answered', '`ERR_START_TIMEOUT` on time, its tree gone'),
      F06: fault(
        'dies 50 ms after it was ready, again and again',
        '`failed` after `maxRestarts`; calls then fail at once; tried again slowly; `reload` revives it',
      ),
      F07: fault('20 plugins killed at one instant', 'at most 2 × cores start at a time; all ready within 15 s; others unaffected'),
      F08: fault('SIGSTOP', 'unresponsive: killed within 4 s, replaced within 6 s'),
      F09: fault('grandchildren: plain, detached, double fork, holding inherited pipes', 'none is left after a stop, a kill, or a hang'),
      F10: fault('the supervisor itself killed with SIGKILL', 'its children end by themselves within 2 s; one that spins is swept by the next start'),
      F12: fault(
        'no descriptors left to start with',
        '`ERR_START_FAILED`, put off with growing delays, no restart used up; what runs goes on; recovers by itself',
      ),
    },
  },
  {
    title: 'The protocol',
    faults: {
      F13: fault('10,000 lines by console, `writeSync`, stderr and a grandchild, during calls', 'every line a log record, no call affected'),
      F14: fault('garbage of 1 byte to 8 MiB', 'protocol error at its first bytes, instance replaced, event loop never held up'),
      F15: fault(
        'wrong lengths: −5, 0, `5abc`, `0x10`, `1e3`, twice, none, 10²⁰, limit + 1',
        'each its own reason, nothing allocated before the check',
      ),
      F16: fault('half a frame, then silence', 'protocol error at the stall limit of 5 s'),
      F17: fault('frames cut everywhere, one byte at a time, all at once', 'all delivered, in order; 100,000 seeded cases'),
      F18: fault(
        'bad JSON, bad UTF-8, lone surrogates, 10⁵ levels, 10⁶ keys, mutated answers',
        'read, or refused with the instance; the supervisor and the others go on',
      ),
      F19: fault(
        'answers twice, with unknown or other-typed ids, with both or neither',
        'the first is believed, the rest counted; neither is `ERR_PROTOCOL` for that call',
      ),
      F21: fault('the channel closed, the child alive', 'a crash within 100 ms, killed'),
      F22: fault('1,000 calls racing a kill', 'no uncaught EPIPE; what was never written is sent to the next instance'),
      F23: fault(
        'a child that stops reading, 1,000 × 1 MiB sent to it',
        'memory bounded by the queue, the rest `ERR_QUEUE_FULL`; all kept are served once it reads',
      ),
      F24: fault('a greeting of the wrong version, name or shape', '`ERR_HANDSHAKE` that names both sides'),
    },
  },
  {
    title: "The plugin's code",
    faults: {
      F25: fault('`for(;;);` in a method', 'unresponsive within 4 s, replaced within 6 s; the culprit is named'),
      F27: fault('throws errors, strings, null, cycles, 5 MiB, getters that throw', '`ERR_PLUGIN_THREW`, message at most 8 KiB, instance kept'),
      F28: fault('an exception or a rejection outside of any call', 'a crash with its cause named; the next instance goes on'),
      F29: fault('returns what JSON cannot carry, or too much', 'a typed error for that call alone'),
      F30: fault('a full heap; memory past `memoryLimitBytes`', 'named as the cause; at 80 % of the limit replaced with no failed call'),
      F31: fault('ignores SIGTERM, replaces `process.exit`, removes our listeners', 'killed on the time of the ladder'),
      F32: fault('5,000 open files and 200 processes', 'supervisor unaffected, all gone after a stop or a kill'),
    },
  },
  {
    title: 'Load',
    faults: {
      F33: fault('ten times capacity, open loop (3 s in each round)', 'most of the peak goodput, refusals at once, memory flat'),
      F34: fault('ten times slower for a while, then normal', 'as good as before soon after'),
      F35: fault('half of all calls fail, idempotent, retry on', 'load on the plugin at most 1.1 × and a reserve of three'),
      F36: fault('half-open with 1,000 callers waiting', 'exactly `halfOpenCalls` reach the plugin; a probe that hangs reopens it'),
      F37: fault('every call times out and ignores its cancel', 'never more than `concurrency` run in the plugin'),
      F40: fault('the wall clock moved by an hour and by a year', 'no effect on deadlines, breaker and restarts'),
    },
  },
  {
    title: 'Reload, shutdown, bad input',
    faults: {
      F41: fault('200 reloads to and fro under constant load', 'no failed call, none executed twice, none to the old version after the switch'),
      F42: fault('a new version that crashes, hangs, fails its health, or has a bad manifest', '`ERR_RELOAD_FAILED`; the old instance serves on'),
      F44: fault('a call longer than the drain timeout', '`ERR_PLUGIN_CRASHED{drain-timeout}` for it alone'),
      F46: fault('reload with an open breaker, or from `failed`', 'starts closed; uses up no restart'),
      F48: fault('SIGTERM with 100 calls in flight', 'new ones refused at once, those finish, exit code 0'),
      F49: fault('SIGTERM with a plugin that is stuck', 'ends within drain and stop timeouts, nothing left'),
      F50: fault('a second SIGTERM or SIGINT; SIGHUP', 'stops within 2 s; SIGHUP re-reads the configuration, a bad one changes nothing'),
      F54: fault('200 hostile names and versions', 'a typed error; nothing read or made outside the plugin folder'),
      F55: fault('150 hostile configurations', 'every mistake listed with its path, exit code 2'),
      F56: fault('`__proto__`, `constructor.prototype`, 10⁵ levels', 'no pollution on either side'),
      F58: fault('a hostile client of the control socket', 'its connection dropped; slow readers lose log lines, counted; no call affected'),
      F59: fault('a plugin that dumps its environment and open files', 'only what is allowed and declared; none of our descriptors'),
    },
  },
];
