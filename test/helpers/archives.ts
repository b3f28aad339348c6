/**
 * Archives for tests, byte by byte: what `npm pack` would write, and what nobody should. Headers are those of tar itself, with any field
 * wrong that a test wants wrong.
 */
import { writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';

export interface Member {
  path?: string | Buffer;
  body?: string | Buffer;
  /** The type flag: '0' a file, '5' a folder, '1' a hard link, '2' a symbolic one, 'x' and 'g' pax, 'L' a long name. */
  type?: string;
  mode?: number;
  linkpath?: string;
  prefix?: string;
  /** What the header says, in place of the length of `body`: a number, or the twelve bytes of the field. */
  size?: number | Buffer;
  checksum?: number;
}

const BLOCK = 512;

export function header({ path = '', body = '', type = '0', mode = 0o644, linkpath = '', prefix = '', size, checksum }: Member): Buffer {
  const block = Buffer.alloc(BLOCK);
  Buffer.from(path).copy(block, 0, 0, 100);
  block.write(`${mode.toString(8).padStart(7, '0')}\0`, 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  if (Buffer.isBuffer(size)) size.copy(block, 124, 0, 12);
  else block.write(`${(size ?? Buffer.byteLength(body)).toString(8).padStart(11, '0')} `, 124);
  block.write('03737277760 ', 136);
  block.write(type, 156);
  block.write(linkpath, 157, 100);
  block.write('ustar\u000000', 257);
  block.write(prefix, 345, 155);
  block.fill(' ', 148, 156);
  const sum = checksum ?? block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

export function member(given: Member): Buffer {
  const body = Buffer.from(given.body ?? '');
  return Buffer.concat([header(given), body, Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK)]);
}

/** A pax header, for the member that follows. */
export function pax(fields: Record<string, string>, type: 'x' | 'g' = 'x'): Member {
  return { path: 'PaxHeader/x', type, body: Object.entries(fields).map(paxLine).join('') };
}

function paxLine([key, value]: [string, string]): string {
  const rest = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(rest);
  while (String(length).length + Buffer.byteLength(rest) !== length) length = String(length).length + Buffer.byteLength(rest);
  return `${length}${rest}`;
}

export const END = Buffer.alloc(2 * BLOCK);

/** The tar: members, raw bytes as they are, and the end mark. */
export function tar(members: readonly (Member | Buffer)[], end: Buffer = END): Buffer {
  return Buffer.concat([...members.map((each) => (Buffer.isBuffer(each) ? each : member(each))), end]);
}

export const MANIFEST = { name: 'packed', version: '1.0.0', type: 'module', main: 'index.js' };
export const SOURCE = 'export default { methods: { greet: (name) => `hello ${name}` } };\n';

/** A sound plugin's members, below `package/`. */
export function sound(manifest: object = MANIFEST): Member[] {
  return [
    { path: 'package/package.json', body: JSON.stringify(manifest) },
    { path: 'package/index.js', body: SOURCE },
  ];
}

/** A plugin with one small dependency, of the registry. */
export const CLOCK = { name: 'clock', version: '1.0.0', type: 'module', main: 'index.js', dependencies: { ms: '^2.1.3' } };
const LOCKED_MS = {
  version: '2.1.3',
  resolved: 'https://registry.npmjs.org/ms/-/ms-2.1.3.tgz',
  integrity: 'sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==',
};

/** Its members; `changed` fields of the locked package, and its place. */
export function clock(manifest: object = CLOCK, changed: object = {}, location = 'node_modules/ms'): Member[] {
  const packages = { '': manifest, 'node_modules/ms': LOCKED_MS, [location]: { ...LOCKED_MS, ...changed } };
  return [
    { path: 'package/package.json', body: JSON.stringify(manifest) },
    { path: 'package/package-lock.json', body: JSON.stringify({ name: 'clock', version: '1.0.0', lockfileVersion: 3, requires: true, packages }) },
    { path: 'package/index.js', body: "import ms from 'ms';\nexport default { methods: { inWords: (time) => ms(time, { long: true }) } };\n" },
  ];
}

/** Writes a .tgz; resolves with its path. */
export async function putArchive(file: string, members: readonly (Member | Buffer)[]): Promise<string> {
  await writeFile(file, gzipSync(tar(members)));
  return file;
}
