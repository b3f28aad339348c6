/**
 * The code inside each child: takes what it needs of the process, opens the channel, and turns messages into doings.
 * Bundled into one small file, because every start of a plugin loads it.
 */
import { native } from './natives.ts';
import { attach } from '../src/protocol/attachments.ts';
import { framedText } from '../src/protocol/frame.ts';
import { LANE } from '../src/protocol/lane.ts';
import { ATTACHMENTS, CHANNEL_FD, Control, ErrorCode, EXIT_FATAL, PROTOCOL_VERSION } from '../src/protocol/messages.ts';
import type { CallMessage, InitializeParams, InitializeResult } from '../src/protocol/messages.ts';
import { warmAnswer } from '../src/protocol/warming.ts';
import { errorAnswer, resultAnswer, thrownAnswer } from './answer.ts';
import { Channel } from './channel.ts';
import { Lifecycle } from './lifecycle.ts';
import { warnOfBorrowed } from './borrowed.ts';
import { enter, loadPlugin, StartFailure, type LoadedPlugin } from './load.ts';
import { Log } from './log.ts';
import { Calls } from './serve.ts';
import { blockOutput, closeInherited, explainFork, explainItself, hasChannel, redirectConsole } from './stdio.ts';
import { Vitals } from './vitals.ts';
import { warmUp } from './warm.ts';

interface Message extends Omit<CallMessage, 'id' | 'method' | 'params'> {
  id?: number;
  method?: string;
  params?: unknown;
}

/** Throws for what is no message: the channel is over. */
function read(json: string, blob: Buffer | undefined): Message {
  const message = JSON.parse(json) as Message;
  const fault = blob === undefined ? null : attach(message, blob, 'params');
  if (fault !== null) throw new Error(fault);
  return message;
}

function serve(): void {
  const channel = new Channel(CHANNEL_FD, {
    onFrame: (json, blob) => receive(read(json, blob)),
    onRead: () => calls.pump(),
    onDrain: () => calls.pump(),
    onClosed: (fault) => void life.orphaned(fault),
  });
  const log = new Log(channel);
  const calls = new Calls(channel, log);
  const life = new Lifecycle(channel, calls);
  const vitals = new Vitals();
  let initialized = false;
  /** It was started ahead of need, in no plugin's folder. */
  let isSpare = false;
  let plugin: LoadedPlugin | null = null;
  let isLettingGo = false;

  closeInherited();
  life.watch();
  redirectConsole(log);
  blockOutput();

  function receive(message: Message): void {
    const { id, method, params } = message;
    if (typeof method !== 'string') return;
    if (!method.startsWith('$/')) return id === undefined ? undefined : calls.accept(message as CallMessage);
    if (method === Control.lane) return channel.grant((params as { bytes?: unknown } | undefined)?.bytes);
    if (method === Control.cancel) return calls.cancel((params as { id?: unknown } | undefined)?.id);
    // As in LSP: notifications that are not understood are ignored.
    if (id !== undefined) void control(id, method, params);
  }

  async function control(id: number, method: string, params: unknown): Promise<void> {
    switch (method) {
      case Control.ping:
        return answer(id, vitals.read());
      case Control.warm:
        isSpare = true;
        await warmUp();
        return channel.send(warmAnswer);
      case Control.initialize:
        return initialize(id, params as InitializeParams);
      case Control.drain:
        await calls.drain();
        await channel.flushed();
        return answer(id, null);
      case Control.quiesce:
        isLettingGo = true;
        await run(id, () => plugin?.onQuiesce?.());
        isLettingGo = false;
        return;
      case Control.resume:
        // It cannot take up what it let go of, or lets go of it still: the supervisor then starts another process.
        if (isLettingGo || (plugin?.onResume === null && plugin.onQuiesce !== null)) return unknown(id, method);
        return run(id, () => plugin?.onResume?.((params as { state?: unknown } | undefined)?.state));
      case Control.free:
        await life.free().then(
          () => answer(id, null),
          (error: unknown) => channel.send(thrownAnswer(id, ErrorCode.threw, error, channel.maxMessageBytes)),
        );
        return life.exit(0);
      default:
        return unknown(id, method);
    }
  }

  function unknown(id: number, method: string): void {
    channel.send(errorAnswer(id, ErrorCode.methodNotFound, `there is no ${method}`, channel.maxMessageBytes));
  }

  async function run(id: number, hook: () => unknown): Promise<void> {
    try {
      answer(id, await hook());
    } catch (error) {
      channel.send(thrownAnswer(id, ErrorCode.threw, error, channel.maxMessageBytes));
    }
  }

  function answer(id: number, result: unknown): void {
    channel.send(resultAnswer(id, result, channel.maxMessageBytes, false));
  }

  async function initialize(id: number, params: InitializeParams): Promise<void> {
    if (initialized) return channel.send(errorAnswer(id, ErrorCode.internal, 'the plugin is initialized already', channel.maxMessageBytes));
    initialized = true;
    try {
      if (params.protocol !== PROTOCOL_VERSION) {
        throw new StartFailure('handshake', new Error(`the supervisor speaks protocol ${params.protocol}, this runner speaks ${PROTOCOL_VERSION}`));
      }
      channel.maxMessageBytes = params.limits.maxMessageBytes;
      if (params.encodings?.includes(LANE) === true) channel.openLane();
      if (isSpare) enter(params.plugin.dir);
      plugin = await loadPlugin(params, log, (phase) => {
        channel.send(framedText(`{"jsonrpc":"2.0","method":"${Control.phase}","params":{"phase":"${phase}"}}`));
      });
      life.ready(plugin);
      calls.begin(plugin.methods, params.encodings?.includes(ATTACHMENTS) === true);
      vitals.start();
      const runtime = `node ${process.versions.node}`;
      answer(id, {
        protocol: PROTOCOL_VERSION,
        methods: plugin.declared,
        pid: process.pid,
        runtime,
        encodings: [ATTACHMENTS],
      } satisfies InitializeResult);
      warnOfBorrowed(params.plugin.dir, log);
    } catch (failure) {
      const { phase, cause } = failure instanceof StartFailure ? failure : new StartFailure('handshake', failure);
      channel.send(thrownAnswer(id, ErrorCode.startFailed, cause, channel.maxMessageBytes, { phase }));
      // Another start would meet the same supervisor and the same runner.
      if (phase === 'handshake') await life.exit(EXIT_FATAL);
    }
  }
}

// Descriptor 3 may be Node's own channel to the plugin that forked it.
if (process.connected) refuse(explainFork);
else if (hasChannel()) serve();
else refuse(explainItself);

function refuse(explain: () => void): void {
  explain();
  native.reallyExit(2);
}
