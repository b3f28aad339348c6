/** What a seat is given by its deployment, and tells it. */
import type { ChameleonError } from '../errors.ts';
import type { Claim } from '../instance/spares.ts';
import type { InstanceEnd, Readiness } from '../instance/state.ts';
import type { Carrier } from './carrier.ts';
import type { DeploymentOptions, Verdict } from './deployment-state.ts';

export interface SeatOptions {
  deployment: DeploymentOptions;
  /** From 0: a child has that of the one whose place it takes. */
  number: number;
  /** For its first child: what the version before handed over. */
  state: unknown;
  claim: Claim;
  /** Its next start goes before those of plugins that have not served yet. */
  isUrgent(): boolean;
  /** A start that fails is the last one. */
  isTried(): boolean;
  /** From now on it takes calls. */
  onUp(carrier: Carrier, readiness: Readiness): void;
  /** From now on it takes none. */
  onDown(carrier: Carrier): void;
  /** The instance is dead; `end` has its calls. */
  onEnd(end: InstanceEnd): void;
  /** A start failed, and another one is made. */
  onStartFailed(error: ChameleonError): void;
  onRestart(delayMs: number): void;
  /** Whether it may give up, since no other seat is hoped for. */
  mayGiveUp(): boolean;
  /** Nothing is hoped of it, though it may be tried again slowly. */
  onGivenUp(error: ChameleonError): void;
  onTrouble(verdict: Verdict): void;
}
