// The demo: a visitor and an agent on one page, each over a socket of its own. Text is only ever set as text.

const API = "/api/v1";
const siteKey = document.body.dataset.siteKey;

/** Asks the API; throws what it answers when that is an error. */
async function ask(method, path, headers, body) {
  const answer = await fetch(API + path, {
    method,
    headers: { "content-type": "application/json", ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const said = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw new Error(said.error.message);
  return said;
}

/** A socket that comes back by itself and resumes the conversations it follows. */
class Line {
  #token;
  #heard;
  #socket = null;
  #after = new Map();
  #waiting = new Map();
  #next = 1;
  #tries = 0;

  constructor(token, heard) {
    this.#token = token;
    this.#heard = heard;
    this.#open();
  }

  #open() {
    const url = new URL(`${API}/chat/socket`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    this.#socket = new WebSocket(url, "switchboard.v1");
    this.#socket.onopen = () => {
      const resume = [...this.#after].map(([conversation_id, after]) => ({ conversation_id, after }));
      this.request("hello", { token: this.#token, resume }).then(() => (this.#tries = 0), report);
    };
    this.#socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    this.#socket.onclose = ({ code }) => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the connection was lost"));
      this.#waiting.clear();
      if (code === 4401 || code === 4403) return this.#heard({ type: "closed", code });
      const wait = Math.min(30000, 500 * 2 ** this.#tries++) * Math.random();
      setTimeout(() => this.#open(), wait);
    };
  }

  #take(frame) {
    const waiting = this.#waiting.get(frame.reply_to);
    if (waiting) {
      this.#waiting.delete(frame.reply_to);
      if (frame.type === "error") waiting.reject(new Error(frame.error.message));
      else waiting.resolve(frame);
    }
    if (frame.type === "event") {
      // Resuming may send again what was there already.
      if (frame.seq <= (this.#after.get(frame.conversation_id) ?? 0)) return;
      this.#after.set(frame.conversation_id, frame.seq);
    }
    this.#heard(frame);
  }

  request(type, fields) {
    const id = String(this.#next++);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ id, type, ...fields }));
    });
  }

  follow(conversation_id) {
    if (this.#after.has(conversation_id)) return;
    this.#after.set(conversation_id, 0);
    return this.request("subscribe", { conversation_id, after: 0 });
  }
}

/** What one side of the page shows. */
class Pane {
  constructor(id, side) {
    this.root = document.getElementById(id);
    this.side = side;
    this.log = this.root.querySelector(".log");
    this.write = this.root.querySelector(".write");
    this.end = this.root.querySelector(".end");
    this.offers = this.root.querySelector(".offers");
  }

  say(state) {
    this.root.querySelector(".state").textContent = state;
  }

  talking(on) {
    this.end.hidden = !on;
    if (this.side === "agent") this.write.hidden = !on;
  }

  show(event) {
    const line = document.createElement("li");
    const who = event.by?.name ?? event.by?.kind ?? "";
    if (event.kind === "message" || event.kind === "note") {
      line.textContent = event.text ?? "(a file)";
      line.title = who;
      line.className = event.by.kind === this.side ? "mine" : "";
    } else if (event.kind === "hidden") {
      return;
    } else {
      line.className = "note";
      line.textContent = event.kind === "assigned" ? `${event.agent.name} answers now` : `${event.kind} (${who})`;
    }
    this.log.append(line);
    this.log.scrollTop = this.log.scrollHeight;
  }

  onWrite(send) {
    this.write.addEventListener("submit", async (submitted) => {
      submitted.preventDefault();
      const text = this.write.elements.text.value;
      try {
        await send(text);
        this.write.reset();
      } catch (error) {
        this.say(`Not sent: ${error.message}`);
      }
    });
  }
}

function report(error) {
  console.error(error);
}

function bearer(token) {
  return { authorization: `Bearer ${token}` };
}

function visitor() {
  const pane = new Pane("visitor", "visitor");
  let token, line, conversation;

  function heard(frame) {
    if (frame.type === "queue") pane.say(`Waiting, number ${frame.position}.`);
    if (frame.type !== "event" || frame.conversation_id !== conversation) return;
    pane.show(frame.event);
    if (frame.event.kind === "assigned") pane.say(`Talking with ${frame.event.agent.name}.`);
    if (frame.event.kind === "ended") {
      pane.say("It has ended. Write to ask anew.");
      pane.talking(false);
      conversation = undefined;
    }
  }

  pane.onWrite(async (text) => {
    if (!token) {
      ({ token } = await ask("POST", "/chat/visitors", { "x-site-key": siteKey }, { name: "Demo visitor" }));
      line = new Line(token, heard);
    }
    const client_id = crypto.randomUUID();
    if (conversation) {
      await line.request("send", { conversation_id: conversation, client_id, text });
      return;
    }
    const started = await ask("POST", "/chat/conversations", bearer(token), { client_id, text });
    conversation = started.conversation.id;
    pane.log.replaceChildren();
    pane.talking(true);
    pane.say("Waiting for an agent.");
    await line.follow(conversation);
  });

  pane.end.addEventListener("click", () => {
    ask("POST", `/chat/conversations/${conversation}/end`, bearer(token), {}).catch((error) => pane.say(error.message));
  });
}

function agent() {
  const pane = new Pane("agent", "agent");
  const login = pane.root.querySelector(".login");
  let token, line, conversation;

  function take(id) {
    conversation = id;
    pane.log.replaceChildren();
    pane.talking(true);
    line.follow(id)?.catch(report);
  }

  function offer(waiting) {
    const row = document.createElement("li");
    row.id = `offer-${waiting.id}`;
    const name = document.createElement("span");
    name.textContent = waiting.visitor.name ?? "A visitor";
    const accept = document.createElement("button");
    accept.textContent = "Accept";
    accept.addEventListener("click", () => {
      line.request("accept", { conversation_id: waiting.id }).catch((error) => pane.say(error.message));
    });
    row.append(name, accept);
    document.getElementById(row.id)?.remove();
    pane.offers.append(row);
  }

  function heard(frame) {
    if (frame.type === "welcome") {
      frame.offers.forEach(({ conversation: waiting }) => offer(waiting));
      if (frame.held.length > 0 && !conversation) take(frame.held[0].id);
      line.request("status", { status: "online" }).then(() => pane.say("Online."), report);
    } else if (frame.type === "offer") {
      offer(frame.conversation);
    } else if (frame.type === "offer_ended") {
      document.getElementById(`offer-${frame.conversation_id}`)?.remove();
    } else if (frame.type === "assigned") {
      document.getElementById(`offer-${frame.conversation.id}`)?.remove();
      take(frame.conversation.id);
    } else if (frame.type === "closed") {
      pane.say("Logged out.");
      login.hidden = false;
    } else if (frame.type === "event" && frame.conversation_id === conversation) {
      pane.show(frame.event);
      if (frame.event.kind === "ended") pane.talking(false);
    }
  }

  login.addEventListener("submit", async (submitted) => {
    submitted.preventDefault();
    const { email, password } = login.elements;
    try {
      const pair = await ask("POST", "/auth/login", {}, { email: email.value, password: password.value });
      token = pair.access_token;
      login.hidden = true;
      pane.say(`${pair.agent.name} is coming online.`);
      line = new Line(token, heard);
    } catch (error) {
      pane.say(error.message);
    }
  });

  pane.onWrite((text) =>
    line.request("send", { conversation_id: conversation, client_id: crypto.randomUUID(), text }),
  );

  pane.end.addEventListener("click", () => {
    ask("POST", `/chat/conversations/${conversation}/end`, bearer(token), {}).catch((error) => pane.say(error.message));
  });
}

visitor();
agent();
