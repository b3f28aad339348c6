/**
 * Descriptors that this process was started with and would pass on to its children: those without close-on-exec. Node sets that for its
 * own, and at its start for the first ones without a gap. Linux only; elsewhere they cannot be told apart.
 */
import { openSync, readdirSync, readFileSync } from 'node:fs';
import { throwShortage } from './proc.ts';

const O_CLOEXEC = 0o2000000;
const LAST_STANDARD = 2;
/** A list of what each descriptor is to be would cost too much beyond that. */
const MAX_DESCRIPTOR = 65_535;

/** Found when the first child is started: Node opens none of these later. */
let inherited: readonly number[] | null = null;
let devNull: number | null = null;

/** Inherited descriptors from `first` on that a child would get. Throws where this process lacks descriptors or memory. */
export function inheritedFrom(first: number): readonly number[] {
  inherited ??= allDescriptors().filter(isPassedOn);
  return inherited.filter((fd) => fd >= first && isPassedOn(fd));
}

/**
 * `stdio` of a child, with /dev/null in place of each descriptor that would reach it beside those. A descriptor above the limit on
 * open files stays as it is: the kernel lets nobody replace it. Throws where this process lacks descriptors or memory.
 */
export function withoutInherited<T>(stdio: readonly T[]): (T | 'ignore' | number)[] {
  const foreign = replaceable(inheritedFrom(stdio.length));
  const all: (T | 'ignore' | number)[] = [...stdio];
  // For these `ignore` means that nothing is done.
  while (all.length <= Math.max(-1, ...foreign)) all.push('ignore');
  if (foreign.length > 0) devNull ??= openSync('/dev/null', 'r+');
  for (const fd of foreign) all[fd] = devNull!;
  return all;
}

function allDescriptors(): number[] {
  try {
    return readdirSync('/proc/self/fdinfo')
      .map(Number)
      .filter((fd) => fd > LAST_STANDARD && fd <= MAX_DESCRIPTOR)
      .sort((a, b) => a - b);
  } catch (error) {
    throwShortage(error);
    return [];
  }
}

/** Of descriptors in ascending order. libuv first duplicates /dev/null for each, to numbers above all of them. */
function replaceable(fds: readonly number[]): readonly number[] {
  if (fds.length === 0) return fds;
  const limit = maxOpenFiles();
  return fds.filter((fd, index) => fd + index + 1 < limit);
}

function maxOpenFiles(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    return soft === undefined ? Infinity : Number(soft);
  } catch (error) {
    throwShortage(error);
    return Infinity;
  }
}

function isPassedOn(fd: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1];
    return flags !== undefined && (parseInt(flags, 8) & O_CLOEXEC) === 0;
  } catch (error) {
    throwShortage(error);
    return false;
  }
}
