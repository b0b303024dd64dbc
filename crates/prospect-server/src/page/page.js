"use strict";

const at = (id) => document.getElementById(id);
const SESSIONS = "/v1/streaming/sessions";
const LARGEST_SIDE = 768; // of a picture that is sent, in pixels
const MOST_LINES = 200; // of what was said

const PATIENCE = 8000; // for a server that does not answer, in milliseconds

let live = null; // the session that is watched
let shown = null; // the session whose pictures are drawn: the live one, or the last
const left = new Set(); // sessions that a server was not there to end

// --- the server ---------------------------------------------------------------------------------------------------------

function headers(more = {}) {
  const key = at("key").value.trim();
  return key ? { ...more, authorization: `Bearer ${key}` } : more;
}

async function ask(method, path, body, more = {}) {
  let [answer, text] = [];
  try {
    // A page that is left may still say that it goes.
    const keepalive = method === "DELETE";
    answer = await fetch(path, { method, body, headers: headers(more), keepalive, signal: AbortSignal.timeout(PATIENCE) });
    text = await answer.text();
  } catch {
    throw Object.assign(new Error("The server does not answer."), { isAway: true });
  }
  let json = null;
  try { json = JSON.parse(text); } catch { /* said below */ }
  if (!answer.ok) {
    const error = new Error(json?.error?.message ?? `The server answers ${answer.status}.`);
    error.status = answer.status;
    throw error;
  }
  return json;
}

// Server-sent events by fetch, since EventSource cannot show a key. Comes back by itself, behind the last event that it knows.
async function listen(session) {
  let last = 0;
  while (live === session) {
    try {
      const known = headers({ "last-event-id": String(last) });
      const answer = await fetch(`${SESSIONS}/${session.id}/events`, { headers: known, signal: session.abort.signal });
      if (!answer.ok && answer.status < 500) return;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        rest += value;
        const blocks = rest.split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) {
          const event = { data: "" };
          for (const line of block.split("\n")) {
            const cut = line.indexOf(":");
            if (cut > 0) event[line.slice(0, cut)] = (event[line.slice(0, cut)] || "") + line.slice(cut + 1).replace(/^ /, "");
          }
          if (event.id) last = Number(event.id);
          if (event.data) take(session, JSON.parse(event.data));
        }
      }
      if (session.over) return;
    } catch (error) {
      if (session.abort.signal.aborted) return;
    }
    await new Promise((wait) => setTimeout(wait, 1000));
  }
}

// --- what happens -------------------------------------------------------------------------------------------------------

function take(session, event) {
  switch (event.event) {
    case "run_started":
      [session.strategy, session.cache] = [event.strategy, []];
      setThreshold(session, event.config?.stream?.not_talk_threshold);
      break;
    case "settings_changed":
      session.strategy = event.strategy;
      setThreshold(session, event.settings["stream.not_talk_threshold"]);
      break;
    case "budget": session.budget = event.max_seq_len; break;
    case "message":
      if (event.role === "system" && at("status").textContent === NEW_PROMPT) status("Watching.");
      say(event.time, event.text, event.role === "user" ? "user" : "note");
      break;
    case "words": partial(event.text); break;
    case "reply": partial(null, event); break;
    case "summary": say(event.time, `sums up: ${event.text}`, "note"); break;
    case "overflow":
      session.cache = evicted(session.cache, event);
      session.flash = performance.now();
      at("evictions").textContent = ++session.evictions;
      say(event.time, `cache ${event.tokens_before} → ${event.tokens_after} tokens (${event.strategy})`, "note");
      break;
    case "frame":
      for (const { kind, tokens, continues } of event.segments) {
        const last = session.cache.at(-1);
        if (continues && last) last.tokens += tokens;
        else session.cache.push({ kind, tokens });
      }
      settle(session, event);
      break;
    case "frame_dropped": at("dropped").textContent = ++session.dropped; break;
    case "error": status(event.message, true); break;
    case "run_finished": session.over = true; break;
    case "missed": session.cache = []; say(session.time, `events missed: ${event.events}`, "note"); break;
  }
  draw();
}

// The ledger as an eviction leaves it: the kept slots of the old one, cut at their bounds, then what was put back.
function evicted(cache, { kept, put_back, tokens_after }) {
  const left = [];
  for (const [start, end] of kept) {
    let from = 0;
    for (const { kind, tokens } of cache) {
      const share = Math.min(end, from + tokens) - Math.max(start, from);
      if (share > 0) left.push({ kind, tokens: share });
      from += tokens;
    }
  }
  // Under ProAssist's rules texts are put back with the next frame, whose segments have them.
  const sum = (segments) => segments.reduce((all, { tokens }) => all + tokens, 0);
  if (sum(left) + sum(put_back) === tokens_after) for (const { kind, tokens } of put_back) left.push({ kind, tokens });
  return left;
}

function settle(session, event) {
  session.time = event.time;
  // What a reply left behind belongs to the cache too.
  const known = session.cache.reduce((sum, { tokens }) => sum + tokens, 0);
  let rest = event.cache_tokens - known;
  if (rest > 0) session.cache.push({ kind: known ? "assistant" : "other", tokens: rest });
  // A stateless stream is cut back without an eviction.
  while (rest < 0 && session.cache.length) {
    const last = session.cache.at(-1);
    const share = Math.min(last.tokens, -rest);
    [last.tokens, rest] = [last.tokens - share, rest + share];
    if (!last.tokens) session.cache.pop();
  }
  if (event.not_talk_probability !== undefined) session.silence.push([event.time, event.not_talk_probability, event.spoke]);
  if (session.silence.length > MOST_POINTS) session.silence.shift();
  session.frames += 1;
  session.moments.push(performance.now());
  session.moments = session.moments.filter((moment) => performance.now() - moment < 5000);
  at("frames").textContent = session.frames;
  const age = (session.moments.at(-1) - session.moments[0]) / 1000;
  if (age > 0) at("rate").textContent = ((session.moments.length - 1) / age).toFixed(1);
  const lag = event.pace ? event.pace.lag_ms : event.total_ms;
  at("latency").textContent = `${lag < 10 ? lag.toFixed(1) : Math.round(lag)} ms`;
}

const clock = (time) => `${Math.floor(time / 60)}:${(time % 60).toFixed(1).padStart(4, "0")}`;

function say(time, text, kind) {
  const words = at("words");
  const line = document.createElement("li");
  const when = document.createElement("time");
  when.textContent = clock(time ?? 0);
  const what = document.createElement("span");
  what.className = kind;
  what.textContent = text;
  line.append(when, what);
  words.insertBefore(line, at("partial")); // words come before what led to them is told
  while (words.children.length > MOST_LINES) words.firstElementChild.remove();
  low();
}

// Follows what is said, unless somebody has scrolled back.
let follows = true;
function low() {
  if (follows) at("words").scrollTop = at("words").scrollHeight;
}
at("words").onscroll = () => {
  const { scrollHeight, scrollTop, clientHeight } = at("words");
  follows = scrollHeight - scrollTop - clientHeight < 40;
};

// The words of a reply that is not finished, in the place where the whole one will stand.
function partial(text, reply) {
  let line = at("partial");
  if (!line) {
    say(live?.time ?? 0, "", "");
    line = at("words").lastElementChild;
    line.id = "partial";
  }
  const [when, what] = line.children;
  if (reply) {
    line.removeAttribute("id");
    when.textContent = clock(reply.time);
    what.textContent = reply.text;
  } else what.textContent += text;
  low();
}

function status(text, bad = false) {
  at("status").textContent = text;
  at("status").classList.toggle("bad", bad);
}

// --- what it watches ----------------------------------------------------------------------------------------------------

const still = document.createElement("canvas");

async function picture(video) {
  const scale = Math.min(1, LARGEST_SIDE / Math.max(video.videoWidth, video.videoHeight));
  still.width = Math.max(1, Math.round(video.videoWidth * scale));
  still.height = Math.max(1, Math.round(video.videoHeight * scale));
  still.getContext("2d").drawImage(video, 0, 0, still.width, still.height);
  // Small pictures go as they are.
  const kind = still.width * still.height <= 65536 ? "image/png" : "image/jpeg";
  return new Promise((done) => still.toBlob(done, kind, 0.92));
}

function order() {
  const given = {};
  if (at("prompt").value.trim()) given.system_prompt = at("prompt").value;
  if (at("threshold").value) given.not_talk_threshold = at("threshold").valueAsNumber;
  if (at("strategy").value) given.strategy = at("strategy").value;
  if (at("tokens").value) given.budget = Number(at("tokens").value);
  if (at("fps").value) given.fps = Number(at("fps").value);
  return given;
}

// What browsers say in words of their own.
const SORRY = {
  NotAllowedError: "The browser may not use the webcam.",
  NotFoundError: "There is no webcam.",
  NotReadableError: "The webcam is in use elsewhere.",
  NotSupportedError: "The browser cannot play this video.",
};

let starting = false;
async function start(open) {
  if (starting) return;
  starting = true;
  try { await begin(open); } finally { starting = false; }
}

const post = (path, what) => ask("POST", path, JSON.stringify(what), { "content-type": "application/json" });

async function begin(open) {
  await stop();
  try {
    status("Opening a session …");
    const session = await open();
    if (live !== session) return;
    for (const id of ["stop", "question", "say"]) at(id).disabled = false;
    status("Watching.");
    listen(session);
  } catch (error) {
    stop();
    status(SORRY[error.name] ?? error.message, true);
  }
}

// Shows a session from its beginning on. `isOurs` says whether it ends with the page.
function show(id, isOurs) {
  live = shown = {
    id, isOurs, cache: [], silence: [], moments: [], frames: 0, dropped: 0, evictions: 0, time: 0,
    abort: new AbortController(), over: false,
  };
  for (const id of left) end(id);
  for (const id of ["frames", "dropped", "evictions"]) at(id).textContent = "0";
  for (const id of ["rate", "latency"]) at(id).textContent = "–";
  at("words").replaceChildren();
  follows = true;
  return live;
}

// A session whose frames are what a video shows here.
async function openPushed(load, { isFile, prompt }) {
  const { id } = await post(SESSIONS, { ...(prompt && { system_prompt: prompt }), ...order() });
  const [session, video] = [show(id, true), at("video")];
  // What was there before must not be sent.
  video.removeAttribute("src");
  video.load();
  push(session, video, isFile);
  await load(video);
  video.muted = true;
  await video.play();
  return session;
}

// The session that watches a camera since the server began, or one of our own.
async function openCamera(camera) {
  const { data } = await ask("GET", SESSIONS);
  // One of ours that is there was left behind by a page that could not say that it goes.
  const there = data.find((session) => session.camera === camera && session.state === "watching");
  const { id } = there ?? await post(SESSIONS, { camera, ...order() });
  const session = show(id, there?.owner !== "server");
  session.camera = camera;
  look(session);
  return session;
}

// What the server's camera shows: one picture after the other, as often as the session takes one.
async function look(session) {
  const view = at("view");
  [view.hidden, at("video").hidden] = [false, true];
  while (live === session) {
    try {
      const answer = await fetch(`${SESSIONS}/${session.id}/frame`, { headers: headers(), signal: session.abort.signal });
      const picture = answer.ok && (await answer.blob());
      if (picture && live === session) {
        URL.revokeObjectURL(view.src);
        view.src = URL.createObjectURL(picture);
      } else if ([401, 404, 409].includes(answer.status)) return; // nothing is to be seen any more
      else await new Promise((wait) => setTimeout(wait, 2000));
    } catch {
      if (session.abort.signal.aborted) return;
      await new Promise((wait) => setTimeout(wait, 2000));
    }
  }
}

// The time of the next picture that is due, when the video shows it. A video that stands still, or one that nobody sees,
// is asked after a while, as is every video where the browser does not say what it shows.
function next(video, due, every) {
  return new Promise((done) => {
    const says = "requestVideoFrameCallback" in video;
    let asked = 0;
    const finish = (time) => {
      clearTimeout(late);
      video.removeEventListener("ended", ended);
      if (says) video.cancelVideoFrameCallback(asked);
      done(time);
    };
    const ended = () => finish(video.currentTime);
    const late = setTimeout(ended, (says ? 2 : 1) * every * 1000);
    video.addEventListener("ended", ended);
    const look = (_, { mediaTime }) => {
      if (mediaTime + 0.005 < due) asked = video.requestVideoFrameCallback(look);
      else finish(mediaTime);
    };
    if (says) asked = video.requestVideoFrameCallback(look);
  });
}

async function push(session, video, isFile) {
  const every = 1 / (Number(at("fps").value) || Number(at("fps").placeholder) || 2);
  const now = () => performance.now() / 1000;
  let [began, due, last, away] = [0, 0, -1, 0];
  while (live === session) {
    let time;
    if (isFile) time = await next(video, due, every);
    else {
      await new Promise((wait) => setTimeout(wait, began ? (began + due - now()) * 1000 : 100));
      if (video.videoWidth) began ||= now();
      time = began && now() - began;
    }
    if (live !== session) return;
    if (isFile && video.ended) {
      for (const id of ["question", "say"]) at(id).disabled = true;
      status("The video is over.");
      return;
    }
    if (time <= last || !video.videoWidth || video.readyState < 2) continue;
    const sent = now();
    last = time;
    due = (Math.floor(time / every + 0.01) + 1) * every;
    try {
      const body = await picture(video);
      await ask("POST", `${SESSIONS}/${session.id}/frames?wait=false&time=${time.toFixed(3)}`, body, { "content-type": body.type });
      if (away) status("Watching.");
      away = 0;
    } catch (error) {
      if (live !== session) return;
      // A model that is slower takes fewer frames.
      if (error.status === 429) at("dropped").textContent = ++session.dropped;
      else if (error.isAway && now() - (away ||= sent) < PATIENCE / 1000) status("The server does not answer. Trying again …", true);
      else {
        stop();
        status(error.isAway ? "The server does not answer. Start again when it is back." : error.message, true);
      }
    }
  }
}

function end(id) {
  left.add(id);
  return ask("DELETE", `${SESSIONS}/${id}`).catch((error) => error).then((error) => { if (!error?.isAway) left.delete(id); });
}

async function stop() {
  const session = live;
  live = null;
  const video = at("video");
  video.pause();
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
  [video.hidden, at("view").hidden, at("cameras").value] = [false, true, ""];
  URL.revokeObjectURL(at("view").src);
  at("view").removeAttribute("src");
  for (const id of ["stop", "question", "say"]) at(id).disabled = true;
  at("partial")?.removeAttribute("id");
  if (!session) return;
  session.abort.abort();
  if (session.isOurs) await end(session.id);
}

async function webcam(video) {
  if (!navigator.mediaDevices) throw new Error("The browser gives a page its webcam over https or on localhost only.");
  video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
}
at("camera").onclick = () => start(() => openPushed(webcam, { isFile: false }));

const fromFile = (address, prompt) =>
  start(() => openPushed(async (video) => { video.src = address; }, { isFile: true, prompt }));
at("file").onchange = () => {
  const [file] = at("file").files;
  if (file) fromFile(URL.createObjectURL(file));
  at("file").value = ""; // the same one may be chosen again
};
at("demo").onclick = () => fromFile("demo.mp4", at("demo").dataset.prompt);
const halt = () => { stop(); status("Stopped."); };
at("stop").onclick = halt;
addEventListener("pagehide", () => live && halt());

at("cameras").onchange = () => {
  const camera = at("cameras").value;
  if (camera) start(() => openCamera(camera)).then(chosenCamera);
  else chosenCamera();
};
// The camera that is watched is the one that is chosen.
function chosenCamera() {
  at("cameras").value = live?.camera ?? "";
}
// Cameras are told to whoever has a key, if the server wants one.
async function listCameras() {
  const { data } = await ask("GET", "/v1/streaming/cameras").catch(() => ({ data: [] }));
  at("cameras").replaceChildren(new Option("Camera …", ""), ...data.map(({ name }) => new Option(name, name)));
  at("cameras").hidden = !data.length;
  chosenCamera();
}
at("key").onchange = listCameras;
listCameras();

at("ask").onsubmit = async (event) => {
  event.preventDefault();
  const text = at("question").value.trim();
  if (!text || !live) return;
  try {
    await post(`${SESSIONS}/${live.id}/messages`, { text });
    at("question").value = "";
  } catch (error) { status(error.message, true); }
};

const NEW_PROMPT = "The new prompt goes in with the next frame.";
at("prompt").onchange = async () => {
  if (at("prompt").value.trim() && (await change({ system_prompt: at("prompt").value }))) status(NEW_PROMPT);
};

// Changes the session that is watched. Whether the server took the change.
async function change(what) {
  if (!live) return false;
  try {
    await ask("PATCH", `${SESSIONS}/${live.id}`, JSON.stringify(what), { "content-type": "application/json" });
    return true;
  } catch (error) {
    status(error.message, true);
    return false;
  }
}
at("threshold").onchange = () => {
  const threshold = at("threshold").valueAsNumber;
  if (threshold >= 0 && threshold <= 1) change({ not_talk_threshold: threshold });
};
at("strategy").onchange = () => at("strategy").value && change({ strategy: at("strategy").value });
dragThreshold((threshold) => {
  if (!live) return;
  at("threshold").value = threshold;
  at("threshold").onchange();
});

at("legend").append(...KINDS.map((kind) => {
  const entry = document.createElement("span");
  const mark = document.createElement("i");
  mark.style.background = `var(--${kind})`;
  entry.append(mark, kind);
  return entry;
}));
addEventListener("resize", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
draw();
fetch("about.json").then((answer) => answer.json()).then((about) => {
  at("demo").hidden = !about.demo;
  at("demo").dataset.prompt = about.demo?.system_prompt ?? "";
  if (about.fps) at("fps").placeholder = about.fps;
  for (const strategy of about.strategies ?? []) at("strategy").append(new Option(strategy, strategy));
}).catch(() => {});
