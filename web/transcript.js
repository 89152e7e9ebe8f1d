// Keeps the transcript as the server tells it.
(() => {
  const AGAIN = 3_000; // milliseconds until a stream that was refused is asked for anew
  const SOON = 4_000; // until the shopper is told that there is none
  const NEAR = 80; // pixels from the end within which a reader is taken to follow
  const MARGIN = 8;
  const told = new Map(); // key -> the HTML that a piece was last given
  let placed = 0; // where the transcript was last scrolled to; a reader who is there still follows

  // A piece that changes keeps what its reader has opened in it and where the keyboard is.
  const fill = (piece, html) => {
    const opened = [...piece.querySelectorAll("details")].map((one) => one.open);
    const focused = [...piece.querySelectorAll("button, a")].indexOf(document.activeElement);
    piece.innerHTML = html;
    piece.querySelectorAll("details").forEach((one, place) => { one.open = opened[place] ?? false; });
    if (focused >= 0) piece.querySelectorAll("button, a")[focused]?.focus();
  };

  const show = (log, { order, html }) => {
    const follows = Math.abs(log.scrollTop - placed) < 2 || log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
    const pieces = new Map([...log.children].map((piece) => [piece.dataset.key, piece]));
    order.forEach((key, place) => {
      const piece = pieces.get(key) ?? Object.assign(document.createElement("div"), { className: "dg-piece" });
      pieces.delete(key);
      piece.dataset.key = key;
      if (log.children[place] !== piece) log.insertBefore(piece, log.children[place] ?? null);
      if (key in html && told.get(key) !== html[key]) {
        fill(piece, html[key]);
        told.set(key, html[key]);
      }
    });
    for (const [key, piece] of pieces) {
      piece.remove();
      told.delete(key);
    }
    if (!follows) return;
    log.scrollTop = log.lastElementChild ? log.lastElementChild.offsetTop - log.offsetTop - MARGIN : 0;
    placed = log.scrollTop; // the end, or the beginning of what is longer than the screen
  };

  // Said once a line stays away for longer than a server takes to change places.
  let waiting = 0;
  let said = ""; // in the language that the page had then
  const lost = (is) => {
    if (!is) {
      clearTimeout(waiting);
      waiting = 0;
      if (said && document.getElementById("dg-status").textContent === said) daogou.tell("");
    } else if (!waiting) {
      waiting = setTimeout(() => {
        said = document.getElementById("dg-words").dataset.lost;
        daogou.tell(said);
      }, SOON);
    }
  };

  const follow = (log) => {
    const source = new EventSource("/transcript");
    source.onmessage = (message) => show(log, JSON.parse(message.data));
    source.onopen = () => lost(false);
    source.onerror = () => {
      lost(true);
      if (source.readyState === EventSource.CLOSED) setTimeout(follow, AGAIN, log);
    };
  };
  const begin = () => {
    const log = document.getElementById("dg-transcript");
    if (log) follow(log);
    else requestAnimationFrame(begin);
  };
  begin();
})();
