/** Makes a child's output fit for reports: nothing that a terminal obeys, and no secret that is plain to see. */

const STRUCK = '[redacted]';
/** `password=…`, `"apiKey": "…"`, `Authorization: Bearer …`: a name that says secret, then its value. */
const NAMED =
  /((?:pass(?:word|wd|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|authorization|cookie)["']?\s*[=:]\s*)(?:(?:bearer|basic)\s+)?("[^"]*"|'[^']*'|[^\s,;&]+)/gi;
/** What is a secret by its form: JSON web tokens, keys of well-known services, credentials in a URL, private keys. */
const FORMS: readonly [RegExp, string][] = [
  [/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}/g, STRUCK],
  [/\b(?:sk|pk|rk)[-_](?:live|test|proj|ant)[-_][\w-]{8,}|\bgh[opsur]_\w{20,}|\bAKIA[0-9A-Z]{16}\b|\bxox[abprs]-[\w-]{10,}/g, STRUCK],
  [/(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]+:)[^\s/@]+@/gi, `$1${STRUCK}@`],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, STRUCK],
];
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

export function redact(text: string): string {
  let clean = text.replace(NAMED, `$1${STRUCK}`);
  for (const [form, by] of FORMS) clean = clean.replace(form, by);
  return clean.replace(CONTROL, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
