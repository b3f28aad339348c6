/**
 * What a TypeScript file imports: static, dynamic, `require` and type imports, found without a compiler. Comments, strings,
 * templates and regular expressions are blanked first, at equal length, so that their contents are never taken for code.
 * Not seen: imports whose specifier is computed, and those inside a template.
 */
export interface Import {
  specifier: string;
  line: number;
  /** Leaves no trace at run time. */
  typeOnly: boolean;
}

const STATIC = /\b(?:import|export)\b(\s+type\b(?!\s*(?:from\b|,)))?(?:[^'";]*?\bfrom)?\s*(['"])(\0+)\2/g;
const CALL = /(typeof\s+)?\b(?:import|require|require\.resolve)\s*\(\s*(['"])(\0+)\2\s*\)?(\s*\.\s*(?!then|catch|finally)\w)?/g;
/** After these a slash begins a regular expression; after anything else it divides. */
const BEFORE_REGEXP = /(?:^|[(,=:[!&|?{;+\-*%<>~^]|\b(?:return|typeof|case|in|of|await|yield))\s*$/;

export function importsOf(source: string): Import[] {
  const code = blank(source);
  const found: Import[] = [];
  const take = (match: RegExpExecArray, specifier: string, typeOnly: boolean): void => {
    const at = match.index + match[0].indexOf('\0');
    found.push({ specifier: source.slice(at, at + specifier.length), line: lineOf(source, at), typeOnly });
  };
  for (const match of code.matchAll(STATIC)) take(match, match[3]!, match[1] !== undefined);
  for (const match of code.matchAll(CALL)) take(match, match[3]!, match[1] !== undefined || match[4] !== undefined);
  return found.sort((a, b) => a.line - b.line);
}

/** The source with comments as blanks, and the contents of strings, templates and regular expressions as NULs. */
export function blank(source: string): string {
  let out = '';
  let at = 0;
  while (at < source.length) {
    const end = skip(source, at, out);
    const text = source.slice(at, end);
    if (end === at + 1 && !/['"`]/.test(text)) out += text;
    else if (text.startsWith('//') || text.startsWith('/*')) out += text.replace(/[^\n]/g, ' ');
    else out += text[0] + text.slice(1, -1).replace(/[^\n]/g, '\0') + text.at(-1);
    at = end;
  }
  return out;
}

/** The end of the comment, string, template or regular expression that begins at `at`; else of one character. */
function skip(source: string, at: number, before: string): number {
  const char = source[at]!;
  if (char === '"' || char === "'") return closing(source, at, char);
  if (char === '`') return endOfTemplate(source, at);
  if (char !== '/') return at + 1;
  if (source[at + 1] === '/') return orEnd(source, source.indexOf('\n', at));
  if (source[at + 1] === '*') return orEnd(source, source.indexOf('*/', at + 2) + 2, 1);
  return BEFORE_REGEXP.test(before.slice(-40)) ? endOfRegExp(source, at) : at + 1;
}

function closing(source: string, at: number, quote: string): number {
  for (let i = at + 1; i < source.length; i++) {
    if (source[i] === '\\') i++;
    else if (source[i] === quote) return i + 1;
  }
  return source.length;
}

function endOfTemplate(source: string, at: number): number {
  for (let i = at + 1; i < source.length; i++) {
    if (source[i] === '\\') i++;
    else if (source[i] === '`') return i + 1;
    else if (source.startsWith('${', i)) i = endOfBraces(source, i + 1) - 1;
  }
  return source.length;
}

function endOfBraces(source: string, at: number): number {
  let depth = 0;
  for (let i = at; i < source.length;) {
    if (source[i] === '{') depth++;
    if (source[i] === '}' && --depth === 0) return i + 1;
    i = skip(source, i, source.slice(Math.max(0, i - 40), i));
  }
  return source.length;
}

function endOfRegExp(source: string, at: number): number {
  let inClass = false;
  for (let i = at + 1; i < source.length; i++) {
    if (source[i] === '\\') i++;
    else if (source[i] === '[') inClass = true;
    else if (source[i] === ']') inClass = false;
    else if (source[i] === '/' && !inClass) return i + 1;
  }
  return source.length;
}

function orEnd(source: string, end: number, missing = -1): number {
  return end === missing ? source.length : end;
}

function lineOf(source: string, at: number): number {
  return source.slice(0, at).split('\n').length;
}
