// The desk's page: follows the queue and one conversation, and asks the server for everything that it does.
(() => {
  const TEXTS = {
    en: { desk: "Desk", name: "Name", password: "Password", sign_in: "Sign in", sign_out: "Sign out", empty: "Nobody is waiting.",
      send: "Send", note: "Private note", suggest: "Suggest a reply", understood: "Understood", known: "Known", cart: "Cart", orders: "Latest orders", tags: "Tags",
      add_tag: "Add tag", products: "Products", search: "Search", claim: "Claim", release: "Back to the queue", hand_back: "Back to the bot",
      resolve: "Resolve", transfer: "Give to…", attach: "Attach", remove: "Remove", canned: "Canned replies", waiting: "waiting", with: "with",
      mood: "mood", why: "Why?", frames: "Frames", frames_title: "Messages that were read with most doubt", doubt: "doubt", correct: "Put right", save: "Save", add_field: "Add", wanted: "wants", unwanted: "does not want", intent: "intent", no_labels: "Nothing was said yet, or all of it is labelled.", hangs: "What each part of it hangs on", photo: "Photo shown by the shopper", present: "has the chat open", absent: "is not here", minutes: "min", handoff: "asked for a person", claimed: "joined", transferred: "was given it", released: "back in the queue",
      returned: "back to the bot", resolved: "closed", rating: "rated", feedback: "feedback", cart_event: "put in the cart", uncart: "taken out of the cart", tag: "tag", away: "told that nobody has come", figures: "Figures", conversations: "conversations", by_bot: "by the bot alone", waited: "waiting, median",
      handled: "handling, median", reasons: "Handoffs by reason", ratings: "Ratings", moods: "Mood by day", reviews: "Reviews", stars: "Stars", months: "Reviews by month", stars_mean: "stars on average", aspects: "What buyers speak of", praise: "praise", blame: "blame", blamed: "Blamed most", praised: "Praised most", suspicious: "Suspicious reviews", copy: "copies of a long text", burst: "part of a burst", "one-sided": "of an account with one rating only", odd: "Products with suspicious reviews", of: "of", no_reviews: "Nobody has read the reviews yet: daogou catalog enrich", asked: "asked", safety: "danger", charge: "charge", refund: "refund", complaint: "complaint",
      promise: "promise wanted", upset: "upset", falling: "ever more upset", not_understood: "not understood", repeated: "asked again and again" },
    zh: { desk: "客服台", name: "姓名", password: "密码", sign_in: "登录", sign_out: "退出", empty: "没有人在等待。",
      send: "发送", note: "内部备注", suggest: "建议回复", understood: "已理解的条件", known: "顾客画像", cart: "购物车", orders: "最近订单", tags: "标签",
      add_tag: "添加标签", products: "商品", search: "搜索", claim: "接入", release: "放回队列", hand_back: "交还机器人",
      resolve: "结束", transfer: "转给…", attach: "附上", remove: "移除", canned: "常用回复", waiting: "等待中", with: "由",
      mood: "情绪", why: "为什么？", frames: "标注", frames_title: "理解最没把握的消息", doubt: "疑问", correct: "更正", save: "保存", add_field: "添加", wanted: "要", unwanted: "不要", intent: "意图", no_labels: "还没有消息，或都已标注。", hangs: "每个条件来自哪些字词", photo: "顾客发的照片", present: "在线", absent: "不在线", minutes: "分钟", handoff: "请求人工", claimed: "已接入", transferred: "已转接", released: "回到队列",
      returned: "交还机器人", resolved: "已结束", rating: "评分", feedback: "反馈", cart_event: "加入购物车", uncart: "移出购物车", tag: "标签", away: "已告知暂无客服", figures: "数据", conversations: "会话", by_bot: "机器人独立完成", waited: "等待中位数",
      handled: "处理中位数", reasons: "转人工原因", ratings: "评分", moods: "每日情绪", reviews: "评论", stars: "星级", months: "每月评论", stars_mean: "平均星级", aspects: "买家谈到的方面", praise: "好评", blame: "差评", blamed: "差评最多", praised: "好评最多", suspicious: "可疑评论", copy: "长文重复", burst: "短时间集中出现", "one-sided": "账号只打一种分", odd: "有可疑评论的商品", of: "／", no_reviews: "评论尚未分析：daogou catalog enrich", asked: "主动要求", safety: "安全问题", charge: "扣款问题", refund: "退款", complaint: "投诉",
      promise: "索要承诺", upset: "情绪很差", falling: "情绪变差", not_understood: "没听懂", repeated: "反复询问" },
  };
  const CANNED = {
    en: ["Hello, this is {name}. How can I help?", "I am sorry about that. Let me look into it.", "Is there anything else I can do for you?"],
    zh: ["您好，我是{name}，很高兴为您服务。", "非常抱歉给您带来不便，我马上为您查看。", "请问还有什么可以帮您？"],
  };
  const $ = (id) => document.getElementById(id);
  let me = null, current = null, seen = 0, attached = [], known = new Set();
  let language = localStorage.getItem("desk_language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");
  const t = (key) => TEXTS[language][key] ?? key;
  const element = (tag, text = "", attributes = {}) => {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const call = async (path, body) => {
    const options = body === undefined ? {} : {
      method: "POST", body: JSON.stringify(body),
      headers: { "Content-Type": "application/json", "X-CSRF-Token": me?.csrf ?? "" },
    };
    const response = await fetch(`/desk${path}`, options);
    if (response.status === 401 && path !== "/sign-in") { show(null); throw new Error(t("sign_in")); }
    const told = response.status === 204 ? null : await response.json();
    if (!response.ok) throw new Error(typeof told.detail === "string" ? told.detail : JSON.stringify(told.detail));
    return told;
  };
  const attempt = async (work, place = $("trouble")) => {
    place.textContent = "";
    try { return await work(); } catch (error) { place.textContent = error.message; }
  };

  const label = () => {
    document.documentElement.lang = language;
    document.title = t("desk");
    for (const node of document.querySelectorAll("[data-text]")) node.textContent = t(node.dataset.text);
    const first = element("option", t("canned"), { value: "" });
    $("canned").replaceChildren(first, ...CANNED[language].map((text) => element("option", text, { value: text })));
    $("canned").setAttribute("aria-label", t("canned"));
    document.querySelector("#reply textarea").setAttribute("aria-label", t("send"));
    document.querySelector("#search input").setAttribute("aria-label", t("products"));
    document.querySelector("#tag input").setAttribute("aria-label", t("add_tag"));
  };
  const show = (who) => {
    me = who;
    $("sign-in").hidden = Boolean(who);
    $("desk").hidden = !who;
    if (who) { $("me").textContent = who.name; $("show-figures").hidden = $("show-reviews").hidden = who.role === "agent"; follow(); loadQueue(); }
  };

  const card = (product, button, act) => {
    const row = element("li", "", { class: "card" });
    if (product.image) row.append(element("img", "", { src: product.image, alt: "" }));
    const words = element("span", product.title);
    words.append(element("small", [product.price, product.why].filter(Boolean).join(" · ")));
    row.append(words);
    if (button) {
      const made = element("button", t(button), { type: "button", "aria-label": `${t(button)}: ${product.title}` });
      made.addEventListener("click", () => act(product));
      row.append(made);
    }
    return row;
  };
  const attach = (product) => { attached = [...attached.filter((p) => p.id !== product.id), product]; showAttached(); };
  const showAttached = () => $("attached").replaceChildren(...attached.map((p) => card(p, "remove", (gone) => {
    attached = attached.filter((one) => one.id !== gone.id); showAttached();
  })));

  const loadQueue = async () => {
    const rows = await call("/queue");
    $("empty").hidden = rows.length > 0;
    $("queue").replaceChildren(...rows.map((row) => {
      const button = element("button", "", { type: "button", "aria-current": row.conversation === current });
      const state = row.holder === "staff" ? `${t("with")} ${row.staff}` : t("waiting");
      button.append(element("strong", row.last || "…"), element("span", `${state} · ${Math.round(row.waited / 60)} ${t("minutes")} · ${t("mood")} ${row.mood}${row.reason ? ` · ${t(row.reason)}` : ""}`));
      if (row.unread) button.append(element("span", row.unread, { class: "unread" }));
      button.addEventListener("click", () => open(row.conversation));
      const item = element("li");
      item.append(button);
      return item;
    }));
    const waiting = rows.filter((row) => row.holder === "queue").map((row) => row.conversation);
    if (waiting.some((id) => !known.has(id)) && known.size + waiting.length > 0) announce();
    waiting.forEach((id) => known.add(id));
    document.title = waiting.length ? `(${waiting.length}) ${t("desk")}` : t("desk");
  };
  const announce = () => {
    try {
      const audio = new AudioContext(), tone = audio.createOscillator();
      tone.connect(audio.destination); tone.frequency.value = 660; tone.start(); tone.stop(audio.currentTime + 0.15);
    } catch { /* no sound before the first click */ }
  };

  const table = (heading, rows, most) => {
    const made = element("table"), caption = made.createCaption();
    caption.textContent = heading;
    for (const [name, value] of rows) {
      const row = made.insertRow();
      row.append(element("th", name, { scope: "row" }), element("td", value ?? "–"));
      if (most) row.insertCell().append(element("meter", "", { min: 0, max: most, value: Math.abs(Number(value)), "aria-label": `${name}: ${value}`, class: Number(value) < 0 ? "below" : "" }));
    }
    return made;
  };
  const showFigures = async () => {
    const f = await call("/figures"), share = f.conversations ? `${Math.round((100 * f.by_bot) / f.conversations)} %` : null;
    const seconds = (value) => (value === null ? null : `${Math.round(value)} s`);
    overview(
      table(t("figures"), [[t("conversations"), f.conversations], [t("by_bot"), share], [t("waited"), seconds(f.waited)], [t("handled"), seconds(f.handled)], [t("rating"), f.rating]]),
      bars(t("reasons"), f.reasons), bars(t("ratings"), f.ratings), bars(t("moods"), f.moods));
  };
  const showReviews = async () => {
    const r = await call(`/reviews?language=${language}`), months = Object.entries(r.months);
    const most = Math.max(1, ...Object.values(r.aspects).map(([good, bad]) => good + bad));
    const voices = (good, bad) => `${t("praise")} ${Math.round(good)} · ${t("blame")} ${Math.round(bad)}`;
    const told = (heading, rows) => listed(heading, rows.map((o) => [o.product, `${o.aspect}: ${voices(o.good, o.bad)}`]));
    overview(
      bars(`${t("reviews")}: ${r.reviews} (${t("stars")})`, r.ratings),
      charted(t("aspects"), Object.entries(r.aspects).map(([name, [good, bad]]) => [name, voices(good, bad), good / most, bad / most])),
      ...(Object.keys(r.aspects).length ? [] : [element("p", t("no_reviews"))]),
      told(t("blamed"), r.blamed), told(t("praised"), r.praised), bars(t("suspicious"), r.suspicious),
      listed(t("odd"), r.odd.map((o) => [o.product, `${o.suspicious} ${t("of")} ${o.reviews}`])),
      table(t("months"), months.map(([month, [count, mean]]) => [`${month} (${mean} ${t("stars_mean")})`, count]), Math.max(1, ...months.map(([, [count]]) => count))));
  };
  const choice = (name, values, chosen) => {
    const made = element("select", "", { "aria-label": t(name), "data-name": name });
    made.append(...values.map((value) => element("option", value, { value })));
    made.value = String(chosen);
    return made;
  };
  const fieldRow = (fields, kind, name, words) => {
    const row = element("div", "", { class: "row" });
    const input = element("input", "", { "aria-label": name || t("add_field") });
    input.value = [].concat(words ?? []).join(", ");
    const wants = choice("wanted", [t("wanted"), t("unwanted")], t(kind === "exclude" ? "unwanted" : "wanted"));
    row.append(wants, choice("slots", fields.slots, name ?? fields.slots[0]), input);
    return row;
  };
  const frameOf = (form, fields, proposal) => {
    const frame = { ...proposal, mood: Number(form.querySelector("[data-name=mood]").value), intent: form.querySelector("[data-name=intent]").value };
    delete frame.slots; delete frame.exclude;
    for (const row of form.querySelectorAll(".row.field")) {
      const kind = row.querySelector("[data-name=wanted]").value === t("unwanted") ? "exclude" : "slots";
      const name = row.querySelector("[data-name=slots]").value, words = row.querySelector("input").value.trim();
      if (words) (frame[kind] ??= {})[name] = fields.lists.includes(name) ? words.split(/[,，]/).map((w) => w.trim()).filter(Boolean) : words;
    }
    return frame;
  };
  const labelForm = (item, asked, { frame, fields }) => {
    const form = element("form"), head = element("div", "", { class: "row" }), trouble = element("p", "", { role: "alert" });
    head.append(choice("intent", fields.intent, frame.intent), choice("mood", fields.mood.map(String), frame.mood));
    const rows = ["slots", "exclude"].flatMap((kind) => Object.entries(frame[kind] ?? {}).map(([name, words]) => fieldRow(fields, kind, name, words)));
    const add = element("button", t("add_field"), { type: "button" });
    const insert = (row) => { row.classList.add("field"); add.before(row); };
    form.append(head, add, element("button", t("save"), { type: "submit" }), trouble);
    rows.forEach(insert);
    add.addEventListener("click", () => insert(fieldRow(fields, "slots")));
    form.addEventListener("submit", (submitted) => {
      submitted.preventDefault();
      attempt(async () => {
        await call(`/labels/${encodeURIComponent(asked.conversation)}/${asked.seq}`, { frame: frameOf(form, fields, frame) });
        item.remove();
      }, trouble);
    });
    item.append(form);
  };
  const showLabels = async () => {
    const rows = await call("/labels");
    overview(element("h2", t("frames_title")), ...(rows.length ? [] : [element("p", t("no_labels"))]), ...rows.map((asked) => {
      const item = element("div", "", { class: "label" }), button = element("button", t("correct"), { type: "button", "aria-label": `${t("correct")}: ${asked.text}` });
      button.addEventListener("click", () => attempt(async () => {
        const told = await call(`/labels/${encodeURIComponent(asked.conversation)}/${asked.seq}`);
        button.remove();
        labelForm(item, asked, told);
      }));
      item.append(element("strong", asked.text), element("small", `${t("doubt")} ${asked.doubt.toFixed(2)}`), button);
      return item;
    }));
  };
  const overview = (...parts) => {
    $("figures").replaceChildren(...parts);
    $("conversation").hidden = $("aside").hidden = true;
    $("figures").hidden = false;
    current = null;
  };
  const bars = (heading, counts) => table(heading, Object.entries(counts).map(([k, v]) => [t(k), v]), Math.max(1, ...Object.values(counts).map(Math.abs)));
  const charted = (heading, rows) => {
    const made = table(heading, rows.map(([name, words]) => [name, words]));
    rows.forEach(([, words, good, bad], at) => {
      const picture = svg("svg", { viewBox: "0 0 220 14", role: "img", "aria-label": words, class: "voices" });
      picture.append(svg("rect", { class: "good", width: 220 * good, height: 14 }), svg("rect", { class: "bad", x: 220 * good, width: 220 * bad, height: 14 }));
      made.rows[at].insertCell().append(picture);
    });
    return made;
  };
  const svg = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const listed = (heading, rows) => {
    const made = element("section");
    if (rows.length) made.append(element("h2", heading), ...rows.map(([product, words]) => card({ ...product, price: words, why: "" })));
    return made;
  };

  const event = (one) => {
    const spoken = ["message", "answer", "staff", "note"].includes(one.kind);
    const name = one.kind === "cart" ? t("cart_event") : t(one.kind);
    const words = spoken ? (one.kind === "staff" || one.kind === "note" ? `${one.who}: ${one.text}` : one.text)
      : [one.who, name, one.reason ? t(one.reason) : one.detail].filter(Boolean).join(" · ");
    const row = element("li", words, { class: spoken ? one.kind : "event" });
    if (one.photo) row.prepend(element("img", "", { class: "photo", src: `/desk/conversations/${current}/photos/${one.photo}`, alt: t("photo") }));
    if (one.kind === "message" && one.text) {
      const why = element("button", t("why"), { type: "button", class: "why", "aria-label": `${t("why")} ${one.text}` });
      why.addEventListener("click", () => showPicture(one.seq));
      row.append(why);
    }
    if (one.picks.length) {
      const cards = element("ul", "", { class: "cards" });
      cards.append(...one.picks.map((p) => card(p)));
      row.append(cards);
    }
    return row;
  };
  const showPicture = (seq) => attempt(async () => {
    const told = await call(`/conversations/${encodeURIComponent(current)}/messages/${seq}/picture?language=${language}`);
    const holds = told.holds.map((hold) => {
      const row = element("p");
      row.append(element("b", `${hold.name}: ${hold.value}`), ...told.words.flatMap((word, at) => {
        const shown = element("span", word, { title: hold.weights[at] });
        shown.style.backgroundColor = `rgb(37 99 235 / ${0.65 * hold.weights[at]})`;
        return [shown, " "];
      }));
      return row;
    });
    $("picture").replaceChildren(element("h2", t("hangs")), ...holds, ...told.picks.map((pick) => table(pick.title, pick.parts.map(([name, value]) => [name, value.toFixed(2)]), 1)));
  });
  const open = async (conversation) => {
    if (conversation !== current) { attached = []; showAttached(); $("picture").replaceChildren(); }
    current = conversation;
    $("conversation").hidden = $("aside").hidden = false;
    $("figures").hidden = true;
    await refresh();
    loadQueue();
  };
  const refresh = async () => {
    const told = await call(`/conversations/${encodeURIComponent(current)}?language=${language}`);
    const list = $("transcript"), atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
    list.replaceChildren(...told.events.map(event));
    if (atEnd || seen !== told.events.length) list.scrollTop = list.scrollHeight;
    seen = told.events.length;
    const mine = told.holder === "staff" && told.staff === me.name;
    $("reply").querySelector("[type=submit]").disabled = !mine;
    const names = mine ? ["release", "hand_back", "resolve"] : told.holder === "staff" ? [] : ["claim"];
    $("actions").replaceChildren(...names.map((name) => {
      const button = element("button", t(name), { type: "button", "data-action": name });
      button.addEventListener("click", () => act(name));
      return button;
    }));
    if (mine) await transfers();
    if (told.holder === "staff" && !mine) $("actions").append(element("span", `${t("with")} ${told.staff}`));
    const lines = (id, texts) => $(id).replaceChildren(...texts.map((text) => element("li", text)));
    lines("limits", Object.entries(told.limits).map(([k, v]) => `${k}: ${[].concat(v).join(", ")}`));
    lines("known", told.known.map((k) => `${k.text} (${k.because})`));
    $("actions").append(element("small", t(told.present ? "present" : "absent")));
    $("orders").replaceChildren(...told.orders.map((p) => card(p, "attach", attach)));
    $("cart").replaceChildren(...told.cart.map((p) => card(p, "attach", attach)));
    $("tags").textContent = told.tags.join(", ");
  };
  const transfers = async () => {
    const choice = element("select", "", { "aria-label": t("transfer") });
    choice.append(element("option", t("transfer"), { value: "" }), ...(await call("/colleagues")).map((name) => element("option", name, { value: name })));
    choice.addEventListener("change", () => choice.value && act("transfer", { to: choice.value }));
    $("actions").append(choice);
  };
  const act = (name, body = {}) => attempt(async () => {
    await call(`/conversations/${encodeURIComponent(current)}/${name}`, body);
    await refresh();
    await loadQueue();
  });
  const write = (kind, body) => attempt(async () => {
    await call(`/conversations/${encodeURIComponent(current)}/${kind}`, body);
    document.querySelector("#reply textarea").value = "";
    attached = []; showAttached();
    await refresh();
  });
  const written = () => document.querySelector("#reply textarea").value;

  let source = null;
  const follow = () => {
    source?.close();
    source = new EventSource("/desk/stream");
    source.onmessage = (message) => {
      loadQueue();
      if (current && JSON.parse(message.data)[current] !== undefined) refresh();
    };
  };

  $("sign-in").addEventListener("submit", (submitted) => {
    submitted.preventDefault();
    const given = Object.fromEntries(new FormData(submitted.target));
    attempt(async () => show(await call("/sign-in", given)), $("sign-in").querySelector("[role=alert]"));
  });
  $("show-labels").addEventListener("click", showLabels);
  $("show-figures").addEventListener("click", showFigures);
  $("show-reviews").addEventListener("click", showReviews);
  $("sign-out").addEventListener("click", async () => { await call("/sign-out", {}); source?.close(); show(null); });
  $("language").addEventListener("click", () => {
    language = language === "zh" ? "en" : "zh";
    localStorage.setItem("desk_language", language);
    label(); loadQueue();
    if (current) refresh();
  });
  $("reply").addEventListener("submit", (submitted) => {
    submitted.preventDefault();
    write("reply", { text: written(), picks: attached.map((p) => p.id), client_message_id: crypto.randomUUID?.() });
  });
  $("reply").querySelector("textarea").addEventListener("keydown", (pressed) => {
    if (pressed.key === "Enter" && (pressed.ctrlKey || pressed.metaKey)) $("reply").requestSubmit();
  });
  let typed = 0;
  $("reply").querySelector("textarea").addEventListener("input", () => {
    if (Date.now() - typed < 2000) return;
    typed = Date.now();
    call(`/conversations/${encodeURIComponent(current)}/typing`, {}).catch(() => {});
  });
  $("note").addEventListener("click", () => write("note", { text: written() }));
  $("suggest").addEventListener("click", () => attempt(async () => {
    const draft = await call(`/conversations/${encodeURIComponent(current)}/suggestion`);
    document.querySelector("#reply textarea").value = draft.text;
    attached = draft.picks; showAttached();
  }));
  $("canned").addEventListener("change", () => {
    const box = document.querySelector("#reply textarea");
    box.value = $("canned").value.replaceAll("{name}", me.name);
    $("canned").value = "";
    box.focus();
  });
  $("tag").addEventListener("submit", (submitted) => {
    submitted.preventDefault();
    write("tag", { text: new FormData(submitted.target).get("text") });
    submitted.target.reset();
  });
  $("search").addEventListener("submit", (submitted) => {
    submitted.preventDefault();
    attempt(async () => {
      const text = new FormData(submitted.target).get("text");
      const found = await call(`/products?language=${language}&text=${encodeURIComponent(text)}`);
      $("found").replaceChildren(...found.map((p) => card(p, "attach", attach)));
    });
  });
  label();
  call("/me").then(show, () => show(null));
})();
