//! What the server says of itself, made once at start: the API document and its page, the front page, the demo.

use crate::http::assets::{Asset, Policy};
use crate::http::cors::Origins;
use crate::http::paths::Paths;
use crate::http::{docs, openapi, routes};

const HTML: &str = "text/html; charset=utf-8";
const HOME: &str = include_str!("home.html");

const DEMO: &str = include_str!("../../web/demo/index.html");
/// What the demo's page loads, under `/demo/`.
const DEMO_FILES: [(&str, &str, &str); 2] = [
    ("demo.css", "text/css; charset=utf-8", include_str!("../../web/demo/demo.css")),
    ("demo.js", "text/javascript; charset=utf-8", include_str!("../../web/demo/demo.js")),
];

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

impl Default for Documents {
    fn default() -> Self {
        Self::new()
    }
}

impl Documents {
    /// Of the whole table, whichever listener serves which part of it.
    pub fn new() -> Self {
        let rows = Paths::new(routes::table()).rows();
        let document = openapi::document(rows.iter().copied());
        let json = document.to_pretty_json().expect("a document has text keys");
        let style = Policy::of_style(docs::STYLE);
        Self {
            openapi: Asset::data("application/json", json),
            docs: Asset::page(HTML, &style, docs::page(&rows)),
            home: Asset::page(HTML, &style, HOME.replace("{style}", docs::STYLE)),
            demo_files: Vec::new(),
        }
    }

    /// Puts the demo of the site with this key in place of the front page.
    pub fn show_demo(&mut self, origins: &Origins, site_key: &str) {
        let policy = Policy::of_own(origins.own().iter().map(|origin| &**origin));
        self.home = Asset::page(HTML, &policy, DEMO.replace("{site_key}", &docs::escaped(site_key)));
        let file = |(name, content_type, text)| (name, Asset::page(content_type, &policy, text));
        self.demo_files = DEMO_FILES.map(file).into();
    }

    /// A file of the demo; none when there is no demo.
    pub fn demo_file(&self, name: &str) -> Option<&Asset> {
        self.demo_files.iter().find(|(known, _)| *known == name).map(|(_, file)| file)
    }
}
