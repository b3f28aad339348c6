/** A child that takes calls, as those see it that hand it calls. */
import type { Instance } from '../instance/instance.ts';

export interface Carrier {
  readonly instance: Instance;
  /** It takes new calls. The dispatcher's to say. */
  isOpen: boolean;
  /** Calls that it has begun. */
  begun: number;
  /** It has begun as many calls as one may. */
  onSpent(): void;
  /** It did not acknowledge a cancel in time. */
  onCancelIgnored(): void;
  /** A call ended on it while it takes no new ones. */
  onLeft(): void;
}
