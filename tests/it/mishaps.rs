//! The demo's page on bad days: what does not fit, what cannot be read, what is refused, and windows that are low.

use driver::{Browser, Options, Page, Sandbox};
use serde_json::{Value, json};

/// What the visitor's chat shows.
const CHAT: &str = "document.querySelector('#visitor [data-part=events]').innerText";
/// Clicks `Remove` at the visitor's message that was not sent.
const REMOVE: &str = "[...document.querySelectorAll('#visitor .unsent button')].find(button => button.innerText === 'Remove').click()";

/// Sends a text from the visitor's chat, also one that nobody could type.
async fn send(page: &mut Page, text: &str) {
    let put = "(text => { const input = document.querySelector('#visitor-input'); input.value = text; input.dispatchEvent(new Event('input')); input.form.requestSubmit(); })";
    page.evaluate(&format!("{put}({text})")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_cannot_read_tries_again_and_nothing_too_large_harms_its_socket() {
    let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let browser = Browser::start().unwrap();
    let mut page = browser.open("about:blank", 1280, 800).await.unwrap();
    // The socket opens, and what the page reads first cannot be read.
    page.block(&["*/chat/conversations?*"]).await.unwrap();
    page.evaluate(&format!("location.href = {}", json!(sandbox.ready().url))).await.unwrap();
    page.until("document.querySelector('#visitor-input')?.disabled === true").await.unwrap();
    page.until(
        "performance.getEntriesByType('resource').some(({ name }) => name.includes('/widget/config'))",
    )
    .await
    .unwrap();
    page.block(&[]).await.unwrap();
    page.until("document.querySelector('#visitor-input').disabled === false").await.unwrap();

    page.type_and_enter("#visitor-input", "Where is my tea?").await.unwrap();
    page.until(&format!("{CHAT}.includes('Sent')")).await.unwrap();
    // Each is more than a message may have, and all but the first would be more than a frame may have.
    for text in [
        "'x'.repeat(16385)",
        "'\u{e9}'.repeat(40000)",
        "'\u{1f375}'.repeat(20000)",
        "'a \"word\" '.repeat(10000)",
        "'line\\n'.repeat(15000)",
        "'x'.repeat(3000000)",
    ] {
        send(&mut page, text).await;
        page.until(&format!("{CHAT}.includes('a message may have at most 16384 bytes, and this one has ')"))
            .await
            .unwrap();
        page.evaluate(REMOVE).await.unwrap();
        page.until(&format!("!{CHAT}.includes('Not sent')")).await.unwrap();
    }
    // Within the message's bound, beyond the frame's: the server would take none of these characters anyway.
    send(&mut page, "'\\u0001'.repeat(16000)").await;
    page.until(&format!("{CHAT}.includes('it is too large')")).await.unwrap();
    page.evaluate(REMOVE).await.unwrap();
    page.type_and_enter("#visitor-input", "Still here").await.unwrap();
    let sent = "document.querySelector('#visitor [data-part=events]').lastElementChild.innerText";
    page.until(&format!("/^Still here\\n.*Sent$/s.test({sent})")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_keeps_its_reason_and_a_low_window_shows_all() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let browser = Browser::start().unwrap();
    let mut page = browser.open(&sandbox.ready().url, 1280, 800).await.unwrap();
    page.until("document.querySelector('#visitor-input')?.disabled === false").await.unwrap();

    // What a page that went had kept, and what becomes of it: state, may have arrived, reason, can be tried again.
    let lost = "the page was reloaded before the file was sent, so choose it again";
    let (sent, unsent) = (json!([{ "name": "a", "file_id": "file_1" }]), json!([{ "name": "a" }]));
    let table = [
        (json!({ "state": "failed", "unknown": false, "reason": "no" }), json!([false, "no", true])),
        (json!({ "state": "failed", "unknown": true, "reason": "?" }), json!([true, "", true])),
        (json!({ "state": "sending", "unknown": false, "reason": "" }), json!([true, "", true])),
        (json!({ "state": "queued", "unknown": false, "reason": "" }), json!([true, "", true])),
        (json!({ "state": "sending", "unknown": false, "files": sent }), json!([true, "", true])),
        (json!({ "state": "sending", "unknown": false, "files": unsent }), json!([false, lost, false])),
        (json!({ "state": "queued", "unknown": false, "files": unsent }), json!([false, lost, false])),
        (
            json!({ "state": "failed", "unknown": false, "reason": "no", "files": unsent }),
            json!([false, "no", false]),
        ),
    ];
    for (kept, becomes) in table {
        let mut item = json!({ "client_id": "c", "text": "t", "files": [] });
        item.as_object_mut().unwrap().extend(kept.as_object().unwrap().clone());
        let outbox = format!(
            "Promise.all(['outbox', 'kept'].map(name => import(`/demo/${{name}}.js`))).then(([{{ Outbox }}, {{ keep, forget }}]) => {{
                keep('box', {});
                const box = new Outbox('box', async () => {{}}, () => {{}});
                forget('box');
                const [item] = box.items;
                return [item.unknown, item.reason, box.canRetry(item)];
            }})",
            json!(json!([item]).to_string())
        );
        assert_eq!(page.evaluate(&outbox).await.unwrap(), becomes, "{kept}");
    }
    // More than a browser keeps is kept as long as the page lives, and the older value never comes back.
    let full = "import('/demo/kept.js').then(({ keep, recall, forget }) => {
        const seen = [];
        for (const value of ['old', 'x'.repeat(6e6), 'new']) {
            keep('some', value);
            seen.push(recall('some').length, sessionStorage.getItem('some')?.length ?? null);
        }
        forget('some');
        return [...seen, recall('some')];
    })";
    assert_eq!(page.evaluate(full).await.unwrap(), json!([3, 3, 6_000_000, null, 3, 3, null]));

    page.type_and_enter("#visitor-input", "Where is my tea?").await.unwrap();
    let program = sandbox.folder().join("run.exe");
    std::fs::write(&program, b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0").unwrap();
    page.choose_file("document.querySelector('#visitor [data-part=file]')", &program).await.unwrap();
    page.type_and_enter("#visitor-input", "Try this").await.unwrap();
    page.until(&format!("{CHAT}.includes('files of this kind are not taken')")).await.unwrap();
    page.evaluate("window.isOld = true; location.reload()").await.unwrap();
    page.until(&format!(
        "!window.isOld && document.querySelector('#visitor-input')?.disabled === false && {CHAT}.includes('files of this kind are not taken')"
    ))
    .await
    .unwrap();
    let offered = "[...document.querySelectorAll('#visitor .unsent button')].filter(button => button.offsetParent).map(button => button.innerText).join()";
    assert_eq!(page.evaluate(offered).await.unwrap(), "Remove");

    let desk = "document.querySelector('#desk .desk:not([hidden])')";
    page.until(&format!("!!{desk}.querySelector('.offer .main')?.offsetParent")).await.unwrap();
    page.evaluate(&format!("{desk}.querySelector('.offer .main').click()")).await.unwrap();
    page.until(&format!("!!{desk}.querySelector('.thread [data-part=input]')?.offsetParent")).await.unwrap();
    page.evaluate(&format!("{desk}.querySelector('[data-part=why]').click()")).await.unwrap();
    page.until(&format!("{desk}.querySelector('.reasons').innerText.includes('accepted')")).await.unwrap();
    page.evaluate("document.querySelector('[data-show=desk]').click()").await.unwrap();
    for (width, height) in [(1280, 400), (800, 300), (640, 400), (375, 350), (320, 256)] {
        page.resize(width, height).await.unwrap();
        // Nothing hangs out of what cuts it off, to the side or below; the log has room; the composer can be reached.
        let seen = format!(
            "(desk => {{
                const input = desk.querySelector('.thread [data-part=input]');
                input.scrollIntoView({{ block: 'center' }});
                const {{ left, right, top, bottom }} = input.getBoundingClientRect();
                return {{
                    hangsOut: [desk, document.documentElement].some(one => one.scrollWidth > one.clientWidth) || desk.scrollHeight > desk.clientHeight,
                    log: desk.querySelector('.thread .log').clientHeight >= 60,
                    reached: document.elementFromPoint((left + right) / 2, (top + bottom) / 2) === input,
                }};
            }})({desk})"
        );
        let expected: Value = json!({ "hangsOut": false, "log": true, "reached": true });
        assert_eq!(page.evaluate(&seen).await.unwrap(), expected, "{width}x{height}");
    }

    // Opened by a name that the server is not known by, a page says so, and what to do. This comes last: the page before
    // is in the back from now on.
    let elsewhere = sandbox.ready().url.replace("127.0.0.1", "elsewhere.localhost");
    let mut other = browser.open(&elsewhere, 1280, 800).await.unwrap();
    let told = format!("The server does not serve pages at {elsewhere}. Open the address that it prints");
    other
        .until(&format!("document.getElementById('broken')?.innerText.startsWith({})", json!(told)))
        .await
        .unwrap();
}
