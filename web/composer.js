// Sends what the shopper writes, and the photo that they chose or pasted to show with it; writes what they say.
window.daogou = (() => {
  const TRIES = 4; // of sending a message; the server knows one that came before
  const LONGEST = 55_000; // milliseconds of a recording; the server takes a minute
  const PICTURES = ["image/jpeg", "image/png", "image/webp"];
  const $ = (id) => document.getElementById(id);
  const pause = (milliseconds) => new Promise((over) => setTimeout(over, milliseconds));
  const post = (path, body) =>
    fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

  // The line above the box: what went wrong, or what goes on.
  const tell = (text, wrong = true) => {
    $("dg-status").textContent = text;
    $("dg-status").classList.toggle("dg-wrong", wrong);
  };

  let photo = ""; // the name of the one that goes with the next message

  // What the server says to a request, made again where the line or the server fails. Tells the shopper if it refuses.
  const insist = async (request) => {
    const unsent = () => $("dg-words").dataset.unsent; // the page may come to its language meanwhile
    tell("");
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      const response = await request().catch(() => null);
      if (response?.ok) return response.json();
      if (response && (response.status < 500 || response.status === 501)) {
        const { detail } = await response.json();
        tell(typeof detail === "string" ? detail : unsent());
        return null;
      }
      if (attempt < TRIES) await pause(500 * attempt);
    }
    tell(unsent());
    return null;
  };

  // One message, however often it has to be sent; whether it went out.
  const say = async (text, shown = "") => {
    const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    const heard = await insist(() => post("/api/messages", { text, photo: shown, client_message_id: id }));
    return Boolean(heard);
  };

  // What stays in the box.
  const send = async (text) => {
    const words = text?.trim() ?? "";
    if (!words && !photo) return "";
    if (!(await say(words, photo))) return text;
    detach();
    return "";
  };

  const attach = async (file) => {
    const kept = await insist(() => fetch("/api/photos", { method: "POST", headers: { "Content-Type": file.type }, body: file }));
    if (!kept) return;
    detach();
    photo = kept.photo;
    $("dg-attached").querySelector("img").src = `/api/photos/${photo}`;
    $("dg-attached").hidden = false;
    document.querySelector("#dg-message textarea").focus();
  };
  // No part of the page, which Gradio may render anew while the shopper chooses.
  const choose = () => {
    const input = Object.assign(document.createElement("input"), { type: "file", accept: PICTURES.join() });
    input.addEventListener("change", () => { if (input.files.length) attach(input.files[0]); });
    input.click();
  };
  const detach = () => {
    photo = "";
    $("dg-attached").hidden = true;
  };

  let recorder = null;
  const record = async (button) => {
    if (recorder) return recorder.stop();
    const { dataset } = button;
    const stream = await navigator.mediaDevices?.getUserMedia({ audio: true }).catch(() => null);
    if (!stream) { tell(dataset.denied); return; }
    const parts = [];
    recorder = new MediaRecorder(stream);
    recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
    recorder.addEventListener("stop", async () => {
      const { mimeType } = recorder;
      recorder = null;
      stream.getTracks().forEach((track) => track.stop());
      $("dg-speech-button").ariaPressed = "false";
      await hear(new Blob(parts, { type: mimeType }), dataset);
    });
    recorder.start();
    button.ariaPressed = "true";
    tell(dataset.on, false);
    setTimeout((started) => { if (recorder === started) recorder.stop(); }, LONGEST, recorder);
  };
  // What was said goes into the box, where the shopper sees it before it is sent.
  const hear = async (recording, { wait, nothing }) => {
    const answer = insist(() => fetch("/api/speech", { method: "POST", headers: { "Content-Type": recording.type }, body: recording }));
    tell(wait, false);
    const heard = await answer;
    if (!heard) return;
    tell(heard.text ? "" : nothing);
    const box = document.querySelector("#dg-message textarea");
    box.value = [box.value.trim(), heard.text].filter(Boolean).join(" ");
    box.dispatchEvent(new Event("input", { bubbles: true }));
    box.focus();
  };

  document.addEventListener("click", (event) => {
    const speech = event.target.closest("#dg-speech-button");
    if (speech) record(speech);
    if (event.target.closest("#dg-photo-button")) choose();
    if (event.target.closest("#dg-attached button")) detach();
  });
  // Before Gradio's own handlers: a pasted picture is no text.
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((one) => PICTURES.includes(one.type));
    if (!file || !event.target.closest("#dg-message")) return;
    event.preventDefault();
    event.stopPropagation();
    attach(file);
  }, true);
  return { post, say, send, tell };
})();
