/**
 * A program for the compiler: it imports the plugin, and its declarations, once emitted, are the types of the plugin's client, written out
 * in full as JSON carries them, so that they need neither the plugin's source nor its dependencies. Owns that text and how it is read back.
 */

/**
 * `Seen` holds the types that a type stands in: one that holds itself is `unknown` from there on, since it has no end that could be written.
 * `Hidden` are the members of built-in classes that stand on their prototypes, or that JSON passes over.
 * `Mark` makes them equal only when they are the same type. A parameter that is `never` is one of which nothing is known: definePlugin asks for no
 * more, and JavaScript has not said more.
 */
const PRELUDE = `
type MethodsOf<E> = E extends { methods: infer M } ? M : E extends { default: infer D } ? MethodsOf<D> : never;
type Methods = MethodsOf<typeof plugin>;
type Plain<T> = T extends \`\${infer S}\` ? S : T extends number ? (\`\${T}\` extends \`\${infer N extends number}\` ? N : number) : T extends string ? string : T;
type Mark<T> = (value: T) => T;
type Code = (...args: never[]) => unknown;
type Hidden<O> = O extends ReadonlyMap<any, any> ? keyof Map<any, any>
  : O extends ReadonlySet<any> ? keyof Set<any>
  : O extends RegExp ? keyof RegExp
  : O extends DataView ? keyof DataView
  : O extends ArrayBuffer | SharedArrayBuffer ? keyof ArrayBuffer | keyof SharedArrayBuffer
  : O extends Error ? 'stack' extends keyof O ? keyof Error | 'cause' : never
  : never;
type Json<T, Seen = never> = 0 extends 1 & T ? any
  : unknown extends T ? unknown
  : T extends string | number | boolean | null | undefined ? Plain<T>
  : T extends Code ? never
  : T extends Uint8Array ? Uint8Array
  : T extends { toJSON(...args: never[]): infer R } ? Json<R, Seen>
  : Mark<T> extends Seen ? unknown
  : T extends { readonly BYTES_PER_ELEMENT: number; readonly buffer: ArrayBufferLike; readonly [index: number]: infer N } ? { [index: number]: Json<N> }
  : T extends readonly unknown[] ? { [I in keyof T]: Json<T[I], Seen | Mark<T>> }
  : T extends infer O extends object ? { [K in keyof O as K extends Hidden<O> ? never : [Exclude<O[K], Code | undefined>] extends [never] ? never : K extends string | number ? K : never]: Json<O[K], Seen | Mark<T>> }
  : never;
type Result<R> = 0 extends 1 & R ? any : [R] extends [never] ? unknown : [R] extends [void] ? void : undefined extends R ? Json<Exclude<R, undefined>> | null : Json<R>;
type Args<A extends unknown[]> = { [I in keyof A]: [A[I]] extends [never] ? unknown : Json<A[I]> };
type Told<F> = F extends (...args: infer A) => infer R ? (...args: Args<A>) => Result<Awaited<R>>
  : F extends (...args: never[]) => infer R ? (...args: unknown[]) => Result<Awaited<R>>
  : unknown;
declare function told<N extends string>(name: N): N extends keyof Methods ? Told<Methods[N]> : unknown;
`;

/** `entry` is the plugin's source, absolute, with slashes. */
export function probe(entry: string, methods: readonly string[]): string {
  const told = methods.map((name, index) => `export const m${index} = told(${JSON.stringify(name)});`);
  return `import type * as plugin from ${JSON.stringify(entry)};${PRELUDE}${told.join('\n')}\n`;
}

/** Which method stands in this line of the probe, if any. */
export function methodAt(line: number, methods: readonly string[]): string | undefined {
  return methods[line - PRELUDE.split('\n').length];
}

/** What the compiler has made of the probe: the type of each method that has one which stands for itself. */
export function readProbe(declarations: string, methods: readonly string[]): Map<string, string> {
  const types = new Map<string, string>();
  for (const part of declarations.split(/^export (?=declare const m\d+: |\{\})/m)) {
    const [, index, type] = /^declare const m(\d+): ([^]*);\s*$/.exec(part) ?? [];
    const name = methods[Number(index)];
    // The argument of this one is its default, which compilers before 5.7 do not know.
    // A type that could not be written out refers to the module that it stands in.
    if (name !== undefined && type !== undefined && type.startsWith('(') && !/\bimport\(|\btypeof /.test(type))
      types.set(name, type.replaceAll('Uint8Array<ArrayBufferLike>', 'Uint8Array'));
  }
  return types;
}
