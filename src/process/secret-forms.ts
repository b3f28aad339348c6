/**
 * The secrets that can be told by their form, one row each: a name, and the pattern of the secret itself.
 * A row stands for what its issuer documents. `test/unit/redact.test.ts` has an example for each row.
 *
 * 1. Each repetition has an upper bound or is followed by nothing, so a line takes time linear in its length.
 */

/** Begins where no letter, digit or underscore stands before it. Case counts. */
export const TOKEN_FORMS: Readonly<Record<string, string>> = {
  // Signed and encrypted tokens.
  // Behind a dash the run may have begun long before: there it is bounded.
  'JSON Web Token': String.raw`(?:(?<!-)eyJ[\w-]{8,}|(?<=-)eyJ[\w-]{8,200})\.[\w-]{2,}\.[\w.-]*`,
  PASETO: String.raw`v[1-4]\.(?:local|public)\.[\w-]{20,}(?:\.[\w-]+)?`,
  'age key': String.raw`AGE-SECRET-KEY-1[A-Z0-9]{20,}`,
  'password hash': String.raw`\$(?:2[abxy]\$\d\d|[156y]|argon2(?:id|i|d))\$[\w./$=,+-]{20,}`,
  // Source code and packages.
  GitHub: String.raw`(?:gh[oprsu]_\w{20,}|github_pat_\w{20,})`,
  GitLab: String.raw`gl(?:agent|cbt|dt|ffct|ft|imt|oas|pat|ptt|rt|soat|wt)-[\w.-]{16,}`,
  Bitbucket: String.raw`(?:ATBB|ATCTT3|ATATT3)[\w=-]{20,}`,
  npm: String.raw`npm_[A-Za-z0-9]{20,}`,
  PyPI: String.raw`pypi-[\w-]{16,}`,
  RubyGems: String.raw`rubygems_[a-f0-9]{32,}`,
  'crates.io': String.raw`cio[A-Za-z0-9]{32}`,
  NuGet: String.raw`oy2[a-z0-9]{43}`,
  Docker: String.raw`dckr_(?:pat|oat)_[\w-]{16,}`,
  Artifactory: String.raw`AKCp[A-Za-z0-9]{40,}`,
  CircleCI: String.raw`CCIPAT_\w{16,}`,
  Buildkite: String.raw`bkua_[a-f0-9]{20,}`,
  // Clouds.
  'AWS access key id': String.raw`(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])`,
  'Google API key': String.raw`AIza[\w-]{20,}`,
  'Google OAuth': String.raw`(?:ya29\.[\w-]{10,}|GOCSPX-[\w-]{16,})`,
  'Azure client secret': String.raw`[\w~.-]{3}[0-9]Q~[\w~.-]{31,34}`,
  'Alibaba Cloud': String.raw`LTAI[A-Za-z0-9]{12,}`,
  'Tencent Cloud': String.raw`AKID[A-Za-z0-9]{32}`,
  'Yandex Cloud': String.raw`(?:AQVN[\w-]{30,}|y[0-3]_[\w-]{30,}|t1\.[A-Z0-9a-z_-]{40,})`,
  DigitalOcean: String.raw`do[opr]_v1_[a-f0-9]{32,}`,
  Heroku: String.raw`HRKU-[\w-]{20,}`,
  'Fly.io': String.raw`(?:fo1_[\w-]{20,}|fm[12]r?_[\w+/=,-]{20,})`,
  Netlify: String.raw`nf[cpu]_[A-Za-z0-9]{20,}`,
  Supabase: String.raw`sb(?:p|_secret)_[\w-]{20,}`,
  PlanetScale: String.raw`pscale_(?:tkn|pw|oauth)_[\w.=-]{20,}`,
  Databricks: String.raw`dapi[a-f0-9]{32}(?:-\d)?`,
  'HashiCorp Vault': String.raw`hv[bsr]\.[\w-]{16,}`,
  'Terraform Cloud': String.raw`[A-Za-z0-9]{14}\.atlasv1\.[\w-]{40,}`,
  Pulumi: String.raw`pul-[a-f0-9]{32,}`,
  Doppler: String.raw`dp\.(?:audit|ct|pt|sa|scim|st)\.[\w.-]{20,}`,
  Tailscale: String.raw`tskey-[a-z]{2,10}-[\w-]{10,}`,
  '1Password': String.raw`ops_eyJ[\w+/=-]{20,}`,
  // Models.
  'OpenAI, Anthropic and alike': String.raw`sk-[\w-]{16,}`,
  'Hugging Face': String.raw`(?:hf_|api_org_)[A-Za-z0-9]{16,}`,
  Replicate: String.raw`r8_[A-Za-z0-9]{20,}`,
  Groq: String.raw`gsk_[A-Za-z0-9]{20,}`,
  xAI: String.raw`xai-[A-Za-z0-9]{20,}`,
  Perplexity: String.raw`pplx-[A-Za-z0-9]{20,}`,
  // Payment, mail and chat.
  Stripe: String.raw`(?:[rs]k_(?:live|test)_\w{8,}|whsec_[\w+/=]{16,})`,
  Square: String.raw`(?:sq0[a-z]{3}-[\w-]{20,}|EAAA[\w-]{50,})`,
  PayPal: String.raw`access_token\$(?:production|sandbox)\$[\w$]{16,}`,
  Shopify: String.raw`shp(?:at|ca|pa|ss)_[a-fA-F0-9]{20,}`,
  SendGrid: String.raw`SG\.[\w-]{10,}\.[\w-]{10,}`,
  Mailgun: String.raw`key-[0-9a-f]{32}`,
  Mailchimp: String.raw`[0-9a-f]{32}-us\d{1,2}`,
  Brevo: String.raw`xkeysib-[a-f0-9-]{32,}`,
  Resend: String.raw`re_[A-Za-z0-9]{6,}_[A-Za-z0-9]{16,}`,
  Twilio: String.raw`SK[0-9a-f]{32}`,
  Slack: String.raw`(?:xox[abeoprs](?:\.xox[bp])?-[\w-]{10,}|xapp-[\w-]{10,})`,
  'Discord bot': String.raw`[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,}`,
  'Telegram bot': String.raw`\d{8,10}:AA[\w-]{30,}`,
  'Telegram bot in a URL': String.raw`bot\d{8,10}:AA[\w-]{30,}`,
  Facebook: String.raw`EAAC[A-Za-z0-9]{40,}`,
  // Work and watching.
  Atlassian: String.raw`ATOA[\w=-]{20,}`,
  Linear: String.raw`lin_(?:api|oauth)_[A-Za-z0-9]{20,}`,
  Notion: String.raw`(?:ntn_[A-Za-z0-9]{20,}|secret_[A-Za-z0-9]{32,})`,
  Airtable: String.raw`pat[A-Za-z0-9]{14}\.[a-f0-9]{32,}`,
  Figma: String.raw`figd_[\w-]{20,}`,
  Postman: String.raw`PMAK-[\w-]{20,}`,
  Dropbox: String.raw`sl\.[\w-]{40,}`,
  Sentry: String.raw`sntry[su]_[\w+/=-]{20,}`,
  Grafana: String.raw`gl(?:c|sa)_[\w+/=]{20,}`,
  'New Relic': String.raw`NR(?:AK|JS|II|RA|AA)-[\w-]{16,}`,
  Dynatrace: String.raw`dt0c01\.[A-Z0-9]{24}\.[A-Z0-9]{32,}`,
  PostHog: String.raw`ph[cx]_[A-Za-z0-9]{20,}`,
};

interface PlacedForm {
  /** A text without which a line cannot hold it. Lines are searched for that first, as it costs little. */
  near: string;
  /** What stands before the secret is group 1, and stays. */
  pattern: RegExp;
}

/** Secrets that are told by what stands before them. */
export const PLACED_FORMS: Readonly<Record<string, PlacedForm>> = {
  'query parameter': {
    near: '=',
    pattern:
      /([?&#;](?:amp;)?(?:access_?key|api_?key|auth|code|hmac|jwt|key|otp|pass|pw|sas|session|sid|sig|sign|signature|ticket|user_?key)=)[^&\s"'<>#]+/gi,
  },
  'signed request': { near: 'ignature=', pattern: /(\bsignature=)[\w%+/=.~-]{16,}/gi },
  'signed URL': { near: 'X-', pattern: /(x-(?:amz|goog|ms)-(?:credential|security-token|signature)=)[^&\s"'<>#]+/gi },
  'URL path of a web hook': {
    near: '://',
    pattern:
      /(:\/\/(?:hooks\.slack\.com\/(?:services|workflows|triggers)|(?:\w+\.)?discord(?:app)?\.com\/api\/webhooks|\w+\.webhook\.office\.com)\/)[\w/@.-]+/gi,
  },
  'password in a Go DSN': { near: '@', pattern: /(\b[\w.-]{1,64}:)[^\s:@/]{1,128}(?=@(?:tcp|unix)\()/g },
  'curl --user': { near: '-u', pattern: /(\s(?:-u|--user|--proxy-user)[ =]["']?[\w.@+-]{0,100}:)(?!\d{1,6}(?!\S))[^\s"']+/g },
  'sshpass -p': { near: 'sshpass', pattern: /(\bsshpass -p ?)["']?[^\s"']+["']?/g },
  'mysql -p': { near: ' -p', pattern: /(\b(?:mariadb|mysql|mysqladmin|mysqldump)\s(?:[^|;]{0,200}\s)?-p)[^\s"']+/g },
  netrc: { near: 'login', pattern: /(\blogin\s{1,8}\S{1,100}\s{1,8}password\s{1,8})\S+/g },
  'Google refresh token': { near: '1//0', pattern: /((?<!\w))1\/\/0[\w-]{20,}/g },
};
