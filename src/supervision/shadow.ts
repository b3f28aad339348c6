/**
 * Copies of calls, for another version to show what it would answer. Nobody waits for them; what they come to is counted, and a few
 * answers that differ are kept to be looked at.
 */
import type { ShadowOptions, ShadowReport } from '../types.ts';
import { bytesOf, detach, type Attachment } from '../protocol/attachments.ts';
import { Share } from '../resilience/share.ts';
import { cut } from '../util/cut.ts';
import { sameJson } from '../util/same-json.ts';
import type { Call } from './call.ts';
import type { Deployment } from './deployment.ts';

const SAMPLES = 5;
const SAMPLE_LENGTH = 1024;

export class Shadow {
  readonly report: ShadowReport = { calls: 0, failed: 0, differing: 0, samples: [] };
  readonly #other: Deployment;
  readonly #share: Share;
  readonly #compare: boolean;
  readonly #onSent: ((original: Call, copy: Call) => void) | null;

  constructor(
    other: Deployment,
    { percent, compare }: Pick<Required<ShadowOptions>, 'percent' | 'compare'>,
    onSent: ((original: Call, copy: Call) => void) | null = null,
  ) {
    this.#other = other;
    this.#onSent = onSent;
    this.#share = new Share(percent);
    this.#compare = compare;
  }

  /** Whether a copy of a call that goes to `served`, the active version, is to be made. */
  wants(served: Deployment, method: string, key: string | undefined): boolean {
    if (served.dispatcher.methods?.get(method)?.readonly !== true) return false;
    return this.#other.dispatcher.methods?.has(method) === true && this.#share.takes(key);
  }

  send(original: Call, copy: Call): void {
    copy.isCopy = true;
    original.sharesParams = true;
    copy.sharesParams = true;
    this.#other.submit(copy, copy.madeAt);
    this.#onSent?.(original, copy);
    void Promise.allSettled([original.promise, copy.promise]).then(([served, shadowed]) => {
      this.report.calls++;
      if (shadowed.status === 'rejected') this.report.failed++;
      else if (this.#compare && served.status === 'fulfilled' && !sameJson(served.value, shadowed.value)) {
        this.report.differing++;
        if (this.report.samples.length < SAMPLES)
          this.report.samples.push({ method: copy.method, served: sample(served.value), shadowed: sample(shadowed.value) });
      }
    });
  }
}

function sample(value: unknown): string {
  try {
    // Bytes as numbers would be many times what is kept of them.
    const attachments: Attachment[] = [];
    const text = cut(JSON.stringify(detach(value, [], attachments)), SAMPLE_LENGTH);
    return attachments.length === 0 ? text : `${text} (with ${bytesOf(attachments)} bytes)`;
  } catch {
    return '(nests too deep to be shown)';
  }
}
