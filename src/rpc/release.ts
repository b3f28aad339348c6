/**
 * Memory of buffers that are done with, given back at once where Node can (from 22 on). V8 counts it as it is taken, and makes up for much of
 * it with full collections, which hold up the event loop for milliseconds each; of what nobody uses any more it learns only in one of them.
 */

/** Less is not worth it. */
const MIN_BYTES = 16_384;

/** Not in the types of the oldest Node that we run on. */
type Transferable = ArrayBufferLike & { transfer?(length: number): ArrayBuffer };

/** Nobody may look at `bytes` any more. What is a part of a larger buffer stays. */
export function release({ buffer, length }: Buffer): void {
  if (length >= MIN_BYTES && length === buffer.byteLength) (buffer as Transferable).transfer?.(0);
}
