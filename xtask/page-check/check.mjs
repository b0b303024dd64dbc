// The server's page in a real browser: `node xtask/page-check/check.mjs BINARY [FOLDER for pictures]`.
//
// The page streams the repository's video to the repository's model. What is said has to be what the video's annotations say, at its
// times; an eviction has to be seen; a question has to reach the stream; nothing may be wider than the screen or wrong in the console;
// and a session must not stay when the page stops. Says that it was skipped where there is no browser, or no way to drive one.

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { ROOT, ended, startedServer } from "../started-server.mjs";

const VIDEO = "fixtures/workbench/videos/video_000.mp4";
const SECONDS = 30; // of the video that are watched
const LATE = 0.5; // a browser under load skips pictures: a reply may come one frame later
const SCREENS = [
  { name: "wide-light", width: 1280, height: 800, scheme: "light" },
  { name: "phone-dark", width: 390, height: 844, scheme: "dark" },
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

async function watch(browser, address, { name, width, height, scheme }) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: scheme });
  page.on("console", (message) => message.type() === "error" && faults.push(`${name}: console: ${message.text()}`));
  page.on("pageerror", (error) => faults.push(`${name}: ${error}`));
  await page.goto(address);
  await page.click("#demo");
  await page.waitForTimeout(6000);
  await page.fill("#question", "What now?");
  await page.click("#say");
  await page.waitForTimeout((SECONDS - 6) * 1000);
  const said = await lines(page);
  const { messages } = JSON.parse(readFileSync(join(ROOT, "fixtures/workbench/videos/video_000.json"), "utf8"));
  for (const { time, text } of messages.filter(({ time }) => time < SECONDS - 5)) {
    const heard = said.find(([clock, line]) => line === text && seconds(clock) >= time && seconds(clock) <= time + LATE);
    expect(heard, `${name}: ${time} s: ${text}: not in ${JSON.stringify(said)}`);
  }
  expect(said.some(([, line]) => line === "What now?"), `${name}: the question did not reach the stream`);
  expect(Number(await page.textContent("#evictions")) > 0, `${name}: no eviction was seen`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(wide <= 0, `${name}: the page is ${wide} pixels wider than the screen`);
  // Above every probability, the threshold has the assistant speak at every frame.
  const [before, line] = [(await lines(page)).length, await page.locator("#silence").boundingBox()];
  await page.locator("#silence").scrollIntoViewIfNeeded();
  const box = (await page.locator("#silence").boundingBox()) ?? line;
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

const state = mkdtempSync(join(tmpdir(), "page-check-"));
const { child, address } = await startedServer(binary, state, ["--camera", `bench=${VIDEO}`, "--set", "source.realtime=true"]);
const browser = await driver.chromium.launch({
  executablePath: chromium,
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  for (const screen of SCREENS) await watch(browser, address, screen);
  const { data } = await (await fetch(`${address}/v1/streaming/sessions`)).json();
  expect(data.length === 0, `${data.length} sessions stayed`);
} finally {
  await browser.close();
  await ended(child);
  rmSync(state, { recursive: true, force: true });
}
faults.forEach((fault) => console.error(`page: ${fault}`));
console.log(faults.length ? `page: ${faults.length} faults` : `page: ${SCREENS.length} screens, ${SECONDS} s of video each: as expected`);
process.exit(faults.length ? 1 : 0);
