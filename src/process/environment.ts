/** What a child may see of our environment: an allow-list, what was declared, and its marker. Nothing else leaks. */
import { absolutePath } from '../util/programs.ts';

const ALLOWED = [
  'PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LANGUAGE', 'TZ', 'TMPDIR', 'TEMP', 'TMP', 'NODE_ENV', 'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE', 'SSL_CERT_DIR', 'SystemRoot', 'SYSTEMDRIVE', 'COMSPEC', 'PATHEXT', 'USERPROFILE', 'APPDATA', 'LOCALAPPDATA',
]; // prettier-ignore

export function childEnvironment(
  own: NodeJS.ProcessEnv,
  declared: { env: Readonly<Record<string, string>>; passEnv: readonly string[] },
  marker: Readonly<Record<string, string>>,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of [...ALLOWED, ...Object.keys(own).filter((key) => key.startsWith('LC_')), ...declared.passEnv]) {
    const value = own[name];
    if (value !== undefined) env[name] = name === 'PATH' ? absolutePath(value) : value;
  }
  return { ...env, ...declared.env, ...marker };
}
