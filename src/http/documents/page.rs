//! The page that shows the API: plain HTML made of the route table, without a script.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::openapi;
use super::served::STYLE;
use crate::errors::ErrorCode;
use crate::http::table::{BodyKind, Row, SchemaOf, Who};

/// The page of these rows.
pub(super) fn page(rows: &[&'static Row]) -> String {
    let mut by_tag: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by_tag.entry(row.doc.tag).or_default().push(row);
    }
    let links: String = by_tag.keys().map(|tag| format!("<a href=\"#{0}\">{0}</a>", escaped(tag))).collect();
    let groups: String = by_tag.iter().map(|(tag, rows)| group(tag, rows)).collect();
    let codes: String = ErrorCode::ALL.iter().map(|code| code_row(*code)).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Switchboard API</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<header><h1>Switchboard API</h1>\n\
         <p>Version {version}. As a document: <a href=\"/api/v1/openapi.json\">openapi.json</a>.</p>\n\
         <nav>{links}<a href=\"#errors\">errors</a></nav></header>\n<main>\n{groups}\
         <section id=\"errors\"><h2>errors</h2>\n<p>Every answer that is not a success has the body \
         <code>{{\"error\":{{\"code\",\"message\",\"details?\",\"request_id\",\"retry_after_ms?\"}}}}</code>.</p>\n\
         <table><thead><tr><th>Status</th><th>Code</th></tr></thead><tbody>{codes}</tbody></table></section>\n\
         </main>\n</body>\n</html>\n",
        version = env!("CARGO_PKG_VERSION"),
    )
}

fn group(tag: &str, rows: &[&Row]) -> String {
    let routes: String = rows.iter().map(|row| route(row)).collect();
    format!("<section id=\"{0}\"><h2>{0}</h2>\n{routes}</section>\n", escaped(tag))
}

fn route(row: &Row) -> String {
    let mut html = String::new();
    let method = row.method.as_str();
    let mut add =
        |text: std::fmt::Arguments<'_>| html.write_fmt(text).expect("a string takes what is written to it");
    add(format_args!(
        "<details><summary><span class=\"method {0}\">{method}</span> <code>{1}</code> <span>{2}</span></summary>\n<dl>",
        method.to_lowercase(),
        escaped(row.path),
        escaped(row.doc.summary),
    ));
    add(format_args!("<dt>Who</dt><dd>{}</dd>", who(row.who)));
    for query in row.doc.query {
        add(format_args!(
            "<dt><code>?{}=</code></dt><dd>{}</dd>",
            escaped(query.name),
            escaped(query.description)
        ));
    }
    if let Some(body) = body(row) {
        add(format_args!("<dt>Body</dt><dd>{}</dd>", escaped(&body)));
    }
    for answer in row.doc.answers {
        add(format_args!("<dt>{}</dt><dd>{}", answer.status, escaped(answer.description)));
        if let Some(schema) = answer.body.filter(SchemaOf::has_schema) {
            add(format_args!(" <code>{}</code>", escaped(&(schema.name)())));
        }
        add(format_args!("</dd>"));
    }
    for (status, codes) in openapi::errors(row) {
        let codes: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
        add(format_args!("<dt>{status}</dt><dd><code>{}</code></dd>", codes.join("</code> <code>")));
    }
    add(format_args!("</dl></details>\n"));
    html
}

fn who(who: Who) -> &'static str {
    match who {
        Who::Open => "everybody",
        Who::LogIn => "agents who log in, from pages of this server",
        Who::Site { in_query: false } => "a site, by <code>X-Site-Key</code>",
        Who::Site { in_query: true } => "a site, by <code>X-Site-Key</code> or <code>?site=</code>",
        Who::BearerOrLink => "visitors and agents, or everybody who has a signed link",
        Who::Socket => "visitors and agents, who prove themselves in the first frame",
        Who::Bearer { operator: true, .. } => "operators of the installation",
        Who::Bearer { visitor: true, agent: None, .. } => "visitors",
        Who::Bearer { visitor: true, agent: Some(_), .. } => "visitors and agents",
        Who::Bearer { visitor: false, agent, .. } => match agent {
            Some(domain::Role::Agent) => "agents",
            Some(domain::Role::Supervisor) => "supervisors and admins",
            Some(domain::Role::Admin) => "admins",
            None => "nobody",
        },
    }
}

fn body(row: &Row) -> Option<String> {
    let name = row.doc.request.map_or(String::new(), |schema| format!(" {}", (schema.name)()));
    match row.body {
        BodyKind::None => None,
        BodyKind::Json => Some(format!("application/json{name}")),
        BodyKind::OptionalJson => Some(format!("application/json{name}, may be missing")),
        BodyKind::Multipart => Some("multipart/form-data".to_owned()),
    }
}

fn code_row(code: ErrorCode) -> String {
    format!("<tr><td>{}</td><td><code>{}</code></td></tr>", code.status().as_u16(), code.as_str())
}

/// Text as text, between tags and in quoted attributes.
pub(crate) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(escaped("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    }
}
