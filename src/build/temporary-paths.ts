/** A build works in temporary folders, which are gone when somebody reads its errors: they name the project's folder instead. */
const MAX_DEPTH = 5;

/** Changes every text of `error` in place: its message, its stack, its facts and its causes. Returns it. */
export function withoutTemporaryPaths(error: unknown, temporary: string, project: string): unknown {
  visit(error, MAX_DEPTH);
  return error;

  function visit(value: unknown, depth: number): void {
    if (typeof value !== 'object' || value === null || depth === 0) return;
    for (const key of Object.getOwnPropertyNames(value)) {
      const inner = (value as Record<string, unknown>)[key];
      if (typeof inner === 'string' && inner.includes(temporary)) Reflect.set(value, key, inner.replaceAll(temporary, project));
      else visit(inner, depth - 1);
    }
  }
}
