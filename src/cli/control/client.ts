/**
 * The asking side of the control socket: one connection, one request, its answers. Hanging up cancels what was asked for.
 */
import { connect, type Socket } from 'node:net';
import { CliError, usageError } from '../errors.ts';
import { refuseForeignSocket } from './socket-path.ts';
import { isRecord, LineSplitter, MAX_LINE_BYTES, MAX_REQUEST_BYTES, type Answer } from './protocol.ts';

export interface AskOptions {
  /** Silence after which the supervisor is taken for stuck. Default: waits for ever. */
  silenceMs?: number;
}

/** Throws what the supervisor answers, `ERR_NO_SUPERVISOR` when none is there, `ERR_CONTROL` when it goes away meanwhile. */
export async function ask(socket: string, op: string, params: object, options: AskOptions = {}): Promise<unknown> {
  for await (const answer of converse(socket, op, params, options)) if ('result' in answer) return answer.result;
  throw goneAway();
}

/** The answers that come before the last, and the last. Reads no faster than they are consumed. */
export async function* converse(
  socket: string,
  op: string,
  params: object,
  options: AskOptions = {},
): AsyncGenerator<Exclude<Answer, { error: unknown }>> {
  const request = requestLine(op, params);
  const connection = await open(socket);
  try {
    if (options.silenceMs !== undefined) connection.setTimeout(options.silenceMs, () => connection.destroy(stuck(options.silenceMs!)));
    connection.write(request);
    const lines = new LineSplitter(2 * MAX_LINE_BYTES);
    for await (const chunk of connection) {
      for (const line of lines.push(chunk as Buffer)) {
        const answer = parseAnswer(line);
        if ('error' in answer) throw new CliError(answer.error);
        yield answer;
        if ('result' in answer) return;
      }
    }
  } catch (error) {
    throw error instanceof CliError ? error : goneAway(error);
  } finally {
    connection.destroy();
  }
  throw goneAway();
}

function requestLine(op: string, params: object): string {
  let line: string;
  try {
    line = `${JSON.stringify({ id: 1, op, params })}\n`;
  } catch (error) {
    throw usageError(`the arguments cannot be sent: ${(error as Error).message}`);
  }
  if (Buffer.byteLength(line) > MAX_REQUEST_BYTES) throw usageError(`the arguments are too large: a request may take ${MAX_REQUEST_BYTES} bytes`);
  return line;
}

async function open(socket: string): Promise<Socket> {
  refuseForeignSocket(socket);
  return new Promise((resolve, reject) => {
    const connection = connect(socket);
    connection.once('connect', () => resolve(connection));
    connection.once('error', (error: NodeJS.ErrnoException) => reject(connectError(socket, error)));
  });
}

function connectError(socket: string, error: NodeJS.ErrnoException): CliError {
  if (!['ENOENT', 'ECONNREFUSED', 'ENOTDIR', 'ENOTSOCK'].includes(error.code ?? '')) {
    return new CliError({ code: 'ERR_CONTROL', message: `cannot connect to ${socket}: ${error.message}`, socket });
  }
  return new CliError({
    code: 'ERR_NO_SUPERVISOR',
    message: `no supervisor is running on ${socket}`,
    socket,
    hint: 'start one with `chameleon-supervisor start`, or name its socket with --socket PATH',
  });
}

function parseAnswer(line: string): Answer {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    value = null;
  }
  if (isRecord(value) && 'id' in value) return value as unknown as Answer;
  throw new CliError({ code: 'ERR_CONTROL', message: 'what listens on the socket is no supervisor: its answer is not understood' });
}

function goneAway(cause?: unknown): CliError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new CliError({ code: 'ERR_CONTROL', message: `the supervisor closed the connection before it answered${why}` });
}

function stuck(silenceMs: number): CliError {
  return new CliError({ code: 'ERR_CONTROL_TIMEOUT', message: `the supervisor did not answer within ${silenceMs} ms` });
}
