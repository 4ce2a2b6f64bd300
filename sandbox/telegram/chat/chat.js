// The chat's page. It asks the double for all that the chat shows, again and again, and draws what
// has changed; what the user does goes out as the same controls that testers call.
"use strict";

const POLL_MS = 400;
const TOAST_MS = 3500;
const SIGNS = { url: "↗", web_app: "▣", copy_text: "❐" };

const byId = (id) => document.getElementById(id);
const asked = new URLSearchParams(location.search);
const dark = matchMedia("(prefers-color-scheme: dark)");

const first = navigator.language.startsWith("ru") ? 1001 : 1002; // Anna speaks Russian, Ben English.
let user = Number(asked.get("user") || localStorage.getItem("user")) || first; // The way back from paying names nobody.
let payload = asked.get("start") || "";
let seen = "";
let chat = null;
let told = null; // Ids of the queries whose answers were shown.
let pressed = new Set(); // "message:index" of buttons whose press is on its way.
let drawn = new Map(); // Of each message: its element, and what it was drawn from.

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

async function post(path, fields = {}) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(fields),
  });
  const body = await response.json();
  if (!response.ok) throw new Error(body.error || response.statusText);
  return body;
}

const act = (deed, fields) => post(`users/${user}/${deed}`, fields);

// Anything the user starts: what goes wrong is said, and the screen follows at once.
async function attempt(deed) {
  try {
    await deed();
  } catch (error) {
    toast(error.message);
  }
  await look();
}

function toast(text) {
  const box = byId("toast");
  box.textContent = text;
  box.hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => (box.hidden = true), TOAST_MS);
}

// Looking.

async function look() {
  const whose = user;
  const response = await fetch(`users/${whose}/chat?seen=${seen}`);
  const view = await response.json();
  if (whose !== user) return;
  if (!response.ok) throw new Error(view.error);
  showTime(view.now);
  if (!view.messages) return;
  seen = view.version;
  chat = view;
  draw();
}

async function keepLooking() {
  try {
    await look();
    document.body.removeAttribute("data-offline");
  } catch {
    document.body.setAttribute("data-offline", "");
    byId("status").textContent = "connecting…";
    seen = "";
  }
  setTimeout(keepLooking, document.hidden ? 5 * POLL_MS : POLL_MS);
}

function showTime(now) {
  const at = new Date(now);
  const options = { dateStyle: "medium", timeStyle: "short" };
  byId("now").dateTime = now;
  byId("now").textContent = at.toLocaleString(undefined, options);
}

// Drawing.

function draw() {
  byId("bot-name").textContent = chat.bot.first_name;
  byId("avatar").textContent = chat.bot.first_name.slice(0, 1);
  document.title = `${chat.bot.first_name} · Sandbox`;
  drawStatus();
  drawMessages();
  drawBottom();
  drawAnswers();
  drawSubscriptions();
}

function drawStatus() {
  const status = byId("status");
  status.textContent = chat.typing ? "typing…" : "bot";
  status.classList.toggle("typing", chat.typing);
  clearTimeout(drawStatus.timer);
  if (chat.typing) {
    drawStatus.timer = setTimeout(() => {
      chat.typing = false;
      drawStatus();
    }, 5000);
  }
}

function drawMessages() {
  const list = byId("messages");
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  const before = drawn;
  drawn = new Map();
  const rows = [];
  let day = "";
  for (const message of chat.messages) {
    const date = new Date(message.date).toLocaleDateString(undefined, { day: "numeric", month: "long" });
    if (date !== day) rows.push(make("li", { class: "day" }, (day = date)));
    const from = JSON.stringify(message);
    const known = before.get(message.id);
    const element = known && known.from === from ? known.element : messageElement(message);
    drawn.set(message.id, { element, from });
    rows.push(element);
  }
  if (!rows.length) {
    const text = chat.started ? "No messages here." : "Nothing here yet. Press Start, and the bot will answer.";
    rows.push(make("li", { class: "empty" }, text));
  }
  const isSame = rows.length === list.children.length && rows.every((row, i) => row === list.children[i]);
  if (!isSame) list.replaceChildren(...rows);
  drawWaiting();
  if (isAtEnd || drawMessages.last !== chat.messages.at(-1)?.id) list.scrollTop = list.scrollHeight;
  drawMessages.last = chat.messages.at(-1)?.id;
}

function messageElement(message) {
  const text = make("div", { class: "text" });
  text.innerHTML = message.html; // Made by the double from escaped text and tags of its own.
  const time = new Date(message.date).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  const meta = `${message.edited ? "edited " : ""}${time}${message.from === "user" ? " ✓✓" : ""}`;
  const bubble = make("div", { class: "bubble" }, text, make("span", { class: "meta" }, meta));
  const attributes = { class: `message ${message.from}`, "data-testid": "message", "data-from": message.from };
  const element = make("li", { ...attributes, "data-id": message.id }, bubble);
  if (message.buttons.length) element.append(keysElement(message));
  return element;
}

function keysElement(message) {
  let index = 0;
  const rows = message.buttons.map((row) => {
    const keys = row.map((button) => {
      const at = index++;
      const key = make("button", { type: "button", class: "key", "data-testid": "button" }, button.text);
      const kind = Object.keys(SIGNS).find((name) => name in button);
      if (kind) key.dataset.sign = SIGNS[kind];
      key.dataset.key = `${message.id}:${at}`;
      key.addEventListener("click", () => press(message, button, at));
      return key;
    });
    return make("div", {}, ...keys);
  });
  return make("div", { class: "keys" }, ...rows);
}

function drawWaiting() {
  const waiting = new Set([...pressed, ...chat.waiting.map((one) => `${one.message_id}:${one.index}`)]);
  for (const key of document.querySelectorAll(".key")) {
    if (waiting.has(key.dataset.key)) key.setAttribute("aria-busy", "true");
    else key.removeAttribute("aria-busy");
  }
  clearTimeout(drawWaiting.timer);
  if (waiting.size) drawWaiting.timer = setTimeout(() => (seen = ""), 15500); // Then Telegram gives up.
}

function drawBottom() {
  const button = chat.menu_button;
  const isApp = button.type === "web_app";
  const hasMenu = isApp || chat.commands.length > 0;
  byId("start").hidden = chat.blocked || chat.started;
  byId("restart").hidden = !chat.blocked;
  byId("compose").hidden = chat.blocked || !chat.started;
  byId("stop").hidden = chat.blocked || !chat.started;
  byId("menu").hidden = !hasMenu;
  byId("menu").classList.toggle("app", isApp);
  byId("menu-text").textContent = isApp ? button.text : "Menu";
  if (!hasMenu || chat.blocked) showCommands(false);
}

// Clients of Telegram have them in the settings: who subscribed may stop, and take it up again.
function drawSubscriptions() {
  const rows = chat.subscriptions.flatMap((one) => {
    const end = new Date(one.paid_until).toLocaleDateString(undefined, { dateStyle: "medium" });
    const how = one.stopped ? "canceled by the bot, ends" : one.renews ? "renews" : "canceled, ends";
    const line = make("p", {}, `${one.title} · ${one.sum} · ${how} ${end}`);
    if (one.stopped) return [line];
    const key = make("button", { type: "button", "data-testid": "subscription" }, one.renews ? "Cancel" : "Renew");
    const state = one.renews ? "canceled" : "active";
    key.addEventListener("click", () => attempt(() => post(`stars/${one.charge_id}/subscription`, { state })));
    return [line, key];
  });
  byId("subscriptions").replaceChildren(...(rows.length ? [make("h2", {}, "Manage subscriptions"), ...rows] : []));
}

// Answers that came before this page looked are old news.
function drawAnswers() {
  const ids = chat.answers.map((answer) => answer.query_id);
  for (const answer of told === null ? [] : chat.answers) {
    if (told.has(answer.query_id)) continue;
    if (answer.url) openLink(answer.url);
    if (!answer.text) continue;
    if (answer.alert) {
      byId("alert-text").textContent = answer.text;
      byId("alert").showModal();
    } else {
      toast(answer.text);
    }
  }
  told = new Set(ids);
}

// Doing.

const send = (text) => attempt(() => act("send", { text }));
const scheme = () => (dark.matches ? "dark" : "light");

function press(message, button, index) {
  const key = `${message.id}:${index}`;
  pressed.add(key);
  drawWaiting();
  attempt(async () => {
    try {
      const fields = { button: button.text, message_id: message.id, index, scheme: scheme() };
      const does = await act("press", fields);
      if (does.web_app) openSheet(does.web_app);
      else if (does.url) openLink(does.url);
      else if (does.invoice) await openInvoice(does.invoice);
      else if (does.copy_text) await copy(does.copy_text);
    } finally {
      pressed.delete(key);
    }
  });
}

async function copy(text) {
  await navigator.clipboard.writeText(text).catch(() => {});
  toast(`Copied: ${text}`);
}

// A link to the bot itself or to an invoice stays here; others open beside the chat.
function openLink(url) {
  const to = new URL(url, location.href);
  if (to.hostname === "t.me" && to.pathname.startsWith("/$")) return void attempt(() => openInvoice(to.pathname.slice(2)));
  if (to.hostname === "t.me" && to.pathname.toLowerCase() === `/${chat.bot.username.toLowerCase()}`) {
    const app = to.searchParams.get("startapp");
    if (app === null) return void send(`/start ${to.searchParams.get("start") || ""}`.trim());
    return openApp({ start_param: app });
  }
  if (/^https?:$/.test(to.protocol)) window.open(to.href, "_blank", "noopener");
  else toast(`Telegram would open ${url}`);
}

function showCommands(isOpen) {
  const box = byId("commands");
  box.hidden = !isOpen;
  byId("menu").setAttribute("aria-expanded", String(isOpen));
  if (!isOpen) return;
  box.replaceChildren(
    ...chat.commands.map(({ command, description }) => {
      const parts = [make("b", {}, `/${command}`), make("span", {}, description)];
      const row = make("button", { type: "button", role: "menuitem" }, ...parts);
      row.addEventListener("click", () => {
        showCommands(false);
        send(`/${command}`);
      });
      return row;
    }),
  );
  box.querySelector("button")?.focus();
}

// Paying an invoice: the bot is asked first, and has ten seconds to say whether it is welcome.

async function openInvoice(slug, whenClosed = () => {}) {
  const response = await fetch(`invoices/${encodeURIComponent(slug)}`);
  const invoice = await response.json();
  if (!response.ok) throw new Error(invoice.error);
  byId("pay-title").textContent = invoice.title;
  byId("pay-about").textContent = invoice.description;
  byId("pay-sum").textContent = invoice.sum;
  const button = byId("pay-do");
  const say = (text) => (byId("pay-said").textContent = text);
  const told = { status: "cancelled" };
  say("");
  button.disabled = false;
  button.textContent = `Pay ${invoice.sum}`;
  button.onclick = async () => {
    button.disabled = true;
    say("Asking the bot…");
    try {
      told.status = await payInvoice(slug, say);
      if (told.status === "paid") byId("pay").close();
    } catch (error) {
      say(error.message);
    }
    button.disabled = false;
  };
  byId("pay").onclose = () => whenClosed(told.status);
  byId("pay").showModal();
}

async function payInvoice(slug, say) {
  const asked = await post(`invoices/${encodeURIComponent(slug)}/pay`, { user_id: user });
  for (;;) {
    const invoice = await (await fetch(`invoices/${encodeURIComponent(slug)}`)).json();
    const mine = invoice.attempts.find((one) => one.pre_checkout_query_id === asked.pre_checkout_query_id);
    if (mine.status === "paid") return "paid";
    if (mine.status !== "asked") {
      say(mine.error_message || "The bot did not answer in time. Nothing was charged.");
      return "failed";
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

// The sheet of a Mini App: a frame over the chat, with the events that clients of Telegram take.

function openSheet(url) {
  const frame = make("iframe", { src: url, title: "Mini App", "data-testid": "miniapp", allow: "clipboard-write" });
  byId("sheet-title").textContent = chat.bot.first_name;
  byId("sheet-body").replaceChildren(frame);
  byId("sheet").hidden = false;
  byId("sheet-close").focus();
}

function openApp(fields) {
  attempt(async () => openSheet((await act("open", { scheme: scheme(), ...fields })).web_app));
}

function closeSheet() {
  byId("sheet").hidden = true;
  byId("sheet-body").replaceChildren();
  byId("input").focus();
}

addEventListener("message", (event) => {
  const frame = byId("sheet-body").querySelector("iframe");
  if (!frame || event.source !== frame.contentWindow || typeof event.data !== "string") return;
  let said;
  try {
    said = JSON.parse(event.data);
  } catch {
    return;
  }
  if (said.eventType === "web_app_close") closeSheet();
  if (said.eventType === "web_app_open_link") openLink(said.eventData.url);
  if (said.eventType === "web_app_open_invoice") {
    const { slug } = said.eventData;
    const tell = (status) => {
      const closed = { eventType: "invoice_closed", eventData: { slug, status } };
      frame.contentWindow?.postMessage(JSON.stringify(closed), "*");
    };
    attempt(() => openInvoice(slug, tell));
  }
  if (said.eventType === "web_app_open_tg_link") {
    closeSheet();
    openLink(`https://t.me${said.eventData.path_full}`);
  }
});

// Who, and when.

async function drawUsers() {
  const { items } = await (await fetch("users")).json();
  if (!items.some((one) => one.id === user)) items.push({ id: user, first_name: `User ${user}` });
  byId("user").replaceChildren(
    ...items.map((one) => {
      const language = one.language_code ? ` (${one.language_code})` : "";
      return make("option", { value: one.id }, `${one.first_name}${language} · ${one.id}`);
    }),
  );
  byId("user").value = String(user);
}

function showPanel(isOpen) {
  document.querySelector(".panel").classList.toggle("open", isOpen);
  byId("panel-open").setAttribute("aria-expanded", String(isOpen));
}

function become(id) {
  user = id;
  payload = "";
  [seen, chat, told, pressed, drawn] = ["", null, null, new Set(), new Map()];
  drawMessages.last = undefined;
  closeSheet();
  showCommands(false);
  showPanel(false);
  history.replaceState(null, "", `?user=${id}`);
  localStorage.setItem("user", id);
  attempt(drawUsers);
}

byId("user").addEventListener("change", (event) => become(Number(event.target.value)));
byId("other").addEventListener("submit", (event) => {
  event.preventDefault();
  const id = Number(byId("other-id").value);
  byId("other-id").value = "";
  if (id > 0 && id < 2 ** 52) become(id);
  else toast("An id is a number from 1");
});
byId("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("input").value.trim();
  byId("input").value = "";
  if (text) send(text);
});
byId("start").addEventListener("click", () => send(`/start ${payload}`.trim()));
byId("stop").addEventListener("click", () => attempt(() => act("block")));
byId("restart").addEventListener("click", () =>
  attempt(async () => {
    await act("unblock");
    await act("send", { text: "/start" }); // As clients of Telegram do.
  }),
);
byId("menu").addEventListener("click", () => {
  if (chat.menu_button.type !== "web_app") return showCommands(byId("commands").hidden);
  return openApp({});
});
byId("sheet-close").addEventListener("click", closeSheet);
byId("messages").addEventListener("click", (event) => {
  const command = event.target.closest(".command");
  const link = event.target.closest("a");
  if (command) send(command.textContent);
  if (link) {
    event.preventDefault();
    openLink(link.href);
  }
});
byId("messages").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches(".command")) send(event.target.textContent);
});
byId("panel-open").addEventListener("click", () => showPanel(!document.querySelector(".panel.open")));
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  showPanel(false);
  if (!byId("commands").hidden) showCommands(false);
  else if (!byId("sheet").hidden) closeSheet();
});
byId("sample").addEventListener("click", () => {
  showPanel(false);
  openApp({ url: new URL("../app/", location.href).href });
});
for (const button of document.querySelectorAll(".advance")) {
  button.addEventListener("click", () =>
    attempt(async () => {
      await post("../clock/advance", { days: Number(button.dataset.days) });
      showPanel(false);
      toast(`${button.textContent}: the whole sandbox is there now`);
    }),
  );
}

localStorage.setItem("user", user);
attempt(drawUsers);
keepLooking();
