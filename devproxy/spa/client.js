// devproxy's live reload
(() => {
  if (window.__devproxy) return;
  window.__devproxy = true;

  const SCROLL = "devproxy:scroll", RELOADS = "devproxy:reloads", PAUSE = 5000;
  let content = document.currentScript?.dataset.version;
  const outage = document.documentElement.dataset.devproxyOutage; // this page stands in for that service
  let boot, source, timer, late, delay = 250;

  const read = (key) => { try { return JSON.parse(sessionStorage[key]); } catch { return null; } };
  const write = (key, value) => { try { sessionStorage[key] = JSON.stringify(value); } catch {} };

  // Three reloads may follow one another, the next ones wait, each for twice as long: a page whose loading changes
  // a file must not reload for ever, and a busy machine that tells of one checkout in pieces must show the last one.
  function reload(waited) {
    const now = Date.now(), { times = [], pause = 0 } = read(RELOADS) || {};
    const recent = times.filter((time) => now - time < Math.max(pause, PAUSE));
    if (!waited && outage === undefined && recent.length >= (pause ? 1 : 3)) {
      const next = Math.min(pause * 2 || PAUSE, 60000);
      if (!late) console.warn(`[devproxy] reloads again and again: next in ${next / 1000} s. Does loading it change a file?`);
      late ||= setTimeout(reload, next, next);
      return;
    }
    write(RELOADS, { times: [...recent, now], pause: waited || (recent.length ? pause : 0) });
    write(SCROLL, { url: location.href, x: scrollX, y: scrollY });
    close();
    location.reload();
  }

  function restoreScroll() {
    const kept = read(SCROLL), until = Date.now() + 2000;
    write(SCROLL, null);
    if (kept?.url !== location.href) return;
    let free = false; // the user scrolls: leave it
    for (const name of ["wheel", "touchstart", "keydown"]) addEventListener(name, () => { free = true; });
    (function again() { // the app may draw bit by bit
      if (free) return;
      scrollTo({ left: kept.x, top: kept.y, behavior: "instant" });
      if (Math.abs(scrollY - kept.y) > 1 && Date.now() < until) requestAnimationFrame(again);
    })();
  }

  const replaces = new WeakMap(), leaving = new WeakSet();

  function swap(link) {
    const next = link.cloneNode(), url = new URL(link.href);
    const former = [...(replaces.get(link) || []), link];
    url.searchParams.set("t", Date.now());
    next.href = url;
    next.removeAttribute("integrity");
    next.onload = () => former.forEach((each) => each.remove()); // never without style
    next.onerror = () => { next.remove(); leaving.delete(link); };
    replaces.set(next, former);
    leaving.add(link);
    link.after(next);
  }

  function restyle(paths) {
    const left = new Set(paths);
    for (const link of document.querySelectorAll("link[rel~=stylesheet][href]")) {
      const { origin, pathname } = new URL(link.href);
      if (origin !== location.origin || !paths.includes(pathname)) continue;
      left.delete(pathname);
      if (!leaving.has(link)) swap(link);
    }
    // By @import or script: in use, but no link to swap.
    const loaded = performance.getEntriesByType("resource").map((entry) => new URL(entry.name).pathname);
    if (loaded.some((path) => left.has(path))) reload();
  }

  function hello(said) {
    const outdated = content && said.content ? content !== said.content : boot && boot !== said.boot;
    delay = 250;
    boot = said.boot;
    content ||= said.content;
    if (outdated || outage !== undefined && !said.unready.includes(outage)) reload();
  }

  function open() {
    clearTimeout(timer);
    if (source) return;
    const on = (name, act) => source.addEventListener(name, (event) => act(JSON.parse(event.data)));
    source = new EventSource("/__devproxy/live");
    on("ready", (said) => {
      if (said.boot) hello(said);
      else if (said.service === outage) reload();
    });
    on("reload", (said) => {
      if (said.kind !== "css") return reload();
      content = said.content || content;
      restyle(said.paths);
    });
    source.onerror = () => {
      close();
      if (!document.hidden) timer = setTimeout(open, delay);
      delay = Math.min(delay * 1.5, 5000);
    };
  }

  function close() {
    clearTimeout(timer);
    source?.close();
    source = undefined;
  }

  function look() { // an origin has 6 connections: none for hidden tabs
    open();
    if (document.hidden) timer = setTimeout(close, 20000);
  }

  const button = document.querySelector("[data-devproxy-restart]");
  if (button) {
    button.hidden = false;
    button.onclick = async () => {
      button.disabled = true;
      const path = `/__devproxy/api/services/${outage}/restart`;
      const { ok } = await fetch(path, { method: "POST" }).catch(() => ({}));
      // A page has no right to it before the dashboard was opened in this browser.
      if (!ok) button.textContent = `Not signed in: run devproxy restart ${outage}, or devproxy open --dashboard first`;
    };
  }

  addEventListener("pagehide", close); // for the back/forward cache
  addEventListener("pageshow", (event) => event.persisted && open());
  document.addEventListener("visibilitychange", look);
  if (document.readyState === "complete") restoreScroll();
  else addEventListener("load", restoreScroll);
  look();
})();
