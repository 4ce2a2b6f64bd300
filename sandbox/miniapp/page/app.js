// "Calories by photo", a sample Mini App on Billhook. It shows what the customer has, sells plans,
// and asks the business's own backend for a photo. Prices and limits are the server's, never ours.
"use strict";

const API = "/api/v1/billing";
const FEATURE = "photo_ai";
const PAID_WITHIN_MS = 60_000;

const WORDS = {
  en: {
    title: "Calories by photo", photo: "Take a photo", blurred: "Try a blurred photo",
    yourPlan: "Your plan", plans: "Plans",
    back: "Back", check: "I have paid, check", payAgain: "Continue to payment",
    outside: "Open this page from the bot: it has to know who you are.",
    reopen: "Please close the app and open it from the bot again.",
    unlimited: "Unlimited photos", until: (date) => `until ${date}`, free: "no end",
    left: (n, of) => `${n} of ${of} photos left today`, resets: (time) => `Resets at ${time}`,
    none: (time) => `No photos left today. The next ones come at ${time}.`,
    counted: (kcal) => `About ${kcal} kcal (a sample answer).`,
    notCounted: "It did not work; your photo was not counted. Try a sharper one.",
    buy: (sum) => `Buy for ${sum}`, extend: (sum) => `Extend for ${sum}`, pay: (sum) => `Pay ${sum}`,
    sum: "To pay", ends: "Works until", returned: "Back to your wallet", wallet: (sum) => `In your wallet: ${sum}`,
    leaving: "Opening the payment page …", checking: "Checking the payment …",
    paid: "Paid, thank you.", unpaid: "The payment is not finished.",
    notSeen: "No money seen yet. Usually it takes less than a minute.",
    failed: "The payment did not go through; nothing was taken. You can try again.",
    changed: "Something changed meanwhile. Please look again and confirm.",
    wrong: (code) => `It did not work; nothing was charged. (${code})`,
    photoWrong: (code) => `It did not work. Please try again. (${code})`,
  },
  ru: {
    title: "Калории по фото", photo: "Сфотографировать", blurred: "Попробовать размытое фото",
    yourPlan: "Ваш тариф", plans: "Тарифы",
    back: "Назад", check: "Уже оплачено, проверить", payAgain: "Продолжить оплату",
    outside: "Откройте эту страницу из бота: ей нужно знать, кто вы.",
    reopen: "Закройте приложение и откройте его из бота ещё раз.",
    unlimited: "Фото без ограничений", until: (date) => `до ${date}`, free: "без срока",
    left: (n, of) => `Осталось ${n} из ${of} фото на сегодня`, resets: (time) => `Обновится в ${time}`,
    none: (time) => `На сегодня фото закончились. Новые появятся в ${time}.`,
    counted: (kcal) => `Примерно ${kcal} ккал (ответ для примера).`,
    notCounted: "Не получилось, фото не засчитано. Попробуйте более чёткое.",
    buy: (sum) => `Купить за ${sum}`, extend: (sum) => `Продлить за ${sum}`, pay: (sum) => `Оплатить ${sum}`,
    sum: "К оплате", ends: "Действует до", returned: "Вернётся в кошелёк", wallet: (sum) => `В кошельке: ${sum}`,
    leaving: "Открываем страницу оплаты …", checking: "Проверяем оплату …",
    paid: "Оплачено, спасибо.", unpaid: "Оплата не завершена.",
    notSeen: "Деньги пока не видны. Обычно это занимает меньше минуты.",
    failed: "Оплата не прошла, деньги не списаны. Можно попробовать ещё раз.",
    changed: "Пока вы смотрели, что-то изменилось. Проверьте и подтвердите ещё раз.",
    wrong: (code) => `Не получилось, деньги не списаны. (${code})`,
    photoWrong: (code) => `Не получилось. Попробуйте ещё раз. (${code})`,
  },
};

const byId = (id) => document.getElementById(id);
let language = "en";
const says = (name, ...given) => {
  const words = WORDS[language][name];
  return typeof words === "function" ? words(...given) : words;
};

// The launch. Telegram puts it into the fragment; the way back from the payment page loses that.

function launched() {
  const launch = new URLSearchParams(location.hash.slice(1));
  for (const name of ["tgWebAppData", "tgWebAppThemeParams"]) {
    if (launch.get(name)) sessionStorage.setItem(name, launch.get(name));
  }
  history.replaceState(null, "", location.pathname); // What proves the user stays out of the address.
  return sessionStorage.getItem("tgWebAppData") || "";
}

function tell(eventType, eventData = {}) {
  const proxy = window.TelegramWebviewProxy; // In phones and on the desktop; in the web, the frame.
  if (proxy) proxy.postEvent(eventType, JSON.stringify(eventData));
  else if (parent !== window) parent.postMessage(JSON.stringify({ eventType, eventData }), "*");
}

function paint(theme) {
  for (const [name, colour] of Object.entries(theme)) {
    if (/^#[0-9a-f]{3,8}$/i.test(colour)) {
      document.documentElement.style.setProperty(`--tg-theme-${name.replaceAll("_", "-")}`, colour);
    }
  }
}

const initData = launched();
const user = JSON.parse(new URLSearchParams(initData).get("user") || "{}");
const OPEN_PURCHASE = `purchase of ${user.id}`; // Remembered across the visit to the payment page.
let token = "";

// Talking to Billhook.

class Refused extends Error {
  constructor(status, code) {
    super(code);
    Object.assign(this, { status, code });
  }
}

async function request(method, url, { body, headers = {} } = {}) {
  const response = await fetch(url, {
    method,
    headers: { ...(body && { "Content-Type": "application/json" }), ...headers },
    body: body && JSON.stringify(body),
  });
  const told = response.status === 204 ? null : await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, told.code || `http_${response.status}`);
  return told;
}

async function signIn() {
  const told = await request("POST", `${API}/auth/telegram/`, { body: { init_data: initData } });
  token = told.access_token;
}

// A session may have ended meanwhile: sign in again, once.
async function call(method, path, { body, headers } = {}) {
  const bearing = () => ({ body, headers: { ...headers, Authorization: `Bearer ${token}` } });
  if (!token) await signIn();
  try {
    return await request(method, API + path, bearing());
  } catch (error) {
    if (error.status !== 401) throw error;
    await signIn();
    return request(method, API + path, bearing());
  }
}

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Showing.

function say(text, { bad = false } = {}) {
  byId("status").textContent = text;
  byId("status").hidden = !text;
  byId("status").classList.toggle("bad", bad);
}

function speak(wanted) {
  language = wanted?.startsWith("ru") ? "ru" : "en";
  document.documentElement.lang = language;
  document.title = says("title");
  for (const element of document.querySelectorAll("[data-says]")) {
    element.textContent = says(element.dataset.says);
  }
}

const inZone = (zone, style) => new Intl.DateTimeFormat(language, { timeZone: zone, ...style });
const dayOf = (moment, zone) => inZone(zone, { day: "numeric", month: "long", year: "numeric" }).format(new Date(moment));
const timeOf = (moment, zone) =>
  inZone(zone, { hour: "2-digit", minute: "2-digit", timeZoneName: "short" }).format(new Date(moment));

let zone = "UTC";

async function refresh() {
  const me = await call("GET", "/me/");
  const { plan, title, current_period_end: end } = me.subscription;
  zone = me.customer.zone;
  speak(me.customer.language);
  byId("plan").textContent = title;
  byId("plan").dataset.plan = plan;
  byId("until").textContent = end ? says("until", dayOf(end, zone)) : says("free");
  const money = me.wallet.balances.filter((one) => one.amount_minor > 0).map((one) => one.display);
  byId("wallet").textContent = says("wallet", money.join(", "));
  byId("wallet").hidden = !money.length;
  drawUsage(me.usage[FEATURE]);
  await drawPlans(plan);
}

function drawUsage(usage) {
  if (!usage) return;
  const isUnlimited = usage.limit === null;
  byId("left").textContent = isUnlimited ? says("unlimited") : says("left", usage.remaining, usage.limit);
  byId("left").dataset.remaining = isUnlimited ? "unlimited" : usage.remaining;
  byId("resets").textContent = isUnlimited ? "" : says("resets", timeOf(usage.resets_at, zone));
  byId("meter").style.width = isUnlimited ? "100%" : `${(100 * usage.remaining) / Math.max(usage.limit, 1)}%`;
}

async function drawPlans(current) {
  const { items } = await request("GET", `${API}/plans/?language=${language}`);
  const rows = items
    .filter((plan) => plan.prices.length)
    .map((plan) => {
      const row = document.createElement("li");
      const title = Object.assign(document.createElement("strong"), { textContent: plan.title });
      const quota = plan.quotas[FEATURE];
      const about = quota && quota.limit === null ? says("unlimited") : "";
      const what = Object.assign(document.createElement("span"), { className: "soft", textContent: about });
      const price = plan.prices[0].display;
      const label = says(plan.code === current ? "extend" : "buy", price);
      const buy = Object.assign(document.createElement("button"), { type: "button", textContent: label });
      buy.dataset.testid = `buy-${plan.code}`;
      buy.addEventListener("click", () => attempt(buy, () => preview(plan.code)));
      row.append(title, what, buy);
      return row;
    });
  byId("plans").replaceChildren(...rows);
  byId("plans-section").hidden = !rows.length || !byId("confirm").hidden;
}

// Whatever the customer starts: one at a time, and what goes wrong is said.
async function attempt(button, deed, wrong = "wrong") {
  if (button) button.disabled = true;
  try {
    await deed();
  } catch (error) {
    const isOld = ["init_data_too_old", "init_data_not_trusted", "sign_in_too_old_for_money", "not_from_telegram"];
    say(isOld.includes(error.code) ? says("reopen") : says(wrong, error.code || "network"), { bad: true });
  } finally {
    if (button) button.disabled = false;
  }
}

// Buying: look at the price, agree to it, pay on the gateway's page, come back and ask.

let agreed = null;

async function preview(plan) {
  const told = await call("POST", "/purchases/preview/", { body: { plan } });
  agreed = { plan, preview_id: told.preview_id, key: newId() };
  const facts = [[says("sum"), told.amount.display], [says("ends"), dayOf(told.period_end, zone)]];
  if (told.returned_to_wallet) facts.push([says("returned"), told.returned_to_wallet.display]);
  byId("confirm-title").textContent = told.title;
  byId("confirm-facts").replaceChildren(
    ...facts.flatMap(([name, value]) => [
      Object.assign(document.createElement("dt"), { textContent: name }),
      Object.assign(document.createElement("dd"), { textContent: value }),
    ]),
  );
  byId("pay").textContent = says("pay", told.amount.display);
  say("");
  confirming(true);
  byId("pay").focus();
}

function confirming(isOpen) {
  byId("confirm").hidden = !isOpen;
  byId("plans-section").hidden = isOpen;
}

async function pay() {
  const { plan, preview_id, key } = agreed;
  let purchase;
  try {
    purchase = await call("POST", "/purchases/", {
      headers: { "Idempotency-Key": key }, // The same for every try, so that none buys twice.
      body: { plan, preview_id, return_url: location.origin + location.pathname },
    });
  } catch (error) {
    if (error.code !== "preview_outdated") throw error;
    await refresh(); // What was agreed to is no longer so: show all as it is, and ask again.
    await preview(plan);
    return say(says("changed"), { bad: true });
  }
  sessionStorage.setItem(OPEN_PURCHASE, purchase.id);
  confirming(false);
  if (!purchase.confirmation_url) return watch();
  say(says("leaving"));
  return location.assign(purchase.confirmation_url);
}

let isWatching = false;

async function watch() {
  const id = sessionStorage.getItem(OPEN_PURCHASE);
  if (!id || isWatching) return;
  isWatching = true;
  try {
    say(says("checking"));
    const outcome = await outcomeOf(id);
    byId("pending").hidden = outcome !== "pending";
    if (outcome === "pending") return void say(says("notSeen"));
    sessionStorage.removeItem(OPEN_PURCHASE);
    say(says(outcome === "paid" ? "paid" : "failed"), { bad: outcome !== "paid" });
    await refresh();
  } finally {
    isWatching = false;
  }
}

// Asks until it is decided, a minute at most. A pending purchase that has no address to pay at any
// more was declined; it may be tried again.
async function outcomeOf(id) {
  const until = Date.now() + PAID_WITHIN_MS;
  for (let closed = 0; Date.now() < until; ) {
    const { status, confirmation_url: address } = await call("GET", `/purchases/${id}/`);
    if (status !== "pending") return status;
    byId("pending").hidden = !address; // Perhaps they only looked.
    closed = address ? 0 : closed + 1;
    if (closed === 3) return "declined";
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  return "pending";
}

async function payAgain() {
  const purchase = await call("GET", `/purchases/${sessionStorage.getItem(OPEN_PURCHASE)}/`);
  if (purchase.confirmation_url) location.assign(purchase.confirmation_url);
  else await watch();
}

// A photo. Its id stays until an answer is heard, so a lost answer never costs a second one.

const photoIds = {};

async function photo(name) {
  photoIds[name] ||= newId();
  const told = await request("POST", "photo", {
    headers: { Authorization: `tma ${initData}` },
    body: { photo: name, request_id: photoIds[name] },
  }).catch((error) => {
    if (error.status && error.status !== 503) delete photoIds[name];
    throw error;
  });
  delete photoIds[name];
  if (told.why === "nothing_to_be_seen") return say(says("notCounted"), { bad: true });
  drawUsage(told);
  if (told.why) return say(says("none", timeOf(told.resets_at, zone)), { bad: true });
  return say(says("counted", told.calories));
}

function start() {
  speak(user.language_code || navigator.language);
  paint(JSON.parse(sessionStorage.getItem("tgWebAppThemeParams") || "{}"));
  tell("web_app_ready");
  tell("web_app_expand");
  if (!initData) {
    byId("outside").textContent = says("outside");
    byId("outside").hidden = false;
    return;
  }
  byId("app").hidden = false;
  for (const [id, name] of [["photo", "meal.jpg"], ["blurred", "blurred.jpg"]]) {
    byId(id).addEventListener("click", (event) => attempt(event.currentTarget, () => photo(name), "photoWrong"));
  }
  byId("pay").addEventListener("click", (event) => attempt(event.currentTarget, pay));
  byId("pay-again").addEventListener("click", (event) => attempt(event.currentTarget, payAgain));
  byId("check").addEventListener("click", (event) => attempt(event.currentTarget, watch));
  byId("back").addEventListener("click", () => confirming(false));
  // Whoever comes back from somewhere else looks at old numbers.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) attempt(null, refresh);
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) attempt(null, watch);
  });
  attempt(null, async () => {
    await refresh();
    await watch();
  });
}

start();
