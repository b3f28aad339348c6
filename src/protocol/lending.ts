/**
 * Memory for what is only on its way: copies of bytes, and text, that leave by a pipe and are seen by nobody here. Lent and given back,
 * because the collector learns late of large buffers that live as long as a call: they get old, and each of its full rounds then costs more
 * than all the copying.
 *
 * 1. Nothing is lent twice at a time: only what was given back is lent again.
 * 2. What lies here is held weakly: a full collection takes it, so that it costs no more than the garbage that it would have been.
 * 3. Who does not give back does no harm: it is garbage, as any buffer.
 */

/** Below it Node shares memory between buffers already. */
const MIN_BYTES = 4_096;

/** By size, what may be lent. */
const idle = new Map<number, WeakRef<ArrayBufferLike>[]>();
const lent = new WeakSet<ArrayBufferLike>();

/** With whatever was in it. */
export function borrow(length: number): Buffer {
  if (length < MIN_BYTES) return Buffer.allocUnsafe(length);
  const size = sizeFor(length);
  const memory = take(size) ?? Buffer.allocUnsafeSlow(size).buffer;
  lent.add(memory);
  return Buffer.from(memory, 0, length);
}

/** Nobody reads or writes it any more. Takes any buffer, and keeps those that were borrowed. */
export function giveBack({ buffer }: Buffer): void {
  if (!lent.delete(buffer)) return;
  const size = buffer.byteLength;
  const same = idle.get(size);
  if (same === undefined) idle.set(size, [new WeakRef(buffer)]);
  else same.push(new WeakRef(buffer));
}

function take(size: number): ArrayBufferLike | undefined {
  const same = idle.get(size);
  while (same !== undefined && same.length > 0) {
    const memory = same.pop()!.deref();
    if (memory !== undefined) return memory;
  }
  return undefined;
}

/** Four sizes for each power of two: what is a little longer than the last shall fit, and no more than a quarter be wasted. */
function sizeFor(length: number): number {
  const step = 2 ** (Math.floor(Math.log2(length)) - 2);
  return Math.ceil(length / step) * step;
}
