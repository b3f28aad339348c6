/** Every bound: where its value stands, so that the table shows what the code does, and the test that reaches it. */
export interface Bound {
  what: string;
  /** An option by its path in `defaultOptions`; a constant by file and name; or words. */
  value: { option: string } | { file: string; constant: string } | { text: string };
  /** File below test/, and a part of the title. */
  test: [file: string, title: string];
}

const option = (path: string): Bound['value'] => ({ option: path });
const constant = (file: string, name: string): Bound['value'] => ({ file, constant: name });

export const bounds: readonly Bound[] = [
  {
    what: 'calls of a version that run at once',
    value: option('defaults.concurrency'),
    test: ['integration/faults-load.test.ts', 'never more than concurrency run'],
  },
  { what: 'calls of a version that wait', value: option('defaults.maxQueue'), test: ['integration/queue.test.ts', 'over concurrency and maxQueue'] },
  { what: 'bytes of a version that wait', value: option('defaults.maxQueueBytes'), test: ['integration/queue.test.ts', 'bounded in bytes as well'] },
  {
    what: 'bytes that wait in all versions together',
    value: option('maxTotalQueueBytes'),
    test: ['integration/bounds.test.ts', 'the bytes that wait in all plugins together'],
  },
  {
    what: 'bytes of messages from all children that are not delivered yet',
    value: option('maxTotalAnswerBytes'),
    test: ['integration/answers-together.test.ts', 'an answer for which other plugins leave no room'],
  },
  {
    what: 'bytes of a message',
    value: option('defaults.maxMessageBytes'),
    test: ['integration/faults-plugin.test.ts', 'F29 a result that cannot be sent'],
  },
  {
    what: 'values of a message from a child',
    value: option('defaults.maxMessageValues'),
    test: ['integration/dense-answers.test.ts', 'twenty answers of millions of empty objects'],
  },
  {
    what: 'values of all messages that are being parsed, beside those of the oldest',
    value: constant('src/protocol/slices.ts', 'MAX_UNFINISHED_VALUES'),
    test: ['integration/dense-answers.test.ts', 'eight plugins that answer so'],
  },
  {
    what: 'members of an object in a message',
    value: constant('src/protocol/json.ts', 'MAX_MEMBERS'),
    test: ['unit/json.test.ts', 'of an object 262,144 members'],
  },
  {
    what: 'levels of nesting of a message of 128 KiB or more',
    value: constant('src/protocol/sliced-json.ts', 'MAX_LEVELS'),
    test: ['unit/sliced-json.test.ts', '131,072 levels'],
  },
  {
    what: 'milliseconds of a turn in which such messages are parsed',
    value: constant('src/protocol/slices.ts', 'SLICE_MS'),
    test: ['integration/faults-blocking.test.ts', 'F18 the event loop is never held'],
  },
  {
    what: 'bytes of an answer to a control request',
    value: constant('src/rpc/channel.ts', 'MAX_CONTROL_BYTES'),
    test: ['contract/channel-large.test.ts', 'in answer to a control request'],
  },
  {
    what: "bytes of a message whose log fields, or whose error's data, are kept",
    value: constant('src/rpc/channel.ts', 'MAX_SEEN_BYTES'),
    test: ['contract/channel-large.test.ts', 'of a log record keeps'],
  },
  {
    what: "characters of a log record's message",
    value: constant('src/rpc/channel.ts', 'MAX_LOG_CHARS'),
    test: ['contract/channel-large.test.ts', 'of a log record keeps'],
  },
  {
    what: "bytes of a message's header",
    value: constant('src/protocol/header.ts', 'MAX_HEADER_BYTES'),
    test: ['unit/framing.test.ts', 'of 4096 bytes is read'],
  },
  {
    what: 'bytes of a part of the lane',
    value: constant('src/protocol/lane.ts', 'MAX_PART_BYTES'),
    test: ['contract/channel-lane.test.ts', 'ends the channel for %s, once'],
  },
  {
    what: 'bytes in the lane that were not delivered',
    value: { text: '`maxMessageBytes` + 128 KiB' },
    test: ['contract/channel-lane.test.ts', 'more than there is room for'],
  },
  {
    what: 'silence within a message',
    value: constant('src/rpc/channel.ts', 'STALL_TIMEOUT_MS'),
    test: ['integration/faults-protocol-pieces.test.ts', 'F16'],
  },
  {
    what: 'levels of nesting in arguments and results',
    value: constant('src/protocol/json.ts', 'MAX_DEPTH'),
    test: ['integration/faults-protocol-leaks.test.ts', 'F56 10⁵ levels'],
  },
  {
    what: 'messages a second that nobody asked for',
    value: constant('src/rpc/channel.ts', 'MAX_STRAYS'),
    test: ['integration/bounds.test.ts', 'are borne up to a thousand a second'],
  },
  {
    what: 'methods of a plugin',
    value: constant('src/protocol/messages.ts', 'MAX_METHODS'),
    test: ['integration/faults-protocol-handshake.test.ts', 'F24 a greeting that is wrong'],
  },
  { what: 'children that start at a time, in all', value: { text: '2 × cores' }, test: ['integration/faults-host.test.ts', 'F07'] },
  { what: 'restarts within `periodMs`', value: option('defaults.restart.maxRestarts'), test: ['integration/faults-process.test.ts', 'F06'] },
  { what: 'time to start', value: option('defaults.startTimeoutMs'), test: ['integration/faults-process.test.ts', 'F05'] },
  {
    what: 'time to stop',
    value: option('defaults.stopTimeoutMs'),
    test: ['integration/faults-plugin-resources.test.ts', 'is killed on the time of the ladder'],
  },
  { what: 'time to drain', value: option('defaults.drainTimeoutMs'), test: ['integration/faults-reload.test.ts', 'F44'] },
  { what: 'time of a call', value: option('defaults.callTimeoutMs'), test: ['integration/faults-load.test.ts', 'deadlines, breaker and restarts'] },
  {
    what: 'time for a cancelled call to end',
    value: option('defaults.cancelGraceMs'),
    test: ['integration/faults-load.test.ts', 'never more than concurrency run'],
  },
  { what: 'silence of a child', value: option('defaults.liveness.timeoutMs'), test: ['integration/faults-plugin.test.ts', 'F08 F25'] },
  {
    what: 'memory of a child',
    value: option('defaults.memoryLimitBytes'),
    test: ['integration/faults-plugin-resources.test.ts', 'is killed at the limit'],
  },
  { what: 'age of a child', value: option('defaults.maxAgeMs'), test: ['integration/recycle.test.ts', 'replaces child after child'] },
  { what: 'calls of a child', value: option('defaults.maxCalls'), test: ['integration/recycle.test.ts', 'replaces child after child'] },
  { what: 'retries per call, over time', value: option('defaults.retry.budgetRatio'), test: ['integration/faults-overload.test.ts', 'F35'] },
  { what: 'retries granted in advance', value: constant('src/resilience/retry.ts', 'RESERVE'), test: ['integration/faults-overload.test.ts', 'F35'] },
  {
    what: 'retries that a calm time saves up',
    value: constant('src/resilience/retry.ts', 'CAP'),
    test: ['unit/resilience/retry.test.ts', 'a long calm'],
  },
  {
    what: 'deaths that poison a call',
    value: option('defaults.poisonAfter'),
    test: ['integration/poison.test.ts', 'what was in flight at three deaths'],
  },
  {
    what: 'calls remembered as suspects',
    value: constant('src/resilience/poison.ts', 'MAX_SUSPECTS'),
    test: ['unit/resilience/poison.test.ts', 'the memory is bounded'],
  },
  {
    what: 'log records a second',
    value: option('defaults.maxLogsPerSecond'),
    test: ['integration/bounds.test.ts', 'over maxLogsPerSecond are dropped'],
  },
  {
    what: 'bytes of log records a second',
    value: option('defaults.maxLogBytesPerSecond'),
    test: ['integration/bounds.test.ts', 'over maxLogBytesPerSecond are dropped'],
  },
  {
    what: 'characters of a line',
    value: constant('src/process/output.ts', 'MAX_LINE'),
    test: ['integration/bounds.test.ts', 'come as lines of 64 KiB'],
  },
  { what: 'lines of stderr in a crash report', value: { text: '40, and 8 KiB' }, test: ['unit/output.test.ts', 'keeps the last 40 lines'] },
  {
    what: "characters of an error's message",
    value: constant('src/supervision/remote.ts', 'MAX_MESSAGE'),
    test: ['integration/bounds.test.ts', 'has a message of 8 KiB'],
  },
  {
    what: "characters of an error's stack",
    value: constant('src/supervision/remote.ts', 'MAX_STACK'),
    test: ['integration/bounds.test.ts', 'also where it comes past the runner'],
  },
  {
    what: 'causes of an error',
    value: constant('src/supervision/remote.ts', 'MAX_CAUSES'),
    test: ['integration/bounds.test.ts', 'also where it comes past the runner'],
  },
  {
    what: 'methods of a version that are measured',
    value: constant('src/telemetry/metrics.ts', 'MAX_METHODS'),
    test: ['integration/bounds.test.ts', 'no more than a plugin may have methods'],
  },
  {
    what: 'versions of a plugin that are measured',
    value: constant('src/telemetry/metrics.ts', 'MAX_VERSIONS'),
    test: ['integration/bounds.test.ts', 'of the last twenty versions'],
  },
  {
    what: 'values of a configuration',
    value: constant('src/options-schema.ts', 'MAX_VALUES'),
    test: ['unit/fuzz-config.test.ts', 'ten megabytes of anything'],
  },
  {
    what: 'mistakes of a configuration that are listed',
    value: constant('src/options-issues.ts', 'MAX_ISSUES'),
    test: ['unit/fuzz-config.test.ts', 'ten megabytes of anything'],
  },
  {
    what: 'bytes of a package.json',
    value: constant('src/catalog/manifest.ts', 'MAX_MANIFEST_BYTES'),
    test: ['unit/manifest.test.ts', 'larger than a megabyte'],
  },
  {
    what: 'bytes of a request on the control socket',
    value: { text: '16 MiB and 64 KiB' },
    test: ['cli/control-hostile.test.ts', 'a line over the limit'],
  },
  {
    what: 'values of a request of 256 KiB or more',
    value: constant('src/cli/control/protocol.ts', 'MAX_REQUEST_VALUES'),
    test: ['cli/control.test.ts', 'a large request of too many values'],
  },
  {
    what: 'connections of the control socket',
    value: constant('src/cli/control/protocol.ts', 'MAX_CONNECTIONS'),
    test: ['cli/control-hostile.test.ts', 'connections over the limit'],
  },
  {
    what: 'requests of a connection that run at once',
    value: constant('src/cli/control/protocol.ts', 'MAX_RUNNING'),
    test: ['cli/control.test.ts', 'more requests at once than are allowed'],
  },
  {
    what: 'silence of a connection',
    value: constant('src/cli/control/protocol.ts', 'STALL_MS'),
    test: ['cli/control-hostile.test.ts', 'half a line, and silence'],
  },
  {
    what: 'log records kept for `logs`',
    value: constant('src/cli/control/protocol.ts', 'LOG_RECORDS'),
    test: ['cli/control-logs.test.ts', 'the latest records'],
  },
  {
    what: 'what an archive may unpack to',
    value: { text: '1 GiB, 512 MiB a file, 50,000 entries, 250 times its size' },
    test: ['unit/install-archives.test.ts', 'more than the limit of'],
  },
];
