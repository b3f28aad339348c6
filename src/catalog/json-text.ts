/**
 * JSON.parse whose error says where. V8 names a position for some mistakes only, and leaves it out for the commonest, a missing quote.
 */

/** Throws a `SyntaxError` such as `Unexpected token 'h' (line 2, column 9)`. */
export function parseJson(text: string): unknown {
  const said = failure(text);
  if (said === null) return JSON.parse(text);
  const before = text.slice(0, firstWrong(text)).split('\n');
  throw new SyntaxError(`${said.reason} (line ${before.length}, column ${before.at(-1)!.length + 1})`);
}

/** The text is JSON up to here: found by halving, since what a longer beginning allows, each shorter one allows too. */
function firstWrong(text: string): number {
  let [right, wrong] = [0, text.length + 1];
  while (wrong - right > 1) {
    const middle = (right + wrong) >>> 1;
    if (failure(text.slice(0, middle))?.atEnd ?? true) right = middle;
    else wrong = middle;
  }
  return right;
}

function failure(text: string): { reason: string; atEnd: boolean } | null {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    const { message } = error as SyntaxError;
    const at = / at position (\d+)/.exec(message)?.[1];
    const atEnd = at === undefined ? /end of JSON/.test(message) : Number(at) >= text.length;
    return { reason: message.replace(/(?: in JSON)? at position .*|, (?:\.\.\.)?".*/s, ''), atEnd };
  }
}
