// Clicks on cards and quick replies go to the API; the transcript then tells what they changed.
(() => {
  const { post, say } = window.daogou;
  const LONG_LOOK = 3; // seconds over a card from which on a look is noted
  const element = (tag, text, attributes = {}) => {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };

  // On a page of the shop: who is signed in there says the page, by a token that the server checks.
  if (window.parent !== window) {
    window.addEventListener("message", async (event) => {
      if (event.source !== window.parent || event.data?.daogou !== "session") return;
      const told = await (await post("/api/session", { token: event.data.token })).json();
      if (!told.changed || location.hash) return; // a browser that keeps no cookies would reload for ever
      location.hash = "seated";
      location.reload();
    });
    window.parent.postMessage("daogou:ready", "*");
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-dg-kind], [data-dg-say], [data-dg-rate], [data-dg-person]");
    if (!button || button.ariaBusy === "true") return;
    button.ariaBusy = "true"; // not disabled, which would take the keyboard's place away
    const { dgKind, dgProduct, dgSay, dgRate, dgPerson } = button.dataset;
    const sent = dgPerson
      ? post(`/api/handoff?language=${dgPerson}`, {})
      : dgRate
      ? post("/api/rating", { score: Number(dgRate) })
      : dgSay
      ? say(dgSay)
      : post("/api/interactions", { product: dgProduct, kind: dgKind });
    sent.then((response) => {
      if (response.ok && dgKind) button.setAttribute("aria-pressed", "true");
    }).finally(() => { button.ariaBusy = "false"; });
  });

  // The shop's own page of a product was opened; the reasons of a pick were looked at.
  document.addEventListener("click", (event) => {
    const product = event.target.closest("[data-dg-view]")?.dataset.dgView;
    if (product) post("/api/interactions", { product, kind: "view" });
  });
  document.addEventListener("toggle", (event) => {
    const card = event.target.open && event.target.matches?.(".dg-parts") && event.target.closest(".dg-card");
    if (card) post("/api/interactions", { product: card.dataset.product, kind: "click" });
  }, true);

  // How long the pointer rests on a card.
  let looked = null;
  document.addEventListener("mouseover", (event) => {
    const card = event.target.closest?.(".dg-card") ?? null;
    if (card === looked?.card) return;
    const seconds = looked ? (performance.now() - looked.since) / 1000 : 0;
    if (seconds >= LONG_LOOK)
      post("/api/interactions", { product: looked.card.dataset.product, kind: "dwell", seconds: Math.min(seconds, 600) });
    looked = card && { card, since: performance.now() };
  });

  // What is known of the shopper, read when it is opened.
  const line = (known, labels) => {
    const item = element("li", "");
    const date = known.time ? ` · ${new Date(known.time).toLocaleDateString()}` : "";
    const told = item.appendChild(element("span", known.text));
    told.appendChild(element("small", ` ${known.because}${date}`));
    if (known.value) {
      const fact = known.name.split(":")[1];
      item.append(element("button", labels.correct, { type: "button", "data-dg-correct": fact, "data-dg-value": known.value, "aria-label": `${labels.correct}: ${known.text}` }));
    }
    item.append(element("button", labels.forget, { type: "button", "data-dg-forget": known.name, "aria-label": `${labels.forget}: ${known.text}` }));
    return item;
  };
  const fill = async (panel) => {
    const body = panel.querySelector("div");
    const { groups, labels } = await (await fetch("/api/profile")).json();
    body.replaceChildren();
    for (const { heading, known } of groups) {
      const list = element("ul", "");
      list.append(...known.map((one) => line(one, labels)));
      body.append(element("h3", heading), list);
    }
    body.append(groups.length
      ? element("button", labels.forget_all, { type: "button", "data-dg-forget": "everything" })
      : element("p", labels.nothing));
    const own = element("p", "");
    own.append(
      element("a", labels.export, { href: "/api/profile/export", download: "my-data.json" }),
      element("button", labels.erase, { type: "button", "data-dg-erase": labels.erase_sure }));
    body.append(own);
  };
  document.addEventListener("toggle", (event) => {
    if (event.target.matches?.(".dg-known") && event.target.open) fill(event.target);
  }, true);
  document.addEventListener("click", async (event) => {
    const button = event.target.closest(".dg-known button");
    if (!button) return;
    const { dgForget, dgCorrect, dgValue, dgErase } = button.dataset;
    if (dgErase) {
      if (!confirm(dgErase)) return;
      await fetch("/api/profile", { method: "DELETE" });
      location.reload();
      return;
    }
    if (dgForget) await post("/api/profile/forget", { name: dgForget });
    else {
      const value = prompt(button.getAttribute("aria-label"), dgValue);
      if (value) await post("/api/profile/correct", { fact: dgCorrect, value });
    }
    fill(button.closest(".dg-known"));
  });
})();
