// A server that runs for a check, on a port of its own.

import { spawn } from "node:child_process";

export const ROOT = new URL("../", import.meta.url).pathname;

// Starts `binary serve`; tells its address once it listens.
export async function startedServer(binary, state, further = []) {
  const child = spawn(binary, ["serve", "--listen", "127.0.0.1:0", "--state", state, ...further], { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  const address = await new Promise((told, failed) => {
    child.stdout.once("data", (line) => told(line.toString().trim()));
    child.once("exit", (code) => failed(new Error(`the server ended with ${code}`)));
  });
  return { child, address };
}

// Ends the server, and waits until it has written its sessions down.
export function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((done) => {
    child.once("exit", done);
    child.kill();
  });
}
