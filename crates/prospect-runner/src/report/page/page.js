"use strict";
// What the page does beyond showing: sorting, filtering, jumping, and playing the video beside it. Without it everything is still there.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Columns sort: numbers by their size, everything else as text. What has no number stands last.
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.sort ?? cell.textContent.trim();
  };
  const compare = (one, other) => {
    const [a, b] = [Number.parseFloat(one), Number.parseFloat(other)];
    const [isNumber, isOther] = [Number.isFinite(a), Number.isFinite(b)];
    if (isNumber && isOther) return a - b;
    return isNumber ? -1 : isOther ? 1 : one.localeCompare(other);
  };
  for (const table of all("table.sortable")) {
    all("thead th", table).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const falls = head.getAttribute("aria-sort") === "ascending";
        all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", falls ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows].sort((one, other) => {
          const order = compare(key(one, column), key(other, column));
          return falls ? -order : order;
        });
        table.tBodies[0].append(...rows);
      });
    });
  }

  // Rows of one kind alone, and those that have the words.
  for (const bar of all(".filters")) {
    bar.hidden = false;
    const [words, rows] = [bar.querySelector("input"), all("tbody tr", bar.nextElementSibling)];
    let kind = "";
    const show = () => {
      const wanted = words.value.toLowerCase();
      for (const row of rows) row.hidden = !((!kind || row.dataset.kind === kind) && row.textContent.toLowerCase().includes(wanted));
    };
    const buttons = all("button", bar);
    for (const button of buttons) {
      button.addEventListener("click", () => {
        kind = button.dataset.kind;
        buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
        show();
      });
    }
    words.addEventListener("input", show);
  }

  // Players: one a video, if the browser finds and plays it.
  const players = new Map();
  const load = (scope) => {
    const video = scope?.querySelector("video[data-source]");
    if (!video || players.has(scope)) return;
    players.set(scope, null);
    video.addEventListener("loadedmetadata", () => {
      if (video.videoWidth > 0) {
        players.set(scope, video);
        video.parentElement.hidden = false;
      }
    });
    video.src = video.dataset.source;
    video.addEventListener("timeupdate", () => follow(scope, video.currentTime));
    const runs = all(".run", scope);
    if (runs.length !== 1) return;
    // Of a page with one run, what was said stands in the picture.
    const track = video.addTextTrack("captions", "replies", "en");
    const said = all("tr[data-reply] .time", runs[0]);
    said.forEach((link, index) => {
      const [start, text] = [Number(link.dataset.seconds), link.closest("tr").querySelector("summary, td:last-child").textContent];
      const next = index + 1 < said.length ? Number(said[index + 1].dataset.seconds) : Number.MAX_VALUE;
      const end = Math.min(next, start + Math.min(30, Math.max(2, text.length / 15)));
      if (end > start) track.addCue(new VTTCue(start, end, text.replace(/&/g, "&amp;").replace(/</g, "&lt;")));
    });
    track.mode = "showing";
  };
  const follow = (scope, seconds) => {
    for (const overview of all(".overview", scope)) {
      const [line, length] = [overview.querySelector(".now"), Number(overview.dataset.seconds)];
      const x = String(length > 0 ? Math.min(1, seconds / length) * 1000 : 0);
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
      line.setAttribute("visibility", "visible");
    }
    for (const table of all(".rows", scope)) {
      let current = null;
      for (const link of all("tr[data-reply] .time", table)) {
        const at = Number(link.dataset.seconds);
        if (at <= seconds && (!current || at >= Number(current.dataset.seconds))) current = link;
      }
      const row = current?.closest("tr");
      if (!row || row.classList.contains("current")) continue;
      all("tr.current", table).forEach((other) => other.classList.remove("current"));
      row.classList.add("current");
      table.parentElement.scrollTop = row.offsetTop - table.parentElement.clientHeight / 2;
    }
  };
  for (const scope of all(".video")) {
    if (scope.tagName !== "DETAILS" || scope.open) load(scope);
    scope.addEventListener("toggle", () => scope.open && load(scope));
  }
  const seek = (element, seconds) => {
    const video = players.get(element.closest(".video"));
    if (video && Number.isFinite(seconds)) video.currentTime = seconds;
    return Boolean(video);
  };

  // Jumps: what a link leads to is unfolded, brought into sight and lit up. Beside a player, the page stays where it is.
  const jump = (id, stays) => {
    const target = document.getElementById(id);
    if (!target) return;
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    if (target.hidden) target.closest(".list").previousElementSibling.querySelector("button").click();
    const fold = target.querySelector(":scope > td details");
    if (fold) fold.open = true;
    const strip = target.closest(".timeline")?.parentElement;
    if (stays && strip) {
      const [place, box] = [target.getBoundingClientRect(), strip.getBoundingClientRect()];
      strip.scrollLeft += place.left - box.left - box.width / 2;
    } else target.scrollIntoView({ block: "center", inline: "center" });
    target.classList.add("flash");
    setTimeout(() => target.classList.remove("flash"), 1500);
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='#']");
    if (link) {
      event.preventDefault();
      const [id, mark] = [link.getAttribute("href").slice(1), link.querySelector("rect")];
      const length = Number(link.closest(".overview")?.dataset.seconds);
      const seconds = mark ? (Number(mark.getAttribute("x")) / 1000) * length : Number.parseFloat(link.dataset.seconds);
      const stays = seek(link, seconds);
      // What a time of an eviction leads to is all around it.
      if (!document.getElementById(id)?.contains(link)) jump(id, stays);
      return;
    }
    // Beside the marks, the overview leads to a time: in the player, or to the row that is next to it.
    const overview = event.target.closest?.(".overview");
    if (!overview || !event.target.closest("svg")) return;
    const box = overview.querySelector("svg").getBoundingClientRect();
    const seconds = ((event.clientX - box.left) / box.width) * Number(overview.dataset.seconds);
    seek(overview, seconds);
    const distance = (row) => Math.abs(Number(row.querySelector(".time").dataset.seconds) - seconds);
    const rows = all(".rows tbody tr:not([hidden])", overview.parentElement);
    const near = rows.reduce((best, row) => (best && distance(best) <= distance(row) ? best : row), null);
    if (near) jump(near.id);
  });
})();
