// Clicks on cards and quick replies go to the API; the page then follows the conversation.
(() => {
  const post = (path, body) =>
    fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-dg-kind], [data-dg-say]");
    if (!button) return;
    button.disabled = true;
    const { dgKind, dgProduct, dgSay } = button.dataset;
    const sent = dgSay
      ? post("/api/messages", { text: dgSay, client_message_id: crypto.randomUUID?.() })
      : post("/api/interactions", { product: dgProduct, kind: dgKind });
    sent.then((response) => {
      if (response.ok && dgKind) button.setAttribute("aria-pressed", "true");
    }).finally(() => { button.disabled = false; });
  });
})();
