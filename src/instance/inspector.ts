/** The inspector of one child with the option `debug`: where it listens, as Node says on stderr before any other code runs. */
const LISTENING = /^Debugger listening on (ws:\/\/127\.0\.0\.1:\d+\/[\w-]+)$/;
const HELP = 'For help, see: https://nodejs.org/en/docs/inspector';

export class Inspector {
  readonly #isOn: boolean;
  readonly #onListening: (url: string) => void;
  #url: string | null = null;

  /** `onListening` is called once. */
  constructor(isOn: boolean, onListening: (url: string) => void) {
    this.#isOn = isOn;
    this.#onListening = onListening;
  }

  /** Null until Node has said it. */
  get url(): string | null {
    return this.#url;
  }

  /** Reads a line of stderr. True when Node told the address with it, so that it is no output of the plugin. */
  readonly read = (line: string): boolean => {
    if (!this.#isOn) return false;
    if (this.#url !== null) return line === HELP;
    // The plugin may print such a line later: only the first one counts.
    const url = LISTENING.exec(line)?.[1];
    if (url === undefined) return false;
    this.#url = url;
    this.#onListening(url);
    return true;
  };
}
