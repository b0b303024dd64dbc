// The server as a client asks it that nobody here wrote, the npm package openai: `node xtask/client-check/check.mjs BINARY`, after
// `npm install` there.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import OpenAI from "openai";

import { ROOT, ended, startedServer } from "../started-server.mjs";

const [binary] = process.argv.slice(2);
if (!binary) throw new Error("expected a binary");
const faults = [];
const expect = (holds, what) => { if (!holds) faults.push(what); };

const picture = `data:image/jpeg;base64,${readFileSync(join(ROOT, process.argv[3] ?? "fixtures/pictures/exif_long.jpg")).toString("base64")}`;
const asked = (text) => [
  { role: "system", content: "Help with the work." },
  { role: "user", content: [{ type: "text", text }, { type: "image_url", image_url: { url: picture } }] },
];

const state = mkdtempSync(join(tmpdir(), "client-check-"));
const { child, address } = await startedServer(binary, state);
try {
  const client = new OpenAI({ baseURL: `${address}/v1`, apiKey: "none", maxRetries: 0 });
  const { data } = await client.models.list();
  expect(data.length === 1, `models: ${JSON.stringify(data)}`);
  const model = data[0].id;
  const whole = await client.chat.completions.create({ model, messages: asked("What now?"), max_tokens: 16, temperature: 0 });
  const said = whole.choices[0].message.content;
  expect(typeof said === "string" && whole.usage.total_tokens === whole.usage.prompt_tokens + whole.usage.completion_tokens, `whole: ${JSON.stringify(whole)}`);
  const stream = await client.chat.completions.create({
    model, messages: asked("What now?"), max_tokens: 16, temperature: 0, stream: true, stream_options: { include_usage: true },
  });
  let [words, usage] = ["", null];
  for await (const chunk of stream) {
    words += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  expect(words.trim() === said, `streamed ${JSON.stringify(words)}, whole ${JSON.stringify(said)}`);
  expect(usage?.total_tokens === whole.usage.total_tokens, `usage: ${JSON.stringify(usage)}`);
  // A session by its base address.
  const inSession = new OpenAI({ baseURL: `${address}/v1/streaming/sessions/bench`, apiKey: "none", maxRetries: 0 });
  const answers = [];
  for (let number = 0; number < 3; number += 1) {
    answers.push(await inSession.chat.completions.create({ model, messages: asked("What now?"), max_tokens: 16 }));
  }
  expect(new Set(answers.map(({ session }) => session)).size === 1, "one base address has several sessions");
  const [, second] = answers;
  expect(Math.abs(second.usage.prompt_tokens_details.cached_tokens - answers[0].usage.total_tokens) <= 1, `usage: ${JSON.stringify(second.usage)}`);
  const refused = await client.chat.completions.create({ model: "another", messages: asked("?") }).catch((error) => error);
  expect(refused instanceof OpenAI.NotFoundError, `another model: ${refused}`);
} finally {
  await ended(child);
  rmSync(state, { recursive: true, force: true });
}
faults.forEach((fault) => console.error(`openai (npm): ${fault}`));
console.log(faults.length ? `openai (npm): ${faults.length} faults` : "openai (npm): as expected");
process.exit(faults.length ? 1 : 0);
