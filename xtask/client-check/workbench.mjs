// What the checks under load send: the workbench's pictures, to sessions that have its prompt.

import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";

import { ROOT } from "../started-server.mjs";

const VIDEO = "fixtures/workbench/videos/video_000";

export const { system_prompt } = JSON.parse(readFileSync(join(ROOT, `${VIDEO}.json`), "utf8"));

// The pictures of the video at so many a second. ffmpeg cuts them into the folder.
export function pictures(folder, fps) {
  const cut = spawnSync("ffmpeg", ["-loglevel", "error", "-i", join(ROOT, `${VIDEO}.mp4`), "-vf", `fps=${fps}`, join(folder, "%04d.png")]);
  if (cut.status !== 0) throw new Error(`expected ffmpeg: ${cut.stderr}`);
  const names = readdirSync(folder).filter((name) => name.endsWith(".png")).sort();
  return names.map((name) => readFileSync(join(folder, name)));
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });

// A request, and its answer as JSON. What is sent without a type is JSON.
export function ask(address, method, path, body, type = "application/json") {
  return new Promise((answered, failed) => {
    const request = http.request(`${address}${path}`, { method, agent, headers: body && { "content-type": type } }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("error", failed);
      answer.on("end", () => {
        const text = Buffer.concat(parts).toString();
        const isJson = answer.headers["content-type"]?.startsWith("application/json");
        answered({ status: answer.statusCode, body: isJson ? JSON.parse(text) : text });
      });
    });
    request.on("error", failed);
    request.end(body);
  });
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));
