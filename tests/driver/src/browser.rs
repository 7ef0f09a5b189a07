//! A real browser without a window, driven by its DevTools protocol: pages are opened, asked, typed into and looked at.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::Api;

/// How long the browser may take to start, to answer, or a page to come to what is awaited.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at a page.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Headless, without a sandbox (tests run as root), and silent towards the network.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
];

/// A browser with a profile of its own; both go when this is dropped.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    address: SocketAddr,
    _profile: TempDir,
}

impl Browser {
    /// Starts Debian's `chromium`.
    pub fn start() -> anyhow::Result<Self> {
        let profile = tempfile::tempdir()?;
        let mut child = Command::new("chromium")
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("chromium is needed: run ./test, or install it")?;
        let said = BufReader::new(child.stderr.take().context("it was piped")?);
        let mut lines = said.lines();
        let address = loop {
            let line = lines.next().ok_or_else(|| anyhow!("chromium ended before it listened"))??;
            if let Some((_, url)) = line.split_once("DevTools listening on ws://") {
                break url.split('/').next().unwrap_or_default().parse()?;
            }
        };
        // What else it says is read, so that it never waits for us, and is nobody's concern.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address, _profile: profile })
    }

    /// Opens a page of `width` by `height` pixels.
    pub async fn open(&self, url: &str, width: u32, height: u32) -> anyhow::Result<Page> {
        let answer = self.new_target().await?;
        let path = answer["webSocketDebuggerUrl"].as_str().context("a target without an address")?;
        let stream = TcpStream::connect(self.address).await?;
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let (socket, _) = client_async_with_config(path, stream, Some(config)).await?;
        let mut page = Page { socket, requests: 0, complaints: Vec::new() };
        for domain in ["Page", "Runtime", "Log"] {
            page.call(&format!("{domain}.enable"), json!({})).await?;
        }
        page.resize(width, height).await?;
        page.call("Page.navigate", json!({"url": url})).await?;
        Ok(page)
    }

    async fn new_target(&self) -> anyhow::Result<Value> {
        let api = Api::new(self.address);
        let answer = api.put("/json/new?about:blank").send().await?;
        serde_json::from_slice(&answer.bytes).context("no JSON of a target")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A key that a page can be asked to take.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    /// Sends, or does what a button does.
    Enter,
    /// Closes a dialog.
    Escape,
    /// Goes back in a group.
    ArrowLeft,
    /// Goes on in a group.
    ArrowRight,
}

/// A page in the browser.
#[derive(Debug)]
pub struct Page {
    socket: WebSocketStream<TcpStream>,
    requests: u64,
    complaints: Vec<String>,
}

impl Page {
    /// The value of an expression in the page, promises awaited.
    pub async fn evaluate(&mut self, expression: &str) -> anyhow::Result<Value> {
        let asked = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", asked).await?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            bail!("{expression}: {thrown}");
        }
        Ok(answer["result"]["value"].clone())
    }

    /// Waits until the expression is true. While a page gives way to the next one it cannot be asked; that passes.
    pub async fn until(&mut self, expression: &str) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let seen = self.evaluate(expression).await;
            if matches!(seen, Ok(Value::Bool(true))) {
                return Ok(());
            }
            if Instant::now() > until {
                bail!(
                    "it never became true: {expression}: {seen:?}\nthe page's complaints: {:?}",
                    self.complaints
                );
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Types `text` into the first element that `selector` finds, as from a keyboard, and presses Enter.
    pub async fn type_and_enter(&mut self, selector: &str, text: &str) -> anyhow::Result<()> {
        self.type_into(selector, text).await?;
        self.press(Key::Enter).await
    }

    /// Types `text` into the first element that `selector` finds, as from a keyboard.
    pub async fn type_into(&mut self, selector: &str, text: &str) -> anyhow::Result<()> {
        self.evaluate(&format!("document.querySelector({}).focus()", json!(selector))).await?;
        self.call("Input.insertText", json!({"text": text})).await?;
        Ok(())
    }

    /// Presses a key, and lets it go, where the focus is.
    pub async fn press(&mut self, key: Key) -> anyhow::Result<()> {
        let (name, code, text) = match key {
            Key::Enter => ("Enter", 13, Some("\r")),
            Key::Escape => ("Escape", 27, None),
            Key::ArrowLeft => ("ArrowLeft", 37, None),
            Key::ArrowRight => ("ArrowRight", 39, None),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut pressed = json!({"type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code});
            if let Some(text) = text {
                pressed["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", pressed).await?;
        }
        Ok(())
    }

    /// Shows the page as to a person with these preferences, as in `("forced-colors", "active")`; none: as it comes.
    pub async fn prefer(&mut self, features: &[(&str, &str)]) -> anyhow::Result<()> {
        let features: Vec<Value> =
            features.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        self.call("Emulation.setEmulatedMedia", json!({"features": features})).await?;
        Ok(())
    }

    /// Chooses a file in the file input that the expression gives, as from the system's dialog.
    pub async fn choose_file(&mut self, expression: &str, file: &Path) -> anyhow::Result<()> {
        let found = self.call("Runtime.evaluate", json!({"expression": expression})).await?;
        let input = found["result"]["objectId"].as_str().context("no file input was found")?;
        self.call("DOM.setFileInputFiles", json!({"objectId": input, "files": [file]})).await?;
        Ok(())
    }

    /// Makes its window `width` by `height` pixels.
    pub async fn resize(&mut self, width: u32, height: u32) -> anyhow::Result<()> {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size).await?;
        Ok(())
    }

    /// Lets no request pass, from now on, whose address fits one of these patterns (`*` stands for anything).
    pub async fn block(&mut self, patterns: &[&str]) -> anyhow::Result<()> {
        self.call("Network.enable", json!({})).await?;
        self.call("Network.setBlockedURLs", json!({"urls": patterns})).await?;
        Ok(())
    }

    /// The page as it looks now, a PNG.
    pub async fn screenshot(&mut self) -> anyhow::Result<Vec<u8>> {
        let shot = self.call("Page.captureScreenshot", json!({"format": "png"})).await?;
        let data = shot["data"].as_str().context("a screenshot without data")?;
        Ok(STANDARD.decode(data)?)
    }

    /// What the page's console and the browser's log said of errors, security policy included.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    async fn call(&mut self, method: &str, parameters: Value) -> anyhow::Result<Value> {
        self.requests += 1;
        let id = self.requests;
        let request = json!({"id": id, "method": method, "params": parameters}).to_string();
        self.socket.send(Message::text(request)).await?;
        loop {
            let heard = timeout(PATIENCE, self.socket.next()).await.context("the browser is silent")?;
            let Message::Text(text) = heard.context("the browser is gone")?? else { continue };
            let message: Value = serde_json::from_str(text.as_str())?;
            if message["id"] == json!(id) {
                if let Some(error) = message.get("error") {
                    bail!("{method}: {error}");
                }
                return Ok(message["result"].clone());
            }
            self.note(&message);
        }
    }

    fn note(&mut self, message: &Value) {
        let parameters = &message["params"];
        match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => {
                self.complaints.push(parameters["exceptionDetails"].to_string());
            }
            Some("Runtime.consoleAPICalled") if parameters["type"] == json!("error") => {
                self.complaints.push(parameters["args"].to_string());
            }
            Some("Log.entryAdded") if parameters["entry"]["level"] == json!("error") => {
                self.complaints.push(parameters["entry"]["text"].to_string());
            }
            _ => {}
        }
    }
}
