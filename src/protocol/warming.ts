/**
 * How a child that waits for its plugin is asked to get ready, and whether it is: before `$/initialize`, as often as one likes.
 * Both ends have these frames byte for byte, so that whoever asks need not decode what else the child has to say.
 */
import { framedText } from './frame.ts';
import { Control } from './messages.ts';

/** No other request has this id. */
const WARM_ID = -1;

export const warmRequest = framedText(`{"jsonrpc":"2.0","id":${WARM_ID},"method":"${Control.warm}"}`);
export const warmAnswer = framedText(`{"jsonrpc":"2.0","id":${WARM_ID},"result":null}`);
