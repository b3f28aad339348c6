/** Runs `work` for every item, `width` of them at a time, in order of their turn. Rejects with the first failure, once all under way have ended. */
export async function inParallel<T>(items: Iterable<T>, width: number, work: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let failure: { error: unknown } | null = null;
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); !next.done && failure === null; next = iterator.next()) {
      try {
        await work(next.value);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  // The compiler does not see that a worker sets it.
  const failed = failure as { error: unknown } | null;
  if (failed !== null) throw failed.error;
}
