// Reads server-sent events from an answer of the gateway. Knows nothing about what they say.

/** What the gateway answered in place of a stream: an error of its own, told as events tell theirs. */
export class Refused extends Error {
  constructor(fields) {
    super(fields.message ?? "");
    this.fields = fields;
  }
}

/** The events of a call, as [name, fields]; ends when the other side does. Throws Refused, or what fetch throws. */
export async function* eventsOf(path, init) {
  const response = await fetch(path, { cache: "no-store", ...init });
  if (!response.ok || !response.headers.get("content-type")?.startsWith("text/event-stream")) {
    throw new Refused(await response.json().catch(() => ({ kind: "refused", reason: `HTTP ${response.status}` })));
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      held += value;
      const blocks = held.split("\n\n");
      held = blocks.pop();
      for (const block of blocks) {
        const event = parsed(block);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parsed(block) {
  let name = "message";
  let data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data += line.slice(6);
  }
  // A comment is a sign of life and nothing else.
  return data ? [name, JSON.parse(data)] : null;
}
