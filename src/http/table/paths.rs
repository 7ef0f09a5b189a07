//! Which row of the table a path means: a tree by segments, built once.

use http::{Method, Uri};

use super::params::{PARAMS_MAX, Params, Spans, segments};
use super::route::Route;
use super::row::Row;

/// The rows of a table, by path.
#[derive(Default)]
pub struct Paths {
    root: Segment,
}

#[derive(Default)]
struct Segment {
    literals: Vec<(&'static str, Segment)>,
    /// What stands in braces takes any text but none.
    parameter: Option<Box<Segment>>,
    /// One a method.
    routes: Vec<&'static Route>,
}

/// A path that the table knows, with its rows.
pub struct Match<'a> {
    routes: &'a [&'static Route],
    spans: Spans,
}

impl Paths {
    /// A tree of these rows.
    ///
    /// # Panics
    /// When the table is wrong: two rows of the same method and path, or a path of too many parameters.
    pub fn new(routes: impl IntoIterator<Item = &'static Route>) -> Self {
        let mut paths = Self::default();
        for route in routes {
            let row = &route.row;
            let mut segment = &mut paths.root;
            let parameters = segments(row.path).filter(|part| part.starts_with('{')).count();
            assert!(parameters <= PARAMS_MAX, "{} has too many parameters", row.path);
            for part in segments(row.path) {
                segment = segment.child(part);
            }
            let twice = segment.routes.iter().any(|other| other.row.method == row.method);
            assert!(!twice, "{} {} stands twice in the table", row.method, row.path);
            segment.routes.push(route);
        }
        paths
    }

    /// The rows of this path; none: the table does not know it. Nothing is decoded: no literal and no id has a `%`.
    pub fn find(&self, path: &str) -> Option<Match<'_>> {
        let mut spans = Spans::default();
        let first = (!path.strip_prefix('/')?.is_empty()).then_some(1);
        let routes = self.root.find(path, first, &mut spans)?;
        Some(Match { routes, spans })
    }

    /// All rows, by path and method as they stand in the tree: the order of the API document.
    pub fn rows(&self) -> Vec<&'static Row> {
        let mut rows = Vec::new();
        self.root.collect(&mut rows);
        rows.sort_by_key(|row| (row.path, row.method.as_str()));
        rows
    }
}

impl Segment {
    fn child(&mut self, part: &'static str) -> &mut Segment {
        if part.starts_with('{') {
            return self.parameter.get_or_insert_default();
        }
        let index = match self.literals.iter().position(|(literal, _)| *literal == part) {
            Some(index) => index,
            None => {
                self.literals.push((part, Segment::default()));
                self.literals.len() - 1
            }
        };
        &mut self.literals[index].1
    }

    /// The rows of what is left of `path`: from byte `at`, or nothing. A literal goes before a parameter; where it
    /// leads nowhere the parameter is tried.
    fn find(&self, path: &str, at: Option<usize>, spans: &mut Spans) -> Option<&[&'static Route]> {
        let Some(at) = at else { return (!self.routes.is_empty()).then_some(self.routes.as_slice()) };
        let end = path[at..].find('/').map_or(path.len(), |length| at + length);
        let next = (end < path.len()).then_some(end + 1);
        let part = &path[at..end];
        let literal = self.literals.iter().find(|(literal, _)| *literal == part);
        if let Some(rows) = literal.and_then(|(_, segment)| segment.find(path, next, spans)) {
            return Some(rows);
        }
        let parameter = self.parameter.as_deref().filter(|_| !part.is_empty())?;
        let before = *spans;
        spans.push(at, end);
        let rows = parameter.find(path, next, spans);
        if rows.is_none() {
            *spans = before;
        }
        rows
    }

    fn collect(&self, rows: &mut Vec<&'static Row>) {
        rows.extend(self.routes.iter().map(|route| &route.row));
        self.literals.iter().for_each(|(_, segment)| segment.collect(rows));
        self.parameter.iter().for_each(|segment| segment.collect(rows));
    }
}

impl Match<'_> {
    /// The route of a method; HEAD is GET without a body.
    pub fn route(&self, method: &Method) -> Option<&'static Route> {
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        self.routes.iter().copied().find(|route| route.row.method == wanted)
    }

    /// The row of a method, or any of the path: all rows of a path let the same pages ask.
    pub fn row_or_any(&self, method: &Method) -> Option<&'static Row> {
        self.route(method).or_else(|| self.routes.first().copied()).map(|route| &route.row)
    }

    /// For `Allow` and preflights: `GET, HEAD, POST, OPTIONS`.
    pub fn methods(&self) -> String {
        let mut methods: Vec<&str> = self.routes.iter().map(|route| route.row.method.as_str()).collect();
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        methods.push("OPTIONS");
        methods.join(", ")
    }

    /// The path as the table writes it, for metrics and the log.
    pub fn pattern(&self) -> Option<&'static str> {
        self.routes.first().map(|route| route.row.path)
    }

    /// What stands in the path `uri`, by the names in `row`.
    pub fn params(&self, uri: &Uri, row: &'static Row) -> Params {
        Params { uri: uri.clone(), pattern: row.path, spans: self.spans }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::engine::reply::Reply;
    use crate::http::table::{BodyKind, Doc, Target, Who};

    const fn get(path: &'static str) -> Route {
        Route {
            row: Row {
                method: Method::GET,
                path,
                target: Target::Open,
                who: Who::Open,
                rates: &[],
                body: BodyKind::None,
                doc: Doc::NONE,
            },
            handler: |_| Box::pin(async { Ok(Reply::no_content()) }),
        }
    }

    static ROWS: &[Route] = &[
        get("/"),
        get("/visitors"),
        get("/visitors/{id}"),
        get("/visitors/me/page-views"),
        get("/visitors/{id}/block"),
        get("/conversations/{id}/messages/{message_id}/redact"),
    ];

    #[test]
    fn a_literal_goes_before_a_parameter_which_is_tried_where_the_literal_leads_nowhere() {
        let paths = Paths::new(ROWS);
        for (path, pattern, params) in [
            ("/", Some("/"), vec![]),
            ("/visitors", Some("/visitors"), vec![]),
            ("/visitors/vis_1", Some("/visitors/{id}"), vec![("id", "vis_1")]),
            ("/visitors/me", Some("/visitors/{id}"), vec![("id", "me")]),
            ("/visitors/me/page-views", Some("/visitors/me/page-views"), vec![]),
            ("/visitors/me/block", Some("/visitors/{id}/block"), vec![("id", "me")]),
            (
                "/conversations/c/messages/m/redact",
                Some("/conversations/{id}/messages/{message_id}/redact"),
                vec![("id", "c"), ("message_id", "m")],
            ),
            ("/conversations/c/messages/m", None, vec![]),
            ("/conversations", None, vec![]),
            ("/visitors/", None, vec![]),
            ("//visitors", None, vec![]),
            ("/visitors//block", None, vec![]),
            ("visitors", None, vec![]),
            ("", None, vec![]),
            ("*", None, vec![]),
        ] {
            let found = paths.find(path);
            let row = found.as_ref().and_then(|found| found.route(&Method::HEAD)).map(|route| &route.row);
            assert_eq!(row.map(|row| row.path), pattern, "{path}");
            if let Some((found, row)) = found.zip(row) {
                let given = found.params(&path.parse().unwrap(), row);
                for (name, value) in params {
                    assert_eq!(given.get(name), Some(value), "{path}");
                }
                assert_eq!(given.get("other"), None);
                assert!(found.route(&Method::POST).is_none());
            }
        }
    }
}
