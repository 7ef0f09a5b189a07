//! The demo's page in a real browser: what a newcomer sees and does.

mod addresses;

use driver::{Api, Browser, Key, Options, Page, Sandbox, Signal, Visitor};
use image::ImageFormat;
use serde_json::{Value, json};

use self::addresses::ADDRESSES;
use crate::house::{new_image, text};

/// The visitor's bubbles, and those of the desk that is shown.
const CHAT: &str = "document.querySelector('#visitor [data-part=events]').innerText";
const THREAD: &str =
    "document.querySelector('#desk .desk:not([hidden]) .thread [data-part=events]').innerText";
/// Where the agent whose desk is shown writes.
const REPLY: &str = "#desk .desk:not([hidden]) .thread [data-part=input]";

async fn accept(page: &mut Page) {
    let button = "document.querySelector('#desk .desk:not([hidden]) button.accept')";
    page.until(&format!("!!{button}")).await.unwrap();
    page.evaluate(&format!("{button}.click()")).await.unwrap();
    page.until(&format!("{THREAD}.includes('Where is my tea?')")).await.unwrap();
}

async fn reply(page: &mut Page, text: &str) {
    page.until(&format!("!!document.querySelector('{REPLY}')?.offsetParent")).await.unwrap();
    page.type_and_enter(REPLY, text).await.unwrap();
}

/// Clicks what `selector` finds at the desk that is shown, once it is to be seen.
async fn click_at_desk(page: &mut Page, selector: &str) {
    let found = format!("document.querySelector('#desk .desk:not([hidden])').querySelector('{selector}')");
    page.until(&format!("!!{found}?.offsetParent")).await.unwrap();
    page.evaluate(&format!("{found}.click()")).await.unwrap();
}

/// The page, with a first message of its visitor.
async fn open_with_question(browser: &Browser, url: &str) -> Page {
    let mut page = browser.open(url, 1280, 800).await.unwrap();
    page.until("document.querySelector('#visitor-input')?.disabled === false").await.unwrap();
    page.type_and_enter("#visitor-input", "Where is my tea?").await.unwrap();
    page.until(&format!("{CHAT}.includes('Where is my tea?')")).await.unwrap();
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_plays_both_sides_also_across_a_reload_and_a_kill() {
    let mut sandbox = Sandbox::start(Options::default()).await.unwrap();
    let url = sandbox.ready().url.clone();
    let browser = Browser::start().unwrap();
    let mut page = open_with_question(&browser, &url).await;
    accept(&mut page).await;
    reply(&mut page, "On its way, <b>really</b>.").await;
    page.until(&format!("{CHAT}.includes('On its way, <b>really</b>.')")).await.unwrap();

    page.evaluate("window.isOld = true; location.reload()").await.unwrap();
    page.until(&format!("!window.isOld && document.querySelector('#visitor [data-part=events]') && {CHAT}.includes('On its way')"))
        .await
        .unwrap();
    assert!(page.complaints().is_empty(), "{:?}", page.complaints());

    sandbox.kill().unwrap();
    page.type_and_enter("#visitor-input", "Are you there?").await.unwrap();
    sandbox.restart().await.unwrap();
    page.until(&format!("{CHAT}.includes('Are you there?')")).await.unwrap();
    // It reached the log, and from there the desk, not only the screen.
    page.until(&format!("!{CHAT}.includes('Not sent') && {THREAD}.includes('Are you there?')"))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_accepted_and_the_conversation_passed_on_to_the_other_agent() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let browser = Browser::start().unwrap();
    let mut page = open_with_question(&browser, &sandbox.ready().url).await;
    page.until("document.querySelector('#visitor [data-part=placeText]').innerText === 'You are next'")
        .await
        .unwrap();

    click_at_desk(&mut page, ".offer .main").await;
    reply(&mut page, "Let me look.").await;
    page.until(&format!("{CHAT}.includes('Ann has joined') && {CHAT}.includes('Let me look.')"))
        .await
        .unwrap();
    page.until("document.querySelector('#visitor [data-part=place]').hidden").await.unwrap();
    assert!(page.complaints().is_empty(), "{:?}", page.complaints());

    click_at_desk(&mut page, "[data-part=transfer]").await;
    click_at_desk(&mut page, "[data-part=targets] button").await;
    page.until(&format!("{CHAT}.includes('Ann passed you on: Bob has joined')")).await.unwrap();
    click_at_desk(&mut page, "[data-part=goTo]").await;
    page.until(&format!("{THREAD}.includes('Ann passed it on to you')")).await.unwrap();
    reply(&mut page, "It comes tomorrow.").await;
    page.until(&format!("{CHAT}.includes('Let me look.') && {CHAT}.includes('It comes tomorrow.')"))
        .await
        .unwrap();
    let authors = "[...document.querySelectorAll('#visitor .theirs .who')].map(who => who.innerText).join()";
    assert_eq!(page.evaluate(authors).await.unwrap(), "Ann,Bob");
}

/// The words of the bubbles in the thread of the desk that is shown, in their order.
const THREAD_TEXTS: &str = "JSON.stringify([...document.querySelectorAll('#desk .desk:not([hidden]) .thread [data-part=events] .bubble .text')].map(bubble => bubble.innerText))";
/// The same of the visitor's chat.
const CHAT_TEXTS: &str = "JSON.stringify([...document.querySelectorAll('#visitor [data-part=events] .bubble .text')].map(bubble => bubble.innerText))";

/// Waits until exactly these texts are shown, in this order.
async fn until_texts(page: &mut Page, shown: &str, expected: &[String]) {
    page.until(&format!("{shown} === {}", json!(json!(expected).to_string()))).await.unwrap();
}

/// A visitor who is not on the page, with a conversation and all that was said in it.
struct Elsewhere {
    visitor: Visitor,
    conversation: String,
    name: String,
    said: Vec<String>,
}

impl Elsewhere {
    async fn start(api: &Api, site_key: &str, name: &str, messages: usize) -> Self {
        let visitor = api.post("/api/v1/chat/visitors").site(site_key).json(&json!({ "name": name }));
        let visitor = Visitor::from_body(&visitor.send().await.unwrap().expect(201).unwrap()).unwrap();
        let first = format!("{name} 1");
        let started = api.start_conversation(&visitor.token, "first", Some(&first)).await.unwrap();
        let conversation = text(&started.expect(201).unwrap()["conversation"]["id"]).to_owned();
        let mut started = Self { visitor, conversation, name: name.to_owned(), said: vec![first] };
        for _ in 1..messages {
            started.say(api).await;
        }
        started
    }

    async fn say(&mut self, api: &Api) {
        let said = format!("{} {}", self.name, self.said.len() + 1);
        let client_id = said.replace(' ', "-");
        let sent = api.post_message(&self.visitor.token, &self.conversation, &client_id, &said);
        sent.await.unwrap().expect(201).unwrap();
        self.said.push(said);
    }

    /// Puts the conversation on the desk.
    async fn show(&self, page: &mut Page) {
        let row = format!(
            "[...document.querySelectorAll('#desk .desk:not([hidden]) .row')].find(row => row.innerText.startsWith('{}'))",
            self.name
        );
        page.until(&format!("!!{row}")).await.unwrap();
        page.evaluate(&format!("{row}.click()")).await.unwrap();
        until_texts(page, THREAD_TEXTS, &self.said).await;
        let name = "document.querySelector('#desk .desk:not([hidden]) [data-part=name]').innerText";
        assert_eq!(page.evaluate(name).await.unwrap(), Value::from(self.name.clone()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_conversation_shows_its_own_words_however_often_the_agent_switches() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let api = sandbox.api();
    let site_key = sandbox.ready().site_key.clone();
    let mut people = Vec::new();
    for (name, messages) in [("Ada", 1), ("Ben", 2), ("Cleo", 6)] {
        people.push(Elsewhere::start(&api, &site_key, name, messages).await);
    }
    let browser = Browser::start().unwrap();
    let mut page = browser.open(&sandbox.ready().url, 1280, 800).await.unwrap();
    for person in &people {
        person.show(&mut page).await;
        click_at_desk(&mut page, "[data-part=accept]").await;
        page.until(&format!("!!document.querySelector('{REPLY}')?.offsetParent")).await.unwrap();
        until_texts(&mut page, THREAD_TEXTS, &person.said).await;
    }
    for (turn, shown) in [0, 1, 2, 1, 0, 2, 0].into_iter().enumerate() {
        for (other, person) in people.iter_mut().enumerate() {
            // In those that are not shown, and in one of them more than in the other.
            for _ in 0..(if other == shown { 0 } else { 1 + (turn + other) % 2 }) {
                person.say(&api).await;
            }
        }
        people[shown].show(&mut page).await;
        let answer = format!("to {} {turn}", people[shown].name);
        reply(&mut page, &answer).await;
        people[shown].said.push(answer);
        until_texts(&mut page, THREAD_TEXTS, &people[shown].said).await;
        // Shown at once; what is said next comes after it only when it is in the log.
        page.until(&format!("!{THREAD}.includes('Sending')")).await.unwrap();
        people[shown].say(&api).await;
        until_texts(&mut page, THREAD_TEXTS, &people[shown].said).await;
    }

    // What is not sent stays with its conversation, apart for the visitor and for colleagues, through a reload.
    let written = format!("document.querySelector('{REPLY}').value");
    page.type_into(REPLY, "Dear Ada").await.unwrap();
    click_at_desk(&mut page, "[data-part=note]").await;
    page.type_into(REPLY, "Ada is new").await.unwrap();
    people[1].show(&mut page).await;
    page.until(&format!("{written} === ''")).await.unwrap();
    page.type_into(REPLY, "Dear Ben").await.unwrap();
    page.type_into("#visitor-input", "Half a").await.unwrap();
    page.evaluate("window.isOld = true; location.reload()").await.unwrap();
    page.until("!window.isOld && document.querySelector('#visitor-input')?.value === 'Half a'")
        .await
        .unwrap();
    people[0].show(&mut page).await;
    page.until(&format!("{written} === 'Ada is new'")).await.unwrap();
    click_at_desk(&mut page, "[data-part=reply]").await;
    page.until(&format!("{written} === 'Dear Ada'")).await.unwrap();
    people[1].show(&mut page).await;
    page.until(&format!("{written} === 'Dear Ben'")).await.unwrap();
    assert!(page.complaints().is_empty(), "{:?}", page.complaints());
}

/// Whether both sides' banners are shown, and what they say.
const BOTH_RECONNECT: &str = "[...document.querySelectorAll('#visitor .banner, #desk .desk:not([hidden]) .banner')].every(banner => banner.offsetParent && banner.innerText.includes('Reconnecting'))";
const NONE_RECONNECTS: &str = "[...document.querySelectorAll('#visitor .banner, #desk .desk:not([hidden]) .banner')].every(banner => banner.hidden)";

#[tokio::test(flavor = "multi_thread")]
async fn what_one_writes_stands_where_it_belongs_at_once_also_while_the_server_is_silent() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let browser = Browser::start().unwrap();
    let mut page = open_with_question(&browser, &sandbox.ready().url).await;
    click_at_desk(&mut page, ".offer .main").await;
    let mut said = vec!["Where is my tea?".to_owned()];

    click_at_desk(&mut page, "[data-part=note]").await;
    reply(&mut page, "Ask the warehouse.").await;
    click_at_desk(&mut page, "[data-part=reply]").await;
    reply(&mut page, "One moment.").await;
    until_texts(&mut page, CHAT_TEXTS, &[&*said, &["One moment.".to_owned()]].concat()).await;
    page.type_and_enter("#visitor-input", "I wait.").await.unwrap();
    said.extend(["Ask the warehouse.", "One moment.", "I wait."].map(str::to_owned));
    until_texts(&mut page, THREAD_TEXTS, &said).await;

    let mut seen = vec![said[0].clone(), said[2].clone(), said[3].clone()];
    until_texts(&mut page, CHAT_TEXTS, &seen).await;
    sandbox.signal(Signal::STOP).unwrap();
    for text in ["One", "Two", "Three"] {
        page.type_and_enter("#visitor-input", text).await.unwrap();
        seen.push(text.to_owned());
        until_texts(&mut page, CHAT_TEXTS, &seen).await;
    }
    page.until(&format!("{BOTH_RECONNECT} && {CHAT}.includes('Sending')")).await.unwrap();
    sandbox.signal(Signal::CONT).unwrap();
    page.until(&format!("{NONE_RECONNECTS} && !{CHAT}.includes('Sending')")).await.unwrap();
    until_texts(&mut page, CHAT_TEXTS, &seen).await;
    said.extend(["One", "Two", "Three"].map(str::to_owned));
    until_texts(&mut page, THREAD_TEXTS, &said).await;
    assert!(page.complaints().is_empty(), "{:?}", page.complaints());
}

/// What has the focus: its part of the page, else its tag.
async fn focused(page: &mut Page) -> String {
    let part = "document.activeElement.dataset.part ?? document.activeElement.tagName";
    text(&page.evaluate(part).await.unwrap()).to_owned()
}

/// Presses Enter on what `selector` finds at the desk that is shown, as a keyboard would.
async fn enter_at_desk(page: &mut Page, selector: &str) {
    let found = format!("document.querySelector('#desk .desk:not([hidden]) {selector}')");
    page.until(&format!("!!{found}?.offsetParent")).await.unwrap();
    page.evaluate(&format!("{found}.focus()")).await.unwrap();
    page.press(Key::Enter).await.unwrap();
}

async fn until_focused(page: &mut Page, part: &str) {
    page.until(&format!("document.activeElement.dataset.part === '{part}'")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyboard_stays_where_the_work_is_and_an_end_is_asked_for() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let browser = Browser::start().unwrap();
    let mut page = open_with_question(&browser, &sandbox.ready().url).await;
    enter_at_desk(&mut page, ".offer .main").await;
    until_focused(&mut page, "input").await;

    page.evaluate("document.querySelector('#desk .desk:not([hidden]) [data-part=reply]').focus()")
        .await
        .unwrap();
    for (key, part) in [
        (Key::ArrowRight, "note"),
        (Key::ArrowLeft, "reply"),
        (Key::ArrowRight, "note"),
        (Key::ArrowRight, "reply"),
    ] {
        page.press(key).await.unwrap();
        assert_eq!(focused(&mut page).await, part);
        assert_eq!(page.evaluate("document.activeElement.checked").await.unwrap(), true);
    }

    let sizes = "Math.min(...[...document.querySelectorAll('input, select, textarea')].map(field => parseFloat(getComputedStyle(field).fontSize)))";
    let smallest = page.evaluate(sizes).await.unwrap();
    assert!(smallest.as_f64() >= Some(16.0), "{smallest}");
    for scheme in ["light", "dark"] {
        page.prefer(&[("forced-colors", "active"), ("prefers-color-scheme", scheme)]).await.unwrap();
        let told_apart = "[...document.querySelectorAll('.send')].map(send => [getComputedStyle(send.firstElementChild).fill, getComputedStyle(send).backgroundColor, getComputedStyle(send).borderTopStyle]).every(([sign, ground, border]) => sign !== ground && border === 'solid')";
        assert_eq!(page.evaluate(told_apart).await.unwrap(), true, "{scheme}");
    }
    page.prefer(&[]).await.unwrap();

    enter_at_desk(&mut page, "[data-part=transfer]").await;
    enter_at_desk(&mut page, "[data-part=targets] button").await;
    until_focused(&mut page, "goTo").await;
    page.press(Key::Enter).await.unwrap();
    until_focused(&mut page, "input").await;
    let shown = "document.activeElement === document.querySelectorAll('#desk .desk')[1].querySelector('.thread [data-part=input]')";
    assert_eq!(page.evaluate(shown).await.unwrap(), true);

    page.type_into("#visitor-input", "And the").await.unwrap();
    enter_at_desk(&mut page, ".verbs [data-part=end]").await;
    until_focused(&mut page, "no").await;
    page.press(Key::Escape).await.unwrap();
    until_focused(&mut page, "end").await;
    page.press(Key::Enter).await.unwrap();
    until_focused(&mut page, "no").await;
    assert!(!page.evaluate(CHAT).await.unwrap().to_string().contains("ended"));
    // A no that is told of after the question was asked again is no answer to it.
    page.evaluate("for (const part of ['no', 'end']) document.querySelector(`#desk .desk:not([hidden]) [data-part=${part}]`).click()")
        .await
        .unwrap();
    until_focused(&mut page, "no").await;
    enter_at_desk(&mut page, "[data-part=yes]").await;
    page.until(&format!("{CHAT}.includes('Bob ended the conversation')")).await.unwrap();
    until_focused(&mut page, "log").await;

    // The next conversation of the same visitor begins empty, on both sides; what was being written goes on.
    page.evaluate("document.querySelector('#visitor [data-part=anew]').click()").await.unwrap();
    assert_eq!(page.evaluate("document.activeElement.id").await.unwrap(), "visitor-input");
    until_texts(&mut page, CHAT_TEXTS, &[]).await;
    page.type_and_enter("#visitor-input", " pot?").await.unwrap();
    until_texts(&mut page, CHAT_TEXTS, &["And the pot?".to_owned()]).await;
    enter_at_desk(&mut page, ".offer button:not(.main)").await;
    page.until("!document.querySelector('#desk .desk:not([hidden]) .offer')").await.unwrap();
    page.until("document.activeElement !== document.body").await.unwrap();
    enter_at_desk(&mut page, ".accept").await;
    until_texts(&mut page, THREAD_TEXTS, &["And the pot?".to_owned()]).await;
    until_focused(&mut page, "input").await;

    page.evaluate("document.querySelector('#visitor [data-part=end]').focus()").await.unwrap();
    page.press(Key::Enter).await.unwrap();
    page.evaluate("document.querySelector('#visitor [data-part=yes]').focus()").await.unwrap();
    page.press(Key::Enter).await.unwrap();
    page.until(&format!("{CHAT}.includes('You ended the conversation')")).await.unwrap();
    until_focused(&mut page, "log").await;
    assert!(page.complaints().is_empty(), "{:?}", page.complaints());
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_links_files_are_shown_and_sent_and_an_empty_desk_is_told_of() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let browser = Browser::start().unwrap();
    let mut page = browser.open(&sandbox.ready().url, 1280, 800).await.unwrap();
    page.until("document.querySelector('#visitor-input')?.disabled === false").await.unwrap();

    let texts: Vec<&str> = ADDRESSES.iter().map(|(text, _)| *text).collect();
    let found = page.evaluate(&format!("import('/demo/links.js').then(({{ linked }}) => {}.map(text => {{ const nodes = linked(text); return [nodes.map(node => node.textContent ?? node).join(''), nodes.filter(node => node.href).map(link => [link.textContent, link.getAttribute('href'), link.rel, link.target])]; }}))", json!(texts))).await.unwrap();
    for ((text, links), found) in ADDRESSES.iter().zip(found.as_array().unwrap()) {
        let lead = |written: &&str, to: &&str| (if to.is_empty() { *written } else { *to }).to_owned();
        let links: Vec<Value> = links
            .iter()
            .map(|(written, to)| json!([written, lead(written, to), "noopener nofollow ugc", "_blank"]))
            .collect();
        assert_eq!(*found, json!([text, links]));
    }

    let file = |name: &str, bytes: &[u8]| {
        let path = sandbox.folder().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let desk = "document.querySelector('#desk .desk:not([hidden]) .thread')";
    // A picture is all that the first message has.
    let picture = file("pot.png", &new_image(ImageFormat::Png, 60, 40));
    page.choose_file("document.querySelector('#visitor [data-part=file]')", &picture).await.unwrap();
    page.until("document.querySelector('#visitor [data-part=files]').innerText.includes('pot.png')")
        .await
        .unwrap();
    page.type_and_enter("#visitor-input", "").await.unwrap();
    page.until("document.querySelector('#visitor .picture img')?.naturalWidth > 0").await.unwrap();
    click_at_desk(&mut page, ".offer .main").await;
    page.until(&format!("{desk}.querySelector('.picture img')?.naturalWidth > 0")).await.unwrap();
    let table = file("prices.csv", b"a,b\n1,2\n");
    page.choose_file(&format!("{desk}.querySelector('[data-part=file]')"), &table).await.unwrap();
    reply(&mut page, "See https://tea.example/prices.").await;
    page.until("document.querySelector('#visitor a.file')?.innerText === 'prices.csv\\nTable, 8 bytes'")
        .await
        .unwrap();
    let fetched = "fetch(document.querySelector('#visitor a.file').href).then(answer => answer.text())";
    assert_eq!(page.evaluate(fetched).await.unwrap(), "a,b\n1,2\n");
    let link = "document.querySelector('#visitor .theirs .text a[rel=\"noopener nofollow ugc\"]').href";
    assert_eq!(page.evaluate(link).await.unwrap(), "https://tea.example/prices");
    // Pasted and dropped ones go, too; one may be taken away before.
    let brought = format!(
        "(thread => {{
            const files = name => {{ const data = new DataTransfer(); data.items.add(new File(['x'], name, {{ type: 'text/plain' }})); return data; }};
            const input = thread.querySelector('[data-part=input]');
            input.dispatchEvent(new ClipboardEvent('paste', {{ clipboardData: files('pasted.txt'), bubbles: true, cancelable: true }}));
            for (const name of ['dropped.txt', 'not.txt']) thread.querySelector('.log').dispatchEvent(new DragEvent('drop', {{ dataTransfer: files(name), bubbles: true, cancelable: true }}));
            thread.querySelector('[data-part=files] li:last-child button').click();
        }})({desk})"
    );
    page.evaluate(&brought).await.unwrap();
    page.type_and_enter(REPLY, "").await.unwrap();
    let names = "[...document.querySelectorAll('#visitor a.file b')].map(name => name.innerText).join()";
    page.until(&format!("{names} === 'prices.csv,pasted.txt,dropped.txt'")).await.unwrap();
    // Links are good for an hour; newer ones take their place.
    let renewed = "import('/demo/thread.js').then(({ Thread }) => {
        const thread = new Thread('agent');
        const [one, two, other] = ['one', 'two', 'other'].map(url => [{ url }]);
        thread.conversation = { read: {}, last_seq: 3 };
        thread.events = [{ seq: 1, files: [] }, { seq: 2, files: one }, { seq: 3, files: other }, { seq: 4 }];
        thread.renewLinks([{ seq: 2, files: two }, { seq: 4, files: two }]);
        return thread.events.map(event => event.files?.[0]?.url ?? '').join();
    })";
    assert_eq!(page.evaluate(renewed).await.unwrap(), ",two,other,");
    // One that is not taken is told of, and can be laid aside; what is written after it goes.
    let program = file("run.exe", b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0");
    page.choose_file("document.querySelector('#visitor [data-part=file]')", &program).await.unwrap();
    page.type_and_enter("#visitor-input", "Try this").await.unwrap();
    page.type_and_enter("#visitor-input", "Thanks").await.unwrap();
    page.until(&format!("{CHAT}.includes('Not sent: ') && {CHAT}.includes('run.exe')")).await.unwrap();
    let remove = "[...document.querySelectorAll('#visitor .bubble.unsent button')].find(button => button.innerText === 'Remove')";
    page.evaluate(&format!("{remove}.click()")).await.unwrap();
    page.until(&format!("!{CHAT}.includes('run.exe') && {desk}.innerText.includes('Thanks')")).await.unwrap();
    let refused = page.complaints().iter().filter(|complaint| !complaint.contains("422")).collect::<Vec<_>>();
    assert!(refused.is_empty(), "{refused:?}");

    // Nobody is there: no place, and no wait.
    let become_away = |status: &str| {
        format!(
            "(status => {{ status.value = '{status}'; status.dispatchEvent(new Event('change')); }})(document.querySelector('#desk .desk:not([hidden]) [data-part=status]'))"
        )
    };
    page.evaluate(&become_away("away")).await.unwrap();
    page.evaluate("document.querySelector('#visitor [data-part=end]').click(), document.querySelector('#visitor [data-part=yes]').click()").await.unwrap();
    page.until("!!document.querySelector('#visitor [data-part=anew]').offsetParent").await.unwrap();
    page.evaluate("document.querySelector('#visitor [data-part=anew]').click()").await.unwrap();
    let nobody = |part: &str| {
        format!("document.querySelector('#visitor [data-part={part}]').innerText.includes('Nobody is here')")
    };
    page.until(&format!("{} && {}", nobody("subtitle"), nobody("absent"))).await.unwrap();
    page.type_and_enter("#visitor-input", "Anybody?").await.unwrap();
    page.until(&nobody("placeText")).await.unwrap();
    let promised = page.evaluate("document.querySelector('#visitor .chat').innerText").await.unwrap();
    assert!(!text(&promised).contains("next") && !text(&promised).contains("min"), "{promised}");
    page.evaluate(&become_away("online")).await.unwrap();
    page.until("document.querySelector('#visitor [data-part=placeText]').innerText === 'You are next'")
        .await
        .unwrap();
}
