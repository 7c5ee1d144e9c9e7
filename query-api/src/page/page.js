// The page behind a venue code: says where one is, takes what is asked, sends the scan and shows the answer in the words of
// the city. Without the network the scan waits on the phone and is sent later; that is never shown as a verdict.

const GATEWAY = document.querySelector("meta[name=gateway]").content;
const PATIENCE_MS = 8000;
const code = decodeURIComponent(location.pathname.split("/").pop()).toUpperCase();
const at = (id) => document.getElementById(id);
const form = at("scan");

// What stays on the phone: the token, names of venues, and scans that could not be sent.
const store = {
  read: (key, otherwise) => JSON.parse(localStorage.getItem(key) ?? "null") ?? otherwise,
  write: (key, value) => localStorage.setItem(key, JSON.stringify(value)),
};

const WORDS = {
  "token-missing": ["请先提供身份凭证", "Say who you are first"],
  "token-expired": ["身份凭证无效或已过期，请从 App 重新打开", "The token is not valid or has expired: open the page from the app again"],
  "mistyped-code": ["不是有效的场所码", "This is no valid venue code"],
  "unknown-venue": ["没有这个场所", "There is no such venue"],
  "revoked-code": ["此码已停用，请扫描现场张贴的新码", "This code is no longer in use: scan the newer one at the door"],
  "code-not-in-force": ["此码不在有效期内", "This code is not valid at this time"],
  "registration-required": ["首次扫码，请如实填写以下信息", "Your first scan: please fill in"],
  "wrong-last-four": ["证件号码后四位不正确", "The last four characters are wrong"],
  "last-four-locked": ["错误次数过多，请稍后再试，或请工作人员登记", "Too many wrong answers: try later, or ask the staff"],
  "missing-last-four": ["请填写证件号码后四位", "Please give the last four characters of your document"],
  "missing-plate": ["请填写车牌号", "Please give the number plate of your lorry"],
  "too-many-requests": ["操作过于频繁，请稍后再试", "Too many requests: try again in a moment"],
  "out-of-scope": ["请填写凭证本人的信息", "Please give the details of the person whom the token is for"],
  "kept": ["网络不通，已保存在本机，联网后自动补报", "No network: kept on this phone, to be sent later"],
  "ask-staff": ["这不是通行结果。请向工作人员出示本页，由其核验登记", "This is no verdict. Show this page to the staff"],
};

// --- showing ---

function element(tag, text = "", attributes = {}) {
  return Object.assign(document.createElement(tag), { textContent: text }, attributes);
}

function both([zh, en]) {
  const span = element("span", `${zh} `);
  span.append(element("small", en, { lang: "en" }));
  return span;
}

function show(kind, mark, [zh, en], rows = []) {
  const list = element("dl");
  for (const [label, value] of rows.filter(([, value]) => value)) {
    const term = element("dt");
    term.append(both(label));
    list.append(term, element("dd", value));
  }
  const result = at("result");
  result.className = kind;
  result.replaceChildren(
    element("div", mark, { className: "mark" }),
    element("p", zh, { className: "words" }),
    element("p", en, { className: "english", lang: "en" }),
    ...(rows.length ? [list] : []),
  );
  result.hidden = false;
  result.scrollIntoView({ block: "nearest" });
}

function showVenue(venue) {
  if (!venue) {
    at("name").replaceChildren(both(["场所名称在联网并提供凭证后显示", "The name shows with a network and a token"]));
    return;
  }
  at("name").textContent = [venue.name, venue.door].filter(Boolean).join(" · ");
  at("address").textContent = venue.address;
  document.title = `${venue.name} 场所码`;
}

const clock = (time) => new Date(time).toLocaleString("zh-CN", { hour12: false });

function showAnswer(answer) {
  const isMissing = (field) => answer.unavailable.includes(field);
  const notNow = "暂时无法显示 temporarily not available";
  const results = { negative: "阴性 negative", positive: "阳性 positive" };
  const test = isMissing("last_test") ? notNow
    : answer.last_test ? `${results[answer.last_test.result]}，${clock(answer.last_test.sampled_at)}` : "无 none";
  const kind = isMissing("colour") ? "unknown" : answer.colour;
  const marks = { admit: "✓", refuse: "✕", recorded: "…" };
  // A refusal is never on green, whatever the colour of the code.
  const panel = answer.verdict === "refuse" && kind === "green" ? "red" : answer.verdict === "recorded" ? "unknown" : kind;
  show(panel, marks[answer.verdict], [answer.message.zh, answer.message.en], [
    [["场所", "Venue"], answer.venue.name],
    [["地址", "Address"], [answer.venue.address, answer.venue.door].filter(Boolean).join(" · ")],
    [["时间", "Time"], clock(answer.scanned_at)],
    [["码色", "Colour"], isMissing("colour") ? notNow : { green: "绿码 green", yellow: "黄码 yellow", red: "红码 red", unknown: "未知 unknown" }[answer.colour]],
    [["核酸检测", "Test"], test],
    [["行程", "Trip"], answer.trip ? { entered: "已入城 entered", closed: "已闭环 closed", undeclared: "未报备 undeclared" }[answer.trip.outcome] ?? answer.trip.outcome : ""],
    [["回执", "Receipt"], answer.receipt.slice(0, 8)],
  ]);
  const speech = new SpeechSynthesisUtterance(answer.speech.zh);
  speech.lang = "zh-CN";
  speechSynthesis.speak(speech);
}

const kindOf = (problem) => (problem.type ?? "").replace("urn:venuecode:problem:", "");

function showProblem(problem) {
  const kind = kindOf(problem);
  const words = WORDS[kind === "missing-field" ? `missing-${problem.field.replace("_", "-")}` : kind]
    ?? (kind.startsWith("token-") ? WORDS["token-expired"] : undefined);
  const detail = [problem.field, problem.detail].filter(Boolean).join(": ");
  show("problem", "!", words ?? ["无法登记，请检查所填内容", detail || "Not taken"], words ? [] : [[["说明", "Why"], detail]]);
}

// --- what is asked besides ---

const FIELDS = {
  last_four: [["证件号码后四位", "Last four characters of your document"], { inputMode: "text", maxLength: 4, autocomplete: "off" }],
  plate: [["车牌号", "Number plate"], { autocomplete: "off", placeholder: "豫A12345" }],
};

function field(name, label, attributes) {
  const box = element("label", "", { className: "field" });
  box.append(both(label), element("input", "", { name, required: true, ...attributes }));
  return box;
}

function ask(name) {
  if (!form.elements[name]) at("more").append(field(name, ...FIELDS[name]));
  form.elements[name].value = "";
  form.elements[name].focus();
}

// The city's own form (S4: what is asked at the first scan), as the gateway describes it.
function askForm(kind, fields) {
  const set = element("fieldset", "", { id: "answers" });
  set.dataset.kind = kind;
  for (const { id, type, required, label } of fields) set.append(question(id, type, required, [label.zh, label.en]));
  at("answers")?.remove();
  at("more").append(set);
}

function question(id, type, required, label) {
  const name = `answer:${id}`;
  if (type === "yes_no" || type === "temperature_normal") {
    const box = element("fieldset", "", { className: "field" });
    const choice = element("div", "", { className: "choice" });
    for (const [value, words] of [["true", ["是", "Yes"]], ["false", ["否", "No"]]]) {
      const one = element("label");
      one.append(element("input", "", { type: "radio", name, value, required }), both(words));
      choice.append(one);
    }
    const legend = element("legend");
    legend.append(both(label));
    box.append(legend, choice);
    return box;
  }
  if (type === "document") {
    const box = field(`${name}.number`, label, { required, autocomplete: "off" });
    const kinds = element("select", "", { name: `${name}.type` });
    for (const [value, text] of [["id_card", "居民身份证 Identity card"], ["passport", "护照 Passport"], ["permit", "通行证 Permit"]]) {
      kinds.append(element("option", text, { value }));
    }
    box.querySelector("input").before(kinds);
    return box;
  }
  const types = { phone: "tel", time: "datetime-local" };
  return field(name, label, { required, type: types[type] ?? "text" });
}

function answers() {
  const given = {};
  for (const [name, value] of new FormData(form)) {
    const [, id, part] = name.match(/^answer:([^.]+)(?:\.(.+))?$/) ?? [];
    if (!id || value === "") continue;
    const isTime = form.elements[name].type === "datetime-local";
    const read = isTime ? new Date(value).toISOString() : value === "true" ? true : value === "false" ? false : value;
    if (part) (given[id] ??= {})[part] = read;
    else given[id] = read;
  }
  return given;
}

// --- asking the gateway ---

// The answer with its status; fails when there is no network, or the gateway cannot take anything now.
async function call(method, path, body) {
  const response = await fetch(`${GATEWAY}${path}`, {
    method,
    headers: { authorization: `Bearer ${store.read("token", "")}`, ...(body && { "content-type": "application/json" }) },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE_MS),
    cache: "no-store",
    credentials: "omit",
    referrerPolicy: "no-referrer",
  });
  if (response.status >= 500) throw new Error(`status ${response.status}`);
  return { ok: response.ok, body: await response.json() };
}

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("").replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

async function scan() {
  const input = new FormData(form);
  const started = new Date().toISOString();
  const request = { code, event_id: newId(), direction: input.get("direction"), symptoms: input.has("symptoms") };
  for (const name of Object.keys(FIELDS)) if (input.get(name)) request[name] = input.get(name);
  try {
    if (at("answers")) {
      const registered = await call("POST", "/v1/people", { form: at("answers").dataset.kind, answers: answers() });
      if (!registered.ok) return showProblem(registered.body);
      at("answers").remove();
      request.symptoms ||= registered.body.declares.includes("symptoms");
    }
    const { ok, body } = await call("POST", "/v1/scans", request);
    if (ok) {
      remember(body.venue);
      if (form.elements.last_four) form.elements.last_four.value = "";
      return showAnswer(body);
    }
    showProblem(body);
    if (kindOf(body) === "registration-required") askForm(body.form, body.fields);
    if (body.field in FIELDS) ask(body.field);
  } catch {
    // A form that was not taken stays on the screen; who one is goes into no store.
    const { last_four, ...kept } = request;
    store.write("waiting", [...store.read("waiting", []), { ...kept, scanned_at: started }]);
    show("kept", "待", WORDS.kept, [[["请注意", "Note"], WORDS["ask-staff"].join(" ")], [["时间", "Time"], clock(started)], [["场所码", "Code"], code]]);
    showWaiting();
  }
}

function remember(venue) {
  const { name, address, door } = venue;
  store.write("venues", { ...store.read("venues", {}), [code]: { name, address, door } });
  showVenue(venue);
}

function showWaiting() {
  const count = store.read("waiting", []).length;
  at("waiting").hidden = count === 0;
  at("waiting").replaceChildren(both([`${count} 条登记待补报`, `${count} waiting to be sent`]));
}

// What may be otherwise later: another token, less haste, the form filled in; and who one is, is not asked of a scan that
// comes too late for a verdict.
function isForLater(problem) {
  const kind = kindOf(problem);
  return /^(token|too-many)-/.test(kind) || kind === "registration-required" || problem.field === "last_four";
}

// Sends what waits, oldest first, until something cannot be sent. The same identity sent twice is one scan.
async function sendWaiting() {
  const refusals = [];
  while (store.read("token", "") && store.read("waiting", []).length > 0) {
    const [first] = store.read("waiting", []);
    try {
      const { ok, body } = await call("POST", "/v1/scans", first);
      if (!ok && isForLater(body)) break;
      if (!ok) refusals.push(body);
      store.write("waiting", store.read("waiting", []).filter((scan) => scan.event_id !== first.event_id));
    } catch {
      break;
    }
  }
  if (refusals.length > 0) showProblem(refusals[0]);
  showWaiting();
}

async function lookUp() {
  showVenue(store.read("venues", {})[code]);
  if (!store.read("token", "")) return;
  try {
    const { ok, body } = await call("GET", `/v1/codes/${encodeURIComponent(code)}`);
    if (!ok) return showProblem(body);
    remember(body);
    if (body.category.startsWith("freight_")) ask("plate");
  } catch { /* the name shows once there is a network */ }
}

// --- start ---

function start() {
  const hasToken = store.read("token", "") !== "";
  form.hidden = !hasToken;
  at("sign-in").open = !hasToken;
  showWaiting();
  lookUp().then(sendWaiting);
}

// The app hands the token over behind the #, which no server sees.
const handed = new URLSearchParams(location.hash.slice(1)).get("token");
if (handed) {
  store.write("token", handed);
  history.replaceState(null, "", location.pathname);
}
at("code").textContent = code.replace(/(.{4})(?=.)/g, "$1 ");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  await scan();
  button.disabled = false;
});
at("token").addEventListener("submit", (event) => {
  event.preventDefault();
  store.write("token", event.target.elements.token.value.trim());
  event.target.reset();
  start();
});
at("forget").addEventListener("click", () => {
  localStorage.clear();
  location.reload();
});
addEventListener("online", sendWaiting);
navigator.serviceWorker?.register("worker.js");
start();
