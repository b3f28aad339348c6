/**
 * Emitted declarations in which the accessors of classes are private. They live on the prototype, so JSON does not carry them, and a
 * type can tell a private member from a field, but not an accessor. Pure.
 */

/** Null where there is no accessor. */
export function hideAccessors(declarations: string): string | null {
  /** Indentations of the classes around a line. */
  const classes: number[] = [];
  let found = false;
  const lines = declarations.split('\n').map((line) => {
    const indent = line.length - line.trimStart().length;
    if (classes.at(-1) === indent && line.startsWith('}', indent)) classes.pop();
    else if (/^\s*(?:export |declare |default |abstract )*class\b.*\{$/.test(line)) classes.push(indent);
    else if (classes.at(-1) === indent - 4 && /^\s*(?:override )?(?:get|set|accessor) [^(:?;]/.test(line)) {
      found = true;
      return `${' '.repeat(indent)}private ${line.trimStart().replace(/^override /, '')}`;
    }
    return line;
  });
  return found ? lines.join('\n') : null;
}
