/**
 * Values that are secret because of their names: `password=…`, `"apiKey": "…"`, `--token …`, `Cookie: …`, `<secret>…`.
 * Each name is looked for backwards from its separator, so that text without separators costs nothing.
 */

/** May end a longer name: `DB_PASSWORD`, `githubToken`. */
const ANYWHERE = [
  'pass[-_ ]?(?:code|key|phrase|word)',
  'passwd',
  'secret',
  'token',
  '(?:access|account|api|auth|client|consumer|deploy|encryption|hmac|jwt|license|master|private|secret|service|session|shared[-_]?access|signing|ssh|storage|subscription|webhook)[-_]?key',
  'api key',
  'secret[-_]?key[-_]?base',
  'credentials?',
  '(?:asp\\.net_|j|php|[-_])sess(?:ion)?[-_]?id',
  'connect\\.sid',
  'mnemonic',
  'seed[-_ ]?phrase',
  'connection[-_ ]?password',
];
/** Must stand alone, or behind a separator or a change of case: not `compass` or `author`. */
const WHOLE = ['auth', 'authorization', 'cookie', 'jwt', 'otp', 'pass', 'psk', 'pw', 'pwd', 'sessionid', 'totp', 'bearer'];
const NAME = `(?:${[...ANYWHERE, ...WHOLE].join('|')})`;
const SUFFIX = 's?(?:[-_.]?(?:b64|base64|hash|plain|value|\\d))?';
export const QUOTE = '\\\\{0,8}["\'`]';
const QUOTED = `(\\\\{0,8}["'\`])(.*?)\\`;

const ENDS_ANYWHERE = new RegExp(`(?:${ANYWHERE.join('|')})${SUFFIX}$`, 'i');
const IS_WHOLE = new RegExp(`(?:^|[^a-z])(?:${WHOLE.join('|')})${SUFFIX}$`, 'i');
const IS_HUMP = new RegExp(`[a-z\\d](?:${WHOLE.map((name) => name[0]!.toUpperCase() + name.slice(1)).join('|')})${SUFFIX}$`);

/** 2: the quote behind a separator, 3: the text in it, 4: text without quotes. */
const VALUE = `\\[?\\s{0,4}(?:${QUOTED}2|(?!["'\`])(\\$\\{[^{}]*\\}|\\\\{0,8}[^\\s,;&"'\`<>(){}\\[\\]|]+))`;
const AFTER_SEPARATOR = new RegExp(`(=>|:=|[:=]|%3D)(?<=(?:${NAME})${SUFFIX}(?:${QUOTE}|\\])*\\s{0,4}\\1)(?![=>])\\s{0,4}${VALUE}`, 'gi');
const AFTER_FLAG = new RegExp(
  `-(?<=(?:^|[\\s"'])-)(-?[a-z-]{0,40}${NAME})(?:(["'],)\\s{0,4}|\\s{1,4})(["']?)([^\\s"',<>\\[\\](){}-][^\\s"']*)`,
  'gi',
);
const MAX_LOOKS_INSIDE = 64;
/** The further texts of a list, and the further cookies of a line. */
const NEXT_IN_LIST = new RegExp(`(\\s{0,4},\\s{0,4})${QUOTED}2`, 'y');
const NEXT_COOKIE = /(;\s{0,2})[\w.-]{1,64}=[^\s;,"']*/y;
const OPENS_LIST = /([\w.-]{1,80})["'`\]]*\s{0,4}(?:=>|[:=])\s{0,4}\[$/;
const LIST_LINE = /^(\s*)(?:["'`].*["'`])(,?\s*)$/;
/** Plural names: a number below one is usually a count. */
const PLURAL = /(?:codes|cookies|jwts|keys|otps|passphrases|passwords|secrets|tokens)$/i;
const IN_TAG = new RegExp(`>(?<=<[\\w:.-]{0,60}${NAME}[^<>]{0,100}>)([^<>]{1,4096})(?=</)`, 'gi');
const IN_RAW_HEADERS = /(["'](?:proxy-authorization|authorization|set-cookie|cookie)["'],\s{0,4})(["'])(.*?)\2/gi;
const HEADER =
  /:(?<=(?:^|[^\w-])(?:proxy-authorization|authorization|set-cookie|cookie|x-[\w-]{0,40}(?:key|token|secret|auth))\s{0,4}:)\s{0,4}(?!["'`[{])(\S[^\r\n]*)/gi;

/** A word that stands for a value, or says something of the name before it. */
const PROSE = new RegExp(
  `^(?:${[
    'null|nil|none|undefined|true|false|yes|no|on|off|nan|string|number|boolean|object|array|any|unknown|never|void|bigint|symbol|function|buffer|date|uuid|text|varchar',
    'a|an|the|this|that|it|its|your|our|their|is|are|was|were|be|been|has|have|had|may|might|must|should|shall|will|would|can|cannot|could|does|do|did|not|never|too|only|also',
    'to|of|in|on|at|by|for|from|with|without|or|and|but|if|when|as|than|then|so|because|instead|via|per|see|use|used|using|set|get|got|give|given|pass|passed|provide|provided|enter|check',
    'required|optional|missing|invalid|valid|expected|unexpected|expired|empty|present|absent|unset|wrong|incorrect|denied|failed|failure|error|ok|disabled|enabled|refused|rejected|revoked|accepted',
    'unable|unauthorized|forbidden|found|changed|updated|created|deleted|loaded|authentication|authorization|login|token|password|secret|key|value|field|flag|option|argument|parameter|header|name|type',
    'include|omit|same-origin|basic|bearer|default|auto|manual|hidden|masked|redacted|removed|deprecated|unsupported|supported|stored|generated|new|old|await|return|identifier|punctuation|keyword|operator|eof',
  ].join('|')})$`,
  'i',
);
const PLACEHOLDER =
  /^(?:\*+|x{3,}|\.{3}|…|\[?(?:redacted|hidden|filtered|object|function|circular)\b.*|<.*>|\$\{.*|\$[A-Z_][A-Z\d_]*|%[A-Z_]+%|\{\{.*)$/i;
/** `config.password`, `readToken(`, `tokens[`, `new Token`: source code in a stack trace. */
const CODE =
  /^(?:new|await|this|self|process|options?|opts|config|args?|params?|props|req|ctx|env)\b|^[A-Za-z_$][\w$]*(?:\.[\w$]+)*(?:\.[\w$]*(?:token|password|secret|key|cookie)\w*)$|^(?:import|require)$/i;
/** Parsers speak of tokens, and models of special ones. */
const SPEAKS_OF_SYNTAX =
  /(?:\b(?:unexpected|invalid|expected|illegal|unknown|missing|next|previous|current|last|first|bad|stop|end|start|this|no|of|each|per|lookahead|peek)[-_ ]?|\b(?:[bu]os|eos|pad|unk|sep|cls|mask|eot|img)[-_])token$/i;
const SCHEME =
  /^(?:apikey|aws4?[\w-]*|basic|bearer|bot|digest|dpop|gnap|hawk|hmac[\w-]*|key|mac|negotiate|ntlm|oauth|privatetoken|scram[\w-]*|sharedkey|signature|sso-key|token)\b/i;

const looksSecret = (value: string): boolean => value.length >= 20 || (value.length >= 8 && /\d/.test(value) && /[a-z]/i.test(value));
const isPlainWord = (value: string): boolean => /^[A-Za-z]+[.,:;!?]?$/.test(value);

/** True for a name whose value is a secret: a key of an object, a variable, a header. */
export function isSecretName(name: string): boolean {
  return ENDS_ANYWHERE.test(name) || IS_WHOLE.test(name) || IS_HUMP.test(name);
}

/** False for an empty text, and for how many there are: `max_tokens: '4096'`. */
export function isSecretText(name: string, text: string): boolean {
  return text !== '' && !(PLURAL.test(name) && /^\d+$/.test(text));
}

/** Strikes out the values of secret names in one line. */
export function strikeNamed(line: string, struck: string): string {
  let clean = line;
  if (clean.includes(':')) clean = clean.replace(HEADER, (match, value: string, at: number, all: string) => header(match, value, at, all, struck));
  clean = strikeAfterSeparators(clean, struck);
  if (clean.includes('-')) {
    clean = clean.replace(AFTER_FLAG, (match, flag: string, comma: string | undefined, _quote, value: string) =>
      isFlagValue(flag, comma !== undefined, value) ? match.slice(0, -value.length) + struck : match,
    );
  }
  if (clean.includes('</')) clean = clean.replace(IN_TAG, (match, value: string) => (isNoSecret(value.trim()) ? match : `>${struck}`));
  return clean.includes(',') ? clean.replace(IN_RAW_HEADERS, `$1$2${struck}$2`) : clean;
}

/** True for a line that opens a list under a secret name: `"tokens": [`. */
export function opensSecretList(line: string): boolean {
  const end = line.trimEnd();
  const name = end.endsWith('[') ? OPENS_LIST.exec(end.slice(-100))?.[1] : undefined;
  return name !== undefined && isSecretName(name);
}

/** Strikes a line of quoted texts, as a list has them; null for any other line. */
export function strikeListLine(line: string, struck: string): string | null {
  const [, indent, after] = LIST_LINE.exec(line) ?? [];
  return indent === undefined ? null : indent + struck + after!;
}

/** A value that is no secret may hold a name and its secret: `oauth://host?token=…`. It is looked into, so often that time stays linear. */
function strikeAfterSeparators(line: string, struck: string): string {
  let clean = '';
  let from = 0;
  let looksInside = MAX_LOOKS_INSIDE;
  AFTER_SEPARATOR.lastIndex = 0;
  for (let found = AFTER_SEPARATOR.exec(line); found !== null; found = AFTER_SEPARATOR.exec(line)) {
    const { index: at } = found;
    const [match, separator, quote, inner = '', bare = ''] = found as unknown as [string, string, string | undefined, string?, string?];
    const value = quote === undefined ? bare : inner;
    if (isSecretValue(line, at, match, { quote, value })) {
      const whole = quote === undefined ? value : `${quote}${value}${quote}`;
      clean += line.slice(from, at + match.length - whole.length) + struck;
      from = at + match.length;
      const next = nextBehind(line.slice(Math.max(0, at - 12), at), match.slice(0, -whole.length), quote);
      for (let more = execAt(next, line, from); more !== null; more = execAt(next, line, from)) {
        clean += more[1]! + struck;
        from += more[0].length;
      }
      AFTER_SEPARATOR.lastIndex = from;
    } else if (looksInside-- > 0) AFTER_SEPARATOR.lastIndex = at + separator.length;
  }
  return clean + line.slice(from);
}

/** Nothing, a placeholder, or a word of prose. */
export const isNoSecret = (value: string): boolean => value === '' || PLACEHOLDER.test(value) || PROSE.test(value.replace(/[.,:;!?]$/, ''));

/** The pattern of further secrets behind the first one; null if there can be none. `before` ends with the name, `opening` is behind it. */
function nextBehind(before: string, opening: string, quote: string | undefined): RegExp | null {
  if (quote !== undefined) return opening.includes('[') ? NEXT_IN_LIST : null;
  return /cookies?\s*$/i.test(before) ? NEXT_COOKIE : null;
}

function execAt(sticky: RegExp | null, line: string, at: number): RegExpExecArray | null {
  if (sticky === null) return null;
  sticky.lastIndex = at;
  return sticky.exec(line);
}

/** `flag` without its first dash. */
function isFlagValue(flag: string, isListed: boolean, value: string): boolean {
  if (/^-?no-/.test(flag) || isNoSecret(value) || /^[A-Z]+(?:_[A-Z]+)*$/.test(value)) return false;
  if (PLURAL.test(flag) && !looksSecret(value)) return false;
  // Behind a single dash a plain word may be prose.
  return isSecretName(flag) && (isListed || flag.startsWith('-') || !isPlainWord(value));
}

/** A header's value goes to the end of the line, or to the quote that was opened before its name. */
function header(match: string, value: string, at: number, all: string, struck: string): string {
  const before = /(["'])[\w-]{1,60}$/.exec(all.slice(Math.max(0, at - 61), at));
  const end = before === null ? -1 : value.indexOf(before[1]!);
  const own = end === -1 ? value : value.slice(0, end);
  const first = own.split(/\s/, 1)[0]!;
  const isOneWord = own.trim() === first;
  const isSaid = isNoSecret(first) || isPlainWord(first);
  if (!(SCHEME.test(own) && !isOneWord && !isProseAfterScheme(own)) && (isSaid || (!isOneWord && !/[=;]/.test(own) && !looksSecret(first))))
    return match;
  return `${match.slice(0, match.length - value.length)}${struck}${value.slice(own.length)}`;
}

/** `token is expired`, `basic authentication failed`. */
function isProseAfterScheme(value: string): boolean {
  const [, second = '', third] = value.split(/\s+/);
  return isNoSecret(second) && (third === undefined || isPlainWord(third) || isNoSecret(third));
}

interface Found {
  quote: string | undefined;
  value: string;
}

function isSecretValue(line: string, at: number, match: string, { quote, value }: Found): boolean {
  const before = line.slice(Math.max(0, at - 80), at).replace(/(?:\\{0,8}["'`]|\])*\s*$/, '');
  const isArrow = match.startsWith('=>');
  if ((isArrow && quote === undefined) || !isSecretName(before)) return false;
  if (isNoSecret(value) || !isSecretText(before, value)) return false;
  if (PLURAL.test(before) && quote === undefined) return looksSecret(value);
  if (SPEAKS_OF_SYNTAX.test(before)) return looksSecret(value);
  const after = line.slice(at + match.length);
  if (/(?:^|[^a-z])pass\d?$/i.test(before)) {
    if (/^\d+(?:[/%].*|ms|s)?$/.test(value)) return false;
    if (quote === undefined && match.startsWith(':') && !/[-_.]pass\d?$/i.test(before)) return false;
  }
  if (quote !== undefined) return true;
  if (/^[([]/.test(after) || CODE.test(value)) return /^[([]/.test(after) ? looksSecret(value) && /\d/.test(value) : false;
  // An unquoted colon with a blank is prose more often than YAML, but for passwords.
  const isProse = /^:\s/.test(match) && isPlainWord(value) && /^\s+[a-z]/i.test(after);
  return !isProse || /pass(?:word|wd|phrase)$/i.test(before);
}
