/** What is struck out of a child's output, form by form, and what stays as it is. */
import { describe, expect, test } from 'vitest';
import { redact, redactValue, Redactor } from '../../src/process/redact.ts';
import { PLACED_FORMS, TOKEN_FORMS } from '../../src/process/secret-forms.ts';

const letters = (length: number, from = 'aB3dE6gH9jK2mN5pQ8sT1vW4yZ7'): string => from.repeat(Math.ceil(length / from.length)).slice(0, length);
const hex = (length: number): string => letters(length, '0f1e2d3c4b5a6978');
const upper = (length: number): string => letters(length, 'A1B2C3D4E5F6G7H8');

/** Examples that no issuer has given out, put together so that no scanner takes this file for a leak. */
const tokens: Record<keyof typeof TOKEN_FORMS, string[]> = {
  'JSON Web Token': [
    `eyJ${letters(20)}.eyJ${letters(30)}.${letters(40)}`,
    `eyJ${letters(20)}.${letters(30)}.`,
    `eyJ${letters(20)}..${letters(16)}.x.y`.replace('..', `.${letters(9)}.`),
  ],
  PASETO: [`v4.public.${letters(60)}`, `v2.local.${letters(60)}.${letters(12)}`],
  'age key': [`AGE-SECRET-KEY-1${upper(58)}`],
  'password hash': [`$2b$12$${letters(53)}`, `$6$salt$${letters(80)}`, `$argon2id$v=19$m=65536,t=3,p=4$${letters(22)}$${letters(43)}`],
  GitHub: [
    `ghp_${letters(36)}`,
    `gho_${letters(36)}`,
    `ghs_${letters(36)}`,
    `ghu_${letters(36)}`,
    `ghr_${letters(36)}`,
    `github_pat_${letters(22)}_${letters(59)}`,
  ],
  GitLab: [`glpat-${letters(20)}`, `gldt-${letters(20)}`, `glrt-${letters(20)}`, `glptt-${hex(40)}`, `glcbt-64_${letters(20)}`],
  Bitbucket: [`ATBB${letters(32)}`, `ATCTT3${letters(60)}=AB12CD34`],
  npm: [`npm_${letters(36)}`],
  PyPI: [`pypi-AgEIcHlwaS5vcmc${letters(60)}`],
  RubyGems: [`rubygems_${hex(48)}`],
  'crates.io': [`cio${letters(32)}`],
  NuGet: [`oy2${letters(43, 'abcdefghij234567')}`],
  Docker: [`dckr_pat_${letters(27)}`],
  Artifactory: [`AKCp${letters(69)}`],
  CircleCI: [`CCIPAT_${letters(22)}_${hex(40)}`],
  Buildkite: [`bkua_${hex(40)}`],
  'AWS access key id': [`AKIA${upper(16)}`, `ASIA${upper(16)}`],
  'Google API key': [`AIza${letters(35)}`],
  'Google OAuth': [`ya29.${letters(60)}`, `GOCSPX-${letters(28)}`],
  'Azure client secret': [`abc8Q~${letters(34)}`],
  'Alibaba Cloud': [`LTAI${letters(20)}`],
  'Tencent Cloud': [`AKID${letters(32)}`],
  'Yandex Cloud': [`AQVN${letters(36)}`, `y0_${letters(50)}`],
  DigitalOcean: [`dop_v1_${hex(64)}`, `doo_v1_${hex(64)}`],
  Heroku: [`HRKU-${hex(8)}-${hex(4)}-${hex(4)}-${hex(12)}`],
  'Fly.io': [`fo1_${letters(43)}`, `fm2_${letters(60)}==`],
  Netlify: [`nfp_${letters(36)}`],
  Supabase: [`sbp_${hex(40)}`, `sb_secret_${letters(31)}`],
  PlanetScale: [`pscale_tkn_${letters(43)}`],
  Databricks: [`dapi${hex(32)}-2`],
  'HashiCorp Vault': [`hvs.${letters(24)}`, `hvb.${letters(60)}`],
  'Terraform Cloud': [`${letters(14)}.atlasv1.${letters(64)}`],
  Pulumi: [`pul-${hex(40)}`],
  Doppler: [`dp.pt.${letters(43)}`, `dp.st.prd.${letters(40)}`],
  Tailscale: [`tskey-auth-${letters(12)}-${letters(32)}`],
  '1Password': [`ops_eyJ${letters(100)}`],
  'OpenAI, Anthropic and alike': [
    `sk-${letters(48)}`,
    `sk-proj-${letters(48)}`,
    `sk-ant-api03-${letters(60)}`,
    `sk-or-v1-${hex(64)}`,
    `sk-svcacct-${letters(48)}`,
  ],
  'Hugging Face': [`hf_${letters(34)}`, `api_org_${letters(34)}`],
  Replicate: [`r8_${letters(37)}`],
  Groq: [`gsk_${letters(52)}`],
  xAI: [`xai-${letters(80)}`],
  Perplexity: [`pplx-${letters(48)}`],
  Stripe: [`sk_live_${letters(24)}`, `sk_test_${letters(24)}`, `rk_live_${letters(24)}`, `whsec_${letters(32)}`],
  Square: [`sq0csp-${letters(43)}`, `EAAA${letters(60)}`],
  PayPal: [`access_token$production$${letters(16)}$${hex(32)}`],
  Shopify: [`shpat_${hex(32)}`, `shpss_${hex(32)}`],
  SendGrid: [`SG.${letters(22)}.${letters(43)}`],
  Mailgun: [`key-${hex(32)}`],
  Mailchimp: [`${hex(32)}-us12`],
  Brevo: [`xkeysib-${hex(64)}-${letters(16, 'abcdef012345')}`],
  Resend: [`re_${letters(8)}_${letters(24)}`],
  Twilio: [`SK${hex(32)}`],
  Slack: [
    `xoxb-${letters(12, '0123456789')}-${letters(24)}`,
    `xoxp-1-2-3-${hex(32)}`,
    `xoxe.xoxp-1-${letters(60)}`,
    `xapp-1-A01-${letters(12, '0123456789')}-${hex(64)}`,
  ],
  'Discord bot': [`M${letters(25)}.${letters(6)}.${letters(38)}`],
  'Telegram bot in a URL': [`bot123456789:AA${letters(33)}`],
  'Telegram bot': [`123456789:AA${letters(33)}`],
  Facebook: [`EAAC${letters(90)}`],
  Atlassian: [`ATOA${letters(60)}`],
  Linear: [`lin_api_${letters(40)}`],
  Notion: [`ntn_${letters(46)}`, `secret_${letters(43)}`],
  Airtable: [`pat${letters(14)}.${hex(64)}`],
  Figma: [`figd_${letters(40)}`],
  Postman: [`PMAK-${hex(24)}-${hex(34)}`],
  Dropbox: [`sl.${letters(130)}`],
  Sentry: [`sntrys_${letters(60)}`],
  Grafana: [`glsa_${letters(32)}_${hex(8)}`, `glc_${letters(60)}`],
  'New Relic': [`NRAK-${upper(27)}`],
  Dynatrace: [`dt0c01.${upper(24)}.${upper(64)}`],
  PostHog: [`phc_${letters(43)}`, `phx_${letters(43)}`],
};

const placed: Record<keyof typeof PLACED_FORMS, [string, string][]> = {
  'query parameter': [
    ['GET /v1?key=hunter2xyz&n=1', 'GET /v1?key=[redacted]&n=1'],
    ['https://h/cb?code=4%2F0AX4xyz&state=1', 'https://h/cb?code=[redacted]&state=1'],
    ['https://h/c?sv=2020&amp;sig=abc%2Bdef%3D', 'https://h/c?sv=2020&amp;sig=[redacted]'],
    ['https://h/#access_token=xyz123abc&token_type=bearer', 'https://h/#access_token=[redacted]&token_type=bearer'],
  ],
  'signed request': [
    [`https://s3/x?X-Amz-Signature=${hex(64)}&a=1`, 'https://s3/x?X-Amz-Signature=[redacted]&a=1'],
    [`SignedHeaders=host, Signature=${hex(64)}`, 'SignedHeaders=host, Signature=[redacted]'],
  ],
  'signed URL': [
    ['?X-Amz-Credential=EXAMPLEKEYID%2F20260101%2Fus&b', '?X-Amz-Credential=[redacted]&b'],
    ['?X-Amz-Security-Token=FwoGZXIvYXdz&b', '?X-Amz-Security-Token=[redacted]&b'],
    [`?X-Goog-Signature=${hex(64)}`, '?X-Goog-Signature=[redacted]'],
  ],
  'Google refresh token': [[`"refresh": "1//0${letters(40)}"`, '"refresh": "[redacted]"']],
  'URL path of a web hook': [
    ['POST https://hooks.slack.com/services/T0001/B0001/abcDEF', 'POST https://hooks.slack.com/services/[redacted]'],
    ['https://discord.com/api/webhooks/123/abc-DEF failed', 'https://discord.com/api/webhooks/[redacted] failed'],
  ],
  'password in a Go DSN': [['open app:hunter2@tcp(db:3306)/x', 'open app:[redacted]@tcp(db:3306)/x']],
  'curl --user': [
    ['curl -u alice:hunter2 https://h', 'curl -u alice:[redacted] https://h'],
    ["curl --user 'alice:hunter2' https://h", "curl --user 'alice:[redacted]' https://h"],
  ],
  'sshpass -p': [['sshpass -p hunter2 ssh root@h', 'sshpass -p [redacted] ssh root@h']],
  'mysql -p': [['mysql -h db -u root -phunter2 app', 'mysql -h db -u root -p[redacted] app']],
  netrc: [['machine h login alice password hunter2', 'machine h login alice password [redacted]']],
};

const named: [string, string][] = [
  ['password=hunter2 rest', 'password=[redacted] rest'],
  ['PGPASSWORD=hunter2 psql', 'PGPASSWORD=[redacted] psql'],
  ['Password: hunter2', 'Password: [redacted]'],
  ['password: correct horse', 'password: [redacted] horse'],
  ['  db_password : "hunter2",', '  db_password : [redacted],'],
  ['{"apiKey": "abc def", "n": 1}', '{"apiKey": [redacted], "n": 1}'],
  ['{\\"password\\":\\"hunter2\\",\\"n\\":1}', '{\\"password\\":[redacted],\\"n\\":1}'],
  ["{ user: 'a', pass: 'hunter2' }", "{ user: 'a', pass: [redacted] }"],
  ['SMTP_PASS=hunter2', 'SMTP_PASS=[redacted]'],
  ['smtp.pass: hunter2', 'smtp.pass: [redacted]'],
  ['passwd=hunter2', 'passwd=[redacted]'],
  ['passphrase: "open sesame"', 'passphrase: [redacted]'],
  ['Server=h;User Id=sa;Pwd=hunter2;App=x', 'Server=h;User Id=sa;Pwd=[redacted];App=x'],
  ['Server=h;Password=hunter2;', 'Server=h;Password=[redacted];'],
  ['AccountName=x;AccountKey=abc+/123==;EndpointSuffix=y', 'AccountName=x;AccountKey=[redacted];EndpointSuffix=y'],
  ['Endpoint=sb://h/;SharedAccessKeyName=n;SharedAccessKey=abc123=', 'Endpoint=sb://h/;SharedAccessKeyName=n;SharedAccessKey=[redacted]'],
  ['SECRET_KEY_BASE=abc123', 'SECRET_KEY_BASE=[redacted]'],
  ['DB_PW=hunter2', 'DB_PW=[redacted]'],
  ['otpauth://totp/Acme:bob?secret=JBSWY3DPEHPK3PXP&n=1', 'otpauth://totp/Acme:bob?secret=[redacted]&n=1'],
  ['oauth://x?token=abc123def', 'oauth://x?token=[redacted]'],
  ['token: options.password=hunter2x9', 'token: options.password=[redacted]'],
  ['\u001B[1mpassword\u001B[0m: hunter2x9', 'password: [redacted]'],
  ["{ password: \u001B[32m'hunter2x9'\u001B[39m }", '{ password: [redacted] }'],
  ['SIGNING_KEY=abc123', 'SIGNING_KEY=[redacted]'],
  ['signingKey: "abc123"', 'signingKey: [redacted]'],
  ['ENCRYPTION_KEY=abc123', 'ENCRYPTION_KEY=[redacted]'],
  ['AWS_SECRET_ACCESS_KEY=abc/123+x', 'AWS_SECRET_ACCESS_KEY=[redacted]'],
  ['aws_session_token = abc/123+x', 'aws_session_token = [redacted]'],
  ['STORAGE_KEY_BASE64=abc123', 'STORAGE_KEY_BASE64=[redacted]'],
  ['client_secret=abc123&grant=x', 'client_secret=[redacted]&grant=x'],
  ['clientSecret: `abc123`', 'clientSecret: [redacted]'],
  ['//registry.example/:_authToken=abc123', '//registry.example/:_authToken=[redacted]'],
  ['_auth=YWxpY2U6aHVudGVyMg==', '_auth=[redacted]'],
  ['//registry.example/:_password=aHVudGVyMg==', '//registry.example/:_password=[redacted]'],
  ['REDISCLI_AUTH=hunter2', 'REDISCLI_AUTH=[redacted]'],
  ['refresh_token=abc123', 'refresh_token=[redacted]'],
  ['"id_token":"abc123"', '"id_token":[redacted]'],
  ["githubToken: 'abc123'", 'githubToken: [redacted]'],
  ["'password' => 'hunter2'", "'password' => [redacted]"],
  ['password := "hunter2"', 'password := [redacted]'],
  ["env['API_KEY'] = 'abc123'", "env['API_KEY'] = [redacted]"],
  ['API key: abc123', 'API key: [redacted]'],
  ['x-api-key: abc123', 'x-api-key: [redacted]'],
  ['X-Auth-Token: abc123', 'X-Auth-Token: [redacted]'],
  ['X-Vault-Token: abc123', 'X-Vault-Token: [redacted]'],
  ['PHPSESSID=abc123; path=/', 'PHPSESSID=[redacted]; path=/'],
  ['otp=123456', 'otp=[redacted]'],
  ['password%3Dhunter2', 'password%3D[redacted]'],
  ['<password>hunter2</password>', '<password>[redacted]</password>'],
  ['<ns:ClientSecret type="x">abc</ns:ClientSecret>', '<ns:ClientSecret type="x">[redacted]</ns:ClientSecret>'],
  ['run --password hunter2 --verbose', 'run --password [redacted] --verbose'],
  ['run --db-password=hunter2', 'run --db-password=[redacted]'],
  ['run --token abc123', 'run --token [redacted]'],
  ['run --api-key abc123', 'run --api-key [redacted]'],
  ["[ '--password', 'hunter2' ]", "[ '--password', '[redacted]' ]"],
  ['["--token","abc123"]', '["--token","[redacted]"]'],
];

const lists: [string, string][] = [
  ["passwords: [ 'hunter2', 'hunter3' ], n: 1", 'passwords: [ [redacted], [redacted] ], n: 1'],
  ['{"tokens":["abc","def"],"n":1}', '{"tokens":[[redacted],[redacted]],"n":1}'],
  ["'set-cookie': [ 'a=1; Path=/', 'sid=abc; Path=/' ]", "'set-cookie': [ [redacted], [redacted] ]"],
  ['API_KEYS=abc123def,n=1', 'API_KEYS=[redacted],n=1'],
  ['cookie=theme=dark; sid=abc123 status=200', 'cookie=[redacted]; [redacted] status=200'],
  ["tokens: [\n  'abc',\n  'def'\n],\nn: 'x'", "tokens: [\n  [redacted],\n  [redacted]\n],\nn: 'x'"],
  ['{"password": "a[b", "n": "c"}', '{"password": [redacted], "n": "c"}'],
  ["tokens: [\n  \u001B[32m'abc'\u001B[39m,\n]", 'tokens: [\n  [redacted],\n]'],
];

const pairs: [string, string][] = [
  ['{"name":"DB_PASSWORD","value":"hunter2"}', '{"name":"DB_PASSWORD","value":[redacted]}'],
  ['{\\"name\\":\\"DB_PASSWORD\\",\\"value\\":\\"hunter2\\"}', '{\\"name\\":\\"DB_PASSWORD\\",\\"value\\":[redacted]}'],
  ["[ { name: 'A', value: 'x' }, { name: 'apiKey', value: 'abc' } ]", "[ { name: 'A', value: 'x' }, { name: 'apiKey', value: [redacted] } ]"],
  ['{"value":"hunter2","name":"DB_PASSWORD"}', '{"value":[redacted],"name":"DB_PASSWORD"}'],
  ['{"ParameterKey":"DbPassword","ParameterValue":"hunter2"}', '{"ParameterKey":"DbPassword","ParameterValue":[redacted]}'],
  ['{"Name":"/prod/db/password","Type":"SecureString","Value":"x y"}', '{"Name":"/prod/db/password","Type":"SecureString","Value":[redacted]}'],
  ['<add key="Password" value="hunter2"/>', '<add key="Password" value=[redacted]/>'],
  ['<property name="password">hunter2</property>', '<property name="password">[redacted]</property>'],
  ['- name: DB_PASSWORD\n  value: hunter2\n- name: A\n  value: x', '- name: DB_PASSWORD\n  value: [redacted]\n- name: A\n  value: x'],
  ['  "Name": "token",\n  "Type": "String",\n  "Value": "abc",\n', '  "Name": "token",\n  "Type": "String",\n  "Value": [redacted],\n'],
];

const headers: [string, string][] = [
  ['Authorization: Bearer abc.def', 'Authorization: [redacted]'],
  ['authorization: token abc123', 'authorization: [redacted]'],
  ['> Authorization: Basic YWxpY2U6aHVudGVyMg==', '> Authorization: [redacted]'],
  ['Authorization: Digest username="a", response="abc"', 'Authorization: [redacted]'],
  ['Authorization: abc123def456', 'Authorization: [redacted]'],
  ['Proxy-Authorization: Basic YWxpY2U6aHVudGVyMg==', 'Proxy-Authorization: [redacted]'],
  ['Cookie: sid=abc; theme=dark', 'Cookie: [redacted]'],
  ['Set-Cookie: sid=abc; HttpOnly', 'Set-Cookie: [redacted]'],
  ["curl -H 'Authorization: Bearer abc' https://h", "curl -H 'Authorization: [redacted]' https://h"],
  ["{ authorization: 'Bearer abc' }", '{ authorization: [redacted] }'],
  ["'set-cookie': [ 'sid=abc; Path=/' ]", "'set-cookie': [ [redacted] ]"],
  ["rawHeaders: [ 'Authorization', 'Bearer abc' ]", "rawHeaders: [ 'Authorization', '[redacted]' ]"],
  ['sent Bearer s3cr3t-value', 'sent Bearer [redacted]'],
  ['with bearer abcdefghijklmnopqrstuvwxyz', 'with bearer [redacted]'],
  ['sent Basic YWxpY2U6aHVudGVyMg==', 'sent Basic [redacted]'],
];

const urls: [string, string][] = [
  ['connect postgres://app:s3cret@db/x', 'connect postgres://app:[redacted]@db/x'],
  ['redis://:hunter2@h:6379/0', 'redis://:[redacted]@h:6379/0'],
  ['mongodb+srv://u:p%40ss@c.example.net', 'mongodb+srv://u:[redacted]@c.example.net'],
  ['amqp://u:p@ss@mq/v', 'amqp://u:[redacted]@mq/v'],
  ['postgres://u:pa/ss@db/x', 'postgres://u:[redacted]@db/x'],
  ['https://u:p@h/path', 'https://u:[redacted]@h/path'],
  ['git clone https://abc123@github.com/o/r', 'git clone https://[redacted]@github.com/o/r'],
  ['git+https://x-access-token:abc@github.com/o/r', 'git+https://x-access-token:[redacted]@github.com/o/r'],
];

const key = ['-----BEGIN RSA PRIVATE KEY-----', letters(64), letters(64), `${letters(30)}==`, '-----END RSA PRIVATE KEY-----'];

describe('a secret is struck out', () => {
  test('each row of the tables has an example', () => {
    expect(Object.keys(tokens).toSorted()).toEqual(Object.keys(TOKEN_FORMS).toSorted());
    expect(Object.keys(placed).toSorted()).toEqual(Object.keys(PLACED_FORMS).toSorted());
  });

  test.each(Object.entries(tokens).flatMap(([name, examples]) => examples.map((example) => [name, example] as const)))('%s: %s', (_, token) => {
    expect(redact(`got ${token} from it`)).toBe('got [redacted] from it');
    expect(redact(token)).toBe('[redacted]');
    expect(redact(`("${token}")`)).toBe('("[redacted]")');
  });

  test.each([...Object.values(placed).flat(), ...named, ...lists, ...pairs, ...headers, ...urls])('%s', (text, clean) => {
    expect(redact(text)).toBe(clean);
  });

  test.each(['RSA PRIVATE KEY', 'PRIVATE KEY', 'ENCRYPTED PRIVATE KEY', 'EC PRIVATE KEY', 'OPENSSH PRIVATE KEY', 'PGP PRIVATE KEY BLOCK'])(
    '%s',
    (kind) => {
      const [, one, two, three] = key;
      const text = ['before', `-----BEGIN ${kind}-----`, one, two, three, `-----END ${kind}-----`, 'after'];
      const clean = redact(text.join('\n'));
      expect(clean.split('\n').filter((line) => line !== '[redacted]')).toEqual(['before', 'after']);
      expect(redact(text.join('\\n'))).toBe('before\\n[redacted]\\nafter');
      expect(redact(`key: "${text.slice(1, 6).join('\\n')}"`)).not.toContain(one);
    },
  );

  test('a private key whose first lines were cut off, or whose last ones are not there', () => {
    expect(redact(key.slice(2).join('\n'))).toBe('[redacted]\n[redacted]\n[redacted]');
    expect(redact(`started:\n${key.slice(1).join('\n')}\nended`)).toBe('started:\n[redacted]\n[redacted]\n[redacted]\n[redacted]\nended');
    expect(redact(`${key.slice(0, 3).join('\n')}\nError: next`)).toBe('[redacted]\n[redacted]\n[redacted]\nError: next');
    expect(redact(`${letters(40)}==\\n-----END PRIVATE KEY-----\\nx`)).toBe('[redacted]\\nx');
  });

  test('a private key that comes line by line, some of them unseen', () => {
    const redactor = new Redactor();
    expect(redactor.line('before')).toBe('before');
    redactor.pass(key[0]!);
    expect(key.slice(1).map((line) => redactor.line(line))).toEqual(['[redacted]', '[redacted]', '[redacted]', '[redacted]']);
    expect(redactor.line('after')).toBe('after');
    const [first, ...others] = key;
    const underName = ['name: tls-secret', `  value: ${first}`, ...others, 'after'].map((line) => redactor.line(line));
    expect(underName).toEqual(['name: tls-secret', '  value: [redacted]', ...others.map(() => '[redacted]'), 'after']);
    redactor.line(key[0]!);
    redactor.pass(key[1]!);
    redactor.pass('Error: it was cut off');
    expect(redactor.line(letters(64))).toBe(letters(64));
  });

  test('in the values of JSON: under secret names, and in any text', () => {
    const fields = {
      user: 'alice',
      password: 'hunter2',
      n: 1,
      none: null,
      deep: [{ apiKey: 'abc', url: 'redis://:x@h' }],
      'set-cookie': ['a=b'],
      token: 5,
      max_tokens: '4096',
      secrets: ['a', 'b'],
      env: [
        { name: 'DB_PASSWORD', value: 'hunter2' },
        { name: 'HOME', value: '/root' },
      ],
    };
    expect(redactValue(fields)).toEqual({
      user: 'alice',
      password: '[redacted]',
      n: 1,
      none: null,
      deep: [{ apiKey: '[redacted]', url: 'redis://:[redacted]@h' }],
      'set-cookie': ['[redacted]'],
      token: 5,
      max_tokens: '4096',
      secrets: ['[redacted]', '[redacted]'],
      env: [
        { name: 'DB_PASSWORD', value: '[redacted]' },
        { name: 'HOME', value: '/root' },
      ],
    });
  });
});

describe('what is no secret stays as it is', () => {
  test.each([
    'TypeError: token is not a function\n    at tokenize (lexer.js:3:7)\n  the secretary said: passwords expire',
    'SyntaxError: Unexpected token \'}\', "{}}" is not valid JSON',
    'SyntaxError: Unexpected token: punc (})',
    'Unexpected token: name (foo)',
    'JsonWebTokenError: invalid token',
    'Error: invalid token: unexpected end of input',
    'ExpiredToken: The provided token has expired.',
    'InvalidClientTokenId: The security token included in the request is invalid',
    '    const token = readToken(input);',
    '    const password = config.password;',
    '  token = tokens[index];',
    '  this.token = this.lexer.token;',
    'if (token === undefined) throw new Error("no token");',
    'token => token.value',
    'function login(user: string, password: string): Promise<void>',
    'interface Options { password?: string; token: string; secret: string | null }',
    'password: must be at least 8 characters',
    'password: Required',
    'token: expected string, received undefined',
    'plugins.hello.options.token: expected a string, got nothing',
    '"password": null, "token": true, "secret": ""',
    'password=${DB_PASSWORD} token=$TOKEN secret=<secret>',
    'password: ******** token: [redacted]',
    'run with --password <password> or --token TOKEN_FILE',
    '--no-password is the default',
    '--password is required',
    'use --token to authenticate',
    "fetch(url, { credentials: 'include' })",
    'tokens: 128, max_tokens=4096, eos_token: </s>',
    'pass: 12, fail: 0',
    '"tokens":"128", --max-tokens 4096, passwords: three of them',
    '{"name":"HOME","value":"/root"}',
    "{ type: 'Field', name: 'author', value: 'alice' }",
    '- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef:\n      name: db\n',
    "names: [\n  'a',\n  'b'\n]",
    '<item name="user">alice</item>',
    '# pass 12',
    'compass: north, bypass=true, author: alice, authority=high, keyboard: us',
    'primaryKey: id, cacheKey=user:42, key: value',
    'the cookie: it crumbles',
    'Authorization: denied by policy',
    'authorization: required',
    'auth: failed for user alice',
    'Bearer token is missing',
    'Bearer authentication is not supported',
    'Basic authentication failed',
    'basic TypeScript support',
    'Server listening on http://localhost:3000/users?email=a@b.example',
    'http://127.0.0.1:8080/@scope/pkg',
    'https://registry.example/@scope/pkg/-/pkg-1.0.0.tgz',
    'ssh://git@github.com/o/r.git and git@github.com:o/r.git',
    'at file:///srv/app/index.js:12:34',
    'GET /v1?keyword=x&encode=1&decoded=2 200',
    'exit code=1, code: ERR_X, ?n=1',
    'docker run -u 1000:1000 image',
    'sort -u a b',
    'mysql -h db -u root -p app',
    'sha512-abcdefghijklmnopqrstuvwxyz0123456789+/abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXY==',
    '3f786850e387550fdab836ed7e6dc881de23001b and 550e8400-e29b-41d4-a716-446655440000',
    '2026-11-26T01:20:20.000Z hello@1.0.0[42] listening: pid 42, port 8080',
    'sk-learn, task-list, ask-me, risk-averse',
    '-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJ\n-----END CERTIFICATE-----',
    '-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END PUBLIC KEY-----',
    'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGh0dHBzOi8v alice@h',
    '----- a heading -----\n\tétoile 世界 👩‍👩‍👧\nnext',
    'rows: 3 | took: 4 ms | cache=hit ratio=0.5',
  ])('%s', (text) => {
    expect(redact(text)).toBe(text);
  });
});

test('what a terminal would obey is spelled out; lines, tabs and letters of any language stay', () => {
  expect(redact('\u001b[31mred\u0007\u0000\u009b\u202e\tétoile 世界\nnext\r')).toBe('\\x1b[31mred\\x07\\x00\\x9b\\u202e\tétoile 世界\nnext\\r');
});

describe('takes time linear in the text', () => {
  const parts = [
    'a-',
    'a.',
    'a:',
    'a=',
    ':=',
    '://',
    'a://',
    '://a:',
    '@',
    'x@',
    '"',
    "'",
    '\\"',
    'password',
    'password=',
    'password="',
    "token: '",
    '--token ',
    '-',
    '-----',
    '-----BEGIN PRIVATE KEY-----',
    'A',
    'a',
    ' ',
    '\n',
    '=',
    '?key=',
    '<password>',
    '<',
    '[',
    'eyJ',
    'eyJa.',
    '-eyJ',
    '-eyJaaaaaaaa',
    '+',
    ',+',
    '\\n',
    'token=options.',
    'v4.public.',
    'sk-',
    '$2b$12$',
    'bearer ',
    'Authorization: ',
    'login x password ',
    'mysql -p ',
    'mysql ',
    'https://',
    'hooks.slack.com/services/',
    '1'.repeat(32),
    'a:a@',
    'xoxe.',
    'pass:',
    '%3D',
    '\\',
    'api key ',
    "'cookie', ",
    'value="',
    'name="token" value="x',
    'name: token ',
    '\nname: token\nvalue: x ',
    "tokens: ['a', ",
    'cookie=a=1; b=2',
    'tokens: [\n"a"',
    '<a key="token">x</a>',
    'x-a',
  ];
  test.each(parts)('%j, over and over', (part) => {
    const time = (length: number): number => {
      const text = part.repeat(Math.ceil(length / part.length)).slice(0, length);
      const before = process.cpuUsage();
      redact(text);
      // Within a key, and where one may have ended.
      redact(`-----BEGIN PRIVATE KEY-----\n${text}!`);
      redact(`${text}!-----`);
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1_000;
    };
    time(1_000);
    const quick = Math.max(2, Math.min(time(8_000), time(8_000)));
    // Sixteen times the text: linear is 16, quadratic 256. Processor time, as the machine may be busy.
    expect(Math.min(time(128_000), time(128_000), time(128_000))).toBeLessThan(quick * 80);
  });
});
