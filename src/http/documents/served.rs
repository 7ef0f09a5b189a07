//! What the server says of itself, made once at start: the API document and its page, the front page, the demo.

use crate::demo::Demo;
use crate::http::engine::assets::{Asset, Policy};
use crate::origins::Origins;

const STYLE_SHEET: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const HOME: &str = include_str!("home.html");

/// The file of the demo that holds its log-ins.
pub(crate) const SESSION: &str = "session.json";

const DEMO: &str = include_str!("../../../web/demo/index.html");
/// What the demo's page loads, under `/demo/`.
const DEMO_FILES: [(&str, &str, &str); 31] = [
    ("demo.css", STYLE_SHEET, include_str!("../../../web/demo/demo.css")),
    ("desk.css", STYLE_SHEET, include_str!("../../../web/demo/desk.css")),
    ("shop.css", STYLE_SHEET, include_str!("../../../web/demo/shop.css")),
    ("agent.js", JAVASCRIPT, include_str!("../../../web/demo/agent.js")),
    ("api.js", JAVASCRIPT, include_str!("../../../web/demo/api.js")),
    ("attachments.js", JAVASCRIPT, include_str!("../../../web/demo/attachments.js")),
    ("banner.js", JAVASCRIPT, include_str!("../../../web/demo/banner.js")),
    ("canned.js", JAVASCRIPT, include_str!("../../../web/demo/canned.js")),
    ("composer.js", JAVASCRIPT, include_str!("../../../web/demo/composer.js")),
    ("confirm.js", JAVASCRIPT, include_str!("../../../web/demo/confirm.js")),
    ("connection.js", JAVASCRIPT, include_str!("../../../web/demo/connection.js")),
    ("credentials.js", JAVASCRIPT, include_str!("../../../web/demo/credentials.js")),
    ("demo.js", JAVASCRIPT, include_str!("../../../web/demo/demo.js")),
    ("desk-list.js", JAVASCRIPT, include_str!("../../../web/demo/desk-list.js")),
    ("desk-view.js", JAVASCRIPT, include_str!("../../../web/demo/desk-view.js")),
    ("dom.js", JAVASCRIPT, include_str!("../../../web/demo/dom.js")),
    ("drafts.js", JAVASCRIPT, include_str!("../../../web/demo/drafts.js")),
    ("file-view.js", JAVASCRIPT, include_str!("../../../web/demo/file-view.js")),
    ("focus.js", JAVASCRIPT, include_str!("../../../web/demo/focus.js")),
    ("handover.js", JAVASCRIPT, include_str!("../../../web/demo/handover.js")),
    ("kept.js", JAVASCRIPT, include_str!("../../../web/demo/kept.js")),
    ("links.js", JAVASCRIPT, include_str!("../../../web/demo/links.js")),
    ("offers-view.js", JAVASCRIPT, include_str!("../../../web/demo/offers-view.js")),
    ("outbox.js", JAVASCRIPT, include_str!("../../../web/demo/outbox.js")),
    ("person.js", JAVASCRIPT, include_str!("../../../web/demo/person.js")),
    ("thread-view.js", JAVASCRIPT, include_str!("../../../web/demo/thread-view.js")),
    ("thread.js", JAVASCRIPT, include_str!("../../../web/demo/thread.js")),
    ("visitor-view.js", JAVASCRIPT, include_str!("../../../web/demo/visitor-view.js")),
    ("visitor.js", JAVASCRIPT, include_str!("../../../web/demo/visitor.js")),
    ("why-view.js", JAVASCRIPT, include_str!("../../../web/demo/why-view.js")),
    ("words.js", JAVASCRIPT, include_str!("../../../web/demo/words.js")),
];

/// The look of the pages, which their security policy names by hash.
pub(super) const STYLE: &str = include_str!("page.css");

/// The documents and pages.
pub struct Documents {
    /// `/api/v1/openapi.json`.
    pub openapi: Asset,
    /// `/docs`.
    pub docs: Asset,
    /// `/`.
    pub home: Asset,
    /// By name; none but in a demo.
    demo_files: Vec<(&'static str, Asset)>,
}

impl Documents {
    /// Of the API document and the page that shows it.
    pub(super) fn of(openapi: String, page: String) -> Self {
        let style = Policy::of_style(STYLE);
        Self {
            openapi: Asset::data("application/json", openapi),
            docs: Asset::page(HTML, &style, page),
            home: Asset::page(HTML, &style, HOME.replace("{style}", STYLE)),
            demo_files: Vec::new(),
        }
    }

    /// Puts the demo in place of the front page, with the log-ins that its page uses.
    pub fn show_demo(&mut self, origins: &Origins, demo: &Demo) {
        let policy = Policy::of_own(origins.own().iter().map(|origin| &**origin));
        self.home = Asset::page(HTML, &policy, DEMO);
        let file = |(name, content_type, text)| (name, Asset::page(content_type, &policy, text));
        self.demo_files = DEMO_FILES.map(file).into();
        let session = demo.session();
        let session = serde_json::to_string(&session).expect("it is strings and lists");
        self.demo_files.push((SESSION, Asset::data("application/json", session)));
    }

    /// A file of the demo; none when there is no demo.
    pub fn demo_file(&self, name: &str) -> Option<&Asset> {
        self.demo_files.iter().find(|(known, _)| *known == name).map(|(_, file)| file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_demo_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/web/demo");
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let served = name == "index.html" || DEMO_FILES.iter().any(|(known, _, _)| *known == name);
            assert!(served, "{name}");
        }
    }
}
