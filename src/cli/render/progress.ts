/** What takes a while, told on stderr: one line that moves on a terminal, a line for each step elsewhere. */
import { narrate, paint, plainLine } from '../terminal.ts';
import { clearInterval, setInterval } from '../../util/timers.ts';

export interface Progress {
  step(text: string): void;
  /** Leaves nothing of the moving line. */
  end(): void;
}

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 80;
const CLEAR_LINE = '\r\u001b[K';

export function progress(stream: NodeJS.WriteStream = process.stderr): Progress {
  if (!stream.isTTY) return { step: (text) => narrate(plainLine(text)), end() {} };
  let frame = 0;
  let line = '';
  const draw = (): void => {
    const room = Math.max(1, stream.columns - 3);
    stream.write(`${CLEAR_LINE}${paint('cyan', FRAMES[frame++ % FRAMES.length]!, stream)} ${line.slice(0, room)}`);
  };
  const timer = setInterval(draw, FRAME_MS);
  timer.unref();
  return {
    step(text) {
      line = plainLine(text);
      draw();
    },
    end() {
      clearInterval(timer);
      stream.write(CLEAR_LINE);
    },
  };
}
