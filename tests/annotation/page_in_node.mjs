// Runs the script of the annotation page in node, with as much of a document as it touches, against a server that runs.
// Each line that comes in is a key, or "again" for what the page does by itself after a while; each line that goes out
// says what the page then shows.
//     node page_in_node.mjs ADDRESS
import { createInterface } from "node:readline";
import vm from "node:vm";

class Part {
  children = []; style = {}; dataset = {}; attributes = {}; listeners = {}; textContent = ""; hidden = false;
  get firstElementChild() { return (this.children[0] ??= new Part()); }
  append(...parts) { this.children.push(...parts); }
  replaceChildren(...parts) { this.children = parts; }
  setAttribute(name, value) { this.attributes[name] = value; }
  addEventListener(name, listener) { this.listeners[name] = listener; }
  focus() {}
}

const address = process.argv[2];
const page = await (await fetch(address)).text();
const parts = new Map(), asDocument = new Part();
const document = Object.assign(asDocument, {
  body: new Part(),
  createElement: () => new Part(),
  getElementById: (id) => parts.get(id) ?? parts.set(id, new Part()).get(id),
  querySelector: () => ({ content: page.match(/<meta name="token" content="([^"]*)">/)[1] }),
});
const context = vm.createContext({
  document, window: Object.assign(new Part(), { scrollTo() {} }), structuredClone, setInterval: () => 0, setTimeout,
  clearTimeout,
  location: new URL(address),
  fetch: (path, options) => fetch(new URL(path, address), options),
});
vm.runInContext(page.split(/<script[^>]*>/)[1].split("</script>")[0], context);
while (!document.body.dataset.ready) await new Promise((done) => setTimeout(done, 5));

function tell() {
  const text = (id) => document.getElementById(id).textContent, shown = document.getElementById("options").children;
  const picks = shown.filter((one) => one.attributes["aria-pressed"]);
  console.log(JSON.stringify({
    item: document.body.dataset.item, where: text("where"), said: text("said"), trouble: text("trouble"),
    context: document.getElementById("context").children.map((one) => one.textContent).join("\n"),
    picks: picks.map((one) => one.children.at(-1)),
  }));
}

tell();
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "again") vm.runInContext("queue = queue.then(sendAll)", context);
  else document.listeners.keydown({ key: line, preventDefault() {} });
  if (line === "c") await new Promise((done) => setTimeout(done, 100));
  await vm.runInContext("queue", context);
  tell();
}
