//! A Chromium without a window, spoken to in its own protocol over a web socket: commands with a number and an answer
//! of the same number, and events, of which whatever is an error is kept.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

/// Within which everything that a page does must have happened.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one page open.
pub(crate) struct Browser {
    child: Child,
    socket: WebSocket<TcpStream>,
    page: String,
    last: u64,
    scripts: bool,
    errors: Vec<String>,
    _profile: TempDir,
}

/// What a page looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look {
    Light,
    Dark,
    Phone,
}

/// The program, or none where the tests with a browser are left out.
fn program() -> Option<PathBuf> {
    if env::var_os("GANGLINE_NO_BROWSER").is_some() {
        return None;
    }
    let given = env::var_os("GANGLINE_CHROMIUM").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let found = given.into_iter().chain(
        env::split_paths(&path)
            .flat_map(|folder| ["chromium", "chromium-browser", "google-chrome"].map(|name| folder.join(name))),
    );
    let program = found.into_iter().find(|program| program.is_file());
    Some(program.expect(
        "no Chromium: install the package chromium, name one by GANGLINE_CHROMIUM, or leave these tests out by \
         GANGLINE_NO_BROWSER=1",
    ))
}

impl Browser {
    /// None where the tests with a browser are left out.
    pub(crate) fn start() -> Option<Self> {
        let program = program()?;
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars"])
            .args(["--remote-debugging-port=0", "about:blank"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let url = loop {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "the browser ended before it listened");
            if let Some(url) = line.trim().strip_prefix("DevTools listening on ") {
                break url.to_owned();
            }
        };
        // Whatever it says from now on is read by nobody, and must not stop it.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        let address = url.strip_prefix("ws://").and_then(|url| url.split('/').next()).unwrap().to_owned();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (socket, _) = tungstenite::client(url, stream).unwrap();
        let mut browser = Browser {
            child,
            socket,
            page: String::new(),
            last: 0,
            scripts: true,
            errors: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached =
            browser.call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        browser.page = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut command = json!({ "id": self.last, "method": method, "params": parameters });
        if !self.page.is_empty() {
            command["sessionId"] = json!(self.page);
        }
        self.socket.send(Message::text(command.to_string())).unwrap();
        loop {
            let message = self.next();
            if message["id"] == json!(self.last) {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
        }
    }

    /// The next message. Events that tell of an error are kept.
    fn next(&mut self) -> Value {
        let message = loop {
            if let Message::Text(text) = self.socket.read().unwrap() {
                break serde_json::from_str::<Value>(&text).unwrap();
            }
        };
        let of = &message["params"];
        match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => self.errors.push(of["exceptionDetails"].to_string()),
            Some("Log.entryAdded") if of["entry"]["level"] == "error" => self.errors.push(of["entry"].to_string()),
            Some("Runtime.consoleAPICalled") if of["type"] == "error" => self.errors.push(of["args"].to_string()),
            Some("Network.requestWillBeSent") => {
                let url = of["request"]["url"].as_str().unwrap_or_default();
                if !url.starts_with("http://127.0.0.1:") {
                    self.errors.push(format!("a request leaves the machine: {url}"));
                }
            }
            _ => {}
        }
        message
    }

    /// Opens a page and waits until it is there.
    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
        self.wait_for(&format!("location.href === {} && document.readyState === 'complete'", json!(url)));
    }

    /// What an expression gives on the page.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let answer = self
            .call("Runtime.evaluate", json!({ "expression": expression, "returnByValue": true, "awaitPromise": true }));
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    pub(crate) fn text(&mut self, selector: &str) -> String {
        let text = self.eval(&format!("document.querySelector({}).innerText", json!(selector)));
        text.as_str().unwrap().to_owned()
    }

    pub(crate) fn count(&mut self, selector: &str) -> u64 {
        self.eval(&format!("document.querySelectorAll({}).length", json!(selector))).as_u64().unwrap()
    }

    /// Asks until an expression is true. The page itself waits between, for its next frame or so.
    pub(crate) fn wait_for(&mut self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        // Without scripts nothing on the page can wait, and the way there and back is all the pause there is.
        let polled = match self.scripts {
            true => format!("new Promise(done => setTimeout(() => done(!!({expression})), 30))"),
            false => format!("!!({expression})"),
        };
        loop {
            // A page that is being left takes its answers with it.
            let answer = self.call_or_null(&polled);
            if answer == json!(true) {
                return;
            }
            assert!(Instant::now() < deadline, "not within time: {expression}; errors: {:?}", self.errors);
        }
    }

    fn call_or_null(&mut self, expression: &str) -> Value {
        self.last += 1;
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let command =
            json!({ "id": self.last, "method": "Runtime.evaluate", "params": parameters, "sessionId": self.page });
        self.socket.send(Message::text(command.to_string())).unwrap();
        loop {
            let message = self.next();
            if message["id"] == json!(self.last) {
                return message["result"]["result"]["value"].clone();
            }
        }
    }

    /// Clicks with the mouse, where the element is.
    pub(crate) fn click(&mut self, selector: &str) {
        let place = self.eval(&format!(
            "(() => {{ const e = document.querySelector({}); e.scrollIntoView({{block: 'center'}}); \
             const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] }})()",
            json!(selector)
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Presses a key.
    pub(crate) fn press(&mut self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let text = if key == "Enter" { "\r" } else { "" };
            let event = json!({ "type": kind, "key": key, "windowsVirtualKeyCode": code, "text": text });
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    pub(crate) fn look(&mut self, look: Look) {
        let (scheme, width, height, mobile) = match look {
            Look::Light => ("light", 1280, 900, false),
            Look::Dark => ("dark", 1280, 900, false),
            Look::Phone => ("light", 390, 844, true),
        };
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
        );
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Keeps what is seen, if a folder is given for it.
    pub(crate) fn screenshot(&mut self, name: &str) {
        let Some(folder) = env::var_os("GANGLINE_SCREENSHOTS") else { return };
        let answer = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        fs::create_dir_all(&folder).unwrap();
        fs::write(Path::new(&folder).join(format!("{name}.png")), decoded(answer["data"].as_str().unwrap())).unwrap();
    }

    /// Scripts on or off.
    pub(crate) fn scripts(&mut self, on: bool) {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": !on }));
        self.scripts = on;
    }

    /// What went wrong so far.
    pub(crate) fn errors(&mut self) -> Vec<String> {
        // Whatever was sent before the answer to this has been read with it.
        self.eval("1");
        std::mem::take(&mut self.errors)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Bytes out of base 64.
fn decoded(text: &str) -> Vec<u8> {
    let digit = |character: u8| match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let digits: Vec<u8> = text.bytes().filter(|character| *character != b'=').collect();
    for group in digits.chunks(4) {
        let value = group.iter().fold(0, |value, character| value << 6 | u32::from(digit(*character)));
        let value = value << (6 * (4 - group.len()));
        bytes.extend_from_slice(&value.to_be_bytes()[1..group.len()]);
    }
    bytes
}
