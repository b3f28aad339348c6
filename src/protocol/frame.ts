/** One message as a frame: `Content-Length` framing, on its way out. */
import { bytesOf, textBytes, type Attachment, type Text } from './attachments.ts';
import { WITH_ATTACHMENTS } from './header.ts';

/** The text of one frame. */
export function frame(json: string): string {
  return `Content-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`;
}

/** A frame whose text is followed by bytes that are not copied into it. */
export interface Framed {
  readonly text: string;
  readonly behind: readonly Buffer[];
}

const NOTHING: readonly Buffer[] = [];

export const framedText = (json: string): Framed => ({ text: frame(json), behind: NOTHING });

/** The frame of `before`, `json` and `after`, with attachments where there are any. */
export function framed(before: string, json: Text, after: string, attachments: readonly Attachment[]): Framed {
  if (typeof json === 'string' && attachments.length === 0) return { text: frame(before + json + after), behind: NOTHING };
  const text = Buffer.byteLength(before) + textBytes(json) + Buffer.byteLength(after);
  const header =
    attachments.length === 0
      ? `Content-Length: ${text}\r\n\r\n`
      : `Content-Length: ${text + bytesOf(attachments)}\r\nContent-Type: ${WITH_ATTACHMENTS}; text=${text}\r\n\r\n`;
  const bytes = attachments.map((attachment) => attachment.bytes);
  if (typeof json === 'string') return { text: header + before + json + after, behind: bytes };
  return { text: header + before, behind: [json, Buffer.from(after), ...bytes] };
}
