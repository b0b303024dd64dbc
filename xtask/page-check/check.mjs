// The server's page in a real browser: `node xtask/page-check/check.mjs BINARY [FOLDER for pictures]`.
//
// The page streams the repository's video to the repository's model, first as its demo, then as what a webcam sees: the browser's fake
// camera plays the video. What is said has to be what the video's annotations say, at its times; an eviction has to be seen in the strip; a
// question has to be answered; nothing may be wider than the screen or wrong in the console; and a session must not stay when the page
// stops. Says that it was skipped where there is no browser, or no way to drive one. The webcam needs ffmpeg, which writes its video.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { ROOT, ended, startedServer } from "../started-server.mjs";

const VIDEO = "fixtures/workbench/videos/video_000.mp4";
const SECONDS = 30; // of the video that are watched
const LATE = 0.5; // a browser under load skips pictures: a reply may come one frame later
const APART = 1; // a camera is on before the page sees it, so what it shows may be two frames early or late
const SCREENS = [
  { name: "wide-light", width: 1280, height: 800, scheme: "light", demo: true },
  { name: "phone-dark", width: 390, height: 844, scheme: "dark", demo: true },
  { name: "wide-dark", width: 1280, height: 800, scheme: "dark" },
  { name: "phone-light", width: 390, height: 844, scheme: "light" },
];

const [binary, pictures] = process.argv.slice(2);
const chromium = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/google-chrome"].find((path) => path && existsSync(path));
const driver = await import("playwright-core").catch(() => null);
if (!binary || !chromium || !driver) {
  console.log(`page: skipped: expected ${!binary ? "a binary" : !chromium ? "a Chromium (or CHROMIUM=PATH)" : "npm install in xtask/page-check"}`);
  process.exit(0);
}

const faults = [];
const expect = (holds, what) => { if (!holds) faults.push(what); };

const lines = (page) => page.$$eval("#words li", (all) => all.map((line) => [...line.children].map((part) => part.textContent)));
const seconds = (clock) => clock.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);

const annotations = JSON.parse(readFileSync(join(ROOT, VIDEO.replace(".mp4", ".json")), "utf8"));

async function opened(browser, address, { name, width, height, scheme }) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: scheme });
  page.on("console", (message) => message.type() === "error" && faults.push(`${name}: console: ${message.text()}`));
  page.on("pageerror", (error) => faults.push(`${name}: ${error}`));
  await page.goto(address);
  return page;
}

// How much of the strip is filled, in pixels across its middle. The first pixel is the ground.
const filled = (page) => page.evaluate(() => {
  const { width, height } = document.getElementById("strip");
  const { data } = document.getElementById("strip").getContext("2d").getImageData(3, Math.round(height / 2), width - 6, 1);
  let count = 0;
  for (let at = 0; at < data.length; at += 4) count += [0, 1, 2].some((part) => data[at + part] !== data[part]) ? 1 : 0;
  return count;
});

// Watches what the page shows for SECONDS, with a question in between.
async function watched(page, name, [early, late]) {
  let [least, most, shrank] = [Infinity, 0, false];
  const began = performance.now();
  let isAsked = false;
  while (performance.now() - began < SECONDS * 1000) {
    if (!isAsked && performance.now() - began > 6000) {
      isAsked = true;
      await page.fill("#question", "What now?");
      await page.click("#say");
    }
    const now = await filled(page);
    [most, least] = now > most ? [now, now] : [most, Math.min(least, now)];
    shrank ||= most > 50 && least < 0.8 * most;
    await page.waitForTimeout(200);
  }
  const said = await lines(page);
  for (const { time, text } of annotations.messages.filter(({ time }) => time < SECONDS - 5)) {
    const heard = said.find(([clock, line]) => line === text && seconds(clock) >= time - early && seconds(clock) <= time + late);
    expect(heard, `${name}: ${time} s: ${text}: not in ${JSON.stringify(said)}`);
  }
  expect(said.some(([, line]) => line === "What now?"), `${name}: the question did not reach the stream`);
  expect(Number(await page.textContent("#evictions")) > 0, `${name}: no eviction was told`);
  expect(shrank, `${name}: no eviction was seen in the strip: ${least} of ${most} pixels`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(wide <= 0, `${name}: the page is ${wide} pixels wider than the screen`);
}

async function demo(browser, address, screen) {
  const { name } = screen;
  const page = await opened(browser, address, screen);
  await page.click("#demo");
  await watched(page, name, [0, LATE]);
  // Above every probability, the threshold has the assistant speak at every frame.
  const before = (await lines(page)).length;
  await page.locator("#silence").scrollIntoViewIfNeeded();
  const box = await page.locator("#silence").boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + 60);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2, box.y + 4, { steps: 5 });
  await page.mouse.up();
  await page.waitForTimeout(2500);
  const dragged = Number(await page.inputValue("#threshold"));
  expect(dragged > 0.9, `${name}: the line was dragged to ${dragged}`);
  expect((await lines(page)).length > before, `${name}: the threshold that was dragged changed nothing`);
  if (pictures) await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  await page.click("#stop");
  await page.waitForTimeout(500);
  await page.selectOption("#cameras", "bench");
  await page.waitForSelector("#view:not([hidden])");
  await page.waitForFunction(() => document.getElementById("view").naturalWidth > 0, undefined, { timeout: 10000 });
  if (pictures) await page.screenshot({ path: join(pictures, `${name}-camera.png`), fullPage: true });
  expect(Number(await page.textContent("#frames")) > 0, `${name}: the camera gives no frames`);
  await page.click("#stop");
  await page.waitForTimeout(1000);
  await page.close();
}

async function webcam(browser, address, screen) {
  const name = `${screen.name}-webcam`;
  const page = await opened(browser, address, screen);
  await page.click("#settings summary");
  await page.fill("#prompt", annotations.system_prompt);
  await page.click("#camera");
  await watched(page, name, [APART, APART]);
  if (pictures) await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  await page.click("#stop");
  await page.waitForTimeout(1000);
  await page.close();
}

// The small model was not taught to answer questions. Where it speaks on request alone, it answers each of them.
async function question(browser, address, screen) {
  const name = `${screen.name}-question`;
  const page = await opened(browser, address, screen);
  await page.click("#camera");
  await page.waitForFunction(() => Number(document.getElementById("frames").textContent) > 2, undefined, { timeout: 20000 });
  await page.fill("#question", "What now?");
  await page.press("#question", "Enter");
  const answer = () => {
    const all = [...document.querySelectorAll("#words li:not(#partial)")].map((line) => [line.children[1].className, line.children[1].textContent]);
    const asked = all.findIndex(([kind, text]) => kind === "user" && text === "What now?");
    return asked >= 0 && all.slice(asked).some(([kind, text]) => kind === "" && text);
  };
  await page.waitForFunction(answer, undefined, { timeout: 20000 }).catch(() => faults.push(`${name}: the question is not answered`));
  if (pictures) await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  await page.click("#stop");
  await page.waitForTimeout(1000);
  await page.close();
}

const state = mkdtempSync(join(tmpdir(), "page-check-"));
const { child, address } = await startedServer(binary, join(state, "one"), ["--camera", `bench=${VIDEO}`, "--set", "source.realtime=true"]);
const onRequest = await startedServer(binary, join(state, "other"), ["--set", "stream.talk=on_request"]);
const film = join(state, "webcam.y4m");
const cut = spawnSync("ffmpeg", ["-loglevel", "error", "-i", join(ROOT, VIDEO), "-vf", "fps=20", "-pix_fmt", "yuv420p", film]);
const hasFilm = cut.status === 0;
const browser = await driver.chromium.launch({
  executablePath: chromium,
  args: [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", `--use-file-for-fake-video-capture=${film}`,
  ],
});
try {
  for (const screen of SCREENS.filter(({ demo }) => demo)) await demo(browser, address, screen);
  if (hasFilm) for (const screen of SCREENS) await webcam(browser, address, screen);
  if (hasFilm) for (const screen of SCREENS) await question(browser, onRequest.address, screen);
  if (!hasFilm) console.log("page: the webcam was skipped: expected ffmpeg to write its video");
  for (const server of [address, onRequest.address]) {
    const { data } = await (await fetch(`${server}/v1/streaming/sessions`)).json();
    expect(data.length === 0, `${data.length} sessions stayed`);
  }
} finally {
  await browser.close();
  await Promise.all([ended(child), ended(onRequest.child)]);
  rmSync(state, { recursive: true, force: true });
}
faults.forEach((fault) => console.error(`page: ${fault}`));
const done = `${SCREENS.filter(({ demo }) => demo).length} screens with the demo, ${hasFilm ? SCREENS.length : 0} with a webcam, ${SECONDS} s of video each`;
console.log(faults.length ? `page: ${faults.length} faults` : `page: ${done}: as expected`);
process.exit(faults.length ? 1 : 0);
