"use strict";

// What is drawn of a session: its cache as a strip of segments, and how likely it was to stay silent.

const KINDS = ["system", "user", "frame", "assistant", "summary", "other"];
const MOST_POINTS = 600; // of the silence curve

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const kindOf = (kind) => (KINDS.includes(kind) ? kind : "other");

let asked = false;
function draw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; strip(shown); silence(shown); });
}

// The style sheet says how large a canvas is; it gets as many pixels as the screen has there. `snap` finds the next of them.
function sized(id) {
  const canvas = at(id);
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const paper = canvas.getContext("2d");
  paper.scale(ratio, ratio);
  return { paper, width, height, snap: (place) => Math.round(place * ratio) / ratio, pixel: 1 / ratio };
}

function strip(session) {
  const { paper, width, height, snap, pixel } = sized("strip");
  paper.fillStyle = colour("ground");
  paper.fillRect(0, 0, width, height);
  const since = performance.now() - (session?.flash ?? -1e9);
  const edge = since < 1200 ? 3 : 1;
  if (session) {
    const tokens = session.cache.reduce((sum, segment) => sum + segment.tokens, 0);
    const budget = Math.max(session.budget || 0, tokens, 1);
    const place = (token) => snap(4 + (token / budget) * (width - 8));
    let from = 0;
    for (const { kind, tokens: length } of session.cache) {
      const [start, end] = [place(from), place(from + length)];
      paper.fillStyle = colour(kindOf(kind));
      paper.fillRect(start, 6, Math.max(end - start - (end - start > 3 ? 1 : 0), pixel), height - 12);
      from += length;
    }
    at("budget").textContent = `${tokens} of ${session.budget ?? "?"} tokens, ${session.strategy ?? ""}`;
  }
  // An eviction shows as a bright frame for a moment.
  paper.strokeStyle = edge > 1 ? colour("user") : colour("line");
  paper.lineWidth = edge;
  paper.strokeRect(edge / 2, edge / 2, width - edge, height - edge);
  if (edge > 1) setTimeout(draw, 300);
}

const [CURVE_TOP, CURVE_BOTTOM] = [8, 22]; // what the curve leaves free above and below itself

// The threshold is a probability of silence. 0 (the likeliest token wins) and "diffX" have no place on the curve.
function setThreshold(session, threshold) {
  if (threshold === undefined) return;
  session.threshold = typeof threshold === "number" && threshold > 0 ? threshold : undefined;
  document.getElementById("threshold").value = session.threshold ?? "";
}

// Tells the threshold at which a finger or a pointer lets go of the line.
function dragThreshold(tell) {
  const canvas = document.getElementById("silence");
  const place = (event) => {
    const { top, height } = canvas.getBoundingClientRect();
    const share = 1 - (event.clientY - top - CURVE_TOP) / (height - CURVE_BOTTOM - CURVE_TOP);
    return Math.round(Math.min(Math.max(share, 0.01), 1) * 100) / 100;
  };
  let before = null; // the threshold when the pointer went down: undefined where there was no line
  const drag = (event) => {
    if (before === null || !shown) return;
    shown.threshold = place(event);
    draw();
  };
  canvas.onpointerdown = (event) => {
    if (!shown || shown.over) return;
    canvas.setPointerCapture(event.pointerId);
    before = shown.threshold;
    drag(event);
  };
  canvas.onpointermove = drag;
  canvas.onpointerup = (event) => {
    if (before === null) return;
    before = null;
    tell(place(event));
  };
  canvas.onpointercancel = () => {
    if (shown && before !== null) shown.threshold = before;
    before = null;
    draw();
  };
}

function silence(session) {
  const { paper, width, height, snap, pixel } = sized("silence");
  const [left, right] = [40, width - 6];
  const high = (share) => CURVE_TOP + (1 - share) * (height - CURVE_BOTTOM - CURVE_TOP);
  paper.font = "12px system-ui, sans-serif";
  paper.textBaseline = "middle";
  paper.fillStyle = colour("dim");
  for (const share of [0, 0.5, 1]) {
    paper.textAlign = "right";
    paper.fillText(`${share * 100}%`, left - 6, high(share));
    paper.save();
    paper.fillStyle = colour("line");
    paper.fillRect(left, snap(high(share)), right - left, Math.max(1, pixel));
    paper.restore();
  }
  if (session?.threshold !== undefined) {
    paper.fillStyle = colour("accent");
    for (let x = left; x < right; x += 8) paper.fillRect(x, snap(high(session.threshold)) - 1, 4, 2);
  }
  const points = session?.silence ?? [];
  if (!points.length) return;
  const [first, last] = [points[0][0], Math.max(points[points.length - 1][0], points[0][0] + 10)];
  const place = ([time, share]) => [left + 4 + ((time - first) / (last - first)) * (right - left - 8), high(share)];
  paper.textAlign = "left";
  paper.fillText(clock(first), left, height - 8);
  paper.textAlign = "right";
  paper.fillText(clock(last), right, height - 8);
  paper.strokeStyle = colour("accent");
  paper.lineWidth = 1.5;
  paper.lineJoin = "round";
  paper.beginPath();
  points.forEach((point, number) => (number ? paper.lineTo(...place(point)) : paper.moveTo(...place(point))));
  paper.stroke();
  paper.fillStyle = colour("user");
  for (const point of points.filter(([, , spoke]) => spoke)) {
    const [x, y] = place(point);
    paper.beginPath(); paper.arc(x, y, 4, 0, 2 * Math.PI); paper.fill();
  }
}

