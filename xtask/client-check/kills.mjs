// A server that is killed under load: `node xtask/client-check/kills.mjs BINARY [SESSIONS 8] [KILLS 50]`.
//
// The sessions are sent the workbench's pictures without a pause. After 0.3 to 1.5 seconds the server is killed with -9, and started again
// on the same folder. Every session has to watch then, and may have lost the frames since its last checkpoint and no others. In the end
// every trace has to have its frames once and in order, and to replay eviction by eviction in `simulate`.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { ended, startedServer } from "../started-server.mjs";
import { ask, pause, pictures, system_prompt } from "./workbench.mjs";

const [binary, sessions = 8, kills = 50] = process.argv.slice(2).map((argument, place) => (place ? Number(argument) : argument));
if (!binary) throw new Error("expected a binary");
const FPS = 2;
const CHECKPOINT_EVERY = 10;

const faults = [];
const expect = (holds, what) => { if (!holds) faults.push(what); };

const folder = mkdtempSync(join(tmpdir(), "kills-"));
const state = join(folder, "state");
const frames = pictures(folder, FPS);
const started = () => startedServer(binary, state, ["-q", "--checkpoint-every", String(CHECKPOINT_EVERY)]);

let server = await started();
let [isUp, isOver, sent, lost] = [true, false, 0, 0];

const order = JSON.stringify({ system_prompt, settings: { "source.policy": "block" } });
const all = await Promise.all(Array.from({ length: sessions }, async () => {
  const { status, body } = await ask(server.address, "POST", "/v1/streaming/sessions", order);
  if (status !== 201) throw new Error(`expected a session: ${JSON.stringify(body)}`);
  return { id: body.id, next: 0 };
}));

// Sends a session its next picture again and again, whichever server there is.
async function push(session) {
  while (!isOver) {
    if (!isUp) {
      await pause(5);
      continue;
    }
    const { next } = session;
    const path = `/v1/streaming/sessions/${session.id}/frames?time=${(next / FPS).toFixed(3)}`;
    const answer = await ask(server.address, "POST", path, frames[next % frames.length], "image/png").catch(() => null);
    // What the server says while it goes down, or behind its end, says nothing.
    if (!answer || !isUp || session.next !== next) continue;
    expect(answer.status === 200, `frame ${next}: ${answer.status} ${JSON.stringify(answer.body)}`);
    expect(answer.body.frames?.[0].index === next, `frame ${next} is ${JSON.stringify(answer.body)}`);
    [session.next, sent] = [next + 1, sent + 1];
    if (faults.length > 20) throw new Error(faults.join("\n"));
  }
}

// Kills the server, and starts the next one.
async function restart(number) {
  isUp = false;
  const gone = new Promise((done) => server.child.once("exit", done));
  server.child.kill("SIGKILL");
  await gone;
  server = await started();
  for (const session of all) {
    const { body } = await ask(server.address, "GET", `/v1/streaming/sessions/${session.id}`);
    expect(body.state === "watching", `kill ${number}: ${JSON.stringify(body)}`);
    const at = body.figures.frames;
    // The frame whose answer did not come may be in.
    expect(at <= session.next + 1 && at > session.next - CHECKPOINT_EVERY - 1, `kill ${number}: at frame ${at}, and ${session.next} were answered`);
    lost += Math.max(0, session.next - at);
    session.next = at;
  }
  isUp = true;
}

const pushing = Promise.all(all.map(push));
try {
  for (let number = 1; number <= kills; number += 1) {
    await pause(300 + Math.random() * 1200);
    await restart(number);
  }
  await pause(1000);
  isOver = true;
  await pushing;
  await ended(server.child);
  for (const { id, next } of all) {
    const trace = join(state, id, "trace.jsonl");
    const indices = readFileSync(trace, "utf8").trim().split("\n").map((line) => JSON.parse(line)).filter(({ event }) => event === "frame").map(({ index }) => index);
    expect(indices.length === next && indices.every((index, place) => index === place), `${id}: ${indices.length} frames of ${next}, or not in order`);
    const replayed = spawnSync(binary, ["simulate", trace], { encoding: "utf8" });
    expect(replayed.status === 0, `${id}: ${replayed.stderr}`);
  }
} finally {
  server.child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
const each = all.map(({ next }) => next);
console.log(`${kills} kills, ${sessions} sessions: ${sent} frames were answered, ${lost} of them were sent again; traces of ${Math.min(...each)} to ${Math.max(...each)} frames`);
faults.forEach((fault) => console.error(`kills: ${fault}`));
console.log(faults.length ? `kills: ${faults.length} faults` : "kills: as expected");
process.exit(faults.length ? 1 : 0);
