// Shows the chat on any page of the shop: <script src="https://CHAT.SHOP/embed.js" data-token="JWT" async></script>
// `data-token` says who is signed in; without it the shopper is a visitor. `data-label` is the button's text.
(() => {
  const script = document.currentScript;
  const home = new URL(script.src).origin;
  let token = script.dataset.token ?? null;
  const styled = (tag, style, attributes) => {
    const made = document.createElement(tag);
    Object.assign(made.style, style);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const corner = { position: "fixed", right: "20px", zIndex: "2147483000", border: "0" };
  const button = styled("button", { ...corner, bottom: "20px", padding: "14px 20px", borderRadius: "28px", cursor: "pointer",
    background: "#1f4e79", color: "#fff", font: "600 16px system-ui, sans-serif" },
    { type: "button", "aria-expanded": "false", "aria-controls": "daogou-chat" });
  button.textContent = script.dataset.label ?? (navigator.language.startsWith("zh") ? "导购" : "Need help?");
  const frame = styled("iframe", { ...corner, bottom: "84px", display: "none", width: "min(440px, calc(100vw - 40px))",
    height: "min(720px, calc(100vh - 110px))", borderRadius: "12px", background: "#fff", boxShadow: "0 8px 40px rgb(0 0 0 / .25)" },
    { id: "daogou-chat", title: button.textContent, allow: "microphone; clipboard-write" });

  const show = (open) => {
    if (open && !frame.src) frame.src = `${home}/`; // nothing is loaded before somebody wants it
    frame.style.display = open ? "block" : "none";
    button.setAttribute("aria-expanded", String(open));
  };
  const sit = (next) => {
    token = next;
    if (frame.src) frame.src = `${home}/`;
  };
  button.addEventListener("click", () => show(frame.style.display === "none"));
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") show(false); });
  window.addEventListener("message", (event) => {
    if (event.origin === home && event.source === frame.contentWindow && event.data === "daogou:ready")
      frame.contentWindow.postMessage({ daogou: "session", token }, home);
  });
  window.Daogou = { open: () => show(true), close: () => show(false), signIn: sit, signOut: () => sit(null) };
  const place = () => document.body.append(frame, button);
  if (document.body) place(); else document.addEventListener("DOMContentLoaded", place);
})();
