// Many sessions at once: `node xtask/client-check/load.mjs BINARY [SESSIONS 32] [FRAMES A SECOND 2] [SECONDS 600] [SLOW READERS 8]`.
//
// Every session is sent the workbench's pictures at its pace. Beside them are readers of events who never read. Printed are frames, drops,
// refusals, the percentiles of the time from a picture's first byte to its answer, and the server's memory over time.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startedServer } from "../started-server.mjs";
import { ask, pause, pictures, system_prompt } from "./workbench.mjs";

const [binary, sessions = 32, fps = 2, seconds = 600, slow = 8] =
  process.argv.slice(2).map((argument, place) => (place ? Number(argument) : argument));
if (!binary) throw new Error("expected a binary");

const folder = mkdtempSync(join(tmpdir(), "load-"));
const frames = pictures(folder, fps);
const { child, address } = await startedServer(binary, join(folder, "state"), ["--max-sessions", "64"]);
const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))[1]) / 1024;
const [times, counts, statuses] = [[], { frames: 0, dropped: 0, replies: 0, evictions: 0 }, {}];
const began = performance.now();

async function watch(number) {
  const opened = await ask(address, "POST", "/v1/streaming/sessions", JSON.stringify({ system_prompt }));
  statuses[`open ${opened.status}`] = (statuses[`open ${opened.status}`] ?? 0) + 1;
  if (opened.status !== 201) return;
  const { id } = opened.body;
  if (number < slow) {
    const { hostname, port } = new URL(address);
    const reader = net.connect(Number(port), hostname);
    reader.on("error", () => {});
    reader.pause();
    reader.write(`GET /v1/streaming/sessions/${id}/events HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`);
  }
  for (let frame = 0; performance.now() - began < seconds * 1000; frame += 1) {
    const due = began + ((frame + number / sessions) * 1000) / fps;
    if (due > performance.now()) await pause(due - performance.now());
    const sent = performance.now();
    const path = `/v1/streaming/sessions/${id}/frames?time=${(frame / fps).toFixed(3)}`;
    const { status, body } = await ask(address, "POST", path, frames[frame % frames.length], "image/png");
    statuses[status] = (statuses[status] ?? 0) + 1;
    if (status !== 200) continue;
    times.push(performance.now() - sent);
    for (const result of body.frames) {
      counts.frames += 1;
      counts.dropped += result.dropped ? 1 : 0;
      counts.replies += result.reply ? 1 : 0;
      counts.evictions += result.evictions.length;
    }
  }
}

const grown = [];
const sampling = setInterval(() => grown.push(memory()), Math.max(1000, (seconds * 1000) / 20));
try {
  await Promise.all(Array.from({ length: sessions }, (_, number) => watch(number)));
} finally {
  clearInterval(sampling);
  grown.push(memory());
  child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
times.sort((one, other) => one - other);
const share = (part) => times[Math.min(times.length - 1, Math.floor(part * times.length))]?.toFixed(1);
console.log(`${sessions} sessions at ${fps} frames a second for ${seconds} s, ${slow} readers that never read`);
console.log(JSON.stringify({ ...counts, statuses }));
console.log(`answer after p50 ${share(0.5)}, p95 ${share(0.95)}, p99 ${share(0.99)}, at most ${share(1)} ms`);
console.log(`memory over time, MiB: ${grown.map((size) => size.toFixed(0)).join(" ")}`);
process.exit(statuses[500] || counts.dropped ? 1 : 0);
