// Something like a language model: it says your words backwards, and what that took, in words.

const UNITS_PER_WORD = 100;
const LONGEST = 64 * 1024;

/**
 * Answers `GET ?prompt=…` and `POST {"prompt": "…"}` with `{"answer", "usage"}`, and says in a header what it costs: every
 * word of the prompt and of the answer 100 units, a hundredth of a cent. With `"stream": true` the answer comes word by
 * word as server-sent events, and what it took is known only at the end: the last event has `usage`.
 */
export async function generate(response, request) {
  const asked = request.method === "POST" ? await readJson(request) : { prompt: new URL(request.url, "http://localhost").searchParams.get("prompt") };
  if (asked === undefined) return response.writeHead(400, { "content-type": "text/plain" }).end('the body is to be JSON such as {"prompt": "hello", "stream": true}\n');
  const prompt = words(asked.prompt ?? "");
  const answer = ["You", "said:", ...prompt.toReversed()];
  const usage = { input_tokens: prompt.length, output_tokens: answer.length };
  if (asked.stream !== true) {
    const amount = String(UNITS_PER_WORD * (usage.input_tokens + usage.output_tokens));
    response.writeHead(200, { "content-type": "application/json", "settlement-overrides": JSON.stringify({ amount }) });
    return response.end(JSON.stringify({ answer: answer.join(" "), usage }));
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  const say = (event) => response.write(`data: ${JSON.stringify(event)}\n\n`);
  for (const word of answer) {
    if (response.destroyed) return;
    say({ delta: `${word} ` });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  say({ usage });
  response.end();
}

const words = (text) => String(text).split(/\s+/).filter(Boolean);

/** The body as an object; undefined where it is none, or too long. */
async function readJson(request) {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) {
    text += chunk;
    if (text.length > LONGEST) return undefined;
  }
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
