/**
 * The two streams: data on stdout, narration on stderr. Owns colour, JSON output, and what happens when the reader leaves.
 */
import { once } from 'node:events';
import { styleText } from 'node:util';

/** One style, not a list of them: with a list, Node 20 colours streams that are no terminal. */
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan' | 'reset';

/** Colours on a terminal only; `NO_COLOR` and `FORCE_COLOR` are respected. */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream });
}

const COLOURS = /\u001b\[[0-9;:?]*[A-Za-z]/g;
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** Text that a plugin chose, made safe for a terminal: no escape sequences, no control characters but newline and tab. */
export function plain(text: string): string {
  return text.replace(COLOURS, '').replace(CONTROLS, '\u{fffd}');
}

/** Waits for a slow reader, so that what is written stays bounded. */
export async function print(text: string): Promise<void> {
  if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
}

/** Indented for people, one line for programs. */
export function printJson(value: unknown): Promise<void> {
  return print(JSON.stringify(value, null, process.stdout.isTTY ? 2 : undefined) ?? 'null');
}

export function narrate(text: string): void {
  process.stderr.write(`${text}\n`);
}

/**
 * A reader that leaves early (`| head`) is no error. The commands end quietly; a supervisor (`lives`) goes on without it.
 * Call once; the last word counts.
 */
export function onReaderGone(lives: boolean): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners('error');
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (lives) return;
      if (error.code !== 'EPIPE') throw error;
      if (stream === process.stdout) process.exit();
    });
  }
}
