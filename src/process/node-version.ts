/** Which version of Node a binary is, asked of it once. */
import { execa } from 'execa';

const ASK_TIMEOUT_MS = 5_000;
const known = new Map<string, Promise<string | null>>([[process.execPath, Promise.resolve(process.versions.node)]]);

/** Null when it cannot be asked: starting it will tell why. */
export function nodeVersion(nodePath: string): Promise<string | null> {
  let version = known.get(nodePath);
  if (version === undefined) {
    version = ask(nodePath);
    known.set(nodePath, version);
  }
  return version;
}

async function ask(nodePath: string): Promise<string | null> {
  const { stdout, failed } = await execa(nodePath, ['--version'], {
    reject: false,
    timeout: ASK_TIMEOUT_MS,
    stdin: 'ignore',
    env: {},
    extendEnv: false,
  });
  return failed || typeof stdout !== 'string' ? null : stdout.trim().replace(/^v/, '');
}
